"""sharing.taxii.cursor (TAXII 2.1 §3.5, clients.md 4)."""

import base64
from dataclasses import replace
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.taxii.cursor import KINDS, combine, decode, encode, resume
from sharing.taxii.errors import BadRequest
from sharing.taxii.filters import Filters

KEY = b"a key of the server"
COLLECTION = UUID("91a7b528-80eb-42ed-a74d-c6fbd5a26116")
ID = "indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb"
WHEN = "2016-01-01T01:01:01.000000000Z"

lists = st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=20), max_size=6)
filters_ = st.builds(
    Filters,
    added_after=st.none() | st.integers(0, 253_402_300_799_999_999),
    limit=st.none() | st.integers(1, 5_000),
    ids=lists.map(lambda items: tuple(sorted(set(items)))),
    types=lists.map(lambda items: tuple(sorted(set(items)))),
    versions=st.sampled_from([(), ("all",), ("last",), ("first", "last"), (WHEN,)]),
    spec_versions=st.sampled_from([(), ("2.1",), ("2.0", "2.1")]),
)
positions = st.integers(0, 2**63 - 1)


@given(st.sampled_from(KINDS), st.uuids(), positions, filters_)
def test_a_cursor_says_what_was_put_into_it(
    kind: str, collection: UUID, position: int, filters: Filters
) -> None:
    text = encode(kind, collection, position, filters, KEY)
    assert len(text) <= 900
    cursor = decode(text, KEY)
    assert (cursor.kind, cursor.collection, cursor.position) == (kind, collection, position)
    assert combine(cursor, filters) == filters
    if cursor.digest is None:
        assert cursor.filters == filters == combine(cursor, Filters())


@given(positions, filters_, st.data())
def test_a_damaged_cursor_is_always_400(position: int, filters: Filters, data: st.DataObject) -> None:
    text = encode("objects", COLLECTION, position, filters, KEY)
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/ é"
    place = data.draw(st.integers(0, len(text) - 1))
    damaged = data.draw(
        st.sampled_from(
            [text[:place], text[place + 1 :], text[:place] + text[place + 1 :], text + "A", text + "="]
        )
        | st.sampled_from(alphabet).map(lambda other: text[:place] + other + text[place + 1 :])
    )
    if damaged != text:
        with pytest.raises(BadRequest):
            decode(damaged, KEY)


@given(
    st.text(max_size=200) | st.binary(max_size=150).map(lambda raw: base64.urlsafe_b64encode(raw).decode())
)
def test_what_the_server_never_wrote_is_400(text: str) -> None:
    with pytest.raises(BadRequest):
        decode(text, KEY)


def test_a_cursor_made_with_another_key_is_400() -> None:
    with pytest.raises(BadRequest):
        decode(encode("objects", COLLECTION, 1, Filters(), b"other"), KEY)


def test_a_plain_cursor_is_short_and_needs_no_quoting() -> None:
    text = encode("objects", COLLECTION, 2**63 - 1, Filters(), KEY)
    assert len(text) < 60
    filtered = Filters(
        added_after=1_577_836_800_000_000, limit=5_000, types=("indicator",), versions=("all",)
    )
    assert len(encode("objects", COLLECTION, 10**12, filtered, KEY)) < 200
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_the_same_page_has_the_same_cursor() -> None:
    assert encode("objects", COLLECTION, 5, Filters(limit=2), KEY) == encode(
        "objects", COLLECTION, 5, Filters(limit=2), KEY
    )


def test_filters_may_be_repeated_left_out_or_have_another_limit() -> None:
    first = Filters(added_after=5, limit=10, types=("indicator",))
    cursor = decode(encode("objects", COLLECTION, 5, first, KEY), KEY)
    assert combine(cursor, first) == first
    assert combine(cursor, Filters()) == first
    assert combine(cursor, replace(first, added_after=None)) == first
    assert combine(cursor, Filters(limit=3)) == replace(first, limit=3)
    assert combine(cursor, Filters(next="abc")).next is None


def test_the_default_version_may_be_spelt_out_or_not() -> None:
    silent = decode(encode("objects", COLLECTION, 5, Filters(), KEY), KEY)
    assert combine(silent, Filters(versions=("last",))).version_default
    spoken = decode(encode("objects", COLLECTION, 5, Filters(versions=("last",)), KEY), KEY)
    assert combine(spoken, Filters()).version_default


@pytest.mark.parametrize(
    "other",
    [
        Filters(added_after=6),
        Filters(ids=(ID,)),
        Filters(types=("malware",)),
        Filters(types=("indicator", "malware")),
        Filters(versions=("all",)),
        Filters(spec_versions=("2.0",)),
    ],
)
def test_a_filter_that_contradicts_the_cursor_is_400(other: Filters) -> None:
    cursor = decode(encode("objects", COLLECTION, 5, Filters(added_after=5, types=("indicator",)), KEY), KEY)
    with pytest.raises(BadRequest) as refusal:
        combine(cursor, other)
    assert refusal.value.error_code == "cursor-mismatch"


def test_long_filters_stand_in_the_cursor_as_a_digest_and_are_sent_again() -> None:
    many = Filters(added_after=7, ids=tuple(sorted(f"indicator--{uuid4()}" for _ in range(100))), limit=9)
    text = encode("objects", COLLECTION, 5, many, KEY)
    assert len(text) < 200
    cursor = decode(text, KEY)
    assert combine(cursor, many) == many
    assert combine(cursor, replace(many, added_after=None, limit=None)) == many
    assert combine(cursor, replace(many, limit=3)).limit == 3
    for other in (Filters(), replace(many, ids=many.ids[1:]), replace(many, added_after=8)):
        with pytest.raises(BadRequest):
            combine(cursor, other)


def test_resume_begins_at_the_start_without_a_cursor_and_after_its_position_with_one() -> None:
    assert resume(Filters(limit=2), KEY, kind="objects", collection=COLLECTION) == (Filters(limit=2), None)
    text = encode("objects", COLLECTION, 41, Filters(limit=2), KEY)
    assert resume(Filters(next=text), KEY, kind="objects", collection=COLLECTION) == (Filters(limit=2), 41)


@pytest.mark.parametrize(("kind", "collection"), [("manifest", COLLECTION), ("objects", UUID(int=1))])
def test_a_cursor_of_another_resource_is_400(kind: str, collection: UUID) -> None:
    text = encode("objects", COLLECTION, 41, Filters(), KEY)
    with pytest.raises(BadRequest):
        resume(Filters(next=text), KEY, kind=kind, collection=collection)


def test_a_cursor_of_one_object_is_not_one_of_another() -> None:
    text = encode("object", COLLECTION, 41, Filters(ids=(ID,)), KEY)
    other = "indicator--4600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb"
    with pytest.raises(BadRequest):
        resume(Filters(next=text, ids=(other,)), KEY, kind="object", collection=COLLECTION)
    assert resume(Filters(next=text, ids=(ID,)), KEY, kind="object", collection=COLLECTION)[1] == 41


@pytest.mark.parametrize(("kind", "position"), [("bundle", 1), ("objects", -1), ("objects", 2**63)])
def test_a_cursor_to_nowhere_is_a_fault_of_the_caller(kind: str, position: int) -> None:
    with pytest.raises(ValueError, match="No cursor"):
        encode(kind, COLLECTION, position, Filters(), KEY)
