"""From the parts of a body to STIX objects: what each format needs to know of the database is looked up here."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from accounts import sql
from indicators.actions.submissions import ClaimedSubmission
from indicators.sources import csv, formats, misp
from indicators.sources.items import Item
from indicators.sources.known import Known, Technique


def items_of(submission: ClaimedSubmission) -> list[Item]:
    """What a submission's parts become, in their order; a part that cannot be read is a refused item."""
    body = submission.body
    parts = formats.split(body, submission.format, max_bytes=len(body))
    adapter = _ADAPTERS.get(submission.format)
    if adapter is None:
        return [Item(f"objects/{number}", (part,)) for number, part in enumerate(parts)]
    return [
        *adapter(
            parts,
            organization_id=str(submission.organization_id),
            # When it came, not when it is ingested: what is tried again becomes the same again.
            now=submission.received_at,
            known=known_to(submission),
        )
    ]


_ADAPTERS = {"misp": misp.items, "csv": csv.items}


def known_to(submission: ClaimedSubmission) -> Known:
    """What the adapters of a submission's sender are told: one query, and one for each batch of its objects."""

    def held(object_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
        return {
            object_id: msgspec.json.decode(bytes(body))
            for object_id, body in sql.rows(
                "SELECT object_id, body FROM indicators_claim"
                f" WHERE community_id = %s AND organization_id = %s AND object_id = {sql.ONE_OF}"
                " AND withdrawn_at IS NULL",
                (submission.community_id, submission.organization_id, sql.joined(object_ids)),
            )
        }

    techniques = sql.rows(
        "SELECT atlas_id, object_id, phase FROM indicators_technique WHERE atlas_id IS NOT NULL ORDER BY atlas_id"
    )
    return Known({atlas_id: Technique(object_id, phase) for atlas_id, object_id, phase in techniques}, held)
