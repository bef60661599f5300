"""The next version of what an organisation said: edited in a draft, revoked, or undone."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.db import transaction

from accounts.actions.refusal import stated
from accounts.models import Member
from indicators.actions import drafts, technique_links
from indicators.actions.said import Overtaken, latest, level, said, take_turns
from indicators.models import Draft, DraftState


@transaction.atomic
def follow(
    *, community_id: UUID, organization_id: UUID, object_id: str, member: Member, now: datetime
) -> Draft:
    """A draft of the next version of what the organisation said: the open one, or a new one."""
    open_one = Draft.objects.filter(
        community_id=community_id,
        organization_id=organization_id,
        object_id=object_id,
        state=DraftState.DRAFT,
    ).first()
    if open_one is not None:
        return open_one
    body = latest(community_id, organization_id, object_id)
    follows = body.pop("modified")
    links = technique_links.held(
        community_id=community_id, organization_id=organization_id, object_id=object_id
    )
    return drafts.begin(
        draft_id=uuid4(),
        community_id=community_id,
        body=body,
        techniques=list(links),
        follows=follows,
        member=member,
        now=now,
    )


@transaction.atomic
def revoke(
    *,
    community_id: UUID,
    organization_id: UUID,
    object_id: str,
    reason: str,
    collection_id: UUID,
    member: Member,
    now: datetime,
) -> Draft:
    """Revoke what the organisation said: its last version says so, and no other follows (STIX 2.1 §3.6)."""
    reason = stated(reason)
    take_turns(community_id, object_id)
    body = latest(community_id, organization_id, object_id, editable=False)
    follows = body.pop("modified")
    return _say(
        "draft.revoke", body | {"revoked": True}, follows, reason, community_id, collection_id, member, now
    )


@transaction.atomic
def say_again(
    *,
    community_id: UUID,
    organization_id: UUID,
    body: Mapping[str, Any],
    reason: str,
    collection_id: UUID,
    member: Member,
    now: datetime,
) -> Draft:
    """Undo what came after an earlier version: its content becomes the next version.

    What was revoked never gets another version (STIX 2.1 §3.6): its content is said again in a new object.
    """
    reason = stated(reason)
    object_id = str(body["id"])
    take_turns(community_id, object_id)
    own = {key: value for key, value in body.items() if key not in {"modified", "revoked"}}
    found = said(community_id=community_id, organization_id=organization_id, object_id=object_id)
    if found is not None and level(body) < found.tlp:
        raise Overtaken(
            "That version has a lower TLP, and to lower one takes two people: edit it, and let another submit it."
        )
    follows = None
    is_over = found is not None and found.revoked and not found.is_arriving
    links = technique_links.held(
        community_id=community_id, organization_id=organization_id, object_id=object_id, revoked=is_over
    )
    if is_over:
        own["id"] = f"{body['type']}--{uuid4()}"
        own.pop("created", None)
    else:
        follows = latest(community_id, organization_id, object_id)["modified"]
    return _say(
        "draft.undo", own, follows, reason, community_id, collection_id, member, now, techniques=list(links)
    )


def _say(
    action: str,
    body: dict[str, Any],
    follows: str | None,
    reason: str,
    community_id: UUID,
    collection_id: UUID,
    member: Member,
    now: datetime,
    *,
    techniques: Sequence[str] = (),
) -> Draft:
    """Make a draft and submit it at once; an open draft of the same object is put aside first."""
    assert member.organization_id is not None
    for other in Draft.objects.select_for_update().filter(
        community_id=community_id,
        organization_id=member.organization_id,
        object_id=body["id"],
        state=DraftState.DRAFT,
    ):
        drafts.turn(other, DraftState.DISCARDED, "draft.discard", member, now)
    draft = drafts.begin(
        draft_id=uuid4(),
        community_id=community_id,
        body=body,
        techniques=techniques,
        follows=follows,
        member=member,
        now=now,
    )
    draft.reason = reason
    drafts.note(action, draft, member, now, reason=reason, object=str(body["id"]))
    drafts.send(draft, follows, collection_id, member, now)
    return draft
