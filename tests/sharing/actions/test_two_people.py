"""What takes two people: a TLP is lowered, a submitter disclosed, something released above the blast radius."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import IntegrityError, connection, transaction

from accounts.models import AuditEvent, AutoRelease, Community, Member, Notice, Organization, Role
from indicators.models import Claim
from indicators.stix.markings import TLP, marking_id
from sharing.actions import moderation, proposals
from sharing.models import Collection, Entry, Kind, Proposal, ProposalState, Review, ReviewState
from sharing.receipts import receipt
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW, Shop

GREEN, AMBER = TLP.GREEN, TLP.AMBER


@dataclass(slots=True)
class Desk:
    """A green and an amber feed, and two analysts."""

    shop: Shop
    ann: Member
    bob: Member
    feeds: dict[int, Collection]
    seconds: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    @property
    def now(self) -> Any:
        return NOW + timedelta(seconds=next(self.seconds))

    def submit(self, *objects: Object, organization: Organization | None = None) -> Any:
        return exchange.submit(self.shop, objects, organization=organization or self.shop.lab_a, now=self.now)

    def publish(self) -> None:
        exchange.publish(self.shop, self.now)

    def mark(self, claim: Claim, tlp: TLP, by: Member | None = None) -> int | None:
        made = proposals.change_tlp(
            claim_id=claim.id, tlp=int(tlp), member=by or self.ann, reason="Its source agreed.", now=self.now
        )
        self.publish()
        return made

    def confirm(self, proposal_id: int | None, by: Member | None = None) -> None:
        assert proposal_id is not None
        proposals.confirm(
            proposal_id=proposal_id,
            member=by or self.bob,
            reason="I asked them too.",
            signer=self.shop.signer,
            now=self.now,
        )
        self.publish()

    def approve(self, review: Review, by: Member | None = None) -> bool:
        now = self.now
        return moderation.approve(
            review_id=review.id,
            shown=exchange.shown(review.id, now=now)[review.id],
            member=by or self.ann,
            reason="Ours too.",
            signer=self.shop.signer,
            now=now,
        )

    def shown(self, tlp: int, object_type: str = "indicator") -> list[Object]:
        """What stands in a feed and is not revoked."""
        return [
            one
            for one in exchange.latest(self.feeds[tlp]).values()
            if one["type"] == object_type and not one.get("revoked")
        ]


@pytest.fixture
def desk(shop: Shop) -> Desk:
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    ann, bob = (
        Member.objects.create(username=name, organization=hub, role=Role.ANALYST, is_staff=True)
        for name in ("ann", "bob")
    )
    return Desk(shop, ann, bob, {tlp: shop.collection(Kind.FEED, ceiling=tlp) for tlp in (GREEN, AMBER)})


def indicator(tlp: TLP, pattern: str = "[domain-name:value = 'a.example']", **members: Any) -> Object:
    return stix.indicator(
        **{"pattern": pattern, "confidence": 85, "object_marking_refs": [marking_id(tlp)]} | members
    )


def claim_on(one: Object) -> Claim:
    return Claim.objects.get(object_id=one["id"])


@contextmanager
def refused_by_the_database(saying: str | None = None) -> Iterator[None]:
    with pytest.raises(IntegrityError, match=saying), transaction.atomic():
        yield


def run(query: str, *parameters: int | str | None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(query, parameters)


# --- Raising


def test_a_raised_claim_leaves_the_lower_feed_and_is_marked_higher_in_the_other(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    assert [len(desk.shown(tlp)) for tlp in (GREEN, AMBER)] == [1, 1]

    assert desk.mark(claim_on(one), AMBER) is None

    assert desk.shown(GREEN) == []
    (left,) = desk.shown(AMBER)
    assert left["object_marking_refs"] == [marking_id(AMBER)]


def test_what_passed_unchanged_is_erased_below_and_said_again_above_when_it_is_raised(desk: Desk) -> None:
    one = stix.campaign(name="Proxy farm", object_marking_refs=[marking_id(GREEN)])
    desk.submit(one)
    assert [found["id"] for found in desk.shown(GREEN, "campaign")] == [one["id"]]

    desk.mark(claim_on(one), AMBER)

    assert desk.shown(GREEN, "campaign") == []
    assert not Entry.objects.filter(collection=desk.feeds[GREEN], object_id=one["id"]).exists()
    (again,) = desk.shown(AMBER, "campaign")
    assert again["id"] != one["id"]
    assert again["name"] == "Proxy farm"
    assert again["object_marking_refs"] == [marking_id(AMBER)]


def test_the_source_is_told_by_notice_and_receipt(desk: Desk) -> None:
    one = indicator(GREEN)
    submission = desk.submit(one)

    desk.mark(claim_on(one), AMBER)

    notice = Notice.objects.get(organization=desk.shop.lab_a, kind="claim.tlp-changed")
    assert one["id"] in notice.sentence
    assert "TLP:AMBER now, not TLP:GREEN: Its source agreed." in notice.sentence
    found = receipt(desk.shop.lab_a.id, submission)
    assert found is not None
    assert "An analyst has it count as TLP:AMBER; it was sent as TLP:GREEN." in found.lines[0].note
    assert AuditEvent.objects.filter(action="claim.mark", target=f"claim:{claim_on(one).id}").count() == 1


# --- Lowering


def test_a_lowered_claim_appears_below_once_a_second_person_confirmed_it(desk: Desk) -> None:
    one = indicator(AMBER)
    desk.submit(one)

    proposed = desk.mark(claim_on(one), GREEN)
    before = desk.shown(GREEN)
    desk.confirm(proposed)

    assert before == []
    (found,) = desk.shown(GREEN)
    assert found["object_marking_refs"] == [marking_id(GREEN)]
    assert desk.shown(AMBER)[0]["object_marking_refs"] == [marking_id(GREEN)]
    assert Notice.objects.filter(organization=desk.shop.lab_a, kind="claim.tlp-changed").count() == 1


@pytest.mark.parametrize(
    "one",
    [
        stix.campaign(object_marking_refs=[marking_id(AMBER)], external_references=[{"source_name": "x", "url": "https://x.example"}]),
        stix.sco("ipv4-addr", {"value": "198.51.100.7"}, object_marking_refs=[marking_id(AMBER)]),
    ],
    ids=["campaign", "address"],
)  # fmt: skip
def test_what_passes_unchanged_is_said_again_with_the_lower_mark(desk: Desk, one: Object) -> None:
    desk.submit(one)

    desk.confirm(desk.mark(claim_on(one), GREEN))

    for tlp in (GREEN, AMBER):
        (found,) = desk.shown(tlp, one["type"])
        assert found["object_marking_refs"] == [marking_id(GREEN)]
        assert "external_references" not in found


def test_who_proposed_it_cannot_confirm_it(desk: Desk) -> None:
    one = indicator(AMBER)
    desk.submit(one)
    proposed = desk.mark(claim_on(one), GREEN)

    with pytest.raises(proposals.SamePerson):
        desk.confirm(proposed, by=desk.ann)

    assert desk.shown(GREEN) == []
    assert Proposal.objects.get().state == ProposalState.OPEN


def test_what_was_declined_changes_nothing_and_is_not_confirmed_later(desk: Desk) -> None:
    one = indicator(AMBER)
    desk.submit(one)
    proposed = desk.mark(claim_on(one), GREEN)
    assert proposed is not None

    proposals.decline(proposal_id=proposed, member=desk.bob, reason="They did not.", now=desk.now)

    with pytest.raises(proposals.NotOpen, match="declined"):
        desk.confirm(proposed)
    assert desk.shown(GREEN) == []


def test_red_is_lowered_by_nobody(desk: Desk) -> None:
    one = indicator(TLP.RED)
    desk.submit(one)

    with pytest.raises(proposals.NotPossible, match="TLP:RED, which stays"):
        desk.mark(claim_on(one), TLP.AMBER)
    with refused_by_the_database():
        run("UPDATE indicators_claim SET tlp = 2 WHERE id = %s", claim_on(one).id)


def test_the_database_lowers_no_claim_without_two_people(desk: Desk) -> None:
    one = indicator(AMBER)
    desk.submit(one)
    claim = claim_on(one)
    lowering = "UPDATE indicators_claim SET tlp = 1 WHERE id = %s"

    with refused_by_the_database("second person confirmed"):
        run(lowering, claim.id)
    proposed = desk.mark(claim, GREEN)
    with refused_by_the_database("second person confirmed"):
        run(lowering, claim.id)
    with refused_by_the_database("proposal_confirmed_by_another"):
        run(
            "UPDATE sharing_proposal SET state = 'confirmed', decided_by_id = proposed_by_id, decided_at = now()"
            " WHERE id = %s",
            proposed,
        )
    with refused_by_the_database("never changes"):
        run("UPDATE sharing_proposal SET proposed_by_id = %s WHERE id = %s", desk.bob.id, proposed)
    with refused_by_the_database("never changes"):
        run("UPDATE sharing_proposal SET tlp = 0 WHERE id = %s", proposed)
    with refused_by_the_database("a proposal stays"):
        run("DELETE FROM sharing_proposal WHERE id = %s", proposed)
    with refused_by_the_database("made open"):
        run(
            "INSERT INTO sharing_proposal (kind, state, community_id, claim_id, tlp, stated_tlp, reason,"
            " proposed_by_id, proposed_at, decided_by_id, decided_at, decision_reason)"
            " VALUES ('lower-tlp', 'confirmed', %s, %s, 1, 2, 'x', %s, now(), %s, now(), 'x')",
            str(claim.community_id), claim.id, desk.ann.id, desk.bob.id,
        )  # fmt: skip
    with refused_by_the_database("only with what it sends"):
        run("UPDATE indicators_claim SET tlp = 1, stated_tlp = 1 WHERE id = %s", claim.id)
    desk.confirm(proposed)
    with refused_by_the_database("second person confirmed"):
        run("UPDATE indicators_claim SET tlp = 0 WHERE id = %s", claim.id)


def test_back_from_where_an_analyst_raised_it_takes_two_as_well(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    desk.mark(claim_on(one), AMBER)

    with refused_by_the_database("second person confirmed"):
        run("UPDATE indicators_claim SET tlp = 1 WHERE id = %s", claim_on(one).id)
    desk.confirm(desk.mark(claim_on(one), GREEN))

    assert len(desk.shown(GREEN)) == 1


# --- How long it holds


def newer(one: Object, minutes: int, **members: Any) -> Object:
    return one | {"modified": f"2026-02-01T12:{minutes:02}:00.000Z"} | members


def test_a_later_version_with_the_same_mark_keeps_what_the_analysts_said(desk: Desk) -> None:
    one = indicator(AMBER)
    desk.submit(one)
    desk.confirm(desk.mark(claim_on(one), GREEN))

    desk.submit(newer(one, 1, labels=["again"]))

    (found,) = desk.shown(GREEN)
    assert found["labels"] == ["again"]
    assert (claim_on(one).tlp, claim_on(one).stated_tlp) == (GREEN, AMBER)


def test_a_later_version_with_another_mark_voids_it_and_uses_the_proposal_up(desk: Desk) -> None:
    one = indicator(AMBER)
    desk.submit(one)
    desk.confirm(desk.mark(claim_on(one), GREEN))

    desk.submit(newer(one, 1, object_marking_refs=[marking_id(TLP.AMBER_STRICT)]))
    desk.submit(newer(one, 2))

    assert desk.shown(GREEN) == []
    assert (claim_on(one).tlp, claim_on(one).stated_tlp) == (AMBER, AMBER)
    assert Proposal.objects.get().state == ProposalState.OVER
    with refused_by_the_database("second person confirmed"):
        run("UPDATE indicators_claim SET tlp = 1 WHERE id = %s", claim_on(one).id)


def test_a_raised_claim_stays_raised_in_later_versions(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    desk.mark(claim_on(one), AMBER)

    desk.submit(newer(one, 1, labels=["again"]))

    assert desk.shown(GREEN) == []
    assert desk.shown(AMBER)[0]["labels"] == ["again"]


def test_a_raised_sighting_is_heard_no_more_below(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    seen = stix.sighting(sighting_of_ref=one["id"], object_marking_refs=[marking_id(GREEN)])
    desk.submit(seen, organization=desk.shop.lab_b)
    with_it = desk.shown(GREEN)[0]["confidence"]

    desk.mark(claim_on(seen), AMBER)

    assert desk.shown(GREEN)[0]["confidence"] < with_it
    assert desk.shown(AMBER)[0]["confidence"] == with_it


# --- Disclosing a submitter


def test_an_organisation_is_told_who_submitted_what_it_sees_once_two_agree(desk: Desk) -> None:
    one = stix.campaign(object_marking_refs=[marking_id(GREEN)])
    desk.submit(one)
    proposed = proposals.propose_disclosure(
        claim_id=claim_on(one).id,
        organization_id=desk.shop.lab_b.id,
        member=desk.ann,
        reason="They work on it together.",
        now=desk.now,
    )
    assert not Notice.objects.filter(organization=desk.shop.lab_b).exists()

    desk.confirm(proposed)

    told = Notice.objects.get(organization=desk.shop.lab_b, kind="submitter.disclosed")
    assert told.sentence == f"Lab-A is a submitter of {one['id']}."
    assert {opening["collection"] for opening in told.detail["openings"]} == {
        str(feed.id) for feed in desk.feeds.values()
    }
    assert Notice.objects.get(organization=desk.shop.lab_a).kind == "submitter.told-of"
    event = AuditEvent.objects.get(action="submitter.disclose")
    assert event.detail["by"] == ["ann", "bob"]


def test_nobody_is_told_of_what_it_does_not_see(desk: Desk) -> None:
    one = stix.campaign(object_marking_refs=[marking_id(GREEN)])
    desk.submit(one)

    for organization, why in ((desk.shop.outsider, "sees nothing of it"), (desk.shop.lab_a, "itself")):
        with pytest.raises(proposals.NotPossible, match=why):
            proposals.propose_disclosure(
                claim_id=claim_on(one).id,
                organization_id=organization.id,
                member=desk.ann,
                reason="They asked.",
                now=desk.now,
            )


def test_the_database_discloses_nobody_without_two_people(desk: Desk) -> None:
    with refused_by_the_database("second person confirmed"):
        Notice.objects.create(
            organization=desk.shop.lab_b,
            kind="submitter.disclosed",
            target="object:x",
            sentence="Lab A did.",
            told_at=NOW,
        )


# --- Releasing above the blast radius


WIDE = "[ipv4-addr:value = '203.0.0.0/16']"


@pytest.fixture
def careful(desk: Desk) -> Desk:
    Community.objects.update(auto_release=AutoRelease.NONE)
    return desk


def pending(ceiling: int = GREEN) -> Review:
    return Review.objects.get(state=ReviewState.PENDING, ceiling=ceiling)


def test_above_the_blast_radius_the_first_approval_proposes_and_the_second_releases(careful: Desk) -> None:
    careful.submit(indicator(GREEN, WIDE))
    case = pending()
    assert (case.blast_radius, case.blast_limit) == (262_144, 10_000)

    assert careful.approve(case) is False
    before = careful.shown(GREEN)
    with pytest.raises(moderation.NotPending, match="another analyst"):
        careful.approve(case)
    assert careful.approve(case, by=careful.bob) is True

    assert before == []
    assert len(careful.shown(GREEN)) == 1
    case.refresh_from_db()
    assert (case.state, case.decided_by, case.seconded_by) == ("approved", careful.ann, careful.bob)
    assert Proposal.objects.get().state == ProposalState.CONFIRMED
    assert list(
        AuditEvent.objects.filter(target=f"review:{case.id}").order_by("id").values_list("action", flat=True)
    ) == ["review.propose", "review.second"]


def test_a_second_person_may_reject_what_the_first_would_release(careful: Desk) -> None:
    careful.submit(indicator(GREEN, WIDE))
    careful.approve(pending())

    case, now = pending(), careful.now
    moderation.reject(
        review_id=case.id, shown=exchange.shown(case.id, now=now)[case.id], member=careful.bob, reason="Far too broad.",
        signer=careful.shop.signer, now=now,
    )  # fmt: skip

    assert careful.shown(GREEN) == []
    assert Proposal.objects.get().state == ProposalState.DECLINED


def test_the_database_releases_nothing_wide_without_two_people(careful: Desk) -> None:
    careful.submit(indicator(GREEN, WIDE))
    case = pending()
    approving = (
        "UPDATE sharing_review SET state = 'approved', decided_at = now(), decision_reason = 'x',"
        " decided_by_id = %s, seconded_by_id = %s WHERE id = %s"
    )

    with refused_by_the_database():
        run(approving, careful.ann.id, None, case.id)
    with refused_by_the_database():
        run(approving, careful.ann.id, careful.ann.id, case.id)
    with refused_by_the_database("second person confirmed"):
        run(approving, careful.ann.id, careful.bob.id, case.id)
    for wider in ("blast_limit = 2000000000", "blast_radius = 0"):
        with refused_by_the_database("not changed by who decides"):
            run(approving.replace("SET ", f"SET {wider}, "), careful.ann.id, None, case.id)
    careful.approve(case)
    with refused_by_the_database("second person confirmed"):
        run(approving, careful.ann.id, careful.bob.id, case.id)


def test_what_met_the_rule_waits_for_two_analysts_above_the_blast_radius(desk: Desk) -> None:
    Community.objects.update(auto_release=AutoRelease.RULE, min_confidence=0, min_sources=1)

    desk.submit(indicator(GREEN, WIDE), indicator(GREEN, "[ipv4-addr:value = '203.0.113.7']"))

    assert [one["pattern"] for one in desk.shown(GREEN)] == ["[ipv4-addr:value = '203.0.113.7']"]
    case = pending()
    assert (case.reason, case.title) == ("blast-radius", WIDE)
    assert "Some 262,144 people" in case.release.sentence


def test_a_community_that_releases_everything_releases_that_too(desk: Desk) -> None:
    desk.submit(indicator(GREEN, WIDE))

    assert len(desk.shown(GREEN)) == 1


def test_a_limit_that_was_raised_lets_one_analyst_release(careful: Desk, settings: LazySettings) -> None:
    careful.submit(indicator(GREEN, WIDE))
    settings.BLAST_RADIUS_LIMIT = 1_000_000

    assert careful.approve(pending()) is True


def test_nothing_above_an_audience_widens_its_blast_radius(careful: Desk) -> None:
    """Merged by an analyst, a subject watches what only amber sees."""
    from indicators.actions import journal
    from indicators.models import Observable, Subject

    narrow, wide = indicator(GREEN, "[ipv4-addr:value = '203.0.113.7']"), indicator(AMBER, WIDE)
    careful.submit(narrow)
    careful.submit(wide, organization=careful.shop.lab_b)
    one, other = claim_on(narrow).subject, claim_on(wide).subject
    journal.merge(
        community_id=careful.shop.community.id, survivor_id=one.id, other_id=other.id, kind="analyst",
        similarity=None, by=moderation.actor(careful.ann), now=careful.now, reason="One box.",
    )  # fmt: skip
    careful.publish()
    assert Observable.objects.filter(subject=Subject.objects.get(id=one.id)).count() == 2

    assert Review.objects.get(release__subject=one, ceiling=GREEN, state="pending").blast_radius == 4
    assert careful.approve(Review.objects.get(release__subject=one, ceiling=GREEN, state="pending")) is True


def test_the_database_takes_no_case_that_is_approved_from_the_start_or_moves_to_another_release(
    careful: Desk,
) -> None:
    careful.submit(indicator(GREEN, WIDE))
    wide = pending()
    with refused_by_the_database("opened before it is approved"):
        run(
            "INSERT INTO sharing_review (release_id, community_id, state, sources, opened_at, decided_at,"
            " decided_by_id, decision_reason) SELECT release_id, community_id, 'approved', 1, now(), now(), %s, 'x'"
            " FROM sharing_review WHERE id = %s",
            careful.ann.id,
            wide.id,
        )
    small = indicator(GREEN, "[domain-name:value = 'small.example']")
    careful.submit(small)
    case = Review.objects.get(state=ReviewState.PENDING, ceiling=GREEN, blast_radius=0)
    careful.approve(case)

    with refused_by_the_database("stays about one release"):
        run("UPDATE sharing_review SET release_id = %s WHERE id = %s", wide.release_id, case.id)

    assert [one["pattern"] for one in careful.shown(GREEN)] == [small["pattern"]]
