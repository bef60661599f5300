"""The portal's page of an organisation's own signing keys: its admins register and retire them."""

from typing import Any

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone

from accounts.actions.refusal import Invalid
from accounts.admin.administered import fresh
from accounts.admin.own import may_administer_own, may_own, own
from accounts.admin.site import desk_context, desk_page
from indicators.stix import json as strict
from sharing.actions import submitter_keys
from sharing.submitter.registration import MAX_BYTES


class RegisterForm(forms.Form):
    """What `stillwatch keys register` printed."""

    registration = forms.CharField(
        max_length=MAX_BYTES,
        widget=forms.Textarea(attrs={"rows": 14, "spellcheck": "false", "autocomplete": "off"}),
        help_text="The JSON that “stillwatch keys register” printed on the machine that has the key. The private half"
        " stays there.",
    )

    def clean_registration(self) -> Any:
        """The value of the text."""
        try:
            return strict.parse(self.cleaned_data["registration"].encode())
        except strict.Refused as refusal:
            raise forms.ValidationError(refusal.sentence) from refusal


@desk_page("own/keys/", "own_keys", may=may_own)
def own_keys(request: HttpRequest) -> HttpResponse:
    """The keys of the member's own organisation."""
    mine = own(request)
    return render(
        request,
        "admin/portal/keys.html",
        desk_context(
            request,
            title="Our signing keys",
            keys=submitter_keys.known(organization_id=mine.id),
            may_change=mine.may_administer,
            organization=mine.organization,
        ),
    )


@desk_page("own/keys/register/", "own_key_register", may=may_administer_own)
@fresh
def register(request: HttpRequest) -> HttpResponse:
    """Register a key."""
    mine = own(request)
    form = RegisterForm(request.POST or None)
    if form.is_valid():
        try:
            made = submitter_keys.register(
                organization_id=mine.id,
                posted=form.cleaned_data["registration"],
                by=mine.actor,
                now=timezone.now(),
            )
        except Invalid as refusal:
            form.add_error("registration", str(refusal))
        except (submitter_keys.KnownAlready, submitter_keys.TooMany) as refusal:
            form.add_error("registration", str(refusal))
        else:
            messages.success(request, f"“{made.name}” is registered: what it signs counts as signed by you.")
            return HttpResponseRedirect(reverse("admin:own_keys"))
    return _form(request, form, title="Register a signing key", verb="Register the key")


@desk_page("own/keys/<str:kid>/retire/", "own_key_retire", may=may_administer_own)
@fresh
def retire(request: HttpRequest, kid: str) -> HttpResponse:
    """Retire a key, after a look at what that means."""
    mine = own(request)
    key = next((one for one in submitter_keys.known(organization_id=mine.id) if one.kid == kid), None)
    if key is None:
        raise Http404
    if request.method == "POST":
        submitter_keys.retire(organization_id=mine.id, kid=kid, by=mine.actor, now=timezone.now())
        messages.success(request, f"“{key.name}” is retired.")
        return HttpResponseRedirect(reverse("admin:own_keys"))
    return _form(
        request,
        None,
        title=f"Retire {key.name}",
        verb="Retire the key",
        said="What comes in from now on and is signed with it is refused. What it signed before stays signed. This"
        " cannot be undone: a retired key is never taken again.",
        danger=True,
    )


def _form(
    request: HttpRequest,
    form: forms.Form | None,
    *,
    title: str,
    verb: str,
    said: str = "",
    danger: bool = False,
) -> HttpResponse:
    return render(
        request,
        "admin/who/form.html",
        desk_context(
            request,
            title=title,
            form=form,
            verb=verb,
            said=said,
            danger=danger,
            back=reverse("admin:own_keys"),
        ),
    )
