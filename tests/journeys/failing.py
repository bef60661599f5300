"""A network that fails at the client: before, while and after the server takes a request, late, or with an error."""

import contextlib
import random
import socket
import struct
import time
from collections import Counter

import httpx

KINDS = ("no connection", "cut in the body", "reset", "no answer", "late answer", "502 before", "504 after")


class FailingTransport(httpx.BaseTransport):
    """Passes requests on; of each hundred `share` fail, in all ways alike. `failed` counts them by kind."""

    def __init__(self, seed: int, *, share: int = 30) -> None:
        self._inner = httpx.HTTPTransport()
        self._chance = random.Random(seed)
        self._share = share
        self.failed: Counter[str] = Counter()
        self.passed = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self._chance.random() * 100 >= self._share:
            self.passed += 1
            return self._inner.handle_request(request)
        kind = self._chance.choice(KINDS)
        self.failed[kind] += 1
        match kind:
            case "no connection":
                raise httpx.ConnectError("injected", request=request)
            case "cut in the body":
                self._raw(request, whole=False)
                raise httpx.WriteError("injected", request=request)
            case "reset":
                self._raw(request, whole=True)
                raise httpx.ReadError("injected", request=request)
            case "502 before":
                return httpx.Response(502, content=b"<html>Bad Gateway</html>")
        answer = self._inner.handle_request(request)
        answer.read()
        answer.close()
        if kind == "504 after":
            return httpx.Response(504, headers={"Retry-After": "0"})
        if kind == "late answer":
            time.sleep(self._chance.uniform(0, 0.01))
            raise httpx.ReadTimeout("injected", request=request)
        raise httpx.RemoteProtocolError("injected", request=request)

    def _raw(self, request: httpx.Request, *, whole: bool) -> None:
        """Send a request, or its first part, and reset the connection without reading: nobody knows what came of it."""
        head = f"{request.method} {request.url.raw_path.decode()} HTTP/1.1\r\n".encode()
        head += b"".join(name + b": " + value + b"\r\n" for name, value in request.headers.raw) + b"\r\n"
        message = head + request.read()
        cut = len(message) if whole else self._chance.randrange(1, len(message))
        with socket.create_connection((request.url.host, request.url.port or 80), 10) as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with contextlib.suppress(OSError):
                raw.sendall(message[:cut])
                time.sleep(self._chance.uniform(0, 0.005))

    def close(self) -> None:
        self._inner.close()
