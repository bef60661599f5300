"""Quotas: what a token may submit, refilled as time passes; a refusal costs nothing and says when to come back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from pytest_django import Settings

from accounts.actions import quotas, tokens
from accounts.actions.quotas import OverQuota
from accounts.actor import Actor
from accounts.models import Allowance, Organization, Token

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


@pytest.fixture
def token(db: None) -> UUID:
    """Six requests a minute, 3,600 objects and 36,000 bytes an hour."""
    organization = Organization.objects.create(slug="lab-a", name="Lab A", sector="ai-lab")
    made, _ = tokens.issue(
        organization_id=organization.id,
        name="detector",
        scopes=["submit"],
        quotas={"requests_per_minute": 6, "objects_per_hour": 3600, "bytes_per_hour": 36_000},
        by=Actor("service:test"),
        now=NOW,
    )
    return made.id


def later(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_what_is_taken_is_missing_afterwards(token: UUID) -> None:
    levels = quotas.charge(token_id=token, now=NOW, requests=1, objects=100, size=5_000)

    assert levels is not None
    assert [level.limit for level in levels] == [6, 3600, 36_000]
    assert [level.left for level in levels] == [5, 3500, 31_000]


def test_the_seventh_request_of_a_minute_waits_until_there_is_one_again(token: UUID) -> None:
    for _ in range(6):
        quotas.charge(token_id=token, now=NOW, requests=1)

    with pytest.raises(OverQuota) as refusal:
        quotas.charge(token_id=token, now=later(2), requests=1)

    assert (refusal.value.level.name, refusal.value.retry_after) == ("requests", 8)
    assert "6 requests a minute" in str(refusal.value)
    quotas.charge(token_id=token, now=later(10), requests=1)


def test_a_refusal_costs_nothing_of_any_quota(token: UUID) -> None:
    quotas.charge(token_id=token, now=NOW, objects=3_000)

    with pytest.raises(OverQuota):
        quotas.charge(token_id=token, now=NOW, requests=1, objects=601, size=9)

    levels = quotas.charge(token_id=token, now=NOW)
    assert levels is not None
    assert [level.left for level in levels] == [6, 600, 36_000]


def test_the_quota_that_takes_longest_is_the_one_that_is_told(token: UUID) -> None:
    quotas.charge(token_id=token, now=NOW, requests=6, size=36_000)

    with pytest.raises(OverQuota) as refusal:
        quotas.charge(token_id=token, now=NOW, requests=1, size=1_000)

    assert (refusal.value.level.name, refusal.value.retry_after) == ("bytes", 100)


def test_no_bucket_overflows_however_long_a_token_is_quiet(token: UUID) -> None:
    quotas.charge(token_id=token, now=NOW, requests=3, objects=3, size=3)

    levels = quotas.charge(token_id=token, now=later(86_400))

    assert levels is not None
    assert [level.left for level in levels] == [6, 3600, 36_000]


def test_a_body_larger_than_the_whole_quota_passes_once_and_is_paid_off(token: UUID) -> None:
    quotas.charge(token_id=token, now=NOW, objects=7_200)

    with pytest.raises(OverQuota) as refusal:
        quotas.charge(token_id=token, now=NOW, objects=1)

    assert refusal.value.retry_after == 3_601
    quotas.charge(token_id=token, now=later(3_601), objects=1)


def test_a_clock_that_is_behind_takes_nothing_back(token: UUID) -> None:
    quotas.charge(token_id=token, now=later(60), requests=6)

    with pytest.raises(OverQuota):
        quotas.charge(token_id=token, now=NOW, requests=1)

    assert Allowance.objects.get().as_of == later(60)


def test_a_clock_that_was_years_ahead_blocks_nobody_for_years(token: UUID) -> None:
    quotas.charge(token_id=token, now=later(10**8), requests=6)

    levels = quotas.charge(token_id=token, now=NOW, requests=1)

    assert levels is not None
    assert levels.requests.left == 5
    for _ in range(5):
        quotas.charge(token_id=token, now=NOW, requests=1)
    with pytest.raises(OverQuota):
        quotas.charge(token_id=token, now=NOW, requests=1)
    quotas.charge(token_id=token, now=later(10), requests=1)


def test_without_quotas_of_its_own_a_token_has_the_services(token: UUID, settings: Settings) -> None:
    Token.objects.update(requests_per_minute=None, objects_per_hour=None, bytes_per_hour=None)
    settings.QUOTA_OBJECTS_PER_HOUR = 7
    quotas.charge(token_id=token, now=NOW, objects=7)

    with pytest.raises(OverQuota):
        quotas.charge(token_id=token, now=NOW, objects=1)


def test_tokens_do_not_share_their_quotas(token: UUID) -> None:
    other = Token.objects.get()
    other.pk, other.name, other.digest, other._state.adding = uuid4(), "other", b"other", True
    other.save()
    quotas.charge(token_id=token, now=NOW, requests=6)

    assert quotas.charge(token_id=other.pk, now=NOW, requests=6) is not None


def test_a_token_that_is_gone_is_not_charged(db: None) -> None:
    assert quotas.charge(token_id=uuid4(), now=NOW, requests=1) is None


def test_a_quota_of_nothing_cannot_be(token: UUID) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Token.objects.update(requests_per_minute=0)


def test_refusals_are_counted_by_their_reason(token: UUID) -> None:
    quotas.charge(token_id=token, now=NOW, requests=1)

    quotas.mark_refused(token_id=token)
    quotas.mark_refused(token_id=token)
    quotas.mark_refused(token_id=token, high_water=True)

    allowance = Allowance.objects.get()
    assert (allowance.over_quota, allowance.turned_away) == (2, 1)


@pytest.mark.django_db(transaction=True)
def test_eight_at_once_get_no_more_than_the_quota(token: UUID) -> None:
    def ask(_: int) -> bool:
        try:
            quotas.charge(token_id=token, now=NOW, requests=1)
        except OverQuota:
            return False
        else:
            return True
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        passed = list(pool.map(ask, range(16)))

    assert passed.count(True) == 6
