"""What a finding must look like: OCSF's schema of the class, and the profile's for what `evidences[].data` holds."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, NamedTuple

import jsonschema_rs

from indicators.stix import profile, validation
from indicators.stix.json import Refused, pointer_token

VERSION = "1.8.0"
CLASS_UID = 2004
#: Of the observable `llm-api-activity`: what a window in `evidences[].data.llm_api_activity` says as it is.
WINDOW = (
    "provider",
    "cluster_id",
    "start",
    "end",
    "account_count",
    "exchange_count",
    "input_tokens",
    "output_tokens",
    "targeted_capabilities",
    "access_pathways",
)
#: Lists of observables that a window names.
_LISTS = ("models", "accounts", "payments", "prompts", "sources")


def check(finding: dict[str, Any]) -> tuple[str, ...]:
    """The places of what the schemas do not know, as JSON pointers; `Refused` unless the rest is as they say."""
    schemas = _schemas()
    if schemas.strict.is_valid(finding):
        return ()
    if not schemas.lenient.is_valid(finding):
        raise _refusal(schemas.lenient, finding)
    return tuple(_unknown("", finding, schemas.document))


def _refusal(schema: jsonschema_rs.Validator, finding: dict[str, Any]) -> Refused:
    fault = validation.first_fault(schema, finding)
    if fault is None:
        return Refused("invalid-finding", "", "it does not have the form of a Detection Finding")
    code, place, reason = fault
    if place.startswith("/evidences/") and place.split("/")[-2] in ("accounts", "payments"):
        return Refused(
            "not-blinded", place, "it must be blinded: 64 lower-case hexadecimal digits of `stillwatch blind`"
        )
    return Refused("invalid-finding" if code == "invalid-stix" else code, place, reason)


class _Schemas(NamedTuple):
    document: dict[str, Any]
    lenient: jsonschema_rs.Validator
    #: Refuses also what the document does not know.
    strict: jsonschema_rs.Validator


@cache
def _schemas() -> _Schemas:
    text = (files("indicators.sources.ocsf") / f"detection-finding-{VERSION}.json").read_text("utf-8")
    document = json.loads(text)
    document["$defs"]["evidences"]["properties"]["data"] = _data()
    strict = copy.deepcopy(document)
    for schema in _objects(strict):
        schema.setdefault("additionalProperties", False)
    return _Schemas(document, _compiled(document), _compiled(strict))


def _compiled(document: dict[str, Any]) -> jsonschema_rs.Validator:
    # Patterns run on a linear-time engine.
    return jsonschema_rs.validator_for(
        document, registry=validation.registry(), pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A schema, and those of its members, items and definitions, that name the properties of an object."""
    if "properties" in schema:
        yield schema
    yield from (one for part in schema.get("properties", {}).values() for one in _objects(part))
    yield from (one for part in schema.get("$defs", {}).values() for one in _objects(part))
    if "items" in schema:
        yield from _objects(schema["items"])


def _data() -> dict[str, Any]:
    """OCSF takes any JSON value for `data`; these two members of an object are ours (docs/detectors.md)."""
    activity = _properties("llm-api-activity.json")
    template = _properties("prompt-template.json")
    blinded = _properties("blinded-identifier.json")
    context = next(one for one in profile.extensions().values() if one.name == "detection-context")
    in_context = profile.documents()[context.schema]["properties"]["extensions"]["properties"][context.id]
    text = {"type": "string"}
    windows = {
        **{name: activity[name] for name in WINDOW},
        "key_id": blinded["key_id"],
        "asn": {"type": "integer", "minimum": 0, "maximum": 2**32 - 1},
        **{name: {"type": "array", "items": text} for name in _LISTS},
    }
    windows["models"]["items"] = _object({"name": text, "vendor": text, "version": text}, "name")
    windows["prompts"]["items"] = _object(
        {name: part for name, part in template.items() if name not in ("type", "id", "extensions")},
        *("hashes", "normalization"),
    )
    for name in ("accounts", "payments"):
        windows[name]["items"] = blinded["value"]
    return {
        "properties": {
            "llm_api_activity": _object(windows, "provider", "cluster_id", "start", "end"),
            "detection_context": _object(
                {
                    name: in_context["properties"][name]
                    for name in ("evidence_families", "estimated_fpr", "score")
                }
            ),
        }
    }


def _object(properties: Mapping[str, Any], *required: str) -> dict[str, Any]:
    return {"type": "object", "properties": dict(properties), "required": list(required)}


def _properties(file: str) -> dict[str, Any]:
    found: dict[str, Any] = profile.documents()[file]["allOf"][1]["properties"]
    return found


def _unknown(place: str, value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """The places in a valid value that its schema says nothing about."""
    if "$ref" in schema and schema["$ref"].startswith("#/$defs/"):
        schema = _schemas().document["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    if isinstance(value, list) and "items" in schema:
        for index, item in enumerate(value):
            yield from _unknown(f"{place}/{index}", item, schema["items"])
    elif isinstance(value, dict) and "properties" in schema and schema.get("additionalProperties") is None:
        for name, member in value.items():
            known = schema["properties"].get(name)
            if known is None:
                yield f"{place}/{pointer_token(name)}"
            else:
                yield from _unknown(f"{place}/{pointer_token(name)}", member, known)
