"""Nobody gets in without the second factor that they have, or must have."""

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import ResolverMatch, resolve, reverse
from django.urls.exceptions import Resolver404

from accounts.models import Member
from accounts.sign_in.rules import (
    KEYS,
    belongs_here,
    must_have_second_factor,
    second_factors,
    shown_in,
)
from accounts.sign_in.sealing import Unreadable

ANYBODY = frozenset({"account_login", "account_logout", "account_reset_password", "csp-report"})
"""Names of the URLs that are for the signed-out too."""
TO_SHOW = ANYBODY | {"mfa_reauthenticate", "mfa_reauthenticate_webauthn"}
"""What a session reaches that did not show the second factor which its member has."""
TO_SET_UP = ANYBODY | {
    "mfa_index",
    "mfa_activate_totp",
    "mfa_add_webauthn",
    "account_reauthenticate",
    "account_change_password",
}
"""What a member reaches who must have a second factor and has none."""


class SecondFactor:
    """Sends who has not passed their second factor to where they can; every request anew, so a change holds at once."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        return _stopped(request) or self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Say what is wrong where a page would show what does not open any more."""
        if isinstance(exception, Unreadable):
            return render(request, "account/unreadable.html", {"why": exception.messages[0]}, status=409)
        return None


def _stopped(request: HttpRequest) -> HttpResponse | None:
    member = request.user
    if not isinstance(member, Member) or not request.path_info.startswith("/admin/"):
        return None
    name = _name_of(request)
    if name in ANYBODY:
        return None
    if not belongs_here(member):
        return render(request, "account/no_place.html", status=403)
    factors = second_factors(member)
    if any(kind in KEYS for kind in factors.values()):
        if shown_in(request, member, factors) or name in TO_SHOW:
            return None
        return _sent_to(request, _asks_for(factors))
    if must_have_second_factor(member) and name not in TO_SET_UP:
        return _sent_to(request, "mfa_index")
    return None


def _asks_for(factors: dict[int, str]) -> str:
    return "mfa_reauthenticate" if "totp" in factors.values() else "mfa_reauthenticate_webauthn"


def _sent_to(request: HttpRequest, name: str) -> HttpResponse:
    target = reverse(name)
    if request.method == "GET" and "HX-Request" not in request.headers:
        target += f"?{urlencode({'next': request.get_full_path()})}"
    if "HX-Request" in request.headers:
        return HttpResponse(status=200, headers={"HX-Redirect": target})
    return HttpResponseRedirect(target)


def _name_of(request: HttpRequest) -> str | None:
    try:
        match: ResolverMatch = resolve(request.path_info)
    except Resolver404:
        return None
    return match.view_name
