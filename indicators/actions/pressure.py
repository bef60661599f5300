"""Back-pressure: a sender beyond its quota waits (429), and all of them while too much waits for ingest (503)."""

import math
import threading
import time
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings

from accounts import sql
from accounts.actions import quotas
from accounts.actions.quotas import Levels

MAX_WAITING = 100_000
"""So many submissions are above the mark, however small they are: counting them must stay cheap."""
BACKLOG = 200
"""From so many on, what comes is ingested in its turn and not told of one by one."""
_REMEMBERED = 1.0
"""Seconds for which a process believes what it counted."""
_RECENT = 60
"""Seconds of ingest from which the rate is told."""
_SHARE = 0.9
"""Those who wait come back when so much of the mark is left."""
_LONGEST = 600


class HighWater(Exception):
    """Too much waits for ingest; `retry_after` (seconds) is when a tenth of it is likely to be worked off."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(
            f"Too much waits for ingest, and nothing is taken now. Try again in {retry_after} seconds."
        )
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True)
class Waiting:
    """What is received and not ingested."""

    submissions: int
    objects: int
    bytes: int

    @property
    def above(self) -> float:
        """Its share of the high-water mark; above 1 nothing more is taken."""
        return max(
            self.submissions / MAX_WAITING,
            self.objects / settings.HIGH_WATER_OBJECTS,
            self.bytes / settings.HIGH_WATER_BYTES,
        )


def waiting(*, most: int = MAX_WAITING) -> Waiting:
    """Count it, up to `most` submissions; the size of a body is told without reading it."""
    found = sql.row(
        "SELECT count(*), coalesce(sum(object_count), 0)::int8, coalesce(sum(size), 0)::int8 FROM ("
        "SELECT object_count, octet_length(body) AS size FROM indicators_submission WHERE state = 'received'"
        " LIMIT %s) waiting",
        (most,),
    )
    return Waiting(*found) if found else Waiting(0, 0, 0)


def is_above_high_water() -> bool:
    """Whether nothing more should be taken in now; counted once a second in each process."""
    return _memory.retry_after() is not None


def is_backlog() -> bool:
    """Whether so many wait, as far as this process counted lately, that one more need not be told of by itself."""
    return _memory.submissions >= BACKLOG and time.monotonic() < _memory.until + _REMEMBERED


def admit(*, token_id: UUID, size: int, now: datetime) -> Levels | None:
    """Let a request with a body of `size` bytes in and charge it; `HighWater` or `OverQuota` if it has to wait."""
    retry_after = _memory.retry_after()
    if retry_after is not None:
        quotas.mark_refused(token_id=token_id, high_water=True)
        raise HighWater(retry_after)
    try:
        return quotas.charge(token_id=token_id, now=now, requests=1, size=size)
    except quotas.OverQuota:
        quotas.mark_refused(token_id=token_id)
        raise


def forget() -> None:
    """Count anew at the next question."""
    _memory.until = 0.0
    _memory.submissions = 0


class _Memory:
    """The last answer of this process."""

    def __init__(self) -> None:
        self.until = 0.0
        self.answer: int | None = None
        self.submissions = 0
        self.lock = threading.Lock()

    def retry_after(self) -> int | None:
        """Seconds to wait, or None below the mark. While one thread counts, the others go by the last answer."""
        if time.monotonic() >= self.until and self.lock.acquire(blocking=False):
            try:
                now = waiting()
                self.submissions = now.submissions
                self.answer = _retry_after(now)
                self.until = time.monotonic() + _REMEMBERED
            finally:
                self.lock.release()
        return self.answer


_memory = _Memory()


def _retry_after(now: Waiting) -> int | None:
    """From what was ingested in the last minute; a minute where that was nothing."""
    if now.above <= 1:
        return None
    found = sql.row(
        "SELECT coalesce(sum(object_count), 0)::int8, coalesce(sum(octet_length(body)), 0)::int8, count(*)"
        " FROM indicators_submission WHERE state = 'ingested' AND ingested_at > now() - %s * interval '1 second'",
        (_RECENT,),
    )
    objects, size, submissions = found or (0, 0, 0)
    done = Waiting(submissions, objects, size).above / _RECENT
    if not done:
        return _RECENT
    return min(_LONGEST, max(1, math.ceil((now.above - _SHARE) / done)))
