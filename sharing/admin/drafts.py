"""The desk's pages for writing: all drafts, and a draft from its first word to where it stands in the feeds."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.utils.http import urlencode
from django.views.decorators.http import require_POST

from accounts.admin.base import came_from, may_analyse, member_of
from accounts.admin.fresh import ask_again
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member
from indicators.actions import drafts
from indicators.actions.draft_checks import Fault
from indicators.actions.said import Overtaken
from indicators.drafting import builder, compose, differences
from indicators.drafting.forms import FORMS
from indicators.drafting.own_word import shares_id
from indicators.models import Draft, DraftState
from sharing import known, writing
from sharing.admin import own_word
from sharing.admin.stix_form import StixForm, sections
from sharing.models import Collection
from sharing.tasks import nudge_ingest

#: So long after it was submitted the page of a draft looks again by itself.
_SOON = timedelta(minutes=2)


@desk_page("write/", "write", may=may_analyse)
def drafts_view(request: HttpRequest) -> HttpResponse:
    """Where one begins to write; the organisation's drafts, newest first, or one's own."""
    member = member_of(request)
    assert member.organization_id is not None
    which = request.GET.get("which", "")
    found = Draft.objects.filter(organization_id=member.organization_id)
    found = found.select_related("community", "author", "saved_by")
    if which == "discarded":
        found = found.filter(state=DraftState.DISCARDED)
    else:
        found = found.exclude(state=DraftState.DISCARDED)
    if which == "mine":
        found = found.filter(writers=member)
    before = _moment(request.GET.get("before", ""))
    if before is not None:
        found = found.filter(saved_at__lt=before)
    shown = list(found.order_by("-saved_at")[: writing.A_PAGE + 1])
    more = shown[writing.A_PAGE - 1].saved_at.isoformat() if len(shown) > writing.A_PAGE else ""
    stands = writing.stands(shown)
    context = desk_context(
        request,
        title="Write",
        forms=FORMS.values(),
        inboxes=writing.inboxes(member.organization_id),
        which=which,
        drafts=[(one, stands[one.id]) for one in shown[: writing.A_PAGE]],
        more=urlencode({"which": which, "before": more}) if more else "",
    )
    return TemplateResponse(request, "admin/write/drafts.html", context)


@desk_page("write/new/<slug:object_type>/", "draft_new", may=may_analyse)
def new_view(request: HttpRequest, object_type: str) -> HttpResponse:
    """Begin a draft: nothing is kept before something is written."""
    inbox = _inbox(member_of(request), request.GET.get("community", ""))
    if object_type not in FORMS:
        raise Http404
    if inbox is None:
        messages.warning(request, "Your organisation has no inbox in a community: it can say nothing there.")
        return redirect("admin:write")
    met = own_word.begun_already(request, object_type, inbox)
    if met is not None:
        return met
    brought = [(name, value) for name in own_word.BROUGHT for value in request.GET.getlist(name)]
    asked = urlencode([("type", object_type), ("community", str(inbox.community_id)), *brought])
    return redirect(f"{reverse('admin:draft', args=[uuid4()])}?{asked}")


@desk_page("write/drafts/<uuid:draft_id>/", "draft", may=may_analyse)
def draft_view(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """A draft: its form while it is one; what became of it once it was submitted."""
    member = member_of(request)
    draft = _draft(draft_id, member)
    action = request.POST.get("action", "") if request.method == "POST" else ""
    if draft is not None and action in {"discard", "restore"}:
        return _turn(request, draft, action, member)
    if draft is not None and draft.state != DraftState.DRAFT:
        if action:
            messages.warning(
                request, f"It was {draft.get_state_display().lower()} meanwhile; this is how it stands."
            )
        return _standing(request, draft)
    if not action:
        return _form(request, draft_id, draft, member)
    if action == "discard":
        messages.info(request, "Nothing of it was kept.")
        return redirect(came_from(request, reverse("admin:write")))
    return _saved_or_submitted(request, draft_id, draft, member, action)


@desk_page("write/drafts/<uuid:draft_id>/autosave/", "draft_autosave", may=may_analyse)
def autosave_view(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Keep what is typed, every few seconds; the line that says so."""
    return _autosave(request, draft_id)


