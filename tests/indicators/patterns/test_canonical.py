"""Canonical form: what is the same becomes the same text, what is not stays apart (model.md)."""

import contextlib
import json
import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stix2patterns.validator import run_validator

from indicators.patterns import PatternError, canonical, core_observable, object_types
from indicators.patterns import values as normal
from tests.indicators.patterns.strategies import Tree, patterns, spell

DEMO = Path(__file__).parents[3] / "indicators" / "demo"

SAME = [
    ("[ a:b='x' ]", "[a:b = 'x']"),
    ("[a:b == 'x']", "[a:b = 'x']"),
    ("[a:'b' = 'x']", "[a:b = 'x']"),
    ("[a:'b-c'.d[+1] = 'x']", "[a:'b-c'.d[1] = 'x']"),
    ("[a : b . c [ * ] = 'x']", "[a:b.c[*] = 'x']"),
    ("[a:b NOT = 'x']", "[a:b != 'x']"),
    ("[a:b <> 'x']", "[a:b != 'x']"),
    ("[a:b NOT != 'x']", "[a:b = 'x']"),
    ("[a:b IN ('x')]", "[a:b = 'x']"),
    ("[a:b NOT IN ('x', 'x')]", "[a:b != 'x']"),
    ("[a:b NOT IN ('y', 'x')]", "[a:b NOT IN ('x', 'y')]"),
    ("[a:b = 'y' OR a:b = 'x']", "[a:b IN ('x', 'y')]"),
    ("[a:b IN ('y', 'z') OR c:d = 1 OR a:b = 'x']", "[a:b IN ('x', 'y', 'z') OR c:d = 1]"),
    ("[a:b = 1 AND (c:d = 2 AND e:f = 3)]", "[a:b = 1 AND c:d = 2 AND e:f = 3]"),
    ("[c:d = 2 AND a:b = 1 AND c:d = 2]", "[a:b = 1 AND c:d = 2]"),
    ("[x:y = 1 AND ((a:b = 1 AND c:d = 2) OR (c:d = 2 AND a:b = 1))]", "[a:b = 1 AND c:d = 2 AND x:y = 1]"),
    ("[c:d = 1] OR [a:b = 1]", "[a:b = 1 OR c:d = 1]"),
    ("[a:b = 2] OR [a:b = 1] OR [a:b = 1]", "[a:b IN (1, 2)]"),
    ("[c:d = 1] AND [a:b = 1]", "[a:b = 1] AND [c:d = 1]"),
    (
        "([a:b = 1] FOLLOWEDBY [c:d = 1]) FOLLOWEDBY [e:f = 1]",
        "[a:b = 1] FOLLOWEDBY [c:d = 1] FOLLOWEDBY [e:f = 1]",
    ),
    (
        "[a:b = 1] FOLLOWEDBY ([c:d = 1] FOLLOWEDBY [e:f = 1])",
        "[a:b = 1] FOLLOWEDBY [c:d = 1] FOLLOWEDBY [e:f = 1]",
    ),
    ("[a:b = 1] REPEATS 1 TIMES", "[a:b = 1]"),
    ("([a:b = 1] REPEATS 1 TIMES) OR [c:d = 1]", "[a:b = 1 OR c:d = 1]"),
    ("([a:b = 1] WITHIN 5.0 SECONDS) REPEATS +3 TIMES", "[a:b = 1] WITHIN 5 SECONDS REPEATS 3 TIMES"),
    ("[a:b = 1] WITHIN 5SECONDS", "[a:b = 1] WITHIN 5 SECONDS"),
    ("([a:b = 1] WITHIN 5 SECONDS) WITHIN 6 SECONDS", "([a:b = 1]) WITHIN 5 SECONDS WITHIN 6 SECONDS"),
    ("([a:b = 1] OR [a:b = 2]) WITHIN 5 SECONDS", "[a:b IN (1, 2)] WITHIN 5 SECONDS"),
    ("[a:b = +0.50]", "[a:b = 0.5]"),
    ("[a:b = .5]", "[a:b = 0.5]"),
    ("[a:b = -0]", "[a:b = 0]"),
    ("[a:b = -0.0]", "[a:b = 0]"),
    ("[a:b = 10]", "[a:b = 10]"),
    ("[a:b = t'2026-01-01T00:00:00.100Z']", "[a:b = t'2026-01-01T00:00:00.1Z']"),
    ("[a:b = t'2026-01-01T00:00:00.000Z']", "[a:b = t'2026-01-01T00:00:00Z']"),
    ("[a:b = h'0AFF']", "[a:b = b'Cv8=']"),
    ("[a:b = b'Cv9=']", "[a:b = b'Cv8=']"),
    ("[NOT EXISTS a:b]", "[NOT EXISTS a:b]"),
    ("[a:b IN ()]", "[a:b IN ()]"),
    (r"[a:b = 'it\'s \\ x']", r"[a:b = 'it\'s \\ x']"),
    ("[ipv4-addr:value = '198[.]51.100.7']", "[ipv4-addr:value = '198.51.100.7']"),
    ("[ipv4-addr:value ISSUBSET '198.51.100.77/26']", "[ipv4-addr:value ISSUBSET '198.51.100.64/26']"),
    ("[ipv4-addr:value ISSUBSET '198.51.100.77/32']", "[ipv4-addr:value ISSUBSET '198.51.100.77']"),
    ("[ipv6-addr:value = '2001:DB8:0:0:0:0:0:1']", "[ipv6-addr:value = '2001:db8::1']"),
    ("[ipv6-addr:value = '::FFFF:102:304']", "[ipv6-addr:value = '::ffff:1.2.3.4']"),
    ("[ipv6-addr:value ISSUBSET '2001:db8::1/64']", "[ipv6-addr:value ISSUBSET '2001:db8::/64']"),
    ("[domain-name:value = 'Relay[.]Example.NET.']", "[domain-name:value = 'relay.example.net']"),
    ("[domain-name:value = 'BÜCHER.example']", "[domain-name:value = 'xn--bcher-kva.example']"),
    ("[email-addr:value = 'Bob+x[@]Example[.]org']", "[email-addr:value = 'bob+x@example.org']"),
    ("[file:hashes.SHA256 = '" + "AB" * 32 + "']", "[file:hashes.'SHA-256' = '" + "ab" * 32 + "']"),
    ("[file:hashes.'md5' = '" + "AB" * 16 + "']", "[file:hashes.MD5 = '" + "ab" * 16 + "']"),
    ("[file:hashes.TLSH = 'T1" + "AB" * 35 + "']", "[file:hashes.TLSH = '" + "ab" * 35 + "']"),
    ("[domain-name:value LIKE 'A[.]%']", "[domain-name:value LIKE 'A[.]%']"),
    ("[url:value MATCHES 'hxxp://A[.]b']", "[url:value MATCHES 'hxxp://A[.]b']"),
    ("[file:name = 'Setup[.]EXE']", "[file:name = 'Setup[.]EXE']"),
    ("[autonomous-system:number = 64501.0]", "[autonomous-system:number = 64501]"),
]
URLS = [
    ("hxxps[://]Evil[.]Example:443/a/../b/./c?z=1&a=2#frag", "https://evil.example/b/c?z=1&a=2"),
    ("http://example.com", "http://example.com/"),
    ("HTTP://User@Example.com:8080/%7euser/%c3%a9 x", "http://User@example.com:8080/~user/%C3%A9%20x"),
    ("http://[2001:DB8::0:1]:80/", "http://[2001:db8::1]/"),
    ("http://a.example/%%41", "http://a.example/%25A"),
    ("http://a.example/?a[]=1", "http://a.example/?a[]=1"),
    ("http://a.example/é", "http://a.example/%C3%A9"),
    ("mailto:bob@example.org", "mailto:bob@example.org"),
]
APART = [
    ("[a:b = 1 AND c:d = 1]", "[a:b = 1] AND [c:d = 1]"),
    ("[a:b = 1] AND [a:b = 1]", "[a:b = 1]"),
    ("[a:b = 1] FOLLOWEDBY [c:d = 1]", "[c:d = 1] FOLLOWEDBY [a:b = 1]"),
    ("[a:b = 1] WITHIN 5 SECONDS REPEATS 2 TIMES", "[a:b = 1] REPEATS 2 TIMES WITHIN 5 SECONDS"),
    ("[a:b = 5]", "[a:b = '5']"),
    ("[a:b = 'X']", "[a:b = 'x']"),
    ("[a:b = t'2026-01-01T00:00:00Z']", "[a:b = '2026-01-01T00:00:00Z']"),
    ("[a:b[0] = 1]", "[a:b[*] = 1]"),
    ("[url:value = 'http://a.example/?a=1&b=2']", "[url:value = 'http://a.example/?b=2&a=1']"),
]


