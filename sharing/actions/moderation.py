"""Moderation: analysts decide cases that they were shown, with a reason; above the blast radius two of them release."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError, transaction

from accounts import faults, sql
from accounts.actions.audit import record
from accounts.actions.refusal import ReasonMissing, stated
from accounts.actor import Actor
from accounts.models import Member, Role, Sector
from indicators.actions import detectors
from indicators.allowlists import blast
from sharing.actions import publication, triage
from sharing.actions.cases import own_work
from sharing.actions.keys import NoSigningKey
from sharing.actions.outlooks import Asked, outlooks
from sharing.models import ReviewState
from sharing.signing.keys import Signer

log = structlog.get_logger(__name__)

BATCH = 500
#: A case counts as being looked at for so long, in seconds.
LOOKED_AT = 300
NO_ANALYST_NOW = "who proposed it is no analyst any more: decline the proposal, and propose it anew"
_OWN_WORK = "you wrote this at the desk: another analyst approves it"
_CHANGED = "it changed since you looked: what would be published, or who would receive it; look again"
_UNSEEN = "the decision does not say what you were shown of it: look at it first"


class NotPending(ValueError):
    """The case was decided or closed before."""


class NotAllowed(PermissionError):
    """The member may not decide cases."""


class NotAsShown(NotPending):
    """What would be published or who would receive it is not what the decision says was shown; nothing was decided."""


class OwnWork(NotAllowed):
    """Who wrote at the desk what a case is about does not approve it: somebody else looks at it."""


@dataclass(slots=True)
class Outcomes:
    """What became of cases: decided; proposed to a second person; or left, with a sentence that says why."""

    decided: list[int] = field(default_factory=list)
    proposed: list[int] = field(default_factory=list)
    left: dict[int, str] = field(default_factory=dict)

    @property
    def not_as_shown(self) -> list[int]:
        """Those that were left because they are not, or not any more, what was shown: to be shown again."""
        return [one for one, sentence in self.left.items() if sentence in {_CHANGED, _UNSEEN}]

    def add(self, other: "Outcomes") -> None:
        """Take in those of other cases."""
        self.decided += other.decided
        self.proposed += other.proposed
        self.left |= other.left


def approve(
    *, review_id: int, shown: str, member: Member, reason: str, signer: Signer, now: datetime
) -> bool:
    """Let it leave to this audience: it is published in this transaction.

    `shown`: the digest of the outlook that the member saw. False where that takes two: then it is proposed, and
    published when another analyst approves it too. `NotAsShown`, `NotPending`, `OwnWork`, `NotAllowed`.
    """
    outcomes = decide(
        shown={review_id: shown},
        state=ReviewState.APPROVED,
        member=member,
        reason=reason,
        signer=signer,
        now=now,
    )
    return not outcomes.proposed


def reject(*, review_id: int, shown: str, member: Member, reason: str, signer: Signer, now: datetime) -> None:
    """Keep it from this audience; the reason reaches the submitters' receipts. `shown` and errors as for `approve`."""
    decide(
        shown={review_id: shown},
        state=ReviewState.REJECTED,
        member=member,
        reason=reason,
        signer=signer,
        now=now,
    )


@transaction.atomic
def decide(
    *,
    shown: Mapping[int, str],
    state: ReviewState,
    member: Member,
    reason: str,
    signer: Signer,
    now: datetime,
) -> Outcomes:
    """Decide the first of these cases and, in the same transaction, others along with it: `shown` as for `decide_many`.

    Nothing is decided where the first cannot be, or where any is not as it was shown: `NotAsShown`, `NotPending`,
    `OwnWork`, `NotAllowed`. Of the others those that this member cannot decide are left.
    """
    outcomes = _decide(list(shown), shown, state, member, reason, signer, now)
    first = next(iter(shown))
    # What became of the first says more than that another changed.
    for one in (first, *outcomes.not_as_shown):
        sentence = outcomes.left.get(one)
        if sentence == _OWN_WORK:
            raise OwnWork(sentence)
        if sentence is not None:
            raise (NotAsShown if one in outcomes.not_as_shown else NotPending)(sentence)
    return outcomes


