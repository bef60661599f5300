"""A publisher of one log without any service: entries, signed checkpoints, tiles, a trust root, and a mirror of it all.

    publisher = Publisher(tmp_path / "mirror", now=NOW)
    publisher.publish(an_indicator(1))
    publisher.write()                       # the mirror's files, with a checkpoint of all entries
    publisher.write(size=1)                 # or of fewer

What is changed in `publisher.folder` afterwards is a hostile mirror's work; `publisher.forked()` is a hostile publisher.
"""

import copy
import json
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharing.signing import keys
from sharing.signing.note_keys import NoteSigner, SignatureType
from sharing.tlog import notes, tiles
from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.merkle import Range, leaf_hash, node_hash, root_of
from sharing.tlog.notes import Note, NoteSignature
from sharing.tlog.tiles import Coordinate
from tests.sharing.verifier.log_simulator import ORIGIN, LogSimulator
from tests.trust_repository import NO_WITNESSES, TrustRepository

COLLECTION = ORIGIN.rpartition("/")[2]


class Publisher(LogSimulator):
    """`witnesses` cosign; `policy` says who has to. Pages have `page_size` entries."""

    def __init__(
        self,
        folder: Path,
        *,
        now: float | None = None,
        witnesses: Sequence[str] = (),
        policy: bytes | None = None,
        page_size: int = 4,
        ceiling: str = "amber",
    ) -> None:
        super().__init__()
        self.folder, self.page_size = folder, page_size
        self.clock = int(time.time() if now is None else now)
        self.log_signers = [keys.generate(), keys.generate_ml_dsa_44()]
        self.witnesses = [
            NoteSigner(name, SignatureType.COSIGNATURE_V1, keys.generate()) for name in witnesses
        ]
        if policy is None:
            policy = NO_WITNESSES
        if witnesses:
            lines = [f"witness {one.key.name} {one.key.vkey()}" for one in self.witnesses]
            policy = "\n".join([*lines, *policy.decode().splitlines(), ""]).encode()
        self.trust = TrustRepository(
            folder,
            now=datetime.fromtimestamp(self.clock, UTC),
            object_keys=[self.signer],
            log_signers=self.log_signers,
            ceilings={ORIGIN: ceiling},
            policy=policy,
        )

    def leaves(self) -> list[bytes]:
        return [leaf_hash(one.commit) for one in self.entries]

    def checkpoint(
        self,
        size: int | None = None,
        *,
        lines: Sequence[int] = (0, 1),
        cosigned_by: Sequence[str] | None = None,
        age: int = 0,
    ) -> bytes:
        """Of the first `size` entries; `lines`: which of the log's keys sign; `age` in seconds."""
        leaves = self.leaves()[:size]
        told = Checkpoint(ORIGIN, len(leaves), root_of(leaves))
        types = (SignatureType.ED25519, SignatureType.ML_DSA_44)
        signers = [NoteSigner(ORIGIN, types[line], self.log_signers[line]) for line in lines]
        signers += [one for one in self.witnesses if cosigned_by is None or one.key.name in cosigned_by]
        signatures: list[NoteSignature] = [
            one.sign_checkpoint(told, timestamp=self.clock - age) for one in signers
        ]
        return bytes(Note(told.text, tuple(signatures)))

    def tiles(self, size: int) -> dict[Coordinate, bytes]:
        """Every tile of the tree of `size`."""
        level, found = self.leaves()[:size], {}
        for coordinate in tiles.all_of(size):
            assert isinstance(coordinate.level, int)
            hashes = level
            for _ in range(8 * coordinate.level):
                hashes = [node_hash(hashes[at], hashes[at + 1]) for at in range(0, len(hashes) - 1, 2)]
            start = coordinate.index * tiles.WIDTH
            found[coordinate] = b"".join(hashes[start : start + coordinate.width])
        return found

    def write(self, size: int | None = None, *, checkpoint: bytes | None = None) -> None:
        """The mirror as it is now; pages hold all entries."""
        size = len(self.entries) if size is None else size
        index = []
        for start in range(0, len(self.entries), self.page_size):
            end = min(start + self.page_size, len(self.entries))
            self.put(f"pages/{start}.json", self.page(start, end))
            index.append([start, end])
        self.put("pages/index.json", json.dumps({"v": 1, "pages": index}).encode())
        for coordinate, raw in self.tiles(size).items():
            self.put(tiles.path(coordinate.level, coordinate.index, coordinate.width), raw)
        self.put("checkpoint", self.checkpoint(size) if checkpoint is None else checkpoint)

    def path(self, name: str) -> Path:
        return self.folder / "trust/log" / COLLECTION / name

    def put(self, name: str, raw: bytes) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)

    def forked(self) -> "Publisher":
        """The same publisher, keys and all, whose log may now go another way."""
        other = copy.copy(self)
        other.entries = copy.deepcopy(self.entries)
        return other


def lines_of(checkpoint: bytes) -> tuple[str, list[str]]:
    """The text of a signed note, and its signature lines."""
    note = notes.read(checkpoint)
    return note.text, [notes.line(one) for one in note.signatures]


def edge_of(publisher: Publisher, size: int) -> Range:
    """The right edge of the tree of the first `size` entries."""
    edge = Range()
    edge.extend(publisher.leaves()[:size])
    return edge


def changed(publisher: Publisher, start: int, change: Any) -> None:
    """Changes the page that begins at `start` in the mirror: `change(envelope, entries)`."""
    path = publisher.path(f"pages/{start}.json")
    envelope = json.loads(path.read_bytes())
    change(envelope, envelope["x_stillwatch_log"]["entries"])
    path.write_bytes(json.dumps(envelope).encode())
