"""RFC 8785 (JCS) canonical bytes, by a faster serialiser where that is exact."""

from __future__ import annotations

from typing import Any

import msgspec
import rfc8785

from indicators.stix.json import MAX_INTEGER, Refused, has_plain_repr

_encoder = msgspec.json.Encoder(order="sorted")
#: The first bytes of UTF-8 sequences beyond U+FFFF; up to there, code points sort as UTF-16 units do.
_BEYOND_BMP = (b"\xf0", b"\xf1", b"\xf2", b"\xf3", b"\xf4")


def canonical(value: Any) -> bytes:
    """The RFC 8785 bytes of any JSON value; raises `Refused` for what has none."""
    try:
        return canonical_parsed(value, odd_floats=not _is_plain(value))
    except RecursionError:
        raise Refused("too-deep", "", "the value is nested too deep to be written, or holds itself") from None


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
