"""A publisher's log in memory, for whoever verifies or serves pages of one.

    log = LogSimulator()
    log.publish(an_indicator(1))                    # entry 0
    log.publish(an_indicator(2), tlp="green")       # entry 1
    log.withdraw(0)                                 # entry 2; entry 0 keeps its commitment only
    page = log.page()                               # the bytes a server sends for ?proof=1
    page = log.page(start=1, end=2)
    page = log.filtered_page([1])                   # the bytes for ?proof=1&match[…]=…
    verify_page(page, log.keys())

The tree over it, as it is served:

    note = log.checkpoint(timestamp=1_795_305_600)  # both lines of the log; size=2 for its first two entries
    log.tile(tiles.parse("tile/0/000.p/3"))         # the bytes of a tile, of hashes or of entries
    log.proof(1, note), log.bundle(1, note)         # a C2SP tlog-proof, and the JSON of /trust/objects/…

What a hostile mirror makes of an honest page:

    with altered(page) as (envelope, entries, rewritten):
        envelope["objects"][0]["name"] = "another"
    verify_page(rewritten(), log.keys())

The log is deterministic but for its keys: salts are counted, not random. `log.fork()` is another log that says the same
so far, under the same keys.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Self

import rfc8785

from sharing.signing.base64url import encode as b64u
from sharing.signing.jws import sign_object
from sharing.signing.keys import (
    LOG,
    Ed25519Signer,
    KeySet,
    PublishedKey,
    generate,
    generate_ml_dsa_44,
    jwks,
)
from sharing.signing.note_keys import Key, NoteSigner, SignatureType
from sharing.tlog import merkle, tiles
from sharing.tlog import page as pages
from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.notes import Note
from sharing.tlog.proofs import TlogProof
from sharing.tlog.statements import add_statement, entry, submitter_commitment, withdraw_statement
from sharing.tlog.tiles import Coordinate

ORIGIN = "feed.example/log/6f1b2a52-3f0a-4a53-9d0e-0d1f5ad8f0c1"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"


def an_indicator(number: int, **members: Any) -> dict[str, Any]:
    return {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--00000000-0000-4000-8000-{number:012d}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-02T00:00:00.000Z",
        "name": f"Résumé {number}",
        "pattern": "[url:value = 'https://proxy.example/v1']",
        "pattern_type": "stix",
        "valid_from": "2026-01-01T00:00:00Z",
        "confidence": 80,
        "object_marking_refs": [GREEN],
        **members,
    }


def an_address(number: int) -> dict[str, Any]:
    """An object without `modified` and `created`."""
    return {
        "type": "ipv4-addr",
        "spec_version": "2.1",
        "id": f"ipv4-addr--00000000-0000-5000-8000-{number:012d}",
        "value": f"192.0.2.{number}",
    }


@dataclass
class _Entry:
    commit: bytes
    opening: bytes
    body: bytes | None
    withdrawn_by: int | None = None


class LogSimulator:
    """`log_keys`: what signs the checkpoints, Ed25519 and ML-DSA-44; generated if left out, as `signer` is."""

    def __init__(
        self,
        signer: Ed25519Signer | None = None,
        *,
        log_keys: tuple[Ed25519Signer, Key] | None = None,
        origin: str = ORIGIN,
    ) -> None:
        self.signer = signer or generate()
        self.log_keys = log_keys or (generate(), generate_ml_dsa_44())
        self.origin = origin
        self.entries: list[_Entry] = []
        self.now = 1_767_225_600_000_000
        self._nodes: dict[tuple[int, int], bytes] = {}

    def fork(self) -> Self:
        """Another log that is the same so far."""
        other = copy(self)
        other.entries, other._nodes = [replace(one) for one in self.entries], dict(self._nodes)
        return other

    def jwks(self) -> dict[str, Any]:
        """Of objects and of checkpoints."""
        of_logs = [PublishedKey(public_jwk(key), use=LOG) for key in self.log_keys]
        return dict(jwks([PublishedKey(self.signer.public_jwk()), *of_logs]))

    def keys(self) -> KeySet:
        return KeySet.from_jwks(self.jwks())

    def note_signers(self) -> tuple[NoteSigner, NoteSigner]:
        ed25519, ml_dsa_44 = self.log_keys
        return (
            NoteSigner(self.origin, SignatureType.ED25519, ed25519),
            NoteSigner(self.origin, SignatureType.ML_DSA_44, ml_dsa_44),
        )

    def publish(
        self,
        stix: dict[str, Any],
        *,
        tlp: str = "amber",
        subsalt: bytes | None = None,
        record: bytes = b"{}",
    ) -> int:
        """The index. `record`: JCS bytes of the submitter record, which `subsalt` hides."""
        body = rfc8785.dumps(stix)
        statement = add_statement(
            object_id=stix["id"],
            version=stix.get("modified", stix.get("created", "-")),
            sha256=sha256(body).digest(),
            tlp=tlp,
            added=self._tick(),
            sub=submitter_commitment(subsalt or self._salt("sub"), record),
        )
        return self._append(statement, body)

    def withdraw(self, index: int, *, reason: str = "error") -> int:
        by = self._append(withdraw_statement(target=index, reason=reason, added=self._tick()), None)
        erased = self.entries[index]
        erased.withdrawn_by, erased.opening, erased.body = by, b"", None
        return by

    def page(self, start: int = 0, end: int | None = None) -> bytes:
        end = len(self.entries) if end is None else end
        entries = self.entries[start:end]
        joined = pages.proof_bytes(
            e.opening if e.withdrawn_by is None else pages.withdrawn(e.commit, e.withdrawn_by)
            for e in entries
        )
        return _envelope(entries, pages.log_property(self.origin, start, end, joined))

    def filtered_page(self, indexes: Sequence[int]) -> bytes:
        entries = [self.entries[index] for index in indexes]
        joined = pages.proof_bytes(e.opening for e in entries)
        return _envelope(entries, pages.filtered_log_property(self.origin, joined))

    def signature(self, index: int) -> str:
        return str(json.loads(self.entries[index].opening)["jws"])

    def node(self, level: int, index: int) -> bytes:
        """The hash of a node of the tree: `merkle.Read`."""
        if (level, index) not in self._nodes:
            self._nodes[level, index] = (
                merkle.leaf_hash(self.entries[index].commit)
                if level == 0
                else merkle.node_hash(self.node(level - 1, 2 * index), self.node(level - 1, 2 * index + 1))
            )
        return self._nodes[level, index]

    def tree(self, size: int | None = None) -> Checkpoint:
        """Its size and root; of the first `size` entries, or of all."""
        size = len(self.entries) if size is None else size
        hashes = [self.node(level, index) for level, index in merkle.nodes_of(0, size)]
        root = hashes.pop() if hashes else merkle.EMPTY_ROOT
        while hashes:
            root = merkle.node_hash(hashes.pop(), root)
        return Checkpoint(self.origin, size, root)

    def checkpoint(
        self, size: int | None = None, *, timestamp: int, witnesses: Iterable[NoteSigner] = ()
    ) -> bytes:
        """The note, with the lines of the log and of these witnesses."""
        tree = self.tree(size)
        lines = [one.sign_checkpoint(tree, timestamp=timestamp) for one in (*self.note_signers(), *witnesses)]
        return bytes(Note(tree.text, tuple(lines)))

    def tile(self, tile: Coordinate) -> bytes:
        first = tile.index * tiles.WIDTH
        if tile.level == "entries":
            return tiles.entry_bundle(one.commit for one in self.entries[first : first + tile.width])
        return b"".join(self.node(8 * tile.level, first + place) for place in range(tile.width))

    def proof(self, index: int, checkpoint: bytes, *, size: int | None = None) -> TlogProof:
        """Of one entry, under a checkpoint of this size."""
        size = len(self.entries) if size is None else size
        return TlogProof(index, tuple(merkle.inclusion_proof(index, size, self.node)), checkpoint)

    def bundle(self, index: int, checkpoint: bytes, *, size: int | None = None) -> bytes:
        """`/trust/objects/{id}/{version}`."""
        one = self.entries[index]
        assert one.body is not None
        proof = json.dumps(
            bytes(self.proof(index, checkpoint, size=size)).decode(), ensure_ascii=False
        ).encode()
        return b'{"v":1,"object":%b,"opening":%b,"proof":%b}' % (one.body, one.opening, proof)

    def _append(self, statement: bytes, body: bytes | None) -> int:
        salt = self._salt("entry")
        jws = None if body is None else sign_object(self.signer, body)
        self.entries.append(_Entry(entry(salt, statement), pages.opening(salt, statement, jws), body))
        return len(self.entries) - 1

    def _salt(self, purpose: str) -> bytes:
        return sha256(f"{purpose} {len(self.entries)}".encode()).digest()

    def _tick(self) -> int:
        self.now += 1
        return self.now


def public_jwk(key: Key) -> dict[str, str]:
    public = b64u(key.public_bytes())
    if len(key.public_bytes()) == 32:
        return {"kty": "OKP", "crv": "Ed25519", "x": public}
    return {"kty": "AKP", "alg": "ML-DSA-44", "pub": public}


@contextmanager
def altered(page: bytes) -> Iterator[tuple[dict[str, Any], list[Any], Callable[[], bytes]]]:
    """The envelope and its log entries, to be changed in place, and what writes the page anew afterwards."""
    envelope = json.loads(page)
    yield envelope, envelope[pages.PROPERTY]["entries"], lambda: json.dumps(envelope).encode()


def restate(opening: dict[str, Any], **members: Any) -> None:
    """Forges the statement of an opening; nothing but a checkpoint would give that away by itself."""
    opening["stmt"] = rfc8785.dumps(json.loads(opening["stmt"]) | members).decode()


def _envelope(entries: Sequence[_Entry], log_property: bytes) -> bytes:
    objects = b",".join(e.body for e in entries if e.body is not None)
    return b'{"more":false,"objects":[%b],%b}' % (objects, log_property)
