"""Files taken apart in a stream: the same parts however they come, as they would be read whole."""

import csv
import io
import json as plain_json
import tracemalloc
from collections.abc import Iterator
from itertools import count, pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.sources import csv as csv_source
from indicators.sources import stream
from indicators.sources.stream import Part, Sizes
from indicators.stix import json
from indicators.stix.json import Refused

SMALL = Sizes(part_bytes=60, part_elements=4)


def parts(format_: str, body: bytes, *, block: int = 7, sizes: Sizes = SMALL) -> list[Part]:
    return list(stream.split(format_, [body], block_bytes=block, sizes=sizes))


def elements(found: list[Part]) -> list[bytes]:
    """What the parts of a STIX file hold, read as every submission is."""
    return [raw for part in found for raw in json.split(part.body)]


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(alphabet='ab"\\[]{},:\n\u00e9\U0001f600', max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text('x"[\\', max_size=2), inner, max_size=3)
    ),
    max_leaves=8,
)


@st.composite
def envelopes(draw: st.DrawFn) -> bytes:
    """Envelopes in every lay-out."""
    members: list[tuple[str, object]] = [("objects", draw(st.lists(values, max_size=12)))]
    if draw(st.booleans()):
        members.append(("more", False))
    if draw(st.booleans()):
        members.append(("x_note", "ends ] here"))
    draw(st.randoms()).shuffle(members)
    indent = draw(st.none() | st.integers(0, 2))
    return plain_json.dumps(dict(members), indent=indent, ensure_ascii=draw(st.booleans())).encode()


@given(body=envelopes(), block=st.integers(1, 40), cuts=st.lists(st.integers(0, 200), max_size=5))
def test_the_elements_of_all_parts_are_those_of_the_whole_in_order_and_byte_for_byte(
    body: bytes, block: int, cuts: list[int]
) -> None:
    cuts = [0, *sorted(cuts), len(body)]
    chunks = [body[first:last] for first, last in pairwise(cuts)]

    found = list(stream.split("stix", chunks, block_bytes=block, sizes=SMALL))

    assert elements(found) == json.split(body)
    assert found == parts("stix", body, block=len(body) + 1)
    assert [part.offset for part in found] == [
        sum(one.count for one in found[:index]) for index in range(len(found))
    ]


@given(
    body=envelopes(),
    at=st.integers(0, 400),
    byte=st.sampled_from(b'"\\[]{},: \n1\xff'),
    block=st.integers(1, 40),
)
def test_what_is_refused_whole_is_refused_in_a_stream_with_the_same_code(
    body: bytes, at: int, byte: int, block: int
) -> None:
    at %= len(body)
    body = body[:at] + bytes([byte]) + body[at + 1 :]
    try:
        whole: list[bytes] | str = json.split(body)
    except Refused as refusal:
        whole = refusal.code
    try:
        streamed: list[bytes] | str = elements(parts("stix", body, block=block))
    except Refused as refusal:
        streamed = refusal.code

    if isinstance(whole, str) and isinstance(streamed, str):
        # Of several faults the first that is met is told.
        assert streamed == whole or "not-json" in (streamed, whole)
    else:
        assert streamed == whole


