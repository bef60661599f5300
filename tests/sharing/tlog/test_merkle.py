"""The tree against RFC 6962's own definitions, written down again here word for word and slowly."""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256

import pytest

from sharing.tlog.merkle import (
    EMPTY_ROOT,
    BadProof,
    Range,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)

LARGEST = 300

# The eight leaves that implementations of RFC 6962 have shared since the first one, and the roots of their trees.
LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"
    )
]  # fmt: skip
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def leaf(index: int) -> bytes:
    return leaf_hash(b"%d" % index)


@cache
def node(level: int, index: int) -> bytes:
    return (
        leaf(index) if level == 0 else node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
    )


def split(count: int) -> int:
    """The largest power of two that is smaller than `count`."""
    k = 1
    while 2 * k < count:
        k *= 2
    return k


@cache
def mth(low: int, high: int) -> bytes:
    """§2.1: MTH(D[low:high])."""
    if high - low == 1:
        return leaf(low)
    middle = low + split(high - low)
    return sha256(b"\x01" + mth(low, middle) + mth(middle, high)).digest()


def path(index: int, low: int, high: int) -> list[bytes]:
    """§2.1.1: PATH(index, D[low:high])."""
    if high - low == 1:
        return []
    middle = low + split(high - low)
    if index < middle:
        return [*path(index, low, middle), mth(middle, high)]
    return [*path(index, middle, high), mth(low, middle)]


def subproof(first: int, low: int, high: int, whole: bool) -> list[bytes]:
    """§2.1.2: SUBPROOF(first - low, D[low:high], whole)."""
    if first == high:
        return [] if whole else [mth(low, high)]
    middle = low + split(high - low)
    if first <= middle:
        return [*subproof(first, low, middle, whole), mth(middle, high)]
    return [*subproof(first, middle, high, False), mth(low, middle)]


def test_the_shared_vectors_have_their_roots() -> None:
    assert [root_of(leaf_hash(one) for one in LEAVES[:size]).hex() for size in range(9)] == ROOTS
    assert EMPTY_ROOT.hex() == ROOTS[0]


def test_the_proofs_of_the_tree_of_seven_are_those_of_rfc_6962_2_1_3() -> None:
    """With d0…d6, the figure's nodes: a, b, c, … its leaves; g, h, i, j, k, l above them."""
    a, b, c, d, e, f, j = (leaf(index) for index in range(7))
    g, h, i = node_hash(a, b), node_hash(c, d), node_hash(e, f)
    k, m = node_hash(g, h), node_hash(i, j)

    assert [inclusion_proof(index, 7, node) for index in (0, 3, 4, 6)] == [
        [b, h, m],
        [c, g, m],
        [f, j, k],
        [i, k],
    ]
    assert consistency_proof(3, 7, node) == [c, d, g, m]
    assert consistency_proof(4, 7, node) == [m]
    assert consistency_proof(6, 7, node) == [i, j, k]


def test_roots_of_every_size_are_those_of_the_definition_also_when_the_edge_is_put_away_and_taken_up() -> (
    None
):
    edge = Range()
    for size in range(1, LARGEST + 1):
        edge = Range(edge.size, bytes(edge))
        edge.append(leaf(size - 1))
        assert edge.root() == mth(0, size)


def test_every_inclusion_proof_up_to_300_is_that_of_the_definition_and_verifies() -> None:
    for size in range(1, LARGEST + 1):
        root = mth(0, size)
        for index in range(size):
            proof = inclusion_proof(index, size, node)
            assert proof == path(index, 0, size)
            verify_inclusion(leaf=leaf(index), index=index, size=size, proof=proof, root=root)


def test_every_consistency_proof_up_to_300_is_that_of_the_definition_and_verifies() -> None:
    for second in range(1, LARGEST + 1):
        for first in range(1, second + 1):
            proof = consistency_proof(first, second, node)
            assert proof == subproof(first, 0, second, True)
            verify_consistency(
                first=first, second=second, first_root=mth(0, first), second_root=mth(0, second), proof=proof
            )


