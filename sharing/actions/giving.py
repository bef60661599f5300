"""What every reader was given of every collection, written down before the answer goes out (decision 0042).

Append-only, and for more than the answer: a row says that a reader may be given all of a collection from where it reads
until the end of a lease of some minutes. The next pages cost nothing while that lease covers them. So the record
says more than was given, never less: what no row covers was not given. Whoever asks for single objects is noted
object by object, until that would be too many rows; then a lease of the whole collection is written.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

from accounts import sql
from indicators.stix.timestamps import micros_of
from sharing.models import Way

LEASE = timedelta(minutes=5)
"""How long a row covers what a reader goes on reading."""
MOST_SINGLE = 20
"""So many rows of single objects are written in a lease of one reader in one collection."""
_MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class _Lease:
    """What is written down already of one reader, collection and way; times in µs."""

    ends: datetime
    first: int | None = None
    last: int = -1
    single: set[tuple[int, int]] = field(default_factory=set)

    def covers(self, first: int, last: int) -> bool:
        if (first, last) in self.single:
            return True
        return self.first is not None and self.first <= first and last <= self.last


class GivingMemory:
    """What one process wrote down, by token, collection and way; safe between threads."""

    def __init__(self) -> None:
        self._leases: OrderedDict[tuple[UUID, UUID, str], _Lease] = OrderedDict()
        self._lock = Lock()

    def covers(self, key: tuple[UUID, UUID, str], first: int, last: int, now: datetime) -> bool:
        """Whether a row that holds now covers [first, last]."""
        with self._lock:
            lease = self._leases.get(key)
            return lease is not None and now < lease.ends and lease.covers(first, last)

    def note_range(self, key: tuple[UUID, UUID, str], first: int, last: int, now: datetime) -> None:
        """A row for [first, last] was written that holds for a lease."""
        with self._lock:
            self._keep(key, _Lease(now + LEASE, first, last))

    def singles(self, key: tuple[UUID, UUID, str], now: datetime) -> int:
        """How many rows of single objects were written in the lease that holds now."""
        with self._lock:
            lease = self._leases.get(key)
            return len(lease.single) if lease is not None and now < lease.ends else 0

    def note_single(self, key: tuple[UUID, UUID, str], first: int, last: int, now: datetime) -> None:
        """A row for these alone was written."""
        with self._lock:
            lease = self._leases.get(key)
            if lease is None or now >= lease.ends:
                lease = _Lease(now + LEASE)
            lease.single.add((first, last))
            self._keep(key, lease)

    def forget(self) -> None:
        """As a process that begins."""
        with self._lock:
            self._leases.clear()

    def _keep(self, key: tuple[UUID, UUID, str], lease: _Lease) -> None:
        self._leases[key] = lease
        self._leases.move_to_end(key)
        if len(self._leases) > _MOST_REMEMBERED:
            self._leases.popitem(last=False)


memory = GivingMemory()


def note_range(
    *,
    collection_id: UUID,
    organization_id: UUID,
    token_id: UUID,
    way: Way,
    after: int,
    up_to: int,
    now: datetime,
) -> None:
    """Before a page goes out: its reader reads on from `after` (µs, exclusive), in this answer up to `up_to`.

    Filters are not looked at: all between counts as given. `up_to` is the end of the answer or of the collection.
    """
    key, first = (token_id, collection_id, str(way)), max(after, -1) + 1
    last = max(up_to, first)
    if memory.covers(key, first, last, now):
        return
    # `added` follows the clock, so what is added during the lease is covered too.
    last = max(last, micros_of(now + LEASE))
    _write(collection_id, organization_id, token_id, way, first, last, now, now + LEASE)
    memory.note_range(key, first, last, now)


def note_objects(
    *,
    collection_id: UUID,
    organization_id: UUID,
    token_id: UUID,
    way: Way,
    first: int,
    last: int,
    now: datetime,
) -> None:
    """Before an answer with single objects goes out, which were added from `first` to `last` (µs)."""
    key = (token_id, collection_id, str(way))
    if memory.covers(key, first, last, now):
        return
    if memory.singles(key, now) >= MOST_SINGLE:
        note_range(
            collection_id=collection_id,
            organization_id=organization_id,
            token_id=token_id,
            way=way,
            after=-1,
            up_to=last,
            now=now,
        )
        return
    _write(collection_id, organization_id, token_id, way, first, last, now, now)
    memory.note_single(key, first, last, now)


def note_export(
    *,
    collection_id: UUID,
    organization_id: UUID,
    member: str,
    subject_ids: Sequence[int],
    now: datetime,
) -> None:
    """Before an export of a feed goes out at the desk: a row for each object in it."""
    sql.execute(
        "INSERT INTO sharing_given (collection_id, organization_id, member, way, from_added, to_added, at, until)"
        " SELECT %(collection)s, %(organization)s, %(member)s, 'export', e.added, e.added, %(now)s, %(now)s"
        " FROM sharing_collection k"
        " JOIN sharing_release r ON r.subject_id = ANY(%(subjects)s) AND r.ceiling = k.ceiling"
        " JOIN sharing_entry e ON e.collection_id = k.id AND e.object_id = r.published_id AND e.is_last"
        " WHERE k.id = %(collection)s",
        {
            "collection": collection_id,
            "organization": organization_id,
            "member": member,
            "subjects": list(subject_ids),
            "now": now,
        },
    )


def forget(*, before: datetime) -> int:
    """Rows of what was given before then go; how many."""
    return sql.execute("DELETE FROM sharing_given WHERE until < %s", (before,))


def _write(
    collection_id: UUID,
    organization_id: UUID,
    token_id: UUID,
    way: Way,
    first: int,
    last: int,
    at: datetime,
    until: datetime,
) -> None:
    sql.execute(
        "INSERT INTO sharing_given"
        " (collection_id, organization_id, token_id, member, way, from_added, to_added, at, until)"
        " SELECT %s, %s, %s, '', %s, %s, %s, %s, %s",
        (collection_id, organization_id, token_id, str(way), first, last, at, until),
    )
