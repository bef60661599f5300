"""What an object refers to: the values of `_ref` and `_refs` properties, at any depth."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_ID = re.compile(
    r"[a-z][a-z0-9-]*--[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}"
)


def references(obj: Mapping[str, Any]) -> tuple[str, ...]:
    """Every STIX id that an object refers to, in order, once each, without its own."""
    found: list[str] = []
    _collect(obj, found)
    own = obj.get("id")
    return tuple(dict.fromkeys(ref for ref in found if ref != own))


def rewrite(obj: Mapping[str, Any], mapping: Mapping[str, str]) -> dict[str, Any]:
    """A copy of an object in which each reference that `mapping` knows is replaced; its own id stays."""
    return {key: _rewritten(key, value, mapping) for key, value in obj.items()}


def _collect(obj: Mapping[str, Any], found: list[str]) -> None:
    for key, value in obj.items():
        kind = type(value)
        if kind is str:
            if key.endswith("_ref") and _ID.fullmatch(value):
                found.append(value)
        elif kind is dict:
            _collect(value, found)
        elif kind is list:
            if key.endswith("_refs"):
                found += [item for item in value if type(item) is str and _ID.fullmatch(item)]
            _collect_in_list(value, found)


def _collect_in_list(values: list[Any], found: list[str]) -> None:
    for value in values:
        kind = type(value)
        if kind is dict:
            _collect(value, found)
        elif kind is list:
            _collect_in_list(value, found)


def _rewritten(key: str, value: Any, mapping: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return mapping.get(value, value) if key.endswith("_ref") else value
    if isinstance(value, Mapping):
        return rewrite(value, mapping)
    if isinstance(value, list):
        refs = key.endswith("_refs")
        return [
            mapping.get(item, item) if refs and isinstance(item, str) else _rewritten("", item, mapping)
            for item in value
        ]
    return value
