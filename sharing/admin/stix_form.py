"""Django forms out of the descriptions of `indicators.drafting.forms`: one form class for every STIX type.

Nothing is required here: a draft is saved as far as it is written. What keeps it from being submitted is told by
`indicators.actions.drafts`, and shown beside the same fields.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django import forms
from django.utils.datastructures import MultiValueDict

from indicators.actions.draft_checks import Fault
from indicators.drafting import compose
from indicators.drafting.forms import FORMS, Field
from indicators.models import Technique
from indicators.stix.json import Refused
from sharing.writing import Seen

_MOMENT = "%Y-%m-%dT%H:%M:%S"
_MOMENTS = (_MOMENT, "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d")
_SOURCE_COLUMNS = (
    ("source_name", "Who says it"),
    ("description", "Title, or what it says"),
    ("url", "URL"),
    ("external_id", "Id there"),
)
_SPARE_ROWS = 2
_MOST_ROWS = 50
_MOST_ITEMS = 500


class _Typed(forms.CharField):
    """Text of which something is read, once it is known to be text of a fair length."""

    def clean(self, value: Any) -> Any:
        return self.read(str(super().clean(value) or ""))

    def read(self, text: str) -> Any:
        """What the text says; raises ValidationError."""
        raise NotImplementedError


class MomentField(_Typed):
    """A time in UTC, as browsers' date fields write it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"}, format=_MOMENT)

    def read(self, text: str) -> Any:
        text = text.removesuffix("Z")
        if not text:
            return None
        for form in _MOMENTS:
            try:
                found = datetime.strptime(text, form).replace(tzinfo=UTC)
            except ValueError:
                continue
            if found.year >= 1900:
                return found
        raise forms.ValidationError("This is no time. Write it as 2026-01-31 12:00, in UTC.")

    def prepare_value(self, value: Any) -> Any:
        return value.strftime(_MOMENT) if isinstance(value, datetime) else value


class LinesField(_Typed):
    """A list, one item a line."""

    widget = forms.Textarea(attrs={"rows": 3})

    def read(self, text: str) -> Any:
        items = list(dict.fromkeys(line.strip() for line in text.splitlines() if line.strip()))
        if len(items) > _MOST_ITEMS:
            raise forms.ValidationError(f"These are too many: {_MOST_ITEMS} at most.")
        return items

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(map(str, value)) if isinstance(value, list) else value


class ReferenceField(_Typed):
    """A STIX id, picked or typed."""

    def read(self, text: str) -> Any:
        return _reference(text) if text else None


class ReferencesField(LinesField):
    """STIX ids, one a line."""

    def read(self, text: str) -> Any:
        return [_reference(one) for one in super().read(text)]


def _reference(text: str) -> str:
    try:
        return compose.read_reference(text)
    except Refused as refusal:
        raise forms.ValidationError(f"“{text[:80]}”: {refusal.reason}.") from None


