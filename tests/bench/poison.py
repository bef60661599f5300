"""50,000 objects with and without one poisonous one in a hundred: the others must not pay for it."""

import itertools
import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg

from tests.bench import ingest, material
from tests.bench.bench import Bench, say
from tests.bench.table import Row, at_least

TARGET = 0.95
_EVERY = 100
_SEED = 7_000_000_000


def run(bench: Bench) -> list[Row]:
    envelopes = 3 if bench.quick else 50
    seeds = itertools.count(_SEED)
    with psycopg.connect(bench.world.database_url, autocommit=True) as database:
        _measure(bench, database, bodies(1, next(seeds), poisoned=True))
        ratios, rates = [], []
        for number in range(3):
            say(f"poison: {envelopes * ingest.PER_ENVELOPE:,} objects twice, round {number + 1} of 3")
            clean = _measure(bench, database, bodies(envelopes, next(seeds), poisoned=False))
            poisoned = _measure(bench, database, bodies(envelopes, next(seeds), poisoned=True))
            ratios.append(clean / poisoned)
            rates.append(envelopes * ingest.PER_ENVELOPE / poisoned)
    behind = f"{statistics.median(rates):,.0f}/s with poison"
    return [at_least("poison", "1 % poison / none", statistics.median(ratios), TARGET, behind)]


def bodies(envelopes: int, seed: int, *, poisoned: bool) -> list[bytes]:
    """Envelopes; in those that are poisoned every hundredth object is replaced."""
    made = []
    for number in range(envelopes):
        objects = material.objects(ingest.PER_ENVELOPE, (seed << 16) + number)
        if poisoned:
            for place in range(_EVERY - 1, len(objects), _EVERY):
                objects[place] = spoilt(objects[place], place // _EVERY)
        made.append(json.dumps({"objects": objects}).encode())
    return made


def spoilt(one: dict[str, Any], number: int) -> dict[str, Any]:
    """An object that is refused, each time for another reason and at another depth of the way."""
    match number % 6:
        case 0:
            return {"type": "indicator", "id": "indicator--7"}
        case 1:
            return one | {"x_deep": json.loads("[" * 100 + "]" * 100)}
        case 2:
            return one | {"name": "x" * 300_000}
        case 3:
            return one | {"description": "ask someone@harvest-mail.example about it"}
        case 4:
            return one | {"name": "a\u0000b"}
    return one | {
        "type": "indicator",
        "id": one["id"],
        "pattern": "[a:b = '" + "(" * 5_000,
        "pattern_type": "stix",
    }


def _measure(bench: Bench, database: psycopg.Connection, made: Sequence[bytes]) -> float:
    """Seconds from the first POST until nothing waits any more."""
    start = time.monotonic()
    with ThreadPoolExecutor(len(ingest.SENDERS)) as pool:
        posts = zip(itertools.cycle(ingest.SENDERS), made, strict=False)
        list(pool.map(lambda one: ingest._post(bench, *one), posts))
    while not ingest._settled(database):
        assert time.monotonic() < start + ingest.PATIENCE
        time.sleep(0.02)
    return time.monotonic() - start
