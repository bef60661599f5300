"""One case as an analyst sees it before deciding: what its audience would get, why, and who that audience is.

Everything in it comes from one dry run of triage at the case's ceiling, so the numbers are those that would be
published, and nothing above the ceiling takes part; of that only the number of claims is told.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts import sql
from accounts.models import Scope, Tlp
from indicators.allowlists import blast
from indicators.allowlists.blast import Estimate
from indicators.dedup import belief
from indicators.dedup.merge import View as Merged
from indicators.drafting.differences import Change, in_words
from sharing.access import MAY
from sharing.actions import triage
from sharing.actions.audiences import View
from sharing.actions.claims import load_claims
from sharing.actions.triage import Foreseen
from sharing.desk import MOST_SHOWN, ShownClaim, claims_on
from sharing.models import Profile, Review
from sharing.near import Near, near_to
from sharing.release.policy import Decision

#: A page shows no more of a kind than these.
MOST_LISTED = 20


@dataclass(frozen=True, slots=True)
class FeedChange:
    """What approving would do in one feed: `what` in words, and by member what is new."""

    feed: str
    what: str
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Reader:
    """An organisation that would receive it: by which feeds, with how many tokens that read, when one did last."""

    name: str
    feeds: list[str]
    tokens: int
    last_read_at: datetime | None


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
    """What the page of a case shows."""

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


def case_of(review: Review, *, now: datetime) -> Case:
    """What an analyst sees of a case; changes nothing."""
    release = review.release
    seen = _foreseen(review.community_id, [release.subject_id], release.ceiling, {release.id}, now)
    view = seen[release.subject_id].view if seen else None
    value = _value(view)
    stix = value.get("type") == "indicator" and value.get("pattern_type") == "stix"
    foreseen = seen.get(release.subject_id)
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
        feeds=_feed_changes(review, foreseen),
        readers=readers_of(review.community_id, release.ceiling, core=view is not None and view.core),
        history=_history(review),
    )  # fmt: skip


def seen_by(review: Review, *, now: datetime) -> Mapping[str, Any]:
    """What the audience of a case would see of it; empty if nothing."""
    release = review.release
    seen = _foreseen(review.community_id, [release.subject_id], release.ceiling, {release.id}, now)
    return _value(seen[release.subject_id].view if seen else None)


def _value(view: View | None) -> Mapping[str, Any]:
    return json.loads(view.item.body) if view is not None and view.item is not None else {}


def _foreseen(
    community_id: UUID, subject_ids: Sequence[int], ceiling: int, approving: set[int], now: datetime
) -> dict[int, Foreseen]:
    return {
        one.view.standing.subject_id: one
        for one in triage.foresee(
            community_id=community_id,
            claims=load_claims(subject_ids),
            ceilings=[ceiling],
            approving=approving,
            now=now,
        )
    }


# --- What it would change


def _feed_changes(review: Review, foreseen: Foreseen | None) -> list[FeedChange]:
    feeds = sql.rows(
        "SELECT k.title, k.profile, (SELECT e.body FROM sharing_entry e WHERE e.collection_id = k.id"
        "   AND e.object_id = %s AND e.is_last) FROM sharing_collection k"
        " WHERE k.community_id = %s AND k.kind = 'feed' AND k.ceiling = %s ORDER BY k.profile DESC, k.title",
        (
            review.release.published_id if foreseen is None else foreseen.view.standing.published_id,
            review.community_id,
            review.release.ceiling,
        ),
    )
    return [
        FeedChange(title, *_in_feed(foreseen, profile == Profile.FULL, body))
        for title, profile, body in feeds
    ]


def _in_feed(
    foreseen: Foreseen | None, is_full: bool, body: bytes | memoryview | None
) -> tuple[str, list[Change]]:
    if foreseen is None:
        return "nothing: nothing is decided for it at this audience any more", []
    view, verdict = foreseen.view, foreseen.verdict
    stands = None if body is None else json.loads(bytes(body))
    if verdict.decision is not Decision.RELEASE:
        return f"nothing: {verdict.sentence}", []
    if not is_full and not view.core:
        return "nothing: a core feed does not take this", []
    if view.item is None:
        return "revoked" if view.own else "taken back", []
    new = json.loads(view.item.body)
    if stands is None:
        return "new", _changes({}, new)
    found = _changes(stands, new)
    if not found:
        return "nothing: this version stands", []
    return ("revoked" if new.get("revoked") else "a new version"), found


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What differs member by member, each of them whole: just what would be published, not the fields of a form."""
    return [
        Change(name, in_words(before.get(name)), in_words(after.get(name)))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]


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


