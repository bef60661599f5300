"""Release, Review or Withhold: the one function on every way out.

It sees one audience's view only, so its verdict cannot tell that audience anything of what lies above.
"""

from dataclasses import dataclass
from enum import StrEnum


class Decision(StrEnum):
    """What becomes of a view."""

    RELEASE = "release"
    REVIEW = "review"
    WITHHOLD = "withhold"


@dataclass(frozen=True, slots=True)
class Rule:
    """A community's `auto_release`: `none`, `all`, or `rule` with its two thresholds."""

    mode: str
    min_confidence: int = 100
    min_sources: int = 1


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision with the reason that is recorded and shown: a code, and a sentence for people."""

    decision: Decision
    reason: str
    sentence: str


@dataclass(frozen=True, slots=True)
class Listed:
    """What of a view is on an allow-list, as people write it, and the list's name."""

    value: str
    list_name: str


@dataclass(frozen=True, slots=True)
class Unaided:
    """What a view would be without what detectors limited to review say: `sources` 0 if nobody else says it."""

    confidence: int
    sources: int


@dataclass(frozen=True, slots=True)
class Wide:
    """A view that names more people's addresses than may leave by one analyst's word: their number, and the limit."""

    users: int
    limit: int


def decide_indicator(
    *,
    rule: Rule,
    listed: Listed | None,
    confidence: int,
    sources: int,
    revoked: bool,
    stands: bool,
    approved: bool,
    rejected: bool,
    unaided: Unaided | None = None,
    wide: Wide | None = None,
) -> Verdict:
    """The verdict on a merged indicator.

    `confidence` in 0 to 100; `sources` counts organisations; `stands` says that an earlier version is in the feed;
    `approved` and `rejected` are an analyst's standing decision. What is `listed` is withheld whatever else holds;
    if it stands, it is taken back. Where detectors limited to review say it too, `unaided` is what the others say:
    something new leaves by the rule only if that does. What is `wide` and new leaves by no thresholds.
    """
    if listed is not None:
        return allow_listed(listed)
    if revoked:
        return _withdrawn(stands)
    if approved or rejected:
        return _decided(approved)
    if wide is not None and not stands and rule.mode == "rule":
        return Verdict(
            Decision.REVIEW,
            "blast-radius",
            f"Some {wide.users:,} people are estimated to be behind it, more than {wide.limit:,}: two analysts decide.",
        )
    if unaided is not None and not stands and rule.mode != "none":
        if unaided.sources:
            alone = _by_rule(rule, unaided.confidence, unaided.sources)
            if alone.decision is Decision.RELEASE:
                return alone
        return _LIMITED
    if rule.mode == "all":
        return _RULE_ALL
    if stands:
        return Verdict(
            Decision.RELEASE, "stands", "An earlier version stands in the feed; this one follows it."
        )
    return _by_rule(rule, confidence, sources)


def _by_rule(rule: Rule, confidence: int, sources: int) -> Verdict:
    if rule.mode == "all":
        return _RULE_ALL
    if rule.mode == "none":
        return Verdict(Decision.REVIEW, "rule-none", "In this community an analyst decides every case.")
    short = []
    if confidence < rule.min_confidence:
        short.append(f"confidence {confidence} is below {rule.min_confidence}")
    if sources < rule.min_sources:
        short.append(f"{sources} of {rule.min_sources} sources")
    if short:
        return Verdict(Decision.REVIEW, "below-rule", f"An analyst decides: {', '.join(short)}.")
    return Verdict(
        Decision.RELEASE,
        "rule-met",
        f"Confidence {confidence} and {sources} sources meet the community's rule"
        f" ({rule.min_confidence}, {rule.min_sources}).",
    )


def decide_context(
    *,
    rule: Rule,
    listed: Listed | None,
    attribution: bool,
    revoked: bool,
    stands: bool,
    approved: bool,
    rejected: bool,
    alone: bool = False,
    follows: bool = True,
) -> Verdict:
    """The verdict on what is not an indicator.

    The rule's thresholds measure indicators; context leaves with them, unless it says who did it: that is an
    allegation by a competitor and never automatic (model.md, "who did it"). `listed` as in `decide_indicator`; `alone`:
    only detectors limited to review say it, and nothing that leaves refers to it; it `follows` an indicator, unless
    its finding has none.
    """
    if listed is not None:
        return allow_listed(listed)
    if revoked:
        return _withdrawn(stands)
    if approved or rejected:
        return _decided(approved)
    if alone and not stands and rule.mode != "none":
        if not follows:
            return _LIMITED
        return Verdict(
            Decision.WITHHOLD,
            "awaits-indicator",
            "A detector that is limited to review says it: it leaves with the indicator that it belongs to.",
        )
    if rule.mode == "all":
        return _RULE_ALL
    if stands:
        return Verdict(
            Decision.RELEASE, "stands", "An earlier version stands in the feed; this one follows it."
        )
    if rule.mode == "none":
        return Verdict(Decision.REVIEW, "rule-none", "In this community an analyst decides every case.")
    if attribution:
        return Verdict(Decision.REVIEW, "attribution", "It says who did it: an analyst decides.")
    return Verdict(Decision.RELEASE, "context", "Context leaves with the indicators that it belongs to.")


_LIMITED = Verdict(
    Decision.REVIEW, "detector-limited", "A detector that is limited to review says it: an analyst decides."
)
_RULE_ALL = Verdict(
    Decision.RELEASE, "rule-all", "This community releases everything at or below the ceiling."
)


def allow_listed(listed: Listed) -> Verdict:
    """The verdict on what is on an allow-list."""
    return Verdict(
        Decision.WITHHOLD,
        "allow-listed",
        f"{listed.value} is never published: the allow-list “{listed.list_name}” covers it.",
    )


def _withdrawn(stands: bool) -> Verdict:
    if stands:
        return Verdict(Decision.RELEASE, "withdrawn", "Every source withdrew it; the feed says so.")
    return Verdict(Decision.WITHHOLD, "withdrawn", "Every source withdrew it before it was released.")


def _decided(approved: bool) -> Verdict:
    if approved:
        return Verdict(Decision.RELEASE, "approved", "An analyst approved it.")
    return Verdict(Decision.WITHHOLD, "review-rejected", "An analyst rejected it.")
