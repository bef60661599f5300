"""A running service of the suite's own, to be broken."""

from collections.abc import Iterator

import pytest

from tests.world import World


@pytest.fixture
def frail() -> Iterator[World]:
    """Nobody else's: what is killed in it harms no other test."""
    with World.start() as running:
        running.community = "allies"
        yield running
