"""What is accepted and refused: as the OASIS validator does, but for the differences that the docs list."""

from pathlib import Path
from random import Random

import pytest
from stix2patterns.test.v21 import test_inspector, test_validator

from indicators.patterns import canonical
from tests.indicators.patterns.differences import DIFFERENCES, Difference, ask, ask_oasis
from tests.indicators.patterns.walks import pattern

PAGE = Path(__file__).parents[3] / "docs" / "patterns.md"

# The cases that the validator is published with, from the installed package itself.
ACCEPTED: list[str] = [
    *test_validator.SPEC_CASES,
    *test_validator.PASS_CASES,
    *test_validator.TIMESTAMP_PASS_CASES,
    *(
        case[0]
        for test in (
            test_inspector.test_qualifiers,
            test_inspector.test_observation_ops,
            test_inspector.test_comparisons,
        )
        for mark in test.pytestmark
        for case in mark.args[1]
    ),
]
REFUSED: list[str] = [case[0] for case in (*test_validator.FAIL_CASES, *test_validator.TIMESTAMP_FAIL_CASES)]

# The edges of tokens and rules, where a parser of one's own goes wrong first.
EDGES = [
    *(
        "",
        " ",
        "[",
        "[]",
        "()",
        "([])",
        "[a:b]",
        "[a:b =]",
        "a:b = 1",
        "[a:b = 1]]",
        "[[a:b = 1]]",
        "{a:b = 1}",
    ),
    *(
        "[a:b=1]",
        "[a:b==1]",
        "[a:b<>1]",
        "[a:b = = 1]",
        "[a:b < = 1]",
        "[a:b === 1]",
        "[a:b =! 1]",
        "[a:b <1]",
    ),
    *("[a:b = 0]", "[a:b = 00]", "[a:b = 05]", "[a:b = 05.5]", "[a:b = 5.]", "[a:b = .5]", "[a:b = 1.2.3]"),
    *("[a:b = +5]", "[a:b = -0]", "[a:b = --5]", "[a:b = + 5]", "[a:b = 1e5]", "[a:b = 0x1F]", "[a:b = 5 5]"),
    *("[a:b = 5AND c:d = 6]", "[a:b = 5 ANDc:d = 6]", "[a:b = 'x'AND c:d = 6]", "[a:b = trueAND c:d = 6]"),
    *("[a:b = true]", "[a:b = TRUE]", "[a:b > true]", "[a:b IN (true)]", "[a:b LIKE true]", "[true:b = 1]"),
    *("[a:true = 1]", "[a:'true' = 1]", "[a:trueish = 1]", "[AND:b = 1]", "[AND-:b = 1]", "[a:b.LAST = 1]"),
    *("[a-:b = 1]", "[-a:b = 1]", "[_:_ = 1]", "[9a:b = 1]", "['a':b = 1]", "[a:9b = 1]", "[a:b-c = 1]"),
    *("[a:'' = 1]", "[a:b.'' = 1]", "[a:b..c = 1]", "[a:.b = 1]", "[a:b. = 1]", "[a::b = 1]", "[a:b:c = 1]"),
    *("[a:b[0] = 1]", "[a:b[00] = 1]", "[a:b[+0] = 1]", "[a:b[-1] = 1]", "[a:b[1.0] = 1]", "[a:b[] = 1]"),
    *("[a:b[*] = 1]", "[a:b[**] = 1]", "[a:b.* = 1]", "[a:b['c'] = 1]", "[a:[0] = 1]", "[a:b[0][1].c = 1]"),
    *(
        "[a:b[0]c = 1]",
        "[a:b.5 = 1]",
        "[a:b .5 = 1]",
        "[a : b . c [ 0 ] = 1]",
        "[a:h'00' = 1]",
        "[a:b'' = 1]",
    ),
    *("[a:b = ''']", "[a:b = '\\'']", "[a:b = '\\\\']", "[a:b = '\\']", "[a:b = '\\n']", '[a:b = "x"]'),
    *(
        "[a:b = 'x\ny']",
        "[a:b = '\u0000']",
        "[a:b = 'x' 'y']",
        "[a:b = h'']",
        "[a:b = h'0']",
        "[a:b = H'00']",
    ),
    *("[a:b = h '00']", "[a:b = b'QQ==']", "[a:b = b'QQ=']", "[a:b = b'QQ']", "[a:b = b'QQ==QQ==']"),
    *(
        "[a:b = b'Q=Q=']",
        "[a:b = b'=']",
        "[a:b = b'AAAA=']",
        "[a:b = b'AAAA====']",
        "[a:b = b'Q Q=']",
        "[a:b = b'-_==']",
        "[a:b = t'']",
        "[a:b = t '']",
    ),
    *(
        "[a:b = t'2026-01-01T24:00:00Z']",
        "[a:b = t'2026-01-01T23:59:60Z']",
        "[a:b = t'2026-01-01T00:00:61Z']",
    ),
    *(
        "[a:b = t'0000-01-01T00:00:00Z']",
        "[a:b = t'0000-02-29T00:00:00Z']",
        "[a:b = t'2026-01-01t00:00:00Z']",
    ),
    *(
        "[a:b = t'2026-01-01T00:00:00.Z']",
        "[a:b = t'2026-01-01T00:00:00+00:00']",
        "[a:b = t'26-01-01T00:00:00Z']",
    ),
    *("[a:b IN ()]", "[a:b IN (1,)]", "[a:b IN (,1)]", "[a:b IN 1]", "[a:b IN (1 2)]", "[a:b IN ((1))]"),
    *("[a:b NOT = 1]", "[NOT a:b = 1]", "[a:b NOT NOT = 1]", "[a:b = NOT 1]", "[a:b NOT 1]", "[a:b not = 1]"),
    *("[EXISTS a:b]", "[NOT EXISTS a:b]", "[EXISTS (a:b)]", "[EXISTS a:b = 1]", "[a:b EXISTS]", "[EXISTS a]"),
    *(
        "[a:b LIKE 5]",
        "[a:b MATCHES b'QQ==']",
        "[a:b ISSUBSET 'x']",
        "[a:b ISSUPERSET ('x')]",
        "[a:b LIKE'x']",
    ),
    *("[(a:b = 1)]", "[((a:b = 1))]", "[(a:b = 1]", "[a:b = (1)]", "([a:b = 1])", "([a:b = 1]", "[a:b = 1])"),
    *("[a:b = 1 AND]", "[AND a:b = 1]", "[a:b = 1 AND AND c:d = 1]", "[a:b = 1 FOLLOWEDBY c:d = 1]"),
    *(
        "[a:b = 1] AND",
        "AND [a:b = 1]",
        "[a:b = 1] [c:d = 1]",
        "[a:b = 1], [c:d = 1]",
        "[a:b = 1] NOT [c:d = 1]",
    ),
    *("[a:b = 1] WITHIN 5 SECONDS", "[a:b = 1] WITHIN .5 SECONDS", "[a:b = 1] WITHIN -5 SECONDS"),
    *(
        "[a:b = 1] WITHIN 5 seconds",
        "[a:b = 1] WITHIN 5SECONDS",
        "[a:b = 1]WITHIN 5 SECONDS",
        "[a:b = 1] WITHIN 5",
    ),
    *("[a:b = 1] REPEATS 5 TIMES", "[a:b = 1] REPEATS 5.0 TIMES", "[a:b = 1] REPEATS +5 TIMES"),
    *("[a:b = 1] REPEATS -5 TIMES", "[a:b = 1] REPEATS 5", "REPEATS 5 TIMES", "[a:b = 1 REPEATS 5 TIMES]"),
    "[a:b = 1] START t'2026-01-01T00:00:00Z' STOP t'2025-01-01T00:00:00Z'",
    "[a:b = 1] START '2026-01-01T00:00:00Z' STOP '2027-01-01T00:00:00Z'",
    "[a:b = 1] START t'2026-01-01T00:00:00Z'",
    "[a:b = 1] WITHIN 5 SECONDS REPEATS 2 TIMES",
    "[a:b = 1] WITHIN 5 SECONDS REPEATS 2 TIMES WITHIN 6 SECONDS",
    "([a:b = 1] WITHIN 5 SECONDS) WITHIN 5 SECONDS",
    "([a:b = 1]) REPEATS 2 TIMES REPEATS 2 TIMES",
    "[a:b = 1] WITHIN 5 SECONDS AND [a:b = 1] WITHIN 5 SECONDS",
    *(
        "[a:b = 1 /* c */]",
        "[a:b /* c = 1]",
        "[a:b = 1] // c",
        "[a:b = 1 // c]",
        "[a:b = 1 // c\n]",
        "[a:b = 1] /",
    ),
    *(
        "[a:b =\u00a01]",
        "[a:b =\u20031]",
        "[a:b =\u200b1]",
        "[a:b =\ufeff1]",
        "\ufeff[a:b = 1]",
        "[a:b =\u00851]",
    ),
    *("[\u00e9:b = 1]", "[a:\u00e9 = 1]", "[a:b = '\u00e9\U0001f600']", "[a:b \u2260 1]", "[a:b = 1]\u0000"),
    "[file:hashes.MD5 = 'x']",
    "[file:hashes.'SHA-256' != '" + "a" * 63 + "']",
    "[file:hashes.sha256 = 5]",
    "[file:hashes.SHA1 IN (h'00')]",
    "[file:hashes.'SSDEEP' = '3:a b:c']",
    "[file:hashes.MD6 = '" + "a" * 31 + "']",
    "[file:hashes[*] = 'x']",
    "[file:hashes.other = 'x']",
]


