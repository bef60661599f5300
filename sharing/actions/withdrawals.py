"""Withdrawals: who had pulled what was erased, their notices, and their acknowledgements.

`publication.withdraw` writes a row for each erased entry. Some seconds later `tell` finds out whom `Given` names for
it, keeps that (`Reached`), and tells each organisation once for each batch: what to delete, with the `withdraw`
statements' openings, so that it can check them against the log. Entries that were moved are said again, and told
to nobody.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.notices import tell, tell_with_operator
from accounts.actor import Actor
from accounts.models import Notice
from indicators.stix.timestamps import micros_of
from sharing.access import MAY
from sharing.actions.publication import origin

KIND = "object.withdrawn"
OVERDUE = "acknowledgement.overdue"
MOST_TOLD = 200
"""So many entries are named in one notice."""
BATCH = 1000
GRACE = timedelta(seconds=5)
"""A page that was read before an erasure was committed is noted by then."""
MOST_REMINDERS = 3
_BY = Actor("service:withdrawals")
_REASONS = {
    "error": "its source deleted it or it must not be published",
    "tlp-change": "its TLP was raised",
    "legal": "a legal order",
    "duplicate": "it was there twice",
}


class NothingToAcknowledge(ValueError):
    """A notice that asks for no acknowledgement."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """An erased entry that nobody was told of yet."""

    index: int
    withdrawn_by: int
    added: int
    at: datetime
    object_id: str
    version: str
    organization_id: UUID | None
    opening: bytes


@dataclass(slots=True)
class _Reader:
    """A reader that had, or may have, an entry: how and from when to when."""

    ways: set[str] = field(default_factory=set)
    first_at: datetime | None = None
    last_at: datetime | None = None

    def add(self, way: str, first: datetime, last: datetime) -> None:
        self.ways.add(way)
        self.first_at = first if self.first_at is None else min(self.first_at, first)
        self.last_at = last if self.last_at is None else max(self.last_at, last)


def is_due(*, now: datetime) -> bool:
    """Whether anything waits to be told, cut out of what was sent, or erased by order."""
    return (
        sql.row(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM sharing_withdrawal WHERE told_at IS NULL AND reason <> 'moved'"
            " AND at <= %s) OR EXISTS (SELECT 1 FROM indicators_pendingerasure)"
            " OR EXISTS (SELECT 1 FROM sharing_erasure WHERE state = 'confirmed')",
            (now - GRACE,),
        )
        is not None
    )


@transaction.atomic
def tell_next(*, now: datetime) -> int:
    """Find out who had pulled some erased entries of one collection, and tell them; how many entries, 0 if none."""
    first = sql.row(
        "SELECT collection_id, reason, erasure_id FROM sharing_withdrawal"
        " WHERE told_at IS NULL AND reason <> 'moved' AND at <= %s"
        " ORDER BY collection_id, index LIMIT 1 FOR UPDATE SKIP LOCKED",
        (now - GRACE,),
    )
    if first is None:
        return 0
    collection_id, reason, erasure_id = first
    entries = [
        _Entry(*found)
        for found in sql.rows(
            "SELECT w.index, w.withdrawn_by, w.added, w.at, w.object_id, w.version, w.organization_id, e.opening"
            " FROM sharing_withdrawal w"
            " JOIN sharing_entry e ON e.collection_id = w.collection_id AND e.index = w.withdrawn_by"
            " WHERE w.collection_id = %s AND w.told_at IS NULL AND w.at <= %s AND w.reason = %s"
            " AND w.erasure_id IS NOT DISTINCT FROM %s ORDER BY w.index LIMIT %s FOR UPDATE OF w SKIP LOCKED",
            (collection_id, now - GRACE, reason, erasure_id, BATCH),
        )
    ]
    readers = _readers(collection_id, entries, now)
    concerned: dict[UUID, list[_Entry]] = {}
    for entry in entries:
        for organization_id in {one[0] for one in readers[entry.index]}:
            # Who deleted what it had posted itself knows.
            if not (reason == "error" and organization_id == entry.organization_id):
                concerned.setdefault(organization_id, []).append(entry)
    notices: dict[tuple[UUID, int], int] = {}
    for organization_id, theirs in concerned.items():
        for start in range(0, len(theirs), MOST_TOLD):
            part = theirs[start : start + MOST_TOLD]
            notice = _tell(collection_id, organization_id, reason, part, now)
            notices |= {(organization_id, entry.index): notice.id for entry in part}
    sql.copy(
        "sharing_reached",
        (
            *("collection_id", "index", "organization_id", "token_id", "member"),
            *("ways", "first_at", "last_at", "notice_id"),
        ),
        ("uuid", "int8", "uuid", "uuid", "text", "text[]", "timestamptz", "timestamptz", "int8"),
        (
            (
                *(collection_id, index, organization_id, token_id, member, sorted(reader.ways)),
                *(reader.first_at, reader.last_at, notices.get((organization_id, index))),
            )
            for index, found in readers.items()
            for (organization_id, token_id, member), reader in found.items()
        ),
    )
    sql.execute(
        "UPDATE sharing_withdrawal SET told_at = %s WHERE collection_id = %s AND index = ANY(%s)",
        (now, collection_id, [entry.index for entry in entries]),
    )
    if concerned:
        record(
            by=_BY,
            now=now,
            action="withdrawal.tell",
            target=f"collection:{collection_id}",
            detail={
                "reason": reason,
                "entries": [entry.index for entry in entries[:MOST_TOLD]],
                "count": len(entries),
                "organizations": sorted(str(one) for one in concerned),
                "erasure": erasure_id,
            },
        )
    return len(entries)


_Who = tuple[UUID, UUID | None, str]
"""An organisation, and its token or member."""


def _readers(collection_id: UUID, entries: Sequence[_Entry], now: datetime) -> dict[int, dict[_Who, _Reader]]:
    """By entry, whom the record names for it; where the record does not reach back so far, all who may read it."""
    readers: dict[int, dict[_Who, _Reader]] = {entry.index: {} for entry in entries}
    given = sql.rows(
        "SELECT organization_id, token_id, member, way, from_added, to_added, at, until FROM sharing_given"
        " WHERE collection_id = %s AND to_added >= %s AND from_added <= %s ORDER BY id",
        (
            collection_id,
            min(entry.added for entry in entries),
            max(entry.added for entry in entries),
        ),
    )
    kept_from = micros_of(now - timedelta(days=settings.PULL_RECORD_DAYS))
    with_access: list[sql.Row] | None = None
    for entry in entries:
        found = readers[entry.index]
        for organization_id, token_id, member, way, low, high, at, until in given:
            # A row that began after the erasure gave something else of that range.
            if low <= entry.added <= high and at <= entry.at + GRACE:
                who = (organization_id, token_id, member)
                found.setdefault(who, _Reader()).add(way, at, min(until, max(at, entry.at)))
        if entry.added < kept_from:
            if with_access is None:
                with_access = sql.rows(
                    f"SELECT m.organization_id FROM {MAY} WHERE k.id = %s AND g.can_read", (collection_id,)
                )
            named = {one[0] for one in found}
            for (organization_id,) in with_access:
                if organization_id not in named:
                    found[organization_id, None, ""] = _Reader()
    return readers


def _tell(
    collection_id: UUID, organization_id: UUID, reason: str, entries: Sequence[_Entry], now: datetime
) -> Notice:
    found = sql.row("SELECT title FROM sharing_collection WHERE id = %s", (collection_id,))
    title = "" if found is None else found[0]
    what = "One object version" if len(entries) == 1 else f"{len(entries)} object versions"
    was = "was" if len(entries) == 1 else "were"
    due = now + timedelta(days=settings.ACKNOWLEDGEMENT_DAYS)
    return tell(
        organization_id=organization_id,
        kind=KIND,
        target=f"object:{entries[0].object_id}" if len(entries) == 1 else f"collection:{collection_id}",
        sentence=f"{what} of {title} {was} withdrawn ({_REASONS.get(reason, reason)}): delete what you keep of it, with"
        f" copies and what you passed on, and acknowledge this by {due:%Y-%m-%d}.",
        now=now,
        detail={
            "collection": str(collection_id),
            "origin": origin(collection_id),
            "reason": reason,
            "due_at": due.isoformat(),
            "withdrawn": [_said(entry) for entry in entries],
        },
        due_at=due,
    )


def _said(entry: _Entry) -> dict[str, object]:
    return {
        "id": entry.object_id,
        "version": entry.version,
        "index": entry.index,
        "withdrawn_by": entry.withdrawn_by,
        "opening": json.loads(entry.opening),
    }


@transaction.atomic
def acknowledge(*, notice_id: int, organization_id: UUID, by: Actor, now: datetime) -> Notice:
    """An organisation says that it did what a notice asks for; once, later words change nothing.

    `Notice.DoesNotExist` for what is not its own, `NothingToAcknowledge`.
    """
    notice = Notice.objects.select_for_update().get(id=notice_id, organization_id=organization_id)
    if notice.due_at is None:
        raise NothingToAcknowledge("this notice asks for no acknowledgement")
    if notice.acknowledged_at is not None:
        return notice
    notice.acknowledged_at, notice.acknowledged_by = now, by.name
    notice.save(update_fields=["acknowledged_at", "acknowledged_by"])
    record(
        by=by,
        now=now,
        action="notice.acknowledge",
        target=f"notice:{notice.id}",
        detail={"kind": notice.kind, "overdue": now > notice.due_at},
    )
    return notice


@transaction.atomic
def remind(*, now: datetime) -> int:
    """Remind organisations of notices that are overdue, and again after as long, three times; how many."""
    found = sql.rows(
        "SELECT id, organization_id, due_at, reminders, target FROM accounts_notice WHERE due_at IS NOT NULL"
        " AND acknowledged_at IS NULL AND reminders < %s AND due_at + reminders * %s <= %s"
        " ORDER BY id LIMIT 500 FOR UPDATE SKIP LOCKED",
        (MOST_REMINDERS, timedelta(days=settings.ACKNOWLEDGEMENT_DAYS), now),
    )
    for notice_id, organization_id, due_at, reminders, target in found:
        sql.execute("UPDATE accounts_notice SET reminders = reminders + 1 WHERE id = %s", (notice_id,))
        tell_with_operator(
            organization_id=organization_id,
            kind=OVERDUE,
            target=f"notice:{notice_id}",
            sentence=f"Notice {notice_id} was to be acknowledged by {due_at:%Y-%m-%d}, and is not yet.",
            now=now,
            detail={"notice": notice_id, "about": target, "reminder": reminders + 1},
        )
    return len(found)


@dataclass(frozen=True, slots=True)
class Told:
    """A line of the report: who had an entry, by which token, from when to when, and whether it said it deleted it."""

    collection: str
    index: int
    object_id: str
    version: str
    reason: str
    withdrawn_at: datetime
    organization: str
    reader: str
    ways: list[str]
    first_at: datetime | None
    last_at: datetime | None
    notice_id: int | None
    told_at: datetime | None
    due_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str

    def is_overdue(self, now: datetime) -> bool:
        """Whether its acknowledgement should be there and is not."""
        return self.due_at is not None and self.acknowledged_at is None and self.due_at < now

    def state(self, now: datetime) -> str:
        """In a word."""
        if self.acknowledged_at is not None:
            return "acknowledged"
        if self.is_overdue(now):
            return "overdue"
        return "told" if self.notice_id is not None else "not told"


COLUMNS = tuple(Told.__slots__)


def report(
    *, erasure_id: int | None = None, entry: tuple[UUID, int] | None = None, limit: int = 100_000
) -> list[Told]:
    """Who had pulled what a legal order erased, or one erased entry, by organisation."""
    condition = "w.erasure_id = %s" if entry is None else "w.collection_id = %s AND w.index = %s"
    parameters: tuple[Any, ...] = (erasure_id,) if entry is None else entry
    return [
        Told(*found)
        for found in sql.rows(
            "SELECT c.slug || '/' || k.alias, w.index, w.object_id, w.version, w.reason, w.at, o.name,"
            " coalesce(t.name, nullif(r.member, ''), ''), r.ways, r.first_at, r.last_at, n.id, n.told_at, n.due_at,"
            " n.acknowledged_at, coalesce(n.acknowledged_by, '') FROM sharing_withdrawal w"
            " JOIN sharing_reached r ON r.collection_id = w.collection_id AND r.index = w.index"
            " JOIN sharing_collection k ON k.id = w.collection_id JOIN accounts_community c ON c.id = k.community_id"
            " JOIN accounts_organization o ON o.id = r.organization_id"
            " LEFT JOIN accounts_token t ON t.id = r.token_id LEFT JOIN accounts_notice n ON n.id = r.notice_id"
            f" WHERE {condition} ORDER BY o.name, o.id, 1, w.index, 8 LIMIT %s",
            (*parameters, limit),
        )
    ]


@transaction.atomic
def note_report(*, by: Actor, target: str, lines: int, now: datetime) -> None:
    """Record that somebody took a report with them."""
    record(by=by, now=now, action="withdrawal.report", target=target, detail={"lines": lines})


@dataclass(frozen=True, slots=True)
class Foreseen:
    """Who would be told if entries were erased now: an organisation, and from when to when it may have had them."""

    organization: str
    reader: str
    collection: str
    first_at: datetime
    last_at: datetime


def foresee(entries: Iterable[tuple[UUID, int]]) -> list[Foreseen]:
    """Who had pulled entries that still stand, given as (collection, added)."""
    pairs = list(entries)
    return [
        Foreseen(*found)
        for found in sql.rows(
            "SELECT o.name, coalesce(t.name, nullif(g.member, ''), ''), c.slug || '/' || k.alias,"
            " min(g.at), max(g.until)"
            " FROM unnest(%s::uuid[], %s::int8[]) AS e(collection_id, added)"
            " JOIN sharing_given g ON g.collection_id = e.collection_id AND e.added BETWEEN g.from_added AND g.to_added"
            " JOIN sharing_collection k ON k.id = g.collection_id JOIN accounts_community c ON c.id = k.community_id"
            " JOIN accounts_organization o ON o.id = g.organization_id"
            " LEFT JOIN accounts_token t ON t.id = g.token_id GROUP BY 1, 2, 3 ORDER BY 1, 3, 2",
            ([collection_id for collection_id, _ in pairs], [added for _, added in pairs]),
        )
    ]
