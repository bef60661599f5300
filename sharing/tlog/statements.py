"""Statements and the salted entries that commit to them (trust.md, "Log").

A statement is JCS (RFC 8785) text: no white space, members sorted by name, one spelling per value.

    {"added":<µs>,"id":…,"op":"add","sha256":"<b64u SHA-256(object)>","sub":"<b64u>","tlp":…,"v":1,"ver":…}
    {"added":<µs>,"op":"withdraw","reason":…,"target":<index>,"v":1}
    entry  0x01 ‖ SHA-256(salt ‖ statement)     33 bytes; salt: 32 fresh random bytes
    leaf   SHA-256(0x00 ‖ entry)                RFC 6962 §2.1
"""

import json
import re
from binascii import a2b_base64
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256 as _sha256
from json.encoder import encode_basestring as _quoted
from typing import NamedTuple, cast

from sharing.signing import base64url
from sharing.signing.base64url import encode as _b64u
from sharing.tlog import merkle

TLP_LEVELS = ("clear", "green", "amber", "amber+strict", "red")
"""From the least to the most restrictive (TLP 2.0)."""

UNVERSIONED = "-"
"""The version of an object that has neither `modified` nor `created`."""

ENTRY_SIZE = 33
SALT_SIZE = 32

_TLP = frozenset(TLP_LEVELS)
_MAX_INTEGER = 2**53 - 1
_PLAIN_ADD = re.compile(
    rb'\{"added":(?P<added>0|[1-9][0-9]{0,15}),"id":"(?P<id>[ !#-\[\]-~]*)","op":"add",'
    rb'"sha256":"(?P<sha256>[\w-]{42}[AEIMQUYcgkosw048])",'
    rb'"sub":"(?P<sub>[\w-]{42}[AEIMQUYcgkosw048])","tlp":"(?P<tlp>clear|green|amber|amber\+strict|red)","v":1,'
    rb'"ver":"(?P<ver>[ !#-\[\]-~]*)"\}',
    re.ASCII,
)
"""Nearly every statement there is: no text in it needs an escape, and its digests are base64url as `encode` has them.
Many thousands are read in a second."""
_FROM_URL = bytes.maketrans(b"-_", b"+/")


class Reason(StrEnum):
    """Why an entry was withdrawn."""

    ERROR = "error"
    TLP_CHANGE = "tlp-change"
    MOVED = "moved"
    LEGAL = "legal"
    DUPLICATE = "duplicate"


class MalformedStatement(ValueError):
    """A statement, or a part of one, that this log cannot hold; the sentence names the part."""


class AddStatement(NamedTuple):
    """One version of an object entered the collection. `added` is in µs since 1970; digests are 32 bytes."""

    object_id: str
    version: str
    sha256: bytes
    tlp: str
    added: int
    sub: bytes


@dataclass(frozen=True, slots=True)
class WithdrawStatement:
    """The entry at index `target` was erased. `added` is in µs since 1970."""

    target: int
    reason: Reason
    added: int


def add_statement(*, object_id: str, version: str, sha256: bytes, tlp: str, added: int, sub: bytes) -> bytes:
    """The statement's JCS bytes, or MalformedStatement. `version` is `modified`, else `created`, else "-".

    Written from a template, at a fraction of a general serialiser's cost: ten thousand are made in a second.
    """
    if len(sha256) != 32:
        raise MalformedStatement("sha256 must be 32 bytes")
    if len(sub) != 32:
        raise MalformedStatement("sub must be 32 bytes")
    if tlp not in _TLP:
        raise MalformedStatement(f"tlp must be one of {', '.join(TLP_LEVELS)}")
    if type(added) is not int or not 0 <= added <= _MAX_INTEGER:
        raise MalformedStatement("added must be an integer from 0 to 2^53-1")
    # The standard library escapes exactly as RFC 8785 §3.2.2.2 demands once non-ASCII text is left alone.
    statement = (
        f'{{"added":{added},"id":{_quoted(object_id)},"op":"add","sha256":"{_b64u(sha256)}",'
        f'"sub":"{_b64u(sub)}","tlp":"{tlp}","v":1,"ver":{_quoted(version)}}}'
    )
    if "\\u0000" in statement and ("\0" in object_id or "\0" in version):
        raise MalformedStatement("id and ver must not hold U+0000")
    try:
        return statement.encode()
    except UnicodeEncodeError as error:
        raise MalformedStatement("id and ver must not hold a lone surrogate") from error


