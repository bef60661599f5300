"""A witness's HTTP (C2SP tlog-witness), on the standard library, within bounds.

    POST /add-checkpoint                 anybody; a checkpoint is believed for its log's signature alone
    GET  /<hash of an origin>/checkpoint the latest that was cosigned: to those with the token, to all, or to nobody

A connection has so many seconds for each request, an address so many requests a minute, and there are so many
connections in all. Behind a proxy all requests come from its address: it has to keep such bounds itself.
"""

import hmac
import re
import socket
import ssl
import sys
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Any

from sharing.tlog.add_checkpoint import MAX_BYTES, PATH
from sharing.witness.memory import MemoryUnusable
from sharing.witness.witness import TEXT, Answer, Witness

_CHECKPOINT = re.compile(r"/([0-9a-f]{64})/checkpoint")
_KEPT_OPEN, _CROWDED = 75.0, 5.0
"""Seconds for which a connection may be silent between two requests."""
_ADDRESSES = 10_000


@dataclass(frozen=True, slots=True)
class Bounds:
    """Connections in all and of one address, seconds for a request, requests a minute of one address."""

    connections: int = 128
    connections_each: int = 32
    seconds: float = 15.0
    each_minute: int = 1200


@dataclass(frozen=True, slots=True)
class Monitoring:
    """Who may ask for the latest checkpoints: whoever has the token; with `is_open` everybody."""

    is_open: bool = False
    token: str = ""

    def may(self, authorization: str) -> bool:
        scheme, _, token = authorization.partition(" ")
        known = bool(self.token) and scheme.lower() == "bearer"
        return self.is_open or (known and hmac.compare_digest(token.strip().encode(), self.token.encode()))


class WitnessServer(ThreadingHTTPServer):
    """Listens from its making on; `serve_forever` answers until `shutdown`."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(
        self,
        address: tuple[str, int],
        witness: Witness,
        *,
        tell: Callable[[str], None],
        monitoring: Monitoring | None = None,
        bounds: Bounds | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        """Raises OSError if the address cannot be listened on. With `context` it speaks TLS."""
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self.witness, self.tell, self.context = witness, tell, context
        self.monitoring, self.bounds = monitoring or Monitoring(), bounds or Bounds()
        self._connections: dict[int, tuple[socket.socket, str]] = {}
        self._deadlines: dict[int, float] = {}
        self._spent: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()
        super().__init__(address, _Handler)

    # --- connections ---

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more connection."""
        asking = _who(client_address[0])
        with self._lock:
            of_this = sum(host == asking for _, host in self._connections.values())
            if len(self._connections) >= self.bounds.connections or of_this >= self.bounds.connections_each:
                return False
            self._connections[id(request)] = request, asking
            self._deadlines[id(request)] = time.monotonic() + self.bounds.seconds
            return True

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.pop(id(request), None)
            self._deadlines.pop(id(request), None)
        super().shutdown_request(request)

    def goes_on(self, request: Any, spoken: ssl.SSLSocket) -> None:
        """The connection goes on as `spoken`, which has taken its place."""
        with self._lock:
            if id(request) in self._connections:
                self._connections[id(request)] = spoken, self._connections[id(request)][1]

    def allow(self, request: Any, seconds: float | None = None) -> None:
        """From now on the connection has so long for what it does; None: to be silent, less where many are."""
        with self._lock:
            if seconds is None:
                crowded = 2 * len(self._connections) > self.bounds.connections
                seconds = _CROWDED if crowded else _KEPT_OPEN
            if id(request) in self._connections:
                self._deadlines[id(request)] = time.monotonic() + seconds

    def service_actions(self) -> None:
        """End connections whose time is over, whatever they wait for; called some times a second."""
        now = time.monotonic()
        with self._lock:
            late = [self._connections[one][0] for one, until in self._deadlines.items() if until < now]
            for connection in late:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue

    def may_ask(self, host: str) -> bool:
        """Whether an address has not asked too often: a bucket that fills by `each_minute`."""
        now, most, host = time.monotonic(), float(self.bounds.each_minute), _who(host)
        with self._lock:
            left, since = self._spent.pop(host, (most, now))
            left = min(most, left + (now - since) * most / 60)
            self._spent[host] = (left - 1 if left >= 1 else left), now
            while len(self._spent) > _ADDRESSES:
                self._spent.popitem(last=False)
            return left >= 1

    def server_close(self) -> None:
        super().server_close()
        self.witness.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke is nobody's fault; whatever else is told in a line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            self.tell(f"a request failed: {type(error).__name__}")


