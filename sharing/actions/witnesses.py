"""Asking witnesses to cosign checkpoints (C2SP tlog-witness): no checkpoint waits for it, and no witness for another.

every few seconds `due` → a task for each witness: claim a turn (a lease) → for each log whose newest checkpoint it
has not cosigned, or not since it was signed anew: POST add-checkpoint → its lines are verified and stored with the
checkpoint → whether they now meet the policy

A witness that does not answer rests as a whole, ever longer; one that refuses a log is asked about the others.
"""

import math
import ssl
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from accounts import faults, sql
from indicators.sources import web
from sharing import log as trees
from sharing.models import Checkpoint, Witnessed
from sharing.models import Witness as Row
from sharing.signing.jws import BadSignature
from sharing.tlog import notes, quorum
from sharing.tlog.add_checkpoint import (
    PATH,
    SIZE_MEDIA_TYPE,
    AddCheckpoint,
    MalformedRequest,
    read_size_answer,
)
from sharing.tlog.notes import MalformedNote, Note, NoteSignature
from sharing.tlog.policy import Witness
from sharing.witness_policy import NOT_WITNESSED, Current, PolicyUnusable, current

log = structlog.get_logger(__name__)

LIMITS = web.Limits(seconds=10.0, received=64 * 1024, unpacked=64 * 1024)
"""What one answer may take: some lines of signatures."""
LEASE = timedelta(seconds=90)
"""Who claimed a witness's turn has this long, longer than a turn and its last answer take."""
TURN = timedelta(seconds=20)
"""Then the turn ends, with the answer that is waited for."""
_FIRST_PAUSE, _LONGEST_PAUSE = timedelta(seconds=10), timedelta(minutes=10)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(seconds=30), timedelta(minutes=15)
_REST = 4
"""A turn is paid for by resting so many times as long, so that a slow witness does not hold those who ask."""
_AT_ONCE = timedelta(seconds=3)
_AHEAD, _BEHIND = timedelta(minutes=10), timedelta(hours=1)
"""How far a witness's clock may be off."""

Clock = Callable[[], datetime]

REASONS = {
    400: "It cannot read what it was sent (400).",
    403: "It does not accept the log's signature (403): it may have other keys of ours.",
    404: "It does not know this log (404).",
    422: "It says that this log does not continue what it cosigned (422).",
}
"""What a witness says by its status, about one log."""


class _Declined(Exception):
    """No cosignature of this log; the sentence says why."""


class _Away(Exception):
    """The witness does not answer as it must; the sentence says why."""


@dataclass(frozen=True, slots=True)
class _Head:
    """A log's newest checkpoint, and the size that the witness is thought to know."""

    collection_id: UUID
    size: int
    note: str
    known: int


# ------------------------------------------------------------------------------------------------- who is asked


def due(*, now: datetime) -> list[str]:
    """Names of the witnesses that have something to cosign; the rows follow the policy."""
    try:
        found = current()
    except PolicyUnusable as error:
        log.error("witness_policy_unusable", reason=str(error))
        return []
    names = [] if found is None else sorted(found.asked())
    _follow(names, now)
    if found is None:
        return []
    _mark(found)
    waiting = sql.rows(
        "SELECT name FROM sharing_witness w WHERE next_at <= %(now)s AND EXISTS"
        f" (SELECT 1 {_HEADS.format(witness='w.name')}) ORDER BY name",
        {"now": now, "without": list(NOT_WITNESSED)},
    )
    return [name for (name,) in waiting]


_HEADS = (
    "FROM sharing_collection k CROSS JOIN LATERAL (SELECT size, note, signed_at FROM sharing_checkpoint"
    " WHERE collection_id = k.id ORDER BY size DESC LIMIT 1) c"
    " LEFT JOIN sharing_witnessed t ON t.collection_id = k.id AND t.witness_id = {witness}"
    " WHERE k.kind <> ALL(%(without)s) AND (t.next_at IS NULL OR t.next_at <= %(now)s)"
    " AND (t.cosigned_at IS NULL OR t.size <> c.size OR t.cosigned_at < c.signed_at)"
)
"""Logs whose newest checkpoint a witness has not cosigned, or not since it was signed anew."""


def _follow(names: list[str], now: datetime) -> None:
    """Rows for these witnesses and no others."""
    there = {name for (name,) in sql.rows("SELECT name FROM sharing_witness")}
    if there == set(names):
        return
    with transaction.atomic():
        Row.objects.exclude(name__in=names).delete()
        Row.objects.bulk_create([Row(name=name, next_at=now) for name in names], ignore_conflicts=True)


