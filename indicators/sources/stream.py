"""A large file taken apart in a stream: from its bytes, bodies of the same format that are small enough to be ingested.

Every part is a complete body by itself, with the raw bytes of its elements as they came. No more is held at a time
than one element and one part. The time is proportional to the bytes, whatever they are. A file that breaks the grammar
of its format is `Refused` when the fault is met, with its place in the whole file: what came before must be let go.
"""

import codecs
import re
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import msgspec

from indicators.sources import csv, signed
from indicators.stix import json
from indicators.stix.json import Refused

BLOCK_BYTES = 64 * 1024
PART_BYTES = 4 * 1024 * 1024
PART_ELEMENTS = 5_000
#: No STIX object is shorter than 70 bytes, so a file of 200 MB cannot hold more.
MAX_ELEMENTS = 3_000_000
#: What is not longer than this is refused alone, at ingest, where it is over the limit of its kind (256 KiB for a STIX
#: object); what is longer cannot be held.
MAX_ELEMENT_BYTES = 4 * 1024 * 1024
MAX_EVENT_BYTES = json.MAX_BODY_BYTES
"""Of a MISP event, which comes with all its attributes."""
MAX_ENVELOPE_BYTES = 256 * 1024
"""Of what stands around a list."""


@dataclass(frozen=True, slots=True)
class Part:
    """A body and how many elements it holds; its places are `offset` later in the file (elements, lines of CSV)."""

    body: bytes
    count: int
    offset: int


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a part may grow; an element that is larger alone is a part of its own."""

    part_bytes: int = PART_BYTES
    part_elements: int = PART_ELEMENTS
    element_bytes: int = MAX_ELEMENT_BYTES
    event_bytes: int = MAX_EVENT_BYTES
    elements: int = MAX_ELEMENTS


def split(
    format_: str, chunks: Iterable[bytes], *, sizes: Sizes | None = None, block_bytes: int = BLOCK_BYTES
) -> Iterator[Part]:
    """The parts of a file of one of `FORMATS`, in order; however it was cut into chunks, they are the same."""
    return FORMATS[format_](_Text(_blocks(chunks, block_bytes)), sizes or Sizes())


def _blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in blocks of one size."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        whole = len(held) - len(held) % size
        for start in range(0, whole, size):
            yield bytes(held[start : start + size])
        del held[:whole]
    if held:
        yield bytes(held)


# ----------------------------------------------------------------------------------------------------
# The text

_SPACE = re.compile(rb"[ \t\n\r]*+")
_SCALAR = re.compile(rb"[^\s,:\[\]{}\"]*+")
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
#: Inside a container: everything up to a bracket that has others within, or up to what the held text cuts off.
_TO_BRACKETS = re.compile(
    rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[{](?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+[\]}])*+',
    re.DOTALL,
)
_BRACKETS = re.compile(rb"[\[{]++|[\]}]++")
#: Not one whose line end may go on in what is not held yet.
_BLANK_LINES = re.compile(rb"(?:\r?\n)*+")
_HEAD_BYTES = 8192
_CONTINUATION = bytes(range(0x80, 0xC0))
_NOTHING = -1
_QUOTE, _COMMA, _COLON, _LIST, _LIST_END, _OBJECT, _OBJECT_END = b'",:[]{}'
_STARTS = frozenset(b'"[{-0123456789tfn')


class _Text:
    """What of a text is held: from `position` on not taken yet. It grows by blocks, and is let go as it is taken."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self.held = bytearray()
        self.position = 0
        self._blocks = blocks
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._line, self._column = 1, 1
        self._syntax = msgspec.json.Decoder(msgspec.Raw)

    def more(self) -> bool:
        """Hold another block; False at the end of the file."""
        self._let_go()
        block = next(self._blocks, b"")
        try:
            self._decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = len(error.object) - len(block)
            self.held += block
            place = self.place(len(self.held) - len(block) - before + error.start)
            reason = f"the byte 0x{error.object[error.start]:02x} is not UTF-8 here"
            raise Refused("invalid-utf8", place, reason) from None
        self.held += block
        return bool(block)

    def refuse_byte_order_mark(self) -> None:
        """As every reader of JSON here does."""
        while len(self.held) < 3 and self.more():
            pass
        if self.held.startswith(codecs.BOM_UTF8):
            raise Refused("byte-order-mark", "line 1, column 1", "the text starts with a byte order mark")

    def peek(self) -> int:
        """The next byte after white space, which is passed over; `_NOTHING` at the end."""
        while True:
            self.position = _end(_SPACE, self.held, self.position)
            if self.position < len(self.held):
                return self.held[self.position]
            if not self.more():
                return _NOTHING

    def take(self, *, limit: int) -> bytes:
        """The raw bytes of the value that begins at `position`; its grammar is looked at, nothing else."""
        first = self.peek()
        if first in (_LIST, _OBJECT):
            length = self._length_of_container(limit)
        elif first == _QUOTE:
            length = self._length_of_string(1, limit)
        else:
            length = self._length_of_scalar(limit)
        raw = bytes(self.held[self.position : self.position + length])
        try:
            self._syntax.decode(raw)
        except (RecursionError, ValueError):  # msgspec's errors are ValueErrors
            # It stops at NaN, half a surrogate pair and deep nesting too, which are the fault of one element.
            if (fault := json.grammar_fault(raw)) is not None:
                raise self.broken(fault[1], ahead=fault[0]) from None
        self.position += length
        return raw

    def elements(self, *, limit: int) -> Iterator[bytes]:
        """The raw bytes of each element of the list that begins at `position`."""
        start = self.place(self.position)
        self.position += 1
        following = self.peek()
        if following != _LIST_END:
            while True:
                yield self.take(limit=limit)
                following = self.peek()
                if following != _COMMA:
                    break
                self.position += 1
        if following == _NOTHING:
            raise self.broken(f"the text ends within the list that begins at {start}")
        if following != _LIST_END:
            raise self.broken(f"a comma or ']' was expected, not {chr(following)!r}")
        self.position += 1

    def lines(self, *, limit: int) -> Iterator[bytes]:
        """Each line that is not blank, from its first character on, with its end."""
        while self.peek() != _NOTHING:
            length = self._length_of_line(0, limit)
            line = bytes(self.held[self.position : self.position + length])
            self.position += length
            yield line

    def records(self, *, delimiter: bytes, limit: int) -> Iterator[bytes]:
        """Lines of CSV with their ends, each with those that its quotes hold, as Python's strict reader has them."""
        tokens = _Csv(delimiter)
        while True:
            blank = _end(_BLANK_LINES, self.held, self.position)
            if blank > self.position:
                record = bytes(self.held[self.position : blank])
                self.position = blank
                yield record
                continue
            length, in_quotes = 0, False
            while True:
                start = length
                try:
                    length = self._length_of_line(length, limit)
                except Refused:
                    if in_quotes:
                        break
                    raise
                line = bytes(self.held[self.position + start : self.position + length])
                in_quotes = tokens.leaves_open(line, in_quotes)
                if not line or not in_quotes:
                    break
            if in_quotes:
                line_number = self._after(self.position)[0]
                reason = "a quotation mark of the row that begins here is never closed"
                raise Refused("csv-quoting", f"line {line_number}", reason)
            if not length:
                return
            record = bytes(self.held[self.position : self.position + length])
            self.position += length
            yield record

    def broken(self, reason: str, *, ahead: int = 0) -> Refused:
        """The refusal of a text that breaks JSON's grammar so many bytes after `position`."""
        return Refused("not-json", self.place(self.position + ahead), reason)

    def place(self, end: int) -> str:
        """The line and column of a byte of what is held."""
        line, column = self._after(end)
        return f"line {line}, column {column}"

    def _length_of_container(self, limit: int) -> int:
        done = depth = 1
        while True:
            done = _end(_TO_BRACKETS, self.held, self.position + done) - self.position
            next_byte = self._byte(done)
            if next_byte == _QUOTE:
                done = self._length_of_string(done + 1, limit)
            elif next_byte == _NOTHING:
                self._within(done, limit)
                if not self.more():
                    raise self.broken("what begins here does not end")
            else:
                first = self.position + done
                count = _end(_BRACKETS, self.held, first) - first
                if next_byte in (_LIST, _OBJECT):
                    depth += count
                elif depth > count:
                    depth -= count
                else:
                    return self._within(done + depth, limit)
                done = self._within(done + count, limit)

    def _length_of_string(self, done: int, limit: int) -> int:
        while True:
            done = self._within(_end(_IN_STRING, self.held, self.position + done) - self.position, limit)
            if self._byte(done) == _QUOTE:
                return done + 1
            if not self.more():
                raise self.broken("a string begins here, or in what begins here, and does not end")

    def _length_of_scalar(self, limit: int) -> int:
        done = 0
        while True:
            done = self._within(_end(_SCALAR, self.held, self.position + done) - self.position, limit)
            if self._byte(done) != _NOTHING or not self.more():
                break
        if not done:
            found = self._byte(0)
            raise self.broken(
                "the text ends where a value was expected"
                if found == _NOTHING
                else f"a value was expected, not {chr(found)!r}"
            )
        return done

    def _length_of_line(self, done: int, limit: int) -> int:
        """Up to the end of the line in which the byte `done` after `position` stands; `done` at the end of the file."""
        while True:
            end = self.held.find(b"\n", self.position + done)
            if end >= 0:
                return self._within(end + 1 - self.position, limit)
            done = self._within(len(self.held) - self.position, limit)
            if not self.more():
                return done

    def _byte(self, ahead: int) -> int:
        at = self.position + ahead
        return self.held[at] if at < len(self.held) else _NOTHING

    def _within(self, length: int, limit: int) -> int:
        if length > limit:
            raise Refused(
                "too-large", self.place(self.position), f"what begins here is longer than {limit:,} bytes"
            )
        return length

    def _after(self, end: int) -> tuple[int, int]:
        passed = self.held[:end]
        newlines = passed.count(b"\n")
        column = self._column
        if newlines:
            passed, column = passed[passed.rfind(b"\n") + 1 :], 1
        return self._line + newlines, column + len(passed.translate(None, _CONTINUATION))

    def _let_go(self) -> None:
        if self.position:
            self._line, self._column = self._after(self.position)
            del self.held[: self.position]
            self.position = 0


