"""The desk's pages on what its organisation said: every version with what it changed; revoke, and undo."""

import json
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.actions.refusal import ReasonMissing
from accounts.admin.base import ReasonField, ReasonForm, came_from, may_analyse, member_of
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member
from indicators.actions import drafts, versions
from indicators.actions.said import Overtaken
from indicators.drafting import differences
from indicators.drafting.forms import writes
from indicators.models import Claim
from sharing import writing
from sharing.admin.own_word import to_draft
from sharing.desk import title_of
from sharing.models import Collection
from sharing.tasks import nudge_ingest
from sharing.writing import Version


class WhyForm(ReasonForm):
    """Why."""

    reason = ReasonField(
        "Kept with the version and in the audit trail; no partner sees it.",
        missing="Say why: the next analyst will ask.",
        autofocus=True,
    )


@desk_page("write/said/", "said", may=may_analyse)
def said_list_view(request: HttpRequest) -> HttpResponse:
    """What the organisation said, newest first."""
    member = member_of(request)
    assert member.organization_id is not None
    before = request.GET.get("before", "")
    found = writing.own_objects(
        member.organization_id,
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
        most=writing.A_PAGE + 1,
    )
    context = desk_context(
        request,
        title="What we said",
        objects=found[: writing.A_PAGE],
        more=found[writing.A_PAGE - 1].added if len(found) > writing.A_PAGE else None,
    )
    return TemplateResponse(request, "admin/write/said.html", context)


@desk_page("write/said/<uuid:community_id>/<str:object_id>/", "said_object", may=may_analyse)
def object_view(request: HttpRequest, community_id: UUID, object_id: str) -> HttpResponse:
    """An object that the organisation said: how it stands, and its versions with what each changed."""
    _, claim, _ = _own(request, community_id, object_id)
    back = came_from(request)
    found = writing.versions(community_id, claim.organization_id, object_id)
    shown = [
        (one, differences.changes(below.body, one.body) if below is not None else None)
        for one, below in zip(found, [*found[1:], None], strict=True)
    ]
    context = desk_context(
        request,
        title=title_of(claim.body),
        claim=claim,
        object_type=object_id.partition("--")[0],
        versions=shown,
        audiences=writing.audiences([claim.subject_id]).get(claim.subject_id, []),
        can_edit=not claim.revoked and writes(json.loads(bytes(claim.body))),
        can_revoke=not claim.revoked and bool(claim.version),
        community=claim.community,
        back=back,
    )
    return TemplateResponse(request, "admin/write/object.html", context)


@desk_page("write/said/<uuid:community_id>/<str:object_id>/edit/", "said_edit", may=may_analyse)
def edit_view(request: HttpRequest, community_id: UUID, object_id: str) -> HttpResponse:
    """A draft of the next version."""
    return _edit(request, community_id, object_id)


@require_POST
def _edit(request: HttpRequest, community_id: UUID, object_id: str) -> HttpResponse:
    member, claim, _ = _own(request, community_id, object_id)
    try:
        draft = versions.follow(
            community_id=community_id,
            organization_id=claim.organization_id,
            object_id=object_id,
            member=member,
            now=timezone.now(),
        )
    except Overtaken as refusal:
        messages.warning(request, str(refusal))
        return redirect("admin:said_object", community_id, object_id)
    return to_draft(request, draft.id)


@desk_page("write/said/<uuid:community_id>/<str:object_id>/revoke/", "said_revoke", may=may_analyse)
def revoke_view(request: HttpRequest, community_id: UUID, object_id: str) -> HttpResponse:
    """What feeds lose if it is revoked; then it is, with a reason."""
    member, claim, inbox = _own(request, community_id, object_id)
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            draft = versions.revoke(
                community_id=community_id,
                organization_id=claim.organization_id,
                object_id=object_id,
                reason=form.cleaned_data["reason"],
                collection_id=inbox.id,
                member=member,
                now=timezone.now(),
            )
        except (Overtaken, ReasonMissing) as refusal:
            form.add_error(None, str(refusal))
        else:
            return _sent(
                request, draft.submission_id, draft.id, "Revoked: the feeds follow in a few seconds."
            )
    context = desk_context(
        request,
        title=f"Revoke {title_of(claim.body)}",
        form=form,
        claim=claim,
        audiences=[
            one for one in writing.audiences([claim.subject_id]).get(claim.subject_id, []) if one.stands
        ],
        readers={one.label: one.readers for one in writing.readers_by_level(community_id)},
    )
    return TemplateResponse(request, "admin/write/revoke.html", context)


@desk_page("write/said/<uuid:community_id>/<str:object_id>/undo/", "said_undo", may=may_analyse)
def undo_view(request: HttpRequest, community_id: UUID, object_id: str) -> HttpResponse:
    """What going back to an earlier version changes; then its content is said again, with a reason."""
    member, claim, inbox = _own(request, community_id, object_id)
    found = writing.versions(community_id, claim.organization_id, object_id)
    earlier = _asked(found, request.GET.get("to", ""))
    form = WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            draft = versions.say_again(
                community_id=community_id,
                organization_id=claim.organization_id,
                body=earlier.body,
                reason=form.cleaned_data["reason"],
                collection_id=inbox.id,
                member=member,
                now=timezone.now(),
            )
        except (Overtaken, ReasonMissing) as refusal:
            form.add_error(None, str(refusal))
        except drafts.NotValid as refusal:
            for fault in refusal.faults:
                form.add_error(None, fault.sentence)
        else:
            return _sent(request, draft.submission_id, draft.id, "Undone: the feeds follow in a few seconds.")
    context = desk_context(
        request,
        title=f"Undo: back to the version of {earlier.modified}",
        form=form,
        claim=claim,
        earlier=earlier,
        changes=differences.changes(found[0].body, earlier.body),
    )
    return TemplateResponse(request, "admin/write/undo.html", context)


def _sent(request: HttpRequest, submission_id: UUID | None, draft_id: UUID, said: str) -> HttpResponse:
    if submission_id is not None:
        nudge_ingest(submission_id)
    messages.success(request, said)
    return redirect("admin:draft", draft_id)


def _asked(found: list[Version], modified: str) -> Version:
    """The version to go back to; where none is named, the latest that is not revoked and not the current one."""
    for one in found if modified else found[1:]:
        if not one.revoked and modified in ("", one.modified):
            return one
    raise Http404


def _own(request: HttpRequest, community_id: UUID, object_id: str) -> tuple[Member, Any, Collection]:
    """The member, the claim of the member's organisation, and its inbox; else there is nothing here."""
    member = member_of(request)
    assert member.organization_id is not None
    claim = (
        Claim.objects.select_related("community")
        .filter(community_id=community_id, organization_id=member.organization_id, object_id=object_id)
        .first()
    )
    inbox = next(
        (one for one in writing.inboxes(member.organization_id) if one.community_id == community_id), None
    )
    if claim is None or inbox is None or "\0" in object_id:
        raise Http404
    return member, claim, inbox