def decide_many(
    *,
    review_ids: Sequence[int],
    shown: Mapping[int, str],
    state: ReviewState,
    member: Member,
    reason: str,
    signer: Signer,
    now: datetime,
) -> Outcomes:
    """Approve or reject cases with one reason, in transactions of `BATCH`; what cannot be decided stops no other.

    `shown`: by case the digest of the outlook that the member saw of it; a case that differs from it is left.
    """
    outcomes = Outcomes()
    ids = list(dict.fromkeys(review_ids))
    for start in range(0, len(ids), BATCH):
        batch = ids[start : start + BATCH]
        try:
            outcomes.add(_decide(batch, shown, state, member, reason, signer, now))
        except (OperationalError, psycopg.OperationalError, NotAllowed, ReasonMissing, NoSigningKey):
            raise
        except Exception as error:  # noqa: BLE001 - one of them fails, and is found below
            log.error("decisions_failed", cases=len(batch), fault=faults.summary(error))
            for one in batch:
                outcomes.add(_alone(one, shown, state, member, reason, signer, now))
    return outcomes


def _alone(
    review_id: int,
    shown: Mapping[int, str],
    state: ReviewState,
    member: Member,
    reason: str,
    signer: Signer,
    now: datetime,
) -> Outcomes:
    try:
        return _decide([review_id], shown, state, member, reason, signer, now)
    except (OperationalError, psycopg.OperationalError, NoSigningKey):
        raise
    except Exception as error:  # noqa: BLE001 - it stays pending, and is told of
        log.error("decision_failed", case=review_id, fault=faults.summary(error))
        return Outcomes(left={review_id: "the service failed on it, and its operator is told"})


class _Case(NamedTuple):
    """A pending case, with who proposed its release, if somebody did."""

    id: int
    community_id: UUID
    release_id: int
    subject_id: int
    ceiling: int
    proposal_id: int | None
    proposed_by: int | None


@transaction.atomic
def _decide(
    review_ids: Sequence[int],
    shown: Mapping[int, str],
    state: ReviewState,
    member: Member,
    reason: str,
    signer: Signer,
    now: datetime,
) -> Outcomes:
    may_decide(member)
    reason = stated(reason)
    feeds = _lock_feeds(review_ids)
    outcomes = Outcomes()
    cases, radii = _as_shown(_pending(review_ids, outcomes), shown, now, outcomes)
    seconded: list[_Case] = []
    if state is ReviewState.APPROVED:
        cases = _of_others(cases, member, outcomes)
        radii = {case.id: radii[case.id] for case in cases}
        sql.execute(
            "UPDATE sharing_review v SET blast_radius = w.users, blast_limit = %s"
            " FROM unnest(%s::int8[], %s::int8[]) AS w(id, users) WHERE v.id = w.id",
            (settings.BLAST_RADIUS_LIMIT, list(radii), list(radii.values())),
        )
        wide = [case for case in cases if radii[case.id] > settings.BLAST_RADIUS_LIMIT]
        cases = [case for case in cases if radii[case.id] <= settings.BLAST_RADIUS_LIMIT]
        seconded = _still_proposed(
            [case for case in wide if case.proposed_by not in {None, member.id}], outcomes
        )
        outcomes.left |= {
            case.id: "you proposed to release it; another analyst has to approve it too"
            for case in wide
            if case.proposed_by == member.id
        }
        _propose([case for case in wide if case.proposal_id is None], radii, member, reason, now, outcomes)
        _second(seconded, member, reason, now)
    _write(cases, state, member, reason, now)
    _settle_proposals(cases, state, member, reason, now)
    cases += seconded
    outcomes.decided += [case.id for case in cases]
    detectors.judge(
        decided=[(case.subject_id, case.ceiling) for case in cases],
        confirmed=state is ReviewState.APPROVED,
        now=now,
    )
    if state is ReviewState.APPROVED:
        # What waited is published as it is believed today.
        sql.execute(
            "UPDATE sharing_release SET ticked_at = %s WHERE id = ANY(%s) AND digest IS NULL",
            (now, [case.release_id for case in cases]),
        )
    for community_id, logs in feeds.items():
        triage.publish(
            feeds=logs,
            community_id=community_id,
            subject_ids=list(
                dict.fromkeys(case.subject_id for case in cases if case.community_id == community_id)
            ),
            signer=signer,
            now=now,
        )
    return outcomes


def _lock_feeds(review_ids: Sequence[int]) -> dict[UUID, list[publication.Log]]:
    """The feeds before the cases: the order in which triage takes them, so that the two never wait for each other."""
    found = sql.rows(
        "SELECT DISTINCT community_id FROM sharing_review WHERE id = ANY(%s) ORDER BY 1", (list(review_ids),)
    )
    return {community_id: publication.lock_feeds(community_id) for (community_id,) in found}


