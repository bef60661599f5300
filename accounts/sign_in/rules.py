"""Who must have a second factor, who has one, and whether it was shown in this session."""

from allauth.account.authentication import get_authentication_records
from allauth.mfa.models import Authenticator
from django.http import HttpRequest

from accounts.models import Member, Role

KEYS = (Authenticator.Type.TOTP, Authenticator.Type.WEBAUTHN)
"""What is a second factor by itself; recovery codes only stand in for one."""


def belongs_here(member: Member) -> bool:
    """Whether there is anything for this person: members of an organisation, and superusers."""
    return member.organization_id is not None or member.is_superuser


def must_have_second_factor(member: Member) -> bool:
    """Analysts and admins of any organisation, and superusers; the others may add one."""
    return member.is_superuser or member.role in {Role.ANALYST, Role.ADMIN}


def second_factors(member: Member) -> dict[int, str]:
    """The member's second factors and recovery codes: type by id."""
    return dict(Authenticator.objects.filter(user=member).values_list("id", "type"))


def shown_in(request: HttpRequest, member: Member, factors: dict[int, str]) -> bool:
    """Whether one of these factors was shown in this session; one that is gone since does not count."""
    return any(
        record.get("method") == "mfa" and record.get("id") in factors
        for record in get_authentication_records(request, member)
    )
