"""A publisher of one log without any service: entries, signed checkpoints, tiles, a trust root, and a mirror of it all.

    publisher = Publisher(tmp_path / "mirror", now=NOW)
    publisher.publish(an_indicator(1))
    publisher.write()                       # the mirror's files, with a checkpoint of all entries
    publisher.write(size=1)                 # or of fewer

What is changed in `publisher.folder` afterwards is a hostile mirror's work; what `fork()` publishes, a hostile log's.
"""

import json
import sqlite3
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sharing.signing import keys
from sharing.signing.keys import Ed25519Signer, MlDsa44Signer
from sharing.signing.note_keys import NoteSigner, SignatureType
from sharing.tlog import tiles
from sharing.tlog.notes import Note
from sharing.verifier.cli import main
from tests.sharing.verifier.log_simulator import ORIGIN, LogSimulator
from tests.trust_repository import NO_WITNESSES, TrustRepository

COLLECTION = ORIGIN.rpartition("/")[2]


class Publisher(LogSimulator):
    """`witnesses` cosign; `policy` says who has to. Pages have `page_size` entries."""

    def __init__(
        self,
        folder: Path,
        *,
        now: float | None = None,
        witnesses: Sequence[str] = (),
        policy: bytes | None = None,
        page_size: int = 4,
        ceiling: str = "amber",
    ) -> None:
        self.log_signers: tuple[Ed25519Signer, MlDsa44Signer] = (keys.generate(), keys.generate_ml_dsa_44())
        super().__init__(log_keys=self.log_signers)
        self.folder, self.page_size = folder, page_size
        self.clock = int(time.time() if now is None else now)
        self.witnesses = [
            NoteSigner(name, SignatureType.COSIGNATURE_V1, keys.generate()) for name in witnesses
        ]
        if policy is None:
            policy = NO_WITNESSES
        if witnesses:
            lines = [f"witness {one.key.name} {one.key.vkey()}" for one in self.witnesses]
            policy = "\n".join([*lines, *policy.decode().splitlines(), ""]).encode()
        self.trust = TrustRepository(
            folder,
            now=datetime.fromtimestamp(self.clock, UTC),
            object_keys=[self.signer],
            log_signers=self.log_signers,
            ceilings={ORIGIN: ceiling},
            policy=policy,
        )

    def signed(
        self,
        size: int | None = None,
        *,
        lines: Sequence[int] = (0, 1),
        cosigned_by: Sequence[str] | None = None,
        age: int = 0,
    ) -> bytes:
        """Of the first `size` entries; `lines`: which of the log's keys sign; `age` in seconds."""
        tree = self.tree(size)
        signers = [self.note_signers()[line] for line in lines]
        signers += [one for one in self.witnesses if cosigned_by is None or one.key.name in cosigned_by]
        signatures = [one.sign_checkpoint(tree, timestamp=self.clock - age) for one in signers]
        return bytes(Note(tree.text, tuple(signatures)))

    def write(self, size: int | None = None, *, checkpoint: bytes | None = None) -> None:
        """The mirror as it is now; pages hold all entries."""
        size = len(self.entries) if size is None else size
        index = []
        for start in range(0, len(self.entries), self.page_size):
            end = min(start + self.page_size, len(self.entries))
            self.put(f"pages/{start}.json", self.page(start, end))
            index.append([start, end])
        self.put("pages/index.json", json.dumps({"v": 1, "pages": index}).encode())
        self.write_tiles(size)
        self.put("checkpoint", self.signed(size) if checkpoint is None else checkpoint)

    def write_tiles(self, size: int) -> None:
        """Those of the tree of `size`."""
        for one in tiles.all_of(size):
            self.put(tiles.path(one.level, one.index, one.width), self.tile(one))

    def republish_trust(self) -> None:
        """What was changed in `trust` is served from now on."""
        self._served = getattr(self, "_served", self.clock) + 1
        self.trust.publish(datetime.fromtimestamp(self._served, UTC))

    def path(self, name: str) -> Path:
        return self.folder / "trust/log" / COLLECTION / name

    def put(self, name: str, raw: bytes) -> None:
        path = self.path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(raw)

    def fork(self) -> Self:
        """The same publisher, keys and all, whose log may now go another way."""
        other = super().fork()
        # Entries may be taken out of it, too.
        other._nodes = {}
        other.branch = " of another history"
        return other


def changed(publisher: Publisher, start: int, change: Any) -> None:
    """Changes the page that begins at `start` in the mirror: `change(envelope, entries)`."""
    path = publisher.path(f"pages/{start}.json")
    envelope = json.loads(path.read_bytes())
    change(envelope, envelope["x_stillwatch_log"]["entries"])
    path.write_bytes(json.dumps(envelope).encode())


class Reader:
    """A partner's machine: a home that trusts the publisher, and a copy of the feed. Commands run in this process."""

    def __init__(self, publisher: Publisher, folder: Path, *, at: Path | str | None = None) -> None:
        self.folder, self.home, self.out = folder, folder / "home", folder / "feed"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "root.json").write_bytes(publisher.trust.root_json)
        self.at = str(at or publisher.folder)

    def init(self) -> int:
        return self.run("verify", "init", "--root", str(self.folder / "root.json"), "--at", self.at)

    def sync(self, *options: str) -> int:
        return self.run("verify", "sync", COLLECTION, "--out", str(self.out), *options)

    def run(self, *arguments: str) -> int:
        return main([*arguments, "--home", str(self.home)])

    def objects(self, view: str = "latest") -> list[dict[str, Any]]:
        """What a reader of the database sees."""
        with closing(sqlite3.connect(self.out / "feed.sqlite3")) as database:
            return [
                json.loads(text)
                for (text,) in database.execute(f"SELECT object FROM {view} ORDER BY position")
            ]

    def evidence(self) -> dict[str, bytes]:
        """Of the last failure, by file name."""
        folders = sorted((self.out / "evidence").iterdir())
        return {path.name: path.read_bytes() for path in folders[-1].iterdir()}
