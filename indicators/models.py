"""Submissions, their objects, claims, the subjects that claims are about, and what must never be published."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, GistIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Length
from django.db.models.lookups import Exact

from accounts.models import Community, Member, Organization, Tlp, Token
from indicators.dedup import sketches
from indicators.vocabularies import DetectionMethod


class Channel(models.TextChoices):
    """The way a submission came in."""

    TAXII = "taxii", "TAXII"
    REST = "rest", "REST"
    FILE = "file", "File"
    FORM = "form", "The desk"
    PULL = "pull", "Pulled"


class BodyFormat(models.TextChoices):
    """What a body is written in (`indicators.sources.formats`)."""

    STIX = "stix", "STIX bundle or TAXII envelope"
    NDJSON = "ndjson", "STIX objects, one a line"
    OCSF = "ocsf", "OCSF Detection Findings"
    MISP = "misp", "MISP events"
    CSV = "csv", "CSV"


class SubmissionState(models.TextChoices):
    """How far a submission has come; a draft is held until its sender has seen what it would become."""

    DRAFT = "draft", "Draft"
    RECEIVED = "received", "Received"
    INGESTED = "ingested", "Ingested"
    QUARANTINED = "quarantined", "Quarantined"


class Outcome(models.TextChoices):
    """What became of one submitted object at ingest; release adds to it what became of it afterwards."""

    NEW = "new", "New"
    MERGED = "merged", "Merged"
    DUPLICATE = "duplicate", "Duplicate"
    REJECTED = "rejected", "Rejected"


class Upload(models.Model):
    """A file that was sent in a stream, and taken apart into submissions that are ingested one by one.

    A draft is one that its sender looks at before it is submitted; it is let go after a day.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True)
    sent_by = models.TextField(help_text="The actor, as in the audit trail.")
    channel = models.CharField(max_length=8, choices=Channel.choices)
    collection_id = models.UUIDField(help_text="The inbox that its submissions go to.")
    name = models.CharField(max_length=255, blank=True, help_text="Of the file, as its sender calls it.")
    format = models.CharField(max_length=8, choices=BodyFormat.choices)
    size = models.BigIntegerField(help_text="In bytes.")
    sha256 = models.BinaryField(max_length=32)
    idempotency_key = models.CharField(max_length=255, null=True)
    part_count = models.IntegerField()
    object_count = models.IntegerField(help_text="As of its submissions, together.")
    is_draft = models.BooleanField(default=False)
    received_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(format__in=BodyFormat.values), name="upload_format_known"),
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="upload_channel_known"),
            models.CheckConstraint(
                condition=Q(size__gte=0, part_count__gte=0, object_count__gte=0), name="upload_counted"
            ),
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"], name="upload_idempotency_once"
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-received_at"], name="upload_by_sender"),
            models.Index(fields=["received_at"], condition=Q(is_draft=True), name="upload_drafts"),
        ]

    def __str__(self) -> str:
        return self.name or str(self.id)


