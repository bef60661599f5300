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


RULE = """
title: API account uses payment method
status: experimental
logsource: {product: llm-api, service: billing}
detection:
  sel: {event.action: payment_method_attached, count: 5}
  condition: sel
---
title: Many accounts on one payment method
correlation: {type: value_count, rules: [llm_account_payment], timespan: 30d, condition: {gte: 5}}
level: high
"""


@pytest.mark.parametrize(
    "other",
    [
        RULE.replace("API account uses payment method", "Was ein Konto bezahlt").replace("high", "low"),
        RULE.replace("{product: llm-api, service: billing}", "{service: 'billing', product: \"llm-api\"}"),
        RULE.replace("status: experimental", "status: stable\ndate: 2026-11-01\ntags: [atlas.aml.t0021]"),
        RULE.replace("detection:", "# how it is found\ndetection:"),
    ],
    ids=["title and level", "order and quotes", "status, date and tags", "comment"],
)
def test_sigma_rules_are_the_same_by_what_they_find_things_by(other: str) -> None:
    assert indicator_key("sigma", other) == indicator_key("sigma", RULE)


@pytest.mark.parametrize(
    "other",
    [
        RULE.replace("count: 5", "count: 6"),
        RULE.replace("count: 5", "count: '5'"),
        RULE.replace("service: billing", "service: login"),
        RULE.replace("gte: 5", "gt: 5"),
        RULE.split("---")[0],
        "a rule? no: [",
        "just text",
        "a: &a [x]\ndetection: *a",
        "detection: " + "[" * 5000,
        "title: without anything to find",
    ],
)
def test_sigma_rules_that_find_something_else_stay_apart(other: str) -> None:
    assert indicator_key("sigma", other) != indicator_key("sigma", RULE)


@pytest.mark.parametrize(
    "text", ["just text", "a: &a [x]\ndetection: *a", "detection: " + "[" * 5000, "a: b"]
)
def test_what_is_no_sigma_rule_is_compared_as_exact_text(text: str) -> None:
    assert indicator_key("sigma", text) != indicator_key("sigma", f"{text} ")
