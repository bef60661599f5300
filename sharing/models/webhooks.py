"""Webhooks, and what is delivered there."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Notice, Organization
from indicators.models import Submission


class WebhookState(models.TextChoices):
    """How a webhook stands."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused: what is due waits"
    FAILING = "failing", "Failing: still tried, ever more seldom"


class Told(models.TextChoices):
    """What an organisation can be told by webhook."""

    RECEIPTS = "receipts", "Receipts"
    NOTICES = "notices", "Notices"


class Webhook(models.Model):
    """An address of an organisation's own, to which the service posts what the organisation wants to be told."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="webhooks", db_index=False
    )
    url = models.TextField()
    what = ArrayField(models.CharField(max_length=8, choices=Told.choices))
    state = models.CharField(max_length=8, choices=WebhookState.choices, default=WebhookState.ACTIVE)
    internal = models.BooleanField(
        default=False, help_text="The operator lets it be inside its own network, where others are refused."
    )
    failures = models.IntegerField(default=0, help_text="Attempts in a row that failed.")
    next_at = models.DateTimeField(help_text="Nothing is sent to it before; whose is earliest is next.")
    created_at = models.DateTimeField()
    created_by = models.TextField(help_text="The actor, as in the audit trail.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "url"], name="webhook_once"),
            models.CheckConstraint(condition=Q(state__in=WebhookState.values), name="webhook_state_known"),
            models.CheckConstraint(
                condition=Q(what__contained_by=Told.values, what__len__gt=0), name="webhook_what_known"
            ),
        ]

    def __str__(self) -> str:
        return self.url


class DeliveryKind(models.TextChoices):
    """What a delivery tells."""

    INGESTED = "receipt.ingested", "Receipt: ingested"
    DECIDED = "receipt.decided", "Receipt: decided"
    NOTICE = "notice", "Notice"
    TEST = "test", "Test"


class DeliveryState(models.TextChoices):
    """How a delivery stands."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class Delivery(models.Model):
    """One thing that one webhook is told, once; its row is written with what it tells of, and is the queue.

    `body` is written and signed by one process, and sent by another that holds no key; every attempt sends the same
    bytes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    kind = models.CharField(max_length=20, choices=DeliveryKind.choices)
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, null=True)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, null=True)
    body = models.BinaryField(null=True, help_text="RFC 8785 bytes, as signed and sent.")
    signature = models.TextField(blank=True, help_text="Detached JWS.")
    state = models.CharField(max_length=12, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.IntegerField(default=0)
    next_at = models.DateTimeField(help_text="When it is tried next, while pending.")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(
        null=True, help_text="When it was first tried; three days on it has failed."
    )
    delivered_at = models.DateTimeField(null=True)
    last_status = models.SmallIntegerField(null=True, help_text="HTTP status of the last answer.")
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "submission", "kind"],
                condition=Q(submission__isnull=False),
                name="delivery_receipt_once",
            ),
            models.UniqueConstraint(
                fields=["webhook", "notice"], condition=Q(notice__isnull=False), name="delivery_notice_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["receipt.ingested", "receipt.decided"],
                    submission__isnull=False,
                    notice__isnull=True,
                )
                | Q(kind="notice", submission__isnull=True, notice__isnull=False)
                | Q(kind="test", submission__isnull=True, notice__isnull=True),
                name="delivery_tells_one_thing",
            ),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
            models.CheckConstraint(
                condition=~Q(state="delivered") | Q(delivered_at__isnull=False, body__isnull=False),
                name="delivery_delivered_at_set",
            ),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "next_at"],
                condition=Q(state="pending", body__isnull=False),
                name="delivery_to_send",
            ),
            models.Index(
                fields=["next_at"], condition=Q(state="pending", body__isnull=True), name="delivery_to_write"
            ),
            models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_by_webhook"),
            models.Index(fields=["created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Attempt(models.Model):
    """One try to deliver."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    status = models.SmallIntegerField(null=True, help_text="HTTP status; none if nothing answered.")
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.status or self.error}"
