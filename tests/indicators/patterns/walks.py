"""Random walks through the patterning grammar of OASIS, as they are and with something wrong in them.

What is right or wrong is not known here: the OASIS validator is asked.
"""

from collections.abc import Callable
from random import Random

_SPACES = (" ", "  ", "\n", "\t", "\r\n", "\u00a0", "\u3000", "/* c ' [ */", "// c )\n")
_TYPES = ("ipv4-addr", "file", "x-thing", "a", "AND-x", "t", "_9", "file", "llm-api-activity")
_KEYS = ("value", "b", "c_9", "'x-y'", "'it\\'s'", "'OR'", "hashes", "h", "refs", "''", "_", "trueish")
_HASHES = ("MD5", "'SHA-256'", "sha1", "'ssdeep'", "MD6", "'SHA3-512'", "whirlpool", "WHAT")
_STRINGS = (
    "'x'",
    "''",
    "'it\\'s'",
    "'a\\\\b'",
    "'] OR ['",
    "'/* x */'",
    "'a\nb'",
    "'\u00e9\U0001f600'",
    "'10.0.0.0/8'",
    "'" + "ab" * 16 + "'",
    "'" + "AB" * 20 + "'",
    "'" + "0" * 64 + "'",
    "'3:AbCd/+:Ef1'",
)
_INTEGERS = ("0", "1", "5", "+5", "+0", "10", "4294967295")
_NEGATIVE = ("-0", "-1", "-10")
_FLOATS = ("0.5", ".5", "+.50", "5.0", "05.50", "0.0", "123.456")
_NEGATIVE_FLOATS = ("-0.5", "-.5", "-00.0")
_BINARY = ("b'Cv8='", "b'AA=='", "b'AAAA'", "h'0AFF'", "h''", "h'0aff'")
_TIMES = (
    "t'2026-01-31T00:00:00Z'",
    "t'2024-02-29T23:59:60.000Z'",
    "t'0001-01-01T00:00:00.5Z'",
    "t'2026-12-31T23:59:59.123456789Z'",
)
_REGULAR = ("'^a.+\\\\.exe$'", "'(?=x)a*+'", "'\\\\xd4\\\\xc3'", "'[]a]'", "''")
_STRAY = (
    *("AND", "OR", "NOT", "FOLLOWEDBY", "LIKE", "MATCHES", "ISSUPERSET", "ISSUBSET", "EXISTS", "LAST", "IN"),
    *("START", "STOP", "SECONDS", "true", "false", "WITHIN", "REPEATS", "TIMES", "and", "True", "x", "x-y"),
    *("=", "==", "!=", "<>", "<", "<=", ">", ">=", "'", ":", ".", ",", "(", ")", "[", "]", "+", "-", "^"),
    *(
        "/",
        "*",
        "//",
        "/*",
        "*/",
        '"x"',
        "'x'",
        "5",
        "-5",
        "5.",
        ".5",
        "1e5",
        "007",
        "0x1F",
        "\\",
        "#",
        "\ufeff",
    ),
    *("t'2026-02-30T00:00:00Z'", "t'2026-13-01T00:00:00Z'", "t'2026-01-01T00:00:00'", "b'===='", "b'QQ'"),
    *(
        "h'0'",
        "h'0g'",
        "'a|b(c'",
        "'\\n'",
        "'a",
        "t",
        "h",
        "b",
        "\u200b",
        "\x00",
        "[*]",
        "[-1]",
        "[1.5]",
        "\u00e9",
    ),
)
_CHARACTERS = "[]()'\\=<>!:.,*/+-_ \n\tANDORtfhbx059\u00e9\u00a0"


def pattern(random: Random) -> str:
    """One pattern: more than half of them as the grammar says, the others with a mistake or more."""
    tokens = _Walk(random).pattern()
    mistakes = random.choice((0, 0, 0, 0, 1, 1, 2))
    for _ in range(mistakes):
        _mistake(tokens, random)
    # Most are written as people do, some with anything or nothing between two tokens.
    loose = random.random() < 0.3
    text = "".join(_between(random, loose) + token for token in tokens)
    if random.random() < 0.1:
        text = _mistyped(text, random)
    return text


def _between(random: Random, loose: bool) -> str:
    if not loose:
        return " "
    return "" if random.random() < 0.4 else random.choice(_SPACES)


