"""`make bench` comes here through pytest; `python -m tests.bench` does the same and takes parameters."""

import pytest

from tests.bench.__main__ import main


@pytest.mark.bench
def test_measures_every_part() -> None:
    assert main([]) == 0
