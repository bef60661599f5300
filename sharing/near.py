"""What is near a thing: the subjects that an analyst should look at before saying or deciding it.

One query for the page of a case and for whoever writes. Near is what watches the same network, one inside it or one
around it; the same domain, one below it or one above it; the same AS number; the same hash, URL, account or blinded
value; and a prompt template that resembles it, or one that it names. The closest come first, and how many are looked
at does not grow with how many there are.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any
from uuid import UUID

from accounts import sql
from indicators import terms
from indicators.allowlists.watched import Value, shown, watched
from indicators.stix.objects import known_by

#: So many values of a kind are asked for, the first in their order: as many as a pattern has comparisons.
MOST_ASKED = 256
#: So many subjects are looked at by all values of a kind together.
_LOOKED_AT = 4_000
#: Of a network wider than this is not asked what lies in it: by IP version, in bits.
_WIDEST = {4: 8, 6: 16}
_MOST_SENTENCES = 3
_MOST_NAMED = 4
_LONGEST_VALUE = 80


@dataclass(frozen=True, slots=True)
class Near:
    """Another subject, what people know it by, and why it is near."""

    subject_id: int
    title: str
    why: str


def near_to(
    obj: Mapping[str, Any] | None, *, community_id: UUID, ceiling: int, subject_id: int | None, most: int
) -> list[Near]:
    """The subjects of a community that are near a valid STIX object, the closest first: one query.

    Claims above `ceiling` take no part: who is near by them alone is not there. `subject_id`: the object's own, if it
    has one. None of it is near that subject itself, or anything that was merged into another.
    """
    asked = _asked({} if obj is None else obj)
    found = sql.rows(
        _NEAR,
        asked.parameters
        | {"community": community_id, "ceiling": ceiling, "subject": subject_id, "most": 2 * most},
    )
    near = []
    for other, links, bodies in found:
        said = [json.loads(bytes(body)) for body in bodies]
        # What is merged may watch what this audience does not see; what was erased says nothing any more.
        why = _why(links, [one for one in said if not one.keys() <= {"type", "id"}], asked.exact)
        if why:
            near.append(Near(other, known_by(said[0]), why))
    return near[:most]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What is looked for: `exact` values by their digest, and all of it as the query's parameters."""

    exact: Mapping[int, str]
    parameters: dict[str, Any]


def _asked(obj: Mapping[str, Any]) -> _Asked:
    values = sorted(watched(obj), key=str) if obj else []
    networks = [one for one in values if not isinstance(one, str | int)][:MOST_ASKED]
    domains = [one for one in values if isinstance(one, str)][:MOST_ASKED]
    asns = [one for one in values if isinstance(one, int)][:MOST_ASKED]
    exact = {terms.digest(one): one for one in sorted(terms.exact(obj) if obj else ())[:MOST_ASKED]}
    names = [(name, domain, up) for domain in domains for up, name in enumerate(_upwards(domain))]
    return _Asked(
        exact,
        {
            "networks": [str(one) for one in networks],
            "blocks": [
                str(one) for one in networks if _WIDEST[one.version] <= one.prefixlen < one.max_prefixlen
            ],
            "names": [name for name, _, _ in names],
            "askers": [domain for _, domain, _ in names],
            "ups": [up for _, _, up in names],
            "parents": [one for one in domains if "." in one],
            "asns": asns,
            "terms": list(exact),
            "each": _LOOKED_AT // max(1, len(networks), len(names), len(asns), len(exact)),
            "looked_at": _LOOKED_AT,
        },
    )


def _upwards(domain: str) -> Iterable[str]:
    """A domain and those above it of two labels or more: what is above is everybody's."""
    yield domain
    labels = domain.split(".")
    yield from (".".join(labels[cut:]) for cut in range(1, len(labels) - 1))


def _why(links: Sequence[Sequence[str]], said: Sequence[Mapping[str, Any]], exact: Mapping[int, str]) -> str:
    """Why a subject is near, by what these objects about it say; empty if they say nothing of it."""
    values = {value for one in said for value in watched(one)}
    digests = {terms.digest(value) for one in said for value in terms.terms(one)}
    same: list[str] = []
    other: list[str] = []
    for kind, asked, told in links:
        if kind == "likeness":
            other.append(told)
        elif kind == "term":
            same += [exact[int(told)]] if int(told) in digests else []
        elif (value := _READ[kind](told)) in values:
            if asked == told:
                same.append(shown(value))
            else:
                other.append(_relation(kind, value, _READ[kind](asked)))
    sentences = [f"names {_listed(same)} too"] if same else []
    sentences += dict.fromkeys(other)
    more = len(sentences) - _MOST_SENTENCES
    return "; ".join([*sentences[:_MOST_SENTENCES], *([f"and {more} more"] if more > 0 else [])])


def _listed(values: Iterable[str]) -> str:
    listed = sorted(set(values))
    cut = [
        one if len(one) <= _LONGEST_VALUE else f"{one[: _LONGEST_VALUE - 1]}…" for one in listed[:_MOST_NAMED]
    ]
    more = len(listed) - _MOST_NAMED
    return ", ".join([*cut, *([f"{more} more"] if more > 0 else [])])


def _relation(kind: str, one: Value, asked: Value) -> str:
    if kind == "domain":
        below, above = sorted((str(one), str(asked)), key=len, reverse=True)
        return f"{below} is below {above}"
    assert isinstance(one, IPv4Network | IPv6Network)
    assert isinstance(asked, IPv4Network | IPv6Network)
    inner, outer = sorted((one, asked), key=lambda network: -network.prefixlen)
    return f"{shown(inner)} lies in {shown(outer)}"


_READ: Mapping[str, Any] = {"network": ip_network, "domain": str, "asn": int}

