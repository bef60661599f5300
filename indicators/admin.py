"""The desk's pages on what resembles what, on what must never be published, and the catalogue."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Case, Count, QuerySet, Value, When
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.actor import Actor
from accounts.admin import ReadOnly, may_analyse
from accounts.models import Member
from indicators.actions import allowlists
from indicators.actions import likeness as likenesses
from indicators.actions.journal import NotMergeable
from indicators.allowlists.entries import Entry, entry
from indicators.desk import ShownTemplate, templates_of
from indicators.models import Allowlist, AllowlistEntry, Likeness, LikenessState, Technique


@admin.register(Technique)
class TechniqueAdmin(ReadOnly):
    """The attack-patterns that the service publishes in every feed."""

    list_display = ("name", "atlas", "phase", "object_id")
    list_filter = ("phase",)
    search_fields = ("name", "=object_id", "=atlas_id")
    ordering = ("name",)
    fields = ("object_id", "name", "description", "phase", "atlas", "created")

    @admin.display(description="MITRE ATLAS")
    def atlas(self, technique: Technique) -> str:
        ids = ", ".join(technique.atlas_ids)
        return ids if technique.atlas_id else f"a form of {ids}"


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "autofocus": True}),
        help_text="Recorded in the audit trail.",
        max_length=2000,
    )


@admin.register(Likeness)
class LikenessAdmin(ReadOnly):
    """Prompt templates that resemble each other, those to decide first: select some, then decide with one reason."""

    list_display = (
        "similarity_in_percent",
        "first_template",
        "second_template",
        "state",
        "community",
        "found_at",
    )
    list_filter = ("state", "community")
    list_select_related = ("community",)
    list_per_page = 25
    actions = ("relate", "merge", "dismiss")
    fields = (
        *("similarity_in_percent", "state", "is_one", "community", "first_template", "second_template"),
        *("claims", "found_at", "decided_at", "decided_by", "reason"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Likeness]:
        """The closest of those to decide first, then the latest."""
        waits = Case(When(state=LikenessState.PENDING, then=Value(0)), default=Value(1))
        return (
            super()
            .get_queryset(request)
            .select_related("first", "second")
            .order_by(waits, "-similarity", "-id")
        )

    @admin.display(description="Similarity", ordering="similarity")
    def similarity_in_percent(self, likeness: Likeness) -> str:
        return f"{likeness.similarity:.0%}"

    @admin.display(description="Is one now", boolean=True)
    def is_one(self, likeness: Likeness) -> bool:
        """Whether the two count for one subject, whoever merged them; a merge may have been undone."""
        first, second = likeness.first, likeness.second
        return (first.merged_into_id or first.id) == (second.merged_into_id or second.id)

    @admin.display(description="Older template")
    def first_template(self, likeness: Likeness) -> SafeString:
        return _sources(likeness.first_id)

    @admin.display(description="Younger template")
    def second_template(self, likeness: Likeness) -> SafeString:
        return _sources(likeness.second_id)

    @admin.display(description="What each source says")
    def claims(self, likeness: Likeness) -> SafeString:
        return format_html_join(
            "",
            "<details open><summary>{} · {} · received {}</summary><pre>{}</pre></details>",
            (
                (said.organization, said.tlp, f"{said.received_at:%Y-%m-%d %H:%M}", said.text)
                for said in templates_of([likeness.first_id, likeness.second_id])
            ),
        )

    @admin.action(description="Related: two templates that belong together")
    def relate(self, request: HttpRequest, queryset: QuerySet[Likeness]) -> HttpResponse | None:
        return self._decide(request, queryset, "relate", LikenessState.RELATED)

    @admin.action(description="Merge: one template")
    def merge(self, request: HttpRequest, queryset: QuerySet[Likeness]) -> HttpResponse | None:
        return self._decide(request, queryset, "merge", LikenessState.MERGED)

    @admin.action(description="Dismiss: nothing to do with each other")
    def dismiss(self, request: HttpRequest, queryset: QuerySet[Likeness]) -> HttpResponse | None:
        return self._decide(request, queryset, "dismiss", LikenessState.DISMISSED)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Django offers actions only to those who may change something; the form has no field to change.
        return may_analyse(request)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Likeness], action: str, verdict: LikenessState
    ) -> HttpResponse | None:
        form = ReasonForm(request.POST if "decide" in request.POST else None)
        chosen = list(queryset)
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": f"{action.title()} {len(chosen)} likeness{'es' if len(chosen) != 1 else ''}",
                "form": form,
                "likenesses": [
                    (one, self.first_template(one), self.second_template(one)) for one in chosen[:50]
                ],
                "more": max(0, len(chosen) - 50),
                "ids": [one.id for one in chosen],
                "action": action,
                "verb": action.title(),
                "opts": self.model._meta,
            }
            return TemplateResponse(request, "admin/indicators/likeness/decide.html", context)
        decided = sum(self._decide_one(request, one, verdict, form.cleaned_data["reason"]) for one in chosen)
        if decided:
            self.message_user(request, f"{action.title()}: {decided} decided.", messages.SUCCESS)
        return None

    def _decide_one(
        self, request: HttpRequest, likeness: Likeness, verdict: LikenessState, reason: str
    ) -> bool:
        member = request.user
        try:
            if not isinstance(member, Member) or not may_analyse(request):
                raise likenesses.NotAllowed("only the operator's analysts decide")
            likenesses.decide(
                likeness_id=likeness.id, verdict=verdict, member=member, reason=reason, now=timezone.now()
            )
        except (
            likenesses.NotPending,
            likenesses.NotAllowed,
            likenesses.ReasonMissing,
            NotMergeable,
        ) as refusal:
            self.message_user(request, f"{likeness}: {refusal}.", messages.WARNING)
            return False
        return True


def _sources(subject_id: int) -> SafeString:
    """The id of a template, and who claims it at which level."""
    return format_html_join("", "<code>{}</code><br>{} · {}<br>", map(_source, templates_of([subject_id])))


def _source(said: ShownTemplate) -> tuple[str, str, str]:
    return said.object_id, said.organization, said.tlp


@admin.register(Allowlist)
class AllowlistAdmin(ReadOnly):
    """The lists; `manage.py load_allowlist` loads one from a file."""

    list_display = ("name", "source", "version", "holds", "updated_at")
    list_filter = ("source",)
    search_fields = ("name", "description")
    ordering = ("name",)

    def get_queryset(self, request):  # type: ignore[no-untyped-def]
        """With the number of entries."""
        return super().get_queryset(request).annotate(held=Count("entries"))

    @admin.display(description="Entries", ordering="held")
    def holds(self, allowlist: Allowlist) -> int:
        return int(getattr(allowlist, "held", 0))


class EntryForm(ReasonForm):
    """What must never be published, and why."""

    value = forms.CharField(
        max_length=300,
        help_text="An address, a CIDR block, a domain with all below it, AS64500 or AS64512-AS65534.",
    )
    field_order = ("value", "reason")

    def clean_value(self) -> Entry:
        """The entry that the text stands for."""
        try:
            return entry(self.cleaned_data["value"])
        except ValueError as error:
            raise forms.ValidationError(f"{error}.") from None


@admin.register(AllowlistEntry)
class AllowlistEntryAdmin(ReadOnly):
    """Entries: found by name, note or what covers an address; added and removed with a reason."""

    list_display = ("__str__", "allowlist", "subdomains", "note")
    list_filter = ("allowlist",)
    list_select_related = ("allowlist",)
    search_fields = ("domain", "note")
    search_help_text = (
        "An address or network finds what overlaps it, an AS number what holds it; else a part of a name."
    )
    ordering = ("allowlist", "id")
    show_full_result_count = False
    actions = ("remove",)
    fields = ("allowlist", "entry", "subdomains", "note")
    readonly_fields = fields

    @admin.display(description="Entry")
    def entry(self, one: AllowlistEntry) -> str:
        return str(one)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_analyse(request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Django offers actions only to those who may change something; the form has no field to change.
        return may_analyse(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[AllowlistEntry], search_term: str
    ) -> tuple[QuerySet[AllowlistEntry], bool]:
        """What covers an address, network or AS number; else what holds the text."""
        try:
            wanted = entry(search_term)
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        if wanted.network is not None:
            return queryset.extra(where=["network && %s::inet"], params=[str(wanted.network)]), False
        if wanted.asn_first is not None:
            return queryset.filter(asn_first__lte=wanted.asn_last, asn_last__gte=wanted.asn_first), False
        return super().get_search_results(request, queryset, search_term)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """The form; then what the entry covers; then it is added."""
        if not self.has_add_permission(request):
            raise PermissionDenied
        form = EntryForm(request.POST or None)
        if form.is_valid() and "decide" in request.POST:
            change = allowlists.add(
                entry=form.cleaned_data["value"],
                reason=form.cleaned_data["reason"],
                by=_actor(request),
                now=timezone.now(),
            )
            self._tell(request, "added", len(change.added), len(change.covered))
            return redirect("admin:indicators_allowlistentry_changelist")
        entries = [form.cleaned_data["value"]] if form.is_valid() else []
        return self._page(request, form, "Add", entries, previews=True)

    @admin.action(description="Remove: what no other entry covers is decided anew")
    def remove(self, request: HttpRequest, queryset: QuerySet[AllowlistEntry]) -> HttpResponse | None:
        form = ReasonForm(request.POST if "decide" in request.POST else None)
        chosen = list(queryset)
        if form.is_valid() and may_analyse(request):
            change = allowlists.remove(
                entry_ids=[one.id for one in chosen],
                reason=form.cleaned_data["reason"],
                by=_actor(request),
                now=timezone.now(),
            )
            self._tell(request, "removed", len(change.removed), len(change.uncovered))
            return None
        entries = [
            Entry(one.network, one.domain, one.subdomains, one.asn_first, one.asn_last) for one in chosen
        ]
        return self._page(request, form, "Remove", entries, action="remove", ids=[one.id for one in chosen])

    def _tell(self, request: HttpRequest, verb: str, entries: int, subjects: int) -> None:
        self.message_user(
            request, f"{entries} {verb}; {subjects} objects are decided anew.", messages.SUCCESS
        )

    def _page(
        self,
        request: HttpRequest,
        form: forms.Form,
        verb: str,
        entries: list[Entry],
        *,
        previews: bool = False,
        action: str = "",
        ids: list[int] | None = None,
    ) -> TemplateResponse:
        context = {
            **self.admin_site.each_context(request),
            "title": f"{verb} {'an entry' if previews else f'{len(entries)} entries'}",
            "form": form,
            "verb": verb,
            "entries": entries[:50],
            "more": max(0, len(entries) - 50),
            "covered": allowlists.count_covered(entries),
            "decidable": bool(entries),
            "previews": previews,
            "action": action,
            "ids": ids or [],
            "opts": self.model._meta,
        }
        return TemplateResponse(request, "admin/indicators/allowlistentry/decide.html", context)


def _actor(request: HttpRequest) -> Actor:
    member = request.user
    assert isinstance(member, Member)
    return Actor(f"member:{member.username}", member.organization_id)
