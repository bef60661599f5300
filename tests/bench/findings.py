"""POST detector findings until their receipts are ready, and how fast they are taken, against COPY of the rows made."""

import itertools
import json
import statistics
import time

import psycopg
import requests

from tests.bench import ingest, material
from tests.bench.bench import COMMUNITY, Bench, say
from tests.bench.table import Row, at_least

TARGET = 2000
PER_BODY = 1000
_SEED = 7_000_000_000


def run(bench: Bench) -> list[Row]:
    bodies = 1 if bench.quick else 5
    count = bodies * PER_BODY
    seeds = itertools.count(_SEED)
    with psycopg.connect(bench.world.database_url, autocommit=True) as database:
        _send(bench, database, 1, next(seeds))  # Registers the detectors and warms the workers up.
        taken, ingested, ratios = [], [], []
        for number in range(bench.rounds):
            say(f"findings: {count:,} in {bodies} bodies, round {number + 1} of {bench.rounds}")
            since = time.time_ns() // 1000
            received, done = _send(bench, database, bodies, next(seeds))
            rows, seconds = _copy(database, since)
            taken.append(count / received)
            ingested.append(count / done)
            ratios.append(seconds / done)
    rate, first = statistics.median(ingested), statistics.median(taken)
    each = f"{rows / count:.1f} claims a finding"
    return [
        Row("findings", "POST until 202, findings/s", f"{first:,.0f}", f">= {TARGET:,}", first >= TARGET),
        Row(
            "findings",
            "POST until ingested, findings/s",
            f"{rate:,.0f}",
            f">= {TARGET:,}",
            rate >= TARGET,
            each,
        ),
        at_least("findings", "POST until ingested / COPY", statistics.median(ratios), None, each),
    ]


def _send(bench: Bench, database: psycopg.Connection, bodies: int, seed: int) -> tuple[float, float]:
    """Seconds until all are durable, and until all are ingested."""
    texts = [
        "\n".join(json.dumps(one) for one in material.findings(PER_BODY, (seed << 16) + number)).encode()
        for number in range(bodies)
    ]
    start = time.monotonic()
    for organization, body in zip(itertools.cycle(ingest.SENDERS), texts, strict=False):
        answer = requests.post(
            f"{bench.world.url}/api/v1/submissions/?community={COMMUNITY}&format=ocsf",
            headers=bench.world.token(organization).bearer | {"Content-Type": "application/x-ndjson"},
            data=body,
            timeout=60,
        )
        assert answer.status_code == 202, answer.text
    received = time.monotonic() - start
    while database.execute(
        b"SELECT 1 FROM indicators_submission WHERE state = 'received' LIMIT 1"
    ).fetchone():
        assert time.monotonic() < start + ingest.PATIENCE, "still at work"
        time.sleep(0.02)
    return received, time.monotonic() - start


def _copy(database: psycopg.Connection, since: int) -> tuple[int, float]:
    """How many claims were made since a moment in µs, and how long COPY takes for the same rows."""
    with database.cursor() as cursor:
        with cursor.copy(
            b"COPY (SELECT * FROM indicators_claim WHERE received_at >="
            b" to_timestamp(%s / 1e6) ORDER BY id) TO STDOUT (FORMAT BINARY)",
            (since,),
        ) as source:
            blocks = [bytes(block) for block in source]
        cursor.execute("CREATE TABLE bench_copy (LIKE indicators_claim INCLUDING INDEXES INCLUDING STORAGE)")
        start = time.monotonic()
        with cursor.copy("COPY bench_copy FROM STDIN (FORMAT BINARY)") as target:
            for block in blocks:
                target.write(block)
        seconds = time.monotonic() - start
        rows = cursor.rowcount
        cursor.execute("DROP TABLE bench_copy")
    return rows, seconds
