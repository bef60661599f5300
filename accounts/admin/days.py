"""Days in forms: picked in the browser, taken by UTC."""

from datetime import UTC, date, datetime, time, timedelta

from django import forms


class DayInput(forms.DateInput):
    """The browser's own picker, which wants a day as ISO 8601 writes it."""

    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


def begin_of(day: date | None) -> datetime | None:
    """When a day begins, by UTC."""
    return None if day is None else datetime.combine(day, time(), UTC)


def end_of(day: date | None) -> datetime | None:
    """When a day is over, by UTC; of the last day that a calendar here has, its last moment."""
    if day == date.max:
        return datetime.max.replace(tzinfo=UTC)
    return None if day is None else datetime.combine(day + timedelta(days=1), time(), UTC)


def last_day(end: datetime | None) -> date | None:
    """The last day before a moment, by UTC."""
    return None if end is None else (end - timedelta(microseconds=1)).astimezone(UTC).date()
