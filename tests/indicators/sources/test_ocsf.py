"""Detection Findings of OCSF become STIX as the acceptance pairs say; what is odd is refused in words, or noted."""

import contextlib
import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from indicators.sources import ocsf
from indicators.sources.items import Item
from indicators.sources.ocsf import compile as compiling
from indicators.stix import objects
from indicators.stix.json import MAX_DEPTH, Refused

PAIRS = Path(__file__).parent / "ocsf-pairs"
FINDINGS = sorted(path for path in PAIRS.glob("*.json") if not path.name.endswith(".stix.json"))
TECHNIQUES = {
    one["atlas_id"]: one["object_id"]
    for one in json.loads((Path(ocsf.__file__).parents[2] / "techniques.json").read_text(encoding="utf-8"))
    if one["atlas_id"]
}
LAB_A = "55fe75c6-8885-480b-b2e6-42944a51523d"
LAB_B = "265c7d63-3a34-404b-ba97-6fed00da4609"
KNOWN = ocsf.Known(LAB_A, TECHNIQUES, campaigns={}, created={}, rates={}, withdrawn={}, held={})
CONTEXT = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805"
GREEN = "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"
AMBER_STRICT = "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"
RED = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"

Value = dict[str, Any]
#: Properties whose order says nothing (STIX 2.1 calls them lists, and means sets).
SETS = {
    *(
        "access_pathways",
        "account_refs",
        "evidence_families",
        "indicator_types",
        "kill_chain_phases",
        "model_refs",
    ),
    *(
        "object_marking_refs",
        "object_refs",
        "payment_refs",
        "prompt_refs",
        "src_refs",
        "targeted_capabilities",
    ),
}
#: Ids that a pair made at random; all others are compared as they are.
RANDOM = ("indicator", "observed-data", "relationship", "sighting")


def value(number: int) -> Value:
    """The JSON of an acceptance finding."""
    found: Value = json.loads(FINDINGS[number - 1].read_bytes())
    return found


def read(finding: Value) -> ocsf.Finding:
    return ocsf.read(json.dumps(finding, separators=(",", ":")).encode())


def mapped(finding: Value, known: ocsf.Known = KNOWN) -> Item:
    return ocsf.item(read(finding), "findings/0", known)


def made(item: Item) -> list[Value]:
    """The objects of an item, each of which is valid STIX."""
    assert item.refusal is None
    return [objects.read(raw).value for raw in item.objects]


def one(item: Item, kind: str) -> Value:
    (found,) = [each for each in made(item) if each["type"] == kind]
    return found


def kinds(item: Item) -> set[str]:
    return {each["type"] for each in made(item)}


def refusal(finding: Value) -> Refused:
    with pytest.raises(Refused) as caught:
        read(finding)
    return caught.value


def comparable(each: list[Value]) -> list[str]:
    """Objects as sorted texts, with random ids by what they stand for and sets in order."""
    names = {one["id"]: one["type"] for one in each if one["type"] in RANDOM}

    def plain(key: str, item: Any) -> Any:
        if isinstance(item, dict):
            return {name: plain(name, member) for name, member in item.items()}
        if isinstance(item, list):
            members = [plain("", member) for member in item]
            return sorted(members, key=repr) if key in SETS else members
        return names.get(item, item) if isinstance(item, str) else item

    return sorted(json.dumps(plain("", one), sort_keys=True) for one in each)


# ----------------------------------------------------------------------------------------------------
# The acceptance pairs


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_a_finding_becomes_exactly_what_its_acceptance_pair_says(path: Path) -> None:
    expected = json.loads(path.with_suffix(".stix.json").read_bytes())["objects"]
    author = next(each for each in expected if each["type"] == "indicator")["created_by_ref"]

    item = ocsf.item(
        ocsf.read(path.read_bytes()),
        "findings/0",
        replace(KNOWN, organization_id=author.removeprefix("identity--")),
    )

    assert comparable(made(item)) == comparable(expected)
    assert item.notes == ()


def test_there_are_six_pairs() -> None:
    assert len(FINDINGS) == 6


def test_the_worked_example_of_the_docs_becomes_what_they_say() -> None:
    page = (Path(ocsf.__file__).parents[3] / "docs" / "detectors.md").read_text(encoding="utf-8")
    item = mapped(json.loads(page.split("```json")[1].split("```")[0]))
    said = page.split("```json")[1].split("```")[1]
    assert kinds(item) == {
        *("indicator", "llm-api-activity", "observed-data", "relationship", "sighting", "software")
    }
    assert all(f"`{kind}`" in said for kind in kinds(item) - {"relationship"})
    indicator = one(item, "indicator")
    assert all(str(indicator[name]) in said for name in ("valid_from", "valid_until", "confidence"))
    assert item.notes == ()


# ----------------------------------------------------------------------------------------------------
# Bodies


