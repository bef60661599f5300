"""What claims are about: what counts as one, and the merge journal."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.actions.refusal import ReasonMissing
from accounts.admin.base import ActedOn, ReadOnly, ReasonField, ReasonForm, actor_of
from indicators.actions import journal
from indicators.models import Merge, MergeKind, Subject
from sharing import desk, graph, search, tasks
from sharing.admin.search import ExportForm, listing

_JOURNALLED = "Recorded in the merge journal and the audit trail; no partner sees it."


class SplitForm(forms.Form):
    """Which claims, and why."""

    claims = forms.TypedMultipleChoiceField(
        coerce=int, error_messages={"required": "Tick the claims to split off."}
    )
    reason = ReasonField(_JOURNALLED, missing="Say why: the next analyst will ask.")


class UndoForm(ReasonForm):
    """Why not."""

    reason = ReasonField(_JOURNALLED, autofocus=True)


@admin.register(Subject)
class SubjectAdmin(ReadOnly):
    """What claims are about; its page lists them, and splits off those that are about something else."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """The newest of what is known, as the search lists it; indicators, if nothing else is asked for."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        return listing(request, title="What is known", kind="" if request.GET.get("q") else "indicators")

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        subject = self.get_object(request, object_id or "")
        if subject is None:
            raise Http404
        claims = desk.claims_on(subject.id)
        form = SplitForm(request.POST if request.method == "POST" else None)
        form.fields["claims"].choices = [(claim.id, claim.object_id) for claim in claims]  # type: ignore[attr-defined]
        if request.method == "POST" and form.is_valid():
            made = self._split(request, subject, form)
            if made is not None:
                return HttpResponseRedirect(reverse("admin:indicators_subject_change", args=[made.other_id]))
        (found,) = search.shown([subject.id])
        context = {
            **self.admin_site.each_context(request),
            "title": found.title,
            "found": found,
            "subject": subject,
            "claims": claims,
            "most_claims": desk.MOST_SHOWN,
            "ticked": set(request.POST.getlist("claims")),
            "entries": _entries_of(subject),
            **_connected(subject),
            "export_form": ExportForm(),
            "chosen": [subject.id],
            "form": form,
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/indicators/subject/claims.html", context)

    def _split(self, request: HttpRequest, subject: Subject, form: SplitForm) -> Merge | None:
        try:
            journal_id = journal.split(
                community_id=subject.community_id,
                subject_id=subject.id,
                claim_ids=form.cleaned_data["claims"],
                by=actor_of(request),
                now=timezone.now(),
                reason=form.cleaned_data["reason"],
            )
        except (journal.NotSplittable, ReasonMissing) as refusal:
            form.add_error("claims", f"{str(refusal).capitalize()}.")
            return None
        tasks.nudge_publish(subject.community_id)
        made = Merge.objects.get(id=journal_id)
        self.message_user(
            request,
            format_html(
                'Two subjects now: this one, and <a href="{}">the other half</a>. The feeds follow in a few seconds;'
                ' <a href="{}">the merge journal</a> undoes it.',
                reverse("admin:indicators_subject_change", args=[made.survivor_id]),
                reverse("admin:indicators_merge_changelist"),
            ),
            messages.SUCCESS,
        )
        return made


def _connected(subject: Subject) -> dict[str, Any]:
    """The first neighbours of a subject, and how many more there are."""
    place = graph.Place(subject.community_id, subject.id)
    try:
        with search.bounded():
            near = graph.expand(place)
    except search.TooBroad:
        return {"connected": (), "left": None}
    return {"connected": near.rows(), "left": near, "key": place.key}


def _entries_of(subject: Subject) -> list[Merge]:
    return list(
        (Merge.objects.filter(survivor=subject) | Merge.objects.filter(other=subject)).order_by("-id")[:50]
    )


def _linked(entry: Merge, subject_id: int) -> SafeString:
    """A link to one of the two; those of a page are loaded together."""
    links: dict[int, SafeString] = getattr(entry, "links", {})
    return links.get(subject_id) or desk.link_to(subject_id)


@admin.register(Merge)
class MergeAdmin(ActedOn):
    """The merge journal, newest first: select entries, then undo them with one reason."""

    list_display = ("made_at", "kind", "what", "with_what", "likeness", "made_by", "reason", "state")
    list_display_links = ("made_at",)
    list_filter = ("kind", "community", ("undone_at", admin.EmptyFieldListFilter))
    search_fields = ("=made_by", "reason", "undo_reason")
    ordering = ("-id",)
    actions = ("undo",)
    change_list_template = "admin/indicators/merge/journal.html"
    fields = (
        *("community", "kind", "what", "with_what", "likeness", "made_at", "made_by", "reason", "state"),
        *("undone_at", "undone_by", "undo_reason"),
    )
    readonly_fields = fields

    def load_beside(self, rows: Sequence[Merge]) -> None:
        links = desk.links_to({one for entry in rows for one in (entry.survivor_id, entry.other_id)})
        for entry in rows:
            entry.links = links  # type: ignore[attr-defined] # for the columns below

    @admin.display(description="Counts for / was part of")
    def what(self, entry: Merge) -> SafeString:
        return _linked(entry, entry.survivor_id)

    @admin.display(description="Merged / split off")
    def with_what(self, entry: Merge) -> SafeString:
        return _linked(entry, entry.other_id)

    @admin.display(description="Similarity", ordering="similarity")
    def likeness(self, entry: Merge) -> str:
        return "–" if entry.similarity is None else f"{entry.similarity:.2f}"

    @admin.display(description="State", ordering="undone_at")
    def state(self, entry: Merge) -> str:
        if entry.undone_at is None:
            return "holds"
        return f"undone by {entry.undone_by}: {entry.undo_reason}"

    @admin.action(description="Undo: let the claims return")
    def undo(self, request: HttpRequest, queryset: QuerySet[Merge]) -> HttpResponse | None:
        form = UndoForm(request.POST if "decide" in request.POST else None)
        # The newest first, as one undoes anything.
        entries = list(queryset.select_related("community").order_by("-id"))
        if not form.is_valid():
            shown = entries[:50]
            self.load_beside(shown)
            context = {
                **self.admin_site.each_context(request),
                "title": f"Undo {len(entries)} {'entries' if len(entries) != 1 else 'entry'}",
                "form": form,
                "entries": [(entry, self.what(entry), self.with_what(entry)) for entry in shown],
                "more": max(0, len(entries) - 50),
                "ids": [entry.id for entry in entries],
                "splits": any(entry.kind == MergeKind.SPLIT for entry in entries),
                "opts": self.model._meta,
            }
            return TemplateResponse(request, "admin/indicators/merge/undo.html", context)
        undone = sum(self._undo_one(request, entry, form.cleaned_data["reason"]) for entry in entries)
        if undone:
            self.message_user(
                request, f"{undone} undone; the feeds follow in a few seconds.", messages.SUCCESS
            )
        return None

    def _undo_one(self, request: HttpRequest, entry: Merge, reason: str) -> bool:
        try:
            journal.undo(journal_id=entry.id, by=actor_of(request), now=timezone.now(), reason=reason)
        except (journal.AlreadyUndone, ReasonMissing) as refusal:
            self.message_user(
                request, f"Entry of {entry.made_at:%Y-%m-%d %H:%M}: {refusal}.", messages.WARNING
            )
            return False
        tasks.nudge_publish(entry.community_id)
        return True
