"""What takes two people beside a release: a claim's TLP is lowered, a submitter is disclosed, a legal order erases.
Raising takes one.

One analyst proposes, another confirms; the database lets neither do it alone (migration 0005).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.notices import tell
from accounts.actions.refusal import stated
from accounts.models import Member, Organization, Tlp
from indicators.actions import observations
from indicators.actions.observations import Marked
from indicators.models import Subject
from sharing.access import MAY
from sharing.actions import erasure, moderation
from sharing.models import Disclosure, ErasureState, Proposal, ProposalKind, ProposalState
from sharing.signing.keys import Signer


class NotPossible(ValueError):
    """It cannot be proposed, or not any more; the message says why."""


class NotOpen(ValueError):
    """The proposal is decided."""


class SamePerson(ValueError):
    """Who proposed it cannot confirm it."""


@transaction.atomic
def change_tlp(*, claim_id: int, tlp: int, member: Member, reason: str, now: datetime) -> int | None:
    """Raise what a claim counts as, at once; or propose to lower it: then the proposal's id.

    It holds for later versions that their source marks the same. `NotPossible`, `ReasonMissing`, `NotAllowed`.
    """
    moderation.may_decide(member)
    reason = stated(reason)
    claim = _claim(claim_id)
    if tlp not in Tlp.values:
        raise NotPossible("tlp: there is no such level")
    if tlp == claim.tlp:
        raise NotPossible(f"it counts as {Tlp(tlp).label} already")
    if claim.stated_tlp == Tlp.RED:
        raise NotPossible(
            "its source marked it TLP:RED, which stays with whom it was said to; ask its source"
        )
    if tlp > claim.tlp:
        _mark(claim, tlp, reason, [member], now)
        return None
    return _propose(
        kind=ProposalKind.LOWER_TLP,
        community_id=claim.community_id,
        claim_id=claim.id,
        tlp=tlp,
        stated_tlp=claim.stated_tlp,
        member=member,
        reason=reason,
        now=now,
    )


@transaction.atomic
def propose_disclosure(
    *, claim_id: int, organization_id: UUID, member: Member, reason: str, now: datetime
) -> int:
    """Propose to tell an organisation who made a claim that it can see the effect of; the proposal's id.

    `NotPossible`, `ReasonMissing`, `NotAllowed`.
    """
    moderation.may_decide(member)
    reason = stated(reason)
    claim = _claim(claim_id)
    _seen_as(claim, organization_id)
    return _propose(
        kind=ProposalKind.DISCLOSE,
        community_id=claim.community_id,
        claim_id=claim.id,
        organization_id=organization_id,
        member=member,
        reason=reason,
        now=now,
    )


@transaction.atomic
def propose_erasure(
    *, subject_ids: Sequence[int], reference: str, member: Member, reason: str, now: datetime
) -> int:
    """Propose to erase everything of these subjects by legal order; the erasure's id.

    `NotPossible`, `ReasonMissing`, `NotAllowed`.
    """
    moderation.may_decide(member)
    reason = stated(reason)
    reference = reference.strip()
    if not reference:
        raise NotPossible("reference: say which order it is")
    if len(reference) > 200:
        raise NotPossible("reference: 200 characters at most")
    first = Subject.objects.filter(id__in=subject_ids).order_by("id").first()
    if first is None or Subject.objects.filter(id__in=subject_ids).count() != len(set(subject_ids)):
        raise NotPossible("there is no such subject")
    if not erasure.scope(subject_ids).claims:
        raise NotPossible("nobody claims anything about it")
    made = erasure.propose(subject_ids=subject_ids, reference=reference, now=now)
    _propose(
        kind=ProposalKind.ERASE,
        community_id=first.community_id,
        erasure_id=made.id,
        member=member,
        reason=reason,
        now=now,
    )
    return made.id


@transaction.atomic
def propose_lifting(*, erasure_id: int, member: Member, reason: str, now: datetime) -> int:
    """Propose to let in again what a legal order erased; the proposal's id. `NotPossible`, …"""
    moderation.may_decide(member)
    reason = stated(reason)
    found = Proposal.objects.filter(erasure_id=erasure_id, kind=ProposalKind.ERASE).first()
    if found is None or found.erasure is None or found.erasure.state != ErasureState.DONE:
        raise NotPossible("only what is erased can be let in again")
    return _propose(
        kind=ProposalKind.LIFT,
        community_id=found.community_id,
        erasure_id=erasure_id,
        member=member,
        reason=reason,
        now=now,
    )


