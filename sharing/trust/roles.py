"""Roles of the trust root, their lifetimes and keys, and where their files stand (TUF 1.0 §3, §4)."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import NoReturn

from securesystemslib.formats import encode_canonical
from securesystemslib.signer import Key, SecretsHandler, Signature, SSlibKey
from securesystemslib.signer import Signer as TufSigner
from tuf.api.metadata import (
    DelegatedRole,
    Delegations,
    Metadata,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from sharing.signing import base64url

ROOT, TARGETS, SNAPSHOT, TIMESTAMP = Root.type, Targets.type, Snapshot.type, Timestamp.type
COLLECTIONS = "collections"
"""The delegated role of `collections.json`."""

ONLINE_ROLES = (SNAPSHOT, TIMESTAMP)
"""The top-level roles that the service's own key signs; it signs COLLECTIONS too."""

JWKS_FILE, POLICY_FILE, REVOCATIONS_FILE = "jwks.json", "policy.txt", "revocations.json"
COLLECTIONS_FILE = "collections.json"
OFFLINE_FILES = (JWKS_FILE, POLICY_FILE, REVOCATIONS_FILE)

LIFETIMES: Mapping[str, timedelta] = {
    ROOT: timedelta(days=365),
    # Object keys are due every 60 days, and each takes a ceremony.
    TARGETS: timedelta(days=120),
    COLLECTIONS: timedelta(days=30),
    SNAPSHOT: timedelta(days=30),
    # So long can a partner who reaches nobody go on with what it holds.
    TIMESTAMP: timedelta(days=7),
}

TUF_PATH = "trust/tuf"
"""Where the repository stands, below the service's address and in a mirror alike."""


class OneKeySigner(TufSigner):
    """A TUF signer from a public key and whatever signs for it: a key in memory or one behind the signer's socket."""

    def __init__(self, public: bytes, sign: Callable[[bytes], bytes]) -> None:
        self._public_key = tuf_key(public)
        self._sign = sign

    @property
    def public_key(self) -> SSlibKey:
        return self._public_key

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._public_key.keyid, self._sign(payload).hex())

    @classmethod
    def from_priv_key_uri(
        cls, priv_key_uri: str, public_key: Key, secrets_handler: SecretsHandler | None = None
    ) -> NoReturn:
        raise NotImplementedError("keys are loaded by sharing.signing")


def tuf_key(public: bytes) -> SSlibKey:
    """An Ed25519 key of 32 bytes as TUF writes it; its id is that of TUF 1.0 §4.2."""
    value = {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public.hex()}}
    canonical: str = encode_canonical(value)
    return SSlibKey(sha256(canonical.encode()).hexdigest(), "ed25519", "ed25519", {"public": public.hex()})


def tuf_key_of_jwk(jwk: Mapping[str, object]) -> SSlibKey:
    """As `tuf_key`, of an Ed25519 JWK."""
    return tuf_key(base64url.decode(str(jwk["x"])))


def root_of(
    *,
    version: int,
    expires: datetime,
    root_keys: Iterable[Key],
    targets_keys: Iterable[Key],
    threshold: int,
    online_key: Key,
) -> Metadata[Root]:
    """Root metadata, not signed yet: `threshold` for root and targets, one online key for the rest."""
    root = Root(version=version, expires=expires, consistent_snapshot=True)
    for role, keys in ((ROOT, root_keys), (TARGETS, targets_keys)):
        for key in keys:
            root.add_key(key, role)
        root.roles[role].threshold = threshold
    for role in ONLINE_ROLES:
        root.add_key(online_key, role)
    return Metadata(root)


def targets_of(
    *, version: int, expires: datetime, files: Mapping[str, bytes], online_key: Key
) -> Metadata[Targets]:
    """Targets metadata, not signed yet: these files, and `collections.json` left to the online key."""
    delegation = DelegatedRole(COLLECTIONS, [online_key.keyid], 1, terminating=True, paths=[COLLECTIONS_FILE])
    return Metadata(
        Targets(
            version=version,
            expires=expires,
            targets={name: TargetFile.from_data(name, raw, ["sha256"]) for name, raw in files.items()},
            delegations=Delegations({online_key.keyid: online_key}, {COLLECTIONS: delegation}),
        )
    )


def metadata_path(role: str, version: int) -> str:
    """Below the repository; consistent snapshots (TUF 1.0 §6.2): all but the timestamp carry their version."""
    return f"metadata/{role}.json" if role == TIMESTAMP else f"metadata/{version}.{role}.json"


def target_path(name: str, raw: bytes) -> str:
    """Below the repository: targets carry their SHA-256 in hexadecimal."""
    return f"targets/{sha256(raw).hexdigest()}.{name}"


def until(now: datetime, role: str) -> datetime:
    """When metadata of a role that is signed now expires; TUF knows whole seconds."""
    return now.astimezone(UTC).replace(microsecond=0) + LIFETIMES[role]
