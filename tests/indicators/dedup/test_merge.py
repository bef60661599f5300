"""The merge: what a reader of one audience sees, and what never leaves its source (model.md, "Merging")."""

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stix2
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.dedup.merge import DETECTION_CONTEXT, Claim, View, fold
from indicators.stix.canonical import canonical as canonical_json
from indicators.stix.timestamps import to_sortable

DEMO = Path(__file__).parents[3] / "indicators" / "demo"
DAY = timedelta(days=1)
T0 = datetime(2026, 10, 1, 12, 0, 0, 123456, tzinfo=UTC)
PUBLISHED = "indicator--0f3a1f9e-7c1e-4d8e-9f43-6d1a6e4a7b10"
SERVICE = "identity--5b1cbd2c-7a0a-4d65-8a40-1a8c7c9c1f11"
IP = "[ipv4-addr:value = '198.51.100.7']"
AMBER = "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421"


def claim(organization: str = "lab-a", reliability: str = "B", **more: Any) -> Claim:
    value = {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{organization}",
        "created_by_ref": f"identity--{organization}",
        "pattern": IP,
        "pattern_type": "stix",
        "valid_from": "2026-10-01T00:00:00Z",
        "confidence": 85,
    }
    value.update(more.pop("value", {}))
    settings: dict[str, Any] = {"received_at": T0, "first_received_at": T0, "tlp": 2}
    settings.update(more)
    return Claim(organization, reliability, f"indicator--{organization}", value, **settings)


def seen(*claims: Claim, **more: Any) -> View:
    return fold(claims, published_id=PUBLISHED, created_by_ref=SERVICE, **more)


def through_stix2(value: dict[str, Any]) -> bytes:
    return canonical_json(json.loads(stix2.parse(value, allow_custom=True).serialize()))


def test_one_bare_claim_becomes_a_complete_indicator() -> None:
    assert seen(claim()).value == {
        "type": "indicator",
        "spec_version": "2.1",
        "id": PUBLISHED,
        "created_by_ref": SERVICE,
        "created": "2026-10-01T12:00:00.123Z",
        "modified": "2026-10-01T12:00:00.123Z",
        "name": "IPv4 address 198.51.100.7",
        "description": "Reported by partners of this community; "
        "merged by the service on identity of the pattern.",
        "indicator_types": ["anomalous-activity"],
        "pattern": IP,
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": "2026-10-01T00:00:00Z",
        "valid_until": "2026-10-31T12:00:00.123Z",
        "confidence": 65,
        "labels": ["distillation-campaign"],
        "object_marking_refs": [AMBER],
    }


def test_lists_are_joined_without_doubles_and_in_order() -> None:
    one = {
        "labels": ["b", "a"],
        "indicator_types": ["malicious-activity"],
        "kill_chain_phases": [{"kill_chain_name": "mitre-atlas", "phase_name": "exfiltration"}],
        "external_references": [
            {"source_name": "mitre-atlas", "external_id": "AML.T0024", "description": "mine"}
        ],
    }
    other = {
        "labels": ["c", "a"],
        "kill_chain_phases": [
            {"kill_chain_name": "mitre-atlas", "phase_name": "exfiltration"},
            {"kill_chain_name": "mitre-atlas", "phase_name": "collection"},
        ],
        "external_references": [
            {"source_name": "mitre-atlas", "external_id": "AML.T0024"},
            {"source_name": "blog", "url": "https://blog.example/1"},
        ],
    }
    value = seen(claim(value=one), claim("lab-b", value=other)).value
    assert value["labels"] == ["a", "b", "c"]
    assert value["indicator_types"] == ["malicious-activity"]
    assert [phase["phase_name"] for phase in value["kill_chain_phases"]] == ["collection", "exfiltration"]
    assert value["external_references"] == [
        {"source_name": "mitre-atlas", "external_id": "AML.T0024"},
        {"source_name": "blog", "url": "https://blog.example/1"},
    ]


def test_the_name_is_from_the_most_reliable_source_that_gives_one() -> None:
    named = [
        claim("a", "C", value={"name": "from C"}),
        claim("b", "B", value={"name": "later"}, first_received_at=T0),
        claim("c", "B", value={"name": "earlier"}, first_received_at=T0 - DAY),
        claim("d", "A"),
    ]
    assert seen(*named).value["name"] == "earlier"


@pytest.mark.parametrize(
    ("pattern_type", "pattern", "name"),
    [
        ("stix", "[autonomous-system:number = 64501]", "Autonomous system 64501"),
        ("stix", "[llm-api-activity:account_count >= 5]", "Behavioural indicator"),
        ("stix", "[ipv4-addr:value ISSUBSET '10.0.0.0/8']", "Indicator"),
        ("sigma", "title: x", "Indicator"),
    ],
)
def test_a_nameless_indicator_is_named_after_what_it_watches(
    pattern_type: str, pattern: str, name: str
) -> None:
    value = seen(claim(value={"pattern_type": pattern_type, "pattern": pattern})).value
    assert value["name"] == name
    assert ("pattern_version" in value) == (pattern_type == "stix")


