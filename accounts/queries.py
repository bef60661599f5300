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


CALLER = (
    "SELECT t.id AS token_id, t.organization_id AS token_organization_id, o.slug AS token_organization,"
    " t.scopes AS token_scopes, t.last_used_at AS token_last_used_at FROM accounts_token t"
    " JOIN accounts_organization o ON o.id = t.organization_id"
    " WHERE t.digest = %(digest)s AND t.revoked_at IS NULL"
    " AND (t.expires_at IS NULL OR t.expires_at > %(now)s)"
)
"""SQL for the row of `caller_of`, so that a query can tell who calls and what it may see in one round trip."""


def caller(*, secret: str, now: datetime, token_id: str | None = None) -> Caller | None:
    """The caller of a secret, or None if it is unknown, expired or revoked, or not that token's."""
    if not secrets.looks_like_secret(secret):
        return None
    return caller_of(
        sql.row(CALLER, {"digest": secrets.digest(secret), "now": now}), token_id=token_id, now=now
    )


def caller_of(row: sql.Row | None, *, token_id: str | None, now: datetime) -> Caller | None:
    """The caller of a row of `CALLER`, if it is that token's.

    `last_used_at` is moved at most once a minute: a poller must not cost a write a request.
    """
    if row is None or (token_id is not None and token_id.lower() != str(row[0])):
        return None
    if row[4] is None or now - row[4] > _LAST_USED_GRAIN:
        sql.execute("UPDATE accounts_token SET last_used_at = %s WHERE id = %s", (now, row[0]))
    return Caller(row[0], row[1], row[2], frozenset(row[3]))
