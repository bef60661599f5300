"""The offline targets as the ceremony signs them, and the proposal in which the service asks for it.

    {"v":1,"jwks":{"keys":[…]},"policy":"<policy.txt>","revocations":{"v":1,"keys":[…]},"online":{<JWK>}}

`online` is the public half of the key with which the service signs collections, snapshot and timestamp.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from sharing.signing import keys
from sharing.signing.keys import KeySet, MalformedKeySet, thumbprint
from sharing.tlog.policy import MalformedPolicy, Policy
from sharing.trust.revocations import MalformedDocument, Revocations, read_document
from sharing.trust.roles import JWKS_FILE, OFFLINE_FILES, POLICY_FILE, REVOCATIONS_FILE
from sharing.verifier import strict_json
from sharing.verifier.failures import Malformed


@dataclass(frozen=True, slots=True)
class Documents:
    """What the targets role vouches for, as bytes that are signed and served."""

    jwks: bytes
    policy: bytes
    revocations: bytes

    @classmethod
    def of_files(cls, files: Mapping[str, bytes]) -> Self:
        """From files by name; checked as `check` does. Raises MalformedDocument."""
        for name in OFFLINE_FILES:
            if name not in files:
                raise MalformedDocument(f"there is no {name}")
        made = cls(files[JWKS_FILE], files[POLICY_FILE], files[REVOCATIONS_FILE])
        made.check()
        return made

    @property
    def files(self) -> dict[str, bytes]:
        """By name."""
        return {JWKS_FILE: self.jwks, POLICY_FILE: self.policy, REVOCATIONS_FILE: self.revocations}

    def check(self) -> None:
        """Raises MalformedDocument, which names the file."""
        try:
            KeySet.from_jwks(strict_json.read(self.jwks))
            keys.log_jwks(strict_json.read(self.jwks))
        except (Malformed, MalformedKeySet) as error:
            raise MalformedDocument(f"{JWKS_FILE}: {error}") from error
        try:
            Policy.read(self.policy)
        except MalformedPolicy as error:
            raise MalformedDocument(f"{POLICY_FILE}: {error}") from error
        try:
            Revocations.read(self.revocations)
        except MalformedDocument as error:
            raise MalformedDocument(f"{REVOCATIONS_FILE}: {error}") from error

    def kids(self) -> dict[str, str]:
        """Every key of jwks.json by its kid, and what it signs."""
        value = strict_json.read(self.jwks)
        assert isinstance(value, dict)
        return {
            str(jwk.get("kid")): f"{jwk.get('alg')}, {'checkpoints' if keys.USE in jwk else 'objects'}"
            for jwk in value["keys"]
        }

    def changes(self, before: "Documents | None") -> list[str]:
        """What is new against what stood, a line each, for who is asked to sign it."""
        old = {} if before is None else before.kids()
        new = self.kids()
        lines = [f"{JWKS_FILE}: new key {kid} ({what})" for kid, what in new.items() if kid not in old]
        lines += [f"{JWKS_FILE}: key {kid} goes ({what})" for kid, what in old.items() if kid not in new]
        if before is not None and not lines and self.jwks != before.jwks:
            lines.append(f"{JWKS_FILE}: the keys' times change")
        if before is None or self.policy != before.policy:
            lines.append(f"{POLICY_FILE}: {Policy.read(self.policy).needed()} must have cosigned")
        was = Revocations() if before is None else Revocations.read(before.revocations)
        for kid, from_index in Revocations.read(self.revocations).keys.items():
            if was.keys.get(kid) != from_index:
                lines.append(
                    f"{REVOCATIONS_FILE}: key {kid} is revoked, in {len(from_index)} logs from an index on"
                )
        return lines


@dataclass(frozen=True, slots=True)
class Proposal:
    """What the service asks the ceremony to sign."""

    documents: Documents
    online: Mapping[str, object]

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises MalformedDocument."""
        value = read_document(raw, {"v", "jwks", "policy", "revocations", "online"})
        policy, online = value["policy"], value["online"]
        if not isinstance(policy, str):
            raise MalformedDocument("policy is not the text of a policy")
        if not isinstance(online, dict):
            raise MalformedDocument("online is not a JWK")
        try:
            thumbprint(online)
        except MalformedKeySet as error:
            raise MalformedDocument(f"online: {error}") from error
        if online["kty"] != "OKP":
            raise MalformedDocument("online is not an Ed25519 key")
        documents = Documents(_json(value["jwks"]), policy.encode(), _json(value["revocations"]))
        documents.check()
        return cls(documents, online)

    def __bytes__(self) -> bytes:
        return _json(
            {
                "v": 1,
                "jwks": json.loads(self.documents.jwks),
                "policy": self.documents.policy.decode(),
                "revocations": json.loads(self.documents.revocations),
                "online": self.online,
            }
        )


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
