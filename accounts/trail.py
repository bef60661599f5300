"""The audit trail read back: its head, and whether the whole chain still says what it said."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import cast

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
