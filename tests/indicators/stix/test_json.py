"""Strict JSON: what is taken, what is refused, and where the fault is said to be."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import indicators.demo
from indicators.stix import json as strict

LIMIT = 2**53 - 1
DEMO = Path(next(iter(indicators.demo.__path__)))
BUNDLES = sorted(DEMO.glob("*.json"))

text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=8)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-LIMIT, LIMIT)
    | st.floats(allow_nan=False, allow_infinity=False).filter(lambda number: not LIMIT < abs(number) < 1e21)
    | text
)
values = st.recursive(
    scalars,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(text, children, max_size=4),
    max_leaves=12,
)
#: Pieces that make texts which are nearly, or not quite, JSON.
pieces = st.sampled_from(
    [
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        '"a"',
        '"b"',
        '"\\u0000"',
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\\\u0000"',
        "1",
        "-",
        "01",
        "1.5",
        "1e999",
        "NaN",
        "-Infinity",
        "null",
        "true",
        "tru",
        "9007199254740991",
        "9007199254740992",
        '"objects":',
        '{"objects":[',
        '"\\x"',
        "\\",
        '"',
        "é",
        " ",
        "\n",
        "\t",
        "\x00",
        "\x0b",
        "\ufeff",
        '"\t"',
    ]
)
nearly_json = st.lists(pieces, max_size=12).map("".join)


class _NotAllowed(Exception):
    pass


def _oracle_takes(raw: bytes) -> bool:
    """Whether a text is strict JSON, worked out by plain means and slowly."""

    def pairs(members: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({key for key, _ in members}) < len(members):
            raise _NotAllowed
        return dict(members)

    def constant(_: str) -> None:
        raise _NotAllowed

    def holds(value: Any, depth: int) -> bool:
        if isinstance(value, str):
            return "\x00" not in value and not any(0xD800 <= ord(character) <= 0xDFFF for character in value)
        if isinstance(value, bool) or value is None:
            return True
        if isinstance(value, int):
            return abs(value) <= LIMIT
        if isinstance(value, float):
            return math.isfinite(value) and not LIMIT < abs(value) < 1e21
        if depth > 31:
            return False
        if isinstance(value, list):
            return all(holds(member, depth + 1) for member in value)
        return all(holds(key, depth) and holds(member, depth + 1) for key, member in value.items())

    try:
        decoded = raw.decode("utf-8")
        return holds(json.loads(decoded, object_pairs_hook=pairs, parse_constant=constant), 0)
    except (_NotAllowed, ValueError):
        return False


@given(values, st.booleans())
def test_what_is_strict_json_is_read_as_the_value_it_is(value: Any, ascii_only: bool) -> None:
    assert strict.parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@settings(max_examples=400)
@given(nearly_json.map(str.encode) | st.binary(max_size=20))
def test_what_is_taken_is_what_an_independent_reading_takes(raw: bytes) -> None:
    try:
        strict.parse(raw)
        taken = True
    except strict.Refused as refused:
        taken = False
        assert refused.code in strict.CODES  # noqa: PT017 (either outcome is right)
        assert refused.place in refused.sentence  # noqa: PT017
    assert taken == _oracle_takes(raw)


@settings(max_examples=400)
@given(nearly_json)
def test_the_slow_reader_finds_a_fault_exactly_where_there_is_one(written: str) -> None:
    assert (strict.find_fault(written) is None) == _oracle_takes(written.encode())


@pytest.mark.parametrize(
    ("raw", "code", "place"),
    [
        (b'{"a":{"b":1,"b":2}}', "duplicate-key", "/a/b"),
        (b'{"a/b":1,"~":{"a":1,"\\u0061":2}}', "duplicate-key", "/~0/a"),
        (b'{"n":[0,NaN]}', "not-a-number", "/n/1"),
        (b"[-Infinity]", "not-a-number", "/0"),
        (b'{"n":9007199254740992}', "integer-out-of-range", "/n"),
        (b'{"n":-9007199254740992}', "integer-out-of-range", "/n"),
        (b'{"n":[' + b"9" * 5000 + b"]}", "integer-out-of-range", "/n/0"),
        (b'{"n":1e999}', "number-out-of-range", "/n"),
        # Its canonical form is 100000000000000000, which is refused as an integer.
        (b'{"n":1e17}', "integer-out-of-range", "/n"),
        (b'["ok","\\ud83d"]', "lone-surrogate", "/1"),
        (b'{"a":{"\\udc00":1}}', "lone-surrogate", "/a"),
        (b'{"a":"x\\u0000"}', "nul-character", "/a"),
        (b'{"\\u0000":1}', "nul-character", ""),
        (b'{"a":"\x00"}', "nul-character", "/a"),
        (b"[" * 33 + b"]" * 33, "too-deep", "/0" * 32),
        (b'{"a":1,\n "b" 2}', "not-json", "line 2, column 6"),
        (b"[1,]", "not-json", "line 1, column 4"),
        ('{"é": tru}'.encode(), "not-json", "line 1, column 7"),
        (b"", "not-json", "line 1, column 1"),
        (b'{"a":\n"\xff"}', "invalid-utf8", "line 2, column 2"),
        (b"\xef\xbb\xbf{}", "byte-order-mark", "line 1, column 1"),
        ("{}".encode("utf-16"), "byte-order-mark", "line 1, column 1"),
        (b" " * (strict.MAX_OBJECT_BYTES + 1), "too-large", ""),
    ],
)
def test_each_refusal_names_its_reason_and_its_place(raw: bytes, code: str, place: str) -> None:
    with pytest.raises(strict.Refused) as caught:
        strict.parse(raw)

    assert (caught.value.code, caught.value.place) == (code, place)
    assert str(caught.value) == caught.value.sentence
    assert (place or "top level") in caught.value.sentence


def test_the_limits_themselves_are_taken() -> None:
    assert strict.parse(b"[9007199254740991,-9007199254740991,1e308,-0]") == [LIMIT, -LIMIT, 1e308, 0]
    assert strict.parse(b"[" * 32 + b"]" * 32)
    assert strict.parse(b'"\\ud83d\\ude00\\\\u0000"') == "\U0001f600\\u0000"
    assert strict.parse(b'"' + b"a" * (strict.MAX_OBJECT_BYTES - 2) + b'"')


@pytest.mark.parametrize("opening", [b"[", b'{"a":', b'{"a":['])
def test_deep_nesting_never_exhausts_the_stack(opening: bytes) -> None:
    raw = opening * (strict.MAX_OBJECT_BYTES // len(opening))
    with pytest.raises(strict.Refused, match="nested more than 32 levels"):
        strict.parse(raw)


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_a_bundle_comes_apart_into_the_objects_it_holds(bundle: Path) -> None:
    body = bundle.read_bytes()

    raws = strict.split(body)

    assert [json.loads(raw) for raw in raws] == json.loads(body)["objects"]
    assert all(raw in body for raw in raws)


@pytest.mark.parametrize(
    ("body", "raws"),
    [
        (b"{}", []),
        (b' {"more": false} ', []),
        (b'{"type":"bundle","id":"bundle--1"}', []),
        (b'{"objects":[]}', []),
        (b'{"more":true,"next":"x","objects":[ {"a" : 1} ,2, "]" ]}', [b'{"a" : 1}', b"2", b'"]"']),
        (b'{"x_a":[{"objects":[9]}],"objects":[1]}', [b"1"]),
        (b'{"\\u006fbjects":[1]}', [b"1"]),
    ],
)
def test_envelopes_come_apart(body: bytes, raws: list[bytes]) -> None:
    assert strict.split(body) == raws


@pytest.mark.parametrize(
    "bad",
    [
        b'{"a":1,"a":2}',
        b'{"a":NaN}',
        b'{"a":"\\ud800"}',
        b'{"a":"\\u0000"}',
        b'{"a":1e999}',
        b'{"a":99999999999999999999}',
        b"[" * 3000 + b"]" * 3000,
        b'"' + b"x" * strict.MAX_OBJECT_BYTES + b'"',
    ],
    ids=lambda bad: bad[:24].decode("latin-1"),
)
def test_a_bad_object_harms_no_other(bad: bytes) -> None:
    raws = strict.split(b'{"objects":[{"a":"["},' + bad + b',{"b":"]"}]}')

    assert raws == [b'{"a":"["}', bad, b'{"b":"]"}']
    with pytest.raises(strict.Refused):
        strict.parse(raws[1])


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        (b'{"objects":[{"a":"b"},\n{"a":"\xff"}]}', "invalid-utf8", "line 2, column 7"),
        (b"[1]", "not-an-object", ""),
        (b"3", "not-an-object", ""),
        (b'{"objects":null}', "not-an-envelope", "/objects"),
        (b'{"objects":{"a":1}}', "not-an-envelope", "/objects"),
        (b'{"type":"indicator","objects":[]}', "not-an-envelope", "/type"),
        (b'{"type":"indicator"}', "not-an-envelope", "/type"),
        (b'{"object":[]}', "not-an-envelope", ""),
        (b'{"objects":[1],"objects":[1]}', "duplicate-key", "/objects"),
        (b'{"objects":[1],"more":true,"objects":[1,2]}', "duplicate-key", "/objects"),
        (b'{"objects":[1],"more":1,"more":1}', "duplicate-key", "/more"),
        (b'{"objects":[1,\n{"a" 1}]}', "not-json", "line 2, column 6"),
        (b'{"objects":[NaN,\n{"a" 1}]}', "not-json", "line 2, column 6"),
        (b'{"objects":[{"a":1},\n{"b":[1', "not-json", "line 2, column 8"),
        (b'{"objects":[1]} x', "not-json", "line 1, column 17"),
        (b'{"objects":[1,]}', "not-json", "line 1, column 15"),
        (b"", "not-json", "line 1, column 1"),
        (b"\xef\xbb\xbf{}", "byte-order-mark", "line 1, column 1"),
        (b'{"objects":[' + b"1," * strict.MAX_OBJECTS + b"1]}", "too-many-objects", ""),
        (b" " * (strict.MAX_BODY_BYTES + 1), "too-large", ""),
    ],
    ids=lambda part: part[:30] if isinstance(part, bytes) else part,
)
def test_what_is_no_envelope_is_refused_with_its_place(body: bytes, code: str, place: str) -> None:
    with pytest.raises(strict.Refused) as caught:
        strict.split(body)

    assert (caught.value.code, caught.value.place) == (code, place)


@settings(max_examples=500)
@given(
    (nearly_json | nearly_json.map(lambda part: '{"objects":[' + part + "]}")).map(str.encode)
    | st.binary(max_size=30)
)
def test_any_bytes_come_apart_or_are_refused(body: bytes) -> None:
    try:
        raws = strict.split(body)
    except strict.Refused as refused:
        assert refused.code in strict.CODES  # noqa: PT017 (either outcome is right)
    else:
        assert json.dumps([_lenient(raw) for raw in raws]) == json.dumps(_lenient(body).get("objects", []))


def _lenient(raw: bytes) -> Any:
    return json.loads(raw.decode("utf-8", "replace"))


@settings(max_examples=200)
@given(st.data())
def test_a_damaged_bundle_comes_apart_or_is_refused(data: st.DataObject) -> None:
    body = bytearray(BUNDLES[1].read_bytes()[:6000])
    for _ in range(data.draw(st.integers(1, 4))):
        position = data.draw(st.integers(0, len(body) - 1))
        body[position : position + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    try:
        strict.split(bytes(body))
    except strict.Refused as refused:
        assert refused.code in strict.CODES  # noqa: PT017 (either outcome is right)


@pytest.mark.parametrize(
    "opening", [b"[", b'{"objects":[', b'{"x":[', b'{"objects":[{"a":1},', b'{"objects":["']
)
def test_ten_megabytes_of_brackets_are_refused_at_once(opening: bytes) -> None:
    with pytest.raises(strict.Refused):
        strict.split(opening + b"[" * (strict.MAX_BODY_BYTES - len(opening)))


def test_a_quarter_megabyte_of_backslashes_is_read_in_one_pass() -> None:
    # Minutes, where each backslash is taken for the first of its run.
    text = "\\" * 60_000
    raw = json.dumps({"a": text + "x", "b": "\\u0000"}).encode()
    assert strict.parse(raw) == {"a": text + "x", "b": "\\u0000"}
    with pytest.raises(strict.Refused, match="U\\+0000"):
        strict.parse(json.dumps({"a": text + "\0"}).encode())


def test_lines_are_objects() -> None:
    assert strict.split_lines(b'{"a":1}\r\n\n  {"b":"\\n"} \n') == [b'{"a":1}', b'{"b":"\\n"}']
    assert strict.split_lines(b"") == []


@pytest.mark.parametrize(
    ("raw", "head"),
    [
        (b'{"id":"a","modified":"b","created":"c"}', ("a", "b", "c")),
        (b'{"id":"a","modified":1,"x":[{"id":"y"}]}', ("a", None, None)),
        (b'{"id":"\\ud800","created":"c"}', (None, None, "c")),
        (b'{"id":"a\\u0000","modified":"\xff","created":"c"}', (None, None, "c")),
        (b'{"id":"a","n":1e999}', ("a", None, None)),
        (b"[" * 100_000, (None, None, None)),
        (b"", (None, None, None)),
    ],
    ids=lambda part: part[:30] if isinstance(part, bytes) else "",
)
def test_the_head_is_what_can_be_read_of_it(raw: bytes, head: tuple[str | None, ...]) -> None:
    assert strict.head(raw) == head


@given(st.binary(max_size=40) | nearly_json.map(str.encode))
def test_the_head_of_any_bytes_is_read_without_an_error(raw: bytes) -> None:
    assert len(strict.head(raw)) == 3
