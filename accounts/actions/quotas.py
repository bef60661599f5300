"""Quotas: how much a token may submit. A token bucket for each, filled evenly, kept in the database for all processes.

A bucket holds at most the whole quota, so a quiet token may send that much at once. What needs more than is there is
refused and costs nothing; what is larger than the whole quota passes when the bucket is full, and leaves a debt.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import connection

from accounts import sql


@dataclass(frozen=True, slots=True)
class Level:
    """One quota: its limit for each window (seconds), and how much of it is left."""

    name: str
    limit: int
    window: int
    left: float

    def wait(self, cost: float) -> int:
        """Whole seconds until `cost` can be paid."""
        missing = min(cost, self.limit) - self.left
        return max(0, math.ceil(missing * self.window / self.limit))


@dataclass(frozen=True, slots=True)
class Levels:
    """The three quotas of a token."""

    requests: Level
    objects: Level
    bytes: Level

    def __iter__(self) -> Iterator[Level]:
        return iter((self.requests, self.objects, self.bytes))


class OverQuota(Exception):
    """A quota is used up: which, and in how many seconds what was asked for fits again."""

    def __init__(self, level: Level, levels: Levels, retry_after: int) -> None:
        unit = {60: "a minute", 3600: "an hour"}[level.window]
        super().__init__(
            f"This token may submit {level.limit:,} {level.name} {unit}, and that is used up;"
            f" try again in {retry_after} seconds."
        )
        self.level = level
        self.levels = levels
        self.retry_after = retry_after


_WINDOWS = {"requests": 60, "objects": 3600, "bytes": 3600}
_LIMITS = """
    SELECT id, coalesce(requests_per_minute, %(requests_limit)s)::float8 AS requests,
        coalesce(objects_per_hour, %(objects_limit)s)::float8 AS objects,
        coalesce(bytes_per_hour, %(bytes_limit)s)::float8 AS bytes
    FROM accounts_token WHERE id = %(token)s
"""


def _ahead(now: str) -> str:
    """SQL for whether a bucket comes from a future that no difference of clocks explains."""
    return f"a.as_of > {now} + interval '1 hour'"


def _filled(name: str, limit: str, now: str) -> str:
    """SQL for what a bucket holds now. Clocks of several machines may differ: no bucket goes back in time.

    Where one was set back by more than an hour, the bucket is full: nobody waits for the time that it had shown.
    """
    seconds = f"(CASE WHEN {_ahead(now)} THEN 3600 ELSE greatest(extract(epoch FROM {now} - a.as_of), 0) END)::float8"
    return f"least({limit}, a.{name}_left + {limit} * {seconds} / {_WINDOWS[name]})"


# EXCLUDED is a full bucket after paying, so EXCLUDED and the cost make the limit.
_NOW = {name: _filled(name, f"(EXCLUDED.{name}_left + %({name})s)", "EXCLUDED.as_of") for name in _WINDOWS}
_CHARGE = f"""
WITH limits AS ({_LIMITS}), charged AS (
    INSERT INTO accounts_allowance AS a
        (token_id, requests_left, objects_left, bytes_left, as_of, over_quota, turned_away)
    SELECT id, requests - %(requests)s, objects - %(objects)s, bytes - %(bytes)s, %(now)s, 0, 0
    FROM limits, (SELECT set_config('synchronous_commit', %(commit)s, true)) setting
    ON CONFLICT (token_id) DO UPDATE SET
        {", ".join(f"{name}_left = {now} - %({name})s" for name, now in _NOW.items())},
        as_of = CASE WHEN {_ahead("EXCLUDED.as_of")} THEN EXCLUDED.as_of ELSE greatest(a.as_of, EXCLUDED.as_of) END
    WHERE {" AND ".join(f"{now} >= least(%({name})s, EXCLUDED.{name}_left + %({name})s)" for name, now in _NOW.items())}
    RETURNING requests_left, objects_left, bytes_left
)
SELECT l.requests, c.requests_left, l.objects, c.objects_left, l.bytes, c.bytes_left FROM charged c, limits l
"""
_LEVELS = f"""
WITH l AS ({_LIMITS})
SELECT {", ".join(f"l.{name}, {_filled(name, f'l.{name}', '%(now)s')}" for name in _WINDOWS)}
FROM accounts_allowance a JOIN l ON l.id = a.token_id
"""


def charge(
    *, token_id: UUID, now: datetime, requests: int = 0, objects: int = 0, size: int = 0
) -> Levels | None:
    """Take from a token's buckets, and what is left then; `OverQuota`, and nothing is taken, if one holds too little.

    `size` in bytes. None for a token that is gone. Inside a transaction the buckets stay locked until its end.
    """
    cost = {"requests": float(requests), "objects": float(objects), "bytes": float(size)}
    parameters: dict[str, object] = {
        "token": token_id,
        "now": now,
        "requests_limit": settings.QUOTA_REQUESTS_PER_MINUTE,
        "objects_limit": settings.QUOTA_OBJECTS_PER_HOUR,
        "bytes_limit": settings.QUOTA_BYTES_PER_HOUR,
    }
    # On its own it need not wait for the disk: a crash gives back what it took. With a submission it must.
    commit = "on" if connection.in_atomic_block else "off"
    found = sql.row(_CHARGE, parameters | cost | {"commit": commit})
    if found is not None:
        return _levels(found)
    found = sql.row(_LEVELS, parameters)
    if found is None:
        return None
    levels = _levels(found)
    waits = {level.name: level.wait(cost[level.name]) for level in levels}
    scarce = max(levels, key=lambda level: waits[level.name])
    # Rounded up; the bucket may have filled meanwhile.
    raise OverQuota(scarce, levels, max(1, waits[scarce.name]))


def mark_refused(*, token_id: UUID, high_water: bool = False) -> None:
    """Count a refusal for the operator; outside of the transaction that the refusal rolled back."""
    column = "turned_away" if high_water else "over_quota"
    sql.execute(f"UPDATE accounts_allowance SET {column} = {column} + 1 WHERE token_id = %s", (token_id,))


def _levels(found: sql.Row) -> Levels:
    requests, objects, size = (
        Level(name, int(found[2 * place]), window, found[2 * place + 1])
        for place, (name, window) in enumerate(_WINDOWS.items())
    )
    return Levels(requests, objects, size)
