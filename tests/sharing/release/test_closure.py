"""Order by reference (clients.md 18)."""

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sharing.release.closure import close

NAMES = [f"n{number}" for number in range(12)]
GRAPHS = st.dictionaries(
    st.sampled_from(NAMES), st.lists(st.sampled_from(NAMES), max_size=4, unique=True), max_size=len(NAMES)
)


def reachable(references: dict[str, list[str]], start: str) -> set[str]:
    found, front = set(), [start]
    while front:
        for target in references.get(front.pop(), ()):
            if target not in found:
                found.add(target)
                front.append(target)
    return found


@given(references=GRAPHS, standing=st.sets(st.sampled_from(NAMES)))
def test_what_can_stand_is_published_and_nothing_else(
    references: dict[str, list[str]], standing: set[str]
) -> None:
    closed = close(references, lambda asked: set(asked) & standing)

    able = {
        name
        for name in references
        if all(target in references or target in standing for target in {name} | reachable(references, name))
    }
    # A node outside that is reached stands by itself: what it refers to was looked at when it was published.
    assert set(closed.ordered) == able
    assert set(closed.missing) == set(references) - able
    assert len(closed.ordered) == len(set(closed.ordered))


@given(references=GRAPHS, standing=st.sets(st.sampled_from(NAMES)))
def test_nothing_refers_forward_except_within_a_circle(
    references: dict[str, list[str]], standing: set[str]
) -> None:
    closed = close(references, lambda asked: set(asked) & standing)

    place = {name: number for number, name in enumerate(closed.ordered)}
    for name, number in place.items():
        for target in references[name]:
            if target in place and place[target] > number:
                assert name in reachable(references, target)


@given(references=GRAPHS, standing=st.sets(st.sampled_from(NAMES)))
def test_what_waits_says_for_what(references: dict[str, list[str]], standing: set[str]) -> None:
    closed = close(references, lambda asked: set(asked) & standing)

    for name, targets in closed.missing.items():
        assert targets
        assert set(targets) <= set(references[name])
        assert all(target in closed.missing or target not in {*references, *standing} for target in targets)


@given(references=GRAPHS)
def test_what_stands_is_asked_for_once(references: dict[str, list[str]]) -> None:
    asked: list[set[str]] = []

    def held(names: Iterable[str]) -> set[str]:
        asked.append(set(names))
        return set()

    close(references, held)

    outside = {target for targets in references.values() for target in targets} - set(references)
    assert asked == ([outside] if outside else [])


def test_an_object_that_refers_to_itself_can_stand() -> None:
    assert close({"a": ["a"]}, lambda _: set()).ordered == ["a"]


def test_a_circle_stands_side_by_side() -> None:
    closed = close({"c": ["a"], "a": ["b"], "b": ["c"], "x": []}, lambda _: set())

    assert sorted(closed.ordered[:3]) == ["a", "b", "c"]


def test_a_long_chain_does_not_overflow() -> None:
    length = 50_000
    references = {f"n{number}": [f"n{number + 1}"] for number in range(length)} | {f"n{length}": []}

    closed = close(references, lambda _: set())
    blocked = close({**references, f"n{length}": ["absent"]}, lambda _: set())

    assert closed.ordered[0] == f"n{length}"
    assert len(blocked.missing) == length + 1