def withdraw_statement(*, target: int, reason: str, added: int) -> bytes:
    """The statement's JCS bytes. Raises MalformedStatement."""
    for name, number in (("target", target), ("added", added)):
        if type(number) is not int or not 0 <= number <= _MAX_INTEGER:
            raise MalformedStatement(f"{name} must be an integer from 0 to 2^53-1")
    if reason not in tuple(Reason):
        raise MalformedStatement(f"reason must be one of {', '.join(Reason)}")
    return f'{{"added":{added},"op":"withdraw","reason":"{reason}","target":{target},"v":1}}'.encode()


def read_statement(raw: bytes) -> AddStatement | WithdrawStatement:
    """Reads what the two functions above write, to the byte; anything else raises MalformedStatement."""
    if plain := _PLAIN_ADD.fullmatch(raw):
        added, object_id, digest, sub, tlp, version = plain.groups()
        if (at := int(added)) <= _MAX_INTEGER:
            return AddStatement(
                object_id.decode(), version.decode(), _plain(digest), tlp.decode(), at, _plain(sub)
            )
    try:
        members = json.loads(raw.decode())
    except (ValueError, RecursionError) as error:
        raise MalformedStatement("a statement is a JSON object in UTF-8") from error
    if not isinstance(members, dict):
        raise MalformedStatement("a statement is a JSON object")
    statement: AddStatement | WithdrawStatement
    match members.get("op"):
        case "add":
            statement = AddStatement(
                object_id=_text(members, "id"),
                version=_text(members, "ver"),
                sha256=_digest(members, "sha256"),
                tlp=_text(members, "tlp"),
                added=_integer(members, "added"),
                sub=_digest(members, "sub"),
            )
            written = add_statement(
                object_id=statement.object_id,
                version=statement.version,
                sha256=statement.sha256,
                tlp=statement.tlp,
                added=statement.added,
                sub=statement.sub,
            )
        case "withdraw":
            target, added = _integer(members, "target"), _integer(members, "added")
            reason = _text(members, "reason")
            written = withdraw_statement(target=target, reason=reason, added=added)
            statement = WithdrawStatement(target=target, reason=Reason(reason), added=added)
        case _:
            raise MalformedStatement('op must be "add" or "withdraw"')
    # One comparison refuses every other spelling: order, white space, escapes, extra or repeated members.
    if written != raw:
        raise MalformedStatement("not the canonical form (RFC 8785) of a version 1 statement")
    return statement


def entry(salt: bytes, statement: bytes) -> bytes:
    """The 33 bytes that stay in the log for ever; without the salt they say nothing about the statement."""
    if len(salt) != SALT_SIZE:
        raise MalformedStatement(f"a salt is {SALT_SIZE} bytes")
    return b"\x01" + _sha256(salt + statement).digest()


def leaf_hash(entry: bytes) -> bytes:
    """The Merkle leaf of an entry (RFC 6962 §2.1)."""
    if len(entry) != ENTRY_SIZE or entry[0] != 1:
        raise MalformedStatement("an entry is 0x01 and 32 bytes")
    return merkle.leaf_hash(entry)


def submitter_commitment(subsalt: bytes, record: bytes) -> bytes:
    """The 32 bytes of `sub`. `record`: JCS bytes of the submitter record, random ones for our own content."""
    if len(subsalt) != SALT_SIZE:
        raise MalformedStatement(f"a salt is {SALT_SIZE} bytes")
    return _sha256(subsalt + record).digest()


def _text(members: dict[str, object], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str):
        raise MalformedStatement(f"{name} must be a string")
    return value


def _integer(members: dict[str, object], name: str) -> int:
    if type(members.get(name)) is not int:
        raise MalformedStatement(f"{name} must be an integer")
    return cast(int, members[name])


def _digest(members: dict[str, object], name: str) -> bytes:
    return _decoded(_text(members, name), name)


def _plain(digest: bytes) -> bytes:
    """32 bytes, of base64url that the pattern above has checked to the last character."""
    return a2b_base64(digest.translate(_FROM_URL) + b"=")


def _decoded(text: str, name: str) -> bytes:
    try:
        return base64url.decode(text)
    except base64url.NotBase64url as error:
        raise MalformedStatement(f"{name} is {error}") from error
