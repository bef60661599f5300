"""The forms for what people send by hand: a file, pasted text, and what is said of the values in it."""

from typing import Any

from django import forms
from django.conf import settings
from django.db.models import QuerySet

from indicators.actions import uploads
from indicators.sources import formats
from indicators.stix.markings import TLP
from sharing.models import Collection, Kind

MAX_TEXT = 500_000


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
