"""What a list shows of the subjects that were found, and how each stands in the feeds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql
from accounts.models import Tlp
from sharing import desk
from sharing.search.kinds import Kind, kind_of


@dataclass(frozen=True, slots=True)
class InFeed:
    """How a subject stands at one ceiling; `state` is a key of `STATES`, or `waits`."""

    ceiling: int
    published_id: str
    state: str
    sentence: str
    confidence: int | None

    @property
    def audience(self) -> str:
        """The ceiling as people say it."""
        return Tlp(self.ceiling).label

    @property
    def said(self) -> str:
        """Its state as people say it."""
        return {
            "standing": "stands",
            "revoked": "revoked",
            "review": "under review",
            "withheld": "withheld",
            "nowhere": "waits",
        }[self.state]


@dataclass(frozen=True, slots=True)
class Found:
    """A subject as a list shows it; `tlps` are the least and the most restrictive marking of its claims.

    `more_claims`: there are more claims than were looked at.
    """

    id: int
    object_type: str
    community_id: UUID
    community: str
    merged_into: int | None
    title: str
    tlps: list[Tlp]
    sources: list[str]
    claims: int
    more_claims: bool
    first_seen: datetime | None
    last_seen: datetime | None
    live: bool
    feeds: list[InFeed]

    @property
    def kind(self) -> Kind:
        """The group that it is shown in."""
        return kind_of(self.object_type)

    @property
    def tlp(self) -> str:
        """The least and the most restrictive marking of its claims."""
        return " to ".join(str(level.label) for level in self.tlps)

    @property
    def confidence(self) -> int | None:
        """As its widest audience sees it."""
        return next((feed.confidence for feed in self.feeds if feed.confidence is not None), None)


_LOOKED_AT = 200


def shown(subject_ids: Sequence[int]) -> list[Found]:
    """What a list shows of subjects, in their order; four queries however many they are."""
    ids = list(subject_ids)
    if not ids:
        return []
    titles = desk.titles(ids)
    said = {
        row[0]: row[1:]
        for row in sql.rows(
            "SELECT s, count(*), min(tlp), max(tlp), array_agg(DISTINCT o.name), min(first_received_at),"
            " max(received_at), bool_or(live) FROM unnest(%s::int8[]) AS wanted(s) CROSS JOIN LATERAL"
            " (SELECT organization_id, tlp, first_received_at, received_at,"
            "  NOT revoked AND withdrawn_at IS NULL AS live"
            "  FROM indicators_claim WHERE subject_id = s LIMIT %s) c"
            " JOIN accounts_organization o ON o.id = c.organization_id GROUP BY s",
            (ids, _LOOKED_AT),
        )
    }
    feeds = in_feeds(ids)
    places = {
        row[0]: row
        for row in sql.rows(
            "SELECT s.id, s.object_type, s.community_id, c.title, s.merged_into_id FROM indicators_subject s"
            " JOIN accounts_community c ON c.id = s.community_id WHERE s.id = ANY(%s)",
            (ids,),
        )
    }
    found = []
    for one in ids:
        if one not in places:
            continue
        _, object_type, community_id, community, merged_into = places[one]
        count, low, high, sources, first, last, live = said.get(one, (0, None, None, [], None, None, False))
        tlps = [] if low is None else [Tlp(level) for level in dict.fromkeys((low, high))]
        found.append(
            Found(
                id=one,
                object_type=object_type,
                community_id=community_id,
                community=community,
                merged_into=merged_into,
                title=titles.get(one) or f"subject {one}",
                tlps=tlps,
                sources=sorted(sources),
                claims=count,
                more_claims=count == _LOOKED_AT,
                first_seen=first,
                last_seen=last,
                live=bool(live),
                feeds=feeds.get(one, []),
            )
        )
    return found


def in_feeds(subject_ids: Iterable[int]) -> dict[int, list[InFeed]]:
    """How subjects stand at each ceiling, the lowest first."""
    found: dict[int, list[InFeed]] = {}
    for (
        subject_id,
        ceiling,
        published_id,
        stands,
        revoked,
        decision,
        sentence,
        confidence,
        pending,
    ) in sql.rows(
        "SELECT r.subject_id, r.ceiling, r.published_id, r.digest IS NOT NULL, r.revoked, r.decision, r.sentence,"
        " r.confidence, EXISTS (SELECT FROM sharing_review v WHERE v.release_id = r.id AND v.state = 'pending')"
        " FROM sharing_release r WHERE r.subject_id = ANY(%s) ORDER BY r.subject_id, r.ceiling",
        (list(subject_ids),),
    ):
        state = (
            "revoked"
            if revoked
            else "standing"
            if stands
            else "review"
            if pending
            else "withheld"
            if decision == "withhold"
            else "nowhere"
        )
        found.setdefault(subject_id, []).append(InFeed(ceiling, published_id, state, sentence, confidence))
    return found
