"""From the parts of a body to STIX objects: what each format needs to know of the database is looked up here."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from accounts import sql
from indicators.actions import detectors
from indicators.actions.detectors import Found
from indicators.actions.submissions import ClaimedSubmission
from indicators.models import BodyFormat, Channel
from indicators.sources import csv, formats, misp, ocsf, signed
from indicators.sources.items import Item, not_understood
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
    if submission.format in _SIGNED:
        # What another server says beside its envelopes is not the word of whoever had it pulled.
        heeded = submission.channel != Channel.PULL
        return [
            Item(f"objects/{number}", (part,), signature=signature if heeded else None)
            for number, (part, signature) in enumerate(islice(_SIGNED[submission.format](body), most))
        ]
    parts = formats.split(body, submission.format, max_bytes=len(body))
    if submission.format == BodyFormat.OCSF:
        return _findings(submission, parts[:most], campaigns, now)
    found = _ADAPTERS[submission.format](
        parts,
        organization_id=str(submission.organization_id),
        # When it came, not when it is ingested: what is tried again becomes the same again.
        now=submission.received_at,
        known=known_to(submission),
    )
    return [*islice(found, most)]


_SIGNED = {"stix": signed.in_envelope, "ndjson": signed.in_lines}
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
        except Exception as error:  # noqa: BLE001 - one finding, not its neighbours
            items[number] = Item(place, refusal=not_understood(error, place))
    organization_id = submission.organization_id
    noted = detectors.noted(
        community_id=submission.community_id,
        organization_id=organization_id,
        uids=[finding.uid for _, finding in read],
    )
    # Of versions that come together the earliest is the first.
    first: dict[str, str] = {}
    for _, finding in read:
        first[finding.uid] = min(first.get(finding.uid, finding.created), finding.created)
    created = first | {uid: said[0] for uid, said in noted.items()}
    withdrawn = {uid: version for uid, (_, version, state) in noted.items() if state == ocsf.WITHDRAWN}
    held = _said_before(submission, noted)
    times = Counter(finding.uid for _, finding in read)
    known = ocsf.Known(
        organization_id=str(organization_id),
        techniques={atlas_id: found.object_id for atlas_id, found in known_to(submission).techniques.items()},
        campaigns=campaigns() if any(finding.campaigns for _, finding in read) else {},
        created=created,
        rates=detectors.rates(
            organization_id=organization_id, keys={finding.detector for _, finding in read}
        ),
        withdrawn=withdrawn,
        held=held,
    )
    found: list[tuple[int, Found]] = []
    for number, finding in read:
        try:
            items[number] = ocsf.item(finding, items[number].place, known)
        except Exception as error:  # noqa: BLE001 - one finding, not its neighbours
            place = items[number].place
            items[number] = Item(place, refusal=not_understood(error, place))
        if items[number].refusal is not None:
            continue
        found.append((number, _found(submission, finding, created[finding.uid])))
        if times[finding.uid] > 1:
            # Another version in the same body may withdraw it, or be late.
            _turn(withdrawn, finding)
            said = map(msgspec.json.decode, items[number].objects)
            _say(held, finding.uid, [one for one in said if "created_by_ref" in one])
    registered = detectors.meet(organization_id=organization_id, findings=[one for _, one in found], now=now)
    for number, one in found:
        items[number] = replace(items[number], detector_id=registered[one.key])
    detectors.note_findings(
        community_id=submission.community_id,
        organization_id=organization_id,
        submission_id=submission.id,
        findings=[one for _, one in found],
        registered=registered,
        now=now,
    )
    return items


def _said_before(submission: ClaimedSubmission, uids: Iterable[str]) -> dict[str, list[dict[str, Any]]]:
    """What findings that came before say, by uid: their objects that their source did not withdraw."""
    organization_id = str(submission.organization_id)
    own = {one: uid for uid in uids for one in ocsf.ids(organization_id, uid)}
    if not own:
        return {}
    said: dict[str, list[dict[str, Any]]] = {}
    names = sql.joined(own)
    for object_id, references, body in sql.rows(
        'SELECT object_id, "references", body FROM indicators_claim'
        " WHERE community_id = %s AND organization_id = %s AND NOT revoked"
        " AND erased_at IS NULL"
        f" AND (object_id = {sql.ONE_OF}"
        f""" OR object_id LIKE 'relationship--%%' AND "references" && {sql.LIST}) ORDER BY id""",
        (submission.community_id, submission.organization_id, names, names),
    ):
        uid = own.get(object_id) or next(own[target] for target in references if target in own)
        said.setdefault(uid, []).append(msgspec.json.decode(bytes(body)))
    return said


def _turn(withdrawn: dict[str, str], finding: ocsf.Finding) -> None:
    if finding.state == ocsf.WITHDRAWN:
        withdrawn[finding.uid] = max(finding.version, withdrawn.get(finding.uid, ""))
    elif finding.version >= withdrawn.get(finding.uid, finding.version):
        withdrawn.pop(finding.uid, None)


def _say(held: dict[str, list[dict[str, Any]]], uid: str, objects: Iterable[dict[str, Any]]) -> None:
    said = {one["id"]: one for one in (*held.get(uid, ()), *objects)}
    held[uid] = [one for one in said.values() if not one.get("revoked") and one["type"] != "opinion"]


def _found(submission: ClaimedSubmission, finding: ocsf.Finding, created: str) -> Found:
    analytic, version = finding.detector
    return Found(
        uid=finding.uid,
        analytic=analytic,
        analytic_version=version,
        object_id=ocsf.indicator_id(str(submission.organization_id), finding.uid),
        created=created,
        version=finding.version,
        state=finding.state,
        analytic_name=finding.analytic_name or "",
        method=finding.context.get("method", ""),
    )
