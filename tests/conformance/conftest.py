"""Fixtures of the conformance suite: the three actors, and a shelf of objects in `exchange`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conformance import stix
from tests.conformance.client import Client, assert_taxii
from tests.world import World

#: Every endpoint with a GET (§3.1), by the names that `places` fills in.
ENDPOINTS = {
    "discovery": "/taxii2/",
    "api-root": "{root}",
    "collections": "{root}collections/",
    "collection": "{exchange}",
    "manifest": "{exchange}manifest/",
    "objects": "{exchange}objects/",
    "object": "{exchange}objects/{object}/",
    "versions": "{exchange}objects/{object}/versions/",
    "status": "{root}status/{status}/",
}
PAGED = ("objects", "manifest", "object", "versions")


@dataclass(slots=True)
class Shelf:
    """Objects that stand in `exchange` while the suite runs and that no test changes.

    `objects` in the order in which they were posted, all versions; `versioned` has three, `single` one.
    """

    versioned: list[stix.Object]
    single: stix.Object
    marking: stix.Object
    observable: stix.Object
    objects: list[stix.Object] = field(default_factory=list)
    status: Any = None

    @property
    def ids(self) -> list[str]:
        """Each id once, in the order of first appearance."""
        return list(dict.fromkeys(one["id"] for one in self.objects))

    def latest(self) -> list[stix.Object]:
        """The latest version of each, in the order in which those were added."""
        last = {one["id"]: one for one in self.objects}
        return [one for one in self.objects if last[one["id"]] is one]


Submit = Callable[..., Any]


@pytest.fixture(scope="session")
def lab_a(world: World) -> Iterator[Client]:
    """May read and write `exchange`."""
    client = Client(world.url, world.token("lab-a", "rw"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def lab_b(world: World) -> Iterator[Client]:
    """May read `exchange`."""
    client = Client(world.url, world.token("lab-b", "ro"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def outsider(world: World) -> Iterator[Client]:
    """Is known to the server, and to no community."""
    client = Client(world.url, world.token("outsider", "rw"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def anonymous(world: World) -> Iterator[Client]:
    client = Client(world.url)
    yield client
    client.close()


@pytest.fixture(scope="session")
def root(world: World) -> str:
    return f"/taxii2/{world.community}/"


@pytest.fixture(scope="session")
def exchange(world: World, root: str) -> str:
    return f"{root}collections/{world.collection('exchange')}/"


@pytest.fixture(scope="session")
def inbox(lab_a: Client, root: str) -> str:
    """lab-a's own inbox, found as a client finds it."""
    collections = assert_taxii(lab_a.get(f"{root}collections/"))["collections"]
    (one,) = [each for each in collections if each.get("alias") == "inbox"]
    return f"{root}collections/{one['id']}/"


@pytest.fixture(scope="session")
def submit(world: World, lab_a: Client, exchange: str) -> Submit:
    """Posts objects as lab-a and waits until nothing is pending; returns the final status."""

    def _submit(*objects: stix.Object, to: str = exchange, clean: bool = True) -> Any:
        assert lab_a.token is not None
        answer = lab_a.post(f"{to}objects/", {"objects": objects})
        final = world.wait(assert_taxii(answer, 202), lab_a.token)
        assert final["status"] == "complete"
        if clean:
            assert final["failure_count"] == 0, final["failures"]
        return final

    return _submit


@pytest.fixture(scope="session")
def shelf(submit: Submit) -> Shelf:
    """What most tests read. Posted in three requests, so that it spans several batches."""
    indicators = [stix.indicator(name=f"indicator {n}") for n in range(8)]
    versioned = stix.versions_of(stix.indicator())
    malware, campaign, pattern = stix.malware(), stix.campaign(), stix.attack_pattern()
    marking = stix.statement()
    observables = [stix.domain_name(), stix.domain_name(spec_version="2.1"), stix.url(), stix.file()]
    shelf = Shelf(versioned, indicators[0], marking, observables[0])
    for batch in (
        [marking, stix.identity(), *indicators[:4], versioned[0], observables[0]],
        [malware, campaign, pattern, versioned[1], *observables[1:]],
        [*indicators[4:], versioned[2], stix.relationship(indicators[0], malware)],
    ):
        shelf.status = submit(*batch)
        shelf.objects += batch
    return shelf


@pytest.fixture(scope="session")
def places(root: str, exchange: str, shelf: Shelf) -> dict[str, str]:
    """What fills in the templates of ENDPOINTS. The object there has three versions."""
    return {
        "root": root,
        "exchange": exchange,
        "object": shelf.versioned[0]["id"],
        "status": shelf.status["id"],
    }
