"""POST envelopes of 1,000 objects until both feeds show them, against COPY of the rows that this made."""

import itertools
import json
import statistics
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import psycopg
import requests

from tests.bench import material
from tests.bench.bench import COMMUNITY, Bench, say
from tests.bench.table import Row, at_least
from tests.world import TAXII

TARGET = 2500
PER_ENVELOPE = 1000
SENDERS = ("lab-a", "lab-b")
FEEDS = ("amber", "green")
PATIENCE = 300.0
_SEED = 5_000_000_000


def run(bench: Bench) -> list[Row]:
    envelopes = 3 if bench.quick else 20
    count = envelopes * PER_ENVELOPE
    seeds = itertools.count(_SEED)
    with psycopg.connect(bench.world.database_url, autocommit=True) as database:
        measure(bench, database, 1, next(seeds))  # Begins the feeds and warms the workers up.
        rates, copies, rows = [], [], 0
        for number in range(bench.rounds):
            say(f"ingest: {count:,} objects in {envelopes} envelopes, round {number + 1} of {bench.rounds}")
            since = time.time_ns() // 1000
            rates.append(measure(bench, database, envelopes, next(seeds)))
            rows, seconds = _copy(database, since)
            copies.append(count / seconds)
    rate, copied = statistics.median(rates), statistics.median(copies)
    each = f"{rows / count:.1f} rows an object"
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates, copies, strict=True))
    return [
        Row(
            "ingest", "POST until visible, objects/s", f"{rate:,.0f}", f">= {TARGET:,}", rate >= TARGET, each
        ),
        at_least("ingest", "POST until visible / COPY", ratio, None, f"{rate:,.0f}/s of {copied:,.0f}/s"),
    ]


def measure(bench: Bench, database: psycopg.Connection, envelopes: int, seed: int) -> float:
    """Objects a second, from the first POST until all stand in both feeds."""
    return envelopes * PER_ENVELOPE / _ingest(bench, database, _bodies(envelopes, seed))


def submit(bench: Bench, envelopes: int, seed: int) -> None:
    """Work for the workers, for a part that looks at them afterwards."""
    with psycopg.connect(bench.world.database_url, autocommit=True) as database:
        _ingest(bench, database, _bodies(envelopes, seed))


def _bodies(envelopes: int, seed: int) -> list[bytes]:
    return [
        json.dumps({"objects": material.objects(PER_ENVELOPE, (seed << 16) + number)}).encode()
        for number in range(envelopes)
    ]


def _ingest(bench: Bench, database: psycopg.Connection, bodies: Sequence[bytes]) -> float:
    """Seconds from the first POST until every object stands in both feeds."""
    expected = len(bodies) * PER_ENVELOPE
    heads = _heads(database)
    start = time.monotonic()
    with ThreadPoolExecutor(len(SENDERS)) as pool:
        list(pool.map(lambda one: _post(bench, *one), zip(itertools.cycle(SENDERS), bodies, strict=False)))
    while not _settled(database):
        assert time.monotonic() < start + PATIENCE, f"still at work after {PATIENCE:.0f} s"
        time.sleep(0.02)
    seconds = time.monotonic() - start
    for feed in FEEDS:
        shown = _shown(bench, feed, heads[feed])
        # The first publication in a feed is the service's own identity and the markings.
        assert shown >= expected if not heads[feed] else shown == expected, (feed, shown, expected)
    return seconds


def _post(bench: Bench, organization: str, body: bytes) -> None:
    answer = requests.post(
        f"{bench.world.root(COMMUNITY)}collections/inbox/objects/",
        headers=bench.world.token(organization).bearer | {"Content-Type": TAXII},
        data=body,
        timeout=60,
    )
    assert answer.status_code == 202, answer.text


def _heads(database: psycopg.Connection) -> dict[str, int]:
    """`added` of the last entry of each feed."""
    found = database.execute(
        "SELECT alias, last_added FROM sharing_collection WHERE kind = 'feed'"
    ).fetchall()
    return dict(found)


def _settled(database: psycopg.Connection) -> bool:
    """Whether nothing waits for ingest or for publication; what is committed, every reader sees."""
    found = database.execute(
        "SELECT NOT EXISTS (SELECT FROM indicators_submission WHERE state = 'received')"
        " AND NOT EXISTS (SELECT FROM indicators_pendingfold)"
    ).fetchone()
    return found == (True,)


def _shown(bench: Bench, feed: str, after: int) -> int:
    """How many objects a reader of a feed gets after a moment in µs."""
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(after // 1_000_000))}.{after % 1_000_000:06}Z"
    shown, cursor = 0, ""
    while True:
        page = bench.world.page(
            "lab-a", feed, community=COMMUNITY, query=f"limit=5000&added_after={stamp}&next={cursor}"
        )
        shown += len(page.get("objects", []))
        if not page["more"]:
            return shown
        cursor = page["next"]


def _copy(database: psycopg.Connection, since: int) -> tuple[int, float]:
    """How many entries were made since a moment in µs, and how long COPY takes for the same rows."""
    with database.cursor() as cursor:
        with cursor.copy(
            "COPY (SELECT * FROM sharing_entry WHERE added >= "
            f"{since:d} ORDER BY collection_id, index) TO STDOUT (FORMAT BINARY)".encode()
        ) as source:
            blocks = [bytes(block) for block in source]
        cursor.execute("CREATE TABLE bench_copy (LIKE sharing_entry INCLUDING INDEXES INCLUDING STORAGE)")
        start = time.monotonic()
        with cursor.copy("COPY bench_copy FROM STDIN (FORMAT BINARY)") as target:
            for block in blocks:
                target.write(block)
        seconds = time.monotonic() - start
        rows = cursor.rowcount
        cursor.execute("DROP TABLE bench_copy")
    return rows, seconds
