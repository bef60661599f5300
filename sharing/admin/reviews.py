"""The review queue, its cases, and deciding them: one by one and many at once."""

from collections.abc import Collection, Iterable, Mapping
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
from sharing import case, dry_run, queue
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


def _shown(request: HttpRequest) -> dict[int, str]:
    """What the form says was shown: by case, in its order, the digest of its outlook."""
    said = (one.partition(":") for text in request.POST.getlist("shown") for one in text.split())
    return {int(one): digest for one, _, digest in said if _is_id(one)}


def _as_field(shown: Mapping[int, str]) -> str:
    return " ".join(f"{one}:{digest}" for one, digest in shown.items())


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 19


def _preview(
    request: HttpRequest, member: Member, action: str, ids: list[int], filters: Filters, form: DecisionForm
) -> HttpResponse:
    run = dry_run.dry_run(ids, member_id=member.id, approving=action == "approve", now=timezone.now())
    number = f"{len(ids):,} case{'' if len(ids) == 1 else 's'}"
    context = desk_context(
        request,
        title=f"{VERBS[action]} {number}: what would happen",
        run=run,
        form=form,
        ids=ids,
        shown=_as_field(run.digests),
        action=action,
        verb=VERBS[action],
        filters=filters,
        more=max(0, len(run.pending) - len(run.shown)),
    )
    return TemplateResponse(request, "admin/sharing/review/decide.html", context)


def _decide_step(
    request: HttpRequest, member: Member, action: str, ids: list[int], filters: Filters, reason: str
) -> HttpResponse:
    now, shown = timezone.now(), _shown(request)
    try:
        outcomes = moderation.decide_many(
            review_ids=ids[:STEP],
            shown=shown,
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
    changed = [int(one) for one in request.POST.get("changed", "").split() if _is_id(one)]
    changed = list(dict.fromkeys(changed + outcomes.not_as_shown))[: queue.MOST_COUNTED]
    if rest:
        done = sum(counts.values())
        context = desk_context(
            request,
            title=f"{VERBS[action]}: {done:,} of {done + len(rest):,} done",
            ids=rest,
            shown=_as_field({one: shown[one] for one in rest if one in shown}),
            changed=changed,
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
    if changed:
        return _preview(request, member, action, changed, filters, DecisionForm(initial={"reason": reason}))
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


def _case(
    request: HttpRequest,
    object_id: str,
    *,
    query: str = "",
    reason: str = "",
    ticked: Collection[int] | None = None,
) -> HttpResponse:
    """The page of a case; shown again after a decision that came too late, with the `reason` and boxes of that."""
    member, now = analyst(request), timezone.now()
    if not _is_id(object_id):
        raise Http404
    review = (
        Review.objects.select_related("release", "release__subject", "community", "decided_by", "seconded_by")
        .filter(id=int(object_id))
        .first()
    )
    if review is None:
        raise Http404
    filters = Filters.of(QueryDict((query or request.GET.get("queue", ""))[:4000]).dict())
    elsewhere = moderation.look(review_id=review.id, member=member, now=now)
    try:
        after, before = (
            queue.following(filters, review_id=review.id, member_id=member.id, now=now, back=back)
            for back in (False, True)
        )
    except InvalidFilter:
        filters, after, before = Filters(), None, None
    seen = case.case_of(review, member_id=member.id, now=now)
    here = request.get_full_path() if request.method == "GET" else _case_address(review.id, filters)
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
        reason=reason,
        unticked=set() if ticked is None else {one.review_id for one in seen.elsewhere} - set(ticked),
        here=here,
        filters=filters,
        queue=_address(filters),
        following=None if after is None else _case_address(after, filters),
        preceding=None if before is None else _case_address(before, filters),
        elsewhere=elsewhere,
        proposals=list(proposals.order_by("-id")[:20]),
        takes_two=seen.blast_radius > settings.BLAST_RADIUS_LIMIT,
        limit=settings.BLAST_RADIUS_LIMIT,
        me=member,
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
    review = Review.objects.select_related("release").filter(id=review_id).first()
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
        outcomes = moderation.decide(
            shown=_of_subject(review, _shown(request)),
            state=STATES[decision],
            member=member,
            reason=form.cleaned_data["reason"],
            signer=current_signer(now=now),
            now=now,
        )
    except moderation.NotAsShown as refusal:
        messages.warning(request, f"Not decided by you: {refusal}.")
        return _case(
            request,
            str(review_id),
            query=filters.query,
            reason=form.cleaned_data["reason"],
            ticked=_shown(request),
        )
    except (moderation.NotPending, moderation.NotAllowed, NoSigningKey) as refusal:
        messages.warning(request, f"Not decided by you: {refusal}.")
        return HttpResponseRedirect(here)
    if review_id in outcomes.proposed:
        messages.warning(request, f"{name}: proposed. It is released when another analyst approves it too.")
    else:
        messages.success(request, f"{name}: {'approved' if decision == 'approve' else 'rejected'}.")
    _tell_others(request, review_id, outcomes)
    try:
        after = queue.following(filters, review_id=review_id, member_id=member.id, now=now)
    except InvalidFilter:
        after = None
    if after is None:
        messages.info(request, "That was the last case of this queue.")
        return HttpResponseRedirect(_address(filters))
    return HttpResponseRedirect(_case_address(after, filters))


def _of_subject(review: Review, shown: Mapping[int, str]) -> dict[int, str]:
    """What was shown of a case, and of those of other audiences on the same subject that are decided along."""
    others = Review.objects.filter(id__in=list(shown), release__subject_id=review.release.subject_id)
    along = set(others.values_list("id", flat=True)) - {review.id}
    return {review.id: shown.get(review.id, "")} | {one: shown[one] for one in sorted(along)}


def _tell_others(request: HttpRequest, review_id: int, outcomes: moderation.Outcomes) -> None:
    """What became of the cases of other audiences that were decided along with one."""

    def audiences(ids: Iterable[int]) -> str:
        found = Review.objects.filter(id__in=[one for one in ids if one != review_id]).order_by("ceiling")
        return ", ".join(one.get_ceiling_display() for one in found)

    decided, proposed = audiences(outcomes.decided), audiences(outcomes.proposed)
    if decided:
        messages.success(request, f"Decided along with it: {decided}.")
    if proposed:
        messages.warning(request, f"Proposed along with it, another analyst has to approve it: {proposed}.")
    for one, sentence in outcomes.left.items():
        messages.warning(request, f"Not decided along with it, {audiences([one])}: {sentence}.")