@pytest.mark.parametrize("block", [1, 3, 64])
def test_a_fault_is_told_with_its_line_and_column_in_the_file(block: int) -> None:
    body = '{"objects": [\n {"a": "é"},\n {"é": tru}\n]}'.encode()

    with pytest.raises(Refused) as refusal:
        parts("stix", body, block=block)

    assert (refusal.value.code, refusal.value.place) == ("not-json", "line 3, column 8")


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        (b"", "not-json", "line 1, column 1"),
        (b"[]", "not-an-object", ""),
        (b'\xef\xbb\xbf{"objects":[]}', "byte-order-mark", "line 1, column 1"),
        (b'{"objects":[1,\n\xff]}', "invalid-utf8", "line 2, column 1"),
        (b'{"objects":[\xc3', "invalid-utf8", "line 1, column 13"),
        (b'{"objects":[1', "not-json", "line 1, column 14"),
        (b'{"objects":[{"a":1', "not-json", "line 1, column 13"),
        (b'{"objects":[1,]}', "not-json", "line 1, column 15"),
        (b'{"objects":[1]', "not-json", "line 1, column 15"),
        (b'{"objects":[1]} x', "not-json", "line 1, column 17"),
        (b'{"objects":[1],"objects":[2]}', "duplicate-key", "/objects"),
        (b'{"objects":{}}', "not-an-envelope", "/objects"),
        (b'{"type":"indicator"}', "not-an-envelope", "/type"),
        (b'{"id":"x"}', "not-an-envelope", ""),
        (b'{"objects":[{"a":"' + b"x" * 5000 + b'"}]}', "too-large", "line 1, column 13"),
        (b'{"objects":[' + b"[" * 5000, "too-large", "line 1, column 13"),
        (b'{"x_a":"' + b"x" * 300_000 + b'","objects":[]}', "too-large", "line 1, column 8"),
        (b'{"objects":[' + b"1," * 200 + b"1]}", "too-many-objects", ""),
    ],
)
def test_a_broken_file_is_refused_with_its_place(body: bytes, code: str, place: str) -> None:
    with pytest.raises(Refused) as refusal:
        parts("stix", body, sizes=Sizes(element_bytes=4096, elements=200), block=512)

    assert (refusal.value.code, refusal.value.place) == (code, place)


def test_an_element_that_only_strict_json_refuses_is_left_to_ingest() -> None:
    body = b'{"objects":[{"a":NaN},{"b":"\\ud800"},{"c":1,"c":2},' + b"[" * 50 + b"]" * 50 + b"]}"

    assert elements(parts("stix", body)) == json.split(body)


@given(lines=st.lists(st.binary(max_size=12).filter(lambda one: b"\n" not in one)), block=st.integers(1, 20))
def test_the_lines_of_ndjson_are_those_of_the_whole(lines: list[bytes], block: int) -> None:
    body = b"\n".join(line.decode("latin-1").encode() for line in lines)

    found = parts("ndjson", body, block=block)

    assert [raw for part in found for raw in json.split_lines(part.body)] == json.split_lines(body)


@given(
    rows=st.lists(st.lists(st.text('ab",\n \u00e9', max_size=5), min_size=2, max_size=2)),
    block=st.integers(1, 20),
    ending=st.sampled_from(["\r\n", "\n"]),
)
def test_the_rows_of_csv_are_those_of_the_whole_and_each_part_has_the_header(
    rows: list[list[str]], block: int, ending: str
) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, lineterminator=ending)
    writer.writerow(["value", "na\nme"])
    writer.writerows(rows)

    found = parts("csv", written.getvalue().encode(), block=block)

    read = [list(csv.reader(io.StringIO(part.body.decode(), newline=""))) for part in found]
    assert all(part[0] == ["value", "na\nme"] for part in read)
    assert [row for part in read for row in part[1:]] == rows
    # Empty rows count for nothing: a spreadsheet may write a million of them.
    full = [sum(any(cell.strip(" ") for cell in row) for row in part[1:]) for part in read if len(part) > 1]
    assert [max(1, count) for count in full] == [part.count for part in found if part.count]


def test_a_quote_in_the_middle_of_a_field_opens_nothing() -> None:
    found = parts("csv", b'value,name\na.example,5" disk\nb.example,"two\nlines"\n')

    assert [part.body for part in found] == [
        b'value,name\na.example,5" disk\nb.example,"two\nlines"\n',
    ]


def test_a_quote_that_never_closes_refuses_the_file() -> None:
    with pytest.raises(Refused) as refusal:
        parts("csv", b'value,name\na.example,x\nb.example,"two\nlines\n')

    assert (refusal.value.code, refusal.value.place) == ("csv-quoting", "line 3")