class _Csv:
    """What opens and closes quotes in CSV: quotes mean something where a cell begins, nowhere else."""

    def __init__(self, delimiter: bytes) -> None:
        end = rb"(?:%b|\r?\n|\r|\Z)" % re.escape(delimiter)
        plain = rb'(?!")[^%b\r\n]*+' % re.escape(delimiter)
        self._quoted = re.compile(rb'[^"]*+(?:""[^"]*+)*+')
        self._cells = re.compile(rb'(?:(?:"[^"]*+(?:""[^"]*+)*+"|%b)%b)*+' % (plain, end))
        self._end = re.compile(end)
        # After a fault in a row, the reader goes on with the next line.
        self._to_next_line = re.compile(rb"[^\r\n]*+(?:\r?\n|\r|\Z)")

    def leaves_open(self, line: bytes, in_quotes: bool) -> bool:
        """Whether quotes are open after a line, where they were or were not before it."""
        if not in_quotes and b'"' not in line:
            return False
        at = 0
        while at < len(line):
            if not in_quotes:
                at = _end(self._cells, line, at)
                if at < len(line):
                    in_quotes, at = True, at + 1
                continue
            at = _end(self._quoted, line, at)
            if at == len(line):
                break
            in_quotes, at = False, at + 1
            closed = self._end.match(line, at)
            at = closed.end() if closed else _end(self._to_next_line, line, at)
        return in_quotes


