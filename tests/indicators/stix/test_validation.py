"""STIX 2.1 validation: what is refused, by which code, and that the sentence names the property."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from indicators.stix import validation
from indicators.stix.markings import TLP, TLP_2_EXTENSION_ID, marking_id
from indicators.stix.validation import Invalid, is_sco, validate

UUID = "412b940d-e083-4c3c-8f7b-36ea3211780f"
AT = "2026-10-03T02:10:00.000Z"
BEFORE = "2026-10-03T02:09:59.999Z"
DETECTION = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805"
CAMPAIGN = "extension-definition--b4a9d6e8-1f73-4c2b-8e5d-6f7a8b9c0d04"
UNKNOWN = "extension-definition--11111111-1111-4111-8111-111111111111"
ABSENT = object()


def _obj(kind: str, **properties: Any) -> dict[str, Any]:
    core = {"type": kind, "spec_version": "2.1", "id": f"{kind}--{UUID}", "created": AT, "modified": AT}
    return {name: value for name, value in (core | properties).items() if value is not ABSENT}


def _indicator(**properties: Any) -> dict[str, Any]:
    return _obj(
        "indicator", **{"pattern": "[url:value = 'x']", "pattern_type": "stix", "valid_from": AT} | properties
    )


def _relationship(**properties: Any) -> dict[str, Any]:
    refs = {"source_ref": f"campaign--{UUID}", "target_ref": f"malware--{UUID}"}
    return _obj("relationship", **{"relationship_type": "uses"} | refs | properties)


def _sighting(**properties: Any) -> dict[str, Any]:
    return _obj("sighting", **{"sighting_of_ref": f"indicator--{UUID}"} | properties)


def _address(**properties: Any) -> dict[str, Any]:
    return _obj("ipv4-addr", **{"created": ABSENT, "modified": ABSENT, "value": "198.51.100.7"} | properties)


def _marking(**properties: Any) -> dict[str, Any]:
    statement = {"definition_type": "statement", "definition": {"statement": "Copyright"}}
    return _obj("marking-definition", **{"modified": ABSENT} | statement | properties)


def _tlp(level: TLP, label: str, **properties: Any) -> dict[str, Any]:
    extensions = {TLP_2_EXTENSION_ID: {"extension_type": "property-extension", "tlp_2_0": label}}
    nothing = {"definition_type": ABSENT, "definition": ABSENT}
    return _marking(**{"id": marking_id(level), "extensions": extensions} | nothing | properties)


@pytest.mark.parametrize(
    ("obj", "code", "place"),
    [
        (_indicator(type=ABSENT), "missing-property", "/type"),
        (_indicator(type="Indicator"), "bad-type", "/type"),
        (_indicator(type=3), "bad-type", "/type"),
        (_indicator(type="bundle", id=f"bundle--{UUID}"), "nested-bundle", "/type"),
        (_indicator(id=ABSENT), "missing-property", "/id"),
        (_indicator(id=3), "bad-id", "/id"),
        (_indicator(id="indicator"), "bad-id", "/id"),
        (_indicator(id=f"indicator--{UUID.upper()}"), "bad-id", "/id"),
        (_indicator(id=f"indicator--{UUID}\n"), "bad-id", "/id"),
        (_indicator(id=f"malware--{UUID}"), "bad-id", "/id"),
        (_indicator(id="indicator--412b940d-e083-0c3c-8f7b-36ea3211780f"), "bad-id", "/id"),
        (_indicator(spec_version=ABSENT), "unsupported-spec-version", "/spec_version"),
        (_indicator(spec_version="2.0"), "unsupported-spec-version", "/spec_version"),
        (_address(spec_version="2.0"), "unsupported-spec-version", "/spec_version"),
        (_indicator(created=ABSENT), "missing-property", "/created"),
        (_relationship(modified=ABSENT), "missing-property", "/modified"),
        (_indicator(pattern=ABSENT), "missing-property", "/pattern"),
        (_sighting(sighting_of_ref=ABSENT), "missing-property", "/sighting_of_ref"),
        (
            _indicator(kill_chain_phases=[{"kill_chain_name": "x"}]),
            "missing-property",
            "/kill_chain_phases/0/phase_name",
        ),
        (
            _indicator(external_references=[{"url": "x"}]),
            "missing-property",
            "/external_references/0/source_name",
        ),
        (_indicator(created="2026-10-03T02:10:00Z"), "bad-timestamp", "/created"),
        (_indicator(valid_until="soon"), "bad-timestamp", "/valid_until"),
        (_indicator(valid_until="2027-02-30T00:00:00Z"), "bad-timestamp", "/valid_until"),
        (_indicator(valid_until="2027-01-01T00:00:00.1234567890Z"), "bad-timestamp", "/valid_until"),
        (_marking(created="2027-02-30T00:00:00Z"), "bad-timestamp", "/created"),
        (_marking(modified=None), "bad-timestamp", "/modified"),
        (_indicator(modified=BEFORE), "wrong-order-in-time", "/modified"),
        (_indicator(valid_until=AT), "wrong-order-in-time", "/valid_until"),
        (_relationship(start_time=AT, stop_time=AT), "wrong-order-in-time", "/stop_time"),
        (_sighting(first_seen=AT, last_seen=BEFORE), "wrong-order-in-time", "/last_seen"),
        (_obj("campaign", name="x", first_seen=AT, last_seen=BEFORE), "wrong-order-in-time", "/last_seen"),
        (_indicator(created_by_ref="me"), "bad-reference", "/created_by_ref"),
        (_indicator(object_marking_refs=["red"]), "bad-reference", "/object_marking_refs/0"),
        (_sighting(where_sighted_refs=[f"malware--{UUID}"]), "bad-reference", "/where_sighted_refs/0"),
        (_relationship(target_ref=f"bundle--{UUID}"), "bad-reference", "/target_ref"),
        (_indicator(name=3), "invalid-stix", "/name"),
        (_indicator(name=None), "invalid-stix", "/name"),
        (_indicator(labels=[]), "invalid-stix", "/labels"),
        (_indicator(x_list=[]), "invalid-stix", "/x_list"),
        (_indicator(confidence=101), "invalid-stix", "/confidence"),
        (_indicator(revoked="yes"), "invalid-stix", "/revoked"),
        (_indicator(severity="high"), "invalid-stix", "/severity"),
        (_indicator(Foo=1), "invalid-stix", "/Foo"),
        (_indicator(extensions={"mine": {"a": 1}}), "invalid-stix", "/extensions/mine"),
        (_address(value="no address"), "invalid-stix", "/value"),
        (_obj("x-thing", created=ABSENT), "missing-property", "/created"),
        (_obj("x-thing", spec_version=ABSENT), "unsupported-spec-version", "/spec_version"),
        (
            _obj(
                "x-thing",
                created=ABSENT,
                modified=ABSENT,
                extensions={UNKNOWN: {"extension_type": "new-sdo"}},
            ),
            "missing-property",
            "/created",
        ),
        (
            _indicator(extensions={DETECTION: {"extension_type": "property-extension", "method": "rule"}}),
            "missing-property",
            f"/extensions/{DETECTION}/evidence_families",
        ),
        (
            _obj(
                "campaign",
                name="x",
                extensions={CAMPAIGN: {"extension_type": "property-extension", "status": "?"}},
            ),
            "invalid-stix",
            f"/extensions/{CAMPAIGN}/status",
        ),
        (_obj("prompt-template", created=ABSENT, modified=ABSENT), "missing-property", "/extensions"),
        (_marking(definition={"statement": " tlp:red "}), "tlp-under-another-id", "/definition/statement"),
        (_marking(name="TLP:AMBER+STRICT"), "tlp-under-another-id", "/name"),
        (
            _marking(definition_type="tlp", definition={"tlp": "red"}),
            "tlp-under-another-id",
            "/definition/tlp",
        ),
        (
            _marking(definition_type="tlp2", definition={"TLP": "red"}),
            "tlp-under-another-id",
            "/definition/TLP",
        ),
        (
            _tlp(TLP.RED, "red", id=f"marking-definition--{UUID}"),
            "tlp-under-another-id",
            f"/extensions/{TLP_2_EXTENSION_ID}/tlp_2_0",
        ),
        (_tlp(TLP.RED, "clear"), "tlp-under-another-id", f"/extensions/{TLP_2_EXTENSION_ID}/tlp_2_0"),
        (_tlp(TLP.RED, "red", name="TLP:GREEN"), "tlp-under-another-id", "/name"),
        (_marking(id=marking_id(TLP.RED)), "tlp-under-another-id", "/id"),
    ],
    ids=lambda part: part if isinstance(part, str) else "",
)
def test_an_invalid_object_is_refused_with_its_property(obj: dict[str, Any], code: str, place: str) -> None:
    with pytest.raises(Invalid) as caught:
        validate(obj)

    assert (caught.value.code, caught.value.place) == (code, place)
    assert caught.value.code in validation.CODES
    assert caught.value.sentence.startswith(f"{place}: ")
    assert len(caught.value.sentence) < 300


@pytest.mark.parametrize(
    "obj",
    [
        _indicator(),
        _indicator(x_custom={"deep": [1, {"a": 2.5}]}, rank=5),
        _indicator(valid_until="2026-10-03T02:10:00.000000001Z", revoked=False, description=""),
        _indicator(extensions={UNKNOWN: {"extension_type": "toplevel-property-extension"}}, threat_score=5),
        _relationship(start_time=BEFORE, stop_time=AT),
        _sighting(first_seen=AT, last_seen="2026-10-03T02:10:00Z", count=0),
        _address(),
        _address(spec_version=ABSENT, id="ipv4-addr--ff26c055-6336-5bc5-b98d-13d6226742dd"),
        _obj("x-thing", anything={"at": ["all"]}),
        _obj("x-seen-thing", created=ABSENT, modified=ABSENT, spec_version=ABSENT, value="x"),
        _marking(),
        _marking(definition={"statement": "Handle as TLP:RED until Friday"}),
        _tlp(TLP.AMBER_STRICT, "amber+strict", name="TLP:AMBER+STRICT"),
        _marking(
            id="marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9",
            created="2017-01-20T00:00:00.000Z",
            name="TLP:WHITE",
            definition_type="tlp",
            definition={"tlp": "white"},
        ),
    ],
    ids=lambda obj: str(obj["type"]),
)
def test_a_valid_object_passes(obj: dict[str, Any]) -> None:
    before = json.dumps(obj)

    validate(obj)

    assert json.dumps(obj) == before


@pytest.mark.parametrize(
    ("obj", "observable"),
    [
        (_address(), True),
        (_indicator(), False),
        (_marking(), False),
        (_obj("llm-api-activity"), True),
        (_obj("x-thing"), False),
        (_obj("x-thing", created=ABSENT, modified=ABSENT), True),
    ],
)
def test_observables_are_told_from_the_rest(obj: dict[str, Any], observable: bool) -> None:
    assert is_sco(obj) is observable


def test_every_schema_compiles_without_the_network() -> None:
    documents = validation._documents()

    assert {"http", "https"} == {uri.partition(":")[0] for uri in documents}
    for uri in documents:
        validation._schema(uri)


def test_the_licence_of_the_schemas_lies_beside_them() -> None:
    licence = Path(validation.__file__).parent / "schemas" / "oasis" / "LICENSE"

    assert "OASIS Open" in licence.read_text()
