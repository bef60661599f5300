"""The audit trail read back: what it says, its head, and whether the whole chain still says what it said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any, cast
from uuid import UUID

import psycopg
from django.db import connection, transaction

from accounts import sql
from accounts.chain import EVENT, START, Event, Head, digest_after

_ROWS_AT_ONCE = 2000
_names = count()


class Broken(Exception):
    """The chain does not hold; the message says where first, and what was done there."""


def head() -> Head:
    """The last link; position 0 while there is none."""
    found = sql.row("SELECT position, digest FROM accounts_auditlink ORDER BY position DESC LIMIT 1")
    return Head(0, START) if found is None else Head(found[0], bytes(found[1]))


@dataclass(frozen=True, slots=True)
class _Link:
    """A link with its event, None where that is gone."""

    position: int
    digest: bytes
    event_id: int
    event: Event | None


def verify(*, expected: Head | None = None, progress: Callable[[int, int], None] | None = None) -> Head:
    """Reckon the whole chain again in constant memory; the head, or `Broken`.

    `expected` is a head that was kept elsewhere: only it shows that the end was cut off, or all of it written anew.
    `progress` is told after each batch how many links of how many hold.
    """
    last, total = Head(0, START), head().position
    before = START
    with transaction.atomic():
        for current, following in _pairs(_links()):
            _check(current, following, last, before)
            before, last = last.digest, Head(current.position, current.digest)
            if expected is not None and last.position == expected.position and last != expected:
                raise Broken(
                    f"Position {last.position}, event {current.event_id}: the chain up to here was written anew:"
                    f" its digest is {last.digest.hex()}, not the {expected.digest.hex()} that was kept."
                )
            if progress is not None and last.position % _ROWS_AT_ONCE == 0:
                progress(last.position, max(total, last.position))
    if expected is not None and expected.position > last.position:
        raise Broken(
            f"Position {last.position + 1}: missing: the chain ends at {last.position}, and what was kept says that it"
            f" went on to {expected.position} at least."
        )
    _check_unlinked(last)
    return last


def _check(current: _Link, following: _Link | None, last: Head, before: bytes) -> None:
    """Raise `Broken` unless a link follows the last one; `before` is the digest of the one before that."""
    place = f"Position {last.position + 1}"
    if current.position != last.position + 1:
        raise Broken(
            f"{place}: missing: its link was deleted; the next one is {current.position}, event {current.event_id}."
        )
    place += f", event {current.event_id}"
    if current.event is None:
        raise Broken(f"{place}: missing: the event was deleted from the audit trail.")
    digest = digest_after(last.digest, current.event)
    if digest == current.digest:
        return
    if last.position and digest_after(before, current.event) == current.digest:
        raise Broken(
            f"Position {last.position}: inserted: the event there was put in between; event {current.event_id}"
            " followed what is before it."
        )
    if following is not None and following.event is not None:
        if digest_after(last.digest, following.event) == following.digest:
            raise Broken(
                f"{place}: inserted: event {following.event_id} followed what is before it, and this one was put"
                " in between."
            )
        if digest_after(digest, following.event) == following.digest:
            raise Broken(f"{place}: changed: the event is as it was, but the digest of its link was changed.")
    raise Broken(f"{place}: {_what_was_done(current, last.digest)}")


def _what_was_done(current: _Link, previous: bytes) -> str:
    """Looks for the event that stood here: among all, as where it stands now may be anywhere."""
    assert current.event is not None
    with _streamed(
        f"SELECT {EVENT}, l.position FROM accounts_auditevent e LEFT JOIN accounts_auditlink l ON l.event_id = e.id"
    ) as rows:
        for row in rows:
            event, position = Event(*row[:-1]), row[-1]
            digest = digest_after(previous, event)
            if digest == current.digest:
                where = "has no link any more" if position is None else f"stands at position {position} now"
                return f"reordered: event {event.id} stood here, and {where}."
            if position is None and digest_after(digest, current.event) == current.digest:
                return f"missing: event {event.id} stood before it, and its link was taken out."
    return "changed: it is not what was linked here, or one before it is missing, taken out together with its link."


def _check_unlinked(last: Head) -> None:
    found = sql.row(
        "SELECT e.id FROM accounts_auditevent e WHERE NOT EXISTS"
        " (SELECT 1 FROM accounts_auditlink l WHERE l.event_id = e.id) AND NOT EXISTS"
        " (SELECT 1 FROM accounts_auditpending p WHERE p.event_id = e.id) ORDER BY e.id LIMIT 1"
    )
    if found is not None:
        raise Broken(
            f"Position {last.position + 1}: event {found[0]} was inserted without the service, or its link is missing,"
            " cut off from the end of the chain."
        )


def _links() -> Iterator[_Link]:
    with _streamed(
        f"SELECT l.position, l.digest, l.event_id, {EVENT} FROM accounts_auditlink l"
        " LEFT JOIN accounts_auditevent e ON e.id = l.event_id ORDER BY l.position"
    ) as rows:
        for position, digest, event_id, *event in rows:
            yield _Link(position, bytes(digest), event_id, None if event[0] is None else Event(*event))


def _pairs(links: Iterator[_Link]) -> Iterator[tuple[_Link, _Link | None]]:
    """Each with the one after it."""
    current = next(links, None)
    while current is not None:
        following = next(links, None)
        yield current, following
        current = following


@contextmanager
def _streamed(query: str) -> Iterator[Iterator[sql.Row]]:
    """The rows of a query by a cursor of the server, a batch at a time; inside a transaction."""
    connection.ensure_connection()
    raw = cast("psycopg.Connection[sql.Row]", connection.connection)
    # Two may be open at once.
    with psycopg.ServerCursor(raw, name=f"trail_{next(_names)}") as opened:
        opened.itersize = _ROWS_AT_ONCE
        opened.execute(query.encode(), binary=True)
        yield iter(opened)


@dataclass(frozen=True, slots=True)
class Filters:
    """Which events of the trail are wanted; what is None or empty is not asked for. `until` is exclusive."""

    actor: str = ""
    action: str = ""
    organization_id: UUID | None = None
    target: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """An event as the desk lists it; `position` is its place in the chain, None while it waits for one."""

    id: int
    at: datetime
    actor: str
    organization: str | None
    action: str
    target: str
    detail: dict[str, Any]
    position: int | None


def events(filters: Filters, *, limit: int, before: tuple[datetime, int] | None = None) -> list[Shown]:
    """The newest events that fit, at most `limit`; `before` is (at, id) of the last one of the page before.

    One range of an index, however long the trail is.
    """
    conditions, parameters = ["TRUE"], dict[str, object](limit=limit)
    for condition, name, value in (
        ("e.actor = %(actor)s", "actor", filters.actor),
        ("e.action = %(action)s", "action", filters.action),
        ("e.organization_id = %(organization)s", "organization", filters.organization_id),
        ("e.target = %(target)s", "target", filters.target),
        ("e.at >= %(since)s", "since", filters.since),
        ("e.at < %(until)s", "until", filters.until),
    ):
        if value:
            conditions.append(condition)
            parameters[name] = value
    if before is not None:
        conditions.append("(e.at, e.id) < (%(at)s, %(id)s)")
        parameters |= {"at": before[0], "id": before[1]}
    return [
        Shown(*found)
        for found in sql.rows(
            "SELECT e.id, e.at, e.actor, o.name, e.action, e.target, e.detail, l.position FROM (SELECT * FROM"
            f" accounts_auditevent e WHERE {' AND '.join(conditions)} ORDER BY e.at DESC, e.id DESC LIMIT %(limit)s) e"
            " LEFT JOIN accounts_organization o ON o.id = e.organization_id"
            " LEFT JOIN accounts_auditlink l ON l.event_id = e.id ORDER BY e.at DESC, e.id DESC",
            parameters,
        )
    ]


def actions() -> list[str]:
    """Every action that the trail has, by jumping from one to the next in the index."""
    return [
        found[0]
        for found in sql.rows(
            "WITH RECURSIVE seen AS ((SELECT action FROM accounts_auditevent ORDER BY action LIMIT 1) UNION ALL"
            " SELECT (SELECT action FROM accounts_auditevent WHERE action > seen.action ORDER BY action LIMIT 1)"
            " FROM seen WHERE seen.action IS NOT NULL) SELECT action FROM seen WHERE action IS NOT NULL"
        )
    ]
