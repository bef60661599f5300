"""Tiles (C2SP tlog-tiles): how a log serves its tree, and how a proof is made of what it serves.

    tile/<L>/<N>[.p/<W>]         the hashes of <W> nodes of level 8·<L>, from the one at 256·<N> on; 256 if full
    tile/entries/<N>[.p/<W>]     the entries of <W> leaves, each after its length (u16)

<N> is written in groups of three digits, all but the last after an x: 1234067 is x001/x234/067.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from struct import pack
from typing import Literal, NamedTuple

from sharing.tlog.merkle import EMPTY_ROOT, HASH_SIZE, Read, consistency_proof, inclusion_proof, parents

WIDTH = 256
"""Nodes of a full tile."""

Level = int | Literal["entries"]
Node = tuple[int, int]
"""(level, index), as in `merkle`."""

_BITS = 8
_MAX_LEVEL = 63
_PATH = re.compile(
    r"tile/(entries|[0-9]{1,2})/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII
)


class MalformedPath(ValueError):
    """Not the one spelling of a tile's path."""


class MalformedTile(ValueError):
    """Not as many hashes or entries as the tile holds; the sentence says which tile."""


class MissingTile(LookupError):
    """A proof asks for a tile that is not there."""


class Coordinate(NamedTuple):
    """A tile, by its level, its index in the level and how many nodes it holds: 1 to 256."""

    level: Level
    index: int  # type: ignore[assignment]  # nobody looks for a value in it
    width: int = WIDTH

    @property
    def path(self) -> str:
        """`tile/…`."""
        return path(self.level, self.index, self.width)


def path(level: Level, index: int, width: int | None = None) -> str:
    """`tile/…`; `width` is left out for a full tile. Raises MalformedPath."""
    if (level != "entries" and not 0 <= level <= _MAX_LEVEL) or index < 0 or not 1 <= (width or 1) <= WIDTH:
        raise MalformedPath(f"there is no tile {index} of level {level} and width {width}")
    groups = [f"{index % 1000:03d}"]
    while index := index // 1000:
        groups.insert(0, f"x{index % 1000:03d}")
    partial = "" if width in (None, WIDTH) else f".p/{width}"
    return f"tile/{level}/{'/'.join(groups)}{partial}"


def parse(text: str) -> Coordinate:
    """What `path` wrote, to the letter; anything else raises MalformedPath."""
    match = _PATH.fullmatch(text)
    if not match:
        raise MalformedPath("a tile's path is tile/<level>/<index> or tile/<level>/<index>.p/<width>")
    level: Level = "entries" if match[1] == "entries" else int(match[1])
    index = int(match[2].replace("x", "").replace("/", ""))
    width = int(match[3]) if match[3] else None
    # A second spelling of a tile would be cached, and kept, twice.
    if width == WIDTH or path(level, index, width) != text:
        raise MalformedPath("not the canonical spelling of a tile's path")
    return Coordinate(level, index, width or WIDTH)


def width(level: Level, index: int, size: int) -> int:
    """How many nodes the tile holds in a tree of `size`: 0 if there is no such tile, 256 if it is full."""
    nodes = size >> (_BITS * (0 if level == "entries" else level))
    return max(0, min(WIDTH, nodes - index * WIDTH))


def all_of(size: int, *, first: int = 0) -> list[Coordinate]:
    """The tiles of hashes that a tree of `size` has and one of `first` had not, as wide: level by level."""
    tiles = []
    for level in range(_MAX_LEVEL + 1):
        nodes = size >> (_BITS * level)
        if not nodes:
            break
        index = (first >> (_BITS * level)) // WIDTH
        while w := width(level, index, size):
            if w != width(level, index, first):
                tiles.append(Coordinate(level, index, w))
            index += 1
    return tiles


