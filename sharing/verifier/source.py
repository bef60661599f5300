"""Where a feed is read from, none of which is trusted: the live service, or a mirror as a folder or over HTTP.

Mirror (the service's own paths, as static files):

    trust/log/<uuid>/checkpoint          trust/log/<uuid>/pages/index.json   {"v":1,"pages":[[start,end],…]}
    trust/log/<uuid>/tile/…              trust/log/<uuid>/pages/<start>.json
"""

import email.utils
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlencode, urlsplit

import httpx

from sharing.tlog import tiles
from sharing.tlog.tiles import Coordinate
from sharing.verifier import strict_json
from sharing.verifier.failures import Malformed, shown

MAX_BYTES = 512 * 1024 * 1024
"""Of one answer: more than any page holds, and less than fills a machine."""

_TAXII = "application/taxii+json;version=2.1"
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLLECTION_URL = re.compile(rf"(?P<root>/.*)?/collections/(?P<collection>{_UUID.pattern})(/objects)?/?")


class Unavailable(Exception):
    """What was asked for cannot be had: nothing is decided. The sentence says where and why."""


class Missing(Unavailable):
    """It is not there, or not for this caller."""


class Position(NamedTuple):
    """Where to read on: the index of the next entry, the `added` (µs) of the last one whose time is known, and the
    cursor of the page before."""

    index: int = 0
    added: int | None = None
    next: str | None = None


class Source(Protocol):
    """Whatever serves a log. Each may raise Unavailable."""

    def checkpoint(self) -> bytes:
        """The latest one."""

    def tile(self, tile: Coordinate) -> bytes:
        """The tile's bytes."""

    def page(self, at: Position) -> bytes | None:
        """The page that holds the entry `at`, or begins not after it; None if nothing of it is there."""


class Place(Protocol):
    """Files by their path below a service's or mirror's address."""

    @property
    def name(self) -> str:
        """As a person calls it."""

    def read(self, path: str) -> bytes:
        """Raises Missing, or Unavailable."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A mirror on this machine."""

    path: Path

    @property
    def name(self) -> str:
        return str(self.path)

    def read(self, path: str) -> bytes:
        try:
            return (self.path / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError) as error:
            raise Missing(f"{self.path} has no {path}") from error
        except OSError as error:
            raise Unavailable(f"cannot read {self.path / path}: {error.strerror}") from error


@dataclass(frozen=True, slots=True)
class Web:
    """A service or mirror over HTTP. `told` hears why there is a pause."""

    client: httpx.Client
    base: str
    told: Callable[[str], None] = lambda _: None
    sleep: Callable[[float], None] = time.sleep

    @property
    def name(self) -> str:
        return self.base

    def read(self, path: str, *, accept: str = "*/*") -> bytes:
        """Tries again for about a quarter of a minute."""
        for pause in (*_PAUSES, None):
            asked = 0.0
            try:
                with self.client.stream(
                    "GET", f"{self.base}/{path}", headers={"Accept": accept}
                ) as answer:
                    if answer.status_code == 200:
                        return _body(answer)
                    problem = f"{self.base}/{shown(path)} answers {answer.status_code} {answer.reason_phrase}"
                    if answer.status_code in (404, 410):
                        raise Missing(problem)
                    if answer.status_code < 500 and answer.status_code not in (408, 425, 429):
                        raise Unavailable(problem)
                    asked = _retry_after(answer)
            except httpx.TransportError as error:
                problem = f"{self.base} cannot be reached: {error or type(error).__name__}"
            except (httpx.InvalidURL, httpx.RequestError) as error:
                raise Unavailable(f"{self.base}: {error}") from error
            if pause is None:
                break
            self.told(f"{problem}; again in {max(asked, pause):.1f} s")
            self.sleep(max(asked, pause))
        raise Unavailable(problem)


