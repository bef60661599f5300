"""What a log signed that it must not have signed, kept as files that convince others.

    {"v":1,"kind":…,"sentence":…,"origin":…,"seen_at":<s>,"known":"<note>","offered":"<note>","old":<int>,"proof":[…]}

`kind` is `fork` (two roots at one size) or `rollback` (a smaller tree, signed later), which the two signed notes prove
by themselves; or `no-proof`: what was offered was not shown to continue what is known. That may be a fork, or somebody
who sent a true checkpoint with a false proof: the log, asked for a proof between the two sizes, settles it.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.notes import to_base64
from sharing.witness.memory import Cosigned, origin_hash

_MOST = 100
"""Files of one kind about one log: whoever has many of its checkpoints must not fill the disk."""


class Kind(StrEnum):
    """What it shows."""

    FORK = "fork"
    ROLLBACK = "rollback"
    NO_PROOF = "no-proof"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was offered against what is known."""

    kind: Kind
    known: Cosigned
    offered: Checkpoint
    note: bytes
    old: int
    proof: Sequence[bytes]

    @property
    def sentence(self) -> str:
        """One sentence for a log or a terminal."""
        known, offered, origin = self.known, self.offered, self.offered.origin
        match self.kind:
            case Kind.FORK:
                return f"FORK: {origin} signed two trees of size {offered.size}"
            case Kind.ROLLBACK:
                return (
                    f"ROLLBACK: {origin} signed a tree of size {offered.size} after it had signed one of size"
                    f" {known.size}"
                )
        return (
            f"NO PROOF: {origin} at size {offered.size} was not shown to continue what was cosigned at size"
            f" {known.size}; nothing is cosigned unless that is shown"
        )


class EvidenceFiles:
    """A directory of them; what is there already is not written again."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def keep(self, found: Evidence, *, now: int) -> Path | None:
        """The new file, durable; None if there is one about this, or enough proof. OSError if it cannot be written."""
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        beginning = f"{found.kind}-{origin_hash(found.offered.origin)[:16]}-"
        name = f"{beginning}{found.offered.size}-{found.offered.root.hex()[:16]}.json"
        there = list(self._directory.glob(f"{beginning}*.json"))
        if any(one.name == name for one in there):
            return None
        if len(there) >= _MOST:
            if found.kind is not Kind.NO_PROOF:
                return None
            # Those may be by anybody who has the log's checkpoints: they must not keep a true one from being written.
            min(there, key=lambda one: one.stat().st_mtime).unlink(missing_ok=True)
        path = self._directory / name
        draft = path.with_suffix(f".{os.getpid()}.draft")
        with draft.open("w", encoding="utf-8") as file:
            json.dump(_written(found, now), file, indent=1)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        return path

    def all(self) -> list[tuple[Path, str, str]]:
        """What there is: the file, its kind and its sentence, by name."""
        found = []
        for path in sorted(self._directory.glob("*.json")):
            try:
                said = json.loads(path.read_text(encoding="utf-8"))
                found.append((path, str(said["kind"]), str(said["sentence"])))
            except (OSError, ValueError, KeyError, TypeError):
                found.append((path, "unreadable", "The file cannot be read."))
        return found


def _written(found: Evidence, now: int) -> dict[str, object]:
    return {
        "v": 1,
        "kind": found.kind,
        "sentence": found.sentence,
        "origin": found.offered.origin,
        "seen_at": now,
        "known": found.known.note.decode(),
        "offered": found.note.decode(),
        "old": found.old,
        "proof": [to_base64(one) for one in found.proof],
    }
