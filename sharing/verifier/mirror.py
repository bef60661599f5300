"""A mirror: a feed, verified first, as static files that others verify again (the layout is in `source`).

Every mirror of a log has the same pages, of 1,000 entries each: they are written from the verified copy (`feed`), which
marks what changed. A page in which something was erased is written anew, so nothing erased stays.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, Root

from sharing.tlog import checkpoints, notes, tiles
from sharing.tlog import page as pages
from sharing.tlog.merkle import HASH_SIZE
from sharing.tlog.tiles import Coordinate
from sharing.verifier.checkpoint import SignedCheckpoint
from sharing.verifier.feed import Feed
from sharing.verifier.home import write
from sharing.verifier.source import Place, Unavailable

WIDTH = 1_000
"""Entries of a page."""

STATE = ".stillwatch"
"""Where the verified copies stand, below the mirror. Not to be served, though they hold nothing else than it does."""

_TUF = "trust/tuf"


@dataclass(frozen=True, slots=True)
class Written:
    """How many files of a log are new or changed."""

    pages: int
    tiles: int


def write_log(folder: Path, collection: str, feed: Feed, checkpoint: SignedCheckpoint) -> Written:
    """Bring the log's files in `folder` up to date: what is needed first, the checkpoint that needs it last."""
    log = folder / "trust" / "log" / collection
    origin, shown_end = checkpoint.checkpoint.origin, feed.shown_end()
    written = 0
    for start in feed.changed(WIDTH):
        if start >= shown_end:
            break
        end = min(start + WIDTH, shown_end)
        write(log / "pages" / f"{start}.json", _page(feed, origin, start, end, more=end < shown_end))
        feed.written(start, end)
        written += 1
    spans = [[start, min(start + WIDTH, shown_end)] for start in range(0, shown_end, WIDTH)]
    index = {"v": 1, "pages": spans}
    write(log / "pages" / "index.json", json.dumps(index, separators=(",", ":")).encode())

    made = 0
    for coordinate in tiles.all_of(checkpoint.size, first=_size(log / "checkpoint")):
        path = log / tiles.path(coordinate.level, coordinate.index, coordinate.width)
        write(path, b"".join(_hashes(log, feed, coordinate)))
        if coordinate.width == tiles.WIDTH:
            # The partial ones before it (C2SP tlog-tiles lets them go).
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
        made += 1
    write(log / "checkpoint", checkpoint.raw)
    return Written(written, made)


def write_trust_root(folder: Path, repository: Mapping[str, bytes], place: Place) -> None:
    """The trust root's files, verified; and the root's first versions, for those who were given an earlier one."""
    oldest = min(int(path.split("/")[1].split(".")[0]) for path in repository if path.endswith(".root.json"))
    earlier: dict[str, bytes] = {}
    later = repository[f"metadata/{oldest}.root.json"]
    for version in range(oldest - 1, 0, -1):
        path = f"metadata/{version}.root.json"
        # Nobody vouches for them here, so what is served now comes before what was served before: the word of one
        # who forged one must not stay.
        raw = _read_root(lambda path=path: place.read(f"{_TUF}/{path}"), version, later) or _read_root(  # type: ignore[misc]
            (folder / _TUF / path).read_bytes, version, later
        )
        if raw is None:
            break
        earlier[path] = later = raw
    for path, raw in {**earlier, **repository}.items():
        target = folder / _TUF / path
        if not target.exists() or target.read_bytes() != raw:
            write(target, raw)


def _read_root(read: Callable[[], bytes], version: int, later: bytes) -> bytes | None:
    """What is read, if it is the root's `version`, signed by itself, and has signed the `later` one."""
    try:
        raw = read()
        root, following = Metadata[Root].from_bytes(raw), Metadata[Root].from_bytes(later)
        if root.signed.type != "root" or root.signed.version != version:
            return None
        for signed in (root, following):
            root.signed.verify_delegate("root", signed.signed_bytes, signed.signatures)
    except (Unavailable, FileNotFoundError, RepositoryError):
        return None
    return raw


def _page(feed: Feed, origin: str, start: int, end: int, *, more: bool) -> bytes:
    objects, openings = feed.page(start, end)
    proof = pages.log_property(origin, start, end, pages.proof_bytes(openings))
    return b'{"more":%b,"objects":[%b],%b}' % (b"true" if more else b"false", b",".join(objects), proof)


def _hashes(log: Path, feed: Feed, tile: Coordinate) -> Iterator[bytes]:
    """Of a tile: leaves, or the roots of the full tiles below, which are there already."""
    first = tile.index * tiles.WIDTH
    if tile.level == 0:
        yield from feed.leaves(first, first + tile.width)
        return
    assert isinstance(tile.level, int)
    for below in range(first, first + tile.width):
        raw = (log / tiles.path(tile.level - 1, below)).read_bytes()
        yield tiles.root_of_perfect([raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)])


def _size(checkpoint: Path) -> int:
    """For which tree the tiles are there; 0 before the first."""
    try:
        return checkpoints.read(notes.read(checkpoint.read_bytes()).text).size
    except (FileNotFoundError, ValueError):
        return 0
