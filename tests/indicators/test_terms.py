"""What an object is found by."""

from typing import Any

import pytest

from indicators.stix.validation import validate
from indicators.terms import words
from tests.conformance import stix


@pytest.mark.parametrize("said", [7, "x", {"x": 1}, [1], ["x"], [{"external_id": 7}], [{"x": 1}], True])
@pytest.mark.parametrize("name", ["aliases", "authors", "external_references", "goals", "labels"])
def test_what_a_sender_puts_under_a_name_of_another_type_fails_nothing(name: str, said: Any) -> None:
    """STIX lets anything stand in a property of one's own: on observables these names mean nothing."""
    one = stix.sco("software", {"name": "A proxy"}) | {name: said}
    validate(one)

    assert {"=software", "a", "proxy"} <= {*words(one)}
