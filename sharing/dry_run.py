"""What deciding many cases at once would do, before they are decided."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from accounts import sql
from accounts.models import Tlp
from sharing.actions.cases import own_work
from sharing.actions.outlooks import Asked, Effect, Outlook, Reader, outlooks

#: So many cases are named.
MOST_LISTED = 20


@dataclass(slots=True)
class Tally:
    """What deciding many cases would do at one audience; `readers` are those who would receive any of it."""

    community: str
    ceiling: int
    readers: list[Reader] = field(default_factory=list)
    new: int = 0
    versions: int = 0
    nothing: int = 0

    @property
    def audience(self) -> str:
        """The most restrictive TLP that it may see."""
        return Tlp(self.ceiling).label


@dataclass(frozen=True, slots=True)
class DryRun:
    """What deciding these cases would do: by audience, and those that could not be decided by this member alone.

    `own` are those that the member wrote of, which somebody else approves; `digests`, by case, is what was shown of it.
    """

    audiences: list[Tally]
    pending: list[int]
    stale: list[int]
    need_two: list[int]
    would_second: list[int]
    own_proposals: list[int]
    own: list[int]
    shown: list[tuple[int, str, str]]
    digests: dict[int, str]


def dry_run(review_ids: Sequence[int], *, member_id: int, approving: bool, now: datetime) -> DryRun:
    """What deciding cases would do, by the same folds that triage makes; the queries grow with the audiences only."""
    rows = sql.rows(
        "SELECT v.id, v.state, v.community_id, c.title, r.ceiling, v.release_id, r.subject_id, v.title,"
        " v.blast_radius > v.blast_limit, p.proposed_by_id FROM sharing_review v"
        " JOIN sharing_release r ON r.id = v.release_id JOIN accounts_community c ON c.id = v.community_id"
        " LEFT JOIN sharing_proposal p ON p.review_id = v.id AND p.state = 'open'"
        " WHERE v.id = ANY(%s) ORDER BY v.id",
        (list(review_ids),),
    )
    pending = [row for row in rows if row[1] == "pending"]
    found = outlooks((Asked(row[0], row[2], row[4], row[5], row[6]) for row in pending), now=now)
    places = {(row[6], row[4]) for row in pending} if approving else set()
    written = own_work(member_id=member_id, cases=places)
    own = {row[0] for row in pending if (row[6], row[4]) in written}
    wide = [row for row in pending if row[8] and row[0] not in own] if approving else []
    blocked = {row[0] for row in wide if row[9] in {None, member_id}} | own
    audiences: dict[tuple[str, int, object], Tally] = {}
    for row in pending:
        if row[0] not in blocked:
            tally = audiences.setdefault((row[3], row[4], row[2]), Tally(row[3], row[4]))
            _count(tally, found[row[0]] if approving else None)
    known = {row[0] for row in pending}
    return DryRun(
        [audiences[place] for place in sorted(audiences, key=lambda place: place[:2])],
        [row[0] for row in pending],
        [one for one in review_ids if one not in known],
        [row[0] for row in wide if row[9] is None],
        [row[0] for row in wide if row[9] not in {None, member_id}],
        [row[0] for row in wide if row[9] == member_id],
        sorted(own),
        [(row[0], row[7], Tlp(row[4]).label) for row in pending[:MOST_LISTED]],
        {review_id: outlook.digest for review_id, outlook in found.items()},
    )


def _count(tally: Tally, outlook: Outlook | None) -> None:
    if outlook is None or outlook.effect is Effect.NOTHING:
        tally.nothing += 1
        return
    if outlook.effect is Effect.NEW:
        tally.new += 1
    else:
        tally.versions += 1
    # Two sets at most: of what core feeds take, and of what they do not.
    known = {one.id for one in tally.readers}
    fresh = [one for one in outlook.readers if one.id not in known]
    if fresh:
        tally.readers = sorted((*tally.readers, *fresh), key=lambda one: (one.name, str(one.id)))
