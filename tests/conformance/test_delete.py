"""Delete an object (§5.7; clients.md 14)."""

from collections.abc import Callable, Iterator

import pytest

from tests.conformance import stix
from tests.conformance.client import Client, assert_error, assert_taxii
from tests.conformance.conftest import Submit

V1, V2, V3 = stix.VERSIONS
# What each deletes, by the places of the three versions.
FILTERS = {
    "": [0, 1, 2],
    "match[version]=all": [0, 1, 2],
    "match[version]=last": [2],
    "match[version]=first": [0],
    "match[version]=first,last": [0, 2],
    f"match[version]={V2}": [1],
    f"match[version]={V1},{V2}": [0, 1],
    f"match[version]={V1},{V2},{V3}": [0, 1, 2],
    "match[version]=2024-05-02T08:00:00Z": [1],
    f"match[version]={V2},2001-01-01T00:00:00.000Z": [1],
    "match[spec_version]=2.1": [0, 1, 2],
    "match[spec_version]=2.0,2.1&match[version]=last": [2],
    "foo=bar": [0, 1, 2],
    "match%5Bversion%5D=last": [2],
}
NOTHING = [
    "match[spec_version]=2.0",
    "match[version]=2001-01-01T00:00:00.000Z",
    "match[version]=all&match[spec_version]=2.0",
    "match[version]=2024-05-02T08:00:00.001Z",
]
MALFORMED = [
    "match[version]=",
    "match[version]=,",
    "match[version]=lst",
    "match[version]=LAST",
    "match[version]=latest",
    "match[version]=last,",
    "match[version]=last,last",
    "match[version]=all,last",
    "match[version]=all,2024-05-02T08:00:00.000Z",
    "match[version]=2024-05-02",
    "match[version]=2024-02-30T08:00:00.000Z",
    "match[version]=2024-05-02T08:00:00.000z",
    "match[version]=2024-05-02T08:00:00.000+00:00",
    "match[version]=%00",
    "match[version]=%FF",
    "match[version]=%",
    "match[version]=last&match[version]=last",
    "match[version]=last&match[version]=first",
    "match[version]=last&match%5Bversion%5D=first",
    "match[spec_version]=",
    "match[spec_version]=2",
    "match[spec_version]=2.1,",
    "match[spec_version]=2.1&match[spec_version]=2.1",
    "match[spec_version]=latest",
    "match[versions]=last",
    "match[Version]=last",
    "match[version=last",
    "match%5Bversion=last",
    "match=last",
    "match[foo]=bar",
    "match[type]=malware",
    "match[id]=malware--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
    "version=2024-05-02T08:00:00.000Z",
    "added_after=2024-05-02T08:00:00.000Z",
    "added_after=x",
    "limit=0",
]


@pytest.fixture(scope="module")
def doomed(submit: Submit) -> Iterator[list[stix.Object]]:
    """Objects of three versions each, posted together and taken one by one."""
    objects = [
        stix.versions_of(stix.malware()) for _ in range(len(FILTERS) + len(NOTHING) + len(MALFORMED) + 12)
    ]
    submit(*(version for three in objects for version in three))
    return iter(objects)


def _standing(client: Client, exchange: str, identifier: str) -> list[stix.Object]:
    return client.crawl(f"{exchange}objects/?match[version]=all&match[id]={identifier}")


@pytest.mark.parametrize("query", FILTERS)
def test_a_delete_deletes_what_it_names_and_no_more(
    lab_a: Client, lab_b: Client, exchange: str, doomed: Iterator[list[stix.Object]], query: str
) -> None:
    """§5.7: without match[version] the whole object, else these versions; gone for every reader."""
    three = next(doomed)
    identifier = three[0]["id"]
    answer = lab_a.delete(f"{exchange}objects/{identifier}/?{query}")
    assert answer.status == 200, answer.body
    assert answer.media_type == "application/taxii+json;version=2.1"
    left = [one for place, one in enumerate(three) if place not in FILTERS[query]]
    for client in (lab_a, lab_b):
        assert _standing(client, exchange, identifier) == left
        target = f"match[version]=all&match[id]={identifier}"
        records = client.crawl(f"{exchange}manifest/?{target}")
        assert [record["version"] for record in records] == [one["modified"] for one in left]
        one_object = client.get(f"{exchange}objects/{identifier}/")
        versions = client.get(f"{exchange}objects/{identifier}/versions/")
        if left:
            assert assert_taxii(one_object)["objects"] == left[-1:]
            assert assert_taxii(versions)["versions"] == [one["modified"] for one in left]
        else:
            assert_error(one_object, 404)
            assert_error(versions, 404)


@pytest.mark.parametrize("query", NOTHING)
def test_a_delete_of_what_is_not_there_is_404_and_deletes_nothing(
    lab_a: Client, exchange: str, doomed: Iterator[list[stix.Object]], query: str
) -> None:
    """§5.7: 404; the filters select nothing."""
    three = next(doomed)
    assert_error(lab_a.delete(f"{exchange}objects/{three[0]['id']}/?{query}"), 404)
    assert _standing(lab_a, exchange, three[0]["id"]) == three


