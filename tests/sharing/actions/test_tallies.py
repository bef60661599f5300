"""The numbers by day: they are what the tables hold, however often they are counted, and cost no more as those grow."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest

from accounts.models import Organization
from indicators.models import Technique
from sharing.actions import tallies
from sharing.models import Collection, DailyCount, Entry, Kind, Profile, Release, Tally
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import send, submit

DAY = timedelta(days=1)
TODAY = NOW.date()


@pytest.fixture
def feed(shop: Shop) -> Collection:
    shop.collection(Kind.FEED, ceiling=1)
    shop.collection(Kind.FEED, ceiling=2, profile=Profile.CORE)
    return shop.collection(Kind.FEED, ceiling=2)


def indicator(number: int, **members: Any) -> dict[str, Any]:
    return stix.indicator(pattern=f"[ipv4-addr:value = '198.51.100.{number}']") | members


def counts(measure: str) -> dict[tuple[date, UUID, str], int]:
    return {(one.day, one.scope, one.key): one.count for one in DailyCount.objects.filter(measure=measure)}


def count(now: Any = NOW) -> None:
    while tallies.count(now=now):
        pass


def test_submissions_are_counted_by_day_and_organisation(shop: Shop, feed: Collection) -> None:
    send(shop, [indicator(1), indicator(2)], now=NOW - DAY)
    send(shop, [indicator(3)])
    send(shop, [indicator(4)], organization=shop.lab_b)

    count()

    here, a, b = shop.community.id, str(shop.lab_a.id), str(shop.lab_b.id)
    assert counts("submissions") == {(TODAY - DAY, here, a): 1, (TODAY, here, a): 1, (TODAY, here, b): 1}
    assert counts("objects") == {(TODAY - DAY, here, a): 2, (TODAY, here, a): 1, (TODAY, here, b): 1}


def test_what_is_released_is_counted_once_in_the_widest_feed(shop: Shop, feed: Collection) -> None:
    send(shop, [indicator(1)])
    send(shop, [indicator(2)])
    send(shop, [indicator(1)], organization=shop.lab_b, now=NOW + timedelta(hours=1))

    count(NOW + timedelta(hours=2))

    stood = Entry.objects.filter(collection=feed, object_type="indicator")
    assert (stood.count(), stood.filter(is_first=True).count()) == (3, 2)
    assert counts("released") == {(TODAY, feed.id, ""): 2}


def test_counting_again_changes_nothing_and_counting_on_adds_what_is_new(
    shop: Shop, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tallies, "BATCH", 3)
    send(shop, [indicator(number) for number in range(1, 6)])
    count()
    once = sorted(DailyCount.objects.values_list("day", "measure", "scope", "key", "count"))

    count(NOW + timedelta(minutes=1))
    again = sorted(DailyCount.objects.values_list("day", "measure", "scope", "key", "count"))
    send(shop, [indicator(6)], now=NOW + DAY)
    count(NOW + DAY)

    assert again == once
    assert counts("released") == {(TODAY, feed.id, ""): 5, (TODAY + DAY, feed.id, ""): 1}
    assert Tally.objects.get(name=f"log:{feed.id}").position == Entry.objects.filter(collection=feed).count()


def test_techniques_are_those_of_the_catalogue_and_others_are_one(shop: Shop, feed: Collection) -> None:
    known = Technique.objects.order_by("object_id")[0]
    phases = [{"kill_chain_name": "mitre-atlas", "phase_name": known.phase}]
    mine = [{"kill_chain_name": "lab-a", "phase_name": "secret-project"}]
    said = 'see {"kill_chain_name":"mitre-atlas","phase_name":"said-in-a-text"}'
    one, two = (
        indicator(1, kill_chain_phases=phases),
        indicator(2, kill_chain_phases=[*phases, *mine], name=said),
    )
    indicates = stix.relationship(one, {"id": known.object_id}, relationship_type="indicates")
    send(shop, [one, two, indicates])

    count()

    assert counts("technique") == {
        (TODAY, feed.id, f"phase:{known.phase}"): 2,
        (TODAY, feed.id, "phase:other"): 1,
        (TODAY, feed.id, f"technique:{known.object_id}"): 1,
    }


def test_the_confidence_is_that_of_what_stands(shop: Shop, feed: Collection) -> None:
    send(shop, [indicator(1), indicator(2), indicator(3)])
    gone = indicator(4)
    send(shop, [gone])
    send(
        shop,
        [gone | {"modified": "2026-03-01T12:00:01.000Z", "revoked": True}],
        now=NOW + timedelta(seconds=5),
    )

    count(NOW + timedelta(minutes=1))

    standing = Release.objects.filter(
        ceiling=2, revoked=False, confidence__isnull=False, digest__isnull=False
    )
    (confidence,) = set(standing.values_list("confidence", flat=True))
    assert counts("confidence") == {(TODAY, feed.id, str(confidence)): 3}


def test_what_is_older_than_is_looked_back_at_is_never_counted(shop: Shop, feed: Collection) -> None:
    send(shop, [indicator(1)], now=NOW - tallies.LOOK_BACK - DAY)
    send(shop, [indicator(2)])

    count()

    assert {day for day, _, _ in [*counts("released"), *counts("submissions")]} == {TODAY}


def test_an_organisation_that_sends_nothing_has_no_number(shop: Shop, feed: Collection) -> None:
    submit(shop, [indicator(1)], organization=shop.lab_a, now=NOW)

    count()

    assert {key for _, _, key in counts("submissions")} == {str(shop.lab_a.id)}
    assert Organization.objects.count() > 1


def test_it_takes_as_many_queries_for_much_as_for_little(
    shop: Shop, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        executed.append(str(query))
        return execute(cursor, query, *given, **named)

    count(NOW)
    needed = []
    for size in (1, 30):
        send(shop, [indicator(number) for number in range(1, size + 1)])
        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", counted)
            executed.clear()
            count(NOW + timedelta(hours=size))
        needed.append(len(executed))

    assert needed[0] == needed[1]
