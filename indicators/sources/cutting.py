"""Cut parts out of a body that was sent: what is erased of it, so that the rest can stay as it came."""

import json as stdlib_json
import re
from collections.abc import Collection, Iterator, Set
from itertools import pairwise

import msgspec

from indicators.sources import formats, signed
from indicators.stix import json
from indicators.stix.json import Refused

_ELEMENT = re.compile(r"[a-z]+/([0-9]+)(?![0-9])")
_LINE = re.compile(r"line ([0-9]+)(?![0-9])")
_NAMED = re.compile(r"(?:event|attribute) ([0-9A-Za-z-]+)")
_MOST_TRIES = 8
_HOLE = b"{}"


def cut(body: bytes, name: str, places: Collection[str], *, offset: int = 0) -> bytes:
    """A body in the format of that name without its parts at these places (`objects/3`, `line 7`, `event …`).

    A hole stays where each was, so that the places of the others hold; `offset` as of a submission. A part goes whole,
    also where several objects were made of it. Empty where nothing would be left, or the places cannot be told.
    """
    try:
        left = _CUTS[name](body, places, offset)
    except (KeyError, ValueError, Refused):
        return b""
    return b"" if left is None else left


def _numbers(places: Collection[str], pattern: re.Pattern[str], offset: int) -> set[int]:
    found = set()
    for place in places:
        match = pattern.match(place)
        if match is None:
            raise ValueError(place)
        found.add(int(match[1]) - offset)
    return found


def _cut_elements(body: bytes, places: Collection[str], offset: int, name: str) -> bytes | None:
    wanted = _numbers(places, _ELEMENT, offset)
    parts = formats.split(body, name, max_bytes=len(body))
    if not wanted <= set(range(len(parts))) or len(wanted | _holes(parts)) == len(parts):
        return None
    pieces, end = [], 0
    for number, part in enumerate(parts):
        start = body.index(part, end)
        pieces += [body[end:start], _HOLE if number in wanted else part]
        end = start + len(part)
    left = b"".join([*pieces, body[end:]])
    kept = formats.split(left, name, max_bytes=len(left))
    expected = [_HOLE if number in wanted else part for number, part in enumerate(parts)]
    if kept != expected:
        return None
    return _cut_signatures(left, wanted) if name == "stix" else left


class _Beside(msgspec.Struct):
    """What a sender's signatures stand in beside the objects, to the byte."""

    signatures: msgspec.Raw = msgspec.field(name=signed.PROPERTY, default_factory=msgspec.Raw)


def _cut_signatures(body: bytes, wanted: Set[int]) -> bytes | None:
    """An envelope with null for the senders' signatures over these objects; None where nobody can tell which they are.

    Signatures of Ed25519 are the same each time: who guesses what was erased could tell by one that it is right.
    """
    outer, objects = json.split_envelope(body, max_bytes=len(body))
    if signed.PROPERTY not in outer:
        return body
    found = outer[signed.PROPERTY]
    if not isinstance(found, list) or len(found) != len(objects):
        return None
    expected = [None if number in wanted else one for number, one in enumerate(found)]
    if found == expected:
        return body
    before = bytes(msgspec.json.decode(body, type=_Beside).signatures)
    after = stdlib_json.dumps(expected, separators=(",", ":")).encode()
    start = -1
    for _ in range(_MOST_TRIES):
        start = body.find(before, start + 1)
        if start < 0:
            break
        left = body[:start] + after + body[start + len(before) :]
        if json.split_envelope(left, max_bytes=len(left)) == (outer | {signed.PROPERTY: expected}, objects):
            return left
    return None


def _holes(parts: list[bytes]) -> Set[int]:
    return {number for number, part in enumerate(parts) if part == _HOLE}


def _cut_lines(body: bytes, places: Collection[str], offset: int) -> bytes | None:
    wanted = _numbers(places, _LINE, offset)
    parts = formats.split(body, "csv", max_bytes=len(body))
    begins = [int(stdlib_json.loads(part)["line"]) for part in parts]
    if not wanted <= set(begins) or wanted == set(begins):
        return None
    lines = body.splitlines(keepends=True) if b"\r" not in body.replace(b"\r\n", b"") else None
    if lines is None or len(body.split(b"\n")) - len(lines) > 1:
        return None
    for start, following in pairwise([*begins, len(lines) + 1]):
        if start in wanted:
            # Empty lines are passed over, and the next ones keep their numbers.
            lines[start - 1 : following - 1] = [b"\n"] * (following - start)
    left = b"".join(lines)
    kept = [int(stdlib_json.loads(part)["line"]) for part in formats.split(left, "csv", max_bytes=len(left))]
    return left if kept == [line for line in begins if line not in wanted] else None


def _cut_events(body: bytes, places: Collection[str], offset: int) -> bytes | None:
    value = json.parse(body, max_bytes=len(body))
    held = value["response"] if isinstance(value, dict) and "response" in value else value
    events = held if isinstance(held, list) else [held]
    matches = {place: _NAMED.match(place) for place in places}
    named = {match[1].lower() for match in matches.values() if match is not None}
    wanted = _numbers([place for place, match in matches.items() if match is None], _ELEMENT, offset)
    left = []
    for number, event in enumerate(events):
        found = named & set(_uuids(event))
        if not found and number not in wanted:
            left.append(event)
        named -= found
    if named or not left:
        return None
    return stdlib_json.dumps(left, ensure_ascii=False, separators=(",", ":")).encode()


def _uuids(value: object) -> Iterator[str]:
    """The uuids of an event and of all that it holds."""
    if isinstance(value, dict):
        uuid = value.get("uuid")
        if isinstance(uuid, str):
            yield uuid.lower()
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _uuids(one)


_CUTS = {
    "stix": lambda body, places, offset: _cut_elements(body, places, offset, "stix"),
    "ndjson": lambda body, places, offset: _cut_elements(body, places, offset, "ndjson"),
    "ocsf": lambda body, places, offset: _cut_elements(body, places, offset, "ocsf"),
    "csv": _cut_lines,
    "misp": _cut_events,
}
