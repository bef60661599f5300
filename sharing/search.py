"""Search over everything that is known: how what an analyst typed can be read, and the subjects that it finds.

Every reading is one bounded, indexed query. Subjects come newest first, a page after a subject's id (keyset): no page
depends on how many there are.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from django.db import connection, transaction

from accounts import sql
from accounts.models import Tlp
from indicators import terms
from indicators.allowlists import watched
from indicators.dedup import sketches, templates
from indicators.dedup.identity import indicator_key
from indicators.patterns import PatternError, values
from indicators.patterns import canonical as canonical_pattern
from sharing import desk

LONGEST = 10_000
"""Characters of what may be typed."""
MOST = 10_000
"""A reading by value looks at so many subjects, an export holds so many."""
PAGE = 50
SECONDS = 5
"""How long a search may take; then it was too broad."""
MOST_PROMPTS = 200
LOWEST = 0.3
"""Below this similarity a template is not shown."""


class Kind(NamedTuple):
    """A group of object types as people think of them; `letter` and `shape` stand for it in a graph."""

    slug: str
    title: str
    letter: str
    shape: str
    types: tuple[str, ...]


KINDS = (
    Kind("indicators", "Indicators", "I", "diamond", ("indicator",)),
    Kind("campaigns", "Campaigns", "C", "star", ("campaign",)),
    Kind("actors", "Actors and identities", "A", "pentagon", ("threat-actor", "intrusion-set", "identity")),
    Kind(
        "infrastructure",
        "Infrastructure and addresses",
        "N",
        "rectangle",
        (
            *("infrastructure", "ipv4-addr", "ipv6-addr", "domain-name", "url", "autonomous-system"),
            *("email-addr", "mac-addr", "network-traffic", "x509-certificate"),
        ),
    ),
    Kind(
        "activity",
        "Accounts and use of models",
        "U",
        "ellipse",
        ("llm-api-activity", "blinded-identifier", "user-account", "prompt-template", "software"),
    ),
    Kind(
        "tools",
        "Techniques and tools",
        "T",
        "hexagon",
        ("attack-pattern", "tool", "malware", "malware-analysis", "vulnerability", "course-of-action"),
    ),
    Kind("reports", "Notes and reports", "R", "tag", ("note", "report", "opinion", "grouping", "incident")),
    Kind(
        "evidence",
        "Sightings, observations and relationships",
        "E",
        "triangle",
        ("sighting", "observed-data", "relationship"),
    ),
)
OTHER = Kind("other", "Anything else", "O", "octagon", ())
_KNOWN_TYPES = [one for kind in KINDS for one in kind.types]
_BY_TYPE = {one: kind for kind in KINDS for one in kind.types}


def kind_of(object_type: str) -> Kind:
    """The group of an object type."""
    return _BY_TYPE.get(object_type, OTHER)


class TooBroad(ValueError):
    """A search that would take too long."""


STATES = {
    "standing": "Stands in a feed",
    "revoked": "Revoked in a feed",
    "review": "Under review",
    "withheld": "Withheld from a feed",
    "nowhere": "In no feed yet",
}
_IN_FEEDS = "FROM sharing_release r WHERE r.subject_id = s.id"
_STATE = {
    "standing": f"EXISTS (SELECT {_IN_FEEDS} AND r.digest IS NOT NULL AND NOT r.revoked)",
    "revoked": f"EXISTS (SELECT {_IN_FEEDS} AND r.revoked)",
    "review": "EXISTS (SELECT FROM sharing_release r JOIN sharing_review v ON v.release_id = r.id"
    " AND v.state = 'pending' WHERE r.subject_id = s.id AND r.decision = 'review')",
    "withheld": f"EXISTS (SELECT {_IN_FEEDS} AND r.decision = 'withhold')",
    "nowhere": f"NOT EXISTS (SELECT {_IN_FEEDS} AND r.digest IS NOT NULL)",
}


@dataclass(frozen=True, slots=True)
class Filters:
    """What a search is narrowed to; None is everything. `kind` is the slug of a `Kind`, or an object type."""

    kind: str | None = None
    community_id: UUID | None = None
    state: str | None = None
    tlp: int | None = None
    organization_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def types(self) -> list[str] | None:
        """The object types that it is narrowed to; an empty list is all that are in no `Kind`."""
        if self.kind is None:
            return None
        found = next((kind for kind in (*KINDS, OTHER) if kind.slug == self.kind), None)
        return [self.kind] if found is None else list(found.types)

    def conditions(self) -> tuple[list[str], dict[str, object]]:
        """SQL on the subject `s`, but for its type."""
        found: list[str] = []
        parameters: dict[str, object] = {}
        if self.community_id is not None:
            found.append("s.community_id = %(community)s")
            parameters["community"] = self.community_id
        if self.state in _STATE:
            found.append(_STATE[self.state])
        said = []
        for name, condition in (
            ("tlp", "c.tlp = %(tlp)s"),
            ("organization_id", "c.organization_id = %(organization_id)s"),
            ("since", "c.received_at >= %(since)s"),
            ("until", "c.first_received_at < %(until)s"),
        ):
            value = getattr(self, name)
            if value is not None:
                said.append(condition)
                parameters[name] = value
        if said:
            found.append(
                f"EXISTS (SELECT FROM indicators_claim c WHERE c.subject_id = s.id AND {' AND '.join(said)})"
            )
        return found, parameters


# --- How it can be read


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read what was typed, in words, and SQL for the ids of the subjects that it finds."""

    kind: str
    said: str
    query: str
    parameters: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """What was typed, all the ways to read it, and what is wrong with it as what it looks like."""

    text: str
    readings: tuple[Reading, ...] = ()
    words: str = ""
    problem: str = ""

    @property
    def kinds(self) -> list[str]:
        """What it was read as, in a word each: this, and not what was typed, is what an audit event tells."""
        return [*(reading.kind for reading in self.readings), *(["words"] if self.words else [])]

    @property
    def is_empty(self) -> bool:
        """Whether it asks for everything."""
        return not self.readings and not self.words and not self.text


