"""Fixtures for all tests. The services themselves come from tests/services.py."""

from collections.abc import Generator, Iterator

import pytest
from hypothesis import HealthCheck, settings
from pytest_django import DjangoDbBlocker
from pytest_django.plugin import blocking_manager_key as blocking_key

from tests import seeds
from tests.world import World

# A busy machine fails no property; and an action that is tried many times in one transaction is meant to be.
settings.register_profile(
    "stillwatch",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("stillwatch")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(services: None) -> None:
    """Tests that use the database start the services: pytest-django asks for this before it makes one."""


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """The database as the migrations made it, of which what they put into it is kept aside."""
    with django_db_blocker.unblock():
        seeds.keep()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """After a test that emptied the database: put back what migrations had put into it."""
    yield
    marker = item.get_closest_marker("django_db")
    emptied = marker is not None and marker.kwargs.get("transaction")
    if nextitem is not None and (emptied or "transactional_db" in getattr(item, "fixturenames", ())):
        with item.config.stash[blocking_key].unblock():
            seeds.restore()


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """One running service for all tests that talk to it over HTTP."""
    with World.start() as running:
        yield running
