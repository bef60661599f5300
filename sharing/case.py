"""One case as an analyst sees it before deciding: what its audience would get, why, and who that audience is.

Everything in it comes from one dry run of triage at the case's ceiling, so the numbers are those that would be
published, and nothing above the ceiling takes part; of that only the number of claims is told.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from accounts import sql
from indicators.allowlists import blast
from indicators.allowlists.blast import Estimate
from indicators.dedup import belief
from indicators.dedup.merge import View as Merged
from sharing.actions.audiences import View
from sharing.actions.cases import own_work
from sharing.actions.outlooks import Asked, Reader, outlooks
from sharing.desk import MOST_SHOWN, ShownClaim, claims_on
from sharing.elsewhere import Elsewhere, FeedChange, elsewhere, feed_changes, others_of
from sharing.models import Review, ReviewState
from sharing.near import Near, near_to

#: A page shows no more of a kind than these.
MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class Step:
    """What one source adds to a confidence."""

    organization: str
    kind: str
    reliability: str
    weight: float
    stated: str
    fpr: float | None
    decay: float
    belief: float
    group: str


@dataclass(frozen=True, slots=True)
class Believed:
    """How a confidence came about, step by step, by the computation that publishes it."""

    steps: list[Step]
    opinions: list[tuple[str, str, str]]
    leaning: float
    together: float
    shifted: float
    cap: float
    groups: int
    result: float
    published: int


@dataclass(frozen=True, slots=True)
class Past:
    """Something that happened to it."""

    at: datetime
    who: str
    what: str
    reason: str


@dataclass(frozen=True, slots=True)
class Case:
    """What the page of a case shows; `digest` is that of its outlook, which a decision comes with."""

    value: Mapping[str, Any]
    pattern: list[tuple[str, str]]
    claims: list[ShownClaim]
    claims_above: int
    believed: Believed | None
    nearby: list[Near]
    listed: str
    behind: list[Estimate]
    blast_radius: int
    feeds: list[FeedChange]
    readers: list[Reader]
    history: list[Past]
    digest: str
    elsewhere: list[Elsewhere]
    is_own: bool


def case_of(review: Review, *, member_id: int, now: datetime) -> Case:
    """What an analyst sees of a case; changes nothing."""
    release = review.release
    others = others_of(review)
    pending = [
        Asked(one, review.community_id, ceiling, release_id, release.subject_id)
        for one, ceiling, release_id, state, _ in others
        if state == ReviewState.PENDING
    ]
    found = outlooks([Asked.of(review), *pending], now=now)
    outlook = found[review.id]
    foreseen = outlook.foreseen
    view = None if foreseen is None else foreseen.view
    value = _value(view)
    stix = value.get("type") == "indicator" and value.get("pattern_type") == "stix"
    own = own_work(
        member_id=member_id,
        cases={(release.subject_id, ceiling) for ceiling in (release.ceiling, *(one[1] for one in others))},
    )
    return Case(
        value=value,
        pattern=tokens(value["pattern"]) if stix else [],
        claims=claims_on(release.subject_id, ceiling=release.ceiling),
        claims_above=_claims_above(release.subject_id, release.ceiling),
        believed=None if view is None or view.merged is None else believed(view.merged),
        nearby=near_to(
            value,
            community_id=review.community_id,
            ceiling=release.ceiling,
            subject_id=release.subject_id,
            most=MOST_LISTED,
        ),
        listed="" if foreseen is None or foreseen.listed is None
        else f"{foreseen.listed.value}, on the allow-list “{foreseen.listed.list_name}”",
        behind=[] if foreseen is None else foreseen.behind,
        blast_radius=0 if foreseen is None else blast.total(foreseen.behind),
        feeds=feed_changes(outlook),
        readers=outlook.readers,
        history=_history(review),
        digest=outlook.digest,
        elsewhere=[
            elsewhere(one, outlook, found.get(one[0]), review, (release.subject_id, one[1]) in own) for one in others
        ],
        is_own=(release.subject_id, release.ceiling) in own,
    )  # fmt: skip


def seen_by(review: Review, *, now: datetime) -> Mapping[str, Any]:
    """What the audience of a case would see of it; empty if nothing."""
    foreseen = outlooks([Asked.of(review)], now=now)[review.id].foreseen
    return _value(None if foreseen is None else foreseen.view)


def _value(view: View | None) -> Mapping[str, Any]:
    return json.loads(view.item.body) if view is not None and view.item is not None else {}


# --- How its confidence came about


def believed(merged: Merged) -> Believed:
    """The steps of a confidence, from the very computation that publishes it."""
    steps = merged.fading.steps()
    speaking = dict(steps.groups)
    names = _names(
        {one.organization for one in merged.evidence} | {one.organization for one in merged.opinions}
    )
    return Believed(
        [
            Step(
                names.get(one.organization, one.organization),
                "a report" if one.upstream else "evidence",
                one.reliability,
                belief.RELIABILITY[one.reliability],
                "not stated: 50" if one.confidence is None else str(one.confidence),
                one.fpr,
                fresh,
                p,
                _group(one, speaking.get(place)),
            )
            for place, (one, fresh, p) in enumerate(
                zip(merged.evidence, steps.decays, steps.beliefs, strict=True)
            )
        ],
        [
            (names.get(one.organization, one.organization), one.reliability, one.stance)
            for one in merged.opinions
        ],
        steps.leaning,
        steps.weighed.together,
        steps.weighed.shifted,
        steps.weighed.cap,
        steps.weighed.counted,
        steps.weighed.result,
        steps.published,
    )


def _group(one: belief.Evidence, weight: float | None) -> str:
    if weight is None:
        return "does not count: a stronger one of its group speaks"
    if weight < 1:
        return "counts half: it adds no platform and no kind of evidence"
    return "counts: independent"


def _names(organization_ids: Iterable[str]) -> dict[str, str]:
    return {
        str(one): name
        for one, name in sql.rows(
            "SELECT id, name FROM accounts_organization WHERE id = ANY(%s::uuid[])", (list(organization_ids),)
        )
    }


# --- What is around it


def _claims_above(subject_id: int, ceiling: int) -> int:
    found = sql.row(
        "SELECT count(*) FROM (SELECT 1 FROM indicators_claim WHERE subject_id = %s AND tlp > %s LIMIT %s) AS above",
        (subject_id, ceiling, MOST_SHOWN),
    )
    return found[0] if found else 0


def _history(review: Review) -> list[Past]:
    """Earlier decisions at this audience, what the audit trail says of them, and versions in its feeds."""
    return [
        Past(*row)
        for row in sql.rows(
            "(SELECT e.at, e.actor, e.action, coalesce(e.detail->>'reason', '') FROM accounts_auditevent e"
            "   WHERE e.target IN (SELECT 'review:' || v.id FROM sharing_review v WHERE v.release_id = %(release)s)"
            "   ORDER BY e.id DESC LIMIT %(most)s)"
            " UNION ALL (SELECT v.opened_at, 'service:publish', 'case opened', v.reason FROM sharing_review v"
            "   WHERE v.release_id = %(release)s ORDER BY v.id DESC LIMIT %(most)s)"
            " UNION ALL (SELECT to_timestamp(e.added / 1e6), 'service:publish', 'published in ' || k.title, e.version"
            "   FROM sharing_entry e JOIN sharing_collection k ON k.id = e.collection_id"
            "   WHERE k.community_id = %(community)s AND k.kind = 'feed' AND k.ceiling = %(ceiling)s"
            "   AND e.object_id = %(published)s ORDER BY e.added DESC LIMIT %(most)s)"
            " ORDER BY 1 DESC LIMIT %(most)s",
            {
                "release": review.release_id,
                "community": review.community_id,
                "ceiling": review.release.ceiling,
                "published": review.release.published_id,
                "most": MOST_LISTED,
            },
        )
    ]


# --- A pattern, for the eye

_TOKEN = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.)*')"
    r"|(?P<word>\b(?:AND|OR|NOT|FOLLOWEDBY|IN|LIKE|MATCHES|ISSUBSET|ISSUPERSET|EXISTS|WITHIN|REPEATS|TIMES|SECONDS"
    r"|START|STOP)\b)"
    r"|(?P<path>[a-z][a-z0-9-]*:[A-Za-z0-9_.'\[\]*-]+)"
    r"|(?P<number>\b\d+(?:\.\d+)?\b)"
    r"|(?P<rest>.)",
    re.DOTALL,
)


def tokens(pattern: str) -> list[tuple[str, str]]:
    """A pattern in pieces, each with what it is (`text`, `word`, `path`, `number` or `rest`); joined they are it."""
    found: list[tuple[str, str]] = []
    for match in _TOKEN.finditer(pattern):
        kind = match.lastgroup or "rest"
        if kind == "rest" and found and found[-1][0] == "rest":
            found[-1] = ("rest", found[-1][1] + match[0])
        else:
            found.append((kind, match[0]))
    return found
