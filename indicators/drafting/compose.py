"""STIX objects out of what a form read, what a form shows out of STIX objects, and the desk's own rules.

What a form has no field for stays in the object as it is: a version of another channel loses nothing at the desk.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from indicators.drafting.forms import (
    ACTORS,
    ALLEGED,
    CAMPAIGN_EXTENSION,
    DETECTION_EXTENSION,
    FORMS,
    Field,
)
from indicators.stix import timestamps
from indicators.stix.json import Refused
from indicators.stix.markings import LEVELS, TLP, marking_id
from indicators.stix.relationships import between

KILL_CHAIN = "mitre-atlas"
Object = dict[str, Any]
_MILLISECOND = timedelta(milliseconds=1)
_SOURCE_KEYS = ("source_name", "url", "external_id", "description")
_NOTHING_SAID = {"extension_type": "property-extension"}
_LABELLED_RELATIONSHIP = "attributed-to"
_REFERENCE = re.compile(r"[a-z][a-z0-9-]*--[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class NotSo(ValueError):
    """A rule of the desk's own that an object breaks: `field` is the name of the input, `sentence` what is wrong."""

    def __init__(self, field: str, sentence: str) -> None:
        super().__init__(f"{field}: {sentence}")
        self.field, self.sentence = field, sentence


def compose(object_type: str, read: Mapping[str, Any], *, base: Mapping[str, Any]) -> Object:
    """The object that says what was read (by field name, as `values` gives it) on top of `base`.

    A field that is not in `read` leaves its property as it is; an empty one removes it.
    """
    obj = deepcopy(dict(base))
    for field in FORMS[object_type].fields:
        # Techniques are no property of the object: they are relationships of their own.
        if field.name in read and field.path:
            _WRITE.get(field.kind, _write)(obj, field, read[field.name])
    _tidy_extensions(obj)
    if _is_allegation(obj):
        obj["labels"] = list(dict.fromkeys([*obj.get("labels", ()), ALLEGED]))
    return obj


def values(obj: Mapping[str, Any]) -> dict[str, Any]:
    """What the form of its type shows of an object, by field name; None where nothing stands."""
    return {field.name: value_of(obj, field) for field in FORMS[obj["type"]].fields}


def value_of(obj: Mapping[str, Any], field: Field) -> Any:
    """What a field shows of an object: a datetime for a moment, a level's label for the TLP, else as it stands."""
    if field.kind == "tlp":
        level = next((LEVELS[mark] for mark in obj.get("object_marking_refs", ()) if mark in LEVELS), None)
        return None if level is None else level.label
    found = _at(obj, field.path) if field.path else None
    if found is None:
        return None
    if field.kind == "moment":
        return _moment(found)
    if field.kind == "phases":
        return [one.get("phase_name") for one in found if one.get("kill_chain_name") == KILL_CHAIN]
    if field.name == "labels" and _is_allegation(obj):
        return [label for label in found if label != ALLEGED]
    return found


def blank(object_type: str, object_id: str, *, organization_id: UUID, now: datetime) -> Object:
    """A new object before anybody wrote anything: its type, its author and what a form begins with."""
    obj: Object = {
        "type": object_type,
        "spec_version": "2.1",
        "id": object_id,
        "created_by_ref": author_of(organization_id),
        "object_marking_refs": [marking_id(TLP.AMBER)],
    }
    if object_type == "indicator":
        obj |= {"pattern_type": "stix"}
    if object_type == "sighting":
        obj["where_sighted_refs"] = [author_of(organization_id)]
    for field in FORMS[object_type].fields:
        if field.initial == "now":
            _put(obj, field.path, timestamps.from_datetime_ms(now.replace(second=0, microsecond=0)))
    _tidy_extensions(obj)
    return obj


def author_of(organization_id: UUID) -> str:
    """The identity under which an organisation's objects are made here; no feed shows it."""
    return f"identity--{organization_id}"


def version(obj: Mapping[str, Any], *, now: datetime, after: str | None = None) -> Object:
    """The object as its next version: `modified` is now, or a millisecond after the version that it follows."""
    moment = now
    if after is not None:
        moment = max(now, timestamps.to_datetime(after) + _MILLISECOND)
    text = timestamps.from_datetime_ms(moment)
    if after is not None and timestamps.to_sortable(text) <= timestamps.to_sortable(after):
        text = timestamps.from_datetime_ms(moment + _MILLISECOND)
    created = obj.get("created", text) if after is not None else text
    return {**obj, "created": created, "modified": text}


