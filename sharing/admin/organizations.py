"""Organisations, and how far they are believed as sources."""

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from accounts.actor import Actor
from accounts.admin.base import ReadOnly, may_analyse
from accounts.models import Grade, Member, Organization
from sharing.actions import ageing


class GradeForm(forms.ModelForm):  # type: ignore[type-arg] # it is no generic at run time
    """A source's grade, and why it is given."""

    reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 80}),
        help_text="Why it is given another grade; recorded in its history. What it said is weighed anew.",
        max_length=2000,
    )

    class Meta:
        model = Organization
        fields = ("reliability",)

    def clean(self) -> dict[str, object]:
        """A reason beside every new grade."""
        cleaned = super().clean() or {}
        if "reliability" in self.changed_data and not str(cleaned.get("reason", "")).strip():
            self.add_error("reason", "Say why this source is given another grade.")
        return cleaned


class GradeInline(admin.TabularInline):  # type: ignore[type-arg] # it is no generic at run time
    """The history of a source's grades."""

    model = Grade
    extra = 0
    can_delete = False
    fields = readonly_fields = ("graded_at", "reliability", "reason", "graded_by")
    ordering = ("-id",)
    verbose_name_plural = "history of its grades"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)


@admin.register(Organization)
class OrganizationAdmin(ReadOnly):
    """Organisations; as sources they are given a grade here."""

    list_display = ("name", "slug", "sector", "reliability", "prompt_text")
    list_filter = ("sector", "reliability")
    search_fields = ("name", "slug")
    form = GradeForm
    fields = ("name", "slug", "sector", "platforms", "prompt_text", "created_at", "reliability", "reason")
    readonly_fields = ("name", "slug", "sector", "platforms", "prompt_text", "created_at")
    inlines = (GradeInline,)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)

    def save_model(self, request: HttpRequest, obj: Organization, form: GradeForm, change: bool) -> None:
        """Through the action, so that the history, the audit trail and every confidence follow."""
        member = request.user
        if isinstance(member, Member):
            ageing.regrade(
                organization_id=obj.id,
                reliability=form.cleaned_data["reliability"],
                reason=form.cleaned_data["reason"] or "unchanged",
                by=Actor(f"member:{member.username}", member.organization_id),
                now=timezone.now(),
            )
