"""What migrations put into the database outlives the tests that empty it.

A test that commits (`transaction=True`) ends with every table truncated, seeded rows among them. Others may run after
it in the same process, so these rows are kept aside once and put back.
"""

from django.db import connection

_MADE_BY_DJANGO = ("django_migrations", "django_content_type", "auth_permission")
"""Not truncated, or made again after it."""


def keep() -> None:
    """Copy all rows that the migrations made into tables of another schema."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA seeds")
        for table in connection.introspection.table_names(cursor):
            if table in _MADE_BY_DJANGO:
                continue
            cursor.execute(f'CREATE TABLE seeds."{table}" AS TABLE public."{table}"')
            cursor.execute(f'SELECT EXISTS (SELECT FROM seeds."{table}")')
            found = cursor.fetchone()
            if not (found and found[0]):
                cursor.execute(f'DROP TABLE seeds."{table}"')


def restore() -> None:
    """Put back what is missing of it."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'seeds'")
        tables = [table for (table,) in cursor.fetchall()]
        # Constraints held when the rows were made: they need not be put back in an order.
        cursor.execute("SET session_replication_role = replica")
        for table in tables:
            cursor.execute(
                f'INSERT INTO public."{table}" OVERRIDING SYSTEM VALUE'
                f' SELECT * FROM seeds."{table}" ON CONFLICT DO NOTHING'
            )
        cursor.execute("SET session_replication_role = DEFAULT")
