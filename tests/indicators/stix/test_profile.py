"""The five extensions: what each asks of an object, where each may stand, and what becomes of others'."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from indicators.stix import profile
from indicators.stix.canonical import canonical
from indicators.stix.objects import read
from indicators.stix.validation import Invalid, validate

UUID = "412b940d-e083-4c3c-8f7b-36ea3211780f"
AT = "2026-10-03T02:10:00.000Z"
LA = "extension-definition--2c6e8a51-3f0b-4b57-9d5e-7a1f4c9e8b01"
PT = "extension-definition--5b7d1e92-8c44-4d0a-a3f6-1e2b9c7d8f02"
BI = "extension-definition--8f1c4b37-6a2d-4e95-b0c8-3d4e5f6a7b03"
DC = "extension-definition--b4a9d6e8-1f73-4c2b-8e5d-6f7a8b9c0d04"
DX = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805"
UNKNOWN = "extension-definition--11111111-1111-4111-8111-111111111111"


def sco(kind: str, extension: str, **members: Any) -> dict[str, Any]:
    extensions = {extension: {"extension_type": "new-sco"}}
    return {
        "type": kind,
        "spec_version": "2.1",
        "id": f"{kind}--{UUID}",
        "extensions": extensions,
    } | members


ACTIVITY = sco(
    "llm-api-activity",
    LA,
    provider="example-lab",
    cluster_id="C-17",
    start="2026-10-02T00:00:00Z",
    end="2026-10-03T00:00:00Z",
    model_refs=[f"software--{UUID}"],
    account_refs=[f"blinded-identifier--{UUID}"],
    features={"account_synchrony": 0.96, "our_own_measure": 3},
    targeted_capabilities=["coding", "a word of our own"],
)
TEMPLATE = sco("prompt-template", PT, hashes={"SHA-256": "5f" * 32, "TLSH": "0A" * 35}, normalization="ptn-1")
BLINDED = sco(
    "blinded-identifier",
    BI,
    subject="payment-method",
    scheme="hmac-sha-256",
    key_id="grp1.2026q4",
    value="3f" * 32,
)
OBSERVABLES = {one["type"]: one for one in (ACTIVITY, TEMPLATE, BLINDED)}
CAMPAIGN: dict[str, Any] = {
    "extension_type": "property-extension",
    "status": "active",
    "account_count_min": 20000,
}
DETECTION: dict[str, Any] = {
    "extension_type": "property-extension",
    "method": "rule",
    "evidence_families": ["timing"],
}


def sdo(kind: str, extension: str, content: dict[str, Any], **members: Any) -> dict[str, Any]:
    own: dict[str, dict[str, Any]] = {
        "campaign": {"name": "C-17"},
        "indicator": {"pattern": "[url:value = 'x']", "pattern_type": "stix", "valid_from": AT},
        "observed-data": {
            "first_observed": AT,
            "last_observed": AT,
            "number_observed": 1,
            "object_refs": [f"llm-api-activity--{UUID}"],
        },
        "sighting": {"sighting_of_ref": f"indicator--{UUID}"},
        "malware": {"name": "x", "is_family": True},
    }
    common = {"spec_version": "2.1", "id": f"{kind}--{UUID}", "created": AT, "modified": AT}
    return {"type": kind} | common | own[kind] | {"extensions": {extension: content}} | members


def embedded(observable: dict[str, Any]) -> dict[str, Any]:
    """Observed data that holds an observable instead of referring to it (STIX 2.1 §4.14, deprecated)."""
    one = sdo("observed-data", DX, DETECTION, objects={"0": observable})
    del one["object_refs"]
    return one


def refusal(obj: dict[str, Any]) -> Invalid:
    with pytest.raises(Invalid) as caught:
        validate(obj)
    return caught.value


def test_there_are_five_and_each_says_where_it_may_stand() -> None:
    assert {one.id: one.types for one in profile.extensions().values()} == {
        LA: ("llm-api-activity",),
        PT: ("prompt-template",),
        BI: ("blinded-identifier",),
        DC: ("campaign",),
        DX: ("indicator", "observed-data", "sighting"),
    }


@pytest.mark.parametrize("kind", OBSERVABLES)
def test_an_observable_of_the_profile_is_valid_alone_and_inside_observed_data(kind: str) -> None:
    validate(OBSERVABLES[kind])
    validate(embedded(OBSERVABLES[kind]))


@pytest.mark.parametrize(
    ("kind", "change", "code", "place"),
    [
        ("llm-api-activity", {"end": "2026-10-03T00:00:00.000Z"}, "bad-timestamp", "/end"),
        ("llm-api-activity", {"end": "2026-10-01T00:00:00Z"}, "wrong-order-in-time", "/end"),
        ("llm-api-activity", {"provider": "Example Lab"}, "invalid-stix", "/provider"),
        ("llm-api-activity", {"account_refs": [f"email-addr--{UUID}"]}, "bad-reference", "/account_refs/0"),
        ("llm-api-activity", {"features": {"synchrony": "high"}}, "invalid-stix", "/features/synchrony"),
        ("llm-api-activity", {"account_count": -1}, "invalid-stix", "/account_count"),
        ("prompt-template", {"hashes": {"MD5": "5f" * 16}}, "missing-property", "/hashes/SHA-256"),
        ("prompt-template", {"hashes": {"SHA-256": "5F" * 32}}, "invalid-stix", "/hashes/SHA-256"),
        ("prompt-template", {"normalization": "ptn-9"}, "invalid-stix", "/normalization"),
        (
            "prompt-template",
            {"sketches": {"minhash-w3-128": "short"}},
            "invalid-stix",
            "/sketches/minhash-w3-128",
        ),
        ("blinded-identifier", {"subject": "shoe-size"}, "invalid-stix", "/subject"),
        ("blinded-identifier", {"value": "in the clear"}, "invalid-stix", "/value"),
        ("blinded-identifier", {"key_id": "grp1"}, "invalid-stix", "/key_id"),
        ("blinded-identifier", {"x_hint": "ends in 42"}, "invalid-stix", ""),
    ],
)
def test_what_breaks_its_schema_is_refused_alone_and_inside_observed_data(
    kind: str, change: dict[str, Any], code: str, place: str
) -> None:
    broken = OBSERVABLES[kind] | change

    alone, inside = refusal(broken), refusal(embedded(broken))

    assert (alone.code, alone.place) == (code, place)
    assert (inside.code, inside.place) == (code, f"/objects/0{place}")


@pytest.mark.parametrize("kind", OBSERVABLES)
def test_an_observable_of_the_profile_names_its_extension(kind: str) -> None:
    (extension,) = OBSERVABLES[kind]["extensions"]
    nothing = {name: value for name, value in OBSERVABLES[kind].items() if name != "extensions"}
    another = nothing | {"extensions": {UNKNOWN: {"extension_type": "property-extension"}}}
    wrong = nothing | {"extensions": {extension: {"extension_type": "property-extension"}}}

    assert (refusal(nothing).code, refusal(nothing).place) == ("missing-property", "/extensions")
    assert (refusal(another).code, refusal(another).place) == (
        "missing-property",
        f"/extensions/{extension}",
    )
    assert refusal(wrong).place == f"/extensions/{extension}/extension_type"


@pytest.mark.parametrize(
    ("kind", "extension", "content"),
    [
        ("campaign", DC, CAMPAIGN),
        ("indicator", DX, DETECTION),
        ("observed-data", DX, DETECTION),
        ("sighting", DX, DETECTION),
    ],
)
def test_a_property_extension_is_valid_where_it_belongs(
    kind: str, extension: str, content: dict[str, Any]
) -> None:
    validate(sdo(kind, extension, content))


@pytest.mark.parametrize(
    ("kind", "extension", "content", "place"),
    [
        ("campaign", DC, CAMPAIGN | {"status": "over"}, "/status"),
        ("campaign", DC, {"extension_type": "property-extension"}, "/status"),
        ("campaign", DC, CAMPAIGN | {"exchange_count_max": 1.5}, "/exchange_count_max"),
        ("campaign", DC, CAMPAIGN | {"status_as_of": "now"}, "/status_as_of"),
        ("campaign", DC, CAMPAIGN | {"target_model_refs": [f"tool--{UUID}"]}, "/target_model_refs/0"),
        ("campaign", DC, CAMPAIGN | {"note": "x"}, "/note"),
        ("campaign", DC, CAMPAIGN | {"extension_type": "toplevel-property-extension"}, "/extension_type"),
        ("indicator", DX, DETECTION | {"method": "magic"}, "/method"),
        ("indicator", DX, DETECTION | {"estimated_fpr": 2}, "/estimated_fpr"),
        ("observed-data", DX, DETECTION | {"evidence_families": []}, "/evidence_families"),
        ("sighting", DX, DETECTION | {"evidence_families": ["gossip"]}, "/evidence_families/0"),
        ("sighting", DX, DETECTION | {"evidence_families": ["timing", "timing"]}, "/evidence_families"),
    ],
)
def test_a_property_extension_that_breaks_its_schema_is_refused_with_its_place(
    kind: str, extension: str, content: dict[str, Any], place: str
) -> None:
    refused = refusal(sdo(kind, extension, content))

    assert refused.place == f"/extensions/{extension}{place}"
    assert refused.place in refused.sentence


@pytest.mark.parametrize(
    ("kind", "extension", "sentence"),
    [
        ("indicator", DC, "the extension distillation-campaign can stand on campaign only, not on indicator"),
        (
            "campaign",
            DX,
            "the extension detection-context can stand on indicator, observed-data or sighting only, not on campaign",
        ),
        ("malware", LA, "the extension llm-api-activity can stand on llm-api-activity only, not on malware"),
    ],
)
def test_an_extension_on_an_object_of_another_type_is_refused_in_plain_words(
    kind: str, extension: str, sentence: str
) -> None:
    content: dict[str, Any] = {DC: CAMPAIGN, DX: DETECTION}.get(extension, {"extension_type": "new-sco"})

    refused = refusal(sdo(kind, extension, content))

    assert (refused.code, refused.place) == ("invalid-stix", f"/extensions/{extension}")
    assert refused.sentence == f"/extensions/{extension}: {sentence}."


def test_inside_observed_data_too_an_extension_stands_where_it_belongs() -> None:
    address = {"type": "ipv4-addr", "id": f"ipv4-addr--{UUID}", "value": "203.0.113.7"}

    refused = refusal(embedded(address | {"extensions": {DX: DETECTION}}))

    assert refused.place == f"/objects/0/extensions/{DX}"


@pytest.mark.parametrize("kind", ["campaign", "indicator", "observed-data", "sighting", "malware"])
def test_what_an_extension_of_others_says_is_not_touched(kind: str) -> None:
    content = {"extension_type": "property-extension", "zeta": [1, {"b": False, "ä": ""}], "alpha": "\u2028"}
    one = sdo(kind, UNKNOWN, content, x_own={"k": [0.5]})
    sent = canonical(copy.deepcopy(one))

    assert read(sent).body == sent
    assert json.loads(read(json.dumps(one, indent=3).encode()).body) == one


@pytest.mark.parametrize("name", profile.documents())
def test_a_schema_goes_out_under_the_url_of_the_deployment(name: str) -> None:
    served = profile.schema(name, "https://intel.example.net/schemas")

    assert served is not None
    assert b"example.org" not in served
    assert json.loads(served)["$id"] == f"https://intel.example.net/schemas/{name}"


def test_every_definition_leads_to_a_schema_and_is_valid() -> None:
    author = f"identity--{UUID}"
    found = profile.definitions(schemas_url="https://intel.example.net/schemas", created_by_ref=author)

    assert [one["id"] for one in found] == list(profile.extensions())
    for one in found:
        assert read(json.dumps(one).encode()).value["created_by_ref"] == author
        host, _, name = one["schema"].rpartition("/")
        assert host == "https://intel.example.net/schemas"
        assert profile.schema(name, host) is not None
        assert profile.documents()[name]["title"] == one["name"]