class Submission(models.Model):
    """What was sent, byte for byte, durable before its sender hears `202`.

    The body is emptied at ingest where an object in it was refused for a personal identifier, and loses what is erased
    later (`erased_at`); the digest stays that of what was sent.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    collection_id = models.UUIDField(help_text="The inbox or open collection that it was posted to.")
    format = models.CharField(max_length=8, choices=BodyFormat.choices, default=BodyFormat.STIX)
    body = models.BinaryField()
    body_sha256 = models.BinaryField(max_length=32)
    idempotency_key = models.CharField(max_length=255, null=True)
    object_count = models.IntegerField(
        help_text="Its parts as the sender counts them: objects, findings, rows."
    )
    state = models.CharField(max_length=12, choices=SubmissionState.choices, default=SubmissionState.RECEIVED)
    attempts = models.SmallIntegerField(default=0, help_text="Those that failed.")
    starts = models.SmallIntegerField(default=0, help_text="Times that a sweep began with it.")
    retry_at = models.DateTimeField(null=True, help_text="No sweep takes it up before.")
    error = models.TextField(blank=True, help_text="What failed: types and places, never a value.")
    counts = models.JSONField(default=dict, help_text="Objects by outcome at ingest.")
    received_at = models.DateTimeField()
    ingested_at = models.DateTimeField(null=True)
    erased_at = models.DateTimeField(
        null=True,
        help_text="When something of the body was last erased: deleted by its sender, or by legal order.",
    )
    upload = models.ForeignKey(
        Upload, on_delete=models.CASCADE, null=True, db_index=False, related_name="submissions"
    )
    part = models.IntegerField(null=True, help_text="Its number among the parts of an upload, from 1.")
    offset = models.IntegerField(
        db_default=0,
        help_text="How much further on in the file of an upload its places are than in the body.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["upload", "part"], name="submission_part_once"),
            models.CheckConstraint(
                condition=Q(upload__isnull=True, part__isnull=True) | Q(upload__isnull=False, part__gte=1),
                name="submission_part_of_upload",
            ),
            models.CheckConstraint(
                condition=Q(upload__isnull=False) | ~Q(state="draft"), name="submission_draft_of_upload"
            ),
            models.CheckConstraint(
                condition=Q(state__in=SubmissionState.values), name="submission_state_known"
            ),
            models.CheckConstraint(condition=Q(format__in=BodyFormat.values), name="submission_format_known"),
            models.CheckConstraint(
                condition=Q(state="ingested", ingested_at__isnull=False) | ~Q(state="ingested"),
                name="submission_ingested_at_set",
            ),
            models.UniqueConstraint(
                fields=["organization", "idempotency_key"], name="submission_idempotency_once"
            ),
        ]
        indexes = [
            models.Index(fields=["received_at"], condition=Q(state="received"), name="submission_waiting"),
            models.Index(fields=["organization", "-received_at"], name="submission_by_sender"),
            models.Index(fields=["-received_at", "-id"], name="submission_by_age"),
            models.Index(fields=["ingested_at"], condition=Q(state="ingested"), name="submission_ingested"),
            models.Index(
                fields=["organization", "received_at"],
                condition=Q(state="quarantined"),
                name="submission_quarantined",
            ),
        ]

    def __str__(self) -> str:
        return str(self.id)


class SubmittedObject(models.Model):
    """One object of a submission: its outcome and the reason, the line of a receipt."""

    pk = models.CompositePrimaryKey("submission_id", "ordinal")
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, db_index=False)
    ordinal = models.IntegerField()
    object_id = models.TextField(help_text="As sent, or its place in the body if it has none.")
    version = models.TextField(help_text="`modified`, else `created`, as sent; empty if it has neither.")
    outcome = models.CharField(max_length=12, choices=Outcome.choices)
    reason = models.CharField(max_length=64)
    sentence = models.TextField()
    place = models.TextField(default="", help_text="Where in the body it stands, or what it was made of.")
    note = models.TextField(
        default="", help_text="What was left out, or is worth knowing; it refused nothing."
    )
    subject = models.ForeignKey("Subject", on_delete=models.PROTECT, null=True, db_index=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(outcome__in=Outcome.values), name="submitted_outcome_known"),
        ]

    def __str__(self) -> str:
        return f"{self.submission_id}/{self.ordinal}"


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


class Claim(models.Model):
    """What one organisation says about one subject: its latest version of one STIX object."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.PROTECT)
    home = models.ForeignKey(
        Subject,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        related_name="+",
        help_text="The subject of its identity, where the journal has it count for another.",
    )
    submission = models.ForeignKey(Submission, on_delete=models.PROTECT, db_index=False)
    object_id = models.TextField()
    version = models.TextField(
        help_text="Sortable: nine fractional digits; empty for objects without versions."
    )
    tlp = models.SmallIntegerField(choices=Tlp.choices, help_text="What it counts as.")
    stated_tlp = models.SmallIntegerField(
        choices=Tlp.choices,
        help_text="What its source marked it, or the community's default; `tlp` is another where an analyst said so.",
    )
    references = ArrayField(models.TextField())
    body = models.BinaryField(help_text="RFC 8785 bytes.")
    signature = models.TextField(help_text="Detached JWS over `body`, made when it came in.")
    sender_signature = models.TextField(
        default="",
        db_default="",
        help_text="Its sender's own detached JWS over `body`; empty where it did not sign.",
    )
    first_received_at = models.DateTimeField()
    received_at = models.DateTimeField()
    revoked = models.BooleanField(default=False, help_text="What its source's latest version says.")
    withdrawn_at = models.DateTimeField(null=True, help_text="When its source deleted it.")
    erased_at = models.DateTimeField(
        null=True,
        help_text="When its content was destroyed: `body` has type and id only, and nothing is signed.",
    )
    detector = models.ForeignKey(
        Detector,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        help_text="Whose finding says it; nobody's where the organisation says it otherwise too.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["community", "object_id", "organization"], name="claim_once"),
            models.CheckConstraint(condition=Q(tlp__in=Tlp.values), name="claim_tlp_known"),
            models.CheckConstraint(condition=Q(stated_tlp__in=Tlp.values), name="claim_stated_tlp_known"),
            # Below its level nothing of TLP:RED is ever shown, whoever says so.
            models.CheckConstraint(
                condition=Q(stated_tlp__lt=Tlp.RED) | Q(tlp=Tlp.RED), name="claim_red_stays_red"
            ),
            models.CheckConstraint(
                condition=Q(received_at__gte=F("first_received_at")), name="claim_times_ordered"
            ),
            models.CheckConstraint(
                condition=Q(home__isnull=True) | ~Q(home=F("subject")), name="claim_home_is_another"
            ),
            models.CheckConstraint(
                condition=Q(erased_at__isnull=True)
                | Q(withdrawn_at__isnull=False, signature="", sender_signature="", references=[]),
                name="claim_erased_says_nothing",
            ),
        ]
        indexes = [
            GinIndex(fields=["references"], name="claim_references"),
            models.Index(fields=["home"], condition=Q(home__isnull=False), name="claim_home"),
            models.Index(fields=["detector"], condition=Q(detector__isnull=False), name="claim_detector"),
        ]

    def __str__(self) -> str:
        return self.object_id


