"""The desk's pages on what was sent and what became of it: receipts, quarantine, webhooks, silent sources."""

from collections import Counter
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from accounts.admin.base import ActedOn, ReadOnly, actor_of, may_analyse
from accounts.models import Organization
from indicators.actions import submissions
from indicators.models import Submission, SubmissionState
from sharing import receipts, tasks
from sharing.actions import deliveries, webhooks
from sharing.models import Attempt, Delivery, DeliveryState, Silence, Told, Webhook, WebhookState
from sharing.views.rest import csv_of

_SHOWN_LINES = 200


class _Desk(ActedOn):
    """Pages that are read, with buttons beside them."""

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Nothing: what is shown is changed by buttons."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        hidden = {"show_save": object_id is None, "show_save_and_continue": False}
        found: HttpResponse = super().changeform_view(
            request, object_id, form_url, hidden | (extra_context or {})
        )
        return found


@admin.register(Submission)
class SubmissionAdmin(_Desk):
    """Submissions, newest first, each with its receipt; those in quarantine say why, and can be tried again."""

    list_display = (
        *("id", "organization", "community", "channel", "format", "object_count", "state", "came_to"),
        "received_at",
    )
    list_filter = ("state", "channel", "format", "community", "organization")
    list_select_related = ("organization", "community")
    search_fields = ("=id",)
    ordering = ("-received_at",)
    actions = ("retry",)
    change_form_template = "admin/indicators/submission/receipt.html"
    fields = (
        *("id", "organization", "community", "token", "channel", "format", "object_count", "digest"),
        *("received_at", "state", "ingested_at", "attempts", "retry_at", "fault", "outcomes", "receipt"),
    )
    readonly_fields = fields

    def get_queryset(self, request):  # type: ignore[no-untyped-def]
        """Without drafts, which have a page of their own, and without the bodies, which can be large."""
        return super().get_queryset(request).exclude(state=SubmissionState.DRAFT).defer("body")

    def get_urls(self) -> list[URLPattern]:
        """Beside the page: what was sent, the receipt as a file, and another try."""
        own = [
            path("<uuid:submission_id>/raw/", self._guarded(self.raw), name="indicators_submission_raw"),
            path("<uuid:submission_id>/csv/", self._guarded(self.csv), name="indicators_submission_csv"),
            path(
                "<uuid:submission_id>/retry/", self._guarded(self.again), name="indicators_submission_retry"
            ),
        ]
        return own + super().get_urls()

    def _guarded(self, view: Any) -> Any:
        return self.admin_site.admin_view(view)

    @admin.display(description="At ingest")
    def came_to(self, submission: Submission) -> str:
        return ", ".join(f"{count} {outcome}" for outcome, count in sorted(submission.counts.items()))

    @admin.display(description="SHA-256 of the body")
    def digest(self, submission: Submission) -> str:
        return bytes(submission.body_sha256).hex()

    @admin.display(description="What failed")
    def fault(self, submission: Submission) -> SafeString:
        return format_html("<pre>{}</pre>", submission.error or "–")

    @admin.display(description="What became of its objects")
    def outcomes(self, submission: Submission) -> SafeString:
        found = _receipt(submission)
        counted = Counter((line.outcome, line.reason) for line in found.lines)
        return format_html_join(
            "", "{} {} ({})<br>", ((count, *why) for why, count in counted.most_common())
        ) or SafeString("–")

    @admin.display(description="Receipt, as its sender sees it")
    def receipt(self, submission: Submission) -> SafeString:
        found = _receipt(submission)
        # What was not taken is what one looks for.
        lines = sorted(found.lines, key=lambda line: line.outcome != "rejected")
        rest = len(lines) - _SHOWN_LINES
        return format_html(
            '<p><a href="{}">All of it, page by page, by outcome</a></p>'
            "<table><thead><tr><th>Place<th>Object<th>Outcome<th>Why<th>Published as<th>Note</tr></thead>{}</table>{}",
            reverse("admin:indicators_submission_receipt", args=[submission.id]),
            format_html_join(
                "",
                "<tr><td>{}<td>{}<td>{}<td>{}: {}<td>{}<td>{}</tr>",
                (
                    (
                        *(line.place, line.id, line.outcome, line.reason, line.sentence),
                        *(line.published_id or "–", line.note),
                    )
                    for line in lines[:_SHOWN_LINES]
                ),
            ),
            f"and {rest} more: save the receipt as CSV." if rest > 0 else "",
        )

    @admin.action(description="Retry: put back what is in quarantine")
    def retry(self, request: HttpRequest, queryset: QuerySet[Submission]) -> None:
        self._retry(request, list(queryset.values_list("id", flat=True)))

    def again(self, request: HttpRequest, submission_id: UUID) -> HttpResponse:
        """The button beside one submission."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        self._retry(request, [submission_id])
        return HttpResponseRedirect(reverse("admin:indicators_submission_change", args=[submission_id]))

    def _retry(self, request: HttpRequest, chosen: list[UUID]) -> None:
        again = submissions.retry(submission_ids=chosen, by=actor_of(request), now=timezone.now())
        for submission_id in again:
            tasks.nudge_ingest(submission_id)
        if again:
            self.message_user(request, f"{len(again)} put back; they are tried at once.", messages.SUCCESS)
        if len(again) < len(chosen):
            others = len(chosen) - len(again)
            self.message_user(request, f"{others} not in quarantine, and left alone.", messages.WARNING)

    def raw(self, request: HttpRequest, submission_id: UUID) -> HttpResponse:
        """What was sent, byte for byte, to be saved; written down in the audit trail."""
        body = submissions.raw_body(submission_id=submission_id, by=actor_of(request), now=timezone.now())
        if body is None:
            raise Http404("It is not there, or its bytes were not kept.")
        return HttpResponse(
            body,
            content_type="application/octet-stream",
            headers={
                "Content-Disposition": f'attachment; filename="submission-{submission_id}.bin"',
                "Cache-Control": "no-store",
            },
        )

    def csv(self, request: HttpRequest, submission_id: UUID) -> HttpResponse:
        """The whole receipt, to be saved."""
        actor_of(request)
        submission = Submission.objects.filter(id=submission_id).defer("body").first()
        if submission is None:
            raise Http404
        return csv_of(_receipt(submission))

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Submission | None = None,
    ) -> HttpResponse:
        shown = {
            "quarantined": SubmissionState.QUARANTINED,
            "kept": obj is not None and submissions.is_kept(submission_id=obj.id),
        }
        return super().render_change_form(request, context | shown, add, change, form_url, obj)


def _receipt(submission: Submission) -> receipts.Receipt:
    found = getattr(submission, "_shown_receipt", None) or receipts.receipt(
        submission.organization_id, submission.id
    )
    assert found is not None
    submission._shown_receipt = found  # type: ignore[attr-defined] # asked for once a page
    return found


class WebhookForm(forms.ModelForm):  # type: ignore[type-arg] # it is no generic at run time
    """A webhook, as the operator makes one for an organisation."""

    organization = forms.ModelChoiceField(Organization.objects.order_by("name"))
    url = forms.CharField(max_length=2000, label="URL", widget=forms.TextInput(attrs={"size": 80}))
    what = forms.MultipleChoiceField(choices=Told.choices, widget=forms.CheckboxSelectMultiple)
    internal = forms.BooleanField(
        required=False,
        help_text="It is inside our own network: http and internal addresses are called too.",
    )

    class Meta:
        model = Webhook
        fields = ("organization", "url", "what", "internal")


@admin.register(Webhook)
class WebhookAdmin(_Desk):
    """Webhooks of all organisations; made, paused, tried and deleted here too."""

    list_display = ("url", "organization", "told", "state", "failures", "internal", "created_at")
    list_filter = ("state", "organization")
    list_select_related = ("organization",)
    ordering = ("organization", "created_at")
    actions = ("test", "pause", "resume", "mark_internal", "mark_external", "remove")
    fields = (
        *("id", "organization", "url", "told", "state", "failures", "next_at", "internal", "created_at"),
        *("created_by", "latest"),
    )
    readonly_fields = fields

    def has_add_permission(self, request: HttpRequest) -> bool:
        return may_analyse(request)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        return WebhookForm if obj is None else super().get_form(request, obj, change, **kwargs)

    def get_fields(self, request: HttpRequest, obj: object = None) -> Any:
        return WebhookForm.Meta.fields if obj is None else self.fields

    def get_readonly_fields(self, request: HttpRequest, obj: object = None) -> Any:
        return () if obj is None else self.readonly_fields

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Through the action, whose refusals stand at the URL."""
        if request.method == "POST" and may_analyse(request):
            form = WebhookForm(request.POST)
            if form.is_valid():
                try:
                    made = webhooks.create(
                        organization_id=form.cleaned_data["organization"].id,
                        url=form.cleaned_data["url"],
                        what=form.cleaned_data["what"],
                        internal=form.cleaned_data["internal"],
                        by=actor_of(request),
                        now=timezone.now(),
                    )
                except webhooks.NotTaken as refusal:
                    self.message_user(request, str(refusal), messages.ERROR)
                    return HttpResponseRedirect(reverse("admin:sharing_webhook_add"))
                self.message_user(request, "Made; try it with a test.", messages.SUCCESS)
                return HttpResponseRedirect(reverse("admin:sharing_webhook_change", args=[made.id]))
        return super().add_view(request, form_url, extra_context)

    @admin.display(description="What it is told")
    def told(self, webhook: Webhook) -> str:
        return ", ".join(webhook.what)

    @admin.display(description="Latest deliveries")
    def latest(self, webhook: Webhook) -> SafeString:
        return format_html_join(
            "",
            '<a href="{}">{:%Y-%m-%d %H:%M:%S} {} {}</a><br>',
            (
                (reverse("admin:sharing_delivery_change", args=[one.id]), one.created_at, one.kind, one.state)
                for one in deliveries.page(webhook_id=webhook.id, limit=20)
            ),
        ) or SafeString("None yet.")

    @admin.action(description="Test: deliver something that tells nothing")
    def test(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        for webhook in queryset:
            deliveries.queue_test(webhook=webhook, by=actor_of(request), now=timezone.now())
        tasks.nudge_deliver()
        self.message_user(request, "A test is on its way: see the deliveries.", messages.SUCCESS)

    @admin.action(description="Pause")
    def pause(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._change(request, queryset, state=WebhookState.PAUSED)

    @admin.action(description="Go on")
    def resume(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._change(request, queryset, state=WebhookState.ACTIVE)

    @admin.action(description="Mark as internal: call http and internal addresses")
    def mark_internal(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._change(request, queryset, internal=True)

    @admin.action(description="Mark as external: call https on public addresses only")
    def mark_external(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        self._change(request, queryset, internal=False)

    @admin.action(description="Delete, with the deliveries")
    def remove(self, request: HttpRequest, queryset: QuerySet[Webhook]) -> None:
        for webhook in queryset:
            webhooks.delete(webhook=webhook, by=actor_of(request), now=timezone.now())
        self.message_user(request, "Deleted.", messages.SUCCESS)

    def _change(self, request: HttpRequest, queryset: QuerySet[Webhook], **changes: Any) -> None:
        for webhook in queryset:
            webhooks.change(webhook=webhook, by=actor_of(request), now=timezone.now(), **changes)
        self.message_user(request, "Done.", messages.SUCCESS)


class AttemptInline(admin.TabularInline):  # type: ignore[type-arg] # it is no generic at run time
    """Every attempt at a delivery."""

    model = Attempt
    extra = 0
    can_delete = False
    fields = readonly_fields = ("at", "status", "error")
    ordering = ("id",)
    verbose_name_plural = "attempts"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)


@admin.register(Delivery)
class DeliveryAdmin(_Desk):
    """Deliveries, newest first, with every attempt; what is not on its way can be sent again."""

    list_display = ("id", "organization", "webhook", "kind", "state", "attempts", "last_status", "created_at")
    list_filter = ("state", "kind", "webhook__organization")
    list_select_related = ("webhook__organization",)
    search_fields = ("=id", "=submission__id")
    ordering = ("-created_at", "-id")
    show_full_result_count = False
    actions = ("resend",)
    inlines = (AttemptInline,)
    fields = (
        *("id", "organization", "webhook", "kind", "submission", "notice", "state", "attempts", "created_at"),
        *("next_at", "delivered_at", "last_status", "last_error", "signature", "text"),
    )
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Delivery]:
        """Bodies are large: only the page of one shows it."""
        found: QuerySet[Delivery] = super().get_queryset(request)
        return found.defer("body")

    @admin.display(description="Organisation")
    def organization(self, delivery: Delivery) -> str:
        return delivery.webhook.organization.name

    @admin.display(description="Body")
    def text(self, delivery: Delivery) -> SafeString:
        if not delivery.body:
            return SafeString("Not written yet.")
        return format_html("<pre>{}</pre>", bytes(delivery.body)[:20_000].decode("utf-8", "replace"))

    @admin.action(description="Send again")
    def resend(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        waiting = 0
        for delivery in queryset.defer("body"):
            try:
                deliveries.resend(delivery=delivery, by=actor_of(request), now=timezone.now())
            except deliveries.NotResendable:
                waiting += 1
        tasks.nudge_deliver()
        if waiting:
            self.message_user(
                request,
                f"{waiting} still on their way ({DeliveryState.PENDING}), and left alone.",
                messages.WARNING,
            )
        self.message_user(request, "The others are sent again.", messages.SUCCESS)


@admin.register(Silence)
class SilenceAdmin(ReadOnly):
    """Sources that normally send and fell silent, the latest first; those without an end are silent now."""

    list_display = (
        *("organization", "community", "channel", "token", "last_received_at", "noticed_at", "ended_at"),
    )
    list_filter = (("ended_at", admin.EmptyFieldListFilter), "organization", "community")
    list_select_related = ("organization", "community", "token")
    ordering = ("-id",)
