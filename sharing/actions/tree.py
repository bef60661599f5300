"""A log's Merkle tree, stored with its entries: the right edge and the full tiles.

Only `sharing.actions.publication` calls this, in the transaction that appends, and under the collection's lock.
"""

from collections.abc import Sequence
from uuid import UUID

from accounts import sql
from sharing.tlog.growth import grow
from sharing.tlog.merkle import Range, leaf_hash


def extend(collection_id: UUID, edge: Range, commitments: Sequence[bytes]) -> None:
    """Let a log's tree grow by these entries: `edge` goes on, and tiles that became full are stored.

    The entries before them must be stored; two queries for every level at which a tile became full, mostly none.
    """

    def begun(level: int, start: int, count: int) -> list[bytes]:
        if level == 0:
            found = sql.rows(
                "SELECT commitment FROM sharing_entry WHERE collection_id = %s AND index >= %s AND index < %s"
                " ORDER BY index",
                (collection_id, start, start + count),
            )
            return [leaf_hash(commitment) for (commitment,) in found]
        found = sql.rows(
            "SELECT root FROM sharing_tile WHERE collection_id = %s AND level = %s AND index >= %s AND index < %s"
            " ORDER BY index",
            (collection_id, level - 1, start, start + count),
        )
        return [root for (root,) in found]

    full = [
        (collection_id, tile.level, tile.index, tile.hashes, tile.root)
        for tile in grow(edge, [leaf_hash(commitment) for commitment in commitments], begun)
    ]
    if full:
        sql.copy(
            "sharing_tile",
            ("collection_id", "level", "index", "hashes", "root"),
            ("uuid", "int2", "int8", "bytea", "bytea"),
            full,
        )