@pytest.mark.parametrize(("written", "expected"), SAME)
def test_a_pattern_takes_its_canonical_form(written: str, expected: str) -> None:
    assert canonical(written) == expected
    assert canonical(expected) == expected


@pytest.mark.parametrize(("written", "expected"), URLS)
def test_a_url_takes_its_normal_form(written: str, expected: str) -> None:
    assert normal.url(written) == expected
    assert normal.url(expected) == expected


@pytest.mark.parametrize(("one", "other"), APART)
def test_what_differs_in_meaning_stays_apart(one: str, other: str) -> None:
    assert canonical(one) != canonical(other)


@settings(max_examples=150)
@given(patterns, st.integers())
def test_canonical_form_depends_on_neither_order_nor_spelling_and_is_a_fixed_point(
    tree: Tree, seed: int
) -> None:
    random = Random(seed)
    try:
        one = canonical(spell(tree, random, plain=True))
    except PatternError as refusal:
        if "nested" not in refusal.reason:
            raise
        return
    assert canonical(spell(tree, random)) == one
    assert canonical(one) == one


@settings(max_examples=60)
@given(patterns)
def test_the_oasis_validator_accepts_every_canonical_form(tree: Tree) -> None:
    try:
        text = canonical(spell(tree, Random(0)))
    except PatternError:
        return
    assert run_validator(text, "2.1") == []


