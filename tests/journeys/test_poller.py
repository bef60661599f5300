"""Pollers lose nothing and repeat nothing while eight writers post (clients.md 4 to 7)."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import requests

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys.steps import GREEN, indicator
from tests.world import World

WRITERS, ENVELOPES, OBJECTS = 8, 13, 20
FIRST, LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"


@dataclass(slots=True)
class Poller:
    """One consumer: `step` makes one request and says whether it brought anything."""

    world: World
    session: requests.Session = field(default_factory=requests.Session)
    added_after: str = ""
    next: str = ""
    ids: list[str] = field(default_factory=list)
    requests_made: int = 0

    def get(self, **query: str) -> requests.Response:
        self.requests_made += 1
        answer = self.session.get(
            f"{self.world.root('stream')}collections/green/objects/",
            params={name: value for name, value in query.items() if value},
            headers=self.world.token("lab-b", "ro").bearer,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        self.ids += [one["id"] for one in answer.json()["objects"]]
        return answer

    def by_added_after(self) -> bool:
        """Each request asks for what was added after the last header."""
        answer = self.get(added_after=self.added_after, limit="100")
        self.added_after = answer.headers.get(LAST, self.added_after)
        return bool(answer.json()["objects"])

    def by_next(self) -> bool:
        """Follows `next` while there is more, then asks for what is new."""
        answer = self.get(added_after=self.added_after, next=self.next, limit="70")
        page = answer.json()
        self.next = page.get("next", "")
        if not page["more"]:
            self.added_after = answer.headers.get(LAST, self.added_after)
        return bool(page["objects"])

    def by_milliseconds(self) -> bool:
        """As OpenCTI: cuts the microseconds off the header, and so may see the end of a page again."""
        answer = self.get(added_after=self.added_after)
        if answer.json()["objects"]:
            self.added_after = answer.headers[LAST][:23] + "Z"
        return bool(answer.json()["objects"])


@pytest.fixture(scope="module")
def pollers(world: World, communities: None) -> dict[str, Poller]:
    """Three pollers that ran while eight writers posted, until nothing more came."""
    found = {name: Poller(world) for name in ("by_added_after", "by_next", "by_milliseconds")}
    written = threading.Event()

    def poll(name: str) -> None:
        step: Callable[[], bool] = getattr(found[name], name)
        while True:
            done = written.is_set()
            if not step() and done:
                return
            time.sleep(0.01)

    with ThreadPoolExecutor(WRITERS) as writers, ThreadPoolExecutor(len(found)) as readers:
        polling = [readers.submit(poll, name) for name in found]
        try:
            list(writers.map(lambda number: write(world, number), range(WRITERS)))
            world.settle(180)
        finally:
            written.set()
        for one in polling:
            one.result(60)
    return found


def write(world: World, number: int) -> None:
    organization = ("lab-a", "lab-b", "cloud-c")[number % 3]
    for envelope in batches():
        world.post(organization, envelope, community="stream")


def batches() -> Iterator[list[Object]]:
    for _ in range(ENVELOPES):
        yield [
            indicator(stix.domain()) if number % 4 == 0 else stix.campaign(object_marking_refs=[GREEN])
            for number in range(OBJECTS)
        ]


def everything(world: World) -> list[str]:
    return [one["id"] for one in world.objects("lab-b", "green", community="stream", query="limit=5000")]


@pytest.mark.parametrize("name", ["by_added_after", "by_next"])
def test_a_poller_sees_each_object_once_and_in_order(
    world: World, pollers: dict[str, Poller], name: str
) -> None:
    poller = pollers[name]

    expected = everything(world)

    assert len(expected) >= WRITERS * ENVELOPES * OBJECTS >= 2_000
    assert len(set(expected)) == len(expected)
    assert poller.ids == expected
    assert poller.requests_made > 10


def test_a_poller_that_cuts_microseconds_off_loses_nothing_and_comes_to_rest(
    world: World, pollers: dict[str, Poller]
) -> None:
    poller = pollers["by_milliseconds"]

    resting = poller.by_milliseconds()

    counted = Counter(poller.ids)
    assert set(counted) == set(everything(world))
    assert not resting


def test_the_log_has_no_gap_and_its_times_increase(world: World, pollers: dict[str, Poller]) -> None:
    for (collection,) in world.sql(
        "SELECT k.id FROM sharing_collection k JOIN accounts_community c ON c.id = k.community_id"
        " WHERE c.slug = 'stream'"
    ):
        rows = world.sql(
            "SELECT index, added FROM sharing_entry WHERE collection_id = %s ORDER BY index", (collection,)
        )

        added = [one for _, one in rows]
        assert [index for index, _ in rows] == list(range(len(rows)))
        assert added == sorted(set(added))


def test_any_page_can_be_asked_for_again(world: World, pollers: dict[str, Poller]) -> None:
    """clients.md 4: kill and retry any page."""
    query = "limit=333"
    url = f"{world.root('stream')}collections/green/objects/"
    headers = world.token("lab-b", "ro").bearer
    following = ""
    while True:
        first, again = (
            requests.get(f"{url}?{query}&next={following}", headers=headers, timeout=30) for _ in range(2)
        )

        assert first.content == again.content
        assert (first.headers.get(FIRST), first.headers.get(LAST)) == (
            again.headers.get(FIRST),
            again.headers.get(LAST),
        )
        if not first.json()["more"]:
            return
        assert len(first.json()["objects"]) == 333
        following = first.json()["next"]
