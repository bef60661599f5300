"""The canonical form matches what the pattern matched: both are evaluated over random observations (STIX 2.1 §9)."""

import operator
from collections.abc import Callable, Iterator
from random import Random

from indicators.patterns import canonical, parse
from indicators.patterns.tree import Comparison, Expression, Observation, Qualified, Test

Observed = dict[str, int | list[int]]
Matches = set[frozenset[int]]

_ORDER: dict[str, Callable[[int, int], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">=": operator.ge,
}


def test_a_canonical_form_means_what_the_pattern_meant() -> None:
    random = Random(20261122)
    told_apart = 0
    for _ in range(2_000):
        text = _expression(random, 2)
        form = canonical(text)
        for _ in range(4):
            # The place in the list is the time in seconds.
            observations = [_observed(random) for _ in range(random.randrange(1, 5))]
            found = _matches(parse(text).expression, observations)
            assert found == _matches(parse(form).expression, observations), (text, form, observations)
            told_apart += bool(found)
    assert 1_000 < told_apart < 7_000


def _observed(random: Random) -> Observed:
    whole: Observed = {
        "p": random.randrange(3),
        "q": random.randrange(3),
        "l": [random.randrange(3) for _ in range(random.randrange(3))],
    }
    return {name: value for name, value in whole.items() if random.random() < 0.8}


def _expression(random: Random, depth: int) -> str:
    if depth == 0 or random.random() < 0.3:
        text = f"[{_test(random, 2)}]"
    else:
        joined = random.choice((" AND ", " OR ", " OR ", " FOLLOWEDBY "))
        text = joined.join(_expression(random, depth - 1) for _ in range(random.choice((2, 2, 3))))
        text = f"({text})"
    if random.random() < 0.2:
        text = f"({text}) {random.choice(('REPEATS 1 TIMES', 'REPEATS 2 TIMES', 'WITHIN 2 SECONDS'))}"
    return text


def _test(random: Random, depth: int) -> str:
    if depth and random.random() < 0.5:
        joined = random.choice((" AND ", " OR "))
        return "(" + joined.join(_test(random, depth - 1) for _ in range(random.choice((2, 2, 3)))) + ")"
    path = random.choice(("a:p", "a:q", "a:l[*]"))
    negated = random.choice(("", "", "NOT "))
    kind = random.randrange(4)
    if kind == 0:
        return f"{negated}EXISTS {path}"
    if kind == 1:
        values = ", ".join(str(random.randrange(3)) for _ in range(random.randrange(4)))
        return f"{path} {negated}IN ({values})"
    return f"{path} {negated}{random.choice(('=', '=', '!=', '<', '>='))} {random.randrange(3)}"


def _matches(expression: Expression, observations: list[Observed]) -> Matches:
    """Every set of observations that makes the expression true, each standing for one use of it."""
    if isinstance(expression, Observation):
        return {frozenset((at,)) for at, one in enumerate(observations) if _passes(expression.test, one)}
    if isinstance(expression, Qualified):
        found = _matches(expression.expression, observations)
        for qualifier in expression.qualifiers:
            if qualifier.kind == "REPEATS":
                found = _repeated(found, int(qualifier.values[0]))
            else:
                found = {used for used in found if max(used) - min(used) < float(qualifier.values[0])}
        return found
    first, *others = (_matches(operand, observations) for operand in expression.operands)
    for other in others:
        if expression.operator == "OR":
            first = first | other
        else:
            first = set(_both(first, other, in_order=expression.operator == "FOLLOWEDBY"))
    return first


def _repeated(found: Matches, times: int) -> Matches:
    repeated = found
    for _ in range(times - 1):
        repeated = set(_both(repeated, found, in_order=False))
    return repeated


def _both(first: Matches, second: Matches, *, in_order: bool) -> Iterator[frozenset[int]]:
    for one in first:
        for other in second:
            if not one & other and (not in_order or max(one) <= min(other)):
                yield one | other


def _passes(test: Test, observed: Observed) -> bool:
    if not isinstance(test, Comparison):
        results = (_passes(operand, observed) for operand in test.operands)
        return all(results) if test.operator == "AND" else any(results)
    name = test.path.steps[0]
    assert isinstance(name, str)
    if test.operator == "EXISTS":
        return (name in observed) != test.negated
    if name not in observed:
        return False
    held = observed[name]
    values = [int(value.text) for value in test.values]
    items = held if isinstance(held, list) else [held]
    if test.operator == "IN":
        result = any(item in values for item in items)
    else:
        result = any(_ORDER[test.operator](item, values[0]) for item in items)
    return result != test.negated
