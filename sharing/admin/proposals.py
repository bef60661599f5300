"""What takes two people: the TLP of a claim, who is told of its submitter, and what waits for a second analyst."""

from collections.abc import Sequence
from typing import NamedTuple

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_POST

from accounts.actions.refusal import ReasonMissing
from accounts.admin.base import ReasonField, ReasonForm, came_from, may_analyse
from accounts.admin.fresh import ask_again
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member, Organization, Tlp
from indicators.models import Claim
from sharing import desk, tasks
from sharing.actions import moderation, proposals
from sharing.actions.keys import NoSigningKey, current_signer
from sharing.actions.outlooks import Asked, Reader, outlooks
from sharing.elsewhere import FeedChange, feed_changes
from sharing.models import Proposal, ProposalKind, ProposalState
from sharing.remarked import Remarked, all_remarked, feeds_of, remarked

SHOWN = 100
_REFUSALS = (
    proposals.NotPossible,
    proposals.NotOpen,
    proposals.SamePerson,
    moderation.NotAllowed,
    moderation.NotPending,
    ReasonMissing,
    NoSigningKey,
)


def analyst(request: HttpRequest) -> Member:
    """The signed-in analyst or admin of the operator; raises PermissionDenied for everybody else."""
    member = request.user
    if not isinstance(member, Member) or not may_analyse(request):
        raise PermissionDenied
    return member


class TlpForm(forms.Form):
    """Another TLP for a claim, and why."""

    tlp = forms.TypedChoiceField(label="Counts as", choices=Tlp.choices, coerce=int)
    reason = ReasonField("Its source reads this in a notice, and it is recorded in the audit trail.")


class DisclosureForm(forms.Form):
    """An organisation that is told who submitted it, and why."""

    organization = forms.ModelChoiceField(
        label="Tell this organisation", queryset=Organization.objects.none(), empty_label="Choose one"
    )
    reason = ReasonField("The submitter reads this in a notice, and it is recorded in the audit trail.")


@desk_page("claims/<int:claim_id>/", name="claim", may=may_analyse)
def claim_page(request: HttpRequest, claim_id: int) -> HttpResponse:
    """One claim: its TLP and who is told of its submitter can be changed here."""
    member = analyst(request)
    claim = Claim.objects.select_related("organization", "community").filter(id=claim_id).first()
    if claim is None:
        raise Http404
    back = came_from(request, reverse("admin:indicators_subject_change", args=[claim.subject_id]))
    posted = request.POST.get("do", "") if request.method == "POST" else ""
    marking = TlpForm(request.POST if posted == "tlp" else None, initial={"tlp": claim.tlp}, prefix="tlp")
    telling = DisclosureForm(request.POST if posted == "disclose" else None, prefix="disclose")
    telling.fields["organization"].queryset = (  # type: ignore[attr-defined] # a ModelChoiceField's
        Organization.objects.filter(communities=claim.community_id)
        .exclude(id=claim.organization_id)
        .order_by("name")
    )
    form = marking if posted == "tlp" else telling
    if posted in {"tlp", "disclose"} and form.is_valid():
        if posted == "disclose" or marking.cleaned_data["tlp"] < claim.tlp:
            asked = ask_again(request)
            if asked is not None:
                return asked
        try:
            _propose(request, member, claim, marking if posted == "tlp" else None, telling)
            return HttpResponseRedirect(back)
        except _REFUSALS as refusal:
            form.add_error(None, f"{str(refusal)[:1].upper()}{str(refusal)[1:]}.")
    context = desk_context(
        request,
        title=f"Claim of {claim.organization} on {desk.title_of(claim.body)[:80]}",
        claim=claim,
        counts_as=Tlp(claim.tlp).label,
        stated=Tlp(claim.stated_tlp).label,
        is_red=claim.stated_tlp == Tlp.RED,
        marking=marking,
        remarked=[] if claim.stated_tlp == Tlp.RED else all_remarked(claim),
        telling=telling,
        back=back,
        proposals=list(
            Proposal.objects.filter(claim=claim)
            .select_related("proposed_by", "decided_by", "organization")
            .order_by("-id")[:20]
        ),
    )
    return TemplateResponse(request, "admin/sharing/proposal/claim.html", context)


def _propose(
    request: HttpRequest, member: Member, claim: Claim, marking: TlpForm | None, telling: DisclosureForm
) -> None:
    now = timezone.now()
    if marking is None:
        proposals.propose_disclosure(
            claim_id=claim.id,
            organization_id=telling.cleaned_data["organization"].id,
            member=member,
            reason=telling.cleaned_data["reason"],
            now=now,
        )
        messages.success(request, "Proposed. The organisation is told when another analyst confirms it.")
        return
    made = proposals.change_tlp(
        claim_id=claim.id,
        tlp=marking.cleaned_data["tlp"],
        member=member,
        reason=marking.cleaned_data["reason"],
        now=now,
    )
    if made is None:
        tasks.nudge_publish(claim.community_id)
        messages.success(request, "Raised. The feeds follow in a few seconds, and its source is told.")
    else:
        messages.success(request, "Proposed. It counts as that when another analyst confirms it.")