def test_validity_runs_from_the_earliest_to_the_latest_that_evidence_carries() -> None:
    a = claim("a", value={"valid_from": "2026-09-01T00:00:00.500Z", "valid_until": "2026-10-05T00:00:00Z"})
    b = claim("b", value={"valid_until": "2027-10-05T00:00:00Z"}, received_at=T0 + DAY)
    assert seen(a).value["valid_until"] == "2026-10-05T00:00:00Z"
    value = seen(a, b).value
    assert value["valid_from"] == "2026-09-01T00:00:00.5Z"
    assert value["valid_until"] == "2026-11-01T12:00:00.123Z"


def test_validity_never_ends_before_it_begins() -> None:
    value = seen(
        claim(value={"valid_from": "2030-01-01T00:00:00Z", "valid_until": "2031-01-01T00:00:00Z"})
    ).value
    assert value["valid_from"] == "2030-01-01T00:00:00Z"
    assert value["valid_until"] == "2030-01-01T00:00:00.001Z"


def test_the_strictest_marking_wins_and_red_is_refused() -> None:
    view = seen(claim("a", tlp=0), claim("b", tlp=3), claim("c", tlp=1))
    assert view.value["object_marking_refs"] == ["marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003"]
    with pytest.raises(ValueError, match="RED"):
        seen(claim("a"), claim("b", tlp=4))


def test_it_is_revoked_only_when_every_source_withdrew() -> None:
    a, b = claim("a", value={"labels": ["from-a"]}), claim("b", value={"labels": ["from-b"]})
    gone = [dataclasses.replace(each, withdrawn=True, received_at=T0 + DAY) for each in (a, b)]
    half = seen(gone[0], b)
    assert not half.revoked
    assert "revoked" not in half.value
    assert half.value["labels"] == ["from-b"]
    assert half.sources == 1
    assert half.value["modified"] == "2026-10-02T12:00:00.123Z"
    whole = seen(*gone)
    assert whole.revoked
    assert whole.value["revoked"] is True
    assert whole.value["labels"] == ["from-a", "from-b"]
    assert whole.sources == 0


def test_a_new_version_is_later_than_the_one_before_and_keeps_its_creation() -> None:
    value = seen(
        claim(), previous_created="2026-09-01T00:00:00.000Z", previous_modified="2026-11-01T00:00:00.999Z"
    ).value
    assert value["created"] == "2026-09-01T00:00:00.000Z"
    assert value["modified"] == "2026-11-01T00:00:01.000Z"


def test_the_digest_does_not_see_modified_but_sees_the_rest() -> None:
    one = seen(claim())
    assert seen(claim(), previous_modified="2026-11-01T00:00:00.000Z").digest == one.digest
    assert seen(claim(value={"labels": ["x"]})).digest != one.digest


def test_what_stays_with_the_source_is_not_published() -> None:
    context = {
        "extension_type": "property-extension",
        "method": "learning",
        "evidence_families": ["content"],
        "finding_uid": "secret-finding",
        "analytic_name": "secret-analytic",
        "score": 0.987654,
        "estimated_fpr": 0.02,
    }
    references = [
        {"source_name": "dix-canonical-key", "external_id": "ck1:secret"},
        {"source_name": "lab", "external_id": "secret-finding"},
        {"source_name": "lab", "description": "secret text"},
        {"source_name": "blog", "url": "https://blog.example/", "description": "secret text"},
    ]
    value = {
        "description": "secret text",
        "extensions": {DETECTION_CONTEXT: context, "extension-definition--x": {"secret": 1}},
        "external_references": references,
        "created_by_ref": "identity--secret",
        "x_secret": 1,
    }
    view = seen(claim("secret-organisation", value=value))
    assert "secret" not in json.dumps(view.value)
    assert "extensions" not in view.value
    assert view.value["external_references"] == [{"source_name": "blog", "url": "https://blog.example/"}]
    assert view.confidence == 25


def test_several_claims_of_one_organisation_are_one_voice() -> None:
    twice = seen(claim(), dataclasses.replace(claim(), object_id="indicator--other"))
    assert twice.confidence == seen(claim()).confidence
    assert twice.sources == 1


def test_claims_on_two_pattern_types_are_not_merged() -> None:
    with pytest.raises(ValueError, match="pattern type"):
        seen(claim("a"), claim("b", value={"pattern_type": "sigma"}))
    with pytest.raises(ValueError, match="nothing"):
        seen()


