"""HTTP on the loopback: a service made of a function, and a proxy that changes answers on the way."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import NamedTuple

import httpx

Tamper = Callable[[str, bytes], bytes | None]
"""(path with its query, without the first slash; the body) to the body, or None: it is not there."""


class Answer(NamedTuple):
    status: int
    content_type: str
    body: bytes


NOT_FOUND = Answer(404, "text/plain", b"not found")

Serve = Callable[[str, Mapping[str, str]], Answer]
"""(path with its query, without the first slash; the request's headers) to the answer."""


@contextmanager
def served(serve: Serve) -> Iterator[str]:
    """The address, without a final slash, at which `serve` answers GET."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # The whole answer in one piece; in two, each would wait for an acknowledgement.
        wbufsize = -1

        def do_GET(self) -> None:
            answer = serve(self.path.removeprefix("/"), dict(self.headers))
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@dataclass
class TamperingProxy:
    """Passes requests on to `upstream`, and answers on; `tamper`, when there is one, changes what is 200."""

    upstream: str
    tamper: Tamper | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._client = httpx.Client(trust_env=False, timeout=60)

    def serve(self, path: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append(path)
        passed = {name: headers[name] for name in ("Accept", "Authorization") if name in headers}
        answer = self._client.get(f"{self.upstream}/{path}", headers=passed)
        body: bytes | None = answer.content
        if self.tamper is not None and answer.status_code == 200:
            body = self.tamper(path, answer.content)
        if body is None:
            return NOT_FOUND
        return Answer(answer.status_code, answer.headers.get("Content-Type", "text/plain"), body)