_defanged = st.text("abcXx.[]@:/?#%41fhtpsü-0 \\", max_size=30)


@settings(max_examples=300)
@given(
    st.sampled_from([normal.url, normal.domain, normal.email, normal.ipv4, normal.ipv6, normal.address]),
    st.sampled_from(["", "http://", "hxxp[:]//", "x@", "1.2.3", "::", "http://[::"]),
    _defanged,
)
def test_the_normal_form_of_a_value_is_a_fixed_point(
    normalise: normal.Normaliser, start: str, rest: str
) -> None:
    try:
        once = normalise(start + rest)
    except ValueError:
        return
    assert normalise(once) == once


def _demo_patterns() -> list[str]:
    bundles = [json.loads(path.read_text()) for path in sorted(DEMO.glob("*.json"))]
    return [
        each["pattern"] for bundle in bundles for each in bundle["objects"] if each["type"] == "indicator"
    ]


def test_the_patterns_of_the_worked_bundles_have_a_canonical_form() -> None:
    found = _demo_patterns()
    assert len(found) == 13
    for pattern in found:
        assert canonical(canonical(pattern)) == canonical(pattern)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("[ipv4-addr:value = '198[.]51.100.7']", ("ipv4-addr:value", "198.51.100.7")),
        ("([(ipv4-addr:value IN ('198.51.100.7'))])", ("ipv4-addr:value", "198.51.100.7")),
        ("[autonomous-system:number = 64501]", ("autonomous-system:number", "64501")),
        ("[file:name = 'it\\'s']", ("file:name", "it's")),
        ("[file:hashes.SHA256 = '" + "AB" * 32 + "']", ("file:hashes.'SHA-256'", "ab" * 32)),
        ("[ipv4-addr:value != '198.51.100.7']", None),
        ("[ipv4-addr:value ISSUBSET '198.51.100.0/24']", None),
        ("[ipv4-addr:value = '198.51.100.7'] REPEATS 2 TIMES", None),
        ("[ipv4-addr:value = '198.51.100.7' AND ipv4-addr:value = '198.51.100.7']", None),
        ("[ipv4-addr:value IN ('198.51.100.7', '198.51.100.8')]", None),
        ("[llm-api-activity:account_count = 3]", None),
    ],
)
def test_a_core_observable_is_one_equality_on_a_standard_type(
    written: str, expected: tuple[str, str] | None
) -> None:
    assert core_observable(written) == expected