def _mark(found: Current) -> None:
    """Under another policy, what was cosigned already may be enough, or no longer."""
    for collection_id, size, digest, cosignatures in sql.rows(
        "SELECT c.* FROM sharing_collection k CROSS JOIN LATERAL (SELECT collection_id, size, quorum, cosignatures"
        " FROM sharing_checkpoint WHERE collection_id = k.id ORDER BY size DESC LIMIT 1) c"
        " WHERE c.cosignatures <> '' AND c.quorum IS DISTINCT FROM %s",
        (found.digest,),
    ):
        marked = found.digest if _met_by_names(found, cosignatures) else None
        if marked != digest:
            sql.execute(
                "UPDATE sharing_checkpoint SET quorum = %s WHERE collection_id = %s AND size = %s"
                # Unless a witness was quicker.
                " AND cosignatures = %s",
                (marked, collection_id, size, cosignatures),
            )


def _met_by_names(found: Current, cosignatures: str) -> bool:
    """Whether stored lines, which were verified, meet the policy."""
    lines = notes.read_lines(cosignatures)
    return found.policy.met_by(
        {name for name, one in found.policy.witnesses.items() if any(map(one.key.made, lines))}
    )


# ------------------------------------------------------------------------------------------------- asking


def ask(*, name: str, clock: Clock, jitter: float, tls: ssl.SSLContext | None = None) -> int:
    """One turn of one witness; how many checkpoints it cosigned. `jitter`, 0 to 1, spreads what failed together."""
    try:
        found = current()
    except PolicyUnusable:
        return 0
    witness = None if found is None else found.asked().get(name)
    began = clock()
    if found is None or witness is None or not _claim(name, began):
        return 0
    cosigned, error = 0, ""
    try:
        for _ in _turn(found, witness, clock, jitter, tls):
            cosigned += 1
    except _Away as away:
        error = str(away)
        log.warning("witness_away", witness=name, reason=error)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the turn ends, and says so
        error = "The service failed to ask it."
        log.error("witness_not_asked", witness=name, fault=faults.summary(failure))
    _end_turn(name, error, began, clock(), jitter, cosigned=cosigned)
    return cosigned


def _claim(name: str, now: datetime) -> bool:
    return bool(Row.objects.filter(name=name, next_at__lte=now).update(next_at=now + LEASE))


def _turn(
    found: Current, witness: Witness, clock: Clock, jitter: float, tls: ssl.SSLContext | None
) -> Iterator[UUID]:
    """The logs, each once it is cosigned. Raises _Away."""
    began = clock()
    with web.Client(internal=witness.name in settings.WITNESS_INTERNAL, limits=LIMITS, context=tls) as client:
        for head in _heads(witness.name, began):
            asked_at = clock()
            if asked_at - began > TURN:
                break
            try:
                lines, size = _cosignatures(client, witness, head, clock)
                _store(found, witness, head, lines, size, asked_at)
                yield head.collection_id
            except _Declined as declined:
                log.warning(
                    "witness_declined",
                    witness=witness.name,
                    collection=str(head.collection_id),
                    reason=str(declined),
                )
                _note_refusal(witness.name, head.collection_id, str(declined), clock(), jitter)


def _heads(name: str, now: datetime) -> list[_Head]:
    """What a witness is asked for, what it was asked for longest ago first."""
    return [
        _Head(*row)
        for row in sql.rows(
            f"SELECT k.id, c.size, c.note, coalesce(t.size, 0) {_HEADS.format(witness='%(name)s')}"
            " ORDER BY t.next_at NULLS FIRST LIMIT 500",
            {"name": name, "now": now, "without": list(NOT_WITNESSED)},
        )
    ]


def _cosignatures(
    client: web.Client, witness: Witness, head: _Head, clock: Clock
) -> tuple[list[NoteSignature], int]:
    """Verified lines of this witness over the head, and the size that they are about."""
    note = notes.read(head.note.encode())
    answer = _post(client, witness, head, min(head.known, head.size))
    if answer.status == 409:
        told = _told(answer, head)
        answer = _post(client, witness, head, told)
        if answer.status == 409 and told == head.size == _told(answer, head):
            raise _Declined(
                f"It has cosigned another tree of {told:,} entries (409): this log has two histories, or it was given"
                " another's."
            )
        if answer.status == 409:
            raise _Declined("It gives another size each time that it is asked (409).")
    if answer.status == 429 or answer.status >= 500:
        raise _Away(f"It answered {answer.status}.")
    if answer.status != 200:
        raise _Declined(REASONS.get(answer.status, f"It answered {answer.status}."))
    return _verified(answer.body, note, witness, clock()), head.size


def _post(client: web.Client, witness: Witness, head: _Head, old: int) -> web.Answer:
    proof = trees.consistency(head.collection_id, old, head.size) if 0 < old < head.size else []
    body = bytes(AddCheckpoint(old, tuple(proof), head.note.encode()))
    try:
        return client.post(
            f"{(witness.url or '').rstrip('/')}{PATH}", body, {"Content-Type": "text/plain; charset=utf-8"}
        )
    except web.WebError as error:
        raise _Away(error.sentence) from error


