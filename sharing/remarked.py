"""What it would do if a claim counted as another TLP: which feeds would hold it or let go of it, and for whom."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple
from uuid import UUID

from accounts import sql
from accounts.models import Tlp
from indicators.models import Claim
from sharing.access import MAY
from sharing.actions import triage
from sharing.actions.claims import load_claims
from sharing.actions.triage import Foreseen
from sharing.release.policy import Decision


class Feed(NamedTuple):
    """A feed, with the organisations that read it."""

    title: str
    ceiling: int
    readers: dict[UUID, str]


@dataclass(frozen=True, slots=True)
class Changed:
    """A feed that would hold a claim, or not any more, with the names of its readers; `what` it would say, if asked."""

    title: str
    readers: list[str]
    what: str = ""


@dataclass(frozen=True, slots=True)
class Remarked:
    """What a claim would do at another TLP.

    `organizations` are those that begin to see it by a lower one, and of a higher one those that see it no more: they
    read one of `feeds`, and none that holds it either way. A core feed counts although it may not take it.
    """

    tlp: str
    is_lower: bool
    feeds: list[Changed]
    organizations: list[str]


def feeds_of(community_ids: Iterable[UUID]) -> dict[UUID, list[Feed]]:
    """The feeds of communities, the most restrictive first; two queries, however many communities."""
    ids = list(community_ids)
    feeds: dict[UUID, Feed] = {}
    found: dict[UUID, list[Feed]] = {community_id: [] for community_id in ids}
    for community_id, feed_id, title, ceiling in sql.rows(
        "SELECT community_id, id, title, ceiling FROM sharing_collection"
        " WHERE kind = 'feed' AND community_id = ANY(%s) ORDER BY ceiling DESC, title, id",
        (ids,),
    ):
        feeds[feed_id] = Feed(title, ceiling, {})
        found[community_id].append(feeds[feed_id])
    for feed_id, organization_id, name in sql.rows(
        f"SELECT k.id, o.id, o.name FROM {MAY} JOIN accounts_organization o ON o.id = m.organization_id"
        " WHERE c.id = ANY(%s) AND k.kind = 'feed' AND g.can_read ORDER BY o.name, o.id",
        (ids,),
    ):
        feeds[feed_id].readers[organization_id] = name
    return found


def remarked(
    feeds: Iterable[Feed], *, before: int, after: int, said: Mapping[int, str] | None = None
) -> Remarked:
    """What would change in these feeds of one community; `said`: what is told of each ceiling."""
    here = list(feeds)
    low, high = sorted((before, after))
    changed = [feed for feed in here if low <= feed.ceiling < high]
    either_way = {reader for feed in here if feed.ceiling >= high for reader in feed.readers}
    others = {
        reader: name for feed in changed for reader, name in feed.readers.items() if reader not in either_way
    }
    return Remarked(
        Tlp(after).label,
        after < before,
        [
            Changed(feed.title, list(feed.readers.values()), (said or {}).get(feed.ceiling, ""))
            for feed in changed
        ],
        sorted(others.values()),
    )


def all_remarked(claim: Claim) -> list[Remarked]:
    """What each other TLP would do with a claim, the most restrictive first, with what triage would decide of it."""
    if claim.revoked or claim.withdrawn_at is not None:
        return []
    feeds = feeds_of([claim.community_id])[claim.community_id]
    ceilings = {feed.ceiling for feed in feeds}
    # What an audience sees depends on whether it sees the claim, not on which lower TLP that has.
    with_it = _foreseen(claim, Tlp.CLEAR, {one for one in ceilings if one < claim.tlp})
    without = _foreseen(claim, Tlp.RED, {one for one in ceilings if claim.tlp <= one < Tlp.RED})
    said = {one: _with_it(with_it.get(one)) for one in ceilings if one < claim.tlp} | {
        one: _without_it(without.get(one)) for one in ceilings if one >= claim.tlp
    }
    return [
        remarked(feeds, before=claim.tlp, after=level, said=said)
        for level in sorted(Tlp.values, reverse=True)
        if level != claim.tlp
    ]


def _foreseen(claim: Claim, tlp: int, ceilings: Iterable[int]) -> dict[int, Foreseen]:
    """By ceiling what an audience would see of its subject if the claim counted as this TLP."""
    asked = sorted(ceilings)
    if not asked:
        return {}
    claims = {
        subject_id: [
            replace(one, tlp=tlp)
            if (one.organization_id, one.object_id) == (claim.organization_id, claim.object_id)
            else one
            for one in held
        ]
        for subject_id, held in load_claims([claim.subject_id]).items()
    }
    return {
        one.ceiling: one
        for one in triage.foresee(community_id=claim.community_id, claims=claims, ceilings=asked)
    }


def _with_it(foreseen: Foreseen | None) -> str:
    if foreseen is None or foreseen.view.item is None:
        return "nothing"
    verdict = foreseen.verdict
    what = {
        Decision.RELEASE: "released",
        Decision.REVIEW: "an analyst decides",
        Decision.WITHHOLD: "nothing",
    }[verdict.decision]
    return f"{what}: {verdict.sentence}"


def _without_it(foreseen: Foreseen | None) -> str:
    if foreseen is None or foreseen.view.item is None:
        return "lets go of it"
    return "goes on in the words of others"
