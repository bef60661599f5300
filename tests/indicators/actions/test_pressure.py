"""Back-pressure: the mark above which nobody is let in, and what a submission costs its token."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.actions import tokens
from accounts.actions.quotas import OverQuota
from accounts.models import Allowance
from indicators.actions import pressure, submissions
from indicators.actions.pressure import HighWater
from indicators.models import Submission
from tests.indicators.actions.conftest import BY, NOW, Trust


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No answer of another test is remembered, and none of ours by others."""
    pressure.forget()
    yield
    pressure.forget()


@pytest.fixture
def token(trust: Trust) -> UUID:
    made, _ = tokens.issue(
        organization_id=trust.lab_a.id,
        name="detector",
        scopes=["submit"],
        quotas={"objects_per_hour": 10},
        by=BY,
        now=NOW,
    )
    return made.id


def body(objects: int, mark: str = "") -> bytes:
    return b'{"objects":[' + b",".join(b'{"x":"%s"}' % mark.encode() for _ in range(objects)) + b"]}"


def test_nothing_waits_and_everybody_is_let_in(trust: Trust, token: UUID) -> None:
    assert not pressure.is_above_high_water()
    assert pressure.admit(token_id=token, size=10, now=NOW) is not None


@pytest.mark.parametrize("limit", ["HIGH_WATER_OBJECTS", "HIGH_WATER_BYTES"])
def test_above_the_mark_nobody_is_let_in(trust: Trust, token: UUID, settings: Settings, limit: str) -> None:
    pressure.admit(token_id=token, size=10, now=NOW)
    setattr(settings, limit, 4)
    trust.receive(body(5))
    pressure.forget()

    assert pressure.is_above_high_water()
    with pytest.raises(HighWater) as refusal:
        pressure.admit(token_id=token, size=10, now=NOW)

    # Nothing was ingested in the last minute: who knows.
    assert refusal.value.retry_after == 60
    assert Allowance.objects.get().turned_away == 1


def test_what_is_ingested_waits_no_more(trust: Trust, settings: Settings) -> None:
    settings.HIGH_WATER_OBJECTS = 4
    received = trust.receive(body(5))
    assert pressure.is_above_high_water()

    submissions.finish(submission_id=received.id, keep_body=True, counts={}, now=NOW)
    pressure.forget()

    assert not pressure.is_above_high_water()


def test_the_pause_follows_from_what_was_ingested_in_the_last_minute(
    trust: Trust, settings: Settings
) -> None:
    settings.HIGH_WATER_OBJECTS = 100
    done = trust.receive(body(60, "done"))
    submissions.finish(submission_id=done.id, keep_body=True, counts={}, now=timezone.now())
    trust.receive(body(120, "waits"))

    # One object a second, and 30 have to go.
    assert pressure._retry_after(pressure.waiting()) == 30


def test_what_was_ingested_long_ago_says_nothing_of_now(trust: Trust, settings: Settings) -> None:
    settings.HIGH_WATER_OBJECTS = 100
    done = trust.receive(body(60, "done"))
    submissions.finish(
        submission_id=done.id, keep_body=True, counts={}, now=timezone.now() - timedelta(minutes=5)
    )
    trust.receive(body(120, "waits"))

    assert pressure._retry_after(pressure.waiting()) == 60


def test_the_mark_is_looked_at_once_a_second(
    trust: Trust, settings: Settings, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    pressure.is_above_high_water()

    with django_assert_num_queries(0):
        assert not any(pressure.is_above_high_water() for _ in range(100))


def test_objects_are_charged_when_they_are_received_and_a_repetition_is_not(
    trust: Trust, token: UUID
) -> None:
    trust.receive(body(6), token=token)
    trust.receive(body(6), token=token)
    trust.receive(body(4), token=token)

    with pytest.raises(OverQuota):
        trust.receive(body(1), token=token)

    assert Submission.objects.count() == 2
    assert Allowance.objects.get().over_quota == 1


def test_what_was_refused_for_a_quota_is_taken_when_there_is_room_again(trust: Trust, token: UUID) -> None:
    trust.receive(body(10), token=token)
    with pytest.raises(OverQuota) as refusal:
        trust.receive(body(1), token=token)

    received = trust.receive(body(1), token=token, now=NOW + timedelta(seconds=refusal.value.retry_after))

    assert not received.repeated
