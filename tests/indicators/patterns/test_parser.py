"""The parser: the grammar of STIX 2.1, as the OASIS validator reads it, and clear refusals."""

import pytest
from stix2patterns.validator import run_validator

from indicators.patterns import PatternError, canonical, parse
from indicators.patterns.tree import (
    Comparison,
    Junction,
    Literal,
    Observation,
    Path,
    Pattern,
    Qualified,
    Qualifier,
)

GRAMMATICAL = [
    "[file:size = 1280]",
    "[file:extended_properties.'ntfs-ext'.sid = '234']",
    r"[emailaddr:value MATCHES '.+\\@ibm\\.com$' OR file:name MATCHES '^Final Report.+\\.exe$']",
    "[ipv4addr:value NOT ISSUBSET '192.168.0.1/24']",
    "[user:value = 'A'] AND [user:value != 'B'] AND [user:value = 'C'] WITHIN 5 SECONDS",
    "[file:size IN (1024, 2048, 4096)]",
    "[network-connection:extended_properties[0].source_payload MATCHES 'dGVzdHRlc3R0ZXN0']",
    "[x_whatever:detected == t'2018-03-22T12:11:14.1Z']",
    "[artifact:payload_bin = b'dGhpcyBpcyBhIHRlc3Q=']",
    "( [(network-traffic:dst_port IN(443,6443,8443) AND network-traffic:src_packets != 0) ])",
    "([a:b = 1]) WITHIN 5 SECONDS WITHIN 6 SECONDS",
    "([a:b = 1] REPEATS 2 TIMES) REPEATS 2 TIMES",
    "[a:b = 1] START t'2016-06-01T01:30:00.123Z' STOP t'2016-06-01T02:20:00.123Z' OR [c:d = 2]",
    "[file:hashes[*] = '8665c8d477534008b3058b72e2dae8ae']",
    "[EXISTS a:b AND NOT EXISTS c:d]",
    "[a:b IN ()]",
    "[a:b = true AND c:d != false]",
    "[a:'x y'.z = 'v']",
    "[a : b [ 0 ] . 'c' = 'v']",
    "[a:b=5AND c:d=6]",
    "/* start */ [a:b = 1] // end",
    "[a:b > h'00' AND a:b <= -.5]",
    "[AND-x:b = 1]",
    "[a:b LIKE '%x_']",
    "[a:b = -5] AND [a:b = +5.25]",
    "[a:b\u00a0=\u20031]",
]
UNGRAMMATICAL = [
    ("", 1, 1, "in square brackets"),
    ("file:size = 1280", 1, 1, "in square brackets"),
    ("[file:size = ]", 1, 14, "a value"),
    ("[file:hashes.MD5 = cead3f]", 1, 20, "single quotes"),
    ("[file.size = 1280]", 1, 6, "a colon"),
    ("[file:name MATCHES /.*dll/]", 1, 20, "a value"),
    ("[a:b = 1] WITHIN ]", 1, 18, "a number"),
    ("[a:b = 1] WITHIN 5 HOURS", 1, 20, "SECONDS"),
    ("[a:b = 1] WITHIN -5 SECONDS", 1, 18, "above 0"),
    ("[a:b = 1] REPEATS 0 TIMES", 1, 19, "above 0"),
    ("[a:b = 1] REPEATS 1.5 TIMES", 1, 19, "whole number"),
    ("[a:b =? 'x']", 1, 7, "a value"),
    ("[a:b = t'2457-73-22T32:81:84.1Z']", 1, 8, "a value"),
    ("[a:b = t'2023-02-29T12:00:00Z']", 1, 8, "does not exist"),
    ("[a:b = b'====']", 1, 8, "a value"),
    ("[a:b = h'0']", 1, 8, "a value"),
    ("[a:b = 1] within 2 seconds", 1, 11, "FOLLOWEDBY"),
    ("[a:b = 1] WITHIN 5 SECONDS WITHIN 6 SECONDS", 1, 28, "twice"),
    ("[a:b = 'x", 1, 8, "not closed"),
    (r"[a:b = 'x\n']", 1, 8, "escape"),
    ("[a:b = 1] /* x", 1, 11, "comment"),
    ("[a:b = 1\nAND c:d = ]", 2, 11, "a value"),
    ("[a:b = 007]", 1, 8, "a value"),
    ("[a:b > true]", 1, 8, "order"),
    ("[a:b LIKE 5]", 1, 11, "string"),
    ("[a:b.IN = 5]", 1, 2, "keyword"),
    ("[a:b.SHA-256 = 'x']", 1, 9, "operator"),
    ("[a:b NOT 5]", 1, 10, "operator"),
    ("[a:b = 1)", 1, 9, "]"),
    ("([a:b = 1]", 1, 11, "closing parenthesis"),
    ("[a:b = 1] [c:d = 2]", 1, 11, "FOLLOWEDBY"),
    ("[a:b[1.5] = 1]", 1, 6, "whole"),
    ("[a:b IN ('x' 'y')]", 1, 14, "comma"),
]
REFUSED_VALUES = [
    ("[ipv4-addr:value = '010.0.0.1']", "octal"),
    ("[ipv4-addr:value = '256.0.0.1']", "over 255"),
    ("[ipv4-addr:value = '1.2.3']", "four"),
    ("[ipv4-addr:value ISSUBSET '1.2.3.4/33']", "prefix"),
    ("[ipv6-addr:value = 'fe80::1%eth0']", "IPv6"),
    ("[domain-name:value = '*.example.net']", "domain"),
    ("[domain-name:value = '1.2.3.4']", "number"),
    ("[email-addr:value = 'nobody']", "e-mail"),
    ("[url:value = 'example.com/a']", "scheme"),
    ("[url:value = 'http:///a']", "host"),
    ("[url:value = 'http://a.example:99999/']", "port"),
    ("[file:hashes.'SHA-256' = 'abc']", "64 hexadecimal"),
    ("[autonomous-system:number = 'AS64501']", "whole number"),
    ("[autonomous-system:number = 4294967296]", "below"),
]