def holder(node: Node, size: int) -> Coordinate:
    """The tile of a tree of `size` from which the node's hash follows. MissingTile if the tree has no such node."""
    level, index = node
    if (index + 1) << level > size:
        raise MissingTile(f"a tree of {size} has no node {index} of level {level}")
    tile_level, tile_index = level // _BITS, (index << level % _BITS) // WIDTH
    return Coordinate(tile_level, tile_index, width(tile_level, tile_index, size))


def needed(nodes: Iterable[Node], size: int) -> list[Coordinate]:
    """The tiles of a tree of `size` that hold these nodes, each once."""
    return list(dict.fromkeys(holder(node, size) for node in nodes))


def reader(tiles: Mapping[Coordinate, bytes]) -> Read:
    """What makes proofs of tiles: `read(level, index)`. Raises MalformedTile here, MissingTile when read."""
    widest: dict[tuple[Level, int], bytes] = {}
    for tile, raw in tiles.items():
        if tile.level == "entries" or len(raw) != tile.width * HASH_SIZE:
            raise MalformedTile(f"{tile.path} is not {tile.width} hashes")
        place = (tile.level, tile.index)
        if len(raw) > len(widest.get(place, b"")):
            widest[place] = raw

    def read(level: int, index: int) -> bytes:
        within = level % _BITS
        tile_index, first = divmod(index << within, WIDTH)
        raw = widest.get((level // _BITS, tile_index), b"")
        start, end = first * HASH_SIZE, (first + (1 << within)) * HASH_SIZE
        if end > len(raw):
            raise MissingTile(f"no tile holds node {index} of level {level}")
        if within == 0:
            return raw[start:end]
        # Of full tiles of leaves there are too many: one is seldom asked for again soon.
        if level < _BITS and len(raw) == WIDTH * HASH_SIZE:
            return root_of_perfect(_hashes(raw[start:end]))
        return _nodes_within(raw)[within][first >> within]

    return read


@lru_cache(maxsize=256)
def _nodes_within(raw: bytes) -> list[list[bytes]]:
    """The hashes of a tile and those of the nodes above them that are within it, level by level.

    Every proof in a log goes through the same few upper tiles, and those at its right edge, which stay as they are:
    they are hashed once. What is remembered is found by a tile's own bytes, so it cannot be out of date; 12 MB at most.
    """
    levels = [_hashes(raw)]
    while len(levels[-1]) > 1:
        levels.append(parents(levels[-1]))
    return levels


def _hashes(raw: bytes) -> list[bytes]:
    return [raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)]


def root_of_perfect(hashes: Sequence[bytes]) -> bytes:
    """The hash over 2^k neighbouring nodes."""
    while len(hashes) > 1:
        hashes = parents(hashes)
    return hashes[0]


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """The nodes whose hashes an inclusion proof is made of."""
    return _asked(lambda read: inclusion_proof(index, size, read))


def consistency_nodes(first: int, second: int) -> list[Node]:
    """The nodes whose hashes a consistency proof is made of."""
    return _asked(lambda read: consistency_proof(first, second, read))


def entry_bundle(entries: Iterable[bytes]) -> bytes:
    """The contents of `tile/entries/…`."""
    return b"".join(pack(">H", len(entry)) + entry for entry in entries)


def read_entry_bundle(raw: bytes) -> list[bytes]:
    """The entries of a bundle. Raises MalformedTile."""
    entries, at = [], 0
    while at < len(raw):
        end = at + 2 + int.from_bytes(raw[at : at + 2], "big")
        if at + 2 > len(raw) or end > len(raw):
            raise MalformedTile("the bundle of entries ends within an entry")
        entries.append(raw[at + 2 : end])
        at = end
    if not 0 < len(entries) <= WIDTH:
        raise MalformedTile(f"a bundle holds 1 to {WIDTH} entries, not {len(entries)}")
    return entries


def _asked(prove: Callable[[Read], object]) -> list[Node]:
    nodes: list[Node] = []

    def read(level: int, index: int) -> bytes:
        nodes.append((level, index))
        return EMPTY_ROOT

    prove(read)
    return nodes
