"""What a reader of one audience sees of an indicator: its claims, merged (model.md, "Merging").

The caller passes the claims, sightings and opinions at or below the audience's ceiling and no others; nothing else
enters the view. Time enters it by `ticked_at` alone: between two ticks belief is that of the last visible event, so a
merge that something above the ceiling brought about changes nothing.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from itertools import pairwise
from typing import Any

from indicators.dedup import sigma
from indicators.dedup.belief import (
    LIFETIMES,
    RELIABILITY,
    Evidence,
    Fading,
    IndicatorClass,
    Opinion,
    class_of,
)
from indicators.patterns import CORE_TYPES, canonical_and_types, core_observable, object_types
from indicators.stix import timestamps
from indicators.stix.canonical import canonical, canonical_parsed
from indicators.stix.markings import TLP, marking_id

DETECTION_CONTEXT = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805"
#: References that stay with the source: a key of our making, its own reference for what it sent, its MISP event.
PRIVATE_REFERENCES = frozenset(("dix-canonical-key", "own-reference", "misp-event"))
_NO_REPORTS = PRIVATE_REFERENCES - {"misp-event"}
# What only a detection of one's own has, and what is cited as a classification rather than as a report.
_OWN_FINDING = frozenset(("finding_uid", "analytic_uid", "analytic_name", "score", "estimated_fpr"))
_TAXONOMIES = ("mitre", "capec", "cve", "cwe", "atlas")
DEFAULT_LABELS = ["distillation-campaign"]
DEFAULT_INDICATOR_TYPES = ["anomalous-activity"]
_MILLISECOND = timedelta(milliseconds=1)
_MARKINGS = [marking_id(level) for level in sorted(TLP)]
_UNREAD: IndicatorClass = "behaviour"
_DAY = timedelta(days=1)
_HOUR = timedelta(hours=1)
_REFERENCE_HASHES = {"MD5": 32, "SHA-1": 40, "SHA-256": 64, "SHA-512": 128, "SHA3-256": 64, "SHA3-512": 128}
_NOUNS = {
    "autonomous-system": "Autonomous system",
    "domain-name": "Domain name",
    "email-addr": "E-mail address",
    "email-message": "E-mail message",
    "file": "File",
    "ipv4-addr": "IPv4 address",
    "ipv6-addr": "IPv6 address",
    "url": "URL",
    "user-account": "User account",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """What one organisation says about one indicator, at its latest version.

    `value` is its STIX indicator, already validated; times are UTC; `tlp` is 0 clear, 1 green, 2 amber, 3
    amber+strict. `withdrawn`: deleted or revoked by its source. `platforms` are for belief.Evidence.
    """

    organization: str
    reliability: str
    object_id: str
    value: Mapping[str, Any]
    received_at: datetime
    first_received_at: datetime
    tlp: int
    withdrawn: bool = False
    platforms: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class Sighting:
    """One organisation's latest sighting of an indicator: evidence if it is another's, and proof that it is alive.

    `seen_at` is when it was seen last, no later than `received_at`; `confidence` and `fpr` as in belief.Evidence.
    """

    organization: str
    reliability: str
    seen_at: datetime
    received_at: datetime
    tlp: int
    confidence: int | None = None
    fpr: float | None = None
    families: frozenset[str] = field(default_factory=frozenset)
    platforms: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True, slots=True)
class View:
    """`value` is the indicator to publish; `digest` is SHA-256 of it without `modified`, to see changes by.

    `sources` counts the organisations that stand by it: for the service only, not shown below 3. `due_at` is when
    its confidence falls by a step, if nobody says anything before; None: not before it expires. `evidence`, `opinions`
    and `fading` are what the confidence was made of.
    """

    value: dict[str, Any]
    sources: int
    confidence: int
    revoked: bool
    digest: bytes
    due_at: datetime | None
    evidence: tuple[Evidence, ...]
    opinions: tuple[Opinion, ...]
    fading: Fading


def fold(
    claims: Sequence[Claim],
    *,
    published_id: str,
    created_by_ref: str,
    service_name: str = "the service",
    previous_created: str | None = None,
    previous_modified: str | None = None,
    description: str | None = None,
    sightings: Sequence[Sighting] = (),
    opinions: Sequence[tuple[Opinion, int]] = (),
    ticked_at: datetime | None = None,
) -> View:
    """Merge the claims on one indicator into what is published of it, whatever their order.

    `previous_created` and `previous_modified` are those of the version published before, if any;
    `description` is the curator's; opinions come with their TLP;
    `ticked_at` is when time was last let pass. Raises ValueError for no claims, claims of TLP:RED, and claims that are
    not on one pattern type.
    """
    if not claims:
        raise ValueError("there is nothing to merge")
    if max([claim.tlp for claim in claims]) >= TLP.RED:
        raise ValueError("TLP:RED is never merged")
    live = [claim for claim in claims if not claim.withdrawn]
    revoked = not live
    ranked = _ranked(live or claims)
    pattern_type = ranked[0].value["pattern_type"]
    pattern, cls = _pattern(ranked, pattern_type)
    seen_by = _last_seen(ranked, sightings)
    sources = {claim.organization for claim in live}
    others = [] if revoked else [sighting for sighting in sightings if sighting.organization not in sources]
    valid_from, valid_until = _validity(ranked, seen_by, others, timedelta(days=LIFETIMES[cls][0]))
    as_of = max(
        [claim.received_at for claim in claims]
        + [sighting.received_at for sighting in sightings]
        + [opinion.stated_at for opinion, _ in opinions]
        + ([ticked_at] if ticked_at else [])
    )
    created = previous_created or _milliseconds(min([claim.first_received_at for claim in claims]))
    modified = _modified(created, as_of, previous_modified)

    evidence = [
        *((_evidence(claim), _age(seen_by[claim.organization], as_of)) for claim in ranked),
        *((_sighted(sighting), _age(sighting.seen_at, as_of)) for sighting in others),
    ]
    held = tuple(opinion for opinion, _ in opinions)
    fading = Fading.of(cls, evidence, held)
    believed = fading.published()
    marks = [claim.tlp for claim in ranked]
    marks += [sighting.tlp for sighting in sightings]
    marks += [tlp for _, tlp in opinions]
    value: dict[str, Any] = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": published_id,
        "created_by_ref": created_by_ref,
        "created": created,
        "modified": modified,
        "name": _name(ranked, pattern, pattern_type),
        "description": description
        or f"Reported by partners of this community; merged by {service_name} on identity of the pattern.",
        "indicator_types": _union(ranked, "indicator_types") or DEFAULT_INDICATOR_TYPES.copy(),
        "pattern": pattern,
        "pattern_type": pattern_type,
        "valid_from": _shortest(valid_from),
        "valid_until": _shortest(valid_until),
        "confidence": believed,
        "labels": _union(ranked, "labels") or DEFAULT_LABELS.copy(),
        "object_marking_refs": [_MARKINGS[max(marks)]],
    }
    if pattern_type == "stix":
        value["pattern_version"] = "2.1"
    phases = _kill_chain_phases(ranked)
    if phases:
        value["kill_chain_phases"] = phases
    references = _external_references(ranked)
    if references:
        value["external_references"] = references
    if revoked:
        value["revoked"] = True
    # There are no floats in it, by its making.
    unversioned = value.copy()
    del unversioned["modified"]
    return View(
        value=value,
        sources=len(sources | {sighting.organization for sighting in others}),
        confidence=believed,
        revoked=revoked,
        digest=hashlib.sha256(canonical_parsed(unversioned, odd_floats=False)).digest(),
        due_at=None if revoked else _due(fading, as_of, valid_until),
        evidence=tuple(one for one, _ in evidence),
        opinions=held,
        fading=fading,
    )


def _pattern(ranked: Sequence[Claim], pattern_type: str) -> tuple[str, IndicatorClass]:
    """The pattern as it is published, and its class. Raises ValueError for claims on several pattern types."""
    if any(claim.value["pattern_type"] != pattern_type for claim in ranked):
        raise ValueError("these claims are not on one pattern type")
    if pattern_type == "stix":
        return _reading(ranked[0].value["pattern"])
    return min(_in_other_words(pattern_type, claim.value["pattern"]) for claim in ranked), _UNREAD


def _validity(
    ranked: Sequence[Claim],
    seen_by: Mapping[str, datetime],
    others: Sequence[Sighting],
    lifetime: timedelta,
) -> tuple[str, str]:
    """From when to when it holds: from the first that is stated, for a lifetime after it was last seen."""
    valid_from = min([_valid_from(claim) for claim in ranked])
    valid_until = max(
        [_valid_until(claim, seen_by[claim.organization], lifetime) for claim in ranked]
        + [_milliseconds(sighting.seen_at + lifetime) for sighting in others]
    )
    return valid_from, valid_until if valid_until > valid_from else _just_after(valid_from)


def _modified(created: str, as_of: datetime, previous: str | None) -> str:
    """The version: when something was said last, but later than the version before."""
    modified = max(created, _milliseconds(as_of))
    if previous and timestamps.to_sortable(modified) <= timestamps.to_sortable(previous):
        return _milliseconds(timestamps.to_datetime(previous) + _MILLISECOND)
    return modified


def _due(fading: Fading, as_of: datetime, valid_until: str) -> datetime | None:
    """When the published confidence changes by the passing of time, before the indicator expires."""
    change = fading.first_change((timestamps.to_datetime(valid_until) - as_of) // _HOUR)
    return None if change is None else as_of + change * _HOUR


def _last_seen(claims: Iterable[Claim], sightings: Iterable[Sighting]) -> dict[str, datetime]:
    """When each organisation that claims it had evidence of it last: what it said, or what it saw."""
    seen: dict[str, datetime] = {}
    for claim in claims:
        held = seen.get(claim.organization)
        if held is None or claim.received_at > held:
            seen[claim.organization] = claim.received_at
    for sighting in sightings:
        if sighting.organization in seen:
            seen[sighting.organization] = max(seen[sighting.organization], sighting.seen_at)
    return seen


def _age(seen_at: datetime, as_of: datetime) -> float:
    return (as_of - seen_at) / _DAY


def _in_other_words(pattern_type: str, pattern: str) -> str:
    """A pattern of another language as it is published: of a Sigma rule, without who wrote it and what about."""
    return sigma.without_prose(pattern, "Sigma rule") if pattern_type == "sigma" else pattern


def _ranked(claims: Sequence[Claim]) -> Sequence[Claim]:
    """The most reliable source first, then the earliest; what ties in these is told apart by all that it says."""
    if len(claims) == 1:
        return claims
    ranked = sorted(claims, key=_rank)
    if any(_rank(one) == _rank(other) for one, other in pairwise(ranked)):
        ranked.sort(key=lambda claim: (_rank(claim), _all_of(claim)))
    return ranked


def _rank(claim: Claim) -> tuple[float, datetime, str, str]:
    return (-RELIABILITY[claim.reliability], claim.first_received_at, claim.object_id, claim.organization)


def _all_of(claim: Claim) -> tuple[bytes, datetime, int, list[str]]:
    return canonical(dict(claim.value)), claim.received_at, claim.tlp, sorted(claim.platforms)


def _name(ranked: Iterable[Claim], pattern: str, pattern_type: str) -> str:
    for claim in ranked:
        name = claim.value.get("name")
        if isinstance(name, str) and name.strip():
            return name
    return _plain_name(pattern) if pattern_type == "stix" else "Indicator"


@lru_cache(maxsize=4096)
def _plain_name(pattern: str) -> str:
    """A name for a canonical pattern whose sources gave none."""
    observable = core_observable(pattern)
    if observable is not None:
        path, observed = observable
        return f"{_NOUNS[path.partition(':')[0]]} {observed}"
    return "Behavioural indicator" if CORE_TYPES.isdisjoint(object_types(pattern)) else "Indicator"


@lru_cache(maxsize=4096)
def _reading(pattern: str) -> tuple[str, IndicatorClass]:
    """Canonical form and class; kept, because an indicator is merged once for each audience."""
    text, types = canonical_and_types(pattern)
    return text, class_of(types)


# Times are compared as texts in whole milliseconds, which sort as the times do.


def _valid_from(claim: Claim) -> str:
    stated = claim.value.get("valid_from")
    return _cut(stated) if isinstance(stated, str) else _milliseconds(claim.first_received_at)


def _just_after(valid_from: str) -> str:
    """The next millisecond; after the last one that there is, that one again."""
    try:
        return _milliseconds(timestamps.to_datetime(valid_from) + _MILLISECOND)
    except OverflowError:
        return valid_from


def _valid_until(claim: Claim, seen_at: datetime, lifetime: timedelta) -> str:
    end = _milliseconds(seen_at + lifetime)
    stated = claim.value.get("valid_until")
    return min(_cut(stated), end) if isinstance(stated, str) else end


def _cut(text: str) -> str:
    return timestamps.to_sortable(text)[:23] + "Z"


def _milliseconds(moment: datetime) -> str:
    text = moment.isoformat(timespec="milliseconds")
    return text[:-6] + "Z" if text.endswith("+00:00") else timestamps.from_datetime_ms(moment)


def _shortest(text: str) -> str:
    """As the stix2 library writes a time of no fixed precision: without zeros at the end of the fraction."""
    return text[:-1].rstrip("0").rstrip(".") + "Z"


def _evidence(claim: Claim) -> Evidence:
    value = claim.value
    stated = value.get("confidence")
    context = (value.get("extensions") or {}).get(DETECTION_CONTEXT) or {}
    return Evidence(
        organization=claim.organization,
        reliability=claim.reliability,
        confidence=stated if isinstance(stated, int) else None,
        fpr=context.get("estimated_fpr"),
        upstream=_upstream(value, context),
        platforms=claim.platforms,
        families=frozenset(context.get("evidence_families") or ()),
    )


def _upstream(value: Mapping[str, Any], context: Mapping[str, Any]) -> str | None:
    """The report that a claim only repeats: it cites one and says nothing of a finding of its own."""
    references = value.get("external_references")
    if not references or not _OWN_FINDING.isdisjoint(context):
        return None
    cited = [
        reference.get("url") or f"{reference['source_name']} {reference['external_id']}"
        for reference in references
        if reference["source_name"] not in _NO_REPORTS
        and not reference["source_name"].startswith(_TAXONOMIES)
        and (reference.get("url") or reference.get("external_id"))
    ]
    return min(cited, default=None)


def _sighted(sighting: Sighting) -> Evidence:
    return Evidence(
        organization=sighting.organization,
        reliability=sighting.reliability,
        confidence=sighting.confidence,
        fpr=sighting.fpr,
        platforms=sighting.platforms,
        families=sighting.families,
    )


def _union(claims: Iterable[Claim], key: str) -> list[str]:
    return sorted({text for claim in claims for text in claim.value.get(key) or ()})


def _kill_chain_phases(claims: Iterable[Claim]) -> list[dict[str, str]]:
    phases = {
        (phase["kill_chain_name"], phase["phase_name"])
        for claim in claims
        for phase in claim.value.get("kill_chain_phases") or ()
    }
    return [{"kill_chain_name": chain, "phase_name": phase} for chain, phase in sorted(phases)]


def _external_references(claims: Iterable[Claim]) -> list[dict[str, Any]]:
    """The union, without what stays with the source: free text, the finding's uid, keys of our own making."""
    found: dict[bytes, dict[str, Any]] = {}
    for claim in claims:
        references = claim.value.get("external_references")
        if not references:
            continue
        context = (claim.value.get("extensions") or {}).get(DETECTION_CONTEXT) or {}
        finding = context.get("finding_uid")
        for reference in references:
            if reference["source_name"] in PRIVATE_REFERENCES:
                continue
            kept = {
                key: reference[key] for key in ("source_name", "url", "external_id") if reference.get(key)
            }
            if len(kept) < 2 or (finding and kept.get("external_id") == finding):
                continue
            hashes = {
                name: text
                for name, text in (reference.get("hashes") or {}).items()
                if len(text) == _REFERENCE_HASHES.get(name) and text.isalnum()
            }
            if hashes and "url" in kept:
                kept["hashes"] = hashes
            found[canonical_parsed(kept, odd_floats=False)] = kept
    return [found[key] for key in sorted(found)]
