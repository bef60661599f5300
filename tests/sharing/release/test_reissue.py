"""What points at a merged indicator, said again by the service: a fixed point of stix2, and no trace of its source."""

import json
from pathlib import Path
from typing import Any

import pytest
import stix2

import indicators
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, marking_id
from indicators.stix.references import references
from sharing.release.reissue import DETECTION_CONTEXT, no_earlier, reissue, revocation
from tests.conformance import stix
from tests.conformance.stix import Object

OWN_ID = "5b1cbd2c-7a0a-4d65-8a40-1a8c7c9c1f11"
PUBLISHER = "identity--0f3a1f9e-7c1e-4d8e-9f43-6d1a6e4a7b10"
PUBLISHED = "indicator--2c6e8a51-3f0b-4b57-9d5e-7a1f4c9e8b01"
PARTNERS = "indicator--8f1c4b37-6a2d-4e95-b0c8-3d4e5f6a7b03"
CREATED, MODIFIED = "2026-03-01T12:00:00.000Z", "2026-03-01T12:00:00.120Z"
DEMO = Path(indicators.__file__).parent / "demo"


def again(value: Object, tlp: TLP = TLP.GREEN) -> dict[str, Any]:
    return reissue(
        value,
        published_id=f"{value['type']}--{OWN_ID}",
        created_by_ref=PUBLISHER,
        created=CREATED,
        modified=MODIFIED,
        tlp=tlp,
        mapping={PARTNERS: PUBLISHED},
    )


def through_stix2(value: dict[str, Any]) -> bytes:
    return canonical(json.loads(stix2.parse(value, allow_custom=True).serialize()))


def speakers() -> list[Object]:
    """Objects of every kind that can refer to an indicator, the demo's among them."""
    found = [
        stix._sdo(
            "relationship",
            relationship_type="indicates",
            source_ref=PARTNERS,
            target_ref=f"campaign--{OWN_ID}",
        ),
        stix._sdo(
            "relationship",
            relationship_type="indicates",
            source_ref=PARTNERS,
            target_ref=f"campaign--{OWN_ID}",
            start_time="2024-05-01T08:00:00.000Z",
            stop_time="2024-05-02T08:00:00.1200000Z",
            description="Told by us.",
        ),
        stix._sdo(
            "sighting", sighting_of_ref=PARTNERS, count=0, summary=False, first_seen="2024-05-01T08:00:00Z"
        ),
        stix._sdo(
            "sighting",
            sighting_of_ref=PARTNERS,
            first_seen="2024-05-01T08:00:00.5Z",
            last_seen="2024-05-01T08:00:00.500000Z",
            where_sighted_refs=[f"identity--{OWN_ID}"],
        ),
        stix._sdo("note", content="é\u2028", object_refs=[PARTNERS], authors=["Ann"]),
        stix._sdo("opinion", opinion="agree", object_refs=[PARTNERS], revoked=False),
        stix._sdo("report", name="A", published="2024-05-01T08:00:00.000Z", object_refs=[PARTNERS]),
        stix._sdo(
            "grouping", context="malware-analysis", object_refs=[PARTNERS], lang="fr", labels=["z", "a"]
        ),
    ]
    for name in ("1-public-campaigns.json", "2-synthetic-detections.json"):
        found += [
            one
            for one in json.loads((DEMO / name).read_text())["objects"]
            if one["type"] != "indicator" and any(ref.startswith("indicator--") for ref in references(one))
        ]
    return found


@pytest.mark.parametrize("speaker", speakers(), ids=lambda one: one["type"])
def test_it_is_a_fixed_point_of_stix2(speaker: Object) -> None:
    """trust.md: a consumer that parses and serialises it again still holds the bytes that were signed."""
    own = again(speaker)

    assert through_stix2(own) == canonical(own)


@pytest.mark.parametrize("speaker", speakers(), ids=lambda one: one["type"])
def test_its_revocation_is_one_too(speaker: Object) -> None:
    own = revocation(again(speaker), modified="2026-03-01T12:00:00.121Z")

    assert through_stix2(own) == canonical(own)


@pytest.mark.parametrize("speaker", speakers(), ids=lambda one: one["type"])
def test_it_names_neither_its_source_nor_the_partners_ids(speaker: Object) -> None:
    """model.md, "What stays with the source"."""
    own = again(speaker)

    assert own["id"].endswith(OWN_ID)
    assert own["created_by_ref"] == PUBLISHER
    assert (own["created"], own["modified"]) == (CREATED, MODIFIED)
    assert PARTNERS not in json.dumps(own)
    assert speaker["id"] not in json.dumps(own)
    assert not {"where_sighted_refs", "authors", "external_references", "granular_markings"} & set(own)
    assert DETECTION_CONTEXT not in own.get("extensions", {})


def test_what_it_says_is_kept() -> None:
    speaker = stix._sdo("sighting", sighting_of_ref=PARTNERS, count=0, summary=True)

    own = again(speaker)

    assert (own["sighting_of_ref"], own["count"], own["summary"]) == (PUBLISHED, 0, True)


@pytest.mark.parametrize("tlp", [TLP.CLEAR, TLP.GREEN, TLP.AMBER, TLP.AMBER_STRICT])
def test_it_bears_the_marking_that_it_counts_as(tlp: TLP) -> None:
    unmarked = stix._sdo("note", content="x", object_refs=[PARTNERS])

    assert again(unmarked, tlp)["object_marking_refs"] == [marking_id(tlp)]


def test_a_marking_of_a_part_becomes_one_of_the_whole() -> None:
    """The granular marking goes, because its selectors may name what is left out; its restriction must not."""
    speaker = stix._sdo(
        "note",
        content="x",
        object_refs=[PARTNERS],
        object_marking_refs=[marking_id(TLP.GREEN)],
        granular_markings=[{"marking_ref": marking_id(TLP.AMBER), "selectors": ["content"]}],
    )

    own = again(speaker, TLP.AMBER)

    assert marking_id(TLP.AMBER) in own["object_marking_refs"]


def test_no_object_is_harmed() -> None:
    speaker = stix._sdo("note", content="x", object_refs=[PARTNERS], extensions={DETECTION_CONTEXT: {"a": 1}})
    before = json.dumps(speaker)

    again(speaker)

    assert json.dumps(speaker) == before


@pytest.mark.parametrize(
    ("modified", "after", "result"),
    [
        (MODIFIED, "", MODIFIED),
        (MODIFIED, CREATED, MODIFIED),
        (MODIFIED, MODIFIED, "2026-03-01T12:00:00.121Z"),
        (CREATED, MODIFIED, "2026-03-01T12:00:00.121Z"),
        (CREATED, "2026-12-31T23:59:59.999Z", "2027-01-01T00:00:00.000Z"),
    ],
)
def test_a_version_is_later_than_the_one_before(modified: str, after: str, result: str) -> None:
    assert no_earlier(modified, after=after) == result
