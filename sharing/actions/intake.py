"""Intake: a received submission becomes entries of its collection, claims, and lines of a receipt, in one transaction.

claim the row → its items (indicators.actions.adapters) → per object: strict read, identity, privacy, its sender's
  own signature, ceiling
→ accepted or rejected with a reason
→ publication.append to the inbox or open collection → claims (absorb) → prompt templates compared (likeness)
→ what is on an allow-list → receipt lines → deliveries due → done
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any
from uuid import UUID

import structlog
from django.db import transaction

from accounts import faults, sql
from indicators.actions import adapters, allowlists, likeness, observations, raw, submissions
from indicators.actions.observations import Observed, absorb, subject_key
from indicators.actions.submissions import ClaimedSubmission
from indicators.dedup.sketches import Unreadable
from indicators.models import BodyFormat, Outcome
from indicators.patterns import PatternError
from indicators.privacy.check import CODES as PERSONAL_CODES
from indicators.privacy.check import check, may_hold
from indicators.sources import formats, signed
from indicators.sources.items import Item, further_on
from indicators.stix import json
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP
from indicators.stix.objects import read
from sharing import queries
from sharing.actions import barring, deliveries, publication, submitter_keys
from sharing.actions.introduction import publisher_id, service_ids
from sharing.actions.publication import Log, Placed, Signatures
from sharing.actions.submitter_keys import SubmitterKeys
from sharing.models import Kind
from sharing.release import policy
from sharing.signing import jws
from sharing.signing.keys import Signer
from sharing.tlog import submitters

log = structlog.get_logger(__name__)

_MOST_FAULTS = 10


@dataclass(slots=True)
class _Line:
    """A receipt line in the making; `raw` is the object, or the part of the body that became none."""

    raw: bytes
    place: str
    object_id: str
    version: str
    outcome: Outcome
    reason: str
    sentence: str
    observed: Observed | None = None
    note: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class _House:
    """The rules of the community and of the sender, and of the collection, for every object of a submission."""

    default_tlp: int
    takes_personal_data: bool
    takes_prompt_text: bool
    kind: str
    ceiling: int
    keys: SubmitterKeys


def ingest(*, submission_id: UUID, signer: Signer, now: datetime) -> UUID | None:
    """Ingest one submission; its community's id, or None if it is done or another worker has it."""
    adapters.make_ready(submissions.format_of(submission_id) or "")
    with transaction.atomic():
        submission = submissions.claim(submission_id)
        if submission is None:
            return None
        # One submission of an organisation at a time: its claims and its inbox change in one order.
        sql.lock(f"claims:{submission.community_id}:{submission.organization_id}")
        house = _house(submission)
        items = further_on(_items_of(submission, now), submission.offset)
        lines = [line for item in items for line in _lines_of(item, house)]
        _sign(lines, signer)
        _log_faults(submission_id, lines)
        holds_personal_data = _holds_personal_data(submission, lines, house)
        _refuse_service_ids(submission.community_id, lines)
        _refuse_lowering(submission, lines)
        barred = _refuse_barred(lines)
        if not house.takes_personal_data:
            _repeat_no_person(lines, house)
        accepted = [line for line in lines if line.observed is not None]
        (log,) = publication.lock([submission.collection_id])
        _append(log, submission, accepted, signer, now)
        _set_echoes_apart(accepted)
        # Where it was posted it stands as it was marked; what is claimed by it counts as an analyst said.
        observed = observations.overridden(
            community_id=submission.community_id,
            organization_id=submission.organization_id,
            observed=[line.observed for line in accepted if line.observed is not None],
        )
        arrived = likeness.arrivals(community_id=submission.community_id, observed=observed)
        subjects = absorb(
            community_id=submission.community_id,
            organization_id=submission.organization_id,
            submission_id=submission.id,
            observed=observed,
            now=now,
        )
        likeness.compare(community_id=submission.community_id, arrived=arrived, subjects=subjects, now=now)
        _say_what_is_listed(accepted, subjects)
        _write_receipt(submission.id, lines, subjects)
        # What is refused for what it holds, or would have been next, is not kept either.
        submissions.finish(
            submission_id=submission.id,
            keep_body=not holds_personal_data,
            counts=dict(Counter(str(line.outcome) for line in lines)),
            now=now,
        )
        if barred and not holds_personal_data:
            raw.cut_out(submission_id=submission.id, places=barred, now=now)
        deliveries.queue_receipts(
            submission_id=submission.id, organization_id=submission.organization_id, now=now
        )
    return submission.community_id


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What a part of a body would become: an object, or the reason why it would be refused."""

    place: str
    accepted: bool
    reason: str
    sentence: str
    note: str
    value: dict[str, Any]
    tlp: str


def foresee(*, submission: ClaimedSubmission, now: datetime, most: int) -> list[Foreseen]:
    """What a submission's first items would become, as far as its own text decides; nothing is stored."""
    adapters.make_ready(submission.format)
    with transaction.atomic():
        house = _house(submission)
        items = _items_of(submission, now, most=most)
        lines = [line for item in items for line in _lines_of(item, house)]
        _refuse_lowering(submission, lines)
        if not house.takes_personal_data:
            _repeat_no_person(lines, house)
        # Findings make their detectors known: not before they are submitted.
        transaction.set_rollback(True)
    return [
        Foreseen(
            line.place,
            line.outcome is not Outcome.REJECTED,
            line.reason,
            line.sentence,
            line.note,
            {} if line.observed is None else line.observed.object.value,
            "" if line.observed is None else TLP(line.observed.tlp).label.upper(),
        )
        for line in lines
    ]


