"""kill -9 of what pulls and of what is pulled: ten thousand objects of a real medallion, none lost, none doubled."""

import os
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
)
from tests.world import World

pytestmark = pytest.mark.faults

COLLECTIONS = int(os.environ.get("PULLED_COLLECTIONS", "10"))
"""Of a thousand objects each, pulled one after the other."""


@pytest.fixture
def medallion(tmp_path: Path) -> Iterator[Medallion]:
    server = Medallion(tmp_path, {})
    yield server
    if server.process is not None:
        server.kill()


def test_ten_thousand_objects_are_pulled_with_kills_in_between(frail: World, medallion: Medallion) -> None:
    """Of a medallion, which looks at every object for each object, in collections that it can serve."""
    medallion.page = 100
    medallion.objects |= {str(uuid4()): campaigns(1000) for _ in range(COLLECTIONS)}
    medallion.start()
    names = connect(frail, medallion)
    frail.sql("UPDATE indicators_source SET next_at = now() + interval '1 hour'")
    chance, kills = random.Random(20261), 0

    for number, name in enumerate(names):
        kills += kill_in_mid_pull(frail, name, chance)
        if number % 3 == 0:
            medallion.kill()
            medallion.start()
        pull(frail, name)

    assert kills >= COLLECTIONS / 2
    assert_all_there_once(frail, medallion)
