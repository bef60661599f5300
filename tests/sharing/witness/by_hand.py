"""The witness protocol from its specifications alone: nothing here comes from the code under test.

Trees by the recursive definitions of RFC 6962 §2.1, notes and cosignatures byte by byte (C2SP signed-note,
tlog-checkpoint, tlog-cosignature, tlog-witness), signatures by the library.
"""

import base64
import hashlib
import http.client
import itertools
import struct
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey, MLDSA44PublicKey

_numbers = itertools.count(1)


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def tree(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962 §2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = _k(len(leaves))
    return hashlib.sha256(b"\1" + tree(leaves[:k]) + tree(leaves[k:])).digest()


def proof(m: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF of RFC 6962 §2.1.2."""
    return [] if m in (0, len(leaves)) else _subproof(m, leaves, True)


def _subproof(m: int, leaves: list[bytes], whole: bool) -> list[bytes]:
    n = len(leaves)
    if m == n:
        return [] if whole else [tree(leaves)]
    k = _k(n)
    if m <= k:
        return [*_subproof(m, leaves[:k], whole), tree(leaves[k:])]
    return [*_subproof(m - k, leaves[k:], False), tree(leaves[:k])]


def _k(n: int) -> int:
    k = 1
    while 2 * k < n:
        k *= 2
    return k


def key_id(name: str, kind: int, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([kind]) + public).digest()[:4]


def vkey(name: str, kind: int, public: bytes) -> str:
    return f"{name}+{key_id(name, kind, public).hex()}+{b64(bytes([kind]) + public)}"


def line(name: str, identifier: bytes, signature: bytes) -> str:
    return f"— {name} {b64(identifier + signature)}\n"


def cosigned(name: str, origin: str, timestamp: int, size: int, root: bytes) -> bytes:
    """`cosigned_message` of an ML-DSA-44 cosignature."""
    said = b"subtree/v1\n\0" + bytes([len(name.encode())]) + name.encode() + struct.pack(">Q", timestamp)
    said += bytes([len(origin.encode())]) + origin.encode() + struct.pack(">QQ", 0, size)
    return said + root


@dataclass(slots=True)
class Log:
    """A log with both keys; `leaves` may be changed as no honest log would."""

    origin: str = field(default_factory=lambda: f"log.example/{next(_numbers)}")
    leaves: list[bytes] = field(default_factory=list)
    ed25519: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    ml_dsa: MLDSA44PrivateKey = field(default_factory=MLDSA44PrivateKey.generate)

    def grow(self, count: int) -> "Log":
        self.leaves += [
            b"\1" + hashlib.sha256(b"%d" % (len(self.leaves) + at)).digest() for at in range(count)
        ]
        return self

    def fork(self, at: int) -> "Log":
        """The same log with another entry at an index."""
        leaves = [*self.leaves]
        leaves[at] = b"\1" + b"\xff" * 32
        return Log(self.origin, leaves, self.ed25519, self.ml_dsa)

    @property
    def vkeys(self) -> list[str]:
        return [
            vkey(self.origin, 1, self.ed25519.public_key().public_bytes_raw()),
            vkey(self.origin, 6, self.ml_dsa.public_key().public_bytes_raw()),
        ]

    def text(self, size: int | None = None, root: bytes | None = None) -> str:
        size = len(self.leaves) if size is None else size
        return f"{self.origin}\n{size}\n{b64(tree(self.leaves[:size]) if root is None else root)}\n"

    def lines(self, text: str, *, at: int | None = None) -> tuple[str, str]:
        """The Ed25519 line and the ML-DSA-44 line, of now unless `at` says otherwise."""
        at = int(time.time()) if at is None else at
        origin, size, root, _ = text.split("\n", 3)
        one = line(
            self.origin,
            key_id(self.origin, 1, self.ed25519.public_key().public_bytes_raw()),
            self.ed25519.sign(text.encode()),
        )
        message = cosigned(self.origin, origin, at, int(size), base64.b64decode(root))
        two = line(
            self.origin,
            key_id(self.origin, 6, self.ml_dsa.public_key().public_bytes_raw()),
            struct.pack(">Q", at) + self.ml_dsa.sign(message),
        )
        return one, two

    def note(self, size: int | None = None, *, at: int | None = None) -> bytes:
        text = self.text(size)
        return f"{text}\n{''.join(self.lines(text, at=at))}".encode()

    def request(self, old: int, size: int | None = None, *, at: int | None = None) -> bytes:
        """What an honest log sends."""
        size = len(self.leaves) if size is None else size
        return request(old, proof(old, self.leaves[:size]) if old <= size else [], self.note(size, at=at))


def request(old: int | str, hashes: list[bytes], note: bytes) -> bytes:
    hashed = "".join(b64(one) + "\n" for one in hashes)
    return f"old {old}\n{hashed}\n".encode() + note


@dataclass(slots=True)
class Said:
    """An HTTP answer; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


def call(url: str, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Said:
    """One request on a connection of its own."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=30)
    try:
        connection.request(method, path, body or None, headers or {})
        answer = connection.getresponse()
        return Said(
            answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        )
    finally:
        connection.close()


def cosigner(body: bytes, vkeys: list[str], text: str) -> dict[str, int]:
    """The verified lines of an answer or note, by kind of key: their timestamps. AssertionError if one is wrong."""
    origin, size, root, _ = text.split("\n", 3)
    found = {}
    known = {}
    for one in vkeys:
        name, identifier, encoded = one.split("+", 2)
        raw = base64.b64decode(encoded)
        known[name, identifier] = raw[0], raw[1:]
    for one in body.decode().splitlines():
        dash, name, encoded = one.split(" ")
        assert dash == "—"
        raw = base64.b64decode(encoded)
        kind, public = known[name, raw[:4].hex()]
        (at,) = struct.unpack(">Q", raw[4:12])
        if kind == 4:
            message = f"cosignature/v1\ntime {at}\n{text}".encode()
            Ed25519PublicKey.from_public_bytes(public).verify(raw[12:], message)
        else:
            message = cosigned(name, origin, at, int(size), base64.b64decode(root))
            MLDSA44PublicKey.from_public_bytes(public).verify(raw[12:], message)
        found[{4: "ed25519", 6: "ml-dsa-44"}[kind]] = at
    return found
