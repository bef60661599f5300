"""The one door in: whatever arrives becomes a durable `Submission`, and leaves it as claims and receipt lines."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.models import BodyFormat, Submission, SubmissionState, Upload
from indicators.sources import formats, stream
from indicators.stix import json

MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Received:
    """A durable submission: its id, how many objects it holds, and whether an earlier one answers for it."""

    id: UUID
    object_count: int
    repeated: bool = False


class KeyReused(ValueError):
    """An Idempotency-Key came again with another body."""


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
) -> Received:
    """Store a body for ingest; `json.Refused` if it is nothing of its format at all.

    The same organisation's Idempotency-Key answers with the first submission; with another body it is `KeyReused`.
    """
    parts = formats.split(body, body_format, max_bytes=max_bytes)
    sha256 = hashlib.sha256(body).digest()
    try:
        with transaction.atomic():
            submission = Submission.objects.create(
                id=uuid4(),
                community_id=community_id,
                organization_id=organization_id,
                token_id=token_id,
                channel=channel,
                collection_id=collection_id,
                format=body_format,
                body=body,
                body_sha256=sha256,
                idempotency_key=idempotency_key,
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
    except IntegrityError:
        if idempotency_key is None:
            raise
        earlier = Submission.objects.defer("body").get(
            organization_id=organization_id, idempotency_key=idempotency_key
        )
        if bytes(earlier.body_sha256) != sha256 or earlier.community_id != community_id:
            raise KeyReused(
                f"Idempotency-Key {idempotency_key!r} was used before with another body"
            ) from None
        return Received(earlier.id, earlier.object_count, repeated=True)
    return Received(submission.id, len(parts))


def receive_parts(*, upload: Upload, parts: Iterable[stream.Part], now: datetime) -> list[Received]:
    """Store each part of an upload as a submission, in the transaction of the upload, a part at a time in memory.

    `json.Refused` if one is nothing of its format at all: then nothing of the upload may stay.
    """
    state = SubmissionState.DRAFT if upload.is_draft else SubmissionState.RECEIVED
    received = []
    for number, part in enumerate(parts, start=1):
        submission_id = uuid4()
        object_count = len(formats.split(part.body, upload.format, max_bytes=len(part.body)))
        sql.execute(
            "INSERT INTO indicators_submission (id, community_id, organization_id, token_id, channel, collection_id,"
            " format, body, body_sha256, object_count, state, attempts, error, received_at, upload_id, part,"
            " \"offset\") VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 0, '', %s, %s, %s, %s)",
            (
                *(submission_id, upload.community_id, upload.organization_id, upload.token_id),
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
    offset: int = 0


def claim(submission_id: UUID) -> ClaimedSubmission | None:
    """Lock a received submission for this transaction; None if it is done or another worker has it."""
    found = sql.row(
        'SELECT id, community_id, organization_id, collection_id, format, body, received_at, "offset"'
        " FROM indicators_submission WHERE id = %s AND state = 'received' FOR UPDATE SKIP LOCKED",
        (submission_id,),
    )
    return None if found is None else ClaimedSubmission(*found)


def finish(*, submission_id: UUID, keep_body: bool, now: datetime) -> None:
    """Mark a claimed submission as ingested; of a body that is not kept, the digest stays."""
    forgotten = "" if keep_body else ", body = ''"
    sql.execute(
        f"UPDATE indicators_submission SET state = 'ingested', ingested_at = %s, error = ''{forgotten} WHERE id = %s",
        (now, submission_id),
    )


def note_failure(*, submission_id: UUID, error: str, by: Actor, now: datetime) -> None:
    """Count a failed attempt; after `MAX_ATTEMPTS` the submission is quarantined whole and the rest goes on."""
    with transaction.atomic():
        found = sql.row(
            "UPDATE indicators_submission SET attempts = attempts + 1, error = %s,"
            " state = CASE WHEN attempts + 1 >= %s THEN 'quarantined' ELSE state END"
            " WHERE id = %s AND state = 'received' RETURNING state",
            (error[:2000], MAX_ATTEMPTS, submission_id),
        )
        if found is not None and found[0] == SubmissionState.QUARANTINED:
            record(by=by, now=now, action="submission.quarantine", target=f"submission:{submission_id}")
