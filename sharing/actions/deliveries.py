"""Deliveries: what organisations are told by webhook, once each, signed, retried, recorded.

the event's transaction (`queue_receipts`), or a sweep over what was told (`queue_notices`): a row
→ `write_next`: canonical bytes, signed → `claim` → POST, by a process that holds no key → `note_answer`:
an attempt, and delivered, or later again, or failed after three days
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID, uuid4

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Q

from accounts import faults, sql
from accounts.actions import notices
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.sources import web
from indicators.stix import timestamps
from indicators.stix.canonical import canonical
from sharing import receipts
from sharing.actions.keys import NoSigningKey
from sharing.models import Attempt, Delivery, DeliveryKind, DeliveryState, Webhook, WebhookState
from sharing.signing import jws
from sharing.signing.keys import Signer

log = structlog.get_logger(__name__)

GIVE_UP_AFTER = timedelta(days=3)
STALE_AFTER = timedelta(hours=12)
"""What waited so long is written anew before it is sent, so that `at` is less than four days old at every attempt."""
FORGET_AFTER = timedelta(days=30)
MOST_LINES = 1000
"""A receipt with more lines is delivered without them: its receiver asks for them."""
LEASE = timedelta(seconds=60)
"""Who claimed a delivery has this long to say what came of it, longer than an attempt may take."""
LIMITS = web.Limits(seconds=15.0, received=64 * 1024, unpacked=64 * 1024)
"""What an attempt may take, and how much of an answer is read; only its status counts."""
UNREACHABLE = "It could not be reached."
REASONS: dict[type[web.WebError], str] = {
    web.BadUrl: "The URL cannot be called.",
    web.AddressRefused: "The host has an internal address, which is not called.",
    web.TooSlow: f"It did not answer within {LIMITS.seconds:.0f} seconds.",
    web.TooLarge: "Its answer is larger than is read.",
    web.Redirected: "It answered with a redirect, which is not followed.",
    web.BadAnswer: "Its answer is no HTTP.",
}
"""What an attempt's failure says to its organisation: never what the service's own network looks like."""
_FIRST_LOOK = timedelta(seconds=15)
_FIRST_WAIT = timedelta(seconds=10)
_LONGEST_WAIT = timedelta(hours=6)
_LONGEST_PAUSE = timedelta(hours=1)
_FAILING_FROM = 5
_AT_ONCE, _REST = timedelta(seconds=1), 20
"""An answer that takes longer is paid for: its webhook rests for so many times as long, so that the few processes that
send are not held by those who are slow, or pretend to be."""


class NotResendable(ValueError):
    """What is still on its way is not sent again."""


# ------------------------------------------------------------------------------------------------- what is due


def queue_receipts(*, submission_id: UUID, organization_id: UUID, now: datetime) -> None:
    """In the transaction of an ingest: its receipt is due now, and once more when every line is decided."""
    sql.execute(
        "INSERT INTO sharing_delivery"
        " (id, webhook_id, kind, submission_id, signature, state, attempts, next_at, created_at, last_error)"
        " SELECT gen_random_uuid(), w.id, k.kind, %(submission)s, '', 'pending', 0, k.due, %(now)s, ''"
        " FROM sharing_webhook w,"
        " (VALUES ('receipt.ingested', %(now)s::timestamptz), ('receipt.decided', %(first)s::timestamptz))"
        " k (kind, due)"
        " WHERE w.organization_id = %(organization)s AND 'receipts' = ANY(w.what)"
        # A webhook that is deleted meanwhile is waited for: nothing is due to it then, and the ingest goes on.
        " FOR KEY SHARE OF w ON CONFLICT DO NOTHING",
        {
            "submission": submission_id,
            "organization": organization_id,
            "now": now,
            "first": now + _FIRST_LOOK,
        },
    )


def queue_notices(*, now: datetime) -> int:
    """A delivery for each notice of the last days that a webhook was not told yet; how many."""
    return sql.execute(
        "INSERT INTO sharing_delivery"
        " (id, webhook_id, kind, notice_id, signature, state, attempts, next_at, created_at, last_error)"
        " SELECT gen_random_uuid(), w.id, 'notice', n.id, '', 'pending', 0, %(now)s, %(now)s, ''"
        " FROM sharing_webhook w JOIN accounts_notice n ON n.organization_id = w.organization_id"
        " WHERE 'notices' = ANY(w.what) AND n.told_at >= w.created_at AND n.told_at >= %(since)s"
        " AND NOT EXISTS (SELECT 1 FROM sharing_delivery d WHERE d.webhook_id = w.id AND d.notice_id = n.id)"
        " ON CONFLICT DO NOTHING",
        {"now": now, "since": now - GIVE_UP_AFTER},
    )


@transaction.atomic
def queue_test(*, webhook: Webhook, by: Actor, now: datetime) -> Delivery:
    """A delivery that tells nothing, to see whether it arrives; it does not wait for those that failed before.

    One that was asked for before and not tried yet gives way to it.
    """
    _end_pause(webhook.id, now)
    Delivery.objects.filter(
        webhook=webhook, kind=DeliveryKind.TEST, state=DeliveryState.PENDING, attempts=0
    ).update(state=DeliveryState.FAILED, last_error="Another test was asked for before this one was sent.")
    made = Delivery.objects.create(
        id=uuid4(), webhook=webhook, kind=DeliveryKind.TEST, next_at=now, created_at=now
    )
    record(by=by, now=now, action="webhook.test", target=f"webhook:{webhook.id}")
    return made


@transaction.atomic
def resend(*, delivery: Delivery, by: Actor, now: datetime) -> None:
    """Send once more what was delivered or has failed: under the same id, written anew."""
    # The webhook's row first, as everywhere: so two never wait for each other.
    _end_pause(delivery.webhook_id, now)
    changed = Delivery.objects.filter(id=delivery.id).exclude(state=DeliveryState.PENDING)
    if not changed.update(
        state=DeliveryState.PENDING,
        body=None,
        signature="",
        next_at=now,
        started_at=None,
        delivered_at=None,
    ):
        raise NotResendable("it is still on its way")
    record(by=by, now=now, action="delivery.resend", target=f"delivery:{delivery.id}")


def _end_pause(webhook_id: UUID, now: datetime) -> None:
    """Somebody looks: what was put off because of failures is not; who is only slow waits for its turn."""
    Webhook.objects.filter(id=webhook_id, failures__gt=0).update(next_at=now)


def forget(*, now: datetime) -> int:
    """Deliveries of more than thirty days ago go, with their attempts; how many."""
    # Without the bodies: they may be more than fits into memory.
    gone, _ = Delivery.objects.filter(created_at__lt=now - FORGET_AFTER).only("id").delete()
    return gone


def forget_submission(*, submission_id: UUID, now: datetime) -> None:
    """Something of a submission was erased: what was told of it goes, and what is still to be told is written anew."""
    sql.execute(
        "UPDATE sharing_delivery SET signature = '', body = CASE WHEN state = 'pending' THEN NULL ELSE ''::bytea END,"
        " next_at = CASE WHEN state = 'pending' THEN least(next_at, %s) ELSE next_at END WHERE submission_id = %s",
        (now, submission_id),
    )


def is_due(*, now: datetime) -> bool:
    """Whether anything waits to be written or sent."""
    return (
        sql.row(
            "SELECT 1 FROM sharing_delivery d JOIN sharing_webhook w ON w.id = d.webhook_id"
            " WHERE d.state = 'pending' AND d.next_at <= %(now)s"
            " AND (d.body IS NULL OR w.state <> 'paused' AND w.next_at <= %(now)s) LIMIT 1",
            {"now": now},
        )
        is not None
    )


def page(
    *, webhook_id: UUID, limit: int, after: UUID | None = None, state: str | None = None
) -> list[Delivery]:
    """Deliveries of a webhook, newest first, those that stand behind `after`, which is one of them."""
    found = Delivery.objects.filter(webhook_id=webhook_id).defer("body")
    if state is not None:
        found = found.filter(state=state)
    if after is not None:
        last = Delivery.objects.filter(webhook_id=webhook_id, id=after).values("created_at", "id").first()
        if last is None:
            return []
        found = found.filter(
            Q(created_at__lt=last["created_at"]) | Q(created_at=last["created_at"], id__lt=last["id"])
        )
    return list(found.order_by("-created_at", "-id")[:limit])


# ------------------------------------------------------------------------------------------------- writing


@transaction.atomic
def write_next(*, signer: Signer, now: datetime) -> bool:
    """Write and sign one delivery that is due, or put it off while its receipt is undecided; False if none is due."""
    found = sql.row(
        "SELECT d.id, d.kind, d.submission_id, d.notice_id, d.created_at, w.id, w.organization_id, o.slug"
        " FROM sharing_delivery d JOIN sharing_webhook w ON w.id = d.webhook_id"
        " JOIN accounts_organization o ON o.id = w.organization_id"
        " WHERE d.state = 'pending' AND d.body IS NULL AND d.next_at <= %s"
        " ORDER BY d.next_at LIMIT 1 FOR UPDATE OF d SKIP LOCKED",
        (now,),
    )
    if found is None:
        return False
    try:
        with transaction.atomic():
            _write(*found, signer=signer, now=now)
    except (OperationalError, psycopg.OperationalError, NoSigningKey):
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, the others are written
        log.error("delivery_not_written", delivery=str(found[0]), fault=faults.summary(error))
        sql.execute(
            "UPDATE sharing_delivery SET state = 'failed', last_error = %s WHERE id = %s",
            ("The service failed to write it.", found[0]),
        )
    return True


def _write(
    delivery_id: UUID,
    kind: str,
    submission_id: UUID | None,
    notice_id: int | None,
    created_at: datetime,
    webhook_id: UUID,
    organization_id: UUID,
    slug: str,
    *,
    signer: Signer,
    now: datetime,
) -> None:
    said: dict[str, object] = {
        "at": timestamps.from_datetime(now),
        "id": str(delivery_id),
        "issuer": settings.ISSUER,
        "kind": kind,
        "organization": slug,
        "webhook": str(webhook_id),
    }
    if submission_id is not None:
        receipt = receipts.receipt(organization_id, submission_id)
        assert receipt is not None
        decided = receipts.is_decided(receipt)
        if kind == DeliveryKind.DECIDED and not decided and now - created_at < FORGET_AFTER / 2:
            wait = min(max(now - created_at, _FIRST_LOOK), _LONGEST_WAIT)
            sql.execute("UPDATE sharing_delivery SET next_at = %s WHERE id = %s", (now + wait, delivery_id))
            return
        said["receipt"] = receipts.statement(receipt, now=now, most_lines=MOST_LINES)
    elif notice_id is not None:
        said["notice"] = _notice(notice_id)
    body = canonical(said)
    sql.execute(
        "UPDATE sharing_delivery SET body = %s, signature = %s WHERE id = %s",
        (body, jws.sign(signer, body, typ=jws.DELIVERY), delivery_id),
    )


def _notice(notice_id: int) -> dict[str, object]:
    found = sql.row(
        "SELECT id, kind, target, sentence, detail, told_at FROM accounts_notice WHERE id = %s", (notice_id,)
    )
    assert found is not None
    names = ("id", "kind", "target", "sentence", "detail")
    return {**dict(zip(names, found[:5], strict=True)), "told_at": timestamps.from_datetime(found[5])}


# ------------------------------------------------------------------------------------------------- sending


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process alone sends, for as long as the lease lasts; `attempt` counts from 1."""

    id: UUID
    attempt: int
    url: str
    internal: bool
    kind: str
    body: bytes
    signature: str
    at: datetime


