"""Webhooks: an organisation names an address, and says what it wants to be told there."""

from collections.abc import Sequence
from datetime import datetime
from ipaddress import ip_address
from uuid import UUID, uuid4

from django.db import IntegrityError, transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.sources import web
from sharing.models import Webhook, WebhookState

MOST = 10
"""Webhooks of one organisation."""


class NotTaken(ValueError):
    """A webhook that cannot be: `code` for machines, the message a sentence, and the status that says it in HTTP."""

    def __init__(self, code: str, sentence: str, http_status: int) -> None:
        super().__init__(sentence)
        self.code = code
        self.http_status = http_status


def create(
    *,
    organization_id: UUID,
    url: str,
    what: Sequence[str],
    by: Actor,
    now: datetime,
    internal: bool = False,
) -> Webhook:
    """A webhook, active at once; `NotTaken` if its URL is none that is called, or stands already.

    `internal`, for the operator to say: http, and addresses that are not public, are called too.
    """
    try:
        parsed = web.parse(url, internal=internal)
        _refuse_internal(parsed, internal=internal)
    except web.WebError as refusal:
        raise NotTaken("webhook-url", refusal.sentence, 400) from refusal
    try:
        with transaction.atomic():
            sql.lock(f"webhooks:{organization_id}")
            if Webhook.objects.filter(organization_id=organization_id).count() >= MOST:
                raise NotTaken("too-many-webhooks", f"An organisation has {MOST} webhooks at most.", 409)
            made = Webhook.objects.create(
                id=uuid4(),
                organization_id=organization_id,
                url=str(parsed),
                what=sorted(set(what)),
                internal=internal,
                next_at=now,
                created_at=now,
                created_by=by.name,
            )
            record(
                by=by,
                now=now,
                action="webhook.create",
                target=f"webhook:{made.id}",
                detail={"url": made.url, "what": made.what, "internal": internal},
            )
    except IntegrityError:
        raise NotTaken("webhook-exists", "There is a webhook with this URL already.", 409) from None
    return made


def _refuse_internal(url: web.Url, *, internal: bool) -> None:
    """An address that is never called is refused when it is named; names are resolved at every delivery."""
    try:
        what = None if internal else web.not_public(ip_address(url.host))
    except ValueError:
        what = "loopback" if url.host == "localhost" or url.host.endswith(".localhost") else None
    if what is not None:
        raise web.AddressRefused(f"{url.host} is {what}: only public addresses are called.")


@transaction.atomic
def change(
    *,
    webhook: Webhook,
    by: Actor,
    now: datetime,
    state: str | None = None,
    what: Sequence[str] | None = None,
    internal: bool | None = None,
) -> Webhook:
    """Pause it, let it go on at once, or tell it other things; what is due meanwhile waits.

    `Webhook.DoesNotExist` if it was deleted meanwhile.
    """
    changed = Webhook.objects.select_for_update().get(id=webhook.id)
    if what is not None:
        changed.what = sorted(set(what))
    if internal is not None:
        changed.internal = internal
    if state == WebhookState.PAUSED:
        changed.state = WebhookState.PAUSED
    elif state == WebhookState.ACTIVE:
        changed.state, changed.failures, changed.next_at = WebhookState.ACTIVE, 0, now
    changed.save(update_fields=["what", "internal", "state", "failures", "next_at"])
    record(
        by=by,
        now=now,
        action="webhook.change",
        target=f"webhook:{webhook.id}",
        detail={"state": changed.state, "what": changed.what, "internal": changed.internal},
    )
    return changed


@transaction.atomic
def delete(*, webhook: Webhook, by: Actor, now: datetime) -> None:
    """The webhook goes, with its deliveries."""
    # What ingest adds to them meanwhile is waited for, and goes too.
    Webhook.objects.select_for_update().filter(id=webhook.id).first()
    record(
        by=by, now=now, action="webhook.delete", target=f"webhook:{webhook.id}", detail={"url": webhook.url}
    )
    webhook.delete()
