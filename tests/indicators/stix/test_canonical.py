"""The canonical form is RFC 8785's in every case, and a fixed point."""

from __future__ import annotations

import json
from enum import IntEnum
from typing import Any

import pytest
import rfc8785
from hypothesis import example, given, settings
from hypothesis import strategies as st

from indicators.stix.canonical import canonical, canonical_parsed, read_canonical
from indicators.stix.json import MAX_INTEGER, Refused, parse, parse_noting_floats

LIMIT = 2**53 - 1
text = st.text(max_size=6)
floats = st.floats() | st.sampled_from(
    [1.0, -0.0, 1e21, 1e20, 1e16, 1e-7, 1e-6, 1e-5, 0.0001, 0.1, 333333333.3333333]
)
scalars = st.none() | st.booleans() | st.integers(-LIMIT - 2, LIMIT + 2) | floats | text
values = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=10,
)


@settings(max_examples=500)
@given(values)
@example({"\ue000": 1, "\U0001f600": 2, "é": 3})
@example({"a": '\x7f\x1f\u2028\\"/\b\f\n\r\t'})
def test_canonical_bytes_are_those_of_rfc_8785(value: Any) -> None:
    try:
        expected = rfc8785.dumps(value)
    except ValueError:
        with pytest.raises(Refused):
            canonical(value)
    else:
        assert canonical(value) == expected


@settings(max_examples=300)
@given(values)
def test_canonical_form_is_a_fixed_point_of_reading(value: Any) -> None:
    try:
        once = canonical(value)
        read, odd_floats = parse_noting_floats(once)
    except Refused:
        return
    assert canonical_parsed(read, odd_floats=odd_floats) == once
    assert read == value


readable = floats.filter(lambda number: abs(number) < 1e300 and not MAX_INTEGER < abs(number) < 1e21)


@given(st.dictionaries(st.text("ab", max_size=2), readable))
def test_the_reader_knows_which_floats_need_care(value: dict[str, float]) -> None:
    read, odd_floats = parse_noting_floats(json.dumps(value).encode())

    assert canonical_parsed(read, odd_floats=odd_floats) == rfc8785.dumps(value)


# Few keys, so that they come twice; quotation marks, so that what is lost may be made up for.
_written_keys = st.sampled_from(
    [r'"a"', r'"b"', r'"\""', r'"\u0022"', r'"\/"', '"/"', '"é"', '"\U0001f600"', '"\ue000"']
)
_written_numbers = """0 -0 -0.0 1.0 0.25 1e5 1e999 1e-7 0.1000000000000000055 01 9007199254740991 9007199254740992
-9007199254740993 1e17"""
_written_words = (
    r"""null true NaN "x "" "\"" "\u0000" "\ud800" "\\u0041" "\u0022" "\n" "{[{[" "4111111111111111" """
)
_written_scalars = st.sampled_from([*_written_numbers.split(), *_written_words.split(), '"\x7f"', '"\t"'])
written = st.recursive(
    _written_scalars | _written_keys,
    lambda parts: (
        st.lists(parts, max_size=4).map(lambda items: f"[{', '.join(items)}]")
        | st.lists(st.tuples(_written_keys, parts), max_size=4).map(
            lambda members: "{" + ",\n".join(f"{key} :{value}" for key, value in members) + "}"
        )
    ),
    max_leaves=12,
)


@settings(max_examples=400)
@given(written.map(str.encode) | st.binary(max_size=12))
@example(b'{"a":1,"a":"\\u0022\\u0022"}')
@example(b'{"a":1,"a":2}')
@example(b"[" * 33 + b"]" * 33)
@example(b"\xef\xbb\xbf1")
@example(b'"\xed\xa0\x80"')
@example(b"[1] ]")
def test_reading_to_canonical_bytes_takes_what_strict_reading_takes_and_comes_to_the_same(raw: bytes) -> None:
    def strictly() -> tuple[str, bytes]:
        value, odd_floats = parse_noting_floats(raw)
        return repr(value), canonical_parsed(value, odd_floats=odd_floats)

    try:
        expected = strictly()
    except Refused as refused:
        with pytest.raises(Refused) as caught:
            read_canonical(raw)
        assert (caught.value.code, caught.value.place) == (refused.code, refused.place)  # noqa: PT017
    else:
        value, body = read_canonical(raw)
        assert (repr(value), body) == expected


class _Number(IntEnum):
    ONE = 1


@pytest.mark.parametrize("value", [{"a": _Number.ONE, "b": (1, "x")}, (), {"t": True, "o": 1}])
def test_values_that_json_never_reads_are_written_as_rfc_8785_writes_them(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


_loop: list[Any] = []
_loop.append(_loop)


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ({"a": 2**53}, "integer-out-of-range"),
        ([float("nan")], "not-a-number"),
        ({"a": "\ud800"}, "lone-surrogate"),
        ({"\ud800": 1}, "lone-surrogate"),
        ({1: 2}, "not-json"),
        ({"a": b"x"}, "not-json"),
        (_loop, "too-deep"),
    ],
)
def test_what_has_no_canonical_form_is_refused(value: Any, code: str) -> None:
    with pytest.raises(Refused) as caught:
        canonical(value)

    assert caught.value.code == code


def test_true_and_one_stay_apart() -> None:
    assert canonical(parse(b'[true, 1, 1.0, "1"]')) == b'[true,1,1,"1"]'
