"""Where the parser and the OASIS validator (stix2-patterns) differ: all of it, as docs/patterns.md lists it."""

import re
from dataclasses import dataclass

from stix2patterns.validator import run_validator

from indicators.patterns import PatternError, canonical, parse


@dataclass(frozen=True)
class Difference:
    """One row of the list.

    Where we refuse, `ours` stands in our reason; where we accept, `theirs` stands in what the validator says,
    and `written` is found in the pattern. `decides` is what the list says decides it.
    """

    decides: str
    examples: tuple[str, ...]
    ours: str = ""
    theirs: str = ""
    written: str = ""

    def explains(self, text: str, verdict: "Verdict") -> bool:
        if self.ours:
            return verdict.theirs == "" and self.ours in verdict.ours
        return self.theirs in verdict.theirs and re.search(self.written, text) is not None


@dataclass(frozen=True)
class Verdict:
    """What is said of a pattern: our reason and theirs, empty where it is accepted.

    `ours` is the parser's, and `value` that of the canonical form, which looks at values too.
    """

    ours: str
    value: str
    theirs: str

    @property
    def differs(self) -> bool:
        if self.theirs:
            return not self.ours and not self.value
        return bool(self.ours) and not any(bound in self.ours for bound in _BOUNDS)


# Beyond these, the two are not meant to agree (model.md).
_BOUNDS = ("is longer than", "more than 256 comparisons", "nested more than", "REPEATS is over", "10 digits")

DIFFERENCES = (
    Difference(
        "§9.5.1", ("[a:b = 1] WITHIN 0 SECONDS", "[a:b = 1] WITHIN +0.0 SECONDS"), ours="WITHIN takes"
    ),
    Difference("§9.5.1", ("[a:b = 1] REPEATS 0 TIMES",), ours="REPEATS takes"),
    Difference(
        "§2.16",
        (
            "[x:created = t'2024-02-30T12:00:00Z']",
            "[x:created = t'2024-04-31T12:00:00Z']",
            "[x:created = t'2023-02-29T12:00:00Z']",
        ),
        ours="this day does not exist",
    ),
    Difference(
        "§9.6.1",
        ("[file:name MATCHES '(a']", "[file:name MATCHES '[a']", "[file:name MATCHES '*']"),
        ours="not a regular expression",
    ),
    Difference("§9.4", ("[a:b = '\ud800']",), ours="surrogate"),
    Difference("§9.2", ("[a:b = b'Cv8\n=']",), theirs="line", written=r"b'[A-Za-z0-9+/=]*\n"),
    Difference("§9.2", ("[a:b = b'']",), theirs="line", written="b'\n*'"),
    Difference(
        "the grammar of OASIS",
        ("/* c */ [a:b = 1]", "// c\n[a:b = 1]"),
        theirs="missing square brackets",
        written=r"^[\s(]*/[*/]",
    ),
    Difference(
        "§9.6.1",
        (
            "[file:hashes.MD5 LIKE 'ab%']",
            "[file:hashes.MD5 IN ('" + "a" * 32 + "', '" + "b" * 32 + "')]",
            "[file:hashes.MD5 MATCHES '^ab']",
            "[file:hashes.MD5 < 'ab']",
        ),
        theirs=" hash",
        written="IN|LIKE|MATCHES|ISSUBSET|ISSUPERSET|<|>",
    ),
    Difference("§2.7", ("[x:hashes.other.MD5 = 'y']",), theirs=" hash", written=r"hashes[^=]+(\.|\])\W*\w"),
    Difference("§9.7.2", ("[x:hashes[0] = 'y']",), theirs="AttributeError", written=r"hashes[^=]*\["),
)


def ask(text: str) -> Verdict:
    """Both verdicts on a pattern."""
    return Verdict(_reason(parse, text), _reason(canonical, text), ask_oasis(text))


def ask_oasis(text: str) -> str:
    """What the OASIS validator says first, or the name of the exception that it ends with; empty if it accepts."""
    try:
        errors = run_validator(text, "2.1")
    except (AttributeError, RecursionError, UnboundLocalError) as failure:
        return type(failure).__name__
    return errors[0] if errors else ""


def _reason(read: object, text: str) -> str:
    assert callable(read)
    try:
        read(text)
    except PatternError as refusal:
        return refusal.reason
    return ""
