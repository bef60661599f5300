"""A new database is made in one step for each app; it is the one that all steps make."""

import os
import subprocess
import sys
from typing import Any

import psycopg
import pytest
from django.db import connection
from psycopg import sql

from tests.world import PROJECT

#: What PostgreSQL knows of the tables, the order of their columns too: dumps and COPY may go by it.
SCHEMA = """
SELECT 'column', c.relname, a.attname, concat_ws(' ',
    (SELECT count(*) FROM pg_attribute b WHERE b.attrelid = a.attrelid AND b.attnum BETWEEN 1 AND a.attnum
        AND NOT b.attisdropped), format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attstorage, a.attidentity, pg_get_expr(d.adbin, d.adrelid))
FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'r'
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
UNION SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
FROM pg_constraint WHERE connamespace = 'public'::regnamespace
UNION SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION SELECT 'trigger', tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal
UNION SELECT 'function', proname, '', prosrc FROM pg_proc WHERE pronamespace = 'public'::regnamespace
"""
#: What differs from one new database to the next: when it was made, and who it is.
OWN = ["created_at", "identity_id", "updated_at"]
#: Which migrations ran, and what the command writes after them.
MADE_BY_DJANGO = ("auth_permission", "django_content_type", "django_migrations")

ALL_STEPS = """
import django
django.setup()
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
executor = MigrationExecutor(connection)
executor.loader = MigrationLoader(connection, replace_migrations=False)
executor.migrate([node for node in executor.loader.graph.leaf_nodes() if "_squashed_" not in node[1]])
"""


@pytest.mark.slow
@pytest.mark.django_db
def test_a_new_database_is_the_one_that_all_steps_make() -> None:
    at_once, by_steps = _new("at_once"), _new("by_steps")
    _run(at_once, "manage.py", "migrate", "--verbosity", "0")
    _run(by_steps, "-c", ALL_STEPS)
    _run(by_steps, "manage.py", "migrate", "--check")

    one, other = _schema(at_once), _schema(by_steps)
    assert one - other == set()
    assert other - one == set()
    assert len(one) > 1000
    assert _rows(at_once) == _rows(by_steps)
    assert {"indicators_technique", "indicators_allowlistentry", "sharing_publisher"} <= _rows(at_once).keys()


def _new(name: str) -> str:
    """The address of an empty database."""
    place = connection.get_connection_params() | {"dbname": name}
    with psycopg.connect(
        host=place["host"], user=place["user"], dbname="postgres", autocommit=True
    ) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    return f"postgresql://{place['user']}@/{name}?host={place['host']}"


def _run(database: str, *arguments: str) -> None:
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=PROJECT,
        env=os.environ | {"DATABASE_URL": database},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _schema(database: str) -> set[tuple[str, ...]]:
    with psycopg.connect(database) as server:
        return set(server.execute(SCHEMA))


def _rows(database: str) -> dict[str, list[Any]]:
    """What the migrations put into the tables, but for what is each database's own."""
    found = {}
    with psycopg.connect(database) as server:
        tables = server.execute(
            "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1"
        ).fetchall()
        for (table,) in tables:
            query = sql.SQL("SELECT to_jsonb(t) - %s::text[] AS row FROM {} t ORDER BY 1").format(
                sql.Identifier(table)
            )
            found[table] = [row for (row,) in server.execute(query, [OWN])]
    for table in MADE_BY_DJANGO:
        del found[table]
    return {table: rows for table, rows in found.items() if rows}