class SourcesWidget(forms.Widget):
    """Rows of a source each, with spare ones at the end."""

    template_name = "admin/write/sources.html"

    def get_context(self, name: str, value: Any, attrs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context(name, value, attrs)
        said = [one for one in value or () if isinstance(one, Mapping)]
        rows = [*said, *({} for _ in range(_SPARE_ROWS))]
        context["columns"] = [title for _, title in _SOURCE_COLUMNS]
        context["rows"] = [
            [
                (f"{name}-{number}-{key}", f"{title}, source {number + 1}", row.get(key, ""))
                for key, title in _SOURCE_COLUMNS
            ]
            for number, row in enumerate(rows)
        ]
        return context

    def value_from_datadict(self, data: Mapping[str, Any], files: Any, name: str) -> list[dict[str, str]]:
        rows = []
        for number in range(_MOST_ROWS):
            row = {key: str(data.get(f"{name}-{number}-{key}") or "").strip() for key, _ in _SOURCE_COLUMNS}
            if any(row.values()):
                rows.append({key: text for key, text in row.items() if text})
        return rows

    def id_for_label(self, id_: str) -> str:
        return ""


class SourcesField(forms.Field):
    """External references."""

    widget = SourcesWidget

    def clean(self, value: Any) -> Any:
        for row in value or ():
            if any(len(text) > 4000 or "\0" in text for text in row.values()):
                raise forms.ValidationError("A source is 4000 characters long at most.")
            if not row.get("source_name"):
                raise forms.ValidationError("Say of each source who says it.")
        return value


class StixForm(forms.Form):
    """The form of one STIX type, showing one object; `levels` says who would see it at each TLP."""

    def __init__(
        self,
        obj: Mapping[str, Any],
        *,
        levels: Sequence[Seen],
        data: MultiValueDict[str, str] | None = None,
        leftover: Mapping[str, Any] | None = None,
        techniques: Sequence[str] = (),
    ) -> None:
        shown = compose.values(obj) | {"techniques": list(techniques)} | dict(leftover or {})
        super().__init__(data=data, initial=shown)
        self.description = FORMS[str(obj["type"])]
        for field in self.description.fields:
            self.fields[field.name] = _form_field(field, shown.get(field.name), levels)

    def read(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """What was typed: values by field, and what is no value of its field as it was typed, for the next time."""
        self.full_clean()
        leftover = {name: self[name].value() for name in self.errors if name in self.fields}
        return {
            name: value for name, value in self.cleaned_data.items() if name not in leftover
        }, _without_nul(leftover)

    @property
    def mistyped(self) -> list[Fault]:
        """What was typed and is no value of its field."""
        return [
            Fault(name, str(said))
            for name, found in self.errors.items()
            for said in found
            if name in self.fields
        ]


@dataclass(frozen=True, slots=True)
class Shown:
    """A field on the page: its description, its input, and what is wrong with it."""

    field: Field
    bound: Any
    faults: list[Fault]

    @property
    def is_group(self) -> bool:
        """Whether it is several inputs under one heading."""
        return self.field.kind in {"choices", "tlp", "phases", "techniques", "sources"}


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section on the page; open where something in it is filled in or wrong."""

    title: str
    help: str
    fields: list[Shown]
    folded: bool


def sections(form: StixForm, faults: Iterable[Fault]) -> Iterator[ShownSection]:
    """The sections of a form with the faults beside their fields; inputs name what explains them."""
    said: dict[str | None, list[Fault]] = {}
    for fault in faults:
        said.setdefault(fault.field, []).append(fault)
    for section in form.description.sections:
        shown = []
        for field in section.fields:
            found = said.get(field.name, [])
            attributes = form.fields[field.name].widget.attrs
            names = [f"id_{field.name}_helptext"] if field.help else []
            if found:
                attributes["aria-invalid"] = "true"
                names.append(f"id_{field.name}_error")
            if names:
                attributes["aria-describedby"] = " ".join(names)
            shown.append(Shown(field, form[field.name], found))
        is_used = any(one.faults or one.bound.value() not in (None, "", []) for one in shown)
        yield ShownSection(section.title, section.help, shown, section.folded and not is_used)


def _form_field(field: Field, value: Any, levels: Sequence[Seen]) -> forms.Field:
    named: dict[str, Any] = {"label": field.label, "required": False}
    made: forms.Field
    match field.kind:
        case "text":
            made = forms.CharField(
                max_length=20_000, widget=forms.Textarea(attrs={"rows": 5}), strip=True, **named
            )
        case "pattern":
            made = forms.CharField(
                max_length=20_000,
                strip=False,
                widget=forms.Textarea(
                    attrs={"rows": 5, "spellcheck": "false", "autocomplete": "off", "class": "sw-code"}
                ),
                **named,
            )
        case "lines":
            made = LinesField(max_length=50_000, **named)
        case "choice":
            made = forms.ChoiceField(choices=[("", "–"), *_with(field.choices, [value])], **named)
        case "choices":
            made = forms.MultipleChoiceField(
                choices=_with(field.choices, value), widget=forms.CheckboxSelectMultiple(), **named
            )
        case "phases":
            made = forms.MultipleChoiceField(
                choices=_with(_phases(), value), widget=forms.CheckboxSelectMultiple(), **named
            )
        case "techniques":
            made = forms.MultipleChoiceField(
                choices=[
                    (one.object_id, f"{one.name} ({', '.join(one.atlas_ids)})") for one in _techniques()
                ],
                widget=forms.CheckboxSelectMultiple(),
                **named,
            )
        case "tlp":
            made = forms.ChoiceField(
                choices=[(one.tlp, _level(one)) for one in levels], widget=forms.RadioSelect(), **named
            )
        case "integer":
            made = forms.IntegerField(
                min_value=_whole(field.minimum),
                max_value=_whole(field.maximum),
                # A number field would drop what is no number; here it stays, to be put right.
                widget=forms.TextInput(attrs={"inputmode": "numeric"}),
                **named,
            )
        case "number":
            made = forms.FloatField(
                min_value=field.minimum,
                max_value=field.maximum,
                widget=forms.TextInput(attrs={"inputmode": "decimal"}),
                **named,
            )
        case "moment":
            made = MomentField(max_length=40, **named)
        case "sources":
            made = SourcesField(**named)
        case "reference":
            made = ReferenceField(max_length=200, widget=forms.TextInput(attrs=_picks(field)), **named)
        case "references":
            made = ReferencesField(
                max_length=50_000, widget=forms.Textarea(attrs={"rows": 3, **_picks(field)}), **named
            )
        case _:
            made = forms.CharField(max_length=1000, **named)
    if field.required:
        made.widget.attrs["aria-required"] = "true"
    return made


def _picks(field: Field) -> dict[str, str]:
    return {"data-pick": " ".join(field.types), "autocomplete": "off", "spellcheck": "false"}


def _level(seen: Seen) -> str:
    if seen.tlp == "red":
        return f"{seen.label}: it leaves to nobody; it stays at this desk"
    return f"{seen.label}: {', '.join(seen.readers) or 'no feed takes it'}"


def _techniques() -> Iterable[Technique]:
    return Technique.objects.order_by("name")


def _phases() -> list[tuple[str, str]]:
    found = Technique.objects.values_list("phase", flat=True).order_by("phase").distinct()
    return [(phase, phase.replace("-", " ").capitalize().replace("Ai ", "AI ")) for phase in found]


def _with(choices: Iterable[tuple[str, str]], said: Any) -> list[tuple[str, str]]:
    """The choices, and what stands in the object beside them: a partner's own words stay."""
    offered = list(choices)
    known = {value for value, _ in offered}
    others = said if isinstance(said, list | tuple) else []
    return [*offered, *((one, one) for one in map(str, filter(None, others)) if one not in known)]


def _whole(bound: float | None) -> int | None:
    return None if bound is None else int(bound)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, dict):
        return {key: _without_nul(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nul(one) for one in value]
    return value