class Remark(models.Model):
    """What an organisation saw or thinks of an indicator: a live sighting or opinion of its, by what it is about.

    Written beside the claim that says it, so that a merge reads no bodies for it.
    """

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.CASCADE, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    object_id = models.TextField(help_text="Of the sighting or opinion.")
    target = models.TextField(help_text="The id of an indicator: a partner's or a published one.")
    tlp = models.SmallIntegerField(choices=Tlp.choices)
    stance = models.TextField(null=True, help_text="Of an opinion.")
    seen_at = models.DateTimeField(help_text="When it was seen last, or when the opinion came.")
    received_at = models.DateTimeField()
    confidence = models.SmallIntegerField(null=True)
    fpr = models.FloatField(null=True)
    families = ArrayField(models.TextField())
    detector = models.ForeignKey(
        Detector, on_delete=models.PROTECT, null=True, db_index=False, help_text="Whose finding says it."
    )
    is_live = models.BooleanField(
        default=True, help_text="No more once it is taken back; it goes when its target was folded again."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["community", "organization", "object_id", "target"],
                condition=Q(is_live=True),
                name="remark_once",
            ),
            models.CheckConstraint(condition=Q(tlp__in=Tlp.values), name="remark_tlp_known"),
            models.CheckConstraint(condition=Q(seen_at__lte=F("received_at")), name="remark_times_ordered"),
        ]
        indexes = [
            models.Index(fields=["community", "target", "organization", "tlp"], name="remark_by_target")
        ]

    def __str__(self) -> str:
        return self.object_id


class PendingFold(models.Model):
    """A subject whose published views may have to follow a change: the queue of the publishing workers."""

    id = models.BigAutoField(primary_key=True)
    community = models.ForeignKey(Community, on_delete=models.CASCADE, db_index=False)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)

    class Meta:
        indexes = [models.Index(fields=["community", "id"], name="pending_fold_order")]

    def __str__(self) -> str:
        return f"subject {self.subject_id}"


class RaisedTlp(models.Model):
    """A claim on a subject counts as more restricted than before: what feeds below say in its words is to be erased.

    Written with the claim, taken by triage with the subject.
    """

    id = models.BigAutoField(primary_key=True)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE)
    from_tlp = models.SmallIntegerField(choices=Tlp.choices)
    to_tlp = models.SmallIntegerField(choices=Tlp.choices)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(to_tlp__gt=F("from_tlp")), name="raised_tlp_upwards"),
        ]

    def __str__(self) -> str:
        return f"subject {self.subject_id}"


