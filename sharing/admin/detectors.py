"""The desk's pages on detectors and what they found: how far each is trusted, limits, and withdrawals."""

from collections.abc import Sequence

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Count, OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.base import ActedOn, ReadOnly, ReasonField, ReasonForm, actor_of, may_analyse
from accounts.models import Member, Role
from indicators.actions import detectors as register
from indicators.models import Claim, Detector, Finding
from sharing import desk, tasks
from sharing.actions import detectors


class DetectorForm(forms.ModelForm):  # type: ignore[type-arg] # it is no generic at run time
    """How far a detector is trusted, and why."""

    reason = ReasonField(
        "Why it changes; recorded in the audit trail, and told to its organisation with a new tier.",
        required=False,
    )

    class Meta:
        model = Detector
        fields = ("tier", "false_positive_rate", "min_precision", "min_decisions")

    def clean(self) -> dict[str, object]:
        """A reason beside every change."""
        cleaned = super().clean() or {}
        if set(self.changed_data) - {"reason"} and not str(cleaned.get("reason", "")).strip():
            self.add_error("reason", "Say why.")
        return cleaned


class WhyForm(ReasonForm):
    """Why."""

    reason = ReasonField(
        "Recorded in the audit trail, and told to its organisation.",
        missing="Say why: its organisation will ask.",
        autofocus=True,
    )


