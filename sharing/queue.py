"""The review queue: cases by filters, sorted, page by page; constant in its queries, whatever its length.

A page begins after the case that the last one ended with (keyset), so it costs the same at the end of the queue.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from accounts import sql
from accounts.models import Tlp
from sharing.desk import subjects_named
from sharing.models import ReviewState

PAGE = 50
MOST_COUNTED = 1000
"""Counted no further, and so many are decided at once."""

SORTS = {
    "newest": ("v.id", "DESC"),
    "oldest": ("v.id", "ASC"),
    "confidence": ("v.confidence", "DESC"),
    "doubt": ("v.confidence", "ASC"),
    "blast": ("v.blast_radius", "DESC"),
}


class InvalidFilter(ValueError):
    """A filter that cannot be; the sentence names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which cases, and in which order; what is empty filters nothing.

    `age` in whole days at least; `since` and `until`: when it was opened (ISO 8601), as the home page links;
    confidences 0 to 100; `two`: it waits for a second person; `mine`: the member decided, seconded, proposed or looks
    at it.
    """

    state: str = ReviewState.PENDING
    community: str = ""
    ceiling: str = ""
    reason: str = ""
    type: str = ""
    source: str = ""
    age: str = ""
    since: str = ""
    until: str = ""
    least: str = ""
    most: str = ""
    q: str = ""
    two: str = ""
    mine: str = ""
    sort: str = "newest"

    @classmethod
    def of(cls, asked: Mapping[str, str]) -> "Filters":
        """The filters in the query of an address; what cannot be is refused where they are used."""
        said = {field.name: asked.get(field.name, "").strip() for field in fields(cls)}
        # As the theme's own lists call it.
        said["state"] = said["state"] or asked.get("state__exact", "").strip()
        return cls(**{name: value for name, value in said.items() if value})

    @property
    def query(self) -> str:
        """The query of an address that says the same."""
        default = Filters()
        said = {field.name: getattr(self, field.name) for field in fields(self)}
        return urlencode({name: value for name, value in said.items() if value != getattr(default, name)})

    @property
    def is_default(self) -> bool:
        """Whether it is the whole queue."""
        return self == Filters(sort=self.sort)


@dataclass(frozen=True, slots=True)
class Row:
    """A case in the queue."""

    id: int
    title: str
    object_type: str
    community: str
    ceiling: int
    reason: str
    sentence: str
    published_id: str
    confidence: int | None
    sources: int
    blast_radius: int
    takes_two: bool
    state: str
    opened_at: datetime
    decided_by: str | None
    proposed_by: str | None
    viewed_by: str | None
    key: int

    @property
    def audience(self) -> str:
        """The most restrictive TLP that it may see."""
        return Tlp(self.ceiling).label

    @property
    def state_label(self) -> str:
        """How it stands, in a word."""
        return ReviewState(self.state).label.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Page:
    """Some cases, and the place to go on from; None at the end."""

    rows: list[Row]
    following: str | None


def page(filters: Filters, *, member_id: int, now: datetime, after: str = "", size: int = PAGE) -> Page:
    """The cases that stand behind a place in the queue; raises `InvalidFilter` for one that is none."""
    rows = _rows(filters, member_id, now, _place(filters, after), size + 1)
    more = len(rows) > size
    rows = rows[:size]
    return Page(rows, f"{rows[-1].key}.{rows[-1].id}" if more else None)


def count(filters: Filters, *, member_id: int, now: datetime) -> int:
    """How many match, at most one more than `MOST_COUNTED`."""
    where, parameters = _where(filters, member_id, now)
    found = sql.row(
        f"SELECT count(*) FROM (SELECT 1 FROM sharing_review v WHERE {where}"
        # As a number: for a parameter, PostgreSQL would plan to read a tenth of them all.
        f" LIMIT {MOST_COUNTED + 1}) AS counted",
        parameters,
    )
    return found[0] if found else 0


def ids(filters: Filters, *, member_id: int, now: datetime) -> list[int]:
    """The cases that match, as many as are decided at once."""
    where, parameters = _where(filters, member_id, now)
    return [
        found
        for (found,) in sql.rows(
            f"SELECT v.id FROM sharing_review v WHERE {where} ORDER BY {_order(filters)} LIMIT {MOST_COUNTED}",
            parameters,
        )
    ]


def following(
    filters: Filters, *, review_id: int, member_id: int, now: datetime, back: bool = False
) -> int | None:
    """The case after (or before) this one in the queue, which it may have left; None at the end."""
    column, _ = SORTS[filters.sort]
    found = sql.row(
        f"SELECT {column}, v.id FROM sharing_review v WHERE v.id = %s",
        (review_id,),
    )
    if found is None:
        return None
    where, parameters = _where(filters, member_id, now)
    beyond, place = _beyond(filters, (found[0], found[1]), back=back)
    next_one = sql.row(
        f"SELECT v.id FROM sharing_review v WHERE {where} AND {beyond}"
        f" ORDER BY {_order(filters, back=back)} LIMIT 1",
        parameters | place,
    )
    return None if next_one is None else next_one[0]


def _rows(
    filters: Filters, member_id: int, now: datetime, after: tuple[int, int] | None, limit: int
) -> list[Row]:
    where, parameters = _where(filters, member_id, now)
    if after is not None:
        beyond, place = _beyond(filters, after)
        where, parameters = f"{where} AND {beyond}", parameters | place
    column, _ = SORTS[filters.sort]
    found = sql.rows(
        f"WITH chosen AS MATERIALIZED (SELECT v.*, {column} AS key, row_number() OVER () AS place FROM ("
        f"   SELECT v.* FROM sharing_review v WHERE {where} ORDER BY {_order(filters)} LIMIT {limit}) v)"
        " SELECT v.id, v.title, v.object_type, c.title, v.ceiling, v.reason, r.sentence, r.published_id,"
        " nullif(v.confidence, -1), r.sources, v.blast_radius, v.blast_radius > v.blast_limit, v.state, v.opened_at,"
        " d.username, p.username, CASE WHEN v.viewed_at > %(now)s - interval '5 minutes' THEN w.username END, v.key"
        " FROM chosen v JOIN sharing_release r ON r.id = v.release_id"
        " JOIN accounts_community c ON c.id = v.community_id"
        " LEFT JOIN accounts_member d ON d.id = v.decided_by_id"
        " LEFT JOIN accounts_member w ON w.id = v.viewed_by_id AND v.state = 'pending'"
        " LEFT JOIN sharing_proposal o ON o.review_id = v.id AND o.state = 'open'"
        " LEFT JOIN accounts_member p ON p.id = o.proposed_by_id ORDER BY v.place",
        parameters | {"now": now},
    )
    return [Row(*row) for row in found]


def _where(filters: Filters, member_id: int, now: datetime) -> tuple[str, dict[str, Any]]:
    """The condition on `sharing_review v`, and its parameters; raises `InvalidFilter`."""
    conditions: list[str] = []
    parameters: dict[str, Any] = {}

    def also(condition: str, **said: Any) -> None:
        conditions.append(condition)
        parameters.update(said)

    if filters.sort not in SORTS:
        raise InvalidFilter(f"sort: one of {', '.join(SORTS)}")
    if filters.state == ReviewState.PENDING:
        # Word for word that of the partial indexes.
        also("v.state = 'pending'")
    elif filters.state != "any":
        if filters.state not in ReviewState.values:
            raise InvalidFilter(f"state: one of {', '.join(ReviewState.values)}, any")
        also("v.state = %(state)s", state=filters.state)
    if filters.community:
        also("v.community_id = %(community)s", community=_uuid("community", filters.community))
    if filters.ceiling:
        also("v.ceiling = %(ceiling)s", ceiling=_number("ceiling", filters.ceiling, 4))
    if filters.reason:
        also("v.reason = %(reason)s", reason=filters.reason)
    if filters.type:
        also("v.object_type = %(type)s", type=filters.type)
    if filters.source:
        also(
            "v.organizations @> ARRAY[%(source)s::uuid]",
            source=_uuid("source", filters.source),
        )
    if filters.age:
        days = _number("age", filters.age, 36500)
        also("v.opened_at <= %(opened)s", opened=now - timedelta(days=days))
    if filters.since:
        also("v.opened_at > %(since)s", since=_moment("since", filters.since))
    if filters.until:
        also("v.opened_at <= %(until)s", until=_moment("until", filters.until))
    if filters.least:
        also("v.confidence >= %(least)s", least=_number("least confidence", filters.least, 100))
    if filters.most:
        also(
            "v.confidence BETWEEN 0 AND %(most_sure)s",
            most_sure=_number("most confidence", filters.most, 100),
        )
    if filters.q:
        if len(filters.q) > 1000:
            raise InvalidFilter("text: 1,000 characters at most")
        also(
            "(v.title ILIKE %(like)s OR v.release_id IN"
            " (SELECT id FROM sharing_release WHERE subject_id = ANY(%(named)s)))",
            like=f"%{_literal(filters.q)}%",
            named=subjects_named(filters.q),
        )
    if filters.two:
        also("v.id IN (SELECT review_id FROM sharing_proposal WHERE state = 'open' AND kind = 'release')")
    if filters.mine:
        also(
            "v.id IN (SELECT id FROM sharing_review WHERE decided_by_id = %(me)s"
            " UNION ALL SELECT id FROM sharing_review WHERE viewed_by_id = %(me)s AND viewed_at > %(fresh)s"
            "   AND state = 'pending'"
            " UNION ALL SELECT review_id FROM sharing_proposal WHERE kind = 'release'"
            "   AND (proposed_by_id = %(me)s OR decided_by_id = %(me)s))",
            me=member_id,
            fresh=now - timedelta(minutes=5),
        )
    return " AND ".join(conditions) or "true", parameters


def _order(filters: Filters, *, back: bool = False) -> str:
    column, direction = SORTS[filters.sort]
    if back:
        direction = "ASC" if direction == "DESC" else "DESC"
    return f"v.id {direction}" if column == "v.id" else f"{column} {direction}, v.id {direction}"


def _beyond(filters: Filters, place: tuple[int, int], *, back: bool = False) -> tuple[str, dict[str, Any]]:
    column, direction = SORTS[filters.sort]
    sign = "<" if (direction == "DESC") != back else ">"
    if column == "v.id":
        return f"v.id {sign} %(place_id)s", {"place_id": place[1]}
    return f"({column}, v.id) {sign} (%(place)s, %(place_id)s)", {"place": place[0], "place_id": place[1]}


def _place(filters: Filters, after: str) -> tuple[int, int] | None:
    if not after:
        return None
    key, _, review_id = after.partition(".")
    try:
        place = int(key), int(review_id)
    except ValueError:
        raise InvalidFilter("after: this is no place in the queue") from None
    if not all(-(2**62) < number < 2**62 for number in place):
        raise InvalidFilter("after: this is no place in the queue")
    return place


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdigit()) or len(text) > 6 or int(text) > most:
        raise InvalidFilter(f"{name}: a whole number from 0 to {most:,}")
    return int(text)


def _moment(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        raise InvalidFilter(f"{name}: a time such as 2026-03-01T12:00:00+00:00")
    return found


def _uuid(name: str, text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise InvalidFilter(f"{name}: choose one from the list") from None


def _literal(text: str) -> str:
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


@dataclass(frozen=True, slots=True)
class Choices:
    """What the filters can be set to."""

    communities: list[tuple[str, str]]
    sources: list[tuple[str, str]]
    ceilings: list[tuple[str, str]]
    reasons: list[str]
    types: list[str]


REASONS = ("rule-none", "below-rule", "blast-radius", "attribution", "detector-limited")
TYPES = (
    *(
        "indicator",
        "campaign",
        "threat-actor",
        "intrusion-set",
        "relationship",
        "sighting",
        "opinion",
        "note",
    ),
    *(
        "infrastructure",
        "malware",
        "tool",
        "attack-pattern",
        "identity",
        "report",
        "observed-data",
        "grouping",
    ),
)


def choices() -> Choices:
    """What there is to filter by."""
    return Choices(
        [
            (str(one), title)
            for one, title in sql.rows("SELECT id, title FROM accounts_community ORDER BY title")
        ],
        [
            (str(one), name)
            for one, name in sql.rows("SELECT id, name FROM accounts_organization ORDER BY name")
        ],
        [(str(level.value), level.label) for level in Tlp if level < Tlp.RED],
        list(REASONS),
        list(TYPES),
    )
