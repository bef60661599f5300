"""Analysts' cases, and the views of their queue."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q, Value

from accounts.models import Community, Member, Tlp
from sharing.models.releases import Release


class ReviewState(models.TextChoices):
    """How a case stands."""

    PENDING = "pending", "Pending"
    APPROVED = "approved", "Approved"
    REJECTED = "rejected", "Rejected"
    CLOSED = "closed", "Closed: no longer needed"


class Review(models.Model):
    """An analyst's case: may this leave to this audience?

    From `ceiling` to `blast_radius` it repeats what its audience would see, so that cases are filtered and sorted by
    their own rows; while a case is pending they follow each triage.
    """

    id = models.BigAutoField(primary_key=True)
    release = models.ForeignKey(Release, on_delete=models.PROTECT)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    state = models.CharField(max_length=8, choices=ReviewState.choices, default=ReviewState.PENDING)
    sources = models.SmallIntegerField(
        help_text="How many organisations say it, or said it when it was decided."
    )
    ceiling = models.SmallIntegerField(choices=Tlp.choices, db_default=0)
    object_type = models.TextField(db_default="")
    title = models.TextField(
        db_default="", help_text="The pattern, value or name, as the audience would see it."
    )
    organizations = ArrayField(
        models.UUIDField(),
        default=list,
        db_default=Value([], output_field=ArrayField(models.UUIDField())),
        help_text="Whose claims its audience may see.",
    )
    reason = models.CharField(max_length=64, db_default="", help_text="Why an analyst decides.")
    confidence = models.SmallIntegerField(db_default=-1, help_text="-1 for what has none.")
    blast_radius = models.BigIntegerField(
        db_default=0, help_text="Estimated users behind what it names (docs/desk.md)."
    )
    blast_limit = models.BigIntegerField(
        db_default=0,
        help_text="Above so many, two people release it; as set when the case was looked at last.",
    )
    opened_at = models.DateTimeField()
    viewed_by = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Who looks at it; nobody is kept from deciding.",
    )
    viewed_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(Member, on_delete=models.PROTECT, null=True)
    decision_reason = models.TextField(blank=True)
    seconded_by = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="The second person, where it takes two.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["release"], condition=Q(state="pending"), name="review_one_pending"
            ),
            models.CheckConstraint(condition=Q(state__in=ReviewState.values), name="review_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=["pending", "closed"])
                | (Q(decided_at__isnull=False, decided_by__isnull=False) & ~Q(decision_reason="")),
                name="review_decided_with_reason",
            ),
            models.CheckConstraint(
                condition=~Q(state="approved", blast_radius__gt=F("blast_limit"))
                | Q(seconded_by__isnull=False),
                name="review_wide_takes_two",
            ),
            models.CheckConstraint(
                condition=Q(seconded_by__isnull=True)
                | Q(decided_by__isnull=False) & ~Q(seconded_by=F("decided_by")),
                name="review_seconded_by_another",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="pending"), name="review_pending"),
            models.Index(
                fields=["confidence", "id"], condition=Q(state="pending"), name="review_pending_confidence"
            ),
            models.Index(
                fields=["blast_radius", "id"], condition=Q(state="pending"), name="review_pending_blast"
            ),
            models.Index(
                fields=["community", "ceiling", "id"],
                condition=Q(state="pending"),
                name="review_pending_audience",
            ),
            GinIndex(fields=["organizations"], condition=Q(state="pending"), name="review_pending_said_by"),
            models.Index(
                fields=["viewed_by"],
                condition=Q(state="pending", viewed_by__isnull=False),
                name="review_pending_viewed",
            ),
            models.Index(
                fields=["community", "opened_at"], condition=Q(state="pending"), name="review_waiting"
            ),
        ]

    def __str__(self) -> str:
        return f"review {self.id}"

    @property
    def takes_two(self) -> bool:
        """Whether one analyst alone cannot release it."""
        return self.blast_radius > self.blast_limit


class SavedView(models.Model):
    """Filters of the review queue that a member keeps under a name, alone or for all analysts."""

    id = models.BigAutoField(primary_key=True)
    owner = models.ForeignKey(Member, on_delete=models.CASCADE, related_name="saved_views", db_index=False)
    name = models.CharField(max_length=60)
    query = models.TextField(blank=True, help_text="The filters, as in the address of the queue.")
    is_shared = models.BooleanField(default=False)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_once"),
            models.CheckConstraint(condition=~Q(name=""), name="saved_view_named"),
        ]

    def __str__(self) -> str:
        return self.name
