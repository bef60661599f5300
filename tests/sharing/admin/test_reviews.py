"""The review queue and the page of a case, as an analyst uses them."""

import re
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from accounts.models import AuditEvent, AutoRelease, Community, Member, Notice, Organization, Role
from indicators.actions import populations
from indicators.allowlists.blast import Population
from indicators.allowlists.populations import Row
from indicators.allowlists.watched import network
from indicators.models import Claim
from indicators.stix.markings import TLP, marking_id
from sharing import queue, tasks
from sharing.actions import moderation
from sharing.models import Collection, Kind, Proposal, Release, Review, ReviewState, SavedView
from sharing.queue import Filters
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.desk import shown, sign_in
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW, Shop, shop, signer

__all__ = ["shop", "signer"]

TODAY = NOW + timedelta(days=2)
LIST = "/admin/sharing/review/"
GREEN, AMBER = TLP.GREEN, TLP.AMBER


@dataclass(slots=True)
class Office:
    """A community in which an analyst decides every case, a green and an amber feed, and two analysts signed in."""

    shop: Shop
    ann: Member
    bob: Member
    client: Client
    second: Client
    feeds: dict[int, Collection]

    def submit(self, *objects: Object, organization: Organization | None = None, later: int = 0) -> None:
        exchange.submit(
            self.shop,
            objects,
            organization=organization or self.shop.lab_a,
            now=NOW + timedelta(minutes=later),
        )

    def page(self, review: Review, client: Client | None = None, **query: str) -> str:
        answer = (client or self.client).get(f"{LIST}{review.id}/change/", query)
        assert answer.status_code == 200
        return unescape(answer.content.decode())

    def decide(self, review: Review, decision: str, client: Client | None = None, **fields: Any) -> Any:
        """Post what the page of a case shows now, or `shown` when it was opened before."""
        bound = {} if "shown" in fields else shown(self.page(review, client))
        return (client or self.client).post(
            f"/admin/reviews/{review.id}/decide/",
            {"decision": decision, "reason": "Ours too.", "queue": ""} | bound | fields,
            follow=True,
        )

    def shown(self, tlp: int) -> list[Object]:
        return [one for one in exchange.latest(self.feeds[tlp]).values() if one["type"] == "indicator"]


@pytest.fixture
def office(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Office:
    from sharing.admin import proposals, reviews

    for module in (reviews, proposals):
        monkeypatch.setattr(module, "current_signer", lambda *, now: shop.signer)
        monkeypatch.setattr(module, "timezone", SimpleNamespace(now=lambda: TODAY))
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: None)
    Community.objects.update(auto_release=AutoRelease.NONE)
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    ann, bob = (
        Member.objects.create(username=name, organization=hub, role=Role.ANALYST, is_staff=True)
        for name in ("ann", "bob")
    )
    return Office(
        shop, ann, bob, sign_in(Client(), ann), sign_in(Client(), bob),
        {tlp: shop.collection(Kind.FEED, ceiling=tlp) for tlp in (GREEN, AMBER)},
    )  # fmt: skip


def indicator(host: str = "a", tlp: TLP = GREEN, **members: Any) -> Object:
    return stix.indicator(
        **{
            "pattern": f"[domain-name:value = '{host}.example']",
            "confidence": 85,
            "object_marking_refs": [marking_id(tlp)],
        }
        | members
    )


def case(ceiling: int = GREEN, title: str = "") -> Review:
    return Review.objects.get(state=ReviewState.PENDING, ceiling=ceiling, title__contains=title)


def titles(html: str) -> list[str]:
    """The objects of a queue, in its order."""
    pieces = html.split('class="sw-case"')[1:]
    return [unescape(piece.split(">", 1)[1].split("<", 1)[0]) for piece in pieces]


# --- A case


