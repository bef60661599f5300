"""What analysts write at the desk."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from accounts.models import Community, Member, Organization
from indicators.models.submissions import Submission


class DraftState(models.TextChoices):
    """What its writers did with a draft; where a submitted one stands is told by what became of it."""

    DRAFT = "draft", "Draft"
    SUBMITTED = "submitted", "Submitted"
    DISCARDED = "discarded", "Discarded"


class Draft(models.Model):
    """One version of one STIX object, as analysts write it at the desk; once submitted it stays as it was sent.

    `body` is the object as far as it is written, without `modified`; `leftover` what was typed and is no value of its
    field, by the name of the input. Whoever wrote anything in it is a writer: none of them approves it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, db_index=False, help_text="Whose word it is."
    )
    object_type = models.TextField()
    object_id = models.TextField(help_text="STIX id, given when it is begun.")
    body = models.JSONField()
    leftover = models.JSONField(default=dict)
    techniques = ArrayField(
        models.TextField(),
        default=list,
        help_text="Ids of techniques that it is a case of, said along with it.",
    )
    follows = models.TextField(
        null=True, help_text="`modified` of the version that it follows; none: it is the first."
    )
    reason = models.TextField(blank=True, help_text="Why, of a revocation or of what undoes something.")
    state = models.CharField(max_length=9, choices=DraftState.choices, default=DraftState.DRAFT)
    version = models.IntegerField(default=1, help_text="Counts its changes: nobody saves over another's.")
    page = models.CharField(max_length=36, blank=True, help_text="The open page that saved it last.")
    author = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    writers = models.ManyToManyField(Member, related_name="+")
    created_at = models.DateTimeField()
    saved_at = models.DateTimeField()
    saved_by = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+", db_index=False)
    lowered_by = models.ForeignKey(
        Member,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
        help_text="Who gave it a lower TLP than the version that it follows has: somebody else submits it.",
    )
    submission = models.OneToOneField(Submission, on_delete=models.PROTECT, null=True)
    submitted_by = models.ForeignKey(
        Member, on_delete=models.PROTECT, null=True, related_name="+", db_index=False
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=DraftState.values), name="draft_state_known"),
            models.CheckConstraint(
                condition=Q(state="submitted", submission__isnull=False, submitted_by__isnull=False)
                | (~Q(state="submitted") & Q(submission__isnull=True, submitted_by__isnull=True)),
                name="draft_submitted_has_submission",
            ),
            models.CheckConstraint(
                condition=Q(submitted_by__isnull=True)
                | Q(lowered_by__isnull=True)
                | ~Q(lowered_by=F("submitted_by")),
                name="draft_lowered_by_two",
            ),
            models.CheckConstraint(condition=Q(version__gte=1), name="draft_version_counts"),
            # Two analysts who edit one object meet in one draft.
            models.UniqueConstraint(
                fields=["community", "organization", "object_id"],
                condition=Q(state="draft"),
                name="draft_one_open",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-saved_at"], name="draft_by_age"),
            models.Index(fields=["community", "object_id"], name="draft_by_object"),
        ]

    def __str__(self) -> str:
        for name in ("name", "pattern", "abstract", "relationship_type", "opinion", "content"):
            if self.body.get(name):
                return str(self.body[name])
        return f"{self.object_type.replace('-', ' ')} without a name"
