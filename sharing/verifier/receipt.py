"""Verifies what the service says to one organisation: a receipt, and the body of a webhook's delivery."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256

from sharing.signing import jws as signatures
from sharing.signing.keys import KeySet, UnknownKey
from sharing.trust.revocations import refuse_revoked
from sharing.verifier import strict_json
from sharing.verifier.failures import Altered, KeyRefused, Malformed, SignatureFailed
from sharing.verifier.page import Revoked

#: A receipt of the largest body has 149,796 lines.
MAX_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class ReceiptReport:
    """A verified receipt: who says it, when, of which submission, how far that is, and the key that signed it."""

    receipt_id: str
    issuer: str
    at: str
    state: str
    objects: int
    kid: str


@dataclass(frozen=True, slots=True)
class DeliveryReport:
    """A verified delivery: the id by which doubles are told, what it is, when it was written, and the key."""

    delivery_id: str
    kind: str
    issuer: str
    at: str
    kid: str


def verify_receipt(
    raw: bytes, jws: str, keys: KeySet, *, sent: bytes | None = None, revoked: Revoked | None = None
) -> ReceiptReport:
    """Verifies the JSON text of a receipt, in any layout; with `sent`, that it is about those bytes.

    No log proves when it was said: by a key that is `revoked`, from whatever index on, it is refused. Raises
    VerificationFailed: SignatureFailed, KeyRefused, Altered or Malformed.
    """
    said, kid = _verified(raw, jws, keys, typ=signatures.RECEIPT, revoked=revoked)
    if sent is not None and _text(said, "sha256") != sha256(sent).hexdigest():
        raise Altered("the receipt is about other bytes than these")
    objects = said.get("object_count")
    if not isinstance(objects, int):
        raise Malformed('"object_count" is not a number')
    identifier, issuer, at, state = (_text(said, name) for name in ("id", "issuer", "at", "state"))
    return ReceiptReport(identifier, issuer, at, state, objects, kid)


def verify_delivery(raw: bytes, jws: str, keys: KeySet, *, revoked: Revoked | None = None) -> DeliveryReport:
    """Verifies the JSON text of a delivery, in any layout. Raises VerificationFailed as `verify_receipt`."""
    said, kid = _verified(raw, jws, keys, typ=signatures.DELIVERY, revoked=revoked)
    identifier, kind, issuer, at = (_text(said, name) for name in ("id", "kind", "issuer", "at"))
    return DeliveryReport(identifier, kind, issuer, at, kid)


def _verified(
    raw: bytes, jws: str, keys: KeySet, *, typ: str, revoked: Revoked | None
) -> tuple[Mapping[str, object], str]:
    said = strict_json.read_object(raw)
    try:
        kid = signatures.verify(keys, strict_json.canonical(said, limit=MAX_BYTES), jws, typ=typ)
    except signatures.MalformedSignature as error:
        raise Malformed(str(error)) from error
    except UnknownKey as error:
        raise KeyRefused(str(error)) from error
    except signatures.BadSignature as error:
        raise SignatureFailed(str(error)) from error
    if revoked is not None:
        refuse_revoked(kid, revoked(kid))
    return said, kid


def _text(said: Mapping[str, object], name: str) -> str:
    value = said.get(name)
    if not isinstance(value, str):
        raise Malformed(f'"{name}" is not a string')
    return value