def _items_of(submission: ClaimedSubmission, now: datetime, most: int | None = None) -> list[Item]:
    return adapters.items_of(
        submission,
        campaigns=lambda: queries.known_campaigns(submission.community_id, submission.organization_id),
        now=now,
        most=most,
    )


def _lines_of(item: Item, house: _House) -> list[_Line]:
    """A line for each object of an item, or one for the item where it became none; the first bears its notes."""
    if item.refusal is not None:
        code, sentence = item.refusal.code, item.refusal.sentence
        lines = [_Line(b"", item.place, item.place, "", Outcome.REJECTED, code, sentence)]
    elif not item.objects:
        said = "Read; there is nothing in it to share."
        lines = [_Line(b"", item.place, item.place, "", Outcome.DUPLICATE, "nothing-to-share", said)]
    else:
        lines = [_examine(item, raw, house) for raw in item.objects]
    lines[0].note = " ".join(item.notes)
    return lines


def _examine(item: Item, raw: bytes, house: _House) -> _Line:
    """Read one object; every refusal becomes a line, never an exception."""
    place = item.place
    try:
        stix = read(raw)
        key = subject_key(stix)
        if stix.type == likeness.TYPE:
            likeness.sketch_of(stix.value)
        if not house.takes_personal_data:
            check(stix, prompt_text=house.takes_prompt_text)
        # Last: of an object that is refused for something else, nothing is said of its signature.
        signature = house.keys.verified(item.signature, stix.body)
    except (json.Refused, PatternError, Unreadable) as refusal:
        object_id, modified, created = json.head(raw)
        code = "invalid-sketch" if isinstance(refusal, Unreadable) else "invalid-pattern"
        if isinstance(refusal, json.Refused):
            code = refusal.code
        version = modified or created or ""
        return _Line(raw, place, object_id or place, version, Outcome.REJECTED, code, refusal.sentence)
    except Exception as error:  # noqa: BLE001 - a fault of ours, and no reason to lose its neighbours with it
        object_id, modified, created = json.head(raw)
        return _Line(
            raw,
            place,
            object_id or place,
            modified or created or "",
            Outcome.REJECTED,
            "not-understood",
            "The service failed on this object, and its operator is told; the others were taken.",
            fault=faults.summary(error),
        )
    tlp = house.default_tlp if stix.tlp is None else int(stix.tlp)
    line = _Line(raw, place, stix.id, stix.version or "", Outcome.NEW, "accepted", "Accepted.")
    if house.kind == Kind.OPEN and tlp > house.ceiling:
        line.outcome, line.reason = Outcome.REJECTED, "above-ceiling"
        counts, takes = TLP(tlp).label.upper(), TLP(house.ceiling).label.upper()
        line.sentence = f"It counts as TLP:{counts}; this collection takes TLP:{takes} at most."
        return line
    line.observed = Observed(stix, tlp, key, "", item.detector_id, sender_signature=signature)
    return line


def _sign(lines: Sequence[_Line], signer: Signer) -> None:
    """Sign what was accepted, all at once: the signer is another process."""
    observed = [(line, line.observed) for line in lines if line.observed is not None]
    signatures = jws.sign_objects(signer, [one.object.body for _, one in observed])
    for (line, one), signature in zip(observed, signatures, strict=True):
        line.observed = one.signed(signature)


def _log_faults(submission_id: UUID, lines: Sequence[_Line]) -> None:
    """Each fault of ours once, not once for each of the hundred thousand objects that may lead to it."""
    places: dict[str, list[str]] = {}
    for line in lines:
        if line.fault:
            places.setdefault(line.fault, []).append(line.place)
    for fault, where in islice(places.items(), _MOST_FAULTS):
        log.error(
            "object_not_understood",
            submission=str(submission_id),
            place=where[0],
            objects=len(where),
            fault=fault,
        )


