"""Members: everybody's for the operator, their own for other organisations' admins. None is ever deleted."""

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.actions import members
from accounts.admin.administered import (
    acting,
    attempt,
    fresh,
    may_administer_some,
    may_see_some,
    organizations,
    roles_to_give,
    seen_within,
    within,
)
from accounts.admin.base import ReadOnly, may_administer, may_analyse, member_of
from accounts.admin.invitation import link_for
from accounts.admin.own import may_administer_own
from accounts.admin.roles import ROLES
from accounts.admin.site import desk_context, desk_page
from accounts.models import AuditEvent, Member, Role
from accounts.sign_in.rules import second_factors


@admin.register(Member)
class MemberAdmin(ReadOnly):
    """People of every organisation."""

    list_display = ("username", "organization", "role", "state", "last_login")
    list_filter = ("role", "is_active", "organization")
    list_select_related = ("organization",)
    search_fields = ("username", "email", "organization__name")
    ordering = ("organization__name", "username")

    @admin.display(description="State")
    def state(self, member: Member) -> SafeString:
        return format_html('<span class="sw-badge {}">{}</span>', *reversed(state_of(member)))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def add_view(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:member_invite"))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **named: Any) -> HttpResponse:
        if not (object_id.isascii() and object_id.isdigit()):
            raise Http404
        return HttpResponseRedirect(reverse("admin:member", args=[int(object_id)]))


def state_of(member: Member) -> tuple[str, str]:
    """Whether a member can sign in, in words, and the class of its badge."""
    if not member.is_active:
        return "Switched off", ""
    if not member.has_usable_password():
        return "Invited: has set no password yet", "sw-warn"
    return "Active", "sw-good"


class InviteForm(forms.Form):
    """A new member."""

    organization = forms.ChoiceField(label="Organisation")
    username = forms.CharField(
        max_length=150,
        label="User name",
        help_text="What they sign in with; it stands in the audit trail and never changes.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    email = forms.EmailField(required=False, label="E-mail address")
    role = forms.ChoiceField(widget=forms.RadioSelect, initial=Role.READER)

    def __init__(self, request: HttpRequest, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        chosen, role = self.fields["organization"], self.fields["role"]
        assert isinstance(chosen, forms.ChoiceField)
        assert isinstance(role, forms.ChoiceField)
        found = organizations(request)
        chosen.choices = [(str(one.id), one.name) for one in found]
        if len(found) == 1:
            chosen.widget = forms.HiddenInput()
            chosen.initial = str(found[0].id)
        role.choices = role_choices(roles_to_give(request))


class MemberForm(forms.Form):
    """Another address or role."""

    email = forms.EmailField(required=False, label="E-mail address")
    role = forms.ChoiceField(widget=forms.RadioSelect)

    def __init__(self, roles: list[str], *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        role = self.fields["role"]
        assert isinstance(role, forms.ChoiceField)
        role.choices = role_choices(roles)


def role_choices(roles: list[str]) -> list[tuple[str, str]]:
    """Roles with what each may do, in a sentence."""
    return [(role, f"{Role(role).label}: {ROLES[Role(role)].short}") for role in Role.values if role in roles]


def _list_of(request: HttpRequest) -> str:
    return reverse("admin:accounts_member_changelist" if may_analyse(request) else "admin:own_members")


def _seen(request: HttpRequest, member_id: int) -> Member:
    """A member who may be looked at; one of another organisation is as one who is not there."""
    whose = seen_within(request)
    found = Member.objects.select_related("organization").filter(id=member_id)
    member = (found if whose is None else found.filter(organization_id=whose)).first()
    if member is None:
        raise Http404
    return member


def _changed(request: HttpRequest, member_id: int) -> Member:
    member = _seen(request, member_id)
    if not _may_change(request, member):
        raise Http404
    return member


def _may_change(request: HttpRequest, member: Member) -> bool:
    whose = within(request)
    return whose is None or (whose == member.organization_id and not member.is_superuser)


@desk_page("own/members/", "own_members", may=may_administer_own)
def own_members(request: HttpRequest) -> HttpResponse:
    """The people of the member's own organisation."""
    found = Member.objects.filter(organization=member_of(request).organization)
    shown = found.order_by("-is_active", "username")[:1000]
    return render(
        request,
        "admin/who/own_members.html",
        desk_context(request, title="Our members", members=[(one, *state_of(one)) for one in shown]),
    )


@desk_page("members/<int:member_id>/", "member", may=may_see_some)
def member(request: HttpRequest, member_id: int) -> HttpResponse:
    """One member: role, state, second factors, and what was done to them."""
    shown = _seen(request, member_id)
    words, badge = state_of(shown)
    may_change = may_administer_some(request) and _may_change(request, shown)
    return render(
        request,
        "admin/who/member.html",
        desk_context(
            request,
            title=f"Member {shown.username}",
            member=shown,
            state=words,
            badge=badge,
            role=ROLES[Role(shown.role)],
            factors=_second_factors(shown),
            may_change=may_change,
            events=AuditEvent.objects.filter(target=f"member:{shown.username}").order_by("-id")[:50],
            back=_list_of(request),
        ),
    )


def _second_factors(member: Member) -> list[str]:
    """The kinds of the member's second factors, in words."""
    words = {
        "totp": "authenticator app",
        "webauthn": "security key or passkey",
        "recovery_codes": "recovery codes",
    }
    return [words.get(kind, kind) for kind in sorted(second_factors(member).values())]


@desk_page("members/invite/", "member_invite", may=may_administer_some)
@fresh
def invite(request: HttpRequest) -> HttpResponse:
    """Make a member; the answer shows the link by which they set their password."""
    form = InviteForm(
        request, request.POST or None, initial={"organization": request.GET.get("organization")}
    )
    if form.is_valid():
        done, made = attempt(
            request,
            form,
            lambda: members.invite(
                organization_id=UUID(form.cleaned_data["organization"]),
                username=form.cleaned_data["username"],
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                roles=roles_to_give(request),
                by=acting(request),
                now=timezone.now(),
            ),
        )
        if done:
            return _link_shown_once(request, made)
    said = (
        "They get no mail: you send them the link that is shown next. With it they set their password, once."
    )
    return _form(request, form, title="Invite a member", verb="Invite", said=said, back=_list_of(request))


@desk_page("members/<int:member_id>/change/", "member_change", may=may_administer_some)
@fresh
def change(request: HttpRequest, member_id: int) -> HttpResponse:
    """Give a member another address or role."""
    changed = _changed(request, member_id)
    roles = [*roles_to_give(request), changed.role]
    form = MemberForm(roles, request.POST or None, initial={"email": changed.email, "role": changed.role})
    if form.is_valid():
        done, _ = attempt(
            request,
            form,
            lambda: members.change(
                member_id=member_id,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                roles=roles_to_give(request),
                by=acting(request),
                now=timezone.now(),
                within=within(request),
            ),
        )
        if done:
            messages.success(request, f"{changed.username} is as you want it.")
            return _back_to(member_id)
    return _form(
        request,
        form,
        title=f"Change {changed.username}",
        verb="Save",
        back=reverse("admin:member", args=[member_id]),
    )


@desk_page("members/<int:member_id>/switch/", "member_switch", may=may_administer_some)
@fresh
def switch(request: HttpRequest, member_id: int) -> HttpResponse:
    """Switch a member off, or on again."""
    switched = _changed(request, member_id)
    off = switched.is_active
    if request.method == "POST":
        wanted = request.POST.get("active") == "1"
        done, _ = attempt(
            request,
            None,
            lambda: members.set_active(
                member_id=member_id,
                active=wanted,
                by=acting(request),
                now=timezone.now(),
                within=within(request),
            ),
        )
        if done:
            messages.success(
                request, f"{switched.username} can sign in {'again' if wanted else 'no longer'}."
            )
        return _back_to(member_id)
    said = (
        "They are signed out with their next click and cannot sign in. What they did stays in the audit trail; tokens"
        " are their organisation's and work on."
        if off
        else "They can sign in with the password and the second factor that they had."
    )
    return _form(
        request,
        None,
        title=f"Switch {switched.username} {'off' if off else 'on'}",
        verb="Switch off" if off else "Switch on",
        said=said,
        hidden={"active": "0" if off else "1"},
        danger=off,
        back=reverse("admin:member", args=[member_id]),
    )


@desk_page("members/<int:member_id>/password-link/", "member_password_link", may=may_administer_some)
@fresh
def password_link(request: HttpRequest, member_id: int) -> HttpResponse:
    """Make a member's password void, and show a link by which they set another."""
    asked = _changed(request, member_id)
    if request.method == "POST":
        done, made = attempt(
            request,
            None,
            lambda: members.take_password(
                member_id=member_id, by=acting(request), now=timezone.now(), within=within(request)
            ),
        )
        return _link_shown_once(request, made) if done else _back_to(member_id)
    said = (
        "The password that they have, if any, works no longer, and they are signed out everywhere. A link for a new one"
        " is shown next."
    )
    return _form(
        request,
        None,
        title=f"New password link for {asked.username}",
        verb="Make the link",
        said=said,
        back=reverse("admin:member", args=[member_id]),
    )


@desk_page("members/<int:member_id>/second-factor/", "member_second_factor", may=may_administer_some)
@fresh
def second_factor(request: HttpRequest, member_id: int) -> HttpResponse:
    """Forget a member's second factors."""
    asked = _changed(request, member_id)
    if request.method == "POST":
        done, count = attempt(
            request,
            None,
            lambda: members.reset_second_factor(
                member_id=member_id, by=acting(request), now=timezone.now(), within=within(request)
            ),
        )
        if done:
            messages.success(request, f"{count} second factors of {asked.username} are forgotten.")
        return _back_to(member_id)
    said = (
        "For somebody who lost their phone or key. Be sure that it is them who asks: until they set up another, their"
        " password is all that is needed."
    )
    return _form(
        request,
        None,
        title=f"Reset the second factor of {asked.username}",
        verb="Forget their second factors",
        said=said,
        danger=True,
        back=reverse("admin:member", args=[member_id]),
    )


def _back_to(member_id: int) -> HttpResponseRedirect:
    return HttpResponseRedirect(reverse("admin:member", args=[member_id]))


def _form(request: HttpRequest, form: forms.Form | None, **context: Any) -> HttpResponse:
    return render(request, "admin/who/form.html", desk_context(request, form=form, **context))


def _link_shown_once(request: HttpRequest, invited: Member) -> HttpResponse:
    """The page with the link: it works once, for some days, until a password is set."""
    response = render(
        request,
        "admin/who/link.html",
        desk_context(
            request,
            title=f"The link for {invited.username}",
            member=invited,
            link=link_for(request, invited),
            back=reverse("admin:member", args=[invited.id]),
        ),
    )
    response.headers["Cache-Control"] = "no-store"
    return response
