"""sharing.taxii.resources and headers (TAXII 2.1 §3.2, §3.7, §4, §5; clients.md 3, 7, 11, 12)."""

import json
from uuid import UUID

import pytest

from sharing.taxii import resources
from sharing.taxii.headers import date_added_headers
from sharing.taxii.resources import Collection, ManifestRecord, StatusDetail

ID = UUID("91a7b528-80eb-42ed-a74d-c6fbd5a26116")
ROOT = "https://example.com/taxii2/frontier/"
NOW = 1_577_836_800_000_001


def test_discovery_omits_what_is_empty() -> None:
    assert json.loads(resources.discovery(title="T", api_roots=[])) == {"title": "T"}
    assert json.loads(
        resources.discovery(title="T", api_roots=[ROOT], default=ROOT, description="D", contact="C")
    ) == {"title": "T", "description": "D", "contact": "C", "default": ROOT, "api_roots": [ROOT]}


def test_the_default_root_must_be_one_of_the_roots() -> None:
    with pytest.raises(ValueError, match="default"):
        resources.discovery(title="T", api_roots=[], default=ROOT)


def test_an_api_root_names_its_versions_and_its_longest_body() -> None:
    assert json.loads(resources.api_root(title="T", max_content_length=10)) == {
        "title": "T",
        "versions": ["application/taxii+json;version=2.1"],
        "max_content_length": 10,
    }


def test_a_collection_always_says_what_may_be_done_with_it() -> None:
    assert json.loads(resources.collection(Collection(ID, "T", False, False))) == {
        "id": str(ID),
        "title": "T",
        "can_read": False,
        "can_write": False,
        "media_types": ["application/stix+json;version=2.1"],
    }
    assert resources.collections([]) == b"{}"
    (one,) = json.loads(resources.collections([Collection(ID, "T", True, True, "D", "a")]))["collections"]
    assert (one["description"], one["alias"]) == ("D", "a")


def test_the_counts_of_a_status_add_up() -> None:
    status = json.loads(
        resources.status(
            id=ID,
            requested_at=NOW,
            successes=[StatusDetail("a--1", "v1")],
            failures=[StatusDetail("a--2", "v2", "no")],
            pending_count=2,
        )
    )
    assert status == {
        "id": str(ID),
        "status": "pending",
        "request_timestamp": "2020-01-01T00:00:00.000001Z",
        "total_count": 4,
        "success_count": 1,
        "successes": [{"id": "a--1", "version": "v1"}],
        "failure_count": 1,
        "failures": [{"id": "a--2", "version": "v2", "message": "no"}],
        "pending_count": 2,
    }


def test_a_status_is_complete_when_nothing_is_pending_unless_nothing_was_begun() -> None:
    assert json.loads(resources.status(id=ID, requested_at=0))["status"] == "complete"
    assert json.loads(resources.status(id=ID, requested_at=0, complete=False))["status"] == "pending"
    with pytest.raises(ValueError, match="pending"):
        resources.status(id=ID, requested_at=0, pending_count=1, complete=True)


def test_manifest_and_versions_are_empty_objects_when_there_is_nothing() -> None:
    assert resources.manifest([]) == resources.versions([]) == b"{}"


def test_a_manifest_record_keeps_the_objects_own_spelling_of_its_version() -> None:
    manifest = json.loads(
        resources.manifest([ManifestRecord("a--1", NOW, "2016-01-01T00:00:00.5Z")], more=True, next="n")
    )
    assert manifest == {
        "more": True,
        "next": "n",
        "objects": [
            {
                "id": "a--1",
                "date_added": "2020-01-01T00:00:00.000001Z",
                "version": "2016-01-01T00:00:00.5Z",
                "media_type": "application/stix+json;version=2.1",
            }
        ],
    }
    assert json.loads(resources.versions(["x"])) == {"more": False, "versions": ["x"]}


def test_an_envelope_is_stored_bytes_joined() -> None:
    assert resources.envelope(b"") == b'{"more":false,"objects":[]}'
    assert resources.envelope(b'{"a":1},{"b": 2}', more=True, next='n"') == (
        b'{"more":true,"next":"n\\"","objects":[{"a":1},{"b": 2}]}'
    )
    assert json.loads(resources.envelope(b"", extra=b'"x_log":{}')) == {
        "more": False,
        "objects": [],
        "x_log": {},
    }


@pytest.mark.parametrize(("more", "cursor"), [(True, None), (True, ""), (False, "n")])
def test_next_stands_exactly_where_more_is_true(more: bool, cursor: str | None) -> None:
    with pytest.raises(ValueError, match="next"):
        resources.envelope(b"", more=more, next=cursor)
    with pytest.raises(ValueError, match="next"):
        resources.manifest([], more=more, next=cursor)
    with pytest.raises(ValueError, match="next"):
        resources.versions([], more=more, next=cursor)


def test_date_added_headers_are_those_of_the_page_or_echo_the_question() -> None:
    first, last = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"
    assert date_added_headers(0, NOW, echo=7) == {
        first: "1970-01-01T00:00:00.000000Z",
        last: "2020-01-01T00:00:00.000001Z",
    }
    assert date_added_headers(None, None, echo=NOW)[last] == "2020-01-01T00:00:00.000001Z"
    assert date_added_headers(None, None)[first] == "1970-01-01T00:00:00.000000Z"
