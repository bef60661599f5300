"""Vectors of the Merkle tree: roots, proofs, tiles."""

from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from sharing.tlog import merkle, tiles
from sharing.tlog.tiles import Coordinate
from tests.vectors.world import Case, bad, good, seed

SHARED_LEAVES = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
HASHES = [merkle.leaf_hash(bytes.fromhex(leaf)) for leaf in SHARED_LEAVES]
COUNTED = [merkle.leaf_hash(b"%d" % number) for number in range(1000)]


def reading(leaves: list[bytes]) -> merkle.Read:
    cache: dict[tuple[int, int], bytes] = {}

    def read(level: int, index: int) -> bytes:
        if level == 0:
            return leaves[index]
        if (level, index) not in cache:
            cache[level, index] = merkle.node_hash(read(level - 1, 2 * index), read(level - 1, 2 * index + 1))
        return cache[level, index]

    return read


def roots() -> dict[str, Any]:
    return {
        "about": "The root of the tree of the first `size` leaves. `leaves`: what is hashed, in hexadecimal.",
        "leaves": SHARED_LEAVES,
        "cases": [
            good(f"size {size}", size=size, root=merkle.root_of(HASHES[:size]).hex())
            for size in range(len(HASHES) + 1)
        ],
    }


def altered_proofs(proof: list[bytes]) -> Iterator[tuple[str, list[bytes]]]:
    stranger = seed("stranger")
    for place, one in enumerate(proof):
        yield f"a bit of hash {place}", [*proof[:place], bytes([one[0] ^ 1]) + one[1:], *proof[place + 1 :]]
    if proof:
        yield "the first hash is missing", proof[1:]
        yield "the last hash is missing", proof[:-1]
        yield "the first hash twice", [proof[0], *proof]
        yield "a hash of 31 bytes", [proof[0][:-1], *proof[1:]]
    if len(proof) > 1:
        yield "two hashes swapped", [proof[1], proof[0], *proof[2:]]
    yield "a hash before", [stranger, *proof]
    yield "a hash after", [*proof, stranger]


def inclusion() -> dict[str, Any]:
    cases: list[Case] = []

    def case(
        name: str, ok: bool, index: int, size: int, leaf: bytes, root: bytes, proof: list[bytes]
    ) -> None:
        hexes = [one.hex() for one in proof]
        cases.append({"name": name, "ok": ok, "index": index, "size": size, "leaf": leaf.hex(), "root": root.hex(),
                      "proof": hexes})  # fmt: skip

    trees = [(HASHES, size, index) for size in range(1, 9) for index in range(size)]
    trees += [(COUNTED, 1000, index) for index in (0, 1, 511, 512, 998, 999)]
    for leaves, size, index in trees:
        read, root = reading(leaves), merkle.root_of(leaves[:size])
        proof = merkle.inclusion_proof(index, size, read)
        case(f"leaf {index} of {size}", True, index, size, leaves[index], root, proof)
    for index, size in [(0, 1), (0, 8), (5, 8), (2, 3), (1, 5), (4, 5), (6, 7)]:
        root = merkle.root_of(HASHES[:size])
        proof = merkle.inclusion_proof(index, size, reading(HASHES))
        where = f"leaf {index} of {size}"
        for change, wrong in altered_proofs(proof):
            case(f"{where}: {change}", False, index, size, HASHES[index], root, wrong)
        case(f"{where}: another leaf", False, index, size, HASHES[index - 1 if index else 7], root, proof)
        case(f"{where}: another root", False, index, size, HASHES[index], seed("stranger"), proof)
        case(f"{where}: the empty root", False, index, size, HASHES[index], merkle.EMPTY_ROOT, proof)
        case(f"{where}: the next index", False, index + 1, size, HASHES[index], root, proof)
        case(f"{where}: an index beyond the tree", False, size, size, HASHES[index], root, proof)
        case(f"{where}: twice the size", False, index, 2 * size, HASHES[index], root, proof)
    case("a leaf of nothing", False, 0, 0, HASHES[0], merkle.EMPTY_ROOT, [])
    case("hashes of no bytes", False, 0, 1, b"", b"", [])
    return {
        "about": "Inclusion proofs (RFC 6962 §2.1.1). leaf, root, proof: SHA-256 in hexadecimal.",
        "cases": cases,
    }


