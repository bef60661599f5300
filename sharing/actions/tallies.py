"""Tallies: what came in and what left, counted by day (UTC) for the charts of the home page.

The logs of feeds are only ever appended to: each is counted on from where the last count ended, in one transaction with
the new position, so that nothing is counted twice or left out, whoever counts and however often. Submissions are
counted anew for every day that was not over at the last count. A page reads some hundred numbers, whatever there is.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from accounts import sql
from indicators.stix.timestamps import micros_of
from sharing.models import Measure

LOOK_BACK = timedelta(days=90)
"""How far back the first count goes."""
BATCH = 5000
_CONFIDENCE_EVERY = timedelta(minutes=10)

WIDEST = (
    "SELECT DISTINCT ON (community_id) id, community_id, ceiling FROM sharing_collection"
    " WHERE kind = 'feed' AND profile = 'full' ORDER BY community_id, ceiling DESC, id"
)
"""SQL for the full feed of the highest ceiling of each community, which shows what was released in it at all."""


def count(*, now: datetime) -> bool:
    """Count on, a batch of each log; whether more is left to count."""
    with transaction.atomic():
        sql.lock("tallies")
        _count_submissions(now)
        _count_confidence(now)
    left = [_count_log(feed_id, now) for feed_id, _, _ in sql.rows(WIDEST)]
    return any(left)


def _count_log(feed_id: UUID, now: datetime) -> bool:
    name = f"log:{feed_id}"
    with transaction.atomic():
        sql.lock("tallies")
        held = sql.row("SELECT position FROM sharing_tally WHERE name = %s", (name,))
        start = _start(feed_id, now) if held is None else held[0]
        found = sql.row(
            "SELECT count(*) FROM (SELECT 1 FROM sharing_entry WHERE collection_id = %s AND index >= %s"
            " ORDER BY index LIMIT %s) AS batch",
            (feed_id, start, BATCH),
        )
        length = found[0] if found else 0
        if length:
            sql.execute(_FROM_LOG, {"feed": feed_id, "start": start, "end": start + length})
        _note(name, start + length, now)
    return bool(length == BATCH)


def _start(feed_id: UUID, now: datetime) -> int:
    """The first index that is not older than what is looked back at."""
    since = micros_of(now - LOOK_BACK)
    found = sql.row(
        "SELECT index FROM sharing_entry WHERE collection_id = %s AND added >= %s ORDER BY added LIMIT 1",
        (feed_id, since),
    )
    if found is None:
        found = sql.row("SELECT next_index FROM sharing_collection WHERE id = %s", (feed_id,))
    return found[0] if found else 0


def _note(name: str, position: int, now: datetime) -> None:
    sql.execute(
        "INSERT INTO sharing_tally (name, position, counted_at) VALUES (%s, %s, %s)"
        " ON CONFLICT (name) DO UPDATE SET position = excluded.position, counted_at = excluded.counted_at",
        (name, position, now),
    )


# Phases are partners' words: all that are no tactic of the catalogue count as one. In canonical JSON the members of a
# phase stand in this order, and what looks like one within a text has its quotes escaped.
_FROM_LOG = r"""
WITH fresh AS MATERIALIZED (
    SELECT (to_timestamp(added / 1000000) AT TIME ZONE 'UTC')::date AS day, index, object_type,
           convert_from(body, 'UTF8') AS body
    FROM sharing_entry WHERE collection_id = %(feed)s AND index >= %(start)s AND index < %(end)s
      AND is_first AND object_type IN ('indicator', 'relationship')
), counted AS (
    SELECT day, 'released' AS measure, '' AS key, count(*) AS count FROM fresh
    WHERE object_type = 'indicator' GROUP BY day
    UNION ALL
    SELECT day, 'technique', 'phase:' || CASE WHEN phase[1] = 'mitre-atlas'
           AND phase[2] IN (SELECT phase FROM indicators_technique) THEN phase[2] ELSE 'other' END,
           count(DISTINCT index)
    FROM fresh, regexp_matches(body, '"kill_chain_name":"([^"\\]+)","phase_name":"([^"\\]+)"', 'g') AS phase
    WHERE object_type = 'indicator' GROUP BY 1, 2, 3
    UNION ALL
    SELECT day, 'technique', 'technique:' || t.object_id, count(*)
    FROM fresh JOIN indicators_technique t ON t.object_id = substring(body FROM '"target_ref":"([^"\\]+)"')
    WHERE object_type = 'relationship' AND body LIKE '%%"relationship_type":"indicates"%%' GROUP BY 1, 2, 3
)
INSERT INTO sharing_dailycount AS c (day, measure, scope, key, count)
SELECT day, measure, %(feed)s, key, count FROM counted
ON CONFLICT (measure, day, scope, key) DO UPDATE SET count = c.count + excluded.count
"""


def _count_submissions(now: datetime) -> None:
    """Anew for every day since the last count; an organisation's submissions are a range of one index."""
    held = sql.row("SELECT counted_at FROM sharing_tally WHERE name = 'submissions'")
    since = now - LOOK_BACK if held is None else held[0]
    sql.execute(
        "INSERT INTO sharing_dailycount (day, measure, scope, key, count)"
        " SELECT s.day, m.measure, s.community_id, o.id::text,"
        " CASE m.measure WHEN 'submissions' THEN s.submissions ELSE s.objects END"
        " FROM accounts_organization o CROSS JOIN LATERAL ("
        " SELECT (received_at AT TIME ZONE 'UTC')::date AS day, community_id, count(*) AS submissions,"
        " sum(object_count) AS objects FROM indicators_submission"
        " WHERE organization_id = o.id AND received_at >= %s AND state <> 'draft' GROUP BY 1, 2) s"
        " CROSS JOIN (VALUES ('submissions'), ('objects')) AS m (measure)"
        " ON CONFLICT (measure, day, scope, key) DO UPDATE SET count = excluded.count",
        (_midnight(since),),
    )
    _note("submissions", 0, now)


def _count_confidence(now: datetime) -> None:
    """How confident the service is in what stands now, in each community's widest feed."""
    held = sql.row("SELECT counted_at FROM sharing_tally WHERE name = 'confidence'")
    if held is not None and now - held[0] < _CONFIDENCE_EVERY:
        return
    today = now.astimezone(UTC).date()
    sql.execute(
        "DELETE FROM sharing_dailycount WHERE measure = %s AND day = %s", (Measure.CONFIDENCE.value, today)
    )
    sql.execute(
        f"WITH widest AS ({WIDEST}) INSERT INTO sharing_dailycount (day, measure, scope, key, count)"
        " SELECT %s, 'confidence', w.id, r.confidence::text, count(*) FROM widest w"
        " JOIN indicators_subject s ON s.community_id = w.community_id AND s.object_type = 'indicator'"
        " JOIN sharing_release r ON r.subject_id = s.id AND r.ceiling = w.ceiling"
        " WHERE r.digest IS NOT NULL AND NOT r.revoked AND r.confidence IS NOT NULL GROUP BY w.id, r.confidence",
        (today,),
    )
    _note("confidence", 0, now)


def _midnight(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
