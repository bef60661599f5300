"""The review queue, its cases, and deciding them: one by one and many at once."""

from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import SuspiciousOperation
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.admin.base import ActedOn, ReasonField, ReasonForm, may_analyse
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member
from indicators.actions import drafts
from sharing import case, queue
from sharing.actions import moderation
from sharing.actions.keys import NoSigningKey, current_signer
from sharing.admin.own_word import ways
from sharing.admin.proposals import analyst
from sharing.models import Proposal, Review, ReviewState, SavedView
from sharing.queue import Filters, InvalidFilter

#: So many cases are decided in one request; with more of them the page goes on by itself.
STEP = 250
MOST_VIEWS = 50
VERBS = {"approve": "Approve", "reject": "Reject"}
STATES = {"approve": ReviewState.APPROVED, "reject": ReviewState.REJECTED}


class DecisionForm(ReasonForm):
    """Why."""

    reason = ReasonField("Recorded in the audit trail; of a rejection it reaches the submitters' receipts.")


class ViewForm(forms.Form):
    """A name for the filters that are set."""

    name = forms.CharField(max_length=60)
    query = forms.CharField(required=False, max_length=4000)
    is_shared = forms.BooleanField(required=False)


@admin.register(Review)
class ReviewAdmin(ActedOn):
    """The queue and the page of a case; both are pages of our own."""

    def changelist_view(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        if not may_analyse(request):
            raise Http404
        return _decide_many(request) if request.method == "POST" else _queue(request)

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        if not may_analyse(request) or object_id is None:
            raise Http404
        return _case(request, object_id)


# --- The queue


def _queue(request: HttpRequest) -> HttpResponse:
    member, now = analyst(request), timezone.now()
    filters, error = Filters.of(request.GET.dict()), ""
    try:
        page = queue.page(filters, member_id=member.id, now=now, after=request.GET.get("after", ""))
        is_whole = page.following is None and not request.GET.get("after")
        matching = len(page.rows) if is_whole else queue.count(filters, member_id=member.id, now=now)
    except InvalidFilter as refusal:
        page, matching, error = queue.Page([], None), 0, str(refusal)
    views = [] if error else _views(member, filters, now)
    context = desk_context(
        request,
        title="Review queue",
        filters=filters,
        error=error,
        choices=queue.choices(),
        page=page,
        matching=matching,
        most=queue.MOST_COUNTED,
        following="" if page.following is None else _address(filters, after=page.following),
        first=_address(filters) if request.GET.get("after") else "",
        views=views,
        sorts=(
            ("newest", "newest first"),
            ("oldest", "oldest first"),
            ("confidence", "highest confidence"),
            ("doubt", "lowest confidence"),
            ("blast", "widest blast radius"),
        ),
    )
    return TemplateResponse(request, "admin/sharing/review/queue.html", context)


def _address(filters: Filters, **more: str) -> str:
    query = "&".join(part for part in (filters.query, urlencode(more)) if part)
    return f"{reverse('admin:sharing_review_changelist')}?{query}"


BUILT_IN = (
    ("All pending", Filters()),
    ("Oldest first", Filters(sort="oldest")),
    ("Waits for a second person", Filters(two="1")),
    ("Mine", Filters(mine="1", state="any")),
)


def _views(member: Member, filters: Filters, now: Any) -> list[dict[str, Any]]:
    """The views that a member can choose, each with how many match, counted as far as are decided at once."""
    saved = SavedView.objects.filter(owner=member) | SavedView.objects.filter(is_shared=True)
    found: list[dict[str, Any]] = [{"name": name, "filters": one, "view": None} for name, one in BUILT_IN]
    for view in saved.select_related("owner").order_by("name", "id")[:MOST_VIEWS]:
        kept = Filters.of(QueryDict(view.query).dict())
        found.append({"name": view.name, "filters": kept, "view": view, "mine": view.owner_id == member.id})
    for number, one in enumerate(found):
        one["url"] = _address(one["filters"])
        one["current"] = one["filters"] == filters
        if number < len(BUILT_IN) + 10:
            try:
                one["count"] = queue.count(one["filters"], member_id=member.id, now=now)
            except InvalidFilter:
                one["count"] = 0
    return found


@desk_page("reviews/views/", name="review_views", may=may_analyse)
@require_POST
def views_of_queue(request: HttpRequest) -> HttpResponse:
    """Keep the filters that are set under a name, or let a view of one's own go."""
    member = analyst(request)
    if "remove" in request.POST:
        chosen = request.POST["remove"]
        gone, _ = (
            SavedView.objects.filter(id=int(chosen), owner=member).delete() if chosen.isdigit() else (0, {})
        )
        messages.success(request, "The view is gone." if gone else "That is no view of yours.")
        return HttpResponseRedirect(reverse("admin:sharing_review_changelist"))
    form = ViewForm(request.POST)
    filters = Filters.of(QueryDict(request.POST.get("query", "")[:4000]).dict())
    if not form.is_valid():
        messages.error(request, "A view needs a name of at most 60 characters.")
        return HttpResponseRedirect(_address(filters))
    try:
        with transaction.atomic():
            SavedView.objects.create(
                owner=member,
                name=form.cleaned_data["name"],
                query=filters.query,
                is_shared=form.cleaned_data["is_shared"],
                created_at=timezone.now(),
            )
        messages.success(request, f"Kept as “{form.cleaned_data['name']}”.")
    except IntegrityError:
        messages.error(
            request, f"You have a view “{form.cleaned_data['name']}” already; choose another name."
        )
    return HttpResponseRedirect(_address(filters))


# --- Many at once


def _decide_many(request: HttpRequest) -> HttpResponse:
    """The dry run of a decision on many cases, then the decision, `STEP` of them in a request."""
    member, now = analyst(request), timezone.now()
    action = request.POST.get("action", "")
    filters = Filters.of(QueryDict(request.POST.get("queue", "")[:4000]).dict())
    if action not in VERBS:
        messages.warning(request, "Choose what to do with the cases: approve or reject.")
        return HttpResponseRedirect(_address(filters))
    try:
        ids = (
            queue.ids(filters, member_id=member.id, now=now)
            if request.POST.get("matching")
            else [int(one) for one in request.POST.getlist("_selected_action")]
        )
    except InvalidFilter as refusal:
        messages.error(request, f"{refusal}.")
        return HttpResponseRedirect(reverse("admin:sharing_review_changelist"))
    except ValueError as error:
        raise SuspiciousOperation("a chosen id is not one of a case") from error
    ids = [one for one in dict.fromkeys(ids) if 0 < one < 2**63][: queue.MOST_COUNTED]
    form = DecisionForm(request.POST if "decide" in request.POST else None)
    if not ids:
        messages.warning(request, "No case is chosen.")
        return HttpResponseRedirect(_address(filters))
    if not form.is_valid():
        return _preview(request, member, action, ids, filters, form)
    return _decide_step(request, member, action, ids, filters, form.cleaned_data["reason"])


def _preview(
    request: HttpRequest, member: Member, action: str, ids: list[int], filters: Filters, form: DecisionForm
) -> HttpResponse:
    run = case.dry_run(ids, member_id=member.id, approving=action == "approve", now=timezone.now())
    number = f"{len(ids):,} case{'' if len(ids) == 1 else 's'}"
    context = desk_context(
        request,
        title=f"{VERBS[action]} {number}: what would happen",
        run=run,
        form=form,
        ids=ids,
        action=action,
        verb=VERBS[action],
        filters=filters,
        more=max(0, len(run.pending) - len(run.shown)),
    )
    return TemplateResponse(request, "admin/sharing/review/decide.html", context)


def _decide_step(
    request: HttpRequest, member: Member, action: str, ids: list[int], filters: Filters, reason: str
) -> HttpResponse:
    now = timezone.now()
    try:
        outcomes = moderation.decide_many(
            review_ids=ids[:STEP],
            state=STATES[action],
            member=member,
            reason=reason,
            signer=current_signer(now=now),
            now=now,
        )
    except (moderation.NotAllowed, NoSigningKey) as refusal:
        before = _carried(request, "decided")
        what = f"After {before:,} nothing more was decided" if before else "Nothing was decided"
        messages.error(request, f"{what}: {refusal}.")
        return HttpResponseRedirect(_address(filters))
    counts = {
        "decided": _carried(request, "decided") + len(outcomes.decided),
        "proposed": _carried(request, "proposed") + len(outcomes.proposed),
        "left": _carried(request, "left") + len(outcomes.left),
    }
    rest = ids[STEP:]
    if rest:
        done = sum(counts.values())
        context = desk_context(
            request,
            title=f"{VERBS[action]}: {done:,} of {done + len(rest):,} done",
            ids=rest,
            action=action,
            reason=reason,
            filters=filters,
            counts=counts,
            done=done,
            of=done + len(rest),
            percent=100 * done // (done + len(rest)),
        )
        return TemplateResponse(request, "admin/sharing/review/progress.html", context)
    _tell(request, VERBS[action], counts, outcomes)
    return HttpResponseRedirect(_address(filters))


def _carried(request: HttpRequest, name: str) -> int:
    """What the requests before this one did, as its form says; it is only told."""
    text = request.POST.get(name, "0")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0


def _tell(request: HttpRequest, verb: str, counts: dict[str, int], outcomes: moderation.Outcomes) -> None:
    if counts["decided"]:
        messages.success(request, f"{verb}: {counts['decided']} decided.")
    if counts["proposed"]:
        messages.warning(
            request,
            f"{counts['proposed']} above the blast radius: proposed, and released when another analyst approves too.",
        )
    sentences: dict[str, list[int]] = {}
    for one, sentence in outcomes.left.items():
        sentences.setdefault(sentence, []).append(one)
    for sentence, ids in list(sentences.items())[:5]:
        which = f"Case {ids[0]}" if len(ids) == 1 else f"{len(ids)} cases, such as {ids[0]}"
        messages.warning(request, f"{which}: {sentence}.")
    if counts["left"] > len(outcomes.left):
        messages.warning(request, f"{counts['left']} were left as they are in all.")


# --- One case


def _case(request: HttpRequest, object_id: str) -> HttpResponse:
    member, now = analyst(request), timezone.now()
    if not (object_id.isascii() and object_id.isdigit() and len(object_id) < 19):
        raise Http404
    review = (
        Review.objects.select_related("release", "release__subject", "community", "decided_by", "seconded_by")
        .filter(id=int(object_id))
        .first()
    )
    if review is None:
        raise Http404
    filters = Filters.of(QueryDict(request.GET.get("queue", "")[:4000]).dict())
    elsewhere = moderation.look(review_id=review.id, member=member, now=now)
    try:
        after, before = (
            queue.following(filters, review_id=review.id, member_id=member.id, now=now, back=back)
            for back in (False, True)
        )
    except InvalidFilter:
        filters, after, before = Filters(), None, None
    seen = case.case_of(review, now=now)
    place = (review.release.subject_id, review.release.ceiling)
    proposals = (
        Proposal.objects.filter(review=review)
        | Proposal.objects.filter(claim_id__in=[claim.id for claim in seen.claims], state="open")
    ).select_related("proposed_by", "organization", "decided_by")
    context = desk_context(
        request,
        title=f"{seen.value.get('name') or review.title or review.release.published_id}",
        review=review,
        case=seen,
        audience=review.release.get_ceiling_display(),
        subject=reverse("admin:indicators_subject_change", args=[review.release.subject_id]),
        ways=ways(review, member, seen, back=_case_address(review.id, filters)),
        form=DecisionForm(),
        filters=filters,
        queue=_address(filters),
        following=None if after is None else _case_address(after, filters),
        preceding=None if before is None else _case_address(before, filters),
        elsewhere=elsewhere,
        proposals=list(proposals.order_by("-id")[:20]),
        takes_two=seen.blast_radius > settings.BLAST_RADIUS_LIMIT,
        limit=settings.BLAST_RADIUS_LIMIT,
        me=member,
        is_own=bool(drafts.own_work(member_id=member.id, cases={place})),
        pending=review.state == ReviewState.PENDING,
    )
    return TemplateResponse(request, "admin/sharing/review/case.html", context)


def _case_address(review_id: int, filters: Filters) -> str:
    address = reverse("admin:sharing_review_change", args=[review_id])
    return f"{address}?{urlencode({'queue': filters.query})}" if filters.query else address


@desk_page("reviews/<int:review_id>/decide/", name="review_decide", may=may_analyse)
@require_POST
def decide(request: HttpRequest, review_id: int) -> HttpResponse:
    """Decide one case, and go on to the next of the same queue."""
    member, now = analyst(request), timezone.now()
    filters = Filters.of(QueryDict(request.POST.get("queue", "")[:4000]).dict())
    decision, form = request.POST.get("decision", ""), DecisionForm(request.POST)
    review = Review.objects.filter(id=review_id).first()
    if review is None:
        raise Http404
    here = _case_address(review_id, filters)
    if decision not in VERBS or not form.is_valid():
        messages.error(
            request, "Nothing was decided: say why." if decision in VERBS else "Choose approve or reject."
        )
        return HttpResponseRedirect(f"{here}#decide")
    name = review.title or f"case {review_id}"
    name = name if len(name) <= 80 else f"{name[:79]}…"
    try:
        act = moderation.approve if decision == "approve" else moderation.reject
        is_done = act(
            review_id=review_id,
            member=member,
            reason=form.cleaned_data["reason"],
            signer=current_signer(now=now),
            now=now,
        )
    except (moderation.NotPending, moderation.NotAllowed, NoSigningKey) as refusal:
        messages.warning(request, f"Not decided by you: {refusal}.")
        return HttpResponseRedirect(here)
    if is_done is False:
        messages.warning(request, f"{name}: proposed. It is released when another analyst approves it too.")
    else:
        messages.success(request, f"{name}: {'approved' if decision == 'approve' else 'rejected'}.")
    try:
        after = queue.following(filters, review_id=review_id, member_id=member.id, now=now)
    except InvalidFilter:
        after = None
    if after is None:
        messages.info(request, "That was the last case of this queue.")
        return HttpResponseRedirect(_address(filters))
    return HttpResponseRedirect(_case_address(after, filters))
