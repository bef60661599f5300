"""A partner's server that webhooks are delivered to: it records what comes and answers what a test tells it to.

with Receiver.start() as receiver:
    receiver.answers = [503, "hang", 200]      # then 200 for ever
    …
    receiver.received[0].body
"""

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """One POST; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Receiver:
    """What answers on a loopback address: a status, "redirect", "hang" or "drop", in this order, then 200."""

    url: str
    answers: list[int | str] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    @contextlib.contextmanager
    def start(cls) -> Iterator[Self]:
        server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
        server.daemon_threads = True
        receiver = cls(f"http://127.0.0.1:{server.server_address[1]}/hook")

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                named = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, named, body))
                answer = receiver.answers.pop(0) if receiver.answers else 200
                if answer == "hang":
                    receiver._ended.wait(60)
                    return
                if answer == "drop":
                    self.close_connection = True
                    return
                self.send_response(302 if answer == "redirect" else int(answer))
                if answer == "redirect":
                    self.send_header("Location", receiver.url + "/elsewhere")
                for name, value in receiver.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Quiet."""

        server.RequestHandlerClass = Handler
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield receiver
        finally:
            receiver._ended.set()
            server.shutdown()
            thread.join()
            server.server_close()