@transaction.atomic
def confirm(
    *, proposal_id: int, member: Member, reason: str, signer: Signer | None, now: datetime, shown: str = ""
) -> Proposal:
    """Let happen what another analyst proposed; only a release needs `signer`, and what was `shown` of its case.

    `NotOpen`, `SamePerson`, `NotPossible`, `NotAllowed`.
    """
    moderation.may_decide(member)
    reason = stated(reason)
    found = Proposal.objects.only(
        "kind", "review_id", "claim_id", "erasure_id", "proposed_by_id", "state"
    ).get(id=proposal_id)
    if found.state == ProposalState.OPEN and found.proposed_by_id == member.id:
        raise SamePerson("you proposed it: another analyst has to confirm it")
    if found.kind == ProposalKind.RELEASE:
        # Its locks are those of a decision.
        assert found.review_id is not None
        assert signer is not None
        moderation.approve(
            review_id=found.review_id, shown=shown, member=member, reason=reason, signer=signer, now=now
        )
        return Proposal.objects.get(id=proposal_id)
    if found.state == ProposalState.OPEN and not moderation.decides(found.proposed_by):
        raise NotPossible(moderation.NO_ANALYST_NOW)
    if found.erasure_id is not None:
        proposal = _decide(proposal_id, ProposalState.CONFIRMED, member, reason, now)
        happen = erasure.order if found.kind == ProposalKind.ERASE else erasure.lift
        happen(erasure_id=found.erasure_id, by=moderation.actor(member), now=now)
        return proposal
    assert found.claim_id is not None
    claim = _claim(found.claim_id)
    proposal = _decide(proposal_id, ProposalState.CONFIRMED, member, reason, now)
    if proposal.kind == ProposalKind.LOWER_TLP:
        assert proposal.tlp is not None
        _mark(claim, proposal.tlp, proposal.reason, [proposal.proposed_by, member], now)
    else:
        _disclose(proposal, claim, member, now)
    return proposal


@transaction.atomic
def decline(*, proposal_id: int, member: Member, reason: str, now: datetime) -> Proposal:
    """Let it not happen; whoever proposed it withdraws it. `NotOpen`, `ReasonMissing`, `NotAllowed`."""
    moderation.may_decide(member)
    reason = stated(reason)
    # The case before its proposal: the order in which decisions take them.
    sql.rows(
        "SELECT v.id FROM sharing_review v JOIN sharing_proposal p ON p.review_id = v.id WHERE p.id = %s"
        " FOR UPDATE OF v",
        (proposal_id,),
    )
    declined = _decide(proposal_id, ProposalState.DECLINED, member, reason, now)
    if declined.kind == ProposalKind.ERASE and declined.erasure_id is not None:
        erasure.drop(erasure_id=declined.erasure_id)
    return declined


def _decide(proposal_id: int, state: ProposalState, member: Member, reason: str, now: datetime) -> Proposal:
    proposal = (
        Proposal.objects.select_for_update(of=("self",)).select_related("proposed_by").get(id=proposal_id)
    )
    if proposal.state != ProposalState.OPEN:
        raise NotOpen(f"this proposal is {proposal.get_state_display().lower()}")
    if proposal.proposed_by_id == member.id:
        state = ProposalState.WITHDRAWN
    proposal.state, proposal.decided_by, proposal.decided_at = state, member, now
    proposal.decision_reason = reason
    proposal.save(update_fields=["state", "decided_by", "decided_at", "decision_reason"])
    record(
        by=moderation.actor(member),
        now=now,
        action=f"proposal.{'confirm' if state is ProposalState.CONFIRMED else 'decline'}",
        target=f"proposal:{proposal.id}",
        detail={"kind": proposal.kind, "reason": reason, "proposed_by": proposal.proposed_by.username},
    )
    return proposal


def _claim(claim_id: int) -> Marked:
    claim = observations.marked(claim_id)
    if claim is None:
        raise NotPossible("there is no such claim")
    return claim


def _propose(
    *,
    kind: ProposalKind,
    community_id: UUID,
    member: Member,
    reason: str,
    now: datetime,
    claim_id: int | None = None,
    erasure_id: int | None = None,
    tlp: int | None = None,
    stated_tlp: int | None = None,
    organization_id: UUID | None = None,
) -> int:
    try:
        with transaction.atomic():
            made = Proposal.objects.create(
                kind=kind,
                community_id=community_id,
                claim_id=claim_id,
                erasure_id=erasure_id,
                tlp=tlp,
                stated_tlp=stated_tlp,
                organization_id=organization_id,
                reason=reason,
                proposed_by=member,
                proposed_at=now,
            )
    except IntegrityError as error:
        raise NotPossible("the same is proposed already, and waits for a second person") from error
    record(
        by=moderation.actor(member),
        now=now,
        action="proposal.make",
        target=f"proposal:{made.id}",
        detail={
            "kind": kind.value,
            "claim": claim_id,
            "erasure": erasure_id,
            "reason": reason,
            "tlp": tlp,
            "organization": None if organization_id is None else str(organization_id),
        },
    )
    return made.id


