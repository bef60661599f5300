"""Reads a TAXII page asked for with `proof=1` (its format is in `sharing.tlog.page`); whether it is true is for `page`.

The page's own members are found here rather than by a JSON parser, so that each object is met as the text that was
served: nearly always its canonical bytes, which then need not be made again.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from json.decoder import WHITESPACE, scanstring  # type: ignore[attr-defined]  # Not in the stubs.
from typing import NamedTuple, Self, TypeGuard

from sharing.signing import base64url
from sharing.tlog.page import PROPERTY
from sharing.tlog.statements import (
    ENTRY_SIZE,
    SALT_SIZE,
    AddStatement,
    MalformedStatement,
    WithdrawStatement,
    entry,
    read_statement,
)
from sharing.verifier import markings, strict_json
from sharing.verifier.failures import Malformed, SignatureFailed
from sharing.verifier.object import identify
from sharing.verifier.strict_json import MAX_OBJECT_TEXT, JsonObject

_ORIGIN = re.compile(r"[^\s/]+/log/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_WITHDRAWAL = {"salt", "stmt"}
_OPENING = _WITHDRAWAL | {"jws"}
_DISCLOSED = _OPENING | {"sub"}
_ERASED = {"commit", "withdrawn_by"}


class Object(NamedTuple):
    """An object of the page: its canonical bytes, their SHA-256, and what it says of itself.

    `level` is its most restrictive TLP marking, None without any. What was parsed is let go: of a page of large objects
    it would fill a machine.
    """

    object_id: str
    version: str
    level: str | None
    body: bytes
    digest: bytes

    @classmethod
    def of(cls, stix: JsonObject, body: bytes) -> Self:
        """Raises Malformed. `body` are the canonical bytes of `stix`."""
        object_id, version = identify(stix)
        return cls(object_id, version, markings.effective_level(stix), body, sha256(body).digest())


@dataclass(frozen=True, slots=True)
class Submitter:
    """Who submitted an object, opened: what `sub` of the statement commits to."""

    salt: bytes
    record: str


@dataclass(frozen=True, slots=True)
class Add:
    """The opening of an entry about an object; `index` is None on a filtered page."""

    index: int | None
    salt: bytes
    text: str
    statement: AddStatement
    jws: str
    submitter: Submitter | None

    @property
    def commit(self) -> bytes:
        return entry(self.salt, self.text.encode())


@dataclass(frozen=True, slots=True)
class Withdraw:
    """The opening of an entry that erases another."""

    index: int
    salt: bytes
    text: str
    statement: WithdrawStatement

    @property
    def commit(self) -> bytes:
        return entry(self.salt, self.text.encode())


@dataclass(frozen=True, slots=True)
class Erased:
    """What is left of an erased entry."""

    index: int
    commit: bytes
    withdrawn_by: int


Entry = Add | Withdraw | Erased


@dataclass(frozen=True, slots=True)
class Envelope:
    """A page as it was read. `start` and `end` are None on a filtered one; `next` is the cursor if there is more."""

    origin: str
    start: int | None
    end: int | None
    entries: list[Entry]
    objects: list[Object]
    more: bool
    next: str | None


def read(page: bytes) -> Envelope:
    """Raises Malformed; SignatureFailed for an object without a signature."""
    members, objects = _members(strict_json.text_of(page))
    log = members.get(PROPERTY)
    if log is None:
        raise Malformed(f"the page has no {PROPERTY}; was it asked for with proof=1?")
    if not isinstance(log, dict) or type(log.get("v")) is not int or log["v"] != 1:
        raise Malformed(f"{PROPERTY} is not an object of version 1; a newer verifier may read it")
    if log.keys() not in ({"v", "origin", "start", "end", "entries"}, {"v", "origin", "entries"}):
        raise Malformed(f"{PROPERTY} must have v, origin and entries, and both or neither of start and end")
    origin, entries = log["origin"], log["entries"]
    if not isinstance(origin, str) or not _ORIGIN.fullmatch(origin):
        raise Malformed(f"the origin in {PROPERTY} is not <host>/log/<collection-uuid>")
    if not isinstance(entries, list):
        raise Malformed(f"the entries in {PROPERTY} are not an array")
    start, end = log.get("start"), log.get("end")
    if "start" in log and (not is_index(start) or not is_index(end) or start > end):
        raise Malformed(f"start and end in {PROPERTY} are not indexes in ascending order")
    first = start if isinstance(start, int) else None
    read_entries = [
        _read_entry(one, None if first is None else first + place, place) for place, one in enumerate(entries)
    ]
    follows = members.get("next")
    if follows is not None and not isinstance(follows, str):
        raise Malformed('"next" is not a string')
    return Envelope(
        origin=origin,
        start=first,
        end=end if isinstance(end, int) else None,
        entries=read_entries,
        objects=objects,
        more=members.get("more") is True,
        next=follows,
    )


def read_opening(opening: object, index: int) -> Entry:
    """One entry's opening, on its own. Raises as `read`."""
    return _read_entry(opening, index, index)


