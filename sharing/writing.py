"""What the desk shows to those who write: where their drafts stand, what they said, and who would see it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts import sql
from accounts.models import Tlp
from indicators.models import Draft, DraftState
from sharing.access import MAY
from sharing.desk import title_of
from sharing.models import Collection, Kind

A_PAGE = 50


@dataclass(frozen=True, slots=True)
class Audience:
    """What became of a subject for the readers of one ceiling; `review_id` is its open case."""

    ceiling: int
    published_id: str
    decision: str
    reason: str
    sentence: str
    stands: bool
    revoked: bool
    missing: list[str]
    confidence: int | None
    sources: int
    review_id: int | None
    feeds: list[str]

    @property
    def tlp(self) -> str:
        """The ceiling as people write it."""
        return str(Tlp(self.ceiling).label)

    @property
    def word(self) -> str:
        """How it stands, in a word or two."""
        if self.review_id is not None:
            return "In review"
        if self.stands:
            return "Revoked" if self.revoked else "Published"
        if self.decision == "release" and self.missing:
            return "Waits for what it refers to"
        return {"review": "In review", "withhold": "Withheld"}.get(self.decision, "Not there")


@dataclass(frozen=True, slots=True)
class Stand:
    """Where a submitted draft stands: a word, its colour, a sentence, and each audience."""

    word: str
    tone: str = ""
    sentence: str = ""
    subject_id: int | None = None
    audiences: Sequence[Audience] = field(default=())


def stands(drafts: Iterable[Draft]) -> dict[UUID, Stand]:
    """Where drafts stand, by their id: three queries for any number of them."""
    asked = list(drafts)
    found = {draft.id: Stand(draft.get_state_display()) for draft in asked}
    rows = sql.rows(
        "SELECT d.id, s.state, o.outcome, o.reason, o.sentence, c.subject_id,"
        " c.submission_id IS NOT DISTINCT FROM d.submission_id FROM indicators_draft d"
        " JOIN indicators_submission s ON s.id = d.submission_id"
        " LEFT JOIN indicators_submittedobject o ON o.submission_id = s.id AND o.ordinal = 0"
        " LEFT JOIN indicators_claim c ON c.community_id = d.community_id AND c.object_id = d.object_id"
        " AND c.organization_id = d.organization_id WHERE d.id = ANY(%s)",
        ([draft.id for draft in asked if draft.state == DraftState.SUBMITTED],),
    )
    said = audiences({row[5] for row in rows if row[5] is not None})
    for draft_id, state, outcome, reason, sentence, subject_id, is_latest in rows:
        found[draft_id] = _stand(
            state, outcome, reason, sentence, subject_id, is_latest, said.get(subject_id, [])
        )
    return found


def _stand(
    state: str,
    outcome: str | None,
    reason: str | None,
    sentence: str | None,
    subject_id: int | None,
    is_latest: bool,
    said: list[Audience],
) -> Stand:
    if state == "received":
        return Stand("On its way", "note", "It is received, and will be read in a moment.")
    if state == "quarantined":
        return Stand("Set aside", "bad", "It could not be read; the operator looks into it. Nothing is lost.")
    if outcome == "rejected" or subject_id is None:
        return Stand("Refused", "bad", sentence or "")
    if not is_latest:
        return Stand("Superseded", "", "A newer version of it was submitted.", subject_id, said)
    if any(one.review_id is not None for one in said):
        return Stand(
            "In review",
            "warn",
            "Another analyst decides whether it leaves: not who wrote it.",
            subject_id,
            said,
        )
    if any(one.stands and not one.revoked for one in said):
        return Stand("Published", "good", "", subject_id, said)
    if any(one.revoked for one in said):
        return Stand("Revoked", "", "The feeds say that it holds no more.", subject_id, said)
    if any(one.word.startswith("Waits") for one in said):
        missing = ", ".join(dict.fromkeys(name for one in said for name in one.missing))
        return Stand(
            "Waits",
            "warn",
            f"It refers to what does not stand in the feeds yet: {missing}.",
            subject_id,
            said,
        )
    if said:
        return Stand("Withheld", "bad", said[-1].sentence, subject_id, said)
    if reason == "allow-listed":
        return Stand("Withheld", "bad", sentence or "", subject_id)
    return Stand(
        "Taken", "note", "Whether it leaves is decided in a moment, unless no feed takes its TLP.", subject_id
    )


def audiences(subject_ids: Iterable[int]) -> dict[int, list[Audience]]:
    """What became of subjects, by ceiling, lowest first; in two queries."""
    wanted = list(subject_ids)
    rows = sql.rows(
        "SELECT s.community_id, r.subject_id, r.ceiling, r.published_id, r.decision, r.reason, r.sentence,"
        " r.digest IS NOT NULL, r.revoked, r.missing, r.confidence, r.sources, v.id FROM sharing_release r"
        " JOIN indicators_subject s ON s.id = r.subject_id"
        " LEFT JOIN sharing_review v ON v.release_id = r.id AND v.state = 'pending'"
        " WHERE r.subject_id = ANY(%s) ORDER BY r.subject_id, r.ceiling",
        (wanted,),
    )
    titles: dict[tuple[UUID, int], list[str]] = {}
    for community_id, ceiling, title in sql.rows(
        "SELECT community_id, ceiling, title FROM sharing_collection"
        " WHERE kind = 'feed' AND community_id = ANY(%s) ORDER BY title",
        (list({row[0] for row in rows}),),
    ):
        titles.setdefault((community_id, ceiling), []).append(title)
    found: dict[int, list[Audience]] = {}
    for row in rows:
        community_id, subject_id, ceiling = row[:3]
        feeds = titles.get((community_id, ceiling), [])
        found.setdefault(subject_id, []).append(Audience(*(*row[2:], feeds)))
    return found


def inboxes(organization_id: UUID) -> list[Collection]:
    """Where an organisation can send what it writes: its inbox in each community."""
    return list(
        Collection.objects.filter(kind=Kind.INBOX, owner_id=organization_id)
        .select_related("community")
        .order_by("community__title")
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """Who would see something at one TLP: the organisations that read a feed which takes it."""

    tlp: str
    label: str
    readers: list[str]


def readers_by_level(community_id: UUID) -> list[Seen]:
    """Who would see what a community holds at each level, least restrictive first."""
    rows = sql.rows(
        f"SELECT DISTINCT k.ceiling, o.name FROM {MAY} JOIN accounts_organization o ON o.id = m.organization_id"
        " WHERE c.id = %s AND k.kind = 'feed' AND g.can_read ORDER BY o.name",
        (community_id,),
    )
    return [
        Seen(
            str(level.label).removeprefix("TLP:").lower(),
            str(level.label),
            list(dict.fromkeys(name for ceiling, name in rows if level <= ceiling and level < Tlp.RED)),
        )
        for level in Tlp
    ]


@dataclass(frozen=True, slots=True)
class OwnObject:
    """An object that the desk's organisation said, in a list; `added` is when it came to the inbox, in microseconds."""

    community: str
    community_id: UUID
    object_id: str
    title: str
    tlp: str
    received_at: datetime
    revoked: bool
    withdrawn: bool
    added: int


