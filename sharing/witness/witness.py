"""What a witness cosigns, and what it refuses (C2SP tlog-witness). No network; one call is one request."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Protocol

from sharing.signing.jws import BadSignature
from sharing.signing.note_keys import NoteKey, NoteSigner, verify_checkpoint
from sharing.tlog import checkpoints, merkle, notes
from sharing.tlog.add_checkpoint import SIZE_MEDIA_TYPE, AddCheckpoint, MalformedRequest, size_answer
from sharing.tlog.checkpoints import Checkpoint, MalformedCheckpoint
from sharing.tlog.merkle import BadProof
from sharing.tlog.notes import MalformedNote, Note
from sharing.witness.evidence import Evidence, EvidenceFiles, Kind
from sharing.witness.memory import Cosigned, Memory

TEXT = "text/plain; charset=utf-8"


class Logs(Protocol):
    """Which logs there are."""

    def keys(self, origin: str) -> Sequence[NoteKey]:
        """The keys that sign this log's checkpoints; none if it is unknown."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body and its media type."""

    status: int
    body: bytes
    media_type: str = TEXT


class Refused(Exception):
    """Nothing is cosigned: a status and a sentence."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.answer = Answer(status, f"{sentence}\n".encode())


class Witness:
    """Cosigns what continues what it cosigned before; `tell` gets a sentence for each thing worth knowing."""

    def __init__(
        self,
        *,
        logs: Logs,
        signers: Sequence[NoteSigner],
        memory: Memory,
        evidence: EvidenceFiles,
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._logs, self._signers, self._memory = logs, signers, memory
        self._evidence, self._tell, self._clock = evidence, tell, clock

    def add_checkpoint(self, body: bytes) -> Answer:
        """The answer to one request. Raises MemoryUnusable: then nothing was cosigned."""
        try:
            asked, signed = self._read(body)
            with self._memory.alone():
                return self._cosign(asked, signed)
        except Refused as refused:
            return refused.answer

    def checkpoint(self, hashed: str) -> bytes | None:
        """The note that was cosigned last of the log with this hash of its origin, with the lines of both."""
        found = self._memory.of_hash(hashed)
        return None if found is None else found.note

    def close(self) -> None:
        """No more requests."""
        self._memory.close()

    def _read(self, body: bytes) -> "tuple[AddCheckpoint, _Signed]":
        """What is asked for, its log's signatures verified."""
        try:
            asked = AddCheckpoint.read(body)
            note = notes.read(asked.checkpoint)
            origin = note.text.partition("\n")[0]
            keys = self._logs.keys(origin)
            if not keys:
                raise Refused(HTTPStatus.NOT_FOUND, "This witness does not know that log.")
            _refuse_other_empty_tree(note)
            checkpoint = checkpoints.read(note.text)
        except (MalformedRequest, MalformedNote, MalformedCheckpoint) as error:
            raise Refused(HTTPStatus.BAD_REQUEST, _sentence(error)) from error
        try:
            verified = verify_checkpoint(asked.checkpoint, origin=origin, log_keys=keys)
        except BadSignature as error:
            raise Refused(HTTPStatus.FORBIDDEN, _sentence(error)) from error
        # Only lines that were looked at are kept and shown to others.
        lines = tuple(one for one in note.signatures if any(key.made(one) for key in keys))
        return asked, _Signed(checkpoint, verified.timestamp, Note(note.text, lines))

    def _cosign(self, asked: AddCheckpoint, signed: "_Signed") -> Answer:
        offered = signed.checkpoint
        if asked.old > offered.size:
            raise Refused(HTTPStatus.BAD_REQUEST, "The old size is larger than that of the checkpoint.")
        known = self._memory.latest(offered.origin)
        if known is not None and offered.size == known.size and offered.root != known.root:
            self._keep(Kind.FORK, known, asked, signed)
        elif known is not None and offered.size < known.size and signed.at > known.signed_at:
            self._keep(Kind.ROLLBACK, known, asked, signed)
        if asked.old != (0 if known is None else known.size):
            # Whoever asks does not know where this witness is, or the tree shrank: the size says which.
            return Answer(
                HTTPStatus.CONFLICT, size_answer(0 if known is None else known.size), SIZE_MEDIA_TYPE
            )
        if known is not None and offered.size == known.size and offered.root != known.root:
            # C2SP tlog-witness: 409, as for any other size than the one that was cosigned.
            return Answer(HTTPStatus.CONFLICT, size_answer(known.size), SIZE_MEDIA_TYPE)
        try:
            merkle.verify_consistency(
                first=asked.old,
                second=offered.size,
                first_root=merkle.EMPTY_ROOT if known is None else known.root,
                second_root=offered.root,
                proof=asked.proof,
            )
        except BadProof as error:
            if known is not None and known.size < offered.size:
                self._keep(Kind.NO_PROOF, known, asked, signed)
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _sentence(error)) from error
        now = int(self._clock())
        lines = [one.sign_checkpoint(offered, timestamp=now) for one in self._signers]
        # The log's later word stays: an earlier one about the same tree may come again.
        at, note = signed.at, signed.note
        if known is not None and known.size == offered.size and known.signed_at > at:
            at, note = known.signed_at, notes.read(known.note)
        note = notes.with_signatures(note, lines)
        self._memory.remember(Cosigned(offered.origin, offered.size, offered.root, at, now, bytes(note)))
        self._tell(f"cosigned {offered.origin} at size {offered.size}")
        return Answer(HTTPStatus.OK, "".join(map(notes.line, lines)).encode())

    def _keep(self, kind: Kind, known: Cosigned, asked: AddCheckpoint, signed: "_Signed") -> None:
        found = Evidence(kind, known, signed.checkpoint, bytes(signed.note), asked.old, asked.proof)
        try:
            path = self._evidence.keep(found, now=int(self._clock()))
        except OSError as error:
            self._tell(f"{found.sentence}; the evidence cannot be written: {error.strerror}")
        else:
            if path is not None:
                self._tell(f"{found.sentence}; evidence: {path}")


@dataclass(frozen=True, slots=True)
class _Signed:
    """A checkpoint that its log signed, when (s since 1970), and the note with nobody's lines but the log's."""

    checkpoint: Checkpoint
    at: int
    note: Note


def _refuse_other_empty_tree(note: Note) -> None:
    """A tree of size 0 with another root has an answer of its own in the protocol."""
    try:
        checkpoints.read(note.text)
    except MalformedCheckpoint as error:
        _, size, root, *_ = [*note.text.split("\n"), "", "", ""]
        try:
            is_root = len(notes.from_base64(root)) == merkle.HASH_SIZE
        except ValueError:
            is_root = False
        if size == "0" and is_root:
            raise Refused(HTTPStatus.UNPROCESSABLE_ENTITY, _sentence(error)) from error


def _sentence(error: Exception) -> str:
    text = str(error)
    return f"{text[:1].upper()}{text[1:]}."
