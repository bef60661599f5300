"""Fixtures for all tests. The services themselves come from tests/services.py."""

from collections.abc import Iterator

import pytest

from tests.world import World


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: None) -> None:
    """Tests that use the database start the services: pytest-django asks for this before it makes one."""


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """One running service for all tests that talk to it over HTTP."""
    with World.start() as running:
        yield running
