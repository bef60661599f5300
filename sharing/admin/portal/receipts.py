"""What an organisation sent, and what became of each object, in the words of its receipts."""

from collections import Counter
from urllib.parse import urlencode
from uuid import UUID

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from accounts.admin.own import may_own, own
from accounts.admin.site import desk_context, desk_page
from indicators.models import Outcome, SubmissionState
from sharing import queries, receipts
from sharing.views.rest import csv_of

A_PAGE = 50
LINES_A_PAGE = 200
STATES = (SubmissionState.RECEIVED, SubmissionState.INGESTED, SubmissionState.QUARANTINED)


@desk_page("portal/submissions/", name="portal_submissions", may=may_own)
@require_safe
def submissions(request: HttpRequest) -> HttpResponse:
    """An organisation's submissions, newest first, by how they stand, what became of them, and community."""
    mine = own(request)
    communities = queries.api_roots(mine.id)
    asked = {
        "state": _one_of(request, "state", [str(state) for state in STATES]),
        "outcome": _one_of(request, "outcome", Outcome.values),
        "community": _one_of(request, "community", [root.slug for root in communities]),
    }
    found = receipts.sent(
        mine.id,
        limit=A_PAGE + 1,
        after=_uuid(request.GET.get("after", "")),
        state=asked["state"] or None,
        outcome=asked["outcome"] or None,
        community=asked["community"] or None,
    )
    following = None
    if len(found) > A_PAGE:
        following = "?" + urlencode(
            {**{name: value for name, value in asked.items() if value}, "after": found[A_PAGE - 1].id}
        )
    context = desk_context(
        request,
        title="Submissions",
        own=mine,
        sent=found[:A_PAGE],
        following=following,
        is_first="after" not in request.GET,
        asked=asked,
        states=[(str(state), state.label) for state in STATES],
        outcomes=Outcome.choices,
        communities=communities,
    )
    return render(request, "admin/portal/submissions.html", context)


@desk_page("portal/submissions/<uuid:submission_id>/", name="portal_receipt", may=may_own)
@require_safe
def receipt(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """What became of each object of one submission: all, or those of one outcome or reason."""
    found = _own_receipt(request, submission_id)
    outcome, reason = request.GET.get("outcome", ""), request.GET.get("reason", "")
    shown = [
        line
        for line in found.lines
        if (not outcome or line.outcome == outcome) and (not reason or line.reason == reason)
    ]
    context = desk_context(
        request,
        title="Receipt",
        own=own(request),
        receipt=found,
        counts=sorted(found.counts.items()),
        reasons=Counter(
            (line.outcome, line.reason) for line in found.lines if not outcome or line.outcome == outcome
        ).most_common(),
        asked={"outcome": outcome, "reason": reason},
        again="?" + urlencode({"outcome": outcome, "reason": reason}),
        page=Paginator(shown, LINES_A_PAGE).get_page(request.GET.get("page")),
    )
    return render(request, "admin/portal/receipt.html", context)


@desk_page("portal/submissions/<uuid:submission_id>/csv/", name="portal_receipt_csv", may=may_own)
@require_safe
def receipt_csv(request: HttpRequest, submission_id: UUID) -> HttpResponse:
    """The whole receipt, to be saved."""
    return csv_of(_own_receipt(request, submission_id))


def _own_receipt(request: HttpRequest, submission_id: UUID) -> receipts.Receipt:
    found = receipts.receipt(own(request).id, submission_id)
    if found is None:
        raise Http404
    return found


def _one_of(request: HttpRequest, name: str, choices: list[str]) -> str:
    """A filter, where it is one of what can be chosen."""
    given = request.GET.get(name, "")
    return given if given in choices else ""


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
