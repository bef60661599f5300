"""What a pattern watches for: the values that its comparisons let pass."""

import pytest

from indicators.patterns import PatternError, observables


@pytest.mark.parametrize(
    ("pattern", "watched"),
    [
        ("[ipv4-addr:value = '198.51.100.7/32']", [("ipv4-addr:value", "198.51.100.7")]),
        ("[ipv4-addr:value ISSUBSET '198.51.100.77/26']", [("ipv4-addr:value", "198.51.100.64/26")]),
        ("[ipv4-addr:value ISSUPERSET '198.51.100.7']", [("ipv4-addr:value", "198.51.100.7")]),
        (
            "[domain-name:value IN ('B.Example.', 'a[.]example')]",
            [("domain-name:value", "a.example"), ("domain-name:value", "b.example")],
        ),
        (
            "[network-traffic:dst_ref.value = '198.51.100.7' AND network-traffic:dst_port = 443]",
            [("network-traffic:dst_port", "443"), ("network-traffic:dst_ref.value", "198.51.100.7")],
        ),
        ("[autonomous-system:number = 64501]", [("autonomous-system:number", "64501")]),
        ("[url:value = 'hxxps://A.example:443/x#y']", [("url:value", "https://a.example/x")]),
        (
            "([url:value = 'ws://a.example'] OR [ipv6-addr:value = '2001:DB8::0']) AND [ipv4-addr:value = '192.0.2.7']",
            [
                ("ipv4-addr:value", "192.0.2.7"),
                ("ipv6-addr:value", "2001:db8::"),
                ("url:value", "ws://a.example/"),
            ],
        ),
        (
            "[domain-name:value = 'a.example' OR domain-name:value = 'A.example']",
            [("domain-name:value", "a.example")],
        ),
        ("[domain-name:value NOT != 'a.example']", [("domain-name:value", "a.example")]),
    ],
)
def test_a_pattern_watches_what_passes_it(pattern: str, watched: list[tuple[str, str]]) -> None:
    assert list(observables(pattern)) == watched


@pytest.mark.parametrize(
    "pattern",
    [
        "[domain-name:value != 'a.example']",
        "[domain-name:value NOT = 'a.example']",
        "[domain-name:value NOT IN ('a.example', 'b.example')]",
        "[ipv4-addr:value NOT ISSUBSET '198.51.100.0/24']",
        "[EXISTS domain-name:value]",
        "[domain-name:value LIKE '%.example']",
        "[domain-name:value MATCHES 'a[.]example']",
        "[autonomous-system:number > 64500]",
    ],
)
def test_what_a_pattern_excludes_or_only_describes_is_not_watched(pattern: str) -> None:
    assert observables(pattern) == ()


def test_a_wrong_pattern_is_refused() -> None:
    with pytest.raises(PatternError):
        observables("[ipv4-addr:value = '198.51.100.300']")
