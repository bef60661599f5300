"""Sending by hand from the portal: a file or pasted text, into the organisation's own inboxes and no other."""

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from accounts.admin.own import Own, may_own, may_send, own
from accounts.admin.site import desk_context, desk_page
from indicators.actions import uploads
from indicators.models import Upload
from indicators.sources import formats
from sharing.admin.by_hand import (
    MAX_VALUES,
    TextForm,
    ValuesForm,
    count_of_values,
    file_form,
    foresee,
    foreseen_context,
    found_in,
    listed_again,
    nudge,
    take_file,
    take_values,
    ticked_at_first,
    values_context,
)
from sharing.models import Collection, Kind
from sharing.progress import progress

_both = require_http_methods(["GET", "HEAD", "POST"])


def senders(mine: Own) -> "QuerySet[Collection]":
    """The inboxes of an organisation in the communities that it is in."""
    return (
        Collection.objects.filter(
            kind=Kind.INBOX, owner_id=mine.id, community__membership__organization_id=F("owner_id")
        )
        .select_related("owner", "community")
        .order_by("community__title")
    )


@desk_page("portal/send/", name="portal_send", may=may_send)
@_both
def send(request: HttpRequest) -> HttpResponse:
    """Choose a file; then its preview, or its progress."""
    mine = own(request)
    form = file_form(request, senders=senders(mine))
    received = take_file(form, by=mine.actor, now=timezone.now()) if form.is_valid() else None
    if received is None:
        return _page(request, mine, "send", "Send a file", form=form)
    if not form.cleaned_data["preview"]:
        if received.repeated:
            messages.info(request, "This file came before: this is what became of it.")
        nudge(received)
    return redirect("admin:portal_upload", received.id)


@desk_page("portal/uploads/<uuid:upload_id>/", name="portal_upload", may=may_own)
@_both
def upload(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """A file: of a draft what it would become, to be submitted or let go; else how far it has come."""
    mine, now = own(request), timezone.now()
    found = (
        Upload.objects.select_related("organization", "community")
        .filter(id=upload_id, organization_id=mine.id)
        .first()
    )
    if found is None or (request.method == "POST" and not mine.may_send):
        raise Http404
    if not found.is_draft:
        noun = formats.FORMATS[found.format].noun
        come = progress(mine.id, found.id)
        return _page(request, mine, "progress", str(found), upload=found, progress=come, noun=noun)
    try:
        if "submit" in request.POST:
            nudge(uploads.submit(upload_id=found.id, by=mine.actor, now=now))
            return redirect("admin:portal_upload", found.id)
        if "discard" in request.POST:
            uploads.discard(upload_id=found.id, by=mine.actor, now=now)
            messages.success(request, f"{found} was let go; nothing of it was submitted.")
            return redirect("admin:portal_send")
        foreseen = foresee(found) if found.part_count else []
    except uploads.NoDraft:
        # Another tab was faster.
        return redirect("admin:portal")
    return _page(request, mine, "preview", f"What {found} would become", **foreseen_context(found, foreseen))


@desk_page("portal/paste/", name="portal_paste", may=may_send)
@_both
def paste(request: HttpRequest) -> HttpResponse:
    """Text; then the values in it, to be ticked; then they are submitted."""
    mine = own(request)
    if "submit" in request.POST:
        values = ValuesForm(request.POST, senders=senders(mine))
        chosen = request.POST.getlist("chosen")[:MAX_VALUES]
        received = take_values(values, chosen, by=mine.actor, now=timezone.now())
        if received is not None:
            return redirect("admin:portal_receipt", received.id)
        found, ticked = listed_again(request), set(chosen)
    else:
        form = TextForm(request.POST or None, senders=senders(mine))
        found = found_in(form) if form.is_valid() else []
        if not found:
            return _page(request, mine, "text", "Paste text", form=form)
        values = ValuesForm(initial={"sender": form.cleaned_data["sender"]}, senders=senders(mine))
        ticked = ticked_at_first(found)
    context = values_context(request, values, found, ticked)
    return _page(request, mine, "values", count_of_values(found), **context)


def _page(request: HttpRequest, mine: Own, template: str, title: str, **context: Any) -> HttpResponse:
    names = {
        "file_page": "admin:portal_send",
        "text_page": "admin:portal_paste",
        "list_page": "admin:portal_submissions",
        "receipt_page": "admin:portal_receipt",
        "is_portal": True,
        "own": mine,
    }
    return render(
        request,
        f"admin/indicators/upload/{template}.html",
        desk_context(request, title=title, **names, **context),
    )
