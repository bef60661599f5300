"""STIX 2.1 patterning: text in, a `Pattern` out (STIX 2.1 §9 and the grammar of OASIS).

One compiled regular expression finds the tokens, with possessive quantifiers so that it never backtracks; the
parser recurses only into parentheses, which are bounded.
"""

import base64
import calendar
import re
from functools import lru_cache
from typing import cast

from indicators.patterns import regex
from indicators.patterns.errors import PatternError
from indicators.patterns.tree import (
    Comparison,
    Expression,
    Junction,
    Literal,
    Observation,
    ObservationJunction,
    Path,
    Pattern,
    Qualified,
    Qualifier,
    Test,
)

MAX_BYTES = 8 * 1024
MAX_COMPARISONS = 256
MAX_NESTING = 8
MAX_REPEATS = 10
MAX_REGEX = 512
MAX_INDEX_DIGITS = 10

KEYWORDS = frozenset(
    (
        "AND",
        "OR",
        "NOT",
        "FOLLOWEDBY",
        "LIKE",
        "MATCHES",
        "ISSUPERSET",
        "ISSUBSET",
        "EXISTS",
        "LAST",
        "IN",
        "START",
        "STOP",
        "SECONDS",
        "true",
        "false",
        "WITHIN",
        "REPEATS",
        "TIMES",
    )
)

_SPACE = " \t\r\n\x0b\x0c\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
_STRING = r"'(?:[^'\\]++|\\['\\])*+'"
_WORD = r"[a-zA-Z_][a-zA-Z0-9_]*+"
_INDEX = r"\*|\+?+(?:0|[1-9][0-9]*+)"
_STEP = rf"(?:\.(?:{_WORD}|{_STRING})|\[(?:{_INDEX})\])"

_NUMBER = r"[+-]?(?:[0-9]*+\.[0-9]++|0(?![0-9])|[1-9][0-9]*+)"
_PATH = rf"[a-zA-Z_][a-zA-Z0-9_-]*+:(?:{_WORD}|{_STRING}){_STEP}*+"

# `test` is the usual comparison whole, so that most patterns are few tokens; `path` is a path without white
# space.
_TOKEN = re.compile(
    rf"""
    (?:[{_SPACE}]++|/\*[\s\S]*?\*/|//[^\r\n]*+)*+
    (?:
      (?P<test>({_PATH})[ ]?(==|=|!=|<>|<=|>=|<|>)[ ]?(?:({_STRING})|({_NUMBER})))
    | (?P<mark>[\[\]()]|(?:AND|OR)(?![a-zA-Z0-9_-]))
    | (?P<path>{_PATH})
    | (?P<string>{_STRING})
    | (?P<timestamp>t'[^'\\]*+')
    | (?P<hex>h'[^'\\]*+')
    | (?P<binary>b'[^'\\]*+')
    | (?P<word>[a-zA-Z_][a-zA-Z0-9_-]*+)
    | (?P<number>{_NUMBER})
    | (?P<zeros>[+-]?0[0-9]++)
    | (?P<symbol>==|=|!=|<>|<=|>=|<|>|[\[\]().,:*])
    | (?P<unclosed>(?:/\*|')[\s\S]*+)
    | (?P<end>\Z)
    | (?P<stray>[\s\S])
    )
    """,
    re.VERBOSE,
)
_PLAIN = re.compile(rf"\[({_PATH}) = ({_STRING})\]")
_TEST_GROUPS = tuple(range(_TOKEN.groupindex["test"] + 1, _TOKEN.groupindex["test"] + 5))
_STEPS = re.compile(rf"\.?(?:({_WORD})|({_STRING}))|\[({_INDEX})\]")
_TIMESTAMP = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]++)?Z"
)
_BASE64 = re.compile(r"(?:[A-Za-z0-9+/]{4})*+(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?")
_HEXADECIMAL = re.compile(r"(?:[0-9a-fA-F]{2})*+")

