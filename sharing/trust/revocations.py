"""`revocations.json`: which keys are revoked, and from which index of each log on.

    {"v":1,"keys":[{"kid":"<RFC 7638 thumbprint>","from_index":{"<b64u SHA-256(origin)>":<int>}}]}

A log that is not named counts from 0. What a revoked key signed below its index stays valid under a checkpoint that
the quorum cosigned: it stood there before the key was lost. Without such a proof nothing that it signed is valid.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Self

from sharing.signing import base64url
from sharing.verifier import strict_json
from sharing.verifier.failures import KeyRefused, Malformed

_KID = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class MalformedDocument(ValueError):
    """A target of the trust root is not in its format; the sentence says where."""


def origin_digest(origin: str) -> str:
    """How a log is called in public: b64u SHA-256 of its origin, from which no collection can be guessed."""
    return base64url.encode(sha256(origin.encode()).digest())


@dataclass(frozen=True, slots=True)
class Revocations:
    """`from_index` by revoked kid, then by digest of origin."""

    keys: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    @classmethod
    def read(cls, raw: bytes) -> Self:
        """Raises MalformedDocument."""
        value = read_document(raw, {"v", "keys"})
        keys: dict[str, dict[str, int]] = {}
        listed = value["keys"]
        if not isinstance(listed, list):
            raise MalformedDocument("keys is not an array")
        for place, one in enumerate(listed):
            if not isinstance(one, dict) or one.keys() != {"kid", "from_index"}:
                raise MalformedDocument(f"keys[{place}] must have kid and from_index")
            kid, from_index = one["kid"], one["from_index"]
            if not isinstance(kid, str) or not _KID.fullmatch(kid):
                raise MalformedDocument(f"keys[{place}]: kid is not an RFC 7638 thumbprint")
            if kid in keys:
                raise MalformedDocument(f"keys[{place}]: the same key is listed twice")
            if not isinstance(from_index, dict):
                raise MalformedDocument(f"keys[{place}]: from_index is not an object")
            for digest, index in from_index.items():
                if not _KID.fullmatch(digest) or type(index) is not int or index < 0:
                    raise MalformedDocument(f"keys[{place}]: from_index is by digest of origin, from 0 on")
            keys[kid] = from_index
        return cls(keys)

    def __bytes__(self) -> bytes:
        keys = [{"kid": kid, "from_index": dict(sorted(at.items()))} for kid, at in sorted(self.keys.items())]
        return json.dumps({"v": 1, "keys": keys}, separators=(",", ":")).encode() + b"\n"

    def from_index(self, kid: str, origin: str) -> int | None:
        """From which index of this log on the key counts no more; None if it is not revoked."""
        revoked = self.keys.get(kid)
        return None if revoked is None else revoked.get(origin_digest(origin), 0)

    def with_key(self, kid: str, from_index: Mapping[str, int]) -> "Revocations":
        """One more key, or the same with lower indexes: what was once refused is never accepted again."""
        before = self.keys.get(kid)
        if before is None:
            return Revocations({**self.keys, kid: dict(from_index)})
        lowest = {
            digest: min(at for at in (before.get(digest, 0), from_index.get(digest, 0)))
            for digest in before.keys() | from_index.keys()
        }
        return Revocations({**self.keys, kid: lowest})

    def missing(self, other: "Revocations") -> str | None:
        """A sentence if these take back what the `other`, earlier ones revoked."""
        for kid, before in other.keys.items():
            after = self.keys.get(kid)
            if after is None:
                return f"key {kid} was revoked and is no longer"
            if any(index > before.get(digest, 0) for digest, index in after.items()):
                return f"key {kid} was revoked from a lower index than now"
        return None


def refuse_revoked(
    kid: str,
    revoked_from: int | None,
    *,
    index: int | None = None,
    object_id: str | None = None,
) -> None:
    """Raises KeyRefused (18) if a signature of `kid` counts no more.

    `revoked_from` as `Revocations.from_index` or `TrustStore.revoked` gave it. `index`: where the object stands in a
    log, proved by a checkpoint that meets the quorum; None where nothing proves it.
    """
    if revoked_from is None or (index is not None and index < revoked_from):
        return
    if index is None:
        reason = f"key {kid} is revoked, and nothing proves that this was signed before"
    else:
        reason = f"key {kid} is revoked from entry {revoked_from} on"
    raise KeyRefused(reason, index=index, object_id=object_id)


def read_document(raw: bytes, names: set[str]) -> dict[str, object]:
    """A JSON object of version 1 with exactly these members. Raises MalformedDocument."""
    try:
        value = strict_json.read_object(raw)
    except Malformed as error:
        raise MalformedDocument(error.sentence) from error
    if type(value.get("v")) is not int or value["v"] != 1:
        raise MalformedDocument("it is not of version 1; a newer program may read it")
    if value.keys() != names:
        raise MalformedDocument(f"it must have {', '.join(sorted(names))} and nothing else")
    return value