def mutations(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Every proof that one change makes of this one: a bit, a hash more, one less, one again, two swapped."""
    stranger = sha256(b"stranger").digest()
    for place, one in enumerate(proof):
        yield [*proof[:place], bytes([one[0] ^ 1]) + one[1:], *proof[place + 1 :]]
        yield [*proof[:place], one[:-1] + bytes([one[-1] ^ 128]), *proof[place + 1 :]]
        yield [*proof[:place], one[:-1], *proof[place + 1 :]]
        yield [*proof[:place], *proof[place + 1 :]]
        yield [*proof[: place + 1], *proof[place:]]
        yield [*proof[:place], stranger, *proof[place:]]
        if place and proof[place - 1] != one:
            yield [*proof[: place - 1], one, proof[place - 1], *proof[place + 1 :]]
    yield [*proof, stranger]
    yield [*proof, b""]


SIZES = [*range(1, 34), 63, 64, 65, 100, 127, 128, 129, 255, 256, 257, 299, 300]


def test_every_single_mutation_of_an_inclusion_proof_is_refused() -> None:
    refused = 0
    for size in SIZES:
        root = mth(0, size)
        for index in {*range(min(size, 8)), size // 2, size - 2, size - 1} & {*range(size)}:
            proof = path(index, 0, size)
            for wrong in mutations(proof):
                refused += not_included(leaf(index), index, size, wrong, root)
            for other in {0, index - 1, index + 1, index ^ 1, size - 1, size, -1} - {index}:
                refused += not_included(leaf(index), other, size, proof, root)
            refused += not_included(leaf(index + 1), index, size, proof, root)
            refused += not_included(leaf(index), index, size, proof, mth(0, size + 1))
            refused += not_included(leaf(index), index, size + 1, proof, mth(0, size + 1))
    assert refused > 5_000


def not_included(leaf: bytes, index: int, size: int, proof: list[bytes], root: bytes) -> bool:
    with pytest.raises(BadProof):
        verify_inclusion(leaf=leaf, index=index, size=size, proof=proof, root=root)
    return True


def test_every_single_mutation_of_a_consistency_proof_is_refused() -> None:
    refused = 0
    for second in SIZES:
        for first in {1, 2, 3, second // 2, second - 2, second - 1, second} & {*range(1, second + 1)}:
            old, new = mth(0, first), mth(0, second)
            proof = subproof(first, 0, second, True)
            for wrong in mutations(proof):
                refused += not_consistent(first, second, old, new, wrong)
            refused += not_consistent(first, second, sha256(old).digest(), new, proof)
            refused += not_consistent(first, second, old, sha256(new).digest(), proof)
            refused += not_consistent(first, second + 1, old, mth(0, second + 1), proof)
            if first != second:
                refused += not_consistent(first, second, new, old, proof)
                refused += not_consistent(second, first, new, old, proof)
                refused += not_consistent(first + 1, second, mth(0, first + 1), new, proof)
    assert refused > 3_000


def not_consistent(first: int, second: int, old: bytes, new: bytes, proof: list[bytes]) -> bool:
    with pytest.raises(BadProof):
        verify_consistency(first=first, second=second, first_root=old, second_root=new, proof=proof)
    return True


def test_an_empty_tree_is_the_beginning_of_every_other_and_has_no_leaves() -> None:
    verify_consistency(first=0, second=5, first_root=EMPTY_ROOT, second_root=mth(0, 5), proof=[])

    not_consistent(0, 5, mth(0, 5), mth(0, 5), [])
    not_consistent(0, 5, EMPTY_ROOT, mth(0, 5), [EMPTY_ROOT])
    not_consistent(0, 0, EMPTY_ROOT, mth(0, 5), [])
    not_included(leaf(0), 0, 0, [], EMPTY_ROOT)


def test_what_is_no_hash_proves_nothing() -> None:
    not_included(b"", 0, 1, [], b"")
    not_consistent(1, 1, b"", b"", [])


def test_perfect_subtrees_cover_a_range_from_left_to_right() -> None:
    for low in range(70):
        for high in range(low, 70):
            at = low
            for level, index in nodes_of(low, high):
                assert index << level == at
                at = (index + 1) << level
            assert at == high


@pytest.mark.parametrize(("size", "raw"), [(1, b""), (3, bytes(32)), (-1, b""), (0, bytes(32))])
def test_an_edge_of_another_length_is_refused(size: int, raw: bytes) -> None:
    with pytest.raises(ValueError, match="range"):
        Range(size, raw)
