"""Fresh proof of identity: asked for before what an unwatched screen must not be enough for."""

from urllib.parse import urlencode, urlsplit

from allauth.account.adapter import get_adapter
from allauth.account.authentication import get_authentication_records
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.models import Member

NOTHING_DONE = "Nothing was changed yet: confirm that it is you, then send it again."


def ask_again(request: HttpRequest) -> HttpResponse | None:
    """A redirect to where the member proves who they are, and back; None if they did so within the last minutes.

    Call it before anything is done. Signing in, a password and a second factor count for
    settings.ACCOUNT_REAUTHENTICATION_TIMEOUT seconds. What was posted is let go, not replayed: the member comes back to
    the page of the form, and sends it again.
    """
    if proved_recently(request):
        return None
    if request.method not in {"GET", "HEAD"}:
        messages.warning(request, NOTHING_DONE)
    target = f"{_where(request)}?{urlencode({'next': _page_of(request)})}"
    if "HX-Request" in request.headers:
        # htmx would put the redirected page into a piece of this one.
        return HttpResponse(status=200, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)


def proved_recently(request: HttpRequest) -> bool:
    """Whether the signed-in member gave a password, a second factor or a sign-in of their organisation just now."""
    member = request.user
    if not isinstance(member, Member) or not member.is_active:
        return False
    now = timezone.now().timestamp()
    ages = [now - record["at"] for record in get_authentication_records(request, member)]
    # A proof from the future is none: the clock was set back since.
    return any(0 <= age < settings.ACCOUNT_REAUTHENTICATION_TIMEOUT for age in ages)


def _where(request: HttpRequest) -> str:
    """The page for the first of the member's ways to prove themselves; who has none signs in anew."""
    methods = get_adapter(request).get_reauthentication_methods(request.user)
    return str(methods[0]["url"]) if methods else reverse("account_login")


def _page_of(request: HttpRequest) -> str:
    """The page that the request belongs to, as a path of ours: what is posted has none of its own."""
    if request.method in {"GET", "HEAD"} and "HX-Request" not in request.headers:
        return request.get_full_path()
    came_from = request.headers.get("HX-Current-URL") or request.headers.get("Referer") or ""
    ours = url_has_allowed_host_and_scheme(
        came_from, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    parts = urlsplit(came_from) if ours else urlsplit("")
    if not parts.path.startswith("/admin/"):
        return reverse("admin:index")
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
