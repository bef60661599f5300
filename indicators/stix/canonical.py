"""RFC 8785 (JCS) canonical bytes, by a faster serialiser where that is exact."""

from __future__ import annotations

from typing import Any

import msgspec
import rfc8785

from indicators.stix.json import (
    MAX_DEPTH,
    MAX_INTEGER,
    MAX_OBJECT_BYTES,
    Refused,
    has_plain_repr,
    parse_noting_floats,
)

_encoder = msgspec.json.Encoder(order="sorted")
#: The first bytes of UTF-8 sequences beyond U+FFFF; up to there, code points sort as UTF-16 units do.
_BEYOND_BMP = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")


class _OddFloat(Exception):
    """A float whose canonical form is not Python's `repr`."""


def _plain_float(text: str) -> float:
    value = float(text)
    if not has_plain_repr(value):
        raise _OddFloat
    return value


_decoder = msgspec.json.Decoder(float_hook=_plain_float)
#: As many digits as an integer beyond ±(2^53-1) has, by a table that makes every digit a zero; it is many times as fast
#: as a regular expression.
_LONG_NUMBER = b"0" * 16
_DIGITS = bytes(48 if 48 <= byte <= 57 else 32 for byte in range(256))


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of any JSON value; raises `Refused` for what has none."""
    try:
        return canonical_parsed(value, odd_floats=not _is_plain(value))
    except RecursionError:
        raise Refused("too-deep", "", "the value is nested too deep to be written, or holds itself") from None


def read_canonical(raw: bytes) -> tuple[Any, bytes]:
    """The value of one JSON text of at most `MAX_OBJECT_BYTES`, as `json.parse` reads it, and its RFC 8785 bytes.

    Raises `Refused`, and nothing else.
    """
    return _read_plain(raw) or _read_strictly(raw)


def _read_plain(raw: bytes) -> tuple[Any, bytes] | None:
    """By msgspec, which is several times as fast as strict reading; None in doubt whether it comes to the same.

    msgspec takes more than strict JSON does: duplicate keys, U+0000 behind an escape, numbers beyond ±(2^53-1),
    any depth. Each of these is told by the bytes.
    """
    if (
        len(raw) > MAX_OBJECT_BYTES
        or b"\\u" in raw
        or raw.count(b"{") + raw.count(b"[") > MAX_DEPTH
        or _LONG_NUMBER in raw.translate(_DIGITS)
    ):
        return None
    try:
        value = _decoder.decode(raw)
        body = _encoder.encode(value)
    except (ValueError, _OddFloat):  # msgspec's errors are ValueErrors
        return None
    # Of two members with one key the decoder keeps the last. Without \u, each quotation mark is written as it was read,
    # so there are as many of them unless a key was lost.
    if body.count(b'"') != raw.count(b'"'):
        return None
    if not body.isascii() and any(lead in body for lead in _BEYOND_BMP):
        return None
    return value, body


def _read_strictly(raw: bytes) -> tuple[Any, bytes]:
    value, odd_floats = parse_noting_floats(raw)
    return value, canonical_parsed(value, odd_floats=odd_floats)


def canonical_parsed(value: Any, *, odd_floats: bool) -> bytes:
    """As `canonical`, for a value and a flag that come from `json.parse_noting_floats`."""
    if not odd_floats:
        try:
            body = _encoder.encode(value)
        except UnicodeEncodeError:
            raise Refused("lone-surrogate", "", "a string holds half a surrogate pair") from None
        if body.isascii() or not any(lead in body for lead in _BEYOND_BMP):
            return body
    try:
        return rfc8785.dumps(value)
    except rfc8785.IntegerDomainError:
        raise Refused("integer-out-of-range", "", "an integer is beyond ±(2^53-1)") from None
    except rfc8785.FloatDomainError:
        raise Refused("not-a-number", "", "a number is NaN or infinite") from None
    except ValueError as error:
        if _holds_lone_surrogate(error):
            raise Refused("lone-surrogate", "", "a string holds half a surrogate pair") from None
        raise Refused("not-json", "", "the value holds something that JSON has no form for") from None


def _holds_lone_surrogate(error: ValueError) -> bool:
    return isinstance(error, UnicodeEncodeError) or isinstance(error.__cause__, UnicodeEncodeError)


def _is_plain(value: Any) -> bool:
    """Whether the faster serialiser writes the value as RFC 8785 does, but for keys beyond U+FFFF."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return True
    if kind is int:
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    if kind is float:
        return has_plain_repr(value)
    if kind is dict:
        for key, member in value.items():
            if type(key) is not str or not (type(member) is str or _is_plain(member)):
                return False
        return True
    if kind is list:
        return all(type(member) is str or _is_plain(member) for member in value)
    return False
