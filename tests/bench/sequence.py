"""What the one writer and the log's readers take, in the service's own database; runs under `manage.py shell`."""

import json
import os
import random
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID

import msgspec
from django.db import connection, transaction
from django.utils import timezone

from accounts import sql
from indicators.stix.markings import TLP
from indicators.stix.objects import read
from sharing import log
from sharing.actions import publication, tree
from sharing.actions.keys import current_signer
from sharing.actions.publication import Item, Signatures
from sharing.signing import jws
from sharing.tlog import page, statements
from sharing.tlog.merkle import Range
from tests.bench import logs, material

_SALTED = b"\x01" + bytes(32)


def sequence(whole: str, bare: str, batches: int, size: int, rounds: int, seed: int) -> None:
    """Append batches of `size` new objects in turns: signed here, signed before, without the tree, without any log;
    the latter two to a collection of their own, whose tree they break.

    Prints seconds and this process's CPU seconds by variant, of each round.
    """
    signatures = Signatures(current_signer(now=timezone.now()))
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in _VARIANTS}
    for number in range(rounds):
        for place, (name, (signed, without)) in enumerate(_VARIANTS.items()):
            wanted = (number * len(_VARIANTS) + place) * batches * size
            items = [
                _items(objects, signatures, signed=signed)
                for objects in material.batches(batches * size, size, seed + wanted)
            ]
            with without():
                taken[name].append(_append(bare if "without" in name else whole, items, signatures))
    print(json.dumps(taken))


def prove(collection: str, count: int, size: int) -> None:
    """Fill a log up to `size` entries that say nothing; prints the median seconds and CPU seconds of each proof."""
    connection.ensure_connection()
    (held,) = sql.row("SELECT next_index FROM sharing_collection WHERE id = %s", (collection,)) or (0,)
    with transaction.atomic():
        logs.fill(connection.connection, UUID(collection), size - held)
    connection.cursor().execute("VACUUM ANALYZE sharing_entry, sharing_tile")
    chance = random.Random(size)
    feed = UUID(collection)
    log.inclusion(feed, 0, size)
    print(
        json.dumps(
            {
                "inclusion": _timed(count, lambda: log.inclusion(feed, chance.randrange(size), size)),
                "consistency": _timed(count, lambda: log.consistency(feed, chance.randrange(1, size), size)),
                "root": _timed(count, lambda: log.root(feed, chance.randrange(1, size))),
            }
        )
    )


@contextmanager
def _as_it_is() -> Iterator[None]:
    yield


@contextmanager
def _without_tree() -> Iterator[None]:
    with patch.object(tree, "extend", _grow):
        yield


@contextmanager
def _without_log() -> Iterator[None]:
    """Objects and signatures as they are, and nothing that a log has besides."""
    with (
        _without_tree(),
        patch.object(statements, "add_statement", lambda **parts: b""),
        patch.object(statements, "submitter_commitment", lambda subsalt, record: subsalt),
        patch.object(statements, "entry", lambda salt, statement: _SALTED),
        patch.object(page, "opening", lambda salt, statement, signature: signature.encode()),
    ):
        yield


def _grow(collection_id: UUID, edge: Range, commitments: list[bytes]) -> None:
    """An edge of the right length, which the database insists on."""
    size = edge.size + len(commitments)
    edge.__init__(size, bytes(32 * size.bit_count()))  # type: ignore[misc]


_VARIANTS: dict[str, tuple[bool, Callable[[], AbstractContextManager[None]]]] = {
    "everything": (False, _as_it_is),
    "signed before": (True, _as_it_is),
    "without tree": (False, _without_tree),
    "without log": (False, _without_log),
}


def _items(objects: list[dict[str, Any]], signatures: Signatures, *, signed: bool) -> list[Item]:
    found = [read(msgspec.json.encode(one)) for one in objects]
    made = jws.sign_objects(signatures.signer, [one.body for one in found]) if signed else [None] * len(found)
    return [
        publication.item_of(one, tlp=TLP.GREEN, record=os.urandom(100), signature=signature)
        for one, signature in zip(found, made, strict=True)
    ]


def _append(collection: str, batches: list[list[Item]], signatures: Signatures) -> tuple[float, float]:
    start, used = time.perf_counter(), time.process_time()
    for items in batches:
        with transaction.atomic():
            (locked,) = publication.lock([UUID(collection)])
            publication.append(log=locked, items=items, signatures=signatures, now=timezone.now())
    return time.perf_counter() - start, time.process_time() - used


def _timed(count: int, prove_one: Callable[[], object]) -> tuple[float, float]:
    walls, cpus = [], []
    for _ in range(count):
        start, used = time.perf_counter(), time.process_time()
        prove_one()
        walls.append(time.perf_counter() - start)
        cpus.append(time.process_time() - used)
    return statistics.median(walls), statistics.median(cpus)
