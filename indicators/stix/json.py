"""Strict JSON: what may enter the service at all (design: trust.md, "Object signature").

Refused, never repaired: duplicate keys, NaN and Infinity, integers beyond ±(2^53-1), numbers beyond a double,
lone surrogates, U+0000, a byte order mark, bytes that are not UTF-8, nesting over `MAX_DEPTH`, bodies over
their limit.

The fast path is the standard library's C parser. Only when it fails does a second, slower reader walk the
text to say precisely where and why; that reader is iterative, so no input can exhaust the stack.
"""

from __future__ import annotations

import json
import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

if TYPE_CHECKING:
    import msgspec

MAX_OBJECT_BYTES = 256 * 1024
MAX_BODY_BYTES = 10 * 1024 * 1024
MAX_DEPTH = 32
#: More cannot all be STIX objects in a body of `MAX_BODY_BYTES`: none is shorter than 70 bytes.
MAX_OBJECTS = MAX_BODY_BYTES // 70
MAX_INTEGER = 2**53 - 1

#: The code of every refusal that this module makes.
CODES = (
    "byte-order-mark",
    "duplicate-key",
    "integer-out-of-range",
    "invalid-utf8",
    "lone-surrogate",
    "not-a-number",
    "not-an-envelope",
    "not-an-object",
    "not-json",
    "nul-character",
    "number-out-of-range",
    "too-deep",
    "too-large",
    "too-many-objects",
)


class Refused(ValueError):
    """Input that is not taken, and why.

    `code` is a kebab-case reason for machines (`CODES`; validation adds its own), `place` says where: a JSON
    pointer such as `/objects/3/name` (empty for the whole document) or `line 3, column 14`. `sentence`, also
    `str()`, names both place and `reason`.
    """

    def __init__(self, code: str, place: str, reason: str) -> None:
        where = "At the top level" if not place else place if place.startswith("/") else f"At {place}"
        self.code = code
        self.place = place
        self.reason = reason
        self.sentence = f"{where}: {reason}."
        super().__init__(self.sentence)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.code, self.place, self.reason)


# ----------------------------------------------------------------------------------------------------
# The fast path


class _Fault(Exception):
    """Something in the text is refused; the slow reader will say what and where."""


class _OddFloat(Exception):
    """A float whose canonical form is not Python's `repr`."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise _Fault
    return value


def _integer(text: str) -> int:
    # The length is looked at first: Python refuses to convert more than 4,300 digits.
    if len(text) > 17:
        raise _Fault
    value = int(text)
    if not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise _Fault
    return value


def _float(text: str) -> float:
    value = float(text)
    if value - value != 0.0 or is_written_as_large_integer(value):
        raise _Fault
    return value


def is_written_as_large_integer(value: float) -> bool:
    """Whether RFC 8785 writes this float as an integer beyond ±(2^53−1), which no strict reader takes back."""
    return MAX_INTEGER < abs(value) < 1e21


def _float_with_plain_repr(text: str) -> float:
    value = float(text)
    if not has_plain_repr(value):
        raise _OddFloat
    return value


def has_plain_repr(value: float) -> bool:
    """Whether `repr` writes this float as RFC 8785 does: 0.25 but not 1.0, 1e-05 or 1e+16."""
    return 1e-4 <= abs(value) < 1e15 and value % 1.0 != 0.0


def _constant(text: str) -> NoReturn:
    raise _Fault


_plain_decoder = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_int=_integer,
    parse_float=_float_with_plain_repr,
    parse_constant=_constant,
)
_decoder = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
_CONTAINERS = frozenset((dict, list))
_SUSPECT_ESCAPE = re.compile(r"\\u(?:0000|[dD][89a-fA-F])")


def parse(raw: bytes, *, max_bytes: int = MAX_OBJECT_BYTES) -> Any:
    """The value of one JSON text; raises `Refused` and nothing else."""
    return parse_noting_floats(raw, max_bytes=max_bytes)[0]


def parse_noting_floats(raw: bytes, *, max_bytes: int = MAX_OBJECT_BYTES) -> tuple[Any, bool]:
    """As `parse`; also whether a float in it needs RFC 8785's own format (`has_plain_repr` is false)."""
    if len(raw) > max_bytes:
        raise Refused(
            "too-large", "", f"the text is {len(raw):,} bytes long, more than the {max_bytes:,} allowed"
        )
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(raw, error) from None
    odd_floats = False
    try:
        try:
            value = _plain_decoder.decode(text)
        except _OddFloat:
            odd_floats = True
            value = _decoder.decode(text)
        # Each of these looks for the mere possibility first, at memchr speed, and looks closely only then.
        if "\\u" in text and _SUSPECT_ESCAPE.search(text) is not None and _holds_forbidden_characters(value):
            raise _Fault
        if text.count("{") + text.count("[") > MAX_DEPTH and _is_too_deep(value):
            raise _Fault
    except (_Fault, ValueError, RecursionError) as error:
        raise find_fault(text) or Refused(
            "not-json", "", f"the text is not JSON ({type(error).__name__})"
        ) from None
    return value, odd_floats


