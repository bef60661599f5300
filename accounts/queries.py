"""Who is calling: one indexed look-up a request."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from accounts import secrets, sql
from accounts.actor import Actor

_LAST_USED_GRAIN = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated token and the organisation that it acts for."""

    token_id: UUID
    organization_id: UUID
    organization_slug: str
    scopes: frozenset[str]

    @property
    def actor(self) -> Actor:
        """How the audit trail names this caller."""
        return Actor(f"token:{self.token_id}", self.organization_id)


def caller(*, secret: str, now: datetime, token_id: str | None = None) -> Caller | None:
    """The caller of a secret, or None if it is unknown, expired or revoked, or not that token's.

    `last_used_at` is moved at most once a minute: a poller must not cost a write a request.
    """
    if not secrets.looks_like_secret(secret):
        return None
    found = sql.row(
        "SELECT t.id, t.organization_id, o.slug, t.scopes, t.last_used_at FROM accounts_token t"
        " JOIN accounts_organization o ON o.id = t.organization_id"
        " WHERE t.digest = %s AND t.revoked_at IS NULL AND (t.expires_at IS NULL OR t.expires_at > %s)",
        (secrets.digest(secret), now),
    )
    if found is None or (token_id is not None and token_id.lower() != str(found[0])):
        return None
    if found[4] is None or now - found[4] > _LAST_USED_GRAIN:
        sql.execute("UPDATE accounts_token SET last_used_at = %s WHERE id = %s", (now, found[0]))
    return Caller(found[0], found[1], found[2], frozenset(found[3]))
