"""The desk's page on sources: which other servers are pulled, and how that goes."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.admin.base import ReadOnly, actor_of
from accounts.models import Member, Role
from indicators.actions import pulls
from indicators.models import Source, SourceItem
from sharing import tasks

# Twice the timetable's step: a source that is due for longer has no worker.
OVERDUE = timedelta(minutes=2)


_FIELDS = (
    *("name", "kind", "community", "organization", "url", "collection"),
    *("auth", "username", "credential", "internal", "interval_minutes", "enabled"),
)


class SourceForm(forms.ModelForm):  # type: ignore[type-arg] # it is no generic at run time
    """A source as it is set up; no secret is asked for, only the name under which the environment provides it."""

    class Meta:
        model = Source
        fields = _FIELDS
        labels = {"url": "URL", "interval_minutes": "Interval in minutes"}
        widgets = {"url": forms.TextInput(attrs={"size": 80})}

    def clean_credential(self) -> str:
        return str(self.cleaned_data["credential"]).upper()

    def clean(self) -> dict[str, Any]:
        """What the action would refuse, at its field."""
        cleaned = super().clean() or {}
        if not self.errors:
            source = Source(id=self.instance.id, **{name: cleaned[name] for name in _FIELDS})
            for name, sentence in pulls.problems(source).items():
                self.add_error(name, sentence)
        return cleaned

    def _post_clean(self) -> None:
        """The action writes, and has looked at everything; Django's own look would say it in database terms."""
        for name in _FIELDS:
            if name in self.cleaned_data:
                setattr(self.instance, name, self.cleaned_data[name])


