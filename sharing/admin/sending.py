"""The desk's pages for sending: a file, looked at first or at once; pasted text; and the receipt of what was sent."""

from collections import Counter
from typing import Any
from uuid import UUID

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.paginator import Paginator
from django.db.models import Count, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone

from accounts.actor import Actor
from accounts.admin.base import ReadOnly, actor_of, may_analyse
from indicators.actions import submissions, uploads
from indicators.models import BodyFormat, Channel, Submission, SubmissionState, Upload
from indicators.sources import csv, formats, text
from indicators.stix.json import Refused
from indicators.stix.markings import TLP
from sharing.actions import intake
from sharing.actions.keys import NoSigningKey, current_signer
from sharing.models import Collection, Kind
from sharing.progress import progress
from sharing.receipts import Line, receipt
from sharing.tasks import nudge_ingest

PREVIEWED = 200
MAX_TEXT = 500_000
#: Each is a field of the form that submits them.
MAX_VALUES = 2_000
LINES_A_PAGE = 200


class SenderField(forms.ModelChoiceField):  # type: ignore[type-arg] # it is no generic at run time
    """On whose behalf, and in which community: the inbox that it goes to."""

    def __init__(self) -> None:
        super().__init__(
            Collection.objects.filter(kind=Kind.INBOX, owner__isnull=False)
            .select_related("owner", "community")
            .order_by("owner__name", "community__title"),
            label="On behalf of",
            empty_label=None,
            help_text="Whose word it is. It goes to this organisation's inbox in this community.",
        )

    def label_from_instance(self, obj: Collection) -> str:
        """The organisation and the community."""
        return f"{obj.owner} in {obj.community}"


class FileForm(forms.Form):
    """A file."""

    file = forms.FileField(allow_empty_file=False)
    format = forms.ChoiceField(required=False, help_text="Only needed where the name does not tell.")
    sender = SenderField()
    preview = forms.BooleanField(
        required=False, initial=True, label="Show me first what it would become", help_text="Recommended."
    )

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        taken = [(name, formats.FORMATS[name].title) for name in uploads.FORMATS]
        self.fields["format"].choices = [("", "By the name of the file"), *taken]  # type: ignore[attr-defined]
        megabytes = settings.MAX_UPLOAD_BYTES // (1024 * 1024)
        self.fields["file"].help_text = (
            f"Up to {megabytes} MB. " + "; ".join(title for _, title in taken) + "."
        )

    def clean(self) -> dict[str, Any]:
        """A format, said or told by the name."""
        cleaned = super().clean() or {}
        cleaned["is_said"] = bool(cleaned.get("format"))
        if "file" in cleaned and not cleaned.get("format"):
            cleaned["format"] = uploads.format_of(cleaned["file"].name)
            if cleaned["format"] is None:
                self.add_error("format", "The name of the file does not tell its format: choose one.")
        return cleaned


class TextForm(forms.Form):
    """What is pasted."""

    sender = SenderField()
    text = forms.CharField(
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 18, "cols": 110, "autofocus": True, "spellcheck": "false"}),
        help_text=(
            "Addresses, networks, domains, URLs, hashes and AS numbers are found in it, defanged or not: "
            "hxxps://bad[.]test, 10[.]0[.]0[.]1. The text itself is not kept."
        ),
    )


