"""Organisations: what they are, and how far they are believed as sources."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from accounts.actor import Actor
from accounts.admin.administered import attempt
from accounts.admin.base import ActedOn, ReasonField, actor_of, may_administer, may_analyse
from accounts.admin.site import desk_context, desk_page
from accounts.models import Grade, Member, Organization, Reliability, Sector
from sharing.actions import ageing, organizations


class GradeForm(forms.ModelForm):  # type: ignore[type-arg] # it is no generic at run time
    """A source's grade, and why it is given."""

    reason = ReasonField(
        "Why it is given another grade; recorded in its history. What it said is weighed anew.",
        required=False,
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
class OrganizationAdmin(ActedOn):
    """Organisations; as sources they are given a grade here, what they are is changed on a page of its own."""

    list_display = ("name", "slug", "sector", "reliability", "prompt_text")
    list_filter = ("sector", "reliability")
    search_fields = ("name", "slug")
    form = GradeForm
    fields = (
        "name",
        "slug",
        "sector",
        "platforms",
        "prompt_text",
        "created_at",
        "more",
        "reliability",
        "reason",
    )
    readonly_fields = ("name", "slug", "sector", "platforms", "prompt_text", "created_at", "more")
    ordering = ("name",)
    inlines = (GradeInline,)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def add_view(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:organization_add"))

    @admin.display(description="More")
    def more(self, organization: Organization) -> SafeString:
        """Where the rest of it stands."""
        one = f"?organization__id__exact={organization.id}"
        return format_html_join(
            " · ",
            '<a href="{}">{}</a>',
            [
                (reverse("admin:organization_change", args=[organization.id]), "Change what it is"),
                (reverse("admin:access_of", args=[organization.id]), "What it sees"),
                (reverse("admin:accounts_member_changelist") + one, "Its members"),
                (reverse("admin:accounts_token_changelist") + one, "Its tokens"),
            ],
        )

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


class OrganizationForm(forms.Form):
    """What an organisation is."""

    name = forms.CharField(max_length=200)
    sector = forms.ChoiceField(
        choices=Sector.choices,
        initial=Sector.AI_LAB,
        help_text="Analysts and admins of an operator see everybody's submissions: as a rule there is one.",
    )
    platforms = forms.CharField(
        required=False,
        help_text="Names of platforms whose traffic it sees, separated by commas; empty: its own. Who sees the same one"
        " confirms less. If they change, what it said is weighed anew.",
    )
    prompt_text = forms.ChoiceField(
        choices=[("refuse", "Refuse"), ("allow", "Allow")],
        help_text="Whether it opted in to sending prompt text, which may hold what customers wrote.",
    )

    def clean_platforms(self) -> list[str]:
        """As the action takes them."""
        return [one.strip() for one in str(self.cleaned_data["platforms"]).split(",") if one.strip()]


class NewOrganizationForm(OrganizationForm):
    """A new organisation."""

    slug = forms.SlugField(
        max_length=64,
        label="Short name",
        help_text="Small letters, digits and hyphens; it stands in community files and logs, and never changes.",
    )
    reliability = forms.ChoiceField(
        choices=Reliability.choices,
        initial=Reliability.F,
        help_text="Its first grade as a source.",
    )
    field_order = ("name", "slug")


@desk_page("organizations/add/", "organization_add", may=may_administer)
def add(request: HttpRequest) -> HttpResponse:
    """Make an organisation."""
    form = NewOrganizationForm(request.POST or None)
    if form.is_valid():
        done, made = attempt(
            request,
            form,
            lambda: organizations.create(**form.cleaned_data, by=actor_of(request), now=timezone.now()),
        )
        if done:
            messages.success(request, f"{made} is made. It sees nothing until it is in a community.")
            return HttpResponseRedirect(reverse("admin:accounts_organization_change", args=[made.id]))
    return _form(request, form, "Add an organisation", reverse("admin:accounts_organization_changelist"))


@desk_page("organizations/<uuid:organization_id>/change/", "organization_change", may=may_administer)
def change(request: HttpRequest, organization_id: UUID) -> HttpResponse:
    """Change what an organisation is."""
    found = get_object_or_404(Organization, id=organization_id)
    back = reverse("admin:accounts_organization_change", args=[organization_id])
    initial = {
        "name": found.name,
        "sector": found.sector,
        "platforms": ", ".join(found.platforms),
        "prompt_text": found.prompt_text,
    }
    form = OrganizationForm(request.POST or None, initial=initial)
    if form.is_valid():
        done, changed = attempt(
            request,
            form,
            lambda: organizations.change(
                organization_id=organization_id, **form.cleaned_data, by=actor_of(request), now=timezone.now()
            ),
        )
        if done:
            messages.success(
                request, f"Changed: {', '.join(changed)}." if changed else "Nothing was changed."
            )
            return HttpResponseRedirect(back)
    return _form(request, form, f"Change {found.name}", back)


def _form(request: HttpRequest, form: forms.Form, title: str, back: str) -> HttpResponse:
    return render(
        request,
        "admin/who/form.html",
        desk_context(request, title=title, form=form, verb="Save", back=back),
    )
