"""STIX 2.1 validation: the OASIS JSON Schemas, our own extensions', and the rules that schemas cannot say.

Standard types are checked in full; custom types, custom properties and unknown extensions get the checks that
hold for every object. The schemas are package data under `schemas/`, compiled once, when first needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING, Any, NamedTuple

import jsonschema_rs

from indicators.stix import profile
from indicators.stix.json import Refused, pointer_token
from indicators.stix.markings import LEVELS, TLP, TLP_2_EXTENSION_ID
from indicators.stix.timestamps import to_sortable

if TYPE_CHECKING:
    from jsonschema_rs import Registry, ValidationError, ValidationErrorKind

#: The code of every refusal that this module makes.
CODES = (
    "bad-id",
    "bad-reference",
    "bad-timestamp",
    "bad-type",
    "invalid-stix",
    "missing-property",
    "nested-bundle",
    "tlp-under-another-id",
    "unsupported-spec-version",
    "wrong-order-in-time",
)

_OASIS = "http://raw.githubusercontent.com/oasis-open/cti-stix2-json-schemas/stix2.1/schemas/"

_TYPE = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[1-5][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_TLP_NAME = re.compile(r"\s*tlp[\s:_-]*(?:clear|white|green|amber|amber[+\s_-]*strict|red)\s*", re.IGNORECASE)

#: Names that STIX 2.1 reserves, as the schemas of OASIS have it.
_RESERVED_NAMES = ("action", "phone_numbers", "severity", "username")
#: Pairs of timestamps that follow one another, by type: (earlier, later, whether they may be equal).
_SEEN = (("first_seen", "last_seen", True),)
_ORDERS: Mapping[str, tuple[tuple[str, str, bool], ...]] = {
    "indicator": (("valid_from", "valid_until", False),),
    "relationship": (("start_time", "stop_time", False),),
    "observed-data": (("first_observed", "last_observed", True),),
    "llm-api-activity": (("start", "end", True),),
    **dict.fromkeys(
        ("campaign", "infrastructure", "intrusion-set", "malware", "sighting", "threat-actor"), _SEEN
    ),
}


class Invalid(Refused):
    """An object that is strict JSON but not valid STIX 2.1 (`CODES`)."""


def validate(obj: dict[str, Any]) -> None:
    """Raises `Invalid`, naming the property, unless the object is valid STIX 2.1."""
    rules = _check_core(obj)
    if obj["type"] == "marking-definition":
        _check_level(obj)
    if not rules.schema.is_valid(obj):
        raise _explain(rules.schema, obj)
    if "extensions" in obj:
        _check_extensions(obj)
    _check_times(obj, rules)
    if obj["type"] == "observed-data" and "objects" in obj:
        _check_embedded(obj["objects"])


def is_sco(obj: Mapping[str, Any]) -> bool:
    """Whether an object is a cyber-observable; a custom one is without `created`."""
    folder = _folders().get(obj["type"])
    if folder is not None:
        return folder == "observables"
    if "created" in obj or "modified" in obj:
        return False
    extensions = obj.get("extensions")
    return not isinstance(extensions, dict) or not any(
        isinstance(content, dict) and content.get("extension_type") in ("new-sdo", "new-sro")
        for content in extensions.values()
    )


# ----------------------------------------------------------------------------------------------------
# Rules for every object


def _check_core(obj: dict[str, Any]) -> _Rules:
    kind = obj.get("type")
    if kind is None:
        raise Invalid("missing-property", "/type", 'the property "type" is missing')
    if kind == "bundle":
        raise Invalid("nested-bundle", "/type", "a bundle is no object and cannot stand among objects")
    if type(kind) is not str or not 3 <= len(kind) <= 250 or _TYPE.fullmatch(kind) is None:
        raise Invalid("bad-type", "/type", "a type is 3 to 250 lower-case letters, digits and single hyphens")
    identifier = obj.get("id")
    if identifier is None:
        raise Invalid("missing-property", "/id", 'the property "id" is missing')
    if type(identifier) is not str:
        raise Invalid("bad-id", "/id", "an id is a string")
    prefix, separator, uuid = identifier.partition("--")
    if not separator or _UUID.fullmatch(uuid) is None:
        raise Invalid(
            "bad-id", "/id", f"an id is a type, two hyphens and a lower-case UUID, as in {kind}--<uuid>"
        )
    if prefix != kind:
        raise Invalid("bad-id", "/id", f'the id begins with "{_cut(prefix)}", but the type is "{kind}"')
    sco = is_sco(obj)
    version = obj.get("spec_version")
    if version is None and not sco:
        raise Invalid(
            "unsupported-spec-version",
            "/spec_version",
            "it is missing, as in STIX 2.0; only STIX 2.1 is taken",
        )
    if version is not None and version != "2.1":
        raise Invalid("unsupported-spec-version", "/spec_version", "only STIX 2.1 is taken")
    return _rules(kind) if kind in _folders() else _custom_rules(sco)


def _check_times(obj: dict[str, Any], rules: _Rules, at: str = "") -> None:
    times = {name: _time(f"{at}/{name}", obj[name]) for name in rules.timestamps if name in obj}
    for earlier, later, may_be_equal in rules.orders:
        if earlier not in times or later not in times:
            continue
        if times[later] < times[earlier] or (times[later] == times[earlier] and not may_be_equal):
            relation = "before" if may_be_equal else "not after"
            raise Invalid("wrong-order-in-time", f"{at}/{later}", f'"{later}" is {relation} "{earlier}"')


def _time(place: str, text: Any) -> str:
    if not isinstance(text, str):
        # The schema of marking definitions says nothing of `modified`.
        raise Invalid("bad-timestamp", place, "it must be a timestamp such as 2026-01-31T12:00:00.000Z")
    try:
        return to_sortable(text)
    except Refused as refused:
        raise Invalid(refused.code, place, refused.reason) from None


def _check_extensions(obj: dict[str, Any], at: str = "") -> None:
    """Those of the profile; what others are about is not known here, and they pass as they are."""
    for extension_id in obj["extensions"]:
        ours = profile.extensions().get(extension_id)
        if ours is None:
            continue
        if obj["type"] not in ours.types:
            reason = f"the extension {ours.name} can stand on {_or(ours.types)} only, not on {obj['type']}"
            raise Invalid("invalid-stix", f"{at}/extensions/{extension_id}", _cut(reason))
        if ours.kind == profile.PROPERTY_EXTENSION and not (schema := _schema(ours.uri)).is_valid(obj):
            raise _explain(schema, obj, at)


def _check_embedded(objects: dict[str, Any]) -> None:
    """Observables inside observed data (STIX 2.1 §4.14, deprecated): OASIS checks its own types there, this ours."""
    for key, observable in objects.items():
        at = f"/objects/{pointer_token(key)}"
        if observable["type"] in profile.observables():
            rules = _rules(observable["type"])
            if not rules.schema.is_valid(observable):
                raise _explain(rules.schema, observable, at)
            _check_times(observable, rules, at)
        if "extensions" in observable:
            _check_extensions(observable, at)


def _or(words: tuple[str, ...]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _check_level(obj: dict[str, Any]) -> None:
    # Levels are known by their ids, so a level under another id would be a marking that nobody obeys.
    expected = LEVELS.get(obj["id"])
    claims = dict(_claims(obj))
    if expected is None:
        for place in claims:
            reason = "it claims a TLP level, but its id is not that of the standard marking definition"
            raise Invalid("tlp-under-another-id", place, reason)
        return
    for place, claim in claims.items():
        if not _names(claim, expected):
            reason = f"it is not the level that the id stands for, TLP:{expected.label.upper()}"
            raise Invalid("tlp-under-another-id", place, reason)
    if not claims:
        reason = f"the id stands for TLP:{expected.label.upper()}, but the object does not say so"
        raise Invalid("tlp-under-another-id", "/id", reason)


def _names(claim: Any, level: TLP) -> bool:
    try:
        return isinstance(claim, str) and TLP.parse(claim) == level
    except ValueError:
        return False


def _claims(obj: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """The places where a marking definition, perhaps not a valid one, says that it is a TLP level."""
    definition = obj.get("definition")
    if isinstance(definition, dict):
        for key, value in definition.items():
            if key.lower() == "tlp":
                yield f"/definition/{pointer_token(key)}", value
        statement = definition.get("statement")
        if isinstance(statement, str) and _TLP_NAME.fullmatch(statement):
            yield "/definition/statement", statement
    extensions = obj.get("extensions")
    if isinstance(extensions, dict):
        for extension, content in extensions.items():
            if isinstance(content, dict) and (extension == TLP_2_EXTENSION_ID or "tlp_2_0" in content):
                yield f"/extensions/{pointer_token(extension)}/tlp_2_0", content.get("tlp_2_0")
    name = obj.get("name")
    if isinstance(name, str) and _TLP_NAME.fullmatch(name):
        yield "/name", name


# ----------------------------------------------------------------------------------------------------
# Schemas


class _Rules(NamedTuple):
    schema: jsonschema_rs.Validator
    timestamps: tuple[str, ...]
    orders: tuple[tuple[str, str, bool], ...]


_CREATION = (("created", "modified", True),)


@cache
def _rules(kind: str) -> _Rules:
    folder = _folders()[kind]
    ours = profile.observables().get(kind)
    uri = f"{_OASIS}{folder}/{kind}.json" if ours is None else ours.uri
    names = dict.fromkeys(("created", "modified"), None) if folder != "observables" else {}
    names |= dict.fromkeys(_timestamps_in(_documents()[uri]))
    orders = _ORDERS.get(kind, ())
    return _Rules(_schema(uri), tuple(names), orders if folder == "observables" else _CREATION + orders)


@cache
def _custom_rules(sco: bool) -> _Rules:
    if sco:
        return _Rules(_schema(f"{_OASIS}common/cyber-observable-core.json"), (), ())
    return _Rules(_schema(f"{_OASIS}common/core.json"), ("created", "modified"), _CREATION)


def _timestamps_in(schema: dict[str, Any]) -> Iterator[str]:
    """The top-level properties that a schema says are timestamps."""
    for name, property_schema in schema.get("properties", {}).items():
        alternatives = [property_schema, *property_schema.get("allOf", ())]
        if any(str(alternative.get("$ref")).endswith("/timestamp.json") for alternative in alternatives):
            yield name
    for part in schema.get("allOf", ()):
        yield from _timestamps_in(part)


_META_TYPES = ("extension-definition", "language-content", "marking-definition")


@cache
def _folders() -> dict[str, str]:
    """The folder of each type that has a schema, which tells SDOs, SROs, SCOs and meta objects apart."""
    found = dict.fromkeys(profile.observables(), "observables") | dict.fromkeys(_META_TYPES, "common")
    for folder in ("sdos", "sros", "observables"):
        for file in (_data() / "oasis" / folder).iterdir():
            found[file.name.removesuffix(".json")] = folder
    return found


def _data() -> Traversable:
    return files("indicators.stix") / "schemas"


@cache
def _documents() -> dict[str, dict[str, Any]]:
    folders = [_data() / "oasis" / name for name in ("common", "sdos", "sros", "observables")]
    documents = [
        json.loads(file.read_text("utf-8"))
        for folder in folders
        for file in folder.iterdir()
        if file.name.endswith(".json")
    ]
    return {document["$id"]: document for document in [*documents, *profile.documents().values()]}


@cache
def registry() -> Registry:
    """The schemas of OASIS and of the profile, for others that refer to them."""
    return jsonschema_rs.Registry(list(_documents().items()))


@cache
def _schema(uri: str) -> jsonschema_rs.Validator:
    # Patterns run on a linear-time engine: those of OASIS have nested quantifiers.
    return jsonschema_rs.validator_for(
        _documents()[uri], registry=registry(), pattern_options=jsonschema_rs.RegexOptions(), offline=True
    )


# ----------------------------------------------------------------------------------------------------
# Plain words for what a schema found


#: Values with more members and elements than this are told one fault only: to list all can take seconds.
_LARGE = 500


def first_fault(schema: jsonschema_rs.Validator, value: Any) -> tuple[str, str, str] | None:
    """Of what a schema finds wrong the fault that tells most: code, place and reason. None if there is none.

    Of a large value it is the first fault that the schema comes to.
    """
    found = min(_faults(_errors(schema, value)), key=lambda fault: fault.rank, default=None)
    return None if found is None else (found.code, found.place, found.reason)


def _errors(schema: jsonschema_rs.Validator, value: Any) -> Iterator[ValidationError]:
    if not _is_large(value):
        yield from schema.iter_errors(value)
        return
    try:
        schema.validate(value)
    except jsonschema_rs.ValidationError as error:
        yield error


def _is_large(value: Any) -> bool:
    seen, containers = 0, [value]
    while containers and seen <= _LARGE:
        container = containers.pop()
        if type(container) in (dict, list):
            seen += len(container)
            containers += container.values() if type(container) is dict else container
    return seen > _LARGE


def _explain(schema: jsonschema_rs.Validator, obj: dict[str, Any], at: str = "") -> Invalid:
    fault = first_fault(schema, obj)
    if fault is None:
        return Invalid("invalid-stix", at, "the object does not have the form of its type")
    code, place, reason = fault
    return Invalid(code, f"{at}{place}", reason)


class _Found(NamedTuple):
    rank: tuple[int, int]
    code: str
    place: str
    reason: str


def _faults(errors: Iterator[ValidationError]) -> Iterator[_Found]:
    for order, error in enumerate(errors):
        place = "".join(f"/{pointer_token(str(step))}" for step in error.instance_path)
        code, place, reason = _in_words(error.kind, error, place)
        # What is missing or unknown is told first; alternatives, of which nothing certain can be said, last.
        rank = (
            2
            if error.kind.name in ("oneOf", "anyOf", "not", "falseSchema", "if")
            else 0
            if code != "invalid-stix"
            else 1
        )
        yield _Found((rank, order), code, place, reason)


_KINDS = {
    "string": "a string",
    "integer": "an integer",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "an object",
    "null": "null",
}


def _in_words(kind: ValidationErrorKind, error: ValidationError, place: str) -> tuple[str, str, str]:
    name, value = kind.name, kind.value
    if name == "required":
        return (
            "missing-property",
            f"{place}/{pointer_token(str(value))}",
            f'the property "{value}" is missing',
        )
    if name == "type":
        if error.instance is None:
            return (
                "invalid-stix",
                place,
                "it is null; leave the property out instead",
            )
        kinds = [_KINDS.get(str(each), str(each)) for each in (value if isinstance(value, list) else [value])]
        return "invalid-stix", place, f"it must be {' or '.join(kinds)}"
    if name in ("additionalProperties", "unevaluatedProperties"):
        unknown = str(value[0]) if isinstance(value, list) and value else "?"
        place = f"{place}/{pointer_token(unknown)}"
        return "invalid-stix", place, "the name of this property is not allowed here"
    if name == "propertyNames":
        return "invalid-stix", place, "a property that stands here is not one of this type's"
    if name == "enum":
        shown = ", ".join(json.dumps(each) for each in value[:12]) if isinstance(value, list) else str(value)
        return "invalid-stix", place, f"it must be one of {_cut(shown)}"
    if name == "const":
        return "invalid-stix", place, f"it must be {_cut(json.dumps(value))}"
    if name == "pattern":
        return _pattern_in_words(str(value), place)
    limits = {
        "minItems": "it must hold at least {} element(s)",
        "maxItems": "it must hold at most {} element(s)",
        "minProperties": "it must hold at least {} property",
        "maxProperties": "it must hold at most {} properties",
        "minLength": "it must be at least {} characters long",
        "maxLength": "it must be at most {} characters long",
        "minimum": "it must be {} or more",
        "maximum": "it must be {} or less",
        "exclusiveMinimum": "it must be more than {}",
        "exclusiveMaximum": "it must be less than {}",
        "multipleOf": "it must be a multiple of {}",
    }
    if name in limits:
        return "invalid-stix", place, limits[name].format(value)
    if name == "uniqueItems":
        return "invalid-stix", place, "an element stands in it twice"
    if name == "not":
        return _forbidden_in_words(error.instance, place)
    if name in ("anyOf", "oneOf"):
        return _alternatives_in_words(error, place)
    return "invalid-stix", place, "it has none of the forms that are allowed here"


def _forbidden_in_words(instance: Any, place: str) -> tuple[str, str, str]:
    if isinstance(instance, dict):
        for name in _RESERVED_NAMES:
            if name in instance:
                return "invalid-stix", f"{place}/{name}", "STIX 2.1 reserves the name of this property"
    if isinstance(instance, str) and "--" in instance:
        return (
            "bad-reference",
            place,
            f"an object of type {_cut(instance.partition('--')[0])} cannot stand here",
        )
    return "invalid-stix", place, "it holds a property or a value that STIX 2.1 forbids here"


def _alternatives_in_words(error: ValidationError, place: str) -> tuple[str, str, str]:
    if error.instance is None or error.instance == []:
        what = "null" if error.instance is None else "an empty list"
        return "invalid-stix", place, f"it is {what}; leave the property out instead"
    branches: list[list[ValidationError]] = [branch for branch in error.kind.as_dict()["context"] if branch]
    if not branches:
        return "invalid-stix", place, "it has more than one of the forms that exclude each other"
    if all(len(branch) == 1 and branch[0].kind.name == "required" for branch in branches):
        names = ", ".join(str(branch[0].kind.value) for branch in branches)
        return "missing-property", place, f"one of these properties is missing: {names}"
    # The alternative that fails in the fewest ways is most likely the one that was meant.
    meant = sorted(
        branches, key=lambda branch: (any(each.kind.name == "not" for each in branch), len(branch))
    )[0]
    fault = min(_faults(iter(meant)), key=lambda fault: fault.rank)
    return fault.code, fault.place, fault.reason


def _pattern_in_words(pattern: str, place: str) -> tuple[str, str, str]:
    if "T([01][0-9]" in pattern:
        return "bad-timestamp", place, "it must be a timestamp such as 2026-01-31T12:00:00.000Z"
    if pattern.startswith("T\\d{2}"):
        return "bad-timestamp", place, "it must be a timestamp with at least three decimals"
    if pattern.startswith("T[0-9:]"):
        return "bad-timestamp", place, "it must be a timestamp in whole seconds"
    if "--[0-9a-fA-F]{8}" in pattern:
        return "bad-reference", place, "it must be a STIX id, as in indicator--<uuid>"
    references = re.fullmatch(r"\^\(?([a-z0-9|-]+?)\)?--(?:\.\+\$)?", pattern)
    if references is not None:
        return (
            "bad-reference",
            place,
            f"it must be the id of one of: {references.group(1).replace('|', ', ')}",
        )
    form = f"the form {pattern}" if len(pattern) <= 60 else "the form that its property asks for"
    return "invalid-stix", place, f"it does not have {form}"


def _cut(text: str) -> str:
    return text if len(text) <= 120 else text[:119] + "…"
