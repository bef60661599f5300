"""The signer on its unix socket: who may ask, a thread for each connection, one clear answer to anything."""

import contextlib
import ctypes
import fcntl
import os
import resource
import socket
import socketserver
import stat
import struct
import sys
import threading
import time
from collections.abc import Collection, Iterator
from pathlib import Path

import msgspec
import structlog

from accounts import faults
from sharing.signing import wire
from sharing.signing.files import KeyFiles
from sharing.signing.high_water import FILE, HighWaterFile
from sharing.signing.service import SigningService
from sharing.signing.wire import Code, Purpose, Refusal

log = structlog.get_logger(__name__)

MOST_CONNECTIONS = 256
_PATIENCE = 60.0
"""Seconds in which a message that was begun must have arrived, part by part."""
_PR_SET_DUMPABLE = 4


class CannotStart(Exception):
    """Why there can be no signer here; the sentence says what to do."""


class SigningServer(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    """Serves one `SigningService` to processes of the allowed uids."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, path: Path, service: SigningService, *, uids: Collection[int]) -> None:
        """`path` is a place of the signer's own: a socket that is left there is replaced. Raises CannotStart."""
        self.service, self.uids = service, frozenset(uids)
        self.places = threading.BoundedSemaphore(MOST_CONNECTIONS)
        self.connections: set[socket.socket] = set()
        _check_directory(path.parent, shared=self.uids != {os.geteuid()})
        path.unlink(missing_ok=True)
        try:
            super().__init__(str(path), _Conversation)
        except OSError as error:
            raise CannotStart(f"cannot listen at {path}: {error.strerror}") from error

    def server_close(self) -> None:
        super().server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def server_bind(self) -> None:
        # Nobody connects between bind and chmod: the mask makes it private from the start.
        before = os.umask(0o177)
        try:
            super().server_bind()
        finally:
            os.umask(before)
        if self.uids != {os.geteuid()}:
            Path(str(self.server_address)).chmod(0o660)


class _Conversation(socketserver.BaseRequestHandler):
    """One connection: messages and answers in turn until the other side goes."""

    request: socket.socket
    server: SigningServer

    def handle(self) -> None:
        uid = peer_uid(self.request)
        if uid not in self.server.uids:
            log.warning("signer_stranger", uid=uid)
            self._last(Refusal(Code.STRANGER, f"the signer does not serve user {uid}"))
            return
        if not self.server.places.acquire(blocking=False):
            self._last(Refusal(Code.BUSY, f"the signer serves {MOST_CONNECTIONS} connections already"))
            return
        self.server.connections.add(self.request)
        try:
            while self._turn():
                pass
        except OSError:
            # It went away or fell silent in the middle of a message.
            pass
        finally:
            self.server.connections.discard(self.request)
            self.server.places.release()

    def _turn(self) -> bool:
        """One message and its answer; False at the end."""
        self.request.settimeout(None)
        self.request.recv(1, socket.MSG_PEEK)
        self.request.settimeout(_PATIENCE)
        try:
            raw = wire.receive(self.request)
        except wire.TooLong as error:
            self._last(Refusal(Code.MALFORMED, str(error)))
            return False
        except wire.CutOff:
            return False
        if raw is None:
            return False
        wire.send(self.request, self._answer(raw))
        return True

    def _answer(self, raw: bytes) -> bytes:
        reply: wire.Reply
        try:
            reply = self.server.service.answer(wire.read_request(raw))
        except msgspec.DecodeError as error:
            reply = Refusal(Code.MALFORMED, f"the request cannot be read: {error}")
        except Exception as error:  # noqa: BLE001 - whatever it is, the asker hears so and the signer goes on
            log.error("signer_failed", fault=faults.summary(error))
            reply = Refusal(Code.FAILED, f"the signer failed ({type(error).__name__}); its log says where")
        if isinstance(reply, Refusal):
            log.warning("signer_refused", code=reply.code, sentence=reply.sentence)
        return wire.encode(reply)

    def _last(self, refusal: Refusal) -> None:
        """Say why, and hang up in a way that lets it be read."""
        with contextlib.suppress(OSError):
            wire.send(self.request, wire.encode(refusal))
            self.request.shutdown(socket.SHUT_WR)


def peer_uid(connection: socket.socket) -> int:
    """Who is at the other end of a unix socket, as the kernel says."""
    if hasattr(socket, "SO_PEERCRED"):
        _, uid, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        return int(uid)
    # macOS: struct xucred, which begins with a version and the uid, by SOL_LOCAL and LOCAL_PEERCRED.
    return int(struct.unpack_from("2I", connection.getsockopt(0, 1, 76))[1])


@contextlib.contextmanager
def opened(
    *,
    socket_path: Path,
    keys_directory: Path,
    passphrase: bytes,
    uids: Collection[int],
    forget: bool = False,
) -> Iterator[SigningServer]:
    """The signer of a directory of keys; it listens, and answers once it is served. Raises CannotStart, UnreadableKey.

    `forget`: begin a new memory of what was signed, where log keys are there and their memory is not.
    """
    keys_directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _alone(keys_directory):
        keys = KeyFiles(keys_directory, passphrase)
        remembers = (keys_directory / FILE).exists()
        if not remembers and not forget and any(key.purpose is Purpose.LOG for key in keys.held()):
            raise CannotStart(
                f"{FILE} is missing beside the log keys in {keys_directory}: without it a log that was restored to an"
                " earlier day would be signed as if it had always been so. Bring the file back; if it is lost for good,"
                " start once with --forget"
            )
        marks = HighWaterFile(keys_directory / FILE)
        service = SigningService(keys=keys, marks=marks, clock=lambda: int(time.time()))
        server = SigningServer(socket_path, service, uids=uids)
        try:
            yield server
        finally:
            server.server_close()
            socket_path.unlink(missing_ok=True)
            marks.close()


def shield() -> None:
    """Let nobody of the same user read this process's memory, nor the kernel write it to a file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two signers would remember different things: the directory is one process's."""
    with (directory / "signer.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(f"another signer uses {directory}") from None
        yield


def _check_directory(directory: Path, *, shared: bool) -> None:
    """The socket's directory is what keeps others out where the socket's mode does not count."""
    directory.mkdir(mode=0o750 if shared else 0o700, parents=True, exist_ok=True)
    found = directory.stat()
    if not stat.S_ISDIR(found.st_mode) or found.st_mode & stat.S_IWOTH:
        raise CannotStart(f"anybody may write to {directory}: the signer's socket needs a place of its own")
