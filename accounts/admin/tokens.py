"""Tokens: everybody's for the operator, their own for other organisations; a secret is shown once."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.actions import tokens
from accounts.admin.administered import (
    acting,
    attempt,
    fresh,
    may_administer_some,
    may_see_tokens,
    organizations,
    scopes_to_give,
    seen_within,
    within,
)
from accounts.admin.base import ReadOnly, may_administer, may_analyse, member_of
from accounts.admin.days import DayInput, end_of, last_day
from accounts.admin.own import may_administer_own, may_own
from accounts.admin.site import desk_context, desk_page
from accounts.models import AuditEvent, Organization, Scope, Token

SOON = timedelta(days=14)
"""What ends within this is pointed out."""
OVERLAPS = (
    (0, "Not at all: revoke it at once"),
    (1, "1 hour"),
    (24, "24 hours"),
    (24 * 7, "7 days"),
    (24 * 30, "30 days"),
)
"""How many hours the old secret works on after a rotation."""
SCOPES = {
    Scope.FEED_READ: "Read feeds: pull what its organisation may read, by TAXII",
    Scope.SUBMIT: "Submit: send indicators and findings, and read the receipts and notices",
    Scope.LOOKUP: "Look up: reserved, opens nothing yet",
    Scope.ADMIN: "Administer: reserved, opens nothing yet",
}


@dataclass(frozen=True, slots=True)
class State:
    """How a token stands, in words, and the class of its badge."""

    words: str
    badge: str


def state_of(token: Token, now: datetime) -> State:
    """Whether it works, and until when."""
    if token.revoked_at is not None:
        return State("Revoked", "")
    if token.expires_at is not None and token.expires_at <= now:
        return State("Expired", "")
    if token.replaced_by_id is not None:
        return State(f"Old secret, works until {token.expires_at:%Y-%m-%d %H:%M} UTC", "sw-warn")
    if token.expires_at is None:
        return State("Works", "sw-good")
    left = token.expires_at - now
    if left <= SOON:
        when = f"in {left.days} days" if left.days > 1 else "in a day" if left.days else "today"
        return State(f"Expires {when}: rotate it", "sw-warn")
    return State("Works", "sw-good")


def badge(state: State) -> SafeString:
    """A state as a badge."""
    return format_html('<span class="sw-badge {}">{}</span>', state.badge, state.words)


# ---------------------------------------------------------------------------------------------- the operator's list


class StateFilter(admin.SimpleListFilter):
    """Whether a token works."""

    title = "state"
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [
            ("works", "Works"),
            ("soon", f"Ends within {SOON.days} days"),
            ("unused", "Works and was never used"),
            ("over", "Revoked or expired"),
        ]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Token]) -> QuerySet[Token]:
        now = timezone.now()
        over = Q(revoked_at__isnull=False) | Q(expires_at__lte=now)
        match self.value():
            case "works":
                return queryset.exclude(over)
            case "soon":
                return queryset.exclude(over).filter(expires_at__lte=now + SOON)
            case "unused":
                return queryset.exclude(over).filter(last_used_at__isnull=True)
            case "over":
                return queryset.filter(over)
        return queryset


@admin.register(Token)
class TokenAdmin(ReadOnly):
    """Tokens, without anything secret."""

    list_display = ("name", "organization", "shown_scopes", "state", "expires_at", "last_used_at")
    list_filter = (StateFilter, "organization")
    list_select_related = ("organization",)
    search_fields = ("name", "organization__name")
    ordering = ("organization__name", "name", "-created_at")

    @admin.display(description="Scopes")
    def shown_scopes(self, token: Token) -> str:
        return ", ".join(token.scopes)

    @admin.display(description="State")
    def state(self, token: Token) -> SafeString:
        return badge(state_of(token, timezone.now()))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_administer(request)

    def add_view(self, request: HttpRequest, *args: Any, **named: Any) -> HttpResponse:
        return HttpResponseRedirect(reverse("admin:token_issue"))

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **named: Any) -> HttpResponse:
        try:
            return HttpResponseRedirect(reverse("admin:token", args=[UUID(object_id)]))
        except ValueError as error:
            raise Http404 from error


# -------------------------------------------------------------------------------------------------------- the forms


class _QuotaForm(forms.Form):
    """What may be chosen of a token: scopes, its end and, by the operator, quotas."""

    scopes = forms.MultipleChoiceField(widget=forms.CheckboxSelectMultiple)
    expires = forms.DateField(
        required=False,
        label="Works through",
        widget=DayInput(),
        help_text="The last day, by UTC. Empty: until it is revoked.",
    )
    requests_per_minute = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    objects_per_hour = forms.IntegerField(required=False, min_value=1, max_value=2**31 - 1)
    bytes_per_hour = forms.IntegerField(required=False, min_value=1, max_value=2**62)

    def __init__(self, request: HttpRequest, *args: Any, held: list[str] | None = None, **named: Any) -> None:
        super().__init__(*args, **named)
        given = [*scopes_to_give(request), *(held or ())]
        scopes = self.fields["scopes"]
        assert isinstance(scopes, forms.MultipleChoiceField)
        scopes.choices = [(scope.value, words) for scope, words in SCOPES.items() if scope in given]
        for name in tokens.QUOTAS:
            if may_administer(request):
                self.fields[name].help_text = "Empty: the service's default."
            else:
                del self.fields[name]

    @property
    def expires_at(self) -> datetime | None:
        """The end of the last day."""
        return end_of(self.cleaned_data["expires"])

    @property
    def quotas(self) -> dict[str, int | None]:
        """As actions take them; none where they are not for the member to give."""
        return {name: self.cleaned_data[name] for name in tokens.QUOTAS if name in self.cleaned_data}

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error("expires" if field == "expires_at" else field, error)


class IssueForm(_QuotaForm):
    """A new token."""

    organization = forms.ChoiceField(label="Organisation")
    name = forms.CharField(
        max_length=100,
        help_text="What will use it, such as siem or detector-eu; it stands in the audit trail.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    field_order = ("organization", "name", "scopes", "expires")

    def __init__(self, request: HttpRequest, *args: Any, **named: Any) -> None:
        super().__init__(request, *args, **named)
        chosen = self.fields["organization"]
        assert isinstance(chosen, forms.ChoiceField)
        found = organizations(request)
        chosen.choices = [(str(one.id), one.name) for one in found]
        if len(found) == 1:
            chosen.widget = forms.HiddenInput()
            chosen.initial = str(found[0].id)


class ChangeForm(_QuotaForm):
    """Other scopes, another end, other quotas."""


class RotateForm(forms.Form):
    """How long both secrets work, and how long the new one."""

    overlap = forms.TypedChoiceField(
        label="The old secret works on for",
        coerce=int,
        choices=OVERLAPS,
        initial=24,
        help_text="Long enough to bring the new one to every machine that uses it.",
    )
    expires = forms.DateField(
        required=False,
        label="The new one works through",
        widget=DayInput(),
        help_text="The last day, by UTC. Empty: until it is revoked.",
    )

    def add_error(self, field: str | None, error: Any) -> None:
        super().add_error("expires" if field == "expires_at" else field, error)


# -------------------------------------------------------------------------------------------------------- the pages


def _list_of(request: HttpRequest) -> str:
    return reverse("admin:accounts_token_changelist" if may_analyse(request) else "admin:own_tokens")


def _seen(request: HttpRequest, token_id: UUID) -> Token:
    """A token that may be looked at; one of another organisation is as one that is not there."""
    found = Token.objects.select_related("organization", "replaced_by", "replaces").filter(id=token_id)
    whose = seen_within(request)
    token = (found if whose is None else found.filter(organization_id=whose)).first()
    if token is None:
        raise Http404
    return token


def _changed(request: HttpRequest, token_id: UUID) -> Token:
    """A token that may be changed."""
    token = _seen(request, token_id)
    if within(request) not in {None, token.organization_id}:
        raise Http404
    return token


@desk_page("own/tokens/", "own_tokens", may=may_own)
def own_tokens(request: HttpRequest) -> HttpResponse:
    """The tokens of the member's own organisation."""
    now = timezone.now()
    found = (
        Token.objects.filter(organization=member_of(request).organization)
        .order_by("revoked_at", "name", "-created_at")
        .select_related("replaced_by")[:500]
    )
    return render(
        request,
        "admin/who/own_tokens.html",
        desk_context(
            request,
            title="Our tokens",
            tokens=[(token, state_of(token, now)) for token in found],
            may_change=may_administer_own(request),
        ),
    )