def _end(pattern: re.Pattern[bytes], text: bytes | bytearray, position: int) -> int:
    """Where a pattern that always matches ends."""
    match = pattern.match(text, position)
    assert match is not None
    return match.end()


# ----------------------------------------------------------------------------------------------------
# The parts


@dataclass(slots=True)
class _Gathering:
    """A part in the making: `head`, elements with `between` them, `tail`."""

    sizes: Sizes
    head: bytes
    between: bytes
    tail: bytes
    lines: bool = False
    offset: int = 0
    total: int = 0
    size: int = 0
    count: int = 0
    pieces: list[bytes] = field(default_factory=list)

    def add(self, raw: bytes) -> Iterator[Part]:
        """Take an element; the part that it no longer has room in."""
        if self.count and (
            self.count >= self.sizes.part_elements or self.size + len(raw) > self.sizes.part_bytes
        ):
            yield from self.rest()
        if self.total >= self.sizes.elements:
            raise Refused(
                "too-many-objects", "", f"the file holds more than the {self.sizes.elements:,} that are taken"
            )
        self.pieces += (raw,) if not self.count else (self.between, raw)
        self.count += 1
        self.total += 1
        self.size += len(raw) + len(self.between)

    def rest(self) -> Iterator[Part]:
        """The part of what is left."""
        if not self.count:
            return
        offset, count = self.offset, self.count
        self.offset += sum(map(_lines_in, self.pieces)) if self.lines else count
        body = b"".join((self.head, *self.pieces, self.tail))
        self.pieces, self.count, self.size = [], 0, 0
        yield Part(body, count, offset)