@dataclass(slots=True)
class Mirror:
    """A log in the mirror layout."""

    place: Place
    collection: str
    _pages: list[tuple[int, int]] = field(default_factory=list)

    def checkpoint(self) -> bytes:
        raw = self.place.read(f"trust/log/{self.collection}/checkpoint")
        self._pages = []
        return raw

    def tile(self, tile: Coordinate) -> bytes:
        return _tile(self.place, self.collection, tile)

    def page(self, at: Position) -> bytes | None:
        if not any(start <= at.index < end for start, end in self._pages):
            self._pages = self._read_index()
        for start, end in self._pages:
            if start <= at.index < end:
                try:
                    return self.place.read(f"trust/log/{self.collection}/pages/{start}.json")
                except Missing:
                    return None
        return None

    def _read_index(self) -> list[tuple[int, int]]:
        try:
            raw = self.place.read(f"trust/log/{self.collection}/pages/index.json")
        except Missing:
            return []
        index = strict_json.read_object(raw)
        pages = index.get("pages")
        if type(index.get("v")) is not int or index["v"] != 1 or not isinstance(pages, list):
            raise Malformed("pages/index.json of the mirror is not of version 1")
        found = []
        for page in pages:
            if not isinstance(page, list) or len(page) != 2 or any(type(n) is not int or n < 0 for n in page):
                raise Malformed("a page in pages/index.json of the mirror is not [start, end]")
            found.append((page[0], page[1]))
        return found


@dataclass(slots=True)
class Service:
    """The live service. `api_root`, a path, is found by discovery where it is not known."""

    web: Web
    collection: str
    api_root: str = ""

    def checkpoint(self) -> bytes:
        return self.web.read(f"trust/log/{self.collection}/checkpoint")

    def tile(self, tile: Coordinate) -> bytes:
        return _tile(self.web, self.collection, tile)

    def page(self, at: Position) -> bytes | None:
        if not self.api_root:
            self.api_root = self._discovered()
        query = {"proof": "1"}
        if at.next is not None:
            query["next"] = at.next
        elif at.added is not None:
            query["added_after"] = f"{_EPOCH + timedelta(microseconds=at.added):%Y-%m-%dT%H:%M:%S.%f}Z"
        path = f"{self.api_root}/collections/{self.collection}/objects/?{urlencode(query)}"
        return self.web.read(path, accept=_TAXII)

    def _discovered(self) -> str:
        """The API root that has the collection. Its host is left out: the token is for no other than this one."""
        roots = _member(self.web.read("taxii2/", accept=_TAXII), "api_roots")
        for root in roots if isinstance(roots, list) else []:
            path = urlsplit(root).path.strip("/") if isinstance(root, str) else ""
            try:
                self.web.read(f"{path}/collections/{self.collection}/", accept=_TAXII)
            except Missing:
                continue
            return path
        raise Missing(f"no community at {self.web.base} has a collection {self.collection} for this token")


def parse_collection(text: str) -> tuple[str | None, str, str]:
    """(address, API root, UUID) of a collection: its UUID alone, or its TAXII URL. ValueError if it is neither."""
    if _UUID.fullmatch(text.lower()):
        return None, "", text.lower()
    parts = urlsplit(text)
    match = _COLLECTION_URL.fullmatch(parts.path)
    if parts.scheme not in ("http", "https") or not parts.netloc or match is None:
        raise ValueError("a collection is its UUID, or https://HOST/taxii2/<community>/collections/<uuid>/")
    return f"{parts.scheme}://{parts.netloc}", (match["root"] or "").strip("/"), match["collection"]


def _tile(place: Place, collection: str, tile: Coordinate) -> bytes:
    return place.read(f"trust/log/{collection}/{tiles.path(*tile)}")


def _body(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    for part in answer.iter_bytes():
        size += len(part)
        if size > MAX_BYTES:
            raise Unavailable(f"{answer.url} sends more than {MAX_BYTES // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


def _member(raw: bytes, name: str) -> object:
    try:
        said = json.loads(raw)
    except (ValueError, RecursionError):
        said = None
    return said.get(name) if isinstance(said, dict) else None


def _retry_after(answer: httpx.Response) -> float:
    """Seconds, from a number or a date (RFC 9110 §10.2.3), two minutes at most; 0 if there is none."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(120.0, float(text[:9]))
    try:
        return min(120.0, max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time()))
    except (ValueError, TypeError, OverflowError):
        return 0.0
