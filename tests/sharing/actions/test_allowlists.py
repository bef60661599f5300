"""What an allow-list covers never stands in a feed: from submission to feed, and back when the list changes."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from django.db import connection

from accounts.actor import Actor
from accounts.models import AutoRelease, Member, Organization, Role
from indicators.actions import allowlists, submissions
from indicators.allowlists.entries import entry
from indicators.allowlists.warninglist import Warninglist
from indicators.models import AllowlistEntry
from indicators.stix.markings import TLP, marking_id
from sharing import receipts
from sharing.actions import intake, moderation, triage
from sharing.actions.introduction import service_ids
from sharing.models import Collection, Entry, Kind, Profile, Review, ReviewState
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW, Shop

BY = Actor("service:test")
GREEN, AMBER = marking_id(TLP.GREEN), marking_id(TLP.AMBER)


@dataclass(slots=True)
class Community:
    """A community that releases everything: a green feed, its core projection, and an amber feed."""

    shop: Shop
    feeds: dict[str, Collection]
    inboxes: dict[UUID, Collection]
    _seconds: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def now(self) -> Any:
        return NOW + timedelta(seconds=next(self._seconds))

    def ingest(self, *objects: Object, organization: Organization | None = None) -> UUID:
        who = organization or self.shop.lab_a
        received = submissions.receive(
            community_id=self.shop.community.id,
            organization_id=who.id,
            token_id=None,
            channel="rest",
            collection_id=self.inboxes[who.id].id,
            body=json.dumps({"objects": objects}).encode(),
            by=BY,
            now=self.now,
        )
        intake.ingest(submission_id=received.id, signer=self.shop.signer, now=self.now)
        return received.id

    def publish(self) -> None:
        for _ in range(20):
            if not triage.publish_pending(
                community_id=self.shop.community.id, signer=self.shop.signer, now=self.now
            ):
                return
        raise AssertionError("it never comes to rest")

    def submit(self, *objects: Object, organization: Organization | None = None) -> UUID:
        submission_id = self.ingest(*objects, organization=organization)
        self.publish()
        return submission_id

    def load(self, *entries: str, version: int = 1, name: str = "Ours") -> allowlists.Change:
        change = allowlists.load(
            warninglist=Warninglist(name, "", version, [entry(text) for text in entries], []),
            by=BY,
            now=self.now,
        )
        self.publish()
        return change

    def lines(self, submission_id: UUID) -> list[tuple[str, str, str]]:
        found = receipts.receipt(self.shop.lab_a.id, submission_id)
        assert found is not None
        return [(line.outcome, line.reason, line.sentence) for line in found.lines]

    def standing(self, feed: str, *, revoked: bool = False) -> list[Object]:
        """The latest versions in a feed that are (not) revoked, without the service's own introduction."""
        found = Entry.objects.filter(collection=self.feeds[feed], is_last=True).order_by("index")
        objects = [json.loads(bytes(one.body)) for one in found if one.body]
        own = service_ids()
        return [one for one in objects if one["id"] not in own and one.get("revoked", False) is revoked]

    def types(self, feed: str, *, revoked: bool = False) -> list[str]:
        return sorted(one["type"] for one in self.standing(feed, revoked=revoked))


@pytest.fixture
def community(shop: Shop) -> Community:
    feeds = {
        "green": shop.collection(Kind.FEED, TLP.GREEN),
        "core": shop.collection(Kind.FEED, TLP.GREEN, Profile.CORE),
        "amber": shop.collection(Kind.FEED, TLP.AMBER),
    }
    inboxes = {
        one.id: Collection.objects.create(
            community=shop.community, alias=one.slug, title=one.name, kind=Kind.INBOX, ceiling=4, owner=one
        )
        for one in (shop.lab_a, shop.lab_b)
    }
    return Community(shop, feeds, inboxes)


def indicator(pattern: str, **members: Any) -> Object:
    return stix.indicator(pattern=pattern, **{"object_marking_refs": [GREEN]} | members)


def on(domain: str, **members: Any) -> Object:
    return indicator(f"[domain-name:value = '{domain}']", **members)


def test_a_private_address_is_withheld_with_the_name_of_the_list_and_its_neighbours_pass(
    community: Community,
) -> None:
    sent = [
        indicator("[ipv4-addr:value = '198.51.100.7']"),
        indicator("[ipv4-addr:value = '192.168.7.7']"),
        on("a.example"),
        stix.sco("ipv4-addr", {"value": "10.1.2.3"}, object_marking_refs=[GREEN]),
        stix.sco("ipv4-addr", {"value": "198.51.100.9"}, object_marking_refs=[GREEN]),
        indicator("[autonomous-system:number = 64512]"),
        indicator("[url:value = 'https://dns.google/dns-query']"),
    ]

    submission = community.submit(*sent)

    outcomes = [(outcome, reason) for outcome, reason, _ in community.lines(submission)]
    assert [outcome for outcome, _ in outcomes] == [
        *("released", "withheld", "released", "withheld", "released", "withheld", "withheld")
    ]
    assert {reason for outcome, reason in outcomes if outcome == "withheld"} == {"allow-listed"}
    assert community.lines(submission)[1][2] == (
        "192.168.7.7 is never published: the allow-list “Special-purpose networks” covers it."
    )
    assert "“Public resolvers”" in community.lines(submission)[6][2]
    for feed in ("green", "amber"):
        assert community.types(feed) == ["indicator", "indicator", "ipv4-addr"]


