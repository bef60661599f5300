"""The one door in: whatever arrives becomes a durable `Submission`, and leaves it as claims and receipt lines."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from json import dumps
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts import sql
from accounts.actions import notices, quotas
from accounts.actions.audit import record
from accounts.actions.quotas import Levels
from accounts.actor import Actor
from indicators.models import BodyFormat, Submission, SubmissionState, Upload
from indicators.sources import formats, stream
from indicators.stix import json

MAX_ATTEMPTS = 3
MAX_STARTS = 10
PATIENCE = timedelta(seconds=3)
"""A nudge has this long to arrive before the sweep gives another."""
_WAITS = (timedelta(seconds=15), timedelta(minutes=2))
"""Before the second and the third attempt."""
_LEASE = timedelta(seconds=5)
_MAX_ERROR = 4000
_DIED = f"{MAX_STARTS} times it was begun, and the worker's process ended or the database gave up on it."


DIGEST_PREFIX = "sha256:"
"""How the keys begin that stand for a body; a sender's own keys begin otherwise."""
_BODY_ANSWERS_FOR = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class Received:
    """A durable submission: its id, how many objects it holds, and whether an earlier one answers for it.

    `levels` is what is left of the token's quotas, where one was charged.
    """

    id: UUID
    object_count: int
    repeated: bool = False
    levels: Levels | None = None


class BadKey(ValueError):
    """An Idempotency-Key that cannot be one."""


class KeyReused(ValueError):
    """An Idempotency-Key came again with another request."""


def receive(
    *,
    community_id: UUID,
    organization_id: UUID,
    token_id: UUID | None,
    channel: str,
    collection_id: UUID,
    body: bytes,
    by: Actor,
    now: datetime,
    body_format: str = BodyFormat.STIX,
    idempotency_key: str | None = None,
    max_bytes: int = json.MAX_BODY_BYTES,
    member_id: int | None = None,
) -> Received:
    """Store a body for ingest; `json.Refused` if it is nothing of its format at all.

    The same organisation's Idempotency-Key answers with the first submission; with another request it is `KeyReused`.
    Without a key the same body to the same collection answers so for 24 hours, or until its sender deletes anything
    there. What is new is charged to the token: `quotas.OverQuota` where too little of its quota is left. `member_id`:
    who brought it in by hand.
    """
    if idempotency_key is not None:
        check_key(idempotency_key)
    parts = formats.split(body, body_format, max_bytes=max_bytes)
    sha256 = hashlib.sha256(body).digest()
    request = (sha256, collection_id, body_format)
    key = idempotency_key or f"{DIGEST_PREFIX}{sha256.hex()}:{body_format}:{collection_id}"
    while True:
        earlier = _earlier(organization_id, key)
        if earlier is not None and earlier.request != request:
            raise KeyReused(
                f"Idempotency-Key {key!r} was used before with another body, collection or format"
            )
        if earlier is not None and (idempotency_key or _answers(earlier, organization_id, now)):
            return Received(earlier.id, earlier.object_count, repeated=True)
        try:
            with transaction.atomic():
                levels = token_id and quotas.charge(token_id=token_id, now=now, objects=len(parts))
                if earlier is not None:
                    # Whoever else sends it now waits here, and finds the new one then.
                    sql.execute(
                        "UPDATE indicators_submission SET idempotency_key = NULL WHERE id = %s", (earlier.id,)
                    )
                submission = Submission.objects.create(
                    id=uuid4(),
                    community_id=community_id,
                    organization_id=organization_id,
                    token_id=token_id,
                    member_id=member_id,
                    channel=channel,
                    collection_id=collection_id,
                    format=body_format,
                    body=body,
                    body_sha256=sha256,
                    idempotency_key=key,
                    object_count=len(parts),
                    received_at=now,
                )
                record(
                    by=by,
                    now=now,
                    action="submission.receive",
                    target=f"submission:{submission.id}",
                    detail={"objects": len(parts), "sha256": sha256.hex(), "channel": channel},
                )
            return Received(submission.id, len(parts), levels=levels or None)
        except quotas.OverQuota:
            if token_id is not None:
                quotas.mark_refused(token_id=token_id)
            raise
        except IntegrityError:
            # Sent twice at once: the other one answers.
            again = _earlier(organization_id, key)
            if again is None or again == earlier:
                raise


def check_key(key: str) -> None:
    """`BadKey` if a sender may not use it."""
    if not 0 < len(key) <= 255:
        raise BadKey("Idempotency-Key has 1 to 255 characters.")
    if key.startswith(DIGEST_PREFIX):
        raise BadKey(f"An Idempotency-Key may not begin with {DIGEST_PREFIX}: those are the service's own.")


@dataclass(frozen=True, slots=True)
class _Earlier:
    id: UUID
    object_count: int
    received_at: datetime
    request: tuple[bytes, UUID, str]
    is_whole: bool