class ValuesForm(forms.Form):
    """What is said of all the values that are ticked."""

    sender = SenderField()
    tlp = forms.ChoiceField(
        required=False,
        label="TLP",
        choices=[
            ("", "What the community takes without a marking"),
            *((one.label, one.label.upper()) for one in TLP),
        ],
    )
    confidence = forms.IntegerField(required=False, min_value=0, max_value=100, help_text="0 to 100.")
    name = forms.CharField(required=False, max_length=300, help_text="A short title, of all of them.")
    labels = forms.CharField(required=False, max_length=500, help_text="Separated by semicolons.")


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
        by = actor_of(request)
        form = FileForm(request.POST or None, request.FILES or None, initial=_own_inbox(request))
        if getattr(request, "file_is_too_large", False):
            form.errors["file"] = form.error_class(
                [f"The file is too large: {settings.MAX_UPLOAD_BYTES // (1024 * 1024)} MB at most."]
            )
        elif getattr(request, "no_room", False):
            form.errors["file"] = form.error_class([str(uploads.NoRoom())])
        if form.is_valid():
            sender: Collection = form.cleaned_data["sender"]
            is_draft = form.cleaned_data["preview"]
            assert sender.owner_id is not None
            try:
                received = uploads.receive(
                    chunks=form.cleaned_data["file"].chunks(),
                    community_id=sender.community_id,
                    organization_id=sender.owner_id,
                    token_id=None,
                    channel=Channel.FORM,
                    collection_id=sender.id,
                    body_format=form.cleaned_data["format"],
                    by=by,
                    now=timezone.now(),
                    name=form.cleaned_data["file"].name,
                    is_draft=is_draft,
                )
            except Refused as refusal:
                said = f"Nothing of it was taken. {refusal.sentence}"
                if not form.cleaned_data["is_said"]:
                    title = formats.FORMATS[form.cleaned_data["format"]].title
                    said += (
                        f" By its name it was read as {title}: if it is something else, choose its format."
                    )
                form.add_error("file", said)
            except uploads.NoRoom as refusal:
                form.add_error("file", str(refusal))
            else:
                if is_draft:
                    return redirect("admin:indicators_upload_preview", received.id)
                if received.repeated:
                    self.message_user(
                        request, "This file came before: this is what became of it.", messages.INFO
                    )
                _nudge(received)
                return redirect("admin:indicators_upload_change", received.id)
        return self._page(request, "send", "Send a file", form=form)

    def preview_view(self, request: HttpRequest, upload_id: UUID) -> HttpResponse:
        """What the first rows or objects of a draft would become; then it is submitted or let go."""
        by, now = actor_of(request), timezone.now()
        upload = Upload.objects.select_related("organization", "community").filter(id=upload_id).first()
        if upload is None:
            raise Http404
        try:
            if "submit" in request.POST:
                _nudge(uploads.submit(upload_id=upload_id, by=by, now=now))
                return redirect("admin:indicators_upload_change", upload_id)
            if "discard" in request.POST:
                uploads.discard(upload_id=upload_id, by=by, now=now)
                self.message_user(
                    request, f"{upload} was let go; nothing of it was submitted.", messages.SUCCESS
                )
                return redirect("admin:indicators_upload_add")
            foreseen = _foresee(upload) if upload.part_count else []
        except uploads.NoDraft:
            return redirect("admin:indicators_upload_change", upload_id)
        except NoSigningKey:
            self.message_user(
                request, "There is no signing key yet; try again in a moment.", messages.WARNING
            )
            foreseen = []
        refused = sum(not one.accepted for one in foreseen)
        return self._page(
            request,
            "preview",
            f"What {upload} would become",
            upload=upload,
            noun=formats.FORMATS[upload.format].noun,
            foreseen=[(one, _title(one.value)) for one in foreseen],
            accepted=len(foreseen) - refused,
            refused=refused,
            is_cut=upload.object_count > PREVIEWED or len(foreseen) >= PREVIEWED,
            previewed=PREVIEWED,
        )

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, object] | None = None,
    ) -> HttpResponse:
        """How far it has come; the page looks again by itself until all is done."""
        actor_of(request)
        upload = self.get_object(request, object_id)
        if upload is None:
            raise Http404
        if upload.is_draft:
            return redirect("admin:indicators_upload_preview", upload.id)
        found = progress(upload.organization_id, upload.id)
        noun = formats.FORMATS[upload.format].noun
        return self._page(request, "progress", str(upload), upload=upload, progress=found, noun=noun)

    # ------------------------------------------------------------------------------------------ pasted text

    def text_view(self, request: HttpRequest) -> HttpResponse:
        """Text; then the values in it, to be ticked; then they are submitted as rows of CSV."""
        by = actor_of(request)
        if "submit" in request.POST:
            return self._submit_values(request, by)
        form = TextForm(request.POST or None, initial=_own_inbox(request))
        if not form.is_valid():
            return self._page(request, "text", "Paste text", form=form)
        found = text.extract(form.cleaned_data["text"])
        if not found:
            form.add_error("text", "There is no address, domain, URL, hash or AS number in it.")
            return self._page(request, "text", "Paste text", form=form)
        values = ValuesForm(initial={"sender": form.cleaned_data["sender"]})
        ticked = {_chosen(one) for one in found if one.is_taken and not one.doubt}
        return self._values(request, values, found, ticked)

    def _values(
        self, request: HttpRequest, form: forms.Form, found: list[text.Found], ticked: set[str]
    ) -> HttpResponse:
        shown = [(one, _chosen(one), _chosen(one) in ticked) for one in found[:MAX_VALUES]]
        return self._page(
            request,
            "values",
            f"{len(found)} value{'s' if len(found) != 1 else ''} found",
            form=form,
            found=shown,
            more=max(0, len(found) - MAX_VALUES),
            # How it was written is not sent along.
            is_again="submit" in request.POST,
        )

    def _submit_values(self, request: HttpRequest, by: Actor) -> HttpResponse:
        form = ValuesForm(request.POST)
        chosen = request.POST.getlist("chosen")[:MAX_VALUES]
        if form.is_valid() and chosen:
            sender: Collection = form.cleaned_data["sender"]
            assert sender.owner_id is not None
            try:
                received = submissions.receive(
                    community_id=sender.community_id,
                    organization_id=sender.owner_id,
                    token_id=None,
                    channel=Channel.FORM,
                    collection_id=sender.id,
                    body=_rows(chosen, form.cleaned_data),
                    body_format=BodyFormat.CSV,
                    by=by,
                    now=timezone.now(),
                )
            except Refused as refusal:
                form.add_error(None, refusal.sentence)
            else:
                nudge_ingest(received.id)
                return redirect("admin:indicators_submission_receipt", received.id)
        elif not chosen:
            form.add_error(None, "Tick at least one value.")
        listed = request.POST.getlist("listed")[:MAX_VALUES]
        again = [one for each in listed for one in text.extract(each.partition(" ")[2])]
        return self._values(request, form, again, set(chosen))

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
            {**self.admin_site.each_context(request), "title": title, "opts": self.model._meta, **context},
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Upload]:
        """With how many of its submissions are done."""
        found: QuerySet[Upload] = super().get_queryset(request)
        return found.annotate(
            done=Count("submissions", filter=Q(submissions__state=SubmissionState.INGESTED)),
            failed=Count("submissions", filter=Q(submissions__state=SubmissionState.QUARANTINED)),
        )


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


