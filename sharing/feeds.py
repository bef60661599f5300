"""How the feeds fare: how long each is, how fast it grows, and how far behind each of its readers is.

Behind is the head's index less that of the last entry that was given: entries, not time; the age of the oldest that was
not given says the time. Both are told from one range of one index, however long the log is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from accounts import sql
from accounts.models import Tlp
from indicators.stix.timestamps import micros_of, moment_of
from sharing.access import MAY


@dataclass(frozen=True, slots=True)
class Feed:
    """A collection that is read: `length` is its entries, `today` those since midnight UTC."""

    id: UUID
    community_id: UUID
    community: str
    community_slug: str
    alias: str
    title: str
    kind: str
    ceiling: int
    length: int
    today: int
    last_added: int

    @property
    def last_added_at(self) -> datetime | None:
        """When its head was added; None of an empty one."""
        return moment_of(self.last_added) if self.length else None

    @property
    def tlp(self) -> str:
        """Its ceiling, as people write it."""
        return Tlp(self.ceiling).label


@dataclass(frozen=True, slots=True)
class Reader:
    """A token that may read a feed, and how far it has come; `polled_at` is None where it never asked.

    `behind` is in entries; `missed` is when the oldest entry that it was not given was added, in µs.
    """

    feed_id: UUID
    organization: str
    token_id: UUID
    token: str
    at_head: bool
    polled_at: datetime | None
    objects_given: int
    behind: int
    missed: int | None

    @property
    def waits_since(self) -> datetime | None:
        """Since when something has waited for it."""
        return None if self.missed is None else moment_of(self.missed)

    def lag(self, now: datetime) -> timedelta:
        """For how long something has waited for it."""
        since = self.waits_since
        return timedelta(0) if since is None else max(timedelta(0), now - since)


_FEEDS = """
SELECT k.id, c.id, c.title, c.slug, k.alias, k.title, k.kind, k.ceiling, k.next_index,
       k.next_index - coalesce((SELECT e.index FROM sharing_entry e WHERE e.collection_id = k.id
                                AND e.added >= %(midnight)s ORDER BY e.added LIMIT 1), k.next_index),
       k.last_added
FROM {}
"""
_ALL = "sharing_collection k JOIN accounts_community c ON c.id = k.community_id"
_ORDER = " ORDER BY c.title, k.kind, k.ceiling, k.alias"


def feeds(*, now: datetime) -> list[Feed]:
    """The feeds of all communities."""
    return [
        Feed(*row)
        for row in sql.rows(
            _FEEDS.format(_ALL) + " WHERE k.kind = 'feed'" + _ORDER, {"midnight": _midnight(now)}
        )
    ]


def feeds_of(organization_id: UUID, *, now: datetime) -> list[Feed]:
    """The collections that one organisation may read: feeds and open ones, not its inbox."""
    return [
        Feed(*row)
        for row in sql.rows(
            _FEEDS.format(MAY)
            + " WHERE m.organization_id = %(organization)s AND g.can_read AND k.kind <> 'inbox'"
            + _ORDER,
            {"midnight": _midnight(now), "organization": organization_id},
        )
    ]


# Who may read: a live token with the scope, of a member with a grant. The lateral is one step in one index.
_READERS = f"""
SELECT k.id, o.name, t.id, t.name, coalesce(p.at_head, FALSE), p.polled_at, coalesce(p.objects_given, 0),
       CASE WHEN missed.index IS NULL THEN 0 ELSE k.next_index - missed.index END, missed.added
FROM {MAY}
JOIN accounts_organization o ON o.id = m.organization_id
JOIN accounts_token t ON t.organization_id = o.id AND 'feed:read' = ANY(t.scopes) AND t.revoked_at IS NULL
     AND (t.expires_at IS NULL OR t.expires_at > %(now)s)
LEFT JOIN sharing_poll p ON p.token_id = t.id AND p.collection_id = k.id
LEFT JOIN LATERAL (SELECT e.index, e.added FROM sharing_entry e WHERE e.collection_id = k.id
                   AND e.added > coalesce(p.added, -1) ORDER BY e.added LIMIT 1) missed ON TRUE
WHERE k.id = ANY(%(feeds)s) AND g.can_read
"""


def readers(feed_ids: Sequence[UUID], *, now: datetime) -> list[Reader]:
    """All who may read these feeds: for the operator's eyes. Those furthest behind first, who never asked last."""
    return _readers(
        _READERS + " ORDER BY p.polled_at IS NULL, missed.added NULLS LAST, o.name, t.name, k.id",
        {"feeds": list(feed_ids), "now": now},
    )


def readers_of(organization_id: UUID, feed_ids: Sequence[UUID], *, now: datetime) -> list[Reader]:
    """One organisation's own tokens, and how far each has read these feeds."""
    return _readers(
        _READERS + " AND o.id = %(organization)s ORDER BY t.name, k.id",
        {"feeds": list(feed_ids), "now": now, "organization": organization_id},
    )


def _readers(query: str, parameters: dict[str, object]) -> list[Reader]:
    return [Reader(*row) for row in sql.rows(query, parameters)]


def _midnight(now: datetime) -> int:
    start = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return micros_of(start)
