"""Confidence: every row of the table in model.md, and what an attacker would try."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.dedup.belief import (
    LIFETIMES,
    STANCES,
    Evidence,
    Opinion,
    class_of,
    confidence,
    decay,
    published,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
FAMILIES = frozenset({"timing"})


def lab(name: str, reliability: str = "B", stated: int | None = 85, **more: object) -> Evidence:
    return Evidence(name, reliability, stated, families=FAMILIES, **more)  # type: ignore[arg-type]


def dissent(name: str, reliability: str) -> Opinion:
    return Opinion(name, reliability, "strongly-disagree", NOW)


ROWS: list[tuple[str, Sequence[Evidence], Sequence[Opinion], float]] = [
    ("one B source at 85", [lab("a")], [], 0.64),
    ("two, on their own platforms", [lab("a"), lab("b")], [], 0.87),
    ("three", [lab("a"), lab("b"), lab("c")], [], 0.95),
    ("two that repeat one upstream report", [lab("a", upstream="r"), lab("b", upstream="r")], [], 0.64),
    (
        "a lab and the cloud that hosts it, same evidence",
        [lab("lab", platforms=frozenset({"p"})), lab("cloud", platforms=frozenset({"p"}))],
        [],
        0.75,
    ),
    ("20 unknown sources at 100", [lab(f"u{n}", "F", 100) for n in range(20)], [], 0.50),
    ("one B source at 85, detector with 2 % false positives", [lab("a", fpr=0.02)], [], 0.25),
    ("two B + two B strongly-disagree", [lab("a"), lab("b")], [dissent("c", "B"), dissent("d", "B")], 0.38),
    (
        "two B + 20 unknown strongly-disagree",
        [lab("a"), lab("b")],
        [dissent(f"u{n}", "F") for n in range(20)],
        0.75,
    ),
    ("IP indicator, one B source, day 15", [lab("a", decay=decay("ip", 15))], [], 0.32),
    (
        "then sighted by another B lab on day 14",
        [lab("a", decay=decay("ip", 15)), lab("b", stated=None, decay=decay("ip", 1))],
        [],
        0.57,
    ),
]


@pytest.mark.parametrize(
    ("evidence", "opinions", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_the_table_of_the_model_is_met(
    evidence: Sequence[Evidence], opinions: Sequence[Opinion], expected: float
) -> None:
    assert round(confidence(evidence, opinions), 2) == expected


def test_one_group_is_capped_at_79_and_two_at_89() -> None:
    assert confidence([lab("a", "A", 100)]) == 0.79
    assert confidence([lab("a", "A", 100), lab("a", "A", 100)]) == 0.79
    assert confidence([lab("a", "A", 100), lab("b", "A", 100)]) == 0.89
    assert confidence([lab(name, "A", 100) for name in "abcdefgh"]) == 0.95


def test_a_group_below_a_twentieth_does_not_lift_the_cap() -> None:
    assert confidence([lab("a", "A", 100), lab("b", "A", 5)]) == 0.79


def test_no_evidence_is_no_confidence_whatever_the_praise() -> None:
    assert confidence([]) == 0
    assert confidence([lab("a", "E", 100)], [Opinion("b", "A", "strongly-agree", NOW)]) == 0


def test_an_organisation_s_own_praise_is_ignored_but_not_its_doubt() -> None:
    alone = confidence([lab("a")])
    assert confidence([lab("a")], [Opinion("a", "B", "strongly-agree", NOW)]) == alone
    assert confidence([lab("a")], [Opinion("a", "B", "disagree", NOW)]) < alone
    assert confidence([lab("a")], [Opinion("b", "B", "agree", NOW)]) > alone


def test_only_the_latest_opinion_of_an_organisation_counts() -> None:
    opinions = [dissent("b", "B"), Opinion("b", "B", "neutral", NOW + timedelta(days=1))]
    assert confidence([lab("a")], opinions) == confidence([lab("a")])


def test_unproven_sources_that_cite_two_reports_do_not_tie_two_labs_together() -> None:
    labs = [lab("a", upstream="r"), lab("b", upstream="s")]
    sybils = [lab("u", "F", 100, upstream="r"), lab("u", "F", 90, upstream="s")]
    assert confidence(labs + sybils) >= confidence(labs)


def test_decay_is_whole_at_first_and_nothing_at_the_end_of_life() -> None:
    for cls, (days, _) in LIFETIMES.items():
        assert decay(cls, -1) == decay(cls, 0) == 1
        assert decay(cls, days) == decay(cls, days + 1) == 0
        assert 0 < decay(cls, days - 1) < decay(cls, 1) < 1
    assert decay("ip", 15) == 0.5
    assert decay("asn", 90) == 0.75


def test_a_pattern_ages_as_its_shortest_lived_object() -> None:
    assert class_of(["ipv4-addr", "domain-name", "autonomous-system"]) == "ip"
    assert class_of(["llm-api-activity"]) == class_of([]) == "behaviour"
    assert class_of(["blinded-identifier"]) == "blinded"


def test_confidence_is_published_in_steps_of_five() -> None:
    assert [published(p) for p in (0.0, 0.024, 0.025, 0.64, 0.79, 0.8, 0.89, 0.95)] == [
        *(0, 0, 5, 65),
        *(75, 80, 85, 95),
    ]


_evidence = st.builds(
    Evidence,
    st.sampled_from("abcde"),
    st.sampled_from("ABCDEF"),
    st.none() | st.integers(0, 100),
    st.none() | st.floats(0, 1),
    st.none() | st.sampled_from("rs"),
    st.frozensets(st.sampled_from("pq")),
    st.frozensets(st.sampled_from("fg")),
    st.floats(0, 1),
)
_opinions = st.builds(
    Opinion,
    st.sampled_from("abcxyz"),
    st.sampled_from("ABCDEF"),
    st.sampled_from(sorted(STANCES)),
    st.integers(0, 2).map(lambda days: NOW + timedelta(days=days)),
)


@settings(max_examples=150)
@given(st.lists(_evidence, max_size=7), st.lists(_opinions, max_size=5), st.randoms())
def test_confidence_does_not_depend_on_order_and_stays_in_range(
    evidence: list[Evidence], opinions: list[Opinion], random: object
) -> None:
    p = confidence(evidence, opinions)
    assert 0 <= p <= 0.95
    random.shuffle(evidence)  # type: ignore[attr-defined]
    random.shuffle(opinions)  # type: ignore[attr-defined]
    assert confidence(evidence, opinions) == p
