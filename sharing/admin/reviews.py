"""Cases, decided with a reason."""

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin.base import ReadOnly, may_analyse
from accounts.models import Member, Tlp
from sharing.actions import moderation
from sharing.actions.keys import NoSigningKey, current_signer
from sharing.desk import claims_of, readers_of
from sharing.models import Review


class DecisionForm(forms.Form):
    """Why."""

    reason = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 3, "cols": 80, "autofocus": True}),
        help_text="Recorded in the audit trail; of a rejection it reaches the submitters' receipts.",
        max_length=2000,
    )


@admin.register(Review)
class ReviewAdmin(ReadOnly):
    """Cases: select some, then approve or reject them with one reason."""

    list_display = (
        "published_id",
        "community",
        "audience",
        "why",
        "sources",
        "state",
        "opened_at",
        "decided_by",
    )
    list_filter = ("state", "community", "release__ceiling")
    search_fields = ("=release__published_id",)
    ordering = ("-id",)
    list_select_related = ("release", "community", "decided_by")
    actions = ("approve", "reject")
    fields = (
        *("published_id", "community", "audience", "state", "why", "explanation", "confidence", "sources"),
        *("readers", "claims", "opened_at", "decided_at", "decided_by", "decision_reason"),
    )
    readonly_fields = fields

    @admin.display(description="Object", ordering="release__published_id")
    def published_id(self, review: Review) -> str:
        return review.release.published_id

    @admin.display(description="Audience", ordering="release__ceiling")
    def audience(self, review: Review) -> str:
        return f"up to {Tlp(review.release.ceiling).label}"

    @admin.display(description="Why it is here")
    def why(self, review: Review) -> str:
        return review.release.reason

    @admin.display(description="In words")
    def explanation(self, review: Review) -> str:
        return review.release.sentence

    @admin.display(description="Confidence")
    def confidence(self, review: Review) -> str:
        return "–" if review.release.confidence is None else str(review.release.confidence)

    @admin.display(description="Who would receive it")
    def readers(self, review: Review) -> str:
        return ", ".join(readers_of(review)) or "nobody"

    @admin.display(description="What each source says")
    def claims(self, review: Review) -> SafeString:
        return format_html(
            '{}<a href="{}">Not all about one thing? Split claims off</a>',
            self._claims(review),
            reverse("admin:indicators_subject_change", args=[review.release.subject_id]),
        )

    def _claims(self, review: Review) -> SafeString:
        return format_html_join(
            "",
            "<details open><summary>{} · {} · received {}</summary><pre>{}</pre></details>",
            (
                (claim.organization, claim.tlp, f"{claim.received_at:%Y-%m-%d %H:%M}", claim.text)
                for claim in claims_of(review)
            ),
        )

    @admin.action(description="Approve: publish to this audience")
    def approve(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
        return self._decide(request, queryset, "approve", "Approve")

    @admin.action(description="Reject: keep it from this audience")
    def reject(self, request: HttpRequest, queryset: QuerySet[Review]) -> HttpResponse | None:
        return self._decide(request, queryset, "reject", "Reject")

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        # Django offers actions only to those who may change something; the form has no field to change.
        return may_analyse(request)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Review], action: str, verb: str
    ) -> HttpResponse | None:
        form = DecisionForm(request.POST if "decide" in request.POST else None)
        cases = list(queryset.select_related("release", "community"))
        if not form.is_valid():
            context = {
                **self.admin_site.each_context(request),
                "title": f"{verb} {len(cases)} case{'s' if len(cases) != 1 else ''}",
                "form": form,
                "cases": [(case, readers_of(case)) for case in cases[:50]],
                "more": max(0, len(cases) - 50),
                "ids": [case.id for case in cases],
                "action": action,
                "verb": verb,
                "opts": self.model._meta,
            }
            return TemplateResponse(request, "admin/sharing/review/decide.html", context)
        decided = 0
        for case in cases:
            if self._decide_one(request, case, action, form.cleaned_data["reason"]):
                decided += 1
        if decided:
            self.message_user(request, f"{verb}: {decided} decided.", messages.SUCCESS)
        return None

    def _decide_one(self, request: HttpRequest, case: Review, action: str, reason: str) -> bool:
        member = request.user
        now = timezone.now()
        decide = moderation.approve if action == "approve" else moderation.reject
        try:
            if not isinstance(member, Member) or not may_analyse(request):
                raise moderation.NotAllowed("only the operator's analysts decide")
            decide(review_id=case.id, member=member, reason=reason, signer=current_signer(now=now), now=now)
        except (
            moderation.NotPending,
            moderation.NotAllowed,
            moderation.ReasonMissing,
            NoSigningKey,
        ) as refusal:
            self.message_user(request, f"{case.release.published_id}: {refusal}.", messages.WARNING)
            return False
        return True