def _holds_personal_data(submission: ClaimedSubmission, lines: Sequence[_Line], house: _House) -> bool:
    """Whether a refused object was refused for that, or may hold it and was refused for something else first.

    Of what came in other clothes than STIX the objects hold only a part: the body itself is looked at.
    """
    if house.takes_personal_data:
        return False
    # What stands where a signature should is nobody's to read: it may be anything.
    if any(line.reason in {signed.MALFORMED, signed.MISALIGNED} for line in lines):
        return True
    if any(
        line.reason in PERSONAL_CODES or may_hold(line.raw, prompt_text=house.takes_prompt_text)
        for line in lines
        # What is above the ceiling was looked at.
        if line.outcome is Outcome.REJECTED and line.reason != "above-ceiling"
    ):
        return True
    return submission.format not in {BodyFormat.STIX, BodyFormat.NDJSON} and any(
        may_hold(part, prompt_text=house.takes_prompt_text)
        for part in formats.split(submission.body, submission.format, max_bytes=len(submission.body))
    )


def _repeat_no_person(lines: Sequence[_Line], house: _House) -> None:
    """What may name a person is not kept with its object; a receipt must not repeat it either."""

    def holds(text: str) -> bool:
        return may_hold(canonical({"description": text}), prompt_text=house.takes_prompt_text)

    for line in lines:
        rejected = line.outcome is Outcome.REJECTED
        if not rejected and not line.note:
            continue
        said = (line.object_id, line.version, line.sentence) if rejected else ()
        if not holds("\n".join((*said, line.note))):
            continue
        if holds(line.note):
            line.note = "What was left out is not repeated here: it may name a person."
        if rejected:
            line.object_id = line.place if holds(line.object_id) else line.object_id
            line.version = "" if holds(line.version) else line.version
            if holds(line.sentence):
                line.sentence = (
                    f"Refused as {line.reason}; the value is not repeated here: it may name a person."
                )


def _append(
    log: Log, submission: ClaimedSubmission, accepted: Sequence[_Line], signer: Signer, now: datetime
) -> None:
    """Put the accepted objects into the collection they were posted to; what stands there already is said so."""
    record = partial(
        submitters.record, organization=str(submission.organization_id), submission=str(submission.id)
    )
    unsigned = record()
    items = [
        publication.item_of(
            line.observed.object,
            tlp=line.observed.tlp,
            organization_id=submission.organization_id,
            record=record(jws=theirs) if (theirs := line.observed.sender_signature) else unsigned,
            signature=line.observed.signature,
        )
        for line in accepted
        if line.observed is not None
    ]
    placed = publication.append(log=log, items=items, signatures=Signatures(signer), now=now)
    for line, placement in zip(accepted, placed, strict=True):
        line.version = placement.version
        if placement.outcome is Placed.STOOD:
            line.outcome, line.reason = Outcome.DUPLICATE, "duplicate"
            line.sentence = "This version was received before; it stands once."
        elif placement.outcome is Placed.CONFLICT:
            line.outcome, line.reason = Outcome.REJECTED, "version-conflict"
            line.sentence = "Another object with this id and version was received before; that one stands."
            line.observed = None


def _refuse_service_ids(community_id: UUID, lines: Sequence[_Line]) -> None:
    """Nobody may speak under an id that the service made: what it published says only what the service says."""
    author = publisher_id()
    strangers: dict[str, list[_Line]] = {}
    for line in lines:
        if line.observed is not None and line.observed.object.value.get("created_by_ref") != author:
            strangers.setdefault(line.object_id, []).append(line)
    for (taken,) in sql.rows(
        "SELECT DISTINCT r.published_id FROM sharing_release r JOIN indicators_subject s ON s.id = r.subject_id"
        f" WHERE s.community_id = %s AND r.published_id = {sql.ONE_OF}"
        # An id that an identity leads to is a partner's, or an observable's.
        " AND NOT EXISTS (SELECT 1 FROM indicators_subject t"
        " WHERE t.community_id = s.community_id AND t.key = convert_to(r.published_id, 'UTF8'))",
        (community_id, sql.joined(strangers)),
    ):
        for line in strangers[taken]:
            line.observed, line.outcome, line.reason = None, Outcome.REJECTED, "service-id"
            line.sentence = (
                "This id belongs to an object of the service; send your own object under your own id."
            )


