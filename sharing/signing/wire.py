"""What is said on the signer's socket: length-prefixed messages, each answered by one, in turn.

    message    length, u32 big-endian ‖ MessagePack of one of the structures below, at most MAX_FRAME bytes
    request    Keys | Generate | Destroy | SignMessages | SignCheckpoint | SignTrust
    reply      HeldKeys | Signatures | SignedNote | Refusal

A request that cannot be read, or that breaks a rule, is answered by a Refusal; only one that is too long, or cut off,
also ends the connection.
"""

import socket
from enum import StrEnum
from struct import Struct as Packing
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta, Struct

MAX_FRAME = 128 * 1024 * 1024
"""Bytes of one message: the largest receipt fits."""
MAX_MESSAGES = 10_000
"""What is signed in one request."""

_LENGTH = Packing(">I")

Kid = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{43}$")]
Digest = Annotated[bytes, Meta(min_length=32, max_length=32)]
Size = Annotated[int, Meta(ge=0, le=2**63 - 1)]


class Purpose(StrEnum):
    """What a key signs, and nothing else."""

    OBJECT = "object"
    LOG = "log"
    LOG_ML_DSA = "log-ml-dsa"
    TRUST = "trust"


class Keys(Struct, tag="keys"):
    """Which keys there are."""


class Generate(Struct, tag="generate"):
    """Make a key."""

    purpose: Purpose


class Destroy(Struct, tag="destroy"):
    """Destroy the private half of a key for good."""

    kid: Kid


class SignMessages(Struct, tag="sign"):
    """Sign JWS signing inputs, `b64u(header) "." b64u(body)`, with an object key."""

    kid: Kid
    messages: Annotated[list[bytes], Meta(min_length=1, max_length=MAX_MESSAGES)]


class SignCheckpoint(Struct, tag="checkpoint"):
    """Sign a log's tree head. `proof` shows that it continues what was signed of this log last (RFC 6962 §2.1.2)."""

    ed25519: Kid
    ml_dsa: Kid
    origin: Annotated[str, Meta(min_length=1, max_length=255)]
    size: Size
    root: Digest
    proof: Annotated[list[Digest], Meta(max_length=128)]


class SignTrust(Struct, tag="trust"):
    """Sign the canonical bytes of the `signed` part of TUF metadata."""

    kid: Kid
    payload: Annotated[bytes, Meta(min_length=1, max_length=4 * 1024 * 1024)]


class HeldKey(Struct):
    """The public half of a key that the signer holds."""

    kid: str
    purpose: Purpose
    jwk: dict[str, str]


class HeldKeys(Struct, tag="keys"):
    """All keys, or the one that was made, or what was destroyed: one or none."""

    keys: list[HeldKey]


class Signatures(Struct, tag="signatures"):
    """One for each message, in order."""

    signatures: list[bytes]


class SignedNote(Struct, tag="note"):
    """A checkpoint with the log's signature lines; `timestamp` is when, in seconds since 1970."""

    note: str
    timestamp: int


class Code(StrEnum):
    """Why a request was refused."""

    STRANGER = "stranger"
    BUSY = "busy"
    MALFORMED = "malformed"
    UNKNOWN_KEY = "unknown-key"
    NOT_ALLOWED = "not-allowed"
    SMALLER = "smaller"
    ANOTHER_ROOT = "another-root"
    INCONSISTENT = "inconsistent"
    FAILED = "failed"


class Refusal(Struct, tag="refused"):
    """One sentence, and of a checkpoint what was signed of this log last."""

    code: Code
    sentence: str
    size: int | None = None
    root: bytes | None = None


Request = Keys | Generate | Destroy | SignMessages | SignCheckpoint | SignTrust
Reply = HeldKeys | Signatures | SignedNote | Refusal
R = TypeVar("R")


class TooLong(Exception):
    """A message is longer than MAX_FRAME."""


class CutOff(Exception):
    """The other side went in the middle of a message."""


_encoder = msgspec.msgpack.Encoder()
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_replies: msgspec.msgpack.Decoder[Reply] = msgspec.msgpack.Decoder(Reply)


def encode(message: Request | Reply) -> bytes:
    """The message without its length."""
    return _encoder.encode(message)


def read_request(raw: bytes) -> Request:
    """Raises msgspec.DecodeError, whose text names the field."""
    return _requests.decode(raw)


def read_reply(raw: bytes) -> Reply:
    """Raises msgspec.DecodeError."""
    return _replies.decode(raw)


def send(connection: socket.socket, raw: bytes) -> None:
    """Send one message. Raises TooLong or OSError."""
    if len(raw) > MAX_FRAME:
        raise TooLong(f"{len(raw):,} bytes are more than {MAX_FRAME:,}")
    connection.sendall(_LENGTH.pack(len(raw)))
    connection.sendall(raw)


def receive(connection: socket.socket) -> bytes | None:
    """One message; None if the other side has gone. Raises TooLong, CutOff or OSError."""
    head = _exactly(connection, _LENGTH.size)
    if not head:
        return None
    if len(head) < _LENGTH.size:
        raise CutOff
    (length,) = _LENGTH.unpack(head)
    if length > MAX_FRAME:
        raise TooLong(f"{length:,} bytes are more than {MAX_FRAME:,}")
    raw = _exactly(connection, length)
    if len(raw) < length:
        raise CutOff
    return bytes(raw)


def _exactly(connection: socket.socket, count: int) -> bytearray:
    """So many bytes, or fewer if the other side goes. Memory grows with what arrives, not with what was announced."""
    received = bytearray()
    while len(received) < count:
        part = connection.recv(min(count - len(received), 1024 * 1024))
        if not part:
            break
        received += part
    return received
