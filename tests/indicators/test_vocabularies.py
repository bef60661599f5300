"""What people pick from at the desk is what the schemas say."""

from typing import Any

import pytest
from django.db.models import TextChoices

from indicators import vocabularies
from indicators.stix import profile

CAMPAIGN = "extension-definition--b4a9d6e8-1f73-4c2b-8e5d-6f7a8b9c0d04.json"
DETECTION = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805.json"


def definition(file: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = profile.documents()[file]["definitions"][name]
    return found


def member(file: str, name: str) -> dict[str, Any]:
    """The schema of a property of one of our observables."""
    found: dict[str, Any] = profile.documents()[file]["allOf"][1]["properties"][name]
    return found


SCHEMAS: dict[type[TextChoices], list[dict[str, Any]]] = {
    vocabularies.CampaignStatus: [definition(CAMPAIGN, "campaign-status-enum")],
    vocabularies.ModelCapability: [
        definition(file, "model-capability-ov")
        for file in (CAMPAIGN, "llm-api-activity.json", "prompt-template.json")
    ],
    vocabularies.AccessPathway: [
        definition(file, "access-pathway-ov") for file in (CAMPAIGN, "llm-api-activity.json")
    ],
    vocabularies.DetectionMethod: [definition(DETECTION, "detection-method-enum")],
    vocabularies.EvidenceFamily: [definition(DETECTION, "evidence-family-enum")],
    vocabularies.TrafficFeature: [definition("llm-api-activity.json", "traffic-feature-ov")],
    vocabularies.BlindedSubject: [member("blinded-identifier.json", "subject")],
    vocabularies.BlindingScheme: [member("blinded-identifier.json", "scheme")],
    vocabularies.PromptRole: [member("prompt-template.json", "prompt_role")],
}


def words(schema: dict[str, Any]) -> list[str]:
    return schema["enum"] if "enum" in schema else [one["const"] for one in schema["oneOf"]]


@pytest.mark.parametrize("vocabulary", SCHEMAS, ids=lambda one: one.__name__)
def test_a_vocabulary_is_that_of_its_schemas(vocabulary: type[TextChoices]) -> None:
    for schema in SCHEMAS[vocabulary]:
        assert vocabulary.values == words(schema)
    assert len(set(vocabulary.labels)) == len(vocabulary.values)


def test_every_vocabulary_is_compared_with_a_schema() -> None:
    ours = {
        one
        for one in vars(vocabularies).values()
        if isinstance(one, type) and issubclass(one, TextChoices) and one is not TextChoices
    }
    assert ours == SCHEMAS.keys()


@pytest.mark.parametrize(
    "file", [file for file in profile.documents() if profile.documents()[file].get("definitions")]
)
def test_every_vocabulary_of_a_schema_is_one_of_ours(file: str) -> None:
    for schema in profile.documents()[file]["definitions"].values():
        assert words(schema) in [vocabulary.values for vocabulary in SCHEMAS]