def _foresee(upload: Upload) -> list[intake.Foreseen]:
    beginning = uploads.beginning(upload_id=upload.id, count=PREVIEWED)
    now = timezone.now()
    return intake.foresee(submission=beginning, signer=current_signer(now=now), now=now, most=PREVIEWED)


def _title(value: dict[str, Any]) -> str:
    for key in ("pattern", "value", "name", "relationship_type", "number", "content", "opinion"):
        if key in value:
            return f"{value['type']}: {value[key]}"
    return str(value.get("type", ""))


def _rows(chosen: list[str], said: dict[str, Any]) -> bytes:
    """The ticked values as CSV; what is said of all of them stands in every row."""
    confidence = "" if said["confidence"] is None else str(said["confidence"])
    rows = [("value", "type", "tlp", "confidence", "name", "labels")]
    for one in chosen:
        kind, _, value = one.partition(" ")
        rows.append((value, kind, said["tlp"], confidence, said["name"], said["labels"]))
    return csv.table(rows).encode()


def _chosen(found: text.Found) -> str:
    return f"{found.kind} {found.value}"


def _nudge(received: uploads.ReceivedUpload) -> None:
    for part in received.submissions[:1]:
        nudge_ingest(part.id)


def _own_inbox(request: HttpRequest) -> dict[str, object]:
    member = request.user
    own = Collection.objects.filter(kind=Kind.INBOX, owner_id=getattr(member, "organization_id", None))
    found = own.exclude(owner=None).order_by("community__title").first()
    return {} if found is None else {"sender": found.id}
