"""Grades: how reliable an organisation is as a source, with their history."""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import Grade, Organization, Reliability


def first_grade(*, organization: Organization, by: Actor, now: datetime) -> None:
    """Begin the history of a new organisation."""
    Grade.objects.create(
        organization=organization,
        reliability=organization.reliability,
        reason="first grade",
        graded_at=now,
        graded_by=by.name,
    )


@transaction.atomic
def grade(*, organization_id: UUID, reliability: str, reason: str, by: Actor, now: datetime) -> bool:
    """Give an organisation a grade; False if it has it already. Raises ValueError for an unknown one or no reason."""
    if reliability not in Reliability.values:
        raise ValueError(f"reliability: {reliability!r} is no Admiralty grade, A to F")
    if not reason.strip():
        raise ValueError("reason: say why")
    # No key lock: that would wait for whoever writes rows that refer to it, and they may wait for us.
    organization = Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    if organization.reliability == reliability:
        return False
    before, organization.reliability = organization.reliability, reliability
    organization.save(update_fields=["reliability"])
    Grade.objects.create(
        organization=organization,
        reliability=reliability,
        reason=reason.strip(),
        graded_at=now,
        graded_by=by.name,
    )
    record(
        by=by,
        now=now,
        action="organization.grade",
        target=f"organization:{organization_id}",
        detail={"before": before, "after": reliability, "reason": reason.strip()},
    )
    return True
