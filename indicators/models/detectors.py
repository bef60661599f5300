"""Detectors, their findings, and how far they are trusted."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Community, Organization
from indicators.models.subjects import Subject
from indicators.models.submissions import Submission
from indicators.vocabularies import DetectionMethod


class Tier(models.TextChoices):
    """How far a detector is trusted."""

    TRUSTED = "trusted", "Trusted: what it finds leaves by the community's rule"
    REVIEW = "review", "Limited to review: an analyst decides what it finds"


class Detector(models.Model):
    """One version of an analytic of an organisation, registered by hand or with its first finding.

    Its tier is the operator's; `limited_at` is set by the service, or by an analyst, where it fell below its
    threshold, floods or was withdrawn, until an analyst lifts it.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    analytic = models.TextField(help_text="OCSF finding_info.analytic: its uid, else its name.")
    version = models.TextField(
        blank=True, help_text="OCSF finding_info.analytic.version; empty if it says none."
    )
    name = models.TextField(blank=True, help_text="What people call it.")
    method = models.CharField(
        max_length=32,
        choices=DetectionMethod.choices,
        blank=True,
        help_text="How it finds: a method of the detection context; empty if unknown.",
    )
    false_positive_rate = models.FloatField(
        null=True,
        blank=True,
        help_text="As measured by its organisation, 0 to 1; it weighs in the confidence.",
    )
    tier = models.CharField(max_length=8, choices=Tier.choices, default=Tier.REVIEW)
    min_precision = models.FloatField(
        default=0.8, help_text="Below this share of confirmed decisions it is limited to review, 0 to 1."
    )
    min_decisions = models.SmallIntegerField(
        default=20, help_text="How many decisions it takes to judge it by its precision."
    )
    limited_at = models.DateTimeField(null=True)
    limited_reason = models.TextField(blank=True)
    judged_from = models.DateTimeField(
        null=True, help_text="When a limit was lifted: what was decided or counted before weighs no more."
    )
    withdrawn_at = models.DateTimeField(null=True, help_text="When all its findings were withdrawn.")
    registered_at = models.DateTimeField()
    registered_by = models.TextField(help_text="The actor, as in the audit trail.")
    first_finding_at = models.DateTimeField(null=True)
    last_finding_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "analytic", "version"], name="detector_once"),
            models.CheckConstraint(condition=~Q(analytic=""), name="detector_has_analytic"),
            models.CheckConstraint(condition=Q(tier__in=Tier.values), name="detector_tier_known"),
            models.CheckConstraint(
                condition=Q(method__in=["", *DetectionMethod.values]), name="detector_method_known"
            ),
            models.CheckConstraint(
                condition=Q(false_positive_rate__isnull=True)
                | Q(false_positive_rate__gte=0, false_positive_rate__lte=1),
                name="detector_rate_in_range",
            ),
            models.CheckConstraint(
                condition=Q(
                    min_precision__gte=0, min_precision__lte=1, min_decisions__gte=1, min_decisions__lte=100
                ),
                name="detector_threshold_in_range",
            ),
            models.CheckConstraint(
                condition=Q(limited_at__isnull=True, limited_reason="")
                | (Q(limited_at__isnull=False) & ~Q(limited_reason="")),
                name="detector_limited_with_reason",
            ),
            models.CheckConstraint(
                condition=Q(first_finding_at__isnull=True, last_finding_at__isnull=True)
                | Q(last_finding_at__gte=F("first_finding_at")),
                name="detector_finding_times_ordered",
            ),
        ]

    def __str__(self) -> str:
        version = f" {self.version}" if self.version else ""
        return f"{self.name or self.analytic}{version}"

    @property
    def is_limited(self) -> bool:
        """Whether an analyst decides what it finds."""
        return self.tier == Tier.REVIEW or self.limited_at is not None


class DetectorHour(models.Model):
    """How many findings of a detector came in one clock hour: what a flood is told by."""

    pk = models.CompositePrimaryKey("detector_id", "hour")
    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, db_index=False)
    hour = models.DateTimeField(help_text="Its beginning.")
    findings = models.IntegerField(help_text="New ones and new versions.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(findings__gt=0), name="detector_hour_not_empty"),
        ]

    def __str__(self) -> str:
        return f"{self.findings} findings of detector {self.detector_id} from {self.hour:%Y-%m-%d %H:%M}"


class FindingState(models.TextChoices):
    """What the latest version of a finding says."""

    LIVE = "live", "Live"
    WITHDRAWN = "withdrawn", "Withdrawn"
    FALSE_POSITIVE = "false-positive", "False positive"


class Finding(models.Model):
    """A detection finding of an organisation in a community, by its uid: what makes one sent again the same."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    uid = models.TextField(help_text="OCSF finding_info.uid.")
    detector = models.ForeignKey(Detector, on_delete=models.PROTECT)
    object_id = models.TextField(help_text="STIX id of its indicator.")
    created = models.TextField(help_text="Of its first version; every later one repeats it.")
    version = models.TextField(help_text="`modified` of its latest version.")
    state = models.CharField(max_length=14, choices=FindingState.choices, default=FindingState.LIVE)
    submission = models.ForeignKey(
        Submission, on_delete=models.PROTECT, db_index=False, help_text="That brought its latest version."
    )
    received_at = models.DateTimeField(help_text="When its latest version came.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["community", "organization", "uid"], name="finding_once"),
            models.CheckConstraint(condition=Q(state__in=FindingState.values), name="finding_state_known"),
            models.CheckConstraint(condition=~Q(uid=""), name="finding_has_uid"),
        ]

    def __str__(self) -> str:
        return self.uid


class Judgement(models.Model):
    """Whether what a detector found is so: the latest decision on one indicator that it found."""

    id = models.BigAutoField(primary_key=True)
    detector = models.ForeignKey(Detector, on_delete=models.CASCADE, db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    confirmed = models.BooleanField(
        help_text="Approved by an analyst; not: rejected, or taken back by its source."
    )
    decided_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["detector", "subject"], name="judgement_once"),
        ]
        indexes = [models.Index(fields=["detector", "-decided_at"], name="judgement_latest")]

    def __str__(self) -> str:
        return f"{'confirmed' if self.confirmed else 'refuted'}: subject {self.subject_id}"
