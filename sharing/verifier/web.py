"""A feed over HTTP: any file of a service or mirror, and the live service's pages."""

import email.utils
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode, urlsplit

import httpx

from sharing.tlog.tiles import Coordinate
from sharing.verifier.answers import ACCEPTED, pieces
from sharing.verifier.failures import shown
from sharing.verifier.source import Missing, Position, Unavailable, read_tile

MAX_BYTES = 320 * 1024 * 1024
"""Of a page. The service's largest, whatever `limit` is asked for, has 250 MiB of objects (1,000 of 256 KiB); the rest
is room for their openings and for some 250,000 entries that were erased between them."""

MAX_SMALL = 16 * 1024 * 1024
"""Of whatever is no page: a checkpoint, a tile, an index."""

_TAXII = "application/taxii+json;version=2.1"
_PAGE = re.compile(r"/objects/\?|/pages/[0-9]+\.json$")
_PAUSES = (0.5, 1.0, 2.0, 4.0, 8.0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
                    "GET", f"{self.base}/{path}", headers={"Accept": accept, "Accept-Encoding": ACCEPTED}
                ) as answer:
                    if answer.status_code == 200:
                        return _body(answer, MAX_BYTES if _PAGE.search(path) else MAX_SMALL)
                    problem = f"{self.base}/{shown(path)} answers {answer.status_code} {answer.reason_phrase}"
                    if answer.status_code in (404, 410):
                        raise Missing(problem)
                    if answer.status_code < 500 and answer.status_code not in (408, 425, 429):
                        raise Unavailable(problem)
                    asked = _retry_after(answer)
            except httpx.TransportError as error:
                problem = f"{self.base} cannot be reached: {str(error) or type(error).__name__}"
            except (httpx.InvalidURL, httpx.RequestError) as error:
                raise Unavailable(f"{self.base}: {error}") from error
            if pause is None:
                break
            self.told(f"{problem}; again in {max(asked, pause):.1f} s")
            self.sleep(max(asked, pause))
        raise Unavailable(problem)


@dataclass(slots=True)
class Service:
    """The live service. `api_root`, a path, is found by discovery where it is not known."""

    web: Web
    collection: str
    api_root: str = ""

    def checkpoint(self) -> bytes:
        return self.web.read(f"trust/log/{self.collection}/checkpoint")

    def tile(self, tile: Coordinate) -> bytes:
        return read_tile(self.web, self.collection, tile)

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


def _body(answer: httpx.Response, most: int) -> bytes:
    parts, size = [], 0
    for part in pieces(answer):
        size += len(part)
        if size > most:
            raise Unavailable(f"{answer.url} sends more than {most // 2**20} MiB")
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
