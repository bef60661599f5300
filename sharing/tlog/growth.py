"""Which tiles of a log become full as it grows; they never change again, so they are what a log stores."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sharing.tlog.merkle import Range
from sharing.tlog.tiles import WIDTH

_BITS = WIDTH.bit_length() - 1


@dataclass(frozen=True, slots=True)
class FullTile:
    """256 hashes, and the one that they come to, which is a hash of the level above."""

    level: int
    index: int
    hashes: bytes
    root: bytes


def grow(
    edge: Range, leaves: Iterable[bytes], begun: Callable[[int, int, int], list[bytes]]
) -> list[FullTile]:
    """Append leaf hashes to the tree that `edge` is of; the tiles that become full, lower levels first.

    `begun(level, start, count)` gives the `count` hashes of a level, from `start` on, that the tile to be filled holds
    already; it is asked at most once a level, and only where a tile of it becomes full.
    """
    size, full = edge.size, []
    completed = edge.extend(leaves)
    # A tile's root is a node like any other, eight levels above its hashes.
    for level, (fresh, roots) in enumerate(zip(completed[::_BITS], completed[_BITS::_BITS], strict=False)):
        known = size >> (_BITS * level)
        held = known % WIDTH
        hashes = [*begun(level, known - held, held), *fresh] if held else fresh
        for number, root in enumerate(roots):
            tile = hashes[number * WIDTH : (number + 1) * WIDTH]
            full.append(FullTile(level, known // WIDTH + number, b"".join(tile), root))
    return full
