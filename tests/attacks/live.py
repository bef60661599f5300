"""The real service, with a trust root of its own, and a partner who reaches it through a proxy that may tamper."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from sharing.tlog import checkpoints, notes
from sharing.tlog.checkpoints import Checkpoint
from tests.attacks.proxy import TamperingProxy, served
from tests.attacks.scene import Outcome, stillwatch
from tests.world import World

COMMUNITY = """
communities:
  - slug: attacked
    title: The community attacked
    members: [hub, lab-a, lab-b]
    review: {auto_release: all}
    collections:
      - {alias: amber, title: Amber feed, kind: feed, ceiling: amber}
      - {alias: exchange, title: Exchange, kind: open, ceiling: amber, write: [lab-a], read: [lab-a, lab-b]}
"""
ORGANIZATION = "lab-b"


def prepared(world: World) -> Path:
    """The community, and the trust root that names its logs; root.json."""
    file = world.home / "attacked.yaml"
    if not file.exists():
        file.write_text(COMMUNITY)
        world.manage("apply_community", str(file))
        world.manage("demo_ceremony")
    return world.home / "demo-ceremony/root.json"


@dataclass
class Partner:
    """Follows one collection of the running service."""

    world: World
    collection: str
    folder: Path
    capsys: pytest.CaptureFixture[str]
    proxy: TamperingProxy
    address: str

    def stillwatch(self, *arguments: str) -> Outcome:
        return stillwatch(self.capsys, *arguments, "--token-file", str(self.folder / "token"))

    def init(self, root: Path) -> Outcome:
        (self.folder / "token").write_text(self.world.token(ORGANIZATION).secret)
        return self.stillwatch(
            *("verify", "init", "--root", str(root), "--at", self.address),
            *("--home", str(self.folder / "home")),
        )

    def sync(self, out: str = "out") -> Outcome:
        return self.stillwatch(
            *("verify", "sync", self.collection, "--out", str(self.folder / out)),
            *("--home", str(self.folder / "home")),
        )

    def checkpoint(self) -> bytes:
        """As it is served now."""
        return httpx.get(
            f"{self.world.url}/trust/log/{self.collection}/checkpoint",
            headers=self.world.token(ORGANIZATION).bearer | {"Accept": "*/*"},
            trust_env=False,
        ).content

    def wait_for(self, size: int) -> Checkpoint:
        """Until a checkpoint has so many entries, as it must within a minute; and the trust root names the log."""
        deadline = time.monotonic() + 180
        while True:
            try:
                found = checkpoints.read(notes.read(self.checkpoint()).text)
                if found.size >= size:
                    return found
            except ValueError:
                pass  # a new log has none yet
            assert time.monotonic() < deadline, self.checkpoint()
            time.sleep(0.2)


@contextmanager
def partner(world: World, alias: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> Iterator[Partner]:
    """Who trusts the service by now, and has read nothing."""
    root = prepared(world)
    proxy = TamperingProxy(world.url)
    with served(proxy.serve) as address:
        collection = world.collection(alias, "attacked", ORGANIZATION)
        made = Partner(world, collection, folder, capsys, proxy, address)
        assert made.init(root).code == 0
        yield made


@contextmanager
def writing(world: World, collection: str, count: int, seed: int) -> Iterator["subprocess.Popen[bytes]"]:
    """Somebody who appends so many objects to the collection meanwhile."""
    writer = world.beside("shell", "--command", filling(collection, count, seed))
    try:
        yield writer
        assert writer.wait(600) == 0
    finally:
        writer.kill()
        writer.wait()


def filling(collection: str, count: int, seed: int) -> str:
    return f"from tests.bench.fill import fill; fill({collection!r}, {count}, {seed})"