def _told(answer: web.Answer, head: _Head) -> int:
    """The size that a witness says it cosigned last."""
    if answer.media_type != SIZE_MEDIA_TYPE:
        raise _Declined(f"It answered 409 without a size ({SIZE_MEDIA_TYPE}).")
    try:
        told = read_size_answer(answer.body)
    except MalformedRequest:
        raise _Declined("It answered 409 with what is no size.") from None
    if told > head.size:
        # Ours is the newest, unless a newer one was signed meanwhile: then the next turn asks for that.
        raise _Declined(
            f"It has cosigned {told:,} entries of this log, whose newest checkpoint has {head.size:,}:"
            " was an older database restored?"
        )
    return told


def _verified(body: bytes, note: Note, witness: Witness, now: datetime) -> list[NoteSignature]:
    """The lines by the witness's own key; what others signed is not looked at."""
    try:
        lines = notes.read_lines(body.decode())
    except (MalformedNote, UnicodeDecodeError):
        raise _Declined("It answered with what are no signature lines.") from None
    own = [line for line in lines if witness.key.made(line)]
    if not own:
        raise _Declined("It answered with no line by its key in the policy.")
    newest, newest_at = own[0], 0
    for line in own:
        try:
            at = witness.key.verify(note.text, line.raw) or 0
        except BadSignature:
            raise _Declined("It answered with a signature that is wrong.") from None
        if not now - _BEHIND <= _moment(at, now) <= now + _AHEAD:
            raise _Declined("It answered with a time that is more than ten minutes ahead, or an hour ago.")
        if at > newest_at:
            newest, newest_at = line, at
    return [newest]


def _moment(seconds: int, now: datetime) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, now.tzinfo)
    except (OverflowError, ValueError, OSError):
        return datetime.max.replace(tzinfo=now.tzinfo)


# ------------------------------------------------------------------------------------------------- what came of it


@transaction.atomic
def _store(
    found: Current, witness: Witness, head: _Head, lines: list[NoteSignature], size: int, now: datetime
) -> None:
    """Keep the lines with the checkpoint, in the place of the witness's earlier ones."""
    row = Checkpoint.objects.select_for_update().get(collection_id=head.collection_id, size=head.size)
    note = notes.read(row.note.encode())
    kept = notes.read_lines(row.cosignatures) if row.cosignatures else ()
    # Whoever is no longer in the policy says nothing any more.
    keys = [one.key for one in found.policy.witnesses.values()]
    kept = tuple(line for line in kept if any(key.made(line) for key in keys))
    merged = notes.with_signatures(Note(note.text, kept), lines)
    # Verified against the row as it is now, under its lock.
    cosigners = quorum.cosigners(merged, found.policy).keys()
    if witness.name not in cosigners:
        raise _Declined("What it cosigned is no longer what the log signed.")
    row.cosignatures = "".join(map(notes.line, merged.signatures))
    row.quorum = found.digest if found.policy.met_by(cosigners) else None
    row.save(update_fields=["cosignatures", "quorum"])
    Witnessed.objects.update_or_create(
        witness_id=witness.name,
        collection_id=head.collection_id,
        defaults={"size": size, "cosigned_at": now, "next_at": now, "refusals": 0, "last_error": ""},
    )


@transaction.atomic
def _note_refusal(name: str, collection_id: UUID, error: str, now: datetime, jitter: float) -> None:
    row, _ = Witnessed.objects.select_for_update().get_or_create(
        witness_id=name, collection_id=collection_id, defaults={"next_at": now}
    )
    row.refusals += 1
    row.last_error = error
    row.next_at = now + _wait(row.refusals, jitter, _FIRST_WAIT, _LONGEST_WAIT)
    row.save(update_fields=["refusals", "last_error", "next_at"])


@transaction.atomic
def _end_turn(name: str, error: str, began: datetime, now: datetime, jitter: float, *, cosigned: int) -> None:
    row = Row.objects.select_for_update().filter(name=name).first()
    if row is None:
        return
    took = now - began
    rested = now + took * _REST if took > _AT_ONCE else now
    if cosigned or not error:
        row.failures, row.answered_at = 0, now
    if error:
        row.failures += 1
        rested = max(rested, now + _wait(row.failures, jitter, _FIRST_PAUSE, _LONGEST_PAUSE))
    row.next_at, row.last_error = rested, error
    row.save(update_fields=["failures", "answered_at", "next_at", "last_error"])


def _wait(failures: int, jitter: float, first: timedelta, longest: timedelta) -> timedelta:
    """Doubling from `first` to `longest`, less up to half of it."""
    return min(first * math.ldexp(1.0, min(failures - 1, 30)), longest) * (1 - jitter / 2)
