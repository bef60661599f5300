"""The subjects that a search finds: every reading is one bounded, indexed query.

Subjects come newest first, a page after a subject's id (keyset): no page depends on how many there are.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import psycopg
from django.db import connection, transaction

from accounts import sql
from sharing.search.kinds import BY_TYPE, KINDS, OTHER
from sharing.search.reading import Query

PAGE = 50
SECONDS = 5
"""How long a search may take; then it was too broad."""


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
            "known": [*BY_TYPE],
            "slugs": [kind.slug for kind in BY_TYPE.values()],
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
    parameters["types"] = list(types) or [*BY_TYPE]
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
