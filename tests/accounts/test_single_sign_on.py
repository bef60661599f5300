"""Single sign-on: whom an identity provider sends is matched to a member, or refused; nobody is signed up."""

import time
from collections.abc import Iterator
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from allauth.socialaccount.models import SocialAccount

from accounts.models import Member, Notice, Organization
from tests.accounts.test_sign_in import PASSWORD, SECOND, Browser, is_in, member, quick_hashes, second
from tests.desk import code, give_app, sign_in
from tests.issuer import CLIENT_ID, CLIENT_SECRET, Issuer, issuing

pytestmark = pytest.mark.django_db
__all__ = ["quick_hashes"]
LEAVE, BACK = "/admin/account/single-sign-on/", "/admin/account/single-sign-on/callback/"


@pytest.fixture(scope="module")
def running() -> Iterator[Issuer]:
    with issuing() as issuer:
        yield issuer


@pytest.fixture
def issuer(running: Issuer, settings: Any) -> Issuer:
    settings.OIDC_ISSUER, settings.OIDC_NAME = running.url, "Hub Login"
    settings.SOCIALACCOUNT_PROVIDERS = {
        "openid_connect": {
            "OAUTH_PKCE_ENABLED": True,
            "APPS": [
                {
                    "provider_id": settings.OIDC_PROVIDER,
                    "name": "Hub Login",
                    "client_id": CLIENT_ID,
                    "secret": CLIENT_SECRET,
                    "settings": {"server_url": running.url},
                }
            ],
        }
    }
    return running


@pytest.fixture
def reader(db: None, quick_hashes: None) -> Member:
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    return member(hub, "reader")


def away(client: Browser, query: str = "") -> dict[str, str]:
    """Press the button; the parameters that the browser takes to the provider."""
    page = client.post(LEAVE + query)
    assert page.status_code == 200, page
    target = unescape(page.content.decode().split('content="0;url=')[1].split('"')[0])
    assert urlsplit(target).path == "/authorize"
    return {name: values[0] for name, values in parse_qs(urlsplit(target).query).items()}


def through(client: Browser, issuer: Issuer, *, query: str = "", **claims: Any) -> Any:
    """Away, and back as a person with these claims."""
    asked = away(client, query)
    given = issuer.person(challenge=asked["code_challenge"], **claims)
    return client.get(BACK, {"code": given, "state": asked["state"]})


PERSON: dict[str, Any] = {"sub": "u-1", "email": "Reader@hub.example", "email_verified": True}


def test_the_button_is_there_only_where_single_sign_on_is(
    reader: Member, issuer: Issuer, settings: Any
) -> None:
    there = Browser().get("/admin/login/").content.decode()
    settings.OIDC_ISSUER = ""
    client = Browser()

    assert "Sign in with Hub Login" in there
    assert "Sign in with" not in client.get("/admin/login/").content.decode()
    assert client.post(LEAVE).status_code == 404
    assert client.get(BACK).status_code == 404


def test_it_begins_with_a_button_of_ours_and_proves_itself_by_a_secret_of_this_browser(
    reader: Member, issuer: Issuer
) -> None:
    asked = away(Browser())

    assert Browser().get(LEAVE).status_code == 302
    assert asked["client_id"] == CLIENT_ID
    assert asked["redirect_uri"] == f"http://testserver{BACK}"
    assert asked["code_challenge_method"] == "S256"
    assert "openid" in asked["scope"].split()


def test_a_verified_address_finds_the_member_and_links_them(reader: Member, issuer: Issuer) -> None:
    client = Browser()

    answer = through(client, issuer, query="?next=/admin/account/", **PERSON)

    assert (answer.status_code, answer["Location"]) == (302, "/admin/account/")
    assert is_in(client)
    assert SocialAccount.objects.get().user_id == reader.pk
    assert "added single sign-on" in Notice.objects.get(kind="sign-in.method-added").sentence
    reader.refresh_from_db()
    assert reader.check_password(PASSWORD)


def test_the_link_finds_the_member_again_whatever_the_address(reader: Member, issuer: Issuer) -> None:
    through(Browser(), issuer, **PERSON)
    client = Browser()

    through(client, issuer, sub="u-1", email="new@hub.example", email_verified=False)

    assert is_in(client)
    assert SocialAccount.objects.count() == 1


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        (
            {"sub": "u-2", "email": "stranger@hub.example", "email_verified": True},
            "No active member here has",
        ),
        (
            {"sub": "u-2", "email": "reader@hub.example", "email_verified": False},
            "no verified e-mail address",
        ),
        (
            {"sub": "u-2", "email": "reader@hub.example", "email_verified": "false"},
            "no verified e-mail address",
        ),
        ({"sub": "u-2", "email": "reader@hub.example"}, "no verified e-mail address"),
        ({"sub": "u-2", "email": "", "email_verified": True}, "no verified e-mail address"),
        ({"sub": "u-2", "preferred_username": "reader"}, "no verified e-mail address"),
        (PERSON | {"userinfo": PERSON | {"sub": "u-9"}}, "two different people"),
    ],
)
def test_others_are_refused_with_the_reason_and_nobody_is_made(
    reader: Member, issuer: Issuer, claims: dict[str, Any], why: str
) -> None:
    client = Browser()

    answer = through(client, issuer, **claims)

    assert answer.status_code == 403
    assert why in answer.content.decode()
    assert not is_in(client)
    assert Member.objects.count() == 1
    assert not SocialAccount.objects.exists()