@transaction.atomic
def claim(*, now: datetime) -> Claimed | None:
    """The next delivery to send, of the webhook whose turn it is; one at a time for each webhook."""
    while True:
        found = sql.row(
            "SELECT w.id, d.id, d.next_at FROM sharing_webhook w CROSS JOIN LATERAL ("
            " SELECT id, next_at FROM sharing_delivery WHERE webhook_id = w.id AND state = 'pending'"
            " AND body IS NOT NULL AND next_at <= %(now)s ORDER BY next_at LIMIT 1) d"
            " WHERE w.state <> 'paused' AND w.next_at <= %(now)s"
            " ORDER BY w.next_at LIMIT 1 FOR UPDATE OF w SKIP LOCKED",
            {"now": now},
        )
        if found is None:
            return None
        webhook_id, delivery_id, due_at = found
        if due_at > now - STALE_AFTER:
            break
        # Behind a pause or an outage: receivers refuse what says that it is of days ago.
        sql.execute(
            "UPDATE sharing_delivery SET body = NULL, signature = '', next_at = %(now)s, started_at = NULL"
            " WHERE webhook_id = %(webhook)s AND state = 'pending' AND body IS NOT NULL AND next_at <= %(stale)s",
            {"webhook": webhook_id, "now": now, "stale": now - STALE_AFTER},
        )
    claimed = sql.row(
        "UPDATE sharing_delivery d SET attempts = attempts + 1, next_at = %(until)s,"
        " started_at = coalesce(started_at, %(now)s) FROM sharing_webhook w"
        " WHERE d.id = %(delivery)s AND w.id = d.webhook_id AND d.state = 'pending' AND d.next_at <= %(now)s"
        " RETURNING d.id, d.attempts, w.url, w.internal, d.kind, d.body, d.signature, %(now)s::timestamptz",
        {"until": now + LEASE, "now": now, "delivery": delivery_id},
    )
    sql.execute("UPDATE sharing_webhook SET next_at = %s WHERE id = %s", (now + LEASE, webhook_id))
    # Whoever had it in between has said so: the webhook's turn comes again after the lease.
    return None if claimed is None else Claimed(*claimed)


