"""What was withdrawn, who had pulled it and whether they deleted it; and legal orders."""

from collections import Counter
from collections.abc import Sequence
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import sql
from accounts.actions.refusal import ReasonMissing
from accounts.admin.base import ReasonField, ReasonForm, actor_of, may_analyse
from accounts.admin.fresh import ask_again
from accounts.admin.site import desk_context, desk_page
from indicators.models import Subject
from indicators.sources import csv
from sharing import desk
from sharing.actions import barring, erasure, moderation, proposals, withdrawals
from sharing.admin.proposals import analyst
from sharing.models import Collection, Erasure, ErasureState, Withdrawal

A_PAGE = 50
SHOWN = 500
MOST_SUBJECTS = 500
_REFUSALS = (proposals.NotPossible, moderation.NotAllowed, ReasonMissing)


class OrderForm(forms.Form):
    """Which order it is, and why it is followed."""

    reference = forms.CharField(
        max_length=200, help_text="Court or authority, and the file number. It is kept, with the audit trail."
    )
    reason = ReasonField(
        "For the second person and the audit trail. Quote nothing of what is erased: this stays."
    )


class LiftForm(ReasonForm):
    """Why it may be sent again."""

    reason = ReasonField()


@desk_page("erasures/", name="erasures", may=may_analyse)
@require_safe
def erasures(request: HttpRequest) -> HttpResponse:
    """Legal orders, the latest first."""
    context = desk_context(
        request,
        title="Legal orders",
        erasures=list(Erasure.objects.order_by("-id")[:A_PAGE]),
        unreadable=barring.unreadable(),
    )
    return TemplateResponse(request, "admin/sharing/erasure/list.html", context)


@desk_page("erasures/propose/", name="erasure_propose", may=may_analyse)
def propose(request: HttpRequest) -> HttpResponse:
    """What an order on some subjects would erase, where, and who had pulled it; then a proposal of it."""
    member = analyst(request)
    sent = request.POST if request.method == "POST" else request.GET
    chosen = _chosen(sent)
    form = OrderForm(request.POST if request.method == "POST" and "reference" in request.POST else None)
    if form.is_bound and chosen and form.is_valid():
        asked = ask_again(request)
        if asked is not None:
            return asked
        try:
            made = proposals.propose_erasure(
                subject_ids=chosen,
                reference=form.cleaned_data["reference"],
                member=member,
                reason=form.cleaned_data["reason"],
                now=timezone.now(),
            )
        except _REFUSALS as refusal:
            form.add_error(None, f"{str(refusal)[:1].upper()}{str(refusal)[1:]}.")
        else:
            messages.success(request, "Proposed. It is erased when another analyst confirms it.")
            return HttpResponseRedirect(reverse("admin:erasure", args=[made]))
    reached = erasure.scope(chosen) if chosen else None
    context = desk_context(
        request,
        title="Erase by legal order",
        form=form,
        chosen=chosen,
        subjects=[] if reached is None else list(desk.links_to(reached.subjects).values()),
        reached=reached,
        places=[] if reached is None else _places(reached.entries),
        readers=[]
        if reached is None
        else withdrawals.foresee((one.collection_id, one.added) for one in reached.entries),
    )
    return TemplateResponse(request, "admin/sharing/erasure/propose.html", context)


def _chosen(sent: QueryDict) -> list[int]:
    """The subjects that are asked for by number, or by an id or pattern."""
    numbers = [one for one in sent.getlist("subject")[:MOST_SUBJECTS] if one.isascii() and one.isdigit()]
    found = {int(one) for one in numbers if len(one) <= 18}
    term = sent.get("term", "").strip()
    if term and "\x00" not in term:
        found |= set(desk.subjects_named(term))
    return sorted(Subject.objects.filter(id__in=found).values_list("id", flat=True))


def _places(entries: Sequence[erasure.Standing]) -> list[tuple[str, int]]:
    """How many entries of each collection would be erased."""
    counts = Counter(entry.collection_id for entry in entries)
    found = Collection.objects.filter(id__in=counts).select_related("community").order_by("title")
    return [(f"{one.community.title}: {one.title}", counts[one.id]) for one in found]


@desk_page("erasures/<int:erasure_id>/", name="erasure", may=may_analyse)
@require_safe
def erasure_page(request: HttpRequest, erasure_id: int) -> HttpResponse:
    """One legal order: how far it has come, who had pulled what it erased, and who said that it deleted it."""
    found = Erasure.objects.filter(id=erasure_id).first()
    if found is None:
        raise Http404
    now = timezone.now()
    waits = found.state == ErasureState.PROPOSED
    reached = erasure.scope(found.subjects) if waits else None
    lines = withdrawals.report(erasure_id=erasure_id, limit=SHOWN)
    context = desk_context(
        request,
        title=f"Legal order {found.reference}",
        erasure=found,
        counts=[(name.replace("_", " "), number) for name, number in sorted(found.counts.items())],
        proposals=list(found.proposals.select_related("proposed_by", "decided_by").order_by("id")),
        reached=reached,
        subjects=[] if reached is None else list(desk.links_to(reached.subjects).values()),
        places=[] if reached is None else _places(reached.entries),
        readers=[]
        if reached is None
        else withdrawals.foresee((one.collection_id, one.added) for one in reached.entries),
        untold=Withdrawal.objects.filter(erasure=found, told_at=None).count(),
        lines=[(line, line.state(now)) for line in lines],
        shown=SHOWN,
        form=LiftForm() if found.state == ErasureState.DONE else None,
    )
    return TemplateResponse(request, "admin/sharing/erasure/erasure.html", context)


