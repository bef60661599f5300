"""What an object watches that an allow-list could name."""

from typing import Any

import pytest

from indicators.allowlists.watched import shown, watched


def of_pattern(pattern: str, pattern_type: str = "stix") -> set[str]:
    obj = {"type": "indicator", "pattern_type": pattern_type, "pattern": pattern}
    return {shown(value) for value in watched(obj)}


@pytest.mark.parametrize(
    ("pattern", "values"),
    [
        ("[ipv4-addr:value = '198.51.100.7']", {"198.51.100.7"}),
        ("[ipv4-addr:value ISSUBSET '198.51.100.7/24']", {"198.51.100.0/24"}),
        ("[ipv6-addr:value IN ('2001:DB8::0:1', '2001:db8:1::/48')]", {"2001:db8::1", "2001:db8:1::/48"}),
        ("[domain-name:value = 'WWW[.]a.example']", {"www.a.example"}),
        ("[domain-name:value = 'bücher.example']", {"xn--bcher-kva.example"}),
        ("[domain-name:resolves_to_refs[*].value = '198.51.100.7']", {"198.51.100.7"}),
        (
            "[network-traffic:dst_ref.value = '198.51.100.7' AND network-traffic:dst_port = 53]",
            {"198.51.100.7"},
        ),
        ("[network-traffic:src_ref.value = 'a.example']", {"a.example"}),
        ("[network-traffic:src_ref.value = '02:00:5e:10:00:01']", set()),
        ("[llm-api-activity:src_refs[*].value = '2001:db8::1']", {"2001:db8::1"}),
        ("[llm-api-activity:src_refs[0].number = 64501]", {"AS64501"}),
        ("[autonomous-system:number IN (64501, 64502)]", {"AS64501", "AS64502"}),
        ("[autonomous-system:name = '64501']", set()),
        ("[ipv4-addr:belongs_to_refs[*].number = 64501]", {"AS64501"}),
        ("[url:value = 'https://user:pw@a.example:8443/x?y=b.example']", {"a.example"}),
        ("[url:value = 'http://198.51.100.7/']", {"198.51.100.7"}),
        ("[url:value = 'https://[2001:db8::1]:853/dns-query']", {"2001:db8::1"}),
        ("[url:value = 'urn:example:a']", set()),
        # A mailbox is not its provider.
        ("[email-addr:value = 'a@a.example' OR email-message:from_ref.value = 'b@b.example']", set()),
        ("[file:name = 'a.example' OR software:name = '198.51.100.7']", set()),
        ("[user-account:account_login = 'a.example']", set()),
        ("[domain-name:value = 'a.example' AND domain-name:value != 'b.example']", {"a.example"}),
    ],
)
def test_an_indicator_watches_what_its_pattern_does(pattern: str, values: set[str]) -> None:
    assert of_pattern(pattern) == values


def test_a_pattern_in_another_language_is_not_understood() -> None:
    assert of_pattern("198.51.100.7", pattern_type="snort") == set()


@pytest.mark.parametrize(
    ("obj", "values"),
    [
        ({"type": "ipv4-addr", "value": "198.51.100.7"}, {"198.51.100.7"}),
        ({"type": "ipv4-addr", "value": "198.51.100.7/24"}, {"198.51.100.0/24"}),
        ({"type": "ipv6-addr", "value": "2001:0DB8::1"}, {"2001:db8::1"}),
        ({"type": "domain-name", "value": "A.Example."}, {"a.example"}),
        ({"type": "domain-name", "value": "198.51.100.7"}, {"198.51.100.7"}),
        ({"type": "url", "value": "HTTPS://A.example/x"}, {"a.example"}),
        ({"type": "autonomous-system", "number": 64501}, {"AS64501"}),
        ({"type": "autonomous-system", "number": 64501.0}, {"AS64501"}),
        ({"type": "autonomous-system", "number": 2**40}, set()),
        ({"type": "autonomous-system", "number": -1}, set()),
        ({"type": "url", "value": "not a URL"}, set()),
        ({"type": "domain-name", "value": "not a name"}, set()),
        ({"type": "email-addr", "value": "a@a.example"}, set()),
        ({"type": "campaign", "name": "a.example"}, set()),
    ],
)
def test_an_observable_watches_its_own_value(obj: dict[str, Any], values: set[str]) -> None:
    assert {shown(value) for value in watched(obj)} == values
