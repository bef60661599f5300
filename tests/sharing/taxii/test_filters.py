"""sharing.taxii.filters (TAXII 2.1 §3.4, clients.md 6, 8, 14)."""

from contextlib import suppress
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.taxii.errors import BadRequest
from sharing.taxii.filters import (
    DELETE,
    MAX_LIMIT,
    OBJECT,
    OBJECTS,
    VERSIONS,
    Filters,
    parse,
    parse_delete,
    split_query,
)

ID = "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb"
OTHER = "sighting--4600ad1b-fff1-4c58-bcc9-4de3bc5e2ffd"


def read(query: str, allowed: frozenset[str] = OBJECTS) -> Filters:
    return parse(split_query(query), allowed=allowed)


def test_nothing_asked_is_the_latest_of_everything_in_pages_of_a_thousand() -> None:
    filters = read("")
    assert filters == Filters()
    assert filters.page_size == 1_000
    assert filters.version_default


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("2020-01-01T00:00:00Z", 1_577_836_800_000_000),
        ("2020-01-01T00:00:00.5Z", 1_577_836_800_500_000),
        ("2020-01-01T00:00:00.000001Z", 1_577_836_800_000_001),
        ("2020-01-01T00:00:00.000001999Z", 1_577_836_800_000_001),
        ("2020-01-01T00:00:00.999999999Z", 1_577_836_800_999_999),
        ("1970-01-01T00:00:00.000000Z", 0),
        ("2024-02-29T23:59:59.123Z", 1_709_251_199_123_000),
    ],
)
def test_added_after_is_taken_with_0_to_9_decimals_and_cut_to_microseconds(text: str, micros: int) -> None:
    assert read(f"added_after={text}").added_after == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2020-01-01",
        "2020-01-01T00:00:00",
        "2020-01-01T00:00:00z",
        "2020-01-01t00:00:00Z",
        "2020-01-01 00:00:00Z",
        "2020-01-01T00:00:00%2B00:00",
        "2020-01-01T00:00:00+00:00",
        "2020-01-01T00:00:00-00:00",
        "2020-01-01T00:00:00.Z",
        "2020-01-01T00:00:00.0000000000Z",
        "2020-01-01T00:00Z",
        "2020-1-1T0:0:0Z",
        "0000-01-01T00:00:00Z",
        "2021-02-29T00:00:00Z",
        "2020-02-30T00:00:00Z",
        "2020-13-01T00:00:00Z",
        "2020-01-01T24:00:00Z",
        "2020-01-01T00:60:00Z",
        "%202020-01-01T00:00:00Z",
        "2020-01-01T00:00:00Z%20",
        "2020-01-01T00:00:00Z,2020-01-02T00:00:00Z",
        "%D9%A2020-01-01T00:00:00Z",
        "yesterday",
        "1577836800",
        "null",
    ],
)
def test_a_malformed_added_after_is_400(text: str) -> None:
    with pytest.raises(BadRequest, match="added_after"):
        read(f"added_after={text}")


@pytest.mark.parametrize(
    ("text", "limit"), [("1", 1), ("0007", 7), ("5000", 5000), ("5001", 5000), (str(2**53 - 1), 5000)]
)
def test_a_limit_is_capped_and_not_refused(text: str, limit: int) -> None:
    assert read(f"limit={text}").limit == read(f"limit={text}").page_size == limit <= MAX_LIMIT


@pytest.mark.parametrize(
    "text",
    [
        *("", "0", "00", "-1", "-0", "1.0", "1e3", "0x10", "ten", "1,2", "1_000", "5;6", "[5]"),
        *("%2B5", "+5", "%205", "5%20", "5%09", "%D9%A3", "%EF%BC%95", "%C2%B2"),
        *("None", "true", "NaN", "inf", str(2**53), "9" * 5_000),
    ],
)
def test_a_malformed_limit_is_400(text: str) -> None:
    with pytest.raises(BadRequest):
        read(f"limit={text}")


def test_lists_are_read_in_one_canonical_order() -> None:
    assert read(f"match[id]={OTHER},{ID}").ids == (ID, OTHER) == read(f"match[id]={ID},{OTHER},{ID}").ids
    assert read("match[type]=malware,indicator").types == ("indicator", "malware")
    assert read("match[spec_version]=2.1,2.0").spec_versions == ("2.0", "2.1")
    assert read("match%5Btype%5D=x-own-type").types == ("x-own-type",)


def test_versions_are_keywords_and_timestamps_in_one_spelling() -> None:
    assert read("match[version]=last,first").versions == ("first", "last")
    exact = read("match[version]=2016-01-01T01:01:01Z").versions
    assert exact == read("match[version]=2016-01-01T01:01:01.000Z").versions
    assert not read("match[version]=all").version_default
    assert read("match[version]=last").version_default


