"""How far an indicator is believed, from the evidence that its sources gave (model.md, "Confidence").

Everything here is symmetric: neither the order of the evidence nor that of the opinions changes the result.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Literal

Reliability = Literal["A", "B", "C", "D", "E", "F"]
IndicatorClass = Literal["ip", "domain", "asn", "blinded", "prompt-template", "behaviour"]
Stance = Literal["strongly-disagree", "disagree", "neutral", "agree", "strongly-agree"]

RELIABILITY: dict[str, float] = {"A": 0.95, "B": 0.75, "C": 0.50, "D": 0.25, "E": 0.0, "F": 0.50}
UNPROVEN = frozenset("DEF")
UNSTATED_CONFIDENCE = 0.5
PRIOR = 0.01
ECHO = 0.5
COUNTS_FROM = 0.05
CAPS = (0.79, 0.79, 0.89, 0.95)
OPINION_WEIGHT = 0.8
STANCES: dict[str, float] = {
    "strongly-disagree": -2.0,
    "disagree": -1.0,
    "neutral": 0.0,
    "agree": 0.5,
    "strongly-agree": 1.0,
}

# Lifetime τ in days and steepness δ.
LIFETIMES: dict[IndicatorClass, tuple[int, float]] = {
    "ip": (30, 1.0),
    "domain": (60, 1.0),
    "asn": (180, 0.5),
    "blinded": (120, 0.5),
    "prompt-template": (180, 0.5),
    "behaviour": (365, 0.3),
}
# Addresses in a URL or a mailbox live as long as their domain; an account is what a blinded identifier stands
# for.
CLASSES: dict[str, IndicatorClass] = {
    "ipv4-addr": "ip",
    "ipv6-addr": "ip",
    "domain-name": "domain",
    "url": "domain",
    "email-addr": "domain",
    "email-message": "domain",
    "autonomous-system": "asn",
    "blinded-identifier": "blinded",
    "user-account": "blinded",
    "prompt-template": "prompt-template",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one claim or sighting adds. `confidence` 0..100, `fpr` and `decay` 0..1; None: nothing was said.

    `upstream` names the report that a source only repeats. Without platforms, its organisation is its
    platform.
    """

    organization: str
    reliability: str
    confidence: int | None = None
    fpr: float | None = None
    upstream: str | None = None
    platforms: frozenset[str] = field(default_factory=frozenset)
    families: frozenset[str] = field(default_factory=frozenset)
    decay: float = 1.0


@dataclass(frozen=True, slots=True)
class Opinion:
    """What one organisation thinks of an indicator; `stance` is a STIX opinion, its latest holds."""

    organization: str
    reliability: str
    stance: str
    stated_at: datetime


def decay(cls: IndicatorClass, age_days: float) -> float:
    """d = 1-(t/τ)^(1/δ), t in days since the last evidence; 1 for a future time, 0 from the lifetime on."""
    lifetime, steepness = LIFETIMES[cls]
    if age_days <= 0:
        return 1.0
    return max(0.0, 1.0 - math.pow(age_days / lifetime, 1.0 / steepness)) if age_days < lifetime else 0.0


def class_of(object_types: Iterable[str]) -> IndicatorClass:
    """The class that ages fastest among the object types of a pattern; `behaviour` for unknown ones."""
    classes = {CLASSES.get(object_type, "behaviour") for object_type in object_types} or {"behaviour"}
    return min(classes, key=_lifetime) if len(classes) > 1 else classes.pop()


def _lifetime(cls: IndicatorClass) -> tuple[int, str]:
    return LIFETIMES[cls][0], cls


def belief(evidence: Evidence) -> float:
    """p of one piece of evidence."""
    stated = UNSTATED_CONFIDENCE if evidence.confidence is None else evidence.confidence / 100
    if evidence.fpr is not None:
        stated = min(stated, PRIOR / (PRIOR + (1 - PRIOR) * evidence.fpr))
    return RELIABILITY[evidence.reliability] * stated * evidence.decay


