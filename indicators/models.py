"""Submissions, their objects, claims, the subjects that claims are about, and what must never be published."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.db import models
from django.db.models import F, Func, Q, Value

from accounts.models import Community, Organization, Tlp, Token


class Channel(models.TextChoices):
    """The way a submission came in."""

    TAXII = "taxii", "TAXII"
    REST = "rest", "REST"
    FILE = "file", "File"


class SubmissionState(models.TextChoices):
    """How far a submission has come."""

    RECEIVED = "received", "Received"
    INGESTED = "ingested", "Ingested"
    QUARANTINED = "quarantined", "Quarantined"


class Outcome(models.TextChoices):
    """What became of one submitted object at ingest; release adds to it what became of it afterwards."""

    NEW = "new", "New"
    MERGED = "merged", "Merged"
    DUPLICATE = "duplicate", "Duplicate"
    REJECTED = "rejected", "Rejected"


class Submission(models.Model):
    """What was sent, byte for byte, durable before its sender hears `202`."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    collection_id = models.UUIDField(help_text="The inbox or open collection that it was posted to.")
    lines = models.BooleanField(
        default=False, help_text="One object a line instead of an envelope or bundle."
    )
    body = models.BinaryField()
    body_sha256 = models.BinaryField(max_length=32)
    idempotency_key = models.CharField(max_length=255, null=True)
    object_count = models.IntegerField()
    state = models.CharField(max_length=12, choices=SubmissionState.choices, default=SubmissionState.RECEIVED)
    attempts = models.SmallIntegerField(default=0)
    error = models.TextField(blank=True)
    received_at = models.DateTimeField()
    ingested_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(state__in=SubmissionState.values), name="submission_state_known"
            ),
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
    subject = models.ForeignKey("Subject", on_delete=models.PROTECT, null=True, db_index=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="submitted_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.submission_id}/{self.ordinal}"


class Subject(models.Model):
    """What claims are about: one identity in one community.

    `key` is the 32-byte canonical key of an indicator, or the STIX id of anything else.
    """

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    key = models.BinaryField()
    object_type = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["community", "key"], name="subject_once")]

    def __str__(self) -> str:
        return f"{self.object_type} {self.id}"

    @property
    def is_indicator(self) -> bool:
        """Whether claims about it are merged by pattern."""
        return self.object_type == "indicator"


class Claim(models.Model):
    """What one organisation says about one subject: its latest version of one STIX object."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT)
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, db_index=False)
    object_id = models.TextField()
    version = models.TextField(
        help_text="Sortable: nine fractional digits; empty for objects without versions."
    )
    tlp = models.SmallIntegerField(choices=Tlp.choices)
    references = ArrayField(models.TextField())
    body = models.BinaryField(help_text="RFC 8785 bytes.")
    signature = models.TextField(help_text="Detached JWS over `body`, made when it came in.")
    first_received_at = models.DateTimeField()
    received_at = models.DateTimeField()
    revoked = models.BooleanField(default=False, help_text="What its source's latest version says.")
    withdrawn_at = models.DateTimeField(null=True, help_text="When its source deleted it.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["community", "object_id", "organization"], name="claim_once"),
            models.CheckConstraint(condition=Q(tlp__in=Tlp.values), name="claim_tlp_known"),
            models.CheckConstraint(
                condition=Q(received_at__gte=F("first_received_at")), name="claim_times_ordered"
            ),
        ]
        indexes = [GinIndex(fields=["references"], name="claim_references")]

    def __str__(self) -> str:
        return self.object_id


class PendingFold(models.Model):
    """A subject whose published views may have to follow a change: the queue of the publishing workers."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.CASCADE, db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)

    class Meta:
        indexes = [models.Index(fields=["community", "id"], name="pending_fold_order")]

    def __str__(self) -> str:
        return f"subject {self.subject_id}"


class CidrField(models.Field):  # type: ignore[type-arg] # it is no generic at run time
    """An IPv4 or IPv6 network, `ipaddress.ip_network`; an address is one of full length."""

    def db_type(self, connection: object) -> str:
        """PostgreSQL's own type: it holds no host bits, and a GiST index finds what overlaps."""
        return "cidr"


class Observable(models.Model):
    """A network, domain or AS number that a subject watches (`indicators.allowlists.watched`); one of the three."""

    id = models.BigAutoField(primary_key=True)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form.")
    asn = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "network", "domain", "asn"], nulls_distinct=False, name="observable_once"
            ),
            models.CheckConstraint(
                condition=Q(network__isnull=False, domain__isnull=True, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=False, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=True, asn__isnull=False),
                name="observable_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="observable_network",
            ),
            # `example.com` and all below it begin with `moc.elpmaxe.`, and nothing else does.
            models.Index(
                Func("domain", template="(reverse('.' || %(expressions)s) COLLATE \"C\")"),
                condition=Q(domain__isnull=False),
                name="observable_domain",
            ),
            models.Index(fields=["asn"], condition=Q(asn__isnull=False), name="observable_asn"),
        ]

    def __str__(self) -> str:
        return str(self.network or self.domain or f"AS{self.asn}")


class ListSource(models.TextChoices):
    """Where an allow-list comes from."""

    BUILT_IN = "built-in", "Built in"
    FILE = "file", "A file"
    DESK = "desk", "The desk"


class Allowlist(models.Model):
    """A list of what must never be published; it holds for all communities."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    version = models.BigIntegerField(default=1)
    source = models.CharField(max_length=8, choices=ListSource.choices)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "allow-list"
        constraints = [
            models.CheckConstraint(condition=Q(source__in=ListSource.values), name="allowlist_source_known"),
        ]

    def __str__(self) -> str:
        return self.name


class AllowlistEntry(models.Model):
    """A network, a domain or a range of AS numbers on a list; exactly one of the three."""

    id = models.BigAutoField(primary_key=True)
    allowlist = models.ForeignKey(Allowlist, on_delete=models.CASCADE, related_name="entries", db_index=False)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form.")
    subdomains = models.BooleanField(default=True, help_text="Whether a domain covers all below it.")
    asn_first = models.BigIntegerField(null=True)
    asn_last = models.BigIntegerField(null=True)
    note = models.TextField(blank=True, help_text="What it is, or why it is here.")

    class Meta:
        verbose_name = "allow-list entry"
        verbose_name_plural = "allow-list entries"
        constraints = [
            models.UniqueConstraint(
                fields=["allowlist", "network", "domain", "asn_first", "asn_last"],
                nulls_distinct=False,
                name="allowlist_entry_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    network__isnull=False, domain__isnull=True, asn_first__isnull=True, asn_last__isnull=True
                )
                | Q(network__isnull=True, domain__isnull=False, asn_first__isnull=True, asn_last__isnull=True)
                | Q(
                    network__isnull=True,
                    domain__isnull=True,
                    asn_first__isnull=False,
                    asn_last__gte=F("asn_first"),
                ),
                name="allowlist_entry_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="allowlist_entry_network",
            ),
            models.Index(fields=["domain"], condition=Q(domain__isnull=False), name="allowlist_entry_domain"),
            GistIndex(
                Func("asn_first", "asn_last", Value("[]"), function="int8range"),
                condition=Q(asn_first__isnull=False),
                name="allowlist_entry_asns",
            ),
        ]

    def __str__(self) -> str:
        if self.asn_first is None:
            return str(self.network or self.domain)
        last = "" if self.asn_last == self.asn_first else f"-AS{self.asn_last}"
        return f"AS{self.asn_first}{last}"
