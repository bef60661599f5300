"""From a file or a stream to batches: bodies of NDJSON, cut by count and size, in constant memory."""

import hashlib
import json
import select
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

BATCH_LINES = 500
BATCH_BYTES = 2_000_000
_CHUNK = 1 << 16
_TICK = 0.2
_BOM = b"\xef\xbb\xbf"
SIGNATURES = "x_stillwatch_signatures"
"""Beside the objects of an envelope or bundle: the signature of each, or null."""


class Unreadable(ValueError):
    """The input is no JSON text that holds objects; the message says where."""


@dataclass(frozen=True, slots=True)
class Line:
    """One object as it stands in the input, and its number there, from 1; or why it cannot be sent."""

    number: int
    text: bytes = b""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Batch:
    """A body and where its objects stood: runs of (first number, how many)."""

    number: int
    body: bytes
    count: int
    runs: tuple[tuple[int, int], ...]
    digest: str = field(repr=False)

    def place(self, ordinal: int) -> int:
        """The number in the input of the object at a place of the body."""
        return place_in(self.runs, ordinal)


def place_in(runs: Iterable[tuple[int, int]], ordinal: int) -> int:
    """The number in the input of the n-th (from 0) of some runs; 0 for none."""
    for first, count in runs:
        if ordinal < count:
            return first + ordinal
        ordinal -= count
    return 0


def lines_of(stream: BinaryIO, *, max_bytes: int, ticking: bool) -> Iterator[Line | None]:
    """The lines of a stream that are not blank, LF or CRLF; a None now and then while nothing arrives (`ticking`).

    A line longer than `max_bytes`, or one that is not UTF-8, comes without text: it would spoil its batch.
    """
    number, pending, dropping = 0, b"", False
    while True:
        if ticking and not select.select([stream], [], [], _TICK)[0]:
            yield None
            continue
        chunk = stream.read(_CHUNK)
        *whole, pending = (pending + chunk).split(b"\n")
        if not chunk and (pending or dropping):
            whole, pending = [*whole, pending], b""
        for text in whole:
            number += 1
            text = (text.removeprefix(_BOM) if number == 1 else text).strip(b" \t\r")
            if dropping or len(text) > max_bytes:
                yield Line(number, fault=f"longer than {max_bytes:,} bytes")
            elif text:
                yield _checked(number, text)
            dropping = False
        if len(pending) > max_bytes:
            # Only its end is awaited now.
            pending, dropping = b"", True
        if not chunk:
            return


def _checked(number: int, text: bytes) -> Line:
    try:
        str(text, "utf-8")
    except UnicodeDecodeError as error:
        return Line(number, fault=f"not UTF-8 at byte {error.start + 1}")
    return Line(number, text)


def objects_of(text: str) -> Iterator[Line]:
    """The objects of one JSON text, as they stand there: of its list `objects`, of a list, or itself.

    Those that bear signatures beside them (`SIGNATURES`) have them around themselves, as a line has. `Unreadable` if
    it is none of these.
    """
    try:
        slices = _slices(text.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise Unreadable(f"line {error.lineno}, column {error.colno}: {error.msg}") from None
    except (RecursionError, IndexError):
        raise Unreadable("nested too deep, or cut off") from None
    for number, one in enumerate(slices, start=1):
        # Between the tokens of JSON only: a string holds no line break as such.
        yield _checked(number, one.replace("\r", " ").replace("\n", " ").encode("utf-8", "surrogatepass"))


def _slices(text: str) -> list[str]:
    decoder, found, signatures = json.JSONDecoder(), None, None
    start = _skip(text, 0)
    if text[start] == "[":
        found, end = _elements(decoder, text, start)
    elif text[start] == "{":
        end = _skip(text, start + 1)
        while text[end] != "}":
            key, end = decoder.raw_decode(text, end)
            end = _expect(text, end, ":")
            if key == "objects" and text[end] == "[":
                found, end = _elements(decoder, text, end)
            else:
                value, end = decoder.raw_decode(text, end)
                signatures = value if key == SIGNATURES else signatures
            end = _skip(text, end)
            if text[end] != "}":
                end = _expect(text, end, ",")
        end += 1
        found = [text[start:end]] if found is None else found
    else:
        raise json.JSONDecodeError("an object or a list is expected", text, start)
    if text[end:].strip(" \t\r\n"):
        raise json.JSONDecodeError("something follows the JSON text", text, _skip(text, end))
    return found if signatures is None else _bearing(found, signatures)


def _bearing(objects: list[str], signatures: Any) -> list[str]:
    if not isinstance(signatures, list) or len(signatures) != len(objects):
        raise Unreadable(
            f"{SIGNATURES} has no entry for each of the {len(objects):,} objects, null where none is signed"
        )
    return [
        text if signature is None else f'{{"jws":{json.dumps(signature)},"object":{text}}}'
        for signature, text in zip(signatures, objects, strict=True)
    ]


def _elements(decoder: json.JSONDecoder, text: str, start: int) -> tuple[list[str], int]:
    found, end = [], _skip(text, start + 1)
    while text[end] != "]":
        begin = end
        _, end = decoder.raw_decode(text, begin)
        found.append(text[begin:end])
        end = _skip(text, end)
        if text[end] != "]":
            end = _expect(text, end, ",")
    return found, end + 1


def _expect(text: str, place: int, mark: str) -> int:
    place = _skip(text, place)
    if text[place] != mark:
        raise json.JSONDecodeError(f"{mark} is expected", text, place)
    return _skip(text, place + 1)


def _skip(text: str, place: int) -> int:
    while place < len(text) and text[place] in " \t\r\n":
        place += 1
    return place


def cut(
    lines: Iterable[Line | None],
    *,
    max_lines: int,
    max_bytes: int,
    linger: float | None,
    faulty: Callable[[Line], None],
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[Batch]:
    """Batches of at most so many lines and bytes. `faulty` is told of each line that cannot be sent.

    With `linger`, what waits for more lines goes out after so many seconds.
    """
    number, held, size, since = 1, list[Line](), 0, 0.0
    for line in lines:
        if line is not None and line.fault:
            faulty(line)
            continue
        if held and (
            (linger is not None and clock() - since >= linger)
            or (line is not None and (len(held) >= max_lines or size + len(line.text) + 1 > max_bytes))
        ):
            yield _batch(number, held)
            number, held, size = number + 1, [], 0
        if line is not None:
            since = since if held else clock()
            held.append(line)
            size += len(line.text) + 1
    if held:
        yield _batch(number, held)


def _batch(number: int, held: list[Line]) -> Batch:
    body = b"".join(line.text + b"\n" for line in held)
    runs: list[tuple[int, int]] = []
    for line in held:
        if runs and sum(runs[-1]) == line.number:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((line.number, 1))
    return Batch(number, body, len(held), tuple(runs), hashlib.sha256(body).hexdigest())
