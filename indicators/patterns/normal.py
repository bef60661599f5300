"""The canonical form of a pattern, and what can be read off it (model.md, "Canonical patterns").

Canonical form is a fixed point and does not depend on the order of what has no order. There is no
disjunctive-normal-form expansion: where in doubt, two patterns stay apart.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType

from indicators.patterns import values
from indicators.patterns.errors import PatternError
from indicators.patterns.parser import KEPT_UP_TO, KEYWORDS, MAX_BYTES, parse
from indicators.patterns.tree import (
    Comparison,
    Expression,
    Literal,
    Observation,
    Path,
    Qualified,
    Qualifier,
    Test,
)

_NORMALISED = frozenset(("=", "!=", "IN", "ISSUBSET", "ISSUPERSET"))

# The projection `core` of clients.md rule 19 carries these.
CORE_TYPES = frozenset(
    (
        "autonomous-system",
        "domain-name",
        "email-addr",
        "email-message",
        "file",
        "ipv4-addr",
        "ipv6-addr",
        "url",
        "user-account",
    )
)


def canonical(text: str) -> str:
    """The canonical form of a STIX pattern.

    Raises PatternError for one that is wrong or beyond the bounds.
    """
    return canonical_and_types(text)[0]


def canonical_and_types(text: str) -> tuple[str, frozenset[str]]:
    """`canonical` and `object_types` by one parse."""
    return _kept_normal(text) if len(text) <= KEPT_UP_TO else _canonical_and_types(text)


def _canonical_and_types(text: str) -> tuple[str, frozenset[str]]:
    expression = parse(text).expression
    normal = _expression(expression, text).text
    if len(normal) * 4 > MAX_BYTES and len(normal.encode()) > MAX_BYTES:
        # Its spaces can make the canonical form longer than what was sent; it must itself be a pattern we
        # accept.
        raise PatternError(f"its canonical form is longer than {MAX_BYTES} bytes")
    return normal, _object_types(expression)


_kept_normal = lru_cache(maxsize=2048)(_canonical_and_types)


def core_observable(text: str) -> tuple[str, str] | None:
    """(object path, value) if the pattern is one `=` on a standard type, unqualified; else None.

    Path and value are in normal form, the value unquoted. Raises PatternError as `canonical` does.
    """
    expression = parse(text).expression
    if not isinstance(expression, Observation) or not isinstance(expression.test, Comparison):
        return None
    test = expression.test
    if test.path.object_type not in CORE_TYPES or len(test.values) != 1:
        return None
    twice_negated = test.negated and test.operator == "!=" and None not in test.path.steps
    if not twice_negated and (test.negated or test.operator not in ("=", "IN")):
        return None
    path, steps = _path(test.path)
    return path, _value(test, test.values[0], steps, text)


def observables(text: str) -> tuple[tuple[str, str], ...]:
    """What a pattern watches for: (object path, value) of each `=`, IN, ISSUBSET and ISSUPERSET, once each, sorted.

    Path and value are in normal form, the value unquoted; a network is written with its prefix. What a pattern
    excludes (`!=`, NOT IN) is not there, nor is what only a regular expression or LIKE tells. Raises PatternError
    as `canonical` does.
    """
    return _kept(text) if len(text) <= KEPT_UP_TO else _observables(text)


def _observables(text: str) -> tuple[tuple[str, str], ...]:
    found: set[tuple[str, str]] = set()
    for test in _comparisons(parse(text).expression):
        if test.operator in _NORMALISED and test.negated == (test.operator == "!="):
            path, steps = _path(test.path)
            found.update((path, _value(test, literal, steps, text)) for literal in test.values)
    return tuple(sorted(found))


# What an indicator is found by and what allow-lists watch for ask for the same.
_kept = lru_cache(maxsize=2048)(_observables)


def object_types(text: str) -> frozenset[str]:
    """The object types that a pattern's paths start from. Raises PatternError for a wrong pattern."""
    return _object_types(parse(text).expression)


def _object_types(expression: Expression) -> frozenset[str]:
    return frozenset(test.path.object_type for test in _comparisons(expression))


def _comparisons(expression: Expression) -> Iterator[Comparison]:
    """All comparisons of a pattern, in no order."""
    left: list[Expression | Test] = [expression]
    while left:
        node = left.pop()
        if isinstance(node, Comparison):
            yield node
        elif isinstance(node, Observation):
            left.append(node.test)
        elif isinstance(node, Qualified):
            left.append(node.expression)
        else:
            left.extend(node.operands)


