"""Whole exchanges, as the Interoperability Test Document plays them, with an unmodified taxii2-client."""

from collections.abc import Iterator
from typing import Any

import pytest
from requests.exceptions import HTTPError
from taxii2client.common import TokenAuth
from taxii2client.exceptions import AccessError
from taxii2client.v21 import ApiRoot, Collection, Server, Status, as_pages

from tests.conformance import stix
from tests.conformance.client import FIRST, LAST, Client, assert_error, assert_taxii
from tests.conformance.conftest import ENDPOINTS, Shelf, Submit
from tests.world import World

ACTORS = {"lab_a": ("lab-a", "rw"), "lab_b": ("lab-b", "ro")}


@pytest.fixture(params=["lab_a", "lab_b"])
def member(request: pytest.FixtureRequest, world: World) -> tuple[str, str]:
    token = world.token(*ACTORS[request.param])
    return token.id, token.secret


@pytest.fixture
def producer(world: World, exchange: str) -> Iterator[Any]:
    """taxii2-client's Collection, as the one who writes."""
    token = world.token("lab-a", "rw")
    with Collection(world.url.rstrip("/") + exchange, user=token.id, password=token.secret) as collection:
        yield collection


@pytest.fixture
def consumer(world: World, exchange: str) -> Iterator[Any]:
    """taxii2-client's Collection, as one who reads."""
    token = world.token("lab-b", "ro")
    with Collection(world.url.rstrip("/") + exchange, user=token.id, password=token.secret) as collection:
        yield collection


def test_a_client_finds_its_way_from_discovery_to_the_objects(
    world: World, member: tuple[str, str], shelf: Shelf, exchange: str
) -> None:
    """Interop: discovery, API root, collections, objects, with one set of credentials."""
    user, password = member
    server = Server(f"{world.url.rstrip('/')}/taxii2/", user=user, password=password)
    assert server.title
    roots = [root for root in server.api_roots if root.url.endswith(f"/taxii2/{world.community}/")]
    (root,) = roots
    assert root.title
    assert "application/taxii+json;version=2.1" in root.versions
    (collection,) = [one for one in root.collections if one.id in exchange]
    assert collection.can_read
    found = collection.get_objects(id=shelf.single["id"])
    assert found["objects"] == [shelf.single]


def test_a_client_with_a_token_instead_of_basic_is_served(world: World, root: str) -> None:
    """Interop; clients.md 9: taxii2-client's TokenAuth."""
    token = world.token("lab-b", "ro")
    api_root = ApiRoot(world.url.rstrip("/") + root, auth=TokenAuth(token.secret))
    assert api_root.collections


def test_a_client_with_wrong_credentials_is_refused(world: World) -> None:
    """Interop: 401."""
    with pytest.raises(HTTPError) as refusal:
        Server(f"{world.url.rstrip('/')}/taxii2/", user="nobody", password="wrong").title  # noqa: B018
    assert refusal.value.response.status_code == 401


def test_what_one_client_adds_another_gets(producer: Any, consumer: Any) -> None:
    """Interop: add, wait for completion, get."""
    one = stix.indicator()
    status: Status = producer.add_objects({"objects": [one]}, wait_for_completion=True, poll_interval=0.2)
    assert status.status == "complete"
    assert (status.total_count, status.success_count, status.failure_count) == (1, 1, 0)
    assert consumer.get_object(one["id"])["objects"] == [one]
    assert consumer.get_objects(id=one["id"])["objects"] == [one]
    assert consumer.get_manifest(id=one["id"])["objects"][0]["version"] == one["modified"]
    assert consumer.object_versions(one["id"])["versions"] == [one["modified"]]


def test_a_status_can_be_refreshed(producer: Any, root: str, world: World) -> None:
    """Interop; §4.3."""
    token = world.token("lab-a", "rw")
    status = producer.add_objects({"objects": [stix.malware()]}, wait_for_completion=False)
    api_root = ApiRoot(world.url.rstrip("/") + root, user=token.id, password=token.secret)
    assert api_root.get_status(status.id).id == status.id
    status.wait_until_final(poll_interval=0.2, timeout=60)
    assert status.status == "complete"


def test_a_consumer_cannot_add(consumer: Any) -> None:
    """Interop: the client itself sees can_write; the server would say 403."""
    with pytest.raises(AccessError):
        consumer.add_objects({"objects": [stix.malware()]})


def test_what_one_client_deletes_another_does_not_get(producer: Any, consumer: Any) -> None:
    """Interop; §5.7."""
    one = stix.malware()
    producer.add_objects({"objects": [one]}, wait_for_completion=True, poll_interval=0.2)
    producer.delete_object(one["id"])
    with pytest.raises(HTTPError) as refusal:
        consumer.get_object(one["id"])
    assert refusal.value.response.status_code == 404
    assert consumer.get_objects(id=one["id"])["objects"] == []