_EQUALITY = {"=": "=", "==": "=", "!=": "!=", "<>": "!="}
_ORDER = frozenset(("<", "<=", ">", ">="))
_TEXTUAL = frozenset(("LIKE", "MATCHES", "ISSUBSET", "ISSUPERSET"))
_LITERALS = frozenset(("string", "number", "true", "false", "timestamp", "hex", "binary"))
_QUALIFIERS = frozenset(("WITHIN", "REPEATS", "START"))
_A_TIMESTAMP = "a timestamp such as t'2026-01-31T00:00:00Z'"


def parse(text: str) -> Pattern:
    """Parse a STIX 2.1 pattern.

    Raises PatternError for a wrong one and for one beyond the bounds (model.md).
    """
    return _kept(text) if len(text) <= KEPT_UP_TO else _parsed(text)


# From its arrival to its release an indicator's pattern is asked for half a dozen times.
KEPT_UP_TO = 500
"""Characters; what is longer is parsed anew."""


def _parsed(text: str) -> Pattern:
    # Most indicators are one observable; they are read here, in half the time.
    plain = _PLAIN.fullmatch(text) if len(text) <= MAX_BYTES and text.isascii() else None
    if plain is None:
        return _Parser(text).pattern()
    path, string = plain.groups()
    constant = Literal("string", _unquote(string), plain.start(2))
    return Pattern(Observation(Comparison(_path(path, text, 1), "=", (constant,))))


_kept = lru_cache(maxsize=2048)(_parsed)


def shortest_number(text: str) -> str:
    """`+5.0` → `5`, `.50` → `0.5`, `-0` → `0`; digits are kept exactly, never rounded."""
    if text.isdigit():
        return text
    sign, digits = ("-", text[1:]) if text[0] == "-" else ("", text.lstrip("+"))
    whole, _, fraction = digits.partition(".")
    whole = whole.lstrip("0") or "0"
    fraction = fraction.rstrip("0")
    if fraction:
        return f"{sign}{whole}.{fraction}"
    return whole if whole == "0" else sign + whole