def _worked() -> list[dict[str, Any]]:
    bundles = [json.loads(path.read_text()) for path in sorted(DEMO.glob("*.json"))]
    return [each for bundle in bundles for each in bundle["objects"] if each["type"] == "indicator"]


@pytest.mark.parametrize("indicator", _worked(), ids=lambda each: each["id"][-4:])
def test_a_merged_worked_indicator_is_a_fixed_point_of_stix2(indicator: dict[str, Any]) -> None:
    value = seen(Claim("lab", "B", indicator["id"], indicator, T0, T0, 2)).value
    assert through_stix2(value) == canonical_json(value)


_moments = st.integers(-(10**12), 10**13).map(lambda micros: T0 + timedelta(microseconds=micros))
_values = st.fixed_dictionaries(
    {"pattern": st.sampled_from([IP, "[ ipv4-addr:value IN ('198[.]51.100.7') ]"])},
    optional={
        "name": st.sampled_from(["", "x", "y"]),
        "labels": st.lists(st.sampled_from("lmn"), min_size=1, max_size=2),
        "indicator_types": st.lists(st.sampled_from(["benign", "x-own"]), min_size=1, max_size=2),
        "valid_from": st.sampled_from(["2026-09-30T00:00:00.123456Z", "2026-10-05T00:00:00.000Z"]),
        "valid_until": st.sampled_from(["2026-10-05T00:00:00.001Z", "2027-10-05T00:00:00.120Z"]),
        "confidence": st.integers(0, 100),
        "external_references": st.lists(
            st.sampled_from(
                [
                    {
                        "source_name": "s",
                        "url": "https://a.example/",
                        "hashes": {"MD5": "ab" * 16, "md5": "x"},
                    },
                    {"source_name": "s", "external_id": "1"},
                    {"source_name": "é", "external_id": "2", "description": "d"},
                ]
            ),
            max_size=2,
        ),
        "kill_chain_phases": st.lists(
            st.sampled_from([{"kill_chain_name": "k", "phase_name": p} for p in "ab"]), max_size=2
        ),
        "extensions": st.just({DETECTION_CONTEXT: {"estimated_fpr": 0.001, "evidence_families": ["timing"]}}),
    },
)


@st.composite
def _claims(draw: st.DrawFn) -> Claim:
    first, received = sorted((draw(_moments), draw(_moments)))
    return claim(
        draw(st.sampled_from("abc")),
        draw(st.sampled_from("ABCDEF")),
        value=draw(_values),
        received_at=received,
        first_received_at=first,
        tlp=draw(st.integers(0, 3)),
        withdrawn=draw(st.booleans()),
    )


@settings(max_examples=100)
@given(st.lists(_claims(), min_size=1, max_size=4), st.randoms())
def test_the_view_does_not_depend_on_the_order_of_claims(claims: list[Claim], random: Any) -> None:
    view = seen(*claims)
    random.shuffle(claims)
    assert seen(*claims) == view
    assert to_sortable(view.value["valid_until"]) > to_sortable(view.value["valid_from"])
    assert view.value["modified"] >= view.value["created"]


def test_claims_that_tie_in_all_but_their_evidence_are_folded_in_one_order() -> None:
    context = {DETECTION_CONTEXT: {"estimated_fpr": 0.001, "evidence_families": ["timing"]}}
    silent, speaking = claim(), claim(value={"extensions": context})

    assert seen(silent, speaking) == seen(speaking, silent)


@settings(max_examples=40)
@given(st.lists(_claims(), min_size=1, max_size=3))
def test_every_view_is_a_fixed_point_of_stix2(claims: list[Claim]) -> None:
    value = seen(*claims).value
    assert through_stix2(value) == canonical_json(value)


def test_an_indicator_that_begins_at_the_end_of_time_is_merged() -> None:
    """It made the publisher of its whole community fail, again and again."""
    view = seen(claim(value={"valid_from": "9999-12-31T23:59:59.999Z"}))

    assert view.value["valid_from"] == "9999-12-31T23:59:59.999Z"


def test_a_sigma_rule_of_two_authors_is_published_as_that_of_neither() -> None:
    def sigma(organization: str, words: str) -> Claim:
        rule = f"title: {words}\nauthor: {words}\nlogsource: {{product: llm-api}}\ndetection: {{a: 1, condition: a}}\n"
        return claim(organization, value={"pattern_type": "sigma", "pattern": rule})

    one, other = sigma("lab-a", "Seen at our customer"), sigma("lab-b", "Lab B knows")

    view = seen(one, other)

    assert view.value["pattern"].startswith("title: Sigma rule\n")
    assert "customer" not in json.dumps(view.value)
    assert "Lab B" not in json.dumps(view.value)
    assert seen(other, one) == view
