"""The audit trail: who changed what, with each event's place in the chain."""

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from django import forms
from django.contrib import admin
from django.core.exceptions import BadRequest
from django.db import OperationalError, connection, transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone

from accounts import trail
from accounts.actions.audit import record
from accounts.admin.base import ReadOnly, actor_of, may_analyse
from accounts.admin.days import DayInput, begin_of, end_of
from accounts.admin.site import desk_context, desk_page
from accounts.chain import Head
from accounts.models import AuditEvent, AuditLink, Member, Organization
from indicators.sources.csv import table

PAGE = 100
EXPORTED = 50_000
"""A CSV file has no more events than these, the newest."""
_LONGEST = "10s"
_COLUMNS = ("position", "event", "at", "actor", "organization", "action", "target", "detail")


class FilterForm(forms.Form):
    """What is looked for."""

    actor = forms.CharField(
        required=False,
        max_length=200,
        help_text="A member's name, or member:NAME, token:ID, service:PART.",
    )
    action = forms.ChoiceField(required=False)
    organization = forms.ChoiceField(required=False, label="Organisation of the actor")
    target = forms.CharField(required=False, max_length=200, help_text="Such as token:ID or member:NAME.")
    since = forms.DateField(required=False, label="From day", widget=DayInput())
    until = forms.DateField(required=False, label="Through day", widget=DayInput())

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        action, organization = self.fields["action"], self.fields["organization"]
        assert isinstance(action, forms.ChoiceField)
        assert isinstance(organization, forms.ChoiceField)
        action.choices = [("", "Any"), *((one, one) for one in trail.actions())]
        organization.choices = [
            ("", "Any"),
            *(
                (str(one), name)
                for one, name in Organization.objects.order_by("name").values_list("id", "name")
            ),
        ]

    @property
    def filters(self) -> trail.Filters:
        """As the query takes them."""
        given = self.cleaned_data
        actor = given["actor"].strip()
        return trail.Filters(
            actor=f"member:{actor}" if actor and ":" not in actor else actor,
            action=given["action"],
            organization_id=UUID(given["organization"]) if given["organization"] else None,
            target=given["target"].strip(),
            since=begin_of(given["since"]),
            until=end_of(given["until"]),
        )


class TooSlow(Exception):
    """A question to the trail took too long."""