_ID = re.compile(r"[a-z][a-z0-9-]{1,248}--[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_KEY = re.compile(r"(?:ck1:)?([0-9a-f]{64})")
_ASN = re.compile(r"(?:asn?\s*)?(\d{1,10})", re.IGNORECASE | re.ASCII)
_HEXADECIMAL = re.compile(r"(?:[a-z0-9-]{2,12}[:=]\s*)?(?:t1)?([0-9a-f]{32,128})")
_PORT = re.compile(r"([^:/\s]+):\d{1,5}", re.ASCII)
_OTHER_PATTERN = re.compile(r"\n|^\s*(?:alert|rule|title:|detection:|logsource:)")
_PATTERN_TYPES = ("sigma", "snort", "suricata", "yara", "pcre")
_MOST_TYPED_WORDS = 16
_PREFIX = 3
"""A word of so many letters also finds those that begin with it."""

_COMMUNITIES = "community_id IN (SELECT id FROM accounts_community)"
_BY_ID = (
    f"SELECT subject_id AS id FROM indicators_claim WHERE {_COMMUNITIES} AND object_id = ANY(%(ids)s)"
    " UNION SELECT subject_id FROM sharing_release WHERE published_id = ANY(%(ids)s)"
    f" UNION SELECT id FROM indicators_subject WHERE {_COMMUNITIES} AND key = ANY(%(id_keys)s)"
)
_BY_KEY = f"SELECT id FROM indicators_subject WHERE {_COMMUNITIES} AND key = ANY(%(keys)s)"
_BY_TARGET = "SELECT subject_id FROM indicators_reference WHERE target = ANY(%(ids)s) LIMIT 1000"
_BY_TERM = f"SELECT subject_id FROM indicators_term WHERE digest = ANY(%(terms)s) LIMIT {MOST}"
_BY_NETWORK = (
    "SELECT subject_id FROM indicators_observable WHERE network IS NOT NULL"
    f" AND network && %(network)s::inet LIMIT {MOST}"
)
_BY_ASN = f"SELECT subject_id FROM indicators_observable WHERE asn = %(asn)s LIMIT {MOST}"
_BY_DOMAIN = (
    "SELECT subject_id FROM indicators_observable WHERE domain IS NOT NULL"
    " AND (reverse('.' || domain) COLLATE \"C\") >= %(domain)s"
    f" AND (reverse('.' || domain) COLLATE \"C\") < %(domain_end)s LIMIT {MOST}"
)


def read(typed: str) -> Query:
    """Every way to read what was typed; never an error, whatever it is."""
    text = typed.replace("\0", " ").encode("utf-8", "replace").decode().strip()
    if len(text) > LONGEST:
        return Query(
            text[:200], problem=f"It is longer than {LONGEST:,} characters: search for a part of it."
        )
    if not text:
        return Query("")
    lower = text.lower()
    if _ID.fullmatch(lower):
        return Query(
            text, (_ids([text, lower], "the id"), Reading("references", "what refers to it", _BY_TARGET))
        )
    if _UUID.fullmatch(lower):
        return Query(text, (_ids([f"{one}--{lower}" for one in _KNOWN_TYPES], "the end of an id"),))
    readings, problem = _as_pattern(text)
    if readings:
        return Query(text, readings)
    readings = (*_as_values(text), *_as_keys(lower))
    found = terms.split(text)[:_MOST_TYPED_WORDS]
    words = " & ".join(
        f"'{word}':*" if len(word) >= _PREFIX else f"'{word}'" for word in dict.fromkeys(found)
    )
    if not readings and not words and not problem:
        problem = "There is no word, value or id in it."
    return Query(text, readings, words, problem)


def _ids(ids: Sequence[str], said: str) -> Reading:
    return Reading("id", said, _BY_ID, {"ids": list(ids), "id_keys": [one.encode() for one in ids]})


def _as_pattern(text: str) -> tuple[tuple[Reading, ...], str]:
    """As a pattern, in any spelling; or what is wrong with what looks like one."""
    if text[0] in "[(" and "]" in text and re.search(r"[\w'-]:[\w'\"]", text):
        try:
            said = canonical_pattern(text)
            key = indicator_key("stix", text)
        except PatternError as error:
            return (), f"This looks like a STIX pattern, but it is none: {error}."
        return (Reading("pattern", f"the pattern {said}", _BY_KEY, {"keys": [key]}),), ""
    if _OTHER_PATTERN.search(text):
        keys = [indicator_key(one, text) for one in _PATTERN_TYPES]
        return (Reading("pattern", "the text of a rule", _BY_KEY, {"keys": keys}),), ""
    return (), ""


def _as_values(text: str) -> Iterator[Reading]:
    """As everything that an indicator can watch."""
    exact = {terms.folded(text)}
    if "//" in text:
        url = _normal(values.url, text)
        if url is not None:
            exact.add(terms.folded(url))
            host = url.partition("://")[2].partition("/")[0].rpartition("@")[2]
            yield from _as_host(host)
    elif "@" in text or "[at]" in text:
        email = _normal(values.email, text)
        if email is not None:
            exact.add(email)
    elif not re.search(r"\s", text):
        yield from _as_host(text)
    mac = _normal(values.mac, text)
    if mac is not None:
        exact.add(mac)
    number = _ASN.fullmatch(text)
    if number and int(number[1]) < 2**32:
        yield Reading("asn", f"AS{int(number[1])}", _BY_ASN, {"asn": int(number[1])})
    hexadecimal = _HEXADECIMAL.fullmatch(text.lower())
    if hexadecimal:
        exact |= {hexadecimal[1], text.lower()}
    yield Reading(
        "value", "an exact value", _BY_TERM, {"terms": sorted({terms.digest(one) for one in exact})}
    )


def _as_host(text: str) -> Iterator[Reading]:
    """As an address, a network or a domain, with what is inside and around it."""
    port = _PORT.fullmatch(text)
    host = port[1] if port else text
    try:
        network = watched.network(host.strip("[]") if host.startswith("[") and host.endswith("]") else host)
    except ValueError:
        pass
    else:
        one = watched.shown(network)
        around = "what is inside it and what covers it" if "/" in one else "networks that cover it"
        yield Reading("network", f"{one}, {around}", _BY_NETWORK, {"network": str(network)})
        return
    domain = _normal(values.domain, host) if "." in host or "。" in host else None
    if domain is not None and "." in domain:
        start = f"{domain[::-1]}."
        yield Reading(
            "domain",
            f"the domain {domain} and what is below it",
            _BY_DOMAIN,
            # `/` follows `.`.
            {"domain": start, "domain_end": f"{domain[::-1]}/"},
        )


def _as_keys(lower: str) -> Iterator[Reading]:
    key = _KEY.fullmatch(lower)
    if key:
        yield Reading("key", "a canonical key", _BY_KEY, {"keys": [bytes.fromhex(key[1])]})


def _normal(normaliser: Any, text: str) -> str | None:
    try:
        found: str = normaliser(text)
    except ValueError:
        return None
    return found


# --- What it finds


@contextmanager
def bounded() -> Iterator[None]:
    """Queries that may take `SECONDS` each, planned for what they are given; raises `TooBroad`."""
    inside = connection.in_atomic_block
    try:
        with transaction.atomic():
            sql.execute(f"SET LOCAL statement_timeout = '{SECONDS}s'")
            sql.execute("SET LOCAL plan_cache_mode = 'force_custom_plan'")
            yield
            if inside:
                # Otherwise they end with the transaction.
                sql.execute("SET LOCAL statement_timeout TO DEFAULT")
                sql.execute("SET LOCAL plan_cache_mode TO DEFAULT")
    except psycopg.errors.QueryCanceled:
        raise TooBroad(
            f"This takes longer than {SECONDS} seconds. Add a word, or narrow it by type, community or period."
        ) from None


def subjects(query: Query, filters: Filters, *, after: int | None = None, limit: int = PAGE) -> list[int]:
    """The newest subjects that a search finds, before the subject `after`; `TooBroad`."""
    conditions, parameters = filters.conditions()
    conditions.append("s.id < %(after)s")
    parameters |= {"after": _LAST if after is None else after, "limit": limit}
    types = filters.types
    if query.is_empty:
        return [one for (one,) in sql.rows(_newest_of(types, conditions), parameters | {"types": types})]
    found = _candidates(query, parameters)
    if query.words:
        parameters["words"] = _typed(query.words, types)
        # So many that the newest are soon met; else all of them are looked up in the index of words.
        if _is_frequent(parameters):
            found.append(
                "SELECT w.subject_id FROM indicators_wording w JOIN indicators_subject s ON s.id = w.subject_id"
                f" WHERE w.words @@ %(words)s::tsquery AND {' AND '.join([*conditions, _of_types(types, parameters)])}"
                " ORDER BY w.subject_id DESC LIMIT %(limit)s"
            )
        else:
            found.append(f"{_BY_WORDS} AND subject_id < %(after)s LIMIT {_FREQUENT}")
    if not found:
        return []
    conditions.append(_of_types(types, parameters))
    statement = (
        f"{_with(found)} SELECT s.id FROM any_of JOIN indicators_subject s ON s.id = any_of.id"
        f" WHERE {' AND '.join(conditions)} ORDER BY s.id DESC LIMIT %(limit)s"
    )
    return [subject_id for (subject_id,) in sql.rows(statement, parameters)]


def overview(query: Query, filters: Filters, *, limit: int) -> dict[str, list[int]]:
    """The newest subjects that a search finds of each `Kind`, by its slug; `TooBroad`.

    Of words that stand in very many subjects the newest are met among the last `_RECENT` of all.
    """
    conditions, parameters = filters.conditions()
    conditions.append("s.id < %(after)s")
    parameters |= {"after": _LAST, "limit": limit}
    if query.is_empty:
        statement = " UNION ALL ".join(
            f"(SELECT '{kind.slug}', id FROM ({_newest_of([*kind.types], conditions, f'types_{nth}')}) AS l(id))"
            for nth, kind in enumerate(KINDS)
        )
        parameters |= {f"types_{nth}": [*kind.types] for nth, kind in enumerate(KINDS)}
    else:
        found = _candidates(query, parameters)
        if query.words:
            parameters["words"] = query.words
            found += _of_frequent(query.words, parameters) if _is_frequent(parameters) else [_BY_WORDS]
        if not found:
            return {}
        parameters |= {
            "known": _KNOWN_TYPES,
            "slugs": [_BY_TYPE[one].slug for one in _KNOWN_TYPES],
        }
        statement = (
            f"{_with(found)} SELECT slug, id FROM (SELECT coalesce(k.slug, '{OTHER.slug}') AS slug, s.id, row_number()"
            f" OVER (PARTITION BY coalesce(k.slug, '{OTHER.slug}') ORDER BY s.id DESC) AS nth"
            " FROM any_of JOIN indicators_subject s ON s.id = any_of.id"
            " LEFT JOIN unnest(%(known)s::text[], %(slugs)s::text[]) AS k(type, slug) ON k.type = s.object_type"
            f" WHERE {' AND '.join(conditions)}) ranked WHERE nth <= %(limit)s ORDER BY id DESC"
        )
    grouped: dict[str, list[int]] = {kind.slug: [] for kind in (*KINDS, OTHER)}
    for slug, subject_id in sql.rows(statement, parameters):
        grouped[slug].append(subject_id)
    return {slug: sorted(ids, reverse=True) for slug, ids in grouped.items() if ids}


_LAST = 2**63 - 1
_FREQUENT = 20_000
_RECENT = 5_000
_BY_WORDS = "SELECT subject_id FROM indicators_wording WHERE words @@ %(words)s::tsquery"


def _candidates(query: Query, parameters: dict[str, object]) -> list[str]:
    """The queries of all readings but that as words; their parameters go to the others."""
    for reading in query.readings:
        parameters |= reading.parameters
    return [reading.query for reading in query.readings]


def _with(found: Sequence[str]) -> str:
    """All that is found, and what was split off what an identity leads to."""
    united = " UNION ".join(f"(SELECT id FROM ({one}) AS f(id))" for one in found)
    return (
        f"WITH found AS MATERIALIZED ({united}), any_of AS MATERIALIZED (SELECT id FROM found UNION"
        " SELECT c.subject_id FROM indicators_claim c WHERE c.home_id IS NOT NULL"
        " AND c.home_id IN (SELECT id FROM found))"
    )


def _newest_of(types: Sequence[str] | None, conditions: Sequence[str], name: str = "types") -> str:
    """SQL for the newest subjects of some types: each type has its newest at the end of one index."""
    if not types:
        where = " AND ".join(conditions)
        return f"SELECT s.id FROM indicators_subject s WHERE {where} ORDER BY s.id DESC LIMIT %(limit)s"
    return (
        f"SELECT one.id FROM unnest(%({name})s::text[]) AS t(type) CROSS JOIN LATERAL (SELECT s.id"
        f" FROM indicators_subject s WHERE s.object_type = t.type AND {' AND '.join(conditions)}"
        " ORDER BY s.id DESC LIMIT %(limit)s) one ORDER BY one.id DESC LIMIT %(limit)s"
    )


def _of_types(types: Sequence[str] | None, parameters: dict[str, object]) -> str:
    """SQL for "is of these types"; of none of those that are known, if there are none."""
    if types is None:
        return "true"
    parameters["types"] = list(types) or _KNOWN_TYPES
    return "s.object_type = ANY(%(types)s)" if types else "s.object_type <> ALL(%(types)s)"


def _typed(words: str, types: Sequence[str] | None) -> str:
    """Words, narrowed to types by the lexemes that stand for them."""
    if not types:
        return words
    quoted = " | ".join("'=" + one.replace("\\", "").replace("'", "''") + "'" for one in types)
    return f"{words} & ({quoted})"


def _of_frequent(words: str, parameters: dict[str, object]) -> list[str]:
    """What has words that stand in very many: the newest of all, and some of each `Kind`."""
    newest = f"SELECT subject_id, words FROM indicators_wording ORDER BY subject_id DESC LIMIT {_RECENT}"
    found = [f"SELECT subject_id FROM ({newest}) w WHERE w.words @@ %(words)s::tsquery"]
    for nth, kind in enumerate(KINDS):
        parameters[f"words_{nth}"] = _typed(words, kind.types)
        found.append(
            f"SELECT subject_id FROM indicators_wording WHERE words @@ %(words_{nth})s::tsquery LIMIT {_RECENT}"
        )
    return found


def _is_frequent(parameters: Mapping[str, object]) -> bool:
    """Whether words stand in more subjects than are looked up one by one."""
    found = sql.row(f"SELECT count(*) FROM ({_BY_WORDS} LIMIT {_FREQUENT}) w", {"words": parameters["words"]})
    return found is not None and found[0] == _FREQUENT


@dataclass(frozen=True, slots=True)
class InFeed:
    """How a subject stands at one ceiling; `state` is a key of `STATES`, or `waits`."""

    ceiling: int
    published_id: str
    state: str
    sentence: str
    confidence: int | None

    @property
    def audience(self) -> str:
        """The ceiling as people say it."""
        return Tlp(self.ceiling).label

    @property
    def said(self) -> str:
        """Its state as people say it."""
        return {
            "standing": "stands",
            "revoked": "revoked",
            "review": "under review",
            "withheld": "withheld",
            "nowhere": "waits",
        }[self.state]


@dataclass(frozen=True, slots=True)
class Found:
    """A subject as a list shows it; `tlps` are the least and the most restrictive marking of its claims.

    `more_claims`: there are more claims than were looked at.
    """

    id: int
    object_type: str
    community_id: UUID
    community: str
    merged_into: int | None
    title: str
    tlps: list[Tlp]
    sources: list[str]
    claims: int
    more_claims: bool
    first_seen: datetime | None
    last_seen: datetime | None
    live: bool
    feeds: list[InFeed]

    @property
    def kind(self) -> Kind:
        """The group that it is shown in."""
        return kind_of(self.object_type)

    @property
    def tlp(self) -> str:
        """The least and the most restrictive marking of its claims."""
        return " to ".join(str(level.label) for level in self.tlps)

    @property
    def confidence(self) -> int | None:
        """As its widest audience sees it."""
        return next((feed.confidence for feed in self.feeds if feed.confidence is not None), None)


_LOOKED_AT = 200


def shown(subject_ids: Sequence[int]) -> list[Found]:
    """What a list shows of subjects, in their order; four queries however many they are."""
    ids = list(subject_ids)
    if not ids:
        return []
    titles = desk.titles(ids)
    said = {
        row[0]: row[1:]
        for row in sql.rows(
            "SELECT s, count(*), min(tlp), max(tlp), array_agg(DISTINCT o.name), min(first_received_at),"
            " max(received_at), bool_or(live) FROM unnest(%s::int8[]) AS wanted(s) CROSS JOIN LATERAL"
            " (SELECT organization_id, tlp, first_received_at, received_at,"
            "  NOT revoked AND withdrawn_at IS NULL AS live"
            "  FROM indicators_claim WHERE subject_id = s LIMIT %s) c"
            " JOIN accounts_organization o ON o.id = c.organization_id GROUP BY s",
            (ids, _LOOKED_AT),
        )
    }
    feeds = in_feeds(ids)
    places = {
        row[0]: row
        for row in sql.rows(
            "SELECT s.id, s.object_type, s.community_id, c.title, s.merged_into_id FROM indicators_subject s"
            " JOIN accounts_community c ON c.id = s.community_id WHERE s.id = ANY(%s)",
            (ids,),
        )
    }
    found = []
    for one in ids:
        if one not in places:
            continue
        _, object_type, community_id, community, merged_into = places[one]
        count, low, high, sources, first, last, live = said.get(one, (0, None, None, [], None, None, False))
        tlps = [] if low is None else [Tlp(level) for level in dict.fromkeys((low, high))]
        found.append(
            Found(
                id=one,
                object_type=object_type,
                community_id=community_id,
                community=community,
                merged_into=merged_into,
                title=titles.get(one) or f"subject {one}",
                tlps=tlps,
                sources=sorted(sources),
                claims=count,
                more_claims=count == _LOOKED_AT,
                first_seen=first,
                last_seen=last,
                live=bool(live),
                feeds=feeds.get(one, []),
            )
        )
    return found


def in_feeds(subject_ids: Iterable[int]) -> dict[int, list[InFeed]]:
    """How subjects stand at each ceiling, the lowest first."""
    found: dict[int, list[InFeed]] = {}
    for (
        subject_id,
        ceiling,
        published_id,
        stands,
        revoked,
        decision,
        sentence,
        confidence,
        pending,
    ) in sql.rows(
        "SELECT r.subject_id, r.ceiling, r.published_id, r.digest IS NOT NULL, r.revoked, r.decision, r.sentence,"
        " r.confidence, EXISTS (SELECT FROM sharing_review v WHERE v.release_id = r.id AND v.state = 'pending')"
        " FROM sharing_release r WHERE r.subject_id = ANY(%s) ORDER BY r.subject_id, r.ceiling",
        (list(subject_ids),),
    ):
        state = (
            "revoked"
            if revoked
            else "standing"
            if stands
            else "review"
            if pending
            else "withheld"
            if decision == "withhold"
            else "nowhere"
        )
        found.setdefault(subject_id, []).append(InFeed(ceiling, published_id, state, sentence, confidence))
    return found


# --- Prompts by similarity


class NoTemplate(ValueError):
    """Prompts that nothing can be compared with; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Alike:
    """A prompt template that resembles what was asked for; `similarity` 0..1."""

    subject: Found
    similarity: float

    @property
    def percent(self) -> int:
        """The similarity in whole percent."""
        return round(100 * self.similarity)

    @property
    def verdict(self) -> str:
        """What its similarity means (docs/model.md)."""
        if self.similarity >= sketches.SAME:
            return "the same template"
        return "related" if self.similarity >= sketches.RELATED else "weak: look at both"


def alike(prompts: Sequence[str]) -> list[Alike]:
    """The templates that resemble prompts, the closest first. `NoTemplate`.

    Of 20 prompts or more what they have in common is compared, of fewer each. The prompts go nowhere: neither stored
    nor logged, nor sent to the database.
    """
    wanted = [prompt for prompt in prompts if prompt.strip()]
    if not wanted:
        raise NoTemplate("Paste a prompt.")
    if len(wanted) > MOST_PROMPTS:
        raise NoTemplate(f"At most {MOST_PROMPTS} prompts at once, not {len(wanted):,}.")
    made = []
    try:
        if len(wanted) >= templates.MIN_PROMPTS:
            made.append(templates.of_cluster(wanted))
        else:
            made += [templates.known(prompt) for prompt in wanted]
    except (templates.NotACluster, templates.NotText) as error:
        raise NoTemplate(f"{str(error).capitalize()}.") from None
    own = [sketches.compute(template.shingles) for template in made]
    bands = [(band, digest) for sketch in own for band, digest in enumerate(sketches.band_digests(sketch))]
    best: dict[int, float] = {}
    for subject_id, minima in sql.rows(
        "SELECT k.subject_id, k.minima FROM indicators_sketch k WHERE k.subject_id IN (SELECT near.subject_id"
        " FROM accounts_community c CROSS JOIN unnest(%s::int2[], %s::int8[]) AS own(band, digest) CROSS JOIN LATERAL"
        " (SELECT b.subject_id FROM indicators_sketchband b WHERE b.community_id = c.id AND b.band = own.band"
        "  AND b.digest = own.digest ORDER BY b.tlp, b.subject_id LIMIT 64) near)",
        ([band for band, _ in bands], [digest for _, digest in bands]),
    ):
        similarity = max(sketches.similarity(sketch, bytes(minima)) for sketch in own)
        if similarity >= LOWEST:
            best[subject_id] = similarity
    closest = sorted(best, key=lambda one: (-best[one], one))[:PAGE]
    return [Alike(found, best[found.id]) for found in shown(closest)]
