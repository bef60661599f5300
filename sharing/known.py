"""What is known already of a pattern while it is typed, and what a term means: for those who write at the desk."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from accounts import sql
from accounts.models import Tlp
from indicators.actions import allowlists
from indicators.actions.allowlists import Hit
from indicators.allowlists.watched import Value, network, watched
from indicators.dedup import observables
from indicators.dedup.belief import LIFETIMES, class_of
from indicators.dedup.identity import indicator_key
from indicators.models import Technique
from indicators.patterns import canonical_and_types
from indicators.patterns.values import domain
from indicators.stix.relationships import ALLOWED
from sharing.desk import subjects_named, title_of
from sharing.near import Near, near_to
from sharing.writing import Audience, audiences

MOST_NEAR = 8
MOST_PICKED = 12
#: So many objects of one type are looked through for a name; their ids are random, so it is no favour to anybody.
_LOOKED_THROUGH = 3000

_CLASS_NAMES = {
    "ip": "addresses",
    "domain": "domains and URLs",
    "asn": "AS numbers",
    "blinded": "blinded identifiers",
    "prompt-template": "prompt templates",
    "behaviour": "behaviour and files",
}
#: What is known by a name, and few enough to look through.
_NAMED_TYPES = (
    *("campaign", "intrusion-set", "threat-actor", "infrastructure", "attack-pattern", "identity"),
    *("malware", "tool", "location", "report", "grouping", "incident", "software"),
)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a right pattern: its canonical form, the subject it already is, and what is near."""

    canonical: str
    lives: str
    days: int
    subject_id: int | None = None
    sources: list[str] = field(default_factory=list)
    audiences: Sequence[Audience] = ()
    near: Sequence[Near] = ()
    listed: Sequence[Hit] = ()


def known(community_id: UUID, pattern: str) -> Known:
    """What is known of a pattern in a community. Raises `PatternError` with the place where it is wrong."""
    normal, types = canonical_and_types(pattern)
    kind = class_of(types)
    found = sql.row(
        "SELECT coalesce(merged_into_id, id) FROM indicators_subject WHERE community_id = %s AND key = %s",
        (community_id, indicator_key("stix", pattern)),
    )
    subject_id = None if found is None else found[0]
    said = {"type": "indicator", "pattern_type": "stix", "pattern": pattern}
    values = watched(said)
    return Known(
        canonical=normal,
        lives=_CLASS_NAMES[kind],
        days=LIFETIMES[kind][0],
        subject_id=subject_id,
        sources=_sources(subject_id),
        audiences=audiences([subject_id]).get(subject_id, []) if subject_id is not None else [],
        near=near_to(said, community_id=community_id, ceiling=Tlp.RED, subject_id=subject_id, most=MOST_NEAR),
        listed=allowlists.covering(values) if values else [],
    )


def _sources(subject_id: int | None) -> list[str]:
    if subject_id is None:
        return []
    return [
        name
        for (name,) in sql.rows(
            "SELECT DISTINCT o.name FROM indicators_claim c JOIN accounts_organization o ON o.id = c.organization_id"
            " WHERE c.subject_id = %s AND NOT c.revoked AND c.withdrawn_at IS NULL ORDER BY o.name",
            (subject_id,),
        )
    ]


@dataclass(frozen=True, slots=True)
class Picked:
    """An object that a relationship, a sighting or an opinion can name: its id and what people know it by."""

    object_id: str
    title: str
    source: str

    @property
    def type(self) -> str:
        """Its STIX type."""
        return self.object_id.partition("--")[0]


def picked(
    community_id: UUID, term: str, *, organization_id: UUID, types: Sequence[str] = ()
) -> list[Picked]:
    """What a term means, best first: an id, a pattern, a value, a technique, or a part of a name."""
    term = term.strip()
    if len(term) < 2:
        return []
    techniques = [
        Picked(one.object_id, f"{one.name} ({', '.join(one.atlas_ids)})", "catalogue of techniques")
        for one in Technique.objects.filter(name__icontains=term).order_by("name")[:MOST_PICKED]
    ]
    techniques += [
        Picked(one.object_id, f"{one.name} ({one.atlas_id})", "catalogue of techniques")
        for one in Technique.objects.filter(atlas_id__iexact=term)
    ]
    exact = _objects_of(
        community_id, organization_id, [*subjects_named(term), *_of_value(community_id, term)]
    )
    found = [*exact, *techniques, *_named(community_id, term, types or _NAMED_TYPES)]
    wanted = [one for one in dict.fromkeys(found) if not types or one.type in types]
    return wanted[:MOST_PICKED]


