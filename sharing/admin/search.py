"""Search over everything, lists of what is known, and their export."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

from accounts.admin.base import actor_of, may_analyse
from accounts.admin.days import begin_of, end_of
from accounts.admin.site import desk_context, desk_page
from accounts.models import Community, Organization, Tlp
from indicators.dedup.templates import MIN_PROMPTS
from sharing import exports, search
from sharing.actions.exports import export
from sharing.exports import Audience
from sharing.search import KINDS, OTHER, STATES, Filters, Query

FIRST = 6
"""How many of each kind the overview shows."""
LARGEST_PASTE = 512 * 1024
_KINDS = {kind.slug: kind for kind in (*KINDS, OTHER)}


class SearchForm(forms.Form):
    """What to look for, and what to narrow it to."""

    q = forms.CharField(
        label="Search for",
        required=False,
        strip=True,
        help_text="A value (address, network, domain, URL, hash, AS number, blinded value; defanged or not), a STIX"
        " pattern in any spelling, an id of any partner or feed, or words.",
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )
    kind = forms.CharField(label="Type", required=False, max_length=250)
    community = forms.ModelChoiceField(
        Community.objects.order_by("title"), required=False, empty_label="All communities"
    )
    state = forms.ChoiceField(label="In the feeds", required=False, choices=[("", "Any"), *STATES.items()])
    tlp = forms.TypedChoiceField(
        label="Claimed as",
        required=False,
        coerce=int,
        empty_value=None,
        choices=[("", "Any TLP"), *Tlp.choices],
    )
    organization = forms.ModelChoiceField(
        Organization.objects.order_by("name"), label="Source", required=False, empty_label="All sources"
    )
    since = forms.DateField(
        label="Said since", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )
    until = forms.DateField(
        label="Said until", required=False, widget=forms.DateInput(attrs={"type": "date"})
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["kind"].widget = forms.Select(
            choices=[("", "Everything"), *((kind.slug, kind.title) for kind in (*KINDS, OTHER))]
        )

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        since, until = found.get("since"), found.get("until")
        if since and until and until < since:
            self.add_error("until", "It ends before it begins.")
        return found

    def query(self) -> Query:
        """What was typed; nothing, if the form is in error."""
        return search.read(self.cleaned_data.get("q", ""))

    def filters(self) -> Filters:
        """What it is narrowed to. Days are those of UTC, the last one included."""
        given = self.cleaned_data
        community, organization = given.get("community"), given.get("organization")
        since, until = given.get("since"), given.get("until")
        return Filters(
            kind=given.get("kind") or None,
            community_id=community.id if community else None,
            state=given.get("state") or None,
            tlp=given.get("tlp"),
            organization_id=organization.id if organization else None,
            since=begin_of(since),
            until=end_of(until),
        )


class ExportForm(forms.Form):
    """For whom, and as what."""

    audience = forms.ChoiceField(
        label="For whom",
        help_text="An export for a feed holds what stands there, as its readers have it.",
    )
    file_format = forms.ChoiceField(label="As", choices=[("stix", "STIX 2.1 bundle"), ("csv", "CSV")])

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.audiences = {str(one.id): one for one in exports.audiences()}
        self.fields["audience"].choices = [  # type: ignore[attr-defined] # a ChoiceField
            *((key, f"{one.community}: {one.title} ({one.tlp})") for key, one in self.audiences.items()),
            ("desk", f"The desk itself: this list with its sources, CSV only ({exports.DESK_TLP})"),
        ]

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        if found.get("audience") == "desk" and found.get("file_format") == "stix":
            self.add_error("file_format", "The desk's own list is exported as CSV only.")
        return found

    @property
    def chosen(self) -> Audience | None:
        """The feed that was chosen; None for the desk's own list."""
        return self.audiences.get(self.cleaned_data["audience"])