def test_a_body_is_one_finding_a_list_of_them_or_one_a_line() -> None:
    raws = [path.read_bytes() for path in FINDINGS]
    lines = [json.dumps(json.loads(raw)).encode() for raw in raws]

    assert ocsf.split(raws[0]) == [raws[0]]
    assert [json.loads(raw) for raw in ocsf.split(b"[" + b",\n".join(raws) + b"] ")] == list(
        map(json.loads, raws)
    )
    assert ocsf.split(b"\n\n".join(lines)) == lines
    assert ocsf.split(b"[]") == []


def test_a_broken_line_harms_no_other() -> None:
    lines = [
        json.dumps(value(1)).encode(),
        b'{"class_uid": 2004, "broken',
        json.dumps(value(2)).encode(),
        b"{]",
    ]
    assert ocsf.split(b"\n".join(lines)) == lines
    assert ocsf.split(b"\n".join(lines[::-1])) == lines[::-1]


@pytest.mark.parametrize(
    "broken", [b"Traceback (most recent call last):", b"null", b'"x"', b"[1]", b"7", b"{]"]
)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_line_that_is_none_harms_no_other_wherever_it_stands(broken: bytes, place: int) -> None:
    lines = [json.dumps(value(number)).encode() for number in range(2)]
    lines.insert(place, broken)
    assert ocsf.split(b"\n".join(lines)) == lines
    with pytest.raises(Refused):
        ocsf.read(broken)


def test_what_is_wrong_with_one_element_but_its_grammar_harms_no_other() -> None:
    body = b'[{"class_uid": NaN}, {"uid": "\\ud800"}, ' + b"[" * 50 + b"]" * 50 + b', 7, {"class_uid": 2004}]'
    parts = ocsf.split(body)
    assert len(parts) == 5
    codes = []
    for part in parts:
        with pytest.raises(Refused) as caught:
            ocsf.read(part)
        codes.append(caught.value.code)
    assert codes == ["not-a-number", "lone-surrogate", "too-deep", "not-an-object", "missing-property"]


@pytest.mark.parametrize(
    ("body", "code", "place"),
    [
        (b"", "not-findings", ""),
        (b"finding,tlp\n1,amber", "not-findings", ""),
        (b'"class_uid"', "not-findings", ""),
        (b'{"class_uid": 2004', "not-json", "line 1, column 19"),
        (b'{\n "class_uid": 2004,\n "time" 3\n}', "not-json", "line 3, column 9"),
        (b'[{"class_uid": 2004}, {"class_uid" 2004}]', "not-json", "line 1, column 36"),
        (b'[{"class_uid": 2004}', "not-json", "line 1, column 21"),
        (b"[] []", "not-json", "line 1, column 4"),
        (b'{"message": "\xff"}', "invalid-utf8", "line 1, column 14"),
        (b"\xef\xbb\xbf{}", "byte-order-mark", "line 1, column 1"),
        (b"[" + b" " * 100 + b"]", "too-large", ""),
    ],
)
def test_a_body_that_is_none_of_these_is_refused_whole(body: bytes, code: str, place: str) -> None:
    with pytest.raises(Refused) as caught:
        ocsf.split(body, max_bytes=100)
    assert (caught.value.code, caught.value.place) == (code, place)


# ----------------------------------------------------------------------------------------------------
# The schema


def changed(number: int, path: str, new: Any) -> Value:
    """An acceptance finding with another value at a path such as `osint/0/tlp`; None takes it away."""
    finding = value(number)
    *steps, last = [int(step) if step.isdigit() else step for step in path.split("/")]
    target: Any = finding
    for step in steps:
        target = target[step]
    if new is None:
        del target[last]
    else:
        target[last] = new
    return finding


DATA = "evidences/0/data"
TRAFFIC = f"{DATA}/llm_api_activity"