def _pending(review_ids: Sequence[int], outcomes: Outcomes) -> list[_Case]:
    """Those that are still to be decided, locked; of the others it is told what became of them."""
    cases = []
    found = sql.rows(
        "SELECT v.id, v.community_id, v.release_id, r.subject_id, r.ceiling, p.id, p.proposed_by_id,"
        " v.state, m.username FROM sharing_review v JOIN sharing_release r ON r.id = v.release_id"
        " LEFT JOIN accounts_member m ON m.id = v.decided_by_id"
        " LEFT JOIN sharing_proposal p ON p.review_id = v.id AND p.state = 'open'"
        " WHERE v.id = ANY(%s) ORDER BY v.id FOR UPDATE OF v",
        (list(review_ids),),
    )
    for *case, state, decided_by in found:
        if state == ReviewState.PENDING:
            cases.append(_Case(*case))
        else:
            by = f": {decided_by} decided it" if decided_by else ": there is nothing to decide any more"
            label = ReviewState(state).label.partition(":")[0].lower()
            outcomes.left[case[0]] = f"this case is {label}{by}"
    known = {row[0] for row in found}
    outcomes.left |= {one: "there is no such case" for one in review_ids if one not in known}
    return cases


def _as_shown(
    cases: Sequence[_Case], shown: Mapping[int, str], now: datetime, outcomes: Outcomes
) -> tuple[list[_Case], dict[int, int]]:
    """Those that are what the decision says was shown, and how many people are behind each by the populations of now.

    A claim that comes while this runs is published by what was approved, as if it came a moment later.
    """
    found = outlooks(
        (Asked(case.id, case.community_id, case.ceiling, case.release_id, case.subject_id) for case in cases),
        now=now,
    )
    radii = {}
    for case in cases:
        outlook = found[case.id]
        said = shown.get(case.id, "")
        if said == outlook.digest:
            radii[case.id] = 0 if outlook.foreseen is None else blast.total(outlook.foreseen.behind)
        else:
            outcomes.left[case.id] = _CHANGED if said else _UNSEEN
    return [case for case in cases if case.id in radii], radii


def _of_others(cases: Sequence[_Case], member: Member, outcomes: Outcomes) -> list[_Case]:
    own = own_work(member_id=member.id, cases={(case.subject_id, case.ceiling) for case in cases})
    outcomes.left |= {case.id: _OWN_WORK for case in cases if (case.subject_id, case.ceiling) in own}
    return [case for case in cases if case.id not in outcomes.left]


def _still_proposed(cases: Sequence[_Case], outcomes: Outcomes) -> list[_Case]:
    """Those whose proposer's word counts still: an analyst, who did not write it since."""
    proposers = {case.proposed_by for case in cases}
    found = Member.objects.select_related("organization").in_bulk(
        [one for one in proposers if one is not None]
    )
    for proposer in found.values():
        theirs = [case for case in cases if case.proposed_by == proposer.id]
        if not decides(proposer):
            outcomes.left |= dict.fromkeys((case.id for case in theirs), NO_ANALYST_NOW)
            continue
        own = own_work(member_id=proposer.id, cases={(case.subject_id, case.ceiling) for case in theirs})
        outcomes.left |= {
            case.id: "who proposed it has written of it since: decline the proposal, and approve it anew"
            for case in theirs
            if (case.subject_id, case.ceiling) in own
        }
    return [case for case in cases if case.id not in outcomes.left]


def _propose(
    cases: Sequence[_Case],
    radii: Mapping[int, int],
    member: Member,
    reason: str,
    now: datetime,
    outcomes: Outcomes,
) -> None:
    """Approved by the first of two."""
    sql.execute(
        "INSERT INTO sharing_proposal (kind, state, community_id, review_id, reason, proposed_by_id, proposed_at,"
        " decision_reason) SELECT 'release', 'open', c, v, %s, %s, %s, ''"
        " FROM unnest(%s::uuid[], %s::int8[]) AS wanted(c, v)",
        (reason, member.id, now, [case.community_id for case in cases], [case.id for case in cases]),
    )
    outcomes.proposed += [case.id for case in cases]
    _record(
        ((case.id, {"reason": reason, "blast_radius": radii[case.id]}) for case in cases),
        "review.propose",
        member,
        now,
    )