@pytest.mark.parametrize("text", [*ACCEPTED, *REFUSED, *EDGES])
def test_a_pattern_is_accepted_or_refused_as_the_oasis_validator_does(text: str) -> None:
    _compare(text)


def test_the_published_cases_are_those_of_the_validator() -> None:
    assert len(ACCEPTED) > 75
    assert len(REFUSED) > 25
    assert not any(map(ask_oasis, ACCEPTED))
    assert all(map(ask_oasis, REFUSED))


def test_generated_patterns_are_accepted_and_refused_as_the_oasis_validator_does() -> None:
    _compare_generated(3_000, seed=20261122)


@pytest.mark.slow
def test_very_many_generated_patterns_are_accepted_and_refused_as_the_oasis_validator_does() -> None:
    _compare_generated(30_000, seed=7)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda difference: difference.examples[0])
def test_every_listed_difference_is_one(difference: Difference) -> None:
    for text in difference.examples:
        verdict = ask(text)
        assert verdict.differs
        assert difference.explains(text, verdict)


def test_the_docs_list_exactly_these_differences() -> None:
    table = PAGE.read_text(encoding="utf-8").split("| pattern | the validator | here | what decides |")[1]
    rows = [line.strip("| ").split(" | ") for line in table.split("\n\n")[0].splitlines()[2:]]
    assert [
        (row[0].strip("`"), row[1] == "accepts", row[2] == "accepts", row[3].split(":")[0]) for row in rows
    ] == [
        (_visible(difference.examples[0]), bool(difference.ours), not difference.ours, difference.decides)
        for difference in DIFFERENCES
    ]


def _compare_generated(count: int, *, seed: int) -> None:
    random = Random(seed)
    accepted = 0
    for _ in range(count):
        text = pattern(random)
        if not _compare(text):
            continue
        accepted += 1
        form = canonical(text)
        assert canonical(form) == form, text
        if accepted % 4 == 0:
            # What leaves is the canonical form: consumers with the OASIS parser must be able to read it.
            assert ask_oasis(form) == "", text
    # Neither side of the question is asked too rarely to tell.
    assert count * 0.3 < accepted < count * 0.7


def _compare(text: str) -> bool:
    """Whether both accept the pattern; fails where they differ in a way that is not listed."""
    verdict = ask(text)
    if verdict.differs:
        assert any(difference.explains(text, verdict) for difference in DIFFERENCES), (text, verdict)
    return not (verdict.ours or verdict.value or verdict.theirs)


def _visible(text: str) -> str:
    return text.replace("\n", "\\n").replace("\ud800", "\\ud800")
