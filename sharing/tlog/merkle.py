"""The Merkle tree of a log: hashes, compact ranges, inclusion and consistency proofs (RFC 6962 §2.1, RFC 9162 §2.1).

A *node* is a perfect subtree, named (level, index): it covers the leaves [index·2^level, (index+1)·2^level). Hashes
are SHA-256, 32 bytes. Nothing here knows where nodes are kept: proofs are made by asking `read(level, index)`.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from hashlib import sha256

HASH_SIZE = 32

EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves."""

Read = Callable[[int, int], bytes]
"""The hash of the node (level, index)."""


class BadProof(ValueError):
    """A proof does not prove what it is said to prove; the sentence says where it fails."""


def leaf_hash(entry: bytes) -> bytes:
    """The hash of one leaf."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of a node, from those of its two children."""
    return sha256(b"\x01" + left + right).digest()


def parents(hashes: Sequence[bytes]) -> list[bytes]:
    """The hashes of the nodes above neighbouring ones; an odd one at the end has none yet."""
    return [
        sha256(b"\x01" + left + right).digest()
        for left, right in zip(hashes[::2], hashes[1::2], strict=False)
    ]


class Range:
    """A tree's right edge, which is all that it takes to go on: the perfect subtrees of [0, size), largest first.

    Mutable: it grows as leaves are appended. Its bytes are the hashes joined, at most 64 of them.
    """

    __slots__ = ("_hashes", "size")

    def __init__(self, size: int = 0, raw: bytes = b"") -> None:
        """`raw` as `bytes()` gave it at this size; ValueError if it cannot be."""
        if size < 0 or len(raw) != size.bit_count() * HASH_SIZE:
            raise ValueError(f"the range of {size} leaves is not {len(raw)} bytes")
        self.size = size
        self._hashes = [raw[at : at + HASH_SIZE] for at in range(0, len(raw), HASH_SIZE)]

    def __bytes__(self) -> bytes:
        return b"".join(self._hashes)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        hashes, size = self._hashes, self.size
        # Each 1 at the end of the size is a perfect subtree that the new leaf completes to the next larger one.
        while size & 1:
            leaf = sha256(b"\x01" + hashes.pop() + leaf).digest()
            size >>= 1
        hashes.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> list[list[bytes]]:
        """Add leaf hashes; the hashes of the nodes that they complete, level by level, from the leaves up.

        The nodes of a level follow those of it that were complete before. Every node is hashed once.
        """
        levels: list[list[bytes]] = []
        rest: list[bytes] = []
        fresh, size = list(leaves), self.size
        self.size += len(fresh)
        while fresh:
            levels.append(fresh)
            # A 1 in the size is a perfect subtree of this level that waits for its right neighbour.
            row = [self._hashes.pop(), *fresh] if size & 1 else fresh
            if len(row) & 1:
                rest.append(row[-1])
            fresh, size = parents(row), size >> 1
        self._hashes += reversed(rest)
        return levels

    def root(self) -> bytes:
        """The root hash at this size."""
        return _fold(self._hashes) if self._hashes else EMPTY_ROOT


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over leaf hashes."""
    edge = Range()
    edge.extend(leaves)
    return edge.root()


def inclusion_proof(index: int, size: int, read: Read) -> list[bytes]:
    """The siblings of a leaf on its way to the root of the tree of `size`, from the leaf up (RFC 6962 §2.1.1)."""
    if not 0 <= index < size:
        raise ValueError(f"there is no leaf {index} in a tree of {size}")
    proof: list[bytes] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            proof.append(_subtree(middle, high, read))
            high = middle
        else:
            proof.append(_subtree(low, middle, read))
            low = middle
    proof.reverse()
    return proof


def verify_inclusion(*, leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raises BadProof unless `leaf` is the leaf hash at `index` of the tree of `size` with this root (RFC 9162
    §2.1.3.2)."""
    if not 0 <= index < size:
        raise BadProof(f"there is no leaf {index} in a tree of {size}")
    _check_sizes(leaf, root, *proof)
    at, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise BadProof("the proof is longer than the path")
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof is shorter than the path")
    if found != root:
        raise BadProof("the proof leads to another root")


def consistency_proof(first: int, second: int, read: Read) -> list[bytes]:
    """What shows that the tree of `first` leaves is the beginning of that of `second` (RFC 6962 §2.1.2)."""
    if not 0 <= first <= second:
        raise ValueError(f"a tree of {first} is not the beginning of one of {second}")
    if first in (0, second):
        return []
    proof: list[bytes] = []
    low, high, known = 0, second, True
    while first - low < high - low:
        middle = low + _split(high - low)
        if first <= middle:
            proof.append(_subtree(middle, high, read))
            high = middle
        else:
            proof.append(_subtree(low, middle, read))
            low, known = middle, False
    if not known:
        proof.append(_subtree(low, high, read))
    proof.reverse()
    return proof


def verify_consistency(
    *, first: int, second: int, first_root: bytes, second_root: bytes, proof: Sequence[bytes]
) -> None:
    """Raises BadProof unless the first tree is the beginning of the second (RFC 9162 §2.1.4.2)."""
    if not 0 <= first <= second:
        raise BadProof(f"a tree of {first} is not the beginning of one of {second}")
    _check_sizes(first_root, second_root, *proof)
    if first == second:
        if proof or first_root != second_root:
            raise BadProof("two roots at the same size")
        return
    if first == 0:
        # Every tree begins with the empty one; what the second root is, this cannot tell.
        if proof or first_root != EMPTY_ROOT:
            raise BadProof("an empty tree has the empty root, and needs no proof")
        return
    # A first tree that is perfect is its own first node, which the proof leaves out.
    path = [first_root, *proof] if first & (first - 1) == 0 else list(proof)
    if not path:
        raise BadProof("the proof is empty")
    at, last = first - 1, second - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    first_found = second_found = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise BadProof("the proof is longer than the path")
        if at & 1 or at == last:
            first_found = node_hash(sibling, first_found)
            second_found = node_hash(sibling, second_found)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            second_found = node_hash(second_found, sibling)
        at, last = at >> 1, last >> 1
    if last != 0:
        raise BadProof("the proof is shorter than the path")
    if first_found != first_root:
        raise BadProof("the proof leads to another first root")
    if second_found != second_root:
        raise BadProof("the proof leads to another second root")


def nodes_of(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees, (level, index), that together cover [low, high), left to right."""
    while low < high:
        level = (high - low).bit_length() - 1
        if low:
            level = min(level, (low & -low).bit_length() - 1)
        yield level, low >> level
        low += 1 << level


def _subtree(low: int, high: int, read: Read) -> bytes:
    """The hash over the leaves [low, high), where `low` is a place at which RFC 6962 divides."""
    return _fold([read(level, index) for level, index in nodes_of(low, high)])


def _fold(hashes: Sequence[bytes]) -> bytes:
    """One hash of perfect subtrees that follow each other, largest first: the smallest are joined first."""
    folded = hashes[-1]
    for left in reversed(hashes[:-1]):
        folded = node_hash(left, folded)
    return folded


def _check_sizes(*hashes: bytes) -> None:
    # Two hashes that are not 32 bytes each could be divided elsewhere and join to the same bytes.
    if any(len(one) != HASH_SIZE for one in hashes):
        raise BadProof(f"a hash is not {HASH_SIZE} bytes")


def _split(count: int) -> int:
    """The largest power of two below `count` (RFC 6962 §2.1)."""
    return 1 << ((count - 1).bit_length() - 1)
