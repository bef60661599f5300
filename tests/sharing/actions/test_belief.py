"""How far an indicator is believed follows what is said of it, and time; each audience by what it may see."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.actor import Actor
from accounts.models import Grade, Membership, Organization
from indicators.models import Claim
from indicators.stix.markings import TLP, marking_id
from sharing.actions import ageing
from sharing.models import Collection, Entry, Kind, Release
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import Shop

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
GREEN, AMBER = TLP.GREEN, TLP.AMBER
BY = Actor("service:test")


def day(number: float) -> datetime:
    return START + timedelta(days=number)


@dataclass(slots=True)
class Feeds:
    """A green and an amber feed of a community that releases everything, and three labs graded B."""

    shop: Shop
    lab_c: Organization
    feeds: dict[int, Collection] = field(default_factory=dict)

    def submit(self, organization: Organization, *objects: Object, now: datetime) -> None:
        """Submit, ingest and publish."""
        exchange.submit(self.shop, objects, organization=organization, now=now)

    def publish(self, now: datetime) -> None:
        exchange.publish(self.shop, now)

    def let_time_pass(self, now: datetime) -> None:
        """What beat does."""
        while ageing.age(now=now):
            pass
        self.publish(now)

    def versions(self, tlp: int = AMBER) -> list[Object]:
        """Every version of the indicators in a feed, in order."""
        return [one for one in exchange.versions(self.feeds[tlp]) if one["type"] == "indicator"]

    def indicator(self, tlp: int = AMBER) -> Object:
        return self.versions(tlp)[-1]

    def log(self, tlp: int) -> list[tuple[Any, ...]]:
        """All that a feed holds, byte for byte."""
        return list(Entry.objects.filter(collection=self.feeds[tlp]).order_by("index").values_list())


@pytest.fixture
def feeds(shop: Shop) -> Feeds:
    lab_c = Organization.objects.create(slug="lab-c", name="Lab C", sector="ai-lab", reliability="B")
    Membership.objects.create(community=shop.community, organization=lab_c)
    made = Feeds(shop, lab_c)
    for tlp in (GREEN, AMBER):
        made.feeds[tlp] = shop.collection(Kind.FEED, ceiling=tlp)
    return made


def indicator(tlp: TLP = GREEN, **members: Any) -> Object:
    return stix.indicator(
        **{
            "pattern": "[ipv4-addr:value = '198.51.100.7']",
            "confidence": 85,
            "object_marking_refs": [marking_id(tlp)],
        }
        | members
    )


def sighting(of: str, tlp: TLP = GREEN, **members: Any) -> Object:
    return stix.sighting(sighting_of_ref=of, object_marking_refs=[marking_id(tlp)], **members)


def opinion(of: str, stance: str, tlp: TLP = GREEN) -> Object:
    return stix.opinion(opinion=stance, object_refs=[of], object_marking_refs=[marking_id(tlp)])


def confidences(versions: Iterable[Object]) -> list[int]:
    return [version["confidence"] for version in versions]


def test_confidence_falls_in_steps_as_time_passes_and_each_step_is_a_version(feeds: Feeds) -> None:
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))

    for hour in range(0, 31 * 24, 6):
        feeds.let_time_pass(day(hour / 24))

    found = feeds.versions()
    assert confidences(found) == [65, 60, 55, 50, 45, 40, 35, 30, 25, 20, 15, 10, 5, 0]
    assert len({version["modified"] for version in found}) == len(found)
    assert {version["valid_until"] for version in found} == {"2026-03-31T12:00:00Z"}
    assert feeds.versions(GREEN)[0]["id"] != found[0]["id"]
    assert confidences(feeds.versions(GREEN)) == confidences(found)


def test_time_that_changes_nothing_publishes_nothing(feeds: Feeds) -> None:
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))
    before = feeds.log(AMBER)

    feeds.let_time_pass(day(0.4))

    assert feeds.log(AMBER) == before
    assert ageing.age(now=day(0.4)) == 0


def test_a_sighting_by_another_lab_is_evidence_and_lengthens_its_life(feeds: Feeds) -> None:
    """model.md: an IP indicator of one B source is at .32 on day 15; sighted by another B lab on day 14, at .57."""
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    feeds.submit(feeds.shop.lab_b, sighting(sent["id"], last_seen=stamp(day(14))), now=day(15))

    seen = feeds.indicator()
    assert (seen["confidence"], seen["valid_until"]) == (55, "2026-04-14T12:00:00Z")
    assert Release.objects.get(ceiling=AMBER, confidence__isnull=False).sources == 2


def stamp(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_a_lab_s_own_sighting_shows_that_its_indicator_is_alive_and_adds_no_source(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    feeds.submit(feeds.shop.lab_a, sighting(sent["id"], last_seen=stamp(day(10))), now=day(10))

    assert feeds.indicator()["confidence"] == 65
    assert feeds.indicator()["valid_until"] == "2026-04-10T12:00:00Z"
    assert Release.objects.get(ceiling=AMBER, confidence__isnull=False).sources == 1


def test_a_sighting_from_the_future_counts_as_of_now(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    feeds.submit(feeds.shop.lab_a, sighting(sent["id"], last_seen="2099-01-01T00:00:00Z"), now=day(1))

    assert feeds.indicator()["valid_until"] == "2026-04-01T12:00:00Z"


def test_a_sighting_that_saw_nothing_is_no_evidence(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    feeds.submit(feeds.shop.lab_b, sighting(sent["id"], count=0), now=day(1))

    assert confidences(feeds.versions()) == [65]


def test_a_sighting_of_the_published_indicator_counts_too(feeds: Feeds) -> None:
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))

    feeds.submit(feeds.shop.lab_b, sighting(feeds.indicator(GREEN)["id"]), now=day(0))

    assert confidences(feeds.versions(GREEN)) == [65, 75]


def test_a_sighting_that_comes_before_its_indicator_counts_when_it_comes(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_b, sighting(sent["id"]), now=day(0))

    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    assert feeds.indicator()["confidence"] == 75


def test_opinions_move_confidence_and_a_withdrawn_one_does_no_more(feeds: Feeds) -> None:
    sent = indicator()
    doubt = opinion(sent["id"], "strongly-disagree")
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    feeds.submit(feeds.lab_c, doubt, now=day(0))
    feeds.submit(feeds.lab_c, doubt | {"revoked": True, "modified": "2026-11-21T00:00:00.000Z"}, now=day(0))

    assert confidences(feeds.versions()) == [65, 35, 65]


def test_an_opinion_above_the_ceiling_changes_no_byte_below(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))
    feeds.submit(feeds.shop.lab_b, sighting(sent["id"]), now=day(3))
    before = feeds.log(GREEN)

    feeds.submit(feeds.lab_c, opinion(sent["id"], "strongly-disagree", AMBER), now=day(5))
    feeds.submit(feeds.lab_c, sighting(sent["id"], AMBER), now=day(6))
    feeds.submit(feeds.lab_c, indicator(AMBER), now=day(7))

    assert feeds.log(GREEN) == before
    assert len(feeds.versions(AMBER)) > 2


def test_what_is_said_above_a_ceiling_does_not_even_make_time_pass_below(feeds: Feeds) -> None:
    """Its confidence would be lower by now: readers below must not learn from that when somebody spoke above."""
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))
    before = feeds.log(GREEN)

    feeds.submit(feeds.lab_c, indicator(AMBER), now=day(12))

    assert feeds.log(GREEN) == before
    feeds.let_time_pass(day(12))
    assert confidences(feeds.versions(GREEN)) == [65, 40]


def test_a_remark_on_an_id_known_above_only_means_nothing_below(feeds: Feeds) -> None:
    secret = indicator(AMBER)
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))
    feeds.submit(feeds.shop.lab_b, secret, now=day(0))
    before = feeds.log(GREEN)

    feeds.submit(feeds.lab_c, opinion(secret["id"], "strongly-disagree"), now=day(0))

    assert [row for row in feeds.log(GREEN) if "indicator" in str(row[4])] == [
        row for row in before if "indicator" in str(row[4])
    ]
    assert feeds.indicator(AMBER)["confidence"] < feeds.versions(AMBER)[-2]["confidence"]


def test_a_source_s_new_grade_changes_what_its_indicators_are_believed(feeds: Feeds) -> None:
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))

    changed = ageing.regrade(
        organization_id=feeds.shop.lab_a.id, reliability="C", reason="Two false alarms", by=BY, now=day(1)
    )
    feeds.publish(day(1))

    assert changed
    assert confidences(feeds.versions()) == [65, 40]
    assert feeds.indicator()["modified"] == "2026-03-02T12:00:00.000Z"
    assert [(one.reliability, one.reason) for one in Grade.objects.all()] == [("C", "Two false alarms")]


def test_a_new_grade_needs_a_reason_and_a_grade_that_there_is(feeds: Feeds) -> None:
    lab = feeds.shop.lab_a.id
    with pytest.raises(ValueError, match="reason"):
        ageing.regrade(organization_id=lab, reliability="C", reason=" ", by=BY, now=day(1))
    with pytest.raises(ValueError, match="Admiralty"):
        ageing.regrade(organization_id=lab, reliability="Z", reason="why", by=BY, now=day(1))
    assert not ageing.regrade(organization_id=lab, reliability="B", reason="why", by=BY, now=day(1))


@pytest.mark.parametrize(
    ("platforms", "expected"), [(([], []), 85), ((["api"], ["api"]), 75)], ids=["their own", "one platform"]
)
def test_a_lab_and_the_cloud_that_hosts_it_confirm_each_other_less(
    feeds: Feeds, platforms: tuple[list[str], list[str]], expected: int
) -> None:
    for organization, seen in zip((feeds.shop.lab_a, feeds.shop.lab_b), platforms, strict=True):
        organization.platforms = seen
        organization.save()
        feeds.submit(organization, indicator(), now=day(0))

    assert feeds.indicator()["confidence"] == expected


def test_two_that_repeat_one_report_count_as_one(feeds: Feeds) -> None:
    report = {"source_name": "a report", "url": "https://reports.example/distillation"}
    for organization in (feeds.shop.lab_a, feeds.shop.lab_b):
        feeds.submit(organization, indicator(external_references=[report]), now=day(0))

    assert feeds.indicator()["confidence"] == 65


def test_two_that_cite_one_technique_stay_two(feeds: Feeds) -> None:
    technique = {"source_name": "mitre-atlas", "external_id": "AML.T0040"}
    for organization in (feeds.shop.lab_a, feeds.shop.lab_b):
        feeds.submit(organization, indicator(external_references=[technique]), now=day(0))

    assert feeds.indicator()["confidence"] == 85


def test_what_stands_revoked_ages_no_more(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))
    feeds.submit(
        feeds.shop.lab_a, sent | {"revoked": True, "modified": "2026-11-21T00:00:00.000Z"}, now=day(1)
    )
    before = feeds.log(AMBER)

    feeds.let_time_pass(day(20))

    assert feeds.log(AMBER) == before
    assert Claim.objects.get(object_id=sent["id"]).revoked
