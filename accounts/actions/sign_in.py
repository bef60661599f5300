"""What changes how a person signs in, and who is told of it: an audit event and notices for each."""

from datetime import datetime, timedelta

from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.db import transaction

from accounts.actions.audit import record
from accounts.actions.notices import tell, tell_with_operator
from accounts.actor import Actor
from accounts.models import Member, Notice, Organization, Sector

QUIET = timedelta(minutes=15)
"""How long nobody is told again that a member was locked out; the audit trail has each."""
METHODS = {
    "totp": "an authenticator app",
    "webauthn": "a security key",
    "recovery_codes": "new recovery codes",
    "single-sign-on": "single sign-on",
}


def actor_of_member(member: Member) -> Actor:
    """The member as the audit trail names them."""
    return Actor(f"member:{member.get_username()}", member.organization_id)


@transaction.atomic
def signed_in(*, member: Member, methods: list[str], address: str | None, now: datetime) -> None:
    """Record that a member signed in, and by which methods."""
    record(
        by=actor_of_member(member),
        now=now,
        action="sign-in.done",
        target=_target(member),
        detail={"methods": methods, "address": address},
    )


@transaction.atomic
def tell_locked_out(*, member: Member, address: str | None, now: datetime) -> None:
    """Too many tries failed for a member at one address, by password or second factor."""
    kind, target = "sign-in.locked-out", _target(member)
    record(by=Actor("service:sign-in"), now=now, action=kind, target=target, detail={"address": address})
    if Notice.objects.filter(kind=kind, target=target, told_at__gt=now - QUIET).exists():
        return
    sentence = f"Sign-in as {member.get_username()} from {address or 'an unknown address'} failed too often and is locked"
    _tell(
        member,
        kind,
        f"{sentence} for a while. If that was not them, their password may be known.",
        now,
        address,
    )


def tell_method_added(*, member: Member, method: str, address: str | None, now: datetime) -> None:
    """A way to sign in was added; `method` is a key of `METHODS`."""
    _changed(member, "sign-in.method-added", f"added {METHODS[method]}", now, address, method=method)


def tell_method_removed(*, member: Member, method: str, address: str | None, now: datetime) -> None:
    """A way to sign in was removed."""
    _changed(member, "sign-in.method-removed", f"removed {METHODS[method]}", now, address, method=method)


def tell_recovery_code_used(*, member: Member, left: int, address: str | None, now: datetime) -> None:
    """A recovery code stood in for the second factor; so many are left."""
    _changed(
        member,
        "sign-in.recovery-code-used",
        f"used a recovery code, {left} are left",
        now,
        address,
        left=left,
    )


def tell_password_changed(*, member: Member, address: str | None, now: datetime) -> None:
    """A member changed their own password."""
    _changed(member, "sign-in.password-changed", "changed their password", now, address)


@transaction.atomic
def set_password(*, member: Member, password: str, by: Actor, now: datetime) -> None:
    """Give a member another password; their sessions end with it."""
    member.set_password(password)
    member.save(update_fields=["password"])
    kind = "sign-in.password-changed"
    record(by=by, now=now, action=kind, target=_target(member))
    _tell(member, kind, f"{member.get_username()} was given another password by {by.name}.", now, None)


@transaction.atomic
def reset_second_factor(*, member: Member, by: Actor, now: datetime) -> int:
    """Take all second factors and recovery codes away, for somebody who lost them; how many it were.

    Their sessions end at the next page; who must have a second factor sets one up after the next sign-in.
    """
    count, _ = Authenticator.objects.filter(user=member).delete()
    if count:
        kind = "sign-in.method-removed"
        record(by=by, now=now, action=kind, target=_target(member), detail={"method": "all"})
        sentence = f"All second factors of {member.get_username()} were removed by {by.name}."
        _tell(member, kind, sentence, now, None)
    return count


@transaction.atomic
def enrol_app(*, member: Member, by: Actor, now: datetime) -> str:
    """Give a member an authenticator app with a new secret, which is returned; instead of one that they have."""
    secret = str(generate_totp_secret())
    Authenticator.objects.filter(user=member, type=Authenticator.Type.TOTP).delete()
    TOTP.activate(member, secret)
    record(by=by, now=now, action="sign-in.method-added", target=_target(member), detail={"method": "totp"})
    return secret


@transaction.atomic
def _changed(
    member: Member, kind: str, what: str, now: datetime, address: str | None, **detail: object
) -> None:
    by = actor_of_member(member)
    record(by=by, now=now, action=kind, target=_target(member), detail=detail | {"address": address})
    _tell(
        member, kind, f"{member.get_username()} {what}, from {address or 'an unknown address'}.", now, address
    )


def _tell(member: Member, kind: str, sentence: str, now: datetime, address: str | None) -> None:
    """The member's organisation and the operator; of a superuser without one, the operator."""
    detail: dict[str, object] = {"member": member.get_username(), "address": address}
    if member.organization_id is not None:
        tell_with_operator(
            organization_id=member.organization_id,
            kind=kind,
            target=_target(member),
            sentence=sentence,
            now=now,
            detail=detail,
        )
        return
    for told in Organization.objects.filter(sector=Sector.OPERATOR).values_list("id", flat=True):
        tell(
            organization_id=told, kind=kind, target=_target(member), sentence=sentence, now=now, detail=detail
        )


def _target(member: Member) -> str:
    return f"member:{member.get_username()}"
