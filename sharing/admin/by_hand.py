"""What people send by hand: a file or pasted text, step by step, and what becomes of them.

The desk's pages send on behalf of anybody, the portal's on behalf of the member's own organisation.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone

from accounts.actor import Actor
from indicators.actions import submissions, uploads
from indicators.models import BodyFormat, Channel, Upload
from indicators.sources import csv, formats, text
from indicators.stix.json import Refused
from sharing.actions import intake
from sharing.admin.sending_forms import FileForm, TextForm, ValuesForm
from sharing.models import Collection
from sharing.progress import progress
from sharing.tasks import nudge_ingest

PREVIEWED = 200
#: Each is a field of the form that submits them.
MAX_VALUES = 2_000


@dataclass(frozen=True, slots=True)
class Pages:
    """The names of the URLs of one set of pages: `upload`, `draft` and `receipt` take the id of what they show."""

    file: str
    text: str
    list: str
    upload: str
    draft: str
    receipt: str

    @property
    def context(self) -> dict[str, str]:
        """As the templates call those that they link to."""
        return {
            "file_page": self.file,
            "text_page": self.text,
            "list_page": self.list,
            "receipt_page": self.receipt,
        }


@dataclass(frozen=True, slots=True)
class Sending:
    """A request to a page for sending: who acts, on which pages, and what they choose the sender from.

    `show` renders a template of `admin/indicators/upload/`: its name, the title, and the context as keywords.
    """

    request: HttpRequest
    by: Actor
    pages: Pages
    show: Callable[..., HttpResponse]
    senders: "QuerySet[Collection] | None" = None
    initial: dict[str, object] | None = None

    @property
    def member_id(self) -> int | None:
        """Whose hand it is."""
        return self.request.user.pk

    def file(self) -> HttpResponse:
        """Choose a file; then its preview, or its progress."""
        form = _file_form(self.request, senders=self.senders, initial=self.initial)
        received = (
            _take_file(form, by=self.by, member_id=self.member_id, now=timezone.now())
            if form.is_valid()
            else None
        )
        if received is None:
            return self.show("send", "Send a file", form=form)
        if form.cleaned_data["preview"]:
            return redirect(self.pages.draft, received.id)
        if received.repeated:
            messages.info(self.request, "This file came before: this is what became of it.")
        _nudge(received)
        return redirect(self.pages.upload, received.id)

    def draft(self, upload: Upload) -> HttpResponse:
        """What the first rows or objects of a draft would become; then it is submitted or let go.

        `uploads.NoDraft` where another tab was faster.
        """
        now = timezone.now()
        if "submit" in self.request.POST:
            _nudge(uploads.submit(upload_id=upload.id, by=self.by, now=now))
            return redirect(self.pages.upload, upload.id)
        if "discard" in self.request.POST:
            uploads.discard(upload_id=upload.id, by=self.by, now=now)
            messages.success(self.request, f"{upload} was let go; nothing of it was submitted.")
            return redirect(self.pages.file)
        foreseen = _foresee(upload) if upload.part_count else []
        return self.show("preview", f"What {upload} would become", **_foreseen_context(upload, foreseen))

    def progress(self, upload: Upload) -> HttpResponse:
        """How far a file has come; the page looks again by itself until all is done."""
        come = progress(upload.organization_id, upload.id)
        noun = formats.FORMATS[upload.format].noun
        return self.show("progress", str(upload), upload=upload, progress=come, noun=noun)

    def text(self) -> HttpResponse:
        """Text; then the values in it, to be ticked; then they are submitted as rows of CSV."""
        if "submit" in self.request.POST:
            values = ValuesForm(self.request.POST, senders=self.senders)
            chosen = self.request.POST.getlist("chosen")[:MAX_VALUES]
            received = _take_values(values, chosen, by=self.by, member_id=self.member_id, now=timezone.now())
            if received is not None:
                return redirect(self.pages.receipt, received.id)
            found, ticked = _listed_again(self.request), set(chosen)
        else:
            form = TextForm(self.request.POST or None, senders=self.senders, initial=self.initial)
            found = _found_in(form) if form.is_valid() else []
            if not found:
                return self.show("text", "Paste text", form=form)
            values = ValuesForm(initial={"sender": form.cleaned_data["sender"]}, senders=self.senders)
            ticked = _ticked_at_first(found)
        title = f"{len(found)} value{'s' if len(found) != 1 else ''} found"
        return self.show("values", title, **_values_context(self.request, values, found, ticked))


def _file_form(request: HttpRequest, **named: Any) -> FileForm:
    """The form for a file, with what was found wrong while the file arrived."""
    form = FileForm(request.POST or None, request.FILES or None, **named)
    if getattr(request, "file_is_too_large", False):
        form.errors["file"] = form.error_class(
            [f"The file is too large: {settings.MAX_UPLOAD_BYTES // (1024 * 1024)} MB at most."]
        )
    elif getattr(request, "no_room", False):
        form.errors["file"] = form.error_class([str(uploads.NoRoom())])
    return form


def _take_file(
    form: FileForm, *, by: Actor, member_id: int | None, now: datetime
) -> uploads.ReceivedUpload | None:
    """Take the file of a valid form, as a draft where it is to be looked at; None, and why at its field."""
    sender: Collection = form.cleaned_data["sender"]
    assert sender.owner_id is not None
    try:
        return uploads.receive(
            chunks=form.cleaned_data["file"].chunks(),
            community_id=sender.community_id,
            organization_id=sender.owner_id,
            token_id=None,
            channel=Channel.FORM,
            collection_id=sender.id,
            body_format=form.cleaned_data["format"],
            by=by,
            now=now,
            name=form.cleaned_data["file"].name,
            is_draft=form.cleaned_data["preview"],
            member_id=member_id,
        )
    except Refused as refusal:
        said = f"Nothing of it was taken. {refusal.sentence}"
        if not form.cleaned_data["is_said"]:
            title = formats.FORMATS[form.cleaned_data["format"]].title
            said += f" By its name it was read as {title}: if it is something else, choose its format."
        form.add_error("file", said)
    except uploads.NoRoom as refusal:
        form.add_error("file", str(refusal))
    return None


def _foreseen_context(upload: Upload, foreseen: list[intake.Foreseen]) -> dict[str, Any]:
    """What the template of a preview shows."""
    refused = sum(not one.accepted for one in foreseen)
    return {
        "upload": upload,
        "noun": formats.FORMATS[upload.format].noun,
        "foreseen": [(one, _title(one.value)) for one in foreseen],
        "accepted": len(foreseen) - refused,
        "refused": refused,
        "is_cut": upload.object_count > PREVIEWED or len(foreseen) >= PREVIEWED,
        "previewed": PREVIEWED,
    }


def _found_in(form: TextForm) -> list[text.Found]:
    """The values in the text of a valid form; where there are none, it says so."""
    found = text.extract(form.cleaned_data["text"])
    if not found:
        form.add_error("text", "There is no address, domain, URL, hash or AS number in it.")
    return found


def _ticked_at_first(found: list[text.Found]) -> set[str]:
    """What is ticked before anybody looked: what is taken and not doubtful."""
    return {_chosen(one) for one in found if one.is_taken and not one.doubt}


def _values_context(
    request: HttpRequest, form: forms.Form, found: list[text.Found], ticked: set[str]
) -> dict[str, Any]:
    """What the template of the values shows."""
    return {
        "form": form,
        "found": [(one, _chosen(one), _chosen(one) in ticked) for one in found[:MAX_VALUES]],
        "more": max(0, len(found) - MAX_VALUES),
        # How it was written is not sent along.
        "is_again": "submit" in request.POST,
    }


def _take_values(
    form: ValuesForm, chosen: list[str], *, by: Actor, member_id: int | None, now: datetime
) -> submissions.Received | None:
    """Submit the ticked values as rows of CSV; None, and why in the form."""
    if not form.is_valid():
        return None
    if not chosen:
        form.add_error(None, "Tick at least one value.")
        return None
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
            now=now,
            member_id=member_id,
        )
    except Refused as refusal:
        form.add_error(None, refusal.sentence)
        return None
    nudge_ingest(received.id)
    return received


def _listed_again(request: HttpRequest) -> list[text.Found]:
    """The values of a page that was sent and not taken."""
    listed = request.POST.getlist("listed")[:MAX_VALUES]
    return [one for each in listed for one in text.extract(each.partition(" ")[2])]


def _foresee(upload: Upload) -> list[intake.Foreseen]:
    """What the first rows or objects of a draft would become."""
    beginning = uploads.beginning(upload_id=upload.id, count=PREVIEWED)
    return intake.foresee(submission=beginning, now=timezone.now(), most=PREVIEWED)


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
    """Ask for its first part to be ingested; the others follow by themselves."""
    for part in received.submissions[:1]:
        nudge_ingest(part.id)
