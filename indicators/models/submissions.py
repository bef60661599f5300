"""Uploads, submissions and their receipts."""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import Community, Member, Organization, Token


class Channel(models.TextChoices):
    """The way a submission came in."""

    TAXII = "taxii", "TAXII"
    REST = "rest", "REST"
    FILE = "file", "File"
    FORM = "form", "The desk"
    PULL = "pull", "Pulled"


class BodyFormat(models.TextChoices):
    """What a body is written in (`indicators.sources.formats`)."""

    STIX = "stix", "STIX bundle or TAXII envelope"
    NDJSON = "ndjson", "STIX objects, one a line"
    OCSF = "ocsf", "OCSF Detection Findings"
    MISP = "misp", "MISP events"
    CSV = "csv", "CSV"


class SubmissionState(models.TextChoices):
    """How far a submission has come; a draft is held until its sender has seen what it would become."""

    DRAFT = "draft", "Draft"
    RECEIVED = "received", "Received"
    INGESTED = "ingested", "Ingested"
    QUARANTINED = "quarantined", "Quarantined"


class Outcome(models.TextChoices):
    """What became of one submitted object at ingest; release adds to it what became of it afterwards."""

    NEW = "new", "New"
    MERGED = "merged", "Merged"
    DUPLICATE = "duplicate", "Duplicate"
    REJECTED = "rejected", "Rejected"


class Upload(models.Model):
    """A file that was sent in a stream, and taken apart into submissions that are ingested one by one.

    A draft is one that its sender looks at before it is submitted; it is let go after a day.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True)
    sent_by = models.TextField(help_text="The actor, as in the audit trail.")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    collection_id = models.UUIDField(help_text="The inbox that its submissions go to.")
    name = models.CharField(max_length=255, blank=True, help_text="Of the file, as its sender calls it.")
    format = models.CharField(max_length=8, choices=BodyFormat.choices)
    size = models.BigIntegerField(help_text="In bytes.")
    sha256 = models.BinaryField(max_length=32)
    idempotency_key = models.CharField(max_length=255, null=True)
    part_count = models.IntegerField()
    object_count = models.IntegerField(help_text="As of its submissions, together.")
    is_draft = models.BooleanField(default=False)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(format__in=BodyFormat.values), name="upload_format_known"),
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="upload_channel_known"),
            models.CheckConstraint(
                condition=Q(size__gte=0, part_count__gte=0, object_count__gte=0), name="upload_counted"
            ),
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"], name="upload_idempotency_once"
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-received_at"], name="upload_by_sender"),
            models.Index(fields=["received_at"], condition=Q(is_draft=True), name="upload_drafts"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)


class Submission(models.Model):
    """What was sent, byte for byte, durable before its sender hears `202`.

    The body is emptied at ingest where an object in it was refused for a personal identifier, and loses what is erased
    later (`erased_at`); the digest stays that of what was sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True)
    member = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Who brought it in by hand, as a file or as text: they do not approve it. A draft names its writers.",
    )
    channel = models.CharField(max_length=8, choices=Channel.choices)
    collection_id = models.UUIDField(help_text="The inbox or open collection that it was posted to.")
    format = models.CharField(max_length=8, choices=BodyFormat.choices, default=BodyFormat.STIX)
    body = models.BinaryField()
    body_sha256 = models.BinaryField(max_length=32)
    idempotency_key = models.CharField(max_length=255, null=True)
    object_count = models.IntegerField(
        help_text="Its parts as the sender counts them: objects, findings, rows."
    )
    state = models.CharField(max_length=12, choices=SubmissionState.choices, default=SubmissionState.RECEIVED)
    attempts = models.SmallIntegerField(default=0, help_text="Those that failed.")
    starts = models.SmallIntegerField(default=0, help_text="Times that a sweep began with it.")
    retry_at = models.DateTimeField(null=True, help_text="No sweep takes it up before.")
    error = models.TextField(blank=True, help_text="What failed: types and places, never a value.")
    counts = models.JSONField(default=dict, help_text="Objects by outcome at ingest.")
    received_at = models.DateTimeField()
    ingested_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(
        null=True,
        help_text="When something of the body was last erased: deleted by its sender, or by legal order.",
    )
    upload = models.ForeignKey(
        Upload, on_delete=models.CASCADE, null=True, db_index=False, related_name="submissions"
    )
    part = models.IntegerField(null=True, help_text="Its number among the parts of an upload, from 1.")
    offset = models.IntegerField(
        db_default=0,
        help_text="How much further on in the file of an upload its places are than in the body.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upload", "part"], name="submission_part_once"),
            models.CheckConstraint(
                condition=Q(upload__isnull=True, part__isnull=True) | Q(upload__isnull=False, part__gte=1),
                name="submission_part_of_upload",
            ),
            models.CheckConstraint(
                condition=Q(upload__isnull=False) | ~Q(state="draft"), name="submission_draft_of_upload"
            ),
            models.CheckConstraint(
                condition=Q(state__in=SubmissionState.values), name="submission_state_known"
            ),
            models.CheckConstraint(condition=Q(format__in=BodyFormat.values), name="submission_format_known"),
            models.CheckConstraint(
                condition=Q(state="ingested", ingested_at__isnull=False) | ~Q(state="ingested"),
                name="submission_ingested_at_set",
            ),
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"], name="submission_idempotency_once"
            ),
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(state="received"), name="submission_waiting"),
            models.Index(fields=["organization", "-received_at"], name="submission_by_sender"),
            models.Index(fields=["-received_at", "-id"], name="submission_by_age"),
            models.Index(fields=["ingested_at"], condition=Q(state="ingested"), name="submission_ingested"),
            models.Index(
                fields=["member", "received_at"],
                condition=Q(member__isnull=False),
                name="submission_by_hand",
            ),
            models.Index(
                fields=["organization", "received_at"],
                condition=Q(state="quarantined"),
                name="submission_quarantined",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class SubmittedObject(models.Model):
    """One object of a submission: its outcome and the reason, the line of a receipt."""

    pk = models.CompositePrimaryKey("submission_id", "ordinal")
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, db_index=False)
    ordinal = models.IntegerField()
    object_id = models.TextField(help_text="As sent, or its place in the body if it has none.")
    version = models.TextField(help_text="`modified`, else `created`, as sent; empty if it has neither.")
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    reason = models.CharField(max_length=64)
    sentence = models.TextField()
    place = models.TextField(default="", help_text="Where in the body it stands, or what it was made of.")
    note = models.TextField(
        default="", help_text="What was left out, or is worth knowing; it refused nothing."
    )
    subject = models.ForeignKey("Subject", on_delete=models.PROTECT, null=True, db_index=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="submitted_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.submission_id}/{self.ordinal}"
