"""Which objects the core feed holds (clients.md 19)."""

from pathlib import Path

import pytest

import indicators
from sharing.release.attribution import attributes
from sharing.release.core import admits


@pytest.mark.parametrize(
    "pattern",
    [
        "[autonomous-system:number = 64512]",
        "[domain-name:value = 'a.example']",
        "[email-addr:value = 'a@a.example']",
        "[file:hashes.'SHA-256' = 'fe2c77a37c589cf9cf37dfa4de524ad6fcc0cfe2c77a37c589cf9cf37dfa4de5']",
        "[ipv4-addr:value = '203.0.113.7']",
        "[ipv6-addr:value = '2001:db8::1']",
        "[url:value = 'https://a.example/']",
        "[user-account:user_id = 'x']",
    ],
)
def test_one_plain_observable_is_core(pattern: str) -> None:
    assert admits("indicator", pattern_type="stix", pattern=pattern)


@pytest.mark.parametrize(
    ("pattern_type", "pattern"),
    [
        ("stix", "[domain-name:value = 'a.example' AND ipv4-addr:value = '203.0.113.7']"),
        ("stix", "[domain-name:value = 'a.example'] AND [ipv4-addr:value = '203.0.113.7']"),
        ("stix", "[domain-name:value = 'a.example'] REPEATS 2 TIMES"),
        ("stix", "[domain-name:value LIKE '%.example']"),
        ("stix", "[domain-name:value NOT = 'a.example']"),
        ("stix", "[domain-name:value IN ('a.example', 'b.example')]"),
        ("stix", "[llm-api-activity:provider = 'x']"),
        ("stix", "[process:command_line = 'x']"),
        ("sigma", "title: x"),
        ("stix-like", "[domain-name:value = 'a.example']"),
        ("", ""),
    ],
)
def test_any_other_indicator_is_not(pattern_type: str, pattern: str) -> None:
    assert not admits("indicator", pattern_type=pattern_type, pattern=pattern)


@pytest.mark.parametrize(
    "object_type", ["llm-api-activity", "prompt-template", "blinded-identifier", "x-a", ""]
)
def test_types_of_nobodys_standard_are_not_core(object_type: str) -> None:
    assert not admits(object_type)


def test_every_type_of_the_standard_is_core() -> None:
    oasis = Path(indicators.__file__).parent / "stix" / "schemas" / "oasis"
    types = {file.stem for folder in ("sdos", "sros", "observables") for file in (oasis / folder).iterdir()}

    assert {one for one in types if one != "indicator" and not admits(one)} == set()


@pytest.mark.parametrize(
    ("object_type", "relationship_type", "says"),
    [
        ("threat-actor", "", True),
        ("intrusion-set", "", True),
        ("relationship", "attributed-to", True),
        ("relationship", "indicates", False),
        ("campaign", "", False),
        ("identity", "", False),
    ],
)
def test_attribution_is_recognised(object_type: str, relationship_type: str, says: bool) -> None:
    assert attributes(object_type, relationship_type) is says
