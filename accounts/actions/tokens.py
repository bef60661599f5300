"""Issue, change, rotate and revoke tokens.

`within`, where an action takes it, is the organisation whose tokens may be touched; a token of another one is
`Unknown`, as one that is not there. None: any.
"""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import secrets
from accounts.actions.audit import record
from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.models import Organization, Scope, Token

QUOTAS = ("requests_per_minute", "objects_per_hour", "bytes_per_hour")


@transaction.atomic
def issue(
    *,
    organization_id: UUID,
    name: str,
    scopes: Sequence[str],
    by: Actor,
    now: datetime,
    expires_at: datetime | None = None,
    quotas: Mapping[str, int | None] | None = None,
) -> tuple[Token, str]:
    """Make a token; its secret is returned here and never again. `quotas` by the names of its fields. Or `Invalid`."""
    name = name.strip()
    if not name:
        raise Invalid("name", "Give it a name, such as the program that will use it.")
    _check(scopes, expires_at, now)
    # So that two of one name are told apart by an answer, not by an error of the database.
    Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    if _standing(organization_id, name):
        raise Invalid(
            "name", f"There is a token “{name}” already: rotate it, revoke it, or take another name."
        )
    token, secret = _make(
        id=uuid.uuid4(),
        organization_id=organization_id,
        name=name,
        scopes=scopes,
        expires_at=expires_at,
        quotas=quotas or {},
        now=now,
    )
    record(
        by=by,
        now=now,
        action="token.issue",
        target=f"token:{token.id}",
        detail={"organization": str(organization_id), "name": name, **_written(token)},
    )
    return token, secret


@transaction.atomic
def change(
    *,
    token_id: UUID,
    scopes: Sequence[str],
    expires_at: datetime | None,
    quotas: Mapping[str, int | None],
    by: Actor,
    now: datetime,
    within: UUID | None = None,
) -> bool:
    """Give a token other scopes, another end or other quotas; False if it has them already. Or `Invalid`."""
    token = _locked(token_id, within)
    if token.revoked_at is not None:
        raise Invalid("", "It was revoked; issue another one.")
    if expires_at != token.expires_at:
        _check(scopes, expires_at, now)
        if token.replaced_by_id is not None:
            raise Invalid(
                "expires_at", "It was rotated and ends when its overlap does; revoke it to end it now."
            )
    else:
        _check(scopes, None, now)
    before = _written(token)
    token.scopes, token.expires_at = sorted(scopes), expires_at
    for name, quota in quotas.items():
        setattr(token, name, quota)
    after = _written(token)
    if after == before:
        return False
    token.save(update_fields=["scopes", "expires_at", *quotas])
    changed = {name for name in after if after[name] != before[name]}
    record(
        by=by,
        now=now,
        action="token.change",
        target=f"token:{token_id}",
        detail={
            "name": token.name,
            "before": {name: before[name] for name in sorted(changed)},
            "after": {name: after[name] for name in sorted(changed)},
        },
    )
    return True


@transaction.atomic
def rotate(
    *,
    token_id: UUID,
    old_until: datetime,
    by: Actor,
    now: datetime,
    expires_at: datetime | None = None,
    within: UUID | None = None,
) -> tuple[Token, str]:
    """Make the token that takes another's place, with its name, scopes and quotas; with its secret, never told again.

    Both work until `old_until`, the old one no longer than it would have; from `now` on or before, the old one is
    revoked at once. Or `Invalid`.
    """
    # The organisation before its tokens, as `issue` takes them.
    found = Token.objects.filter(id=token_id).values_list("organization_id", flat=True).first()
    if found is None:
        raise Unknown(str(token_id))
    Organization.objects.select_for_update(no_key=True).get(id=found)
    old = _locked(token_id, within)
    _check_works(old, now)
    if old.replaced_by_id is not None:
        raise Invalid("", "It was rotated before; rotate the token that took its place.")
    _check(old.scopes, expires_at, now)
    new_id = uuid.uuid4()
    # The name is free only once the old one is replaced; who refers to whom is looked at when all is written.
    old.replaced_by_id = new_id
    if old_until <= now:
        old.revoked_at = now
    else:
        old.expires_at = old_until if old.expires_at is None else min(old_until, old.expires_at)
    old.save(update_fields=["replaced_by", "revoked_at", "expires_at"])
    token, secret = _make(
        id=new_id,
        organization_id=old.organization_id,
        name=old.name,
        scopes=old.scopes,
        expires_at=expires_at,
        quotas={name: getattr(old, name) for name in QUOTAS},
        now=now,
    )
    record(
        by=by,
        now=now,
        action="token.rotate",
        target=f"token:{token_id}",
        detail={
            "name": old.name,
            "organization": str(old.organization_id),
            "replaced_by": str(new_id),
            "works_until": (old.revoked_at or old.expires_at or now).isoformat(),
            "expires_at": None if expires_at is None else expires_at.isoformat(),
        },
    )
    return token, secret


@transaction.atomic
def revoke(*, token_id: UUID, by: Actor, now: datetime, within: UUID | None = None) -> bool:
    """Revoke at once: the next request with it gets 401. False if it was revoked before."""
    token = _locked(token_id, within)
    if token.revoked_at is not None:
        return False
    token.revoked_at = now
    token.save(update_fields=["revoked_at"])
    record(by=by, now=now, action="token.revoke", target=f"token:{token_id}", detail={"name": token.name})
    return True


def _make(
    *,
    id: UUID,  # noqa: A002 - the field's name
    organization_id: UUID,
    name: str,
    scopes: Sequence[str],
    expires_at: datetime | None,
    quotas: Mapping[str, int | None],
    now: datetime,
) -> tuple[Token, str]:
    secret = secrets.make_secret()
    token = Token.objects.create(
        id=id,
        organization_id=organization_id,
        name=name,
        digest=secrets.digest(secret),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=expires_at,
        **quotas,
    )
    return token, secret


def _locked(token_id: UUID, within: UUID | None) -> Token:
    token = Token.objects.select_for_update(no_key=True).filter(id=token_id).first()
    if token is None or (within is not None and token.organization_id != within):
        raise Unknown(str(token_id))
    return token


def _standing(organization_id: UUID, name: str) -> bool:
    return Token.objects.filter(
        organization_id=organization_id, name=name, revoked_at__isnull=True, replaced_by__isnull=True
    ).exists()


def _check(scopes: Sequence[str], expires_at: datetime | None, now: datetime) -> None:
    if not scopes or not set(scopes) <= set(Scope.values):
        raise Invalid("scopes", f"Choose at least one of {', '.join(Scope.values)}.")
    if expires_at is not None and expires_at <= now:
        raise Invalid("expires_at", "That is past already.")


def _check_works(token: Token, now: datetime) -> None:
    if token.revoked_at is not None:
        raise Invalid("", "It was revoked; issue another one.")
    if token.expires_at is not None and token.expires_at <= now:
        raise Invalid("", "It has expired; revoke it and issue another one.")


def _written(token: Token) -> dict[str, object]:
    """What may be changed of a token, as the audit trail has it; quotas only where it has its own."""
    return {
        "scopes": list(token.scopes),
        "expires_at": None if token.expires_at is None else token.expires_at.isoformat(),
        **{name: getattr(token, name) for name in QUOTAS},
    }
