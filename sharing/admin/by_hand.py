"""What people send by hand: a file or pasted text, its forms, and what becomes of them.

The desk's pages send on behalf of anybody, the portal's on behalf of the member's own organisation.
"""

from datetime import datetime
from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from accounts.actor import Actor
from indicators.actions import submissions, uploads
from indicators.models import BodyFormat, Channel, Upload
from indicators.sources import csv, formats, text
from indicators.stix.json import Refused
from indicators.stix.markings import TLP
from sharing.actions import intake
from sharing.models import Collection, Kind
from sharing.tasks import nudge_ingest

PREVIEWED = 200
MAX_TEXT = 500_000
#: Each is a field of the form that submits them.
MAX_VALUES = 2_000


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


class SendingForm(forms.Form):
    """What is sent, from one of `senders`: every inbox, unless they are said."""

    def __init__(self, *given: Any, senders: "QuerySet[Collection] | None" = None, **named: Any) -> None:
        super().__init__(*given, **named)
        if senders is not None:
            self.fields["sender"].queryset = senders  # type: ignore[attr-defined]


class FileForm(SendingForm):
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


class TextForm(SendingForm):
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


class ValuesForm(SendingForm):
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


def file_form(request: HttpRequest, **named: Any) -> FileForm:
    """The form for a file, with what was found wrong while the file arrived."""
    form = FileForm(request.POST or None, request.FILES or None, **named)
    if getattr(request, "file_is_too_large", False):
        form.errors["file"] = form.error_class(
            [f"The file is too large: {settings.MAX_UPLOAD_BYTES // (1024 * 1024)} MB at most."]
        )
    elif getattr(request, "no_room", False):
        form.errors["file"] = form.error_class([str(uploads.NoRoom())])
    return form


def take_file(form: FileForm, *, by: Actor, now: datetime) -> uploads.ReceivedUpload | None:
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


def foreseen_context(upload: Upload, foreseen: list[intake.Foreseen]) -> dict[str, Any]:
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


def found_in(form: TextForm) -> list[text.Found]:
    """The values in the text of a valid form; where there are none, it says so."""
    found = text.extract(form.cleaned_data["text"])
    if not found:
        form.add_error("text", "There is no address, domain, URL, hash or AS number in it.")
    return found


def ticked_at_first(found: list[text.Found]) -> set[str]:
    """What is ticked before anybody looked: what is taken and not doubtful."""
    return {_chosen(one) for one in found if one.is_taken and not one.doubt}


def count_of_values(found: list[text.Found]) -> str:
    """The title of the page of values."""
    return f"{len(found)} value{'s' if len(found) != 1 else ''} found"


def values_context(
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


def take_values(
    form: ValuesForm, chosen: list[str], *, by: Actor, now: datetime
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
        )
    except Refused as refusal:
        form.add_error(None, refusal.sentence)
        return None
    nudge_ingest(received.id)
    return received


def listed_again(request: HttpRequest) -> list[text.Found]:
    """The values of a page that was sent and not taken."""
    listed = request.POST.getlist("listed")[:MAX_VALUES]
    return [one for each in listed for one in text.extract(each.partition(" ")[2])]


def foresee(upload: Upload) -> list[intake.Foreseen]:
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


def nudge(received: uploads.ReceivedUpload) -> None:
    """Ask for its first part to be ingested; the others follow by themselves."""
    for part in received.submissions[:1]:
        nudge_ingest(part.id)