def confidence(evidence: Sequence[Evidence], opinions: Sequence[Opinion] = ()) -> float:
    """P, 0..1, to three decimals (as the table of model.md was made: its .38 is .3749)."""
    beliefs = [belief(one) for one in evidence]
    return _weighed(_groups(evidence, beliefs), beliefs, _leaning(evidence, opinions))


@dataclass(frozen=True, slots=True)
class Fading:
    """A belief that fades while nobody says anything.

    `undecayed` are p and age in days of each piece of evidence; `groups` say which is the best of its group. That is
    asked once: later, when it may have changed, all is weighed anew.
    """

    cls: IndicatorClass
    undecayed: tuple[tuple[float, float], ...]
    groups: tuple[tuple[int, float], ...]
    leaning: float

    @classmethod
    def of(
        cls, of: IndicatorClass, evidence: Sequence[tuple[Evidence, float]], opinions: Sequence[Opinion] = ()
    ) -> "Fading":
        """The belief in an indicator of some class: evidence with its age in days, and opinions."""
        said = [one for one, _ in evidence]
        undecayed = tuple((belief(one), age) for one, age in evidence)
        groups = _groups(said, [p * decay(of, age) for p, age in undecayed])
        return cls(of, undecayed, tuple(groups), _leaning(said, opinions) if opinions else 0.0)

    def published(self, days: float = 0.0) -> int:
        """The confidence, 0..100, that is published after so many days."""
        beliefs = [p * decay(self.cls, age + days) for p, age in self.undecayed]
        return published(_weighed(self.groups, beliefs, self.leaning))

    def steps(self, days: float = 0.0) -> "Steps":
        """How `published` comes about after so many days."""
        decays = [decay(self.cls, age + days) for _, age in self.undecayed]
        beliefs = [p * fresh for (p, _), fresh in zip(self.undecayed, decays, strict=True)]
        return Steps(
            tuple(decays),
            tuple(beliefs),
            self.groups,
            self.leaning,
            _weigh(self.groups, beliefs, self.leaning),
        )

    def first_change(self, hours: int) -> int | None:
        """After how many hours, of at most so many, another confidence is published."""
        return _first_change(self, hours)


@dataclass(frozen=True, slots=True)
class Steps:
    """How a confidence comes about. `decays` and `beliefs` (p with decay) are of each piece of evidence, in order.

    `groups` say which piece speaks for each independent group, and its weight: `ECHO` where it adds nothing new.
    """

    decays: tuple[float, ...]
    beliefs: tuple[float, ...]
    groups: tuple[tuple[int, float], ...]
    leaning: float
    weighed: "Weighed"

    @property
    def published(self) -> int:
        """The confidence, 0..100, that is published."""
        return published(self.weighed.result)


@lru_cache(maxsize=4096)
def _first_change(fading: Fading, hours: int) -> int | None:
    """By halving; kept, because fresh reports of one source often have the same."""
    now = fading.published()
    low, high = 0, hours
    if now == 0 or high < 1 or fading.published(high / 24) == now:
        return None
    while high - low > 1:
        middle = (low + high) // 2
        if fading.published(middle / 24) == now:
            low = middle
        else:
            high = middle
    return high


def _weighed(groups: Sequence[tuple[int, float]], beliefs: Sequence[float], leaning: float) -> float:
    return _weigh(groups, beliefs, leaning).result


@dataclass(frozen=True, slots=True)
class Weighed:
    """How beliefs make one: `together` before opinions, `shifted` by them, the groups that `counted`, their cap."""

    together: float
    shifted: float
    counted: int
    cap: float

    @property
    def result(self) -> float:
        """P, to three decimals."""
        return round(min(self.shifted, self.cap), 3)


def _weigh(groups: Sequence[tuple[int, float]], beliefs: Sequence[float], leaning: float) -> Weighed:
    doubt = 1.0
    counted = 0
    for best, weight in groups:
        weighted = weight * beliefs[best]
        doubt *= 1 - weighted
        counted += weighted >= COUNTS_FROM
    together = result = 1 - doubt
    if leaning and result > 0:
        certain = max(doubt, 1e-12)
        shift = OPINION_WEIGHT * leaning
        result = 1 / (1 + math.exp(math.log(certain / (1 - certain)) - shift)) if certain < 1 else 0.0
    return Weighed(together, result, counted, CAPS[min(counted, 3)])


