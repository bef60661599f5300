"""What all parts share: a running service, a place for files, sizes, and the answers that others serve again."""

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import requests

from tests.world import World

COMMUNITY = "bench"
SMALL, LARGE = "small", "large"
"""Open collections: the aliases of one that fits a test and of one as large as a year's feed."""

_FILL = 50_000
"""How many objects one command adds: well within the time that it is given."""

_COMMUNITIES = """
organizations:
  - slug: lab-a
    name: Lab A
    sector: ai-lab
    reliability: B
    tokens: &tokens [{name: rw, scopes: [submit, "feed:read"]}]
  - {slug: lab-b, name: Lab B, sector: ai-lab, reliability: B, tokens: *tokens}
communities:
  - slug: bench
    title: Benchmarks
    members: [lab-a, lab-b]
    review: {auto_release: all}
    collections:
      - {alias: amber, title: Amber feed, kind: feed, ceiling: amber}
      - {alias: green, title: Green feed, kind: feed, ceiling: green}
      - {alias: small, title: Small, kind: open, ceiling: amber, write: [lab-a], read: [lab-a]}
      - {alias: large, title: Large, kind: open, ceiling: amber, write: [lab-a], read: [lab-a]}
      - {alias: whole, title: Appended to, kind: open, ceiling: amber, write: [lab-a], read: [lab-a]}
      - {alias: bare, title: Appended to without a tree, kind: open, ceiling: amber, write: [lab-a], read: [lab-a]}
      - {alias: long, title: A long log, kind: open, ceiling: amber, write: [lab-a], read: [lab-a]}
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response: what another server needs to give the same one. Names of headers are in lower case."""

    headers: dict[str, str]
    body: bytes

    @classmethod
    def of(cls, response: requests.Response) -> "Answer":
        assert response.status_code == 200, response.text
        return cls({name.lower(): value for name, value in response.headers.items()}, response.content)


@dataclass(slots=True)
class Bench:
    """One run."""

    world: World
    folder: Path
    quick: bool
    _filled: set[str] = field(default_factory=set)

    @classmethod
    @contextlib.contextmanager
    def start(cls, *, quick: bool) -> Iterator["Bench"]:
        """Start the service; at the end everything is stopped and removed."""
        folder = Path(tempfile.mkdtemp(prefix="sw-bench-"))
        try:
            with World.start(_COMMUNITIES) as world:
                yield cls(world, folder, quick)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def rounds(self) -> int:
        """How often A and B alternate."""
        return 3 if self.quick else 5

    @property
    def seconds(self) -> int:
        """How long one run of the load generator takes."""
        return 2 if self.quick else 3

    def size(self, alias: str) -> int:
        """How many objects a collection is filled with."""
        return {SMALL: 10_000, LARGE: 20_000 if self.quick else 200_000}[alias]

    def filled(self, alias: str) -> str:
        """The path of a collection's objects, filled on first use."""
        path = f"/taxii2/{COMMUNITY}/collections/{alias}/objects/"
        if alias not in self._filled:
            say(f"filling a collection with {self.size(alias):,} objects")
            collection = self.world.collection(alias, COMMUNITY)
            seed = sorted((SMALL, LARGE)).index(alias) * 1_000_000_000
            for start in range(0, self.size(alias), _FILL):
                count = min(_FILL, self.size(alias) - start)
                code = f"from tests.bench.fill import fill; fill({collection!r}, {count}, {seed + start})"
                self.world.manage("shell", "--command", code)
            # What autovacuum would do within seconds, in the middle of a run.
            self.world.sql("VACUUM (ANALYZE) sharing_entry")
            self._filled.add(alias)
        return path

    @property
    def headers(self) -> dict[str, str]:
        """Those of a reader's requests."""
        return self.world.token("lab-a").bearer

    def get(self, path: str) -> Answer:
        """One answer of the service."""
        return Answer.of(requests.get(self.world.url + path, headers=self.headers, timeout=60))

    def pages(self, path: str) -> Iterator[tuple[str, Answer]]:
        """Every page of 1,000 of a collection and its path, following `next`."""
        following = f"{path}?limit=1000"
        with requests.Session() as session:
            session.headers.update(self.headers)
            while following:
                found = session.get(self.world.url + following, timeout=60)
                yield following, Answer.of(found)
                cursor = found.json().get("next")
                following = f"{path}?limit=1000&next={cursor}" if cursor else ""


def say(what: str) -> None:
    """Tell the person at the terminal what happens now."""
    print(f"  {what} …", flush=True)