def readers_of(community_id: UUID, ceiling: int, *, core: bool) -> list[Reader]:
    """Who would receive what is published at a ceiling, by organisation."""
    return [
        Reader(name, feeds, tokens, last)
        for name, feeds, tokens, last in sql.rows(
            "SELECT o.name, array_agg(DISTINCT k.title ORDER BY k.title), (SELECT count(*) FROM accounts_token t"
            "   WHERE t.organization_id = o.id AND t.revoked_at IS NULL AND %(scope)s = ANY(t.scopes)"
            "   AND (t.expires_at IS NULL OR t.expires_at > now())), (SELECT max(t.last_used_at) FROM accounts_token t"
            "   WHERE t.organization_id = o.id AND %(scope)s = ANY(t.scopes))"
            f" FROM {MAY} JOIN accounts_organization o ON o.id = m.organization_id"
            " WHERE c.id = %(community)s AND k.kind = 'feed' AND k.ceiling = %(ceiling)s AND g.can_read"
            " AND (k.profile = 'full' OR %(core)s) GROUP BY o.id, o.name ORDER BY o.name",
            {
                "community": community_id,
                "ceiling": ceiling,
                "core": core,
                "scope": Scope.FEED_READ.value,
            },
        )
    ]


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


# --- Many at once


@dataclass(slots=True)
class Tally:
    """What deciding many cases would do at one audience."""

    community: str
    ceiling: int
    readers: list[Reader]
    new: int = 0
    versions: int = 0
    nothing: int = 0

    @property
    def audience(self) -> str:
        """The most restrictive TLP that it may see."""
        return Tlp(self.ceiling).label


@dataclass(frozen=True, slots=True)
class DryRun:
    """What deciding these cases would do: by audience, and those that could not be decided by this member alone."""

    audiences: list[Tally]
    pending: list[int]
    stale: list[int]
    need_two: list[int]
    would_second: list[int]
    own_proposals: list[int]
    shown: list[tuple[int, str, str]]


def dry_run(review_ids: Sequence[int], *, member_id: int, approving: bool, now: datetime) -> DryRun:
    """What deciding cases would do, by the same folds that triage makes; the queries grow with the audiences only."""
    rows = sql.rows(
        "SELECT v.id, v.state, v.community_id, c.title, v.ceiling, v.release_id, r.subject_id, v.title,"
        " v.blast_radius > v.blast_limit, p.proposed_by_id FROM sharing_review v"
        " JOIN sharing_release r ON r.id = v.release_id JOIN accounts_community c ON c.id = v.community_id"
        " LEFT JOIN sharing_proposal p ON p.review_id = v.id AND p.state = 'open'"
        " WHERE v.id = ANY(%s) ORDER BY v.id",
        (list(review_ids),),
    )
    pending = [row for row in rows if row[1] == "pending"]
    wide = [row for row in pending if row[8]] if approving else []
    places: dict[tuple[UUID, str, int], dict[int, int]] = {}
    blocked = {row[0] for row in wide if row[9] in {None, member_id}}
    for row in pending:
        if row[0] not in blocked:
            places.setdefault((row[2], row[3], row[4]), {})[row[6]] = row[5]
    audiences = []
    for (community_id, title, ceiling), releases in sorted(
        places.items(), key=lambda item: (item[0][1], item[0][2])
    ):
        tally = Tally(title, ceiling, readers_of(community_id, ceiling, core=True))
        if approving:
            _count(tally, _foreseen(community_id, list(releases), ceiling, set(releases.values()), now))
        else:
            tally.nothing = len(releases)
        audiences.append(tally)
    known = {row[0] for row in pending}
    return DryRun(
        audiences,
        [row[0] for row in pending],
        [one for one in review_ids if one not in known],
        [row[0] for row in wide if row[9] is None],
        [row[0] for row in wide if row[9] not in {None, member_id}],
        [row[0] for row in wide if row[9] == member_id],
        [(row[0], row[7], Tlp(row[4]).label) for row in pending[:MOST_LISTED]],
    )


def _count(tally: Tally, seen: Mapping[int, Foreseen]) -> None:
    for one in seen.values():
        if one.verdict.decision is not Decision.RELEASE or one.view.item is None:
            tally.nothing += 1
        elif one.standing is not None and one.standing.stands:
            tally.versions += 1
        else:
            tally.new += 1


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
