"""The signer's clients: what signs by asking the signer process on its socket (`sharing.signing.server`).

A thread keeps one connection, opened at first use, in each process that comes of a fork.

    NoSigningKey          nothing can be signed now; what was to be signed waits
    └── SignerAway        the signer does not answer
    SignerRefused         it answers, and will not sign this
    └── CheckpointRefused a log's tree does not continue what was signed of this log before
"""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from sharing.signing import wire
from sharing.signing.keys import SigningError

_PATIENCE = 30.0
"""Seconds that an answer may take."""
_BATCH_BYTES = 16 * 1024 * 1024
"""What is sent at once, unless one message is larger."""


class NoSigningKey(SigningError):
    """Nothing can be signed now, and what was to be signed waits; the sentence says why."""


class SignerAway(NoSigningKey):
    """The signer does not answer."""


class SignerRefused(SigningError):
    """The signer will not sign this; `code` is one of `wire.Code`."""

    def __init__(self, refusal: wire.Refusal) -> None:
        super().__init__(refusal.sentence)
        self.code = refusal.code


class CheckpointRefused(SignerRefused):
    """A log's tree does not continue what was signed of it last: `size` and `root`."""

    def __init__(self, refusal: wire.Refusal) -> None:
        super().__init__(refusal)
        self.size, self.root = refusal.size or 0, refusal.root or b""


_Expected = TypeVar("_Expected", bound=wire.Reply)


