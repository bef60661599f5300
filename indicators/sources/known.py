"""What an adapter is told of what the service holds: the techniques, and what stands of the sender's own objects.

Files of other formats say no version of what they hold, or say it of the whole alone. So an object is made first, and
compared with what its sender said under the same id before: what says the same is that object again, and what says
something else is a newer version of it (decision 0023).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from indicators.sources.items import derived_id
from indicators.stix.canonical import canonical
from indicators.stix.timestamps import from_datetime_ms, to_datetime, to_sortable

_MILLISECOND = timedelta(milliseconds=1)
_VERSION = ("created", "modified")


@dataclass(frozen=True, slots=True)
class Technique:
    """An attack-pattern of the service: its STIX id, and its phase in the kill chain `mitre-atlas`."""

    object_id: str
    phase: str


def _nothing(object_ids: Sequence[str]) -> Mapping[str, Mapping[str, Any]]:
    return {}


@dataclass(frozen=True, slots=True)
class Known:
    """`techniques` by their ATLAS id; `held` finds, by id, the objects that the sender stands by, parsed."""

    techniques: Mapping[str, Technique]
    held: Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]] = _nothing


@dataclass(frozen=True, slots=True)
class Draft:
    """An indicator in the making, without `created` and `modified`, and the ATLAS techniques that it indicates."""

    indicator: Mapping[str, Any]
    techniques: tuple[str, ...] = ()


def ids(draft: Draft, *, organization_id: str, known: Known) -> list[str]:
    """The ids under which the sender may have said this before."""
    indicator_id = draft.indicator["id"]
    return [
        indicator_id,
        *(_link_id(indicator_id, one, organization_id) for one in known.techniques.values()),
    ]


def objects(
    draft: Draft,
    *,
    organization_id: str,
    known: Known,
    held: Mapping[str, Mapping[str, Any]],
    modified: str,
    changed: str | None = None,
) -> Iterator[bytes]:
    """The indicator and its `indicates` relationships; what was held as it is now comes out byte for byte.

    `modified` is when the draft was written, as far as anybody knows. Where something else is held of that version or a
    later one, `changed` stands instead, or else the millisecond after it.
    """
    indicator = dict(draft.indicator)
    before = held.get(indicator["id"])
    if "valid_from" not in indicator:
        indicator["valid_from"] = modified if before is None else before.get("valid_from", modified)
    phases = sorted({known.techniques[one].phase for one in draft.techniques})
    if phases:
        indicator["kill_chain_phases"] = [
            {"kill_chain_name": "mitre-atlas", "phase_name": phase} for phase in phases
        ]
    yield canonical(settled(indicator, before, modified=modified, changed=changed))
    for atlas_id, technique in known.techniques.items():
        link: dict[str, Any] = {
            "type": "relationship",
            "spec_version": "2.1",
            "id": _link_id(indicator["id"], technique, organization_id),
            "relationship_type": "indicates",
            "source_ref": indicator["id"],
            "target_ref": technique.object_id,
        }
        if "object_marking_refs" in indicator:
            link["object_marking_refs"] = indicator["object_marking_refs"]
        before = held.get(link["id"])
        if atlas_id not in draft.techniques or indicator.get("revoked"):
            if before is None or before.get("revoked"):
                continue
            link["revoked"] = True
        yield canonical(settled(link, before, modified=modified, changed=changed))


def settled(
    draft: Mapping[str, Any], before: Mapping[str, Any] | None, *, modified: str, changed: str | None = None
) -> Mapping[str, Any]:
    """A draft with `created` and `modified`: those held if it says what is held, else those of a newer version."""
    if before is None:
        return {**draft, "created": modified, "modified": modified}
    if {key: value for key, value in before.items() if key not in _VERSION} == draft:
        return before
    if to_sortable(modified) <= to_sortable(before["modified"]):
        modified = changed or from_datetime_ms(_after(to_datetime(before["modified"])))
    # `created` is that of the object, not of the version; what comes late is said as late as it is.
    created = min(before["created"], modified, key=to_sortable)
    return {**draft, "created": created, "modified": modified}


def _after(moment: datetime) -> datetime:
    try:
        return moment + _MILLISECOND
    except OverflowError:
        return moment


def _link_id(indicator_id: str, technique: Technique, organization_id: str) -> str:
    return derived_id("relationship", organization_id, indicator_id, "indicates", technique.object_id)
