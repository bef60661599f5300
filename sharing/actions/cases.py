"""Cases: opened and closed as verdicts change, and what analysts decided in them."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
from indicators.stix.objects import known_by
from sharing.actions.audiences import View
from sharing.models import ReviewState
from sharing.release.policy import Decision, Verdict


@dataclass(frozen=True, slots=True)
class Opinion:
    """An analyst's latest decision on a release, and how many organisations stood behind it then."""

    approved: bool
    sources: int


def opinions(release_ids: Sequence[int]) -> dict[int, Opinion]:
    """The latest decision on each release that has one."""
    return {
        release_id: Opinion(state == ReviewState.APPROVED, sources)
        for release_id, state, sources in sql.rows(
            "SELECT DISTINCT ON (release_id) release_id, state, sources FROM sharing_review"
            " WHERE release_id = ANY(%s) AND state IN ('approved', 'rejected') ORDER BY release_id, id DESC",
            (list(release_ids),),
        )
    }


def pending(release_ids: Sequence[int]) -> set[int]:
    """Those of these releases that have an open case."""
    return {
        release_id
        for (release_id,) in sql.rows(
            "SELECT release_id FROM sharing_review WHERE release_id = ANY(%s) AND state = 'pending'",
            (list(release_ids),),
        )
    }


def own_work(*, member_id: int, cases: Iterable[tuple[int, int]]) -> set[tuple[int, int]]:
    """Of these (subject, ceiling) those of which the member wrote or brought in something that counts there.

    In a draft, by a file or as pasted text, in any version since the last that was approved there: who wrote it does
    not approve it, and a colleague's small edit does not change that.
    """
    asked = list(cases)
    return {
        (subject_id, ceiling)
        for subject_id, ceiling in sql.rows(
            _OWN_WORK,
            {
                "subjects": [subject_id for subject_id, _ in asked],
                "ceilings": [ceiling for _, ceiling in asked],
                "member": member_id,
            },
        )
    }


_OWN_WORK = """
WITH said AS (
    SELECT a.subject_id, a.ceiling, c.community_id, c.organization_id, c.object_id, coalesce((
        SELECT max(v.decided_at) FROM sharing_release r JOIN sharing_review v ON v.release_id = r.id
        WHERE r.subject_id = a.subject_id AND r.ceiling = a.ceiling AND v.state = 'approved'), '-infinity') AS since
    FROM unnest(%(subjects)s::int8[], %(ceilings)s::int2[]) AS a(subject_id, ceiling)
    JOIN indicators_claim c ON c.subject_id = a.subject_id AND c.tlp <= a.ceiling
        AND c.withdrawn_at IS NULL AND NOT c.revoked
)
SELECT said.subject_id, said.ceiling FROM said
JOIN indicators_draft d ON (d.community_id, d.object_id) = (said.community_id, said.object_id)
    AND d.organization_id = said.organization_id AND d.state = 'submitted' AND d.saved_at > said.since
JOIN indicators_draft_writers w ON w.draft_id = d.id AND w.member_id = %(member)s
UNION
SELECT said.subject_id, said.ceiling FROM said
JOIN indicators_submission s ON (s.community_id, s.organization_id) = (said.community_id, said.organization_id)
    AND s.member_id = %(member)s AND s.received_at > said.since
JOIN indicators_submittedobject o ON o.submission_id = s.id AND o.object_id = said.object_id
    AND o.outcome <> 'rejected'
"""


@dataclass(frozen=True, slots=True)
class Decided:
    """A view with its verdict, and how many people are estimated to be behind what it names."""

    view: View
    verdict: Verdict
    blast_radius: int = 0


def follow(*, community_id: UUID, decided: Sequence[Decided], blast_limit: int, now: datetime) -> None:
    """Open a case for each view that needs one, let those that are open say what it says, and close the others."""
    wanted = {one.view.standing.id: one for one in decided if one.verdict.decision is Decision.REVIEW}
    unwanted = [one.view.standing.id for one in decided if one.verdict.decision is not Decision.REVIEW]
    sql.execute(
        "WITH closed AS (UPDATE sharing_review SET state = 'closed' WHERE release_id = ANY(%s) AND state = 'pending'"
        " RETURNING id) UPDATE sharing_proposal p SET state = 'over' FROM closed"
        " WHERE p.review_id = closed.id AND p.state = 'open'",
        (unwanted,),
    )
    if not wanted:
        return
    views = [one.view for one in wanted.values()]
    sql.execute(
        _OPEN,
        {
            "community": community_id,
            "now": now,
            "limit": blast_limit,
            "releases": list(wanted),
            "sources": [view.sources for view in views],
            "ceilings": [view.standing.ceiling for view in views],
            "types": [view.object_type for view in views],
            "titles": [_title(view) for view in views],
            "reasons": [one.verdict.reason for one in wanted.values()],
            "confidences": [-1 if view.confidence is None else view.confidence for view in views],
            "radii": [one.blast_radius for one in wanted.values()],
        },
    )


# Also `sources`: a rejection holds until more say it than its analyst saw.
_OPEN = f"""
INSERT INTO sharing_review AS v (release_id, community_id, state, sources, opened_at, decision_reason, ceiling,
    object_type, title, reason, confidence, blast_radius, organizations, blast_limit)
SELECT w.*, %(limit)s FROM (
    SELECT r, %(community)s::uuid, 'pending', s, %(now)s::timestamptz, '', c, t, n, e, f, b,
        coalesce((SELECT array_agg(DISTINCT k.organization_id ORDER BY k.organization_id)
            FROM sharing_release q JOIN indicators_claim k ON k.subject_id = q.subject_id AND k.tlp <= q.ceiling
            WHERE q.id = r), '{{}}')
    FROM unnest(%(releases)s::int8[], %(sources)s::int2[], %(ceilings)s::int2[], %(types)s::text[], %(titles)s::text[],
        %(reasons)s::text[], %(confidences)s::int2[], %(radii)s::int8[]) AS wanted(r, s, c, t, n, e, f, b)
) w
ON CONFLICT (release_id) WHERE state = 'pending' DO UPDATE SET {
    ", ".join(
        f"{name} = excluded.{name}"
        for name in (
            "sources",
            "title",
            "reason",
            "confidence",
            "blast_radius",
            "organizations",
            "blast_limit",
        )
    )
}
WHERE (v.sources, v.title, v.reason, v.confidence, v.blast_radius, v.organizations, v.blast_limit)
  <> (excluded.sources, excluded.title, excluded.reason, excluded.confidence, excluded.blast_radius,
      excluded.organizations, excluded.blast_limit)
"""
MOST_TITLE = 1000


def _title(view: View) -> str:
    return "" if view.item is None else known_by(json.loads(view.item.body))[:MOST_TITLE]
