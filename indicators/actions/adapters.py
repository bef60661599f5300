"""From the parts of a body to STIX objects: what each format needs to know of the database is looked up here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from indicators.actions import detectors
from indicators.actions.detectors import Found
from indicators.actions.submissions import ClaimedSubmission
from indicators.models import BodyFormat, Technique
from indicators.sources import formats, ocsf
from indicators.sources.items import Item
from indicators.stix.json import Refused

Campaigns = Callable[[], Mapping[str, str]]
"""The campaigns that the sender knows: ids by id and by case-folded name; asked only where a part names one."""


def items_of(submission: ClaimedSubmission, *, campaigns: Campaigns, now: datetime) -> list[Item]:
    """What a submission's parts become, in their order; a part that cannot be read is a refused item."""
    body = submission.body
    parts = formats.split(body, submission.format, max_bytes=len(body))
    if submission.format == BodyFormat.OCSF:
        return _findings(submission, parts, campaigns, now)
    return [Item(f"objects/{number}", (part,)) for number, part in enumerate(parts)]


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
        techniques=_techniques(),
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


def _techniques() -> dict[str, str]:
    """The service's attack-patterns by ATLAS id."""
    found = Technique.objects.filter(atlas_id__isnull=False).values_list("atlas_id", "object_id")
    return {atlas_id: object_id for atlas_id, object_id in found if atlas_id}
