"""What allauth asks the project for: who may come in, how secrets are stored, and whom changes are told."""

from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from allauth.socialaccount.models import SocialLogin
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme

from accounts.actions import sign_in
from accounts.admin.fresh import proved_recently
from accounts.models import Member
from accounts.sign_in import sealing
from accounts.sign_in.lockout import address_of
from accounts.sign_in.rules import KEYS, belongs_here, must_have_second_factor

_TOLD = {
    "account/email/password_changed": (sign_in.tell_password_changed, {}),
    "account/email/password_set": (sign_in.tell_password_changed, {}),
    "mfa/email/totp_deactivated": (sign_in.tell_method_removed, {"method": "totp"}),
    "mfa/email/webauthn_added": (sign_in.tell_method_added, {"method": "webauthn"}),
    "mfa/email/webauthn_removed": (sign_in.tell_method_removed, {"method": "webauthn"}),
    "socialaccount/email/account_connected": (sign_in.tell_method_added, {"method": "single-sign-on"}),
    "socialaccount/email/account_disconnected": (sign_in.tell_method_removed, {"method": "single-sign-on"}),
}
"""What allauth would send by e-mail, by its template. Of apps and recovery codes it would do so after the
transaction only: views.py tells of those."""


class Accounts(DefaultAccountAdapter):  # type: ignore[misc]
    """Members sign in by username; nobody signs up; what would be an e-mail is a notice."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "username_password_mismatch": "The username or the password is wrong.",
        "too_many_login_attempts": "Too many tries failed. Wait ten minutes, and try again.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """Never: members are made by admins."""
        return False

    def pre_login(self, request: HttpRequest, user: Member, **more: Any) -> HttpResponse | None:
        """Whom nothing here is for does not get a session."""
        if not user.is_active or not belongs_here(user):
            return render(request, "account/no_place.html", {"refused": user.get_username()}, status=403)
        response: HttpResponse | None = super().pre_login(request, user, **more)
        return response

    def post_login(self, request: HttpRequest, user: Member, **more: Any) -> HttpResponse:
        """Record it."""
        methods = [
            str(record.get("type") or record["method"])
            for record in get_authentication_records(request, user)
        ]
        sign_in.signed_in(member=user, methods=methods, address=address_of(request), now=timezone.now())
        response: HttpResponse = super().post_login(request, user, **more)
        return response

    def add_message(
        self, request: HttpRequest, level: int, message_template: str | None = None, *given: Any, **more: Any
    ) -> None:
        """As allauth does, without "You have signed in as"."""
        if message_template not in {"account/messages/logged_in.txt", "account/messages/logged_out.txt"}:
            super().add_message(request, level, message_template, *given, **more)

    def is_safe_url(self, url: str | None) -> bool:
        """Only paths of ours: no other name of this machine, and no port beside."""
        return (
            bool(url)
            and str(url).startswith("/")
            and url_has_allowed_host_and_scheme(url, allowed_hosts=None)
        )

    def is_reauthentication_required(self, *, app: str, **more: Any) -> bool:
        """Signing in counts as a proof too, for as long as any."""
        return not proved_recently(self.request)

    def send_notification_mail(
        self, template_prefix: str, user: Member, context: Any = None, email: Any = None
    ) -> None:
        """Tell the organisation and the operator instead."""
        if template_prefix in _TOLD:
            told, named = _TOLD[template_prefix]
            told(member=user, address=address_of(self.request), now=timezone.now(), **named)  # type: ignore[operator]

    def send_mail(self, template_prefix: str, email: str, context: Any) -> None:
        """There is no mail server."""


class SecondFactors(DefaultMFAAdapter):  # type: ignore[misc]
    """Secrets are sealed; the last second factor stays with who must have one."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "incorrect_code": "This code is wrong or was used already. Wait for the next one.",
        "cannot_delete_authenticator": "Your role needs a second factor: add another one before you remove this.",
    }

    def encrypt(self, text: str) -> str:
        """Sealed."""
        return sealing.seal(text)

    def decrypt(self, encrypted_text: str) -> str:
        """Opened."""
        return sealing.unseal(encrypted_text)

    def get_totp_issuer(self) -> str:
        """What the app shows."""
        return str(settings.SERVICE_NAME)

    def get_totp_label(self, user: Member) -> str:
        """Whose code it is."""
        return user.get_username()

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """Not the last one of who must have one."""
        member = authenticator.user
        others = Authenticator.objects.filter(user=member, type__in=KEYS).exclude(pk=authenticator.pk)
        return not (isinstance(member, Member) and must_have_second_factor(member)) or others.exists()


class SingleSignOn(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """Who comes from the organisation's identity provider is matched to a member, or refused; never signed up."""

    def is_open_for_signup(self, request: HttpRequest, sociallogin: SocialLogin) -> bool:
        """Never."""
        return False

    def authenticate_by_email(self, sociallogin: SocialLogin) -> None:
        """Not allauth's way, which would take the password away."""

    def pre_social_login(self, request: HttpRequest, sociallogin: SocialLogin) -> None:
        """Find the member: by the link, else by an e-mail address that the provider verified, which makes the link."""
        said = sociallogin.account.extra_data
        subjects = {part["sub"] for part in said.values() if isinstance(part, dict) and "sub" in part}
        if len(subjects) != 1:
            # OpenID Connect Core 1.0 §5.3.2: the userinfo of somebody else must not be used.
            self._refuse(request, "The identity provider answered about two different people.")
        if sociallogin.state.get("process") == "connect":
            return
        if sociallogin.is_existing:
            if not sociallogin.user.is_active:
                self._refuse(request, "Your member account here is not active.")
            return
        addresses = {
            part["email"]
            for part in said.values()
            if isinstance(part, dict) and part.get("email_verified") is True and part.get("email")
        }
        if not addresses:
            self._refuse(request, "Your identity provider gave no verified e-mail address.")
        found = [
            member
            for address in addresses
            for member in Member.objects.filter(email__iexact=address, is_active=True).order_by("id")[:2]
        ]
        if len({member.pk for member in found}) != 1:
            self._refuse(
                request,
                "No active member here has your e-mail address."
                if not found
                else "Several members here have your e-mail address.",
            )
        with transaction.atomic():
            sociallogin.connect(request, found[0])

    def _refuse(self, request: HttpRequest, why: str) -> None:
        page = render(request, "socialaccount/refused.html", {"why": why}, status=403)
        raise ImmediateHttpResponse(page)
