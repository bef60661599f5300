"""Every log gets its Merkle tree, from the entries that it holds; from here on a log cannot grow without it."""

import django.db.models.lookups
from django.db import migrations, models

from sharing.tlog.growth import grow
from sharing.tlog.merkle import Range, leaf_hash

# A batch is a full tile of level 1, so that what a later one goes on from is few.
BATCH = 65_536
# Hashes do not get smaller; trying it costs more than it could save.
KEPT_AS_THEY_ARE = "ALTER TABLE sharing_tile ALTER COLUMN hashes SET STORAGE EXTERNAL"


def build(apps, schema_editor):
    with schema_editor.connection.cursor() as cursor:
        # Checks that wait for the end of the transaction would keep the table from being altered in it.
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SELECT id, next_index FROM sharing_collection WHERE next_index > 0 ORDER BY id")
        for collection_id, size in cursor.fetchall():
            build_one(cursor, collection_id, size)


def build_one(cursor, collection_id, size):
    edge, last = Range(), -1
    # By level, the hashes of the tile that is not full yet.
    open_tiles = {}
    while edge.size < size:
        cursor.execute(
            "SELECT index, commitment FROM sharing_entry WHERE collection_id = %s AND index > %s"
            " ORDER BY index LIMIT %s",
            [collection_id, last, BATCH],
        )
        found = cursor.fetchall()
        if not found or found[-1][0] != edge.size + len(found) - 1:
            raise ValueError(f"the log of collection {collection_id} has a gap after entry {last}")
        last = found[-1][0]
        leaves = [leaf_hash(bytes(commitment)) for _, commitment in found]
        tiles = grow(edge, leaves, lambda level, start, count: open_tiles.get(level, [])[-count:])
        cursor.executemany(
            'INSERT INTO sharing_tile (collection_id, level, "index", hashes, root) VALUES (%s, %s, %s, %s, %s)',
            [[collection_id, tile.level, tile.index, tile.hashes, tile.root] for tile in tiles],
        )
        open_tiles[0] = [*open_tiles.get(0, []), *leaves][-256:]
        for tile in tiles:
            open_tiles[tile.level + 1] = [*open_tiles.get(tile.level + 1, []), tile.root][-256:]
    cursor.execute("UPDATE sharing_collection SET edge = %s WHERE id = %s", [bytes(edge), collection_id])


class Migration(migrations.Migration):
    dependencies = [("sharing", "0009_merkle_tree")]

    operations = [
        migrations.AddField(
            model_name="collection",
            name="epoch",
            field=models.IntegerField(
                default=0,
                editable=False,
                help_text="Counts what changed openings that stand, such as new signatures, and did not lengthen the log.",
            ),
        ),
        migrations.AddConstraint(
            model_name="tile",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    django.db.models.lookups.Exact(
                        models.Func(
                            models.F("hashes"), function="octet_length", output_field=models.IntegerField()
                        ),
                        models.Value(8192),
                    ),
                    django.db.models.lookups.Exact(
                        models.Func(models.F("root"), function="octet_length", output_field=models.IntegerField()),
                        models.Value(32),
                    ),
                ),
                name="tile_full",
            ),
        ),
        migrations.RunSQL(KEPT_AS_THEY_ARE, migrations.RunSQL.noop),
        migrations.RunPython(build, migrations.RunPython.noop),
        migrations.AddConstraint(
            model_name="collection",
            constraint=models.CheckConstraint(
                condition=django.db.models.lookups.Exact(
                    models.Func(
                        models.F("edge"), function="octet_length", output_field=models.BigIntegerField()
                    ),
                    models.Func(
                        models.F("next_index"),
                        output_field=models.BigIntegerField(),
                        template="32 * bit_count(%(expressions)s::bit(64))",
                    ),
                ),
                name="collection_edge_fits",
            ),
        ),
    ]
