"""The submitter record that a statement's `sub` commits to (trust.md, "Submitters' signatures").

    {"jws":"<detached JWS>","organization":"<uuid>","submission":"<uuid>","v":1}     JCS; `jws` where its sender signed

`sub` is SHA-256(subsalt ‖ record). Whoever is told subsalt and record sees who submitted the object, and that this was
said when the entry was made; nobody else learns anything from `sub`.
"""

import json
import re
from dataclasses import dataclass

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_JWS = re.compile(r"[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]+", re.ASCII)


class MalformedRecord(ValueError):
    """Not a submitter record, to the byte; the sentence names the part."""


@dataclass(frozen=True, slots=True)
class SubmitterRecord:
    """Who submitted an object in which submission, by the service's ids, and the sender's own signature if any."""

    organization: str
    submission: str
    jws: str | None = None


def record(*, organization: str, submission: str, jws: str | None = None) -> bytes:
    """The record's JCS bytes. Raises MalformedRecord."""
    for name, value in (("organization", organization), ("submission", submission)):
        if not _UUID.fullmatch(value):
            raise MalformedRecord(f"{name} must be a UUID in lower case")
    if jws is None:
        signed = ""
    elif _JWS.fullmatch(jws):
        signed = f'"jws":"{jws}",'
    else:
        raise MalformedRecord("jws must be a detached JWS")
    # All of it is plain ASCII without anything to escape, so this is the canonical form (RFC 8785).
    return f'{{{signed}"organization":"{organization}","submission":"{submission}","v":1}}'.encode("ascii")


def read_record(raw: bytes) -> SubmitterRecord:
    """Reads what `record` writes, to the byte; anything else raises MalformedRecord."""
    try:
        members = json.loads(raw.decode("ascii"))
    except (ValueError, RecursionError) as error:
        raise MalformedRecord("a submitter record is a JSON object in ASCII") from error
    if not isinstance(members, dict):
        raise MalformedRecord("a submitter record is a JSON object")
    values = [members.get(name) for name in ("organization", "submission")]
    jws = members.get("jws")
    if not all(isinstance(value, str) for value in values) or not isinstance(jws, str | None):
        raise MalformedRecord("organization, submission and jws must be strings")
    found = SubmitterRecord(str(values[0]), str(values[1]), jws)
    # One comparison refuses every other spelling: order, white space, extra or repeated members.
    if record(organization=found.organization, submission=found.submission, jws=found.jws) != raw:
        raise MalformedRecord("not the canonical form (RFC 8785) of a version 1 submitter record")
    return found