@desk_page("erasures/<int:erasure_id>/lift/", name="erasure_lift", may=may_analyse)
@require_POST
def lift(request: HttpRequest, erasure_id: int) -> HttpResponse:
    """Propose that what an order erased may be sent again."""
    member = analyst(request)
    back = HttpResponseRedirect(reverse("admin:erasure", args=[erasure_id]))
    form = LiftForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was proposed: say why.")
        return back
    asked = ask_again(request)
    if asked is not None:
        return asked
    try:
        proposals.propose_lifting(
            erasure_id=erasure_id, member=member, reason=form.cleaned_data["reason"], now=timezone.now()
        )
        messages.success(request, "Proposed. It may be sent again when another analyst confirms it.")
    except _REFUSALS as refusal:
        messages.warning(request, f"{str(refusal)[:1].upper()}{str(refusal)[1:]}.")
    return back


@desk_page("erasures/<int:erasure_id>/report.csv", name="erasure_report", may=may_analyse)
@require_safe
def erasure_report(request: HttpRequest, erasure_id: int) -> HttpResponse:
    """Who had pulled what an order erased, as CSV."""
    if not Erasure.objects.filter(id=erasure_id).exists():
        raise Http404
    return _csv(
        request, withdrawals.report(erasure_id=erasure_id), f"erasure:{erasure_id}", f"order-{erasure_id}"
    )


_COLUMNS = (
    *("collection", "index", "object", "version", "reason", "at", "told_at", "erasure", "where"),
    *("readers", "asked", "said", "late"),
)


@desk_page("withdrawals/", name="withdrawals", may=may_analyse)
@require_safe
def withdrawn(request: HttpRequest) -> HttpResponse:
    """Entries that were erased, the latest first: how many had pulled each, and acknowledged."""
    asked = request.GET.get("object", "").strip()
    overdue = request.GET.get("overdue") == "1"
    now = timezone.now()
    rows = sql.rows(
        "SELECT w.collection_id, w.index, w.object_id, w.version, w.reason, w.at, w.told_at, w.erasure_id,"
        " c.title || ': ' || k.title, r.readers, r.asked, r.said, r.late FROM sharing_withdrawal w"
        " JOIN sharing_collection k ON k.id = w.collection_id JOIN accounts_community c ON c.id = k.community_id"
        " CROSS JOIN LATERAL (SELECT count(DISTINCT r.organization_id) AS readers, count(DISTINCT n.id) AS asked,"
        " count(DISTINCT n.id) FILTER (WHERE n.acknowledged_at IS NOT NULL) AS said,"
        " count(DISTINCT n.id) FILTER (WHERE n.acknowledged_at IS NULL AND n.due_at < %(now)s) AS late"
        " FROM sharing_reached r LEFT JOIN accounts_notice n ON n.id = r.notice_id"
        " WHERE r.collection_id = w.collection_id AND r.index = w.index) r"
        " WHERE w.reason <> 'moved' AND (%(object)s = '' OR w.object_id = %(object)s)"
        " AND (NOT %(overdue)s OR r.late > 0) ORDER BY w.at DESC, w.collection_id, w.index LIMIT %(limit)s",
        {"object": asked, "overdue": overdue, "now": now, "limit": A_PAGE * 2},
    )
    context = desk_context(
        request,
        title="Withdrawals",
        rows=[dict(zip(_COLUMNS, row, strict=True)) for row in rows],
        asked=asked,
        overdue=overdue,
        shown=A_PAGE * 2,
    )
    return TemplateResponse(request, "admin/sharing/erasure/withdrawals.html", context)


@desk_page("withdrawals/<uuid:collection_id>/<int:index>/", name="withdrawal", may=may_analyse)
@require_safe
def withdrawal(request: HttpRequest, collection_id: UUID, index: int) -> HttpResponse:
    """One erased entry: who had pulled it and when, and who said that it deleted it; `?format=csv` to keep it."""
    found = (
        Withdrawal.objects.filter(collection_id=collection_id, index=index)
        .select_related("collection", "erasure", "organization")
        .first()
    )
    if found is None:
        raise Http404
    lines = withdrawals.report(entry=(collection_id, index))
    if request.GET.get("format") == "csv":
        return _csv(request, lines, f"collection:{collection_id}", f"withdrawal-{collection_id}-{index}")
    now = timezone.now()
    context = desk_context(
        request,
        title=f"Withdrawal of entry {index}",
        withdrawal=found,
        lines=[(line, line.state(now)) for line in lines[:SHOWN]],
    )
    return TemplateResponse(request, "admin/sharing/erasure/withdrawal.html", context)


def _csv(request: HttpRequest, lines: Sequence[withdrawals.Told], target: str, name: str) -> HttpResponse:
    """The report as CSV without formulas; that it was taken stands in the audit trail."""
    now = timezone.now()
    withdrawals.note_report(by=actor_of(request), target=target, lines=len(lines), now=now)
    names = withdrawals.COLUMNS
    table = [
        (*names, "state"),
        *(
            (
                *(
                    " ".join(value) if isinstance(value, list) else value
                    for value in (getattr(line, one) for one in names)
                ),
                line.state(now),
            )
            for line in lines
        ),
    ]
    return HttpResponse(
        f"\ufeff{csv.table(table)}".encode(),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="stillwatch-{name}-{now:%Y%m%dT%H%M%SZ}.csv"',
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )
