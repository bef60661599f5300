"""Reading an object: every object of the demo is read, and nothing that goes in is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.stix.json import Refused, parse, split
from indicators.stix.markings import TLP
from indicators.stix.objects import read
from tests.indicators.stix.test_json import BUNDLES, nearly_json, values

RAWS = [raw for bundle in BUNDLES for raw in split(bundle.read_bytes())]
INDICATORS = [raw for raw in RAWS if json.loads(raw)["type"] == "indicator"]


@pytest.mark.parametrize("bundle", BUNDLES, ids=lambda path: path.name)
def test_every_demo_object_is_read_as_the_value_it_is(bundle: Path) -> None:
    for raw in split(bundle.read_bytes()):
        expected = json.loads(raw)

        obj = read(raw)

        assert obj.value == expected
        assert obj.body == rfc8785.dumps(expected)
        assert read(obj.body).body == obj.body
        assert (obj.id, obj.type) == (expected["id"], expected["type"])
        assert obj.version == expected.get("modified", expected.get("created"))
        assert obj.id not in obj.references


def _indicator(**properties: Any) -> bytes:
    return json.dumps({**json.loads(INDICATORS[0]), **properties}).encode()


def test_an_object_says_what_the_service_needs_of_it() -> None:
    obj = read(
        _indicator(created="2026-10-03T02:10:00.000Z", modified="2026-10-03T02:10:00.1234Z", revoked=True)
    )

    assert obj.spec_version == "2.1"
    assert (obj.version, obj.version_key) == ("2026-10-03T02:10:00.1234Z", "2026-10-03T02:10:00.123400000Z")
    assert obj.created == "2026-10-03T02:10:00.000Z"
    assert obj.revoked
    assert isinstance(obj.tlp, TLP)
    assert obj.value["created_by_ref"] in obj.references


def test_an_observable_has_no_version() -> None:
    obj = read(b'{"type":"url","id":"url--ff26c055-6336-5bc5-b98d-13d6226742dd","value":"http://a.example/"}')

    assert (obj.version, obj.version_key, obj.created, obj.tlp) == (None, None, None, None)
    assert (obj.spec_version, obj.revoked, obj.references) == ("2.1", False, ())


@pytest.mark.parametrize(
    "odd",
    [
        {
            "x_text": "",
            "x_no": False,
            "x_unicode": "\u2028é\U0001f600",
            "x_key": {"\ue000": 1, "\U0001f600": 2},
        },
        {"x_numbers": [2**53 - 1, -(2**53) + 1, 0, 1.0, 1e-9, 1.5e300, 0.1]},
        {"x_order": [3, 1, 2, 1], "labels": ["b", "a"], "valid_until": "2029-01-01T00:00:00.100Z"},
    ],
)
def test_what_goes_in_comes_out(odd: dict[str, Any]) -> None:
    assert json.loads(read(_indicator(**odd)).body) == json.loads(_indicator(**odd))


@pytest.mark.parametrize("raw", [b"[]", b"3", b'"x"', b"null", b"", b"\xff", b"{}", b'{"type":"indicator"}'])
def test_what_is_no_object_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        read(raw)


@given(nearly_json.map(str.encode) | st.binary(max_size=30))
def test_malformed_bytes_are_refused_and_nothing_worse(raw: bytes) -> None:
    with pytest.raises(Refused):
        read(raw)


@settings(max_examples=400)
@given(st.sampled_from(RAWS), values, st.data())
def test_a_damaged_object_is_read_or_refused_and_nothing_worse(
    raw: bytes, wrong: Any, data: st.DataObject
) -> None:
    value = json.loads(raw)
    names = st.sampled_from(
        [*value, "extensions", "definition", "name", "granular_markings", "created", "modified"]
    )
    value[data.draw(names)] = wrong
    damaged = json.dumps(value).encode()
    try:
        obj = read(damaged)
    except Refused as refused:
        assert refused.code  # noqa: PT017 (either outcome is right)
    else:
        assert obj.value == parse(damaged)
