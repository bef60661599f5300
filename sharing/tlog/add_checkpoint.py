"""What a log asks of a witness, and what a witness answers (C2SP tlog-witness, `add-checkpoint`).

request   old <size>\\n, a base64 hash and \\n for each node of the consistency proof, \\n, the signed checkpoint
200       signature lines of the witness
409       <size that the witness cosigned last>\\n, as text/x.tlog.size
"""

import re
from dataclasses import dataclass
from typing import Self

from sharing.tlog.checkpoints import MAX_SIZE
from sharing.tlog.merkle import HASH_SIZE
from sharing.tlog.notes import from_base64, to_base64

PATH = "/add-checkpoint"
"""Behind a witness's submission prefix."""
SIZE_MEDIA_TYPE = "text/x.tlog.size"
MAX_PROOF = 63
"""Hashes that a proof may have."""
MAX_BYTES = 128 * 1024
"""Of a request. A checkpoint with thirty ML-DSA-44 lines fits."""

_NUMBER = re.compile(rb"0|[1-9][0-9]{0,18}")


class MalformedRequest(ValueError):
    """Not a request or an answer of this protocol; the sentence says where."""


@dataclass(frozen=True, slots=True)
class AddCheckpoint:
    """Cosign `checkpoint`, a signed note: by `proof` the tree of `old` leaves is its beginning. `bytes()` writes it."""

    old: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __bytes__(self) -> bytes:
        hashes = "".join(f"{to_base64(one)}\n" for one in self.proof)
        return f"old {self.old}\n{hashes}\n".encode() + self.checkpoint

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises MalformedRequest. The checkpoint is not looked into."""
        if len(raw) > MAX_BYTES:
            raise MalformedRequest(f"a request is at most {MAX_BYTES // 1024} KiB")
        head, separator, checkpoint = raw.partition(b"\n\n")
        if not separator:
            raise MalformedRequest("a request is the old size, the proof, an empty line and the checkpoint")
        first, *hashes = head.split(b"\n")
        if not first.startswith(b"old "):
            raise MalformedRequest("the first line is not 'old <size>'")
        if len(hashes) > MAX_PROOF:
            raise MalformedRequest(f"a proof has at most {MAX_PROOF} hashes")
        return cls(
            old=_number(first.removeprefix(b"old "), "the old size"),
            proof=tuple(_hash(line, place) for place, line in enumerate(hashes, start=1)),
            checkpoint=checkpoint,
        )


def size_answer(size: int) -> bytes:
    """The body of a 409."""
    return b"%d\n" % size


def read_size_answer(raw: bytes) -> int:
    """The size in the body of a 409; MalformedRequest if there is none."""
    if not raw.endswith(b"\n"):
        raise MalformedRequest("the size does not end in a newline")
    return _number(raw[:-1], "the size")


def _number(raw: bytes, what: str) -> int:
    if not _NUMBER.fullmatch(raw) or int(raw) > MAX_SIZE:
        raise MalformedRequest(f"{what} is not a decimal number from 0 to 2^63-1 without leading zeros")
    return int(raw)


def _hash(line: bytes, place: int) -> bytes:
    try:
        found = from_base64(line.decode("ascii"))
    except ValueError:
        found = b""
    if len(found) != HASH_SIZE:
        raise MalformedRequest(f"hash {place} of the proof is not base64 of {HASH_SIZE} bytes")
    return found
