"""What the parameters of lists say; a wrong one is answered with 400 and its name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.utils.dateparse import parse_datetime
from rest_framework import exceptions
from rest_framework.request import Request

DEFAULT = 100
MOST = 1000


def limit(request: Request) -> int:
    """`?limit=`, from 1 to 1,000; 100 unless told."""
    given = text(request, "limit")
    if given is None:
        return DEFAULT
    if not (given.isascii() and given.isdigit() and len(given) <= 4 and 1 <= int(given) <= MOST):
        raise exceptions.ValidationError({"limit": f"a whole number from 1 to {MOST}"})
    return int(given)


def text(request: Request, name: str) -> str | None:
    """A parameter as it is; None without."""
    given: str | None = request.query_params.get(name)
    if given is not None and "\x00" in given:
        raise exceptions.ValidationError({name: "holds U+0000"})
    return given


def uuid(request: Request, name: str) -> UUID | None:
    """A parameter that is a UUID."""
    given = text(request, name)
    try:
        return None if given is None else UUID(given)
    except ValueError:
        raise exceptions.ValidationError({name: "not a UUID"}) from None


def number(request: Request, name: str) -> int | None:
    """A parameter that is the number of a row."""
    given = text(request, name)
    if given is not None and not (given.isascii() and given.isdigit() and len(given) <= 18):
        raise exceptions.ValidationError({name: "not a whole number"})
    return None if given is None else int(given)


def choice(request: Request, name: str, choices: Sequence[str]) -> str | None:
    """A parameter that is one of these."""
    given = text(request, name)
    if given is not None and given not in choices:
        raise exceptions.ValidationError({name: f"one of {', '.join(choices)}"})
    return given


def moment(request: Request, name: str) -> datetime | None:
    """A parameter that is a timestamp (RFC 3339); without an offset it is UTC."""
    given = text(request, name)
    if given is None:
        return None
    try:
        found = parse_datetime(given)
    except ValueError:
        found = None
    if found is None:
        raise exceptions.ValidationError({name: "a timestamp such as 2026-03-01T12:00:00Z"})
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
