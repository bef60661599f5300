"""What a STIX pattern says, as frozen values (STIX 2.1 §9)."""

from dataclasses import dataclass, field
from typing import Literal as Choice


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant.

    `text` is unescaped for strings, base64 for binary (hex too), shortest for numbers and times. `at` is its
    offset in the pattern, for errors.
    """

    kind: Choice["string", "number", "boolean", "timestamp", "binary"]
    text: str
    at: int = field(default=0, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Path:
    """An object path. A step is a property or key (str), an index (int) or `[*]` (None)."""

    object_type: str
    steps: tuple[str | int | None, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One test of one path.

    `operator` is as in STIX with `=` and `!=`, or EXISTS (no values); only IN has several.
    """

    path: Path
    operator: str
    values: tuple[Literal, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Junction:
    """Comparisons joined by AND or OR within one observation; at least two operands."""

    operator: Choice["AND", "OR"]
    operands: tuple["Test", ...]


@dataclass(frozen=True, slots=True)
class Observation:
    """`[test]`: one observation that passes the test."""

    test: "Test"


@dataclass(frozen=True, slots=True)
class ObservationJunction:
    """Observation expressions joined by AND, OR or FOLLOWEDBY; at least two operands."""

    operator: Choice["AND", "OR", "FOLLOWEDBY"]
    operands: tuple["Expression", ...]


@dataclass(frozen=True, slots=True)
class Qualifier:
    """WITHIN (seconds), REPEATS (times) or START (start, stop); `values` are in their shortest form."""

    kind: Choice["WITHIN", "REPEATS", "START"]
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Qualified:
    """An observation expression with the qualifiers applied to it, innermost first."""

    expression: "Expression"
    qualifiers: tuple[Qualifier, ...]


Test = Comparison | Junction
Expression = Observation | ObservationJunction | Qualified


@dataclass(frozen=True, slots=True)
class Pattern:
    """A whole pattern."""

    expression: Expression
