"""A source that normally sends and falls silent is told of once, and once more when it sends again."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from hashlib import sha256

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Membership, Notice, Organization, Token
from indicators.models import Submission
from sharing.actions import silence
from sharing.models import Silence
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def hub(db: None) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator")


def token(shop: Shop, name: str, **members: object) -> Token:
    return Token.objects.create(
        organization=shop.lab_a,
        name=name,
        digest=sha256(name.encode()).digest(),
        scopes=["submit"],
        **members,
    )


def sent(shop: Shop, times: Iterable[datetime], *, by: Token | None = None, channel: str = "rest") -> None:
    shelf = inbox(shop, shop.lab_a)
    Submission.objects.bulk_create(
        Submission(
            community=shop.community,
            organization=shop.lab_a,
            token=by,
            channel=channel,
            collection_id=shelf.id,
            body=b"",
            body_sha256=b"",
            object_count=0,
            state="ingested",
            received_at=moment,
            ingested_at=moment,
        )
        for moment in times
    )


def hourly(until: datetime, count: int = 72) -> list[datetime]:
    return [until - number * HOUR - timedelta(minutes=number % 7) for number in range(count)]


def daily(until: datetime, count: int = 7) -> list[datetime]:
    return [until - number * DAY for number in range(count)]


def watch(hours: float = 0) -> list[str]:
    """Look, so many hours after NOW; the kinds of all that was told, the oldest first."""
    silence.watch(now=NOW + hours * HOUR)
    return [*Notice.objects.order_by("id").values_list("kind", flat=True)]


def test_an_hourly_source_that_is_silent_for_three_hours_is_told_of_once(
    shop: Shop, hub: Organization
) -> None:
    sent(shop, hourly(NOW), by=token(shop, "detector"))

    before, after, later = watch(2.9), watch(3.1), watch(20)

    assert before == []
    assert after == later == ["source.silent"] * 2
    told = Notice.objects.filter(kind="source.silent")
    assert {notice.organization_id for notice in told} == {shop.lab_a.id, hub.id}
    assert "token “detector”" in told[0].sentence
    assert "in 72 of 72 hours" in told[0].sentence


def test_it_is_told_when_it_speaks_again_and_when_it_falls_silent_anew(shop: Shop) -> None:
    detector = token(shop, "detector")
    sent(shop, hourly(NOW), by=detector)
    watch(4)
    sent(shop, [NOW + 5 * HOUR], by=detector)

    again = watch(6)
    anew = watch(9)

    assert again == ["source.silent", "source.speaks-again"]
    assert anew == ["source.silent", "source.speaks-again", "source.silent"]
    assert Silence.objects.filter(ended_at=None).count() == 1


def test_a_daily_source_may_be_some_hours_late(shop: Shop) -> None:
    sent(shop, daily(NOW))

    assert watch(30) == []
    assert watch(37) == ["source.silent"]
    assert "on 7 of 7 days" in Notice.objects.get().sentence


def test_one_day_may_be_missing(shop: Shop) -> None:
    times = daily(NOW)
    sent(shop, times[:3] + times[4:])

    assert watch(37) == ["source.silent"]


@pytest.mark.parametrize(
    "times",
    [
        daily(NOW)[:5],
        [moment for moment in daily(NOW) if moment.weekday() < 5],
        hourly(NOW, 60)[::2],
        [NOW - number * timedelta(minutes=1) for number in range(200)],
        [NOW],
    ],
    ids=["since five days", "on working days", "every other hour", "in one burst", "once"],
)
def test_who_sends_now_and_then_is_not_missed(shop: Shop, times: list[datetime]) -> None:
    sent(shop, times)

    assert [watch(hours) for hours in (4, 25, 40)] == [[], [], []]


def test_a_busy_token_does_not_hide_a_silent_one(shop: Shop) -> None:
    sent(shop, hourly(NOW), by=token(shop, "silent"))
    sent(shop, hourly(NOW + 4 * HOUR, 76), by=token(shop, "busy"))
    sent(shop, hourly(NOW + 4 * HOUR, 76), channel="taxii")

    assert watch(4) == ["source.silent"]
    assert "token “silent”" in Notice.objects.get().sentence


def test_who_was_meant_to_stop_is_not_missed(shop: Shop) -> None:
    revoked = token(shop, "revoked", revoked_at=NOW)
    sent(shop, hourly(NOW), by=revoked)
    sent(shop, hourly(NOW), channel="taxii")
    Membership.objects.filter(organization=shop.lab_a).delete()
    without_membership = watch(4)
    Membership.objects.create(community=shop.community, organization=shop.lab_a)
    watch(4)

    assert without_membership == []
    assert Silence.objects.get().channel == "taxii"


def test_a_look_takes_as_many_queries_for_many_sources_as_for_one(shop: Shop) -> None:
    counted = []
    for number in range(3):
        for name in range(number * 3):
            sent(shop, hourly(NOW), by=token(shop, f"{number}-{name}"))
        watch(4)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            watch(5)
        counted.append(len(queries))

    assert Silence.objects.count() == 9
    assert len(set(counted)) == 1
