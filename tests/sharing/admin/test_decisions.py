"""A decision is one on what its page showed: of one case, of other audiences along with it, of many at once."""

import re
from collections.abc import Callable
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest
from django.test import Client

from accounts.models import Member, Membership, Organization, Role
from indicators.models import Submission
from indicators.stix.markings import TLP, marking_id
from sharing import receipts
from sharing.actions import moderation
from sharing.models import CollectionGrant, Kind, Profile, Proposal, Review, ReviewState
from tests.conformance import stix
from tests.desk import shown, sign_in
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW
from tests.sharing.admin.test_reviews import (
    AMBER,
    GREEN,
    LIST,
    TODAY,
    Office,
    bulk,
    case,
    indicator,
    office,
    shop,
    signer,
)
from tests.sharing.admin.test_writing import Desk, desk, written

__all__ = ["desk", "office", "shop", "signer"]

CHANGED = "it changed since you looked"
CAMPAIGN = {"type": "campaign", "name": "Harmless", "object_marking_refs": [marking_id(TLP.GREEN)]}
WIDE = "[ipv4-addr:value = '203.0.0.0/16']"


def campaign(**members: Any) -> dict[str, Any]:
    return stix._sdo("campaign", **{**CAMPAIGN, **members})


def boxes(page: str) -> dict[str, str]:
    """Other audiences that can be decided along with a case: what their ticked boxes post."""
    found = re.findall(
        r'<input type="checkbox" name="shown" value="([^"]+)" checked> Decide (TLP:[A-Z+]+) too', page
    )
    return {audience: value for value, audience in found}


def names(office: Office, tlp: int) -> list[str]:
    latest = exchange.latest(office.feeds[tlp]).values()
    return [one["name"] for one in latest if one["type"] == "campaign"]


def text_of(answer: Any) -> str:
    return unescape(answer.content.decode())


# --- One case


def test_what_changed_since_the_page_was_opened_is_not_published_but_shown_again(office: Office) -> None:
    sent = campaign()
    office.submit(sent)
    review = case()
    opened = shown(office.page(review))
    newer = {
        "name": "Something else",
        "description": "Somebody's secret",
        "modified": "2026-02-10T00:00:00.000Z",
    }
    office.submit(sent | newer, later=5)

    again = text_of(office.decide(review, "approve", reason="It is harmless.", **opened))

    assert CHANGED in again
    assert "Somebody's secret" in again
    assert "It is harmless.</textarea>" in again
    assert names(office, GREEN) == []
    review.refresh_from_db()
    assert review.state == ReviewState.PENDING
    office.decide(review, "approve", **shown(again))
    assert names(office, GREEN) == ["Something else"]


def test_a_reader_who_came_since_the_page_was_opened_is_shown_before_the_decision(office: Office) -> None:
    office.submit(indicator())
    review = case()
    opened = shown(office.page(review))
    newcomer = Organization.objects.create(slug="new", name="Newcomer", sector="authority")
    Membership.objects.create(community=office.shop.community, organization=newcomer, joined_at=NOW)
    CollectionGrant.objects.create(
        collection=office.feeds[GREEN], organization=newcomer, can_read=True, can_write=False
    )

    again = text_of(office.decide(review, "approve", **opened))

    assert CHANGED in again
    assert "Newcomer" in again
    assert office.shown(GREEN) == []


def test_a_rejection_covers_no_source_that_its_analyst_did_not_see(office: Office) -> None:
    office.submit(campaign(id=(same := f"campaign--{'1' * 8}-1111-4111-8111-{'1' * 12}")))
    review = case()
    opened = shown(office.page(review))
    office.submit(campaign(id=same), organization=office.shop.lab_b, later=5)

    assert CHANGED in text_of(office.decide(review, "reject", **opened))
    review.refresh_from_db()
    assert review.state == ReviewState.PENDING


def test_the_passing_of_a_minute_and_another_who_looks_change_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sharing.admin import reviews

    office.submit(indicator())
    opened = shown(office.page(case()))
    later = SimpleNamespace(now=lambda: TODAY + timedelta(minutes=1))
    monkeypatch.setattr(reviews, "timezone", later)

    assert shown(office.page(case(), office.second)) == opened
    office.decide(case(), "approve", **opened)
    assert len(office.shown(GREEN)) == 1


