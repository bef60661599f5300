"""Servers to pull from, with the habits of real ones."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

TAXII = "application/taxii+json;version=2.1"
COLLECTION = "7d3b6f0e-3a5e-4b8c-9d1f-2a6c4e8b0d12"
Object = dict[str, Any]


@dataclass
class Upstream:
    """What is at a port: paths to answers (status, headers, body); every request is kept."""

    port: int = 0
    now: datetime = datetime(2026, 3, 2, 12, tzinfo=UTC)
    requests: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)
    answer: Callable[[str, Mapping[str, str]], tuple[int, dict[str, str], bytes]] = lambda path, query: (
        404,
        {},
        b"{}",
    )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def serving(upstream: Upstream) -> Iterator[Upstream]:
    """Serve it on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            upstream.requests.append(self.path)
            upstream.authorizations.append(self.headers["Authorization"])
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, headers, body = upstream.answer(parts.path, query)
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return formatdate(upstream.now.timestamp(), usegmt=True)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    upstream.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield upstream
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@dataclass
class TaxiiServer(Upstream):
    """An API root `/root/` with one collection of dated objects, sorted by date, in pages.

    The habits: `session_next` keeps `next` in memory and says the same one for each page (medallion); without
    `says_next` the client has to go on by date; `ignores_limit` sends everything; `ignores_next` sends page one again;
    `dates` off leaves X-TAXII-Date-Added-* away.
    """

    stored: list[tuple[datetime, Object]] = field(default_factory=list)
    page: int = 10
    session_next: bool = False
    says_next: bool = True
    ignores_limit: bool = False
    ignores_next: bool = False
    dates: bool = True
    media_type: str = TAXII
    fails: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    sessions: dict[str, list[tuple[datetime, Object]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answer = self._answer

    def add(self, *objects: Object, at: datetime) -> None:
        self.stored += [(at, one) for one in objects]
        self.stored.sort(key=lambda pair: pair[0])

    def forget(self) -> None:
        """As a restart does."""
        self.sessions.clear()

    def _answer(self, path: str, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        if self.fails:
            status, headers = self.fails.pop(0)
            return status, headers, b"{}"
        if path == "/taxii2/":
            return self._json({"title": "Upstream", "api_roots": [f"{self.url}root/"]})
        if path == "/root/":
            return self._json({"title": "Root", "versions": [TAXII], "max_content_length": 1})
        if path == "/root/collections/":
            shown = {
                "id": COLLECTION,
                "alias": "iocs",
                "title": "Indicators",
                "can_read": True,
                "can_write": False,
            }
            closed = {
                "id": str(uuid4()),
                "alias": "closed",
                "title": "Closed",
                "can_read": False,
                "can_write": False,
            }
            return self._json({"collections": [shown, closed]})
        if path != f"/root/collections/{COLLECTION}/objects/":
            return 404, {"Content-Type": TAXII}, b"{}"
        return self._objects(query)

    def _objects(self, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        wanted = self.stored
        if "added_after" in query:
            after = datetime.fromisoformat(query["added_after"])
            wanted = [pair for pair in wanted if pair[0] > after]
        if "next" in query and not self.ignores_next:
            if self.session_next:
                if query["next"] not in self.sessions:
                    return 400, {"Content-Type": TAXII}, b"{}"
                wanted = self.sessions[query["next"]]
            else:
                wanted = wanted[int(query["next"]) :]
        size = len(wanted) if self.ignores_limit else min(self.page, int(query.get("limit", "1000")))
        page, rest = wanted[:size], wanted[size:]
        envelope: Object = {"objects": [one for _, one in page]} if page else {}
        if rest:
            envelope["more"] = True
            if self.says_next:
                envelope["next"] = self._next(query, size, rest)
        headers = {}
        if page and self.dates:
            headers = {
                "X-TAXII-Date-Added-First": _date(page[0][0]),
                "X-TAXII-Date-Added-Last": _date(page[-1][0]),
            }
        return self._json(envelope, **headers)

    def _next(self, query: Mapping[str, str], size: int, rest: list[tuple[datetime, Object]]) -> str:
        if not self.session_next:
            return str(int(query.get("next", "0")) + size)
        token = query.get("next") or str(uuid4())
        self.sessions[token] = rest
        return token

    def _json(self, value: object, **headers: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": self.media_type, **headers}, json.dumps(value).encode()


@dataclass
class MispFeed(Upstream):
    """A feed at `/feed/`: its events by UUID, and the files that are missing or broken."""

    events: dict[str, Object] = field(default_factory=dict)
    broken: dict[str, tuple[int, bytes]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.answer = self._answer

    def add(self, timestamp: int, uuid: str | None = None) -> str:
        """An event; its UUID."""
        uuid = uuid or str(uuid4())
        self.events[uuid] = {"Event": {"uuid": uuid, "timestamp": str(timestamp), "info": "An event"}}
        return uuid

    def _answer(self, path: str, query: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        name = path.removeprefix("/feed/").removesuffix(".json")
        kind = {"Content-Type": "application/json"}
        if name == "manifest":
            listed = {
                uuid: {"timestamp": event["Event"]["timestamp"], "info": "An event"}
                for uuid, event in self.events.items()
            }
            return 200, kind, json.dumps(listed).encode()
        if name in self.broken:
            status, body = self.broken[name]
            return status, kind, body
        if name in self.events:
            return 200, kind, json.dumps(self.events[name]).encode()
        return 404, kind, b""


def dated(
    count: int, *, start: datetime, step: timedelta = timedelta(seconds=1)
) -> list[tuple[datetime, Object]]:
    """Objects, each stored a step after the one before."""
    return [(start + step * number, an_object()) for number in range(count)]


def an_object() -> Object:
    return {
        "type": "campaign",
        "spec_version": "2.1",
        "id": f"campaign--{uuid4()}",
        "created": "2026-01-01T00:00:00.000Z",
        "modified": "2026-01-01T00:00:00.000Z",
        "name": "A campaign",
    }


def _date(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
