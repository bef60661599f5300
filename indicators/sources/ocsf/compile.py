"""Makes `detection-finding-1.8.0.json` of OCSF's own export of its schema (NOTICE says where that comes from).

    python -m indicators.sources.ocsf.compile 1.8.0.json > indicators/sources/ocsf/detection-finding-1.8.0.json

One class, the profiles below, and every object that they reach, as one JSON Schema (2020-12). What schemas do not
check is left out: captions, descriptions, recommendations.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

VERSION = "1.8.0"
CLASS = "detection_finding"
PROFILES = frozenset(("osint", "security_control"))
#: Of the profile `incident`: the analyst's verdict, which the mapping reads.
ALSO = frozenset(("verdict", "verdict_id"))

_TYPES: Mapping[str, dict[str, Any]] = {
    "boolean_t": {"type": "boolean"},
    "float_t": {"type": "number"},
    "integer_t": {"type": "integer"},
    "json_t": {},
    "long_t": {"type": "integer"},
    "string_t": {"type": "string"},
}


def compiled(export: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of the class, of an export (version 2) of the whole of OCSF."""
    if export["version"] != VERSION:
        raise ValueError(f"the export is of OCSF {export['version']}, not {VERSION}")
    types = export["dictionary"]["types"]["attributes"]
    definitions: dict[str, Any] = {}
    root, reached = _object(export["classes"][CLASS], types)
    while reached:
        name = reached.pop()
        if name not in definitions:
            definitions[name], further = _object(export["objects"][name], types)
            reached |= further
    required = [name for name in root["required"] if name != "osint"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"https://schema.ocsf.io/schema/{VERSION}/classes/{CLASS}?profiles={','.join(sorted(PROFILES))}",
        "title": "OCSF Detection Finding",
        **root,
        "required": required,
        # What a profile requires, it requires of the findings that say they follow it.
        "if": {"properties": {"metadata": {"properties": {"profiles": {"contains": {"const": "osint"}}}}}},
        "then": {"required": ["osint"]},
        "$defs": {_key(name): definitions[name] for name in sorted(definitions)},
    }


def _object(said: Mapping[str, Any], types: Mapping[str, Any]) -> tuple[dict[str, Any], set[str]]:
    """The schema of a class or object, and the objects that it names."""
    properties: dict[str, Any] = {}
    required: list[str] = []
    reached: set[str] = set()
    for name, attribute in sorted(said["attributes"].items()):
        profiles = attribute.get("profiles")
        if profiles and PROFILES.isdisjoint(profiles) and name not in ALSO:
            continue
        if attribute["type"] == "object_t":
            reached.add(attribute["object_type"])
            schema: dict[str, Any] = {"$ref": f"#/$defs/{_key(attribute['object_type'])}"}
        else:
            schema = _value(attribute, types)
        properties[name] = {"type": "array", "items": schema} if attribute.get("is_array") else schema
        if attribute["requirement"] == "required":
            required.append(name)
    found: dict[str, Any] = {"type": "object"}
    if properties:
        found["properties"] = properties
    if required:
        found["required"] = required
    constraints = said.get("constraints") or {}
    for word, keyword in (("at_least_one", "anyOf"), ("just_one", "oneOf")):
        if constraints.get(word):
            found[keyword] = [{"required": [name]} for name in sorted(constraints[word])]
    return found, reached


def _value(attribute: Mapping[str, Any], types: Mapping[str, Any]) -> dict[str, Any]:
    kind = types[attribute["type"]]
    schema = dict(_TYPES[kind.get("type", attribute["type"])])
    if attribute.get("enum"):
        whole = schema["type"] == "integer"
        schema["enum"] = sorted(int(value) if whole else value for value in attribute["enum"])
    if "max_len" in kind:
        schema["maxLength"] = kind["max_len"]
    if "range" in kind:
        schema["minimum"], schema["maximum"] = kind["range"]
    if "regex" in kind:
        schema["pattern"] = kind["regex"]
    return schema


def _key(name: str) -> str:
    return name.replace("/", ".")


if __name__ == "__main__":
    sys.stdout.write(json.dumps(compiled(json.loads(Path(sys.argv[1]).read_text("utf-8"))), indent=1) + "\n")
