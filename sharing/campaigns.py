"""A campaign as a whole: its figures, who says what of it, its indicators, and what happened when.

What is added up is read from its first `MOST` indicators and observations; the page says so where there are more.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from accounts import sql
from indicators.stix import timestamps
from indicators.vocabularies import AccessPathway, CampaignStatus, ModelCapability
from sharing import desk, graph, search

EXTENSION = "extension-definition--b4a9d6e8-1f73-4c2b-8e5d-6f7a8b9c0d04"
MOST = 500
PAGE = 50


class NoSuchCampaign(LookupError):
    """No campaign is known by this."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number that is known from below, from above, or both."""

    low: int | None
    high: int | None

    def __str__(self) -> str:
        if self.low is None and self.high is None:
            return "not said"
        if self.high is None:
            return f"at least {self.low:,}"
        if self.low is None:
            return f"at most {self.high:,}"
        return f"{self.low:,}" if self.low == self.high else f"{self.low:,} to {self.high:,}"


@dataclass(frozen=True, slots=True)
class Figures:
    """What one version of a campaign says in numbers and words of the vocabularies."""

    name: str
    aliases: list[str]
    description: str
    objective: str
    labels: list[str]
    status: str
    status_at_detection: str
    status_as_of: datetime | None
    exchanges: Bounds
    accounts: Bounds
    capabilities: list[str]
    pathways: list[str]
    models: list[str]
    first_seen: datetime | None
    last_seen: datetime | None
    references: list[tuple[str, str]]


def figures(value: Mapping[str, Any]) -> Figures:
    """The figures of a campaign; `models` are STIX ids."""
    said = value.get("extensions", {}).get(EXTENSION, {})
    return Figures(
        *(value.get("name", ""), list(value.get("aliases", ())), value.get("description", "")),
        *(value.get("objective", ""), list(value.get("labels", ()))),
        _word(CampaignStatus, said.get("status", "")),
        _word(CampaignStatus, said.get("status_at_detection", "")),
        _moment(said.get("status_as_of")),
        Bounds(said.get("exchange_count_min"), said.get("exchange_count_max")),
        Bounds(said.get("account_count_min"), said.get("account_count_max")),
        [_word(ModelCapability, one) for one in said.get("targeted_capabilities", ())],
        [_word(AccessPathway, one) for one in said.get("access_pathways", ())],
        list(said.get("target_model_refs", ())),
        *(_moment(value.get("first_seen")), _moment(value.get("last_seen"))),
        [
            (
                one.get("source_name", ""),
                one.get("external_id") or one.get("description") or one.get("url", ""),
            )
            for one in value.get("external_references", ())
        ],
    )


@dataclass(frozen=True, slots=True)
class Says:
    """What one source says of a campaign: its figures, and its object."""

    claim: desk.ShownClaim
    figures: Figures


@dataclass(frozen=True, slots=True)
class Listed:
    """A campaign in the list; `linked` counts what refers to it, up to `MOST`."""

    subject: search.Found
    figures: Figures
    linked: int

    @property
    def more_linked(self) -> bool:
        """Whether there is more than was counted."""
        return self.linked >= MOST


@dataclass(frozen=True, slots=True)
class Technique:
    """A technique by its ATLAS ids; `by_campaign`: the campaign itself is said to use it; else its indicators are."""

    node: graph.Node
    atlas: str
    tactic: str
    by_campaign: bool
    indicators: int

    @property
    def tactic_title(self) -> str:
        """The tactic as people write it: `AI model access`."""
        return self.tactic.replace("-", " ").capitalize().replace("Ai ", "AI ") or "No tactic said"

    @property
    def atlas_title(self) -> str:
        """Its ATLAS ids, where its title does not begin with them."""
        return "" if self.node.title.startswith(self.atlas) else self.atlas


@dataclass(frozen=True, slots=True)
class Actor:
    """Somebody who is alleged to be behind it, by way of whom, and who says so."""

    node: graph.Node
    through: str
    sources: list[str]


@dataclass(frozen=True, slots=True)
class Day:
    """What happened on one day (UTC), by kind; and how much use of models its observations tell of."""

    day: date
    counts: Mapping[str, int]
    exchanges: int
    accounts: int


EVENTS = ("claims", "sightings", "observations", "decisions", "releases")


