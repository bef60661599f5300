"""A collection's log as its verifiers read it: tiles, entries, openings, roots, proofs, the checkpoint that is served.

Full tiles are rows. What is not full is made of what stands: at level 0 of the entries, above it of the roots of the
full tiles below. Nothing of it ever changes, so all that is true at a size stays true while the log grows. Whoever
asks has made sure that the log is at least as long (`sharing.queries`); what is not there raises BeyondTree.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
from indicators.stix import timestamps
from sharing import witness_policy
from sharing.access import MAY
from sharing.tlog import merkle, tiles
from sharing.tlog.tiles import WIDTH, Coordinate, Node


class BeyondTree(LookupError):
    """The log is not that long; the sentence says what there is not."""


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint: the size of its tree, its root, and the signed note with all signature lines."""

    size: int
    root: bytes
    note: bytes


def checkpoint(collection_id: UUID, *, now: datetime) -> SignedHead | None:
    """The checkpoint that readers get, with its witnesses' lines behind the log's own (decision 0041).

    The longest tree whose cosignatures meet the policy, for as long as readers would take it; else the longest. None if
    none is signed yet.
    """
    row, policy = None, witness_policy.digest()
    if policy is not None:
        row = sql.row(
            f"{_HEAD} AND quorum = %s AND signed_at > %s ORDER BY size DESC LIMIT 1",
            (collection_id, policy, now - witness_policy.SERVED_FOR),
        )
    row = row or sql.row(f"{_HEAD} ORDER BY size DESC LIMIT 1", (collection_id,))
    return None if row is None else SignedHead(row[0], bytes(row[1]), row[2].encode())


_HEAD = "SELECT size, root, note || cosignatures FROM sharing_checkpoint WHERE collection_id = %s"


def tile(collection_id: UUID, wanted: Coordinate) -> bytes:
    """One tile of hashes, or of entries, 1 to 256 wide. Raises BeyondTree."""
    if wanted.level != "entries":
        return tiles_of(collection_id, [wanted])[wanted]
    start = wanted.index * WIDTH
    found = sql.rows(
        "SELECT commitment FROM sharing_entry WHERE collection_id = %s AND index >= %s AND index < %s ORDER BY index",
        (collection_id, start, start + wanted.width),
    )
    if len(found) != wanted.width:
        raise BeyondTree(f"there is no {wanted.path} yet")
    return tiles.entry_bundle(commitment for (commitment,) in found)


