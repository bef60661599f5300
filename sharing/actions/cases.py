"""Cases: opened and closed as verdicts change, and what analysts decided in them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
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


def follow(*, community_id: UUID, verdicts: Sequence[tuple[int, int, Verdict]], now: datetime) -> None:
    """Open a case for each (release id, sources, verdict) that needs one, and close those that do no more."""
    wanted = {
        release_id: sources
        for release_id, sources, verdict in verdicts
        if verdict.decision is Decision.REVIEW
    }
    unwanted = [release_id for release_id, _, verdict in verdicts if verdict.decision is not Decision.REVIEW]
    sql.execute(
        "UPDATE sharing_review SET state = 'closed' WHERE release_id = ANY(%s) AND state = 'pending'",
        (unwanted,),
    )
    sql.execute(
        "INSERT INTO sharing_review (release_id, community_id, state, sources, opened_at, decision_reason)"
        " SELECT r, %s, 'pending', s, %s, '' FROM unnest(%s::int8[], %s::int2[]) AS wanted(r, s)"
        " ON CONFLICT DO NOTHING",
        (community_id, now, list(wanted), list(wanted.values())),
    )