@dataclass(frozen=True, slots=True)
class Merged:
    """A line of the merge journal about it."""

    journal_id: int
    kind: str
    made_at: datetime
    made_by: str
    undone: bool


@dataclass(slots=True)
class Campaign:
    """All that the page of a campaign shows; `counted_all`: nothing was left out of what is added up."""

    subject: search.Found
    figures: Figures
    sources: list[Says]
    models: list[str]
    techniques: list[Technique]
    actors: list[Actor]
    days: list[Day]
    exchanges_observed: int
    accounts_observed: int
    indicator_count: int
    counted_all: bool
    merges: list[Merged] = field(default_factory=list)

    @property
    def observed(self) -> str:
        """The volumes that its observations add up to, in words."""
        return f"{self.exchanges_observed:,} exchanges, {self.accounts_observed:,} accounts"


def find(known_as: str) -> int:
    """The subject of a campaign, by its number or any STIX id of it; `NoSuchCampaign`."""
    if known_as.isascii() and known_as.isdigit() and len(known_as) < 19:
        found = [int(known_as)]
    elif known_as.startswith("campaign--"):
        found = desk.subjects_named(known_as)
    else:
        found = []
    for (subject_id,) in sql.rows(
        "SELECT id FROM indicators_subject WHERE id = ANY(%s) AND object_type = 'campaign' ORDER BY id",
        (found,),
    ):
        return int(subject_id)
    raise NoSuchCampaign(known_as)


def listed(
    *, after: int | None = None, filters: search.Filters | None = None, typed: str = ""
) -> list[Listed]:
    """A page of campaigns and one more, the newest first."""
    narrowed = search.Filters(kind="campaign") if filters is None else filters
    with search.bounded():
        ids = search.subjects(search.read(typed), narrowed, after=after, limit=PAGE + 1)
        bodies = _speakers(ids)
        linked: dict[int, int] = dict(sql.rows(_LINKED, (ids, ids, MOST)))
        return [
            Listed(one, figures(bodies.get(one.id, {})), linked.get(one.id, 0)) for one in search.shown(ids)
        ]


_LINKED = (
    "WITH named AS (SELECT DISTINCT subject_id AS s, object_id AS name FROM indicators_claim WHERE subject_id = ANY(%s)"
    " UNION SELECT subject_id, published_id FROM sharing_release WHERE subject_id = ANY(%s))"
    " SELECT s, sum(found)::int8 FROM named CROSS JOIN LATERAL (SELECT count(*) AS found FROM"
    " (SELECT 1 FROM indicators_reference r WHERE r.target = named.name LIMIT %s) r) counted GROUP BY s"
)


def campaign(subject_id: int) -> Campaign:
    """A campaign as a whole; the number of queries depends on nothing."""
    with search.bounded():
        (subject,) = search.shown([subject_id])
        said = [Says(claim, figures(json.loads(claim.text))) for claim in desk.claims_on(subject_id)]
        speaking = figures(_speakers([subject_id]).get(subject_id, {}))
        names = _names([subject_id]).get(subject_id, [])
        members = _members(subject.community_id, names, after=0, limit=MOST + 1)
        counted_all = len(members) <= MOST
        members = dict(list(members.items())[:MOST])
        indicator_ids = graph.resolve(subject.community_id, members.values())
        seen = _observed(subject.community_id, names, list(indicator_ids.values()))
        days = _days(subject.community_id, subject_id, list(indicator_ids.values()), seen)
        found = _context(subject, names)
        return Campaign(
            subject,
            speaking,
            said,
            [node.title for node in _nodes(subject.community_id, speaking.models).values()],
            _techniques(subject.community_id, found, seen),
            _actors(subject.community_id, found),
            days,
            sum(one.exchanges for one in seen.activity.values()),
            sum(one.accounts for one in seen.activity.values()),
            len(indicator_ids),
            counted_all and seen.whole,
            _merges(subject_id),
        )


def indicators(subject: search.Found, *, after: int = 0) -> tuple[list[search.Found], int | None]:
    """A page of a campaign's indicators, oldest links first, and where the next begins."""
    names = _names([subject.id]).get(subject.id, [])
    members = _members(subject.community_id, names, after=after, limit=PAGE + 1)
    page = dict(list(members.items())[:PAGE])
    meant = graph.resolve(subject.community_id, page.values())
    found = search.shown(list(dict.fromkeys(meant[one] for one in page.values() if one in meant)))
    return found, (max(page) if len(members) > PAGE else None)


