"""What was sent, byte for byte, loses what is erased: bodies of submissions, lines of receipts, drafts."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import sql
from indicators.sources import signed
from indicators.sources.cutting import cut
from indicators.stix import json

BATCH = 100
DELETED = "Its sender deleted it; nothing of it is kept."
ORDERED = "Erased by legal order; nothing of it is kept."
ERASED = "erased"
"""The reason code of a line whose object was erased by legal order."""


@transaction.atomic
def queue(
    *, organization_id: UUID, collection_id: UUID, object_id: str, versions: Collection[str], now: datetime
) -> None:
    """Have versions that their sender deleted cut out of the bodies that they came in, and out of drafts."""
    sql.execute(
        "INSERT INTO indicators_pendingerasure (organization_id, collection_id, object_id, versions, deleted_at)"
        " VALUES (%s, %s, %s, %s, %s)",
        (organization_id, collection_id, object_id, sorted(versions), now),
    )


def cut_deleted(*, now: datetime) -> tuple[int, list[UUID]]:
    """Cut out what one organisation deleted in one collection, as far as it waits: how many objects, of what."""
    first = sql.row(
        "SELECT organization_id, collection_id FROM indicators_pendingerasure ORDER BY id LIMIT 1"
    )
    if first is None:
        return 0, []
    waiting = sql.rows(
        "SELECT id, object_id, versions, deleted_at FROM indicators_pendingerasure"
        " WHERE organization_id = %s AND collection_id = %s ORDER BY id LIMIT 1000",
        first,
    )
    deleted: dict[tuple[str, str], datetime] = {}
    for _, object_id, versions, deleted_at in waiting:
        for version in versions:
            deleted[object_id, version] = max(deleted_at, deleted.get((object_id, version), deleted_at))
    # One pass over what the organisation sent there, for all of them.
    found: dict[UUID, list[tuple[int, str]]] = {}
    for submission_id, ordinal, object_id, version, place, received_at in sql.rows(
        "SELECT s.id, o.ordinal, o.object_id, o.version, o.place, s.received_at FROM indicators_submission s"
        " JOIN indicators_submittedobject o ON o.submission_id = s.id"
        " WHERE s.organization_id = %s AND s.collection_id = %s AND s.received_at <= %s"
        f" AND o.object_id = {sql.ONE_OF}",
        (*first, max(deleted.values()), sql.joined({object_id for object_id, _ in deleted})),
    ):
        at = deleted.get((object_id, version))
        # What came again after it was deleted stays.
        if at is not None and received_at <= at:
            found.setdefault(submission_id, []).append((ordinal, place))
    for submission_id, lines in found.items():
        with transaction.atomic():
            cut_out(submission_id=submission_id, places={place for _, place in lines}, now=now)
            sql.execute(
                "UPDATE indicators_submittedobject SET sentence = %s, note = ''"
                " WHERE submission_id = %s AND ordinal = ANY(%s)",
                (DELETED, submission_id, [ordinal for ordinal, _ in lines]),
            )
    with transaction.atomic():
        empty_drafts(submission_ids=list(found), object_ids=[object_id for object_id, _ in deleted])
        sql.execute(
            "DELETE FROM indicators_pendingerasure WHERE id = ANY(%s)", ([one for one, *_ in waiting],)
        )
    return len(waiting), list(found)


def cut_out(*, submission_id: UUID, places: Collection[str], now: datetime) -> None:
    """Cut parts out of what was sent in one submission; its digest stays that of what was sent."""
    (found,) = sql.rows(
        'SELECT body, format, "offset" FROM indicators_submission WHERE id = %s FOR UPDATE', (submission_id,)
    )
    body, body_format, offset = found
    if not body:
        return
    left = cut(bytes(body), body_format, places, offset=offset)
    sql.execute(
        "UPDATE indicators_submission SET body = %s, erased_at = %s WHERE id = %s", (left, now, submission_id)
    )


def lines_of(subject_ids: Sequence[int], object_ids: Iterable[str]) -> dict[UUID, list[tuple[int, str]]]:
    """Where these were sent: ordinals and places by submission. It reads all receipts: for legal orders only."""
    found: dict[UUID, list[tuple[int, str]]] = {}
    for submission_id, ordinal, place in sql.rows(
        "SELECT submission_id, ordinal, place FROM indicators_submittedobject"
        f" WHERE subject_id = ANY(%s) OR object_id = {sql.ONE_OF} ORDER BY submission_id, ordinal",
        (list(subject_ids), sql.joined(object_ids)),
    ):
        found.setdefault(submission_id, []).append((ordinal, place))
    return found


def erase_lines(*, submission_id: UUID, lines: Sequence[tuple[int, str]], now: datetime) -> None:
    """By legal order: parts of a body go, and what its receipt says of them."""
    cut_out(submission_id=submission_id, places={place for _, place in lines}, now=now)
    sql.execute(
        "UPDATE indicators_submittedobject SET object_id = place, version = '', outcome = 'rejected', reason = %s,"
        " sentence = %s, note = '', subject_id = NULL WHERE submission_id = %s AND ordinal = ANY(%s)",
        (ERASED, ORDERED, submission_id, [ordinal for ordinal, _ in lines]),
    )


def empty_drafts(*, submission_ids: Sequence[UUID], object_ids: Sequence[str]) -> int:
    """Drafts that were sent in these submissions, or speak of these objects and are given up, lose what they say."""
    return sql.execute(
        "UPDATE indicators_draft SET body = jsonb_build_object('type', object_type, 'id', object_id), leftover = '{}',"
        " techniques = '{}', reason = '', version = version + 1"
        f" WHERE object_id = {sql.ONE_OF} AND (submission_id = ANY(%s) OR state = 'discarded')",
        (sql.joined(object_ids), list(submission_ids)),
    )


def erase_drafts(object_ids: Sequence[str]) -> int:
    """By legal order: every draft of these objects is emptied, and no longer open."""
    return sql.execute(
        "UPDATE indicators_draft SET body = jsonb_build_object('type', object_type, 'id', object_id), leftover = '{}',"
        " techniques = '{}', reason = '', version = version + 1,"
        " state = CASE WHEN state = 'draft' THEN 'discarded' ELSE state END"
        f" WHERE object_id = {sql.ONE_OF}",
        (sql.joined(object_ids),),
    )


def not_ingested() -> list[UUID]:
    """Submissions that wait, are drafts of uploads or in quarantine: their objects stand in no receipt."""
    return [one for (one,) in sql.rows("SELECT id FROM indicators_submission WHERE state <> 'ingested'")]


def heads(submission_id: UUID) -> Mapping[str, tuple[str, bytes]]:
    """Place to id and text of the objects of a submission of STIX that was not ingested; nothing of other formats."""
    found = sql.row(
        'SELECT body, format, "offset" FROM indicators_submission WHERE id = %s', (submission_id,)
    )
    if found is None or found[1] not in {"stix", "ndjson"}:
        return {}
    body, body_format, offset = found
    reader = signed.in_envelope if body_format == "stix" else signed.in_lines
    try:
        # Of a signed line it is the object inside that has an id.
        parts = [part for part, _ in reader(bytes(body))]
    except json.Refused:
        return {}
    return {
        f"objects/{number + offset}": (json.head(part)[0] or "", part) for number, part in enumerate(parts)
    }


def is_set_aside(submission_id: UUID) -> bool:
    """Whether a submission is in quarantine."""
    return (
        sql.row(
            "SELECT 1 FROM indicators_submission WHERE id = %s AND state = 'quarantined'", (submission_id,)
        )
        is not None
    )
