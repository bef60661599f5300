"""Pages (§3.3, §3.4 "limit" and "next", §3.5, §3.7; clients.md 3 to 8)."""

import pytest

from tests.conformance import stix
from tests.conformance.client import FIRST, LAST, Client, assert_error, assert_taxii
from tests.conformance.conftest import ENDPOINTS, PAGED, Shelf, Submit
from tests.conformance.selections import SELECTIONS, among_shelf

PAGE_FILTERS = [
    "nothing",
    "all",
    "first",
    "first and last",
    "exact, many objects",
    "type",
    "types",
    "spec_version",
    "everything at once",
]


def _target(places: dict[str, str], shelf: Shelf, endpoint: str, query: str = "match[version]=all") -> str:
    target = ENDPOINTS[endpoint].format(**places)
    if endpoint in ("objects", "manifest"):
        return f"{target}?{among_shelf(shelf, query)}"
    return f"{target}?{query if endpoint == 'object' else ''}"


def _items(endpoint: str) -> str:
    return "versions" if endpoint == "versions" else "objects"


@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("name", PAGE_FILTERS)
def test_pages_joined_are_the_whole(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str, limit: int, name: str
) -> None:
    """§3.5: nothing is lost, repeated or reordered; clients.md 5: every page but the last is full."""
    target = _target(places, shelf, endpoint, SELECTIONS[name].query(shelf))
    pages = [answer.json() for answer in lab_a.pages(f"{target}&limit={limit}")]
    assert [one for page in pages for one in page["objects"]] == lab_a.crawl(target)
    assert all(len(page["objects"]) == limit for page in pages[:-1])
    assert 0 < len(pages[-1]["objects"]) <= limit
    if endpoint == "objects":
        assert [one for page in pages for one in page["objects"]] == SELECTIONS[name].expected(shelf)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("limit", [1, 2, 3, 4])
def test_pages_of_one_object_joined_are_the_whole(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str, limit: int
) -> None:
    """§5.6, §5.8: limit and next at each endpoint that has them."""
    target = _target(places, shelf, endpoint)
    if endpoint in ("objects", "manifest"):
        target = f"{ENDPOINTS[endpoint].format(**places)}?match[version]=all&match[id]={places['object']}"
    whole = lab_a.crawl(target, _items(endpoint))
    assert len(whole) == 3
    pages = [answer.json()[_items(endpoint)] for answer in lab_a.pages(f"{target}&limit={limit}")]
    assert [one for page in pages for one in page] == whole
    assert all(len(page) == limit for page in pages[:-1])


