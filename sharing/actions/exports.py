"""Exports are told in the audit trail: who took how much of what, for whom; never what was looked for."""

from collections.abc import Sequence
from datetime import datetime

from django.db import transaction

from accounts.actions.audit import record
from accounts.actor import Actor
from sharing.actions import giving
from sharing.exports import DESK_TLP, Audience


@transaction.atomic
def export(
    *,
    audience: Audience | None,
    file_format: str,
    looked_for: Sequence[str],
    count: int,
    subject_ids: Sequence[int] = (),
    by: Actor,
    now: datetime,
) -> None:
    """Record an export of `count` objects, those of these subjects, for an audience; of the desk's own list if None."""
    if audience is not None and by.organization_id is not None:
        giving.note_export(
            collection_id=audience.id,
            organization_id=by.organization_id,
            member=by.name.removeprefix("member:"),
            subject_ids=subject_ids,
            now=now,
        )
    record(
        by=by,
        now=now,
        action="search.export",
        target="desk" if audience is None else f"collection:{audience.id}",
        detail={
            "format": file_format,
            "tlp": DESK_TLP if audience is None else audience.tlp,
            "looked_for": sorted(set(looked_for)),
            "count": count,
        },
    )
