"""The Merkle tree that is stored with the entries is the one that they come to, whatever was done to the log."""

import contextlib
import importlib
import threading
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from sharing.actions import publication
from sharing.models import Collection, Entry, Tile
from sharing.tlog import merkle
from sharing.tlog.statements import Reason
from tests.bench import logs
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.test_publication import item

WIDTH = 256


def naive_root(leaves: list[bytes]) -> bytes:
    """RFC 6962 §2.1, word for word."""
    if not leaves:
        return merkle.EMPTY_ROOT
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return merkle.node_hash(naive_root(leaves[:split]), naive_root(leaves[split:]))


def naive_tiles(leaves: list[bytes]) -> dict[tuple[int, int], tuple[bytes, bytes]]:
    """(level, index) of every full tile → its hashes and its root, from the definition in C2SP tlog-tiles."""
    tiles, level, hashes = {}, 0, leaves
    while len(hashes) >= WIDTH:
        rows = [hashes[at : at + WIDTH] for at in range(0, len(hashes) // WIDTH * WIDTH, WIDTH)]
        for number, row in enumerate(rows):
            tiles[level, number] = b"".join(row), naive_root(row)
        level, hashes = level + 1, [naive_root(row) for row in rows]
    return tiles


def assert_tree_is_that_of_the_entries(collection_id: Any) -> int:
    """The size of the log, once its edge and its tiles are what its entries come to."""
    stored = Collection.objects.get(id=collection_id)
    found = Entry.objects.filter(collection_id=collection_id).order_by("index")
    leaves = [
        merkle.leaf_hash(bytes(commitment)) for commitment in found.values_list("commitment", flat=True)
    ]
    assert len(leaves) == stored.next_index
    assert merkle.Range(stored.next_index, bytes(stored.edge)).root() == naive_root(leaves)
    tiles = {
        (tile.level, tile.index): (bytes(tile.hashes), bytes(tile.root))
        for tile in Tile.objects.filter(collection_id=collection_id)
    }
    assert tiles == naive_tiles(leaves)
    return len(leaves)


def domains(count: int) -> list[Any]:
    return [item(stix.domain_name()) for _ in range(count)]


def append(shop: Shop, collection: Collection, count: int) -> None:
    with transaction.atomic():
        publication.append(
            log=shop.log(collection), items=domains(count), signatures=shop.signatures, now=NOW
        )


@pytest.mark.parametrize(
    "counts", [(0,), (1,), (255, 1), (256,), (255, 1, 1), (257, 255), (100, 700, 3), (512, 1)]
)
def test_a_log_of_any_size_has_the_tree_of_its_entries(shop: Shop, counts: tuple[int, ...]) -> None:
    collection = shop.collection()

    for count in counts:
        append(shop, collection, count)

    assert assert_tree_is_that_of_the_entries(collection.id) == sum(counts)


class _Crash(Exception):
    """The process ends here."""


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(1, 300)),
        st.tuples(st.just("withdraw"), st.integers(0, 1000)),
        st.tuples(st.just("crash"), st.integers(1, 300)),
        st.tuples(st.just("savepoint"), st.integers(1, 60)),
    ),
    min_size=1,
    max_size=8,
)


@settings(max_examples=25)
@given(STEPS)
def test_after_any_series_of_appends_withdrawals_and_crashes_the_tree_is_that_of_the_entries(
    shop: Shop, steps: list[tuple[str, int]]
) -> None:
    collection = shop.collection()

    for what, number in steps:
        if what == "append":
            append(shop, collection, number)
        elif what == "withdraw":
            standing = Entry.objects.filter(collection=collection, body__isnull=False).order_by("index")
            if not standing.exists():
                continue
            one = standing[number % standing.count()]
            with transaction.atomic():
                publication.withdraw(
                    log=shop.log(collection), reasons={str(one.object_id): Reason.ERROR}, now=NOW
                )
        elif what == "crash":
            with contextlib.suppress(_Crash), transaction.atomic():
                append(shop, collection, number)
                raise _Crash
        else:
            with transaction.atomic():
                log = shop.log(collection)
                publication.append(log=log, items=domains(number), signatures=shop.signatures, now=NOW)
                publication.append(log=log, items=domains(number), signatures=shop.signatures, now=NOW)

    assert_tree_is_that_of_the_entries(collection.id)


def test_a_second_level_of_tiles_is_stored_when_it_is_full(shop: Shop) -> None:
    """65,536 entries fill a tile of level 1; their rows are as bare as the log's tree needs them."""
    collection = shop.collection()
    bare_entries(collection, WIDTH * WIDTH - 2)

    append(shop, collection, 5)

    assert Tile.objects.filter(collection=collection, level=1).count() == 1
    assert_tree_is_that_of_the_entries(collection.id)


def bare_entries(collection: Collection, count: int) -> None:
    """Entries without content, as of withdrawals, and their tree; in one collection that has none."""
    connection.ensure_connection()
    logs.fill(connection.connection, collection.id, count)


@pytest.mark.django_db(transaction=True)
def test_writers_in_parallel_make_one_tree(shop: Shop) -> None:
    collection = shop.collection()
    batches = [[domains(count) for count in (130, 1, 127, 90)] for _ in range(4)]
    failures: list[BaseException] = []

    def write(mine: list[list[Any]]) -> None:
        try:
            for items in mine:
                with transaction.atomic():
                    publication.append(
                        log=shop.log(collection), items=items, signatures=shop.signatures, now=NOW
                    )
        except BaseException as failure:  # noqa: BLE001 - told below
            failures.append(failure)
        finally:
            connection.close()

    writers = [threading.Thread(target=write, args=(mine,)) for mine in batches]
    for one in writers:
        one.start()
    for one in writers:
        one.join()

    assert not failures
    assert assert_tree_is_that_of_the_entries(collection.id) == 4 * (130 + 1 + 127 + 90)


@pytest.mark.parametrize("change", [{"next_index": 4}, {"edge": bytes(32)}, {"edge": b""}])
def test_the_database_keeps_the_length_of_a_log_and_its_edge_together(
    shop: Shop, change: dict[str, Any]
) -> None:
    collection = shop.collection()
    append(shop, collection, 3)

    with pytest.raises(IntegrityError, match="collection_edge_fits"), transaction.atomic():
        Collection.objects.filter(id=collection.id).update(**change)


@pytest.mark.parametrize("batch", [100, 256, 300, 65_536])
def test_logs_from_before_there_were_trees_get_theirs(
    shop: Shop, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migration 0010."""
    collections = [shop.collection() for _ in range(3)]
    for collection, count in zip(collections, (0, 7, 900), strict=True):
        append(shop, collection, count)
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("ALTER TABLE sharing_collection DROP CONSTRAINT collection_edge_fits")
        cursor.execute("DELETE FROM sharing_tile")
        cursor.execute("UPDATE sharing_collection SET edge = ''")
    migration = importlib.import_module("sharing.migrations.0010_tiles")
    monkeypatch.setattr(migration, "BATCH", batch)

    migration.build(None, SimpleNamespace(connection=connection))

    assert [assert_tree_is_that_of_the_entries(one.id) for one in collections] == [0, 7, 900]


def test_the_database_takes_full_tiles_only(shop: Shop) -> None:
    collection = shop.collection()

    with pytest.raises(IntegrityError, match="tile_full"), transaction.atomic():
        Tile.objects.create(collection=collection, level=0, index=0, hashes=bytes(8160), root=bytes(32))
