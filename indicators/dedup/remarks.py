"""What sightings and opinions say of indicators, as far as it weighs in belief (model.md, "Confidence")."""

from dataclasses import dataclass
from datetime import datetime

from indicators.dedup.merge import DETECTION_CONTEXT
from indicators.stix import timestamps
from indicators.stix.objects import StixObject

#: The types that weigh in the belief in an indicator that they refer to.
REMARKS = frozenset(("sighting", "opinion"))


@dataclass(frozen=True, slots=True)
class Remark:
    """What one object says of one indicator, `target`; `stance` is None in a sighting.

    `seen_at` is no later than the moment it came in: nobody sees the future. `confidence` in 0 to 100, `fpr` in 0 to 1.
    """

    target: str
    stance: str | None
    seen_at: datetime
    confidence: int | None
    fpr: float | None
    families: list[str]


def remarks_of(stix: StixObject, received_at: datetime) -> list[Remark]:
    """The remarks in a sighting or opinion; none if it is revoked, or says that nothing was seen (`count` 0)."""
    value = stix.value
    if stix.revoked:
        return []
    if stix.type == "opinion":
        return [
            Remark(target, value["opinion"], received_at, None, None, [])
            for target in dict.fromkeys(value["object_refs"])
            if target.startswith("indicator--")
        ]
    if value.get("count") == 0 or not value["sighting_of_ref"].startswith("indicator--"):
        return []
    context = (value.get("extensions") or {}).get(DETECTION_CONTEXT) or {}
    seen = value.get("last_seen") or value.get("first_seen")
    return [
        Remark(
            value["sighting_of_ref"],
            None,
            min(timestamps.to_datetime(seen), received_at) if seen else received_at,
            # JSON knows one kind of number: 85.0 is an integer of the schema.
            None if value.get("confidence") is None else int(value["confidence"]),
            context.get("estimated_fpr"),
            sorted(set(context.get("evidence_families") or ())),
        )
    ]
