"""From the parts of a body to STIX objects: what each format needs to know of the database is looked up here."""

from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from accounts import sql
from indicators.actions import detectors
from indicators.actions.detectors import Found
from indicators.actions.submissions import ClaimedSubmission
from indicators.models import BodyFormat
from indicators.sources import csv, formats, misp, ocsf
from indicators.sources.items import Item
from indicators.sources.known import Known, Technique
from indicators.stix.json import Refused

Campaigns = Callable[[], Mapping[str, str]]
"""The campaigns that the sender knows: ids by id and by case-folded name; asked only where a part names one."""


def make_ready(body_format: str) -> None:
    """Load what a format needs and takes seconds to load: nobody should wait for it behind a lock."""
    if body_format == BodyFormat.MISP:
        misp.load()


def items_of(
    submission: ClaimedSubmission, *, campaigns: Campaigns, now: datetime, most: int | None = None
) -> list[Item]:
    """What a submission's parts become, in their order; a part that cannot be read is a refused item.

    `most` items, where only the beginning of a file is looked at.
    """
    body = submission.body
    parts = formats.split(body, submission.format, max_bytes=len(body))
    if submission.format == BodyFormat.OCSF:
        return _findings(submission, parts[:most], campaigns, now)
    adapter = _ADAPTERS.get(submission.format)
    if adapter is None:
        return [Item(f"objects/{number}", (part,)) for number, part in enumerate(parts[:most])]
    found = adapter(
        parts,
        organization_id=str(submission.organization_id),
        # When it came, not when it is ingested: what is tried again becomes the same again.
        now=submission.received_at,
        known=known_to(submission),
    )
    return [*islice(found, most)]


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

    def said_before(object_ids: Sequence[str]) -> Set[str]:
        if not submission.offset or not object_ids:
            return frozenset()
        return {
            object_id
            for (object_id,) in sql.rows(
                "SELECT c.object_id FROM indicators_claim c"
                " JOIN indicators_submission p ON p.id = c.submission_id"
                " JOIN indicators_submission s ON s.upload_id = p.upload_id AND s.part > p.part"
                f" WHERE c.community_id = %s AND c.organization_id = %s AND c.object_id = {sql.ONE_OF}"
                " AND c.withdrawn_at IS NULL AND s.id = %s",
                (
                    *(submission.community_id, submission.organization_id, sql.joined(object_ids)),
                    submission.id,
                ),
            )
        }

    techniques = sql.rows(
        "SELECT atlas_id, object_id, phase FROM indicators_technique WHERE atlas_id IS NOT NULL ORDER BY atlas_id"
    )
    return Known(
        {atlas_id: Technique(object_id, phase) for atlas_id, object_id, phase in techniques},
        held,
        said_before,
    )


def _findings(
    submission: ClaimedSubmission, parts: Sequence[bytes], campaigns: Campaigns, now: datetime
) -> list[Item]:
    """Detection findings, each noted in the register with its detector."""
    items: list[Item] = []
    read: list[tuple[int, ocsf.Finding]] = []
    for number, part in enumerate(parts):
        place = f"findings/{number}"
        items.append(Item(place))
        try:
            read.append((number, ocsf.read(part)))
        except Refused as refusal:
            items[number] = Item(place, refusal=refusal)
    found = [_found(submission, finding) for _, finding in read]
    organization_id = submission.organization_id
    known = ocsf.Known(
        organization_id=str(organization_id),
        techniques={atlas_id: found.object_id for atlas_id, found in known_to(submission).techniques.items()},
        campaigns=campaigns() if any(finding.campaigns for _, finding in read) else {},
        created=detectors.created_of(
            community_id=submission.community_id,
            organization_id=organization_id,
            uids=[one.uid for one in found],
        ),
        rates=detectors.rates(organization_id=organization_id, keys={one.key for one in found}),
    )
    registered = detectors.meet(organization_id=organization_id, findings=found, now=now)
    for (number, finding), one in zip(read, found, strict=True):
        items[number] = replace(
            ocsf.item(finding, items[number].place, known), detector_id=registered[one.key]
        )
    detectors.note_findings(
        community_id=submission.community_id,
        organization_id=organization_id,
        submission_id=submission.id,
        findings=found,
        registered=registered,
        now=now,
    )
    return items


def _found(submission: ClaimedSubmission, finding: ocsf.Finding) -> Found:
    return Found(
        uid=finding.uid,
        analytic=finding.analytic_uid or finding.analytic_name or detectors.UNNAMED,
        analytic_version=finding.analytic_version or "",
        object_id=ocsf.indicator_id(str(submission.organization_id), finding.uid),
        created=finding.created,
        version=finding.version,
        state=finding.state,
        analytic_name=finding.analytic_name or "",
        method=finding.context.get("method", ""),
    )