@pytest.mark.parametrize("posted", ["", "none", "1:", "x:y z", ":"])
def test_a_decision_that_does_not_say_what_was_shown_is_refused(office: Office, posted: str) -> None:
    office.submit(indicator())
    review = case()

    for decision in ("approve", "reject"):
        answer = text_of(office.decide(review, decision, shown=posted))
        assert "the decision does not say what you were shown of it" in answer

    review.refresh_from_db()
    assert review.state == ReviewState.PENDING
    assert office.shown(GREEN) == []


def test_the_second_of_two_people_reads_what_would_be_released_and_binds_to_it(office: Office) -> None:
    office.submit(indicator(pattern=WIDE, labels=["first"]))
    office.decide(case(), "approve")
    address = f"/admin/proposals/{Proposal.objects.get().id}/"
    page = text_of(office.second.get("/admin/proposals/"))
    confirming = {"decision": "confirm", "reason": "I asked."}

    assert "Shelf 0: new" in page
    assert "Lab-A, Lab-B" in page
    unseen = text_of(office.second.post(address, confirming, follow=True))
    assert "The decision does not say what you were shown of it" in unseen
    office.submit(indicator(pattern=WIDE, labels=["more"]), organization=office.shop.lab_b, later=5)
    late = text_of(office.second.post(address, confirming | shown(page), follow=True))
    assert CHANGED in late.replace("It changed", "it changed")
    assert office.shown(GREEN) == []
    office.second.post(address, confirming | shown(late), follow=True)
    assert [one["labels"] for one in office.shown(GREEN)] == [["first", "more"]]


# --- Other audiences


def test_what_every_audience_would_see_alike_is_decided_for_all_at_once(office: Office) -> None:
    office.submit(indicator())
    page = office.page(case())

    others = boxes(page)
    answer = text_of(office.decide(case(), "approve", shown=[shown(page)["shown"], *others.values()]))

    assert list(others) == ["TLP:AMBER"]
    assert "Shelf 1: new. Who would receive it: Lab-A, Lab-B." in re.sub(r"\s+", " ", page)
    assert "Decided along with it: TLP:AMBER." in answer
    assert len(office.shown(GREEN)) == len(office.shown(AMBER)) == 1
    assert Review.objects.filter(state=ReviewState.APPROVED, decided_by=office.ann).count() == 2


def test_an_audience_whose_box_is_not_ticked_waits_and_is_shown_as_it_stands(office: Office) -> None:
    office.submit(indicator())
    office.decide(case(AMBER), "approve", office.second)

    page = office.page(case())

    assert boxes(page) == {}
    assert "approved, bob" in page
    assert boxes(office.page(Review.objects.get(ceiling=AMBER))) == {}
    assert office.shown(GREEN) == []


def test_nothing_is_decided_where_another_audience_changed_meanwhile(office: Office) -> None:
    office.submit(indicator())
    page = office.page(case())
    office.submit(indicator(tlp=AMBER, labels=["secret"]), organization=office.shop.lab_b, later=5)

    again = text_of(office.decide(case(), "approve", shown=[shown(page)["shown"], *boxes(page).values()]))

    assert CHANGED in again
    assert not Review.objects.exclude(state=ReviewState.PENDING).exists()
    assert office.shown(GREEN) == office.shown(AMBER) == []
    assert boxes(again) == {}
    assert "It is not the same there by what lies above this audience" in again
    assert "secret" not in again


def test_an_audience_below_is_decided_along_with_what_it_would_see_otherwise(office: Office) -> None:
    office.submit(indicator(labels=["known"]))
    office.submit(indicator(tlp=AMBER, labels=["secret"]), organization=office.shop.lab_b, later=5)
    page = office.page(case(AMBER))

    others = boxes(page)
    office.decide(case(AMBER), "approve", shown=[shown(page)["shown"], *others.values()])

    assert "It would say otherwise" in page
    assert "<del>known, secret</del>" in page
    assert "<ins>known</ins>" in page
    assert [one["labels"] for one in office.shown(GREEN)] == [["known"]]
    assert [one["labels"] for one in office.shown(AMBER)] == [["known", "secret"]]


def test_each_audience_that_is_decided_along_takes_two_people_where_it_is_wide(office: Office) -> None:
    office.submit(indicator(pattern=WIDE))
    page = office.page(case())
    both = [shown(page)["shown"], *boxes(page).values()]

    first = text_of(office.decide(case(), "approve", shown=both))
    office.decide(case(), "approve", office.second, shown=both)

    assert "Proposed along with it, another analyst has to approve it: TLP:AMBER." in first
    assert len(office.shown(GREEN)) == len(office.shown(AMBER)) == 1
    assert Review.objects.filter(decided_by=office.ann, seconded_by=office.bob).count() == 2


