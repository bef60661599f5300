"""Signing in at the desk, for tests.

sign_in(client, member)                     # Django's test client, as after password and second factor
session = desk_session(world, "analyst")    # a real one over HTTP, with TOTP
page.context.add_cookies(browser_cookies(world, "analyst"))  # the same in a browser
fields = shown(page.text)                   # what binds a decision to what its page showed
"""

import base64
import hashlib
import hmac
import re
import struct
import time
from typing import TYPE_CHECKING, Any

import requests
from django.http import HttpRequest
from django.test import Client

if TYPE_CHECKING:
    from accounts.models import Member
    from tests.world import World

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
"""What the authenticator app of a member that `sign_in` gives one makes its codes of."""
PERIOD = 30


def sign_in(client: Client, member: "Member", *, fresh: bool = True) -> Client:
    """Give a client a session of this member as after password and second factor; the client.

    A member without a second factor gets an authenticator app with `SECRET`. With `fresh=False` the proof is an hour
    old, so that `ask_again` asks.
    """
    from allauth.account.internal.flows.login import record_authentication

    factor = give_app(member)
    client.force_login(member)
    request = HttpRequest()
    request.session = client.session
    record_authentication(request, member, "password")
    record_authentication(request, member, "mfa", id=factor, type="totp")
    if not fresh:
        for record in request.session["account_authentication_methods"]:
            record["at"] -= 3600
    request.session.save()
    return client


def give_app(member: "Member") -> int:
    """Give a member an authenticator app with `SECRET`, unless there is one; the id of the factor."""
    from allauth.mfa.models import Authenticator

    from accounts.sign_in.sealing import seal

    factor, _ = Authenticator.objects.get_or_create(
        user=member, type=Authenticator.Type.TOTP, defaults={"data": {"secret": seal(SECRET)}}
    )
    return int(factor.pk)


def code(secret: str = SECRET, *, step: int = 0, at: float | None = None) -> str:
    """The code of an authenticator app (RFC 6238), or one so many half minutes later."""
    counter = int(time.time() if at is None else at) // PERIOD + step
    mac = hmac.digest(base64.b32decode(secret), struct.pack(">Q", counter), hashlib.sha1)
    value = struct.unpack(">I", mac[mac[-1] & 15 :][:4])[0] & 0x7FFFFFFF
    return f"{value % 10**6:06}"


def csrf_token(page: str) -> str:
    """The token in the form of a page."""
    found = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert found is not None, page[:500]
    return found[1]


def shown(page: str) -> dict[str, Any]:
    """The field by which a decision says what its page showed: of a case alone, or of all those of a dry run.

    Empty where the page shows nothing to decide. Boxes for other audiences are not ticked.
    """
    found = re.search(r'<input type="hidden" name="shown" value="([^"]*)"', page)
    return {} if found is None else {"shown": found[1]}


def desk_session(world: "World", username: str, *, anew: bool = False) -> requests.Session:
    """A session of this member at a running service; the same for all who ask, unless `anew`.

    Each code counts once, and two members in a half minute must not wait for the next one: so sessions are shared.
    """
    session = requests.Session()
    if not anew and username in world.desk_cookies:
        session.cookies.update(world.desk_cookies[username])
        return session
    enter(session, world, username)
    if not anew:
        world.desk_cookies[username] = session.cookies.copy()
    return session


def browser_cookies(world: "World", username: str, host: str = "127.0.0.1") -> list[dict[str, str]]:
    """The session of `desk_session` for Playwright: `page.context.add_cookies(browser_cookies(world, "analyst"))`."""
    url = f"http://{host}:{world.port}"
    return [
        {"name": cookie.name, "value": cookie.value or "", "url": url}
        for cookie in desk_session(world, username).cookies
    ]


def enter(session: requests.Session, world: "World", username: str, password: str = "") -> requests.Response:
    """Sign in with password and, if the member has one, second factor; the page after it."""
    from tests.world import ANALYST_PASSWORD

    world.app_of(username)
    page = session.get(f"{world.url}/admin/login/", params={"next": "/admin/"}, timeout=30)
    fields = {"login": username, "password": password or ANALYST_PASSWORD, "next": "/admin/"}
    page = _sent(session, page, f"{world.url}/admin/login/", **fields)
    if page.url.endswith("/admin/account/second-factor/"):
        page = _sent(session, page, page.url, code=world.code(username))
    return page


def _sent(session: requests.Session, page: requests.Response, url: str, **fields: str) -> requests.Response:
    return session.post(
        url,
        data=fields | {"csrfmiddlewaretoken": csrf_token(page.text)},
        headers={"Referer": page.url},
        timeout=60,
    )