def check(obj: Mapping[str, Any]) -> Iterator[NotSo]:
    """The desk's own rules, beside those of STIX and of the profile; every one that the object breaks."""
    if obj["type"] in ACTORS:
        if ALLEGED not in obj.get("labels", ()):
            yield NotSo("labels", f"An actor is labelled “{ALLEGED}”.")
        if not obj.get("external_references"):
            yield NotSo("external_references", "Name the source: an actor without one is a rumour.")
    if obj["type"] == "relationship":
        source, target = (str(obj.get(name, "")).partition("--")[0] for name in ("source_ref", "target_ref"))
        offered = between(source, target)
        if source and target and obj.get("relationship_type") not in offered:
            yield NotSo(
                "relationship_type",
                f"STIX knows no such relationship from {_a(source)} to {_a(target)}; between them it knows:"
                f" {', '.join(offered)}.",
            )
        if obj.get("source_ref") and obj.get("source_ref") == obj.get("target_ref"):
            yield NotSo("target_ref", "Both ends are the same object.")
    for field in FORMS[obj["type"]].fields if obj["type"] in FORMS else ():
        if field.kind in {"reference", "references"} and field.types:
            found = _at(obj, field.path) or ()
            for one in (found,) if isinstance(found, str) else found:
                if str(one).partition("--")[0] not in field.types:
                    yield NotSo(field.name, f"{one} is not the id of {' or '.join(map(_a, field.types))}.")
    for low, high, what in (("exchange_count_min", "exchange_count_max", "exchanges"),
                            ("account_count_min", "account_count_max", "accounts")):  # fmt: skip
        found = next(iter(_extension_with(obj, low, high)), None)
        if found is not None and found[low] > found[high]:
            yield NotSo(high, f"At most is less than at least: {found[high]} and {found[low]} {what}.")


def field_at(object_type: str, place: str) -> str | None:
    """The name of the field that a place in an object (a JSON Pointer) belongs to; None if no field is there."""
    steps = tuple(step.replace("~1", "/").replace("~0", "~") for step in place.split("/")[1:])
    for field in FORMS[object_type].fields:
        if field.kind == "tlp" and steps[:1] == ("object_marking_refs",):
            return field.name
        if field.kind != "tlp" and field.path and steps[: len(field.path)] == field.path:
            return field.name
    return None


def read_reference(text: str) -> str:
    """One STIX id; raises `Refused` for anything else."""
    text = text.strip()
    if not _REFERENCE.fullmatch(text):
        raise Refused(
            "bad-reference", "", "this is not a STIX id such as campaign--<uuid>; pick it from the list"
        )
    return text


# --- Writing


def _write(obj: Object, field: Field, read: Any) -> None:
    _put(obj, field.path, read)


def _write_moment(obj: Object, field: Field, read: datetime | None) -> None:
    before = _at(obj, field.path)
    # A form shows whole seconds: what nobody touched keeps its fraction.
    if read is not None and before is not None and _moment(before) == read.replace(microsecond=0):
        return
    _put(obj, field.path, None if read is None else timestamps.from_datetime_ms(read))


def _write_tlp(obj: Object, field: Field, read: str | None) -> None:
    others = [mark for mark in obj.get("object_marking_refs", ()) if mark not in LEVELS]
    level = [marking_id(TLP.parse(read))] if read else []
    _put(obj, ("object_marking_refs",), [*others, *level])


def _write_phases(obj: Object, field: Field, read: list[str]) -> None:
    others = [one for one in obj.get(field.name, ()) if one.get("kill_chain_name") != KILL_CHAIN]
    ours = [{"kill_chain_name": KILL_CHAIN, "phase_name": phase} for phase in read or ()]
    _put(obj, field.path, [*others, *ours])


def _write_sources(obj: Object, field: Field, read: list[dict[str, str]]) -> None:
    before = obj.get(field.name, [])
    kept = {tuple(str(one.get(key, "")) for key in _SOURCE_KEYS): one for one in before}
    said = []
    for row in read or ():
        shown = {key: row[key] for key in _SOURCE_KEYS if row.get(key)}
        # What a source has beside what the form shows (hashes) stays with it.
        said.append(kept.get(tuple(shown.get(key, "") for key in _SOURCE_KEYS), shown))
    _put(obj, field.path, said)


_WRITE: dict[str, Callable[[Object, Field, Any], None]] = {
    "moment": _write_moment,
    "tlp": _write_tlp,
    "phases": _write_phases,
    "sources": _write_sources,
}


def _put(obj: Object, path: tuple[str, ...], value: Any) -> None:
    """Set a property, or remove it where nothing is said; containers are made as needed."""
    *above, last = path
    holder = obj
    for step in above:
        holder = holder.setdefault(step, {})
    if value is None or value in ("", [], ()):
        holder.pop(last, None)
    else:
        holder[last] = value


def _tidy_extensions(obj: Object) -> None:
    """Of the extensions that forms know: without those of which nothing is said, the others with their type."""
    held = obj.get("extensions", {})
    for extension in (CAMPAIGN_EXTENSION, DETECTION_EXTENSION):
        content = held.get(extension)
        if content is None:
            continue
        if content and content != _NOTHING_SAID:
            content.setdefault("extension_type", "property-extension")
        else:
            del held[extension]
    if "extensions" in obj and not held:
        del obj["extensions"]


def _is_allegation(obj: Mapping[str, Any]) -> bool:
    return obj["type"] in ACTORS or obj.get("relationship_type") == _LABELLED_RELATIONSHIP


def _at(obj: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    found: Any = obj
    for step in path:
        if not isinstance(found, Mapping) or step not in found:
            return None
        found = found[step]
    return found


def _moment(text: Any) -> datetime | None:
    try:
        return timestamps.to_datetime(str(text)).replace(microsecond=0)
    except (Refused, ValueError):
        return None


def _extension_with(obj: Mapping[str, Any], *names: str) -> Iterator[Mapping[str, Any]]:
    for content in obj.get("extensions", {}).values():
        if all(isinstance(content.get(name), int) for name in names):
            yield content


def _a(object_type: str) -> str:
    return f"{'an' if object_type[:1] in 'aeiou' else 'a'} {object_type}"
