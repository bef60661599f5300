"""The Traffic Light Protocol in STIX: TLP 2.0 by its official marking definitions, TLP 1.0 mapped onto it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from functools import cache
from typing import Any

from indicators.stix.canonical import canonical

TLP_2_EXTENSION_ID = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"


class TLP(IntEnum):
    """A TLP 2.0 level; the higher, the more restrictive."""

    CLEAR = 0
    GREEN = 1
    AMBER = 2
    AMBER_STRICT = 3
    RED = 4

    @property
    def label(self) -> str:
        """As TLP 2.0 writes it in lower case: `amber+strict`."""
        return self.name.lower().replace("_", "+")

    @classmethod
    def parse(cls, text: str) -> TLP:
        """The level that a text such as `amber+strict`, `TLP:RED` or `white` names; else ValueError."""
        name = text.strip().lower().removeprefix("tlp").lstrip(":_- ").replace("_", "+").replace("-", "+")
        level = _BY_LABEL.get(name)
        if level is None:
            raise ValueError(f"{text[:40]!r} is not a TLP level")
        return level


_BY_LABEL = {level.label: level for level in TLP} | {"white": TLP.CLEAR}
_TLP_2_IDS = {
    TLP.CLEAR: "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    TLP.GREEN: "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    TLP.AMBER: "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    TLP.AMBER_STRICT: "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    TLP.RED: "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
_TLP_1_COLOURS = {TLP.CLEAR: "white", TLP.GREEN: "green", TLP.AMBER: "amber", TLP.RED: "red"}
#: Level by the id of its marking definition, TLP 2.0 and TLP 1.0 (STIX 2.1 §7.2.1.4) alike.
LEVELS: Mapping[str, TLP] = {marking: level for level, marking in _TLP_2_IDS.items()} | {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": TLP.CLEAR,
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": TLP.GREEN,
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": TLP.AMBER,
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": TLP.RED,
}


def marking_id(tlp: TLP) -> str:
    """The id of the TLP 2.0 marking definition of a level."""
    return _TLP_2_IDS[tlp]


def effective(obj: Mapping[str, Any]) -> TLP | None:
    """The most restrictive level that marks the object or any part of it; None when no TLP marking does."""
    found: TLP | None = None
    refs = obj.get("object_marking_refs")
    if type(refs) is list:
        for ref in refs:
            found = _stricter(found, ref)
    granular = obj.get("granular_markings")
    if type(granular) is list:
        for marking in granular:
            if type(marking) is dict:
                found = _stricter(found, marking.get("marking_ref"))
    return found


def _stricter(found: TLP | None, ref: Any) -> TLP | None:
    level = LEVELS.get(ref) if type(ref) is str else None
    return found if level is None or (found is not None and found > level) else level


@cache
def _definitions() -> tuple[bytes, ...]:
    # The author of the extension, so that its `created_by_ref` leads somewhere.
    author = {
        "type": "identity",
        "spec_version": "2.1",
        "id": "identity--b3bca3c2-1f3d-4b54-b44f-dac42c3a8f01",
        "created": "2021-01-01T00:00:01.000Z",
        "modified": "2021-01-01T00:00:01.000Z",
        "name": "Cybersecurity and Infrastructure Security Agency",
        "identity_class": "organization",
        "sectors": ["government-national"],
    }
    extension = {
        "type": "extension-definition",
        "spec_version": "2.1",
        "id": TLP_2_EXTENSION_ID,
        "created": "2022-10-01T00:00:00.000Z",
        "modified": "2022-10-01T00:00:00.000Z",
        "created_by_ref": "identity--b3bca3c2-1f3d-4b54-b44f-dac42c3a8f01",
        "name": "TLP 2.0",
        "description": "This defines TLP 2.0 as a STIX extension",
        "schema": (
            "https://github.com/oasis-open/cti-stix-common-objects/tree/master/"
            "extension-definition-specifications/tlp-2.0"
        ),
        "version": "1.0.0",
        "extension_types": ["property-extension"],
    }
    markings = [
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": marking_id(level),
            "created": "2022-10-01T00:00:00.000Z",
            "name": f"TLP:{level.label.upper()}",
            "extensions": {
                TLP_2_EXTENSION_ID: {"extension_type": "property-extension", "tlp_2_0": level.label}
            },
        }
        for level in TLP
    ]
    first_version = [
        {
            "type": "marking-definition",
            "spec_version": "2.1",
            "id": next(one for one, marked in LEVELS.items() if marked is level and one != marking_id(level)),
            "created": "2017-01-20T00:00:00.000Z",
            "definition_type": "tlp",
            "name": f"TLP:{colour.upper()}",
            "definition": {"tlp": colour},
        }
        for level, colour in _TLP_1_COLOURS.items()
    ]
    return tuple(canonical(definition) for definition in [author, extension, *markings, *first_version])


def definitions() -> list[bytes]:
    """Canonical bytes of the official marking definitions of TLP 2.0 and 1.0, after what they refer to."""
    return list(_definitions())
