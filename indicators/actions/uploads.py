"""Large files: on disk while they arrive, then in one transaction an upload and its submissions, all or nothing."""

import hashlib
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import PurePath
from typing import BinaryIO
from uuid import UUID, uuid4

from django.conf import settings
from django.db import transaction

from accounts import sql
from accounts.actions import quotas
from accounts.actions.audit import record
from accounts.actions.quotas import Levels
from accounts.actor import Actor
from indicators.actions import submissions
from indicators.actions.submissions import ClaimedSubmission, KeyReused, Received
from indicators.models import Upload
from indicators.sources import formats, stream
from indicators.stix.json import Refused

#: So long the same file again answers with the upload that it made.
REPEATED_WITHIN = timedelta(hours=24)
DRAFTS_LAST = timedelta(hours=24)
#: What can be sent as a file: what can be taken apart in a stream, and be read.
FORMATS = tuple(name for name in stream.FORMATS if name in formats.FORMATS)
#: By the end of a file's name; a JSON file that is not STIX has to be said.
SUFFIXES = {
    ".json": "stix",
    ".stix": "stix",
    ".stix2": "stix",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".csv": "csv",
    ".tsv": "csv",
}


class NoDraft(LookupError):
    """There is no such draft: it was submitted, let go, or never there."""


class NoRoom(RuntimeError):
    """The disk is full, or nearly."""

    def __init__(self) -> None:
        super().__init__("There is no room on disk for this file now. Nothing of it was taken; try later.")


@dataclass(frozen=True, slots=True)
class ReceivedUpload:
    """A durable upload, its submissions, and whether an earlier one answers for it."""

    id: UUID
    object_count: int
    submissions: tuple[Received, ...] = ()
    repeated: bool = False
    levels: Levels | None = None


@dataclass(frozen=True, slots=True)
class Spooled:
    """A file on disk that is gone when it is closed."""

    file: BinaryIO
    size: int
    sha256: bytes

    def chunks(self) -> Iterator[bytes]:
        """Its bytes from the start."""
        self.file.seek(0)
        while chunk := self.file.read(stream.BLOCK_BYTES):
            yield chunk


@contextmanager
def spooled(chunks: Iterable[bytes]) -> Iterator[Spooled]:
    """Put a stream on disk; `too-large` when it is longer than `MAX_UPLOAD_BYTES`."""
    limit, size, digest = settings.MAX_UPLOAD_BYTES, 0, hashlib.sha256()
    with _on_disk():
        settings.UPLOADS_DIR.mkdir(parents=True, exist_ok=True)
        file = tempfile.TemporaryFile(dir=settings.UPLOADS_DIR)  # noqa: SIM115 - closed below
    try:
        for chunk in chunks:
            size += len(chunk)
            if size > limit:
                raise Refused("too-large", "", f"the file is longer than the {limit:,} bytes allowed")
            digest.update(chunk)
            with _on_disk():
                file.write(chunk)
        with _on_disk():
            file.flush()
        yield Spooled(file, size, digest.digest())
    finally:
        # Closing writes what is left to write, which a full disk refuses again.
        with suppress(OSError):
            file.close()


@contextmanager
def _on_disk() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise NoRoom from error


def format_of(name: str) -> str | None:
    """The format that the end of a file's name tells; None where it tells none that is taken."""
    found = SUFFIXES.get(PurePath(name).suffix.lower())
    return found if found in FORMATS else None


def receive(
    *,
    chunks: Iterable[bytes],
    community_id: UUID,
    organization_id: UUID,
    token_id: UUID | None,
    channel: str,
    collection_id: UUID,
    body_format: str,
    by: Actor,
    now: datetime,
    name: str = "",
    idempotency_key: str | None = None,
    is_draft: bool = False,
    member_id: int | None = None,
) -> ReceivedUpload:
    """Store a file for ingest, as submissions of a few megabytes each; `json.Refused` if it is broken anywhere.

    An Idempotency-Key answers with the upload that it made, and so, without a key, does the same file within a day; a
    key with another file is `KeyReused`. A draft waits for `submit`. What is new is charged to the token:
    `quotas.OverQuota` where too little of its quota is left. `member_id`: who brought it in by hand.
    """
    if idempotency_key is not None:
        submissions.check_key(idempotency_key)
    levels: Levels | None = None
    with _counting_refusals(token_id), spooled(chunks) as file, transaction.atomic():
        # Of two that come at once, the second waits for what the first makes.
        sql.lock(f"uploads:{organization_id}")
        earlier = _earlier(
            file, community_id, organization_id, collection_id, body_format, idempotency_key, now
        )
        if earlier is not None and not is_draft:
            return earlier
        upload = Upload.objects.create(
            id=uuid4(),
            community_id=community_id,
            organization_id=organization_id,
            token_id=token_id,
            sent_by=by.name,
            channel=channel,
            collection_id=collection_id,
            name=name.replace("\x00", "")[:255],
            format=body_format,
            size=file.size,
            sha256=file.sha256,
            idempotency_key=idempotency_key,
            part_count=0,
            object_count=0,
            is_draft=is_draft,
            received_at=now,
        )
        parts = stream.split(body_format, file.chunks())
        received = submissions.receive_parts(upload=upload, parts=parts, now=now, member_id=member_id)
        upload.part_count = len(received)
        upload.object_count = sum(part.object_count for part in received)
        upload.save(update_fields=["part_count", "object_count"])
        if token_id is not None:
            levels = quotas.charge(token_id=token_id, now=now, objects=upload.object_count, size=file.size)
        record(
            by=by,
            now=now,
            action="upload.draft" if is_draft else "upload.receive",
            target=f"upload:{upload.id}",
            detail={
                "objects": upload.object_count,
                "parts": upload.part_count,
                "sha256": file.sha256.hex(),
                "size": file.size,
                "channel": channel,
                "format": body_format,
            },
        )
    return ReceivedUpload(upload.id, upload.object_count, tuple(received), levels=levels)