@pytest.mark.parametrize("per_request", [1, 3, 7, 50, 1_000])
@pytest.mark.parametrize("endpoint", ["get_objects", "get_manifest"])
def test_as_pages_gets_everything_once(consumer: Any, shelf: Shelf, endpoint: str, per_request: int) -> None:
    """§3.5, clients.md 3: as_pages needs next with more, and full pages."""
    ids = {
        one["id"]
        for page in as_pages(getattr(consumer, endpoint), per_request=per_request, id=shelf.ids)
        for one in page.get("objects", [])
    }
    pages = list(as_pages(getattr(consumer, endpoint), per_request=per_request, id=shelf.ids))
    assert ids == set(shelf.ids)
    assert sum(len(page["objects"]) for page in pages) == len(shelf.ids)
    assert all(len(page["objects"]) == per_request for page in pages[:-1])


@pytest.mark.parametrize(
    "filters",
    [
        {"type": "indicator"},
        {"type": ["indicator", "malware"]},
        {"version": "all"},
        {"version": "first"},
        {"version": list(stix.VERSIONS)},
        {"spec_version": "2.1"},
        {"added_after": "2020-01-01T00:00:00Z"},
        {"added_after": "2020-01-01T00:00:00.123456Z", "type": "malware", "version": "all", "limit": 3},
    ],
    ids=str,
)
def test_filters_of_the_client_arrive(consumer: Any, shelf: Shelf, filters: dict[str, Any]) -> None:
    """§3.4 as taxii2-client writes it; objects and manifest agree."""
    objects = consumer.get_objects(id=shelf.ids, **filters)
    manifest = consumer.get_manifest(id=shelf.ids, **filters)
    assert [one["id"] for one in objects["objects"]] == [one["id"] for one in manifest["objects"]]
    assert objects["objects"]


@pytest.mark.parametrize("endpoint", ["objects", "manifest", "object", "versions"])
@pytest.mark.parametrize(
    "query",
    [
        "added_after=2020-01-01T00:00:00.000000Z&added_after=2021-01-01T00:00:00.000000Z",
        "limit=1&limit=2",
        "match[spec_version]=2.1&match[spec_version]=2.0",
        "match[version]=all&match[version]=last",
    ],
)
def test_a_repeated_field_is_a_bad_request(
    lab_b: Client, places: dict[str, str], endpoint: str, query: str
) -> None:
    """Interop §3.13.1.10: each field at most once in a request."""
    assert_error(lab_b.get(f"{ENDPOINTS[endpoint].format(**places)}?{query}"), 400)


def test_a_poller_sees_each_new_object_once(
    submit: Submit, lab_b: Client, exchange: str, shelf: Shelf
) -> None:
    """Interop: poll from X-TAXII-Date-Added-Last on, as Sentinel and Elastic do."""
    *_, last = lab_b.pages(f"{exchange}objects/?match[version]=all")
    after, seen, posted = last.headers[LAST], [], []
    for count in (1, 0, 3, 0, 2):
        new = [stix.malware() for _ in range(count)]
        if new:
            submit(*new)
        posted += new
        answer = lab_b.get(f"{exchange}objects/?match[version]=all&added_after={after}")
        page = assert_taxii(answer)["objects"]
        seen += [one for one in page if one["type"] == "malware"]
        assert answer.headers[FIRST] >= after
        assert (answer.headers[LAST] > after) is bool(page)
        after = answer.headers[LAST]
    assert seen == posted


def test_an_update_and_a_revocation_reach_a_poller(submit: Submit, lab_b: Client, exchange: str) -> None:
    """clients.md 17: the same id, a new modified, revoked."""
    first, second, third = stix.versions_of(stix.indicator())
    submit(first)
    after = lab_b.get(f"{exchange}objects/?match[id]={first['id']}").headers[LAST]
    submit(second)
    answer = lab_b.get(f"{exchange}objects/?match[id]={first['id']}&added_after={after}")
    assert assert_taxii(answer)["objects"] == [second]
    submit(third | {"revoked": True})
    answer = lab_b.get(f"{exchange}objects/?match[id]={first['id']}&added_after={answer.headers[LAST]}")
    assert assert_taxii(answer)["objects"] == [third | {"revoked": True}]


def test_elastic_follows_next_alone(lab_b: Client, exchange: str, shelf: Shelf) -> None:
    """clients.md 3: it goes on while there is a next, and sends nothing but that and its limit."""
    query = "match[type]=indicator,malware&match[version]=all"
    expected = lab_b.crawl(f"{exchange}objects/?{query}")
    page = assert_taxii(lab_b.get(f"{exchange}objects/?{query}&limit=3"))
    seen = page["objects"]
    while page.get("next"):
        page = assert_taxii(lab_b.get(f"{exchange}objects/?limit=3&next={page['next']}"))
        seen += page["objects"]
    assert seen == expected


def test_opencti_cuts_microseconds_and_loses_nothing(
    submit: Submit, lab_b: Client, exchange: str, shelf: Shelf
) -> None:
    """clients.md 6: added_after from a Last header cut to milliseconds."""
    *_, last = lab_b.pages(f"{exchange}objects/?match[version]=all")
    after = last.headers[LAST][:23] + "Z"
    new = [stix.malware() for _ in range(4)]
    submit(*new)
    answer = lab_b.get(f"{exchange}objects/?match[version]=all&added_after={after}")
    page = assert_taxii(answer)["objects"]
    assert [one for one in page if one in new] == new
    again = lab_b.get(f"{exchange}objects/?match[version]=all&added_after={answer.headers[LAST][:23]}Z")
    assert assert_taxii(again)["objects"] == []