@pytest.mark.parametrize("text", GRAMMATICAL)
def test_what_the_oasis_validator_accepts_is_parsed(text: str) -> None:
    assert run_validator(text, "2.1") in (
        [],
        ["FAIL: Error found at line 1:0. input is missing square brackets"],
    )
    parse(text)
    assert run_validator(canonical(text), "2.1") == []


@pytest.mark.parametrize(("text", "line", "column", "reason"), UNGRAMMATICAL)
def test_a_wrong_pattern_is_refused_with_place_and_reason(
    text: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(PatternError) as caught:
        parse(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.sentence == str(caught.value)


@pytest.mark.parametrize(("text", "reason"), REFUSED_VALUES)
def test_a_value_that_cannot_be_what_its_type_says_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        canonical(text)
    assert reason in caught.value.reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[a:b = '" + "x" * 8190 + "']", "8192 bytes"),
        ("[a:b = '" + "é" * 4095 + "']", "8192 bytes"),
        ("[" + " OR ".join(["a:b=1"] * 257) + "]", "256 comparisons"),
        ("[" + "(" * 9 + "a:b = 1" + ")" * 9 + "]", "nested"),
        ("(" * 9 + "[a:b = 1]" + ")" * 9, "nested"),
        ("[a:b = 1] REPEATS 11 TIMES", "over 10"),
        ("[a:b MATCHES '" + "x" * 513 + "']", "512"),
        ("[a:b = '\ud800']", "surrogate"),
    ],
)
def test_a_pattern_beyond_the_bounds_is_refused(text: str, reason: str) -> None:
    with pytest.raises(PatternError, match=reason):
        parse(text)


def test_a_pattern_at_the_bounds_is_parsed() -> None:
    canonical("[a:b = '" + "x" * 8182 + "']")
    canonical("[" + " OR ".join(f"a:b={n}" for n in range(256)) + "]")
    canonical("[" + "(" * 8 + "a:b = 1" + ")" * 8 + "]")
    canonical("[a:b MATCHES '" + "x" * 512 + "'] REPEATS 10 TIMES")


def test_a_canonical_form_too_long_to_be_accepted_again_is_refused() -> None:
    padded = "[" + " AND ".join(f"a:{'b' * 24}{n:03}=1" for n in range(214)) + "]"
    grown = padded[:-1] + " AND a:c='" + "x" * (8192 - len(padded) - len(" AND a:c=''")) + "']"
    assert len(grown) == 8192
    with pytest.raises(PatternError, match="canonical form"):
        canonical(grown)


def test_a_pattern_becomes_a_tree_of_values() -> None:
    assert parse("[a:b.'c d'[*] = 'x' AND EXISTS e:f] REPEATS 3 TIMES") == Pattern(
        Qualified(
            Observation(
                Junction(
                    "AND",
                    (
                        Comparison(Path("a", ("b", "c d", None)), "=", (Literal("string", "x"),)),
                        Comparison(Path("e", ("f",)), "EXISTS"),
                    ),
                )
            ),
            (Qualifier("REPEATS", ("3",)),),
        )
    )