def _holds_forbidden_characters(value: Any) -> bool:
    text = json.dumps(value, ensure_ascii=False)
    # json.dumps writes U+0000 as the escape of a backslash that is itself not escaped.
    if any(len(run.group(1)) % 2 for run in re.finditer(r"(?<!\\)(\\++)u0000", text)):
        return True
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _is_too_deep(value: Any) -> bool:
    containers = [value] if type(value) in _CONTAINERS else []
    for _ in range(MAX_DEPTH):
        children: list[Any] = []
        for container in containers:
            children += container.values() if type(container) is dict else container
        containers = [child for child in children if type(child) in _CONTAINERS]
        if not containers:
            return False
    return True


def _not_utf8(raw: bytes, error: UnicodeDecodeError) -> Refused:
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return Refused(
            "byte-order-mark", "line 1, column 1", "the text is UTF-16 with a byte order mark, not UTF-8"
        )
    byte = f"0x{raw[error.start]:02x}"
    return Refused("invalid-utf8", _line_and_column(raw, error.start), f"the byte {byte} is not UTF-8 here")


# ----------------------------------------------------------------------------------------------------
# The slow path: where exactly, and why

_SPACE = re.compile(r"[ \t\n\r]*+")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(\.[0-9]++)?([eE][+-]?[0-9]++)?")
_CHUNK = re.compile(r'[^"\\\x00-\x1f]*+')
_HEX4 = re.compile(r"[0-9a-fA-F]{4}")
_ESCAPES = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_WORDS = ("true", "false", "null")
_CONSTANTS = ("NaN", "Infinity", "-Infinity")


class _Level:
    """An open object or array: where the reader stands in it."""

    __slots__ = ("index", "key", "keys")

    def __init__(self, keys: set[str] | None) -> None:
        self.keys = keys
        self.key = ""
        self.index = 0


def find_fault(text: str) -> Refused | None:
    """The first thing in a text that strict JSON refuses, in reading order; None when there is nothing."""
    return _SlowReader(text).fault()