@desk_page("proposals/", name="proposals", may=may_analyse)
def proposals_page(request: HttpRequest) -> HttpResponse:
    """What waits for a second person, oldest first, and what was decided lately."""
    member = analyst(request)
    found = Proposal.objects.select_related(
        "proposed_by",
        "decided_by",
        "organization",
        "community",
        "claim",
        "claim__organization",
        "review__release",
        "erasure",
    ).defer("claim__signature", "claim__references")
    waiting = list(found.filter(state=ProposalState.OPEN).order_by("id")[:SHOWN])
    decided = list(found.exclude(state=ProposalState.OPEN).order_by("-id")[:20])
    releases, lowered = _releases(waiting), _lowered(waiting)
    context = desk_context(
        request,
        title="Waits for a second person",
        waiting=[
            (
                one,
                _about(one),
                one.proposed_by_id == member.id,
                releases.get(one.review_id or 0),
                lowered.get(one.id),
            )
            for one in waiting
        ],
        decided=[(one, _about(one)) for one in decided],
        form=ReasonForm(),
        shown=SHOWN,
    )
    return TemplateResponse(request, "admin/sharing/proposal/list.html", context)


class Release(NamedTuple):
    """What a proposed release would do: in each feed, for whom, and the digest of that."""

    feeds: list[FeedChange]
    readers: list[Reader]
    digest: str


def _releases(waiting: Sequence[Proposal]) -> dict[int, Release]:
    """By case, what the releases among these would do, as the page of the case shows it."""
    found = outlooks((Asked.of(one.review) for one in waiting if one.review is not None), now=timezone.now())
    return {
        review_id: Release(feed_changes(outlook), outlook.readers, outlook.digest)
        for review_id, outlook in found.items()
    }


def _lowered(waiting: Sequence[Proposal]) -> dict[int, Remarked]:
    """By proposal, which feeds would hold what is lowered, and which organisations begin to see it."""
    asked = [(one.id, one.claim, one.tlp) for one in waiting if one.kind == ProposalKind.LOWER_TLP]
    feeds = feeds_of({claim.community_id for _, claim, _ in asked if claim is not None}) if asked else {}
    return {
        proposal_id: remarked(feeds[claim.community_id], before=claim.tlp, after=tlp)
        for proposal_id, claim, tlp in asked
        if claim is not None and tlp is not None
    }


def _about(proposal: Proposal) -> str:
    """What it is about, for people."""
    if proposal.review is not None:
        return proposal.review.title
    if proposal.erasure is not None:
        return f"Legal order {proposal.erasure.reference}"
    return "" if proposal.claim is None else desk.title_of(proposal.claim.body)


@desk_page("proposals/<int:proposal_id>/", name="proposal_decide", may=may_analyse)
@require_POST
def decide_proposal(request: HttpRequest, proposal_id: int) -> HttpResponse:
    """Confirm a proposal as the second person, or let it not happen."""
    member, now = analyst(request), timezone.now()
    back = came_from(request, reverse("admin:proposals"))
    found = Proposal.objects.filter(id=proposal_id).first()
    if found is None:
        raise Http404
    confirming = request.POST.get("decision") == "confirm"
    form = ReasonForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Nothing was decided: say why.")
        return HttpResponseRedirect(back)
    if confirming and found.kind != ProposalKind.RELEASE:
        asked = ask_again(request)
        if asked is not None:
            return asked
    try:
        if confirming:
            proposals.confirm(
                proposal_id=proposal_id,
                member=member,
                reason=form.cleaned_data["reason"],
                # What is erased is signed by nobody, and waits for no signer.
                signer=None if found.erasure_id is not None else current_signer(now=now),
                now=now,
                shown=request.POST.get("shown", ""),
            )
            tasks.nudge_publish(found.community_id)
            if found.erasure_id is not None:
                tasks.nudge_erase()
            messages.success(request, "Confirmed; it holds from now on.")
        else:
            done = proposals.decline(
                proposal_id=proposal_id, member=member, reason=form.cleaned_data["reason"], now=now
            )
            messages.success(request, f"{done.get_state_display()}; nothing changes.")
    except _REFUSALS as refusal:
        messages.warning(request, f"{str(refusal)[:1].upper()}{str(refusal)[1:]}.")
    return HttpResponseRedirect(back)