def _mistake(tokens: list[str], random: Random) -> None:
    at = random.randrange(len(tokens))
    what = random.randrange(5)
    if what == 0 and len(tokens) > 1:
        del tokens[at]
    elif what == 1:
        tokens.insert(at, random.choice(_STRAY))
    elif what == 2:
        other = random.randrange(len(tokens))
        tokens[at], tokens[other] = tokens[other], tokens[at]
    elif what == 3:
        tokens.insert(at, tokens[at])
    else:
        tokens[at] = random.choice(_STRAY)


def _mistyped(text: str, random: Random) -> str:
    at = random.randrange(len(text))
    typed = random.choice(("", random.choice(_CHARACTERS), random.choice(_CHARACTERS) + text[at]))
    return text[:at] + typed + text[at + 1 :]


class _Walk:
    """One walk; `left` keeps it short."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.left = 12

    def chance(self, probability: float) -> bool:
        self.left -= 1
        return self.left > 0 and self.random.random() < probability

    def joined(self, operator: str, operand: Callable[[], list[str]], probability: float) -> list[str]:
        tokens = operand()
        while self.chance(probability):
            tokens += [operator, *operand()]
        return tokens

    def pattern(self) -> list[str]:
        return self.joined("FOLLOWEDBY", self.any_of, 0.15)

    def any_of(self) -> list[str]:
        return self.joined("OR", self.all_of, 0.15)

    def all_of(self) -> list[str]:
        return self.joined("AND", self.observation, 0.15)

    def observation(self) -> list[str]:
        if self.chance(0.15):
            tokens = ["(", *self.pattern(), ")"]
        else:
            tokens = ["[", *self.test(), "]"]
        while self.chance(0.2):
            tokens += self.qualifier()
        return tokens

    def qualifier(self) -> list[str]:
        choose = self.random.choice
        kind = self.random.randrange(3)
        if kind == 0:
            return ["START", choose(_TIMES), "STOP", choose(_TIMES)]
        if kind == 1:
            return ["WITHIN", choose(_INTEGERS + _FLOATS), "SECONDS"]
        return ["REPEATS", choose(_INTEGERS[:-1]), "TIMES"]

    def test(self) -> list[str]:
        return self.joined("OR", self.test_all, 0.15)

    def test_all(self) -> list[str]:
        return self.joined("AND", self.comparison, 0.15)

    def comparison(self) -> list[str]:
        choose = self.random.choice
        if self.chance(0.15):
            return ["(", *self.test(), ")"]
        if self.random.random() < 0.1:
            return [*choose(([], ["NOT"])), "EXISTS", *self.path()]
        negated = ["NOT"] if self.random.random() < 0.2 else []
        kind = self.random.randrange(8)
        if kind < 3:
            return [*self.path(), *negated, choose(("=", "==", "!=", "<>")), self.constant()]
        if kind == 3:
            return [*self.path(), *negated, choose(("<", "<=", ">", ">=")), self.constant(order=True)]
        if kind == 4:
            return [*self.path(), *negated, "IN", *self.constants()]
        if kind == 5:
            return [*self.path(), *negated, "MATCHES", choose(_REGULAR)]
        return [*self.path(), *negated, choose(("LIKE", "ISSUBSET", "ISSUPERSET")), choose(_STRINGS)]

    def constants(self) -> list[str]:
        if self.random.random() < 0.1:
            return ["(", ")"]
        return ["(", *self.joined(",", lambda: [self.constant()], 0.4), ")"]

    def constant(self, *, order: bool = False) -> str:
        kinds = [_STRINGS, _STRINGS, _INTEGERS, _NEGATIVE, _FLOATS, _NEGATIVE_FLOATS, _BINARY, _TIMES]
        if not order:
            kinds.append(("true", "false"))
        return self.random.choice(self.random.choice(kinds))

    def path(self) -> list[str]:
        choose = self.random.choice
        if self.random.random() < 0.05:
            return ["file", ":", "hashes", ".", choose(_HASHES)]
        # Usually whole, as people write it; else with room for white space and mistakes in it.
        tokens = [choose(_TYPES), ":", choose(_KEYS)]
        while self.random.random() < 0.3:
            if self.random.random() < 0.6:
                tokens += [".", choose(_KEYS)]
            else:
                tokens += ["[", choose(("*", "0", "+1", "17")), "]"]
        return tokens if self.random.random() < 0.4 else ["".join(tokens)]