@pytest.mark.parametrize("endpoint", PAGED)
def test_a_limit_equal_to_what_there_is_leaves_nothing_over(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """§3.4: all objects MUST be included; so there is no more."""
    target = _target(places, shelf, endpoint)
    count = len(lab_a.crawl(target, _items(endpoint)))
    page = assert_taxii(lab_a.get(f"{target}&limit={count}"))
    assert len(page[_items(endpoint)]) == count
    assert page.get("more", False) is False
    assert assert_taxii(lab_a.get(f"{target}&limit={count - 1}"))["more"] is True


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("limit", ["1", "0002", "5000", "5001", "1000000", "9007199254740991"])
def test_a_limit_is_kept_or_capped(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str, limit: str
) -> None:
    """§3.4: no more objects than requested; more than the server gives is no error (clients.md 8)."""
    page = assert_taxii(lab_a.get(f"{_target(places, shelf, endpoint)}&limit={limit}"))
    assert 0 < len(page[_items(endpoint)]) <= int(limit)


@pytest.mark.parametrize("endpoint", PAGED)
def test_more_and_next_stand_together(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """§3.7: next MAY stand if more is true; clients.md 3: always then, and never otherwise."""
    target = _target(places, shelf, endpoint)
    first = assert_taxii(lab_a.get(f"{target}&limit=1"))
    assert first["more"] is True
    assert isinstance(first["next"], str)
    assert first["next"]
    last = assert_taxii(lab_a.get(target))
    assert last.get("more", False) is False
    assert "next" not in last


def test_an_envelope_always_has_more_and_objects(lab_a: Client, exchange: str) -> None:
    """clients.md 3."""
    full = assert_taxii(lab_a.get(f"{exchange}objects/?limit=1"))
    empty = assert_taxii(lab_a.get(f"{exchange}objects/?match[type]=x-nothing"))
    assert isinstance(full["more"], bool)
    assert empty == {"more": False, "objects": []}


@pytest.mark.parametrize("endpoint", PAGED)
def test_next_needs_no_quoting_and_is_short(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """§3.4 "next": it goes into a URL; proxies take about 8 KB of it."""
    text = assert_taxii(lab_a.get(f"{_target(places, shelf, endpoint)}&limit=1"))["next"]
    assert all(character.isascii() and (character.isalnum() or character in "-._~") for character in text)
    assert len(text) < 1_000


@pytest.mark.parametrize("endpoint", PAGED)
def test_a_page_can_be_asked_for_again(
    lab_a: Client, lab_b: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """clients.md 4: stateless, repeatable, whoever of the audience asks."""
    target = _target(places, shelf, endpoint)
    text = assert_taxii(lab_a.get(f"{target}&limit=1"))["next"]
    second = lab_a.get(f"{target}&limit=1&next={text}")
    assert_taxii(second)
    assert lab_a.get(f"{target}&limit=1&next={text}").body == second.body
    assert lab_b.get(f"{target}&limit=1&next={text}").body == second.body


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize("limit", ["", "&limit=1", "&limit=2", "&limit=5000"])
def test_the_limit_may_change_from_page_to_page(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str, limit: str
) -> None:
    """clients.md 4."""
    target = _target(places, shelf, endpoint)
    whole = lab_a.crawl(target, _items(endpoint))
    text = assert_taxii(lab_a.get(f"{target}&limit=1"))["next"]
    page = assert_taxii(lab_a.get(f"{target}{limit}&next={text}"))[_items(endpoint)]
    assert page == whole[1 : 1 + len(page)]
    assert page


@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
@pytest.mark.parametrize(
    "again",
    ["", "match[type]=indicator", "match[version]=all", "match[type]=indicator&match[version]=all&limit=2"],
)
def test_short_filters_may_be_left_out_beside_next(
    lab_a: Client, places: dict[str, str], endpoint: str, again: str
) -> None:
    """clients.md 4: the cursor carries its filters."""
    target = ENDPOINTS[endpoint].format(**places)
    query = "match[type]=indicator&match[version]=all"
    text = assert_taxii(lab_a.get(f"{target}?{query}&limit=2"))["next"]
    expected = assert_taxii(lab_a.get(f"{target}?{query}&limit=2&next={text}"))
    assert assert_taxii(lab_a.get(f"{target}?{again}&next={text}"))["objects"] == expected["objects"]


@pytest.mark.parametrize("endpoint", PAGED)
def test_added_after_may_be_repeated_or_left_out_beside_next(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """clients.md 4: OpenCTI leaves it out, taxii2-client repeats it."""
    target = _target(places, shelf, endpoint)
    after = "&added_after=2020-01-01T00:00:00.000000Z"
    text = assert_taxii(lab_a.get(f"{target}{after}&limit=1"))["next"]
    repeated = assert_taxii(lab_a.get(f"{target}{after}&limit=1&next={text}"))
    assert assert_taxii(lab_a.get(f"{target}&limit=1&next={text}")) == repeated


@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
@pytest.mark.parametrize(
    "other",
    [
        "match[type]=malware",
        "match[version]=first",
        "match[version]=last",
        "match[spec_version]=2.0",
        "match[id]=indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
        "added_after=2021-01-01T00:00:00Z",
    ],
)
def test_a_filter_that_contradicts_next_is_400(
    lab_a: Client, places: dict[str, str], endpoint: str, other: str
) -> None:
    """§3.5: "the same original query options"; clients.md 4."""
    target = ENDPOINTS[endpoint].format(**places)
    query = "match[type]=indicator&match[version]=all&added_after=2020-01-01T00:00:00Z&limit=1"
    text = assert_taxii(lab_a.get(f"{target}?{query}"))["next"]
    assert_error(lab_a.get(f"{target}?{other}&next={text}"), 400)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize(
    "damage", ["cut", "longer", "first", "middle", "last", "reversed", "twice", "padded", "lower"]
)
def test_a_damaged_next_is_400(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str, damage: str
) -> None:
    """clients.md 4; §3.4: malformed."""
    target = _target(places, shelf, endpoint)
    text: str = assert_taxii(lab_a.get(f"{target}&limit=1"))["next"]

    def other(place: int) -> str:
        return text[:place] + ("A" if text[place] != "A" else "B") + text[place + 1 :]

    damaged = {
        "cut": text[:-1],
        "longer": text + "A",
        "first": other(0),
        "middle": other(len(text) // 2),
        "last": other(len(text) - 1),
        "reversed": text[::-1],
        "twice": text + text,
        "padded": text + "=",
        "lower": text.lower(),
    }[damage]
    assert_error(lab_a.get(f"{target}&limit=1&next={damaged}"), 400)


@pytest.mark.parametrize("made_by", PAGED)
@pytest.mark.parametrize("used_by", PAGED)
def test_a_next_belongs_to_the_endpoint_that_gave_it(
    lab_a: Client, places: dict[str, str], shelf: Shelf, made_by: str, used_by: str
) -> None:
    """§3.4 "next": opaque, from this query; another endpoint's is 400, never another page."""
    text = assert_taxii(lab_a.get(f"{_target(places, shelf, made_by)}&limit=1"))["next"]
    answer = lab_a.get(f"{_target(places, shelf, used_by)}&limit=1&next={text}")
    if made_by == used_by:
        assert_taxii(answer)
    else:
        assert_error(answer, 400)


@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
def test_a_next_of_one_collection_is_400_in_another(
    lab_a: Client, root: str, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """clients.md 4."""
    text = assert_taxii(lab_a.get(f"{_target(places, shelf, endpoint)}&limit=1"))["next"]
    assert_error(lab_a.get(f"{root}collections/amber/{endpoint}/?next={text}"), 400)


@pytest.mark.parametrize("endpoint", ["object", "versions"])
def test_a_next_of_one_object_is_400_for_another(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """clients.md 4."""
    text = assert_taxii(lab_a.get(f"{_target(places, shelf, endpoint)}&limit=1"))["next"]
    elsewhere = ENDPOINTS[endpoint].format(**places | {"object": shelf.single["id"]})
    assert_error(lab_a.get(f"{elsewhere}?next={text}"), 400)


@pytest.mark.parametrize("endpoint", PAGED)
def test_the_headers_are_those_of_the_pages_first_and_last_object(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """§3.2: X-TAXII-Date-Added-First and -Last, microseconds, on every 200 of these endpoints."""
    dates = [
        record["date_added"]
        for record in lab_a.crawl(f"{places['exchange']}manifest/?{among_shelf(shelf, 'match[version]=all')}")
        if endpoint in ("objects", "manifest") or record["id"] == places["object"]
    ]
    place = 0
    for answer in lab_a.pages(f"{_target(places, shelf, endpoint)}&limit=2"):
        count = len(assert_taxii(answer)[_items(endpoint)])
        assert answer.headers[FIRST] == dates[place]
        assert answer.headers[LAST] == dates[place + count - 1]
        place += count
    assert place == len(dates)


@pytest.mark.parametrize("endpoint", PAGED)
@pytest.mark.parametrize(
    "after", ["2999-01-01T00:00:00Z", "2999-01-01T00:00:00.123456Z", "2999-01-01T00:00:00.1234567Z"]
)
def test_an_empty_page_echoes_added_after(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str, after: str
) -> None:
    """§3.2: the headers MUST stand; clients.md 7: they echo the question, never "now"."""
    answer = lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?added_after={after}")
    page = assert_taxii(answer)
    assert page.get(_items(endpoint), []) == []
    assert page.get("more", False) is False
    expected = (after.removesuffix("Z") + ("" if "." in after else ".") + "000000")[:26] + "Z"
    assert answer.headers[FIRST] == answer.headers[LAST] == expected


@pytest.mark.parametrize("endpoint", ["objects", "manifest"])
def test_an_empty_page_without_added_after_never_names_a_time_that_would_lose_objects(
    lab_a: Client, places: dict[str, str], shelf: Shelf, endpoint: str
) -> None:
    """§3.2 requires the headers; a client that asks from there on must still get everything."""
    answer = lab_a.get(f"{ENDPOINTS[endpoint].format(**places)}?match[type]=x-nothing")
    assert_taxii(answer)
    (oldest,) = assert_taxii(lab_a.get(f"{places['exchange']}manifest/?limit=1"))["objects"]
    assert answer.headers[LAST] is not None
    assert answer.headers[LAST] < oldest["date_added"]


@pytest.mark.parametrize("limit", [1, 2, 5, 100])
@pytest.mark.parametrize("cut", [26, 23])
def test_a_poller_by_added_after_gets_everything_once(
    lab_a: Client, exchange: str, shelf: Shelf, limit: int, cut: int
) -> None:
    """§3.5, the way without next: added_after from the Last header.

    A client that cuts it to milliseconds (OpenCTI) may see objects again, but loses none and comes to rest.
    """
    query = among_shelf(shelf, "match[version]=all")
    after, seen = "1970-01-01T00:00:00Z", []
    for _ in range(60):
        answer = lab_a.get(
            f"{exchange}objects/?{query}&limit={limit if cut == 26 else 100}&added_after={after}"
        )
        page = assert_taxii(answer)["objects"]
        seen += page
        if not page:
            break
        after = answer.headers[LAST].removesuffix("Z")[:cut] + "Z"
    if cut == 26:
        assert seen == shelf.objects
    else:
        assert [one for one in seen if one in shelf.objects][: len(shelf.objects)] == shelf.objects


def test_the_head_of_a_collection_stands_on_a_whole_millisecond(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """clients.md 6: a client that cuts microseconds must not see the head again at every poll."""
    assert shelf.objects
    *_, last = lab_a.pages(f"{exchange}manifest/?match[version]=all")
    head = last.headers[LAST]
    assert head.endswith("000Z")
    assert assert_taxii(lab_a.get(f"{exchange}objects/?added_after={head[:23]}Z"))["objects"] == []


def test_date_added_is_unique_and_ascending(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§3.3; clients.md 6: strictly increasing."""
    assert shelf.objects
    dates = [record["date_added"] for record in lab_a.crawl(f"{exchange}manifest/?match[version]=all")]
    assert dates == sorted(set(dates))


def test_what_is_added_while_paging_comes_at_the_end(
    submit: Submit, lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§3.3, §3.5: a page once given out does not change under the client."""
    submit(stix.campaign())  # the shelf has one: with this there is a second page, whatever ran before
    query = "match[type]=campaign&match[version]=all&limit=1"
    first = assert_taxii(lab_a.get(f"{exchange}objects/?{query}"))
    new = stix.campaign()
    submit(new)
    rest = lab_a.crawl(f"{exchange}objects/?{query}&next={first['next']}")
    assert rest[-1] == new
    assert first["objects"][0] not in rest


def test_a_page_is_a_thousand_objects_when_no_limit_is_given(
    lab_a: Client, exchange: str, submit: Submit, shelf: Shelf
) -> None:
    """clients.md 8: default 1,000, at most 5,000."""
    before = lab_a.crawl(f"{exchange}manifest/?match[type]=identity")
    missing = 1_002 - len(before)
    if missing > 0:
        submit(*(stix.identity() for _ in range(missing)))
    page = assert_taxii(lab_a.get(f"{exchange}objects/?match[type]=identity"))
    assert len(page["objects"]) == 1_000
    assert page["more"] is True
    assert (
        len(assert_taxii(lab_a.get(f"{exchange}objects/?match[type]=identity&limit=1001"))["objects"])
        == 1_001
    )