@pytest.mark.parametrize(
    "query",
    [
        "match[id]=",
        "match[id]=indicator",
        "match[id]=indicator--1",
        f"match[id]={ID},",
        f"match[id]=,{ID}",
        f"match[id]={ID}, {OTHER}",
        f"match[id]={ID};{OTHER}",
        f"match[id]={ID}%0A",
        "match[id]=--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
        "match[id]=indicator--3600ad1bfff14c98bcc94de3bc2e2ffb",
        "match[id]=*",
        "match[type]=",
        "match[type]=indicator,,malware",
        "match[type]=indicator,",
        "match[type]=indicator, malware",
        "match[type]=indicator%27 OR 1=1",
        "match[type]=ind%C3%ADcator",
        "match[type]=" + "a" * 251,
        "match[version]=",
        "match[version]=LAST",
        "match[version]=latest",
        "match[version]=last,last",
        "match[version]=all,last",
        "match[version]=all,all",
        "match[version]=all,2016-01-01T01:01:01.000Z",
        "match[version]=2016-01-01T01:01:01Z,2016-01-01T01:01:01.000Z",
        "match[version]=2016-01-01",
        "match[version]=last,",
        "match[version]=,",
        "match[version]=2",
        "match[spec_version]=",
        "match[spec_version]=2",
        "match[spec_version]=2.1.0",
        "match[spec_version]=v2.1",
        "match[spec_version]=2.1,",
        "match[spec_version]=2.1 ",
        "match[spec_version]=%D9%A2.1",
        "match[spec_version]=all",
    ],
)
def test_a_malformed_match_is_400_and_named(query: str) -> None:
    with pytest.raises(BadRequest) as refusal:
        read(query)
    if refusal.value.error_code == "malformed-parameter":
        assert refusal.value.details == {"parameter": query.partition("=")[0]}


@pytest.mark.parametrize("name", sorted(OBJECTS))
@pytest.mark.parametrize("allowed", [OBJECTS, OBJECT, VERSIONS, DELETE])
def test_a_parameter_given_twice_is_400_even_where_it_means_nothing(
    name: str, allowed: frozenset[str]
) -> None:
    with pytest.raises(BadRequest, match="once"):
        parse([(name, "1"), (name, "1")], allowed=allowed)


@pytest.mark.parametrize(
    "query", ["foo=bar", "foo=1&foo=2", "match[foo]=bar", "match[]=x", "Limit=0", "match[name]=", "=", "&&"]
)
def test_unknown_parameters_are_ignored(query: str) -> None:
    assert read(query) == Filters()


def test_a_filter_of_another_endpoint_is_ignored() -> None:
    assert read("match[version]=nonsense&match[id]=nonsense", VERSIONS) == Filters()
    assert read("match[type]=", OBJECT) == Filters()


def test_an_empty_next_counts_as_absent() -> None:
    assert read("next=").next is None
    assert read("next=abc").next == "abc"


@pytest.mark.parametrize(
    "query",
    ["a=%", "a=%2", "a=%zz", "%ff=1", "a=%c3%28", "a=%ed%a0%80", "a=%00", "match[type]=%0a", "x=\udcff"],
)
def test_a_query_that_cannot_be_decoded_is_400(query: str) -> None:
    with pytest.raises(BadRequest):
        split_query(query)


def test_raw_utf_8_is_read_whether_or_not_wsgi_made_it_latin_1() -> None:
    assert split_query("a=é".encode().decode("latin-1")) == [("a", "é")]
    assert split_query("a=€") == [("a", "€")]
    assert split_query("a=1+2&b=&c&d=%2B=") == [("a", "1 2"), ("b", ""), ("c", ""), ("d", "+=")]


def test_a_delete_without_filters_means_every_version() -> None:
    assert parse_delete([]) == Filters(versions=("all",)) == parse_delete([("foo", "bar")])
    assert parse_delete([("match[version]", "last")]).versions == ("last",)
    assert parse_delete([("match[spec_version]", "2.1")]) == Filters(
        versions=("all",), spec_versions=("2.1",)
    )


@pytest.mark.parametrize(
    "query",
    [
        "match[version]=",
        "match[version]=lst",
        "match[version]=last&match[version]=first",
        "match[spec_version]=2",
        "match[versions]=last",
        "match[Version]=last",
        "match[ version]=last",
        "Match[version]=last",
        "match[version=last",
        "matchversion=last",
        "match.version=last",
        "match=last",
        "version=2016-01-01T00:00:00Z",
        "spec_version=2.1",
        f"match[id]={ID}",
        "match[type]=indicator",
        "match[foo]=bar",
        "added_after=2016-01-01T00:00:00Z",
        "limit=1",
        "next=",
        " match[version]=last",
    ],
)
def test_a_delete_with_a_filter_it_does_not_know_is_400(query: str) -> None:
    with pytest.raises(BadRequest):
        parse_delete(split_query(query))


NAMES = st.one_of(st.sampled_from(sorted(OBJECTS)), st.text(max_size=12))
VALUES = st.one_of(
    st.text(max_size=30),
    st.lists(st.sampled_from([ID, "last", "all", "2.1", "indicator", "", " ", "2020-01-01T00:00:00Z"])).map(
        ",".join
    ),
    st.from_regex(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{0,10})?Z?", fullmatch=True),
    st.integers().map(str),
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5))
def test_parameters_raise_nothing_but_bad_request(pairs: list[tuple[str, str]]) -> None:
    with suppress(BadRequest):
        parse(pairs, allowed=OBJECTS)
    with suppress(BadRequest):
        parse_delete(pairs)


@given(st.text(max_size=60))
def test_a_query_string_raises_nothing_but_bad_request(query: str) -> None:
    with suppress(BadRequest):
        split_query(query)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=["C"])), st.text(st.characters(exclude_categories=["C"]))
        )
    )
)
def test_a_quoted_query_comes_back(pairs: list[tuple[str, str]]) -> None:
    query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in pairs)
    assert split_query(query) == pairs
