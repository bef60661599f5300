"""Members: invite, change, switch off and on, give a new start to their password and second factor. None is deleted.

`within`, where an action takes it, is the organisation whose members may be touched; one of another is `Unknown`, as
one that is not there. None: any.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import models, transaction

from accounts.actions import sign_in
from accounts.actions.audit import record
from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.models import Member, Organization, Role, Sector

DESK_ROLES = frozenset((Role.ANALYST, Role.ADMIN))
"""The roles with `is_staff`."""


@transaction.atomic
def invite(
    *,
    organization_id: UUID,
    username: str,
    email: str,
    role: str,
    by: Actor,
    now: datetime,
    roles: Sequence[str] = Role.values,
) -> Member:
    """Make a member who cannot sign in before a password is set. `roles`: those that may be given. Or `Invalid`."""
    username, email = username.strip(), email.strip()
    try:
        UnicodeUsernameValidator()(username)
    except ValidationError as error:
        raise Invalid("username", "Letters, digits and @ . + - _ only.") from error
    if len(username) > 150:
        raise Invalid("username", "150 characters at most.")
    if Member.objects.filter(username__iexact=username).exists():
        raise Invalid("username", "This name is taken.")
    _check(email, role, roles)
    member = Member(
        username=username,
        email=email,
        role=role,
        organization_id=organization_id,
        is_staff=role in DESK_ROLES,
        date_joined=now,
    )
    member.set_unusable_password()
    member.save()
    _record(member, "member.create", by, now, {"organization": str(organization_id), "role": role})
    return member


@transaction.atomic
def change(
    *,
    member_id: int,
    email: str,
    role: str,
    by: Actor,
    now: datetime,
    within: UUID | None = None,
    roles: Sequence[str] = Role.values,
) -> bool:
    """Give a member another address or role; False if nothing changes. `roles` as for `invite`. Or `Invalid`."""
    member = _locked(member_id, within)
    email = email.strip()
    _check(email, role, {*roles, member.role})
    before = {"email": member.email, "role": member.role}
    after = {"email": email, "role": role}
    changed = sorted(name for name in after if after[name] != before[name])
    if not changed:
        return False
    if role != Role.ADMIN:
        _keep_an_admin(member, "role")
    member.email, member.role, member.is_staff = email, role, role in DESK_ROLES
    member.save(update_fields=["email", "role", "is_staff"])
    _record(
        member,
        "member.change",
        by,
        now,
        {
            "before": {name: before[name] for name in changed},
            "after": {name: after[name] for name in changed},
        },
    )
    return True


@transaction.atomic
def set_active(*, member_id: int, active: bool, by: Actor, now: datetime, within: UUID | None = None) -> bool:
    """Let a member sign in again, or no longer: who is signed in is out with the next click. Or `Invalid`."""
    member = _locked(member_id, within)
    if member.is_active == active:
        return False
    if not active:
        if by.name == f"member:{member.username}":
            raise Invalid("", "You cannot switch yourself off; another admin can.")
        _keep_an_admin(member, "")
    member.is_active = active
    member.save(update_fields=["is_active"])
    _record(member, "member.activate" if active else "member.deactivate", by, now)
    return True


@transaction.atomic
def take_password(*, member_id: int, by: Actor, now: datetime, within: UUID | None = None) -> Member:
    """Make a member's password void, wherever they are signed in, so that they set another by a link. Or `Invalid`."""
    member = _locked(member_id, within)
    if not member.is_active:
        raise Invalid("", "Switch the member on first.")
    member.set_unusable_password()
    member.save(update_fields=["password"])
    _record(member, "member.password-link", by, now)
    return member


@transaction.atomic
def set_password(*, member_id: int, password: str, now: datetime) -> None:
    """A member sets the password that they will sign in with; what it must be like was looked at by the form."""
    member = _locked(member_id, None)
    member.set_password(password)
    member.save(update_fields=["password"])
    _record(member, "member.password", Actor(f"member:{member.username}", member.organization_id), now)


@transaction.atomic
def reset_second_factor(*, member_id: int, by: Actor, now: datetime, within: UUID | None = None) -> int:
    """Forget a member's authenticators, so that they set up new ones at their next sign-in; how many there were."""
    return sign_in.reset_second_factor(member=_locked(member_id, within), by=by, now=now)


def _locked(member_id: int, within: UUID | None) -> Member:
    member = Member.objects.select_for_update(no_key=True).filter(id=member_id).first()
    # A superuser is above every organisation, also the own one.
    if member is None or (within is not None and (member.organization_id != within or member.is_superuser)):
        raise Unknown(str(member_id))
    return member


def _check(email: str, role: str, roles: Sequence[str] | set[str]) -> None:
    if email:
        try:
            validate_email(email)
        except ValidationError as error:
            raise Invalid("email", "This is no e-mail address.") from error
    if role not in roles:
        raise Invalid("role", f"{role!r} is none of the roles that you may give: {', '.join(sorted(roles))}.")


def _keep_an_admin(member: Member, field: str) -> None:
    """`Invalid` if the operator would be left without an admin who may sign in."""
    if not is_operator_admin(member):
        return
    lock_operators()
    others = Member.objects.exclude(id=member.id)
    if not operator_admins(others):
        raise Invalid(field, "This is the operator's last active admin: make another one first.")


def lock_operators() -> None:
    """One at a time may take an admin from the operator."""
    list(
        Organization.objects.select_for_update(no_key=True)
        .filter(sector=Sector.OPERATOR)
        .order_by("id")
        .values_list("id")
    )


def operator_admins(members: models.QuerySet[Member]) -> int:
    """How many of these are active admins of the operator."""
    return members.filter(role=Role.ADMIN, is_active=True, organization__sector=Sector.OPERATOR).count()


def is_operator_admin(member: Member) -> bool:
    """Whether a member is an active admin of the operator."""
    return operator_admins(Member.objects.filter(id=member.id)) == 1


def _record(
    member: Member, action: str, by: Actor, now: datetime, detail: dict[str, object] | None = None
) -> None:
    record(by=by, now=now, action=action, target=f"member:{member.username}", detail=detail)
