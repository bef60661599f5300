"""Of a hundred requests thirty fail at the client, in every way: no submission is lost, and none is doubled."""

import json
import logging
import os
import secrets
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from sharing.submitter.batches import Line, cut
from sharing.submitter.delivery import Delivery, Taken
from tests.conformance import stix
from tests.journeys.failing import KINDS, FailingTransport
from tests.journeys.steps import RED
from tests.world import World

MANY = int(os.environ.get("STILLWATCH_SUBMISSIONS", "20000"))
SENDERS = 8
# Of the others the object is refused: what is counted is submissions, and these cost half.
TAKEN = 10


@pytest.mark.parametrize(
    "count", [400, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few hundred", "many thousand"]
)
def test_no_submission_is_lost_or_doubled(world: World, communities: None, count: int) -> None:
    # A line for each request is no use to anybody here.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    run = secrets.token_hex(4)
    started = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as pool:
        shares = list(pool.map(lambda number: send(world, run, number, count // SENDERS), range(SENDERS)))
    took = time.monotonic() - started
    world.settle(3600)
    settled = time.monotonic() - started

    sent: dict[str, str] = {}
    failed: Counter[str] = Counter()
    for answers, failures, _ in shares:
        sent |= answers
        failed += failures
    passed = sum(passes for _, _, passes in shares)
    print(
        f"{count} submissions, {failed.total()} of {failed.total() + passed} requests failed: {dict(failed)};"
    )
    print(f"answered after {took:.0f} s, ingested after {settled:.0f} s")
    assert failed.keys() == set(KINDS)
    assert 0.25 < failed.total() / (failed.total() + passed) < 0.35
    assert len(sent) == len(set(sent.values())) == count
    assert_once(world, run, sent)


def send(world: World, run: str, number: int, count: int) -> tuple[dict[str, str], Counter[str], int]:
    """One sender's submissions, one object each: object id → submission id; what failed, and what passed."""
    objects = [stix.campaign(name=f"{run} {number}", object_marking_refs=[RED]) for _ in range(count)]
    for place, one in enumerate(objects):
        if place % TAKEN:
            del one["name"]
    lines = (Line(place, json.dumps(one).encode()) for place, one in enumerate(objects, start=1))
    network = FailingTransport(seed=number)
    found: dict[str, str] = {}
    headers = {"Authorization": f"Bearer {world.token('lab-a').secret}"}
    with httpx.Client(base_url=world.url, headers=headers, transport=network) as client:
        delivery = Delivery(
            client,
            community="stream",
            body_format="ndjson",
            patience=600,
            sleep=lambda seconds: time.sleep(min(seconds, 0.005)),
        )
        for batch in cut(lines, max_lines=1, max_bytes=10_000, linger=None, faulty=lambda _: None):
            answer = delivery.send(batch, key=f"{run}-{number}-{batch.number}")
            assert isinstance(answer, Taken), answer
            found[json.loads(batch.body)["id"]] = answer.submission
    return found, network.failed, network.passed


def assert_once(world: World, run: str, sent: dict[str, str]) -> None:
    """Each key is one submission, each object one receipt line of it, and each that is taken one entry of the inbox."""
    lines = world.sql(
        "SELECT o.object_id, s.id::text, o.outcome FROM indicators_submission s"
        " JOIN indicators_submittedobject o ON o.submission_id = s.id WHERE s.idempotency_key LIKE %s",
        (f"{run}-%",),
    )
    assert len(lines) == len(sent)
    assert {object_id: submission for object_id, submission, _ in lines} == sent
    taken = [object_id for object_id, _, outcome in lines if outcome == "new"]
    assert len(taken) == len(sent) // TAKEN
    assert {outcome for _, _, outcome in lines} == {"new", "rejected"}
    entries = world.sql(
        "SELECT e.object_id FROM sharing_entry e JOIN sharing_collection k ON k.id = e.collection_id"
        " JOIN accounts_organization o ON o.id = k.owner_id AND o.slug = 'lab-a'"
        " JOIN accounts_community c ON c.id = k.community_id AND c.slug = 'stream' WHERE k.kind = 'inbox'"
    )
    ours = [object_id for (object_id,) in entries if object_id in sent]
    assert sorted(ours) == sorted(taken)
    assert world.sql("SELECT count(*) FROM indicators_submission WHERE state = 'quarantined'") == [(0,)]