class _Parser:
    """Recursive descent over the token list; `depth` and `comparisons` are what the bounds count."""

    __slots__ = ("comparisons", "depth", "kinds", "matches", "position", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        if len(text) > MAX_BYTES:
            raise PatternError(f"it is longer than {MAX_BYTES} bytes")
        if not text.isascii():
            try:
                size = len(text.encode())
            except UnicodeEncodeError as error:
                raise PatternError("a lone surrogate is not a character", text, error.start) from None
            if size > MAX_BYTES:
                raise PatternError(f"it is longer than {MAX_BYTES} bytes")
        kinds: list[str] = []
        self.matches = matches = list(_TOKEN.finditer(text))
        for match in matches:
            kind = cast(str, match.lastgroup)
            if kind == "symbol" or kind == "mark" or (kind == "word" and match[kind] in KEYWORDS):
                kind = match[kind]
            kinds.append(kind)
        self.kinds = kinds
        self.position = self.depth = self.comparisons = 0

    def start(self, position: int) -> int:
        match = self.matches[position]
        return match.start(match.lastindex or 0)

    def token(self, position: int) -> str:
        match = self.matches[position]
        return match[match.lastindex or 0]

    def error(self, reason: str, position: int | None = None) -> PatternError:
        return PatternError(reason, self.text, self.start(self.position if position is None else position))

    def unexpected(self, wanted: str) -> PatternError:
        kind, token = self.kinds[self.position], self.token(self.position)
        if kind == "unclosed":
            if token[0] == "/":
                return self.error("this comment is never closed")
            return self.error(r"this string is not closed, or holds an escape other than \\ and \'")
        if kind == "end":
            return self.error(f"{wanted} is expected, but the pattern ends")
        return self.error(f"{wanted} is expected, not {_shown(token)}")

    def expect(self, kind: str, wanted: str | None = None) -> str:
        position = self.position
        if self.kinds[position] != kind:
            raise self.unexpected(wanted or kind)
        self.position = position + 1
        return self.token(position)

    def open(self) -> None:
        self.depth += 1
        if self.depth > MAX_NESTING:
            raise self.error(f"parentheses are nested more than {MAX_NESTING} deep")
        self.position += 1

    def close(self) -> None:
        self.expect(")", "a closing parenthesis")
        self.depth -= 1

    # Observation expressions: FOLLOWEDBY binds least, then OR, then AND, then the qualifiers.

    def pattern(self) -> Pattern:
        expression = self.followed_by()
        if self.kinds[self.position] != "end":
            raise self.unexpected("AND, OR, FOLLOWEDBY, a qualifier or the end")
        return Pattern(expression)

    def followed_by(self) -> Expression:
        first = self.any_of()
        if self.kinds[self.position] != "FOLLOWEDBY":
            return first
        operands = [first]
        while self.kinds[self.position] == "FOLLOWEDBY":
            self.position += 1
            operands.append(self.any_of())
        return ObservationJunction("FOLLOWEDBY", tuple(operands))

    def any_of(self) -> Expression:
        first = self.all_of()
        if self.kinds[self.position] != "OR":
            return first
        operands = [first]
        while self.kinds[self.position] == "OR":
            self.position += 1
            operands.append(self.all_of())
        return ObservationJunction("OR", tuple(operands))

    def all_of(self) -> Expression:
        first = self.observation()
        if self.kinds[self.position] != "AND":
            return first
        operands = [first]
        while self.kinds[self.position] == "AND":
            self.position += 1
            operands.append(self.observation())
        return ObservationJunction("AND", tuple(operands))

    def observation(self) -> Expression:
        kind = self.kinds[self.position]
        expression: Expression
        if kind == "[":
            self.position += 1
            expression = Observation(self.test())
            self.expect("]", "AND, OR or ]")
        elif kind == "(":
            self.open()
            expression = self.followed_by()
            self.close()
        else:
            raise self.unexpected("an observation in square brackets")
        if self.kinds[self.position] not in _QUALIFIERS:
            return expression
        qualifiers: list[Qualifier] = []
        while self.kinds[self.position] in _QUALIFIERS:
            start = self.position
            qualifier = self.qualifier()
            # The OASIS validator refuses a kind of qualifier twice on a bare observation, not on a group.
            if kind == "[" and any(qualifier.kind == other.kind for other in qualifiers):
                raise self.error(f"{qualifier.kind} stands twice on one observation", start)
            qualifiers.append(qualifier)
        return Qualified(expression, tuple(qualifiers))

    def qualifier(self) -> Qualifier:
        kind = self.token(self.position)
        self.position += 1
        if kind == "START":
            start = self.moment()
            self.expect("STOP")
            return Qualifier("START", (start, self.moment()))
        position = self.position
        number = self.expect("number", "a number")
        value = shortest_number(number)
        if kind == "WITHIN":
            self.expect("SECONDS")
            if value == "0" or number[0] == "-":
                raise self.error("WITHIN takes a number of seconds above 0", position)
            return Qualifier("WITHIN", (value,))
        self.expect("TIMES")
        if value == "0" or number[0] == "-" or "." in number:
            raise self.error("REPEATS takes a whole number above 0", position)
        if len(value) > 2 or int(value) > MAX_REPEATS:
            raise self.error(f"REPEATS is over {MAX_REPEATS}; a volume belongs into a counter", position)
        return Qualifier("REPEATS", (value,))

    def moment(self) -> str:
        position = self.position
        return self.timestamp(self.expect("timestamp", _A_TIMESTAMP), position)

    def timestamp(self, token: str, position: int) -> str:
        match = _TIMESTAMP.fullmatch(token, 2, len(token) - 1)
        if match is None:
            raise self.error(f"{_A_TIMESTAMP} is expected, not {_shown(token)}", position)
        year, month, day = map(int, match.groups())
        if day > 28 and day > calendar.monthrange(year, month)[1]:
            raise self.error("this day does not exist", position)
        body = token[2:-2]
        return (body.rstrip("0").rstrip(".") if "." in body else body) + "Z"

    def binary(self, token: str, position: int) -> str:
        digits = token[2:-1].replace("\n", "")  # to be ignored (STIX 2.1 §9.2)
        if not _BASE64.fullmatch(digits):
            raise self.error("base64 such as b'Cv8=' is expected", position)
        # Decoded and encoded again, so that unused bits of the last digit are 0.
        return base64.b64encode(base64.b64decode(digits)).decode()

    # Comparison expressions: OR binds less than AND.

    def test(self) -> Test:
        first = self.test_all()
        if self.kinds[self.position] != "OR":
            return first
        operands = [first]
        while self.kinds[self.position] == "OR":
            self.position += 1
            operands.append(self.test_all())
        return Junction("OR", tuple(operands))

    def test_all(self) -> Test:
        first = self.comparison()
        if self.kinds[self.position] != "AND":
            return first
        operands = [first]
        while self.kinds[self.position] == "AND":
            self.position += 1
            operands.append(self.comparison())
        return Junction("AND", tuple(operands))

    def comparison(self) -> Test:
        position = self.position
        kinds = self.kinds
        kind = kinds[position]
        if kind == "(":
            self.open()
            inner = self.test()
            self.close()
            return inner
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            raise self.error(f"it holds more than {MAX_COMPARISONS} comparisons")
        if kind == "test":
            self.position = position + 1
            match = self.matches[position]
            written, operator, string, number = match.group(*_TEST_GROUPS)
            if string is None:
                constant = Literal("number", shortest_number(number), match.start(_TEST_GROUPS[3]))
            else:
                constant = Literal("string", _unquote(string), match.start(_TEST_GROUPS[2]))
            path = _path(written, self.text, match.start(_TEST_GROUPS[0]))
            return Comparison(path, _EQUALITY.get(operator, operator), (constant,))
        if kind == "EXISTS" or (kind == "NOT" and kinds[position + 1] == "EXISTS"):
            self.position += 1 if kind == "EXISTS" else 2
            return Comparison(self.path(), "EXISTS", (), kind == "NOT")
        path = self.path()
        negated = kinds[self.position] == "NOT"
        if negated:
            self.position += 1
        operator = kinds[self.position]
        self.position += 1
        values: tuple[Literal, ...]
        if operator in _EQUALITY:
            operator = _EQUALITY[operator]
            values = (self.literal(),)
        elif operator == "IN":
            values = self.literals()
        elif operator in _ORDER:
            if kinds[self.position] in ("true", "false"):
                raise self.error("true and false have no order")
            values = (self.literal(),)
        elif operator in _TEXTUAL:
            values = (self.literal(),)
            if values[0].kind != "string":
                raise self.error(f"{operator} takes a string", self.position - 1)
            if operator == "MATCHES":
                self.check_regex(values[0].text)
        else:
            self.position -= 1
            raise self.unexpected("a comparison operator")
        return Comparison(path, operator, values, negated)

    def check_regex(self, text: str) -> None:
        if len(text) > MAX_REGEX:
            raise self.error(
                f"the regular expression is longer than {MAX_REGEX} characters", self.position - 1
            )
        fault = regex.fault(text)
        if fault:
            raise self.error(f"this is not a regular expression: {fault}", self.position - 1)

    def literals(self) -> tuple[Literal, ...]:
        self.expect("(", "a set in parentheses")
        if self.kinds[self.position] == ")":
            self.position += 1
            return ()
        values = [self.literal()]
        while self.kinds[self.position] == ",":
            self.position += 1
            values.append(self.literal())
        self.expect(")", "a comma or a closing parenthesis")
        return tuple(values)

    def literal(self) -> Literal:
        position = self.position
        kind, token = self.kinds[position], self.token(position)
        if kind not in _LITERALS:
            raise self.unexpected("a value (a string stands in single quotes)")
        self.position = position + 1
        at = self.start(position)
        if kind == "string":
            return Literal("string", _unquote(token), at)
        if kind == "number":
            return Literal("number", shortest_number(token), at)
        if kind == "timestamp":
            return Literal("timestamp", self.timestamp(token, position), at)
        if kind == "hex":
            if not _HEXADECIMAL.fullmatch(token, 2, len(token) - 1):
                raise self.error("pairs of hexadecimal digits such as h'0aff' are expected", position)
            return Literal("binary", base64.b64encode(bytes.fromhex(token[2:-1])).decode(), at)
        if kind == "binary":
            return Literal("binary", self.binary(token, position), at)
        return Literal("boolean", token, at)

    # Object paths. One without white space is one token; the loop takes up what stands apart.

    def path(self) -> Path:
        kind = self.kinds[self.position]
        steps: list[str | int | None]
        if kind == "path":
            whole = _path(self.token(self.position), self.text, self.start(self.position))
            self.position += 1
            if self.kinds[self.position] not in (".", "["):
                return whole
            object_type, steps = whole.object_type, [*whole.steps]
        else:
            object_type = self.expect("word", "an object path such as ipv4-addr:value")
            self.expect(":", "a colon after the object type")
            steps = [self.key()]
        while True:
            kind = self.kinds[self.position]
            if kind == ".":
                self.position += 1
                steps.append(self.key())
            elif kind == "[":
                self.position += 1
                if self.kinds[self.position] == "*":
                    self.position += 1
                    steps.append(None)
                else:
                    at = self.start(self.position)
                    number = self.expect("number", "an index or *")
                    if "." in number or number[0] == "-":
                        raise PatternError("an index is a whole number from 0", self.text, at)
                    steps.append(_index(number, self.text, at))
                self.expect("]")
            else:
                return Path(object_type, tuple(steps))

    def key(self) -> str:
        kind, token = self.kinds[self.position], self.token(self.position)
        if kind == "string":
            self.position += 1
            return _unquote(token)
        if kind == "word" and "-" in token:
            raise self.error("a property with a hyphen stands in single quotes")
        return self.expect("word", "a property name")


def _path(written: str, text: str, at: int) -> Path:
    """The path that stands in the pattern `text` at offset `at`, without white space."""
    object_type, _, rest = written.partition(":")
    steps: list[str | int | None]
    if "'" in rest or "[" in rest:
        steps = []
        for word, string, index in _STEPS.findall(rest):
            if index:
                steps.append(None if index == "*" else _index(index, text, at))
            else:
                # A quoted key is no keyword, so it keeps its quotes until that is checked.
                steps.append(word or string)
    else:
        steps = [*rest.split(".")]
    if object_type in KEYWORDS or not KEYWORDS.isdisjoint(steps):
        if object_type not in KEYWORDS:
            first = next(step for step in _STEPS.finditer(rest) if step[1] in KEYWORDS)
            at += len(object_type) + 1 + first.start(1)
        raise PatternError("a keyword stands in an object path; quote it", text, at)
    if "'" in rest:
        steps = [_unquote(step) if isinstance(step, str) and step[0] == "'" else step for step in steps]
    return Path(object_type, tuple(steps))


def _index(number: str, text: str, at: int) -> int:
    if len(number) > MAX_INDEX_DIGITS:
        raise PatternError(f"an index has more than {MAX_INDEX_DIGITS} digits", text, at)
    return int(number)


def _unquote(token: str) -> str:
    body = token[1:-1]
    return re.sub(r"\\(.)", r"\1", body, flags=re.DOTALL) if "\\" in body else body


def _shown(token: str) -> str:
    """A token as an error may quote it: short, and nothing in it that cannot be seen."""
    cut = token if len(token) <= 24 else token[:21] + "..."
    return cut if cut.isprintable() else "".join(c if c.isprintable() else f"U+{ord(c):04X}" for c in cut)