class PendingErasure(models.Model):
    """What its sender deleted, and still has to be cut out of the bodies that it came in: the queue of that."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    collection_id = models.UUIDField(help_text="Where it was posted.")
    object_id = models.TextField()
    versions = ArrayField(models.TextField(), help_text="As receipts call them.")
    deleted_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.object_id


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


class Technique(models.Model):
    """An attack-pattern of the service's own, in every feed: what observations can be said to be a case of.

    Either a technique of MITRE ATLAS (`atlas_id`) or a form of some (`form_of`). Rows come from
    `indicators/techniques.json`, by migration; nobody changes them at the desk.
    """

    object_id = models.TextField(primary_key=True, help_text="STIX id; the same in every deployment.")
    name = models.TextField(unique=True)
    description = models.TextField()
    phase = models.TextField(help_text="Tactic of MITRE ATLAS, the `phase_name` of its kill-chain phase.")
    atlas_id = models.TextField(null=True, unique=True, help_text="Such as AML.T0024.002.")
    form_of = ArrayField(models.TextField(), default=list, help_text="ATLAS ids of what it is a form of.")
    created = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(object_id__startswith="attack-pattern--"), name="technique_is_attack_pattern"
            ),
            models.CheckConstraint(
                condition=Q(atlas_id__isnull=False, form_of=[]) | (Q(atlas_id__isnull=True) & ~Q(form_of=[])),
                name="technique_atlas_or_form_of",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def atlas_ids(self) -> list[str]:
        """The ATLAS techniques that its external references name."""
        return [self.atlas_id] if self.atlas_id else self.form_of


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


class CidrField(models.Field):  # type: ignore[type-arg] # it is no generic at run time
    """An IPv4 or IPv6 network, `ipaddress.ip_network`; an address is one of full length."""

    def db_type(self, connection: object) -> str:
        """PostgreSQL's own type: it holds no host bits, and a GiST index finds what overlaps."""
        return "cidr"


class Observable(models.Model):
    """A network, domain or AS number that a subject watches (`indicators.allowlists.watched`); one of the three."""

    id = models.BigAutoField(primary_key=True)
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form.")
    asn = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["subject", "network", "domain", "asn"], nulls_distinct=False, name="observable_once"
            ),
            models.CheckConstraint(
                condition=Q(network__isnull=False, domain__isnull=True, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=False, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=True, asn__isnull=False),
                name="observable_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="observable_network",
            ),
            # `example.com` and all below it begin with `moc.elpmaxe.`, and nothing else does.
            models.Index(
                Func("domain", template="(reverse('.' || %(expressions)s) COLLATE \"C\")"),
                condition=Q(domain__isnull=False),
                name="observable_domain",
            ),
            models.Index(fields=["asn"], condition=Q(asn__isnull=False), name="observable_asn"),
        ]

    def __str__(self) -> str:
        return str(self.network or self.domain or f"AS{self.asn}")


class Term(models.Model):
    """A value that a subject is or watches, by its digest (`indicators.terms`); `Observable` has the other values."""

    pk = models.CompositePrimaryKey("digest", "subject_id")
    digest = models.BigIntegerField()
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)

    def __str__(self) -> str:
        return f"a value of subject {self.subject_id}"


class Wording(models.Model):
    """The words said of a subject (`indicators.terms`), also by older versions of what stands; `=` with its type."""

    subject = models.OneToOneField(Subject, on_delete=models.CASCADE, primary_key=True)
    words = SearchVectorField()

    class Meta:
        # Every search reads what waits to go into the index: it is kept short.
        indexes = [GinIndex(fields=["words"], name="wording_words", gin_pending_list_limit=256)]

    def __str__(self) -> str:
        return f"the words of subject {self.subject_id}"


class Reference(models.Model):
    """A subject that refers to an id, or did once: what leads from anything to what speaks of it."""

    pk = models.CompositePrimaryKey("target", "subject_id")
    target = models.TextField(help_text="A STIX id, as the claim refers to it.")
    subject = models.ForeignKey(Subject, on_delete=models.CASCADE, db_index=False)

    def __str__(self) -> str:
        return f"subject {self.subject_id} refers to {self.target}"


class ListSource(models.TextChoices):
    """Where an allow-list comes from."""

    BUILT_IN = "built-in", "Built in"
    FILE = "file", "A file"
    DESK = "desk", "The desk"


