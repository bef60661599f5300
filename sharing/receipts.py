"""The receipt: what became of each submitted object, from its submitter's own view.

Only what that organisation's widest feed shows is looked at, so a receipt says "already known" no sooner than the feed.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from accounts import sql

SENTENCES = {
    "pending": "Received; not looked at yet.",
    "triage": "Accepted; the release decision follows.",
    "above-ceiling": "No feed of this community that you read takes its TLP.",
    "waiting-for-reference": "Accepted; it waits for what it refers to: {missing}.",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One object's fate: a documented outcome and reason code (docs/api.md), a sentence, and where it stands."""

    id: str
    version: str
    outcome: str
    reason: str
    sentence: str
    published_id: str | None
    merged: bool
    place: str
    note: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """A submission and its lines, in the order in which the objects stood."""

    id: UUID
    community: str
    state: str
    received_at: datetime
    ingested_at: datetime | None
    object_count: int
    lines: list[Line]

    @property
    def counts(self) -> dict[str, int]:
        """How many objects have each outcome."""
        return dict(Counter(line.outcome for line in self.lines))


def receipt(organization_id: UUID, submission_id: UUID) -> Receipt | None:
    """The receipt of this organisation's submission; None for any other."""
    found = sql.row(
        "SELECT s.id, c.slug, s.state, s.received_at, s.ingested_at, s.object_count, s.community_id"
        " FROM indicators_submission s JOIN accounts_community c ON c.id = s.community_id"
        " WHERE s.id = %s AND s.organization_id = %s",
        (submission_id, organization_id),
    )
    if found is None:
        return None
    identifier, community, state, received_at, ingested_at, object_count, community_id = found
    ceiling = _widest(organization_id, community_id)
    lines = [
        _line(row, ceiling)
        for row in sql.rows(
            _LINES,
            {
                "submission": submission_id,
                "organization": organization_id,
                "ceiling": -1 if ceiling is None else ceiling,
            },
        )
    ]
    return Receipt(identifier, community, state, received_at, ingested_at, object_count, lines)


# A line is about what the claim counts for now: the journal may have moved it since it came in.
_LINES = """
SELECT o.object_id, o.version, o.place, o.note, o.outcome, o.reason, o.sentence, o.subject_id, mine.tlp,
       r.decision, r.reason, r.sentence, r.published_id, r.digest IS NOT NULL, r.missing,
       EXISTS (SELECT 1 FROM indicators_claim c WHERE c.subject_id = present.id
               AND c.organization_id <> %(organization)s AND c.tlp <= %(ceiling)s
               AND c.first_received_at <= s.ingested_at),
       (SELECT v.decision_reason FROM sharing_review v WHERE v.release_id = r.id AND v.state = 'rejected'
        ORDER BY v.id DESC LIMIT 1)
FROM indicators_submittedobject o
JOIN indicators_submission s ON s.id = o.submission_id
LEFT JOIN indicators_claim mine ON mine.community_id = s.community_id AND mine.object_id = o.object_id
     AND mine.organization_id = s.organization_id
LEFT JOIN indicators_subject identity ON identity.id = o.subject_id
CROSS JOIN LATERAL (
    SELECT CASE WHEN coalesce(mine.home_id, mine.subject_id) = o.subject_id THEN mine.subject_id
                ELSE coalesce(identity.merged_into_id, o.subject_id) END AS id
) present
LEFT JOIN sharing_release r ON r.subject_id = present.id AND r.ceiling = %(ceiling)s
WHERE o.submission_id = %(submission)s ORDER BY o.ordinal
"""


class _Fate(NamedTuple):
    outcome: str
    reason: str
    sentence: str
    published_id: str | None
    merged: bool


def _line(row: sql.Row, ceiling: int | None) -> Line:
    object_id, version, place, note, *rest = row
    return Line(object_id, version, *_fate(rest, ceiling), place, note)


def _fate(row: Sequence[Any], ceiling: int | None) -> _Fate:
    outcome, reason, sentence, subject_id, tlp, *released, merged, rejection = row
    decision, why, because, published_id, stands, missing = released
    if outcome in {"rejected", "duplicate"} or subject_id is None:
        return _Fate(outcome, reason, sentence, published_id if stands else None, bool(merged))
    outcome = "merged" if merged else "new"
    if ceiling is None or (tlp is not None and tlp > ceiling):
        return _Fate("withheld", "above-ceiling", SENTENCES["above-ceiling"], None, False)
    if decision is None and reason == "allow-listed":
        return _Fate("withheld", reason, sentence, None, bool(merged))
    if decision is None:
        return _Fate(outcome, "triage", SENTENCES["triage"], None, bool(merged))
    if decision == "release" and missing:
        waiting = SENTENCES["waiting-for-reference"].format(missing=", ".join(missing))
        return _Fate("withheld", "waiting-for-reference", waiting, None, bool(merged))
    if decision == "release":
        return _Fate("released", why, because, published_id if stands else None, bool(merged))
    if decision == "review":
        return _Fate("pending-review", why, because, None, bool(merged))
    if why == "review-rejected" and rejection:
        because = f"An analyst rejected it: {rejection}"
    return _Fate("withheld", why, because, None, bool(merged))


def _widest(organization_id: UUID, community_id: UUID) -> int | None:
    """The highest ceiling of the feeds that an organisation may read."""
    found = sql.row(
        "SELECT max(k.ceiling) FROM sharing_collection k JOIN sharing_collectiongrant g ON g.collection_id = k.id"
        " WHERE k.community_id = %s AND k.kind = 'feed' AND g.organization_id = %s AND g.can_read",
        (community_id, organization_id),
    )
    return None if found is None else found[0]
