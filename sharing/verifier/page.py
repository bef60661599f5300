"""Verifies one TAXII page that was asked for with `proof=1`; its format is in `sharing.tlog.page`.

Proved: every object was signed, as it stands, by a key of the key set; on an unfiltered page, objects and
entries fit together one to one and the page holds what it says it holds. Not proved until checkpoints
exist: that the publisher wrote these statements (only objects are signed). A mirror that leaves out an
object *and* its entry *and* counts anew is found out only by the next page's `start`.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeGuard

from sharing.signing import base64url
from sharing.signing.keys import KeySet
from sharing.tlog.page import PROPERTY
from sharing.tlog.statements import (
    ENTRY_SIZE,
    SALT_SIZE,
    TLP_LEVELS,
    UNVERSIONED,
    AddStatement,
    MalformedStatement,
    WithdrawStatement,
    read_statement,
)
from sharing.verifier import markings, strict_json
from sharing.verifier.failures import (
    AboveCeiling,
    Altered,
    Dropped,
    Malformed,
    OutOfOrder,
    SignatureFailed,
    shown,
)
from sharing.verifier.object import identify, verify_signature
from sharing.verifier.strict_json import JsonObject

_ORIGIN = re.compile(r"[^\s/]+/log/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_ENVELOPE_LEVELS = 2
_OPENING = {"jws", "salt", "stmt"}
_ERASED = {"commit", "withdrawn_by"}
_NO_SIGNATURE = object()


@dataclass(frozen=True, slots=True)
class PageReport:
    """What was verified. `start`, `end` are None and `complete` is False on a filtered page."""

    origin: str
    start: int | None
    end: int | None
    objects: int
    signatures: int
    withdrawn: int
    """Entries of this page that were erased."""
    complete: bool
    """Every index in [start, end) is accounted for."""
    kids: tuple[str, ...]
    withdraws: tuple[int, ...]
    """The indexes that this page's `withdraw` statements erase: a consumer deletes its copies."""
    owed: tuple[tuple[int, int], ...]
    """(index, withdrawn_by) of erased entries whose `withdraw` statement a later page must bring."""


@dataclass(frozen=True, slots=True)
class _Object:
    stix: JsonObject
    object_id: str
    version: str
    body: bytes
    digest: bytes


@dataclass(frozen=True, slots=True)
class _Add:
    index: int | None
    salt: bytes
    statement: AddStatement
    jws: str


@dataclass(frozen=True, slots=True)
class _Withdraw:
    index: int
    salt: bytes
    statement: WithdrawStatement


@dataclass(frozen=True, slots=True)
class _Erased:
    index: int
    withdrawn_by: int


_Entry = _Add | _Withdraw | _Erased


@dataclass(frozen=True, slots=True)
class _Log:
    origin: str
    start: int | None
    end: int | None
    entries: list[_Entry]


def verify_page(page: bytes, keys: KeySet, *, ceiling: str | None = None) -> PageReport:
    """Verifies an envelope in any JSON layout. Raises the first VerificationFailed in this order:

    1. the page is in the format, no signature is missing                   Malformed, SignatureFailed
    2. as many entries as indexes, each after the one before, none twice    Dropped, OutOfOrder
    3. erased entries and `withdraw` statements refer to each other         Dropped, OutOfOrder, Altered
    4. the k-th object is the one that the k-th `add` statement describes   Altered, Dropped, OutOfOrder
    5. each object's signature was made over it by a key of the set         SignatureFailed, KeyRefused
    6. with `ceiling`, neither statement nor object is more restricted      AboveCeiling
    """
    if ceiling is not None and ceiling not in TLP_LEVELS:
        raise ValueError(f"ceiling must be one of {', '.join(TLP_LEVELS)}")

    # 1.
    envelope = strict_json.read_object(page, depth=strict_json.MAX_DEPTH + _ENVELOPE_LEVELS)
    log = _read_log(envelope)
    objects = _read_objects(envelope)
    adds = [entry for entry in log.entries if isinstance(entry, _Add)]

    # 2.
    _verify_count(log)
    _verify_order(log.entries)

    # 3.
    withdraws, owed = _verify_withdrawals(log)

    # 4.
    _verify_digests(objects, adds)
    for stix, add in zip(objects, adds, strict=True):
        _verify_description(stix, add)

    # 5.
    kids = {
        verify_signature(stix.body, add.jws, keys, object_id=stix.object_id, index=add.index)
        for stix, add in zip(objects, adds, strict=True)
    }

    # 6.
    if ceiling is not None:
        for stix, add in zip(objects, adds, strict=True):
            _verify_ceiling(stix, add, ceiling)

    return PageReport(
        origin=log.origin,
        start=log.start,
        end=log.end,
        objects=len(objects),
        signatures=len(adds),
        withdrawn=sum(isinstance(entry, _Erased) for entry in log.entries),
        complete=log.start is not None,
        kids=tuple(sorted(kids)),
        withdraws=withdraws,
        owed=owed,
    )


