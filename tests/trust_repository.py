"""A small trust root in a folder, as a publisher would serve it: for tests of whatever reads one. No Django.

    repository = TrustRepository(tmp_path / "mirror", now=NOW, object_keys=[signer], log_signers=[ed, ml_dsa],
                                 ceilings={"feeds.example/log/…": "amber"}, policy=policy_bytes)
    store = TrustStore.init(tmp_path / "home", repository.root_json, str(repository.folder))
    store.refresh(NOW)

It is signed by two of three offline keys. Whatever is changed is served after `publish`.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from tuf.api.metadata import Metadata

from sharing.signing import keys
from sharing.signing.keys import Ed25519Signer, MlDsa44Signer, PublishedKey
from sharing.trust import online, roles
from sharing.trust.ceilings import Ceilings
from sharing.trust.revocations import Revocations, origin_digest
from sharing.trust.roles import OneKeySigner

NO_WITNESSES = b"quorum none\n"


def tuf_signer(signer: Ed25519Signer) -> OneKeySigner:
    """A key in memory as TUF takes it."""
    return OneKeySigner(signer.public_bytes(), signer.sign)


class TrustRepository:
    """Keys and documents may be changed; `publish` then signs and writes new versions."""

    def __init__(
        self,
        folder: Path,
        *,
        now: datetime,
        object_keys: Sequence[Ed25519Signer] = (),
        log_signers: Sequence[Ed25519Signer | MlDsa44Signer] = (),
        ceilings: Mapping[str, str] | None = None,
        policy: bytes = NO_WITNESSES,
        threshold: int = 2,
    ) -> None:
        self.folder = folder
        self.object_keys, self.log_signers = [*object_keys], [*log_signers]
        self.ceilings = dict(ceilings or {})
        self.policy = policy
        self.revocations = Revocations()
        self.threshold = threshold
        self.root_keys = [keys.generate() for _ in range(3)]
        self.targets_keys = [keys.generate() for _ in range(3)]
        self.online_key = keys.generate()
        self.root_version = self.targets_version = 0
        self._offline: dict[str, bytes] = {}
        self._standing: dict[str, bytes] = {}
        self.renew_root(now)
        self.root_json = (self._repository / "metadata/1.root.json").read_bytes()
        self.publish(now)

    @property
    def _repository(self) -> Path:
        return self.folder / roles.TUF_PATH

    def jwks(self) -> bytes:
        """`jwks.json`."""
        published = [PublishedKey(signer.public_jwk()) for signer in self.object_keys]
        published += [PublishedKey(signer.public_jwk(), use=keys.LOG) for signer in self.log_signers]
        return json.dumps(keys.jwks(published)).encode()

    def revoke(self, kid: str, from_index: Mapping[str, int] | None = None) -> None:
        """Revoke a key, from these indexes by origin on."""
        by_digest = {origin_digest(origin): index for origin, index in (from_index or {}).items()}
        self.revocations = self.revocations.with_key(kid, by_digest)

    def renew_root(
        self,
        now: datetime,
        *,
        signed_by: Sequence[Ed25519Signer] | None = None,
        version: int | None = None,
    ) -> None:
        """The next root, from the keys as they are; signed by the first `threshold` of them unless others are given."""
        self.root_version = self.root_version + 1 if version is None else version
        root = roles.root_of(
            version=self.root_version,
            expires=roles.until(now, roles.ROOT),
            root_keys=[tuf_signer(key).public_key for key in self.root_keys],
            targets_keys=[tuf_signer(key).public_key for key in self.targets_keys],
            threshold=self.threshold,
            online_key=tuf_signer(self.online_key).public_key,
        )
        for key in self.root_keys[: self.threshold] if signed_by is None else signed_by:
            root.sign(tuf_signer(key), append=True)
        self._write(roles.metadata_path(roles.ROOT, self.root_version), root.to_bytes())

    def publish(self, now: datetime, *, signed_by: Sequence[Ed25519Signer] | None = None) -> None:
        """Sign what changed, and what is due; targets by the first `threshold` keys unless others are given."""
        files = {
            roles.JWKS_FILE: self.jwks(),
            roles.POLICY_FILE: self.policy,
            roles.REVOCATIONS_FILE: bytes(self.revocations),
        }
        if files != self._offline or signed_by is not None:
            self._offline = files
            self.targets_version += 1
            targets = roles.targets_of(
                version=self.targets_version,
                expires=roles.until(now, roles.TARGETS),
                files=files,
                online_key=tuf_signer(self.online_key).public_key,
            )
            for key in self.targets_keys[: self.threshold] if signed_by is None else signed_by:
                targets.sign(tuf_signer(key), append=True)
            for name, raw in files.items():
                self._write(roles.target_path(name, raw), raw)
            self._write(roles.metadata_path(roles.TARGETS, self.targets_version), targets.to_bytes())
        made = online.renew(
            online.Standing(self.targets_version, **self._standing),
            ceilings=bytes(Ceilings.of(self.ceilings)),
            signer=tuf_signer(self.online_key),
            now=now,
        )
        for path, raw in made.items():
            self._write(path, raw)
            role = path.removesuffix(".json").rpartition("/")[2].rpartition(".")[2]
            if path.startswith("metadata/"):
                Metadata.from_bytes(raw)
                self._standing[role] = raw

    def _write(self, path: str, raw: bytes) -> None:
        file = self._repository / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(raw)
