"""Timestamps sort as times do, keep nine decimals and name real days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.stix.json import Refused
from indicators.stix.timestamps import (
    from_datetime_ms,
    from_micros,
    micros_of,
    moment_of,
    to_datetime,
    to_micros,
    to_sortable,
)

moments = st.datetimes(timezones=st.just(UTC))


@pytest.mark.parametrize(
    ("text", "sortable"),
    [
        ("2026-01-31T12:00:00Z", "2026-01-31T12:00:00.000000000Z"),
        ("2026-01-31T12:00:00.5Z", "2026-01-31T12:00:00.500000000Z"),
        ("2024-02-29T23:59:59.123456789Z", "2024-02-29T23:59:59.123456789Z"),
        ("2016-12-31T23:59:60.25Z", "2017-01-01T00:00:00.250000000Z"),
    ],
)
def test_a_timestamp_has_one_sortable_form(text: str, sortable: str) -> None:
    assert to_sortable(text) == sortable


@pytest.mark.parametrize(
    "text",
    [
        "2026-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T12:00:60Z",
        "9999-12-31T23:59:60Z",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "2026-01-01T00:00:00+00:00",
        "2026-01-01t00:00:00z",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "２026-01-01T00:00:00Z",  # noqa: RUF001 (a wide digit is the point)
        "",
    ],
)
def test_what_names_no_time_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        to_sortable(text)

    assert caught.value.code == "bad-timestamp"


@given(moments, moments)
def test_sortable_forms_sort_as_the_times_do(one: datetime, other: datetime) -> None:
    first, second = (to_sortable(from_micros(_micros(each))) for each in (one, other))

    assert (first < second) == (one < other)


@given(moments)
def test_microseconds_go_there_and_back(moment: datetime) -> None:
    text = from_micros(_micros(moment))

    assert to_datetime(text) == moment
    assert to_micros(text) == _micros(moment)
    assert len(text) == len("2026-01-01T00:00:00.000000Z")


@given(moments)
def test_a_moment_is_its_microseconds_to_the_last_one(moment: datetime) -> None:
    assert micros_of(moment) == _micros(moment)
    assert moment_of(micros_of(moment)) == moment


@given(moments)
def test_milliseconds_are_cut_and_never_rounded_up(moment: datetime) -> None:
    back = to_datetime(from_datetime_ms(moment))

    assert timedelta(0) <= moment - back < timedelta(milliseconds=1)


def test_other_time_zones_are_turned_into_utc() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=2)))

    assert from_datetime_ms(moment) == "2025-12-31T23:00:00.000Z"
    with pytest.raises(ValueError, match="without a time zone"):
        from_datetime_ms(datetime(2026, 1, 1))  # noqa: DTZ001 (the point of the test)


def _micros(moment: datetime) -> int:
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
