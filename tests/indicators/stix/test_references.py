"""What an object refers to is found at any depth, and can be replaced."""

from __future__ import annotations

from typing import Any

from indicators.stix.references import references, rewrite

A, B, C, D = (f"malware--0000000{n}-0000-4000-8000-000000000000" for n in range(4))
OWN = "report--00000009-0000-4000-8000-000000000000"


def _report() -> dict[str, Any]:
    return {
        "id": OWN,
        "created_by_ref": B,
        "object_refs": [A, B, OWN, "not an id", 3],
        "granular_markings": [{"marking_ref": C, "selectors": ["name"]}],
        "extensions": {"extension-definition--x": {"deep": [[{"some_refs": [D]}]], "x_ref": {"y_ref": A}}},
        "description": A,
        "pattern": [A],
    }


def test_references_are_found_in_order_once_each_without_the_own_id() -> None:
    assert references(_report()) == (B, A, C, D)


def test_an_object_without_references_has_none() -> None:
    assert references({"id": OWN, "name": "x"}) == ()


def test_references_are_replaced_and_nothing_else() -> None:
    before = _report()

    after = rewrite(before, {A: D, C: B, OWN: A})

    assert references(after) == (B, D, A)
    assert (after["id"], after["description"], after["pattern"]) == (OWN, A, [A])
    assert before == _report()
    assert rewrite(before, {}) == before