@pytest.mark.parametrize("query", MALFORMED)
def test_a_malformed_filter_deletes_nothing(
    lab_a: Client, exchange: str, doomed: Iterator[list[stix.Object]], query: str
) -> None:
    """§3.4: 400 for what is malformed; clients.md 14: what is not understood never widens a DELETE."""
    three = next(doomed)
    assert_error(lab_a.delete(f"{exchange}objects/{three[0]['id']}/?{query}"), 400)
    assert _standing(lab_a, exchange, three[0]["id"]) == three


def test_a_deleted_version_is_404_when_it_is_asked_for(
    lab_a: Client, exchange: str, doomed: Iterator[list[stix.Object]]
) -> None:
    """§5.7: "any subsequent attempts to fetch that object/version … MUST return an HTTP 404"."""
    three = next(doomed)
    target = f"{exchange}objects/{three[0]['id']}/?match[version]={V2}"
    assert lab_a.delete(target).status == 200
    assert_error(lab_a.get(target), 404)
    assert_error(lab_a.delete(target), 404)


def test_a_second_delete_is_404(lab_a: Client, exchange: str, doomed: Iterator[list[stix.Object]]) -> None:
    """§5.7: Object ID not found."""
    target = f"{exchange}objects/{next(doomed)[0]['id']}/"
    assert lab_a.delete(target).status == 200
    assert_error(lab_a.delete(target), 404)
    assert_error(lab_a.get(target), 404)


@pytest.mark.parametrize("actor", ["lab_b", "outsider", "anonymous"])
def test_who_may_not_write_deletes_nothing(
    request: pytest.FixtureRequest,
    lab_a: Client,
    exchange: str,
    doomed: Iterator[list[stix.Object]],
    actor: str,
) -> None:
    """§5.7, table: 403 for a reader, 404 for who sees nothing; §1.6.9: 401."""
    client: Client = request.getfixturevalue(actor)
    three = next(doomed)
    status = {"lab_b": 403, "outsider": 404, "anonymous": 401}[actor]
    assert_error(client.delete(f"{exchange}objects/{three[0]['id']}/"), status)
    assert _standing(lab_a, exchange, three[0]["id"]) == three


def test_after_the_latest_is_deleted_the_one_before_is_the_latest(
    lab_a: Client, exchange: str, doomed: Iterator[list[stix.Object]]
) -> None:
    """§3.4.1 over what stands now."""
    three = next(doomed)
    target = f"{exchange}objects/{three[0]['id']}/"
    for left in (three[:2], three[:1]):
        assert lab_a.delete(f"{target}?match[version]=last").status == 200
        assert assert_taxii(lab_a.get(target))["objects"] == left[-1:]
        assert lab_a.crawl(f"{exchange}objects/?match[id]={three[0]['id']}") == left[-1:]
    assert lab_a.delete(f"{target}?match[version]=last").status == 200
    assert_error(lab_a.get(target), 404)


@pytest.mark.parametrize("kind", [stix.statement, stix.domain_name, stix.indicator, stix.identity])
def test_an_object_of_each_kind_can_be_deleted(
    submit: Submit, lab_a: Client, exchange: str, kind: Callable[[], stix.Object]
) -> None:
    """§5.7: also what has no modified."""
    one = kind()
    submit(one)
    assert lab_a.delete(f"{exchange}objects/{one['id']}/").status == 200
    assert_error(lab_a.get(f"{exchange}objects/{one['id']}/"), 404)
    assert _standing(lab_a, exchange, one["id"]) == []


def test_an_owner_can_delete_from_its_inbox(submit: Submit, lab_a: Client, inbox: str) -> None:
    """§5.7: can_read and can_write are true there."""
    one = stix.malware()
    submit(one, to=inbox)
    assert lab_a.delete(f"{inbox}objects/{one['id']}/").status == 200
    assert _standing(lab_a, inbox, one["id"]) == []


def test_a_delete_in_one_collection_leaves_the_other_alone(
    submit: Submit, lab_a: Client, inbox: str, exchange: str
) -> None:
    """§5.7: from this collection; others MAY follow, ours do not."""
    one = stix.malware()
    submit(one)
    submit(one, to=inbox)
    assert lab_a.delete(f"{inbox}objects/{one['id']}/").status == 200
    assert _standing(lab_a, exchange, one["id"]) == [one]


def test_pages_go_on_after_what_they_stopped_at_is_deleted(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """§3.5: objects may be deleted between requests; no other is lost or repeated."""
    five = [stix.malware() for _ in range(5)]
    submit(*five)
    target = f"{exchange}objects/?match[id]={','.join(one['id'] for one in five)}&limit=2"
    page = assert_taxii(lab_a.get(target))
    assert lab_a.delete(f"{exchange}objects/{five[1]['id']}/").status == 200
    assert lab_a.delete(f"{exchange}objects/{five[3]['id']}/").status == 200
    assert page["objects"] == five[:2]
    assert lab_a.crawl(f"{target}&next={page['next']}") == [five[2], five[4]]


def test_an_object_can_be_posted_again_after_its_deletion(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """§5.5: not a duplicate of anything that is present; the answer is a success or says why not."""
    one = stix.malware()
    submit(one)
    assert lab_a.delete(f"{exchange}objects/{one['id']}/").status == 200
    status = submit(one, clean=False)
    assert all(detail["message"] for detail in status.get("failures", []))
    assert _standing(lab_a, exchange, one["id"]) == ([one] if status["success_count"] else [])
