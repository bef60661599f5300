"""What the service signs by itself: `collections`, `snapshot` and `timestamp`. Pure: what stands in, what is new out.

Each is signed anew long before it expires, and whenever what it names has changed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from securesystemslib.signer import Signer
from tuf.api.metadata import Metadata, MetaFile, Signed, Snapshot, TargetFile, Targets, Timestamp

from sharing.trust.roles import (
    COLLECTIONS,
    COLLECTIONS_FILE,
    LIFETIMES,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    metadata_path,
    target_path,
    until,
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands: the online metadata as it was stored, None before the first, and the version of the targets."""

    targets_version: int
    collections: bytes | None = None
    snapshot: bytes | None = None
    timestamp: bytes | None = None


RENEWED_AFTER: Mapping[str, timedelta] = {
    COLLECTIONS: LIFETIMES[COLLECTIONS] / 2,
    SNAPSHOT: LIFETIMES[SNAPSHOT] / 2,
    TIMESTAMP: LIFETIMES[TIMESTAMP] / 7,
}
"""How old metadata gets before it is signed anew: a timestamp is a day old at most."""


def renew(standing: Standing, *, ceilings: bytes, signer: Signer, now: datetime) -> dict[str, bytes]:
    """The files that are new, by path below the repository, the timestamp last; nothing if all stands as it should.

    `ceilings`: `collections.json`. `signer` has the online key; one that follows another signs all anew.
    """
    made: dict[str, bytes] = {}

    collections = _read(standing.collections)
    file = TargetFile.from_data(COLLECTIONS_FILE, ceilings, ["sha256"])
    if (
        not isinstance(collections, Targets)
        or collections.targets.get(COLLECTIONS_FILE) != file
        or _is_due(collections, COLLECTIONS, now)
        or not _is_by(standing.collections, signer)
    ):
        collections = Targets(
            version=_next(collections, now), expires=until(now, COLLECTIONS), targets={COLLECTIONS_FILE: file}
        )
        made[target_path(COLLECTIONS_FILE, ceilings)] = ceilings
        made[metadata_path(COLLECTIONS, collections.version)] = _signed(collections, signer)

    snapshot = _read(standing.snapshot)
    meta = {
        f"{TARGETS}.json": MetaFile(standing.targets_version),
        f"{COLLECTIONS}.json": MetaFile(collections.version),
    }
    if (
        not isinstance(snapshot, Snapshot)
        or snapshot.meta != meta
        or _is_due(snapshot, SNAPSHOT, now)
        or not _is_by(standing.snapshot, signer)
    ):
        snapshot = Snapshot(version=_next(snapshot, now), expires=until(now, SNAPSHOT), meta=meta)
        made[metadata_path(SNAPSHOT, snapshot.version)] = _signed(snapshot, signer)

    timestamp = _read(standing.timestamp)
    if (
        not isinstance(timestamp, Timestamp)
        or timestamp.snapshot_meta.version != snapshot.version
        or _is_due(timestamp, TIMESTAMP, now)
        or not _is_by(standing.timestamp, signer)
    ):
        timestamp = Timestamp(
            version=_next(timestamp, now),
            expires=until(now, TIMESTAMP),
            snapshot_meta=MetaFile(snapshot.version),
        )
        made[metadata_path(TIMESTAMP, timestamp.version)] = _signed(timestamp, signer)
    return made


def _read(raw: bytes | None) -> Signed | None:
    if raw is None:
        return None
    signed: Signed = Metadata.from_bytes(raw).signed
    return signed


def _is_by(raw: bytes | None, signer: Signer) -> bool:
    return raw is not None and signer.public_key.keyid in Metadata.from_bytes(raw).signatures


def _is_due(signed: Signed, role: str, now: datetime) -> bool:
    """Whether it has reached its age; one that claims to come from the future is signed anew too."""
    age = now - (signed.expires - LIFETIMES[role])
    return age >= RENEWED_AFTER[role] or age < timedelta(minutes=-5)


def _next(before: Signed | None, now: datetime) -> int:
    """The time in seconds since 1970: a service that was restored from a backup goes on above what partners have."""
    return max(int(now.timestamp()), 1 if before is None else before.version + 1)


def _signed(signed: Signed, signer: Signer) -> bytes:
    metadata = Metadata(signed)
    metadata.sign(signer)
    return metadata.to_bytes()
