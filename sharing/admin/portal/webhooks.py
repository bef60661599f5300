"""An organisation's own webhooks: every member may look, its admins change them."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from accounts.admin.own import may_administer_own, may_own, own
from accounts.admin.site import desk_context, desk_page
from sharing.actions import deliveries
from sharing.actions import webhooks as actions
from sharing.models import Delivery, Told, Webhook, WebhookState
from sharing.tasks import nudge_deliver

DELIVERIES_SHOWN = 50


class WebhookForm(forms.Form):
    """A webhook as an organisation's admin names one."""

    url = forms.CharField(max_length=2000, label="URL", help_text="https, and on a public address.")
    what = forms.MultipleChoiceField(
        choices=Told.choices,
        widget=forms.CheckboxSelectMultiple,
        label="What it is told",
        initial=Told.values,
    )


@desk_page("portal/webhooks/", name="portal_webhooks", may=may_own)
@require_http_methods(["GET", "HEAD", "POST"])
def webhooks(request: HttpRequest) -> HttpResponse:
    """An organisation's webhooks, and a form for another."""
    mine = own(request)
    if request.method == "POST" and not mine.may_administer:
        raise Http404
    form = WebhookForm(request.POST or None) if mine.may_administer else None
    if form is not None and form.is_valid():
        try:
            made = actions.create(
                organization_id=mine.id,
                url=form.cleaned_data["url"],
                what=form.cleaned_data["what"],
                by=mine.actor,
                now=timezone.now(),
            )
        except actions.NotTaken as refusal:
            form.add_error("url", str(refusal))
        else:
            messages.success(request, "Made; try it with a test.")
            return redirect("admin:portal_webhook", made.id)
    found = Webhook.objects.filter(organization_id=mine.id).order_by("created_at", "id")
    context = desk_context(request, title="Webhooks", own=mine, webhooks=list(found), form=form)
    return render(request, "admin/portal/webhooks.html", context)


@desk_page("portal/webhooks/<uuid:webhook_id>/", name="portal_webhook", may=may_own)
@require_safe
def webhook(request: HttpRequest, webhook_id: UUID) -> HttpResponse:
    """One webhook with its latest deliveries."""
    found = _own(request, webhook_id)
    context = desk_context(
        request,
        title="Webhook",
        own=own(request),
        webhook=found,
        deliveries=deliveries.page(webhook_id=found.id, limit=DELIVERIES_SHOWN),
    )
    return render(request, "admin/portal/webhook.html", context)


@desk_page(
    "portal/webhooks/<uuid:webhook_id>/<slug:doing>/", name="portal_webhook_do", may=may_administer_own
)
@require_POST
def do(request: HttpRequest, webhook_id: UUID, doing: str) -> HttpResponse:
    """Test, pause, resume or delete a webhook."""
    found, by, now = _own(request, webhook_id), own(request).actor, timezone.now()
    try:
        if doing == "test":
            deliveries.queue_test(webhook=found, by=by, now=now)
            nudge_deliver()
            messages.info(request, "A test is on its way; load this page again for the result.")
        elif doing == "pause":
            actions.change(webhook=found, by=by, now=now, state=WebhookState.PAUSED)
            messages.success(request, "Paused: what is due waits.")
        elif doing == "resume":
            actions.change(webhook=found, by=by, now=now, state=WebhookState.ACTIVE)
            nudge_deliver()
            messages.success(request, "Active: what waited is sent.")
        elif doing == "delete":
            actions.delete(webhook=found, by=by, now=now)
            messages.success(request, "Deleted, with its deliveries.")
            return redirect("admin:portal_webhooks")
        else:
            raise Http404
    except Webhook.DoesNotExist:
        raise Http404 from None
    return redirect("admin:portal_webhook", found.id)


@desk_page(
    "portal/webhooks/<uuid:webhook_id>/deliveries/<uuid:delivery_id>/again/",
    name="portal_delivery_again",
    may=may_administer_own,
)
@require_POST
def again(request: HttpRequest, webhook_id: UUID, delivery_id: UUID) -> HttpResponse:
    """Send a delivery once more."""
    webhook = _own(request, webhook_id)
    found = Delivery.objects.filter(id=delivery_id, webhook=webhook).defer("body").first()
    if found is None:
        raise Http404
    try:
        deliveries.resend(delivery=found, by=own(request).actor, now=timezone.now())
    except deliveries.NotResendable as refusal:
        messages.warning(request, f"{str(refusal).capitalize()}.")
    else:
        nudge_deliver()
        messages.success(request, "It is sent again.")
    return redirect("admin:portal_webhook", webhook.id)


def _own(request: HttpRequest, webhook_id: UUID) -> Webhook:
    """404 for any that is not the organisation's."""
    found = Webhook.objects.filter(id=webhook_id, organization_id=own(request).id).first()
    if found is None:
        raise Http404
    return found