def test_the_receipt_says_so_from_ingest_on(community: Community) -> None:
    submission = community.ingest(
        on("a.example"), indicator("[ipv4-addr:value = '100.64.0.1']"), on("printer.local")
    )

    assert [(outcome, reason) for outcome, reason, _ in community.lines(submission)] == [
        ("new", "triage"),
        ("withheld", "allow-listed"),
        ("withheld", "allow-listed"),
    ]


def test_a_pattern_of_which_one_value_is_listed_is_withheld_as_a_whole(community: Community) -> None:
    submission = community.submit(
        indicator("[ipv4-addr:value IN ('198.51.100.7', '8.8.8.8')]"),
        indicator("[ipv4-addr:value ISSUBSET '8.0.0.0/8']"),
        indicator("[domain-name:value = 'a.example' AND domain-name:value != 'dns.google']"),
    )

    assert [outcome for outcome, _, _ in community.lines(submission)] == ["withheld", "withheld", "released"]
    assert "8.8.8.8 is never published" in community.lines(submission)[0][2]
    assert "8.0.0.0/8 is never published" in community.lines(submission)[1][2]


def test_nothing_is_published_that_is_listed_between_ingest_and_publication(community: Community) -> None:
    submission = community.ingest(on("a.example"), on("b.example"))

    community.load("a.example")

    assert [one["pattern"] for one in community.standing("green")] == ["[domain-name:value = 'b.example']"]
    assert [outcome for outcome, _, _ in community.lines(submission)] == ["withheld", "released"]


def test_a_list_takes_back_an_indicator_from_every_feed_and_with_it_what_refers_to_it(
    community: Community,
) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    bad, good = on("www.a.example"), on("b.example")
    links = [stix.relationship(one, campaign, object_marking_refs=[GREEN]) for one in (bad, good)]
    community.submit(bad, good, campaign, *links)
    assert community.types("green") == ["campaign", *["indicator"] * 2, *["relationship"] * 2]

    community.load("a.example")

    for feed in ("green", "amber"):
        assert community.types(feed) == ["campaign", "indicator", "relationship"]
        assert community.types(feed, revoked=True) == ["indicator", "relationship"]
    assert community.types("core", revoked=True) == ["indicator", "relationship"]


def test_what_is_no_longer_listed_comes_back_under_a_new_id_and_what_refers_to_it_follows(
    community: Community,
) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    bad = on("a.example")
    community.submit(bad, campaign, stix.relationship(bad, campaign, object_marking_refs=[GREEN]))
    (before,) = [one for one in community.standing("green") if one["type"] == "indicator"]
    community.load("a.example")

    community.load("c.example", version=2)

    for feed in ("green", "amber"):
        assert community.types(feed) == ["campaign", "indicator", "relationship"]
    by_type = {one["type"]: one for one in community.standing("green")}
    assert by_type["indicator"]["id"] != before["id"]
    assert by_type["relationship"]["source_ref"] == by_type["indicator"]["id"]
    assert community.types("green", revoked=True) == ["indicator", "relationship"]


def test_a_relationship_to_what_is_listed_waits_for_it(community: Community) -> None:
    community.load("a.example")
    campaign = stix.campaign(object_marking_refs=[GREEN])
    bad = on("a.example")

    submission = community.submit(
        bad, campaign, stix.relationship(bad, campaign, object_marking_refs=[GREEN])
    )
    reasons = [reason for _, reason, _ in community.lines(submission)]
    waiting = community.types("green")
    community.load(version=2)

    assert reasons == ["allow-listed", "rule-all", "waiting-for-reference"]
    assert waiting == ["campaign"]
    assert community.types("green") == ["campaign", "indicator", "relationship"]


def test_an_observable_is_erased_with_what_refers_to_it_and_both_come_back_as_they_were(
    community: Community,
) -> None:
    address = stix.sco("ipv4-addr", {"value": "198.51.100.7"}, object_marking_refs=[GREEN])
    seen = stix._sdo(
        "observed-data",
        first_observed=stix.CREATED,
        last_observed=stix.CREATED,
        number_observed=1,
        object_refs=[address["id"]],
        object_marking_refs=[GREEN],
    )
    community.submit(address, seen)
    before = community.standing("green")

    community.load("198.51.100.0/28")
    without = [*community.standing("green"), *community.standing("amber")]
    erased = Entry.objects.filter(collection=community.feeds["green"], withdrawn_by__isnull=False).count()
    community.load(version=2)

    assert len(before) == 2
    assert (without, erased) == ([], 2)
    assert sorted(map(str, community.standing("green"))) == sorted(map(str, before))
    assert community.types("green", revoked=True) == []