def test_a_case_of_something_else_is_not_decided_along(office: Office) -> None:
    office.submit(indicator("a"), indicator("b"))
    ours, other = case(title="'a."), case(title="'b.")
    both = [shown(office.page(one))["shown"] for one in (ours, other)]

    office.decide(ours, "approve", shown=both)

    other.refresh_from_db()
    assert other.state == ReviewState.PENDING


# --- What submitters read of it


def test_a_rejection_reaches_the_receipt_of_its_submitter_from_every_audience(office: Office) -> None:
    office.submit(indicator("x"))
    submission = Submission.objects.get()
    lab = sign_in(
        Client(), Member.objects.create(username="lou", organization=office.shop.lab_a, role=Role.SUBMITTER)
    )

    def line() -> receipts.Line:
        found = receipts.receipt(office.shop.lab_a.id, submission.id)
        assert found is not None
        return found.lines[0]

    office.decide(case(GREEN), "reject", reason="It is a CDN.")
    first = line()
    office.decide(case(AMBER), "approve", reason="Known.")
    said = "For readers up to TLP:GREEN an analyst rejected it: It is a CDN."

    assert (first.outcome, first.note) == ("pending-review", said)
    assert (line().outcome, line().note) == ("released", said)
    for client, address in (
        (lab, f"/admin/portal/submissions/{submission.id}/"),
        (office.client, f"/admin/indicators/submission/{submission.id}/change/"),
    ):
        assert said in text_of(client.get(address))


def test_a_receipt_tells_no_rejection_of_what_others_said_below_and_none_that_was_overruled(
    office: Office,
) -> None:
    office.submit(indicator("x", tlp=AMBER))
    submission = Submission.objects.get()
    office.submit(indicator("x"), organization=office.shop.lab_b, later=1)
    office.decide(case(GREEN), "reject", reason="It is a CDN.")

    def notes(organization: Organization, number: Submission) -> list[str]:
        found = receipts.receipt(organization.id, number.id)
        assert found is not None
        return [one.note for one in found.lines]

    theirs = Submission.objects.exclude(id=submission.id).get()
    assert notes(office.shop.lab_a, submission) == [""]
    assert "It is a CDN." in notes(office.shop.lab_b, theirs)[0]
    third = Organization.objects.create(slug="third", name="Third", sector="authority")
    Membership.objects.create(community=office.shop.community, organization=third, joined_at=NOW)
    office.submit(indicator("x"), organization=third, later=2)
    office.decide(case(GREEN), "approve")
    assert notes(office.shop.lab_b, theirs) == [""]


# --- Many at once


def test_of_many_only_those_are_decided_that_are_as_they_were_shown(office: Office) -> None:
    sent = campaign()
    office.submit(sent, indicator("a"), indicator("b"))
    ids = list(Review.objects.filter(ceiling=GREEN).values_list("id", flat=True))
    changed = case(title="Harmless")
    run = text_of(bulk(office, office.client, "approve", _selected_action=ids))
    office.submit(sent | {"name": "Something else", "modified": "2026-02-10T00:00:00.000Z"}, later=5)

    again = text_of(
        bulk(
            office, office.client, "approve", decide="1", reason="All known.", _selected_action=ids,
            **shown(run),
        )
    )  # fmt: skip

    assert "Approve: 2 decided." in again
    assert f"Case {changed.id}: {CHANGED}" in again
    assert "Something else" in again
    assert "All known." in again
    assert names(office, GREEN) == []
    bulk(
        office, office.client, "approve", decide="1", reason="All known.", _selected_action=[changed.id],
        **shown(again),
    )  # fmt: skip
    assert names(office, GREEN) == ["Something else"]