class PromptForm(forms.Form):
    """Prompts to compare; they are posted, never put into a URL, and kept nowhere."""

    prompts = forms.CharField(
        label="Prompts",
        max_length=LARGEST_PASTE,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 6, "autocomplete": "off", "spellcheck": "false"}),
        help_text="What these prompts have in common is compared with the sketches of known templates. The text stays"
        " in this one request: it is neither stored nor logged.",
    )
    one_a_line = forms.BooleanField(
        label="One prompt a line",
        required=False,
        help_text=f"Of {MIN_PROMPTS} prompts or more what a quarter of them share is compared, of"
        " fewer each by itself. Without it all of the text is one prompt.",
    )

    def split(self) -> list[str]:
        """The prompts one by one."""
        text: str = self.cleaned_data["prompts"]
        return text.splitlines() if self.cleaned_data["one_a_line"] else [text]


@desk_page("search/", name="search", may=may_analyse)
@sensitive_post_parameters("prompts")
def search_page(request: HttpRequest) -> HttpResponse:
    """Search over everything; POST compares prompts or exports what is listed."""
    if request.method == "POST":
        return _alike(request) if "prompts" in request.POST else _export(request)
    return listing(request, title="Search")


def listing(request: HttpRequest, *, title: str, kind: str = "") -> HttpResponse:
    """What a search finds, or all that is known of one kind; an overview by kind where none is chosen."""
    given = request.GET.copy()
    if kind and "kind" not in given:
        given["kind"] = kind
    form = SearchForm(given or None)
    context: dict[str, Any] = {"form": form, "prompt_form": PromptForm(), "kinds": KINDS, "asked": False}
    if form.is_bound and form.is_valid():
        query, filters = form.query(), form.filters()
        asked = not query.is_empty or filters != Filters()
        context |= {"query": query, "filters": filters, "asked": asked, "kept": kept_fields(given)}
        if asked:
            try:
                context |= _found(given, query, filters)
                context["export_form"] = ExportForm()
            except search.TooBroad as refusal:
                context["refusal"] = str(refusal)
    return TemplateResponse(
        request, "admin/sharing/search.html", desk_context(request, title=title, **context)
    )


def _found(given: QueryDict, query: Query, filters: Filters) -> dict[str, Any]:
    """The page of one kind, or the first of each kind; the number of queries depends on neither."""
    with search.bounded():
        if filters.kind is not None:
            after = number_in(given.get("after"))
            ids = search.subjects(query, filters, after=after, limit=search.PAGE + 1)
            shown = search.shown(ids[: search.PAGE])
            kind = _KINDS.get(filters.kind)
            group = {
                "kind": kind or {"title": filters.kind, "slug": filters.kind},
                "rows": shown,
                "next": link_with(given, after=ids[search.PAGE - 1]) if len(ids) > search.PAGE else "",
                "first": link_with(given, after=None) if after is not None else "",
            }
            return {"groups": [group], "nothing": not shown}
        found = search.overview(query, filters, limit=FIRST + 1)
        shown_by_id = {
            one.id: one for one in search.shown([one for ids in found.values() for one in ids[:FIRST]])
        }
    groups = [
        {
            "kind": _KINDS[slug],
            "rows": [shown_by_id[one] for one in ids[:FIRST] if one in shown_by_id],
            "more": link_with(given, kind=slug) if len(ids) > FIRST else "",
        }
        for slug, ids in found.items()
    ]
    return {"groups": groups, "nothing": not groups}


@sensitive_variables("form", "prompts")
def _alike(request: HttpRequest) -> HttpResponse:
    form = PromptForm(request.POST)
    context: dict[str, Any] = {"form": SearchForm(), "kinds": KINDS, "compared": True}
    if form.is_valid():
        try:
            with search.bounded():
                context["alike"] = found = search.alike(form.split())
            context["export_form"] = ExportForm()
            context["chosen"] = [one.subject.id for one in found]
        except (search.NoTemplate, search.TooBroad) as refusal:
            form.add_error("prompts", str(refusal))
    # What was pasted is not sent back: the browser's history and caches do not get it from here.
    errors = form.errors
    context |= {"prompt_form": PromptForm(), "prompt_errors": errors.get("prompts", ())}
    return TemplateResponse(
        request, "admin/sharing/search.html", desk_context(request, title="Search", **context)
    )