# --- Inside one observation


_NONE: Mapping[str, set[str]] = MappingProxyType({})


class _Test:
    """A normal test. For AND `parts` are its operands; for OR `equal` (path → values) and `parts` are."""

    __slots__ = ("equal", "operator", "parts", "text")

    def __init__(
        self, operator: str, text: str, parts: Collection[str] = (), equal: Mapping[str, set[str]] = _NONE
    ) -> None:
        self.operator = operator
        self.text = text
        self.parts = parts
        self.equal = equal


def _test(node: Test, text: str) -> _Test:
    if isinstance(node, Comparison):
        return _comparison(node, text)
    normal = [_test(operand, text) for operand in node.operands]
    return _any(normal) if node.operator == "OR" else _all(normal)


def _comparison(node: Comparison, text: str) -> _Test:
    path, steps = _path(node.path)
    operator, negated = node.operator, node.negated
    if operator == "EXISTS":
        written = f"NOT EXISTS {path}" if negated else f"EXISTS {path}"
        return _Test("", written)
    literals = [_literal(node, value, steps, text) for value in node.values]
    if operator == "IN" and len(distinct := set(literals)) != 1:
        if not negated:
            return _Test("OR", _equal(path, distinct), (), {path: distinct})
        literals = [f"({', '.join(sorted(distinct))})"]
    else:
        if operator == "IN":
            operator = "="
        # NOT denies the whole comparison: `p[*] NOT = 1` says that no item is 1, `p[*] != 1` that one is not.
        if negated and operator in ("=", "!=") and None not in steps:
            operator, negated = "!=" if operator == "=" else "=", False
        if operator == "=" and not negated:
            return _Test("OR", _equal(path, {literals[0]}), (), {path: {literals[0]}})
    written = f"{path} NOT {operator} {literals[0]}" if negated else f"{path} {operator} {literals[0]}"
    return _Test("", written)


def _equal(path: str, literals: set[str]) -> str:
    if len(literals) == 1:
        (literal,) = literals
        return f"{path} = {literal}"
    return f"{path} IN ({', '.join(sorted(literals))})"


def _any(operands: Iterable[_Test]) -> _Test:
    equal: dict[str, set[str]] = {}
    others: dict[str, _Test] = {}
    for operand in operands:
        for path, literals in operand.equal.items():
            equal.setdefault(path, set()).update(literals)
        if operand.operator == "OR":
            others.update((part, operand) for part in operand.parts)
        else:
            others[operand.text] = operand
    written = {*others, *(_equal(path, literals) for path, literals in equal.items())}
    if len(written) == 1 and not equal:
        # All operands were one and the same, which may be an AND that its parent can flatten.
        (only,) = others.values()
        return only
    return _Test("OR", " OR ".join(sorted(written)), others.keys(), equal)


def _all(operands: Iterable[_Test]) -> _Test:
    parts: dict[str, _Test] = {}
    for operand in operands:
        if operand.operator == "AND":
            parts.update((part, operand) for part in operand.parts)
        elif operand.operator == "OR" and len(operand.parts) + len(operand.equal) > 1:
            parts[f"({operand.text})"] = operand
        else:
            parts[operand.text] = operand
    if len(parts) == 1:
        (only,) = parts.values()
        return only
    return _Test("AND", " AND ".join(sorted(parts)), parts.keys())


def _path(path: Path) -> tuple[str, tuple[str | int | None, ...]]:
    """The path's normal text and steps; the name of a hash algorithm is spelt as STIX spells it."""
    steps = path.steps
    if "hashes" in steps and len(steps) > 1:
        steps = tuple(
            values.hash_name(step)
            if index and isinstance(step, str) and steps[index - 1] == "hashes"
            else step
            for index, step in enumerate(steps)
        )
    written = [path.object_type, ":"]
    for index, step in enumerate(steps):
        if step is None:
            written.append("[*]")
        elif isinstance(step, int):
            written.append(f"[{step}]")
        else:
            if index:
                written.append(".")
            # For ASCII, Python's identifiers are the patterning grammar's.
            plain = step.isascii() and step.isidentifier() and step not in KEYWORDS
            written.append(step if plain else _quote(step))
    return "".join(written), steps


