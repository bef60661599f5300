"""Signatures that come with objects, from who sends them (docs/api.md, "Signed objects"); STIX itself is not touched.

An envelope or bundle has them beside its objects, one for each in the same order, null for none:

    {"objects":[{…},{…}],"x_stillwatch_signatures":["<detached JWS>",null]}

A line of NDJSON has its own around the object: {"jws":"<detached JWS>","object":{…}}. Without "type" at its top it can
be taken for no STIX object.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import msgspec

from indicators.stix import json
from indicators.stix.json import Refused

PROPERTY = "x_stillwatch_signatures"
MALFORMED, MISALIGNED, NOT_TAKEN = CODES = (
    "malformed-signature",
    "signatures-misaligned",
    "signatures-not-taken",
)

Signature = str | Refused | None
"""A JWS that nobody looked at yet; why what stands in its place is none; or that there is none."""

_PLACE = "the signature"


def in_envelope(body: bytes) -> Iterator[tuple[bytes, Signature]]:
    """The objects of an envelope or bundle as `json.split` gives them, each with its signature.

    Where nobody can tell which signature is whose, every object has the refusal that says so.
    """
    outer, objects = json.split_envelope(body, max_bytes=len(body))
    if PROPERTY not in outer:
        return ((raw, None) for raw in objects)
    found = outer[PROPERTY]
    if not isinstance(found, list) or len(found) != len(objects):
        held = f"{len(found):,} entries" if isinstance(found, list) else "no list"
        reason = f"there is {held} for {len(objects):,} objects; an entry for each is needed, null for none"
        refusal = Refused(MISALIGNED, f"/{PROPERTY}", reason)
        return ((raw, refusal) for raw in objects)
    return ((raw, _signature(value)) for raw, value in zip(objects, found, strict=True))


def in_lines(body: bytes) -> Iterator[tuple[bytes, Signature]]:
    """The objects of newline-delimited JSON as `json.split_lines` gives them, each with its signature."""
    return (_in_line(line) for line in json.split_lines(body, max_bytes=len(body)))


def _in_line(line: bytes) -> tuple[bytes, Signature]:
    if b'"jws"' not in line:
        return line, None
    try:
        found = _decoder().decode(line)
    except (RecursionError, ValueError):  # msgspec's errors are ValueErrors
        # What is wrong with it is said by whoever reads it as an object.
        return line, None
    raw = bytes(found.object)
    if not raw.startswith(b"{") or not found.jws:
        return line, None
    try:
        # What is around the object is read strictly: a member that stands twice could be read in two ways.
        around = json.parse(line.replace(raw, b"null", 1), max_bytes=len(line))
    except Refused as refusal:
        return raw, Refused(MALFORMED, _PLACE, f"the line around the object breaks a rule: {refusal.reason}")
    if set(around) != {"jws", "object"}:
        return raw, Refused(MALFORMED, _PLACE, "a signed line has the members jws and object, no others")
    if around["jws"] is None:
        return raw, Refused(MALFORMED, _PLACE, "a line without a signature is the object itself")
    return raw, _signature(around["jws"])


def _signature(value: Any) -> Signature:
    if value is None or isinstance(value, str):
        return value
    return Refused(MALFORMED, _PLACE, "a detached JWS is a string")


class _Line(msgspec.Struct):
    object: msgspec.Raw = msgspec.Raw()
    jws: msgspec.Raw = msgspec.Raw()


@cache
def _decoder() -> msgspec.json.Decoder[_Line]:
    return msgspec.json.Decoder(_Line)
