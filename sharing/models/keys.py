"""The service as author, its signing keys, and those of submitters."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Organization
from sharing.models.collections import Collection


class Publisher(models.Model):
    """The service as the author of what it publishes; one row, made with the database."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    identity_id = models.TextField(help_text="STIX id of its identity object.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="publisher_one")]

    def __str__(self) -> str:
        return self.identity_id


class KeyPurpose(models.TextChoices):
    """What a key signs; it signs nothing else."""

    OBJECT = "object", "Objects, receipts and deliveries (Ed25519)"
    LOG = "log", "Checkpoints (Ed25519)"
    LOG_ML_DSA = "log-ml-dsa", "Checkpoints (ML-DSA-44)"
    TRUST = "trust", "The trust root's online roles (Ed25519)"


class SigningKey(models.Model):
    """The public half of a signing key; the signer alone has the private half."""

    kid = models.CharField(max_length=43, primary_key=True, help_text="RFC 7638 thumbprint.")
    purpose = models.CharField(max_length=12, choices=KeyPurpose.choices, default=KeyPurpose.OBJECT)
    jwk = models.JSONField()
    created_at = models.DateTimeField()
    use_from = models.DateTimeField(help_text="A new key is published at least seven days before it signs.")
    retired_at = models.DateTimeField(
        null=True, help_text="Signs nothing from here on; still verifies what it signed."
    )
    trusted_at = models.DateTimeField(
        null=True, help_text="When the trust root first named it. Where a root stands, no other key signs."
    )
    revoked_at = models.DateTimeField(
        null=True, help_text="Lost: what it signed is signed anew, and proves nothing by itself."
    )
    revoked_because = models.TextField(blank=True, default="")
    from_index = models.JSONField(
        null=True,
        help_text="Of a revoked key: by digest of origin, the first entry that its signature counts for no more.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(purpose__in=KeyPurpose.values), name="signing_key_purpose_known"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, from_index__isnull=True, revoked_because="")
                | Q(revoked_at__isnull=False, from_index__isnull=False, retired_at__lte=F("revoked_at"))
                & ~Q(revoked_because=""),
                name="signing_key_revoked_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class Renewal(models.Model):
    """How far the signatures of a revoked key are made anew: in one log, or in the claims (no collection)."""

    id = models.BigAutoField(primary_key=True)
    key = models.ForeignKey(SigningKey, on_delete=models.CASCADE, related_name="renewals", db_index=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, null=True, db_index=False)
    position = models.BigIntegerField(default=0, help_text="The index, or id, that is looked at next.")
    renewed = models.BigIntegerField(default=0, help_text="Signatures that were made anew.")
    due_at = models.DateTimeField(help_text="Not looked at before.")
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "collection"], nulls_distinct=False, name="renewal_once"),
            models.CheckConstraint(condition=Q(position__gte=0, renewed__gte=0), name="renewal_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} in {self.collection_id or 'claims'} up to {self.position}"


class SubmitterKey(models.Model):
    """The public half of a key that an organisation signs with what it submits; shown to that organisation alone.

    Two organisations may register the same key without hearing of each other: a signature counts for its sender only.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="submitter_keys", db_index=False
    )
    kid = models.CharField(max_length=43, help_text="RFC 7638 thumbprint.")
    jwk = models.JSONField()
    name = models.CharField(max_length=100, help_text="What it is for, as its organisation says.")
    registered_at = models.DateTimeField()
    registered_by = models.TextField(help_text="The actor, as in the audit trail.")
    retired_at = models.DateTimeField(
        null=True, help_text="What came in from here on is not taken as signed by it; what came before stays."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "kid"], name="submitter_key_once"),
            models.CheckConstraint(
                condition=Q(kid__regex=r"^[A-Za-z0-9_-]{43}$"), name="submitter_key_thumbprint"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="submitter_key_named"),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True) | Q(retired_at__gte=F("registered_at")),
                name="submitter_key_retires_later",
            ),
        ]

    def __str__(self) -> str:
        return self.kid
