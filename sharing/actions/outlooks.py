"""What deciding cases would do, as a page shows it: what each feed would say, and who reads it; and a digest of that.

A decision comes with the digests of what was shown. `moderation` makes them anew, by the same code, and leaves what
differs: nobody decides what they did not see. Constant queries for each audience, however many cases it has.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from accounts import sql
from accounts.models import Scope
from sharing.access import MAY
from sharing.actions import triage
from sharing.actions.claims import load_claims
from sharing.actions.triage import Foreseen
from sharing.models import Profile, Review
from sharing.release.policy import Decision


class Asked(NamedTuple):
    """A case: what it decides, and for which audience."""

    review_id: int
    community_id: UUID
    ceiling: int
    release_id: int
    subject_id: int

    @classmethod
    def of(cls, review: Review) -> "Asked":
        """A case by its row, with its release."""
        release = review.release
        return cls(review.id, review.community_id, release.ceiling, release.id, release.subject_id)


class Effect(StrEnum):
    """What a feed would get."""

    NEW = "new"
    VERSION = "version"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class InFeed:
    """What approving would do in one feed: in words, with what stands there and what would (STIX; None for nothing)."""

    feed_id: UUID
    title: str
    effect: Effect
    what: str
    before: bytes | None
    after: bytes | None


@dataclass(frozen=True, slots=True)
class Reader:
    """An organisation that would receive it: by which feeds, with how many tokens that read, when one did last."""

    id: UUID
    name: str
    feeds: list[str]
    tokens: int
    last_read_at: datetime | None


@dataclass(frozen=True, slots=True)
class Outlook:
    """What deciding one case would do; `foreseen` is None where its audience sees nothing of it any more.

    `digest` is SHA-256, in hex, over what each feed would say and who reads those that would say it: the content
    without the id and the times that the service gives it, how many organisations say it, and the readers. Not over
    tokens, nor when one of them read last.
    """

    foreseen: Foreseen | None
    feeds: list[InFeed]
    readers: list[Reader]
    digest: str

    @property
    def effect(self) -> Effect:
        """The most that any feed would get."""
        return next(
            (one for one in (Effect.NEW, Effect.VERSION) if any(feed.effect is one for feed in self.feeds)),
            Effect.NOTHING,
        )


def outlooks(cases: Iterable[Asked], *, now: datetime) -> dict[int, Outlook]:
    """What approving cases would do, by their ids; changes nothing."""
    places: dict[tuple[UUID, int], list[Asked]] = {}
    for case in cases:
        places.setdefault((case.community_id, case.ceiling), []).append(case)
    found: dict[int, Outlook] = {}
    for (community_id, ceiling), here in places.items():
        found |= _at(community_id, ceiling, here, now)
    return found


def readers_of(community_id: UUID, ceiling: int, *, core: bool) -> list[Reader]:
    """Who would receive what is published at a ceiling, by organisation; `core`: whether core feeds take it."""
    return _readers(_grants(community_id, ceiling), core=core)


def _at(community_id: UUID, ceiling: int, cases: Sequence[Asked], now: datetime) -> dict[int, Outlook]:
    foreseen = {
        one.view.standing.subject_id: one
        for one in triage.foresee(
            community_id=community_id,
            claims=load_claims({case.subject_id for case in cases}),
            ceilings=[ceiling],
            approving={case.release_id for case in cases},
            now=now,
        )
    }
    feeds: list[tuple[UUID, str, str]] = [
        (feed_id, title, profile)
        for feed_id, title, profile in sql.rows(
            "SELECT id, title, profile FROM sharing_collection WHERE community_id = %s AND kind = 'feed'"
            " AND ceiling = %s ORDER BY profile DESC, title, id",
            (community_id, ceiling),
        )
    ]
    stands: dict[tuple[UUID, str], bytes] = {
        (feed_id, object_id): bytes(body)
        for feed_id, object_id, body in sql.rows(
            "SELECT e.collection_id, e.object_id, e.body FROM sharing_entry e"
            f" WHERE e.collection_id = ANY(%s) AND e.object_id = {sql.ONE_OF} AND e.is_last AND e.body IS NOT NULL",
            (
                [feed_id for feed_id, _, _ in feeds],
                sql.joined(one.view.standing.published_id for one in foreseen.values()),
            ),
        )
    }
    grants = _grants(community_id, ceiling)
    readers = {core: _readers(grants, core=core) for core in (False, True)}
    reads = {
        core: [
            [str(one.id), sorted(feed for feed, _, profile in one.feeds if core or profile == Profile.FULL)]
            for one in grants
        ]
        for core in (False, True)
    }
    made = {}
    for case in cases:
        one = foreseen.get(case.subject_id)
        core = one is not None and one.view.core
        said = [_in_feed(feed, one, stands) for feed in feeds]
        made[case.review_id] = Outlook(one, said, readers[core], _digest(one, said, reads[core]))
    return made


def _in_feed(
    feed: tuple[UUID, str, str], foreseen: Foreseen | None, stands: Mapping[tuple[UUID, str], bytes]
) -> InFeed:
    feed_id, title, profile = feed
    if foreseen is None:
        what = "nothing: nothing is decided for it at this audience any more"
        return InFeed(feed_id, title, Effect.NOTHING, what, None, None)
    view, verdict = foreseen.view, foreseen.verdict
    before = stands.get((feed_id, view.standing.published_id))
    if verdict.decision is not Decision.RELEASE:
        return InFeed(feed_id, title, Effect.NOTHING, f"nothing: {verdict.sentence}", before, before)
    if profile != Profile.FULL and not view.core:
        return InFeed(
            feed_id, title, Effect.NOTHING, "nothing: a core feed does not take this", before, before
        )
    if view.item is None:
        effect = Effect.NOTHING if before is None else Effect.VERSION
        return InFeed(feed_id, title, effect, "revoked" if view.own else "taken back", before, before)
    if before is None:
        return InFeed(feed_id, title, Effect.NEW, "new", None, view.item.body)
    if before == view.item.body or json.loads(before) == json.loads(view.item.body):
        return InFeed(feed_id, title, Effect.NOTHING, "nothing: this version stands", before, before)
    what = "revoked" if view.revoked else "a new version"
    return InFeed(feed_id, title, Effect.VERSION, what, before, view.item.body)


def _digest(foreseen: Foreseen | None, feeds: Sequence[InFeed], reads: Sequence[object]) -> str:
    shown = [
        None if foreseen is None else [foreseen.view.digest.hex(), foreseen.view.sources],
        [
            [str(one.feed_id), one.what, hashlib.sha256(one.before or b"").hexdigest()]
            for one in sorted(feeds, key=lambda one: str(one.feed_id))
        ],
        reads,
    ]
    return hashlib.sha256(json.dumps(shown, separators=(",", ":")).encode()).hexdigest()


class _Grant(NamedTuple):
    """An organisation that reads feeds of one audience: (id, title, profile) of each."""

    id: UUID
    name: str
    feeds: list[tuple[str, str, str]]
    tokens: int
    last_read_at: datetime | None


def _grants(community_id: UUID, ceiling: int) -> list[_Grant]:
    return [
        _Grant(organization_id, name, list(zip(ids, titles, profiles, strict=True)), tokens, last)
        for organization_id, name, ids, titles, profiles, tokens, last in sql.rows(
            "SELECT o.id, o.name, array_agg(k.id::text ORDER BY k.title, k.id),"
            " array_agg(k.title ORDER BY k.title, k.id), array_agg(k.profile::text ORDER BY k.title, k.id),"
            " (SELECT count(*) FROM accounts_token t"
            "   WHERE t.organization_id = o.id AND t.revoked_at IS NULL AND %(scope)s = ANY(t.scopes)"
            "   AND (t.expires_at IS NULL OR t.expires_at > now())), (SELECT max(t.last_used_at) FROM accounts_token t"
            "   WHERE t.organization_id = o.id AND %(scope)s = ANY(t.scopes))"
            f" FROM {MAY} JOIN accounts_organization o ON o.id = m.organization_id"
            " WHERE c.id = %(community)s AND k.kind = 'feed' AND k.ceiling = %(ceiling)s AND g.can_read"
            " GROUP BY o.id, o.name ORDER BY o.name, o.id",
            {"community": community_id, "ceiling": ceiling, "scope": Scope.FEED_READ.value},
        )
    ]


def _readers(grants: Iterable[_Grant], *, core: bool) -> list[Reader]:
    return [
        Reader(one.id, one.name, list(dict.fromkeys(feeds)), one.tokens, one.last_read_at)
        for one in grants
        if (feeds := [title for _, title, profile in one.feeds if core or profile == Profile.FULL])
    ]
