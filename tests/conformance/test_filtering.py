"""URL query parameters: what they select, and what is malformed (§3.4, §3.4.1; clients.md 6, 8, 14)."""

from typing import Any

import pytest

from tests.conformance import stix
from tests.conformance.client import FIRST, LAST, Client, assert_error, assert_taxii
from tests.conformance.conftest import ENDPOINTS, PAGED, Shelf, Submit
from tests.conformance.selections import BY_ID, EVERY, SELECTIONS, among_shelf

ID = "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb"
TIMESTAMPS = [
    "",
    "yesterday",
    "0",
    "1577836800",
    "null",
    "2020",
    "2020-01-01",
    "2020-01-01T00:00:00",
    "2020-01-01T00:00Z",
    "2020-01-01%2000:00:00Z",
    "2020-01-01+00:00:00Z",
    "2020-01-01T00:00:00z",
    "2020-01-01t00:00:00Z",
    "2020-01-01T00:00:00%2B00:00",
    "2020-01-01T00:00:00+00:00",
    "2020-01-01T00:00:00-05:00",
    "2020-01-01T00:00:00.Z",
    "2020-01-01T00:00:00,5Z",
    "2020-01-01T00:00:00.0000000000Z",
    "2020-13-01T00:00:00Z",
    "2020-02-30T00:00:00Z",
    "2021-02-29T00:00:00Z",
    "2020-01-01T25:00:00Z",
    "2020-01-01T00:61:00Z",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "-2020-01-01T00:00:00Z",
    "%202020-01-01T00:00:00Z",
    "2020-01-01T00:00:00Z%20",
    "2020-01-01T00:00:00Z%0A",
    "2020-01-01T00:00:00Z,2020-01-02T00:00:00Z",
    "%D9%A2%D9%A0%D9%A2%D9%A0-01-01T00:00:00Z",
    "20200101T000000Z",
    "2020-W01-1T00:00:00Z",
]
LIMITS = [
    "",
    "0",
    "00",
    "-1",
    "-0",
    "1.0",
    "1.5",
    "1e3",
    "0x10",
    "ten",
    "%2B5",
    "+5",
    "%205",
    "5%20",
    "5%0A",
    "5%00",
    "1,2",
    "1_000",
    "%D9%A3",
    "%EF%BC%95",
    "None",
    "NaN",
    "Infinity",
    "true",
    "[5]",
    "9" * 400,
]
IDS = [
    "",
    ",",
    "indicator",
    "indicator--",
    "indicator--1",
    "--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
    "indicator-3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
    "indicator--3600ad1bfff14c98bcc94de3bc2e2ffb",
    f"{ID},",
    f",{ID}",
    f"{ID},,{ID}",
    f"{ID},%20{ID}",
    f"{ID};{ID}",
    f"{ID}%00",
    f"{ID}%0A",
    "*",
    "indicator--*",
    "'%20OR%20''='",
]
TYPES = [
    "",
    ",",
    "indicator,",
    ",indicator",
    "indicator,,malware",
    "indicator,%20malware",
    "indicator%20",
    "a%00b",
    "in%C3%ADc",
    "x" * 300,
    "'%20OR%201=1",
    "*",
]
VERSIONS = [
    "",
    ",",
    "LAST",
    "Last",
    "latest",
    "newest",
    "last,",
    ",last",
    "last,%20first",
    "last,last",
    "first,first",
    "all,all",
    "all,last",
    "first,all",
    f"all,{stix.CREATED}",
    f"{stix.CREATED},{stix.CREATED}",
    "2016",
    "2016-01-01",
    "2016-01-01T01:01:01",
    "2016-02-30T01:01:01.000Z",
    "2016-01-01T01:01:01.000z",
    "2016-01-01T01:01:01+00:00",
    "1",
    "*",
    "last%00",
]
SPEC_VERSIONS = [
    "",
    ",",
    "2",
    "2.",
    ".1",
    "2.1.0",
    "v2.1",
    "2.1,",
    ",2.1",
    "2.1,,2.0",
    "2.1,%202.0",
    "2.1%20",
    "all",
    "last",
    "*",
    "%D9%A2.1",
    "2.x",
    "-2.1",
]
MALFORMED = [
    *(("added_after", value) for value in TIMESTAMPS),
    *(("limit", value) for value in LIMITS),
    *(("match[id]", value) for value in IDS),
    *(("match[type]", value) for value in TYPES),
    *(("match[version]", value) for value in VERSIONS),
    *(("match[spec_version]", value) for value in SPEC_VERSIONS),
    *(
        ("next", value)
        for value in ["x", "1", "-1", "0", "%00", "null", "A" * 60, "A" * 3_000, "..%2F", "%F0%9F%98%80"]
    ),
]
# Each once more where it means the same (§5.6, §5.8).
SAMPLE = [
    one for one in MALFORMED if one[1] in ("", "yesterday", "0", "-1", "ten", "x", "latest", "2", "last,last")
]
DOUBLED = {
    "added_after": "2020-01-01T00:00:00Z",
    "limit": "5",
    "match[id]": ID,
    "match[type]": "indicator",
    "match[version]": "last",
    "match[spec_version]": "2.1",
}
OTHERS = {
    "added_after": "2021-01-01T00:00:00Z",
    "limit": "6",
    "match[id]": "malware--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
    "match[type]": "malware",
    "match[version]": "first",
    "match[spec_version]": "2.0",
}
BROKEN = [
    "%",
    "a=%",
    "a=%2",
    "a=%zz",
    "%FF=1",
    "match[type]=%FF",
    "match[type]=%C3%28",
    "limit=%",
    "added_after=%ED%A0%80",
]


