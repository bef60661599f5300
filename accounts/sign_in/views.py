"""The pages of signing in that are not allauth's alone."""

from typing import Any
from urllib.parse import urlsplit

import requests
from allauth.account.internal.flows.login import record_authentication
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.views import IndexView
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.views import GenerateRecoveryCodesView
from allauth.mfa.totp.views import ActivateTOTPView
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from allauth.socialaccount.models import SocialAccount
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from allauth.socialaccount.providers.openid_connect import views as openid_connect
from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from accounts.actions import sign_in
from accounts.models import Member
from accounts.sign_in.lockout import address_of
from accounts.sign_in.rules import KEYS, must_have_second_factor


class YourSignIn(IndexView):  # type: ignore[misc]
    """How the member signs in, and what may be changed of it."""

    def get_context_data(self, **more: Any) -> dict[str, Any]:
        """With why there is no way on from here, if that is so."""
        context: dict[str, Any] = super().get_context_data(**more)
        member = self.request.user
        assert isinstance(member, Member)
        has = any(kind in KEYS for kind in context["authenticators"])
        context["missing"] = must_have_second_factor(member) and not has
        context["has_second_factor"] = has
        context["links"] = list(SocialAccount.objects.filter(user=member).order_by("id"))
        return context


def _told_added(request: HttpRequest, method: str) -> None:
    member = request.user
    assert isinstance(member, Member)
    sign_in.tell_method_added(member=member, method=method, address=address_of(request), now=timezone.now())


def _shown(request: HttpRequest, kind: str) -> None:
    """What was just set up was shown as well: this session need not show it again."""
    member = request.user
    assert isinstance(member, Member)
    factor = Authenticator.objects.filter(user=member, type=kind).order_by("-id").first()
    if factor is not None:
        record_authentication(request, member, "mfa", id=factor.pk, type=factor.type)


class SetUpApp(ActivateTOTPView):  # type: ignore[misc]
    """An authenticator app."""

    def form_valid(self, form: Any) -> HttpResponse:
        """It counts as shown."""
        response: HttpResponse = super().form_valid(form)
        _shown(self.request, Authenticator.Type.TOTP)
        _told_added(self.request, "totp")
        return response


class NewCodes(GenerateRecoveryCodesView):  # type: ignore[misc]
    """New recovery codes in place of the old ones."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Tell of it."""
        response: HttpResponse = super().form_valid(form)
        _told_added(self.request, "recovery_codes")
        return response


class AddKey(AddWebAuthnView):  # type: ignore[misc]
    """A security key."""

    def form_valid(self, form: Any) -> HttpResponse:
        """It counts as shown."""
        response: HttpResponse = super().form_valid(form)
        _shown(self.request, Authenticator.Type.WEBAUTHN)
        return response


class RemoveKey(RemoveWebAuthnView):  # type: ignore[misc]
    """A security key goes, unless it is the last second factor of who must have one."""

    def form_valid(self, form: Any) -> HttpResponse:
        """Ask the rule that apps are asked too."""
        if not get_adapter().can_delete_authenticator(self.get_object()):
            messages.error(self.request, get_adapter().error_messages["cannot_delete_authenticator"])
            return HttpResponseRedirect(reverse("mfa_index"))
        response: HttpResponse = super().form_valid(form)
        return response


@never_cache
def leave(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """Go to the identity provider, by a page of ours: the policy lets no form lead to another host."""
    if not settings.OIDC_ISSUER:
        raise Http404
    if request.method != "POST":
        return HttpResponseRedirect(reverse("account_login"))
    try:
        response: HttpResponseBase = openid_connect.login(request, provider_id=provider_id)
    except (requests.RequestException, OAuth2Error, KeyError, ValueError):
        return _unreachable(request)
    target = response.headers.get("Location", "")
    if response.status_code != 302 or not urlsplit(target).netloc:
        return response
    context = {"target": target, "host": urlsplit(target).hostname}
    return render(request, "socialaccount/leave.html", context)


@never_cache
def come_back(request: HttpRequest, provider_id: str) -> HttpResponseBase:
    """From the identity provider, with a code that it takes back for who this is."""
    if not settings.OIDC_ISSUER:
        raise Http404
    try:
        response: HttpResponseBase = openid_connect.callback(request, provider_id=provider_id)
    except (requests.RequestException, OAuth2Error, KeyError, ValueError):
        return _unreachable(request)
    return response


def _unreachable(request: HttpRequest) -> HttpResponse:
    why = "Your identity provider does not answer as it should. Try again, or tell the operator."
    return render(request, "socialaccount/refused.html", {"why": why}, status=502)
