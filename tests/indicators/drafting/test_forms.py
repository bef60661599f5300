"""The desk's forms: each field is a property that STIX or the profile has, and says what it says both ways."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any
from uuid import UUID

import pytest

from indicators.drafting import compose, differences
from indicators.drafting.forms import FORMS, Field, Form
from indicators.stix import profile
from indicators.stix.canonical import canonical
from indicators.stix.json import Refused
from indicators.stix.markings import TLP, marking_id
from indicators.stix.objects import read
from indicators.stix.relationships import ALLOWED, between

NOW = datetime(2026, 3, 1, 12, 0, 30, 123456, tzinfo=UTC)
HUB = UUID("00000000-0000-4000-8000-00000000000a")
FIELDS = [
    pytest.param(form, field, id=f"{form.type}:{field.name}")
    for form in FORMS.values()
    for field in form.fields
]


def _properties(document: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from document.get("properties", {}).items()
    for part in document.get("allOf", ()):
        yield from _properties(part)


def _schema(form: Form, field: Field) -> Any:
    """What the schemas say of the property that a field is."""
    if field.path[0] == "extensions":
        document = profile.documents()[f"{field.path[1]}.json"]
        return document["properties"]["extensions"]["properties"][field.path[1]]["properties"][field.path[2]]
    oasis = files("indicators.stix") / "schemas" / "oasis"
    folder = "sros" if form.type in {"relationship", "sighting"} else "sdos"
    own = json.loads((oasis / folder / f"{form.type}.json").read_text("utf-8"))
    core = json.loads((oasis / "common" / "core.json").read_text("utf-8"))
    return (dict(_properties(core)) | dict(_properties(own)))[field.path[0]]


@pytest.mark.parametrize(("form", "field"), FIELDS)
def test_each_field_is_a_property_of_its_type(form: Form, field: Field) -> None:
    if field.kind in {"tlp", "techniques"}:
        return
    said = _schema(form, field)
    closed = said.get("enum") or said.get("items", {}).get("enum")
    if closed and field.choices:
        assert {value for value, _ in field.choices} == set(closed)
    if field.minimum is not None and "minimum" in said:
        assert (field.minimum, field.maximum) == (said["minimum"], said["maximum"])


TYPICAL: dict[str, Any] = {
    "line": "A line",
    "text": "Two\nlines",
    "lines": ["one", "two"],
    "integer": 7,
    "number": 0.25,
    "moment": datetime(2026, 2, 1, 8, 30, 15, tzinfo=UTC),
    "tlp": "amber+strict",
    "pattern": "[domain-name:value = 'proxy.example']",
    "sources": [{"source_name": "A report", "url": "https://report.example/"}],
    "phases": ["exfiltration"],
}


def typed(form: Form) -> dict[str, Any]:
    """Something in every field of a form."""
    found: dict[str, Any] = {}
    for number, field in enumerate(form.fields):
        if field.kind == "techniques":
            continue
        if field.kind in {"choice", "choices"}:
            value = field.choices[0][0]
            found[field.name] = value if field.kind == "choice" else [value]
        elif field.kind in {"reference", "references"}:
            kind = field.types[0] if field.types else "campaign"
            one = f"{kind}--00000000-0000-4000-8000-{number:012}"
            found[field.name] = one if field.kind == "reference" else [one]
        else:
            found[field.name] = TYPICAL[field.kind]
    later = datetime(2026, 2, 2, tzinfo=UTC)
    for name in ("valid_until", "last_seen", "stop_time"):
        if name in found:
            found[name] = later
    if "relationship_type" in found:
        found["relationship_type"] = "related-to"
    return found


def made(form: Form) -> dict[str, Any]:
    base = compose.blank(
        form.type, f"{form.type}--11111111-1111-4111-8111-111111111111", organization_id=HUB, now=NOW
    )
    return compose.version(compose.compose(form.type, typed(form), base=base), now=NOW)


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.type)
def test_a_form_with_every_field_filled_in_is_a_valid_object_that_says_it(form: Form) -> None:
    obj = made(form)
    read(canonical(obj))
    assert list(compose.check(obj)) == []
    shown = {name: value for name, value in compose.values(obj).items() if name != "techniques"}
    assert shown == typed(form)


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.type)
def test_what_is_shown_and_read_again_changes_nothing(form: Form) -> None:
    obj = made(form)
    for name in ("valid_from", "first_seen", "last_seen"):
        if name in obj:
            obj[name] = obj[name].replace(".000Z", ".123456Z")
    obj |= {"lang": "en", "extensions": obj.get("extensions", {}) | {"extension-definition--x": {"a": 1}}}
    obj["object_marking_refs"].insert(0, "marking-definition--22222222-2222-4222-8222-222222222222")
    again = compose.compose(form.type, compose.values(obj), base=obj)
    assert again == obj
    assert differences.changes(obj, again) == []


@pytest.mark.parametrize("form", FORMS.values(), ids=lambda form: form.type)
def test_what_is_emptied_is_gone(form: Form) -> None:
    emptied = compose.compose(form.type, dict.fromkeys(typed(form)), base=made(form))
    kept = {"type", "spec_version", "id", "created", "modified", "created_by_ref", "pattern_type"}
    assert emptied.keys() - kept <= {"labels", "where_sighted_refs"}


@pytest.mark.parametrize("object_type", ["threat-actor", "intrusion-set"])
def test_no_word_of_the_form_takes_the_allegation_away(object_type: str) -> None:
    obj = compose.compose(object_type, {"labels": ["watched"]}, base=made(FORMS[object_type]))
    assert obj["labels"] == ["watched", "alleged"]
    assert compose.values(obj)["labels"] == ["watched"]
    del obj["labels"], obj["external_references"]
    assert [fault.field for fault in compose.check(obj)] == ["labels", "external_references"]


def test_a_version_follows_the_one_before_whatever_the_clock_says() -> None:
    obj = made(FORMS["note"])
    for after in ("2026-03-01T12:00:30.123Z", "2030-01-01T00:00:00.999999Z", "2030-01-01T00:00:00.9999999Z"):
        later = compose.version(obj, now=NOW, after=after)["modified"]
        assert later[:23] > after[:23]
    assert compose.version(obj, now=NOW, after="2026-01-01T00:00:00Z")["created"] == obj["created"]


@pytest.mark.parametrize(
    "text", ["", "campaign", "campaign--1", "<script>", "campaign--" + "0" * 36, "a--b" * 99]
)
def test_only_a_stix_id_is_a_reference(text: str) -> None:
    with pytest.raises(Refused):
        compose.read_reference(text)


def test_a_difference_is_told_field_by_field() -> None:
    before = made(FORMS["campaign"])
    after = compose.compose(
        "campaign",
        {"name": "Another", "aliases": ["two", "three"], "status": "ended", "tlp": "green", "objective": ""},
        base=before,
    ) | {"revoked": True, "lang": "en"}
    found = {change.label: change for change in differences.changes(before, after)}
    assert (found["Name"].before, found["Name"].after) == ("A line", "Another")
    assert (found["Other names"].added, found["Other names"].removed) == (("three",), ("one",))
    assert (found["Status now"].before, found["Status now"].after) == ("active", "ended")
    assert found["TLP and other markings"].added == ("TLP:GREEN",)
    assert found["Objective"].after == ""
    assert (found["Revoked"].after, found["lang"].after) == ("yes", "en")
    assert list(found)[-1] == "lang"
    assert marking_id(TLP.GREEN) not in str(found)


def test_between_two_types_stix_knows_what_it_says() -> None:
    assert between("indicator", "campaign") == ("indicates", "related-to")
    assert between("campaign", "campaign") == ("derived-from", "duplicate-of", "related-to")
    assert between("campaign", "intrusion-set")[0] == "attributed-to"
    assert between("note", "indicator") == ("related-to",)
    assert "attributed-to" not in ALLOWED["infrastructure"]