def headers(claimed: Claimed) -> dict[str, str]:
    """What a delivery is sent with."""
    return {
        "Content-Type": "application/json",
        "Stillwatch-Signature": claimed.signature,
        "Stillwatch-Delivery": str(claimed.id),
        "Stillwatch-Event": claimed.kind,
    }


def note_answer(
    *,
    claimed: Claimed,
    status: int | None,
    error: str,
    now: datetime,
    jitter: float,
    retry_after: float | None = None,
) -> None:
    """Record an attempt and what follows: delivered with a 2xx, else tried again until three days are over.

    `jitter`, from 0 to 1, spreads what failed together. Without an answer, or with 429 or 5xx, the whole webhook
    pauses, so that what is down is not called for every delivery; and so does one that takes its time to answer.
    """
    delivered = status is not None and 200 <= status < 300
    took = now - claimed.at
    rested = now + took * _REST if took > _AT_ONCE else now
    with transaction.atomic():
        webhook = Webhook.objects.select_for_update().filter(deliveries=claimed.id).first()
        if webhook is None:
            return
        Attempt.objects.create(delivery_id=claimed.id, at=now, status=status, error=error)
        mine = Delivery.objects.select_for_update().filter(
            id=claimed.id, attempts=claimed.attempt, state=DeliveryState.PENDING
        )
        if delivered:
            mine.update(state=DeliveryState.DELIVERED, delivered_at=now, last_status=status, last_error="")
            _note_success(webhook, rested)
            return
        delivery = mine.first()
        if delivery is not None:
            delivery.last_status, delivery.last_error = status, error
            delivery.next_at = now + _wait(claimed.attempt, jitter, _LONGEST_WAIT, retry_after)
            if now - (delivery.started_at or now) >= GIVE_UP_AFTER:
                delivery.state = DeliveryState.FAILED
            delivery.save(update_fields=["last_status", "last_error", "next_at", "state"])
        _note_failure(webhook, status, jitter, retry_after, now, rested)