def _word(vocabulary: Any, said: str) -> str:
    """A word of a vocabulary as people read it; another stays as it is."""
    return str(vocabulary(said).label) if said in vocabulary.values else said


def _moment(text: str | None) -> datetime | None:
    try:
        return None if text is None else timestamps.to_datetime(text)
    except ValueError:
        return None


def _speakers(subject_ids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """The version of each that stands: that of the first who still says so."""
    return {
        subject_id: json.loads(body)
        for subject_id, body in sql.rows(
            "SELECT s, c.body FROM unnest(%s::int8[]) AS wanted(s) CROSS JOIN LATERAL"
            " (SELECT body FROM indicators_claim WHERE subject_id = s OR home_id = s"
            "  ORDER BY withdrawn_at IS NOT NULL, revoked, home_id IS NOT NULL, first_received_at, id LIMIT 1) c",
            (list(subject_ids),),
        )
    }


def _names(subject_ids: Sequence[int]) -> dict[int, list[str]]:
    """The ids by which others refer to each: the sources' and the published ones, up to 100."""
    found: dict[int, list[str]] = {}
    for subject_id, name in sql.rows(
        "SELECT s, c.object_id FROM unnest(%s::int8[]) AS wanted(s) CROSS JOIN LATERAL (SELECT object_id"
        " FROM indicators_claim WHERE subject_id = s ORDER BY id LIMIT 100) c"
        " UNION SELECT subject_id, published_id FROM sharing_release WHERE subject_id = ANY(%s)",
        (list(subject_ids), list(subject_ids)),
    ):
        found.setdefault(subject_id, []).append(name)
    return found


def _members(community_id: UUID, names: Sequence[str], *, after: int, limit: int) -> dict[int, str]:
    """The ids of indicators that relationships tie to any of these names, by the subject of the relationship."""
    return dict(
        sql.rows(
            "SELECT DISTINCT near.subject_id, near.ref FROM unnest(%s::text[]) AS own(name) CROSS JOIN LATERAL"
            " (SELECT r.subject_id, ends.ref FROM indicators_reference r"
            "  JOIN indicators_subject s ON s.id = r.subject_id AND s.community_id = %s"
            "  AND s.object_type = 'relationship' CROSS JOIN LATERAL (SELECT e.ref FROM indicators_claim c"
            '   CROSS JOIN unnest(c."references") AS e(ref) WHERE c.subject_id = r.subject_id'
            "   AND c.withdrawn_at IS NULL AND NOT c.revoked AND starts_with(e.ref, 'indicator--')"
            "   ORDER BY c.id LIMIT 1) ends WHERE r.target = own.name AND r.subject_id > %s"
            "  ORDER BY r.subject_id LIMIT %s) near ORDER BY near.subject_id LIMIT %s",
            (list(names), community_id, after, limit, limit),
        )
    )


@dataclass(frozen=True, slots=True)
class _Activity:
    """The use of a model in one window."""

    day: date
    exchanges: int
    accounts: int


@dataclass(slots=True)
class _Seen:
    """What was observed: days of sightings and observations, activity by id, and techniques by indicators' words."""

    sightings: Counter[date] = field(default_factory=Counter)
    observations: Counter[date] = field(default_factory=Counter)
    activity: dict[str, _Activity] = field(default_factory=dict)
    techniques: Counter[str] = field(default_factory=Counter)
    whole: bool = True


def _observed(community_id: UUID, names: Sequence[str], indicator_ids: Sequence[int]) -> _Seen:
    """What refers to a campaign and its indicators, and what that was seen by."""
    seen = _Seen()
    of_indicators = [name for found in _names(indicator_ids).values() for name in found]
    referring = sql.rows(
        "SELECT DISTINCT ON (c.subject_id) split_part(c.object_id, '--', 1), c.\"references\", c.body"
        " FROM (SELECT DISTINCT subject_id FROM indicators_reference WHERE target = ANY(%s) LIMIT %s) r"
        " JOIN indicators_claim c ON c.subject_id = r.subject_id AND c.community_id = %s"
        " WHERE c.withdrawn_at IS NULL AND NOT c.revoked ORDER BY c.subject_id, c.first_received_at, c.id",
        ([*names, *of_indicators], 4 * MOST, community_id),
    )
    seen.whole = len(referring) < 4 * MOST
    observed: dict[str, None] = {}
    for kind, references, body in referring:
        if kind == "sighting":
            value = json.loads(body)
            moment = _moment(value.get("last_seen") or value.get("first_seen") or value["created"])
            if moment is not None and value.get("count", 1):
                seen.sightings[moment.date()] += 1
        if kind in {"sighting", "relationship"}:
            observed |= dict.fromkeys(one for one in references if one.startswith("observed-data--"))
        if kind == "relationship" and any(one.startswith("indicator--") for one in references):
            seen.techniques.update(one for one in references if one.startswith("attack-pattern--"))
    activity: dict[str, None] = {}
    for value in _said_once(community_id, observed):
        moment = _moment(value["first_observed"])
        if moment is not None:
            seen.observations[moment.date()] += 1
        activity |= dict.fromkeys(
            one for one in value.get("object_refs", ()) if one.startswith("llm-api-activity--")
        )
    for value in _said_once(community_id, activity):
        moment = _moment(value.get("start"))
        if moment is not None:
            seen.activity[value["id"]] = _Activity(
                moment.date(), int(value.get("exchange_count", 0)), int(value.get("account_count", 0))
            )
    return seen


def _said_once(community_id: UUID, object_ids: Iterable[str]) -> list[dict[str, Any]]:
    """What is said under these ids, once each."""
    wanted = list(object_ids)[: 4 * MOST]
    if not wanted:
        return []
    return [
        json.loads(body)
        for (body,) in sql.rows(
            f"SELECT DISTINCT ON (subject_id) body FROM indicators_claim WHERE community_id = %s"
            f" AND object_id = {sql.ONE_OF} AND withdrawn_at IS NULL ORDER BY subject_id, first_received_at, id",
            (community_id, sql.joined(wanted)),
        )
    ]


def _days(community_id: UUID, subject_id: int, indicator_ids: Sequence[int], seen: _Seen) -> list[Day]:
    """What happened by day, the oldest first."""
    subjects = [subject_id, *indicator_ids]
    counts: dict[str, Counter[date]] = {kind: Counter() for kind in EVENTS}
    counts["sightings"], counts["observations"] = seen.sightings, seen.observations
    for kind, day, number in sql.rows(
        "SELECT 'claims', (first_received_at AT TIME ZONE 'UTC')::date, count(*) FROM indicators_claim"
        " WHERE subject_id = ANY(%s) GROUP BY 2"
        " UNION ALL SELECT 'decisions', (v.decided_at AT TIME ZONE 'UTC')::date, count(*) FROM sharing_review v"
        " JOIN sharing_release r ON r.id = v.release_id WHERE r.subject_id = ANY(%s) AND v.decided_by_id IS NOT NULL"
        " GROUP BY 2 UNION ALL SELECT 'releases', (to_timestamp(e.added / 1000000) AT TIME ZONE 'UTC')::date, count(*)"
        " FROM sharing_release r JOIN sharing_collection k ON k.community_id = %s AND k.kind = 'feed'"
        "  AND k.profile = 'full' AND k.ceiling = r.ceiling"
        " JOIN sharing_entry e ON e.collection_id = k.id AND e.object_id = r.published_id AND e.body IS NOT NULL"
        " WHERE r.subject_id = ANY(%s) GROUP BY 2",
        (subjects, subjects, community_id, subjects),
    ):
        counts[kind][day] += number
    exchanges: Counter[date] = Counter()
    accounts: Counter[date] = Counter()
    for one in seen.activity.values():
        exchanges[one.day] += one.exchanges
        accounts[one.day] += one.accounts
    days = sorted({day for found in counts.values() for day in found} | set(exchanges) | set(accounts))
    return [
        Day(day, {kind: counts[kind][day] for kind in EVENTS}, exchanges[day], accounts[day]) for day in days
    ]


@dataclass(slots=True)
class _Context:
    """What a campaign is said to use, and by source and target who is alleged to be behind it, and who says so."""

    own: frozenset[str]
    uses: dict[str, None] = field(default_factory=dict)
    behind: dict[tuple[str, str], list[str]] = field(default_factory=dict)


def _context(subject: search.Found, names: Sequence[str]) -> _Context:
    found = _Context(frozenset(names))
    frontier: Sequence[str] = names
    # Campaign, operators, actor, organisation.
    for _ in range(3):
        reached: dict[str, None] = {}
        for value, sources in _relationships(subject.community_id, frontier):
            source, target, kind = value["source_ref"], value["target_ref"], value["relationship_type"]
            if kind == "attributed-to" and source in frontier:
                found.behind.setdefault((source, target), []).extend(sources)
                reached[target] = None
            elif kind == "uses" and source in found.own and target.startswith("attack-pattern--"):
                found.uses[target] = None
        frontier = [one for one in reached if one not in found.own]
    return found


def _relationships(community_id: UUID, names: Sequence[str]) -> list[tuple[dict[str, Any], list[str]]]:
    """What is said to start from any of these ids, but from indicators; with the names of the sources who say it."""
    return [
        (json.loads(body), sorted(sources))
        for body, sources in sql.rows(
            "SELECT (array_agg(c.body ORDER BY c.first_received_at, c.id))[1], array_agg(DISTINCT o.name)"
            " FROM (SELECT DISTINCT near.subject_id FROM unnest(%s::text[]) AS own(name) CROSS JOIN LATERAL"
            "  (SELECT subject_id FROM indicators_reference r WHERE r.target = own.name"
            "   ORDER BY subject_id LIMIT %s) near) r"
            " JOIN indicators_subject s ON s.id = r.subject_id AND s.community_id = %s"
            " AND s.object_type = 'relationship'"
            " JOIN indicators_claim c ON c.subject_id = s.id AND c.withdrawn_at IS NULL AND NOT c.revoked"
            " AND NOT EXISTS (SELECT FROM unnest(c.\"references\") AS e(ref) WHERE starts_with(ref, 'indicator--'))"
            " JOIN accounts_organization o ON o.id = c.organization_id GROUP BY c.subject_id"
            " ORDER BY c.subject_id LIMIT %s",
            (list(names), 4 * MOST, community_id, MOST),
        )
    ]


def _techniques(community_id: UUID, found: _Context, seen: _Seen) -> list[Technique]:
    """By tactic and ATLAS id."""
    nodes = _nodes(community_id, [*found.uses, *seen.techniques])
    known = {
        object_id: (", ".join([atlas] if atlas else form_of), phase)
        for object_id, atlas, form_of, phase in sql.rows(
            f"SELECT object_id, atlas_id, form_of, phase FROM indicators_technique WHERE object_id = {sql.ONE_OF}",
            (sql.joined(nodes),),
        )
    }
    said = {
        value["id"]: value for value in _said_once(community_id, [one for one in nodes if one not in known])
    }
    techniques = []
    for one, node in nodes.items():
        atlas, tactic = known.get(one) or _atlas(said.get(one, {}))
        techniques.append(Technique(node, atlas, tactic, one in found.uses, seen.techniques[one]))
    return sorted(techniques, key=lambda one: (one.tactic, one.atlas, one.node.title))


def _atlas(value: Mapping[str, Any]) -> tuple[str, str]:
    ids = [
        one["external_id"]
        for one in value.get("external_references", ())
        if "atlas" in one.get("source_name", "").lower() and "external_id" in one
    ]
    return ", ".join(ids), next((one["phase_name"] for one in value.get("kill_chain_phases", ())), "")


def _actors(community_id: UUID, found: _Context) -> list[Actor]:
    """Who is alleged to be behind it, the nearest first."""
    nodes = _nodes(community_id, [one for pair in found.behind for one in pair])
    return [
        Actor(
            nodes[target],
            "the campaign" if source in found.own else nodes[source].title,
            sorted(set(sources)),
        )
        for (source, target), sources in found.behind.items()
    ]


def _nodes(community_id: UUID, object_ids: Iterable[str]) -> dict[str, graph.Node]:
    """The node that each id means."""
    ids = list(dict.fromkeys(object_ids))
    meant = graph.resolve(community_id, ids)
    places = {
        one: graph.Place(community_id, meant[one]) if one in meant else graph.Place(community_id, None, one)
        for one in ids
    }
    faces = graph.faces(community_id, places.values())
    return {one: faces[place.key] for one, place in places.items()}


def _merges(subject_id: int) -> list[Merged]:
    return [
        Merged(*row)
        for row in sql.rows(
            "SELECT id, kind, made_at, made_by, undone_at IS NOT NULL FROM indicators_merge"
            " WHERE survivor_id = %s OR other_id = %s ORDER BY id DESC LIMIT 20",
            (subject_id, subject_id),
        )
    ]
