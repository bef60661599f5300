"""Communities and their collections: every change is shown first as who would see what, then carried out."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone

from accounts.admin.administered import attempt
from accounts.admin.base import ReadOnly, actor_of, may_administer, may_analyse
from accounts.admin.site import desk_context, desk_page
from accounts.models import AutoRelease, Community, Organization, Tlp
from sharing import access
from sharing.actions import rehearsal
from sharing.actions.communities import CollectionSpec, CommunitySpec, ReviewSpec, RuleSpec
from sharing.actions.organizations import SLUG
from sharing.models import Collection, Kind, Profile, Review, ReviewState


@admin.register(Community)
class CommunityAdmin(ReadOnly):
    """Communities and their rules."""

    list_display = (
        "title",
        "slug",
        "auto_release",
        "min_confidence",
        "min_sources",
        "default_tlp",
        "personal_data",
    )
    ordering = ("title",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def add_view(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:community_add"))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **named: Any) -> HttpResponse:
        try:
            return HttpResponseRedirect(reverse("admin:community", args=[UUID(object_id)]))
        except ValueError as error:
            raise Http404 from error


@desk_page("communities/<uuid:community_id>/", "community", may=may_analyse)
def community(request: HttpRequest, community_id: UUID) -> HttpResponse:
    """A community: its rule, and who may do what in which of its collections."""
    found = get_object_or_404(Community, id=community_id)
    shelves = Collection.objects.filter(community=found).exclude(kind=Kind.INBOX)
    collections = list(shelves.order_by("kind", "ceiling", "alias"))
    members = list(found.members.order_by("name"))
    granted = {(one.organization_id, one.collection_id): one for one in access.of_community(found.id)}
    return render(
        request,
        "admin/who/community.html",
        desk_context(
            request,
            title=str(found),
            community=found,
            collections=collections,
            rows=[(one, [granted.get((one.id, shelf.id)) for shelf in collections]) for one in members],
            may_change=may_administer(request),
        ),
    )


# -------------------------------------------------------------------------------------------------------- the forms


def _title_field() -> forms.RegexField:
    return forms.RegexField(
        r"^[^.,]*$",
        max_length=100,
        help_text="Some clients make names of files from it.",
        error_messages={"invalid": "Without full stops and commas: some clients choke on them."},
    )


def _slug_field(label: str, help_text: str) -> forms.RegexField:
    return forms.RegexField(
        rf"^{SLUG.pattern}$",
        max_length=64,
        label=label,
        help_text=help_text,
        error_messages={"invalid": "Small letters, digits and hyphens inside."},
    )


class CommunityForm(forms.Form):
    """A community's rule and members."""

    title = _title_field()
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}), max_length=5000)
    members = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="Who joins gets what every member has now; who leaves loses all access here.",
    )
    default_tlp = forms.TypedChoiceField(
        choices=Tlp.choices,
        coerce=int,
        initial=Tlp.AMBER,
        label="Default TLP",
        help_text="What an object without a TLP marking counts as.",
    )
    personal_data = forms.ChoiceField(
        choices=[("refuse", "Refuse"), ("allow", "Allow")],
        help_text="Whether objects with raw personal identifiers are taken here.",
    )
    auto_release = forms.ChoiceField(
        choices=AutoRelease.choices, help_text="Which merged indicators leave without an analyst."
    )
    min_confidence = forms.IntegerField(min_value=0, max_value=100, initial=80, label="The rule's confidence")
    min_sources = forms.IntegerField(
        min_value=1, max_value=100, initial=2, label="The rule's number of sources"
    )

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        members = self.fields["members"]
        assert isinstance(members, forms.MultipleChoiceField)
        members.choices = list(Organization.objects.order_by("name").values_list("slug", "name"))

    def onto(self, spec: CommunitySpec) -> CommunitySpec:
        """A community as it stands, with what is wanted."""
        given = self.cleaned_data
        rule: RuleSpec | str = given["auto_release"]
        if rule == AutoRelease.RULE:
            rule = RuleSpec(min_confidence=given["min_confidence"], min_sources=given["min_sources"])
        return msgspec.structs.replace(
            rehearsal.with_members(spec, given["members"]),
            title=given["title"],
            description=given["description"],
            default_tlp=rehearsal.tlp_word(given["default_tlp"]),
            personal_data=given["personal_data"],
            review=ReviewSpec(auto_release=rule),  # type: ignore[arg-type] # a rule, all or none
        )