@pytest.mark.parametrize(
    ("path", "new", "code", "place", "words"),
    [
        ("class_uid", 2002, "not-a-detection-finding", "/class_uid", "Detection Finding"),
        ("class_uid", None, "not-a-detection-finding", "/class_uid", "2004"),
        ("metadata/version", "2.0.0", "unsupported-ocsf-version", "/metadata/version", "1.8.0"),
        ("time", None, "missing-property", "/time", '"time" is missing'),
        ("time", "now", "invalid-finding", "/time", "an integer"),
        ("time", 1_790_993_400, "bad-timestamp", "/time", "milliseconds"),
        ("time", 2**53 - 1, "bad-timestamp", "/time", "milliseconds"),
        ("osint", None, "missing-property", "/osint", "is missing"),
        ("osint/0/value", None, "missing-property", "/osint/0/value", "is missing"),
        ("osint/0/tlp", "PURPLE", "invalid-finding", "/osint/0/tlp", '"AMBER STRICT"'),
        ("osint/0/tlp", 4, "invalid-finding", "/osint/0/tlp", "a string"),
        (
            "osint/0/expiration_time",
            1_790_000_000_000,
            "wrong-order-in-time",
            "/osint/0/expiration_time",
            "expires",
        ),
        ("status_id", 77, "invalid-finding", "/status_id", "one of 0, 1, 2"),
        ("count", 0, "invalid-finding", "/count", "1 or more"),
        ("confidence_score", 101, "invalid-finding", "/confidence_score", "0 to 100"),
        ("finding_info/uid", "", "invalid-finding", "/finding_info/uid", "1 to 256"),
        ("finding_info/uid", "u" * 257, "invalid-finding", "/finding_info/uid", "1 to 256"),
        (
            "finding_info/analytic/version",
            "v" * 300,
            "invalid-finding",
            "/finding_info/analytic/version",
            "256",
        ),
        ("finding_info/attacks/0", {}, "missing-property", "/finding_info/attacks/0", "technique"),
        (
            "finding_info/last_seen_time",
            1_790_000_000_000,
            "wrong-order-in-time",
            "/finding_info/last_seen_time",
            "",
        ),
        ("evidences/0", {"name": "nothing"}, "missing-property", "/evidences/0", "is missing"),
        (f"{TRAFFIC}/provider", "Lab A", "invalid-finding", f"/{TRAFFIC}/provider", "form"),
        (f"{TRAFFIC}/cluster_id", None, "missing-property", f"/{TRAFFIC}/cluster_id", "is missing"),
        (f"{TRAFFIC}/start", "2026-10-02T00:00:00.5Z", "bad-timestamp", f"/{TRAFFIC}/start", "whole seconds"),
        (f"{TRAFFIC}/start", "2026-02-30T00:00:00Z", "bad-timestamp", f"/{TRAFFIC}/start", "calendar"),
        (f"{TRAFFIC}/end", "2026-10-01T00:00:00Z", "wrong-order-in-time", f"/{TRAFFIC}/end", "before"),
        (f"{TRAFFIC}/account_count", -1, "invalid-finding", f"/{TRAFFIC}/account_count", "0 or more"),
        (
            f"{TRAFFIC}/accounts/1",
            "somebody@lab.example",
            "not-blinded",
            f"/{TRAFFIC}/accounts/1",
            "stillwatch blind",
        ),
        (f"{TRAFFIC}/key_id", None, "missing-property", f"/{TRAFFIC}/key_id", "key_id"),
        (f"{TRAFFIC}/sources", ["a b"], "invalid-finding", f"/{TRAFFIC}/sources/0", "neither an IP address"),
        (
            f"{TRAFFIC}/prompts/0/hashes",
            {},
            "missing-property",
            f"/{TRAFFIC}/prompts/0/hashes/SHA-256",
            "is missing",
        ),
        (
            f"{DATA}/detection_context/estimated_fpr",
            2,
            "invalid-finding",
            "/evidences/0/data/detection_context",
            "1",
        ),
        (
            f"{DATA}/detection_context/evidence_families",
            ["gut feeling"],
            "invalid-finding",
            "/evidences/0/data/detection_context/evidence_families/0",
            '"identity"',
        ),
    ],
)
def test_what_breaks_the_schema_is_refused_with_its_place_and_why(
    path: str, new: Any, code: str, place: str, words: str
) -> None:
    refused = refusal(changed(1, path, new))
    assert (refused.code, refused.place[: len(place)]) == (code, place)
    assert words in refused.reason
    assert "somebody" not in refused.sentence


def test_null_is_no_value() -> None:
    finding = value(1)
    finding["message"] = None
    assert refusal(finding).sentence == "/message: it is null; leave the property out instead."


def test_unknown_attributes_are_told_and_refuse_nothing() -> None:
    finding = value(2)
    finding["x_score"] = 3
    finding["finding_info"]["analytic"]["team/unit"] = "red"
    finding["evidences"][0]["data"]["llm_api_activity"]["mood"] = "bad"
    finding["evidences"][0]["data"]["raw"] = {"any": "thing"}

    item = mapped(finding)

    assert item.objects == mapped(value(2)).objects
    (note,) = item.notes
    for place in (
        "/x_score",
        "/finding_info/analytic/team~1unit",
        "/evidences/0/data/llm_api_activity/mood",
        "/evidences/0/data/raw",
    ):
        assert place in note
    many = value(2) | {f"x_{number}": number for number in range(500)}
    assert "490 more" in mapped(many).notes[0]


def test_a_later_schema_of_the_same_generation_is_read_as_ours() -> None:
    item = mapped(changed(2, "metadata/version", "1.9.0"))
    assert item.objects == mapped(value(2)).objects
    assert "1.8.0" in item.notes[0]