def _pairs(records: list[Any]) -> list[tuple[str, str]]:
    return [(record["id"], record["version"]) for record in records]


def _expected_versions(expected: list[stix.Object], manifest: list[Any]) -> list[tuple[str, str]]:
    """(id, version) of the expected objects; the versions that the server chose come from the manifest."""
    chosen = {record["id"]: record["version"] for record in manifest}
    return [(one["id"], stix.version_of(one) or chosen[one["id"]]) for one in expected]


@pytest.mark.parametrize("name", EVERY)
def test_a_filter_selects_objects_in_the_order_they_were_added(
    lab_a: Client, exchange: str, shelf: Shelf, name: str
) -> None:
    """§3.3, §3.4, §5.4: exactly what matches, oldest first, as it was posted."""
    found = lab_a.crawl(f"{exchange}objects/?{EVERY[name].query(shelf)}")
    assert [one for one in found if one["id"] in shelf.ids] == EVERY[name].expected(shelf)


@pytest.mark.parametrize("name", EVERY)
def test_the_manifest_selects_what_the_objects_endpoint_selects(
    lab_b: Client, exchange: str, shelf: Shelf, name: str
) -> None:
    """§5.3: identical filtering, same order and count, one record per version."""
    query = EVERY[name].query(shelf)
    records = lab_b.crawl(f"{exchange}manifest/?{query}")
    objects = lab_b.crawl(f"{exchange}objects/?{query}")
    assert [record["id"] for record in records] == [one["id"] for one in objects]
    assert all(
        stix.version_of(one) in (None, record["version"])
        for one, record in zip(objects, records, strict=True)
    )
    mine = [record for record in records if record["id"] in shelf.ids]
    assert _pairs(mine) == _expected_versions(EVERY[name].expected(shelf), mine)


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
@pytest.mark.parametrize("name", SELECTIONS)
def test_filters_are_anded_with_ids(
    request: pytest.FixtureRequest, exchange: str, shelf: Shelf, name: str, actor: str
) -> None:
    """§3.4: all match fields are ANDed together; every reader sees the same (architecture, idea 4)."""
    client: Client = request.getfixturevalue(actor)
    found = client.crawl(f"{exchange}objects/?{among_shelf(shelf, SELECTIONS[name].query(shelf))}")
    assert found == SELECTIONS[name].expected(shelf)


