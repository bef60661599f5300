"""Raw psycopg on Django's connection, for hot paths: no ORM instances, binary results, the same transaction."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import psycopg
from django.db import connection
from psycopg.types.string import BytesBinaryDumper

Row = tuple[Any, ...]
Cursor = psycopg.Cursor[Row]


@contextmanager
def cursor() -> Iterator[Cursor]:
    """A binary psycopg cursor that takes part in Django's current transaction."""
    connection.ensure_connection()
    raw = cast("psycopg.Connection[Row]", connection.connection)
    with psycopg.Cursor(raw) as opened:
        yield opened


def rows(query: str, parameters: Sequence[object] | dict[str, object] = ()) -> list[Row]:
    """All rows of one prepared query."""
    with cursor() as opened:
        opened.execute(query.encode(), parameters, prepare=True, binary=True)
        return opened.fetchall()


def row(query: str, parameters: Sequence[object] | dict[str, object] = ()) -> Row | None:
    """The first row of one prepared query, or None."""
    with cursor() as opened:
        opened.execute(query.encode(), parameters, prepare=True, binary=True)
        return opened.fetchone()


def execute(query: str, parameters: Sequence[object] | dict[str, object] = ()) -> int:
    """Run one prepared statement; the number of rows that it touched."""
    with cursor() as opened:
        opened.execute(query.encode(), parameters, prepare=True)
        return opened.rowcount


def copy(
    table: str, columns: Sequence[str], types: Sequence[str], values: Iterable[Sequence[object]]
) -> None:
    """COPY rows into `table` in PostgreSQL's binary format; `types` are PostgreSQL's names of the columns' types."""
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT BINARY)"
    with cursor() as opened:
        # Else psycopg takes one written in Python, for the DB API's Binary: a fifth of the time of a wide row.
        opened.adapters.register_dumper(bytes, BytesBinaryDumper)
        with opened.copy(statement.encode()) as stream:
            stream.set_types(types)
            for value in values:
                stream.write_row(value)


def joined(texts: Iterable[str]) -> str:
    """Texts without line breaks (ids, slugs) as one parameter, for `ONE_OF`.

    psycopg makes an array in Python, an element at a time; PostgreSQL takes one apart in no time.
    """
    return "\n".join(texts)


LIST = "string_to_array(%s, E'\n')"
"""SQL for the array of texts, given `joined`."""
ONE_OF = f"ANY({LIST})"
"""SQL for "is one of these texts", given `joined`."""


def take_ids(sequence: str, count: int) -> list[int]:
    """`count` fresh values of a sequence, so that rows can be linked before they are copied in."""
    return [
        found[0]
        for found in rows("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", (sequence, count))
    ]


def lock(*names: str) -> None:
    """Take advisory locks for the rest of the transaction, in a fixed order so that two callers never cross."""
    for name in sorted(names):
        execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))


def share(*names: str) -> None:
    """Take advisory locks for the rest of the transaction, which others may share but not `lock`."""
    for name in sorted(names):
        execute("SELECT pg_advisory_xact_lock_shared(hashtextextended(%s, 0))", (name,))