@admin.register(Source)
class SourceAdmin(ReadOnly):
    """Sources and their health: the list says how each fares; admins of the operator change them."""

    form = SourceForm
    list_display = (
        *(
            "name",
            "state",
            "kind",
            "organization",
            "last_success_at",
            "lag",
            "object_count",
            "refused",
            "last_error",
        ),
        *("next_at", "community"),
    )
    list_filter = ("enabled", "kind", "community", "organization")
    list_select_related = ("organization", "community")
    search_fields = ("name", "url")
    ordering = ("name",)
    actions = ("enable", "disable", "pull_now")
    change_form_template = "admin/indicators/source/change.html"
    readonly_fields = (
        *("state", "last_success_at", "lag", "object_count", "latest_at", "last_error", "failures"),
        *("tried_at", "next_at", "not_taken", "check_result", "checked_at"),
    )
    fieldsets = (
        (None, {"fields": ("name", "kind", "community", "organization", "url", "collection")}),
        ("Access", {"fields": ("auth", "username", "credential", "internal")}),
        ("Timetable", {"fields": ("interval_minutes", "enabled")}),
        ("Health", {"fields": readonly_fields}),
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Source]:
        """With the number of items that could not be taken."""
        found: QuerySet[Source] = super().get_queryset(request)
        return found.annotate(refused=Count("items", filter=~Q(items__error="")))

    # --- who may ---

    def has_add_permission(self, request: HttpRequest) -> bool:
        return _may_administer(request)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return _may_administer(request)

    def get_fieldsets(self, request: HttpRequest, obj: Source | None = None) -> Any:
        """What is not there yet has no health."""
        return self.fieldsets if obj is not None else self.fieldsets[:-1]

    # --- how it fares ---

    @admin.display(description="State")
    def state(self, source: Source) -> str:
        return state_of(source, timezone.now())

    @admin.display(description="Lag", ordering="latest_at")
    def lag(self, source: Source) -> str:
        return lag_of(source, timezone.now())

    @admin.display(description="Not taken", ordering="refused")
    def refused(self, source: Source) -> int:
        return int(getattr(source, "refused", 0))

    @admin.display(description="Items that could not be taken")
    def not_taken(self, source: Source) -> str:
        found = SourceItem.objects.filter(~Q(error=""), source=source).order_by("-tried_at")
        shown = "\n".join(f"{item.key}: {item.error}" for item in found[:20])
        count = found.count()
        return f"{shown}\n… and {count - 20:,} more" if count > 20 else shown or "none"

    # --- what can be done ---

    def save_model(
        self, request: HttpRequest, obj: Source, form: "forms.ModelForm[Source]", change: bool
    ) -> None:
        pulls.save(source=obj, by=actor_of(request), now=timezone.now())
        tasks.nudge_pull()

    @admin.action(description="Enable", permissions=["change"])
    def enable(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        self._set_enabled(request, queryset, enabled=True)

    @admin.action(description="Disable: nothing is pulled until it is enabled again", permissions=["change"])
    def disable(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        self._set_enabled(request, queryset, enabled=False)

    @admin.action(description="Pull now", permissions=["change"])
    def pull_now(self, request: HttpRequest, queryset: QuerySet[Source]) -> None:
        for source in queryset:
            self._pull_now(request, source)

    def get_urls(self) -> list[URLPattern]:
        """With the two buttons of a source's page."""
        return [
            path(
                "<uuid:source_id>/pull/",
                self.admin_site.admin_view(require_POST(self.pull_view)),
                name="indicators_source_pull",
            ),
            path(
                "<uuid:source_id>/check/",
                self.admin_site.admin_view(require_POST(self.check_view)),
                name="indicators_source_check",
            ),
            *super().get_urls(),
        ]

    def pull_view(self, request: HttpRequest, source_id: UUID) -> HttpResponse:
        """Pull now."""
        source = self._asked(request, source_id)
        self._pull_now(request, source)
        return _back_to(source)

    def check_view(self, request: HttpRequest, source_id: UUID) -> HttpResponse:
        """Test the connection, where the worker is: the web server itself calls nobody."""
        source = self._asked(request, source_id)
        tasks.nudge_pull_check(source.id)
        self.message_user(
            request,
            f"The connection to {source} is being tested; load this page again in a few seconds for the result.",
            messages.INFO,
        )
        return _back_to(source)

    def _asked(self, request: HttpRequest, source_id: UUID) -> Source:
        if not self.has_change_permission(request):
            raise PermissionDenied
        return get_object_or_404(Source, id=source_id)

    def _pull_now(self, request: HttpRequest, source: Source) -> None:
        with transaction.atomic():
            asked = pulls.ask_now(source_id=source.id, by=actor_of(request), now=timezone.now())
            tasks.nudge_pull()
        if asked:
            self.message_user(
                request, f"{source} is next; load this page again for the result.", messages.INFO
            )
        else:
            self.message_user(request, f"{source} is disabled: enable it first.", messages.WARNING)

    def _set_enabled(self, request: HttpRequest, queryset: QuerySet[Source], *, enabled: bool) -> None:
        changed = sum(
            pulls.set_enabled(source_id=source.id, enabled=enabled, by=actor_of(request), now=timezone.now())
            for source in queryset
        )
        tasks.nudge_pull()
        self.message_user(request, f"{'Enabled' if enabled else 'Disabled'}: {changed}.", messages.SUCCESS)


def state_of(source: Source, now: datetime) -> str:
    """How a source fares, in words."""
    if not source.enabled:
        return "Disabled"
    if source.failures:
        since = f", last success {source.last_success_at:%Y-%m-%d %H:%M}" if source.last_success_at else ""
        times = "once" if source.failures == 1 else f"{source.failures} times in a row"
        return f"Failed {times}{since}"
    if source.leased_until is not None and source.leased_until >= now:
        return "Being pulled"
    if source.next_at < now - OVERDUE:
        return "Overdue: no worker pulls, or too many submissions wait"
    if source.last_success_at is None:
        return "Catching up" if source.object_count else "Not pulled yet"
    if source.tried_at is not None and source.last_success_at < source.tried_at:
        return "Catching up"
    return "All that was there is here"


def lag_of(source: Source, now: datetime) -> str:
    """How old the upstream's latest object is that came; and when nothing newer was there."""
    if source.latest_at is None:
        return "–"
    minutes = int(max(timedelta(0), now - source.latest_at).total_seconds() // 60)
    days, hours = divmod(minutes // 60, 24)
    return f"{days} d {hours} h" if days else f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"


def _may_administer(request: HttpRequest) -> bool:
    """Whether the signed-in member is an admin of the operator: who adds a source decides whom the service calls."""
    member = request.user
    if not isinstance(member, Member) or not member.is_active:
        return False
    operator = member.organization is not None and member.organization.sector == "operator"
    return member.is_superuser or (operator and member.role == Role.ADMIN)


def _back_to(source: Source) -> HttpResponse:
    return HttpResponseRedirect(reverse("admin:indicators_source_change", args=[source.id]))
