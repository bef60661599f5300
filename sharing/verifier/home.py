"""What a partner keeps between runs: the trust store, and the latest checkpoint of each log that it believed.

<home>/trust/…                        `sharing.trust.store`
<home>/checkpoints/<b64u SHA-256(origin)>   a signed note, as it was received
"""

import contextlib
import fcntl
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from sharing.signing import base64url
from sharing.tlog import checkpoints, notes
from sharing.verifier.checkpoint import SignedCheckpoint
from sharing.verifier.failures import Fork, VerificationFailed

MOST_KEPT = 20
"""Folders of evidence."""
MOST_KEPT_BYTES = 512 * 1024 * 1024
"""Of all of them together; the newest is kept whatever its size, which that of one page bounds."""

_CHECKPOINTS = "checkpoints"
_EVIDENCE = "evidence"
_SENTENCE = "sentence.txt"
_CONSISTENCY = "consistency.txt"
_NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z", re.ASCII)
"""Of a folder of evidence: what else somebody puts there is theirs."""


def default() -> Path:
    """STILLWATCH_VERIFIER_HOME, else where programs of a user keep what they need.

    STILLWATCH_HOME is the state of a service that may run on the same machine, with its keys.
    """
    named = os.environ.get("STILLWATCH_VERIFIER_HOME", "").strip()
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(data) if data else Path.home() / ".local" / "share") / "stillwatch"


def checkpoints_in(home: Path) -> list[bytes]:
    """All that was believed."""
    folder = home / _CHECKPOINTS
    return [path.read_bytes() for path in sorted(folder.glob("[!.]*"))] if folder.is_dir() else []


def remember(home: Path, checkpoint: SignedCheckpoint) -> None:
    """Believe it from now on: whoever serves an older one, or another of its size, is found out. Raises Fork.

    A slower run beside it may have believed less, or something else, which must not take the place of this.
    """
    name = base64url.encode(sha256(checkpoint.checkpoint.origin.encode()).digest())
    path = home / _CHECKPOINTS / name
    path.parent.mkdir(parents=True, exist_ok=True)
    with (path.parent / ".lock").open("ab") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if path.exists():
            raw = path.read_bytes()
            known = checkpoints.read(notes.read(raw).text)
            if known.size == checkpoint.size and known.root != checkpoint.root:
                raise Fork(
                    f"the log has two histories: two signed checkpoints of {known.size} entries with different roots",
                    evidence={"checkpoint-known": raw, "checkpoint-new": checkpoint.raw},
                )
            if known.size > checkpoint.size:
                return
        write(path, checkpoint.raw)


def keep_evidence(folder: Path, failure: VerificationFailed, now: datetime) -> Path | None:
    """`folder`/evidence/<time>/ with what shows the failure to others; None where there is nothing to keep.

    What was found before about the same logs, in the same words, is not written again. Of the others the oldest go
    beyond `MOST_KEPT` and `MOST_KEPT_BYTES`. What proves a fork stays: only the log's own keys can make it.
    """
    if not failure.evidence:
        return None
    said = f"{failure.exit_code} {failure.code}: {failure.sentence}\n".encode()
    kept = [one for one in sorted((folder / _EVIDENCE).glob("*/")) if _NAME.fullmatch(one.name)]
    others = []
    for one in kept:
        evidence = {path.name: path.read_bytes() for path in one.glob("c*")}
        if _read(one / _SENTENCE) == said and _about(failure.evidence) == _about(evidence):
            return one
        if not _proves_a_fork(evidence):
            others.append(one)
    size = sum(map(len, failure.evidence.values())) + len(said)
    _make_room(others, MOST_KEPT - 1, MOST_KEPT_BYTES - size)
    place = folder / _EVIDENCE / now.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for name, raw in failure.evidence.items():
        write(place / name, raw)
    write(place / _SENTENCE, said)
    return place


def _make_room(folders: Sequence[Path], most: int, most_bytes: int) -> None:
    """Let the oldest go until there are no more than this; what cannot be removed stays."""
    sizes = {one: sum(path.stat().st_size for path in one.iterdir()) for one in folders}
    for one in list(sizes):
        if len(sizes) <= most and sum(sizes.values()) <= most_bytes:
            return
        with contextlib.suppress(OSError):
            shutil.rmtree(one)
            del sizes[one]


def _trees(evidence: Mapping[str, bytes]) -> set[tuple[bytes, ...]]:
    """(origin, size, root) of each checkpoint, as its first lines say."""
    return {tuple(raw.split(b"\n")[:3]) for name, raw in evidence.items() if name.startswith("checkpoint")}


def _about(evidence: Mapping[str, bytes]) -> set[tuple[bytes, ...]]:
    """Which logs it is about; of a fork, which trees: another one is news."""
    trees = _trees(evidence)
    return trees if _proves_a_fork(evidence) else {tree[:1] for tree in trees}


def _proves_a_fork(evidence: Mapping[str, bytes]) -> bool:
    """Whether it shows two histories to anybody: by a proof, or by two roots of one size. Without, a source that
    keeps its tiles to itself is enough for a `Fork`."""
    trees = _trees(evidence)
    return _CONSISTENCY in evidence or len({tree[:2] for tree in trees}) < len(trees)


def _read(path: Path) -> bytes:
    """Nothing, if it is not there: whoever wrote it was stopped."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def write(path: Path, raw: bytes) -> None:
    """Whole or not at all, also through a loss of power."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
