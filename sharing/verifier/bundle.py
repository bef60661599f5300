"""Verifies an offline bundle: one object, and all it takes to prove that it stands in the log, without any network.

{"v":1,"object":<the object>,"opening":{"jws":…,"salt":…,"stmt":…[,"sub":{"salt":…,"record":…}]},
 "proof":"<c2sp.org/tlog-proof@v1, with the cosigned checkpoint>"}
"""

from dataclasses import dataclass

from sharing.tlog import merkle, proofs
from sharing.tlog.merkle import BadProof
from sharing.tlog.proofs import MalformedProof, TlogProof
from sharing.verifier import envelope, strict_json
from sharing.verifier.checkpoint import origin_of, revoked_from, verify_checkpoint
from sharing.verifier.envelope import Add
from sharing.verifier.failures import Altered, Malformed
from sharing.verifier.object import verify_signature
from sharing.verifier.page import verify_ceiling, verify_description
from sharing.verifier.trust import Trust, ceiling_of

_MEMBERS = {"v", "object", "opening", "proof"}
_LEVELS = 1


@dataclass(frozen=True, slots=True)
class BundleReport:
    """A verified bundle: the object stands at `index` of the log, under a checkpoint of `size` entries that is of
    `timestamp`, seconds since 1970."""

    object_id: str
    version: str
    tlp: str
    kid: str
    origin: str
    index: int
    size: int
    timestamp: int
    witnesses: tuple[str, ...]
    witnessed: bool
    """Whether the policy was asked for."""
    ceiling: str | None
    """What the log may hold at most; None where the trust root does not know it, as of an inbox."""
    submitter: str | None
    """The record of who submitted it, where the bundle discloses it."""


def verify_bundle(
    raw: bytes, trust: Trust, *, now: int, max_age: int | None = None, witnessed: bool = True
) -> BundleReport:
    """Verifies a bundle in any JSON layout. Its checkpoint may be old unless `max_age` (seconds) says otherwise: what
    a log held once, it holds for ever.

    Raises the first VerificationFailed: the format (Malformed, SignatureFailed); the checkpoint (as
    `verify_checkpoint`); the entry in its tree, the object in its entry (Altered); the object's signature
    (SignatureFailed, KeyRefused); AboveCeiling.
    """
    bundle = strict_json.read_object(raw, depth=strict_json.MAX_DEPTH + _LEVELS)
    if type(bundle.get("v")) is not int or bundle["v"] != 1:
        raise Malformed("the bundle is not of version 1; a newer verifier may read it")
    if bundle.keys() != _MEMBERS:
        raise Malformed("a bundle has v, object, opening and proof")
    stix, proof = bundle["object"], _proof(bundle["proof"])
    if not isinstance(stix, dict):
        raise Malformed("the bundle's object is not an object")
    body = strict_json.canonical(stix)
    found = envelope.Object.of(stix, body)
    object_id = found.object_id
    add = envelope.read_opening(bundle["opening"], proof.index)
    if not isinstance(add, Add):
        raise Malformed("the opening is not that of an object", index=proof.index)

    origin = origin_of(proof.checkpoint)
    ceiling = ceiling_of(trust, origin, witnessed=witnessed)
    signed = verify_checkpoint(
        proof.checkpoint, origin=origin, trust=trust, now=now, max_age=max_age, witnessed=witnessed
    )
    try:
        merkle.verify_inclusion(
            leaf=merkle.leaf_hash(add.commit),
            index=proof.index,
            size=signed.size,
            proof=proof.hashes,
            root=signed.root,
        )
    except BadProof as error:
        raise Altered(
            f"not an entry of the checkpoint's tree: {error}", index=proof.index, object_id=object_id
        ) from error

    if found.digest != add.statement.sha256:
        raise Altered("not the object that was published", index=proof.index, object_id=object_id)
    verify_description(found, add)
    kid = verify_signature(
        body,
        add.jws,
        trust.keys,
        object_id=object_id,
        index=proof.index,
        revoked=lambda kid: revoked_from(trust, kid, signed),
    )
    if ceiling is not None:
        verify_ceiling(found, add, ceiling)
    return BundleReport(
        object_id=object_id,
        version=found.version,
        tlp=add.statement.tlp,
        kid=kid,
        origin=origin,
        index=proof.index,
        size=signed.size,
        timestamp=signed.timestamp,
        witnesses=signed.witnesses,
        witnessed=witnessed,
        ceiling=ceiling,
        submitter=None if add.submitter is None else add.submitter.record,
    )


def _proof(text: object) -> TlogProof:
    if not isinstance(text, str):
        raise Malformed("the bundle's proof is not a string")
    try:
        return proofs.read(text.encode())
    except MalformedProof as error:
        raise Malformed(f"the bundle's proof: {error}") from error