def _earlier(organization_id: UUID, key: str) -> _Earlier | None:
    found = sql.row(
        "SELECT id, object_count, received_at, body_sha256, collection_id, format, erased_at IS NULL"
        " FROM indicators_submission WHERE organization_id = %s AND idempotency_key = %s",
        (organization_id, key),
    )
    if found is None:
        return None
    submission_id, count, received_at, sha256, collection_id, body_format, is_whole = found
    return _Earlier(submission_id, count, received_at, (sha256, collection_id, body_format), is_whole)


def _answers(earlier: _Earlier, organization_id: UUID, now: datetime) -> bool:
    """Whether a body that came before without a key still answers for the same: what was deleted may be sent anew."""
    if now - earlier.received_at >= _BODY_ANSWERS_FOR or not earlier.is_whole:
        return False
    _, collection_id, _ = earlier.request
    deleted = sql.row(
        "SELECT at FROM accounts_auditevent WHERE target = %s AND action = 'object.delete' AND organization_id = %s"
        " ORDER BY id DESC LIMIT 1",
        (f"collection:{collection_id}", organization_id),
    )
    return deleted is None or deleted[0] < earlier.received_at


def receive_parts(
    *, upload: Upload, parts: Iterable[stream.Part], now: datetime, member_id: int | None = None
) -> list[Received]:
    """Store each part of an upload as a submission, in the transaction of the upload, a part at a time in memory.

    `json.Refused` if one is nothing of its format at all: then nothing of the upload may stay.
    """
    state = SubmissionState.DRAFT if upload.is_draft else SubmissionState.RECEIVED
    received = []
    for number, part in enumerate(parts, start=1):
        submission_id = uuid4()
        object_count = len(formats.split(part.body, upload.format, max_bytes=len(part.body)))
        sql.execute(
            "INSERT INTO indicators_submission (id, community_id, organization_id, token_id, member_id, channel,"
            " collection_id, format, body, body_sha256, object_count, state, attempts, starts, counts, error,"
            ' received_at, upload_id, part, "offset")'
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, 0, '{}', '', %s, %s, %s, %s)",
            (
                *(submission_id, upload.community_id, upload.organization_id, upload.token_id, member_id),
                *(upload.channel, upload.collection_id, upload.format, part.body),
                *(hashlib.sha256(part.body).digest(), object_count, state, now),
                *(upload.id, number, part.offset),
            ),
        )
        received.append(Received(submission_id, object_count))
    return received


@dataclass(frozen=True, slots=True)
class ClaimedSubmission:
    """A submission that this transaction alone works on."""

    id: UUID
    community_id: UUID
    organization_id: UUID
    collection_id: UUID
    format: str
    body: bytes
    received_at: datetime
    channel: str
    offset: int = 0
    member_id: int | None = None


#: The parts of a file are ingested in its order: of two that say different things the same one counts every time.
_IN_TURN = (
    " (s.part IS NULL OR NOT EXISTS (SELECT 1 FROM indicators_submission p"
    " WHERE p.upload_id = s.upload_id AND p.part < s.part AND p.state = 'received'))"
)


def format_of(submission_id: UUID) -> str | None:
    """The format of a submission that waits; None if none such does."""
    found = sql.row(
        "SELECT format FROM indicators_submission WHERE id = %s AND state = 'received'", (submission_id,)
    )
    return None if found is None else found[0]


def claim(submission_id: UUID) -> ClaimedSubmission | None:
    """Lock a received submission for this transaction; None if it is done, not its turn, or another's."""
    found = sql.row(
        "SELECT s.id, s.community_id, s.organization_id, s.collection_id, s.format, s.body, s.received_at,"
        " s.channel, s.offset, s.member_id"
        f" FROM indicators_submission s WHERE s.id = %s AND s.state = 'received' AND {_IN_TURN}"
        " FOR UPDATE SKIP LOCKED",
        (submission_id,),
    )
    return None if found is None else ClaimedSubmission(*found)


def following(submission_id: UUID) -> UUID | None:
    """The part of a file whose turn it is after this submission, if this is a part."""
    found = sql.row(
        "SELECT p.id FROM indicators_submission s JOIN indicators_submission p"
        " ON p.upload_id = s.upload_id AND p.part > s.part AND p.state = 'received'"
        " WHERE s.id = %s ORDER BY p.part LIMIT 1",
        (submission_id,),
    )
    return None if found is None else found[0]


def finish(*, submission_id: UUID, keep_body: bool, counts: dict[str, int], now: datetime) -> None:
    """Mark a claimed submission as ingested; of a body that is not kept, the digest stays."""
    forgotten = "" if keep_body else ", body = ''"
    sql.execute(
        "UPDATE indicators_submission SET state = 'ingested', ingested_at = %s, error = '', retry_at = NULL,"
        f" counts = %s::jsonb{forgotten} WHERE id = %s",
        (now, dumps(counts), submission_id),
    )


def waiting(*, now: datetime, most: int = 100) -> list[UUID]:
    """What a sweep takes up, oldest first: received for longer than a nudge takes, and not put off."""
    return [
        found[0]
        for found in sql.rows(
            "SELECT s.id FROM indicators_submission s WHERE s.state = 'received' AND s.received_at < %s"
            f" AND (s.retry_at IS NULL OR s.retry_at <= %s) AND {_IN_TURN} ORDER BY s.received_at LIMIT %s",
            (now - PATIENCE, now, most),
        )
    ]


