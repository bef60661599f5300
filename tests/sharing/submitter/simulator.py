"""The server's side of `POST /api/v1/submissions/`, in this process: it keeps what it takes, and fails as it is told.

    with Simulator() as server:
        server.faults += [503, "cut", "mute"]
        main(["submit", "lines.ndjson", "--url", server.url])
        server.taken  # key -> body

`cut` takes the body and closes without an answer; `mute` closes before anything is taken; a number is a status.
"""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

Line = dict[str, Any]
TOKEN = "stw_secret"


class Simulator:
    """One server on a free port."""

    def __init__(self) -> None:
        self.taken: dict[str, bytes] = {}
        self.queries: list[dict[str, list[str]]] = []
        self.faults: list[int | str] = []
        self.requests = 0
        self.on_taken: Callable[[int], None] = lambda _: None
        self.state = "ingested"
        simulator = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                simulator.requests += 1
                fault = simulator.faults.pop(0) if simulator.faults else ""
                if self.headers["Authorization"] != f"Bearer {TOKEN}":
                    return self.answer(401, {"detail": "Who is there?"})
                if isinstance(fault, int):
                    return self.answer(fault, {"code": "fault", "detail": f"told to say {fault}"})
                if fault == "mute":
                    return self.hang_up()
                simulator.queries.append(parse_qs(urlsplit(self.path).query))
                key = self.headers["Idempotency-Key"]
                assert simulator.taken.setdefault(key, body) == body
                simulator.on_taken(len(simulator.taken))
                if fault == "cut":
                    return self.hang_up()
                return self.answer(202, {"id": key})

            def do_GET(self) -> None:
                key = self.path.strip("/").rpartition("/")[2]
                objects = [line_of(raw) for raw in simulator.taken[key].splitlines()]
                self.answer(200, {"id": key, "state": simulator.state, "objects": objects})

            def answer(self, status: int, value: object) -> None:
                content = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def hang_up(self) -> None:
                self.close_connection = True

            def log_message(self, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    @property
    def lines(self) -> list[bytes]:
        """Every line that was taken, in the order of the batches."""
        return [line for body in self.taken.values() for line in body.splitlines()]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()


def line_of(raw: bytes) -> Line:
    """A receipt's line: what begins with `bad` is rejected."""
    if raw.startswith(b"bad"):
        return {"id": "?", "outcome": "rejected", "reason": "not-json", "sentence": "No JSON."}
    return {"id": raw.decode(), "outcome": "new", "reason": "triage", "sentence": "Accepted."}