@admin.register(Detector)
class DetectorAdmin(ActedOn):
    """Detectors: how good each is, how far it is trusted; limits put on and lifted, and all its findings withdrawn.

    The fields of the form are the admins'.
    """

    list_display = ("title", "organization", "state", "precision", "findings", "rate", "last_finding_at")
    list_display_links = ("title",)
    list_filter = (
        "tier",
        ("limited_at", admin.EmptyFieldListFilter),
        ("withdrawn_at", admin.EmptyFieldListFilter),
        "organization",
    )
    list_select_related = ("organization",)
    list_per_page = 50
    search_fields = ("=analytic", "name", "=version")
    search_help_text = "The uid of an analytic, a name, or a version."
    ordering = ("organization__name", "analytic", "version")
    actions = ("limit", "lift", "withdraw", "restore")
    form = DetectorForm
    _told = (
        *("organization", "analytic", "version", "name", "method", "state", "precision", "findings"),
        *("first_finding_at", "last_finding_at", "registered_at", "registered_by", "withdrawn_at"),
    )
    _settings = ("tier", "false_positive_rate", "min_precision", "min_decisions")

    def get_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return (*self._told, *self._settings, *(("reason",) if _may_administer(request) else ()))

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> tuple[str, ...]:
        return self._told if _may_administer(request) else (*self._told, *self._settings)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Detector]:
        found = Finding.objects.filter(detector=OuterRef("pk")).values("detector")
        made: QuerySet[Detector] = super().get_queryset(request)
        return made.annotate(finding_count=Subquery(found.annotate(number=Count("id")).values("number")))

    def load_beside(self, rows: Sequence[Detector]) -> None:
        found = register.precisions([detector.id for detector in rows])
        for detector in rows:
            detector.measured = found[detector.id]  # type: ignore[attr-defined] # for the column below

    @admin.display(description="Detector", ordering="analytic")
    def title(self, detector: Detector) -> str:
        return str(detector)

    @admin.display(description="State")
    def state(self, detector: Detector) -> str:
        if detector.limited_at is not None:
            return f"limited since {detector.limited_at:%Y-%m-%d %H:%M}: {detector.limited_reason}"
        return "limited to review by its tier" if detector.is_limited else "trusted"

    @admin.display(description="Precision")
    def precision(self, detector: Detector) -> str:
        measured = getattr(detector, "measured", None)
        return str(measured or register.precisions([detector.id])[detector.id])

    @admin.display(description="Findings")
    def findings(self, detector: Detector) -> SafeString:
        number = detector.finding_count or 0  # type: ignore[attr-defined] # annotated above
        where = reverse("admin:indicators_finding_changelist")
        return format_html('<a href="{}?detector__id__exact={}">{}</a>', where, detector.id, number)

    @admin.display(description="False-positive rate", ordering="false_positive_rate")
    def rate(self, detector: Detector) -> str:
        rate = detector.false_positive_rate
        return "not measured" if rate is None else f"{rate:.2%}"

    def save_model(self, request: HttpRequest, obj: Detector, form: DetectorForm, change: bool) -> None:
        """Through the action, so that the audit trail and what waits follow."""
        if not _may_administer(request):
            raise PermissionDenied
        said = {name: form.cleaned_data[name] for name in self._settings if name in form.changed_data}
        if said:
            detectors.change(
                detector_id=obj.id,
                reason=form.cleaned_data["reason"],
                by=actor_of(request),
                now=timezone.now(),
                **said,
            )

    @admin.action(description="Limit to review: an analyst decides what they find")
    def limit(self, request: HttpRequest, queryset: QuerySet[Detector]) -> HttpResponse | None:
        effect = (
            "What they find from now on leaves by an analyst's decision only; what stands goes on standing."
        )
        return self._decide(request, queryset, "limit", "Limit to review", effect)

    @admin.action(description="Lift the limit that was put on them")
    def lift(self, request: HttpRequest, queryset: QuerySet[Detector]) -> HttpResponse | None:
        effect = (
            "What waits only for the limit is decided again, by each community's rule. What was decided or counted"
            " before weighs no more. The tier stays what it is."
        )
        return self._decide(request, queryset, "lift", "Lift the limit", effect)

    @admin.action(description="Withdraw all their findings: first a preview")
    def withdraw(self, request: HttpRequest, queryset: QuerySet[Detector]) -> HttpResponse | None:
        effect = "Nothing is changed yet: this is what a withdrawal would change now."
        return self._decide(request, queryset, "withdraw", "Withdraw all findings", effect)

    @admin.action(description="Undo a withdrawal")
    def restore(self, request: HttpRequest, queryset: QuerySet[Detector]) -> HttpResponse | None:
        effect = (
            "What was withdrawn is said again; what the feeds revoked comes back under new ids. The detectors stay"
            " limited until that is lifted too."
        )
        return self._decide(request, queryset, "restore", "Undo the withdrawal", effect)

    def _decide(
        self, request: HttpRequest, queryset: QuerySet[Detector], action: str, verb: str, effect: str
    ) -> HttpResponse | None:
        form = WhyForm(request.POST if "decide" in request.POST else None)
        chosen = list(queryset.select_related("organization"))
        if not form.is_valid():
            now = timezone.now()
            previews = [
                detectors.preview(detector_id=one.id, now=now) if action == "withdraw" else None
                for one in chosen
            ]
            context = {
                **self.admin_site.each_context(request),
                "title": f"{verb}: {len(chosen)} detector{'s' if len(chosen) != 1 else ''}",
                "form": form,
                "detectors": list(zip(chosen, previews, strict=True)),
                "action": action,
                "verb": verb,
                "effect": effect,
                "opts": self.model._meta,
            }
            return TemplateResponse(request, "admin/indicators/detector/decide.html", context)
        for detector in chosen:
            level, sentence = self._do(request, detector, action, form.cleaned_data["reason"])
            self.message_user(request, f"{detector}: {sentence}", level)
        return None

    def _do(self, request: HttpRequest, detector: Detector, action: str, reason: str) -> tuple[int, str]:
        by, now = actor_of(request), timezone.now()
        if action == "limit":
            done = register.limit(detector_id=detector.id, reason=reason, by=by, now=now)
            return (
                (messages.SUCCESS, "limited to review.")
                if done
                else (messages.WARNING, "it is limited already.")
            )
        if action == "lift":
            done = detectors.lift(detector_id=detector.id, reason=reason, by=by, now=now)
            return (
                (messages.SUCCESS, "the limit is lifted.")
                if done
                else (messages.WARNING, "no limit is put on it.")
            )
        act = detectors.withdraw_version if action == "withdraw" else detectors.restore_version
        try:
            changed = act(detector_id=detector.id, reason=reason, by=by, now=now)
        except detectors.NotWithdrawn as refusal:
            return messages.WARNING, f"{refusal}."
        for community_id in changed.communities:
            tasks.nudge_publish(community_id)
        became = "withdrawn" if action == "withdraw" else "restored"
        return messages.SUCCESS, f"{changed.findings} findings {became}; the feeds follow in a few seconds."


@admin.register(Finding)
class FindingAdmin(ReadOnly):
    """What detectors found, as they sent it last."""

    list_display = ("uid", "detector", "organization", "community", "state", "received_at")
    list_filter = ("state", "community", "detector")
    list_select_related = ("detector", "organization", "community")
    search_fields = ("=uid", "=object_id")
    search_help_text = "The uid of a finding, or the id of its indicator."
    ordering = ("-id",)
    list_per_page = 50
    show_full_result_count = False
    fields = readonly_fields = (
        *("uid", "detector", "organization", "community", "state", "indicator", "created", "version"),
        *("submission", "received_at"),
    )

    @admin.display(description="Indicator")
    def indicator(self, finding: Finding) -> SafeString | str:
        claim = Claim.objects.filter(
            community=finding.community, organization=finding.organization, object_id=finding.object_id
        ).first()
        return (
            "none: it had no pattern, or that was refused"
            if claim is None
            else desk.link_to(claim.subject_id)
        )


def _may_administer(request: HttpRequest) -> bool:
    """Whether the signed-in member is an admin of the operator."""
    member = request.user
    return (
        may_analyse(request)
        and isinstance(member, Member)
        and (member.is_superuser or member.role == Role.ADMIN)
    )
