"""The pattern builder: what it offers can be said, and what it cannot show it says."""

import pytest

from indicators.drafting import builder
from indicators.drafting.builder import NotBuildable, Property
from indicators.patterns import PatternError, canonical
from indicators.stix import profile

VALUES = {
    "ipv4-addr:value": "192.0.2.0/24",
    "ipv6-addr:value": "2001:db8::/32",
    "domain-name:value": "proxy.example",
    "url:value": "https://proxy.example/v1",
    "file:hashes.'SHA-256'": "a" * 64,
    "file:hashes.'SHA-1'": "a" * 40,
    "file:hashes.MD5": "a" * 32,
    "blinded-identifier:value": "b" * 64,
    "prompt-template:hashes.'SHA-256'": "c" * 64,
}


@pytest.mark.parametrize("offered", builder.properties(), ids=lambda one: one.path)
def test_whatever_is_offered_is_a_pattern_and_comes_back_as_the_same_row(offered: Property) -> None:
    value = VALUES.get(offered.path, "5" if offered.kind == "number" else "text")
    literal = value if offered.kind == "number" else f"'{value}'"
    for operator, _ in offered.operators:
        right = f"({literal})" if operator.endswith("IN") else literal
        pattern = f"[{offered.path} {operator} {right}]"
        canonical(pattern)
        (observation,) = builder.rows(pattern)["observations"]
        assert observation["tests"] == [{"path": offered.path, "operator": operator, "values": [value]}]


def test_the_builder_offers_every_feature_with_its_unit_and_every_property_that_the_schema_has() -> None:
    offered = {one.path: one for one in builder.properties()}
    document = profile.documents()["llm-api-activity.json"]
    for one in document["definitions"]["traffic-feature-ov"]["oneOf"]:
        assert offered[f"llm-api-activity:features.{one['const']}"].help == one["description"]
    known = document["allOf"][1]["properties"]
    for path in offered:
        if path.startswith("llm-api-activity:"):
            assert path.partition(":")[2].partition(".")[0].partition("[")[0] in known


def test_observations_groups_and_qualifiers_are_rows() -> None:
    model = builder.rows(
        "([ipv4-addr:value IN ('192.0.2.7', '192.0.2.8') AND (domain-name:value = 'a.example' OR url:value LIKE '%x')]"
        " REPEATS 3 TIMES WITHIN 600 SECONDS"
        " FOLLOWEDBY [llm-api-activity:features.account_synchrony >= 0.9]) WITHIN 86400 SECONDS"
    )
    assert (model["join"], model["within"], model["repeats"]) == ("FOLLOWEDBY", "86400", None)
    first, second = model["observations"]
    assert (first["repeats"], first["within"], first["join"]) == ("3", "600", "AND")
    assert first["tests"][1]["join"] == "OR"
    assert [one["path"] for one in first["tests"][1]["tests"]] == ["domain-name:value", "url:value"]
    assert second["tests"][0]["values"] == ["0.9"]


@pytest.mark.parametrize(
    ("pattern", "why"),
    [
        ("[x:y = 'a']", "x:y, which the builder does not offer"),
        ("[domain-name:value > 'a']", "by >"),
        ("[domain-name:value = 5]", "other than a string"),
        ("[autonomous-system:number IN (1)]", "by IN"),
        ("([url:value = 'a'] OR [url:value = 'b']) AND [url:value = 'c']", "grouped in parentheses"),
        ("[url:value = 'a' AND (url:value = 'b' OR (url:value = 'c' AND url:value = 'd'))]", "one level"),
        ("[url:value = 'a'] START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'", "START"),
        ("[url:value = 'a'] WITHIN 5 SECONDS REPEATS 2 TIMES", "REPEATS before WITHIN"),
        ("([url:value = 'a'] WITHIN 5 SECONDS) WITHIN 6 SECONDS", "qualifiers stand on qualifiers"),
        ("[url:value = ' a']", "begins or ends with space"),
        ("[url:value IN ()]", "other than a string"),
        ("[EXISTS url:value]", "by EXISTS"),
    ],
)
def test_a_right_pattern_that_it_cannot_show_is_refused_with_the_reason(pattern: str, why: str) -> None:
    with pytest.raises(NotBuildable, match=why.replace("(", r"\(")):
        builder.rows(pattern)


def test_a_wrong_pattern_is_told_by_its_place() -> None:
    with pytest.raises(PatternError) as refused:
        builder.rows("[domain-name:value = 'a'\n AND]")
    assert (refused.value.line, refused.value.column) == (2, 5)