def test_what_two_lists_cover_stays_withheld_until_neither_does(community: Community) -> None:
    community.submit(on("a.example"))
    community.load("a.example", name="One")
    community.load("example", name="Two")

    community.load(name="One", version=2)
    after_one = community.types("green")
    community.load(name="Two", version=2)

    assert after_one == []
    assert community.types("green") == ["indicator"]


def test_an_entry_of_the_desk_does_the_same(community: Community) -> None:
    community.submit(on("a.example"))

    allowlists.add(entry=entry("a.example"), reason="Our own.", by=BY, now=community.now)
    community.publish()
    after_adding = community.types("green")
    held = AllowlistEntry.objects.get(domain="a.example")
    allowlists.remove(entry_ids=[held.id], reason="Sold.", by=BY, now=community.now)
    community.publish()

    assert after_adding == []
    assert community.types("green") == ["indicator"]


def test_another_source_or_a_new_version_does_not_bring_it_back(community: Community) -> None:
    bad = on("a.example")
    community.submit(bad)
    community.load("a.example")

    community.submit(on("a.example"), organization=community.shop.lab_b)
    community.submit(bad | {"modified": "2024-06-01T08:00:00.000Z", "labels": ["again"]})

    assert community.types("green") == []
    assert community.types("green", revoked=True) == ["indicator"]


def test_an_approval_does_not_publish_it_but_holds_when_the_list_lets_go(community: Community) -> None:
    community.shop.community.auto_release = AutoRelease.NONE
    community.shop.community.save()
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    analyst = Member.objects.create(username="analyst", role=Role.ANALYST, organization=hub)
    community.submit(on("a.example"))
    case = Review.objects.get(release__ceiling=TLP.GREEN, state=ReviewState.PENDING)
    allowlists.add(entry=entry("a.example"), reason="Ours.", by=BY, now=community.now)

    now = community.now
    moderation.approve(
        review_id=case.id, shown=exchange.shown(case.id, now=now)[case.id], member=analyst,
        reason="Seen.", signer=community.shop.signer, now=now,
    )  # fmt: skip
    community.publish()
    approved = community.types("green")
    allowlists.remove(
        entry_ids=list(AllowlistEntry.objects.filter(domain="a.example").values_list("id", flat=True)),
        reason="Not ours.",
        by=BY,
        now=community.now,
    )
    community.publish()

    assert approved == []
    assert community.types("green") == ["indicator"]


def test_what_is_listed_opens_no_case_and_closes_one_that_is_open(community: Community) -> None:
    community.shop.community.auto_release = AutoRelease.NONE
    community.shop.community.save()
    community.submit(indicator("[ipv4-addr:value = '8.8.8.8']"), on("a.example"))
    opened = Review.objects.filter(state=ReviewState.PENDING).count()

    community.load("a.example")

    assert opened == 2
    assert set(Review.objects.values_list("state", flat=True)) == {ReviewState.CLOSED}


def test_a_value_that_only_a_higher_audience_sees_withholds_nothing_from_a_lower_one(
    community: Community,
) -> None:
    """Two organisations say another value under one id; the listed one is above the green ceiling."""
    seen = stix.sco("ipv4-addr", {"value": "198.51.100.7"}, object_marking_refs=[GREEN])
    community.load("203.0.113.5")
    community.submit(seen, organization=community.shop.lab_b)
    before = community.standing("green")

    community.submit(seen | {"value": "203.0.113.5", "object_marking_refs": [AMBER]})

    assert len(before) == 1
    assert community.standing("green") == before


def test_an_observable_that_comes_to_say_a_listed_value_is_taken_back(community: Community) -> None:
    seen = stix.sco("ipv4-addr", {"value": "198.51.100.7"}, object_marking_refs=[GREEN])
    community.load("203.0.113.5")
    community.submit(seen)

    community.submit(seen | {"value": "203.0.113.5"})

    assert (community.standing("green"), community.standing("amber")) == ([], [])


def test_what_every_source_withdrew_does_not_come_back_with_the_list(community: Community) -> None:
    bad = on("a.example")
    community.submit(bad)
    community.load("a.example")

    community.submit(bad | {"modified": "2024-06-01T08:00:00.000Z", "revoked": True})
    community.load(version=2)

    assert community.types("green") == []
    assert community.types("green", revoked=True) == ["indicator"]


def test_no_list_changes_while_something_is_published(community: Community) -> None:
    """Else what is published before the change is seen, and received before it is made, would never be taken back."""
    may_change = "SELECT pg_try_advisory_xact_lock(hashtextextended('allowlists', 0))"
    community.ingest(on("a.example"))
    with psycopg.connect(**connection.get_connection_params() | {"cursor_factory": None}) as other:
        before = other.execute(may_change).fetchone()
        other.rollback()
        # In a test this transaction does not end.
        community.publish()
        after = other.execute(may_change).fetchone()

    assert (before, after) == ((True,), (False,))
