"""The distillation profile: five extensions of STIX 2.1 and their schemas (docs/model.md, "The profile").

The files under `schemas/distillation/` give `PLACEHOLDER` as their address. Inside the service that is only a name;
where schemas and definitions go out, the deployment's own URL stands in its place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Any, NamedTuple

PLACEHOLDER = "https://example.org/stix/distillation/schemas"
NEW_SCO, PROPERTY_EXTENSION = "new-sco", "property-extension"


class Extension(NamedTuple):
    """One of the five: `kind` is its extension type, `types` the object types on which it may stand."""

    id: str
    name: str
    kind: str
    types: tuple[str, ...]
    schema: str

    @property
    def uri(self) -> str:
        """The `$id` of its schema inside the service."""
        return f"{PLACEHOLDER}/{self.schema}"


@cache
def extensions() -> Mapping[str, Extension]:
    """The five by the id of their definition, in order of id."""
    found = {}
    for definition in _definitions():
        name, (kind,) = definition["name"], definition["extension_types"]
        schema = definition["schema"].removeprefix(f"{PLACEHOLDER}/")
        types = (name,) if kind == NEW_SCO else tuple(documents()[schema]["properties"]["type"]["enum"])
        found[definition["id"]] = Extension(definition["id"], name, kind, types, schema)
    return found


@cache
def observables() -> Mapping[str, Extension]:
    """The extensions that define a cyber-observable, by its type."""
    return {one.name: one for one in extensions().values() if one.kind == NEW_SCO}


@cache
def documents() -> Mapping[str, dict[str, Any]]:
    """The schemas by file name, with the placeholder as their address; not to be changed."""
    return {name: json.loads(_texts()[name]) for name in _texts()}


def schema(name: str, schemas_url: str) -> bytes | None:
    """A schema as it is served below `schemas_url` (without a slash at its end); None if there is none."""
    text = _texts().get(name)
    return None if text is None else text.replace(PLACEHOLDER, schemas_url).encode()


def definitions(*, schemas_url: str, created_by_ref: str) -> list[dict[str, Any]]:
    """The extension definitions of a deployment: under its URL, by its publisher."""
    return [
        {
            **definition,
            "schema": definition["schema"].replace(PLACEHOLDER, schemas_url),
            "created_by_ref": created_by_ref,
        }
        for definition in _definitions()
    ]


@cache
def _definitions() -> tuple[dict[str, Any], ...]:
    found = sorted((_data() / "extension-definitions").iterdir(), key=lambda file: file.name)
    return tuple(json.loads(file.read_text("utf-8")) for file in found)


@cache
def _texts() -> Mapping[str, str]:
    found = sorted(_data().iterdir(), key=lambda file: file.name)
    return {file.name: file.read_text("utf-8") for file in found if file.name.endswith(".json")}


def _data() -> Traversable:
    return files("indicators.stix") / "schemas" / "distillation"
