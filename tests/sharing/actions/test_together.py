"""Where sightings, opinions, merges, ceilings and feeds meet: what each must not do to another."""

from typing import Any

import pytest

from accounts import sql
from indicators.actions import journal
from indicators.actions.observations import queue_all_folds
from indicators.models import Claim
from indicators.stix.markings import marking_id
from sharing.models import Kind, Profile, Release
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions import exchange
from tests.sharing.actions.test_belief import (
    AMBER,
    BY,
    GREEN,
    Feeds,
    day,
    feeds,
    indicator,
    opinion,
    sighting,
)

__all__ = ["feeds"]

LATER, LATER_STILL = "2027-01-01T00:00:00.000Z", "2027-01-02T00:00:00.000Z"
AT_GREEN, AT_AMBER = (
    {"object_marking_refs": [marking_id(GREEN)]},
    {"object_marking_refs": [marking_id(AMBER)]},
)


def another(**members: Any) -> Object:
    return indicator(**{"pattern": "[ipv4-addr:value = '198.51.100.8']"} | members)


def confidence_of(feeds: Feeds, ending: str) -> int:
    found = [one["confidence"] for one in feeds.versions(GREEN) if ending in one["pattern"]]
    return int(found[-1])


def kinds(feeds: Feeds, tlp: int = GREEN) -> list[str]:
    """Every version of what partners sent, `!` where it is revoked."""
    return sorted(
        one["type"] + ("!" if one.get("revoked") else "")
        for one in exchange.versions(feeds.feeds[tlp])
        if one["type"] in {"campaign", "indicator", "relationship", "sighting", "opinion"}
    )


@pytest.mark.parametrize(
    ("remark", "turned", "before"),
    [
        (sighting, lambda target: {"sighting_of_ref": target}, 75),
        (lambda target: opinion(target, "strongly-disagree"), lambda target: {"object_refs": [target]}, 35),
    ],
    ids=["sighting", "opinion"],
)
def test_a_remark_that_turns_to_another_indicator_counts_for_the_first_no_more(
    feeds: Feeds, remark: Any, turned: Any, before: int
) -> None:
    one, two = indicator(), another()
    feeds.submit(feeds.shop.lab_a, one, two, now=day(0))
    said = remark(one["id"])
    feeds.submit(feeds.shop.lab_b, said, now=day(0))
    assert confidence_of(feeds, "100.7") == before

    feeds.submit(feeds.shop.lab_b, said | turned(two["id"]) | {"modified": LATER}, now=day(0))

    assert (confidence_of(feeds, "100.7"), confidence_of(feeds, "100.8")) == (65, before)


def test_what_was_said_of_the_published_id_still_counts_after_a_merge(feeds: Feeds) -> None:
    one, two = indicator(), another()
    feeds.submit(feeds.shop.lab_a, one, two, now=day(0))
    (published,) = [each["id"] for each in feeds.versions(GREEN) if "100.8" in each["pattern"]]
    feeds.submit(feeds.shop.lab_b, opinion(published, "strongly-disagree"), now=day(0))
    subjects = [Claim.objects.get(object_id=each["id"]).subject_id for each in (one, two)]

    journal.merge(
        community_id=feeds.shop.community.id,
        survivor_id=subjects[0],
        other_id=subjects[1],
        kind="analyst",
        similarity=None,
        by=BY,
        now=day(0),
        reason="one machine",
    )
    feeds.publish(day(0))
    assert confidence_of(feeds, "100.7") == 35

    feeds.submit(feeds.lab_c, opinion(published, "strongly-disagree"), now=day(0))
    assert confidence_of(feeds, "100.7") == 15


def test_nobody_takes_a_published_id_not_even_by_sending_it_twice(feeds: Feeds) -> None:
    feeds.submit(feeds.shop.lab_a, indicator(), now=day(0))
    stolen = another(id=feeds.indicator(GREEN)["id"])

    receipt = exchange.send(
        feeds.shop, [stolen, stolen | {"modified": LATER}], organization=feeds.lab_c, now=day(1)
    )

    assert [line.reason for line in receipt.lines] == ["service-id", "service-id"]


