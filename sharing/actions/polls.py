"""Polls: how far each token has read each collection, noted by the reads themselves and hardly felt by them.

Each process remembers what it noted last. It writes when a reader comes to the head after it was behind, and otherwise
at most once in `GRAIN`: a crawl or a busy poller costs a row version a quarter of a minute. So what stands in the table
is exact at the head, and some seconds old in the middle of a crawl; a process that ends loses no more than that.
"""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock
from uuid import UUID

import psycopg
import structlog

from accounts import sql

log = structlog.get_logger(__name__)

GRAIN = timedelta(seconds=15)
"""How old the row of a reader who goes on reading may be."""
_MOST_REMEMBERED = 10_000


@dataclass(slots=True)
class _Noted:
    """What was written last of one reader in one collection, and how many objects it was given since."""

    written_at: datetime
    added: int
    at_head: bool
    objects: int = 0


class PollMemory:
    """What one process noted, by token and collection; who reads no more is forgotten first. Safe between threads."""

    def __init__(self) -> None:
        self._noted: OrderedDict[tuple[UUID, UUID], _Noted] = OrderedDict()
        self._lock = Lock()

    def due(
        self, token_id: UUID, collection_id: UUID, *, added: int, at_head: bool, objects: int, now: datetime
    ) -> int | None:
        """How many objects to write, those not yet written among them; None if it is too early to write."""
        with self._lock:
            held = self._noted.get((token_id, collection_id))
            if held is None:
                self._noted[token_id, collection_id] = _Noted(now, added, at_head)
                if len(self._noted) > _MOST_REMEMBERED:
                    self._noted.popitem(last=False)
                return objects
            self._noted.move_to_end((token_id, collection_id))
            held.objects += objects
            arrived = at_head and (not held.at_head or added > held.added)
            if not arrived and now - held.written_at < GRAIN:
                return None
            total, held.objects = held.objects, 0
            held.written_at, held.added, held.at_head = now, max(held.added, added), at_head
            return total


_memory = PollMemory()


def note(
    *, token_id: UUID, collection_id: UUID, added: int, at_head: bool, objects: int, now: datetime
) -> None:
    """A token was given all that was `added` (µs) up to then and that it asked for; `at_head`: and there is no more.

    What it was given earlier stays given: who reads again from the start falls not behind.
    """
    total = _memory.due(token_id, collection_id, added=added, at_head=at_head, objects=objects, now=now)
    if total is None:
        return
    try:
        sql.execute(
            _NOTE,
            {
                "token": token_id,
                "collection": collection_id,
                "added": added,
                "at_head": at_head,
                "objects": total,
                "now": now,
            },
        )
    except psycopg.Error as error:
        # Whoever reads must not miss a page for it: the token may just have gone, or the disk be full.
        log.warning("poll_not_noted", error=type(error).__name__)


# Nobody waits for the disk: a crash of the database may cost the last instants of it.
_NOTE = """
WITH quick AS (SELECT set_config('synchronous_commit', 'off', TRUE))
INSERT INTO sharing_poll AS p (token_id, collection_id, added, at_head, objects_given, polled_at)
SELECT %(token)s, %(collection)s, %(added)s, %(at_head)s, %(objects)s, %(now)s FROM quick
ON CONFLICT (token_id, collection_id) DO UPDATE SET added = greatest(p.added, excluded.added),
    at_head = excluded.at_head, objects_given = p.objects_given + excluded.objects_given,
    polled_at = greatest(p.polled_at, excluded.polled_at)
"""
