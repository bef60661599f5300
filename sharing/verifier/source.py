"""Where a feed is read from, none of which is trusted: a mirror, or the live service (`web`).

Mirror (the service's own paths, as static files):

    trust/log/<uuid>/checkpoint          trust/log/<uuid>/pages/index.json   {"v":1,"pages":[[start,end],…]}
    trust/log/<uuid>/tile/…              trust/log/<uuid>/pages/<start>.json
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from sharing.tlog import tiles
from sharing.tlog.tiles import Coordinate
from sharing.verifier import strict_json
from sharing.verifier.failures import Malformed

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLLECTION_URL = re.compile(rf"(?P<root>/.*)?/collections/(?P<collection>{_UUID.pattern})(/objects)?/?")


class Unavailable(Exception):
    """What was asked for cannot be had: nothing is decided. The sentence says where and why."""


class Missing(Unavailable):
    """It is not there, or not for this caller."""


@dataclass(frozen=True, slots=True)
class Position:
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
        return read_tile(self.place, self.collection, tile)

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


def parse_collection(text: str) -> tuple[str | None, str, str]:
    """(address, API root, UUID) of a collection: its UUID alone, or its TAXII URL. ValueError if it is neither."""
    if _UUID.fullmatch(text.lower()):
        return None, "", text.lower()
    parts = urlsplit(text)
    match = _COLLECTION_URL.fullmatch(parts.path)
    if parts.scheme not in ("http", "https") or not parts.netloc or match is None:
        raise ValueError("a collection is its UUID, or https://HOST/taxii2/<community>/collections/<uuid>/")
    return f"{parts.scheme}://{parts.netloc}", (match["root"] or "").strip("/"), match["collection"]


def read_tile(place: Place, collection: str, tile: Coordinate) -> bytes:
    """A tile, at the path that service and mirror have in common."""
    return place.read(f"trust/log/{collection}/{tiles.path(tile.level, tile.index, tile.width)}")
