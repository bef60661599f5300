"""The receipt: what became of each submitted object, from its submitter's own view.

Only what that organisation's widest feed shows is looked at, so a receipt says "already known" no sooner than the feed.
What analysts rejected for narrower audiences, which see a part of that, stands in the note.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

from django.conf import settings

from accounts import sql
from accounts.models import Tlp
from indicators.models import SubmissionState
from indicators.sources import csv
from indicators.stix import timestamps
from indicators.stix.canonical import canonical_parsed
from sharing.access import MAY
from sharing.signing import jws
from sharing.signing.keys import Signer

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
    """A submission and its lines, in the order in which the objects stood; `sha256` is that of the body, in hex.

    `has_cases`: an analyst has still to decide an object for a narrower audience than that of the widest feed.
    """

    id: UUID
    organization: str
    community: str
    state: str
    received_at: datetime
    ingested_at: datetime | None
    object_count: int
    sha256: str
    lines: list[Line]
    has_cases: bool

    @property
    def counts(self) -> dict[str, int]:
        """How many objects have each outcome."""
        return dict(Counter(line.outcome for line in self.lines))


def receipt(organization_id: UUID, submission_id: UUID) -> Receipt | None:
    """The receipt of this organisation's submission; None for any other."""
    found = sql.row(
        "SELECT s.id, o.slug, c.slug, s.state, s.received_at, s.ingested_at, s.object_count,"
        " encode(s.body_sha256, 'hex'), s.community_id"
        " FROM indicators_submission s JOIN accounts_community c ON c.id = s.community_id"
        " JOIN accounts_organization o ON o.id = s.organization_id"
        " WHERE s.id = %s AND s.organization_id = %s AND s.state <> 'draft'",
        (submission_id, organization_id),
    )
    if found is None:
        return None
    (
        identifier,
        organization,
        community,
        state,
        received_at,
        ingested_at,
        object_count,
        sha256,
        community_id,
    ) = found
    ceiling = _widest(organization_id, community_id)
    rows = sql.rows(
        _LINES,
        {
            "submission": submission_id,
            "organization": organization_id,
            "ceiling": -1 if ceiling is None else ceiling,
        },
    )
    return Receipt(
        identifier,
        organization,
        community,
        state,
        received_at,
        ingested_at,
        object_count,
        sha256,
        [_line(row, ceiling) for row in rows],
        has_cases=any(row[-1] for row in rows),
    )


def is_decided(receipt: Receipt) -> bool:
    """Whether no line waits any more: for ingest, the release decision, an analyst, or what it refers to."""
    waits = receipt.has_cases or any(
        line.outcome in _WAITS or line.reason == "waiting-for-reference" for line in receipt.lines
    )
    return receipt.state == SubmissionState.INGESTED and not waits


_WAITS = frozenset(("new", "merged", "pending-review"))


def statement(receipt: Receipt, *, now: datetime, most_lines: int | None = None) -> dict[str, object]:
    """What the service says of a submission: who says it and when, and the receipt.

    With more than `most_lines` lines, `objects` is null and says that they are to be asked for at `url`.
    """
    path = f"/api/v1/submissions/{receipt.id}/"
    too_many = most_lines is not None and len(receipt.lines) > most_lines
    return {
        "at": timestamps.from_datetime(now),
        "community": receipt.community,
        "counts": receipt.counts,
        "id": str(receipt.id),
        "ingested_at": None if receipt.ingested_at is None else timestamps.from_datetime(receipt.ingested_at),
        "issuer": settings.ISSUER,
        "object_count": receipt.object_count,
        "objects": None if too_many else [_members(line) for line in receipt.lines],
        "organization": receipt.organization,
        "received_at": timestamps.from_datetime(receipt.received_at),
        "sha256": receipt.sha256,
        "state": receipt.state,
        "url": f"{settings.ISSUER}{path}",
    }


def signed(receipt: Receipt, *, signer: Signer | None, now: datetime) -> tuple[bytes, str | None]:
    """The RFC 8785 bytes of a receipt, and the detached JWS over them; None without a signer."""
    body = canonical_parsed(statement(receipt, now=now), odd_floats=False)
    return body, None if signer is None else jws.sign(signer, body, typ=jws.RECEIPT)


def table(receipt: Receipt) -> bytes:
    """The lines of a receipt as CSV, with a byte order mark for spreadsheets; no cell of it is a formula."""
    names = list(Line.__slots__)
    rows = ((receipt.id, *(getattr(line, name) for name in names)) for line in receipt.lines)
    return f"\ufeff{csv.table([('submission', *names), *rows])}".encode()


