"""How many people are behind what indicators name: the table that the operator loads, and what follows from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.allowlists.blast import Estimate, Population, estimate
from indicators.allowlists.populations import Row
from indicators.allowlists.watched import Value, watched


@dataclass(frozen=True, slots=True)
class Loaded:
    """How many populations there are now, and how many there were."""

    rows: int
    before: int


@transaction.atomic
def load(*, rows: Sequence[Row], by: Actor, now: datetime) -> Loaded:
    """Make the table hold exactly these."""
    sql.lock("populations")
    before = sql.execute("DELETE FROM indicators_population")
    sql.copy(
        "indicators_population",
        ("network", "domain", "asn", "users", "kind", "note"),
        ("cidr", "text", "int8", "int8", "varchar", "text"),
        (
            (
                value if isinstance(value, IPv4Network | IPv6Network) else None,
                value if isinstance(value, str) else None,
                value if isinstance(value, int) else None,
                row.population.users,
                row.population.kind,
                row.note,
            )
            for row in rows
            for value in (row.population.value,)
        ),
    )
    record(
        by=by,
        now=now,
        action="populations.load",
        target="populations",
        detail={"rows": len(rows), "before": before},
    )
    return Loaded(len(rows), before)


def estimates(subject_ids: Iterable[int]) -> dict[int, list[Estimate]]:
    """The people behind what these subjects watch, by subject; what watches nothing does not appear."""
    found: dict[int, list[Estimate]] = {}
    for subject_id, *value, network, domain, asn, users, kind, inside in sql.rows(
        _ESTIMATES, {"subjects": list(subject_ids)}
    ):
        holder = None if kind is None else Population(_one(network, domain, asn), users, kind)
        found.setdefault(subject_id, []).append(estimate(_one(*value), holder=holder, inside=inside))
    return found


def _one(network: Value | None, domain: Value | None, asn: Value | None) -> Value:
    value = network if network is not None else domain if domain is not None else asn
    assert value is not None
    return value


# The smallest population around a value; of a network also those within it, without those within those.
_ESTIMATES = """
WITH asked AS MATERIALIZED (
    SELECT subject_id, network, domain, asn FROM indicators_observable WHERE subject_id = ANY(%(subjects)s)
)
SELECT a.subject_id, a.network, NULL::text, NULL::int8, h.network, NULL::text, NULL::int8, h.users, h.kind,
  coalesce(i.users, 0)::int8
FROM asked a
LEFT JOIN LATERAL (
    SELECT p.network, p.users, p.kind FROM indicators_population p WHERE p.network >>= a.network
    ORDER BY masklen(p.network) DESC LIMIT 1
) h ON true
LEFT JOIN LATERAL (
    SELECT sum(p.users) AS users FROM indicators_population p WHERE p.network << a.network AND NOT EXISTS
    (SELECT 1 FROM indicators_population q WHERE q.network >> p.network AND q.network << a.network)
) i ON masklen(a.network) < CASE family(a.network) WHEN 4 THEN 32 ELSE 128 END
WHERE a.network IS NOT NULL
UNION ALL
SELECT a.subject_id, NULL, a.domain, NULL, NULL, h.domain, NULL, h.users, h.kind, 0
FROM asked a LEFT JOIN LATERAL (
    SELECT p.domain, p.users, p.kind FROM string_to_array(a.domain, '.') AS labels
    CROSS JOIN unnest(labels) WITH ORDINALITY AS label(text, cut)
    JOIN indicators_population p ON p.domain = array_to_string(labels[cut:], '.') ORDER BY cut LIMIT 1
) h ON true WHERE a.domain IS NOT NULL
UNION ALL
SELECT a.subject_id, NULL, NULL, a.asn, NULL, NULL, p.asn, p.users, p.kind, 0
FROM asked a LEFT JOIN indicators_population p ON p.asn = a.asn WHERE a.asn IS NOT NULL
"""


def said(obj: Mapping[str, Any], found: Sequence[Estimate]) -> list[Estimate]:
    """Of a subject's estimates those of values that this object about it says itself."""
    if not found:
        return []
    values = watched(obj)
    return [one for one in found if one.value in values]
