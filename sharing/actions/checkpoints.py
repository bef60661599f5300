"""Checkpoints: each log's tree head, signed by the signer soon after the log grew, and now and then while it does not.

    due     grown since its last checkpoint, or that one is 15 minutes old; what grew goes first
    sign    the tree as it is committed, with a proof that it continues the last one → the signer
    store   one transaction a log

A log that the signer refuses goes on being served with the checkpoint that it has; the operator is told, once.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog
from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.notices import tell_operator
from accounts.actor import Actor
from sharing import log as trees
from sharing.actions.keys import CheckpointRefused, SignerRefused, log_signer
from sharing.actions.publication import origin
from sharing.signing.remote import LogSigner
from sharing.signing.wire import Code, SignedNote
from sharing.tlog.merkle import Range

log = structlog.get_logger(__name__)

HEARTBEAT = timedelta(minutes=15)
MOST = 500
"""Logs that are signed in one go."""
KEPT = timedelta(days=7)
"""For so long every checkpoint is kept; of a day before that the last one."""

_BY = Actor("service:checkpoints")


@dataclass(frozen=True, slots=True)
class _Due:
    """A log to be signed: its size and right edge as they are committed, and the size of its last checkpoint."""

    collection_id: UUID
    size: int
    edge: bytes
    signed: int | None

    @property
    def root(self) -> bytes:
        return Range(self.size, self.edge).root()


def sign_due(*, now: datetime) -> int:
    """Sign what is due, `MOST` at once; how many were looked at. Raises NoSigningKey: then all of it waits."""
    due = _due(now)
    if not due:
        return 0
    signer = log_signer(now=now)
    for one in due:
        try:
            signed = _signed(one, signer)
        except SignerRefused as refusal:
            _note_refusal(one, refusal, now)
        except trees.BeyondTree as error:
            # Entries are missing: no other log waits for this one.
            log.error("checkpoint_without_tree", collection=str(one.collection_id), reason=str(error))
        else:
            _store(one, signed, now)
    return len(due)


def forget(*, now: datetime) -> int:
    """Let old checkpoints go but the last of each day; how many."""
    return sql.execute(
        "DELETE FROM sharing_checkpoint c WHERE c.signed_at < %s AND EXISTS ("
        " SELECT 1 FROM sharing_checkpoint d WHERE d.collection_id = c.collection_id AND d.size > c.size"
        " AND d.signed_at < date_trunc('day', c.signed_at, 'UTC') + interval '1 day')",
        (now - KEPT,),
    )


def _due(now: datetime) -> list[_Due]:
    return [
        _Due(*found)
        for found in sql.rows(
            # What is refused comes last: it must not keep the others waiting.
            "SELECT k.id, k.next_index, k.edge, c.size FROM sharing_collection k"
            " LEFT JOIN LATERAL (SELECT size, signed_at FROM sharing_checkpoint WHERE collection_id = k.id"
            " ORDER BY size DESC LIMIT 1) AS c ON TRUE"
            " LEFT JOIN sharing_logrefusal r ON r.collection_id = k.id"
            " WHERE c.size IS DISTINCT FROM k.next_index OR c.signed_at <= %s"
            " ORDER BY r.collection_id IS NOT NULL, c.size IS NOT DISTINCT FROM k.next_index, c.signed_at NULLS FIRST"
            " LIMIT %s",
            (now - HEARTBEAT, MOST),
        )
    ]


def _signed(due: _Due, signer: LogSigner) -> SignedNote:
    """The signed note. Raises SignerRefused."""
    first = due.signed
    while True:
        # What was longer before is for the signer to refuse.
        proves = first is not None and first <= due.size
        proof = trees.consistency(due.collection_id, first or 0, due.size) if proves else []
        try:
            return signer.checkpoint(
                origin=origin(due.collection_id), size=due.size, root=due.root, proof=proof
            )
        except CheckpointRefused as refusal:
            # What it signed last may never have been stored: somebody was killed in between. Then once more from there.
            if refusal.code != Code.INCONSISTENT or refusal.size == first:
                raise
            first = refusal.size


@transaction.atomic
def _store(due: _Due, signed: SignedNote, now: datetime) -> None:
    """What witnesses signed of the same tree stays: it is the text that they sign, not our lines."""
    sql.execute(
        "INSERT INTO sharing_checkpoint AS c (collection_id, size, root, note, cosignatures, signed_at)"
        " VALUES (%s, %s, %s, %s, '', %s) ON CONFLICT (collection_id, size) DO UPDATE"
        " SET note = excluded.note, root = excluded.root, signed_at = excluded.signed_at,"
        " cosignatures = CASE WHEN c.root = excluded.root THEN c.cosignatures ELSE '' END"
        " WHERE c.signed_at <= excluded.signed_at",
        (due.collection_id, due.size, due.root, signed.note, datetime.fromtimestamp(signed.timestamp, UTC)),
    )
    if sql.execute("DELETE FROM sharing_logrefusal WHERE collection_id = %s", (due.collection_id,)):
        record(by=_BY, now=now, action="log.signed-again", target=f"collection:{due.collection_id}")


@transaction.atomic
def _note_refusal(due: _Due, refusal: SignerRefused, now: datetime) -> None:
    """Told when it begins, not each time that it is tried."""
    begun = sql.execute(
        "INSERT INTO sharing_logrefusal (collection_id, sentence, refused_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (collection_id) DO NOTHING",
        (due.collection_id, str(refusal), now),
    )
    if not begun:
        return
    log.error("checkpoint_refused", collection=str(due.collection_id), size=due.size, code=refusal.code)
    target = f"collection:{due.collection_id}"
    detail: dict[str, object] = {"code": refusal.code, "size": due.size}
    if isinstance(refusal, CheckpointRefused):
        detail["signed_size"] = refusal.size
    record(by=_BY, now=now, action="log.refused", target=target, detail=detail)
    tell_operator(
        kind="log.refused",
        target=target,
        sentence=f"The signer refuses a log: {refusal}. It is served with its last checkpoint"
        " until the entries that were signed are back.",
        detail=detail,
        now=now,
    )
