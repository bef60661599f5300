"""Sending by hand from the portal: a file or pasted text, into the organisation's own inboxes and no other."""

from typing import Any
from uuid import UUID

from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from accounts.admin.own import Own, may_own, may_send, own
from accounts.admin.site import desk_context, desk_page
from indicators.actions import uploads
from indicators.models import Upload
from sharing.admin.by_hand import Pages, Sending
from sharing.models import Collection, Kind

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
    return _sending(request, own(request)).file()


@desk_page("portal/uploads/<uuid:upload_id>/", name="portal_upload", may=may_own)
@_both
def upload(request: HttpRequest, upload_id: UUID) -> HttpResponse:
    """A file: of a draft what it would become, to be submitted or let go; else how far it has come."""
    mine = own(request)
    found = (
        Upload.objects.select_related("organization", "community")
        .filter(id=upload_id, organization_id=mine.id)
        .first()
    )
    if found is None or (request.method == "POST" and not mine.may_send):
        raise Http404
    sending = _sending(request, mine)
    if not found.is_draft:
        return sending.progress(found)
    try:
        return sending.draft(found)
    except uploads.NoDraft:
        return redirect("admin:portal")


@desk_page("portal/paste/", name="portal_paste", may=may_send)
@_both
def paste(request: HttpRequest) -> HttpResponse:
    """Text; then the values in it, to be ticked; then they are submitted."""
    return _sending(request, own(request)).text()


_PAGES = Pages(
    file="admin:portal_send",
    text="admin:portal_paste",
    list="admin:portal_submissions",
    upload="admin:portal_upload",
    draft="admin:portal_upload",
    receipt="admin:portal_receipt",
)


def _sending(request: HttpRequest, mine: Own) -> Sending:
    def show(template: str, title: str, **context: Any) -> HttpResponse:
        known = {**_PAGES.context, "is_portal": True, "own": mine}
        return render(
            request,
            f"admin/indicators/upload/{template}.html",
            desk_context(request, title=title, **known, **context),
        )

    return Sending(request, mine.actor, _PAGES, show, senders=senders(mine))