class NewCommunityForm(CommunityForm):
    """A new community."""

    slug = _slug_field(
        "Short name", "It stands in the address of the API root, below /taxii2/, and never changes."
    )
    field_order = ("title", "slug")

    def clean_slug(self) -> str:
        """One that is free."""
        slug = str(self.cleaned_data["slug"])
        if Community.objects.filter(slug=slug).exists():
            raise forms.ValidationError(f"There is a community {slug} already.")
        return slug


class CollectionForm(forms.Form):
    """What a collection is called, and who reads and writes it; the rest of it is fixed for good."""

    title = _title_field()
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}), max_length=5000)
    read = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="May read",
        help_text="Who is let in reads everything from the first entry on. Nobody: the collection is closed.",
    )
    write = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="May write",
        help_text="In an open collection only: to a feed only the service writes.",
    )

    def __init__(self, community: Community, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.community = community
        for name in ("read", "write"):
            field = self.fields[name]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = list(community.members.order_by("name").values_list("slug", "name"))

    def onto(self, spec: CollectionSpec) -> CollectionSpec:
        """A collection as it stands, with what is wanted."""
        given = self.cleaned_data
        is_open = spec.kind == "open"
        return msgspec.structs.replace(
            spec,
            title=given["title"],
            description=given["description"],
            read=given["read"],
            write=given.get("write", []) if is_open else None,
        )


class NewCollectionForm(CollectionForm):
    """A new collection."""

    alias = _slug_field("Alias", "It stands in addresses, beside the id, and never changes.")
    kind = forms.ChoiceField(choices=[one for one in Kind.choices if one[0] != Kind.INBOX])
    ceiling = forms.TypedChoiceField(
        choices=Tlp.choices,
        coerce=int,
        initial=Tlp.AMBER,
        help_text="The most restrictive TLP that it may hold. It cannot be changed later; TLP:RED is in no feed.",
    )
    profile = forms.ChoiceField(choices=Profile.choices, help_text="Of a feed. It cannot be changed later.")
    field_order = ("title", "alias", "kind", "ceiling", "profile", "description", "read", "write")

    def clean_alias(self) -> str:
        """One that is free here."""
        alias = str(self.cleaned_data["alias"])
        if alias == "inbox" or Collection.objects.filter(community=self.community, alias=alias).exists():
            raise forms.ValidationError(f"There is a collection {alias} here already.")
        return alias

    def clean(self) -> dict[str, Any]:
        """What does not go together."""
        cleaned = super().clean() or {}
        if cleaned.get("kind") == Kind.FEED and cleaned.get("ceiling") == Tlp.RED:
            self.add_error("ceiling", "TLP:RED is in no feed.")
        if cleaned.get("kind") == Kind.FEED and cleaned.get("write"):
            self.add_error("write", "Only the service writes to a feed.")
        if cleaned.get("kind") == Kind.OPEN and cleaned.get("profile") == Profile.CORE:
            self.add_error("profile", "An open collection holds what is posted there.")
        return cleaned

    def made(self) -> CollectionSpec:
        """What is wanted."""
        given = self.cleaned_data
        return self.onto(
            CollectionSpec(
                alias=given["alias"],
                title=given["title"],
                kind=given["kind"],
                ceiling=rehearsal.tlp_word(given["ceiling"]),  # type: ignore[arg-type] # one of the five
                profile=given["profile"],
            )
        )


# -------------------------------------------------------------------------------------------------------- the pages


@desk_page("communities/add/", "community_add", may=may_administer)
def add(request: HttpRequest) -> HttpResponse:
    """Make a community."""
    form = NewCommunityForm(request.POST or None)

    def wanted() -> CommunitySpec:
        return form.onto(CommunitySpec(slug=form.cleaned_data["slug"], title="-", members=[]))

    back = reverse("admin:accounts_community_changelist")
    return _rehearsed(request, form, wanted, title="Add a community", back=back)


@desk_page("communities/<uuid:community_id>/change/", "community_change", may=may_administer)
def change(request: HttpRequest, community_id: UUID) -> HttpResponse:
    """Change a community's rule or members."""
    found = get_object_or_404(Community, id=community_id)
    names = (
        "title",
        "description",
        "default_tlp",
        "personal_data",
        "auto_release",
        "min_confidence",
        "min_sources",
    )
    initial = {name: getattr(found, name) for name in names}
    initial["members"] = list(found.members.values_list("slug", flat=True))
    form = CommunityForm(request.POST or None, initial=initial)
    return _rehearsed(
        request,
        form,
        lambda: form.onto(rehearsal.as_stands(found)),
        title=f"Change {found}",
        back=reverse("admin:community", args=[community_id]),
    )


@desk_page("communities/<uuid:community_id>/collections/add/", "collection_add", may=may_administer)
def collection_add(request: HttpRequest, community_id: UUID) -> HttpResponse:
    """Make a collection."""
    found = get_object_or_404(Community, id=community_id)
    everybody = list(found.members.values_list("slug", flat=True))
    form = NewCollectionForm(found, request.POST or None, initial={"read": everybody})

    def wanted() -> CommunitySpec:
        spec = rehearsal.as_stands(found)
        return msgspec.structs.replace(spec, collections=[*spec.collections, form.made()])

    back = reverse("admin:community", args=[community_id])
    return _rehearsed(request, form, wanted, title=f"Add a collection to {found}", back=back)


@desk_page("collections/<uuid:collection_id>/change/", "collection_change", may=may_administer)
def collection_change(request: HttpRequest, collection_id: UUID) -> HttpResponse:
    """Change what a collection is called, and who reads and writes it."""
    found = get_object_or_404(
        Collection.objects.exclude(kind=Kind.INBOX).select_related("community"), id=collection_id
    )
    stands = rehearsal.as_stands(found.community)
    (spec,) = (one for one in stands.collections if one.alias == found.alias)
    initial = {"title": spec.title, "description": spec.description, "read": spec.read, "write": spec.write}
    form = CollectionForm(found.community, request.POST or None, initial=initial)
    if found.kind == Kind.FEED:
        del form.fields["write"]

    def wanted() -> CommunitySpec:
        changed = [form.onto(one) if one.alias == found.alias else one for one in stands.collections]
        return msgspec.structs.replace(stands, collections=changed)

    back = reverse("admin:community", args=[found.community_id])
    return _rehearsed(request, form, wanted, title=f"Change {found}", back=back)


def _rehearsed(
    request: HttpRequest, form: forms.Form, wanted: Callable[[], CommunitySpec], *, title: str, back: str
) -> HttpResponse:
    """The form; once it is filled in, what it would do; once that was looked at, it is done."""
    if "edit" not in request.POST and form.is_valid():
        spec, by, now = wanted(), actor_of(request), timezone.now()
        if "seen" in request.POST:
            try:
                done, changes = attempt(
                    request,
                    form,
                    lambda: rehearsal.carry_out(spec, seen=request.POST["seen"], by=by, now=now),
                )
                if done:
                    messages.success(request, "; ".join(changes) + "." if changes else "Nothing was changed.")
                    made = Community.objects.get(slug=spec.slug)
                    return HttpResponseRedirect(reverse("admin:community", args=[made.id]))
            except rehearsal.Overtaken:
                messages.warning(
                    request,
                    "Somebody changed this community meanwhile. This is what your change would do now.",
                )
        if not form.errors:
            done, found = attempt(request, form, lambda: rehearsal.rehearse(spec, by=by, now=now))
            if done:
                return _preview(request, spec, found, title=title, back=back)
    return render(
        request,
        "admin/who/form.html",
        desk_context(request, title=title, form=form, verb="See what it would change", back=back),
    )


def _preview(
    request: HttpRequest, spec: CommunitySpec, found: rehearsal.Rehearsal, *, title: str, back: str
) -> HttpResponse:
    posted = [
        (name, value)
        for name, values in request.POST.lists()
        if name not in {"csrfmiddlewaretoken", "seen"}
        for value in values
    ]
    waiting = Review.objects.filter(community__slug=spec.slug, state=ReviewState.PENDING).count()
    return render(
        request,
        "admin/who/preview.html",
        desk_context(
            request,
            title=title,
            rehearsal=found,
            organizations=_by_organization(found.differences),
            waiting=waiting if found.is_rule_changed else 0,
            posted=posted,
            back=back,
        ),
    )


def _by_organization(found: list[access.Difference]) -> dict[str, list[access.Difference]]:
    grouped: dict[str, list[access.Difference]] = {}
    for one in found:
        grouped.setdefault(one.access.organization, []).append(one)
    return grouped
