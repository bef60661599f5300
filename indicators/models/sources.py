"""Other servers that are pulled."""

import uuid

from django.db import models
from django.db.models import Q

from accounts.models import Community, Organization


class SourceKind(models.TextChoices):
    """How another server is pulled."""

    TAXII = "taxii", "TAXII 2.1 collection"
    MISP_FEED = "misp-feed", "MISP feed"


class SourceAuth(models.TextChoices):
    """How a source is told who asks."""

    NONE = "none", "None"
    BASIC = "basic", "User name and password (Basic)"
    BEARER = "bearer", "Token (Bearer)"
    MTLS = "mtls", "Client certificate (mTLS)"


class Source(models.Model):
    """Another server that is pulled on an organisation's behalf; its checkpoint moves with what was received.

    No secret is in here: `credential` names what the operator gives the pulling worker in its environment.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    name = models.CharField(max_length=100, unique=True)
    kind = models.CharField(max_length=12, choices=SourceKind.choices)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        help_text="On whose behalf: its inbox gets the objects, and its reliability weighs them.",
    )
    url = models.CharField(
        max_length=2000,
        help_text="Of a TAXII collection: the URL of its API root. Of a MISP feed: the directory of manifest.json.",
    )
    collection = models.CharField(
        max_length=250, blank=True, help_text="Of a TAXII collection: its id, alias or title."
    )
    auth = models.CharField(max_length=8, choices=SourceAuth.choices, default=SourceAuth.NONE)
    username = models.CharField(max_length=250, blank=True, help_text="For Basic.")
    credential = models.CharField(
        max_length=50,
        blank=True,
        help_text="A name in capitals, such as PARTNER_X: the secret itself is read from SOURCE_SECRET_PARTNER_X.",
    )
    internal = models.BooleanField(
        default=False,
        help_text="It stands in a network of our own: http and addresses that are not public are called too.",
    )
    interval_minutes = models.PositiveSmallIntegerField(
        default=15, help_text="From one look at it to the next."
    )
    enabled = models.BooleanField(default=True)
    checkpoint = models.JSONField(default=dict, editable=False)
    checkpoint_version = models.BigIntegerField(
        default=0,
        editable=False,
        help_text="Counts what changed the checkpoint; who changes it says which it saw.",
    )
    next_at = models.DateTimeField(editable=False)
    leased_until = models.DateTimeField(
        null=True, editable=False, help_text="Until then a worker has it, unless that ends without a word."
    )
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="In a row.")
    tried_at = models.DateTimeField(null=True, editable=False)
    last_success_at = models.DateTimeField(null=True, editable=False)
    last_error = models.TextField(blank=True, editable=False)
    object_count = models.BigIntegerField(default=0, editable=False)
    latest_at = models.DateTimeField(
        null=True, editable=False, help_text="The upstream's own date of the last object."
    )
    checked_at = models.DateTimeField(null=True, editable=False)
    check_result = models.TextField(blank=True, editable=False)
    created_at = models.DateTimeField(editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=SourceKind.values), name="source_kind_known"),
            models.CheckConstraint(condition=Q(auth__in=SourceAuth.values), name="source_auth_known"),
            models.CheckConstraint(
                condition=Q(interval_minutes__gte=1, interval_minutes__lte=10080),
                name="source_interval_in_range",
            ),
            models.CheckConstraint(
                condition=Q(kind="taxii") & ~Q(collection="") | Q(kind="misp-feed", collection=""),
                name="source_collection_fits_kind",
            ),
            models.CheckConstraint(
                condition=Q(auth="none") | Q(credential__regex="^[A-Z][A-Z0-9_]*$"),
                name="source_credential_named",
            ),
            models.CheckConstraint(
                condition=Q(auth="basic") & ~Q(username="") | ~Q(auth="basic") & Q(username=""),
                name="source_username_fits_auth",
            ),
        ]
        indexes = [
            models.Index(fields=["next_at"], condition=Q(enabled=True), name="source_due"),
        ]

    def __str__(self) -> str:
        return self.name


class SourceItem(models.Model):
    """An item of a source's list (a MISP event) in the version that was taken, or why it could not be."""

    id = models.BigAutoField(primary_key=True)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, db_index=False, related_name="items")
    key = models.TextField()
    version = models.BigIntegerField(help_text="Its timestamp, in seconds of the Unix epoch.")
    error = models.TextField(blank=True)
    tried_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "key"], name="source_item_once")]

    def __str__(self) -> str:
        return self.key
