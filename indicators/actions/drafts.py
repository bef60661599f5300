"""Drafts: what analysts write at the desk, until it is submitted through the one door that everything takes.

Whoever saves names the version that they saw: nobody saves over another's words unawares. A submitted draft stays as it
was sent; what became of it is told by its submission.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import Member
from indicators.actions import submissions, technique_links
from indicators.actions.draft_checks import Fault, faults_of
from indicators.actions.said import Overtaken, latest, level, said, take_turns
from indicators.actions.submissions import Received
from indicators.drafting import compose
from indicators.models import Channel, Draft, DraftState
from indicators.stix.canonical import canonical
from indicators.stix.timestamps import to_sortable

MAX_BYTES = 256 * 1024
"""Of a draft's body and of what is left over, together."""


LOWERING = "To lower the TLP takes two people: it is saved as a draft, and another analyst submits it."


class NotEditable(ValueError):
    """A draft that was submitted or discarded meanwhile; the message says so to whoever writes in it."""


class Stale(ValueError):
    """Somebody else saved the draft meanwhile: `draft` is how it stands now."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(f"{draft.saved_by.username} saved this draft meanwhile")
        self.draft = draft


class TooLong(ValueError):
    """A draft beyond `MAX_BYTES`."""


class NotValid(ValueError):
    """A draft that cannot be submitted as it is."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.sentence for fault in faults))
        self.faults = faults


@transaction.atomic
def save(
    *,
    draft_id: UUID,
    version: int,
    page: str,
    community_id: UUID,
    body: Mapping[str, Any],
    leftover: Mapping[str, Any],
    techniques: Iterable[str] = (),
    member: Member,
    now: datetime,
) -> Draft:
    """Keep what is written; the first save of a draft makes it, for the member's own organisation.

    Raises `Stale` if another page saved after `version`, `NotEditable` if it is no draft any more.
    """
    if len(canonical([body, leftover])) > MAX_BYTES:
        raise TooLong(f"A draft is {MAX_BYTES // 1024} KB long at most")
    named = technique_links.known(techniques)
    sql.lock(f"draft:{draft_id}")
    draft = _locked(draft_id, member)
    if draft is None:
        if Draft.objects.filter(id=draft_id).exists():
            raise NotEditable("It is another organisation's.")
        assert member.organization_id is not None
        # Two who begin one's own word on the same thing meet in one draft.
        take_turns(community_id, str(body["id"]))
        begun = Draft.objects.filter(
            community_id=community_id,
            organization_id=member.organization_id,
            object_id=body["id"],
            state=DraftState.DRAFT,
        ).first()
        if begun is not None:
            raise Stale(begun)
        return begin(
            draft_id=draft_id,
            community_id=community_id,
            body=body,
            leftover=leftover,
            techniques=named,
            page=page,
            follows=None,
            member=member,
            now=now,
        )
    if draft.state != DraftState.DRAFT:
        raise NotEditable(
            f"It was {draft.get_state_display().lower()} meanwhile, and is not changed any more."
        )
    if draft.version != version and draft.page != page:
        raise Stale(draft)
    if (draft.body, draft.leftover, draft.techniques) == (dict(body), dict(leftover), named):
        return draft
    if not draft.writers.filter(id=member.id).exists():
        draft.writers.add(member)
        if draft.author_id != member.id:
            note("draft.join", draft, member, now)
    draft.lowered_by_id = _lowered_by(draft, body, member)
    draft.body, draft.leftover, draft.techniques, draft.page = dict(body), dict(leftover), named, page
    draft.version, draft.saved_at, draft.saved_by = draft.version + 1, now, member
    draft.save(
        update_fields=[
            "body",
            "leftover",
            "techniques",
            "lowered_by",
            "page",
            "version",
            "saved_at",
            "saved_by",
        ]
    )
    return draft


@transaction.atomic
def discard(*, draft_id: UUID, member: Member, now: datetime) -> Draft:
    """Put a draft aside; it can be restored."""
    draft = _of(draft_id, member)
    if draft.state != DraftState.DRAFT:
        raise NotEditable(f"It was {draft.get_state_display().lower()} meanwhile.")
    return turn(draft, DraftState.DISCARDED, "draft.discard", member, now)


@transaction.atomic
def restore(*, draft_id: UUID, member: Member, now: datetime) -> Draft:
    """Take up a discarded draft again."""
    draft = _of(draft_id, member)
    if draft.state != DraftState.DISCARDED:
        raise NotEditable("Only what was discarded is restored.")
    others = Draft.objects.filter(
        community_id=draft.community_id,
        organization_id=draft.organization_id,
        object_id=draft.object_id,
        state=DraftState.DRAFT,
    )
    if others.exists():
        raise NotEditable("There is another draft of the same object: one is enough.")
    return turn(draft, DraftState.DRAFT, "draft.restore", member, now)


