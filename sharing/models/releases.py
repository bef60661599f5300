"""What was decided for each audience of a subject, and what waits for something else."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q, Value

from accounts.models import Community, Tlp
from indicators.models import Subject


class Decision(models.TextChoices):
    """What `release.policy` or an analyst decided."""

    RELEASE = "release", "Release"
    REVIEW = "review", "Review"
    WITHHOLD = "withhold", "Withhold"


class Release(models.Model):
    """What was decided for one subject at one ceiling, and the id under which it stands there."""

    id = models.BigAutoField(primary_key=True)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT, db_index=False)
    ceiling = models.SmallIntegerField(choices=Tlp.choices)
    published_id = models.TextField(
        help_text="Fixed at first sight; the partner's own id for what passes unchanged."
    )
    decision = models.CharField(max_length=8, choices=Decision.choices)
    reason = models.CharField(max_length=64)
    sentence = models.TextField()
    digest = models.BinaryField(
        null=True, max_length=32, help_text="Of the last version published, to see a change."
    )
    created = models.TextField(blank=True, help_text="Of the service's own object; never changes.")
    modified = models.TextField(blank=True, help_text="Of the last version published.")
    revoked = models.BooleanField(default=False, help_text="Whether the last version published says so.")
    sources = models.SmallIntegerField(default=0)
    confidence = models.SmallIntegerField(null=True)
    missing = ArrayField(models.TextField(), default=list, help_text="Ids that it waits for.")
    ticked_at = models.DateTimeField(null=True, help_text="When time was last let pass for its confidence.")
    due_at = models.DateTimeField(null=True, help_text="When its confidence falls, if nobody says anything.")
    expires_at = models.DateTimeField(null=True, help_text="`valid_until` of the indicator that stands.")
    former_ids = ArrayField(
        models.TextField(),
        default=list,
        db_default=Value([], output_field=ArrayField(models.TextField())),
        help_text="Published ids under which it stood before.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["subject", "ceiling"], name="release_once"),
            models.CheckConstraint(condition=Q(decision__in=Decision.values), name="release_decision_known"),
            models.CheckConstraint(condition=Q(ceiling__lt=Tlp.RED), name="release_never_red"),
        ]
        indexes = [
            models.Index(fields=["published_id"], name="release_by_published_id"),
            models.Index(fields=["due_at"], condition=Q(due_at__isnull=False), name="release_due"),
            models.Index(
                fields=["expires_at"], condition=Q(expires_at__isnull=False), name="release_expires"
            ),
            # Few: a search for them must not walk past all others.
            models.Index(fields=["subject"], condition=Q(decision="review"), name="release_in_review"),
            models.Index(fields=["subject"], condition=Q(decision="withhold"), name="release_withheld"),
            models.Index(fields=["subject"], condition=Q(revoked=True), name="release_revoked"),
            # The next step down from here is low on STIX's scale of confidence (STIX 2.1, Appendix A).
            models.Index(fields=["due_at"], condition=Q(confidence=30), name="release_soon_low"),
        ]

    def __str__(self) -> str:
        return self.published_id


class Waiting(models.Model):
    """A subject that cannot stand at a ceiling before something that it refers to (clients.md 18)."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.CASCADE, db_index=False)
    missing = models.TextField(help_text="A STIX id, as the claim refers to it.")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["community", "missing", "subject"], name="waiting_once")
        ]

    def __str__(self) -> str:
        return self.missing
