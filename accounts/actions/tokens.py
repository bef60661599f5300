"""Issue and revoke tokens."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import secrets
from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import Token


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
    """Make a token; its secret is returned here and never again. `quotas` by the names of its fields."""
    secret = secrets.make_secret()
    token = Token.objects.create(
        organization_id=organization_id,
        name=name,
        digest=secrets.digest(secret),
        scopes=sorted(scopes),
        created_at=now,
        expires_at=expires_at,
        **(quotas or {}),
    )
    record(
        by=by, now=now, action="token.issue", target=f"token:{token.id}", detail={"scopes": sorted(scopes)}
    )
    return token, secret


@transaction.atomic
def revoke(*, token_id: UUID, by: Actor, now: datetime) -> bool:
    """Revoke at once: the next request with it gets 401. False if it was revoked before."""
    changed = Token.objects.filter(id=token_id, revoked_at__isnull=True).update(revoked_at=now)
    if changed:
        record(by=by, now=now, action="token.revoke", target=f"token:{token_id}")
    return bool(changed)