class Allowlist(models.Model):
    """A list of what must never be published; it holds for all communities."""

    id = models.BigAutoField(primary_key=True)
    name = models.CharField(max_length=200, unique=True)
    description = models.TextField(blank=True)
    version = models.BigIntegerField(default=1)
    source = models.CharField(max_length=8, choices=ListSource.choices)
    updated_at = models.DateTimeField()

    class Meta:
        verbose_name = "allow-list"
        constraints = [
            models.CheckConstraint(condition=Q(source__in=ListSource.values), name="allowlist_source_known"),
        ]

    def __str__(self) -> str:
        return self.name


class AllowlistEntry(models.Model):
    """A network, a domain or a range of AS numbers on a list; exactly one of the three."""

    id = models.BigAutoField(primary_key=True)
    allowlist = models.ForeignKey(Allowlist, on_delete=models.CASCADE, related_name="entries", db_index=False)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form.")
    subdomains = models.BooleanField(default=True, help_text="Whether a domain covers all below it.")
    asn_first = models.BigIntegerField(null=True)
    asn_last = models.BigIntegerField(null=True)
    note = models.TextField(blank=True, help_text="What it is, or why it is here.")

    class Meta:
        verbose_name = "allow-list entry"
        verbose_name_plural = "allow-list entries"
        constraints = [
            models.UniqueConstraint(
                fields=["allowlist", "network", "domain", "asn_first", "asn_last"],
                nulls_distinct=False,
                name="allowlist_entry_once",
            ),
            models.CheckConstraint(
                condition=Q(
                    network__isnull=False, domain__isnull=True, asn_first__isnull=True, asn_last__isnull=True
                )
                | Q(network__isnull=True, domain__isnull=False, asn_first__isnull=True, asn_last__isnull=True)
                | Q(
                    network__isnull=True,
                    domain__isnull=True,
                    asn_first__isnull=False,
                    asn_last__gte=F("asn_first"),
                ),
                name="allowlist_entry_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="allowlist_entry_network",
            ),
            models.Index(fields=["domain"], condition=Q(domain__isnull=False), name="allowlist_entry_domain"),
            GistIndex(
                Func("asn_first", "asn_last", Value("[]"), function="int8range"),
                condition=Q(asn_first__isnull=False),
                name="allowlist_entry_asns",
            ),
        ]

    def __str__(self) -> str:
        if self.asn_first is None:
            return str(self.network or self.domain)
        last = "" if self.asn_last == self.asn_first else f"-AS{self.asn_last}"
        return f"AS{self.asn_first}{last}"


class PopulationKind(models.TextChoices):
    """What stands at an address, as far as it tells how many people are behind it."""

    RESIDENTIAL = "residential", "Residential"
    MOBILE = "mobile", "Mobile"
    CGNAT = "cgnat", "Shared by a carrier (CGNAT)"
    VPN = "vpn", "VPN or proxy"
    ENTERPRISE = "enterprise", "Company or school"
    HOSTING = "hosting", "Hosting"
    SERVICE = "service", "A service that people use"
    OTHER = "other", "Other"


class Population(models.Model):
    """How many people are estimated to be behind a network, domain or AS number; one of the three.

    Loaded by the operator (`manage.py load_populations`); `indicators.allowlists.blast` says what follows from it.
    """

    id = models.BigAutoField(primary_key=True)
    network = CidrField(null=True)
    domain = models.TextField(null=True, help_text="In normal form; it holds for all below it.")
    asn = models.BigIntegerField(null=True)
    users = models.BigIntegerField(help_text="Behind all of it.")
    kind = models.CharField(max_length=12, choices=PopulationKind.choices)
    note = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["network", "domain", "asn"], nulls_distinct=False, name="population_once"
            ),
            models.CheckConstraint(condition=Q(users__gte=0), name="population_counted"),
            models.CheckConstraint(condition=Q(kind__in=PopulationKind.values), name="population_kind_known"),
            models.CheckConstraint(
                condition=Q(network__isnull=False, domain__isnull=True, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=False, asn__isnull=True)
                | Q(network__isnull=True, domain__isnull=True, asn__isnull=False),
                name="population_exactly_one",
            ),
        ]
        indexes = [
            GistIndex(
                fields=["network"],
                opclasses=["inet_ops"],
                condition=Q(network__isnull=False),
                name="population_network",
            ),
            models.Index(fields=["domain"], condition=Q(domain__isnull=False), name="population_domain"),
            models.Index(fields=["asn"], condition=Q(asn__isnull=False), name="population_asn"),
        ]

    def __str__(self) -> str:
        return str(self.network or self.domain or f"AS{self.asn}")


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