@require_POST
def _autosave(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    member = member_of(request)
    draft = _draft(draft_id, member)
    context: dict[str, Any] = {
        "draft_id": draft_id,
        "version": _number(request.POST.get("version")),
        "page": request.POST.get("page", ""),
    }
    try:
        saved, _ = _save(request, draft_id, draft, member)
        context |= {"saved": saved, "version": saved.version}
    except drafts.Stale as stale:
        context["problem"] = (
            f"Not saved: {stale.draft.saved_by} saved this draft meanwhile. Save it, and you will see both."
        )
    except (drafts.NotEditable, drafts.TooLong) as refusal:
        context["problem"] = f"Not saved: {refusal}"
    return TemplateResponse(request, "admin/write/saved.html", context)


def _saved_or_submitted(
    request: HttpRequest, draft_id: UUID, draft: Draft | None, member: Member, action: str
) -> HttpResponse:
    try:
        saved, form = _save(request, draft_id, draft, member)
    except drafts.Stale as stale:
        return _stale(request, stale.draft, member)
    except (drafts.NotEditable, drafts.TooLong) as refusal:
        messages.error(request, str(refusal))
        return _form(request, draft_id, draft, member, data=request.POST)
    if action != "submit":
        messages.success(request, "Saved as a draft: nobody but your organisation's analysts sees it.")
        return own_word.to_draft(request, draft_id)
    inbox = _inbox(member, str(saved.community_id))
    if inbox is None:
        messages.error(request, "Your organisation has no inbox in this community any more.")
        return redirect("admin:draft", draft_id)
    if form.mistyped:
        return _form(request, draft_id, saved, member, faults=form.mistyped, data=request.POST)
    if saved.lowered_by_id is not None and (asked := ask_again(request)) is not None:
        return asked
    try:
        received = drafts.submit(
            draft_id=draft_id,
            version=saved.version,
            page=saved.page,
            collection_id=inbox.id,
            member=member,
            now=timezone.now(),
        )
    except drafts.NotValid as refusal:
        return _form(request, draft_id, saved, member, faults=refusal.faults)
    except (drafts.Stale, drafts.NotEditable, Overtaken) as refusal:
        messages.error(request, str(refusal))
        return redirect("admin:draft", draft_id)
    nudge_ingest(received.id)
    back = came_from(request)
    if back:
        messages.success(request, "Submitted. The page of its draft says what becomes of it.")
        return redirect(back)
    messages.success(request, "Submitted. This page says what becomes of it.")
    return redirect("admin:draft", draft_id)


def _save(
    request: HttpRequest, draft_id: UUID, draft: Draft | None, member: Member
) -> tuple[Draft, StixForm]:
    base, community_id = _base(request.POST, draft, member)
    form = StixForm(base, levels=writing.readers_by_level(community_id), data=request.POST)
    read, leftover = form.read()
    saved = drafts.save(
        draft_id=draft_id,
        version=_number(request.POST.get("version")),
        page=request.POST.get("page", "")[:36],
        community_id=community_id,
        body=compose.compose(base["type"], read, base=base),
        leftover=leftover,
        techniques=read.get("techniques", ()),
        member=member,
        now=timezone.now(),
    )
    return saved, form


def _base(asked: Mapping[str, Any], draft: Draft | None, member: Member) -> tuple[dict[str, Any], UUID]:
    """The object that is written on, and its community: of the draft, or a blank one of what is asked for."""
    if draft is not None:
        return draft.body, draft.community_id
    inbox = _inbox(member, asked.get("community", ""))
    object_type = asked.get("type", "")
    if inbox is None or object_type not in FORMS or member.organization_id is None:
        raise Http404
    body = compose.blank(
        object_type,
        own_word.object_id(asked, object_type) or f"{object_type}--{uuid4()}",
        organization_id=member.organization_id,
        now=timezone.now(),
    )
    return body, inbox.community_id


def _form(
    request: HttpRequest,
    draft_id: UUID,
    draft: Draft | None,
    member: Member,
    *,
    faults: list[Fault] | None = None,
    data: Any = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    base, community_id = _base(request.POST if request.method == "POST" else request.GET, draft, member)
    if draft is None and request.method == "GET":
        base = own_word.begin(request, base)
    levels = writing.readers_by_level(community_id)
    leftover = {} if draft is None else draft.leftover
    techniques = [] if draft is None else draft.techniques
    form = StixForm(base, levels=levels, data=data, leftover=leftover, techniques=techniques)
    said = list(faults or ())
    if not said and leftover and data is None:
        said = [
            Fault(name, "This is no value of this field; it is kept as you typed it.") for name in leftover
        ]
    inbox = _inbox(member, str(community_id))
    pattern = str(form["pattern"].value() or "") if "pattern" in form.fields else None
    context = desk_context(
        request,
        title=f"{'New version' if draft is not None and draft.follows else 'Draft'}: {FORMS[base['type']].title}",
        draft_id=draft_id,
        draft=draft,
        bears=base["id"] if draft is None and shares_id(base["type"]) else "",
        back=came_from(request),
        description=FORMS[base["type"]],
        community=None if inbox is None else inbox.community,
        sections=list(sections(form, said)),
        faults=said,
        elsewhere=[fault for fault in said if fault.field not in form.fields],
        version=0 if draft is None else draft.version,
        page=request.POST.get("page", "")[:36] or str(uuid4()),
        pattern=_pattern_context(pattern) if pattern is not None else None,
        titles=known.titles_of(community_id, _references(base)),
        relationships=known.sources_and_targets() if base["type"] == "relationship" else None,
        **more,
    )
    return TemplateResponse(request, "admin/write/draft.html", context, status=status)


def _pattern_context(pattern: str) -> dict[str, Any]:
    """What the builder begins with."""
    return {
        "properties": [
            {
                "path": one.path,
                "label": one.label,
                "group": one.group,
                "kind": one.kind,
                "operators": one.operators,
                "help": one.help,
                "example": one.example,
                "choices": one.choices,
            }
            for one in builder.properties()
        ],
        "is_empty": not pattern.strip(),
    }


def _stale(request: HttpRequest, draft: Draft, member: Member) -> HttpResponse:
    """Somebody else saved meanwhile: what was typed stays on the page, beside what differs."""
    form = StixForm(draft.body, levels=writing.readers_by_level(draft.community_id), data=request.POST)
    read, _ = form.read()
    mine = compose.compose(draft.object_type, read, base=draft.body)
    return _form(
        request,
        draft.id,
        draft,
        member,
        data=request.POST,
        status=409,
        stale=draft,
        changes=differences.changes(draft.body, mine),
    )


def _standing(request: HttpRequest, draft: Draft) -> HttpResponse:
    stand = writing.stands([draft])[draft.id]
    earlier = None
    if draft.follows is not None:
        said = writing.versions(draft.community_id, draft.organization_id, draft.object_id)
        earlier = next((one.body for one in said if one.modified == draft.follows), None)
    context = desk_context(
        request,
        title=str(draft),
        draft=draft,
        back=came_from(request),
        description=FORMS.get(draft.object_type),
        stand=stand,
        waits=stand.word in {"On its way", "Taken"} and timezone.now() - draft.saved_at < _SOON,
        changes=differences.changes(earlier or {"type": draft.object_type}, draft.body),
        is_first=earlier is None,
    )
    return TemplateResponse(request, "admin/write/standing.html", context)


def _turn(request: HttpRequest, draft: Draft, action: str, member: Member) -> HttpResponse:
    turn = drafts.discard if action == "discard" else drafts.restore
    try:
        turn(draft_id=draft.id, member=member, now=timezone.now())
    except drafts.NotEditable as refusal:
        messages.warning(request, str(refusal))
        return redirect("admin:draft", draft.id)
    if action == "discard":
        messages.success(request, "Discarded. It can be restored from the list of discarded drafts.")
        return redirect(came_from(request, reverse("admin:write")))
    messages.success(request, "Restored.")
    return redirect("admin:draft", draft.id)


def _references(body: Mapping[str, Any]) -> list[str]:
    found: list[str] = []
    for field in FORMS[str(body["type"])].fields:
        value = compose.value_of(body, field) if field.kind in {"reference", "references"} else None
        found += [value] if isinstance(value, str) else value or []
    return found


def _draft(draft_id: UUID, member: Member) -> Draft | None:
    """The organisation's draft; of another's there is none."""
    found = (
        Draft.objects.select_related("community", "author", "saved_by", "submitted_by")
        .filter(id=draft_id)
        .first()
    )
    if found is not None and found.organization_id != member.organization_id:
        raise Http404
    return found


def _inbox(member: Member, community_id: str) -> Collection | None:
    """The inbox of the member's organisation in a community; the first one where none is asked for."""
    if member.organization_id is None:
        raise PermissionDenied
    found = writing.inboxes(member.organization_id)
    if not community_id:
        return found[0] if found else None
    return next((one for one in found if str(one.community_id) == community_id), None)


def _number(text: str | None) -> int:
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else 0


def _moment(text: str) -> Any:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is None or found.tzinfo is not None else None