def test_what_changed_is_shown_again_after_the_last_of_several_steps(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sharing.admin import reviews

    monkeypatch.setattr(reviews, "STEP", 1)
    office.submit(indicator("a"), indicator("b"))
    ids = list(Review.objects.filter(ceiling=GREEN).order_by("id").values_list("id", flat=True))
    run = shown(text_of(bulk(office, office.client, "approve", _selected_action=ids)))["shown"]
    stale = f"{ids[0]}:0000 {run.split()[1]}"

    first = text_of(
        bulk(office, office.client, "approve", decide="1", reason="x", _selected_action=ids, shown=stale)
    )
    fields = dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', first))
    del fields["action"]
    last = text_of(bulk(office, office.client, "approve", **fields | {"_selected_action": ids[1:]}))

    assert "1 of 2 done" in first
    assert "Approve: 1 decided." in last
    assert shown(last)["shown"] == run.split()[0]


def test_many_cases_are_not_decided_without_what_was_shown_of_them(office: Office) -> None:
    office.submit(indicator("a"), indicator("b"))
    ids = list(Review.objects.filter(ceiling=GREEN).values_list("id", flat=True))

    answer = text_of(
        bulk(office, office.client, "approve", decide="1", reason="All known.", _selected_action=ids)
    )

    assert "2 cases" in answer
    assert "the decision does not say what you were shown of it" in answer
    assert shown(answer)
    assert office.shown(GREEN) == []


def row(answer: Any) -> list[str]:
    """The only row of a dry run's table: new, versions, nothing, readers."""
    table = text_of(answer).split("Who would get what")[1].split("</table>")[0]
    return [
        re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", table, re.S)
    ]


def test_a_dry_run_names_nobody_where_nothing_would_be_published(office: Office) -> None:
    office.submit(indicator("a"), indicator("b"))
    ids = list(Review.objects.filter(ceiling=GREEN).values_list("id", flat=True))

    assert row(bulk(office, office.client, "reject", _selected_action=ids)) == ["0", "0", "2", "nobody"]
    assert row(bulk(office, office.client, "approve", _selected_action=ids)) == [
        "2",
        "0",
        "0",
        "Lab-A, Lab-B",
    ]


def test_a_dry_run_names_readers_of_core_feeds_only_for_what_core_feeds_take(office: Office) -> None:
    core = office.shop.collection(Kind.FEED, ceiling=GREEN, profile=Profile.CORE)
    CollectionGrant.objects.filter(collection=core).delete()
    only = Organization.objects.create(slug="core-only", name="Core Only", sector="authority")
    Membership.objects.create(community=office.shop.community, organization=only, joined_at=NOW)
    CollectionGrant.objects.create(collection=core, organization=only, can_read=True, can_write=False)
    office.submit(indicator("a"), indicator(pattern="[llm-api-activity:account_count >= 40]"))
    plain, special = case(title="'a."), case(title="llm-api")

    def run(*reviews: Review) -> list[str]:
        chosen = [one.id for one in reviews]
        return row(bulk(office, office.client, "approve", _selected_action=chosen))

    assert run(special) == ["1", "0", "0", "Lab-A, Lab-B"]
    assert run(plain, special) == ["2", "0", "0", "Core Only, Lab-A, Lab-B"]


def test_a_dry_run_counts_ones_own_work_apart(desk: Desk) -> None:
    written(desk)
    ids = list(Review.objects.filter(state="pending").values_list("id", flat=True))

    mine = text_of(desk.client("ada").post(LIST, {"action": "approve", "_selected_action": ids}))
    theirs = desk.client("ben").post(LIST, {"action": "approve", "_selected_action": ids})

    assert f"{len(ids)} you wrote" in mine
    assert "None of these cases would be decided." in mine
    assert row(theirs) == [str(len(ids)), "0", "0", "Lab A"]


def test_what_binds_many_decisions_costs_the_same_for_ten_cases_as_for_a_hundred(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.submit(*(indicator(f"n{number}") for number in range(220)))
    ids = list(Review.objects.filter(ceiling=GREEN).order_by("id").values_list("id", flat=True))
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        # An audit event for each case is written by the ORM; nothing else grows with them.
        if "accounts_audit" not in str(query):
            executed.append(str(query))
        return execute(cursor, query, *given, **named)

    def cost(act: Callable[[], object]) -> int:
        executed.clear()
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", counted)
            act()
        return len(executed)

    def decide(chosen: list[int], state: ReviewState) -> int:
        seen = exchange.shown(*chosen, now=NOW)
        return cost(
            lambda: moderation.decide_many(
                review_ids=chosen, shown=seen, state=state, member=office.ann, reason="x",
                signer=office.shop.signer, now=NOW,
            )
        )  # fmt: skip

    def dry(chosen: list[int]) -> int:
        return cost(lambda: bulk(office, office.client, "approve", _selected_action=chosen))

    dry(ids[:2])  # what a first request asks once
    assert dry(ids[:10]) == dry(ids[:110])
    assert decide(ids[:10], ReviewState.REJECTED) == decide(ids[10:110], ReviewState.REJECTED)
    decide(ids[110:112], ReviewState.APPROVED)  # the feed's first, with its introduction
    assert decide(ids[112:122], ReviewState.APPROVED) == decide(ids[122:], ReviewState.APPROVED)
    assert not Review.objects.filter(ceiling=GREEN, state=ReviewState.PENDING).exists()
