"""The parser: where and why it refuses, its bounds, its tree. What it accepts is in test_oasis.py."""

from collections.abc import Callable

import pytest

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

# The pattern, the line and column (from 1) that its error names, and what that says in part.
UNGRAMMATICAL = [
    ("", 1, 1, "an observation in square brackets is expected, but the pattern ends"),
    ("  ", 1, 3, "in square brackets is expected, but the pattern ends"),
    ("file:size = 1280", 1, 1, "in square brackets is expected, not file:size = 1280"),
    ("[file:size = ]", 1, 14, "a value"),
    ("[file:hashes.MD5 = cead3f]", 1, 20, "single quotes"),
    ("[file.size = 1280]", 1, 6, "a colon"),
    ("[file:name MATCHES /.*dll/]", 1, 20, "a value"),
    ("[file: = 1]", 1, 8, "a property name is expected, not ="),
    ("[: = 1]", 1, 2, "an object path such as ipv4-addr:value"),
    ("[a:b = 1] WITHIN ]", 1, 18, "a number"),
    ("[a:b = 1] WITHIN 5 HOURS", 1, 20, "SECONDS is expected, not HOURS"),
    ("[a:b = 1] WITHIN -5 SECONDS", 1, 18, "above 0"),
    ("[a:b = 1] WITHIN 0.0 SECONDS", 1, 18, "above 0"),
    ("[a:b = 1] REPEATS 0 TIMES", 1, 19, "above 0"),
    ("[a:b = 1] REPEATS 1.5 TIMES", 1, 19, "whole number"),
    ("[a:b = 1] REPEATS 5", 1, 20, "TIMES is expected, but the pattern ends"),
    ("[a:b = 1] START t'2026-01-01T00:00:00Z'", 1, 40, "STOP is expected"),
    ("[a:b = 1] START '2026-01-01T00:00:00Z'", 1, 17, "a timestamp such as t'2026-"),
    ("[a:b = 1] START t'2026' STOP t'2027'", 1, 17, "a timestamp such as t'2026-"),
    ("[a:b =? 'x']", 1, 7, "a value"),
    ("[a:b = t'2457-73-22T32:81:84.1Z']", 1, 8, "a timestamp such as t'2026-"),
    ("[a:b = t'2023-02-29T12:00:00Z']", 1, 8, "does not exist"),
    ("[a:b = t'1900-02-29T12:00:00Z']", 1, 8, "does not exist"),
    ("[a:b = b'====']", 1, 8, "base64"),
    ("[a:b = b'QQ']", 1, 8, "base64"),
    ("[a:b = h'0']", 1, 8, "hexadecimal"),
    ("[a:b = 1] within 2 seconds", 1, 11, "FOLLOWEDBY"),
    ("[a:b = 1] WITHIN 5 SECONDS WITHIN 6 SECONDS", 1, 28, "WITHIN stands twice"),
    ("[a:b = 'x", 1, 8, "not closed"),
    (r"[a:b = 'x\n']", 1, 8, "escape"),
    ("[a:b = 1] /* x", 1, 11, "comment is never closed"),
    ("[a:b = 007]", 1, 8, "a value"),
    ("[a:b > true]", 1, 8, "order"),
    ("[a:b LIKE 5]", 1, 11, "LIKE takes a string"),
    ("[a:b.IN = 5]", 1, 6, "keyword"),
    ("[a:'IN'.IN = 5]", 1, 9, "keyword"),
    ("[x:y = 1 AND OR:b = 5]", 1, 14, "keyword"),
    ("[EXISTS a:b.OR[0]]", 1, 13, "keyword"),
    ("[a:b.SHA-256 = 'x']", 1, 9, "a comparison operator is expected, not -256"),
    ("[a:b. SHA-256 = 'x']", 1, 7, "a hyphen stands in single quotes"),
    ("[a:b NOT 5]", 1, 10, "operator"),
    ("[NOT a:b = 5]", 1, 2, "an object path"),
    ("[a:b = 1)", 1, 9, "AND, OR or ] is expected, not )"),
    ("([a:b = 1]", 1, 11, "closing parenthesis"),
    ("[a:b = 1] [c:d = 2]", 1, 11, "FOLLOWEDBY"),
    ("[a:b[1.5] = 1]", 1, 6, "an index is a whole number from 0"),
    ("[a:b[-1] = 1]", 1, 6, "an index is a whole number from 0"),
    ("[a:b['c'] = 1]", 1, 6, "an index or *"),
    ("[a:b[12345678901] = 1]", 1, 2, "10 digits"),
    ("[a:b [12345678901] = 1]", 1, 7, "10 digits"),
    ("[a:b IN ('x' 'y')]", 1, 14, "comma"),
    ("[a:b IN 'x']", 1, 9, "a set in parentheses"),
    ("[a:b MATCHES '(a']", 1, 14, "a ( is not closed"),
    ("[a:b = '" + "x" * 30, 1, 8, "not closed"),
    ("[a:b = 1]" + "z" * 30, 1, 10, "not zzzzzzzzzzzzzzzzzzzzz..."),
    ("[a:b = \ufeff1]", 1, 8, "not U+FEFF"),
    ("[a:b = 1 \x07]", 1, 10, "not U+0007"),
    # Over several lines: comments, line breaks of any kind and strings that hold them.
    ("[a:b = 1\nAND c:d = ]", 2, 11, "a value"),
    ("[a:b = 1\r\n  AND c:d = ]", 2, 13, "a value"),
    ("// one\n/* two\nthree */ [a:b ? 1]", 3, 15, "a comparison operator is expected, not ?"),
    ("[a:b = 'x\ny' AND\n\tc:d]", 3, 5, "a comparison operator"),
    ("[a:b = 1]\nOR\n[c:d = 'x\n", 3, 8, "not closed"),
    ("[\u00e9\u00e9:b = 1]", 1, 2, "not \u00e9"),
    ("['\U0001f600' = 1]", 1, 2, "an object path"),
]
# The pattern, the column that its error names, and what that says in part.
REFUSED_VALUES = [
    ("[ipv4-addr:value = '010.0.0.1']", 20, "octal"),
    ("[ipv4-addr:value = '10.0.00.1']", 20, "octal"),
    ("[ipv4-addr:value = '256.0.0.1']", 20, "over 255"),
    ("[ipv4-addr:value = '1.2.3']", 20, "four"),
    ("[ipv4-addr:value = '0x7f.0.0.1']", 20, "four"),
    ("[ipv4-addr:value = '::1']", 20, "four"),
    ("[ipv4-addr:value = ' 1.2.3.4']", 20, "four"),
    ("[ipv4-addr:value = 5]", 20, "compared with a string"),
    ("[ipv4-addr:value ISSUBSET '1.2.3.4/33']", 27, "prefix"),
    ("[ipv4-addr:value ISSUPERSET '1.2.3.4/']", 29, "four"),
    ("[ipv4-addr:value = '1.2.3.4/08']", 20, "four"),
    ("[ipv6-addr:value = '2001:db8::/064']", 20, "0 to 128"),
    ("[ipv4-addr:value IN ('1.2.3.4', '1.2.3.400')]", 33, "over 255"),
    ("[a:b = 1 AND ipv4-addr:value != '1.2.3']", 33, "four"),
    ("[ipv4-addr:value NOT = '1.2.3']", 24, "four"),
    ("[ipv6-addr:value = 'fe80::1%eth0']", 20, "IPv6"),
    ("[ipv6-addr:value = '1.2.3.4']", 20, "IPv6"),
    ("[ipv6-addr:value = '2001:db8::/129']", 20, "0 to 128"),
    ("[domain-name:value = '*.example.net']", 22, "domain"),
    ("[domain-name:value = 'a..example']", 22, "domain"),
    ("[domain-name:value = '1.2.3.4']", 22, "number"),
    ("[domain-name:value = '" + "a" * 64 + ".example']", 22, "domain"),
    ("[domain-name:value = '" + "a." * 127 + "example']", 22, "domain"),
    ("[email-addr:value = 'nobody']", 21, "e-mail"),
    ("[email-addr:value = '@example.org']", 21, "e-mail"),
    ("[email-addr:value = 'a@1.2.3.4']", 21, "number"),
    ("[url:value = 'example.com/a']", 14, "scheme"),
    ("[url:value = 'http:/a']", 14, "//"),
    ("[url:value = 'http:///a']", 14, "host"),
    ("[url:value = 'http://a.example:99999/']", 14, "port"),
    ("[url:value = 'http://[::1/']", 14, "IPv6"),
    ("[mac-addr:value = '00-00-00-00-00']", 19, "MAC"),
    ("[file:hashes.'SHA-256' = 'abc']", 26, "64 hexadecimal"),
    ("[file:hashes.SHA256 = '" + "g" * 64 + "']", 23, "64 hexadecimal"),
    ("[file:hashes.MD5 = '" + "a" * 33 + "']", 20, "32 hexadecimal"),
    ("[file:hashes.md6 = '" + "a" * 33 + "']", 20, "32 or 40 or"),
    ("[file:hashes.TLSH = '" + "a" * 69 + "']", 21, "70 hexadecimal"),
    ("[file:hashes.ssdeep = '3:a b:c']", 23, "SSDEEP"),
    ("[file:hashes.MD5 = h'00']", 20, "compared with a string"),
    ("[autonomous-system:number = 'AS64501']", 29, "whole number"),
    ("[autonomous-system:number = 64501.5]", 29, "whole number"),
    ("[autonomous-system:number = -1]", 29, "whole number"),
    ("[autonomous-system:number = 4294967296]", 29, "below"),
]
BOUNDS = [
    ("8192 bytes", lambda n: "[a:b = '" + "x" * (n - 10) + "']", 8192),
    ("8192 bytes", lambda n: "[a:b = '" + "\u00e9" * ((n - 10) // 2) + "x" * (n % 2) + "']", 8192),
    ("8192 bytes", lambda n: "[a:b = 1]" + " " * (n - 9), 8192),
    ("256 comparisons", lambda n: "[" + " OR ".join(f"a:b={k}" for k in range(n)) + "]", 256),
    ("256 comparisons", lambda n: " AND ".join(["[EXISTS a:b]"] * n), 256),
    ("nested more than 8", lambda n: "[" + "(" * n + "a:b = 1" + ")" * n + "]", 8),
    ("nested more than 8", lambda n: "(" * n + "[a:b = 1]" + ")" * n, 8),
    (
        "nested more than 8",
        lambda n: "(" * 4 + "[" + "(" * (n - 4) + "a:b=1" + ")" * (n - 4) + "]" + ")" * 4,
        8,
    ),
    ("REPEATS is over 10", lambda n: f"[a:b = 1] REPEATS {n} TIMES", 10),
    ("REPEATS is over 10", lambda n: f"[a:b = 1] REPEATS +{n} TIMES", 10),
    ("longer than 512", lambda n: "[a:b MATCHES '" + "x" * n + "']", 512),
    ("longer than 512", lambda n: "[a:b MATCHES '" + "\u00e9" * (n - 1) + "\\'" + "']", 512),
    ("10 digits", lambda n: "[a:b[" + "1" * n + "] = 1]", 10),
    ("10 digits", lambda n: "[a:b [" + "1" * n + "] = 1]", 10),
]


@pytest.mark.parametrize(("text", "line", "column", "reason"), UNGRAMMATICAL)
def test_a_wrong_pattern_is_refused_with_place_and_reason(
    text: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(PatternError) as caught:
        parse(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (line, column)
    assert caught.value.sentence == str(caught.value)


@pytest.mark.parametrize(("text", "column", "reason"), REFUSED_VALUES)
def test_a_value_that_cannot_be_what_its_type_says_is_refused(text: str, column: int, reason: str) -> None:
    with pytest.raises(PatternError) as caught:
        canonical(text)
    assert reason in caught.value.reason
    assert (caught.value.line, caught.value.column) == (1, column)


@pytest.mark.parametrize(("reason", "pattern", "most"), BOUNDS)
def test_a_pattern_at_a_bound_is_parsed_and_one_beyond_it_refused(
    reason: str, pattern: Callable[[int], str], most: int
) -> None:
    assert canonical(pattern(most))
    with pytest.raises(PatternError) as caught:
        parse(pattern(most + 1))
    assert reason in caught.value.reason


def test_half_a_surrogate_pair_is_no_character() -> None:
    with pytest.raises(PatternError) as caught:
        parse("[a:b =\n'\ud800']")
    assert "surrogate" in caught.value.reason
    assert (caught.value.line, caught.value.column) == (2, 2)


def test_an_error_is_one_sentence_for_a_receipt() -> None:
    with pytest.raises(PatternError) as caught:
        parse("[a:b = 1\nAND c:d = ]")
    assert caught.value.sentence == (
        "The pattern is refused at line 2, column 11: "
        "a value (a string stands in single quotes) is expected, not ]."
    )


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
