"""Order by reference: whatever an object refers to stands before it (clients.md 18)."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Closure:
    """What can be published, in order, and for the rest the ids that it waits for."""

    ordered: list[str]
    missing: dict[str, list[str]]


def close(references: Mapping[str, Sequence[str]], held: Callable[[Iterable[str]], set[str]]) -> Closure:
    """Arrange candidates (id → ids that it refers to) so that nothing refers forward out of what stands.

    `held` tells which of some ids stand already; it is asked once. Objects that refer to each other in a circle are
    published side by side. Linear in the number of references.
    """
    outside = {target for targets in references.values() for target in targets if target not in references}
    standing = held(outside) if outside else set()
    missing: dict[str, list[str]] = {}
    dependants: dict[str, list[str]] = {}
    for candidate, targets in references.items():
        absent = [target for target in targets if target not in references and target not in standing]
        if absent:
            missing[candidate] = absent
        for target in targets:
            if target in references:
                dependants.setdefault(target, []).append(candidate)
    blocked = list(missing)
    while blocked:
        target = blocked.pop()
        for candidate in dependants.get(target, ()):
            if candidate not in missing:
                blocked.append(candidate)
            missing.setdefault(candidate, []).append(target)
    return Closure(_sorted(references, missing), missing)


def _sorted(references: Mapping[str, Sequence[str]], missing: Mapping[str, object]) -> list[str]:
    """Depth first without recursion; a circle is cut where it was entered."""
    ordered: dict[str, None] = {}
    entered: set[str] = set()
    for root in references:
        if root in missing or root in entered:
            continue
        entered.add(root)
        path = [(root, iter(references[root]))]
        while path:
            candidate, targets = path[-1]
            target = next(targets, None)
            if target is None:
                ordered[candidate] = None
                path.pop()
            elif target in references and target not in entered:
                entered.add(target)
                path.append((target, iter(references[target])))
    return list(ordered)
