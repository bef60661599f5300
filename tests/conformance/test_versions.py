"""Object versions (§5.8)."""

import pytest

from tests.conformance import stix
from tests.conformance.client import FIRST, LAST, Client, assert_taxii
from tests.conformance.conftest import Shelf, Submit


def _versions(client: Client, exchange: str, identifier: str, query: str = "") -> list[str]:
    return client.crawl(f"{exchange}objects/{identifier}/versions/?{query}", "versions")


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
@pytest.mark.parametrize(
    "query",
    [
        "",
        "match[spec_version]=2.1",
        "match[spec_version]=2.0,2.1",
        "match[version]=last",
        "limit=100",
        "foo=bar",
    ],
)
def test_every_version_is_listed_in_the_order_of_adding(
    request: pytest.FixtureRequest, exchange: str, shelf: Shelf, query: str, actor: str
) -> None:
    """§5.8: one or more versions, as the objects spell them; match[version] is no filter here."""
    client: Client = request.getfixturevalue(actor)
    assert _versions(client, exchange, shelf.versioned[0]["id"], query) == list(stix.VERSIONS)


def test_the_resource_has_more_and_versions_only(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§5.8.1."""
    answer = lab_a.get(f"{exchange}objects/{shelf.single['id']}/versions/")
    resource = assert_taxii(answer)
    assert set(resource) <= {"more", "versions"}
    assert resource.get("more", False) is False
    assert resource["versions"] == [shelf.single["modified"]]


def test_without_modified_it_is_created(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§5.8: MUST use the created timestamp."""
    assert _versions(lab_a, exchange, shelf.marking["id"]) == [shelf.marking["created"]]


def test_without_either_it_is_what_the_manifest_says(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§5.3.1, §5.8: consistent to the server."""
    (record,) = lab_a.crawl(f"{exchange}manifest/?match[id]={shelf.observable['id']}")
    assert _versions(lab_a, exchange, shelf.observable["id"]) == [record["version"]]


@pytest.mark.parametrize("query", ["match[spec_version]=2.0", "added_after=2999-01-01T00:00:00Z"])
def test_when_nothing_matches_the_answer_is_an_empty_object(
    lab_a: Client, exchange: str, shelf: Shelf, query: str
) -> None:
    """§5.8.1: "this key MUST be omitted, and the response is an empty object"."""
    answer = lab_a.get(f"{exchange}objects/{shelf.single['id']}/versions/?{query}")
    assert assert_taxii(answer) == {}
    assert answer.headers[FIRST] == answer.headers[LAST]


def test_versions_posted_together_are_all_there(submit: Submit, lab_a: Client, exchange: str) -> None:
    """§5.8: and in the order of the envelope."""
    three = stix.versions_of(stix.malware())
    submit(*three)
    assert _versions(lab_a, exchange, three[0]["id"]) == list(stix.VERSIONS)


def test_versions_go_by_date_added_when_posted_out_of_order(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """§3.3 for a list whose pages are cut by date added."""
    first, second, third = stix.versions_of(stix.malware())
    submit(third)
    submit(first, second)
    assert _versions(lab_a, exchange, first["id"]) == [stix.VERSIONS[2], stix.VERSIONS[0], stix.VERSIONS[1]]


def test_added_after_leaves_out_the_versions_before_it(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§5.8: URL filtering parameters."""
    target = f"{exchange}manifest/?match[version]=all&match[id]={shelf.versioned[0]['id']}"
    dates = [record["date_added"] for record in lab_a.crawl(target)]
    for place, date in enumerate(dates):
        after = _versions(lab_a, exchange, shelf.versioned[0]["id"], f"added_after={date}")
        assert after == list(stix.VERSIONS[place + 1 :])