def tiles_of(collection_id: UUID, wanted: Iterable[Coordinate]) -> dict[Coordinate, bytes]:
    """Tiles of hashes, all in one query. Raises BeyondTree."""
    chosen = list(dict.fromkeys(wanted))
    found = {
        Coordinate(level, index, len(hashes) // merkle.HASH_SIZE): bytes(hashes)
        for level, index, hashes in sql.rows(
            _TILES,
            {
                "collection": collection_id,
                "levels": [one.level for one in chosen],
                "indexes": [one.index for one in chosen],
                "widths": [one.width for one in chosen],
            },
        )
    }
    for one in chosen:
        if one not in found:
            raise BeyondTree(f"there is no {one.path} yet")
    return found


# An ordered scan of each range, so that the hashes are joined in the order of their indexes.
_TILES = """
WITH wanted AS MATERIALIZED (
    SELECT * FROM unnest(%(levels)s::int2[], %(indexes)s::int8[], %(widths)s::int2[]) AS w (level, index, width)
)
SELECT t.level, t.index, t.hashes FROM wanted w
JOIN sharing_tile t ON t.collection_id = %(collection)s AND t.level = w.level AND t.index = w.index
WHERE w.width = 256
UNION ALL
SELECT w.level, w.index, part.hashes FROM wanted w CROSS JOIN LATERAL (
    SELECT string_agg(sha256('\\x00'::bytea || e.commitment), ''::bytea ORDER BY e.index) AS hashes
    FROM sharing_entry e WHERE e.collection_id = %(collection)s
    AND e.index >= w.index * 256 AND e.index < w.index * 256 + w.width
) AS part WHERE w.level = 0 AND w.width < 256 AND part.hashes IS NOT NULL
UNION ALL
SELECT w.level, w.index, part.hashes FROM wanted w CROSS JOIN LATERAL (
    SELECT string_agg(t.root, ''::bytea ORDER BY t.index) AS hashes
    FROM sharing_tile t WHERE t.collection_id = %(collection)s AND t.level = w.level - 1
    AND t.index >= w.index * 256 AND t.index < w.index * 256 + w.width
) AS part WHERE w.level > 0 AND w.width < 256 AND part.hashes IS NOT NULL
"""


def root(collection_id: UUID, size: int) -> bytes:
    """The root of the log's first `size` entries. Raises BeyondTree."""
    nodes = list(merkle.nodes_of(0, size))
    read = _reader(collection_id, nodes, size)
    return merkle.Range(size, b"".join(read(level, index) for level, index in nodes)).root()


def inclusion(collection_id: UUID, index: int, size: int) -> list[bytes]:
    """What proves that the entry stands at `index` in the tree of `size`; ValueError if it is no index of it."""
    return merkle.inclusion_proof(
        index, size, _reader(collection_id, tiles.inclusion_nodes(index, size), size)
    )


def consistency(collection_id: UUID, first: int, second: int) -> list[bytes]:
    """What proves that the tree of `first` entries is the beginning of that of `second`; ValueError if longer."""
    nodes = tiles.consistency_nodes(first, second)
    return merkle.consistency_proof(first, second, _reader(collection_id, nodes, second))


def _reader(collection_id: UUID, nodes: Iterable[Node], size: int) -> merkle.Read:
    wanted = tiles.needed(nodes, size)
    return tiles.reader(tiles_of(collection_id, wanted) if wanted else {})


def openings(collection_id: UUID, start: int, end: int) -> bytes:
    """What opens the entries [start, end), or what is left of them, as in a proof page. Raises BeyondTree."""
    found = sql.rows(
        "SELECT opening FROM sharing_entry WHERE collection_id = %s AND index >= %s AND index < %s ORDER BY index",
        (collection_id, start, end),
    )
    if len(found) != end - start:
        raise BeyondTree(f"the log has no entry {start + len(found)} yet")
    return b",".join([opening for (opening,) in found])


@dataclass(frozen=True, slots=True)
class Standing:
    """An object's version where it stands: its bytes as signed, what opens its entry, and when it was added, in µs."""

    collection_id: UUID
    index: int
    body: bytes
    opening: bytes
    added: int


def standing(
    organization_id: UUID, object_id: str, version: str | None, reference: str | None
) -> Standing | None:
    """A version of an object in a collection that the organisation reads: the most restricted that holds it.

    `version` is sortable; None is the latest of an object without versions. `reference`: the id or alias of the
    collection. An inbox is taken only where nothing else holds it: nobody but its owner can check that log.
    """
    for collection_id, index, body, opening, added, named in sql.rows(
        "SELECT k.id, e.index, e.body, e.opening, e.added, e.version"
        f" FROM {MAY} JOIN sharing_entry e ON e.collection_id = k.id"
        " WHERE m.organization_id = %(organization)s AND g.can_read AND e.object_id = %(object)s"
        " AND e.body IS NOT NULL"
        " AND CASE WHEN %(version)s::text IS NULL THEN e.is_last ELSE e.version_key = %(version)s END"
        " AND (%(reference)s::text IS NULL OR k.id::text = lower(%(reference)s) OR k.alias = %(reference)s)"
        " ORDER BY (k.kind = 'inbox'), k.ceiling DESC, e.added, k.id",
        {"organization": organization_id, "object": object_id, "version": version, "reference": reference},
    ):
        if version is not None or named == timestamps.from_micros(added):
            return Standing(collection_id, index, body, opening, added)
    return None