def _refuse_lowering(submission: ClaimedSubmission, lines: Sequence[_Line]) -> None:
    """Who brings in a file by hand, of the operator's people, lowers no TLP: that takes two of them, as at the desk.

    Also for a partner in whose name it comes; the partner's own people mark what they send as they like.

    The database refuses it too, and with it all that was sent along.
    """
    if submission.member_id is None:
        return
    said = {
        object_id: (tlp, stated)
        for object_id, tlp, stated in sql.rows(
            "SELECT c.object_id, c.tlp, c.stated_tlp FROM indicators_claim c"
            " JOIN accounts_member m ON m.id = %s LEFT JOIN accounts_organization o ON o.id = m.organization_id"
            f" WHERE c.community_id = %s AND c.organization_id = %s AND c.object_id = {sql.ONE_OF}"
            " AND (m.is_superuser OR o.sector = 'operator')",
            (
                submission.member_id,
                submission.community_id,
                submission.organization_id,
                sql.joined(line.object_id for line in lines if line.observed is not None),
            ),
        )
    }
    for line in lines:
        if line.observed is None or line.object_id not in said:
            continue
        tlp, stated = said[line.object_id]
        # Marked as it was, it goes on counting as analysts said.
        if line.observed.tlp != stated and line.observed.tlp < tlp:
            line.outcome, line.reason = Outcome.REJECTED, "lowering-takes-two"
            counts, was = TLP(line.observed.tlp).label.upper(), TLP(tlp).label.upper()
            line.sentence = (
                f"It counts as TLP:{was} and this version as TLP:{counts}:"
                " to lower it takes two people, at the desk."
            )
            line.observed = None


def _refuse_barred(lines: Sequence[_Line]) -> set[str]:
    """What a legal order erased does not come in again, nor does its receipt name it; where it stood."""
    if not barring.is_needed():
        return set()
    offered = {
        number: barring.digests(
            object_ids=[line.object_id], keys=() if line.observed is None else [line.observed.key]
        )
        for number, line in enumerate(lines)
    }
    found = barring.barred({one for digests in offered.values() for one in digests})
    places = set()
    for number, digests in offered.items():
        if digests & found:
            line = lines[number]
            line.observed, line.outcome, line.reason = None, Outcome.REJECTED, "erased-by-order"
            line.sentence = "A legal order had this erased; it is not taken again, and nothing of it is kept."
            line.object_id, line.version, line.note = line.place, "", ""
            places.add(line.place)
    return places


def _set_echoes_apart(accepted: Sequence[_Line]) -> None:
    """What the service says is said by nobody else: as its echo, or under an id of its own, it stays in the inbox."""
    author, taken = publisher_id(), service_ids()
    for line in accepted:
        if line.observed is None:
            continue
        if line.object_id in taken:
            line.observed, line.outcome, line.reason = None, Outcome.DUPLICATE, "service-object"
            line.sentence = (
                "Every feed holds the service's own object of this id; yours stands where you sent it."
            )
        elif line.observed.object.value.get("created_by_ref") == author:
            line.observed, line.outcome, line.reason = None, Outcome.DUPLICATE, "echo"
            line.sentence = "The service published this itself; sent back, it adds no source."


def _say_what_is_listed(accepted: Sequence[_Line], subjects: dict[bytes, int]) -> None:
    """What is on an allow-list is told at once. Triage decides it again, for every version and every list of then."""
    hits = allowlists.hits({subjects[line.observed.key] for line in accepted if line.observed is not None})
    for line in accepted:
        if line.observed is not None:
            hit = allowlists.said(line.observed.object.value, hits.get(subjects[line.observed.key], ()))
            if hit is not None:
                verdict = policy.allow_listed(policy.Listed(str(hit), hit.list_name))
                line.reason, line.sentence = verdict.reason, verdict.sentence


def _house(submission: ClaimedSubmission) -> _House:
    found = sql.row(
        "SELECT c.default_tlp, c.personal_data = 'allow', o.prompt_text = 'allow', k.kind, k.ceiling"
        " FROM accounts_community c, accounts_organization o, sharing_collection k"
        " WHERE c.id = %s AND o.id = %s AND k.id = %s",
        (submission.community_id, submission.organization_id, submission.collection_id),
    )
    if found is None:
        raise LookupError(f"community, organization or collection of submission {submission.id}")
    keys = submitter_keys.of(organization_id=submission.organization_id, at=submission.received_at)
    default_tlp, personal_data, prompt_text, kind, ceiling = found
    return _House(default_tlp, personal_data, prompt_text, kind, ceiling, keys)


def _write_receipt(submission_id: UUID, lines: Sequence[_Line], subjects: dict[bytes, int]) -> None:
    sql.copy(
        "indicators_submittedobject",
        _RECEIPT_COLUMNS,
        ("uuid", "int4", "text", "text", "text", "text", "text", "text", "text", "int8"),
        (
            (
                submission_id,
                ordinal,
                line.object_id,
                line.version,
                line.outcome,
                line.reason,
                line.sentence,
                line.place,
                line.note,
                None if line.observed is None else subjects[line.observed.key],
            )
            for ordinal, line in enumerate(lines)
        ),
    )


_RECEIPT_COLUMNS = (
    "submission_id",
    "ordinal",
    "object_id",
    "version",
    "outcome",
    "reason",
    "sentence",
    "place",
    "note",
    "subject_id",
)
