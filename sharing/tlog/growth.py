"""Which tiles of a log become full as it grows; they never change again, so they are what a log stores."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sharing.tlog.tiles import WIDTH, root_of_perfect


@dataclass(frozen=True, slots=True)
class FullTile:
    """256 hashes, and the one that they come to, which is a hash of the level above."""

    level: int
    index: int
    hashes: bytes
    root: bytes


def filled(
    size: int, leaves: Sequence[bytes], begun: Callable[[int, int, int], list[bytes]]
) -> Iterator[FullTile]:
    """The tiles that become full when leaf hashes are appended to a tree of `size`, lower levels first.

    `begun(level, start, count)` gives the `count` hashes of a level, from `start` on, that the tile to be filled holds
    already; it is asked at most once a level, and only where a tile of it becomes full.
    """
    level, known, fresh = 0, size, list(leaves)
    while known % WIDTH + len(fresh) >= WIDTH:
        held = known % WIDTH
        start = known - held
        hashes = [*begun(level, start, held), *fresh] if held else fresh
        roots = []
        for at in range(0, len(hashes) - WIDTH + 1, WIDTH):
            tile = hashes[at : at + WIDTH]
            root = root_of_perfect(tile)
            yield FullTile(level, (start + at) // WIDTH, b"".join(tile), root)
            roots.append(root)
        level, known, fresh = level + 1, known // WIDTH, roots