def _second(cases: Sequence[_Case], member: Member, reason: str, now: datetime) -> None:
    """Approved by the second of two: their decision is that of the first, whose reason stands."""
    sql.execute(
        "UPDATE sharing_proposal SET state = 'confirmed', decided_by_id = %s, decided_at = %s, decision_reason = %s"
        " WHERE id = ANY(%s)",
        (member.id, now, reason, [case.proposal_id for case in cases]),
    )
    sql.execute(
        "UPDATE sharing_review v SET state = 'approved', decided_at = %s, decided_by_id = p.proposed_by_id,"
        " decision_reason = p.reason, seconded_by_id = %s FROM sharing_proposal p"
        " WHERE p.review_id = v.id AND p.id = ANY(%s)",
        (now, member.id, [case.proposal_id for case in cases]),
    )
    _record(
        (
            (case.id, {"reason": reason, "release": case.release_id, "proposal": case.proposal_id})
            for case in cases
        ),
        "review.second",
        member,
        now,
    )


def _write(cases: Sequence[_Case], state: ReviewState, member: Member, reason: str, now: datetime) -> None:
    sql.execute(
        "UPDATE sharing_review SET state = %s, decided_at = %s, decided_by_id = %s, decision_reason = %s"
        " WHERE id = ANY(%s)",
        (state.value, now, member.id, reason, [case.id for case in cases]),
    )
    _record(
        ((case.id, {"reason": reason, "release": case.release_id}) for case in cases),
        f"review.{'approve' if state is ReviewState.APPROVED else 'reject'}",
        member,
        now,
    )


def _settle_proposals(
    cases: Sequence[_Case], state: ReviewState, member: Member, reason: str, now: datetime
) -> None:
    """Open proposals of cases that were decided otherwise: rejected, or fallen below the limit since."""
    proposed = [case.proposal_id for case in cases if case.proposal_id is not None]
    if not proposed:
        return
    sql.execute(
        "UPDATE sharing_proposal SET state = CASE WHEN %s = 'approved' THEN 'over' WHEN proposed_by_id = %s"
        " THEN 'withdrawn' ELSE 'declined' END, decided_by_id = %s, decided_at = %s, decision_reason = %s"
        " WHERE id = ANY(%s)",
        (state.value, member.id, member.id, now, reason, proposed),
    )


def _record(
    about: Iterable[tuple[int, dict[str, object]]], action: str, member: Member, now: datetime
) -> None:
    for review_id, detail in about:
        record(by=actor(member), now=now, action=action, target=f"review:{review_id}", detail=detail)


def may_decide(member: Member) -> None:
    """Raises `NotAllowed` for whoever is no analyst or admin of the operator's, or was switched off."""
    if not decides(member):
        raise NotAllowed(f"{member.username} is no analyst")


def decides(member: Member) -> bool:
    """Whether this is an active analyst or admin of the operator's, whose word counts."""
    operator = member.organization is not None and member.organization.sector == Sector.OPERATOR
    of_the_desk = operator and member.role in {Role.ANALYST, Role.ADMIN}
    return member.is_active and (member.is_superuser or of_the_desk)


def actor(member: Member) -> Actor:
    """A member as the audit trail names them."""
    return Actor(f"member:{member.username}", member.organization_id)


def look(*, review_id: int, member: Member, now: datetime) -> tuple[str, datetime] | None:
    """Note who looks at a pending case; who else does, and since when, if somebody began before."""
    found = sql.row(
        "WITH before AS (SELECT v.id, m.username, v.viewed_at, v.viewed_by_id = %(member)s"
        "   OR v.viewed_at IS NULL OR v.viewed_at < %(now)s - make_interval(secs => %(seconds)s) AS free"
        "   FROM sharing_review v LEFT JOIN accounts_member m ON m.id = v.viewed_by_id"
        "   WHERE v.id = %(review)s AND v.state = 'pending'),"
        " taken AS (UPDATE sharing_review v SET viewed_by_id = %(member)s, viewed_at = %(now)s FROM before"
        "   WHERE v.id = before.id AND before.free)"
        " SELECT username, viewed_at FROM before WHERE NOT free",
        {"member": member.id, "now": now, "seconds": LOOKED_AT, "review": review_id},
    )
    return None if found is None else (found[0], found[1])