class _Handler(BaseHTTPRequestHandler):
    """One connection, request after request."""

    protocol_version = "HTTP/1.1"
    server_version = "stillwatch-witness"
    sys_version = ""
    error_content_type = TEXT
    error_message_format = "%(code)d %(message)s.\n"
    server: WitnessServer

    def setup(self) -> None:
        """TLS is spoken here, in the connection's own thread, so that nobody holds up who listens."""
        self._plain = self.request
        self.request.settimeout(self.server.bounds.seconds)
        if self.server.context is not None:
            self.request = self.server.context.wrap_socket(
                self.request, server_side=True, do_handshake_on_connect=False
            )
            self.server.goes_on(self._plain, self.request)
            self.request.do_handshake()
        super().setup()

    def finish(self) -> None:
        super().finish()
        if self.request is not self._plain:
            self.request.close()

    def handle_one_request(self) -> None:
        """Wait for the next request for longer than for the rest of it."""
        self.server.allow(self._plain)
        self.connection.settimeout(_KEPT_OPEN)
        super().handle_one_request()

    def parse_request(self) -> bool:
        self.server.allow(self._plain, self.server.bounds.seconds)
        self.connection.settimeout(self.server.bounds.seconds)
        if not self.server.may_ask(self.client_address[0]):
            self.requestline, self.request_version, self.command = "", self.protocol_version, ""
            self.close_connection = True
            self._answer(_said(HTTPStatus.TOO_MANY_REQUESTS), {"Retry-After": "1"})
            return False
        return super().parse_request()

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if self.path != PATH:
            self.close_connection = True
            self._answer(_said(HTTPStatus.NOT_FOUND))
        elif "Transfer-Encoding" in self.headers or not re.fullmatch(r"[0-9]{1,18}", length):
            self.close_connection = True
            self._answer(_said(HTTPStatus.LENGTH_REQUIRED))
        elif int(length) > MAX_BYTES:
            self.close_connection = True
            self._answer(_said(HTTPStatus.REQUEST_ENTITY_TOO_LARGE))
        else:
            body = self.rfile.read(int(length))
            if len(body) < int(length):
                self.close_connection = True
                return
            try:
                answer = self.server.witness.add_checkpoint(body)
            except MemoryUnusable as error:
                self.server.tell(str(error))
                answer = _said(HTTPStatus.SERVICE_UNAVAILABLE)
            self._answer(answer)

    def do_GET(self) -> None:
        found = _CHECKPOINT.fullmatch(self.path)
        if self.path == PATH:
            self._answer(_said(HTTPStatus.METHOD_NOT_ALLOWED), {"Allow": "POST"})
            return
        # Whoever may not ask learns nothing, not even that there is something.
        note = None
        if found is not None and self.server.monitoring.may(self.headers.get("Authorization", "")):
            try:
                note = self.server.witness.checkpoint(found[1])
            except MemoryUnusable as error:
                self.server.tell(str(error))
                self._answer(_said(HTTPStatus.SERVICE_UNAVAILABLE))
                return
        if note is None:
            self._answer(_said(HTTPStatus.NOT_FOUND))
        else:
            self._answer(Answer(HTTPStatus.OK, note, TEXT), {"Cache-Control": "no-store"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def _answer(self, answer: Answer, headers: dict[str, str] | None = None) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.media_type)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Requests are not logged, only what they come to."""


def _who(host: str) -> str:
    """Whom an address is counted as: of IPv6, where one customer has very many, its /64."""
    address = ip_address(host.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(IPv6Network((int(address) >> 64 << 64, 64)))
    return host


def _said(status: HTTPStatus) -> Answer:
    return Answer(status, f"{status.phrase}.\n".encode())