def _export(request: HttpRequest) -> HttpResponse:
    wanted = ExportForm(request.POST)
    given = SearchForm(request.POST)
    if not (wanted.is_valid() and given.is_valid()):
        context = desk_context(
            request, title="Export", export_form=wanted, form=given, kept=kept_fields(request.POST), kinds=KINDS,
            prompt_form=PromptForm(), chosen=_chosen(request.POST), asked=True, refused=True,
        )  # fmt: skip
        return TemplateResponse(request, "admin/sharing/search.html", context, status=400)
    query = given.query()
    try:
        ids = _chosen(request.POST)
        looked_for = ["prompts"] if ids else query.kinds or ["everything"]
        if not ids:
            with search.bounded():
                ids = search.subjects(query, given.filters(), limit=search.MOST)
        audience = wanted.chosen
        with search.bounded():
            held = len(ids) if audience is None else exports.count(audience, ids)
    except search.TooBroad as refusal:
        context = desk_context(
            request, title="Export", form=given, kinds=KINDS, prompt_form=PromptForm(), asked=True,
            kept=kept_fields(request.POST), refusal=str(refusal),
        )  # fmt: skip
        return TemplateResponse(request, "admin/sharing/search.html", context, status=400)
    file_format = wanted.cleaned_data["file_format"]
    now = timezone.now()
    export(
        audience=audience,
        file_format=file_format,
        looked_for=looked_for,
        count=held,
        subject_ids=ids,
        by=actor_of(request),
        now=now,
    )
    return _streamed(audience, file_format, ids, now)  # type: ignore[return-value] # Django's types keep them apart


def _streamed(
    audience: Audience | None, file_format: str, ids: Sequence[int], now: datetime
) -> StreamingHttpResponse:
    parts: Iterator[bytes]
    if audience is None:
        parts, stem, suffix, kind = (
            exports.desk_table(ids),
            exports.DESK_FILE_NAME,
            "csv",
            "text/csv; charset=utf-8",
        )
    elif file_format == "csv":
        parts, stem, suffix, kind = (
            exports.table(audience, ids),
            audience.file_name,
            "csv",
            "text/csv; charset=utf-8",
        )
    else:
        parts, stem, suffix, kind = (
            *(exports.bundle(audience, ids), audience.file_name, "json"),
            "application/stix+json;version=2.1",
        )
    response = StreamingHttpResponse(parts, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{stem}-{now:%Y%m%dT%H%M%SZ}.{suffix}"'
    response["Cache-Control"] = "no-store"
    return response


def _chosen(given: QueryDict) -> list[int]:
    """Subjects that were listed by something else than a query."""
    return [
        number for one in given.getlist("subject")[: search.PAGE] if (number := number_in(one)) is not None
    ]


_FIELDS = ("q", "kind", "community", "state", "tlp", "organization", "since", "until")


def kept_fields(given: QueryDict) -> list[tuple[str, str]]:
    """What a search is, as hidden fields of a form."""
    return [(name, str(given[name])) for name in _FIELDS if given.get(name)]


def link_with(given: QueryDict, **changes: object) -> str:
    """The same search with something changed; None takes it away."""
    wanted: dict[str, object] = dict(kept_fields(given)) | changes
    return f"?{urlencode({name: value for name, value in wanted.items() if value is not None})}"


def number_in(text: str | None) -> int | None:
    """A subject's id; None for what is none."""
    if text is None or not (text.isascii() and text.isdigit() and len(text) < 19):
        return None
    return int(text)
