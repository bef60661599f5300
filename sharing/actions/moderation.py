"""Moderation: analysts decide cases, with a reason."""

from datetime import datetime

from django.db import transaction

from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import Member, Role
from indicators.actions import detectors, drafts
from sharing.actions import publication, triage
from sharing.models import Release, Review, ReviewState
from sharing.signing.keys import Signer


class NotPending(ValueError):
    """The case was decided or closed before."""


class NotAllowed(PermissionError):
    """The member may not decide cases."""


class OwnWork(NotAllowed):
    """Who wrote at the desk what a case is about does not approve it: somebody else looks at it."""


class ReasonMissing(ValueError):
    """A decision needs a reason."""


@transaction.atomic
def approve(*, review_id: int, member: Member, reason: str, signer: Signer, now: datetime) -> None:
    """Let it leave to this audience: it is published in this transaction."""
    review = _decide(review_id, ReviewState.APPROVED, member, reason, now)
    _refuse_own_work(review, member)
    # What waited is published as it is believed today.
    Release.objects.filter(id=review.release_id, digest__isnull=True).update(ticked_at=now)
    triage.publish(
        feeds=publication.lock_feeds(review.community_id),
        community_id=review.community_id,
        subject_ids=[review.release.subject_id],
        signer=signer,
        now=now,
    )


@transaction.atomic
def reject(*, review_id: int, member: Member, reason: str, signer: Signer, now: datetime) -> None:
    """Keep it from this audience; the reason reaches the submitters' receipts."""
    review = _decide(review_id, ReviewState.REJECTED, member, reason, now)
    triage.publish(
        feeds=publication.lock_feeds(review.community_id),
        community_id=review.community_id,
        subject_ids=[review.release.subject_id],
        signer=signer,
        now=now,
    )


def _refuse_own_work(review: Review, member: Member) -> None:
    case = (review.release.subject_id, review.release.ceiling)
    if drafts.own_work(member_id=member.id, cases=[case]):
        raise OwnWork("you wrote this at the desk: another analyst approves it")


def _decide(review_id: int, state: ReviewState, member: Member, reason: str, now: datetime) -> Review:
    if not (member.is_superuser or member.role in {Role.ANALYST, Role.ADMIN}):
        raise NotAllowed(f"{member.username} is no analyst")
    if not reason.strip():
        raise ReasonMissing("say why")
    found = (
        Review.objects.select_related("release").only("community_id", "release__subject_id").get(id=review_id)
    )
    # The feeds before the case: the order in which triage takes them, so that the two never wait for each other.
    publication.lock_feeds(found.community_id)
    review = Review.objects.select_related("release").select_for_update(of=("self",)).get(id=review_id)
    if review.state != ReviewState.PENDING:
        raise NotPending(f"this case is {review.get_state_display().lower()}")
    review.state, review.decided_at, review.decided_by, review.decision_reason = (
        state,
        now,
        member,
        reason.strip(),
    )
    review.save(update_fields=["state", "decided_at", "decided_by", "decision_reason"])
    record(
        by=Actor(f"member:{member.username}", member.organization_id),
        now=now,
        action=f"review.{'approve' if state is ReviewState.APPROVED else 'reject'}",
        target=f"review:{review_id}",
        detail={"reason": reason.strip(), "release": review.release_id},
    )
    detectors.judge(
        subject_id=review.release.subject_id,
        ceiling=review.release.ceiling,
        confirmed=state is ReviewState.APPROVED,
        now=now,
    )
    return review
