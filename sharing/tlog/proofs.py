"""Proofs that stand alone (C2SP tlog-proof): a checkpoint, and the way of one entry to its root.

c2sp.org/tlog-proof@v1
extra <base64>                what the reader may want beside; proves nothing; may be left out
index <decimal>
<base64 of a hash>            none or more lines, from the leaf's sibling up
                              an empty line
<the checkpoint, a signed note, with its cosignatures>
"""

import re
from dataclasses import dataclass

from sharing.tlog.merkle import HASH_SIZE
from sharing.tlog.notes import MAX_SIZE, from_base64, to_base64

_HEADER = "c2sp.org/tlog-proof@v1"
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_MAX_HASHES = 63
_MAX_EXTRA = 64 * 1024


class MalformedProof(ValueError):
    """Not the text of a proof; the sentence says where."""


@dataclass(frozen=True, slots=True)
class TlogProof:
    """`checkpoint`: the signed note, not looked into. `hashes`: 32 bytes each. `bytes()` writes the proof."""

    index: int
    hashes: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def __bytes__(self) -> bytes:
        lines = [_HEADER]
        if self.extra is not None:
            lines.append(f"extra {to_base64(self.extra)}")
        lines += [f"index {self.index}", *map(to_base64, self.hashes), "", ""]
        return "\n".join(lines).encode() + self.checkpoint


def read(raw: bytes) -> TlogProof:
    """Raises MalformedProof. Whatever is read is written again to the same bytes."""
    if len(raw) > MAX_SIZE + 2 * _MAX_EXTRA:
        raise MalformedProof(f"a proof is at most {(MAX_SIZE + 2 * _MAX_EXTRA) // 1024} KiB")
    head, separator, checkpoint = raw.partition(b"\n\n")
    if not separator or not checkpoint:
        raise MalformedProof("a proof ends in an empty line and a checkpoint")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise MalformedProof("a proof is ASCII text up to its checkpoint") from error
    if lines.pop(0) != _HEADER:
        raise MalformedProof(f"a proof begins with {_HEADER}")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _decoded(lines.pop(0).removeprefix("extra "), "the extra")
        if len(extra) > _MAX_EXTRA:
            raise MalformedProof(f"the extra is at most {_MAX_EXTRA // 1024} KiB")
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if not index:
        raise MalformedProof("the line of the index is 'index <decimal>'")
    if len(lines) > _MAX_HASHES:
        raise MalformedProof(f"a proof has at most {_MAX_HASHES} hashes")
    hashes = tuple(_decoded(one, f"hash {place}") for place, one in enumerate(lines))
    for place, one in enumerate(hashes):
        if len(one) != HASH_SIZE:
            raise MalformedProof(f"hash {place} is not {HASH_SIZE} bytes")
    return TlogProof(int(index[1]), hashes, checkpoint, extra)


def _decoded(text: str, what: str) -> bytes:
    try:
        return from_base64(text)
    except ValueError as error:
        raise MalformedProof(f"{what} is not base64") from error
