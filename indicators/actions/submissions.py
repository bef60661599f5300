"""The one door in: whatever arrives becomes a durable `Submission`, and leaves it as claims and receipt lines."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts import sql
from accounts.actions import quotas
from accounts.actions.audit import record
from accounts.actions.quotas import Levels
from accounts.actor import Actor
from indicators.models import BodyFormat, Submission, SubmissionState
from indicators.sources import formats
from indicators.stix import json

MAX_ATTEMPTS = 3


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
) -> Received:
    """Store a body for ingest; `json.Refused` if it is nothing of its format at all.

    The same organisation's Idempotency-Key answers with the first submission; with another request it is `KeyReused`.
    Without a key the same body to the same collection answers so for 24 hours, or until its sender deletes anything
    there. What is new is charged to the token: `quotas.OverQuota` where too little of its quota is left.
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


def _earlier(organization_id: UUID, key: str) -> _Earlier | None:
    found = sql.row(
        "SELECT id, object_count, received_at, body_sha256, collection_id, format FROM indicators_submission"
        " WHERE organization_id = %s AND idempotency_key = %s",
        (organization_id, key),
    )
    if found is None:
        return None
    submission_id, count, received_at, sha256, collection_id, body_format = found
    return _Earlier(submission_id, count, received_at, (sha256, collection_id, body_format))


def _answers(earlier: _Earlier, organization_id: UUID, now: datetime) -> bool:
    """Whether a body that came before without a key still answers for the same: what was deleted may be sent anew."""
    if now - earlier.received_at >= _BODY_ANSWERS_FOR:
        return False
    _, collection_id, _ = earlier.request
    deleted = sql.row(
        "SELECT at FROM accounts_auditevent WHERE target = %s AND action = 'object.delete' AND organization_id = %s"
        " ORDER BY id DESC LIMIT 1",
        (f"collection:{collection_id}", organization_id),
    )
    return deleted is None or deleted[0] < earlier.received_at


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


def claim(submission_id: UUID) -> ClaimedSubmission | None:
    """Lock a received submission for this transaction; None if it is done or another worker has it."""
    found = sql.row(
        "SELECT id, community_id, organization_id, collection_id, format, body, received_at"
        " FROM indicators_submission"
        " WHERE id = %s AND state = 'received' FOR UPDATE SKIP LOCKED",
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