class SignerClient:
    """Asks the signer at a socket; for any number of threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()

    def held_keys(self) -> list[wire.HeldKey]:
        """The public halves of the keys that the signer holds."""
        return self.ask(wire.Keys(), wire.HeldKeys).keys

    def generate(self, purpose: wire.Purpose) -> wire.HeldKey:
        """Have the signer make a key; its public half."""
        (made,) = self.ask(wire.Generate(purpose), wire.HeldKeys).keys
        return made

    def destroy(self, kid: str) -> bool:
        """Have the signer destroy the private half of a key; False if it has none. Raises SignerRefused of the newest
        key of its purpose."""
        return bool(self.ask(wire.Destroy(kid), wire.HeldKeys).keys)

    def ask(self, request: wire.Request, expected: type[_Expected]) -> _Expected:
        """The reply to a request. Raises NoSigningKey or SignerRefused."""
        try:
            reply = wire.read_reply(self._exchange(wire.encode(request), again=request))
        except msgspec.DecodeError as error:
            self._hang_up()
            raise SignerAway(f"what answers at the signer's socket is no signer: {error}") from error
        if isinstance(reply, expected):
            return reply
        if not isinstance(reply, wire.Refusal):
            self._hang_up()
            raise SignerAway("what answers at the signer's socket answered something else")
        if reply.code in _AWAY:
            self._hang_up()
            raise SignerAway(reply.sentence)
        if reply.code == wire.Code.UNKNOWN_KEY:
            raise NoSigningKey(reply.sentence)
        raise (CheckpointRefused if reply.code in _CHECKPOINT else SignerRefused)(reply)

    def _exchange(self, raw: bytes, *, again: wire.Request) -> bytes:
        """A connection that was kept may have outlived the signer: then all is said once more on a new one."""
        kept = self._kept()
        if kept is not None:
            try:
                return self._on(kept, raw)
            except (OSError, wire.CutOff):
                self._hang_up()
                if isinstance(again, wire.Generate):
                    raise SignerAway("the signer went while it made a key") from None
        try:
            return self._on(self._connect(), raw)
        except wire.CutOff:
            self._hang_up()
            raise SignerAway("the signer hung up") from None
        except OSError as error:
            self._hang_up()
            raise SignerAway(
                f"the signer does not answer ({error.strerror or 'it takes too long'})"
            ) from error

    def _on(self, connection: socket.socket, raw: bytes) -> bytes:
        try:
            wire.send(connection, raw)
        except wire.TooLong as error:
            raise SignerRefused(wire.Refusal(wire.Code.MALFORMED, str(error))) from None
        except (BrokenPipeError, ConnectionResetError):
            # It may have said why before it hung up.
            pass
        answer = wire.receive(connection)
        if answer is None:
            raise wire.CutOff
        return answer

    def _kept(self) -> socket.socket | None:
        """This thread's connection, unless it is that of the process which this one was forked from."""
        if getattr(self._local, "pid", None) != os.getpid():
            self._local.connection = None
        connection: socket.socket | None = self._local.connection
        return connection

    def _connect(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(_PATIENCE)
            connection.connect(str(self._path))
        except OSError:
            connection.close()
            raise
        self._local.pid, self._local.connection = os.getpid(), connection
        return connection

    def _hang_up(self) -> None:
        connection = self._kept()
        if connection is not None:
            connection.close()
            self._local.connection = None


_AWAY = {wire.Code.STRANGER, wire.Code.BUSY, wire.Code.FAILED}
_CHECKPOINT = {wire.Code.SMALLER, wire.Code.ANOTHER_ROOT, wire.Code.INCONSISTENT}


class ObjectSigner:
    """Signs objects, receipts and deliveries: a `keys.Signer`."""

    def __init__(self, client: SignerClient, kid: str) -> None:
        self._client, self._kid = client, kid

    def __repr__(self) -> str:
        return f"<ObjectSigner {self._kid}>"

    @property
    def kid(self) -> str:
        return self._kid

    def sign(self, message: bytes, /) -> bytes:
        """The signature of one JWS signing input. Raises NoSigningKey or SignerRefused."""
        (signature,) = self.sign_many([message])
        return signature

    def sign_many(self, messages: Sequence[bytes], /) -> list[bytes]:
        """The signatures, in order; thousands take one exchange. Raises as `sign`."""
        signatures: list[bytes] = []
        for batch in _batches(messages):
            reply = self._client.ask(wire.SignMessages(self._kid, batch), wire.Signatures)
            if len(reply.signatures) != len(batch):
                raise SignerAway("the signer answered with another number of signatures")
            signatures += reply.signatures
        return signatures


class LogSigner:
    """Signs checkpoints with an Ed25519 and an ML-DSA-44 key; the same ones for all logs."""

    def __init__(self, client: SignerClient, *, ed25519: str, ml_dsa: str) -> None:
        self._client, self._ed25519, self._ml_dsa = client, ed25519, ml_dsa

    def checkpoint(self, *, origin: str, size: int, root: bytes, proof: Sequence[bytes]) -> wire.SignedNote:
        """The signed note. `proof` shows that the tree continues the one that was signed of this log last.

        Raises CheckpointRefused, which says what that was, and as `ObjectSigner.sign`.
        """
        return self._client.ask(
            wire.SignCheckpoint(self._ed25519, self._ml_dsa, origin, size, root, list(proof)), wire.SignedNote
        )


class TrustSigner:
    """Signs metadata of the trust root's online roles."""

    def __init__(self, client: SignerClient, kid: str, jwk: dict[str, str]) -> None:
        self._client, self.kid, self.jwk = client, kid, jwk

    def sign(self, payload: bytes, /) -> bytes:
        """The Ed25519 signature over the canonical bytes of the `signed` part. Raises as `ObjectSigner.sign`."""
        (signature,) = self._client.ask(wire.SignTrust(self.kid, payload), wire.Signatures).signatures
        return signature


def _batches(messages: Sequence[bytes]) -> Iterator[list[bytes]]:
    batch: list[bytes] = []
    room = _BATCH_BYTES
    for message in messages:
        if batch and (len(message) > room or len(batch) == wire.MAX_MESSAGES):
            yield batch
            batch, room = [], _BATCH_BYTES
        batch.append(message)
        room -= len(message)
    if batch:
        yield batch