def _read_log(envelope: JsonObject) -> _Log:
    log = envelope.get(PROPERTY)
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
    if "start" not in log:
        return _Log(origin, None, None, [_read_entry(entry, None, k) for k, entry in enumerate(entries)])
    start, end = log["start"], log["end"]
    if not _is_index(start) or not _is_index(end) or start > end:
        raise Malformed(f"start and end in {PROPERTY} are not indexes in ascending order")
    return _Log(origin, start, end, [_read_entry(entry, start + k, k) for k, entry in enumerate(entries)])


def _read_entry(entry: object, index: int | None, place: int) -> _Entry:
    # On a filtered page an entry has no index of its own to be called by.
    where = "" if index is not None else f"entries[{place}]: "
    names = entry.keys() if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or names not in (_OPENING, _OPENING - {"jws"}, _ERASED):
        raise Malformed(f"{where}an entry has jws, salt and stmt, or commit and withdrawn_by", index=index)
    if names == _ERASED:
        commit = _decode(entry["commit"], f"{where}commit", index)
        if len(commit) != ENTRY_SIZE or commit[0] != 1:
            raise Malformed(f"{where}commit is not the 33 bytes of an entry", index=index)
        if index is None:
            raise Malformed(f"{where}a filtered page holds entries of its objects only")
        withdrawn_by = entry["withdrawn_by"]
        if not _is_index(withdrawn_by):
            raise Malformed("withdrawn_by is not an index", index=index)
        return _Erased(index, withdrawn_by)

    salt = _decode(entry["salt"], f"{where}salt", index)
    if len(salt) != SALT_SIZE:
        raise Malformed(f"{where}salt is not {SALT_SIZE} bytes", index=index)
    text, jws = entry["stmt"], entry.get("jws", _NO_SIGNATURE)
    if not isinstance(text, str):
        raise Malformed(f"{where}stmt is not a string holding the statement's text", index=index)
    try:
        statement = read_statement(text.encode())
    except MalformedStatement as error:
        raise Malformed(f"{where}stmt: {error}", index=index) from error
    if isinstance(statement, WithdrawStatement):
        if index is None:
            raise Malformed(f"{where}a filtered page holds entries of its objects only")
        if jws is not _NO_SIGNATURE:
            raise Malformed("a withdraw statement carries a signature", index=index)
        return _Withdraw(index, salt, statement)
    if jws is _NO_SIGNATURE:
        raise SignatureFailed("the object's signature is missing", index=index, object_id=statement.object_id)
    if not isinstance(jws, str):
        raise Malformed("jws is not a string", index=index, object_id=statement.object_id)
    return _Add(index, salt, statement, jws)


def _read_objects(envelope: JsonObject) -> list[_Object]:
    # TAXII 2.1 §3.7 lets an empty page leave the property out.
    objects = envelope.get("objects", [])
    if not isinstance(objects, list):
        raise Malformed('"objects" is not an array')
    read = []
    for place, stix in enumerate(objects):
        if not isinstance(stix, dict):
            raise Malformed(f"objects[{place}] is not an object")
        object_id, version = identify(stix)
        try:
            body = strict_json.canonical(stix)
        except Malformed as error:
            raise Malformed(error.sentence, object_id=object_id) from error
        read.append(_Object(stix, object_id, version, body, sha256(body).digest()))
    return read


def _verify_count(log: _Log) -> None:
    if log.start is None or log.end is None:
        return
    expected, found = log.end - log.start, len(log.entries)
    if found < expected:
        raise Dropped(f"the page covers {expected} entries, {log.start} to {log.end - 1}, but holds {found}")
    if found > expected:
        raise OutOfOrder(f"the page covers {expected} entries from {log.start} on, but holds {found}")


def _verify_order(entries: Sequence[_Entry]) -> None:
    last_added = -1
    salts: set[bytes] = set()
    versions: set[tuple[str, str]] = set()
    for entry in entries:
        if isinstance(entry, _Erased):
            continue
        object_id = entry.statement.object_id if isinstance(entry, _Add) else None
        # Salts are 32 fresh random bytes: the same one again is the same entry again.
        if entry.salt in salts:
            raise OutOfOrder("the same entry again", index=entry.index, object_id=object_id)
        salts.add(entry.salt)
        # An object without versions may change and change back, so only a version is known to stand once.
        if isinstance(entry, _Add) and entry.statement.version != UNVERSIONED:
            version = (entry.statement.object_id, entry.statement.version)
            if version in versions:
                raise OutOfOrder(
                    f"version {shown(version[1])} stands on the page twice",
                    index=entry.index,
                    object_id=object_id,
                )
            versions.add(version)
        if entry.statement.added <= last_added:
            raise OutOfOrder(
                f"added at {entry.statement.added}, not after the entry before it at {last_added}",
                index=entry.index,
                object_id=object_id,
            )
        last_added = entry.statement.added


