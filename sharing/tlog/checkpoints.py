"""Checkpoints (C2SP tlog-checkpoint): what a log says its tree is, and the bytes that are signed of it.

    <origin>\\n<size, decimal>\\n<base64 of the root, 32 bytes>\\n

Ours have no extension lines, and none are read: an ML-DSA-44 line would not cover them.
"""

import re
from dataclasses import dataclass
from struct import pack

from sharing.tlog.merkle import EMPTY_ROOT, HASH_SIZE
from sharing.tlog.notes import from_base64, to_base64

MAX_SIZE = 2**63 - 1
"""Leaves. What a signed 64-bit integer holds."""

_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)
_LABEL = b"subtree/v1\n\0"


class MalformedCheckpoint(ValueError):
    """Not the text of a checkpoint; the sentence says where."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The tree of the log `origin` had `size` leaves and this root, 32 bytes. Raises MalformedCheckpoint."""

    origin: str
    size: int
    root: bytes

    def __post_init__(self) -> None:
        if not self.origin or not self.origin.isprintable() or len(self.origin.encode()) > 255:
            raise MalformedCheckpoint("the origin is one line of 1 to 255 bytes")
        if not 0 <= self.size <= MAX_SIZE:
            raise MalformedCheckpoint("the size is an integer from 0 to 2^63-1")
        if len(self.root) != HASH_SIZE:
            raise MalformedCheckpoint("the root is 32 bytes")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise MalformedCheckpoint("the root of a tree of size 0 is SHA-256 of nothing")

    @property
    def text(self) -> str:
        """The note text, which is what an Ed25519 line of type 0x01 signs."""
        return f"{self.origin}\n{self.size}\n{to_base64(self.root)}\n"


def read(text: str) -> Checkpoint:
    """Raises MalformedCheckpoint. Whatever is read is written again to the same text."""
    lines = text.split("\n")
    if len(lines) != 4 or lines[3]:
        raise MalformedCheckpoint("a checkpoint is three lines: origin, size and root")
    origin, size, root = lines[:3]
    if not _NUMBER.fullmatch(size):
        raise MalformedCheckpoint("the size is not a decimal number without leading zeros")
    try:
        return Checkpoint(origin, int(size), from_base64(root))
    except MalformedCheckpoint:
        raise
    except ValueError as error:
        raise MalformedCheckpoint("the root is not base64") from error


def cosignature_v1_message(*, timestamp: int, text: str) -> bytes:
    """What an Ed25519 cosignature (type 0x04) signs; `timestamp` in seconds since 1970, `text` the note's."""
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def cosigned_message(*, cosigner: str, timestamp: int, checkpoint: Checkpoint) -> bytes:
    """What an ML-DSA-44 cosignature (type 0x06) signs: `struct cosigned_message` of C2SP tlog-cosignature.

    "subtree/v1\\n\\0" ‖ len8 ‖ cosigner ‖ timestamp u64 ‖ len8 ‖ origin ‖ start u64 = 0 ‖ size u64 ‖ root
    """
    name, origin = cosigner.encode(), checkpoint.origin.encode()
    if not 1 <= len(name) <= 255:
        raise MalformedCheckpoint("a cosigner's name is 1 to 255 bytes")
    head = pack(">B", len(name)) + name + pack(">Q", timestamp) + pack(">B", len(origin)) + origin
    return _LABEL + head + pack(">QQ", 0, checkpoint.size) + checkpoint.root
