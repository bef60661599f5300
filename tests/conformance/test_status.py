"""Get status (§4.3; clients.md 12)."""

import pytest

from tests.conformance import stix
from tests.conformance.client import Client, assert_error, assert_taxii
from tests.conformance.conftest import Shelf, Submit
from tests.conformance.test_objects_post import _is_status

UNKNOWN = [
    "2d086da7-4bdc-4f91-900e-d77486753710",
    "00000000-0000-4000-8000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "2d086da7-4bdc-4f91-900e",
    "2d086da74bdc4f91900ed77486753710",
    "%7B2d086da7-4bdc-4f91-900e-d77486753710%7D",
    "urn:uuid:2d086da7-4bdc-4f91-900e-d77486753710",
    "0",
    "-1",
    "1e3",
    "99999999999999999999999",
    "status",
    "null",
    "%20",
    "%00",
    "%FF",
    "%C3%A9",
    "..%2F",
    "'%20OR%201=1",
    "a" * 1_000,
]


def test_a_final_status_stays_the_same(lab_a: Client, root: str, shelf: Shelf) -> None:
    """§4.3.1: complete means that it is not updated further; kept at least 24 hours."""
    first = assert_taxii(lab_a.get(f"{root}status/{shelf.status['id']}/"))
    _is_status(first)
    assert first["status"] == "complete"
    assert first == assert_taxii(lab_a.get(f"{root}status/{shelf.status['id']}/")) == shelf.status


@pytest.mark.parametrize("identifier", UNKNOWN)
@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
def test_an_unknown_or_malformed_status_is_404(
    request: pytest.FixtureRequest, root: str, identifier: str, actor: str
) -> None:
    """§4.3: 404 for a status that is not available."""
    client: Client = request.getfixturevalue(actor)
    assert_error(client.get(f"{root}status/{identifier}/"), 400, 404)


@pytest.mark.parametrize("actor", ["lab_b", "outsider"])
def test_a_status_is_its_submitters_alone(
    request: pytest.FixtureRequest, root: str, shelf: Shelf, actor: str
) -> None:
    """§4.3: 404 for a client without access (clients.md 12)."""
    client: Client = request.getfixturevalue(actor)
    assert_error(client.get(f"{root}status/{shelf.status['id']}/"), 404)


def test_there_is_no_list_of_statuses(lab_a: Client, root: str) -> None:
    """§3.1: no such endpoint."""
    assert_error(lab_a.get(f"{root}status/"), 404)


def test_failures_and_successes_are_listed_apart(submit: Submit) -> None:
    """§4.3.1."""
    good, bad = stix.malware(), stix.malware(is_family="no")
    status = submit(good, bad, clean=False)
    _is_status(status)
    assert [detail["id"] for detail in status["failures"]] == [bad["id"]]
    assert bad["id"] not in [detail["id"] for detail in status.get("successes", [])]
    assert status["failures"][0]["version"] == bad["modified"]


@pytest.mark.parametrize("query", ["?limit=abc", "?match[type]=", "?foo=1&foo=2"])
def test_parameters_mean_nothing_to_a_status(lab_a: Client, root: str, shelf: Shelf, query: str) -> None:
    """§4.3 has no filters."""
    assert_taxii(lab_a.get(f"{root}status/{shelf.status['id']}/{query}"))