def _verify_withdrawals(log: _Log) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """What the page's `withdraw` statements erase, and the erased entries whose statement is yet to come."""
    if log.start is None or log.end is None:
        return (), ()
    withdraws: list[int] = []
    owed: list[tuple[int, int]] = []
    for entry in log.entries:
        if isinstance(entry, _Withdraw):
            target = entry.statement.target
            if target >= entry.index:
                raise OutOfOrder(f"withdraws entry {target}, which is not before it", index=entry.index)
            if target in withdraws:
                raise OutOfOrder(f"withdraws entry {target} a second time", index=entry.index)
            if target >= log.start and isinstance(log.entries[target - log.start], _Withdraw):
                raise Altered(f"withdraws entry {target}, which is no object's", index=entry.index)
            withdraws.append(target)
        elif isinstance(entry, _Erased):
            if entry.withdrawn_by <= entry.index:
                raise OutOfOrder(f"withdrawn by entry {entry.withdrawn_by}, not after it", index=entry.index)
            if entry.withdrawn_by >= log.end:
                owed.append((entry.index, entry.withdrawn_by))
                continue
            by = log.entries[entry.withdrawn_by - log.start]
            if not isinstance(by, _Withdraw) or by.statement.target != entry.index:
                raise Dropped(
                    f"erased, but entry {entry.withdrawn_by} does not withdraw it", index=entry.index
                )
    return tuple(withdraws), tuple(owed)


def _verify_digests(objects: Sequence[_Object], adds: Sequence[_Add]) -> None:
    served = [stix.digest for stix in objects]
    logged = [add.statement.sha256 for add in adds]
    if served == logged:
        return
    # Something differs; the rest finds out what, the gravest first.
    entry_of = {(add.statement.object_id, add.statement.version): add for add in adds}
    log_counts, page_counts = Counter(logged), Counter(served)
    for stix in objects:
        if stix.digest not in log_counts:
            add = entry_of.get((stix.object_id, stix.version))
            if add is not None:
                raise Altered("not the object that was published", index=add.index, object_id=stix.object_id)
            raise Altered("no entry of the page is about this object", object_id=stix.object_id)
        if page_counts[stix.digest] > log_counts[stix.digest]:
            raise OutOfOrder("stands on the page more often than in the log", object_id=stix.object_id)
    for add in adds:
        if page_counts[add.statement.sha256] < log_counts[add.statement.sha256]:
            raise Dropped(
                "the object is missing from the page", index=add.index, object_id=add.statement.object_id
            )
    for stix, add in zip(objects, adds, strict=True):
        if stix.digest != add.statement.sha256:
            raise OutOfOrder(
                f"{shown(stix.object_id)} stands in its place",
                index=add.index,
                object_id=add.statement.object_id,
            )


def _verify_description(stix: _Object, add: _Add) -> None:
    statement = add.statement
    if statement.object_id != stix.object_id:
        raise Altered(
            f"the statement calls it {shown(statement.object_id)}", index=add.index, object_id=stix.object_id
        )
    if statement.version != stix.version:
        raise Altered(
            f"the statement gives version {shown(statement.version)} to version {shown(stix.version)}",
            index=add.index,
            object_id=stix.object_id,
        )
    # The publisher may restrict an object further than its marking, never less.
    level = markings.effective_level(stix.stix)
    if level is not None and markings.above(level, statement.tlp):
        raise Altered(
            f"the statement says TLP {statement.tlp}, but the object is marked {level}",
            index=add.index,
            object_id=stix.object_id,
        )


def _verify_ceiling(stix: _Object, add: _Add, ceiling: str) -> None:
    # The object's own marking is not above its statement's level by now.
    if markings.above(add.statement.tlp, ceiling):
        raise AboveCeiling(
            f"TLP {add.statement.tlp} is above the ceiling {ceiling}",
            index=add.index,
            object_id=stix.object_id,
        )


def _decode(value: object, name: str, index: int | None) -> bytes:
    try:
        if isinstance(value, str):
            return base64url.decode(value)
    except base64url.NotBase64url:
        pass
    raise Malformed(f"{name} is not base64url", index=index)


def _is_index(value: object) -> TypeGuard[int]:
    return type(value) is int and value >= 0
