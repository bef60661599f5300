"""The canonical form, clause by clause (docs/patterns.md): what is one pattern, and what is nearly so and is not."""

import pytest
from stix2patterns.validator import run_validator

from indicators.patterns import canonical

MD5, SHA256 = "0aF9" * 8, "0aF9" * 16


def watch(path: str, *values: str, operator: str = "=") -> list[str]:
    """One pattern for each way to write a value."""
    return [f"[{path} {operator} '{value}']" for value in values]


# Each clause: groups of patterns that are one and the same, then pairs that stay apart.
CLAUSES: dict[str, tuple[list[list[str]], list[tuple[str, str]]]] = {
    "white space, comments and quotes that say nothing": (
        [
            ["[a:b = 'x']", "[a:b='x']", " [ a : b\n=\t'x' ] ", "[a:b/* = */= 'x'] // y", "[a:'b' == 'x']"],
            ["[a:'b-c'.d[0] = 1]", "[ a:'b-c' . 'd' [ +0 ] = 1 ]"],
            ["[a:b = 1]", "[(a:b = 1)]", "([a:b = 1])", "(([((a:b = 1))]))"],
        ],
        [
            ("[a:b = 'x']", "[a:b = 'x ']"),
            ("[a:b = 'x  y']", "[a:b = 'x y']"),
            ("[a:b = '/**/']", "[a:b = '']"),
            ("[a:'b.c' = 1]", "[a:b.c = 1]"),
            ("[a:'b[0]' = 1]", "[a:b[0] = 1]"),
            ("[a:b = 1]", "[a:B = 1]"),
            ("[a:b = 1]", "[A:b = 1]"),
            ("[a:b[0] = 1]", "[a:b[*] = 1]"),
            (r"[a:b = 'x\\y']", r"[a:b = 'x\'y']"),
        ],
    ),
    "NOT = is !=, but not over the items of a list": (
        [
            ["[a:b != 1]", "[a:b <> 1]", "[a:b NOT = 1]", "[a:b NOT == 1]", "[a:b NOT IN (1)]"],
            ["[a:b = 1]", "[a:b NOT != 1]", "[a:b NOT <> 1]"],
            ["[a:b[*] != 1]", "[a:b[*] <> 1]"],
            ["[a:b[*] NOT = 1]", "[a:b[*] NOT == 1]", "[a:b[*] NOT IN (1)]"],
        ],
        [
            ("[a:b = 1]", "[a:b != 1]"),
            ("[a:b[*] NOT = 1]", "[a:b[*] != 1]"),
            ("[a:b[*] NOT != 1]", "[a:b[*] = 1]"),
            ("[a:b NOT > 1]", "[a:b <= 1]"),
            ("[a:b != 1]", "[NOT EXISTS a:b]"),
            ("[a:b NOT LIKE 'x']", "[a:b LIKE 'x']"),
        ],
    ),
    "a set of one is =, and a set has no order": (
        [
            ["[a:b IN ('x')]", "[a:b IN ('x', 'x')]", "[a:b = 'x']"],
            ["[a:b NOT IN ('x', 'x')]", "[a:b != 'x']"],
            ["[a:b IN (2, 1, 1.0)]", "[a:b IN (1, 2)]"],
            ["[a:b NOT IN ('x', 'y')]", "[a:b NOT IN ('y', 'x', 'y')]"],
        ],
        [
            ("[a:b IN ('x', 'y')]", "[a:b NOT IN ('x', 'y')]"),
            ("[a:b IN ('x')]", "[a:b IN ()]"),
            ("[a:b IN ()]", "[a:b NOT IN ()]"),
            ("[a:b IN ('x', 'X')]", "[a:b = 'x']"),
        ],
    ),
    "one path with = to several values is IN": (
        [
            ["[a:b = 'x' OR a:b = 'y']", "[a:b = 'y' OR a:b = 'x']", "[a:b IN ('x', 'y')]"],
            [
                "[a:b = 1 OR c:d = 1 OR a:b = 2]",
                "[c:d = 1 OR a:b IN (1, 2)]",
                "[a:b IN (2) OR (c:d = 1 OR a:b = 1)]",
            ],
            ["[a:b = 1 OR a:b IN ()]", "[a:b = 1]"],
            ["[e:f = 1 AND (a:b = 1 OR a:b = 2)]", "[a:b IN (1, 2) AND e:f = 1]"],
        ],
        [
            ("[a:b = 1 AND a:b = 2]", "[a:b IN (1, 2)]"),
            ("[a:b != 1 OR a:b != 2]", "[a:b NOT IN (1, 2)]"),
            ("[a:b != 1 AND a:b != 2]", "[a:b NOT IN (1, 2)]"),
            ("[a:b = 5 OR a:b = '5']", "[a:b = 5]"),
            ("[a:b = 1 OR c:b = 2]", "[a:b IN (1, 2)]"),
        ],
    ),
    "AND and OR within an observation are flat, sorted and say nothing twice": (
        [
            ["[a:b = 1 AND (c:d = 2 AND e:f = 3)]", "[e:f = 3 AND c:d = 2 AND a:b = 1]"],
            ["[a:b > 1 OR (c:d = 2 OR a:b > 1)]", "[c:d = 2 OR a:b > 1]"],
            ["[a:b = 1 AND a:b = 1]", "[a:b = 1]"],
            ["[a:b = 1 AND c:d = 2 OR e:f = 3]", "[e:f = 3 OR (c:d = 2 AND a:b = 1)]"],
            ["[(a:b = 1 OR c:d = 2) AND e:f = 3]", "[e:f = 3 AND (c:d = 2 OR a:b = 1)]"],
        ],
        [
            ("[a:b = 1 AND c:d = 2 OR e:f = 3]", "[a:b = 1 AND (c:d = 2 OR e:f = 3)]"),
            ("[a:b = 1 AND c:d = 2]", "[a:b = 1 OR c:d = 2]"),
            # No disjunctive normal form: these mean the same, and stay apart.
            ("[a:b = 1 AND (c:d = 2 OR e:f = 3)]", "[(a:b = 1 AND c:d = 2) OR (a:b = 1 AND e:f = 3)]"),
        ],
    ),
    "OR between observations is OR within one": (
        [
            ["[a:b = 1] OR [c:d = 2]", "[c:d = 2] OR [a:b = 1]", "[a:b = 1 OR c:d = 2]"],
            ["[a:b = 1] OR [a:b = 2]", "[a:b IN (1, 2)]"],
            ["([a:b = 1] OR [c:d = 2]) WITHIN 5 SECONDS", "[c:d = 2 OR a:b = 1] WITHIN 5 SECONDS"],
        ],
        [
            ("[a:b = 1] OR [c:d = 2] REPEATS 2 TIMES", "[a:b = 1 OR c:d = 2] REPEATS 2 TIMES"),
            ("[a:b = 1] OR [c:d = 2]", "[a:b = 1] AND [c:d = 2]"),
        ],
    ),
    "AND between observations is not AND within one, and counts": (
        [
            ["[a:b = 1] AND [c:d = 2]", "[c:d = 2] AND [a:b = 1]"],
            ["[a:b = 1] AND ([c:d = 2] AND [e:f = 3])", "([e:f = 3] AND [a:b = 1]) AND [c:d = 2]"],
            ["([a:b = 1] AND [c:d = 2]) OR ([c:d = 2] AND [a:b = 1])", "[a:b = 1] AND [c:d = 2]"],
            ["[a:b = 1] REPEATS 2 TIMES OR [a:b = 1] REPEATS 2 TIMES", "[a:b = 1] REPEATS 2 TIMES"],
        ],
        [
            ("[a:b = 1 AND c:d = 2]", "[a:b = 1] AND [c:d = 2]"),
            ("[a:b = 1] AND [a:b = 1]", "[a:b = 1]"),
            ("[a:b = 1] AND [a:b = 1] AND [c:d = 2]", "[a:b = 1] AND [c:d = 2]"),
            ("[a:b = 1] AND [a:b = 1]", "[a:b = 1] REPEATS 2 TIMES"),
            ("[a:b = 1] AND [c:d = 2] OR [e:f = 3]", "[a:b = 1] AND ([c:d = 2] OR [e:f = 3])"),
        ],
    ),
    "FOLLOWEDBY keeps its order, however it is grouped": (
        [
            [
                "[a:b = 1] FOLLOWEDBY [c:d = 2] FOLLOWEDBY [e:f = 3]",
                "([a:b = 1] FOLLOWEDBY [c:d = 2]) FOLLOWEDBY [e:f = 3]",
                "[a:b = 1] FOLLOWEDBY ([c:d = 2] FOLLOWEDBY [e:f = 3])",
            ],
            [
                "[a:b = 1] AND [c:d = 2] FOLLOWEDBY [e:f = 3]",
                "([c:d = 2] AND [a:b = 1]) FOLLOWEDBY [e:f = 3]",
            ],
        ],
        [
            ("[a:b = 1] FOLLOWEDBY [c:d = 2]", "[c:d = 2] FOLLOWEDBY [a:b = 1]"),
            ("[a:b = 1] FOLLOWEDBY [a:b = 1]", "[a:b = 1]"),
            ("[a:b = 1] FOLLOWEDBY [c:d = 2]", "[a:b = 1] AND [c:d = 2]"),
            (
                "[a:b = 1] AND [c:d = 2] FOLLOWEDBY [e:f = 3]",
                "[a:b = 1] AND ([c:d = 2] FOLLOWEDBY [e:f = 3])",
            ),
            (
                "[a:b = 1] FOLLOWEDBY ([c:d = 2] FOLLOWEDBY [e:f = 3]) WITHIN 5 SECONDS",
                "([a:b = 1] FOLLOWEDBY [c:d = 2]) WITHIN 5 SECONDS FOLLOWEDBY [e:f = 3]",
            ),
        ],
    ),
    "qualifiers keep their order and what they stand on": (
        [
            ["([a:b = 1] WITHIN 5 SECONDS) REPEATS 2 TIMES", "[a:b = 1] WITHIN 5 SECONDS REPEATS 2 TIMES"],
            ["[a:b = 1] WITHIN 5.0 SECONDS", "[a:b = 1] WITHIN +5 SECONDS", "([a:b = 1]) WITHIN 5 SECONDS"],
            [
                "[a:b = 1] START t'2026-01-01T00:00:00.000Z' STOP t'2026-01-02T00:00:00.50Z'",
                "([a:b = 1])START t'2026-01-01T00:00:00Z'STOP t'2026-01-02T00:00:00.5Z'",
            ],
        ],
        [
            ("[a:b = 1] WITHIN 5 SECONDS REPEATS 2 TIMES", "[a:b = 1] REPEATS 2 TIMES WITHIN 5 SECONDS"),
            ("[a:b = 1] AND [c:d = 2] WITHIN 5 SECONDS", "([a:b = 1] AND [c:d = 2]) WITHIN 5 SECONDS"),
            ("[a:b = 1] WITHIN 5 SECONDS", "[a:b = 1] WITHIN 6 SECONDS"),
            ("[a:b = 1] WITHIN 5 SECONDS", "([a:b = 1] WITHIN 5 SECONDS) WITHIN 5 SECONDS"),
            (
                "[a:b = 1] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'",
                "[a:b = 1] START t'2026-01-02T00:00:00Z' STOP t'2026-01-01T00:00:00Z'",
            ),
        ],
    ),
    "REPEATS 1 TIMES says nothing": (
        [
            ["[a:b = 1] REPEATS 1 TIMES", "[a:b = 1]", "([a:b = 1] REPEATS +1 TIMES) REPEATS 1 TIMES"],
            ["[a:b = 1] REPEATS 1 TIMES OR [c:d = 2]", "[a:b = 1 OR c:d = 2]"],
            ["[a:b = 1] REPEATS 1 TIMES WITHIN 5 SECONDS", "[a:b = 1] WITHIN 5 SECONDS"],
        ],
        [
            ("[a:b = 1] REPEATS 2 TIMES", "[a:b = 1]"),
            ("([a:b = 1] REPEATS 2 TIMES) REPEATS 2 TIMES", "[a:b = 1] REPEATS 4 TIMES"),
        ],
    ),
    "numbers are compared as numbers": (
        [
            ["[a:b = 5]", "[a:b = 5.0]", "[a:b = +5]", "[a:b = 05.000]"],
            ["[a:b > .5]", "[a:b > 0.50]", "[a:b > +.5]"],
            ["[a:b = 0]", "[a:b = -0]", "[a:b = -0.0]", "[a:b = +.0]"],
            ["[a:b = -1.5]", "[a:b = -01.50]"],
        ],
        [
            ("[a:b = 5]", "[a:b = '5']"),
            ("[a:b = 5]", "[a:b = -5]"),
            ("[a:b = 5]", "[a:b = 50]"),
            ("[a:b = 1]", "[a:b = true]"),
            ("[a:b = true]", "[a:b = 'true']"),
            ("[a:b = 9007199254740993]", "[a:b = 9007199254740992]"),
            ("[a:b = 0.1]", "[a:b = 0.10000000000000000001]"),
        ],
    ),
    "times are compared as times": (
        [
            ["[a:b = t'2026-01-31T00:00:00Z']", "[a:b = t'2026-01-31T00:00:00.000Z']"],
            ["[a:b < t'2026-01-31T00:00:00.5Z']", "[a:b < t'2026-01-31T00:00:00.500000000Z']"],
        ],
        [
            ("[a:b = t'2026-01-31T00:00:00Z']", "[a:b = '2026-01-31T00:00:00Z']"),
            ("[a:b = t'2026-01-31T00:00:00.1Z']", "[a:b = t'2026-01-31T00:00:00.01Z']"),
            ("[a:b = t'2025-12-31T23:59:60Z']", "[a:b = t'2026-01-01T00:00:00Z']"),
            ("[a:b = '2026-01-31T00:00:00Z']", "[a:b = '2026-01-31T00:00:00.000Z']"),
        ],
    ),
    "hexadecimal and base64 are bytes": (
        [
            ["[a:b = h'0AFF']", "[a:b = h'0aff']", "[a:b = b'Cv8=']", "[a:b = b'Cv9=']", "[a:b = b'Cv\n8=']"],
            ["[a:b = h'']", "[a:b = b'']"],
        ],
        [
            ("[a:b = h'0AFF']", "[a:b = '0AFF']"),
            ("[a:b = b'Cv8=']", "[a:b = 'Cv8=']"),
            ("[a:b = b'AAAA']", "[a:b = b'aaaa']"),
            ("[a:b = h'00']", "[a:b = h'0000']"),
            ("[a:b = h'']", "[a:b = '']"),
        ],
    ),
    "IPv4": (
        [
            watch("ipv4-addr:value", "198.51.100.7", "198[.]51[.]100[.]7", "198.51.100[.]7/32"),
            watch("ipv4-addr:value", "198.51.100.0/24", "198.51.100.77/24", "198[.]51.100.255/24"),
            watch("ipv4-addr:value", "198.51.100.77/26", "198.51.100.64/26", operator="ISSUBSET"),
            watch("network-traffic:src_ref.value", "198.51.100.7", "198[.]51.100.7/32"),
        ],
        [
            ("[ipv4-addr:value = '198.51.100.0/24']", "[ipv4-addr:value = '198.51.100.0']"),
            ("[ipv4-addr:value = '198.51.100.0/24']", "[ipv4-addr:value ISSUBSET '198.51.100.0/24']"),
            ("[ipv4-addr:value ISSUBSET '10.0.0.0/8']", "[ipv4-addr:value ISSUPERSET '10.0.0.0/8']"),
            ("[ipv4-addr:value = '1.2.3.4']", "[ipv6-addr:value = '::ffff:1.2.3.4']"),
            ("[ipv4-addr:value = '1.2.3.4']", "[network-traffic:src_ref.value = '1.2.3.4']"),
        ],
    ),
    "IPv6": (
        [
            watch(
                "ipv6-addr:value",
                "2001:db8::1",
                "2001:DB8:0:0:0:0:0:1",
                "2001[:]db8::1",
                "2001:db8::0001/128",
            ),
            watch("ipv6-addr:value", "2001:db8::/32", "2001:db8:1::1/32", operator="ISSUBSET"),
            watch("ipv6-addr:value", "::ffff:192.0.2.1", "::FFFF:c000:201", "0:0:0:0:0:ffff:192.0.2.1"),
            watch("ipv6-addr:value", "2001:db8:0:0:1::1", "2001:db8::1:0:0:1", "2001:db8:0:0:1:0:0:1"),
        ],
        [
            ("[ipv6-addr:value = '2001:db8::1']", "[ipv6-addr:value = '2001:db8::10']"),
            ("[ipv6-addr:value = '2001:db8::/64']", "[ipv6-addr:value = '2001:db8::']"),
        ],
    ),
    "domain names": (
        [
            watch(
                "domain-name:value",
                "relay.example.net",
                "Relay[.]Example[.]NET",
                "relay.example.net.",
                "RELAY.example.net",
            ),
            watch(
                "domain-name:value",
                "b\u00fccher.example",
                "B\u00dcCHER.example",
                "bu\u0308cher.example",
                "xn--bcher-kva.example",
            ),
            watch(
                "domain-name:value",
                "\u4f8b\u3048.example",
                "\u4f8b\u3048\u3002example",
                "xn--r8jz45g.example",
            ),
        ],
        [
            ("[domain-name:value = 'a.example']", "[domain-name:value = 'www.a.example']"),
            ("[domain-name:value = 'bucher.example']", "[domain-name:value = 'b\u00fccher.example']"),
            ("[domain-name:value = 'strasse.example']", "[domain-name:value = 'stra\u00dfe.example']"),
            ("[domain-name:value LIKE 'A.example']", "[domain-name:value LIKE 'a.example']"),
        ],
    ),
    "e-mail addresses": (
        [
            watch("email-addr:value", "bob+x@example.org", "Bob+X[@]Example[.]org", "BOB+x@EXAMPLE.ORG."),
            watch("email-message:from_ref.value", "bob@example.org", "BOB[@]example.org"),
        ],
        [
            ("[email-addr:value = 'bob+x@example.org']", "[email-addr:value = 'bob@example.org']"),
            ("[email-addr:value = 'b.ob@example.org']", "[email-addr:value = 'bob@example.org']"),
        ],
    ),
    "URLs": (
        [
            watch(
                "url:value",
                "http://a.example/",
                "http://a.example",
                "hxxp://a[.]example",
                "HTTP://A.example:80/#x",
                "hXXp[:]//a.example",
            ),
            watch(
                "url:value",
                "https://a.example/b/c?x=1",
                "hxxps://a.example:443/./b/../b/c?x=1",
                "https://a.example/%62/c?x=1#y",
            ),
            watch(
                "url:value", "http://a.example/%C3%A9", "http://a.example/%c3%a9", "http://a.example/\u00e9"
            ),
            watch("url:value", "http://[2001:db8::1]/", "http://[2001:DB8:0::1]:80"),
        ],
        [
            ("[url:value = 'http://a.example/']", "[url:value = 'https://a.example/']"),
            ("[url:value = 'http://a.example/']", "[url:value = 'http://a.example:8080/']"),
            ("[url:value = 'http://a.example/b']", "[url:value = 'http://a.example/B']"),
            ("[url:value = 'http://a.example/b']", "[url:value = 'http://a.example/b/']"),
            ("[url:value = 'http://a.example/?a=1&b=2']", "[url:value = 'http://a.example/?b=2&a=1']"),
            ("[url:value = 'http://a.example/%2F']", "[url:value = 'http://a.example//']"),
            ("[url:value = 'http://u@a.example/']", "[url:value = 'http://U@a.example/']"),
        ],
    ),
    "hashes and the names of their algorithms": (
        [
            [
                f"[file:hashes.'SHA-256' = '{SHA256}']",
                f"[file:hashes.SHA256 = '{SHA256.upper()}']",
                f"[file:hashes.'sha-256' = '{SHA256.lower()}']",
                f"[file:hashes.SHA_256 = '{SHA256}']",
            ],
            [f"[file:hashes.MD5 = '{MD5}']", f"[file:hashes.'md5' = '{MD5.upper()}']"],
            [f"[file:hashes.TLSH = '{'0A' * 35}']", f"[file:hashes.tlsh = 'T1{'0a' * 35}']"],
            ["[file:hashes.ssdeep LIKE 'x']", "[file:hashes.SSDEEP LIKE 'x']"],
            [
                f"[llm-api-activity:prompt_refs[*].hashes.SHA256 = '{SHA256}']",
                f"[llm-api-activity:prompt_refs[*].hashes.'SHA-256' = '{SHA256.lower()}']",
            ],
        ],
        [
            (f"[file:hashes.'SHA-256' = '{SHA256}']", f"[file:hashes.'SHA3-256' = '{SHA256}']"),
            (f"[file:hashes.MD5 = '{MD5}']", f"[file:hashes[*] = '{MD5}']"),
            ("[file:hashes.ssdeep = '3:Ab:c']", "[file:hashes.ssdeep = '3:ab:c']"),
            ("[file:hashes.other = 'AB']", "[file:hashes.other = 'ab']"),
            ("[file:md5 = 'AB']", "[file:MD5 = 'AB']"),
        ],
    ),
    "other strings, LIKE and MATCHES stay as they are": (
        [["[file:name = 'Setup.EXE']", "[file:'name' == 'Setup.EXE']"]],
        [
            ("[file:name = 'Setup.EXE']", "[file:name = 'setup.exe']"),
            ("[file:name = 'a[.]b']", "[file:name = 'a.b']"),
            ("[file:name = '\u00e9']", "[file:name = 'e\u0301']"),
            ("[url:value LIKE 'hxxp://%']", "[url:value LIKE 'http://%']"),
            ("[url:value MATCHES 'a[.]b']", "[url:value MATCHES 'a.b']"),
            ("[domain-name:value MATCHES '^A']", "[domain-name:value MATCHES '^a']"),
            ("[user-account:user_id = 'Bob']", "[user-account:user_id = 'bob']"),
        ],
    ),
}
SAME = [group for groups, _ in CLAUSES.values() for group in groups]
APART = [pair for _, pairs in CLAUSES.values() for pair in pairs]


@pytest.mark.parametrize("group", SAME, ids=lambda group: group[0])
def test_these_are_one_pattern(group: list[str]) -> None:
    forms = {canonical(text) for text in group}
    assert len(forms) == 1, forms
    (form,) = forms
    assert canonical(form) == form
    assert run_validator(form, "2.1") == []


@pytest.mark.parametrize(("one", "other"), APART)
def test_these_stay_two_patterns(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


def test_every_clause_has_pairs_of_both_kinds() -> None:
    for clause, (same, apart) in CLAUSES.items():
        assert same, clause
        assert sum(len(group) - 1 for group in same) + len(apart) >= 2, clause
        assert len(apart) >= 2, clause