def test_a_sighting_may_say_its_confidence_as_a_float(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))

    receipt = exchange.send(
        feeds.shop, [sighting(sent["id"], confidence=85.0)], organization=feeds.shop.lab_b, now=day(0)
    )

    assert [line.outcome for line in receipt.lines] == ["released"]
    assert feeds.indicator(GREEN)["confidence"] == 85


def test_what_waits_below_is_not_forgotten_because_it_stands_above(feeds: Feeds) -> None:
    known, hidden = stix.campaign(**AT_GREEN), stix.campaign(**AT_AMBER)
    related = stix.relationship(known, hidden, relationship_type="related-to", **AT_GREEN)
    feeds.submit(feeds.shop.lab_a, known, hidden, related, now=day(0))
    assert kinds(feeds) == ["campaign"]

    feeds.submit(feeds.shop.lab_b, hidden | AT_GREEN, now=day(1))

    assert kinds(feeds) == ["campaign", "campaign", "relationship"]


def test_what_refers_to_an_indicator_that_was_raised_above_goes_with_it_at_once(feeds: Feeds) -> None:
    sent = indicator()
    seen = sighting(sent["id"])
    feeds.submit(feeds.shop.lab_a, sent, seen, now=day(0))

    feeds.submit(feeds.shop.lab_a, sent | AT_AMBER | {"modified": LATER}, now=day(1))

    # The indicator is erased below, version by version; of the sighting only what it pointed at has gone.
    assert kinds(feeds) == ["sighting", "sighting!"]
    before = feeds.log(GREEN)
    feeds.submit(feeds.lab_c, seen | AT_AMBER, now=day(2))
    feeds.submit(feeds.shop.lab_a, sent | AT_AMBER | {"modified": LATER_STILL, "revoked": True}, now=day(3))
    feeds.submit(feeds.shop.lab_b, indicator(AMBER), now=day(4))
    assert feeds.log(GREEN) == before


def test_a_revoked_indicator_gets_no_other_version_whatever_is_said_of_it(feeds: Feeds) -> None:
    sent = indicator()
    feeds.submit(feeds.shop.lab_a, sent, now=day(0))
    feeds.submit(feeds.shop.lab_a, sent | {"modified": LATER, "revoked": True}, now=day(1))
    before = feeds.versions(GREEN)

    feeds.submit(feeds.shop.lab_b, opinion(sent["id"], "strongly-disagree"), now=day(2))
    feeds.submit(feeds.shop.lab_b, sighting(sent["id"]), now=day(3))

    assert feeds.versions(GREEN) == before


def test_what_a_core_feed_cannot_hold_is_published_once_in_the_full_one(feeds: Feeds) -> None:
    """The opinion refers to a behaviour too, which no core feed holds."""
    core = feeds.shop.collection(Kind.FEED, ceiling=AMBER, profile=Profile.CORE)
    plain, behaviour = indicator(), another(pattern="[llm-api-activity:account_count >= 100]")
    said = opinion(plain["id"], "agree")
    feeds.submit(
        feeds.shop.lab_a, plain, behaviour, said | {"object_refs": [plain["id"], behaviour["id"]]}, now=day(0)
    )
    before = feeds.log(AMBER)
    assert kinds(feeds, AMBER).count("opinion") == 1

    for number in (1, 2, 3):
        queue_all_folds(community_id=feeds.shop.community.id)
        feeds.publish(day(0) + (day(number) - day(0)) / 1000)

    assert feeds.log(AMBER) == before
    assert "opinion" not in {one["type"] for one in exchange.versions(core)}
    assert (
        Release.objects.filter(published_id__startswith="opinion--", ceiling=AMBER, digest=None).count() == 0
    )


def test_one_opinion_may_name_more_indicators_than_a_batch_holds(
    feeds: Feeds, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sharing.actions.triage.BATCH", 5)
    named = [indicator(pattern=f"[ipv6-addr:value = '2001:db8::{number}']") for number in range(1, 13)]
    feeds.submit(feeds.shop.lab_a, *named, now=day(0))

    doubt = stix.opinion(opinion="strongly-disagree", object_refs=[one["id"] for one in named], **AT_GREEN)
    feeds.submit(feeds.shop.lab_b, doubt, now=day(0))

    latest = {one["id"]: one["confidence"] for one in feeds.versions(GREEN)}
    assert list(latest.values()) == [35] * 12
    assert sql.rows("SELECT 1 FROM indicators_pendingfold") == []
