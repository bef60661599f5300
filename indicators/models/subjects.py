"""What claims are about."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Community


class Subject(models.Model):
    """What claims are about: one identity in one community.

    `key` is the 32-byte canonical key of an indicator, the deterministic id of an observable, or the STIX id of
    anything else. What an analyst split off has 32 random bytes: no identity leads there.
    """

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    key = models.BinaryField()
    object_type = models.TextField()
    merged_into = models.ForeignKey(
        "self",
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        help_text="The subject that its claims count for; never one that is merged itself.",
    )
    is_bare = models.BooleanField(
        default=False,
        db_default=False,
        help_text="What it watches and is found by was erased with the last claim on it.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["community", "key"], name="subject_once"),
            models.CheckConstraint(
                condition=Q(merged_into__isnull=True) | ~Q(merged_into=F("id")),
                name="subject_not_into_itself",
            ),
        ]
        indexes = [
            models.Index(
                fields=["merged_into"], condition=Q(merged_into__isnull=False), name="subject_merged_into"
            ),
            models.Index(fields=["object_type", "id"], name="subject_by_type"),
        ]

    def __str__(self) -> str:
        return f"{self.object_type} {self.id}"
