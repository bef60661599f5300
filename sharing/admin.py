"""The desk's pages on what leaves: cases, decided with a reason, and how far a source is believed."""

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.actor import Actor
from accounts.admin import ReadOnly, may_analyse
from accounts.models import Grade, Member, Organization, Tlp
from sharing.actions import ageing, moderation
from sharing.actions.keys import NoSigningKey, current_signer
from sharing.desk import claims_of, readers_of
from sharing.models import Collection, Review, SigningKey


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


class GradeForm(forms.ModelForm):  # type: ignore[type-arg] # it is no generic at run time
    """A source's grade, and why it is given."""

    reason = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 2, "cols": 80}),
        help_text="Why it is given another grade; recorded in its history. What it said is weighed anew.",
        max_length=2000,
    )

    class Meta:
        model = Organization
        fields = ("reliability",)

    def clean(self) -> dict[str, object]:
        """A reason beside every new grade."""
        cleaned = super().clean() or {}
        if "reliability" in self.changed_data and not str(cleaned.get("reason", "")).strip():
            self.add_error("reason", "Say why this source is given another grade.")
        return cleaned


class GradeInline(admin.TabularInline):  # type: ignore[type-arg] # it is no generic at run time
    """The history of a source's grades."""

    model = Grade
    extra = 0
    can_delete = False
    fields = readonly_fields = ("graded_at", "reliability", "reason", "graded_by")
    ordering = ("-id",)
    verbose_name_plural = "history of its grades"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)


@admin.register(Organization)
class OrganizationAdmin(ReadOnly):
    """Organisations; as sources they are given a grade here."""

    list_display = ("name", "slug", "sector", "reliability")
    list_filter = ("sector", "reliability")
    search_fields = ("name", "slug")
    form = GradeForm
    fields = ("name", "slug", "sector", "platforms", "created_at", "reliability", "reason")
    readonly_fields = ("name", "slug", "sector", "platforms", "created_at")
    inlines = (GradeInline,)

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)

    def save_model(self, request: HttpRequest, obj: Organization, form: GradeForm, change: bool) -> None:
        """Through the action, so that the history, the audit trail and every confidence follow."""
        member = request.user
        if isinstance(member, Member):
            ageing.regrade(
                organization_id=obj.id,
                reliability=form.cleaned_data["reliability"],
                reason=form.cleaned_data["reason"] or "unchanged",
                by=Actor(f"member:{member.username}", member.organization_id),
                now=timezone.now(),
            )


@admin.register(Collection)
class CollectionAdmin(ReadOnly):
    """Collections and how far they have grown."""

    list_display = ("title", "community", "kind", "ceiling", "profile", "next_index", "link")
    list_filter = ("community", "kind")
    list_select_related = ("community",)

    @admin.display(description="URL")
    def link(self, collection: Collection) -> SafeString:
        return format_html(
            "<code>/taxii2/{}/collections/{}/</code>", collection.community.slug, collection.id
        )


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnly):
    """Public keys; `manage.py rotate_keys` makes a new one."""

    list_display = ("kid", "use_from", "retired_at")
