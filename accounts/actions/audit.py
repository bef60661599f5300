"""The audit trail: one event in the transaction of every change."""

from datetime import datetime

from django.db import connection

from accounts.actor import Actor
from accounts.models import AuditEvent


class OutsideTransaction(RuntimeError):
    """An audit event was recorded outside the transaction of the change it speaks of."""


def record(
    *, by: Actor, now: datetime, action: str, target: str, detail: dict[str, object] | None = None
) -> None:
    """Write one audit event; the caller's transaction must be open."""
    if not connection.in_atomic_block:
        raise OutsideTransaction(action)
    AuditEvent.objects.create(
        at=now,
        actor=by.name,
        organization_id=by.organization_id,
        action=action,
        target=target,
        detail=detail or {},
    )