def begin(*, submission_id: UUID, by: Actor, now: datetime) -> bool:
    """Before a sweep's attempt, in a transaction of its own: whoever dies with it is known to have had it.

    It is put off for a little longer each time, so that what kills a worker does not keep the others waiting; the
    tenth time quarantines it. False if it is nothing to begin with any more.
    """
    with transaction.atomic():
        found = sql.row(
            "UPDATE indicators_submission s SET starts = s.starts + 1,"
            " retry_at = %(now)s::timestamptz + (s.starts + 1) * %(lease)s::interval"
            " FROM (SELECT id FROM indicators_submission WHERE id = %(id)s AND state = 'received'"
            " AND (retry_at IS NULL OR retry_at <= %(now)s) FOR UPDATE SKIP LOCKED) free"
            " WHERE s.id = free.id RETURNING s.starts",
            {"id": submission_id, "now": now, "lease": _LEASE},
        )
        if found is not None and found[0] > MAX_STARTS:
            sql.execute(
                "UPDATE indicators_submission SET error = concat_ws(chr(10), %s::text, nullif(error, ''))"
                " WHERE id = %s",
                (_DIED, submission_id),
            )
            _quarantine(submission_id=submission_id, by=by, now=now)
            return False
    return found is not None


def put_off(*, submission_id: UUID, error: str, is_suspect: bool, now: datetime) -> None:
    """An attempt failed for no fault of the submission's: it counts for nothing, and is made again a little later.

    What is suspect may be at fault after all: its start counts (`begin`), so that it is not tried without end.
    """
    sql.execute(
        "UPDATE indicators_submission SET error = %(error)s, starts = CASE WHEN %(suspect)s THEN starts ELSE 0 END,"
        " retry_at = CASE WHEN %(suspect)s THEN retry_at ELSE %(later)s END"
        " WHERE id = %(id)s AND state = 'received'",
        {"id": submission_id, "error": error[:_MAX_ERROR], "suspect": is_suspect, "later": now + _WAITS[0]},
    )


def note_failure(*, submission_id: UUID, error: str, by: Actor, now: datetime) -> None:
    """Count a failed attempt and put the next one off; the third quarantines the submission whole.

    `error` says what failed without a value (`accounts.faults.summary`).
    """
    with transaction.atomic():
        found = sql.row(
            "UPDATE indicators_submission SET attempts = attempts + 1, starts = 0, error = %s,"
            " retry_at = CASE attempts WHEN 0 THEN %s::timestamptz ELSE %s END"
            " WHERE id = %s AND state = 'received' RETURNING attempts",
            (error[:_MAX_ERROR], now + _WAITS[0], now + _WAITS[1], submission_id),
        )
        if found is not None and found[0] >= MAX_ATTEMPTS:
            _quarantine(submission_id=submission_id, by=by, now=now)


def _quarantine(*, submission_id: UUID, by: Actor, now: datetime) -> None:
    found = sql.row(
        "UPDATE indicators_submission SET state = 'quarantined', retry_at = NULL WHERE id = %s"
        " RETURNING organization_id, object_count, attempts",
        (submission_id,),
    )
    assert found is not None
    organization_id, object_count, attempts = found
    target = f"submission:{submission_id}"
    record(by=by, now=now, action="submission.quarantine", target=target, detail={"attempts": attempts})
    notices.tell_with_operator(
        organization_id=organization_id,
        kind="submission.quarantined",
        target=target,
        sentence=f"Submission {submission_id} could not be ingested and is set aside whole, as it came; the operator"
        " looks into it. Nothing of it was taken, and nothing is lost.",
        detail={"objects": object_count},
        now=now,
    )


@transaction.atomic
def retry(*, submission_ids: Sequence[UUID], by: Actor, now: datetime) -> list[UUID]:
    """Put quarantined submissions back, to be ingested as if they had just come; those that were."""
    again = [
        found[0]
        for found in sql.rows(
            "UPDATE indicators_submission SET state = 'received', attempts = 0, starts = 0, retry_at = NULL"
            " WHERE id = ANY(%s) AND state = 'quarantined' RETURNING id",
            (list(submission_ids),),
        )
    ]
    for submission_id in again:
        record(by=by, now=now, action="submission.retry", target=f"submission:{submission_id}")
    return again


def is_kept(*, submission_id: UUID) -> bool:
    """Whether what was sent is still there: it is emptied where it held what privacy refuses or an order erased."""
    return Submission.objects.filter(id=submission_id).exclude(body=b"").exists()


@transaction.atomic
def raw_body(*, submission_id: UUID, by: Actor, now: datetime) -> bytes | None:
    """What was sent, byte for byte, for an analyst of the operator; None if there is none such, or it is not kept."""
    body = Submission.objects.filter(id=submission_id).values_list("body", flat=True).first()
    if not body:
        return None
    record(by=by, now=now, action="submission.download", target=f"submission:{submission_id}")
    return bytes(body)
