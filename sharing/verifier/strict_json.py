"""JSON as a verifier must read it: what two parsers could read in two ways is refused, never repaired.

trust.md, "Object signature": no duplicate keys, NaN, Infinity, integers beyond ±(2^53-1), lone surrogates,
U+0000; an object is at most 32 levels deep and 256 KiB long in canonical form. On the standard library, so
that a consumer installs no parser.

An object is served as its canonical bytes, and most are proved to be that at once: written anew by the standard
library's encoder, which agrees with RFC 8785 on everything but floats and the order of keys beyond U+FFFF, they
are the same text. All others go the long way, by hooks and rfc8785.
"""

import json
import re
from typing import NoReturn

import rfc8785

from sharing.verifier.failures import Malformed, shown

JsonObject = dict[str, object]

MAX_DEPTH = 32
"""Levels of an object, itself included."""

MAX_OBJECT_BYTES = 256 * 1024
MAX_OBJECT_TEXT = 8 * MAX_OBJECT_BYTES
"""Characters of an object on a large page, in whatever layout: what is longer is not parsed."""
MAX_MEMBER_TEXT = 64 * 1024 * 1024
"""Characters of any other member of a page. Parsed, JSON may take twenty times its length of memory."""
_MAX_INTEGER = 2**53 - 1


def text_of(raw: bytes) -> str:
    """UTF-8 text. Raises Malformed."""
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"not UTF-8 text, from byte {error.start} on") from error


def read(raw: bytes, *, depth: int = MAX_DEPTH) -> object:
    """The value of a UTF-8 JSON text. Raises Malformed."""
    text = text_of(raw)
    try:
        value: object = _STRICT.decode(text)
    except json.JSONDecodeError as error:
        raise not_json(error) from error
    except RecursionError as error:
        raise Malformed(f"nested more than {depth} levels deep") from error
    _check(value, depth, texts="\\u" in text)
    return value


def read_object(raw: bytes, *, depth: int = MAX_DEPTH) -> JsonObject:
    """As `read`, for a text that must be a JSON object."""
    value = read(raw, depth=depth)
    if not isinstance(value, dict):
        raise Malformed("not a JSON object")
    return value


def value_at(text: str, at: int) -> tuple[object, int]:
    """The value that begins at `at`, read as `read` does, and where it ends. Raises JSONDecodeError too."""
    if len(text) - at > MAX_MEMBER_TEXT:
        try:
            value, end = _STRICT.raw_decode(text[at : at + MAX_MEMBER_TEXT])
        except json.JSONDecodeError as error:
            raise Malformed(f"not JSON, or a member of more than {MAX_MEMBER_TEXT} characters") from error
        end += at
    else:
        value, end = _STRICT.raw_decode(text, at)
    _check(value, MAX_DEPTH, texts=text.find("\\u", at, end) >= 0)
    return value, end


def canonical_at(text: str, at: int) -> tuple[object, bytes | None, int]:
    """The value that begins at `at`, its canonical bytes if it is an object, and where it ends.

    Raises JSONDecodeError for what is no JSON, and Malformed as `read` and `canonical` do together.
    """
    try:
        value, end = _PLAIN.raw_decode(text, at)
    except _Uncertain:
        value, end = _STRICT.raw_decode(text, at)
    else:
        if isinstance(value, dict):
            written = text[at:end]
            if (
                _as_rfc8785(written)
                and end - at <= MAX_OBJECT_BYTES // 4  # of at most four bytes a character
                and _encode(value) == written
            ):
                return value, written.encode(), end
        value, end = _STRICT.raw_decode(text, at)
    return value, canonical(value) if isinstance(value, dict) else None, end


def canonical(value: JsonObject, *, limit: int = MAX_OBJECT_BYTES) -> bytes:
    """The JCS bytes (RFC 8785) of an object that `read` let through; Malformed if it is too large or deep."""
    _check(value, MAX_DEPTH)  # Again, for an object that `read` met further down.
    body: bytes = rfc8785.dumps(value)  # type: ignore[arg-type]  # `read` yields nothing but JSON values.
    if len(body) > limit:
        raise Malformed(f"an object of {len(body)} bytes; the limit is {limit}")
    return body


def not_json(error: json.JSONDecodeError) -> Malformed:
    """What to raise for it."""
    return Malformed(f"not JSON: {error.msg} at line {error.lineno} column {error.colno}")


def distinct(pairs: list[tuple[str, object]]) -> JsonObject:
    """The members of an object, none of them twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise Malformed(f"the key {shown(name)} stands twice in one object")
            seen.add(name)
    return members


def _integer(digits: str) -> int:
    # The length first: converting a number of a million digits is an attack in itself.
    if len(digits) > 17 or abs(number := int(digits)) > _MAX_INTEGER:
        raise Malformed(f"the integer {shown(digits)} is beyond ±(2^53-1)")
    return number


def _float(digits: str) -> float:
    number = float(digits)
    # RFC 8785 writes such a value (1e17, 1e400) as digits that `_integer` would refuse, or not at all.
    if abs(number) == float("inf") or _MAX_INTEGER < abs(number) < 1e21:
        raise Malformed(f"the number {shown(digits)} has no safe canonical form")
    return number


def _constant(name: str) -> NoReturn:
    raise Malformed(f"{name} is not JSON")


class _Uncertain(Exception):
    """A number that only the long way can judge."""


def _short_integer(digits: str) -> int:
    if len(digits) > 15:
        raise _Uncertain
    return int(digits)


def _uncertain(_: str) -> NoReturn:
    raise _Uncertain


_STRICT = json.JSONDecoder(
    object_pairs_hook=distinct, parse_int=_integer, parse_float=_float, parse_constant=_constant
)
_PLAIN = json.JSONDecoder(parse_int=_short_integer, parse_float=_uncertain, parse_constant=_uncertain)
# A value that was just parsed holds no cycle.
_encode = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":")
).encode
_BEYOND_BMP = re.compile("[\U00010000-\U0010ffff]")


def _as_rfc8785(written: str) -> bool:
    """Whether the standard library's encoder writes such a text as RFC 8785 does, and its depth is surely allowed."""
    return (
        written.count("{") + written.count("[") <= MAX_DEPTH
        and "\\u0000" not in written
        # Code units and code points order differently only where there are some beyond U+FFFF.
        and (written.isascii() or not _BEYOND_BMP.search(written))
    )


def _check(root: object, max_depth: int, *, texts: bool = True) -> None:
    """Raises Malformed for what is nested too deep, or, with `texts`, for a string that must not be.

    `texts` may be False of what was read from text without a `\\u`: JSON allows no bare U+0000, and UTF-8 no surrogate.
    """
    level, depth = [root], 0
    while level:
        if texts:
            for value in level:
                if type(value) is str:
                    _check_text(value)
        inner = [value for value in level if type(value) is dict or type(value) is list]
        depth += 1
        if inner and depth > max_depth:
            raise Malformed(f"nested more than {max_depth} levels deep")
        level = []
        for value in inner:
            if type(value) is dict:
                if texts:
                    for name in value:
                        _check_text(name)
                level += value.values()
            else:
                level += value


def _check_text(text: str) -> None:
    if "\0" in text:
        raise Malformed(f"U+0000 in the string {shown(text)}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise Malformed(f"a lone surrogate in the string {shown(text)}") from error
