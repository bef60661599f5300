"""Submitters' own keys: registered with a proof of possession, retired, and what they verify at ingest."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts.actions.audit import record
from accounts.actions.notices import tell
from accounts.actions.refusal import Invalid, Unknown
from accounts.actor import Actor
from accounts.models import Organization
from indicators.sources import signed
from indicators.sources.signed import Signature
from indicators.stix.json import Refused
from sharing.models import SubmitterKey
from sharing.signing import jws
from sharing.signing.keys import KeySet
from sharing.submitter import registration

MOST = 50
"""So many keys of one organisation are in use at most."""
CODES = ("bad-signature", signed.MALFORMED, "retired-key", "unknown-key")
"""Of every refusal that `SubmitterKeys.verified` makes."""

_PLACE = "the signature"


class TooMany(ValueError):
    """The organisation has as many keys in use as one may have."""

    code = "too-many-keys"


class KnownAlready(ValueError):
    """The organisation registered this key before; one that was retired stays so."""

    code = "key-registered"


@transaction.atomic
def register(*, organization_id: UUID, posted: object, by: Actor, now: datetime) -> SubmitterKey:
    """Register a key of an organisation, from what `stillwatch keys register` printed.

    `Invalid` names the member that is wrong; `KnownAlready`, `TooMany`.
    """
    # So that two that come at once are counted, and told apart by an answer, not by an error of the database.
    organization = Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    try:
        found = registration.read(
            posted, organization=organization.slug, host=settings.STILLWATCH_ORIGIN_HOST, now=now
        )
    except registration.NotARegistration as error:
        raise Invalid(error.field, f"{error}.") from error
    before = SubmitterKey.objects.filter(organization_id=organization_id, kid=found.kid).first()
    if before is not None:
        how = "is registered already" if before.retired_at is None else "was retired: make a new one"
        raise KnownAlready(f"This key {how}.")
    if SubmitterKey.objects.filter(organization_id=organization_id, retired_at=None).count() >= MOST:
        raise TooMany(f"{MOST} keys are in use, which is as many as can be: retire one first.")
    made = SubmitterKey.objects.create(
        organization_id=organization_id,
        kid=found.kid,
        jwk=found.jwk,
        name=found.name,
        registered_at=now,
        registered_by=by.name,
    )
    detail: dict[str, object] = {"kid": made.kid, "name": made.name}
    record(by=by, now=now, action="submitter-key.register", target=f"submitter-key:{made.kid}", detail=detail)
    tell(
        organization_id=organization_id,
        kind="submitter-key.registered",
        target=f"submitter-key:{made.kid}",
        sentence=f"The key “{made.name}” was registered: what it signs counts as signed by you.",
        now=now,
        detail=detail,
    )
    return made


@transaction.atomic
def retire(*, organization_id: UUID, kid: str, by: Actor, now: datetime) -> SubmitterKey:
    """Take a key out of use for what comes in from now on; `Unknown` for any that is not the organisation's.

    What it signed before stays signed.
    """
    if "\x00" in kid:
        # No text of the database holds it, and it would not even compare.
        raise Unknown(kid)
    key = (
        SubmitterKey.objects.select_for_update(no_key=True)
        .filter(organization_id=organization_id, kid=kid)
        .first()
    )
    if key is None:
        raise Unknown(kid)
    if key.retired_at is not None:
        return key
    key.retired_at = now
    key.save(update_fields=["retired_at"])
    detail: dict[str, object] = {"kid": kid, "name": key.name}
    record(by=by, now=now, action="submitter-key.retire", target=f"submitter-key:{kid}", detail=detail)
    tell(
        organization_id=organization_id,
        kind="submitter-key.retired",
        target=f"submitter-key:{kid}",
        sentence=f"The key “{key.name}” was retired: what it signs from now on is refused.",
        now=now,
        detail=detail,
    )
    return key


@dataclass(slots=True)
class SubmitterKeys:
    """The keys of one organisation as they were at a time; asked for once, and only where something is signed."""

    organization_id: UUID
    at: datetime
    _in_use: KeySet | None = None
    _retired: Collection[str] = ()

    def verified(self, signature: Signature, body: bytes) -> str:
        """The signature over an object's canonical bytes, or nothing where there is none; `Refused` (`CODES`)."""
        if signature is None:
            return ""
        if isinstance(signature, Refused):
            raise signature
        keys = self._in_use or self._load()
        try:
            kid = jws.kid_of(signature, typ=jws.OBJECT)
            if kid in self._retired:
                raise Refused("retired-key", _PLACE, f"your key {kid} was retired")
            if kid not in keys.kids:
                raise Refused("unknown-key", _PLACE, f"you have registered no key {kid}")
            jws.verify_object(keys, body, signature)
        except jws.MalformedSignature as error:
            raise Refused(signed.MALFORMED, _PLACE, str(error)) from error
        except jws.BadSignature as error:
            reason = "the key that it names did not sign the canonical form (RFC 8785) of this object"
            raise Refused("bad-signature", _PLACE, reason) from error
        return signature

    def _load(self) -> KeySet:
        known = SubmitterKey.objects.filter(organization_id=self.organization_id, registered_at__lte=self.at)
        rows = list(known.values_list("kid", "jwk", "retired_at"))
        over = {kid for kid, _, retired_at in rows if retired_at is not None and retired_at <= self.at}
        in_use = [{**jwk, "kid": kid} for kid, jwk, _ in rows if kid not in over]
        self._in_use, self._retired = KeySet.from_jwks({"keys": in_use}), over
        return self._in_use


def of(*, organization_id: UUID, at: datetime) -> SubmitterKeys:
    """The keys that an organisation's signatures are verified by, in what came from it at a time."""
    return SubmitterKeys(organization_id, at)


def known(*, organization_id: UUID) -> list[SubmitterKey]:
    """An organisation's keys, those in use first, newest first."""
    own = SubmitterKey.objects.filter(organization_id=organization_id)
    return sorted(own.order_by("-registered_at", "-id"), key=lambda key: key.retired_at is not None)
