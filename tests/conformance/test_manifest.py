"""Object manifests (§5.3)."""

import re

import pytest

from tests.conformance import stix
from tests.conformance.client import Client, assert_taxii
from tests.conformance.conftest import Shelf, Submit
from tests.conformance.selections import among_shelf

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")


@pytest.mark.parametrize(
    "query", ["", "match[version]=all", "match[version]=first", "match[type]=indicator", "limit=3"]
)
def test_every_record_has_what_the_text_requires(
    lab_a: Client, exchange: str, shelf: Shelf, query: str
) -> None:
    """§5.3.1: id, date_added (a timestamp), version (a string), media_type of the collection."""
    manifest = assert_taxii(lab_a.get(f"{exchange}manifest/?{query}"))
    assert manifest["objects"]
    for record in manifest["objects"]:
        assert set(record) == {"id", "date_added", "version", "media_type"}
        assert TIMESTAMP.fullmatch(record["date_added"])
        assert isinstance(record["version"], str)
        assert record["media_type"] == "application/stix+json;version=2.1"


def test_the_version_is_modified_as_the_object_spells_it(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """§5.3.1: version is a string, "the STIX modified property is the version": not a TAXII timestamp."""
    for spelling in (
        "2024-05-01T08:00:00.500Z",
        "2024-05-01T08:00:00.500000Z",
        "2024-05-01T08:00:00.123456789Z",
    ):
        one = stix.malware(modified=spelling)
        submit(one)
        (record,) = lab_a.crawl(f"{exchange}manifest/?match[id]={one['id']}")
        assert record["version"] == spelling


def test_the_version_of_an_object_without_modified_is_created(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§5.3.1: MUST use created."""
    (record,) = lab_a.crawl(f"{exchange}manifest/?match[id]={shelf.marking['id']}")
    assert record["version"] == shelf.marking["created"]


def test_the_version_of_an_observable_is_its_date_added_and_stays(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """§5.3.1: consistent to the server; clients.md 14."""
    one = stix.domain_name()
    submit(one)
    (record,) = lab_a.crawl(f"{exchange}manifest/?match[id]={one['id']}")
    assert record["version"] == record["date_added"]
    submit(one)
    assert lab_a.crawl(f"{exchange}manifest/?match[id]={one['id']}&match[version]=all") == [record]
    versions = assert_taxii(lab_a.get(f"{exchange}objects/{one['id']}/versions/"))["versions"]
    assert versions == [record["version"]]


def test_every_version_has_a_record_of_its_own(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§5.3.1: one record captures a single version."""
    target = f"{exchange}manifest/?match[version]=all&match[id]={shelf.versioned[0]['id']}"
    records = lab_a.crawl(target)
    assert [record["version"] for record in records] == list(stix.VERSIONS)


def test_records_come_in_the_order_of_date_added(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§3.3: ascending."""
    records = lab_a.crawl(f"{exchange}manifest/?{among_shelf(shelf, 'match[version]=all')}")
    dates = [record["date_added"] for record in records]
    assert dates == sorted(dates)
    assert [record["id"] for record in records] == [one["id"] for one in shelf.objects]


@pytest.mark.parametrize(
    "query", ["match[type]=x-nothing", "added_after=2999-01-01T00:00:00Z", "match[spec_version]=2.0"]
)
def test_a_manifest_of_nothing_is_an_empty_object(lab_a: Client, exchange: str, query: str) -> None:
    """§5.3.1: "this key MUST be omitted, and the response is an empty object"."""
    assert assert_taxii(lab_a.get(f"{exchange}manifest/?{query}")) == {}


@pytest.mark.parametrize("alias", ["exchange", "amber", "green", "green-core", "inbox"])
def test_the_manifest_of_every_readable_collection_agrees_with_its_objects(
    lab_a: Client, root: str, alias: str
) -> None:
    """§5.3: metadata about the objects that §5.4 gives."""
    records = lab_a.crawl(f"{root}collections/{alias}/manifest/?match[version]=all")
    objects = lab_a.crawl(f"{root}collections/{alias}/objects/?match[version]=all")
    # More may have been published between the two.
    assert len(objects) >= len(records)
    for record, one in zip(records, objects, strict=False):
        assert record["id"] == one["id"]
        assert stix.version_of(one) in (None, record["version"])


def test_the_manifest_of_a_long_collection_is_paged_with_next(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """clients.md 3: taxii2-client cannot follow `more` without `next`."""
    page = assert_taxii(lab_a.get(f"{exchange}manifest/?limit=1"))
    assert page["more"] is True
    assert page["next"]