def _note_success(webhook: Webhook, rested: datetime) -> None:
    webhook.failures, webhook.next_at = 0, rested
    if webhook.state == WebhookState.FAILING:
        webhook.state = WebhookState.ACTIVE
    webhook.save(update_fields=["failures", "next_at", "state"])


def _note_failure(
    webhook: Webhook,
    status: int | None,
    jitter: float,
    retry_after: float | None,
    now: datetime,
    rested: datetime,
) -> None:
    webhook.failures += 1
    is_down = status is None or status == 429 or status >= 500
    webhook.next_at = rested
    if is_down:
        webhook.next_at = max(rested, now + _wait(webhook.failures, jitter, _LONGEST_PAUSE, retry_after))
    if webhook.failures >= _FAILING_FROM and webhook.state == WebhookState.ACTIVE:
        webhook.state = WebhookState.FAILING
        notices.tell(
            organization_id=webhook.organization_id,
            kind="webhook.failing",
            target=f"webhook:{webhook.id}",
            sentence=f"{webhook.failures} attempts in a row to deliver to the webhook {webhook.id} have failed; it is"
            " tried ever more seldom, and each delivery for three days.",
            detail={"url": webhook.url},
            now=now,
        )
    webhook.save(update_fields=["failures", "next_at", "state"])


def _wait(failures: int, jitter: float, longest: timedelta, retry_after: float | None) -> timedelta:
    """Doubling from ten seconds to `longest`, less up to half of it; at least what the receiver asks for."""
    doubled = min(_FIRST_WAIT * math.ldexp(1.0, min(failures - 1, 30)), longest)
    wait = doubled * (1 - jitter / 2)
    return wait if retry_after is None else max(wait, min(timedelta(seconds=retry_after), longest))