@given(
    body=st.lists(st.sampled_from(['"', ",", "\n", "\r", "\r\n", "ab", '""', ' "', '"\n'])).map("".join),
    block=st.integers(1, 20),
)
def test_rows_are_read_in_parts_as_in_the_whole_however_they_are_quoted(body: str, block: int) -> None:
    # The first eight thousand bytes are looked at together.
    whole = f"value,name,{'x' * 9000}\n{body}".encode()

    def rows(one: bytes, offset: int) -> list[object]:
        read = [msgspec.json.decode(part) for part in csv_source.split(one, max_bytes=20_000)]
        # Every part says which columns it leaves out.
        return [row | {"line": row["line"] + offset, "notes": []} for row in read]

    try:
        expected: list[object] | str = rows(whole, 0)
    except Refused as refusal:
        expected = refusal.code
    try:
        found: list[object] | str = [
            row for part in parts("csv", whole, block=block) for row in rows(part.body, part.offset)
        ]
    except Refused as refusal:
        found = refusal.code

    assert found == expected


@pytest.mark.parametrize(
    ("format_", "body", "expected"),
    [
        ("ocsf", b"[ {}, {} ]", [b"[{},{}]"]),
        ("ocsf", b"{}\n{}\n", [b"{}\n{}\n"]),
        ("misp", b'[{"Event":{}},{"Event":{}}]', [b'[{"Event":{}},{"Event":{}}]']),
        ("misp", b'{"response":[{"Event":{}}]}', [b'{"response":[{"Event":{}}]}']),
        ("misp", b'{"Event": {"info":"x"}}', [b'{"Event":{"info":"x"}}']),
        ("misp", b'{"response":[]}', []),
    ],
)
def test_every_part_is_a_body_of_the_same_form(format_: str, body: bytes, expected: list[bytes]) -> None:
    assert [part.body for part in parts(format_, body)] == expected


@pytest.mark.parametrize(
    "body",
    [
        b'{"objects":[' + b"[" * 1_000_000,
        b'{"objects":[{"a":"' + b'\\"' * 500_000,
        b'{"objects":[{"a":"' + b"\\\\" * 500_000,
        b'{"objects":[' + b'{"a":[[],{}],"b":"]"},' * 50_000,
        b'{"objects":[' + b'["' * 500_000,
        b'{"objects":[[' + b"[],{}," * 500_000,
        b" " * 1_000_000,
        b'{"objects":[[' + b'{"x":{"x":"y",' * 70_000,
    ],
    ids=["open brackets", "quotes", "backslashes", "objects", "strings", "leaves", "spaces", "half-open"],
)
def test_hostile_files_take_time_by_their_size_only(body: bytes) -> None:
    # Twice the bytes may not look at four times as many: counted in what the scanner is shown, not in seconds.
    with pytest.raises(Refused):
        for _ in stream.split("stix", [body], sizes=Sizes(element_bytes=20_000_000)):
            pass


def large(megabytes: int) -> Iterator[bytes]:
    """A bundle, made as it is read."""
    yield b'{"type":"bundle","id":"bundle--1","objects":['
    made = 0
    for number in count():
        element = b'{"type":"campaign","id":"campaign--%08d","name":"%s"}' % (number, b"x" * 900)
        made += len(element)
        yield (b"," if number else b"") + element
        if made > megabytes * 1_000_000:
            break
    yield b"]}"


def test_twenty_megabytes_and_more_are_taken_apart_in_fifteen() -> None:
    tracemalloc.start()
    try:
        found = sum(part.count for part in stream.split("stix", large(20)))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert found > 20_000
    assert peak < 15_000_000


def test_a_million_empty_rows_make_no_part_of_their_own() -> None:
    body = b"value,name\n" + b",\n\n \r\n" * 100_000 + b"a.example,\n" + b",\n" * 100_000

    found = parts("csv", body, block=stream.BLOCK_BYTES, sizes=Sizes())

    assert len(found) == 1
    assert [
        msgspec.json.decode(row)["line"] for row in csv_source.split(found[0].body, max_bytes=len(body))
    ] == [300_002]


def test_a_header_that_every_part_would_repeat_is_short() -> None:
    with pytest.raises(Refused) as refusal:
        parts("csv", b'value,"' + b"x" * 300_000 + b'"\na.example,\n', block=stream.BLOCK_BYTES)

    assert refusal.value.code == "csv-header"