def test_object_types_are_those_the_paths_start_from() -> None:
    text = "([a:b = 1 AND (c:d = 1 OR EXISTS e:f)] FOLLOWEDBY [g-h:i = 1]) WITHIN 5 SECONDS"
    assert object_types(text) == {"a", "c", "e", "g-h"}


HOSTILE = [
    "(" * 8000,
    "[" * 8000,
    "[(" + "(" * 8000,
    "/*" * 4000,
    "'" * 8001,
    "[a:b = '" + "\\" * 8001,
    "[a:b = " + "0" * 8000 + "]",
    "[a:b = " + "9" * 8000 + "]",
    "[autonomous-system:number = " + "9" * 8000 + "]",
    "[a:b[" + "9" * 8000 + "] = 1]",
    "[a" + ".a" * 4000,
    "[a:b" + ".a" * 4000 + " = 1]",
    "[a:b" + "[*]" * 2700 + "]",
    "[a:b IN (" + "1," * 4000 + "1)]",
    "[a:b = 1] " + "REPEATS 2 TIMES " * 500,
    "+" * 8000,
    "[a:b = b'" + "A" * 8000,
    "[a:b = b'" + "A" * 8000 + "']",
    "[a:b = h'" + "\n" * 8000 + "']",
    "[a:b = t'" + "2" * 8000 + "']",
    "t'" * 4000,
    "[a:'" + "x" * 8000 + "' = 'x']",
    "[a:b" + "[1]" * 2700 + " = 'x']",
    "[a:b" + ".OR" * 2700 + " = 'x']",
    "[url:value = 'http://" + "[" * 8000 + "']",
    "[url:value = 'http://a/" + "[." * 4000 + "']",
    "[url:value = 'http://a/" + "%" * 2600 + "']",
    "[domain-name:value = '" + "ü" * 4000 + "']",
    "[email-addr:value = '" + "[@" * 4000 + "']",
    "a-" * 4000,
    "//" * 4000,
    " " * 8192,
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[:12])
def test_hostile_patterns_are_answered_in_few_steps(text: str) -> None:
    assert steps(text) < 1_000 + 40 * len(text)


def steps(text: str) -> int:
    """How many lines of Python it takes to answer: unlike a time, the same on every machine."""
    taken = 0

    def count(*_: object) -> object:
        nonlocal taken
        taken += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)  # type: ignore[arg-type]
    try:
        with contextlib.suppress(PatternError):
            canonical(text)
    finally:
        sys.settrace(before)
    return taken


@settings(max_examples=400)
@given(st.text("[]()'\\=<> ANDORIabht:.,*0519-+/\n", max_size=60))
def test_any_text_is_parsed_or_refused_with_a_pattern_error(text: str) -> None:
    try:
        once = canonical(text)
    except PatternError:
        return
    assert canonical(once) == once
