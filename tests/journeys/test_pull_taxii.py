"""A collection of a real medallion is pulled into a running Stillwatch: nothing lost, nothing doubled."""

import random
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.journeys.pulling import (
    Medallion,
    assert_all_there_once,
    campaigns,
    connect,
    kill_in_mid_pull,
    pull,
    received,
)
from tests.world import World


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[Medallion]:
    server = Medallion(tmp_path, {})
    yield server
    if server.process is not None:
        server.kill()


def test_a_collection_is_pulled_with_kills_and_restarts_in_between(
    world: World, medallion: Medallion
) -> None:
    """The puller dies twice, the upstream once; then something new comes, and only that is pulled."""
    collection = str(uuid4())
    medallion.objects[collection] = campaigns(400)
    medallion.start()
    (name,) = connect(world, medallion)
    world.sql("UPDATE indicators_source SET next_at = now() + interval '1 hour'")
    chance = random.Random(7)

    assert kill_in_mid_pull(world, name, chance)
    medallion.kill()
    medallion.start()
    kill_in_mid_pull(world, name, chance)
    pull(world, name)
    assert_all_there_once(world, medallion)

    new = campaigns(1)
    medallion.add(collection, *new)
    pull(world, name)
    assert_all_there_once(world, medallion)
    brought = received(world, name)
    pull(world, name)
    # Once it looks back a little, in pages that are cut otherwise: a repeat, which stands once.
    assert received(world, name) - brought <= 1
    ((error, failures),) = world.sql(
        "SELECT last_error, failures FROM indicators_source WHERE name = %s", (name,)
    )
    assert (error, failures) == ("", 0)
    # Its upstream ends with this test, and other tests use this world too.
    world.sql("UPDATE indicators_source SET enabled = false WHERE name = %s", (name,))