@transaction.atomic
def submit(
    *, draft_id: UUID, version: int, page: str, collection_id: UUID, member: Member, now: datetime
) -> Received:
    """Send a draft to the inbox of its organisation, checked as ingest checks it; `NotValid` says why not."""
    draft = _of(draft_id, member)
    if draft.state != DraftState.DRAFT:
        raise NotEditable(f"It was {draft.get_state_display().lower()} meanwhile.")
    if draft.version != version and draft.page != page:
        raise Stale(draft)
    if draft.lowered_by_id == member.id:
        raise NotValid([Fault("tlp", LOWERING)])
    if draft.leftover:
        raise NotValid([Fault(name, "This is no value of this field.") for name in draft.leftover])
    take_turns(draft.community_id, draft.object_id)
    if draft.follows is None and _is_said(draft):
        raise Overtaken("Your organisation said it meanwhile: edit that.")
    if draft.follows is not None:
        stands = latest(draft.community_id, draft.organization_id, draft.object_id)
        if to_sortable(stands["modified"]) != to_sortable(draft.follows):
            raise Overtaken("A newer version of it was submitted meanwhile: edit that one.")
    return send(draft, draft.follows, collection_id, member, now)


def send(draft: Draft, follows: str | None, collection_id: UUID, member: Member, now: datetime) -> Received:
    """Give a draft its version and receive it, with what it says of techniques; the caller holds its row."""
    body = compose.version(draft.body, now=now, after=follows)
    links = technique_links.held(
        community_id=draft.community_id, organization_id=draft.organization_id, object_id=draft.object_id
    )
    if body.get("revoked"):
        along = technique_links.revoked(links.values(), now=now)
    else:
        body = technique_links.with_phases(body, draft.techniques)
        along = technique_links.following(body, draft.techniques, held=links, now=now)
        faults = faults_of(body, community_id=draft.community_id, organization_id=draft.organization_id)
        if faults:
            raise NotValid(faults)
    received = submissions.receive(
        community_id=draft.community_id,
        organization_id=draft.organization_id,
        token_id=None,
        channel=Channel.FORM,
        collection_id=collection_id,
        body=canonical({"objects": [body, *along]}),
        by=_actor(member),
        now=now,
    )
    draft.body, draft.state, draft.version = body, DraftState.SUBMITTED, draft.version + 1
    draft.submission_id, draft.submitted_by = received.id, member
    draft.saved_at, draft.saved_by = now, member
    draft.save()
    note("draft.submit", draft, member, now, submission=str(received.id))
    return received


def begin(
    *,
    draft_id: UUID,
    community_id: UUID,
    body: Mapping[str, Any],
    follows: str | None,
    member: Member,
    now: datetime,
    leftover: Mapping[str, Any] | None = None,
    techniques: Sequence[str] = (),
    page: str = "",
) -> Draft:
    """A new draft of the member's own organisation, in the caller's transaction."""
    assert member.organization_id is not None
    draft = Draft.objects.create(
        id=draft_id,
        community_id=community_id,
        organization_id=member.organization_id,
        object_type=body["type"],
        object_id=body["id"],
        body=dict(body),
        leftover=dict(leftover or {}),
        techniques=list(techniques),
        page=page,
        follows=follows,
        author=member,
        created_at=now,
        saved_at=now,
        saved_by=member,
    )
    draft.writers.add(member)
    note("draft.begin", draft, member, now)
    return draft


def _is_said(draft: Draft) -> bool:
    """Whether the organisation says, or sent, the object of a first version already."""
    found = said(
        community_id=draft.community_id, organization_id=draft.organization_id, object_id=draft.object_id
    )
    return found is not None or (
        Draft.objects.filter(
            community_id=draft.community_id,
            organization_id=draft.organization_id,
            object_id=draft.object_id,
            state=DraftState.SUBMITTED,
            submission__state="received",
        ).exists()
    )


def _lowered_by(draft: Draft, body: Mapping[str, Any], member: Member) -> int | None:
    """Who gave a draft the TLP that it has now, if that is lower than what it follows counts as."""
    if draft.follows is None:
        return None
    found = said(
        community_id=draft.community_id, organization_id=draft.organization_id, object_id=draft.object_id
    )
    if found is None or level(body) >= found.tlp:
        return None
    is_as_it_was = draft.lowered_by_id is not None and level(body) == level(draft.body)
    return draft.lowered_by_id if is_as_it_was else member.id


def _locked(draft_id: UUID, member: Member) -> Draft | None:
    assert member.organization_id is not None
    return (
        Draft.objects.select_for_update(of=("self",))
        .select_related("saved_by")
        .filter(id=draft_id, organization_id=member.organization_id)
        .first()
    )


def _of(draft_id: UUID, member: Member) -> Draft:
    draft = _locked(draft_id, member)
    if draft is None:
        raise NotEditable("It was never saved.")
    return draft


def turn(draft: Draft, state: DraftState, action: str, member: Member, now: datetime) -> Draft:
    """Give a draft another state, with its audit event, in the caller's transaction."""
    draft.state, draft.version = state, draft.version + 1
    draft.saved_at, draft.saved_by = now, member
    draft.save(update_fields=["state", "version", "saved_at", "saved_by"])
    note(action, draft, member, now)
    return draft


def note(action: str, draft: Draft, member: Member, now: datetime, **detail: object) -> None:
    """Write the audit event of what was done to a draft."""
    target = f"draft:{draft.id}"
    record(
        by=_actor(member), now=now, action=action, target=target, detail={"object": draft.object_id, **detail}
    )


def _actor(member: Member) -> Actor:
    return Actor(f"member:{member.username}", member.organization_id)
