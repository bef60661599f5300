"""Long logs without the work that their objects would be: entries with nothing but a commitment, and their tree."""

import os
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from sharing.tlog.growth import grow
from sharing.tlog.merkle import Range, leaf_hash

_BATCH = 65_536
_WITHDRAWAL = b'{"salt":"","stmt":""}'


def fill(database: psycopg.Connection[Any], collection: UUID, count: int) -> None:
    """Append `count` entries that say nothing."""
    (start, last_added) = database.execute(
        "SELECT next_index, last_added FROM sharing_collection WHERE id = %s", (collection,)
    ).fetchone() or (0, 0)
    for at in range(0, count, _BATCH):
        size = min(_BATCH, count - at)
        with (
            database.cursor() as cursor,
            cursor.copy(
                "COPY sharing_entry (collection_id, index, added, opening, commitment, is_first, is_last)"
                " FROM STDIN (FORMAT BINARY)"
            ) as stream,
        ):
            stream.set_types(("uuid", "int8", "int8", "bytea", "bytea", "bool", "bool"))
            for number in range(at, at + size):
                commitment = b"\x01" + os.urandom(32)
                added = last_added + 1 + number
                stream.write_row((collection, start + number, added, _WITHDRAWAL, commitment, False, False))
    database.execute(
        "UPDATE sharing_collection SET last_added = %s WHERE id = %s",
        (-(-(last_added + count) // 1000) * 1000, collection),
    )
    catch_up(database, collection)


def catch_up(database: psycopg.Connection[Any], collection: UUID) -> None:
    """Let the log's length and its tree be those of the entries that stand in it."""
    (size, raw) = database.execute(
        "SELECT next_index, edge FROM sharing_collection WHERE id = %s", (collection,)
    ).fetchone() or (0, b"")
    edge = Range(size, bytes(raw))

    def begun(level: int, start: int, count: int) -> list[bytes]:
        what = "commitment FROM sharing_entry" if level == 0 else "root FROM sharing_tile"
        below = "" if level == 0 else f" AND level = {level - 1}"
        found = database.execute(
            f"SELECT {what} WHERE collection_id = %s AND index >= %s{below} ORDER BY index LIMIT %s".encode(),
            (collection, start, count),
        ).fetchall()
        return [leaf_hash(bytes(one)) if level == 0 else bytes(one) for (one,) in found]

    while leaves := _leaves(database, collection, edge.size):
        with database.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO sharing_tile (collection_id, level, index, hashes, root) VALUES (%s, %s, %s, %s, %s)",
                [
                    (collection, tile.level, tile.index, tile.hashes, tile.root)
                    for tile in grow(edge, leaves, begun)
                ],
            )
    database.execute(
        "UPDATE sharing_collection SET next_index = %s, edge = %s WHERE id = %s",
        (edge.size, bytes(edge), collection),
    )


def _leaves(database: psycopg.Connection[Any], collection: UUID, start: int) -> Sequence[bytes]:
    found = database.execute(
        "SELECT commitment FROM sharing_entry WHERE collection_id = %s AND index >= %s ORDER BY index LIMIT %s",
        (collection, start, _BATCH),
    ).fetchall()
    return [leaf_hash(bytes(commitment)) for (commitment,) in found]
