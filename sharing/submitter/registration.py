"""The registration of a submitter's key: what it says, and the proof that its sender holds the private half.

registration  {"at":"<time>","host":"<host>","jwk":{…},"name":"…","organization":"<slug>","v":1}    JCS
proof         a detached JWS over it by the key itself, `"typ":"stillwatch-submitter-key+jws"`

It names the service, the organisation and the time, so that nobody can register another's key as their own with it.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sharing.signing import jws
from sharing.signing.keys import Ed25519Signer, KeySet, MalformedKeySet, SigningError, thumbprint
from sharing.verifier import strict_json
from sharing.verifier.failures import Malformed

MAX_BYTES = 4096
GOOD_FOR = timedelta(days=7)
"""So long after `at` a registration can be sent: a file may have to be carried to the person who registers it."""
CLOCKS_DIFFER = timedelta(minutes=10)
_MEMBERS = {"at", "host", "jwk", "name", "organization", "v"}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_PUBLIC = ("crv", "kty", "x")
MAX_NAME = 100


class NotARegistration(ValueError):
    """What was sent registers no key here; `field` is the member at fault, the message a sentence about it."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(sentence)
        self.field = field


@dataclass(frozen=True, slots=True)
class Registration:
    """A key that its sender holds, and how it is to be called."""

    kid: str
    jwk: dict[str, str]
    name: str


def make(signer: Ed25519Signer, *, name: str, organization: str, host: str, now: datetime) -> dict[str, Any]:
    """What is posted to `/api/v1/keys/`: the registration and its proof."""
    said = {
        "at": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "host": host,
        "jwk": signer.public_jwk(),
        "name": name,
        "organization": organization,
        "v": 1,
    }
    proof = jws.sign(signer, strict_json.canonical(said), typ=jws.SUBMITTER_KEY)
    return {"jws": proof, "registration": said}


def read(posted: object, *, organization: str, host: str, now: datetime) -> Registration:
    """The key that was posted, proved; `organization` and `host` are whom it must name. Raises NotARegistration."""
    if not isinstance(posted, Mapping) or set(posted) != {"jws", "registration"}:
        raise NotARegistration("registration", "send an object with the members registration and jws")
    said, proof = posted["registration"], posted["jws"]
    if not isinstance(said, dict) or set(said) != _MEMBERS:
        raise NotARegistration("registration", f"it is an object of exactly {', '.join(sorted(_MEMBERS))}")
    if type(said["v"]) is not int or said["v"] != 1:
        raise NotARegistration("v", "only version 1 is known")
    kid = _kid(said["jwk"])
    name = said["name"]
    if not isinstance(name, str) or not name.strip() or len(name) > MAX_NAME or not name.isprintable():
        raise NotARegistration("name", f"say in 1 to {MAX_NAME} characters what the key is for")
    if said["organization"] != organization:
        raise NotARegistration("organization", f"it was made for another organisation than {organization}")
    if said["host"] != host:
        raise NotARegistration("host", f"it was made for another service than {host}")
    _check_time(said["at"], now)
    _check_proof(said, proof, kid)
    return Registration(kid, {member: said["jwk"][member] for member in _PUBLIC}, name.strip())


def _kid(jwk: object) -> str:
    if not isinstance(jwk, dict) or set(jwk) != set(_PUBLIC):
        # Above all no private half: "d".
        raise NotARegistration(
            "jwk", "a key is the public members crv, kty and x of an Ed25519 JWK, no others"
        )
    try:
        return thumbprint(jwk)
    except MalformedKeySet as error:
        raise NotARegistration("jwk", str(error)) from error


def _check_time(text: object, now: datetime) -> None:
    try:
        if not isinstance(text, str) or not _TIME.fullmatch(text):
            raise ValueError
        at = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise NotARegistration("at", "it is a time in UTC such as 2026-01-31T12:00:00Z") from None
    if at > now + CLOCKS_DIFFER:
        raise NotARegistration("at", "it lies in the future; check the clock of the machine that made it")
    if at < now - GOOD_FOR:
        raise NotARegistration("at", f"it is older than {GOOD_FOR.days} days; make a new one")


def _check_proof(said: dict[str, Any], proof: object, kid: str) -> None:
    try:
        body = strict_json.canonical(said)
        if not isinstance(proof, str):
            raise NotARegistration("jws", "it is the detached JWS over the registration, by the key itself")
        signed_by = KeySet.from_jwks({"keys": [{**said["jwk"], "kid": kid}]})
        jws.verify(signed_by, body, proof, typ=jws.SUBMITTER_KEY)
    except (SigningError, Malformed) as error:
        raise NotARegistration("jws", f"the key itself did not sign this: {error}") from error
