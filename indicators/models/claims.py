"""Claims and remarks, and what is still to be done for them."""

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q

from accounts.models import Community, Organization, Tlp
from indicators.models.detectors import Detector
from indicators.models.subjects import Subject
from indicators.models.submissions import Submission


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
