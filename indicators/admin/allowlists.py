"""What must never be published."""

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.admin.base import ActedOn, ReadOnly, ReasonForm, actor_of, may_analyse
from indicators.actions import allowlists
from indicators.allowlists.entries import Entry, entry
from indicators.models import Allowlist, AllowlistEntry


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
class AllowlistEntryAdmin(ActedOn):
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
                by=actor_of(request),
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
                by=actor_of(request),
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
