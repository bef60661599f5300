"""What keeps a draft from being submitted: told as ingest will tell it, and by the desk's own rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts.models import Community, Organization
from indicators.actions.observations import subject_key
from indicators.drafting import compose
from indicators.drafting.forms import FORMS
from indicators.patterns import PatternError
from indicators.privacy.check import check
from indicators.stix import objects
from indicators.stix.canonical import canonical
from indicators.stix.json import Refused


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that keeps a draft from being submitted: the name of its input, if it has one, and a sentence."""

    field: str | None
    sentence: str


def faults_of(body: Mapping[str, Any], *, community_id: UUID, organization_id: UUID) -> list[Fault]:
    """What would keep an object from being taken; it has its version."""
    object_type = str(body["type"])
    faults = [Fault(fault.field, fault.sentence) for fault in compose.check(body)]
    faults += _missing(body)
    if faults:
        return faults
    try:
        stix = objects.read(canonical(dict(body)))
        subject_key(stix)
        if Community.objects.get(id=community_id).personal_data != "allow":
            allows = Organization.objects.get(id=organization_id).prompt_text == "allow"
            check(stix, prompt_text=allows)
    except PatternError as error:
        faults.append(Fault("pattern", error.sentence))
    except Refused as refusal:
        name = compose.field_at(object_type, refusal.place)
        said_here = f"{refusal.reason[:1].upper()}{refusal.reason[1:]}."
        faults.append(Fault(name, refusal.sentence if name is None else said_here))
    return faults


def _missing(body: Mapping[str, Any]) -> list[Fault]:
    shown = compose.values(body)
    return [
        Fault(field.name, f"{field.label} is required.")
        for field in FORMS[str(body["type"])].fields
        # A source that is missing is told in other words (compose.check).
        if field.required and field.kind != "sources" and shown[field.name] in (None, "", [])
    ]