@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
@pytest.mark.parametrize(("name", "value"), MALFORMED)
def test_a_malformed_parameter_is_400_and_named(
    lab_a: Client, places: dict[str, str], endpoint: str, name: str, value: str
) -> None:
    """§3.4: "If any of the URL query parameters are malformed, the TAXII Server MUST return an HTTP 400"."""
    if (name, value) == ("next", ""):
        pytest.skip("an empty next counts as absent (clients.md 4)")
    error = assert_error(lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?{name}={value}"), 400)
    if "%0" not in value:
        assert name in error["description"]


@pytest.mark.parametrize("endpoint", ["object", "versions"])
@pytest.mark.parametrize(("name", "value"), SAMPLE)
def test_a_malformed_parameter_is_400_at_one_object_too(
    lab_a: Client, places: dict[str, str], endpoint: str, name: str, value: str
) -> None:
    """§3.4, §5.6, §5.8. What an endpoint does not filter by may be ignored there."""
    filters = {
        "object": ("added_after", "limit", "next", "match[version]", "match[spec_version]"),
        "versions": ("added_after", "limit", "next", "match[spec_version]"),
    }
    answer = lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?{name}={value}")
    if name in filters[endpoint] and (name, value) != ("next", ""):
        assert_error(answer, 400)
    else:
        assert answer.status in (200, 400)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("name", DOUBLED)
@pytest.mark.parametrize("same", [True, False])
def test_a_parameter_given_twice_is_400(
    lab_a: Client, places: dict[str, str], endpoint: str, name: str, same: bool
) -> None:
    """§3.4: each field MUST NOT occur more than once; Interop §3.13.1.10."""
    second = f"{name}={DOUBLED[name]}" if same else f"{name.replace('[', '%5B')}={OTHERS[name]}"
    query = f"{name}={DOUBLED[name]}&foo=1&{second}"
    assert_error(lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?{query}"), 400)


@pytest.mark.parametrize("endpoint", PAGED)
def test_next_given_twice_is_400(lab_a: Client, places: dict[str, str], endpoint: str) -> None:
    """§3.4: a single string value."""
    assert_error(lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?next=a&next=a"), 400)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("query", BROKEN)
def test_a_query_that_cannot_be_decoded_is_400(
    lab_a: Client, places: dict[str, str], endpoint: str, query: str
) -> None:
    """§3.4: malformed; RFC 3986 §2.1."""
    assert_error(lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?{query}"), 400)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize(
    "query", ["foo=bar", "foo=1&foo=2", "match[foo]=bar", "match[]=", "Limit=0", "&&", "=", "a", "LIMIT=x"]
)
def test_an_unknown_parameter_is_ignored(
    lab_a: Client, places: dict[str, str], endpoint: str, query: str
) -> None:
    """§3.4: servers MAY ignore fields they do not understand; clients.md 14."""
    target = ENDPOINTS[endpoint].format(**places)
    assert lab_a.get(f"{target}?{query}").body == lab_a.get(target).body


@pytest.mark.parametrize(
    "kind",
    ["indicator", "malware", "tool", "vulnerability", "incident", "x-new-type", "extension-definition"],
)
@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
def test_a_type_is_never_an_error(lab_a: Client, places: dict[str, str], endpoint: str, kind: str) -> None:
    """§3.4.1: types of STIX 2.1 MUST NOT result in an error."""
    assert_taxii(lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?match[type]={kind}"))


@pytest.mark.parametrize("decimals", range(10))
@pytest.mark.parametrize("endpoint", PAGED)
def test_added_after_is_taken_with_0_to_9_decimals(
    lab_a: Client, places: dict[str, str], endpoint: str, decimals: int
) -> None:
    """clients.md 6, lenient on input; §2 "timestamp" has six."""
    fraction = "." + "123456789"[:decimals] if decimals else ""
    assert_taxii(
        lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?added_after=2020-01-01T00:00:00{fraction}Z")
    )


@pytest.mark.parametrize("place", range(0, 21, 2))
@pytest.mark.parametrize("tail", ["Z", "000Z", "999Z"])
def test_added_after_is_exclusive(lab_a: Client, exchange: str, shelf: Shelf, place: int, tail: str) -> None:
    """§3.4: only objects added after the timestamp; finer digits than the server's change nothing."""
    query = among_shelf(shelf, "match[version]=all")
    manifest = lab_a.crawl(f"{exchange}manifest/?{query}")
    after = manifest[place]["date_added"].removesuffix("Z") + tail
    found = lab_a.crawl(f"{exchange}manifest/?{query}&added_after={after}")
    assert found == manifest[place + 1 :]
    objects = lab_a.crawl(f"{exchange}objects/?{query}&added_after={after}")
    assert objects == shelf.objects[place + 1 :]


def test_added_after_a_microsecond_before_an_object_includes_it(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§3.4, §2: microsecond precision counts."""
    query = among_shelf(shelf, "match[version]=all")
    second = lab_a.crawl(f"{exchange}manifest/?{query}")[1]
    whole, fraction = second["date_added"].removesuffix("Z").split(".")
    if int(fraction):
        before = f"{whole}.{int(fraction) - 1:06}Z"
        found = lab_a.crawl(f"{exchange}manifest/?{query}&added_after={before}")
        assert second in found


def test_an_observable_is_found_by_the_version_the_server_chose(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§3.4.1: "a value for the version that is consistent to the server"; clients.md 14: its date added."""
    target = f"match[id]={shelf.observable['id']}"
    (record,) = lab_a.crawl(f"{exchange}manifest/?{target}")
    assert record["version"] == record["date_added"]
    version = f"match[version]={record['version']}"
    assert lab_a.crawl(f"{exchange}objects/?{target}&{version}") == [shelf.observable]
    for keyword in ("first", "last", "all", "first,last"):
        assert lab_a.crawl(f"{exchange}objects/?{target}&match[version]={keyword}") == [shelf.observable]


def test_what_was_added_last_is_found_after_the_last_but_one(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§3.2, §3.5: the headers' values are usable as added_after."""
    answer = lab_a.get(f"{exchange}objects/?{among_shelf(shelf, 'match[version]=all')}&limit=5")
    assert assert_taxii(answer)["objects"] == shelf.objects[:5]
    rest = lab_a.crawl(
        f"{exchange}objects/?{among_shelf(shelf, 'match[version]=all')}&added_after={answer.headers[LAST]}"
    )
    assert rest == shelf.objects[5:]
    assert answer.headers[FIRST] < answer.headers[LAST]


def test_a_later_posted_older_version_is_not_the_latest(submit: Submit, lab_a: Client, exchange: str) -> None:
    """§3.4.1: last and first go by version, §3.3: the order goes by date added."""
    old, middle, new = stix.versions_of(stix.indicator())
    submit(middle)
    submit(new)
    submit(old)
    target = f"{exchange}objects/?match[id]={old['id']}"
    assert lab_a.crawl(target) == lab_a.crawl(f"{target}&match[version]=last") == [new]
    assert lab_a.crawl(f"{target}&match[version]=first") == [old]
    assert lab_a.crawl(f"{target}&match[version]=first,last") == [new, old]
    assert lab_a.crawl(f"{target}&match[version]=all") == [middle, new, old]


@pytest.mark.parametrize("name", BY_ID)
def test_the_order_of_parameters_does_not_matter(
    lab_a: Client, exchange: str, shelf: Shelf, name: str
) -> None:
    """§3.4."""
    parts = BY_ID[name].query(shelf).split("&")
    forwards = lab_a.get(f"{exchange}objects/?{'&'.join([*parts, 'limit=100'])}")
    backwards = lab_a.get(f"{exchange}objects/?{'&'.join(['limit=100', *reversed(parts)])}")
    assert assert_taxii(forwards) == assert_taxii(backwards)
