"""The merge journal, and the likeness of prompt templates that it acts on."""

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from accounts.models import Community, Member, Tlp
from indicators.dedup import sketches
from indicators.models.subjects import Subject


class MergeKind(models.TextChoices):
    """Why claims count for another subject than that of their identity."""

    NEAR = "near", "Near duplicate"
    ANALYST = "analyst", "Merged by an analyst"
    SPLIT = "split", "Split by an analyst"


class Merge(models.Model):
    """A line of the merge journal: two subjects made one, or one made two; and whether that was undone.

    `other` counts for `survivor`; of a split, `other` is the new subject and `survivor` the one that it was part of.
    """

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    kind = models.CharField(max_length=8, choices=MergeKind.choices)
    survivor = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    other = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    similarity = models.FloatField(
        null=True, help_text="Estimated Jaccard similarity, 0 to 1, of a near duplicate."
    )
    reason = models.TextField(blank=True)
    made_at = models.DateTimeField()
    made_by = models.TextField(help_text="member:<username> or service:<part>")
    undone_at = models.DateTimeField(null=True)
    undone_by = models.TextField(blank=True)
    undo_reason = models.TextField(blank=True)

    class Meta:
        verbose_name = "merge journal entry"
        verbose_name_plural = "merge journal"
        constraints = [
            models.CheckConstraint(condition=Q(kind__in=MergeKind.values), name="merge_kind_known"),
            models.CheckConstraint(condition=~Q(survivor=F("other")), name="merge_of_two"),
            models.CheckConstraint(
                condition=Q(kind="near", similarity__gte=0, similarity__lte=1)
                | (~Q(kind="near") & Q(similarity__isnull=True)),
                name="merge_near_has_similarity",
            ),
            models.CheckConstraint(
                condition=Q(kind="near") | ~Q(reason=""), name="merge_by_analyst_has_reason"
            ),
            models.CheckConstraint(
                condition=Q(undone_at__isnull=True, undone_by="", undo_reason="")
                | (Q(undone_at__isnull=False) & ~Q(undone_by="") & ~Q(undo_reason="")),
                name="merge_undone_by_somebody",
            ),
            # One parent each: what is merged makes trees, and what was split off is merged into nothing.
            models.UniqueConstraint(
                fields=["other"], condition=Q(undone_at__isnull=True), name="merge_other_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.other_id} and {self.survivor_id}"


class Sketch(models.Model):
    """What a prompt template is compared by: the sketch claimed of it at the lowest TLP, the first of those."""

    subject = models.OneToOneField(Subject, on_delete=models.CASCADE, primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    minima = models.BinaryField(help_text="`minhash-w3-128`, 512 bytes.")
    tlp = models.SmallIntegerField(choices=Tlp.choices, help_text="The lowest TLP at which it was claimed.")
    claimed_at = models.DateTimeField(help_text="When it was first claimed at that TLP.")

    class Meta:
        constraints = [
            # TLP:RED is compared with nothing.
            models.CheckConstraint(
                condition=Q(tlp__gte=Tlp.CLEAR, tlp__lt=Tlp.RED), name="sketch_tlp_below_red"
            ),
            models.CheckConstraint(
                condition=Exact(Length("minima"), sketches.SIZE), name="sketch_of_512_bytes"
            ),
        ]

    def __str__(self) -> str:
        return f"sketch of subject {self.subject_id}"


class SketchBand(models.Model):
    """One band of a sketch: two sketches with a band in common are worth comparing."""

    pk = models.CompositePrimaryKey("subject_id", "band")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    band = models.SmallIntegerField()
    digest = models.BigIntegerField()
    tlp = models.SmallIntegerField(help_text="That of the sketch: a search meets the lowest first.")

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(band__gte=0, band__lt=sketches.BANDS), name="sketch_band_known"
            ),
        ]
        indexes = [
            models.Index(fields=["community", "band", "digest", "tlp", "subject"], name="sketch_band_search")
        ]

    def __str__(self) -> str:
        return f"band {self.band} of subject {self.subject_id}"


class LikenessState(models.TextChoices):
    """What became of a likeness."""

    PENDING = "pending", "Pending"
    RELATED = "related", "Related"
    DISMISSED = "dismissed", "Dismissed"
    MERGED = "merged", "Merged"


class Likeness(models.Model):
    """Two prompt templates that resemble each other, the older subject first: merged, or proposed to an analyst."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    first = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+", db_index=False)
    second = models.ForeignKey(Subject, on_delete=models.PROTECT, related_name="+")
    similarity = models.FloatField(help_text="Estimated Jaccard similarity of their sketches, 0.6 to 1.")
    state = models.CharField(max_length=9, choices=LikenessState.choices, default=LikenessState.PENDING)
    found_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    decided_by = models.ForeignKey(
        Member, on_delete=models.PROTECT, null=True, help_text="Nobody where the service merged them."
    )
    reason = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "likenesses"
        constraints = [
            models.UniqueConstraint(fields=["first", "second"], name="likeness_once"),
            models.CheckConstraint(condition=Q(first__lt=F("second")), name="likeness_in_order"),
            models.CheckConstraint(
                condition=Q(similarity__gte=sketches.RELATED, similarity__lte=1),
                name="likeness_similarity_in_range",
            ),
            models.CheckConstraint(
                condition=Q(state="pending", decided_at__isnull=True, decided_by__isnull=True, reason="")
                | Q(state="merged", decided_at__isnull=False, decided_by__isnull=True, reason="")
                | (
                    Q(state__in=["related", "dismissed", "merged"])
                    & Q(decided_at__isnull=False, decided_by__isnull=False)
                    & ~Q(reason="")
                ),
                name="likeness_decided_with_reason",
            ),
        ]
        indexes = [
            models.Index(fields=["community", "id"], condition=Q(state="pending"), name="likeness_pending")
        ]

    def __str__(self) -> str:
        return f"{self.similarity:.2f} between {self.first_id} and {self.second_id}"
