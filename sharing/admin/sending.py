"""The desk's pages for sending: a file, looked at first or at once; pasted text; and the receipt of what was sent."""

from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any
from uuid import UUID

from django.contrib import admin
from django.core.paginator import Paginator
from django.db.models import Count
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path

from accounts.admin.base import ReadOnly, actor_of, may_analyse
from indicators.actions import uploads
from indicators.models import Submission, SubmissionState, Upload
from sharing.admin.by_hand import Pages, Sending
from sharing.models import Collection, Kind
from sharing.receipts import Line, receipt

LINES_A_PAGE = 200

_PAGES = Pages(
    file="admin:indicators_upload_add",
    text="admin:indicators_upload_text",
    list="admin:indicators_upload_changelist",
    upload="admin:indicators_upload_change",
    draft="admin:indicators_upload_preview",
    receipt="admin:indicators_submission_receipt",
)


@admin.register(Upload)
class UploadAdmin(ReadOnly):
    """What was sent as a file, newest first; and where files and pasted text are sent."""

    list_display = (
        "file",
        "state",
        "organization",
        "community",
        "format",
        "object_count",
        "sent_by",
        "received_at",
    )
    list_display_links = ("file",)
    list_filter = ("is_draft", "format", "community", "organization")
    list_select_related = ("organization", "community")
    search_fields = ("name", "=id")
    ordering = ("-received_at",)
    show_full_result_count = False

    @admin.display(description="File", ordering="name")
    def file(self, upload: Upload) -> str:
        return str(upload)

    @admin.display(description="State")
    def state(self, upload: Upload) -> str:
        done, failed = getattr(upload, "done", 0), getattr(upload, "failed", 0)
        if upload.is_draft:
            return "draft"
        if done + failed < upload.part_count:
            return f"{100 * (done + failed) // upload.part_count} % ingested"
        return "partly in quarantine" if failed else "ingested"

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_analyse(request)

    def get_urls(self) -> list[URLPattern]:
        """With the pages that are no list and no row."""
        own = [
            path("text/", self.text_view, name="indicators_upload_text"),
            path("<uuid:upload_id>/preview/", self.preview_view, name="indicators_upload_preview"),
            path("receipt/<uuid:submission_id>/", self.receipt_view, name="indicators_submission_receipt"),
        ]
        wrapped = [
            path(str(one.pattern), self.admin_site.admin_view(one.callback), name=one.name) for one in own
        ]
        return [*wrapped, *super().get_urls()]

    # ------------------------------------------------------------------------------------------ a file

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, object] | None = None
    ) -> HttpResponse:
        """Choose a file; then its preview, or its progress."""
        return self._sending(request, _own_inbox(request)).file()

    def preview_view(self, request: HttpRequest, upload_id: UUID) -> HttpResponse:
        """What the first rows or objects of a draft would become; then it is submitted or let go."""
        sending = self._sending(request)
        upload = Upload.objects.select_related("organization", "community").filter(id=upload_id).first()
        if upload is None:
            raise Http404
        try:
            return sending.draft(upload)
        except uploads.NoDraft:
            return redirect("admin:indicators_upload_change", upload_id)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """How far it has come; the page looks again by itself until all is done."""
        sending = self._sending(request)
        upload = self.get_object(request, object_id)
        if upload is None:
            raise Http404
        if upload.is_draft:
            return redirect("admin:indicators_upload_preview", upload.id)
        return sending.progress(upload)

    # ------------------------------------------------------------------------------------------ pasted text

    def text_view(self, request: HttpRequest) -> HttpResponse:
        """Text; then the values in it, to be ticked; then they are submitted as rows of CSV."""
        return self._sending(request, _own_inbox(request)).text()

    def _sending(self, request: HttpRequest, initial: dict[str, object] | None = None) -> Sending:
        by, show = actor_of(request), partial(self._page, request)
        return Sending(request, by, _PAGES, show, initial=initial)

    # ------------------------------------------------------------------------------------------ receipts

    def receipt_view(self, request: HttpRequest, submission_id: UUID) -> HttpResponse:
        """What became of each object, all of them or those with one outcome."""
        actor_of(request)
        submission, lines = _receipt(submission_id)
        outcome = request.GET.get("outcome", "")
        counts = sorted(Counter(line.outcome for line in lines).items())
        shown = [line for line in lines if not outcome or line.outcome == outcome]
        return self._page(
            request,
            "receipt",
            f"Receipt of {submission_id}",
            submission=submission,
            counts=counts,
            total=len(lines),
            outcome=outcome,
            page=Paginator(shown, LINES_A_PAGE).get_page(request.GET.get("page")),
        )

    def _page(self, request: HttpRequest, template: str, title: str, **context: Any) -> TemplateResponse:
        return TemplateResponse(
            request,
            f"admin/indicators/upload/{template}.html",
            {
                **self.admin_site.each_context(request),
                "title": title,
                "opts": self.model._meta,
                **_PAGES.context,
                **context,
            },
        )

    def load_beside(self, rows: Sequence[Upload]) -> None:
        """How many of its submissions are done."""
        by_upload = {upload.id: upload for upload in rows}
        for upload_id, state, number in (
            Submission.objects.filter(upload__in=by_upload)
            .values_list("upload", "state")
            .annotate(Count("id"))
        ):
            name = {SubmissionState.INGESTED: "done", SubmissionState.QUARANTINED: "failed"}.get(state)
            if name is not None:
                setattr(by_upload[upload_id], name, number)


def _receipt(submission_id: UUID) -> tuple[Submission, list[Line]]:
    submission = (
        Submission.objects.defer("body")
        .select_related("organization", "community", "upload")
        .filter(id=submission_id)
        .first()
    )
    found = None if submission is None else receipt(submission.organization_id, submission_id)
    if submission is None or found is None:
        raise Http404
    return submission, found.lines


def _own_inbox(request: HttpRequest) -> dict[str, object]:
    member = request.user
    own = Collection.objects.filter(kind=Kind.INBOX, owner_id=getattr(member, "organization_id", None))
    found = own.exclude(owner=None).order_by("community__title").first()
    return {} if found is None else {"sender": found.id}
