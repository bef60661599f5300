"""The TLP level an object gives itself, by its marking references (STIX 2.1 §7.2.1.4; OASIS TLP 2.0)."""

from collections.abc import Mapping

from sharing.tlog.statements import TLP_LEVELS

_LEVELS = {
    # TLP 2.0
    "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487": "clear",
    "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb": "green",
    "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421": "amber",
    "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003": "amber+strict",
    "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1": "red",
    # TLP 1.0, which STIX 2.1 itself defines
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
}


MARKINGS = {level: marking for marking, level in reversed(_LEVELS.items())}
"""The TLP 2.0 marking definition of each level."""


_RANK = {level: rank for rank, level in enumerate(TLP_LEVELS)}


def above(level: str, ceiling: str) -> bool:
    return _RANK[level] > _RANK[ceiling]


def effective_level(stix: Mapping[str, object]) -> str | None:
    """The most restrictive TLP marking of the object or of any part of it; None without any."""
    refs, granular = stix.get("object_marking_refs"), stix.get("granular_markings")
    refs = refs if isinstance(refs, list) else []
    if isinstance(granular, list):
        refs = [*refs, *(part.get("marking_ref") for part in granular if isinstance(part, dict))]
    levels = [_LEVELS[ref] for ref in refs if isinstance(ref, str) and ref in _LEVELS]
    return max(levels, key=_RANK.__getitem__) if levels else None
