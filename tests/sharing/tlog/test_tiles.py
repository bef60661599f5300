from collections.abc import Callable
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.tlog import tiles
from sharing.tlog.merkle import (
    HASH_SIZE,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    nodes_of,
    root_of,
    verify_consistency,
    verify_inclusion,
)
from sharing.tlog.tiles import Coordinate, MalformedPath, MalformedTile, MissingTile


def leaf(index: int) -> bytes:
    return leaf_hash(b"entry %d" % index)


@cache
def node(level: int, index: int) -> bytes:
    return (
        leaf(index) if level == 0 else node_hash(node(level - 1, 2 * index), node(level - 1, 2 * index + 1))
    )


def content(tile: Coordinate) -> bytes:
    assert tile.level != "entries"
    return b"".join(node(8 * tile.level, tile.index * 256 + place) for place in range(tile.width))


@pytest.mark.parametrize(
    ("tile", "text"),
    [
        (Coordinate(0, 0), "tile/0/000"),
        (Coordinate(1, 1234067), "tile/1/x001/x234/067"),
        (Coordinate(0, 273, 112), "tile/0/273.p/112"),
        (Coordinate("entries", 1000, 1), "tile/entries/x001/000.p/1"),
        (Coordinate(63, 0, 255), "tile/63/000.p/255"),
    ],
)
def test_paths_are_those_of_the_specification(tile: Coordinate, text: str) -> None:
    assert tile.path == text
    assert tiles.parse(text) == tile


@pytest.mark.parametrize(
    "text",
    [
        "",
        "tile/0/0",
        "tile/00/000",
        "tile/64/000",
        "tile/0/x000/000",
        "tile/0/000/000",
        "tile/0/001/",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/999",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/000\n",
        "tile/entries/x1/000",
        "tile/entry/000",
        "/tile/0/000",
    ],
)
def test_another_spelling_of_a_path_is_refused(text: str) -> None:
    with pytest.raises(MalformedPath):
        tiles.parse(text)


@given(st.text(alphabet="tile/entrsx.p0129", max_size=40), st.integers(0, 10**15))
def test_any_path_is_refused_or_comes_back_the_same(text: str, index: int) -> None:
    assert tiles.parse(tiles.path(0, index)).index == index
    for candidate in (text, f"tile/0/{text}", f"tile/entries/000{text}"):
        try:
            tile = tiles.parse(candidate)
        except MalformedPath:
            continue
        assert tile.path == candidate


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    all_of = tiles.all_of(70_000)

    assert [tile for tile in all_of if tile.width < 256] == [
        Coordinate(0, 273, 112),
        Coordinate(1, 1, 17),
        Coordinate(2, 0, 1),
    ]
    assert sum(tile.level == 0 for tile in all_of) == 274
    assert sum(tile.level == 1 for tile in all_of) == 2
    assert tiles.all_of(256) == [Coordinate(0, 0, 256), Coordinate(1, 0, 1)]
    assert tiles.all_of(0) == []


@given(st.integers(0, 140_000), st.integers(0, 140_000))
def test_growth_asks_for_the_tiles_that_are_new_or_wider(first: int, second: int) -> None:
    first, second = min(first, second), max(first, second)

    assert set(tiles.all_of(second, first=first)) == set(tiles.all_of(second)) - set(tiles.all_of(first))


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 70_000])
def test_the_root_and_proofs_follow_from_the_tiles_that_are_needed(size: int) -> None:
    root = root_of(leaf(index) for index in range(size))
    right_edge = list(nodes_of(0, size))
    read = served(right_edge, size)
    folded = read(*right_edge[-1])
    for one in reversed(right_edge[:-1]):
        folded = node_hash(read(*one), folded)
    assert folded == root

    for index in {0, size // 3, size // 2, size - 1}:
        proof = inclusion_proof(index, size, served(tiles.inclusion_nodes(index, size), size))
        verify_inclusion(leaf=leaf(index), index=index, size=size, proof=proof, root=root)
    for first in {1, size // 3, size // 2, size - 1} - {0}:
        proof = consistency_proof(first, size, served(tiles.consistency_nodes(first, size), size))
        first_root = root_of(leaf(index) for index in range(first))
        verify_consistency(first=first, second=size, first_root=first_root, second_root=root, proof=proof)


def served(nodes: list[tuple[int, int]], size: int) -> Callable[[int, int], bytes]:
    return tiles.reader({tile: content(tile) for tile in tiles.needed(nodes, size)})


def test_a_tile_of_another_length_is_refused_and_a_missing_one_is_said() -> None:
    with pytest.raises(MalformedTile, match=r"tile/0/000\.p/3"):
        tiles.reader({Coordinate(0, 0, 3): bytes(2 * HASH_SIZE)})
    with pytest.raises(MalformedTile):
        tiles.reader({Coordinate("entries", 0, 1): bytes(HASH_SIZE)})
    with pytest.raises(MissingTile):
        tiles.reader({Coordinate(0, 0, 3): bytes(3 * HASH_SIZE)})(1, 1)
    with pytest.raises(MissingTile):
        tiles.needed([(1, 1)], 3)


def test_entries_are_bundled_with_their_lengths() -> None:
    assert tiles.entry_bundle([b"a", b"bc"]) == b"\0\x01a\0\x02bc"


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=256))
def test_a_bundle_comes_back(entries: list[bytes]) -> None:
    assert tiles.read_entry_bundle(tiles.entry_bundle(entries)) == entries


@pytest.mark.parametrize("raw", [b"", b"\0", b"\0\x02a", b"\0\x01a\0", b"\0\0" * 257])
def test_a_damaged_bundle_is_refused(raw: bytes) -> None:
    with pytest.raises(MalformedTile):
        tiles.read_entry_bundle(raw)


def test_proofs_of_many_logs_from_one_process_are_each_of_its_own_tiles() -> None:
    # What is remembered of upper and partial tiles must never stand in for another log's, nor for another size's.
    sizes = (300, 511, 700)
    logs = [[leaf_hash(b"%d of %d" % (index, log)) for index in range(sizes[-1])] for log in range(3)]

    def proved(leaves: list[bytes], index: int, size: int) -> list[bytes]:
        wanted = tiles.needed(tiles.inclusion_nodes(index, size), size)
        held = {
            one: b"".join(
                root_of(leaves[at * 256**one.level : (at + 1) * 256**one.level])  # type: ignore[operator]
                for at in range(one.index * 256, one.index * 256 + one.width)
            )
            for one in wanted
        }
        return inclusion_proof(index, size, tiles.reader(held))

    for size in sizes * 2:
        for leaves in logs:
            root = root_of(leaves[:size])
            for index in (0, 255, size - 1):
                proof = proved(leaves, index, size)
                verify_inclusion(leaf=leaves[index], index=index, size=size, proof=proof, root=root)
