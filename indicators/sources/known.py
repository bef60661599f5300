"""What an adapter is told of what the service holds: the techniques, and what stands of the sender's own objects.

Files of other formats say no version of what they hold, or say it of the whole alone. So an object is made first, and
compared with what its sender said under the same id before: what says the same is that object again, and what says
something else is a newer version of it (decision 0023).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
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


def _none(object_ids: Sequence[str]) -> Set[str]:
    return frozenset()


@dataclass(frozen=True, slots=True)
class Known:
    """`techniques` by their ATLAS id; `held` finds, by id, the objects that the sender stands by, parsed.

    `said_before` finds those ids of which an earlier part of the same file made something.
    """

    techniques: Mapping[str, Technique]
    held: Callable[[Sequence[str]], Mapping[str, Mapping[str, Any]]] = _nothing
    said_before: Callable[[Sequence[str]], Set[str]] = _none


@dataclass(frozen=True, slots=True)
class Draft:
    """An indicator in the making, without `created` and `modified`, and the ATLAS techniques that it indicates."""

    indicator: Mapping[str, Any]
    techniques: tuple[str, ...] = ()


def ids(indicator_id: str, *, organization_id: str, known: Known) -> list[str]:
    """The ids under which the sender may have said this before: of the indicator, and of what it indicates."""
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

    `modified` and `changed` as in `settled`.
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
        link_id = _link_id(indicator["id"], technique, organization_id)
        before = held.get(link_id)
        if atlas_id not in draft.techniques:
            yield from _revoked(before, modified=modified, changed=changed)
            continue
        link: dict[str, Any] = {
            "type": "relationship",
            "spec_version": "2.1",
            "id": link_id,
            "relationship_type": "indicates",
            "source_ref": indicator["id"],
            "target_ref": technique.object_id,
        }
        if "object_marking_refs" in indicator:
            link["object_marking_refs"] = indicator["object_marking_refs"]
        yield canonical(settled(link, before, modified=modified, changed=changed))


def withdrawn(
    object_ids: Sequence[str],
    *,
    held: Mapping[str, Mapping[str, Any]],
    modified: str,
    changed: str | None = None,
) -> Iterator[bytes]:
    """Revoked versions of what is held under these ids (`ids`), for what its sender no longer says."""
    for object_id in object_ids:
        yield from _revoked(held.get(object_id), modified=modified, changed=changed)


def settled(
    draft: Mapping[str, Any], before: Mapping[str, Any] | None, *, modified: str, changed: str | None = None
) -> Mapping[str, Any]:
    """A draft with `created` and `modified`: those held if it says what is held, else those of another version.

    `modified` is when the draft was written, as far as its sender says; `changed`, when something around it was, which
    counts where what is held is no older. Without `changed` there is no order but that of arrival, and the millisecond
    after what is held counts; with it, the draft of an old file stays old.
    """
    if before is None:
        return {**draft, "created": modified, "modified": modified}
    if {key: value for key, value in before.items() if key not in _VERSION} == draft:
        return before
    stands = to_sortable(before["modified"])
    if to_sortable(modified) <= stands:
        if changed is None:
            modified = from_datetime_ms(_after(to_datetime(before["modified"])))
        elif to_sortable(changed) > stands:
            modified = changed
    # `created` is that of the object, not of the version.
    created = min(before["created"], modified, key=to_sortable)
    return {**draft, "created": created, "modified": modified}


def _revoked(before: Mapping[str, Any] | None, *, modified: str, changed: str | None) -> Iterator[bytes]:
    if before is None or before.get("revoked"):
        return
    draft = {key: value for key, value in before.items() if key not in _VERSION} | {"revoked": True}
    yield canonical(settled(draft, before, modified=modified, changed=changed))


def _after(moment: datetime) -> datetime:
    try:
        return moment + _MILLISECOND
    except OverflowError:
        return moment


def _link_id(indicator_id: str, technique: Technique, organization_id: str) -> str:
    return derived_id("relationship", organization_id, indicator_id, "indicates", technique.object_id)