# Each value is looked up in an index by itself (LATERAL), and only so many of what it meets are looked at. A subquery
# in WHERE is no join: who may be seen is asked one by one, the closest first, until there are enough.
_NEAR = """
WITH met AS MATERIALIZED (
    SELECT o.subject_id AS id, (masklen(asked.network) - masklen(o.network))::float8 AS distance,
      'network' AS kind, asked.network::text AS asked, o.network::text AS told
    FROM unnest(%(networks)s::cidr[]) AS asked(network) CROSS JOIN LATERAL (
      SELECT subject_id, network FROM indicators_observable WHERE network IS NOT NULL AND network >>= asked.network
      ORDER BY masklen(network) DESC LIMIT %(each)s) o
  UNION ALL
    SELECT o.subject_id, masklen(o.network) - masklen(asked.network), 'network', asked.network::text, o.network::text
    FROM unnest(%(blocks)s::cidr[]) AS asked(network) CROSS JOIN LATERAL (
      SELECT subject_id, network FROM indicators_observable WHERE network IS NOT NULL AND network << asked.network
      ORDER BY masklen(network) LIMIT %(each)s) o
  UNION ALL
    SELECT o.subject_id, asked.up, 'domain', asked.domain, asked.name
    FROM unnest(%(names)s::text[], %(askers)s::text[], %(ups)s::int4[]) AS asked(name, domain, up)
    CROSS JOIN LATERAL (
      SELECT subject_id FROM indicators_observable
      WHERE domain IS NOT NULL AND (reverse('.' || domain) COLLATE "C") = reverse('.' || asked.name) LIMIT %(each)s) o
  UNION ALL
    SELECT o.subject_id, length(o.domain) - length(replace(o.domain, '.', ''))
      - length(asked.domain) + length(replace(asked.domain, '.', '')), 'domain', asked.domain, o.domain
    FROM unnest(%(parents)s::text[]) AS asked(domain) CROSS JOIN LATERAL (
      SELECT subject_id, domain FROM indicators_observable WHERE domain IS NOT NULL
      AND (reverse('.' || domain) COLLATE "C") > reverse('.' || asked.domain)
      AND (reverse('.' || domain) COLLATE "C") < reverse('/' || asked.domain)
      ORDER BY (reverse('.' || domain) COLLATE "C") LIMIT %(each)s) o
  UNION ALL
    SELECT o.subject_id, 0, 'asn', asked.asn::text, asked.asn::text
    FROM unnest(%(asns)s::int8[]) AS asked(asn) CROSS JOIN LATERAL (
      SELECT subject_id FROM indicators_observable WHERE asn IS NOT NULL AND asn = asked.asn LIMIT %(each)s) o
  UNION ALL
    -- A value stays with the subject of its identity, wherever the journal has its claims count.
    SELECT place.id, 0, 'term', asked.digest::text, asked.digest::text
    FROM unnest(%(terms)s::int8[]) AS asked(digest) CROSS JOIN LATERAL (
      SELECT subject_id FROM indicators_term WHERE digest = asked.digest LIMIT %(each)s) t
    CROSS JOIN LATERAL (
      SELECT t.subject_id UNION SELECT subject_id FROM indicators_claim WHERE home_id = t.subject_id) place(id)
), template AS (
    SELECT %(subject)s::int8 AS id, 'it' AS said
  UNION
    SELECT s.id, 'a prompt template that it names' FROM met JOIN indicators_subject s ON s.id = met.id
    WHERE met.kind = 'term' AND s.object_type = 'prompt-template' AND s.id IS DISTINCT FROM %(subject)s::int8
), near AS MATERIALIZED (
    SELECT id, min(distance) AS distance, count(*) AS links,
      jsonb_agg(jsonb_build_array(kind, asked, told) ORDER BY distance, told) AS told
    FROM (
        SELECT * FROM met
      UNION ALL
        -- Only as far as both are known by sketches that may be seen.
        SELECT other.id, 1 - l.similarity, 'likeness', '',
          'resembles ' || t.said || ': ' || round(l.similarity::numeric, 2) || ', ' || l.state
        FROM template t JOIN indicators_likeness l ON l.first_id = t.id OR l.second_id = t.id
        CROSS JOIN LATERAL (SELECT CASE WHEN l.first_id = t.id THEN l.second_id ELSE l.first_id END) other(id)
        WHERE (SELECT count(*) FROM indicators_sketch k
          WHERE k.subject_id IN (l.first_id, l.second_id) AND k.tlp <= %(ceiling)s) = 2
    ) link WHERE id IS DISTINCT FROM %(subject)s::int8 GROUP BY id
), seen AS (
    SELECT * FROM (SELECT * FROM near ORDER BY distance, links DESC, id DESC LIMIT %(looked_at)s) near
    WHERE (SELECT s.community_id = %(community)s AND s.merged_into_id IS NULL FROM indicators_subject s
      WHERE s.id = near.id)
    AND (SELECT true FROM indicators_claim c WHERE c.subject_id = near.id AND c.tlp <= %(ceiling)s LIMIT 1)
    ORDER BY distance, links DESC, id DESC LIMIT %(most)s
)
SELECT seen.id, seen.told, ARRAY(
    SELECT said.body FROM (
        SELECT DISTINCT ON (coalesce(c.home_id, c.subject_id)) c.body, c.erased_at, c.first_received_at, c.id
        FROM indicators_claim c WHERE c.subject_id = seen.id AND c.tlp <= %(ceiling)s
        ORDER BY coalesce(c.home_id, c.subject_id), c.erased_at IS NOT NULL, c.first_received_at, c.id) said
    ORDER BY said.erased_at IS NOT NULL, said.first_received_at, said.id LIMIT 8)
FROM seen ORDER BY seen.distance, seen.links DESC, seen.id DESC
"""
