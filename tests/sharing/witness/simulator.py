"""A witness that was written from the specification, and witnesses that mean harm; nothing of the code under test.

with Simulator.start("w.example/a") as witness:
    witness.behaviour = "garbage"
"""

import base64
import contextlib
import hashlib
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey

from tests.sharing.witness import by_hand


def grew(first: int, second: int, first_root: bytes, second_root: bytes, proof: list[bytes]) -> bool:
    """RFC 9162 §2.1.4.2, step by step."""
    if first == second:
        return not proof and first_root == second_root
    if first & (first - 1) == 0:
        proof = [first_root, *proof]
    if not proof:
        return False
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = proof[0]
    for c in proof[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = _node(c, fr), _node(c, sr)
            while fn != 0 and not fn & 1:
                fn, sn = fn >> 1, sn >> 1
        else:
            sr = _node(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return (fr, sr, sn) == (first_root, second_root, 0)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Simulator:
    """What answers on a loopback address; `behaviour` is honest, a status, or a way to be a bad witness; its
    clock is `ahead` by so many seconds."""

    name: str
    url: str = ""
    kind: int = 6
    behaviour: str | int = "honest"
    ahead: float = 0.0
    ends: bool = False
    requests: list[bytes] = field(default_factory=list)
    latest: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    ml_dsa: MLDSA44PrivateKey = field(default_factory=MLDSA44PrivateKey.generate)
    ed25519: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextlib.contextmanager
    def start(cls, name: str, kind: int = 6) -> "Iterator[Simulator]":
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        server.daemon_threads = True
        simulator = cls(name, f"http://127.0.0.1:{server.server_address[1]}", kind)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                simulator.requests.append(body)
                if self.path != "/w/add-checkpoint":
                    self.send_error(404)
                    return
                simulator._answer(self, body)
                # Without a word, after the answer.
                self.close_connection = self.close_connection or simulator.ends

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server.RequestHandlerClass = Handler
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield simulator
        finally:
            simulator._ended.set()
            server.shutdown()
            thread.join()
            server.server_close()

    @property
    def vkey(self) -> str:
        key = self.ml_dsa.public_key() if self.kind == 6 else self.ed25519.public_key()
        return by_hand.vkey(self.name, self.kind, key.public_bytes_raw())

    def policy(self, name: str) -> str:
        """Its line in a policy file."""
        return f"witness {name} {self.vkey} {self.url}/w/\n"

    def line(self, text: str, at: int | None = None) -> bytes:
        """Its cosignature of a checkpoint."""
        at = int(time.time() + self.ahead) if at is None else at
        origin, size, root, _ = text.split("\n", 3)
        identifier = bytes.fromhex(self.vkey.split("+")[1])
        if self.kind == 4:
            signature = self.ed25519.sign(f"cosignature/v1\ntime {at}\n{text}".encode())
        else:
            said = by_hand.cosigned(self.name, origin, at, int(size), base64.b64decode(root))
            signature = self.ml_dsa.sign(said)
        return by_hand.line(self.name, identifier, struct.pack(">Q", at) + signature).encode()

    def _answer(self, to: BaseHTTPRequestHandler, body: bytes) -> None:
        if isinstance(self.behaviour, int):
            _send(to, self.behaviour, b"no\n")
            return
        head, _, note = body.partition(b"\n\n")
        text = note.decode().partition("\n\n")[0] + "\n"
        bad = _BAD.get(self.behaviour)
        if bad is not None:
            status, media_type, said = bad(self, text)
            _send(to, status, said, media_type)
        elif self.behaviour == "slow":
            to.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4000\r\n\r\n")
            while not self._ended.wait(0.05):
                try:
                    to.wfile.write(b"A")
                except OSError:
                    return
        elif self.behaviour == "huge":
            to.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
            with contextlib.suppress(OSError):
                for _ in range(10_000):
                    to.wfile.write(b"A" * 65536)
        elif self.behaviour == "hang":
            self._ended.wait(60)
        elif self.behaviour == "drop":
            to.close_connection = True
        else:
            self._honest(to, head.decode().split("\n"), text)

    def _honest(self, to: BaseHTTPRequestHandler, head: list[str], text: str) -> None:
        origin, size, root, _ = text.split("\n", 3)
        old, proof = int(head[0].removeprefix("old ")), [base64.b64decode(one) for one in head[1:]]
        known, known_root = self.latest.get(origin, (0, hashlib.sha256(b"").digest()))
        if old > int(size):
            _send(to, 400, b"old is too large\n")
        elif old != known:
            _send(to, 409, b"%d\n" % known, "text/x.tlog.size")
        elif proof if old == 0 else not grew(known, int(size), known_root, base64.b64decode(root), proof):
            _send(to, 422, b"no proof\n")
        else:
            self.latest[origin] = int(size), base64.b64decode(root)
            stranger = b"\xe2\x80\x94 stranger.example " + base64.b64encode(bytes(80)) + b"\n"
            _send(to, 200, stranger + self.line(text))


_Bad = Callable[[Simulator, str], tuple[int, str, bytes]]
_TEXT, _SIZE = "text/plain", "text/x.tlog.size"
_OTHER = "elsewhere.example/log\n9\n" + base64.b64encode(bytes(32)).decode() + "\n"

_BAD: dict[str, _Bad] = {
    "garbage": lambda it, text: (200, _TEXT, b"\xff\x00 no lines at all"),
    "empty": lambda it, text: (200, _TEXT, b""),
    "no newline": lambda it, text: (200, _TEXT, it.line(text)[:-1]),
    "wrong signature": lambda it, text: (200, _TEXT, _flipped(it.line(text))),
    "right, then wrong": lambda it, text: (200, _TEXT, it.line(text) + _flipped(it.line(text))),
    "of another log": lambda it, text: (200, _TEXT, it.line(_OTHER)),
    "of another size": lambda it, text: (200, _TEXT, it.line(_grown(text))),
    "by another key": lambda it, text: (200, _TEXT, Simulator(it.name, kind=it.kind).line(text)),
    "by a stranger": lambda it, text: (200, _TEXT, Simulator("stranger.example", kind=it.kind).line(text)),
    "without time": lambda it, text: (200, _TEXT, it.line(text, 0)),
    "of tomorrow": lambda it, text: (200, _TEXT, it.line(text, int(time.time()) + 86400)),
    "of the far future": lambda it, text: (200, _TEXT, it.line(text, 2**63 - 1)),
    "of yesterday": lambda it, text: (200, _TEXT, it.line(text, int(time.time()) - 86400)),
    "always 409": lambda it, text: (409, _SIZE, b"%d\n" % (len(it.requests) % 2)),
    "ahead": lambda it, text: (409, _SIZE, b"99999\n"),
    "409 without a size": lambda it, text: (409, _TEXT, b"7\n"),
    "409 with garbage": lambda it, text: (409, _SIZE, b"0x7\n"),
    "409 with a huge size": lambda it, text: (409, _SIZE, b"9" * 5000 + b"\n"),
    "redirect": lambda it, text: (302, _TEXT, b""),
}


def _grown(text: str) -> str:
    origin, size, root, end = text.split("\n", 3)
    return f"{origin}\n{int(size) + 1}\n{root}\n{end}"


def _flipped(line: bytes) -> bytes:
    head, _, encoded = line.rstrip(b"\n").rpartition(b" ")
    raw = bytearray(base64.b64decode(encoded))
    raw[40] ^= 1
    return head + b" " + base64.b64encode(bytes(raw)) + b"\n"


def _send(to: BaseHTTPRequestHandler, status: int, body: bytes, media_type: str = _TEXT) -> None:
    to.send_response(status)
    to.send_header("Content-Type", media_type)
    to.send_header("Content-Length", str(len(body)))
    if status == 302:
        to.send_header("Location", "http://127.0.0.1:1/")
    to.end_headers()
    to.wfile.write(body)
