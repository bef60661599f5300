"""Release, Review or Withhold: the whole table."""

import itertools
from typing import Any

import pytest

from sharing.release.policy import Decision, Listed, Rule, Verdict, Wide, decide_context, decide_indicator

ALL, NONE, RULE = Rule("all"), Rule("none"), Rule("rule", 80, 2)
FLAGS = ("revoked", "stands", "approved", "rejected")
QUIET: dict[str, Any] = dict.fromkeys(FLAGS, False) | {"listed": None}


def on_indicator(rule: Rule, confidence: int = 85, sources: int = 2, **flags: Any) -> Verdict:
    return decide_indicator(rule=rule, confidence=confidence, sources=sources, **(QUIET | flags))


def on_context(rule: Rule, *, attribution: bool = False, **flags: Any) -> Verdict:
    return decide_context(rule=rule, attribution=attribution, **(QUIET | flags))


@pytest.mark.parametrize(
    ("rule", "confidence", "sources", "decision", "reason"),
    [
        (RULE, 80, 2, Decision.RELEASE, "rule-met"),
        (RULE, 95, 3, Decision.RELEASE, "rule-met"),
        (RULE, 79, 2, Decision.REVIEW, "below-rule"),
        (RULE, 100, 1, Decision.REVIEW, "below-rule"),
        (RULE, 0, 0, Decision.REVIEW, "below-rule"),
        (ALL, 0, 1, Decision.RELEASE, "rule-all"),
        (NONE, 100, 9, Decision.REVIEW, "rule-none"),
    ],
)
def test_the_rule_decides_on_a_new_indicator(
    rule: Rule, confidence: int, sources: int, decision: Decision, reason: str
) -> None:
    verdict = on_indicator(rule, confidence, sources)

    assert (verdict.decision, verdict.reason) == (decision, reason)


@pytest.mark.parametrize(
    ("rule", "attribution", "decision", "reason"),
    [
        (RULE, False, Decision.RELEASE, "context"),
        (RULE, True, Decision.REVIEW, "attribution"),
        (ALL, False, Decision.RELEASE, "rule-all"),
        (ALL, True, Decision.RELEASE, "rule-all"),
        (NONE, False, Decision.REVIEW, "rule-none"),
        (NONE, True, Decision.REVIEW, "rule-none"),
    ],
)
def test_the_rule_decides_on_new_context(
    rule: Rule, attribution: bool, decision: Decision, reason: str
) -> None:
    verdict = on_context(rule, attribution=attribution)

    assert (verdict.decision, verdict.reason) == (decision, reason)


@pytest.mark.parametrize("decide", [on_indicator, on_context])
@pytest.mark.parametrize("rule", [RULE, NONE])
def test_an_analysts_decision_goes_before_the_rule(decide: Any, rule: Rule) -> None:
    approved, rejected = decide(rule, approved=True), decide(rule, rejected=True)

    assert (approved.decision, approved.reason) == (Decision.RELEASE, "approved")
    assert (rejected.decision, rejected.reason) == (Decision.WITHHOLD, "review-rejected")


@pytest.mark.parametrize("decide", [on_indicator, on_context])
@pytest.mark.parametrize("rule", [RULE, NONE, ALL])
def test_a_rejection_goes_before_everything_but_a_revocation(decide: Any, rule: Rule) -> None:
    assert decide(rule, rejected=True).decision is Decision.WITHHOLD
    assert decide(rule, rejected=True, stands=True).decision is Decision.WITHHOLD


@pytest.mark.parametrize("decide", [on_indicator, on_context])
def test_a_revocation_is_published_only_where_something_stands(decide: Any) -> None:
    for rule, approved, rejected in itertools.product((RULE, NONE, ALL), (False, True), (False, True)):
        told = decide(rule, revoked=True, stands=True, approved=approved, rejected=rejected)
        kept = decide(rule, revoked=True, stands=False, approved=approved, rejected=rejected)

        assert (told.decision, kept.decision) == (Decision.RELEASE, Decision.WITHHOLD)
        assert told.reason == kept.reason == "withdrawn"


@pytest.mark.parametrize("rule", [RULE, NONE, ALL])
def test_what_stands_is_followed_by_its_later_versions(rule: Rule) -> None:
    """A weaker version must reach readers as well: silence would leave the stronger one standing."""
    assert on_indicator(rule, confidence=5, sources=1, stands=True).decision is Decision.RELEASE
    assert on_context(rule, attribution=True, stands=True).decision is Decision.RELEASE


@pytest.mark.parametrize("decide", [on_indicator, on_context])
def test_what_is_on_an_allow_list_is_withheld_whatever_else_holds(decide: Any) -> None:
    listed = Listed("192.0.2.7", "Ours")
    for flags in itertools.product((False, True), repeat=4):
        for rule in (RULE, NONE, ALL):
            verdict = decide(rule, listed=listed, **dict(zip(FLAGS, flags, strict=True)))

            assert (verdict.decision, verdict.reason) == (Decision.WITHHOLD, "allow-listed")
            assert verdict.sentence == "192.0.2.7 is never published: the allow-list “Ours” covers it."


def test_every_verdict_says_why() -> None:
    for flags in itertools.product((False, True), repeat=4):
        for rule in (RULE, NONE, ALL):
            given = dict(zip(FLAGS, flags, strict=True))
            for verdict in (on_indicator(rule, **given), on_context(rule, **given)):
                assert verdict.reason
                assert verdict.sentence.endswith(".")


def test_the_sentence_of_a_review_names_what_is_short() -> None:
    assert on_indicator(RULE, 70, 1).sentence == (
        "An analyst decides: confidence 70 is below 80, 1 of 2 sources."
    )


def test_what_many_people_are_behind_leaves_by_no_thresholds() -> None:
    wide = Wide(262_144, 10_000)

    held = on_indicator(RULE, 95, 9, wide=wide)
    assert (held.decision, held.reason) == (Decision.REVIEW, "blast-radius")
    assert (
        held.sentence
        == "Some 262,144 people are estimated to be behind it, more than 10,000: two analysts decide."
    )
    assert on_indicator(NONE, 95, 9, wide=wide).reason == "rule-none"
    assert on_indicator(ALL, 95, 9, wide=wide).reason == "rule-all"
    assert on_indicator(RULE, 5, 1, wide=wide, stands=True).reason == "stands"
    assert on_indicator(RULE, 5, 1, wide=wide, approved=True).reason == "approved"
    assert on_indicator(RULE, 5, 1, wide=wide, rejected=True).reason == "review-rejected"
