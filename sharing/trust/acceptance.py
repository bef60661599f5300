"""Whether what a ceremony signed follows from what stands (TUF 1.0 §5.3, §5.6): the rules that partners apply too.

Pure: bytes in, what to store out, or NotAccepted with one sentence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256

from tuf.api.exceptions import LengthOrHashMismatchError, RepositoryError
from tuf.api.metadata import Metadata, Root, Targets

from sharing.trust.documents import Documents
from sharing.trust.package import Package
from sharing.trust.revocations import MalformedDocument, Revocations
from sharing.trust.roles import (
    COLLECTIONS,
    COLLECTIONS_FILE,
    OFFLINE_FILES,
    ONLINE_ROLES,
    ROOT,
    TARGETS,
)


class NotAccepted(ValueError):
    """The ceremony's result does not follow from what stands; the sentence says why. Nothing of it is stored."""


@dataclass(frozen=True, slots=True)
class Stood:
    """What stands: every root by version (none before the first ceremony), the targets metadata and revocations."""

    roots: Mapping[int, bytes]
    targets: bytes | None = None
    revocations: bytes | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What is new: `roots` by version, targets metadata (None if it is the one that stands), and its documents."""

    roots: Mapping[int, bytes]
    root: Root
    targets: Targets
    targets_raw: bytes | None
    documents: Documents

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the newest root.json in hexadecimal, which people compare over the telephone."""
        return sha256(self.roots[self.root.version]).hexdigest()


def accept(package: Package, stood: Stood, *, online_keyid: str, now: datetime) -> Accepted:
    """Raises NotAccepted. `online_keyid`: of the key that the service signs the online roles with."""
    root = _follow_roots(package, stood)
    if root.is_expired(now):
        raise NotAccepted(f"root {root.version} expired on {root.expires:%Y-%m-%d}: renew it")
    for role in ONLINE_ROLES:
        if root.roles[role].keyids != [online_keyid]:
            raise NotAccepted(f"root {root.version} gives {role} to another key than the service's own")
    targets, is_new = _targets(package, stood, root, now)
    _check_delegation(targets, online_keyid)
    documents = _documents(package, targets)
    if stood.revocations is not None:
        lost = Revocations.read(documents.revocations).missing(Revocations.read(stood.revocations))
        if lost is not None:
            raise NotAccepted(f"revocations.json: {lost}")
    return Accepted(
        roots=dict(package.roots),
        root=root,
        targets=targets,
        targets_raw=package.targets if is_new else None,
        documents=documents,
    )


def read_root(raw: bytes) -> Metadata[Root]:
    """Raises NotAccepted unless these bytes are root metadata; signatures are not looked at."""
    try:
        metadata = Metadata[Root].from_bytes(raw)
    except RepositoryError as error:
        raise NotAccepted(f"a root is not TUF metadata: {error}") from error
    if metadata.signed.type != ROOT:
        raise NotAccepted(f"{metadata.signed.type} metadata stands where a root should")
    return metadata


def read_targets(raw: bytes) -> Metadata[Targets]:
    """As `read_root`, of targets."""
    try:
        metadata = Metadata[Targets].from_bytes(raw)
    except RepositoryError as error:
        raise NotAccepted(f"the targets are not TUF metadata: {error}") from error
    if metadata.signed.type != TARGETS:
        raise NotAccepted(f"{metadata.signed.type} metadata stands where targets should")
    return metadata


def verified(delegator: Root, role: str, metadata: Metadata[Root] | Metadata[Targets], called: str) -> None:
    """Raises NotAccepted unless enough of the keys that `delegator` gives the role have signed."""
    result = delegator.get_verification_result(role, metadata.signed_bytes, metadata.signatures)
    if not result:
        raise NotAccepted(
            f"{called} is signed by {len(result.signed)} of the {result.threshold} keys that it takes"
        )


def _follow_roots(package: Package, stood: Stood) -> Root:
    """The newest root, if each follows the one before by the thresholds of both."""
    for version, raw in stood.roots.items():
        given = package.roots.get(version)
        if given is None:
            raise NotAccepted(
                f"root {version} stands, but is not part of what was signed: that is older, or another"
            )
        if given != raw:
            raise NotAccepted(f"root {version} stands, and what was signed has another one of that number")
    before: Root | None = None
    for number, (version, raw) in enumerate(sorted(package.roots.items()), start=1):
        metadata = read_root(raw)
        called = f"root {version}"
        if version != number or metadata.signed.version != version:
            raise NotAccepted(f"{called} is not the next after root {number - 1}")
        if before is not None:
            verified(before, ROOT, metadata, f"{called}, by the keys of the root before,")
        verified(metadata.signed, ROOT, metadata, called)
        before = metadata.signed
    assert before is not None  # a package has a root
    return before


def _targets(package: Package, stood: Stood, root: Root, now: datetime) -> tuple[Targets, bool]:
    metadata = read_targets(package.targets)
    targets = metadata.signed
    called = f"targets {targets.version}"
    verified(root, TARGETS, metadata, called)
    if targets.is_expired(now):
        raise NotAccepted(f"{called} expired on {targets.expires:%Y-%m-%d}: sign new ones")
    if stood.targets is None:
        return targets, True
    if package.targets == stood.targets:
        return targets, False
    version = read_targets(stood.targets).signed.version
    if targets.version <= version:
        raise NotAccepted(f"{called} are not newer than those that stand, {version}")
    return targets, True


def _check_delegation(targets: Targets, online_keyid: str) -> None:
    roles = {} if targets.delegations is None else targets.delegations.roles or {}
    role = roles.get(COLLECTIONS)
    if len(roles) != 1 or role is None or role.paths != [COLLECTIONS_FILE] or role.keyids != [online_keyid]:
        raise NotAccepted(f"the targets must leave {COLLECTIONS_FILE}, and no more, to the service's own key")


def _documents(package: Package, targets: Targets) -> Documents:
    if set(targets.targets) != set(OFFLINE_FILES):
        raise NotAccepted(f"the targets must be {', '.join(OFFLINE_FILES)}, and no more")
    for name, target in targets.targets.items():
        raw = package.files.get(name)
        if raw is None:
            raise NotAccepted(f"{name} is not part of what was signed")
        try:
            target.verify_length_and_hashes(raw)
        except LengthOrHashMismatchError as error:
            raise NotAccepted(f"{name} is not the file that was signed") from error
    try:
        return Documents.of_files(package.files)
    except MalformedDocument as error:
        raise NotAccepted(str(error)) from error