@desk_page("tokens/<uuid:token_id>/", "token", may=may_see_tokens)
def token(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """One token: what it may, how it stands and what was done with it."""
    shown = _seen(request, token_id)
    now = timezone.now()
    may_change = may_administer_some(request) and within(request) in {None, shown.organization_id}
    works = shown.revoked_at is None and (shown.expires_at is None or shown.expires_at > now)
    events = AuditEvent.objects.filter(target=f"token:{shown.id}").order_by("-id")[:50]
    return render(
        request,
        "admin/who/token.html",
        desk_context(
            request,
            title=f"Token {shown.name} of {shown.organization}",
            token=shown,
            replaces=getattr(shown, "replaces", None),
            state=state_of(shown, now),
            quotas=[(name.replace("_", " "), getattr(shown, name)) for name in tokens.QUOTAS],
            scopes=[SCOPES[scope] for scope in Scope if scope in shown.scopes],
            works=works,
            may_change=may_change,
            events=events if may_analyse(request) or may_change else (),
            back=_list_of(request),
        ),
    )


@desk_page("tokens/issue/", "token_issue", may=may_administer_some)
@fresh
def issue(request: HttpRequest) -> HttpResponse:
    """Issue a token; the answer to the form is the only place where its secret stands."""
    now = timezone.now()
    initial = {
        "organization": request.GET.get("organization"),
        "expires": (now + timedelta(days=365)).date(),
        "scopes": [Scope.FEED_READ, Scope.SUBMIT],
    }
    form = IssueForm(request, request.POST or None, initial=initial)
    if form.is_valid():
        done, made = attempt(
            request,
            form,
            lambda: tokens.issue(
                organization_id=UUID(form.cleaned_data["organization"]),
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at,
                quotas=form.quotas,
                by=acting(request),
                now=now,
            ),
        )
        if done:
            return _shown_once(request, *made)
    return _form(request, form, title="Issue a token", verb="Issue the token")


@desk_page("tokens/<uuid:token_id>/rotate/", "token_rotate", may=may_administer_some)
@fresh
def rotate(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Give a token a new secret; the old one works on for a while."""
    old = _changed(request, token_id)
    now = timezone.now()
    lifetime = None if old.expires_at is None else old.expires_at - old.created_at
    initial = {"expires": None if lifetime is None else last_day(now + lifetime)}
    form = RotateForm(request.POST or None, initial=initial)
    if form.is_valid():
        done, made = attempt(
            request,
            form,
            lambda: tokens.rotate(
                token_id=token_id,
                old_until=now + timedelta(hours=form.cleaned_data["overlap"]),
                expires_at=end_of(form.cleaned_data["expires"]),
                by=acting(request),
                now=now,
                within=within(request),
            ),
        )
        if done:
            return _shown_once(request, *made, replaced_id=token_id)
    said = (
        "A new secret with the same name, scopes and quotas is made and shown once. Until the old one ends, both"
        " work."
    )
    return _form(request, form, title=f"Rotate {old.name}", verb="Rotate", said=said, token=old)


@desk_page("tokens/<uuid:token_id>/change/", "token_change", may=may_administer_some)
@fresh
def change(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """Give a token other scopes, another end or other quotas."""
    changed = _changed(request, token_id)
    initial = {"scopes": changed.scopes, "expires": last_day(changed.expires_at)}
    initial |= {name: getattr(changed, name) for name in tokens.QUOTAS}
    form = ChangeForm(request, request.POST or None, initial=initial, held=changed.scopes)
    if form.is_valid():
        # An end within a day stays as it is, where the day does.
        kept = form.cleaned_data["expires"] == last_day(changed.expires_at)
        done, _ = attempt(
            request,
            form,
            lambda: tokens.change(
                token_id=token_id,
                scopes=form.cleaned_data["scopes"],
                expires_at=changed.expires_at if kept else form.expires_at,
                quotas=form.quotas,
                by=acting(request),
                now=timezone.now(),
                within=within(request),
            ),
        )
        if done:
            messages.success(request, f"Token {changed.name} is as you want it.")
            return HttpResponseRedirect(reverse("admin:token", args=[token_id]))
    return _form(request, form, title=f"Change {changed.name}", verb="Save", token=changed)


@desk_page("tokens/<uuid:token_id>/revoke/", "token_revoke", may=may_administer_some)
@fresh
def revoke(request: HttpRequest, token_id: UUID) -> HttpResponse:
    """End a token at once."""
    ended = _changed(request, token_id)
    if request.method == "POST":
        attempt(
            request,
            None,
            lambda: tokens.revoke(
                token_id=token_id, by=acting(request), now=timezone.now(), within=within(request)
            ),
        )
        messages.success(request, f"Token {ended.name} is revoked: its next request is refused.")
        return HttpResponseRedirect(reverse("admin:token", args=[token_id]))
    used = (
        "was never used"
        if ended.last_used_at is None
        else f"was last used {ended.last_used_at:%Y-%m-%d %H:%M} UTC"
    )
    said = f"It {used}. Whatever uses it is refused from its next request on. This cannot be undone."
    return _form(
        request, None, title=f"Revoke {ended.name}", verb="Revoke it now", said=said, token=ended, danger=True
    )


def _form(
    request: HttpRequest,
    form: forms.Form | None,
    *,
    title: str,
    verb: str,
    said: str = "",
    token: Token | None = None,
    danger: bool = False,
) -> HttpResponse:
    back = _list_of(request) if token is None else reverse("admin:token", args=[token.id])
    about = "" if token is None else f"Token {token.name} of {token.organization}."
    return render(
        request,
        "admin/who/form.html",
        desk_context(
            request, title=title, form=form, verb=verb, said=said, about=about, danger=danger, back=back
        ),
    )


def _shown_once(
    request: HttpRequest, made: Token, secret: str, *, replaced_id: UUID | None = None
) -> HttpResponse:
    """The page with the secret: it is kept nowhere, by nobody, not by the browser's history either."""
    made.organization = Organization.objects.get(id=made.organization_id)
    response = render(
        request,
        "admin/who/secret.html",
        desk_context(
            request,
            title=f"The secret of {made.name}",
            token=made,
            secret=secret,
            old=None if replaced_id is None else Token.objects.get(id=replaced_id),
            back=reverse("admin:token", args=[made.id]),
        ),
    )
    response.headers["Cache-Control"] = "no-store"
    return response
