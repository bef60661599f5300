"""RFC 3339 timestamps as STIX 2.1 writes them (§2.16), and their sortable form."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from indicators.stix.json import Refused

_FORM = re.compile(
    r"([0-9]{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])T(?:[01][0-9]|2[0-3]):[0-5][0-9]:)"
    r"([0-5][0-9]|60)(?:\.([0-9]{1,9}))?Z"
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


#: An object says one time in several properties, and many objects say the same.
@lru_cache(maxsize=4096)
def to_sortable(text: str) -> str:
    """A timestamp with nine decimals, `YYYY-MM-DDTHH:MM:SS.nnnnnnnnnZ`; such texts sort as times do.

    Takes `Z` and up to nine decimals. A leap second, 23:59:60, is the first second of the next day, as in
    POSIX time. Raises `Refused` with the code `bad-timestamp`.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise _bad(text, "is not of the form YYYY-MM-DDTHH:MM:SS[.nnnnnnnnn]Z")
    minute, second, decimals = match.groups()
    if minute[8:10] > "28" or minute[:4] == "0000" or second == "60":
        minute, second = _checked(text, minute, second)
    return f"{minute}{second}.{decimals or '':0<9}Z"


def to_datetime(text: str) -> datetime:
    """The time in UTC, cut to whole microseconds."""
    return datetime.fromisoformat(to_sortable(text)[:26] + "+00:00")


def to_micros(text: str) -> int:
    """Microseconds since 1970, cut to whole ones."""
    return micros_of(to_datetime(text))


def micros_of(moment: datetime) -> int:
    """Microseconds from 1970 to an aware datetime, exactly: a float of seconds is off by one now and then."""
    return (moment - _EPOCH) // _MICROSECOND


def moment_of(micros: int) -> datetime:
    """The datetime, in UTC, of so many microseconds since 1970."""
    return _EPOCH + micros * _MICROSECOND


def from_micros(micros: int) -> str:
    """The timestamp of so many microseconds since 1970, with six decimals."""
    return _iso(moment_of(micros), "microseconds")


def from_datetime_ms(moment: datetime) -> str:
    """The timestamp of an aware datetime with three decimals, cut to whole milliseconds."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone names no moment")
    return _iso(moment.astimezone(UTC), "milliseconds")


def from_datetime(moment: datetime) -> str:
    """The timestamp of an aware datetime with six decimals."""
    if moment.tzinfo is None:
        raise ValueError("a datetime without a time zone names no moment")
    return _iso(moment.astimezone(UTC), "microseconds")


def _iso(moment: datetime, precision: str) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec=precision) + "Z"


def _checked(text: str, minute: str, second: str) -> tuple[str, str]:
    try:
        if second != "60":
            datetime.fromisoformat(minute + second)
            return minute, second
        if not minute.endswith("T23:59:"):
            raise _bad(text, "has a second 60, which only the last minute of a day can have")
        following = datetime.fromisoformat(minute + "59") + timedelta(seconds=1)
    except Refused:
        raise
    except (ValueError, OverflowError):
        raise _bad(text, "is no day of the calendar") from None
    return following.isoformat()[:17], "00"


def _bad(text: str, reason: str) -> Refused:
    shown = text if len(text) <= 40 else text[:39] + "…"
    return Refused("bad-timestamp", "", f'the timestamp "{shown}" {reason}')