@contextmanager
def _counting_refusals(token_id: UUID | None) -> Iterator[None]:
    """What a used up quota refuses is counted, outside of the transaction that it rolled back."""
    try:
        yield
    except quotas.OverQuota:
        if token_id is not None:
            quotas.mark_refused(token_id=token_id)
        raise


def submit(*, upload_id: UUID, by: Actor, now: datetime) -> ReceivedUpload:
    """Submit a draft as it was looked at; `NoDraft` if there is none."""
    with transaction.atomic():
        upload = Upload.objects.select_for_update().filter(id=upload_id, is_draft=True).first()
        if upload is None:
            raise NoDraft("it was submitted already, or let go")
        Upload.objects.filter(id=upload_id).update(is_draft=False, received_at=now)
        received = [
            Received(*found)
            for found in sql.rows(
                "UPDATE indicators_submission SET state = 'received', received_at = %s"
                " WHERE upload_id = %s AND state = 'draft' RETURNING id, object_count",
                (now, upload_id),
            )
        ]
        record(by=by, now=now, action="upload.receive", target=f"upload:{upload_id}")
    return ReceivedUpload(upload_id, upload.object_count, tuple(received))


def discard(*, upload_id: UUID, by: Actor, now: datetime) -> None:
    """Let a draft go; `NoDraft` if there is none."""
    with transaction.atomic():
        if not _forget("id = %s", upload_id):
            raise NoDraft("it was submitted already, or let go")
        record(by=by, now=now, action="upload.discard", target=f"upload:{upload_id}")


def discard_old(*, now: datetime) -> int:
    """Let drafts go that nobody submitted within a day; how many there were."""
    with transaction.atomic():
        return _forget("received_at < %s", now - DRAFTS_LAST)


def beginning(*, upload_id: UUID, count: int) -> ClaimedSubmission:
    """The first parts of an upload's file, as a submission of their own would be claimed; `NoDraft` if it is none."""
    found = sql.row(
        "SELECT s.id, s.community_id, s.organization_id, s.collection_id, s.format, s.received_at, s.channel,"
        " s.member_id, s.body FROM indicators_submission s JOIN indicators_upload u ON u.id = s.upload_id"
        " WHERE u.id = %s AND u.is_draft AND s.part = 1",
        (upload_id,),
    )
    if found is None:
        raise NoDraft("it was submitted already, or let go")
    submission_id, community_id, organization_id, collection_id, body_format, received_at, channel = found[:7]
    member_id, body = found[7:]
    first = next(stream.split(body_format, [body], sizes=stream.Sizes(part_elements=count)))
    return ClaimedSubmission(
        submission_id,
        community_id,
        organization_id,
        collection_id,
        body_format,
        first.body,
        received_at,
        channel,
        member_id=member_id,
    )


def _forget(which: str, value: object) -> int:
    # In the order in which `submit` takes its locks: of two tabs one waits for the other, and none for both.
    locked = sql.rows(
        f"SELECT id FROM indicators_upload WHERE is_draft AND {which} ORDER BY id FOR UPDATE", (value,)
    )
    drafts = [found[0] for found in locked]
    sql.execute("DELETE FROM indicators_submission WHERE upload_id = ANY(%s)", (drafts,))
    return sql.execute("DELETE FROM indicators_upload WHERE id = ANY(%s)", (drafts,))


def _earlier(
    file: Spooled,
    community_id: UUID,
    organization_id: UUID,
    collection_id: UUID,
    body_format: str,
    idempotency_key: str | None,
    now: datetime,
) -> ReceivedUpload | None:
    mine = Upload.objects.filter(organization_id=organization_id)
    same = {
        "community_id": community_id,
        "collection_id": collection_id,
        "sha256": file.sha256,
        "format": body_format,
    }
    if idempotency_key is None:
        found = mine.filter(**same, is_draft=False, received_at__gt=now - REPEATED_WITHIN)
        upload = found.order_by("-received_at").first()
    else:
        upload = mine.filter(idempotency_key=idempotency_key).first()
        if upload is not None and any(
            (bytes(held) if isinstance(held := getattr(upload, name), memoryview) else held) != value
            for name, value in same.items()
        ):
            raise KeyReused(f"Idempotency-Key {idempotency_key!r} was used before with another file")
    return None if upload is None else ReceivedUpload(upload.id, upload.object_count, repeated=True)
