"""Verifies who submitted an object, from its offline bundle with the submitter opened (trust.md, Submitters).

1. The bundle is whole: the publisher signed the object, and its entry stands in the log (`verify_bundle`).
2. The record is the one that the statement's `sub` has committed to since the entry was made.
3. The submitter's own signature, which the record holds, is by one of the keys given, over this object.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from sharing.signing import base64url
from sharing.signing.keys import KeySet
from sharing.tlog import submitters
from sharing.tlog.statements import (
    SALT_SIZE,
    AddStatement,
    MalformedStatement,
    read_statement,
    submitter_commitment,
)
from sharing.tlog.submitters import MalformedRecord, SubmitterRecord
from sharing.verifier import strict_json
from sharing.verifier.bundle import verify_bundle
from sharing.verifier.failures import Altered, Malformed, SignatureFailed
from sharing.verifier.object import identify, verify_signature
from sharing.verifier.trust import Trust

_DEPTH = strict_json.MAX_DEPTH + 4
"""A bundle holds an object, a notice an object's record."""


@dataclass(frozen=True, slots=True)
class DisclosureReport:
    """Who submitted an object, by the service's ids; `kid` is the submitter's key, None where it did not sign."""

    object_id: str
    version: str
    organization: str
    submission: str
    kid: str | None


def verify_disclosure(
    raw: bytes,
    trust: Trust,
    keys: KeySet | None,
    *,
    now: int,
    notice: bytes | None = None,
    witnessed: bool = True,
) -> DisclosureReport:
    """Verifies the JSON text of a bundle, in any layout, and who submitted its object.

    Where the bundle opens nothing, a notice of kind `submitter.disclosed` or a delivery of one does. `keys` are the
    submitter's own; None where only the commitment is asked for. Raises VerificationFailed: as `verify_bundle`; another
    submitter than the log's is Altered; as `verify_signature`.
    """
    verify_bundle(raw, trust, now=now, witnessed=witnessed)
    return verify_submitter(raw, keys, notice=notice)


def verify_submitter(raw: bytes, keys: KeySet | None, *, notice: bytes | None = None) -> DisclosureReport:
    """As `verify_disclosure`, of a bundle whose place in the log was verified."""
    bundle = strict_json.read_object(raw, depth=_DEPTH)
    stix, opening = bundle.get("object"), bundle.get("opening")
    if not isinstance(stix, dict) or not isinstance(opening, dict):
        raise Malformed("a bundle has an object and its opening")
    object_id, version = identify(stix)
    body = strict_json.canonical(stix)
    statement = _statement(opening.get("stmt"))
    if statement.object_id != object_id or statement.sha256 != hashlib.sha256(body).digest():
        raise Altered("the statement is about another object, or another version of it", object_id=object_id)
    candidates = _opened(opening, notice)
    record = next((said for salt, said in candidates if _is_committed(statement, salt, said)), None)
    if record is None:
        raise Altered(
            "the submitter that is named is not the one that the log committed to", object_id=object_id
        )
    found = _record(record)
    return DisclosureReport(
        object_id, version, found.organization, found.submission, _kid(found, body, keys, object_id)
    )


def _statement(text: object) -> AddStatement:
    if not isinstance(text, str):
        raise Malformed("opening.stmt is not a string holding the statement's text")
    try:
        statement = read_statement(text.encode())
    except MalformedStatement as error:
        raise Malformed(f"opening.stmt: {error}") from error
    if not isinstance(statement, AddStatement):
        raise Malformed("opening.stmt is a withdrawal, which nobody submitted")
    return statement


def _opened(opening: Mapping[str, object], notice: bytes | None) -> list[tuple[bytes, bytes]]:
    """Salts and records, any of which may be the one."""
    if notice is None:
        if "sub" not in opening:
            raise Malformed(
                "the bundle does not open its submitter: nobody disclosed it to whoever asked for it"
            )
        sub = opening["sub"]
        if not isinstance(sub, dict) or sub.keys() != {"salt", "record"}:
            raise Malformed("opening.sub has a salt and a record")
        return [(_salt(sub["salt"]), _text(sub["record"]))]
    value = strict_json.read_object(notice, depth=_DEPTH)
    # A delivery holds the notice that it tells of.
    inner = value.get("notice", value)
    detail = inner.get("detail") if isinstance(inner, dict) else None
    openings = detail.get("openings") if isinstance(detail, dict) else None
    if not isinstance(openings, list) or not all(isinstance(one, dict) for one in openings):
        raise Malformed("the notice has no detail.openings, as one of kind submitter.disclosed has")
    return [(_hex(one.get("subsalt")), _text(one.get("record"))) for one in openings]


def _is_committed(statement: AddStatement, salt: bytes, record: bytes) -> bool:
    return hmac.compare_digest(submitter_commitment(salt, record), statement.sub)


def _record(raw: bytes) -> SubmitterRecord:
    try:
        return submitters.read_record(raw)
    except MalformedRecord as error:
        raise Malformed(f"the submitter record: {error}") from error


def _kid(found: SubmitterRecord, body: bytes, keys: KeySet | None, object_id: str) -> str | None:
    if keys is None:
        return None
    if found.jws is None:
        raise SignatureFailed("its submitter did not sign it", object_id=object_id)
    return verify_signature(body, found.jws, keys, object_id=object_id)


def _salt(value: object) -> bytes:
    try:
        salt = base64url.decode(value) if isinstance(value, str) else b""
    except base64url.NotBase64url:
        salt = b""
    if len(salt) != SALT_SIZE:
        raise Malformed(f"opening.sub.salt is not {SALT_SIZE} bytes in base64url")
    return salt


def _hex(value: object) -> bytes:
    try:
        salt = bytes.fromhex(value) if isinstance(value, str) else b""
    except ValueError:
        salt = b""
    if len(salt) != SALT_SIZE:
        raise Malformed(f"a subsalt of the notice is not {SALT_SIZE} bytes in hex")
    return salt


def _text(value: object) -> bytes:
    if not isinstance(value, str):
        raise Malformed("a submitter record is a string holding the record's text")
    return value.encode()
