"""A finding as STIX 2.1, said by the organisation that sent it (docs/detectors.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import msgspec

from indicators.dedup.identity import indicator_key
from indicators.sources.items import Item, derived_id
from indicators.sources.ocsf.findings import FALSE_POSITIVE, LIVE, WITHDRAWN, Finding
from indicators.stix import profile
from indicators.stix.json import MAX_OBJECT_BYTES, Refused
from indicators.stix.markings import marking_id
from indicators.stix.timestamps import to_sortable

_AI_SERVICE_PROXIES = "AML.T0008.005"
_CLOSED = "This is withdrawn: the finding was suppressed, archived or deleted."
_LATE = "A later version of this finding came before it; this one changes nothing."
_UNKNOWN = "Nothing that it said is known here, so there is nothing to withdraw."
_FALSE = "Its verdict is false positive: an opinion that disagrees, and a sighting of nothing."

#: More notes are only counted.
MAX_NOTES = 20

_KINDS = ("indicator", "observed-data", "sighting")

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Known:
    """What the mapping looks up; whoever calls it fills it for all findings of a body at once.

    `organization_id` is a UUID: the organisation that sent the findings is their author, whatever they say.
    `techniques` are attack-patterns by ATLAS id; `campaigns` are ids by id and by case-folded name; `created` is the
    time of the first version, as it was said, of findings that were sent before, by uid; `rates` are registered
    false-positive rates by (uid or else name, version) of the analytic, with "" for what it does not say. By uid, of
    findings that were sent before: `withdrawn` is the version that is, and `held` are the objects that are not.
    """

    organization_id: str
    techniques: Mapping[str, str]
    campaigns: Mapping[str, str]
    created: Mapping[str, str]
    rates: Mapping[tuple[str, str], float]
    withdrawn: Mapping[str, str]
    held: Mapping[str, Sequence[Mapping[str, Any]]]


def ids(organization_id: str, uid: str) -> tuple[str, ...]:
    """The ids of what a finding of this uid makes once, whatever it says: all but its relationships."""
    return tuple(derived_id(kind, organization_id, uid) for kind in _KINDS)


def indicator_id(organization_id: str, uid: str) -> str:
    """The id of the indicator that a finding of this uid makes."""
    return derived_id("indicator", organization_id, uid)


def item(finding: Finding, place: str, known: Known) -> Item:
    """The objects of a finding: what it observed, its indicator, a sighting of that, and what links them."""
    notes = list(finding.notes)
    objects = _Objects(finding, known)
    if finding.version < max(objects.created, known.withdrawn.get(finding.uid, "")):
        # No version of an object is older than the first (STIX 2.1 §3.6), nor does an older one undo a withdrawal.
        return Item(place, notes=(*notes[: MAX_NOTES - 1], _LATE))
    if finding.state == FALSE_POSITIVE:
        notes.append(_FALSE)
    if finding.is_withdrawn:
        notes.append(_CLOSED)
    is_said = finding.state != FALSE_POSITIVE
    indicator = indicator_id(known.organization_id, finding.uid)
    observed = (
        derived_id("observed-data", known.organization_id, finding.uid) if finding.observables else None
    )
    if is_said and not finding.is_withdrawn:
        objects.found += [_encode(one) for one in finding.observables]
    if is_said or finding.is_withdrawn:
        if observed is not None:
            objects.observed_data(observed)
        if finding.pattern is not None:
            notes += objects.indicator(indicator)
            notes += objects.links(indicator, observed)
    if finding.state == FALSE_POSITIVE:
        objects.sighting(indicator, None, count=0)
        objects.opinion(indicator, "strongly-disagree")
    elif finding.pattern is not None:
        objects.sighting(indicator, observed, count=finding.count)
        if finding.verdict is not None and finding.state != WITHDRAWN:
            # What may have been called a false positive before is none.
            objects.opinion(indicator, "neutral")
    objects.withdraw_the_rest(known.held.get(finding.uid, ()))
    if finding.is_withdrawn and not objects.found:
        notes.append(_UNKNOWN)
    if len(notes) > MAX_NOTES:
        notes[MAX_NOTES - 1 :] = [f"And {len(notes) - MAX_NOTES + 1:,} more."]
    if any(len(one) > MAX_OBJECT_BYTES for one in objects.found):
        reason = f"an object of STIX that it makes is larger than the {MAX_OBJECT_BYTES:,} bytes allowed"
        return Item(place, refusal=Refused("too-large", "", reason), notes=tuple(notes))
    return Item(place, tuple(objects.found), notes=tuple(notes))


class _Objects:
    def __init__(self, finding: Finding, known: Known) -> None:
        self.finding = finding
        self.known = known
        self.found: list[bytes] = []
        self.created = created = known.created.get(finding.uid, finding.created)
        #: Every object that has versions.
        self.head = {
            "spec_version": "2.1",
            "created": created,
            "modified": max(created, finding.version),
            "created_by_ref": f"identity--{known.organization_id}",
            "object_marking_refs": [marking_id(finding.tlp)],
        }
        self.revocation = {"revoked": True} if finding.is_withdrawn else {}
        context = finding.context
        analytic = (finding.analytic_uid or finding.analytic_name or "", finding.analytic_version or "")
        rate = known.rates.get(analytic)
        if rate is not None:
            context = {**context, "estimated_fpr": max(rate, context.get("estimated_fpr", 0))}
        self.context = {"extensions": {_context_id(): context}}
        self.confidence = {} if finding.confidence is None else {"confidence": finding.confidence}

    def observed_data(self, identifier: str) -> None:
        self._add(
            "observed-data",
            identifier,
            self.context,
            self.revocation,
            first_observed=self.finding.first_seen,
            last_observed=self.finding.last_seen,
            number_observed=self.finding.count,
            object_refs=[one["id"] for one in self.finding.observables],
        )

    def indicator(self, identifier: str) -> list[str]:
        finding, pattern = self.finding, self.finding.pattern
        assert pattern is not None
        said: dict[str, Any] = {}
        if finding.title:
            said["name"] = finding.title
        if finding.description:
            said["description"] = finding.description
        if pattern.type == "stix":
            said["pattern_version"] = "2.1"
        if pattern.valid_until is not None:
            said["valid_until"] = pattern.valid_until
        if finding.phases:
            said["kill_chain_phases"] = [
                {"kill_chain_name": chain, "phase_name": phase} for chain, phase in finding.phases
            ]
        notes = []
        try:
            key = indicator_key(pattern.type, pattern.text)
        except ValueError:
            notes.append("Its pattern cannot be read; the line of its indicator says why.")
        else:
            said["external_references"] = [
                {"source_name": "dix-canonical-key", "external_id": f"ck1:{key.hex()}"}
            ]
        is_proxy = any(_AI_SERVICE_PROXIES in technique for technique in finding.techniques)
        self._add(
            "indicator",
            identifier,
            said,
            self.confidence,
            self.context,
            self.revocation,
            indicator_types=["anonymization" if is_proxy else "anomalous-activity"],
            pattern=pattern.text,
            pattern_type=pattern.type,
            valid_from=finding.first_seen,
        )
        return notes

    def links(self, indicator: str, observed: str | None) -> list[str]:
        notes = []
        targets: dict[str, None] = {}
        for technique in self.finding.techniques:
            found = next(
                (self.known.techniques[one] for one in technique if one in self.known.techniques), None
            )
            if found is not None:
                targets[found] = None
            elif technique:
                notes.append(
                    f"The technique {technique[0][:80]} is not in the service's catalogue; nothing is linked."
                )
        for place, name in self.finding.campaigns:
            found = self.known.campaigns.get(name) or self.known.campaigns.get(name.casefold())
            if found is not None:
                targets[found] = None
            else:
                notes.append(f"{place}: no campaign “{name[:120]}” is known here; nothing is linked.")
        for target in targets:
            self._relationship("indicates", indicator, target)
        if observed is not None:
            self._relationship("based-on", indicator, observed)
        return notes

    def sighting(self, indicator: str, observed: str | None, *, count: int) -> None:
        # One of nothing is said even of what is withdrawn.
        self._add(
            "sighting",
            derived_id("sighting", self.known.organization_id, self.finding.uid),
            {} if observed is None else {"observed_data_refs": [observed]},
            self.confidence,
            self.context,
            self.revocation if count else {},
            sighting_of_ref=indicator,
            first_seen=self.finding.first_seen,
            last_seen=self.finding.last_seen,
            count=count,
            where_sighted_refs=[self.head["created_by_ref"]],
        )

    def opinion(self, indicator: str, opinion: str) -> None:
        identifier = derived_id("opinion", self.known.organization_id, self.finding.uid)
        self._add("opinion", identifier, opinion=opinion, object_refs=[indicator])

    def withdraw_the_rest(self, held: Sequence[Mapping[str, Any]]) -> None:
        """Of what the finding said before: all, if it is withdrawn; else the links that it does not name any more."""
        finding = self.finding
        links_only = finding.state == LIVE and finding.pattern is not None
        if not links_only and not finding.is_withdrawn:
            return
        said = {self._id_in(one) for one in self.found}
        for one in held:
            is_link = one["type"] == "relationship"
            if is_link and one["id"] != self._link_id(one["relationship_type"], one["target_ref"]):
                continue  # The organisation said so elsewhere.
            if one["id"] in said or (links_only and not is_link):
                continue
            if to_sortable(one["modified"]) < to_sortable(finding.version):
                self.found.append(_encode({**one, "modified": finding.version, "revoked": True}))

    @staticmethod
    def _id_in(raw: bytes) -> str:
        return msgspec.json.decode(raw, type=_Identified).id

    def _link_id(self, kind: str, target: str) -> str:
        role = () if kind == "based-on" else (target,)
        return derived_id("relationship", self.known.organization_id, self.finding.uid, kind, *role)

    def _relationship(self, kind: str, source: str, target: str) -> None:
        identifier = self._link_id(kind, target)
        self._add(
            "relationship",
            identifier,
            self.revocation,
            relationship_type=kind,
            source_ref=source,
            target_ref=target,
        )

    def _add(self, kind: str, identifier: str, *parts: Mapping[str, Any], **said: Any) -> None:
        whole = {"type": kind, "id": identifier, **self.head, **said}
        for part in parts:
            whole.update(part)
        self.found.append(_encode(whole))


class _Identified(msgspec.Struct):
    id: str


@cache
def _context_id() -> str:
    return next(one.id for one in profile.extensions().values() if one.name == "detection-context")
