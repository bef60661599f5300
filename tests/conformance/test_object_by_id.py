"""Get an object (§5.6)."""

import pytest

from tests.conformance import stix
from tests.conformance.client import FIRST, LAST, Client, assert_error, assert_taxii
from tests.conformance.conftest import Shelf

UNKNOWN = [
    "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
    "malware--00000000-0000-4000-8000-000000000000",
    "domain-name--3600ad1b-fff1-5c98-bcc9-4de3bc2e2ffb",
    "x-nothing--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
]
MALFORMED = [
    "indicator",
    "indicator--",
    "indicator--1",
    "3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
    "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb%00",
    "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb%0A",
    "%20",
    "%FF",
    "%C3%A9",
    "'%20OR%201=1",
    "a" * 1_000,
    "..%2f",
    "null",
]
V1, V2, V3 = stix.VERSIONS
SELECTIONS = {
    "": [2],
    "match[version]=last": [2],
    "match[version]=first": [0],
    "match[version]=all": [0, 1, 2],
    "match[version]=first,last": [0, 2],
    f"match[version]={V2}": [1],
    f"match[version]={V1},{V3}": [0, 2],
    f"match[version]={V2},last": [1, 2],
    "match[version]=2024-05-02T08:00:00Z": [1],
    "match[spec_version]=2.1": [2],
    "match[spec_version]=2.0,2.1&match[version]=all": [0, 1, 2],
    "match[version]=all&limit=2": [0, 1],
    "match[version]=all&added_after=1970-01-01T00:00:00Z": [0, 1, 2],
    "match[foo]=bar&foo=bar": [2],
}


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
@pytest.mark.parametrize("query", SELECTIONS)
def test_the_versions_asked_for_come_oldest_first(
    request: pytest.FixtureRequest, exchange: str, shelf: Shelf, query: str, actor: str
) -> None:
    """§5.6: filtering by version and spec_version, latest by default (§3.4.1)."""
    client: Client = request.getfixturevalue(actor)
    answer = client.get(f"{exchange}objects/{shelf.versioned[0]['id']}/?{query}")
    assert assert_taxii(answer)["objects"] == [shelf.versioned[place] for place in SELECTIONS[query]]
    assert answer.headers[FIRST] <= answer.headers[LAST]


@pytest.mark.parametrize("query", ["match[spec_version]=2.0", "added_after=2999-01-01T00:00:00Z"])
def test_when_nothing_matches_the_envelope_is_empty(
    lab_a: Client, exchange: str, shelf: Shelf, query: str
) -> None:
    """§5.6: "If no STIX objects are returned, the response MUST include an empty envelope"."""
    answer = lab_a.get(f"{exchange}objects/{shelf.single['id']}/?{query}")
    assert assert_taxii(answer) == {"more": False, "objects": []}
    assert answer.headers[FIRST]


def test_a_version_that_never_was_is_an_empty_envelope_or_404(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§5.6 says empty, §5.7 asks 404 for a deleted one; a server need not tell them apart."""
    answer = lab_a.get(f"{exchange}objects/{shelf.single['id']}/?match[version]=2001-01-01T00:00:00.000Z")
    if answer.status == 404:
        assert_error(answer, 404)
    else:
        assert assert_taxii(answer)["objects"] == []


@pytest.mark.parametrize("name", ["single", "marking", "observable"])
def test_an_object_of_each_kind_is_found_by_its_id(
    lab_a: Client, exchange: str, shelf: Shelf, name: str
) -> None:
    """§5.6: an envelope although there is one object."""
    one = getattr(shelf, name)
    assert assert_taxii(lab_a.get(f"{exchange}objects/{one['id']}/")) == {"more": False, "objects": [one]}


@pytest.mark.parametrize("identifier", UNKNOWN)
@pytest.mark.parametrize("rest", ["", "versions/"])
@pytest.mark.parametrize("query", ["", "?match[version]=all", "?limit=1"])
def test_an_unknown_object_is_404(
    lab_a: Client, exchange: str, identifier: str, rest: str, query: str
) -> None:
    """§5.6, §5.8: Object ID not found."""
    assert_error(lab_a.get(f"{exchange}objects/{identifier}/{rest}{query}"), 404)


@pytest.mark.parametrize("identifier", MALFORMED)
@pytest.mark.parametrize("rest", ["", "versions/"])
def test_a_malformed_object_id_is_an_error_resource(
    lab_a: Client, exchange: str, identifier: str, rest: str
) -> None:
    """§5.6, §5.8: 404; 400 is an answer the text allows."""
    assert_error(lab_a.get(f"{exchange}objects/{identifier}/{rest}"), 400, 404)


@pytest.mark.parametrize("identifier", [UNKNOWN[0], *MALFORMED])
def test_an_unknown_or_malformed_object_id_cannot_be_deleted(
    lab_a: Client, exchange: str, identifier: str
) -> None:
    """§5.7: 404."""
    assert_error(lab_a.delete(f"{exchange}objects/{identifier}/"), 400, 404)


def test_an_object_of_one_collection_is_not_in_another(lab_a: Client, inbox: str, shelf: Shelf) -> None:
    """§5.6: from this collection."""
    assert_error(lab_a.get(f"{inbox}objects/{shelf.marking['id']}/"), 404)


def test_an_object_id_percent_encoded_is_the_same(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """RFC 3986 §2.3: escapes of unreserved characters are equivalent."""
    encoded = shelf.single["id"].replace("-", "%2D")
    assert assert_taxii(lab_a.get(f"{exchange}objects/{encoded}/"))["objects"] == [shelf.single]