def test_an_address_of_two_members_signs_in_neither(reader: Member, issuer: Issuer) -> None:
    member(reader.organization, "reader", "reader-2")

    answer = through(Browser(), issuer, **PERSON)

    assert "Several members here have your e-mail address" in answer.content.decode()


def test_a_member_who_was_deactivated_is_refused_linked_or_not(reader: Member, issuer: Issuer) -> None:
    through(Browser(), issuer, **PERSON)
    Member.objects.update(is_active=False)

    linked = through(Browser(), issuer, **PERSON)
    unlinked = through(Browser(), issuer, **PERSON | {"sub": "u-5"})

    assert "is not active" in linked.content.decode()
    assert "No active member" in unlinked.content.decode()


def test_an_analyst_shows_a_second_factor_here_too(reader: Member, issuer: Issuer) -> None:
    analyst = member(reader.organization, "analyst")
    give_app(analyst)
    client = Browser()

    answer = through(client, issuer, sub="u-3", email="analyst@hub.example", email_verified=True)

    assert answer["Location"] == SECOND
    assert not is_in(client)
    assert second(client, code()).status_code == 302
    assert is_in(client)


def test_an_analyst_without_one_has_to_set_it_up(reader: Member, issuer: Issuer) -> None:
    member(reader.organization, "analyst")
    client = Browser()

    through(client, issuer, sub="u-3", email="analyst@hub.example", email_verified=True)

    assert client.get("/admin/")["Location"].startswith("/admin/account/?")


def test_a_sign_in_that_another_browser_began_does_not_count(reader: Member, issuer: Issuer) -> None:
    asked = away(Browser())
    given = issuer.person(challenge=asked["code_challenge"], **PERSON)
    victim = Browser()

    # The cookie of the session is not sent along from another site: one more step, from our own.
    first = victim.get(BACK, {"code": given, "state": asked["state"]})
    answer = victim.get(BACK, {"code": given, "state": asked["state"], "_redir": ""})

    assert 'http-equiv="refresh"' in first.content.decode()
    assert answer.status_code == 401
    assert not is_in(victim)


@pytest.mark.parametrize(
    "claims",
    [{"aud": "another client"}, {"iss": "https://evil.example"}, {"exp": int(time.time()) - 3600}],
)
def test_a_token_for_another_or_by_another_or_too_old_signs_nobody_in(
    reader: Member, issuer: Issuer, claims: dict[str, Any]
) -> None:
    client = Browser()

    answer = through(client, issuer, **PERSON | claims)

    assert answer.status_code == 401
    assert "You were not signed in" in answer.content.decode()
    assert not is_in(client)


def test_a_code_counts_once(reader: Member, issuer: Issuer) -> None:
    client = Browser()
    asked = away(client)
    given = issuer.person(challenge=asked["code_challenge"], **PERSON)
    client.get(BACK, {"code": given, "state": asked["state"]})
    again = Browser()
    other = away(again)

    answer = again.get(BACK, {"code": given, "state": other["state"]})

    assert answer.status_code == 401
    assert not is_in(again)


def test_no_way_through_leads_to_another_site(reader: Member, issuer: Issuer) -> None:
    answer = through(Browser(), issuer, query="?next=https://evil.example/", **PERSON)

    assert answer["Location"] == "/admin/"


def test_cancelling_there_is_said(reader: Member, issuer: Issuer) -> None:
    client = Browser()
    asked = away(client)

    answer = client.get(BACK, {"error": "access_denied", "state": asked["state"]})

    assert "You cancelled" in client.get(answer["Location"]).content.decode()


def test_a_provider_that_is_down_is_said(reader: Member, issuer: Issuer, settings: Any) -> None:
    app = settings.SOCIALACCOUNT_PROVIDERS["openid_connect"]["APPS"][0]
    app["settings"] = {"server_url": "http://127.0.0.1:9"}

    answer = Browser().post(LEAVE)

    assert answer.status_code == 502
    assert "does not answer as it should" in answer.content.decode()


def test_a_member_links_and_unlinks_at_the_desk(reader: Member, issuer: Issuer) -> None:
    client = Browser()
    sign_in(client, reader)

    through(client, issuer, query="?process=connect", sub="u-7", email="private@example.org")
    linked = SocialAccount.objects.get()
    page = client.get("/admin/account/single-sign-on/links/").content.decode()
    client.post("/admin/account/single-sign-on/links/", {"account": str(linked.pk)})

    assert linked.user_id == reader.pk
    assert "Your account is linked to" in page
    assert not SocialAccount.objects.exists()
    assert Notice.objects.filter(kind="sign-in.method-removed").exists()


def test_what_is_somebody_elses_link_is_not_taken(reader: Member, issuer: Issuer) -> None:
    through(Browser(), issuer, **PERSON)
    other = member(reader.organization, "submitter")
    client = Browser()
    sign_in(client, other)

    through(client, issuer, query="?process=connect", **PERSON)

    assert SocialAccount.objects.get().user_id == reader.pk