def titles_of(community_id: UUID, object_ids: Iterable[str]) -> dict[str, str]:
    """What people know objects by, for those that are known here."""
    wanted = list(object_ids)
    found = {one.object_id: one.name for one in Technique.objects.filter(object_id__in=wanted)}
    return found | {
        object_id: title_of(body)
        for object_id, body in sql.rows(
            "SELECT DISTINCT ON (object_id) object_id, body FROM indicators_claim"
            f" WHERE community_id = %s AND object_id = {sql.ONE_OF} ORDER BY object_id, first_received_at",
            (community_id, sql.joined(wanted)),
        )
    }


def _objects_of(community_id: UUID, organization_id: UUID, subject_ids: Iterable[int]) -> list[Picked]:
    """By what ids others can name subjects: the organisation's own claims first, then the oldest."""
    return [
        Picked(object_id, title_of(body), source)
        for object_id, body, source in sql.rows(
            "SELECT c.object_id, c.body, c.name FROM unnest(%s::int8[]) WITH ORDINALITY AS wanted(id, place)"
            " CROSS JOIN LATERAL (SELECT c.object_id, c.body, o.name FROM indicators_claim c"
            " JOIN accounts_organization o ON o.id = c.organization_id"
            " WHERE c.subject_id = wanted.id AND c.community_id = %s AND NOT c.revoked AND c.withdrawn_at IS NULL"
            " ORDER BY c.organization_id <> %s, c.first_received_at, c.id LIMIT 1) c ORDER BY wanted.place LIMIT %s",
            (list(subject_ids), community_id, organization_id, MOST_PICKED),
        )
    ]


def _of_value(community_id: UUID, term: str) -> list[int]:
    """The subjects that watch exactly this address, network, domain or AS number, or are it; and a URL."""
    value: Value | None = None
    if term.upper().startswith("AS") and term[2:].isdigit():
        value = int(term[2:]) if int(term[2:]) < 2**32 else None
    if value is None:
        for reading in (network, domain):
            try:
                value = reading(term)
                break
            except ValueError:
                continue
    keys = [observables.deterministic_id({"type": "url", "value": term})]
    found = sql.rows(
        "SELECT id FROM indicators_subject WHERE community_id = %s AND key = ANY(%s::bytea[])",
        (community_id, [key.encode() for key in keys if key]),
    )
    if value is not None:
        column, kind = (
            ("asn", "int8")
            if isinstance(value, int)
            else ("(reverse('.' || domain) COLLATE \"C\")", "text")
            if isinstance(value, str)
            else ("network", "cidr")
        )
        asked: Any = (
            f".{value}"[::-1] if isinstance(value, str) else value if isinstance(value, int) else str(value)
        )
        present = {"asn": "asn", "network": "network"}.get(column, "domain")
        found += sql.rows(
            "SELECT coalesce(s.merged_into_id, s.id) FROM indicators_observable o"
            " JOIN indicators_subject s ON s.id = o.subject_id"
            f" WHERE o.{present} IS NOT NULL AND {column} = %s::{kind} AND s.community_id = %s"
            " ORDER BY s.object_type <> 'indicator', s.id DESC LIMIT %s",
            (asked, community_id, MOST_PICKED),
        )
    return [one for (one,) in dict.fromkeys(found)]


def _named(community_id: UUID, term: str, types: Sequence[str]) -> list[Picked]:
    """Objects of these types with the term in their name; the unique index on claims finds a type by its ids."""
    found: list[Picked] = []
    like = "%" + term.lower().replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") + "%"
    for object_type in types:
        if object_type not in _NAMED_TYPES:
            continue
        found += [
            Picked(object_id, title_of(body), source)
            for object_id, body, source in sql.rows(
                "SELECT c.object_id, c.body, o.name FROM (SELECT object_id, body, organization_id"
                " FROM indicators_claim WHERE community_id = %s AND object_id BETWEEN %s AND %s AND NOT revoked"
                " AND withdrawn_at IS NULL LIMIT %s) c JOIN accounts_organization o ON o.id = c.organization_id"
                " WHERE lower(convert_from(c.body, 'UTF8')::jsonb ->> 'name') LIKE %s ORDER BY c.object_id LIMIT %s",
                (
                    community_id,
                    f"{object_type}--0",
                    f"{object_type}--g",
                    _LOOKED_THROUGH,
                    like,
                    MOST_PICKED,
                ),
            )
        ]
        if len(found) >= MOST_PICKED:
            break
    return found


def sources_and_targets() -> dict[str, dict[str, list[str]]]:
    """Which relationships STIX knows, for the form: source type → relationship → target types."""
    return {
        source: {name: list(targets) for name, targets in found.items()} for source, found in ALLOWED.items()
    }
