"""From files and streams to batches: whatever the input, every object goes into one batch, byte for byte."""

import io
import json
import os
import threading
from typing import BinaryIO, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.submitter import batches
from sharing.submitter.batches import Batch, Line, Unreadable


def lines(content: bytes, max_bytes: int = 100) -> list[Line]:
    return [one for one in batches.lines_of(io.BytesIO(content), max_bytes=max_bytes, ticking=False) if one]


def cut(content: bytes, *, max_lines: int = 3, max_bytes: int = 100) -> tuple[list[Batch], list[Line]]:
    faulty: list[Line] = []
    made = batches.cut(
        lines(content, max_bytes), max_lines=max_lines, max_bytes=max_bytes, linger=None, faulty=faulty.append
    )
    return list(made), faulty


@pytest.mark.parametrize(
    "content", [b"a\nb\n", b"a\nb", b"a\r\nb\r\n", b"\xef\xbb\xbfa\n b \n", b"a\nb\n\n \n"]
)
def test_lines_end_as_files_end_them(content: bytes) -> None:
    assert [(one.number, one.text) for one in lines(content)] == [(1, b"a"), (2, b"b")]


def test_blank_lines_count_but_are_not_sent() -> None:
    (batch,), _ = cut(b"\n\na\n\nb\nc\n")

    assert (batch.body, batch.count) == (b"a\nb\nc\n", 3)
    assert [batch.place(ordinal) for ordinal in range(4)] == [3, 5, 6, 0]


def test_a_line_that_would_spoil_its_batch_is_set_apart() -> None:
    (batch,), faulty = cut(b"a\n" + b"x" * 101 + b"\n\xff\nb\n" + b"y" * 500)

    assert batch.body == b"a\nb\n"
    assert [(one.number, one.fault) for one in faulty] == [
        (2, "longer than 100 bytes"),
        (3, "not UTF-8 at byte 1"),
        (5, "longer than 100 bytes"),
    ]


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    class Endless(io.RawIOBase):
        sent = 0

        def read(self, size: int = -1) -> bytes:
            self.sent += size
            return b"x" * size if self.sent < 50_000_000 else b""

    found = batches.lines_of(cast(BinaryIO, Endless()), max_bytes=1_000, ticking=False)

    assert [one.fault for one in found if one] == ["longer than 1,000 bytes"]


def test_a_batch_is_cut_by_lines_and_by_bytes() -> None:
    by_lines, _ = cut(b"a\n" * 7, max_lines=3)
    by_bytes, _ = cut(b"12345678\n" * 7, max_lines=100, max_bytes=20)

    assert [batch.count for batch in by_lines] == [3, 3, 1]
    assert [batch.count for batch in by_bytes] == [2, 2, 2, 1]
    assert [batch.number for batch in by_lines] == [1, 2, 3]


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\n"), max_size=30), max_size=40))
def test_every_line_goes_into_one_batch_in_order(texts: list[str]) -> None:
    made, faulty = cut("\n".join(texts).encode() + b"\n", max_lines=4, max_bytes=130)

    sent = [line for batch in made for line in batch.body.splitlines()]
    numbers = [batch.place(ordinal) for batch in made for ordinal in range(batch.count)]
    expected = [text.removeprefix("\ufeff") if n == 0 else text for n, text in enumerate(texts)]
    wanted = [(n + 1, t) for n, text in enumerate(expected) if (t := text.encode().strip(b" \t\r"))]
    assert not faulty
    assert b"\n".join(batch.body for batch in made).count(b"\n\n") == max(0, len(made) - 1)
    assert [number for number, _ in wanted] == numbers
    assert b"".join(t + b"\n" for _, t in wanted) == b"".join(batch.body for batch in made)
    assert len(sent) >= len(wanted)


def test_a_batch_that_is_not_full_goes_out_after_a_while() -> None:
    now = [0.0]

    def trickle() -> object:
        yield Line(1, b"a")
        now[0] = 4.0
        yield Line(2, b"b")
        now[0] = 5.0
        yield None
        yield None
        yield Line(3, b"c")

    made = batches.cut(
        trickle(),  # type: ignore[arg-type]
        max_lines=10,
        max_bytes=100,
        linger=5.0,
        faulty=lambda _: None,
        clock=lambda: now[0],
    )

    assert [batch.body for batch in made] == [b"a\nb\n", b"c\n"]


def test_a_silent_stream_ticks() -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours, "rb", buffering=0) as stream:
        found = batches.lines_of(cast(BinaryIO, stream), max_bytes=100, ticking=True)
        assert next(found) is None

        def speak() -> None:
            os.write(theirs, b"a\n")
            os.close(theirs)

        threading.Timer(0.01, speak).start()

        assert [one for one in found if one] == [Line(1, b"a")]


OBJECT = {"type": "campaign", "name": 'brackets ] } " \\ and \n', "n": [1, {"objects": []}]}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize(
    "whole",
    [
        {"type": "bundle", "id": "bundle--1", "objects": [OBJECT, OBJECT]},
        {"objects": [OBJECT, OBJECT], "more": False},
        [OBJECT, OBJECT],
    ],
    ids=["bundle", "envelope", "list"],
)
def test_the_objects_of_a_bundle_come_out_as_lines(whole: object, indent: int | None) -> None:
    found = list(batches.objects_of(json.dumps(whole, indent=indent)))

    assert [json.loads(one.text) for one in found] == [OBJECT, OBJECT]
    assert not any(b"\n" in one.text for one in found)
    assert [one.number for one in found] == [1, 2]


def test_an_object_alone_is_one_and_an_empty_bundle_none() -> None:
    assert [json.loads(one.text) for one in batches.objects_of(json.dumps(OBJECT, indent=2))] == [OBJECT]
    assert list(batches.objects_of('{"objects": [ ]}')) == []


def test_numbers_and_spellings_stay_as_they_are_written() -> None:
    (one,) = batches.objects_of('[{"a": 1.50, "b": 1E2, "c": "\\u00e9"}]')

    assert one.text == b'{"a": 1.50, "b": 1E2, "c": "\\u00e9"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "7",
        '"a"',
        "{",
        "[1",
        "[1,",
        '{"objects":[1}',
        '{"a":1}{}',
        "[1] x",
        "[" * 100_000,
        "nonsense",
    ],
)
def test_what_is_no_json_text_is_said_so(text: str) -> None:
    with pytest.raises(Unreadable):
        list(batches.objects_of(text))