def own_objects(organization_id: UUID, *, before: int | None = None, most: int = A_PAGE) -> list[OwnObject]:
    """What an organisation said in objects with versions, latest first, those that came before `before`."""
    return [
        OwnObject(
            community, community_id, object_id, title_of(body), Tlp(tlp).label, at, revoked, withdrawn, added
        )
        for community, community_id, object_id, body, tlp, at, revoked, withdrawn, added in sql.rows(
            # Each inbox by its index of what stands there; a page of each is enough for a page of all.
            "SELECT e.* FROM sharing_collection k JOIN accounts_community m ON m.id = k.community_id"
            " CROSS JOIN LATERAL (SELECT m.title, m.id, c.object_id, c.body, c.tlp, c.received_at, c.revoked,"
            " c.withdrawn_at IS NOT NULL, e.added FROM sharing_entry e JOIN indicators_claim c"
            " ON c.community_id = k.community_id AND c.object_id = e.object_id AND c.organization_id = k.owner_id"
            " WHERE e.collection_id = k.id AND e.is_last AND c.version <> ''"
            " AND (%(before)s::int8 IS NULL OR e.added < %(before)s) ORDER BY e.added DESC LIMIT %(most)s) e"
            " WHERE k.kind = 'inbox' AND k.owner_id = %(organization)s ORDER BY e.added DESC LIMIT %(most)s",
            {"organization": organization_id, "before": before, "most": most},
        )
    ]


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object, as its organisation sent it; `writer` and `reason` where the desk wrote it."""

    modified: str
    body: dict[str, Any]
    revoked: bool
    writer: str
    reason: str


def versions(community_id: UUID, organization_id: UUID, object_id: str) -> list[Version]:
    """The versions of an object that its organisation sent to its inbox, newest first; what was erased is not there."""
    return [
        _version(bytes(body), writer, reason)
        for body, writer, reason in sql.rows(
            "SELECT e.body, m.username, d.reason FROM sharing_collection k"
            " JOIN sharing_entry e ON e.collection_id = k.id AND e.object_id = %(object)s AND e.body IS NOT NULL"
            " LEFT JOIN indicators_draft d ON d.community_id = k.community_id AND d.object_id = e.object_id"
            " AND d.organization_id = k.owner_id AND d.state = 'submitted' AND d.body->>'modified' = e.version"
            " LEFT JOIN accounts_member m ON m.id = d.submitted_by_id"
            " WHERE k.community_id = %(community)s AND k.owner_id = %(organization)s AND k.kind = 'inbox'"
            " ORDER BY e.version_key DESC LIMIT 100",
            {"community": community_id, "organization": organization_id, "object": object_id},
        )
    ]


def _version(raw: bytes, writer: str | None, reason: str | None) -> Version:
    body = json.loads(raw)
    return Version(
        body.get("modified", body.get("created", "")),
        body,
        body.get("revoked") is True,
        writer or "",
        reason or "",
    )
