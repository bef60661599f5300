"""What a partner keeps between runs: the trust store, and the latest checkpoint of each log that it believed.

<home>/trust/…                        `sharing.trust.store`
<home>/checkpoints/<b64u SHA-256(origin)>   a signed note, as it was received
"""

import os
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from sharing.signing import base64url
from sharing.verifier.checkpoint import SignedCheckpoint
from sharing.verifier.failures import VerificationFailed

_CHECKPOINTS = "checkpoints"


def default() -> Path:
    """STILLWATCH_HOME, else where programs of a user keep what they need."""
    named = os.environ.get("STILLWATCH_HOME", "").strip()
    if named:
        return Path(named)
    data = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(data) if data else Path.home() / ".local" / "share") / "stillwatch"


def checkpoints_in(home: Path) -> list[bytes]:
    """All that was believed."""
    folder = home / _CHECKPOINTS
    return [path.read_bytes() for path in sorted(folder.glob("[!.]*"))] if folder.is_dir() else []


def remember(home: Path, checkpoint: SignedCheckpoint) -> None:
    """Believe it from now on: whoever serves an older one, or another of its size, is found out."""
    name = base64url.encode(sha256(checkpoint.checkpoint.origin.encode()).digest())
    write(home / _CHECKPOINTS / name, checkpoint.raw)


def keep_evidence(folder: Path, failure: VerificationFailed, now: datetime) -> Path | None:
    """`folder`/evidence/<time>/ with what shows the failure to others; None where there is nothing to keep."""
    if not failure.evidence:
        return None
    place = folder / "evidence" / now.astimezone(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    for name, raw in failure.evidence.items():
        write(place / name, raw)
    said = {"sentence.txt": f"{failure.exit_code} {failure.code}: {failure.sentence}\n".encode()}
    for name, raw in said.items():
        write(place / name, raw)
    return place


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
