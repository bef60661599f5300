"""When entries do not lead to the checkpoint: is it the log that has two histories, or did a page not tell the truth?

The log's tiles decide, which are themselves checked against the checkpoint. If the tree that was proved before is no
beginning of the new one, the log has forked; else the first entry that is not the log's is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sharing.tlog import merkle, tiles
from sharing.tlog.merkle import BadProof, Range
from sharing.tlog.notes import to_base64
from sharing.tlog.tiles import Coordinate, MalformedTile, MissingTile
from sharing.verifier.checkpoint import SignedCheckpoint
from sharing.verifier.failures import Altered, Dropped, Fork, OutOfOrder, VerificationFailed
from sharing.verifier.source import Source, Unavailable

_TILE_LEAVES = tiles.WIDTH


@dataclass(frozen=True, slots=True)
class Proof:
    """The true beginning of a checkpoint's tree: its root at `size`, and the hashes that show it."""

    size: int
    root: bytes
    hashes: tuple[bytes, ...]

    def __bytes__(self) -> bytes:
        first = f"the first {self.size} entries have the root {to_base64(self.root)}"
        hashes = [to_base64(one) for one in self.hashes]
        return "\n".join([first, "consistency proof:", *hashes, ""]).encode()


class NoProof(Exception):
    """The tiles that are served prove nothing about the checkpoint; the sentence says why."""


def beginning(source: Source, size: int, new: SignedCheckpoint) -> Proof:
    """What the first `size` entries of the new checkpoint's tree were, by the tiles. Raises NoProof."""
    nodes = [*merkle.nodes_of(0, size), *tiles.consistency_nodes(size, new.size)]
    try:
        read = tiles.reader({one: source.tile(one) for one in tiles.needed(nodes, new.size)})
        root = _root(size, read)
        hashes = merkle.consistency_proof(size, new.size, read)
        merkle.verify_consistency(
            first=size, second=new.size, first_root=root, second_root=new.root, proof=hashes
        )
    except Unavailable as error:
        raise NoProof(str(error)) from error
    except (MalformedTile, MissingTile, BadProof) as error:
        raise NoProof(f"the tiles do not belong to the checkpoint: {error}") from error
    return Proof(size, root, tuple(hashes))


def compare(source: Source, old: bytes, size: int, root: bytes, new: SignedCheckpoint) -> None:
    """Raises Fork unless the tree of the checkpoint `old` (of this size and root) begins that of `new`; with proof
    if the tiles give one."""
    if size == 0:
        return
    evidence = {"checkpoint-known": old, "checkpoint-new": new.raw}
    try:
        proof = beginning(source, size, new)
    except NoProof as error:
        raise Fork(
            f"nothing proves that the checkpoint of {new.size} entries continues the known one of {size}: {error}",
            evidence=evidence,
        ) from error
    if proof.root != root:
        raise Fork(
            f"the log has two histories: the first {size} entries of the checkpoint of {new.size} are others than those"
            " of the known checkpoint, and both are signed by the log",
            evidence={**evidence, "consistency.txt": bytes(proof)},
        )


def untrue_page(
    source: Source, new: SignedCheckpoint, edge: Range, found: Sequence[bytes]
) -> VerificationFailed:
    """Which entry is not the log's. `found` are the leaf hashes that the pages gave from `edge.size` on."""
    start = edge.size
    evidence = {"checkpoint": new.raw}
    try:
        true = _leaves(source, start, new)
    except (Unavailable, MalformedTile) as error:
        return Altered(
            f"the entries from {start} on do not lead to the checkpoint's root, and the tiles that would tell which one"
            f" is wrong cannot be read: {error}",
            evidence=evidence,
        )
    whole = Range(start, bytes(edge))
    whole.extend(true)
    if whole.root() != new.root:
        return Altered(
            f"neither the entries from {start} on nor the tiles lead to the root of the checkpoint of {new.size}",
            evidence=evidence,
        )
    place = next(k for k, (ours, theirs) in enumerate(zip(found, true, strict=True)) if ours != theirs)
    index, ours, theirs = start + place, found[place], true[place]
    if ours in true:
        if theirs in found:
            return OutOfOrder(
                f"stands in the place of entry {start + true.index(ours)}", index=index, evidence=evidence
            )
        return Dropped("left out of the pages, and what follows moved up", index=index, evidence=evidence)
    if theirs in found:
        return Altered("the log has no such entry; it was put in", index=index, evidence=evidence)
    return Altered("not the entry that the log holds here", index=index, evidence=evidence)


def _root(size: int, read: merkle.Read) -> bytes:
    return Range(size, b"".join([read(level, index) for level, index in merkle.nodes_of(0, size)])).root()


def _leaves(source: Source, start: int, new: SignedCheckpoint) -> list[bytes]:
    """The leaf hashes [start, size) by the tiles of level 0."""
    leaves: list[bytes] = []
    for number in range(start // _TILE_LEAVES, -(-new.size // _TILE_LEAVES)):
        tile = Coordinate(0, number, tiles.width(0, number, new.size))
        raw = source.tile(tile)
        if len(raw) != tile.width * merkle.HASH_SIZE:
            raise MalformedTile(
                f"{tiles.path(tile.level, tile.index, tile.width)} is not {tile.width} hashes"
            )
        leaves += [raw[at : at + merkle.HASH_SIZE] for at in range(0, len(raw), merkle.HASH_SIZE)]
    return leaves[start % _TILE_LEAVES :]