def _value(node: Comparison, literal: Literal, steps: tuple[str | int | None, ...], text: str) -> str:
    value = literal.text
    if node.operator not in _NORMALISED:
        return value
    if node.path.object_type == "autonomous-system" and steps == ("number",):
        fits = literal.kind == "number" and value.isdigit() and len(value) <= 10 and int(value) <= 0xFFFFFFFF
        if not fits:
            raise PatternError(
                "the number of an autonomous system is a whole number below 2^32", text, literal.at
            )
        return value
    normal = values.normaliser(node.path.object_type, steps)
    if normal is None:
        return value
    if literal.kind != "string":
        raise PatternError("this property is compared with a string", text, literal.at)
    try:
        return normal(value)
    except ValueError as error:
        raise PatternError(str(error), text, literal.at) from None


def _literal(node: Comparison, literal: Literal, steps: tuple[str | int | None, ...], text: str) -> str:
    value = _value(node, literal, steps, text)
    kind = literal.kind
    if kind == "string":
        return _quote(value)
    if kind == "timestamp":
        return f"t'{value}'"
    if kind == "binary":
        # The OASIS validator does not read b''.
        return f"b'{value}'" if value else "h''"
    return value


def _quote(value: str) -> str:
    if "\\" in value or "'" in value:
        value = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{value}'"


# --- Between observations


@dataclass(slots=True)
class _Node:
    """A normal observation expression; `operator` is empty for `[test]` and "Q" under qualifiers.

    `test` is the one observation of `[test]`, or that among the operands of an OR; `parts` are the other
    operands.
    """

    operator: str
    text: str
    test: _Test | None = None
    parts: tuple["_Node", ...] = ()
    qualifiers: tuple[Qualifier, ...] = ()


def _expression(node: Expression, text: str) -> _Node:
    if isinstance(node, Observation):
        test = _test(node.test, text)
        return _Node("", f"[{test.text}]", test)
    if isinstance(node, Qualified):
        return _qualified(_expression(node.expression, text), node.qualifiers)
    operands = [_expression(operand, text) for operand in node.operands]
    if node.operator == "OR":
        return _either(operands)
    parts: list[_Node] = []
    for operand in operands:
        if operand.operator == node.operator:
            parts.extend(operand.parts)
        else:
            parts.append(operand)
    if node.operator == "FOLLOWEDBY":
        return _Node("FOLLOWEDBY", " FOLLOWEDBY ".join(part.text for part in parts), parts=tuple(parts))
    written = (f"({part.text})" if part.operator in ("OR", "FOLLOWEDBY") else part.text for part in parts)
    return _Node("AND", " AND ".join(sorted(written)), parts=tuple(parts))


def _either(operands: Iterable[_Node]) -> _Node:
    tests: list[_Test] = []
    parts: dict[str, _Node] = {}
    for operand in operands:
        if operand.test is not None:
            tests.append(operand.test)
        for part in (
            operand.parts if operand.operator == "OR" else () if operand.operator == "" else (operand,)
        ):
            parts[f"({part.text})" if part.operator == "FOLLOWEDBY" else part.text] = part
    test = _any(tests) if tests else None
    if test is None and len(parts) == 1:
        (only,) = parts.values()
        return only
    if test is not None and not parts:
        return _Node("", f"[{test.text}]", test)
    written = [*parts] if test is None else [*parts, f"[{test.text}]"]
    return _Node("OR", " OR ".join(sorted(written)), test, tuple(parts.values()))


def _qualified(node: _Node, added: tuple[Qualifier, ...]) -> _Node:
    added = tuple(
        qualifier for qualifier in added if qualifier.kind != "REPEATS" or qualifier.values != ("1",)
    )
    if not added:
        return node
    base = node
    if node.operator == "Q":
        (base,) = node.parts
        added = node.qualifiers + added
    text = base.text
    # One observation takes each kind of qualifier once; in parentheses it takes it again.
    if base.operator or len({qualifier.kind for qualifier in added}) < len(added):
        text = f"({text})"
    return _Node("Q", " ".join((text, *map(_qualifier, added))), parts=(base,), qualifiers=added)


def _qualifier(qualifier: Qualifier) -> str:
    if qualifier.kind == "WITHIN":
        return f"WITHIN {qualifier.values[0]} SECONDS"
    if qualifier.kind == "REPEATS":
        return f"REPEATS {qualifier.values[0]} TIMES"
    return f"START t'{qualifier.values[0]}' STOP t'{qualifier.values[1]}'"
