"""Verifies one object against its detached signature."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from sharing.signing import jws as signatures
from sharing.signing.keys import KeySet, UnknownKey
from sharing.tlog.statements import UNVERSIONED
from sharing.trust.revocations import refuse_revoked
from sharing.verifier import strict_json
from sharing.verifier.failures import KeyRefused, Malformed, SignatureFailed


@dataclass(frozen=True, slots=True)
class ObjectReport:
    """A verified object: its `modified`, else `created`, else "-", and the key that signed it."""

    object_id: str
    version: str
    kid: str


def verify_object(
    raw: bytes, jws: str, keys: KeySet, *, revoked: Callable[[str], int | None] | None = None
) -> ObjectReport:
    """Verifies the JSON text of an object, in any layout: its canonical form (RFC 8785) is what was signed.

    Raises VerificationFailed: SignatureFailed, KeyRefused or Malformed.
    """
    stix = strict_json.read_object(raw)
    object_id, version = identify(stix)
    kid = verify_signature(strict_json.canonical(stix), jws, keys, object_id=object_id, revoked=revoked)
    return ObjectReport(object_id, version, kid)


def identify(stix: Mapping[str, object]) -> tuple[str, str]:
    """The id and version of an object. Raises Malformed."""
    object_id = stix.get("id")
    if not isinstance(object_id, str):
        raise Malformed('an object has no "id"')
    version = stix.get("modified", stix.get("created", UNVERSIONED))
    if not isinstance(version, str):
        raise Malformed("the version of an object is not a string", object_id=object_id)
    return object_id, version


def verify_signature(
    body: bytes,
    jws: str,
    keys: KeySet,
    *,
    object_id: str,
    index: int | None = None,
    revoked: Callable[[str], int | None] | None = None,
) -> str:
    """The `kid` that signed `body`; otherwise a VerificationFailed that names the object.

    `revoked` gives the index from which on what a key signed is refused, None for a key that was not revoked.
    """
    try:
        kid = signatures.verify_object(keys, body, jws)
    except signatures.MalformedSignature as error:
        raise Malformed(str(error), index=index, object_id=object_id) from error
    except UnknownKey as error:
        raise KeyRefused(str(error), index=index, object_id=object_id) from error
    except signatures.BadSignature as error:
        raise SignatureFailed(str(error), index=index, object_id=object_id) from error
    if revoked is not None:
        refuse_revoked(kid, revoked(kid), index=index, object_id=object_id)
    return kid
