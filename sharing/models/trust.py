"""The trust root as it is served (TUF)."""

from django.db import models
from django.db.models import Q


class TrustRole(models.TextChoices):
    """Whose metadata a file of the trust root is."""

    ROOT = "root", "Root: offline"
    TARGETS = "targets", "Targets: offline"
    COLLECTIONS = "collections", "Collections: online"
    SNAPSHOT = "snapshot", "Snapshot: online"
    TIMESTAMP = "timestamp", "Timestamp: online"


class TrustFile(models.Model):
    """A file of the trust root's repository (TUF), as it is served under /trust/tuf/."""

    path = models.TextField(primary_key=True, help_text="metadata/1.root.json, targets/<sha256>.jwks.json, …")
    role = models.CharField(
        max_length=12, choices=TrustRole.choices, blank=True, help_text="Of metadata; a target has none."
    )
    version = models.BigIntegerField(null=True, help_text="Of metadata.")
    content = models.BinaryField()
    expires_at = models.DateTimeField(null=True, help_text="Of metadata.")
    stored_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(role="", version__isnull=True, expires_at__isnull=True)
                | Q(role__in=TrustRole.values, version__gte=1, expires_at__isnull=False),
                name="trust_file_metadata_whole",
            ),
            models.UniqueConstraint(
                fields=["role", "version"], condition=~Q(role=""), name="trust_file_version_once"
            ),
        ]

    def __str__(self) -> str:
        return self.path