class _SlowReader:
    def __init__(self, text: str, *, only_grammar: bool = False) -> None:
        self.text = text
        #: Whether to pass over all that JSON's grammar allows, and NaN and Infinity.
        self.only_grammar = only_grammar
        self.position = 0
        self.ran_out = False
        self.open: list[_Level] = []

    def fault(self) -> Refused | None:
        if self.text.startswith("\ufeff"):
            return Refused("byte-order-mark", "line 1, column 1", "the text starts with a byte order mark")
        try:
            self._document()
        except Refused as fault:
            return fault
        return None

    def _document(self) -> None:
        self._value()
        while self.open:
            level = self.open[-1]
            self._skip_space()
            closer = "]" if level.keys is None else "}"
            if self._take(closer):
                self.open.pop()
            elif not self._take(","):
                raise self._expected(f"a comma or {closer!r}")
            elif level.keys is None:
                level.index += 1
                self._value()
            else:
                self._key()
                self._value()
        self._skip_space()
        if self.position < len(self.text):
            raise self._expected("the end of the text")

    def _value(self) -> None:
        # Opens containers without recursion: goes on to the first value in each until a value is complete.
        while True:
            self._skip_space()
            text, position = self.text, self.position
            character = text[position : position + 1]
            if character == "{":
                self._descend(_Level(set()))
                self._skip_space()
                if self._take("}"):
                    self.open.pop()
                    return
                self._key()
                continue
            if character == "[":
                self._descend(_Level(None))
                self._skip_space()
                if self._take("]"):
                    self.open.pop()
                    return
                continue
            if character == '"':
                self._string(self._pointer)
                return
            for constant in _CONSTANTS:
                if text.startswith(constant, position):
                    if not self.only_grammar:
                        raise Refused("not-a-number", self._pointer(), f"{constant} is not a JSON number")
                    self.position += len(constant)
                    return
            for word in _WORDS:
                if text.startswith(word, position):
                    self.position += len(word)
                    return
            self._number()
            return

    def _descend(self, level: _Level) -> None:
        if len(self.open) >= MAX_DEPTH and not self.only_grammar:
            raise Refused(
                "too-deep", self._pointer(), f"objects and lists are nested more than {MAX_DEPTH} levels deep"
            )
        self.position += 1
        self.open.append(level)

    def _key(self) -> None:
        level = self.open[-1]
        assert level.keys is not None
        self._skip_space()
        if self.text[self.position : self.position + 1] != '"':
            raise self._expected("a key in double quotes")
        key = self._string(lambda: self._pointer(depth=len(self.open) - 1), what="a key")
        level.key = key
        if key in level.keys and not self.only_grammar:
            raise Refused(
                "duplicate-key", self._pointer(), f"the key {_shown(key)} stands twice in one object"
            )
        level.keys.add(key)
        self._skip_space()
        if not self._take(":"):
            raise self._expected("a colon")

    def _number(self) -> None:
        match = _NUMBER.match(self.text, self.position)
        if match is None:
            raise self._expected("a value")
        written = match.group()
        if self.only_grammar:
            pass
        elif match.group(1) is None and match.group(2) is None:
            if len(written) > 17 or abs(int(written)) > MAX_INTEGER:
                raise Refused(
                    "integer-out-of-range",
                    self._pointer(),
                    f"the integer {_shown_number(written)} is beyond ±(2^53-1)",
                )
        elif is_written_as_large_integer(float(written)):
            raise Refused(
                "integer-out-of-range",
                self._pointer(),
                f"the number {_shown_number(written)} is an integer beyond ±(2^53-1) in its canonical form",
            )
        elif abs(float(written)) == float("inf"):
            raise Refused(
                "number-out-of-range", self._pointer(), f"{_shown_number(written)} is too large a number"
            )
        self.position = match.end()

    def _string(self, pointer: Any, *, what: str = "a string") -> str:
        text = self.text
        start = self.position
        position = start + 1
        parts: list[str] = []
        while True:
            chunk = _CHUNK.match(text, position)
            assert chunk is not None
            parts.append(chunk.group())
            position = chunk.end()
            character = text[position : position + 1]
            if character == '"':
                self.position = position + 1
                break
            if character == "":
                self.position = start
                self.ran_out = True
                raise self._syntax(f"{what} begins here and does not end")
            self.position = position
            if character == "\x00" and not self.only_grammar:
                raise Refused("nul-character", pointer(), f"{what} holds the character U+0000")
            if character != "\\":
                raise self._syntax(
                    f"{what} holds the control character U+{ord(character):04X} without an escape"
                )
            escape = text[position + 1 : position + 2]
            if escape in _ESCAPES:
                parts.append(_ESCAPES[escape])
                position += 2
                continue
            digits = _HEX4.match(text, position + 2) if escape == "u" else None
            if digits is None:
                raise self._syntax(f"{what} holds an escape that JSON does not know")
            parts.append(chr(int(digits.group(), 16)))
            position += 6
        value = "".join(parts)
        if self.only_grammar:
            return value
        if "\x00" in value:
            raise Refused("nul-character", pointer(), f"{what} holds the character U+0000")
        try:
            # Two escapes that make a pair are one character.
            return value.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise Refused("lone-surrogate", pointer(), f"{what} holds half a surrogate pair") from None

    def _skip_space(self) -> None:
        match = _SPACE.match(self.text, self.position)
        assert match is not None
        self.position = match.end()

    def _take(self, character: str) -> bool:
        if self.text.startswith(character, self.position):
            self.position += 1
            return True
        return False

    def _pointer(self, depth: int | None = None) -> str:
        return "".join(
            f"/{level.index}" if level.keys is None else "/" + pointer_token(level.key)
            for level in islice(self.open, depth)
        )

    def _expected(self, what: str) -> Refused:
        found = self.text[self.position : self.position + 1]
        if not found:
            self.ran_out = True
            return self._syntax(f"the text ends where {what} was expected")
        return self._syntax(f"{what} was expected, not {_shown(found)}")

    def _syntax(self, reason: str) -> Refused:
        line = self.text.count("\n", 0, self.position) + 1
        column = self.position - self.text.rfind("\n", 0, self.position)
        return Refused("not-json", f"line {line}, column {column}", reason)


