"""What went wrong is told by type and place, and no value is quoted."""

import re
from pathlib import Path

import pytest

from accounts import faults


class Broken(ValueError):
    """A test's own."""


def _inner() -> None:
    int("jane@customer.example")


def _outer() -> None:
    try:
        _inner()
    except ValueError as error:
        raise Broken("of jane@customer.example") from error


def test_the_chain_stands_with_its_types_and_the_projects_own_places() -> None:
    with pytest.raises(Broken) as caught:
        _outer()

    told = faults.summary(caught.value).splitlines()

    assert told[0] == "tests.accounts.test_faults.Broken"
    assert told[-1].startswith("  tests/accounts/test_faults.py:")
    assert told[-1].endswith(" _inner")
    assert "from ValueError" in told
    assert "jane" not in "".join(told)


def test_places_outside_the_project_are_left_out() -> None:
    with pytest.raises(FileNotFoundError) as caught:
        Path("/nowhere/at/all").read_bytes()

    told = faults.summary(caught.value)

    assert told.startswith("FileNotFoundError")
    assert "nowhere" not in told
    assert "/pathlib" not in told


def test_an_endless_chain_ends() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first

    assert faults.summary(first) == "ValueError\nfrom KeyError"


def test_no_log_line_of_ours_quotes_an_exception() -> None:
    """PostgreSQL's messages hold whole rows, so what is logged is a summary."""
    root = Path(faults.__file__).resolve().parent.parent
    sources = [
        file
        for name in ("accounts", "config", "indicators", "sharing")
        for file in (root / name).rglob("*.py")
    ]

    assert sources
    assert [
        str(file) for file in sources if re.search(r"\blog\.exception\(|exc_info=True", file.read_text())
    ] == []