def _members(text: str) -> tuple[JsonObject, list[Object]]:
    """The members of the page but `objects`, and these."""
    objects: list[Object] = []
    members: list[tuple[str, object]] = []
    try:
        at = _after(text, 0)
        if text[at : at + 1] != "{":
            strict_json.read(text.encode())  # Says what is wrong with it, if it is no JSON at all.
            raise Malformed("not a JSON object")
        at = _after(text, at + 1)
        while text[at : at + 1] != "}":
            if members:
                at = _after(text, _skip(text, at, ","))
            if text[at : at + 1] != '"':
                raise json.JSONDecodeError("Expecting property name enclosed in double quotes", text, at)
            name, at = scanstring(text, at + 1, True)
            at = _after(text, _skip(text, _after(text, at), ":"))
            value: object
            if name == "objects":
                value = None
                if text[at : at + 1] != "[":
                    strict_json.value_at(text, at)
                    raise Malformed('"objects" is not an array')
                at = _array(text, at, objects)
            else:
                value, at = strict_json.value_at(text, at)
            members.append((name, value))
            at = _after(text, at)
        if (end := _after(text, at + 1)) != len(text):
            raise json.JSONDecodeError("Extra data", text, end)
    except json.JSONDecodeError as error:
        raise strict_json.not_json(error) from error
    except RecursionError as error:
        raise Malformed(f"nested more than {strict_json.MAX_DEPTH} levels deep") from error
    return strict_json.distinct(members), objects


def _array(text: str, at: int, objects: list[Object]) -> int:
    """Appends the objects of the array that begins at `at`; where it ends."""
    at = _after(text, at + 1)
    if text[at : at + 1] == "]":
        return at + 1
    # Of a large page a part at a time is in sight, so that no object is parsed that is longer than any may be.
    seen, begins = text, 0
    while True:
        place = len(objects)
        if len(text) > 2 * MAX_OBJECT_TEXT and (seen is text or at - begins > MAX_OBJECT_TEXT):
            seen, begins = text[at : at + 2 * MAX_OBJECT_TEXT], at
        try:
            value, body, end = strict_json.canonical_at(seen, at - begins)
        except Malformed as failure:
            raise Malformed(f"objects[{place}]: {failure.sentence}") from failure
        except json.JSONDecodeError as error:
            if begins + len(seen) >= len(text):
                raise json.JSONDecodeError(error.msg, text, begins + error.pos) from error
            raise Malformed(
                f"objects[{place}]: not JSON, or longer than {MAX_OBJECT_TEXT} characters"
            ) from error
        if not isinstance(value, dict) or body is None:
            raise Malformed(f"objects[{place}] is not an object")
        objects.append(Object.of(value, body))
        at = _after(text, begins + end)
        if text[at : at + 1] == "]":
            return at + 1
        at = _after(text, _skip(text, at, ","))


def _after(text: str, at: int) -> int:
    """Behind the white space."""
    found = WHITESPACE.match(text, at)
    return int(found.end())


def _skip(text: str, at: int, delimiter: str) -> int:
    if text[at : at + 1] != delimiter:
        raise json.JSONDecodeError(f"Expecting '{delimiter}' delimiter", text, at)
    return at + 1


def _read_entry(one: object, index: int | None, place: int) -> Entry:
    # On a filtered page an entry has no index of its own to be called by.
    where = "" if index is not None else f"entries[{place}]: "
    names = one.keys() if isinstance(one, dict) else None
    if not isinstance(one, dict) or names not in (_OPENING, _WITHDRAWAL, _ERASED, _DISCLOSED):
        raise Malformed(f"{where}an entry has jws, salt and stmt, or commit and withdrawn_by", index=index)
    if names == _ERASED:
        commit = _decode(one["commit"], f"{where}commit", index)
        if len(commit) != ENTRY_SIZE or commit[0] != 1:
            raise Malformed(f"{where}commit is not the 33 bytes of an entry", index=index)
        if index is None:
            raise Malformed(f"{where}a filtered page holds entries of its objects only")
        withdrawn_by = one["withdrawn_by"]
        if not is_index(withdrawn_by):
            raise Malformed("withdrawn_by is not an index", index=index)
        return Erased(index, commit, withdrawn_by)

    salt = _salt(one["salt"], f"{where}salt", index)
    text = one["stmt"]
    if not isinstance(text, str):
        raise Malformed(f"{where}stmt is not a string holding the statement's text", index=index)
    try:
        statement = read_statement(text.encode())
    except MalformedStatement as error:
        raise Malformed(f"{where}stmt: {error}", index=index) from error
    if isinstance(statement, WithdrawStatement):
        if index is None:
            raise Malformed(f"{where}a filtered page holds entries of its objects only")
        if names != _WITHDRAWAL:
            raise Malformed("a withdraw statement carries a signature", index=index)
        return Withdraw(index, salt, text, statement)
    if "jws" not in one:
        raise SignatureFailed("the object's signature is missing", index=index, object_id=statement.object_id)
    if not isinstance(one["jws"], str):
        raise Malformed("jws is not a string", index=index, object_id=statement.object_id)
    submitter = _submitter(one["sub"], where, index) if "sub" in one else None
    return Add(index, salt, text, statement, one["jws"], submitter)


def _submitter(sub: object, where: str, index: int | None) -> Submitter:
    if not isinstance(sub, Mapping) or sub.keys() != {"salt", "record"} or not isinstance(sub["record"], str):
        raise Malformed(f"{where}sub has salt and record, both strings", index=index)
    return Submitter(_salt(sub["salt"], f"{where}sub.salt", index), sub["record"])


def _salt(value: object, name: str, index: int | None) -> bytes:
    salt = _decode(value, name, index)
    if len(salt) != SALT_SIZE:
        raise Malformed(f"{name} is not {SALT_SIZE} bytes", index=index)
    return salt


def _decode(value: object, name: str, index: int | None) -> bytes:
    try:
        if isinstance(value, str):
            return base64url.decode(value)
    except base64url.NotBase64url:
        pass
    raise Malformed(f"{name} is not base64url", index=index)


def is_index(value: object) -> TypeGuard[int]:
    """Whether it is a place in a log."""
    return type(value) is int and value >= 0