def published(p: float) -> int:
    """The confidence that is published: 0..100 in steps of 5, halves up, but never rounded over a cap.

    79 is the cap of a single group and 89 that of two: as 80 and 90 they would pass for what they must not reach.
    """
    step = int(p * 20 + 0.5) * 5
    return step - 5 if any(p <= cap < step / 100 for cap in CAPS) else step


def _groups(evidence: Sequence[Evidence], beliefs: Sequence[float]) -> list[tuple[int, float]]:
    """The independent groups, best first: where the best claim of each stands, and its weight.

    Each organisation speaks once, by its best claim, so that nobody can tie others together by citing two
    reports. An unproven source joins those whose report it repeats, and else the one group of the unproven.
    """
    if len(evidence) == 1:
        return [(0, 1.0)]
    best: dict[str, tuple[float, str, str, int]] = {}
    reach: dict[str, tuple[set[str], set[str]]] = {}
    for place, (one, p) in enumerate(zip(evidence, beliefs, strict=True)):
        # Report and reliability break ties, so that order does not.
        candidate = (p, one.upstream or "", one.reliability, place)
        held = best.get(one.organization)
        if held is None or candidate[:3] > held[:3]:
            best[one.organization] = candidate
        platforms, families = reach.setdefault(one.organization, (set(), set()))
        platforms |= one.platforms or {one.organization}
        families |= one.families
    reports = {
        upstream for _, upstream, reliability, _ in best.values() if upstream and reliability not in UNPROVEN
    }
    groups: dict[tuple[str, str], tuple[float, int, set[str], set[str]]] = {}
    for organization, (p, upstream, reliability, place) in best.items():
        if upstream and upstream in reports:
            key = ("report", upstream)
        elif reliability in UNPROVEN:
            key = ("unproven", "")
        else:
            key = ("organization", organization)
        held_p, held_place, platforms, families = groups.get(key, (-1.0, place, set(), set()))
        platforms, families = platforms | reach[organization][0], families | reach[organization][1]
        groups[key] = (max(held_p, p), place if p > held_p else held_place, platforms, families)
    return _with_weights(groups.values())


def _with_weights(groups: Iterable[tuple[float, int, set[str], set[str]]]) -> list[tuple[int, float]]:
    """The weight is a half for a group that adds neither a platform nor an evidence family to those before it."""
    ordered = sorted(groups, key=lambda group: (-group[0], sorted(group[2]), sorted(group[3])))
    platforms: set[str] = set()
    families: set[str] = set()
    weights = []
    for _, place, group_platforms, group_families in ordered:
        adds = not (platforms >= group_platforms and families >= group_families)
        platforms |= group_platforms
        families |= group_families
        weights.append((place, 1.0 if adds else ECHO))
    return weights


def _leaning(evidence: Iterable[Evidence], opinions: Iterable[Opinion]) -> float:
    """Σ r·stance over each organisation's latest opinion; the unproven count as one, by their average."""
    latest: dict[str, Opinion] = {}
    for opinion in opinions:
        held = latest.get(opinion.organization)
        if held is None or _recency(opinion) > _recency(held):
            latest[opinion.organization] = opinion
    sources = {one.organization for one in evidence}
    proven: list[float] = []
    unproven: list[float] = []
    for organization, opinion in latest.items():
        stance = STANCES[opinion.stance]
        if stance > 0 and organization in sources:
            continue
        weights = unproven if opinion.reliability in UNPROVEN else proven
        weights.append(RELIABILITY[opinion.reliability] * stance)
    # fsum does not depend on order.
    return math.fsum(proven) + (math.fsum(unproven) / len(unproven) if unproven else 0.0)


def _recency(opinion: Opinion) -> tuple[datetime, float, str]:
    """The later, and of two at one moment the more sceptical."""
    return opinion.stated_at, -STANCES[opinion.stance], opinion.reliability