def test_depth_and_size_are_limited() -> None:
    finding = value(2)
    finding["unmapped"] = json.loads("[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert refusal(finding).code == "too-deep"
    assert refusal(changed(2, "message", "m" * 300_000)).code == "too-large"
    many = [f"10.0.{number // 250}.{number % 250}" for number in range(1100)]
    assert refusal(changed(6, f"{TRAFFIC}/sources", many)).code == "too-many-observables"


@pytest.mark.parametrize(
    ("name", "new", "sentence"),
    [
        ("evidences", [1] * 100_000, "/evidences/0: it must be an object."),
        ("osint", [{}] * 80_000, '/osint/0/type_id: the property "type_id" is missing.'),
        ("evidences", [{}] * 80_000, "/evidences/0: one of these properties is missing: actor, api, "),
    ],
)
def test_a_finding_that_is_wrong_in_many_places_is_told_one_of_them_and_soon(
    name: str, new: list[Any], sentence: str
) -> None:
    # Listing them all would take minutes, and time the tests out.
    refused = refusal(value(1) | {name: new})
    assert refused.sentence.startswith(sentence)


def test_the_schema_is_compiled_with_the_profiles_asked_for_and_all_that_they_reach() -> None:
    def attribute(kind: str, **more: Any) -> Value:
        return {"type": kind, "requirement": "optional", **more}

    export = {
        "version": "1.8.0",
        "dictionary": {
            "types": {
                "attributes": {
                    "integer_t": {},
                    "string_t": {},
                    "port_t": {"type": "integer_t", "range": [0, 65535]},
                    "mac_t": {"type": "string_t", "regex": "^..$", "max_len": 2},
                }
            }
        },
        "classes": {
            "detection_finding": {
                "attributes": {
                    "state": attribute("integer_t", enum={"1": {}, "0": {}}, requirement="required"),
                    "cloud": attribute("string_t", profiles=["cloud"], requirement="required"),
                    "osint": attribute("object_t", object_type="win/end", is_array=True, profiles=["osint"]),
                }
            }
        },
        "objects": {
            "win/end": {
                "attributes": {
                    "port": attribute("port_t"),
                    "mac": attribute("mac_t"),
                    "end": attribute("object_t", object_type="win/end"),
                },
                "constraints": {"at_least_one": ["port", "mac"]},
            },
            "out_of_reach": {"attributes": {}},
        },
    }
    found = compiling.compiled(export)
    assert found["properties"] == {
        "osint": {"type": "array", "items": {"$ref": "#/$defs/win.end"}},
        "state": {"type": "integer", "enum": [0, 1]},
    }
    assert found["required"] == ["state"]
    assert found["$defs"] == {
        "win.end": {
            "type": "object",
            "properties": {
                "end": {"$ref": "#/$defs/win.end"},
                "mac": {"type": "string", "maxLength": 2, "pattern": "^..$"},
                "port": {"type": "integer", "minimum": 0, "maximum": 65535},
            },
            "anyOf": [{"required": ["mac"]}, {"required": ["port"]}],
        }
    }
    with pytest.raises(ValueError, match=r"not 1\.8\.0"):
        compiling.compiled(export | {"version": "1.7.0"})


# ----------------------------------------------------------------------------------------------------
# Who says it, and again


def test_the_same_finding_again_gives_the_same_bytes() -> None:
    first = mapped(value(1))
    again = mapped(
        value(1), replace(KNOWN, created={"laba-dx-2026-0001": one(first, "indicator")["created"]})
    )
    assert first.objects == again.objects
    assert one(first, "indicator")["id"] == ocsf.indicator_id(LAB_A, "laba-dx-2026-0001")


def test_the_organisation_is_the_sender_and_never_the_payload() -> None:
    finding = value(1)
    finding["metadata"]["product"]["vendor_name"] = "Example Lab B"
    finding["metadata"]["tenant_uid"] = LAB_B
    ours, theirs = mapped(finding), mapped(finding, replace(KNOWN, organization_id=LAB_B))
    assert {each["created_by_ref"] for each in made(ours) if "created" in each} == {f"identity--{LAB_A}"}
    assert one(ours, "sighting")["where_sighted_refs"] == [f"identity--{LAB_A}"]
    versioned = [{each["id"] for each in made(item) if "created" in each} for item in (ours, theirs)]
    assert versioned[0].isdisjoint(versioned[1])


# ----------------------------------------------------------------------------------------------------
# What becomes of a finding later


def later(number: int = 1, **changes: Any) -> Value:
    """An acceptance finding an hour later."""
    finding = value(number) | {"activity_id": 2, "type_uid": 200402} | changes
    finding["time"] += 3_600_000
    return finding


def test_an_update_is_a_new_version_of_the_same_objects() -> None:
    before, after = made(mapped(value(1))), made(mapped(later(confidence_score=90)))
    assert [each["id"] for each in before] == [each["id"] for each in after]
    for old, new in zip(before, after, strict=True):
        if "created" in old:
            assert (new["created"], new["modified"]) == (old["created"], "2026-10-03T03:10:00.000Z")
    assert {each["confidence"] for each in after if "confidence" in each} == {90}


def test_what_was_said_first_decides_when_it_was_created() -> None:
    known = replace(KNOWN, created={"laba-dx-2026-0001": "2026-10-03T01:00:00.000Z"})
    assert one(mapped(later(), known), "indicator")["created"] == "2026-10-03T01:00:00.000Z"
    late = replace(KNOWN, created={"laba-dx-2026-0001": "2026-10-09T01:00:00.000Z"})
    older = mapped(later(), late)
    assert older.objects == ()
    assert "changes nothing" in older.notes[-1]


@pytest.mark.parametrize("status", [3, 5, 6])
def test_what_is_suppressed_archived_or_deleted_is_withdrawn(status: int) -> None:
    finding = later(status_id=status)
    item = mapped(finding)
    assert read(finding).state == "withdrawn"
    versioned = {each["id"] for each in made(mapped(value(1))) if "created" in each}
    assert {each["id"] for each in made(item)} == versioned
    assert all(each["revoked"] is True for each in made(item))


def test_a_withdrawal_without_its_pattern_withdraws_what_the_finding_said_before() -> None:
    before = made(mapped(value(1)))
    theirs = {**before[-1], "type": "relationship", "id": "relationship--" + LAB_B, "relationship_type": "x"}
    theirs["target_ref"] = before[-1]["id"]
    known = replace(KNOWN, held={"laba-dx-2026-0001": [one for one in before if "created" in one] + [theirs]})

    item = mapped(later(status_id=3, osint=[], evidences=[]), known)

    assert {each["id"] for each in made(item)} == {each["id"] for each in before if "created" in each}
    assert all(each["revoked"] and each["modified"] > each["created"] for each in made(item))
    # One that says the same again is no later version.
    assert mapped(value(1) | {"status_id": 3, "osint": [], "evidences": []}, known).objects == ()


def test_a_link_that_an_update_does_not_name_any_more_is_withdrawn() -> None:
    before = made(mapped(value(1)))
    known = replace(KNOWN, held={"laba-dx-2026-0001": [one for one in before if "created" in one]})
    update = later()
    update["finding_info"].pop("attacks", None)
    update.pop("attacks", None)

    revoked = [each for each in made(mapped(update, known)) if each.get("revoked")]

    assert {each["relationship_type"] for each in revoked} == {"indicates"}
    assert not [each for each in made(mapped(later(), known)) if each.get("revoked")]


def test_what_is_older_than_a_withdrawal_does_not_undo_it() -> None:
    known = replace(KNOWN, withdrawn={"laba-dx-2026-0001": "2100-01-01T00:00:00.000Z"})
    item = mapped(value(1), known)
    assert item.objects == ()
    assert "changes nothing" in item.notes[-1]


def test_what_is_closed_otherwise_stands() -> None:
    finding = later(activity_id=3, type_uid=200403, status_id=4)
    assert read(finding).state == "live"
    assert not any("revoked" in each for each in made(mapped(finding)))


@pytest.mark.parametrize(
    "said",
    [
        {"verdict_id": 1},
        {"verdict": "False Positive"},
        {"evidences": [each | {"verdict_id": 1} for each in value(1)["evidences"]]},
        {"verdict_id": 1, "osint": []},
    ],
)
def test_a_false_positive_is_disagreed_with_and_was_sighted_nowhere(said: Value) -> None:
    finding = later(**said)
    item = mapped(finding)
    assert read(finding).state == "false-positive"
    assert kinds(item) == {"opinion", "sighting"}
    opinion, sighting = one(item, "opinion"), one(item, "sighting")
    indicator = ocsf.indicator_id(LAB_A, "laba-dx-2026-0001")
    assert (opinion["opinion"], opinion["object_refs"]) == ("strongly-disagree", [indicator])
    assert (sighting["count"], sighting["sighting_of_ref"]) == (0, indicator)
    assert sighting["id"] == one(mapped(value(1)), "sighting")["id"]


def test_a_false_positive_that_is_deleted_is_withdrawn_too() -> None:
    item = mapped(later(verdict_id=1, status_id=6))
    assert one(item, "indicator")["revoked"] is True
    assert one(item, "opinion")["opinion"] == "strongly-disagree"
    assert one(item, "sighting")["count"] == 0


def test_a_verdict_taken_back_leaves_no_opinion() -> None:
    false, true = mapped(later(verdict_id=1)), mapped(later(verdict_id=2))
    assert one(true, "opinion")["id"] == one(false, "opinion")["id"]
    assert one(true, "opinion")["opinion"] == "neutral"
    assert one(true, "sighting")["count"] == 41233
    assert "opinion" not in kinds(mapped(value(1) | {"verdict_id": 2}))


def test_evidence_that_disagrees_decides_no_verdict() -> None:
    evidence = value(1)["evidences"][0]
    finding = later(evidences=[evidence | {"verdict_id": 1}, {"uid": "x", "data": 1, "verdict_id": 2}])
    assert read(finding).state == "live"


# ----------------------------------------------------------------------------------------------------
# Markings, confidence, rates


@pytest.mark.parametrize(
    ("levels", "marking"),
    [
        (["GREEN", "AMBER"], AMBER),
        (["GREEN", "GREEN"], GREEN),
        (["GREEN", None], AMBER),
        (["RED", "WHITE"], RED),
        (["AMBER STRICT", "GREEN"], AMBER_STRICT),
    ],
)
def test_the_most_restrictive_marking_of_osint_holds(levels: list[str | None], marking: str) -> None:
    finding = value(6)
    finding["osint"] = finding["osint"][:2]
    for entry, level in zip(finding["osint"], levels, strict=True):
        entry["tlp"] = level
        if level is None:
            del entry["tlp"]
    assert {tuple(each["object_marking_refs"]) for each in made(mapped(finding))} == {(marking,)}


def test_what_is_blinded_is_never_marked_below_amber_strict() -> None:
    item = mapped(changed(3, "osint/0/tlp", "GREEN"))
    by_type = {each["type"]: each["object_marking_refs"] for each in made(item)}
    assert by_type["blinded-identifier"] == by_type["indicator"] == by_type["sighting"] == [AMBER_STRICT]
    assert by_type["llm-api-activity"] == [GREEN]
    assert "AMBER+STRICT" in " ".join(item.notes)
    assert one(mapped(changed(1, "osint/0/tlp", "RED")), "prompt-template")["object_marking_refs"] == [RED]


@pytest.mark.parametrize(
    ("score", "level", "confidence"),
    [(72, 3, 72), (0, 3, 0), (None, 1, 15), (None, 2, 50), (None, 3, 85), (None, 0, None), (None, 99, None)],
)
def test_confidence_is_the_score_or_stands_for_the_level(
    score: int | None, level: int, confidence: int | None
) -> None:
    finding = value(1) | {"confidence_score": score, "confidence_id": level}
    if score is None:
        del finding["confidence_score"]
    assert one(mapped(finding), "indicator").get("confidence") == confidence


@pytest.mark.parametrize(("registered", "rate"), [(0.01, 0.01), (0.0001, 0.0004)])
def test_the_higher_of_the_said_and_the_registered_rate_counts(registered: float, rate: float) -> None:
    known = replace(KNOWN, rates={("clf-cot", "7"): registered, ("clf-cot", "8"): 0.9})
    for kind in ("indicator", "sighting", "observed-data"):
        assert one(mapped(value(1), known), kind)["extensions"][CONTEXT]["estimated_fpr"] == rate


def test_a_registered_rate_is_found_by_name_where_there_is_no_uid() -> None:
    finding = changed(1, "finding_info/analytic/uid", None)
    del finding["evidences"][0]["data"]["detection_context"]["estimated_fpr"]
    known = replace(KNOWN, rates={("cot-elicitation classifier", "7"): 0.2})
    assert one(mapped(finding, known), "indicator")["extensions"][CONTEXT]["estimated_fpr"] == 0.2


def test_evidence_families_that_are_not_said_are_those_of_the_evidence() -> None:
    item = mapped(changed(6, f"{DATA}/detection_context", None))
    assert one(item, "indicator")["extensions"][CONTEXT]["evidence_families"] == ["network", "volume"]
    assert "evidence families" in item.notes[0]


# ----------------------------------------------------------------------------------------------------
# Patterns


def test_values_that_stand_alone_make_a_pattern() -> None:
    finding = value(6)
    del finding["osint"][0]
    finding["osint"] += [
        {"type_id": 1, "value": "2001:DB8::1"},
        {"type_id": 4, "value": "A" * 64},
        {"type_id": 5, "value": "https://relay.example.net/o'k\\"},
        {"type_id": 6, "value": "agent/1.0"},
        {"type_id": 1, "value": "not an address"},
    ]
    item = mapped(finding)
    assert one(item, "indicator")["pattern"] == (
        "[domain-name:value = 'relay.example.net' OR ipv4-addr:value ISSUBSET '198.51.100.64/26'"
        f" OR ipv6-addr:value = '2001:db8::1' OR file:hashes.'SHA-256' = '{'a' * 64}'"
        " OR url:value = 'https://relay.example.net/o\\'k\\\\']"
    )
    assert [note.partition(":")[0] for note in item.notes] == ["/osint/5", "/osint/6"]
    assert "valid_until" not in one(item, "indicator")


def test_the_hash_of_an_observed_prompt_is_no_files() -> None:
    finding = value(1)
    del finding["osint"][0]
    digest = finding["osint"][0]["value"]
    assert one(mapped(finding), "indicator")["pattern"] == f"[prompt-template:hashes.'SHA-256' = '{digest}']"


def test_of_several_patterns_one_is_taken_and_the_others_are_told() -> None:
    finding = value(2)
    sigma = finding["osint"][0] | {"detection_pattern_type_id": 3, "detection_pattern": "title: x"}
    odd = finding["osint"][0] | {"detection_pattern_type_id": 99, "detection_pattern_type": "Own"}
    finding["osint"] = [sigma, *finding["osint"], odd]
    item = mapped(finding)
    assert one(item, "indicator")["pattern"] == value(2)["osint"][0]["detection_pattern"]
    assert [note.partition(":")[0] for note in item.notes] == [
        "/osint/2/detection_pattern",
        "/osint/0/detection_pattern",
    ]


def test_a_pattern_that_is_not_stix_is_told_with_its_type() -> None:
    finding = value(2)
    finding["osint"][0] |= {"detection_pattern_type_id": 6, "detection_pattern": "rule x { condition: true }"}
    indicator = one(mapped(finding), "indicator")
    assert (indicator["pattern_type"], "pattern_version" in indicator) == ("yara", False)


def test_a_pattern_that_cannot_be_read_is_left_to_the_parser() -> None:
    item = mapped(changed(2, "osint/0/detection_pattern", "[ipv4-addr:value = ]"))
    assert "external_references" not in one(item, "indicator")
    assert "cannot be read" in item.notes[0]


def test_without_a_pattern_there_is_no_indicator_and_with_nothing_there_is_nothing() -> None:
    finding = value(2) | {"osint": []}
    item = mapped(finding)
    assert kinds(item) == {"llm-api-activity", "software", "observed-data"}
    assert "without an indicator" in item.notes[0]
    nothing = mapped(finding | {"evidences": []})
    assert (nothing.objects, nothing.refusal) == ((), None)
    assert "neither a pattern" in " ".join(nothing.notes)
    withdrawn = mapped(later(2, status_id=6, osint=[]))
    assert kinds(withdrawn) == {"observed-data"}
    unknown = mapped(later(2, status_id=6, osint=[], evidences=[]))
    assert unknown.objects == ()
    assert "nothing to withdraw" in unknown.notes[-1]


def test_a_pattern_alone_is_enough() -> None:
    finding = value(2) | {"evidences": []}
    assert kinds(mapped(finding)) == {"indicator", "sighting", "relationship"}
    assert "observed_data_refs" not in one(mapped(finding), "sighting")


# ----------------------------------------------------------------------------------------------------
# Links


def test_a_campaign_is_linked_only_if_it_is_known_and_an_actor_never() -> None:
    finding = value(2)
    finding["osint"][0] |= {
        "campaign": {"name": "Cluster C-17"},
        "threat_actor": {"name": "Example Actor"},
        "intrusion_sets": ["Example Set"],
    }
    campaign = "campaign--3ceaaf30-8142-48ea-91d9-3080f9b439fc"

    unknown, known = mapped(finding), mapped(finding, replace(KNOWN, campaigns={"cluster c-17": campaign}))

    plain = [each["id"] for each in made(mapped(value(2)))]
    assert [each["id"] for each in made(unknown)] == plain
    assert "Cluster C-17" in " ".join(unknown.notes)
    (link,) = [each for each in made(known) if each["id"] not in plain]
    assert (link["relationship_type"], link["target_ref"]) == ("indicates", campaign)
    assert link["source_ref"] == one(known, "indicator")["id"]
    assert "Cluster C-17" not in " ".join(known.notes)
    for item in (unknown, known):
        assert "Example Actor" in " ".join(item.notes)
        assert "Example Set" in " ".join(item.notes)
        assert b"Example Actor" not in b"".join(item.objects)
    by_id = changed(2, "osint/0/campaign", {"name": campaign})
    assert campaign in {
        each.get("target_ref") for each in made(mapped(by_id, replace(KNOWN, campaigns={campaign: campaign})))
    }


def test_a_technique_that_is_not_in_the_catalogue_is_told() -> None:
    finding = value(2)
    finding["attacks"] = [
        {
            "technique": {"uid": "T1566", "name": "Phishing"},
            "tactic": {"uid": "TA0001", "name": "Initial Access"},
        },
        {"technique": {"uid": "AML.T0021"}, "sub_technique": {"uid": "AML.T0021.999"}},
    ]
    item = mapped(finding)
    targets = {each["target_ref"] for each in made(item) if each.get("relationship_type") == "indicates"}
    assert targets == {TECHNIQUES["AML.T0024.002"], TECHNIQUES["AML.T0021"]}
    assert [note.split()[2] for note in item.notes] == ["T1566"]
    assert {"kill_chain_name": "mitre-attack", "phase_name": "initial-access"} in one(item, "indicator")[
        "kill_chain_phases"
    ]


def test_of_many_notes_most_are_only_counted() -> None:
    finding = value(2) | {"attacks": [{"technique": {"uid": f"T{number}"}} for number in range(2000)]}
    item = mapped(finding)
    assert len(item.notes) == 20
    assert item.notes[-1] == "And 1,981 more."


# ----------------------------------------------------------------------------------------------------
# Evidence


def test_features_go_to_the_window_that_the_anomalies_are_about() -> None:
    finding = value(2)
    second = copy.deepcopy(finding["evidences"][0])
    second["data"]["llm_api_activity"] |= {"cluster_id": "B-221"}
    finding["evidences"].append(second)
    analyses = finding["anomaly_analyses"]
    analyses.append(copy.deepcopy(analyses[0]))
    analyses[1]["analysis_targets"][0]["name"] = "B-221"
    analyses[1]["anomalies"] = [
        {"observation_parameter": "account_synchrony", "observations": [{"value": "0.5"}, {"value": "0.7"}]},
        {"observation_parameter": "Not A Feature", "observations": [{"value": "0.5"}]},
        {"observation_parameter": "capability_concentration", "observations": [{"value": "HIGH"}]},
        {"observation_parameter": "idle_hours_per_day", "observations": [{"value": "NaN"}]},
        {"observation_parameter": "new_model_share", "observations": []},
    ]
    analyses.append(copy.deepcopy(analyses[0]))
    analyses[2]["analysis_targets"][0]["name"] = "B-222"

    item = mapped(finding)

    windows = {each["cluster_id"]: each for each in made(item) if each["type"] == "llm-api-activity"}
    assert set(windows["B-220"]["features"]) == {
        "query_distribution_distance",
        "capability_concentration",
        "idle_hours_per_day",
    }
    assert windows["B-221"]["features"] == {"account_synchrony": 0.5}
    assert [note.partition(": ")[0] for note in item.notes] == [
        *(f"/anomaly_analyses/1/anomalies/{index}" for index in range(5)),
        "/anomaly_analyses/2",
    ]


def test_a_host_that_is_no_domain_is_left_out_and_told() -> None:
    finding = value(6)
    finding["evidences"][1]["src_endpoint"] |= {"hostname": "DESKTOP 7", "ip": "203.0.113.9"}
    item = mapped(finding)
    assert "/evidences/1/src_endpoint/hostname" in item.notes[0]
    values = {each["value"] for each in made(item) if each["type"] == "ipv4-addr"}
    assert values == {"198.51.100.64/26", "203.0.113.9"}


def test_a_window_that_stands_twice_counts_once() -> None:
    finding = value(2)
    finding["evidences"] *= 2
    item = mapped(finding)
    assert item.objects == mapped(value(2)).objects
    assert "twice" in item.notes[0]


def test_counts_that_stix_cannot_say_are_cut_and_told() -> None:
    item = mapped(value(2) | {"count": 5_000_000_000})
    assert one(item, "sighting")["count"] == one(item, "observed-data")["number_observed"] == 999_999_999
    assert "/count" in item.notes[0]


def test_what_was_seen_when_is_taken_from_the_windows_where_the_finding_does_not_say_it() -> None:
    finding = value(2)
    del finding["finding_info"]["first_seen_time"], finding["finding_info"]["last_seen_time"]
    sighting = one(mapped(finding), "sighting")
    assert (sighting["first_seen"], sighting["last_seen"]) == (
        "2026-10-01T00:00:00.000Z",
        "2026-10-08T00:00:00.000Z",
    )


# ----------------------------------------------------------------------------------------------------
# Whatever comes

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(
        ["", "'", "0", "1e999", "a.b", "::1", "10.0.0.1/8", "2026-10-02T00:00:00Z", "x" * 300, "\u2028"]
    )
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def places(found: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    steps = found.items() if isinstance(found, dict) else enumerate(found) if isinstance(found, list) else ()
    return [at, *(place for step, inner in steps for place in places(inner, (*at, step)))]


@st.composite
def mutated(draw: Callable[..., Any]) -> bytes:
    """An acceptance finding with a few values replaced, copied from elsewhere or taken away."""
    finding: Any = value(draw(st.integers(1, 6)))
    finding |= draw(LATER)
    for _ in range(draw(st.integers(0, 3))):
        found = places(finding)
        place = found[draw(st.integers(1, len(found) - 1))]
        target = finding
        for step in place[:-1]:
            target = target[step]
        change = draw(st.sampled_from(["replace", "remove", "copy"]))
        if change == "replace":
            target[place[-1]] = draw(JSON)
        elif change == "remove":
            del target[place[-1]]
        else:
            other: Any = finding
            for step in found[draw(st.integers(1, len(found) - 1))]:
                other = other[step]
            target[place[-1]] = copy.deepcopy(other)
    return json.dumps(finding, separators=(",", ":")).encode()


LATER = st.fixed_dictionaries(
    {}, optional={"status_id": st.integers(0, 7), "verdict_id": st.integers(0, 3), "count": st.integers()}
)


def assert_refused_or_valid_stix(raw: bytes) -> None:
    try:
        finding = ocsf.read(raw)
    except Refused:
        return
    item = ocsf.item(finding, "findings/0", KNOWN)
    found = made(item)
    assert found or item.notes
    assert all(note.endswith(".") for note in item.notes)
    ids: Mapping[str, Value] = {each["id"]: each for each in found}
    assert len(ids) == len(found)
    for each in found:
        if each["type"] == "observed-data" and "revoked" not in each:
            assert ids.keys() >= set(each["object_refs"])
        if each["type"] == "sighting":
            assert each["sighting_of_ref"] == ocsf.indicator_id(LAB_A, finding.uid)


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_whatever_a_finding_says_it_is_refused_or_becomes_valid_stix(raw: bytes) -> None:
    assert_refused_or_valid_stix(raw)


@pytest.mark.slow
@settings(max_examples=5000, suppress_health_check=list(HealthCheck))
@given(mutated())
def test_whatever_many_findings_say_they_are_refused_or_become_valid_stix(raw: bytes) -> None:
    assert_refused_or_valid_stix(raw)


@settings(max_examples=200)
@given(st.data())
def test_whatever_bytes_come_they_are_refused_in_words_or_read(data: st.DataObject) -> None:
    raw = bytearray(FINDINGS[data.draw(st.integers(0, 5))].read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at : at + data.draw(st.integers(0, 4))] = data.draw(st.binary(max_size=4))
    with contextlib.suppress(Refused):
        for part in ocsf.split(bytes(raw), max_bytes=100_000):
            ocsf.read(part)
