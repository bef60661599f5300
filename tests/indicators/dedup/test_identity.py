"""Identity: one key for what is the same, the keys of the worked bundles among them."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from indicators.dedup.identity import indicator_key

DEMO = Path(__file__).parents[3] / "indicators" / "demo"


def _worked() -> list[tuple[dict[str, Any], str]]:
    found: list[tuple[dict[str, Any], str]] = []
    for path in sorted(DEMO.glob("*.json")):
        for each in json.loads(path.read_text())["objects"]:
            found += [
                (each, reference["external_id"])
                for reference in each.get("external_references", [])
                if reference["source_name"] == "dix-canonical-key"
            ]
    return found


def test_the_worked_bundles_hold_thirteen_keys() -> None:
    assert len(_worked()) == 13


@pytest.mark.parametrize(
    ("indicator", "key"), _worked(), ids=lambda part: part if isinstance(part, str) else ""
)
def test_the_key_of_a_worked_indicator_is_reproduced(indicator: dict[str, Any], key: str) -> None:
    assert f"ck1:{indicator_key(indicator['pattern_type'], indicator['pattern']).hex()}" == key


def test_spellings_of_one_stix_pattern_have_one_key() -> None:
    one = indicator_key("stix", "[ipv4-addr:value = '198.51.100.7']")
    assert indicator_key("stix", "[ ipv4-addr:value IN ('198[.]51.100.7') ]") == one
    assert len(one) == 32


def test_other_pattern_types_are_taken_by_exact_text() -> None:
    assert indicator_key("sigma", " a ") == hashlib.sha256(b"sigma\0 a ").digest()
    assert indicator_key("sigma", "a") != indicator_key("sigma", "a ")
    assert indicator_key("sigma", "a") != indicator_key("snort", "a")


def test_the_encoding_of_type_and_pattern_is_unambiguous() -> None:
    with pytest.raises(ValueError, match="NUL"):
        indicator_key("a\0b", "c")