def consistency() -> dict[str, Any]:
    cases: list[Case] = []

    def case(
        name: str, ok: bool, sizes: tuple[int, int], two: tuple[bytes, bytes], proof: list[bytes]
    ) -> None:
        cases.append({"name": name, "ok": ok, "first": sizes[0], "second": sizes[1], "first_root": two[0].hex(),
                      "second_root": two[1].hex(), "proof": [one.hex() for one in proof]})  # fmt: skip

    pairs = [(HASHES, first, second) for second in range(1, 9) for first in range(1, second + 1)]
    pairs += [(COUNTED, first, 1000) for first in (1, 511, 512, 513, 768, 998, 999, 1000)]
    for leaves, first, second in pairs:
        two = (merkle.root_of(leaves[:first]), merkle.root_of(leaves[:second]))
        case(
            f"{first} to {second}",
            True,
            (first, second),
            two,
            merkle.consistency_proof(first, second, reading(leaves)),
        )
    case("0 to 5", True, (0, 5), (merkle.EMPTY_ROOT, merkle.root_of(HASHES[:5])), [])
    for first, second in [(1, 1), (1, 8), (6, 8), (2, 5), (6, 7), (3, 7)]:
        sizes, two = (first, second), (merkle.root_of(HASHES[:first]), merkle.root_of(HASHES[:second]))
        proof = merkle.consistency_proof(first, second, reading(HASHES))
        where = f"{first} to {second}"
        for change, wrong in altered_proofs(proof):
            case(f"{where}: {change}", False, sizes, two, wrong)
        case(f"{where}: another first root", False, sizes, (seed("stranger"), two[1]), proof)
        case(f"{where}: another second root", False, sizes, (two[0], seed("stranger")), proof)
        if first != second:
            case(f"{where}: the roots swapped", False, sizes, (two[1], two[0]), proof)
            case(f"{where}: the sizes swapped", False, (second, first), (two[1], two[0]), proof)
            case(f"{where}: the first root twice", False, sizes, (two[0], two[0]), proof)
            case(f"{where}: a fork", False, sizes, (merkle.root_of(HASHES[1 : first + 1]), two[1]), proof)
    case("0 to 5 with a proof", False, (0, 5), (merkle.EMPTY_ROOT, merkle.root_of(HASHES[:5])), [HASHES[0]])
    case("0 to 5 from another root", False, (0, 5), (HASHES[0], merkle.root_of(HASHES[:5])), [])
    case("0 to 0 with two roots", False, (0, 0), (merkle.EMPTY_ROOT, HASHES[0]), [])
    return {"about": "Consistency proofs (RFC 6962 §2.1.2). Hashes in hexadecimal.", "cases": cases}


def tile_vectors() -> dict[str, Any]:
    coordinates = [Coordinate(0, 0), Coordinate(0, 273, 112), Coordinate(1, 1234067), Coordinate("entries", 999, 255),
                   Coordinate("entries", 1000, 1), Coordinate(63, 0, 1)]  # fmt: skip
    paths = [
        good(one.path, path=one.path, level=one.level, index=one.index, width=one.width)
        for one in coordinates
    ]
    wrong = ["tile/0/0", "tile/0/x000/001", "tile/00/000", "tile/64/000", "tile/0/000.p/0", "tile/0/000.p/256",
             "tile/0/000.p/07", "tile/0/1000", "tile/0/x001", "tile/entries/000/", "/tile/0/000",
             "tile/0/000.p"]  # fmt: skip
    read = reading([merkle.leaf_hash(b"entry %d" % number) for number in range(70_000)])

    def served(tile: Coordinate) -> dict[str, Any]:
        assert tile.level != "entries"
        raw = b"".join(read(8 * tile.level, tile.index * 256 + place) for place in range(tile.width))
        whole = {"hashes": raw.hex()} if tile.width <= 3 else {}
        return {"path": tile.path, "bytes": len(raw), "sha256": sha256(raw).hexdigest(), **whole}

    trees = []
    for size in (1, 3, 255, 256, 257, 70_000):
        every = tiles.all_of(size)
        shown = [tile for tile in every if tile.width < 256 or tile.index in (0, 1)]
        root = merkle.root_of(read(0, index) for index in range(size))
        trees.append(
            good(
                f"a tree of {size}", size=size, tiles=len(every), root=root.hex(), shown=[*map(served, shown)]
            )
        )
    bundle = tiles.entry_bundle([b"entry 0", b"entry 1", b""])
    bundles = [
        good("three entries", bundle=bundle.hex(), entries=[b"entry 0".hex(), b"entry 1".hex(), ""]),
        bad("ends within an entry", bundle=bundle[:-3].hex()),
        bad("ends within a length", bundle=bundle[:-1].hex()),
        bad("no entries", bundle=""),
        bad("257 entries", bundle=tiles.entry_bundle([b""] * 257).hex()),
    ]
    return {
        "about": "Tiles. In `trees`, entry k is the ASCII text 'entry <k>'; `tiles` counts those of hashes, of which"
        " some are shown. `bundles`: contents of tile/entries/…, in hexadecimal.",
        "paths": paths + [bad(path, path=path) for path in wrong],
        "trees": trees,
        "bundles": bundles,
    }