@dataclass(frozen=True, slots=True)
class Sent:
    """A submission in a list: its receipt without the lines, which would be counted anew for each."""

    id: UUID
    community: str
    channel: str
    format: str
    state: str
    received_at: datetime
    ingested_at: datetime | None
    object_count: int
    sha256: str
    counts: dict[str, int]


def sent(
    organization_id: UUID,
    *,
    limit: int,
    after: UUID | None = None,
    state: str | None = None,
    since: datetime | None = None,
    community: str | None = None,
    outcome: str | None = None,
) -> list[Sent]:
    """An organisation's own submissions, newest first, those that stand behind `after`, which is one of them.

    `outcome`: only those of which an object had it at ingest.
    """
    return [
        Sent(*found)
        for found in sql.rows(
            "SELECT s.id, c.slug, s.channel, s.format, s.state, s.received_at, s.ingested_at, s.object_count,"
            " encode(s.body_sha256, 'hex'), s.counts FROM indicators_submission s"
            " JOIN accounts_community c ON c.id = s.community_id"
            " WHERE s.organization_id = %(organization)s AND s.state <> 'draft'"
            " AND (%(after)s::uuid IS NULL OR (s.received_at, s.id) <"
            " (SELECT p.received_at, p.id FROM indicators_submission p"
            " WHERE p.id = %(after)s AND p.organization_id = %(organization)s))"
            " AND (%(state)s::text IS NULL OR s.state = %(state)s)"
            " AND (%(since)s::timestamptz IS NULL OR s.received_at >= %(since)s)"
            " AND (%(community)s::text IS NULL OR c.slug = %(community)s)"
            " AND (%(outcome)s::text IS NULL OR jsonb_exists(s.counts, %(outcome)s))"
            " ORDER BY s.received_at DESC, s.id DESC LIMIT %(limit)s",
            {
                "organization": organization_id,
                "after": after,
                "state": state,
                "since": since,
                "community": community,
                "outcome": outcome,
                "limit": limit,
            },
        )
    ]


def _members(line: Line) -> dict[str, object]:
    return {name: getattr(line, name) for name in Line.__slots__}


# A line is about what the claim counts for now: the journal may have moved it since it came in.
_LINES = """
SELECT o.object_id, o.version, o.place, o.note, o.outcome, o.reason, o.sentence, o.subject_id, mine.tlp,
       r.decision, r.reason, r.sentence, r.published_id, r.digest IS NOT NULL, r.missing,
       EXISTS (SELECT 1 FROM indicators_claim c WHERE c.subject_id = present.id
               AND c.organization_id <> %(organization)s AND c.tlp <= %(ceiling)s
               AND c.first_received_at <= s.ingested_at),
       (SELECT v.decision_reason FROM sharing_review v WHERE v.release_id = r.id AND v.state = 'rejected'
        ORDER BY v.id DESC LIMIT 1), mine.stated_tlp, below.ceilings, below.reasons, below.waits
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
CROSS JOIN LATERAL (
    SELECT array_agg(q.ceiling ORDER BY q.ceiling) FILTER (WHERE q.reason = 'review-rejected') AS ceilings,
           array_agg((SELECT v.decision_reason FROM sharing_review v WHERE v.release_id = q.id AND v.state = 'rejected'
                      ORDER BY v.id DESC LIMIT 1) ORDER BY q.ceiling) FILTER (WHERE q.reason = 'review-rejected')
               AS reasons,
           coalesce(bool_or(q.decision = 'review'), false) AS waits
    FROM sharing_release q WHERE q.subject_id = present.id AND q.ceiling >= mine.tlp AND q.ceiling < %(ceiling)s
      AND o.outcome NOT IN ('rejected', 'duplicate')
) below
WHERE o.submission_id = %(submission)s ORDER BY o.ordinal
"""


class _Fate(NamedTuple):
    outcome: str
    reason: str
    sentence: str
    published_id: str | None
    merged: bool


def _line(row: sql.Row, ceiling: int | None) -> Line:
    object_id, version, place, note, *rest, stated, ceilings, reasons, _ = row
    tlp = rest[4]
    if tlp != stated:
        said = f"An analyst has it count as {Tlp(tlp).label}; it was sent as {Tlp(stated).label}."
        note = f"{note} {said}".strip()
    for lower, rejection in zip(ceilings or (), reasons or (), strict=True):
        if rejection:
            said = f"For readers up to {Tlp(lower).label} an analyst rejected it: {rejection}"
            note = f"{note} {said}".strip()
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
        f"SELECT max(k.ceiling) FROM {MAY}"
        " WHERE c.id = %s AND k.kind = 'feed' AND m.organization_id = %s AND g.can_read",
        (community_id, organization_id),
    )
    return None if found is None else found[0]
