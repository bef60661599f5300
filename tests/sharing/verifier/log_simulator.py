"""A publisher's log in memory, for whoever verifies or serves pages of one.

    log = LogSimulator()
    log.publish(an_indicator(1))                    # entry 0
    log.publish(an_indicator(2), tlp="green")       # entry 1
    log.withdraw(0)                                 # entry 2; entry 0 keeps its commitment only
    page = log.page()                               # the bytes a server sends for ?proof=1
    page = log.page(start=1, end=2)
    page = log.filtered_page([1])                   # the bytes for ?proof=1&match[…]=…
    verify_page(page, log.keys())

What a hostile mirror makes of an honest page:

    with altered(page) as (envelope, entries, rewritten):
        envelope["objects"][0]["name"] = "another"
    verify_page(rewritten(), log.keys())

The log is deterministic but for its key: salts are counted, not random.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import rfc8785

from sharing.signing.jws import sign_object
from sharing.signing.keys import Ed25519Signer, KeySet, PublishedKey, generate, jwks
from sharing.tlog import page as pages
from sharing.tlog.statements import add_statement, entry, submitter_commitment, withdraw_statement

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
    def __init__(self, signer: Ed25519Signer | None = None) -> None:
        self.signer = signer or generate()
        self.entries: list[_Entry] = []
        self.now = 1_767_225_600_000_000

    def jwks(self) -> dict[str, Any]:
        return dict(jwks([PublishedKey(self.signer.public_jwk())]))

    def keys(self) -> KeySet:
        return KeySet.from_jwks(self.jwks())

    def publish(self, stix: dict[str, Any], *, tlp: str = "amber") -> int:
        body = rfc8785.dumps(stix)
        statement = add_statement(
            object_id=stix["id"],
            version=stix.get("modified", stix.get("created", "-")),
            sha256=sha256(body).digest(),
            tlp=tlp,
            added=self._tick(),
            sub=submitter_commitment(self._salt("sub"), b"{}"),
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
        return _envelope(entries, pages.log_property(ORIGIN, start, end, joined))

    def filtered_page(self, indexes: Sequence[int]) -> bytes:
        entries = [self.entries[index] for index in indexes]
        joined = pages.proof_bytes(e.opening for e in entries)
        return _envelope(entries, pages.filtered_log_property(ORIGIN, joined))

    def signature(self, index: int) -> str:
        return str(json.loads(self.entries[index].opening)["jws"])

    def _append(self, statement: bytes, body: bytes | None) -> int:
        salt = self._salt("entry")
        jws = None if body is None else sign_object(self.signer, body)
        self.entries.append(_Entry(entry(salt, statement), pages.opening(salt, statement, jws), body))
        return len(self.entries) - 1

    def _salt(self, purpose: str) -> bytes:
        return sha256(f"{purpose} {len(self.entries)} {self.now}".encode()).digest()

    def _tick(self) -> int:
        self.now += 1
        return self.now


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