def test_a_case_shows_what_a_decision_needs(office: Office) -> None:
    office.submit(indicator("proxy", name="Proxy"))
    office.submit(indicator("proxy", confidence=60), organization=office.shop.lab_b)
    office.submit(
        stix.indicator(
            pattern="[domain-name:value = 'proxy.example' AND domain-name:value = 'other.example']",
            object_marking_refs=[marking_id(GREEN)],
        )
    )

    text = office.page(case(title="[domain-name:value = 'proxy.example']"))

    assert re.search(r"How confidence \d\d came about", text)
    assert "Lab-A, Lab-B" in text
    assert text.count("0.75") >= 2  # the reliability of both
    assert "names proxy.example too" in text
    assert "unknown: nothing is loaded for this domain" in text
    assert "Nothing in it is on an allow-list." in text
    assert "Shelf 0: new" in text


def test_the_confidence_shown_is_the_one_that_is_published(office: Office) -> None:
    office.submit(indicator(confidence=70))
    office.submit(indicator(confidence=90), organization=office.shop.lab_b, later=1)
    review = case()

    text = office.page(review)
    office.decide(review, "approve")

    assert f"How confidence {office.shown(GREEN)[0]['confidence']} came about" in text


def test_a_new_version_of_what_stands_is_shown_as_a_difference(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    office.submit(indicator(labels=["before"]))
    office.decide(case(), "approve")
    release = Release.objects.get(ceiling=GREEN, subject__object_type="indicator")
    again = Review.objects.create(
        release=release, community=office.shop.community, sources=1, ceiling=GREEN, opened_at=NOW
    )
    monkeypatch.setattr(exchange, "publish", lambda *arguments: None)
    office.submit(indicator(labels=["after"]), organization=office.shop.lab_b, later=5)

    text = office.page(again)

    assert "Shelf 0: a new version" in text
    assert "<del>before</del>" in text
    assert "<ins>after, before</ins>" in text


def test_the_case_of_an_audience_depends_on_nothing_above_it(office: Office) -> None:
    office.submit(indicator("leak", name="Below", confidence=60))
    below = case()
    before = office.page(below)
    secret = indicator("leak", AMBER, name="Zebra", confidence=100, labels=["zebra-label"])
    office.submit(secret, organization=office.shop.lab_b, later=9)
    office.submit(
        stix.opinion(object_refs=[secret["id"]], opinion="strongly-agree", object_marking_refs=[marking_id(AMBER)]),
        organization=office.shop.lab_b,
        later=10,
    )  # fmt: skip

    after = office.page(below)

    def bare(text: str) -> str:
        """Without what differs from one request to the next, and the one line that is told."""
        lines = (line.strip() for line in text.splitlines())
        return "\n".join(line for line in lines if line and not any(word in line for word in _CHANGES))

    assert bare(after) == bare(before)
    assert "1 claim above this audience" in after
    assert "zebra" not in after.lower()
    assert "zebra" in office.page(case(AMBER, "leak")).lower()


_CHANGES = ("csrf", "nonce", "above this audience")


def test_hostile_text_is_shown_as_text(office: Office) -> None:
    attack = "<script>alert(1)</script>"
    office.submit(indicator(name=attack, description=attack, labels=[attack]))

    answer = office.client.get(f"{LIST}{case().id}/change/").content.decode()
    queue_page = office.client.get(LIST).content.decode()

    assert attack not in answer + queue_page
    assert "&lt;script&gt;" in answer


def test_after_a_decision_comes_the_next_case_of_the_same_queue(office: Office) -> None:
    office.submit(*(indicator(name) for name in ("one", "two", "three")))
    query = Filters(ceiling="1", sort="oldest").query
    first, second, third = Review.objects.filter(ceiling=GREEN).order_by("id")

    to_second = office.decide(first, "approve", queue=query).redirect_chain[-1][0]
    to_third = office.decide(second, "reject", queue=query).redirect_chain[-1][0]
    to_queue = office.decide(third, "approve", queue=query).redirect_chain[-1][0]

    assert f"/{second.id}/change/" in to_second
    assert f"/{third.id}/change/" in to_third
    assert to_queue.startswith(f"{LIST}?")
    assert sorted(one["pattern"] for one in office.shown(GREEN)) == sorted([first.title, third.title])


def test_a_rejection_holds_against_all_whom_its_analyst_saw(office: Office) -> None:
    office.submit(indicator())
    office.submit(indicator(), organization=office.shop.lab_b, later=1)

    office.decide(case(), "reject")

    assert not Review.objects.filter(ceiling=GREEN, state="pending").exists()


def test_a_case_that_somebody_else_decided_says_who(office: Office) -> None:
    office.submit(indicator())
    review = case()
    office.decide(review, "approve", office.second)

    answer = office.decide(review, "reject")

    assert "Not decided by you: this case is approved: bob decided it." in answer.content.decode()
    assert len(office.shown(GREEN)) == 1


def test_a_case_says_who_else_looks_at_it(office: Office) -> None:
    office.submit(indicator())
    office.page(case())

    assert "ann is looking at it since" in office.page(case(), office.second)
    assert "looking at it" not in office.page(case())
    Review.objects.update(viewed_at=TODAY - timedelta(minutes=6))
    assert "looking at it" not in office.page(case(), office.second)


def test_who_is_no_analyst_finds_no_queue(office: Office) -> None:
    office.submit(indicator())
    paths = [
        LIST,
        f"{LIST}{case().id}/change/",
        "/admin/proposals/",
        f"/admin/claims/{Claim.objects.get().id}/",
    ]
    reader = Member.objects.create(
        username="rea", organization=office.ann.organization, role=Role.READER, is_staff=True
    )
    partner = Member.objects.create(
        username="par", organization=office.shop.lab_a, role=Role.ADMIN, is_staff=True
    )

    for member in (reader, partner):
        client = sign_in(Client(), member)
        assert {client.get(path).status_code for path in paths} == {404}
        assert client.post(LIST, {"action": "approve", "_selected_action": case().id}).status_code == 404
    assert Client().get(LIST).status_code == 302


# --- Two people, at the desk


def test_a_wide_case_waits_for_a_second_person_at_the_desk(office: Office) -> None:
    office.submit(indicator(pattern="[ipv4-addr:value = '203.0.0.0/16']"))
    review = case()
    assert "Takes two people" in office.page(review)
    assert "4 for each of 65,536 addresses" in office.page(review)

    first = office.decide(review, "approve").content.decode()
    waiting = titles(office.second.get(LIST, {"two": "1"}).content.decode())
    offered = office.page(review, office.second)
    again = office.decide(review, "approve").content.decode()
    office.decide(review, "approve", office.second)

    assert "It is released when another analyst approves it too." in first
    assert waiting == [review.title]
    assert "you are the second person" in offered
    assert "another analyst has to approve it too" in again
    assert len(office.shown(GREEN)) == 1


def test_what_the_operator_knows_of_an_address_decides_how_many_it_takes(office: Office) -> None:
    rows = [
        Row(Population(network("203.0.113.0/24"), 5_000_000, "cgnat"), ""),
        Row(Population(network("203.0.113.9"), 3, "enterprise"), ""),
    ]
    populations.load(rows=rows, by=moderation.actor(office.ann), now=NOW)
    office.submit(*(indicator(pattern=f"[ipv4-addr:value = '203.0.113.{last}']") for last in (7, 9)))

    assert case(title=".7'").blast_radius == 19_532
    assert case(title=".9'").blast_radius == 3
    assert "its share of 5,000,000 behind 203.0.113.0/24, cgnat" in office.page(case(title=".7'"))
    office.decide(case(title=".9'"), "approve")
    office.decide(case(title=".7'"), "approve")
    assert [one["pattern"] for one in office.shown(GREEN)] == ["[ipv4-addr:value = '203.0.113.9']"]


def test_a_tlp_is_lowered_from_the_page_of_its_claim_by_two(office: Office) -> None:
    office.submit(indicator(tlp=AMBER))
    claim = Claim.objects.get()
    office.decide(case(AMBER), "approve")

    made = office.client.post(
        f"/admin/claims/{claim.id}/", {"do": "tlp", "tlp-tlp": "1", "tlp-reason": "They agreed."}, follow=True
    )
    page = office.second.get("/admin/proposals/").content.decode()
    proposal = Proposal.objects.get()
    office.second.post(
        f"/admin/proposals/{proposal.id}/", {"decision": "confirm", "reason": "I asked."}, follow=True
    )
    exchange.publish(office.shop)

    assert "Proposed. It counts as that when another analyst confirms it." in made.content.decode()
    assert "TLP:AMBER as its source marked it, to TLP:GREEN" in page
    claim.refresh_from_db()
    assert (claim.tlp, claim.stated_tlp) == (GREEN, AMBER)
    assert Notice.objects.filter(kind="claim.tlp-changed").count() == 1
    assert case(GREEN).title == "[domain-name:value = 'a.example']"


def test_lowering_asks_for_a_fresh_proof_of_identity(office: Office) -> None:
    office.submit(indicator(tlp=AMBER))
    stale = sign_in(Client(), office.ann, fresh=False)
    page = f"/admin/claims/{Claim.objects.get().id}/"

    asked = stale.post(page, {"do": "tlp", "tlp-tlp": "1", "tlp-reason": "They agreed."})
    raised = stale.post(page, {"do": "tlp", "tlp-tlp": "4", "tlp-reason": "They asked."})

    assert asked.status_code == 302
    assert "/again/?next=" in asked["Location"]
    assert not Proposal.objects.exists()
    assert Claim.objects.get().tlp == TLP.RED
    assert raised.status_code == 302


def test_a_member_cannot_confirm_their_own_proposal_at_the_desk(office: Office) -> None:
    office.submit(indicator(tlp=AMBER))
    office.client.post(
        f"/admin/claims/{Claim.objects.get().id}/",
        {"do": "tlp", "tlp-tlp": "1", "tlp-reason": "They agreed."},
    )

    answer = office.client.post(
        f"/admin/proposals/{Proposal.objects.get().id}/",
        {"decision": "confirm", "reason": "Sure."},
        follow=True,
    )

    assert "You proposed it: another analyst has to confirm it." in answer.content.decode()
    assert Claim.objects.get().tlp == AMBER


# --- The queue


def test_the_queue_is_filtered_and_sorted(office: Office) -> None:
    office.submit(indicator("low", confidence=10), indicator("high", confidence=95))
    office.submit(indicator("theirs", AMBER), organization=office.shop.lab_b)
    office.submit(indicator("wide", pattern="[ipv4-addr:value = '203.0.0.0/16']"))

    def found(**query: str) -> list[str]:
        page = office.client.get(LIST, query)
        assert page.status_code == 200
        return [title.split("'")[1].removesuffix(".example") for title in titles(page.content.decode())]

    assert found(ceiling="1", sort="oldest") == ["low", "high", "203.0.0.0/16"]
    assert found(ceiling="1", sort="confidence")[0] == "high"
    assert found(ceiling="1", sort="doubt")[0] == "low"
    assert found(ceiling="1", sort="blast")[0] == "203.0.0.0/16"
    assert found(source=str(office.shop.lab_b.id)) == ["theirs"]
    assert found(q="HIGH", ceiling="1") == ["high"]
    assert found(q="[domain-name:value='low.EXAMPLE']", ceiling="2") == ["low"]
    assert found(least="50", ceiling="1", sort="oldest") == ["high", "203.0.0.0/16"]
    assert found(most="40", ceiling="1") == ["low"]
    assert found(reason="below-rule") == []
    assert found(age="1", ceiling="1", sort="oldest") == ["low", "high", "203.0.0.0/16"]
    assert found(type="campaign") == []
    assert "least confidence: a whole number from 0 to 100" in office.client.get(
        LIST, {"least": "ever so sure"}
    ).content.decode().replace("&#x27;", "'")


@pytest.mark.parametrize(
    "query", ["sort=x", "state=y", "community=1", "ceiling=9", "source=z", "age=-1", "after=1", "after=x.y", "most=101"]
)  # fmt: skip
def test_a_filter_that_cannot_be_is_told_and_no_fault(office: Office, query: str) -> None:
    answer = office.client.get(f"{LIST}?{query}")

    assert answer.status_code == 200
    assert 'role="alert"' in answer.content.decode()


def test_a_view_is_kept_for_oneself_or_for_all(office: Office) -> None:
    query = Filters(ceiling="1", q="proxy").query
    office.client.post("/admin/reviews/views/", {"name": "Proxies", "query": query})
    office.client.post("/admin/reviews/views/", {"name": "Shared", "query": query, "is_shared": "on"})

    again = office.client.post("/admin/reviews/views/", {"name": "Proxies", "query": query}, follow=True)
    theirs = office.second.get(LIST).content.decode()

    assert "already; choose another name" in again.content.decode()
    assert "Shared" in theirs
    assert "Proxies" not in theirs
    view = SavedView.objects.get(name="Shared")
    office.second.post("/admin/reviews/views/", {"remove": str(view.id)})
    assert SavedView.objects.count() == 2


def test_the_queue_goes_on_where_a_page_ends_and_costs_the_same(office: Office) -> None:
    office.submit(*(indicator(f"n{number}") for number in range(120)))

    def page(**query: str) -> tuple[list[str], str, int]:
        with CaptureQueriesContext(
            connection,
        ) as asked:
            html = office.client.get(LIST, {"ceiling": "1", "sort": "oldest"} | query).content.decode()
        following = html.split('rel="next" href="')
        return titles(html), unescape(following[1].split('"')[0]) if len(following) > 1 else "", len(asked)

    one, two_url, first_cost = page()
    after = two_url.split("after=")[1]
    two, three_url, second_cost = page(after=after)
    three, end, _ = page(after=three_url.split("after=")[1])

    assert [len(one), len(two), len(three), end] == [50, 50, 20, ""]
    assert len({*one, *two, *three}) == 120
    assert first_cost == second_cost


# --- Many at once


def bulk(office: Office, client: Client, action: str, **fields: Any) -> Any:
    return client.post(LIST, {"action": action, "queue": Filters(ceiling="1").query} | fields, follow=True)


def test_a_dry_run_says_what_would_be_published_and_to_whom_and_decides_nothing(office: Office) -> None:
    office.submit(*(indicator(f"n{number}") for number in range(5)))
    office.submit(indicator(pattern="[ipv4-addr:value = '203.0.0.0/16']"))
    gone = case(title="n0.")
    office.decide(gone, "reject", office.second)

    chosen = list(Review.objects.filter(ceiling=GREEN).values_list("id", flat=True))
    text = unescape(bulk(office, office.client, "approve", _selected_action=chosen).content.decode())

    assert "Shop, up to TLP:GREEN" in text
    assert '<td class="sw-right">4</td>' in text
    assert "Lab-A, Lab-B" in text
    assert "1 above the blast radius" in text
    assert "1 decided or closed meanwhile" in text
    assert office.shown(GREEN) == []
    assert not AuditEvent.objects.filter(action="review.approve").exists()


def test_five_hundred_cases_are_decided_together_and_each_is_written_down(office: Office) -> None:
    office.submit(*(indicator(f"n{number}") for number in range(500)))
    office.submit(indicator(pattern="[ipv4-addr:value = '203.0.0.0/16']"))
    ids = list(Review.objects.filter(ceiling=GREEN).order_by("id").values_list("id", flat=True))
    office.decide(Review.objects.get(id=ids[3]), "reject", office.second)

    now = NOW + timedelta(minutes=1)
    seen = exchange.shown(*ids, now=now)
    with CaptureQueriesContext(connection) as asked:
        outcomes = moderation.decide_many(
            review_ids=ids, shown=seen, state=ReviewState.APPROVED, member=office.ann,
            reason="All of one campaign.", signer=office.shop.signer, now=now,
        )  # fmt: skip

    assert (len(outcomes.decided), len(outcomes.proposed), len(outcomes.left)) == (499, 1, 1)
    assert len(office.shown(GREEN)) == 499
    assert AuditEvent.objects.filter(action="review.approve").count() == 499
    assert office.shown(AMBER) == []
    assert len(asked) < 520  # an audit event each by the ORM; nothing else grows with them


def test_all_that_match_are_decided_from_the_queue_step_by_step(office: Office, monkeypatch: Any) -> None:
    from sharing.admin import reviews

    monkeypatch.setattr(reviews, "STEP", 8)
    office.submit(*(indicator(f"n{number}") for number in range(20)))
    preview = bulk(office, office.client, "reject", matching="1").content.decode()
    ids = [piece.split('"')[0] for piece in preview.split('name="_selected_action" value="')[1:]]
    assert len(ids) == 20

    first = bulk(
        office, office.client, "reject", decide="1", reason="A CDN.", _selected_action=ids, **shown(preview)
    ).content.decode()
    assert "8 of 20 done" in first
    second = bulk(
        office,
        office.client,
        "reject",
        decide="1",
        reason="A CDN.",
        _selected_action=ids[8:],
        decided="8",
        **shown(first),
    ).content.decode()
    last = bulk(
        office, office.client, "reject", decide="1", reason="A CDN.", _selected_action=ids[16:], decided="16",
        **shown(second),
    )  # fmt: skip

    assert "16 of 20 done" in second
    assert "Reject: 20 decided." in last.content.decode()
    assert Review.objects.filter(ceiling=GREEN, state="rejected").count() == 20


def test_what_cannot_be_published_stops_no_other_decision(office: Office, monkeypatch: Any) -> None:
    from sharing.actions import triage

    office.submit(*(indicator(name) for name in ("one", "two", "three")))
    bad = Review.objects.get(ceiling=GREEN, title__contains="two")
    publish = triage.publish

    def faulty(**arguments: Any) -> None:
        if bad.release.subject_id in arguments["subject_ids"]:
            raise RuntimeError("a fault of ours")
        publish(**arguments)

    monkeypatch.setattr(triage, "publish", faulty)
    ids = list(Review.objects.filter(ceiling=GREEN).values_list("id", flat=True))
    outcomes = moderation.decide_many(
        review_ids=ids, shown=exchange.shown(*ids, now=NOW), state=ReviewState.APPROVED, member=office.ann,
        reason="Known.", signer=office.shop.signer, now=NOW,
    )  # fmt: skip

    assert len(outcomes.decided) == 2
    assert outcomes.left == {bad.id: "the service failed on it, and its operator is told"}
    assert len(office.shown(GREEN)) == 2


def test_neighbours_in_the_queue_follow_its_order(office: Office) -> None:
    office.submit(*(indicator(name, confidence=value) for name, value in (("b", 50), ("a", 90), ("c", 10))))
    filters = Filters(ceiling="1", sort="confidence")
    here = case(GREEN, "'b.")

    def name(review_id: int | None) -> str:
        assert review_id is not None
        return Review.objects.get(id=review_id).title.split("'")[1]

    after, before = (
        queue.following(filters, review_id=here.id, member_id=office.ann.id, now=NOW, back=back)
        for back in (False, True)
    )
    assert (name(before), name(after)) == ("a.example", "c.example")
