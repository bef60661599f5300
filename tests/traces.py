"""Where a text is still found after an erasure: every column of every table, and the files of a home."""

from pathlib import Path

from django.db import connection


def tables_with(text: str) -> dict[str, int]:
    """How many rows of each table have a text in any column, also as bytes; only tables that have some."""
    plain, coded = f"%{text}%", f"%{text.encode().hex()}%"
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(
                f'SELECT count(*) FROM "{table}" t WHERE t::text LIKE %s OR t::text LIKE %s', (plain, coded)
            )
            (count,) = cursor.fetchone()
            if count:
                found[table] = count
    return found


def files_with(text: str, home: Path) -> list[str]:
    """Files below a directory that hold a text, without those of PostgreSQL, which has pages to fill anew and a WAL."""
    return [
        str(path.relative_to(home))
        for path in sorted(home.rglob("*"))
        if path.is_file() and "postgres" not in path.parts and text.encode() in path.read_bytes()
    ]
