"""What the desk answers while somebody writes: what a pattern is already, its rows in the builder, and picks."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_POST

from accounts.admin.base import may_analyse, member_of
from accounts.admin.site import desk_page
from accounts.models import Member
from indicators.drafting import builder
from indicators.patterns import PatternError
from indicators.patterns.parser import MAX_BYTES
from indicators.privacy.check import Personal, check
from indicators.stix.canonical import canonical
from indicators.stix.objects import read
from sharing import known, writing

_SHOWN_BEFORE = 60


@desk_page("write/pattern/", "write_pattern", may=may_analyse)
def pattern_view(request: HttpRequest) -> HttpResponse:
    """The canonical form of what is typed, or where it is wrong; what is known of it, and what is near."""
    return _read(request)


@desk_page("write/pattern/rows/", "write_pattern_rows", may=may_analyse)
def rows_view(request: HttpRequest) -> HttpResponse:
    """A pattern as the builder's rows, or why it has none."""
    return _rows(request)


@desk_page("write/pick/", "write_pick", may=may_analyse)
def pick_view(request: HttpRequest) -> HttpResponse:
    """What a term means: ids with titles, best first."""
    return _pick(request)


@require_POST
def _read(request: HttpRequest) -> HttpResponse:
    community_id = _community(request, request.POST.get("community", ""))
    pattern = _typed(request)
    context: dict[str, Any] = {"pattern": pattern}
    if pattern.strip():
        try:
            found = known.known(community_id, pattern)
            context |= {"known": found, "until": timezone.now() + timedelta(days=found.days)}
            context["personal"] = _personal(pattern)
        except PatternError as error:
            context |= _place(pattern, error)
    return TemplateResponse(request, "admin/write/reading.html", context)


@require_POST
def _rows(request: HttpRequest) -> HttpResponse:
    try:
        return JsonResponse({"model": builder.rows(_typed(request))})
    except builder.NotBuildable as refusal:
        return JsonResponse({"reason": f"The builder cannot show this pattern: {refusal}. It stays as text."})
    except PatternError as error:
        return JsonResponse({"reason": f"{error.sentence} Put it right first."})


@require_GET
def _pick(request: HttpRequest) -> HttpResponse:
    member = member_of(request)
    community_id = _community(request, request.GET.get("community", ""))
    assert member.organization_id is not None
    types = [one for one in request.GET.get("types", "")[:500].split() if one]
    term = request.GET.get("q", "")[:2000].replace("\0", "")
    found = known.picked(community_id, term, organization_id=member.organization_id, types=types)
    return JsonResponse(
        {
            "picks": [
                {"id": one.object_id, "type": one.type, "title": one.title[:200], "source": one.source}
                for one in found
            ]
        }
    )


def _typed(request: HttpRequest) -> str:
    # One more than is allowed, so that the parser says that it is too long.
    return request.POST.get("pattern", "")[: MAX_BYTES + 1].replace("\r\n", "\n").replace("\0", "\ufffd")


def _place(pattern: str, error: PatternError) -> dict[str, Any]:
    """Where a pattern is wrong, for eyes: the line, cut around the place, and a mark below it."""
    line = (pattern.split("\n")[error.line - 1 :] or [""])[0]
    start = max(0, error.column - 1 - _SHOWN_BEFORE)
    return {
        "error": error,
        "line": line[start : start + 2 * _SHOWN_BEFORE],
        "mark": " " * (error.column - 1 - start) + "^",
    }


def _personal(pattern: str) -> str:
    """What privacy would refuse of a right pattern, in words; empty if nothing."""
    now = "2026-01-01T00:00:00.000Z"
    value = {
        "type": "indicator", "spec_version": "2.1", "id": "indicator--00000000-0000-4000-8000-000000000000",
        "created": now, "modified": now, "valid_from": now, "pattern_type": "stix", "pattern": pattern,
    }  # fmt: skip
    try:
        check(read(canonical(value)))
    except Personal as refusal:
        return refusal.reason
    except ValueError:
        return ""
    return ""


def _community(request: HttpRequest, text: str) -> UUID:
    """A community in which the member's organisation writes; else there is nothing here."""
    member: Member = member_of(request)
    found = [] if member.organization_id is None else writing.inboxes(member.organization_id)
    for inbox in found:
        if str(inbox.community_id) == text:
            return inbox.community_id
    raise Http404
