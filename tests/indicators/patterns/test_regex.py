"""Which texts after MATCHES are refused: only those that no engine takes."""

import pytest

from indicators.patterns import regex
from indicators.patterns.parser import MAX_REGEX

REFUSED = [
    ("(a", "a ( is not closed"),
    ("a(b|c", "a ( is not closed"),
    ("(?:a", "a ( is not closed"),
    ("a)", "a ) closes nothing"),
    ("[a", "a [ is not closed"),
    ("[]", "a [ is not closed"),
    ("[[:alpha:]", "a [ is not closed"),
    ("a\\", "a backslash that escapes nothing"),
    ("*a", "nothing to repeat"),
    ("a|+", "nothing to repeat"),
    ("\\p{Lu}(", "a ( is not closed"),
    ("\u00e9[", "a [ is not closed"),
]
ACCEPTED = [
    *(
        "",
        ".",
        "^a.+\\.exe$",
        "[]a]",
        "[^]]",
        "a{,5}",
        "(?i)a",
        "(?P<n>a)",
        "\\Q(\\E",
        "\\xd4\\xc3",
        "[[:alpha:]]",
    ),
    # PCRE that RE2 cannot run.
    *(
        "(?=a)b",
        "(?<!a)b",
        "(a)\\1",
        "a*+",
        "(?>a)",
        "a++b",
        "(?|a|b)",
        "(?(1)a)",
        "(?R)?",
        "(?#(c)a",
        "\\K\\R\\h",
    ),
    *("(*UTF8)a", "(?x) a # )", "[\\Q]\\E]", "x{2000}", "((a{100}){100}){100}", "\\p{Foo}"),
]


@pytest.mark.parametrize(("text", "reason"), REFUSED)
def test_what_no_engine_takes_is_refused(text: str, reason: str) -> None:
    assert reason in (regex.fault(text) or "")


@pytest.mark.parametrize("text", ACCEPTED)
def test_what_pcre_takes_is_accepted_even_where_re2_does_not(text: str) -> None:
    assert regex.fault(text) is None


def test_what_is_too_large_to_compile_is_not_compiled(capfd: pytest.CaptureFixture[str]) -> None:
    for text in ("\\pL{1000}" * 60, "(?i)[^\\pL\\pN]{999}" * 30, "(a{9}){9}" * 60, "(((((.*){9}){9}" * 40):
        regex.fault(text[:MAX_REGEX])
    # RE2 would log what it refuses, and with it what a partner wrote.
    assert capfd.readouterr() == ("", "")