def _lines_in(record: bytes) -> int:
    return record.count(b"\n") + record.count(b"\r") - record.count(b"\r\n")


def _gathered(raws: Iterable[bytes], part: _Gathering) -> Iterator[Part]:
    for raw in raws:
        yield from part.add(raw)
    yield from part.rest()


def _stix(text: _Text, sizes: Sizes) -> Iterator[Part]:
    """A bundle or an envelope (TAXII 2.1 §3.7): `{"objects": […]}` with others around it, as `json.split` reads it."""
    _start_of_object(text, "the body is not a JSON object, as an envelope or a bundle is")
    part = _Gathering(sizes, b'{"objects":[', b",", b"]}")
    around, _ = yield from _members(
        text,
        "objects",
        part,
        limit=sizes.element_bytes,
        limit_around=MAX_ENVELOPE_BYTES,
        but=signed.PROPERTY,
    )
    outer = json.parse(around, max_bytes=2 * MAX_ENVELOPE_BYTES)
    json.check_container(outer)
    if "objects" not in outer:
        json.check_is_empty(outer)
    elif not isinstance(outer["objects"], list):
        raise Refused("not-an-envelope", "/objects", "it is not a list")


def _misp(text: _Text, sizes: Sizes) -> Iterator[Part]:
    """One event, a list of events, or `{"response": […]}` as MISP's REST search answers."""
    text.refuse_byte_order_mark()
    if text.peek() == _LIST:
        part = _Gathering(sizes, b"[", b",", b"]")
        yield from _gathered(text.elements(limit=sizes.event_bytes), part)
        _finish(text)
        return
    _start_of_object(text, "the body is neither an event of MISP nor a list of events")
    part = _Gathering(sizes, b'{"response":[', b",", b"]}")
    around, is_list = yield from _members(
        text, "response", part, limit=sizes.event_bytes, limit_around=sizes.event_bytes
    )
    if not is_list:
        # One event is held whole, as any other is; what it holds is looked at by who maps it.
        yield Part(around, 1, 0)


def _ocsf(text: _Text, sizes: Sizes) -> Iterator[Part]:
    """A list of findings, one finding a line, or one finding."""
    text.refuse_byte_order_mark()
    if text.peek() == _LIST:
        part = _Gathering(sizes, b"[", b",", b"]")
        yield from _gathered(text.elements(limit=sizes.element_bytes), part)
        _finish(text)
    else:
        yield from _ndjson(text, sizes)


def _ndjson(text: _Text, sizes: Sizes) -> Iterator[Part]:
    """One JSON text a line; blank lines are left out. A line that is none is refused alone, at ingest."""
    text.refuse_byte_order_mark()
    lines = (line.strip(b" \t\r\n") for line in text.lines(limit=sizes.element_bytes))
    yield from _gathered(lines, _Gathering(sizes, b"", b"\n", b"\n"))


