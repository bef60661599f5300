"""The audit trail: one event in the transaction of every change."""

from datetime import datetime

from django.db import connection
from psycopg.types.json import Jsonb

from accounts import sql
from accounts.actor import Actor


class OutsideTransaction(RuntimeError):
    """An audit event was recorded outside the transaction of the change it speaks of."""


def record(
    *, by: Actor, now: datetime, action: str, target: str, detail: dict[str, object] | None = None
) -> None:
    """Write one audit event, and queue it for the chain; the caller's transaction must be open."""
    if not connection.in_atomic_block:
        raise OutsideTransaction(action)
    # Linked later, by one at a time: here many write at once, and none must wait for another.
    sql.execute(
        "WITH event AS (INSERT INTO accounts_auditevent (at, actor, organization_id, action, target, detail)"
        " VALUES (%s, %s, %s, %s, %s, %s) RETURNING id)"
        " INSERT INTO accounts_auditpending (event_id) SELECT id FROM event",
        (now, by.name, by.organization_id, action, target, Jsonb(detail or {})),
    )