def pointer_token(key: str) -> str:
    """One key as it stands in a JSON pointer (RFC 6901 §3), cut where it is too long to be read."""
    if len(key) > 80:
        key = key[:79] + "…"
    return key.replace("~", "~0").replace("/", "~1") if "~" in key or "/" in key else key


def _shown(text: str) -> str:
    return json.dumps(text if len(text) <= 80 else text[:79] + "…")


def _shown_number(text: str) -> str:
    return text if len(text) <= 24 else f"{text[:12]}… ({len(text):,} characters)"


# ----------------------------------------------------------------------------------------------------
# Envelopes, bundles and lines: many objects in one body, taken apart without being parsed

_SPACE_BYTES = re.compile(rb"[ \t\n\r]*+")
_STRING_BYTES = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_SCALAR_BYTES = re.compile(rb"[^\s,:\[\]{}\"]++")
#: Everything up to the next run of opening or closing brackets that does not stand in a string.
_TO_BRACKETS = re.compile(rb'(?:[^"\[\]{}]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([\[{]++|[\]}]++)', re.DOTALL)


def split(body: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> list[bytes]:
    """The raw bytes of each object in a TAXII envelope or a STIX bundle, unparsed.

    The envelope itself is read strictly. Of the objects only the grammar is looked at: one that breaks it
    makes the whole body `not-json`, and whatever else is wrong with one harms no other. `{}` is an empty
    envelope (TAXII 2.1 §3.7); another body without `objects` is one only if it holds nothing else.
    """
    return split_envelope(body, max_bytes=max_bytes)[1]


def split_envelope(body: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> tuple[dict[str, Any], list[bytes]]:
    """As `split`, behind the envelope itself with its `objects` taken out."""
    _check_body(body, max_bytes)
    start = _find_objects(body)
    if start is None:
        outer = parse(body)
        check_container(outer)
        check_is_empty(outer)
        return outer, []
    if body[start : start + 1] != b"[":
        check_container(parse(body))
        raise Refused("not-an-envelope", "/objects", "it is not a list")
    elements, end = _elements(body, start)
    try:
        outer = parse(body[:start] + b"[]" + body[end:], max_bytes=max_bytes)
    except Refused as fault:
        if fault.code == "not-json":
            # After the cut, lines and columns are no longer those of the body.
            raise _grammar_fault(body, 0) or fault from None
        raise
    check_container(outer)
    return outer, elements


def split_lines(body: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> list[bytes]:
    """The raw bytes of each object in newline-delimited JSON: one object per line, blank lines skipped."""
    _check_body(body, max_bytes)
    lines = [line for line in (line.strip(b" \t\r") for line in body.split(b"\n")) if line]
    if len(lines) > MAX_OBJECTS:
        raise _too_many()
    return lines


def split_array(body: bytes, *, max_bytes: int = MAX_BODY_BYTES) -> list[bytes]:
    """The raw bytes of each element of a JSON array, unparsed: only their grammar is looked at, as in `split`."""
    _check_body(body, max_bytes)
    start = _after_space(body, 0)
    if body[start : start + 1] != b"[":
        raise _broken(body, start, "a list was expected")
    try:
        elements = [bytes(element) for element in _decoders().elements.decode(body)]
    except (RecursionError, ValueError):  # msgspec's errors are ValueErrors
        elements, end = _elements_by_brackets(body, start)
        end = _after_space(body, end)
        if end < len(body):
            raise _broken(body, end, "the end of the text was expected") from None
    if len(elements) > MAX_OBJECTS:
        raise _too_many()
    return elements


def find_grammar_fault(body: bytes) -> Refused | None:
    """Where a body breaks JSON's grammar, as far as it is read; None where it does not."""
    return _grammar_fault(body, 0)


def _check_body(body: bytes, max_bytes: int) -> None:
    if len(body) > max_bytes:
        raise Refused(
            "too-large", "", f"the body is {len(body):,} bytes long, more than the {max_bytes:,} allowed"
        )
    if body.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
        raise Refused("byte-order-mark", "line 1, column 1", "the text starts with a byte order mark")
    try:
        str(body, "utf-8")
    except UnicodeDecodeError as error:
        # RFC 8259 §8.1: what is not UTF-8 is not JSON, wherever in the body it stands.
        raise _not_utf8(body, error) from None


def check_container(outer: Any) -> None:
    """Refuse what is no envelope and no bundle, whatever its `objects` are."""
    if not isinstance(outer, dict):
        raise Refused("not-an-object", "", "the body is not a JSON object, as an envelope or a bundle is")
    if outer.get("type", "bundle") != "bundle":
        raise Refused(
            "not-an-envelope", "/type", "the body is a single object, not an envelope or a bundle of them"
        )


def check_is_empty(outer: dict[str, Any]) -> None:
    """Refuse what has no `objects` and holds what neither an envelope nor a bundle does."""
    if outer.get("type") != "bundle" and not all(key in ("more", "next") or key[:2] == "x_" for key in outer):
        raise Refused("not-an-envelope", "", 'there is no "objects" here, as in an envelope or a bundle')


def _elements(body: bytes, start: int) -> tuple[list[bytes], int]:
    """The elements of the list that begins at `start`, and where it ends."""
    decoders = _decoders()
    try:
        objects = bytes(decoders.envelope.decode(body).objects)
        elements = decoders.elements.decode(objects)
    except (RecursionError, ValueError):  # msgspec's errors are ValueErrors
        return _elements_by_brackets(body, start)
    if len(elements) > MAX_OBJECTS:
        raise _too_many()
    if not body.startswith(objects, start):
        # The decoder keeps the last of several.
        raise Refused("duplicate-key", "/objects", 'the key "objects" stands twice in one object')
    return [bytes(element) for element in elements], start + len(objects)


def _elements_by_brackets(body: bytes, start: int) -> tuple[list[bytes], int]:
    # The decoder stops not only at what breaks the grammar, but also at NaN, half a surrogate pair and deep
    # nesting, which are the fault of one object. So the list is taken apart by its brackets, if that can be
    # done in reasonable time, and each element is looked at alone.
    decoders = _decoders()
    if body.count(b"[") + body.count(b"{") > MAX_BODY_BYTES // 10:
        where = _line_and_column(body, start)
        raise Refused("not-json", where, "the list that begins here does not end, or holds too many brackets")
    spans, end = _element_spans(body, start)
    for first, last in spans:
        try:
            decoders.syntax.decode(body[first:last])
        except (RecursionError, ValueError):
            fault = _grammar_fault(body, first, last)
            if fault is not None:
                raise fault from None
    return [body[first:last] for first, last in spans], end


def _find_objects(body: bytes) -> int | None:
    """Where the value of the envelope's `objects` begins; None when the body has no such key."""
    position = _after_space(body, 0)
    if body[position : position + 1] != b"{":
        return None
    position = _after_space(body, position + 1)
    while body[position : position + 1] == b'"':
        key = _STRING_BYTES.match(body, position)
        if key is None:
            raise _broken(body, position, "a string begins here and does not end")
        position = _after_space(body, key.end())
        if body[position : position + 1] != b":":
            raise _broken(body, position, "a colon was expected")
        position = _after_space(body, position + 1)
        if key.group() == b'"objects"' or (b"\\" in key.group() and _is_objects(key.group())):
            return position
        position = _after_space(body, _end_of_value(body, position, limit=MAX_OBJECT_BYTES))
        if body[position : position + 1] != b",":
            break
        position = _after_space(body, position + 1)
    return None


def _is_objects(key: bytes) -> bool:
    try:
        return bool(parse(key) == "objects")
    except Refused:
        return False


def _element_spans(body: bytes, start: int) -> tuple[list[tuple[int, int]], int]:
    """First and last position of each element of the list at `start`, and where the list ends."""
    spans: list[tuple[int, int]] = []
    position = _after_space(body, start + 1)
    if body[position : position + 1] == b"]":
        return spans, position + 1
    while True:
        end = _end_of_value(body, position)
        spans.append((position, end))
        if len(spans) > MAX_OBJECTS:
            raise _too_many()
        position = _after_space(body, end)
        character = body[position : position + 1]
        if character == b"]":
            return spans, position + 1
        if character != b",":
            raise _broken(body, spans[-1][0], "the list of objects breaks off after what begins here")
        position = _after_space(body, position + 1)


def _end_of_value(body: bytes, start: int, limit: int = MAX_BODY_BYTES) -> int:
    character = body[start : start + 1]
    if character not in (b"{", b"["):
        match = (_STRING_BYTES if character == b'"' else _SCALAR_BYTES).match(body, start)
        if match is None:
            is_string = character == b'"'
            raise _broken(
                body, start, "what begins here does not end" if is_string else "a value was expected"
            )
        if match.end() > limit:
            raise _too_long_before_objects()
        return match.end()
    depth = 0
    position = start
    while (match := _TO_BRACKETS.match(body, position)) is not None:
        first, position = match.span(1)
        if position > limit:
            raise _too_long_before_objects()
        if body[first] in b"{[":
            depth += position - first
        elif depth > position - first:
            depth -= position - first
        else:
            return first + depth
    raise _broken(body, start, "what begins here does not end")


def _after_space(body: bytes, position: int) -> int:
    match = _SPACE_BYTES.match(body, position)
    assert match is not None
    return match.end()


def _broken(body: bytes, position: int, reason: str) -> Refused:
    return _grammar_fault(body, 0) or Refused("not-json", _line_and_column(body, position), reason)


def _grammar_fault(body: bytes, first: int, last: int | None = None) -> Refused | None:
    """Where exactly a part of a body breaks JSON's grammar, as far as it is read."""
    # Latin-1 makes one character of every byte, so that places are exact even where the text is not UTF-8;
    # and no more is read than a sensible answer needs.
    last = len(body) if last is None else last
    excerpt = body[first : min(last, first + MAX_OBJECT_BYTES)]
    reader = _SlowReader(excerpt.decode("latin-1"), only_grammar=True)
    fault = reader.fault()
    is_cut = len(excerpt) < last - first
    if fault is None or (is_cut and (reader.ran_out or reader.position > len(excerpt) - 12)):
        return None
    return Refused("not-json", _line_and_column(body, first + reader.position), fault.reason)


def grammar_fault(raw: bytes) -> tuple[int, str] | None:
    """The byte at which a JSON text breaks JSON's grammar, and how; None where it does not.

    What the grammar allows and strict JSON refuses is no fault here: that is for the reader of one object.
    """
    # Latin-1 makes one character of every byte.
    reader = _SlowReader(raw.decode("latin-1"), only_grammar=True)
    fault = reader.fault()
    return None if fault is None else (reader.position, fault.reason)


def _line_and_column(body: bytes, position: int) -> str:
    newline = b"\n"
    line_start = body.rfind(newline, 0, position) + 1
    column = len(body[line_start:position].decode("utf-8", "replace")) + 1
    return f"line {body.count(newline, 0, position) + 1}, column {column}"


def _too_long_before_objects() -> Refused:
    return Refused("too-large", "", 'there is too much before "objects"')


def _too_many() -> Refused:
    return Refused(
        "too-many-objects", "", f"there are more objects than the {MAX_OBJECTS:,} that are taken at once"
    )


class Head(NamedTuple):
    """What can be said of an object before it is known to be one."""

    id: str | None
    modified: str | None
    created: str | None


def head(raw: bytes) -> Head:
    """`id`, `modified` and `created` of an object that may be refused later; None for no usable string.

    Never raises. A string with U+0000, half a surrogate pair or over 1,000 characters counts as unusable.
    """
    decoders = _decoders()
    try:
        found = decoders.head.decode(raw)
        return Head(*[_text(decoders, value) for value in (found.id, found.modified, found.created)])
    except (RecursionError, ValueError):  # msgspec's errors are ValueErrors
        pass
    try:
        # Slower, but takes what no one else does: half surrogate pairs, NaN, bare control characters.
        value = json.loads(raw.decode("utf-8", "surrogateescape"), strict=False)
    except (RecursionError, ValueError):
        return Head(None, None, None)
    members = value if isinstance(value, dict) else {}
    return Head(*[_usable(members.get(name)) for name in Head._fields])


def _text(decoders: _Decoders, raw: msgspec.Raw) -> str | None:
    try:
        return _usable(decoders.text.decode(raw))
    except (RecursionError, ValueError):
        return None


def _usable(value: Any) -> str | None:
    if not isinstance(value, str) or len(value) > 1000 or "\x00" in value:
        return None
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return None
    return value


class _Decoders(NamedTuple):
    envelope: msgspec.json.Decoder[Any]
    elements: msgspec.json.Decoder[list[msgspec.Raw]]
    syntax: msgspec.json.Decoder[msgspec.Raw]
    head: msgspec.json.Decoder[Any]
    text: msgspec.json.Decoder[str]


@cache
def _decoders() -> _Decoders:
    # msgspec is imported here because the stand-alone verifier parses objects without having it installed.
    import msgspec

    envelope = msgspec.defstruct("_Envelope", [("objects", msgspec.Raw, msgspec.Raw())])
    heading = msgspec.defstruct("_Head", [(name, msgspec.Raw, msgspec.Raw()) for name in Head._fields])
    return _Decoders(
        envelope=msgspec.json.Decoder(envelope),
        elements=msgspec.json.Decoder(list[msgspec.Raw]),
        syntax=msgspec.json.Decoder(msgspec.Raw),
        head=msgspec.json.Decoder(heading),
        text=msgspec.json.Decoder(str),
    )