def _csv(text: _Text, sizes: Sizes) -> Iterator[Part]:
    """Rows below a header, which every part repeats."""
    try:
        while len(text.held) < _HEAD_BYTES and text.more():
            pass
        head = text.held[:_HEAD_BYTES].decode("utf-8-sig", "ignore")
        start, delimiter = csv.dialect(head)
        records = text.records(delimiter=delimiter.encode(), limit=sizes.element_bytes)
        header = b"".join(islice(records, 2 if start else 1))
        if len(header) > MAX_ENVELOPE_BYTES:
            # Every part repeats it.
            raise Refused("csv-header", "line 1", f"the header is longer than {MAX_ENVELOPE_BYTES:,} bytes")
        if not header.endswith(b"\n"):
            header += b"\n"
        part = _Gathering(sizes, header, b"", b"", lines=True)
        yield from _gathered(_with_blanks(records, b" \t\r\n" + delimiter.encode()), part)
    except Refused as refusal:
        if refusal.code == "invalid-utf8":
            # The whole of what is wrong is said by whoever reads CSV.
            place = refusal.place.partition(",")[0]
            reason = f'{refusal.reason.removesuffix(" here")}; save it as "CSV UTF-8"'
            raise Refused("csv-encoding", place, reason) from None
        raise
    if not part.offset:
        yield Part(header, 0, 0)


def _with_blanks(records: Iterable[bytes], blank: bytes) -> Iterator[bytes]:
    """Each row with the empty ones around it, of which spreadsheets write up to a million: they fill no part."""
    held: list[bytes] = []
    size, has_row = 0, False
    for record in records:
        is_row = bool(record.strip(blank))
        if held and (size > BLOCK_BYTES or (is_row and has_row)):
            yield b"".join(held)
            held, size, has_row = [], 0, False
        held.append(record)
        size += len(record)
        has_row = has_row or is_row
    if held:
        yield b"".join(held)


def _start_of_object(text: _Text, otherwise: str) -> None:
    text.refuse_byte_order_mark()
    first = text.peek()
    if first == _OBJECT:
        return
    if first not in _STARTS:
        text.take(limit=MAX_ENVELOPE_BYTES)
    raise Refused("not-an-object", "", otherwise)


def _members(
    text: _Text,
    name: str,
    part: _Gathering,
    *,
    limit: int,
    limit_around: int,
    but: str | None = None,
) -> Generator[Part, None, tuple[bytes, bool]]:
    """The parts of the list that is the member `name` of the object at hand, which ends the text.

    Returns the object's text with that list emptied, and whether there is one. A member named as `but` is refused.
    """
    around = bytearray(b"{")
    text.position += 1
    seen = is_list = False
    if text.peek() == _OBJECT_END:
        text.position += 1
    else:
        while True:
            if text.peek() != _QUOTE:
                raise text.broken("a key in double quotes was expected")
            key = text.take(limit=MAX_ENVELOPE_BYTES)
            if text.peek() != _COLON:
                raise text.broken("a colon was expected")
            text.position += 1
            around += key + b":"
            named = _is_named(key, name)
            if but is not None and _is_named(key, but):
                # They would have to be held until the objects come, or the objects until they do.
                reason = "a file may be too long for them; send it as NDJSON, where each line bears its own"
                raise Refused(signed.NOT_TAKEN, f"/{but}", reason)
            if named and seen:
                raise Refused("duplicate-key", f"/{name}", f'the key "{name}" stands twice in one object')
            seen = seen or named
            if named and text.peek() == _LIST:
                is_list = True
                yield from _gathered(text.elements(limit=limit), part)
                around += b"[]"
            else:
                around += text.take(limit=limit_around)
            if len(around) > limit_around:
                raise Refused("too-large", "", f'there is too much besides "{name}"')
            following = text.peek()
            if following not in (_COMMA, _OBJECT_END):
                raise text.broken("a comma or '}' was expected")
            text.position += 1
            if following == _OBJECT_END:
                break
            around += b","
    _finish(text)
    return bytes(around + b"}"), is_list


def _is_named(key: bytes, name: str) -> bool:
    try:
        return bool(json.parse(key) == name)
    except Refused:
        return False


def _finish(text: _Text) -> None:
    if text.peek() != _NOTHING:
        raise text.broken("the end of the text was expected")


FORMATS: dict[str, Callable[[_Text, Sizes], Iterator[Part]]] = {
    "stix": _stix,
    "ndjson": _ndjson,
    "ocsf": _ocsf,
    "misp": _misp,
    "csv": _csv,
}
