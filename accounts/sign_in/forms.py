"""Forms that take a second factor: one try of a member at a time, each code once, failures counted."""

from collections.abc import Callable
from hashlib import sha256
from typing import Any, TypeVar

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import AuthenticateWebAuthnForm, ReauthenticateWebAuthnForm
from django.conf import settings
from django.core.cache import cache
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from accounts.actions import sign_in
from accounts.models import Member
from accounts.sign_in.lockout import address_of, count_failure, refuse_locked_out

_LIFE = 30 * (2 * settings.MFA_TOTP_TOLERANCE + 1)
"""For how many seconds one code counts."""
_T = TypeVar("_T")


def _tried(member: Member, attempt: Callable[[], _T]) -> _T:
    """What an attempt returns. One that fails is counted; while the member is locked out here, there is none."""
    with transaction.atomic():
        # Two at a time could both pass with one code, and both be the last try before the lock-out.
        Member.objects.select_for_update(no_key=True).get(pk=member.pk)
        refuse_locked_out(context.request, member)
        try:
            return attempt()
        except ValidationError as error:
            failed = error
        # Not raised in here: the transaction would take the count back.
        count_failure(context.request, member)
    raise failed


def _used_up(member: Member, code: str) -> None:
    """Raise ValidationError if this code of an authenticator app was used already; from now on it was."""
    digest = sha256(code.replace(" ", "").encode()).hexdigest()
    if not cache.add(f"totp:{member.pk}:{digest}", True, _LIFE):
        raise get_adapter().validation_error("incorrect_code")


class _CodeOnce:
    """A code of an app or from the list of recovery codes."""

    user: Member
    authenticator: Authenticator
    cleaned_data: dict[str, Any]

    def clean_code(self) -> str:
        """The code, if it is right and was not used before."""
        return _tried(self.user, self._clean)

    def _clean(self) -> str:
        code: str = super().clean_code()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.TOTP:
            _used_up(self.user, code)
        return code

    def save(self) -> None:
        """Note that it was shown; a recovery code that was used up is told of."""
        super().save()  # type: ignore[misc]
        if self.authenticator.type == Authenticator.Type.RECOVERY_CODES:
            self.authenticator.refresh_from_db()
            sign_in.tell_recovery_code_used(
                member=self.user,
                left=len(self.authenticator.wrap().get_unused_codes()),
                address=address_of(context.request),
                now=timezone.now(),
            )


class SecondFactorForm(_CodeOnce, AuthenticateForm):  # type: ignore[misc]
    """While signing in."""


class SecondFactorAgainForm(_CodeOnce, ReauthenticateForm):  # type: ignore[misc]
    """To confirm that it is still the same person."""


class _KeyTried:
    user: Member

    def clean_credential(self) -> Authenticator:
        """The security key that answered."""
        return _tried(self.user, super().clean_credential)  # type: ignore[misc]


class KeyForm(_KeyTried, AuthenticateWebAuthnForm):  # type: ignore[misc]
    """While signing in, with a security key."""


class KeyAgainForm(_KeyTried, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    """To confirm that it is still the same person, with a security key."""


class ActivateAppForm(ActivateTOTPForm):  # type: ignore[misc]
    """The first code of a new app, which does not sign in as well."""

    def clean_code(self) -> str:
        """The code, if the app made it."""
        code: str = super().clean_code()
        _used_up(self.user, code)
        return code
