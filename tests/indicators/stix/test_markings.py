"""TLP levels are known by their marking definitions, and the strictest one counts."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.stix.markings import LEVELS, TLP, definitions, effective, marking_id
from indicators.stix.objects import read
from tests.indicators.stix.test_json import BUNDLES

WHITE = "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9"


@pytest.mark.parametrize("level", TLP)
def test_a_level_is_known_by_its_label_and_its_id(level: TLP) -> None:
    assert TLP.parse(level.label) is level
    assert TLP.parse(f"TLP:{level.label.upper()}") is level
    assert LEVELS[marking_id(level)] is level


def test_the_names_of_tlp_1_are_understood() -> None:
    assert TLP.parse("TLP:WHITE") is TLP.CLEAR
    assert effective({"object_marking_refs": [WHITE]}) is TLP.CLEAR
    with pytest.raises(ValueError, match="not a TLP level"):
        TLP.parse("purple")


@given(st.lists(st.sampled_from(sorted(LEVELS))), st.lists(st.sampled_from(sorted(LEVELS))))
def test_the_strictest_marking_of_the_object_or_a_part_of_it_counts(
    whole: list[str], parts: list[str]
) -> None:
    obj = {"object_marking_refs": whole, "granular_markings": [{"marking_ref": part} for part in parts]}

    assert effective(obj) == max((LEVELS[marking] for marking in whole + parts), default=None)


def test_markings_that_are_not_tlp_say_nothing() -> None:
    assert (
        effective({"object_marking_refs": ["marking-definition--00000000-0000-4000-8000-000000000000", 3]})
        is None
    )
    assert effective({"object_marking_refs": 3, "granular_markings": [{"lang": "de"}, 3]}) is None


def test_the_definitions_are_the_official_objects() -> None:
    ours = {read(body).id: json.loads(body) for body in definitions()}
    theirs = {obj["id"]: obj for path in BUNDLES for obj in json.loads(path.read_bytes())["objects"]}

    assert {marking_id(level) for level in TLP} < ours.keys()
    known = ours.keys() & theirs.keys()
    assert len(known) >= 5
    assert all(ours[each] == theirs[each] for each in known)
    assert all(read(body).body == body for body in definitions())
