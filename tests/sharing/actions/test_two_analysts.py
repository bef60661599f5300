"""Whose word counts as one of two: an active analyst's of the operator, then and when it is confirmed; once."""

import threading
from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connection, transaction

from accounts.models import AutoRelease, Community, Member, Organization, Role
from indicators.models import Claim, Subject, Submission
from indicators.stix.markings import TLP
from sharing.actions import moderation, proposals
from sharing.models import Proposal, ProposalState, Review, ReviewState
from tests.sharing.actions.conftest import NOW
from tests.sharing.actions.conftest import shop as shop
from tests.sharing.actions.conftest import signer as signer
from tests.sharing.actions.test_two_people import AMBER, GREEN, Desk, claim_on, indicator
from tests.sharing.actions.test_two_people import desk as desk


def switched_off(member: Member) -> None:
    member.is_active = False


def made_a_reader(member: Member) -> None:
    member.role = Role.READER


def moved(member: Member) -> None:
    member.organization = Organization.objects.get(slug="lab-a")


CHANGES = pytest.mark.parametrize("change", [switched_off, made_a_reader, moved])


def proposed(desk: Desk) -> tuple[Claim, int]:
    """A claim marked amber, and the proposal of ann to lower it to green."""
    said = indicator(AMBER)
    desk.submit(said)
    claim = claim_on(said)
    number = desk.mark(claim, GREEN)
    assert number is not None
    return claim, number


@CHANGES
def test_who_counts_for_nobody_any_more_is_not_the_first_of_two(
    desk: Desk, change: Callable[[Member], None]
) -> None:
    claim, number = proposed(desk)
    change(desk.ann)
    desk.ann.save()

    with pytest.raises(proposals.NotPossible, match="no analyst any more"):
        desk.confirm(number)
    with pytest.raises(IntegrityError, match="analysts of the operator"), transaction.atomic():
        Proposal.objects.filter(id=number).update(
            state=ProposalState.CONFIRMED, decided_by=desk.bob, decided_at=NOW
        )

    claim.refresh_from_db()
    assert claim.tlp == AMBER
    proposals.decline(proposal_id=number, member=desk.bob, reason="She left.", now=desk.now)
    assert desk.mark(claim, GREEN, by=desk.bob) is not None


@CHANGES
def test_who_counts_for_nobody_is_not_the_second_and_proposes_nothing(
    desk: Desk, change: Callable[[Member], None]
) -> None:
    claim, number = proposed(desk)
    change(desk.bob)
    desk.bob.save()

    with pytest.raises(moderation.NotAllowed):
        desk.confirm(number)
    with pytest.raises(IntegrityError, match="analysts of the operator"), transaction.atomic():
        Proposal.objects.filter(id=number).update(
            state=ProposalState.CONFIRMED, decided_by=desk.bob, decided_at=NOW
        )
    proposals.decline(proposal_id=number, member=desk.ann, reason="Nobody is here.", now=desk.now)
    with pytest.raises(moderation.NotAllowed):
        desk.mark(claim, GREEN, by=desk.bob)
    with pytest.raises(IntegrityError, match="analysts of the operator"), transaction.atomic():
        Proposal.objects.create(
            kind="lower-tlp", community=desk.shop.community, claim=claim, tlp=GREEN, stated_tlp=AMBER, reason="x",
            proposed_by=desk.bob, proposed_at=NOW,
        )  # fmt: skip


def test_an_admin_of_a_partner_decides_nothing(desk: Desk) -> None:
    claim, number = proposed(desk)
    partner = Member.objects.create(username="pia", organization=desk.shop.lab_b, role=Role.ADMIN)

    with pytest.raises(moderation.NotAllowed):
        desk.confirm(number, by=partner)
    with pytest.raises(moderation.NotAllowed):
        proposals.decline(proposal_id=number, member=partner, reason="No.", now=desk.now)
    with pytest.raises(moderation.NotAllowed):
        desk.mark(claim, TLP.RED, by=partner)


@CHANGES
def test_a_wide_release_is_not_seconded_after_its_proposer_left(
    desk: Desk, settings: LazySettings, change: Callable[[Member], None]
) -> None:
    settings.BLAST_RADIUS_LIMIT = 10
    Community.objects.update(auto_release=AutoRelease.NONE)
    desk.submit(indicator(GREEN, "[ipv4-addr:value = '198.51.100.0/24']"))
    review = Review.objects.filter(ceiling=GREEN).get()
    assert desk.approve(review) is False
    change(desk.ann)
    desk.ann.save()

    with pytest.raises(moderation.NotPending, match="no analyst any more"):
        desk.approve(review, by=desk.bob)

    review.refresh_from_db()
    assert review.state == ReviewState.PENDING
    assert desk.shown(GREEN) == []
    proposal = Proposal.objects.get(review=review)
    proposals.decline(proposal_id=proposal.id, member=desk.bob, reason="She left.", now=desk.now)
    assert desk.approve(review, by=desk.bob) is False


def test_what_its_source_marked_red_is_lowered_by_no_two(desk: Desk) -> None:
    said = indicator(TLP.RED)
    desk.submit(said)

    with pytest.raises(IntegrityError, match="proposal_leaves_red"), transaction.atomic():
        Proposal.objects.create(
            kind="lower-tlp", community=desk.shop.community, claim=claim_on(said), tlp=GREEN, stated_tlp=TLP.RED,
            reason="x", proposed_by=desk.ann, proposed_at=NOW,
        )  # fmt: skip


@pytest.mark.django_db(transaction=True)
def test_of_two_who_confirm_at_once_one_is_the_second(desk: Desk) -> None:
    # Without ingest: what migrations made is gone where another story of this kind came before.
    subject = Subject.objects.create(community=desk.shop.community, key=b"k", object_type="indicator")
    submission = Submission.objects.create(
        community=desk.shop.community, organization=desk.shop.lab_a, channel="rest", collection_id=uuid4(),
        body=b"{}", body_sha256=bytes(32), object_count=0, received_at=NOW,
    )  # fmt: skip
    claim = Claim.objects.create(
        community=desk.shop.community, organization=desk.shop.lab_a, subject=subject, submission=submission,
        references=[], object_id=f"indicator--{uuid4()}", version="1", tlp=AMBER, stated_tlp=AMBER, body=b"{}",
        signature="", first_received_at=NOW, received_at=NOW,
    )  # fmt: skip
    number = proposals.change_tlp(
        claim_id=claim.id, tlp=int(GREEN), member=desk.ann, reason="Theirs.", now=NOW
    )
    assert number is not None
    cid = Member.objects.create(
        username="cid", organization=desk.bob.organization, role=Role.ANALYST, is_staff=True
    )
    start = threading.Barrier(3)
    answers: list[str] = []

    def confirm(member: Member) -> None:
        try:
            start.wait(10)
            proposals.confirm(
                proposal_id=number,
                member=member,
                reason="I asked too.",
                signer=desk.shop.signer,
                now=NOW + timedelta(hours=1),
            )
            answers.append("done")
        except (proposals.NotOpen, proposals.SamePerson) as refusal:
            answers.append(type(refusal).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=confirm, args=(one,)) for one in (desk.ann, desk.bob, cid)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)

    assert answers.count("done") == 1
    assert len(answers) == 3
    claim.refresh_from_db()
    assert claim.tlp == GREEN