def _found(
    filters: trail.Filters, limit: int, before: tuple[datetime, int] | None = None
) -> list[trail.Shown]:
    """Events; a question that no index answers ends before it is a burden."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL statement_timeout = '{_LONGEST}'")
            found = trail.events(filters, limit=limit, before=before)
            cursor.execute("SET LOCAL statement_timeout = DEFAULT")
            return found
    except (OperationalError, psycopg.errors.QueryCanceled) as error:
        raise TooSlow from error


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    """Who changed what, newest first, page by page of one index: the trail has millions of events."""

    def changelist_view(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        actor_of(request)
        form = FilterForm(request.GET or None)
        filters = form.filters if form.is_valid() else trail.Filters()
        shown: list[trail.Shown] = []
        too_slow = False
        if form.is_valid() or not form.is_bound:
            try:
                shown = _found(filters, PAGE + 1, _before(request))
            except TooSlow:
                too_slow = True
        asked = {name: value for name, value in request.GET.items() if name != "before" and value}
        following = ""
        if len(shown) > PAGE:
            last = shown[PAGE - 1]
            following = urlencode(asked | {"before": f"{last.at.isoformat()}_{last.id}"})
        return render(
            request,
            "admin/who/audit.html",
            desk_context(
                request,
                title="Audit trail",
                form=form,
                events=shown[:PAGE],
                following=following,
                first=urlencode(asked),
                is_first="before" not in request.GET,
                asked=asked,
                too_slow=too_slow,
                head=trail.head(),
                exported=EXPORTED,
            ),
        )

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: Any = None
    ) -> HttpResponse:
        actor_of(request)
        if not (object_id.isascii() and object_id.isdigit() and len(object_id) < 19):
            raise Http404
        event = AuditEvent.objects.select_related("organization").filter(id=int(object_id)).first()
        if event is None:
            raise Http404
        link = AuditLink.objects.filter(event=event).first()
        return render(
            request,
            "admin/who/audit_event.html",
            desk_context(
                request,
                title=f"Event {event.id}",
                event=event,
                link=None if link is None else Head(link.position, bytes(link.digest)),
                changes=_changes(event.detail),
                rest=_rest(event.detail),
                target_url=_page_of(event.target),
            ),
        )


@desk_page("audit.csv", "audit_csv", may=may_analyse)
def export(request: HttpRequest) -> HttpResponse:
    """The events that a filter finds, as CSV without formulas; that is recorded, too."""
    if request.method != "POST":
        raise Http404
    form = FilterForm(request.POST)
    if not form.is_valid():
        raise BadRequest("The filter is none.")
    now = timezone.now()
    try:
        found = _found(form.filters, EXPORTED)
    except TooSlow:
        return HttpResponse(
            "That took too long. Ask for a shorter period.", status=503, content_type="text/plain"
        )
    with transaction.atomic():
        wanted = {name: str(value) for name, value in form.cleaned_data.items() if value}
        record(
            by=actor_of(request),
            now=now,
            action="audit.export",
            target="audit",
            detail={"filters": wanted, "events": len(found)},
        )
    rows = (
        (
            *(one.position, one.id, one.at.isoformat(), one.actor, one.organization, one.action, one.target),
            json.dumps(one.detail, ensure_ascii=False, sort_keys=True),
        )
        for one in found
    )
    return HttpResponse(
        table([_COLUMNS, *rows]),
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="audit-{now:%Y%m%dT%H%M%SZ}.csv"'},
    )


def _before(request: HttpRequest) -> tuple[datetime, int] | None:
    """The cursor of a page."""
    text = request.GET.get("before", "")
    if not text:
        return None
    at, _, number = text.rpartition("_")
    try:
        moment = datetime.fromisoformat(at)
        if moment.tzinfo is None or not 0 <= int(number) < 2**63:
            raise ValueError
    except ValueError as error:
        raise BadRequest("That is no page of the trail.") from error
    return moment, int(number)


def _changes(detail: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What was before and after, by field."""
    before, after = detail.get("before"), detail.get("after")
    if isinstance(before, dict) and isinstance(after, dict):
        return [(name, _text(before.get(name)), _text(after.get(name))) for name in sorted({*before, *after})]
    return [("value", _text(before), _text(after))] if "before" in detail and "after" in detail else []


def _rest(detail: dict[str, Any]) -> list[tuple[str, str]]:
    """The other fields of an event."""
    shown = {"before", "after"} if _changes(detail) else set()
    return [(name, _text(value)) for name, value in detail.items() if name not in shown]


def _text(value: Any) -> str:
    """A value for people."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return ", ".join(value) or "–"
    if isinstance(value, dict | list):
        return json.dumps(value, indent=2, ensure_ascii=False)
    return str(value)


_PAGES = {
    "token": "admin:token",
    "organization": "admin:accounts_organization_change",
    "community": "admin:community",
    "collection": "admin:collection_readers",
    "submission": "admin:indicators_submission_change",
    "subject": "admin:indicators_subject_change",
    "source": "admin:indicators_source_change",
    "detector": "admin:indicators_detector_change",
    "review": "admin:sharing_review_change",
}


def _page_of(target: str) -> str:
    """The page of what an event is about, if there is one."""
    kind, _, reference = target.partition(":")
    if kind == "member":
        found = Member.objects.filter(username=reference).first()
        return "" if found is None else reverse("admin:member", args=[found.id])
    try:
        return reverse(_PAGES[kind], args=[reference]) if kind in _PAGES else ""
    except NoReverseMatch:
        return ""
