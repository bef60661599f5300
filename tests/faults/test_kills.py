"""kill -9 and a wiped broker in mid-ingest: nothing accepted is lost, nothing is doubled (architecture.md, idea 2)."""

import os
import random
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from config import embedded
from tests.faults.flow import PATIENCE, Flow, assert_whole
from tests.world import World

pytestmark = pytest.mark.faults
ROUNDS = int(os.environ.get("FAULT_ROUNDS", "20"))
# The supervisor restarts at once what had been running for so long (config.supervisor.STEADY_AFTER).
STEADY = 5.2
SUPERVISED = {"ingest", "publish", "web"}


def flush(world: World) -> None:
    """All that the broker knows is gone; the broker stays."""
    url = embedded.broker_url(world.home).replace("redis+socket://", "unix://")
    with redis.Redis.from_url(url) as client:
        client.flushall()


def break_often(world: World, what: Callable[[World], None], *, killed: str | None) -> Flow:
    """`ROUNDS` times: post, break it in mid-ingest, post on, and wait until all that was accepted is published."""
    flow, chance = Flow(world), random.Random(20261)
    with ThreadPoolExecutor(8) as pool:
        for _ in range(ROUNDS):
            before = flow.burst(pool)
            time.sleep(chance.uniform(0, 0.4))
            pid = None if killed is None else world.pids()[killed]
            what(world)
            broken = time.monotonic()
            after = flow.burst(pool)
            for one in before + after:
                one.result(PATIENCE)
            if killed is not None:
                wait_for_another(world, killed, pid)
            world.settle(PATIENCE)
            if killed in SUPERVISED:
                time.sleep(max(0.0, broken + STEADY - time.monotonic()))
    return flow


def wait_for_another(world: World, name: str, pid: int | None) -> None:
    deadline = time.monotonic() + PATIENCE
    while world.pids().get(name) in {None, pid}:
        assert time.monotonic() < deadline, f"{name} does not come back"
        time.sleep(0.05)
    world.wait_ready(PATIENCE)


@pytest.mark.parametrize("name", ["ingest", "publish", "web", "redis"])
def test_a_kill_in_mid_ingest_loses_and_doubles_nothing(frail: World, name: str) -> None:
    flow = break_often(frail, lambda world: world.kill(name), killed=name)

    assert_whole(flow)


def test_a_wiped_broker_in_mid_ingest_loses_and_doubles_nothing(frail: World) -> None:
    flow = break_often(frail, flush, killed=None)

    assert_whole(flow)


def test_a_post_that_got_its_202_outlives_the_web_server(frail: World) -> None:
    """The row is durable before the answer: killing the server right after it loses nothing."""
    flow = Flow(frail)

    for _ in range(ROUNDS):
        flow.post("lab-a")
        pid = frail.pids()["web"]
        frail.kill("web")
        broken = time.monotonic()
        wait_for_another(frail, "web", pid)
        time.sleep(max(0.0, broken + STEADY - time.monotonic()))

    assert_whole(flow)