def _mark(claim: Marked, tlp: int, reason: str, members: list[Member], now: datetime) -> None:
    """Change what a claim counts as, and tell its source."""
    observations.mark(claim=claim, tlp=tlp)
    before, after, stated = (Tlp(level).label for level in (claim.tlp, tlp, claim.stated_tlp))
    record(
        by=moderation.actor(members[-1]),
        now=now,
        action="claim.mark",
        target=f"claim:{claim.id}",
        detail={
            "object": claim.object_id,
            "from": before,
            "to": after,
            "stated": stated,
            "reason": reason,
            "by": [member.username for member in members],
        },
    )
    tell(
        organization_id=claim.organization_id,
        kind="claim.tlp-changed",
        target=f"object:{claim.object_id}",
        sentence=f"What you sent as {claim.object_id} counts as {after} now, not {before}: {reason}",
        now=now,
        detail={"object": claim.object_id, "from": before, "to": after, "stated": stated},
    )


@dataclass(frozen=True, slots=True)
class _Seen:
    """The id under which an organisation sees the effect of a claim, and what opens its submitter commitments."""

    published_id: str
    openings: list[dict[str, Any]]


def _seen_as(claim: Marked, organization_id: UUID) -> _Seen:
    """How an organisation sees what a claim is about; raises `NotPossible` where it does not."""
    if organization_id == claim.organization_id:
        raise NotPossible("it submitted this itself")
    rows = sql.rows(
        "SELECT r.published_id, k.id, e.index, encode(e.subsalt, 'hex'), convert_from(e.submitter, 'UTF8')"
        f" FROM {MAY} JOIN sharing_release r ON r.ceiling = k.ceiling"
        " JOIN sharing_entry e ON e.collection_id = k.id AND e.object_id = r.published_id AND e.body IS NOT NULL"
        " WHERE c.id = %(community)s AND m.organization_id = %(organization)s AND k.kind = 'feed' AND g.can_read"
        " AND r.subject_id = %(subject)s AND r.ceiling >= %(tlp)s AND r.digest IS NOT NULL"
        " ORDER BY r.ceiling DESC, k.id, e.index DESC LIMIT 50",
        {
            "community": claim.community_id,
            "organization": organization_id,
            "subject": claim.subject_id,
            "tlp": claim.tlp,
        },
    )
    if not rows:
        raise NotPossible(
            "that organisation sees nothing of it: no feed that it reads holds what this claim says"
        )
    openings: list[dict[str, Any]] = [
        {"collection": str(collection_id), "index": index, "subsalt": subsalt, "record": said}
        for _, collection_id, index, subsalt, said in rows
        # Of what the service says itself, the commitment is to noise.
        if said is not None and f'"{claim.organization_id}"' in said
    ]
    return _Seen(rows[0][0], openings)


def _disclose(proposal: Proposal, claim: Marked, member: Member, now: datetime) -> None:
    """Tell the organisation who made the claim, and the submitter that it was told."""
    assert proposal.organization_id is not None
    seen = _seen_as(claim, proposal.organization_id)
    Disclosure.objects.bulk_create(
        [
            Disclosure(
                proposal=proposal,
                organization_id=proposal.organization_id,
                collection_id=opening["collection"],
                index=opening["index"],
            )
            for opening in seen.openings
        ],
        ignore_conflicts=True,
    )
    names = dict(
        Organization.objects.filter(id__in=[claim.organization_id, proposal.organization_id]).values_list(
            "id", "name"
        )
    )
    submitter, told = names[claim.organization_id], names[proposal.organization_id]
    tell(
        organization_id=proposal.organization_id,
        kind="submitter.disclosed",
        target=f"object:{seen.published_id}",
        sentence=f"{submitter} is a submitter of {seen.published_id}.",
        now=now,
        detail={
            "proposal": proposal.id,
            "object": seen.published_id,
            "submitter": submitter,
            "openings": seen.openings,
        },
    )
    tell(
        organization_id=claim.organization_id,
        kind="submitter.told-of",
        target=f"object:{claim.object_id}",
        sentence=f"{told} was told that you submitted what you sent as {claim.object_id}: {proposal.reason}",
        now=now,
        detail={"object": claim.object_id, "organization": told},
    )
    record(
        by=moderation.actor(member),
        now=now,
        action="submitter.disclose",
        target=f"claim:{claim.id}",
        detail={
            "object": seen.published_id,
            "to": told,
            "reason": proposal.reason,
            "by": [proposal.proposed_by.username, member.username],
        },
    )
