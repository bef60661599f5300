"""Legal orders, and what they keep out."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class ErasureState(models.TextChoices):
    """How far a legal order has come."""

    PROPOSED = "proposed", "Waits for a second person"
    CONFIRMED = "confirmed", "Being erased"
    DONE = "done", "Erased"
    DROPPED = "dropped", "Not confirmed"
    LIFTED = "lifted", "Erased; may be sent again"


class Erasure(models.Model):
    """A legal order to erase what is known of some subjects, everywhere; nothing of their content stands here.

    Two people order it and two lift it (decision 0042): triggers hold that (migration 0014).
    """

    id = models.BigAutoField(primary_key=True)
    state = models.CharField(max_length=9, choices=ErasureState.choices, default=ErasureState.PROPOSED)
    reference = models.CharField(max_length=200, help_text="Of the order: court, authority, file number.")
    subjects = ArrayField(
        models.BigIntegerField(), help_text="Those chosen; their twins in other communities follow."
    )
    counts = models.JSONField(default=dict, help_text="What was erased, by kind.")
    ordered_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ErasureState.values), name="erasure_state_known"),
            models.CheckConstraint(condition=~Q(reference=""), name="erasure_has_reference"),
            models.CheckConstraint(condition=Q(subjects__len__gt=0), name="erasure_of_something"),
            models.CheckConstraint(
                condition=Q(state__in=["proposed", "dropped"]) | Q(confirmed_at__isnull=False),
                name="erasure_confirmed_at_set",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="confirmed"), name="erasure_to_run"),
        ]

    def __str__(self) -> str:
        return self.reference


class Barred(models.Model):
    """What was erased by legal order and may not come again: a keyed digest of an id or of an identity."""

    id = models.BigAutoField(primary_key=True)
    erasure = models.ForeignKey(Erasure, on_delete=models.PROTECT, related_name="barred")
    digest = models.BinaryField(max_length=32, help_text="HMAC-SHA-256 (sharing/actions/barring.py).")
    key_check = models.BinaryField(max_length=8, help_text="Tells by which SECRET_KEY it was made.")

    class Meta:
        verbose_name_plural = "barred"
        constraints = [models.UniqueConstraint(fields=["digest", "erasure"], name="barred_once")]

    def __str__(self) -> str:
        return bytes(self.digest).hex()[:12]
