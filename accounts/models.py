"""Organisations, communities, members, tokens and the audit trail."""

import uuid

from django.contrib.auth.models import AbstractUser
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class Sector(models.TextChoices):
    """What an organisation is."""

    OPERATOR = "operator", "Operator"
    AI_LAB = "ai-lab", "AI lab"
    CLOUD_PROVIDER = "cloud-provider", "Cloud provider"
    AUTHORITY = "authority", "Authority"
    RESEARCHER = "researcher", "Researcher"


class Reliability(models.TextChoices):
    """Admiralty source reliability."""

    A = "A", "A: completely reliable"
    B = "B", "B: usually reliable"
    C = "C", "C: fairly reliable"
    D = "D", "D: not usually reliable"
    E = "E", "E: unreliable"
    F = "F", "F: cannot be judged"


class Role(models.TextChoices):
    """What a member may do at the desk."""

    READER = "reader", "Reader"
    SUBMITTER = "submitter", "Submitter"
    ANALYST = "analyst", "Analyst"
    ADMIN = "admin", "Admin"


class Scope(models.TextChoices):
    """What a token may be used for."""

    FEED_READ = "feed:read", "Read feeds"
    SUBMIT = "submit", "Submit"
    LOOKUP = "lookup", "Look up"
    ADMIN = "admin", "Administer"


class Tlp(models.IntegerChoices):
    """Traffic Light Protocol 2.0, least restrictive first."""

    CLEAR = 0, "TLP:CLEAR"
    GREEN = 1, "TLP:GREEN"
    AMBER = 2, "TLP:AMBER"
    AMBER_STRICT = 3, "TLP:AMBER+STRICT"
    RED = 4, "TLP:RED"


class AutoRelease(models.TextChoices):
    """Which merged indicators leave without an analyst."""

    NONE = "none", "None: an analyst decides every case"
    RULE = "rule", "Those that reach the confidence and the number of sources below"
    ALL = "all", "All"


class Organization(models.Model):
    """A partner organisation, or the operator."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=64, unique=True)
    name = models.CharField(max_length=200)
    sector = models.CharField(max_length=32, choices=Sector.choices)
    reliability = models.CharField(
        max_length=1,
        choices=Reliability.choices,
        default=Reliability.F,
        help_text="Admiralty grade of this organisation as a source; it weighs in every confidence.",
    )
    platforms = ArrayField(
        models.SlugField(max_length=64),
        default=list,
        blank=True,
        help_text="Platforms whose traffic it sees; empty: its own. Who sees the same one confirms less.",
    )
    prompt_text = models.CharField(
        max_length=8,
        choices=[("refuse", "Refuse"), ("allow", "Allow")],
        default="refuse",
        help_text="Whether this organisation opted in to sending prompt text, which may hold what customers wrote.",
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(sector__in=Sector.values), name="organization_sector_known"),
            models.CheckConstraint(
                condition=Q(reliability__in=Reliability.values), name="organization_grade_known"
            ),
            models.CheckConstraint(
                condition=Q(prompt_text__in=["refuse", "allow"]), name="organization_prompt_text_known"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Grade(models.Model):
    """A reliability that an organisation was given: the history of its grades."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="grades")
    reliability = models.CharField(max_length=1, choices=Reliability.choices)
    reason = models.TextField()
    graded_at = models.DateTimeField()
    graded_by = models.TextField(help_text="The actor, as in the audit trail.")

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(reliability__in=Reliability.values), name="grade_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="grade_has_reason"),
        ]

    def __str__(self) -> str:
        return f"{self.reliability} since {self.graded_at:%Y-%m-%d}"


class Community(models.Model):
    """A trust group: one TAXII API root."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    slug = models.SlugField(max_length=64, unique=True)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    default_tlp = models.SmallIntegerField(
        choices=Tlp.choices, default=Tlp.AMBER, help_text="What an object without a TLP marking counts as."
    )
    personal_data = models.CharField(
        max_length=8, choices=[("refuse", "Refuse"), ("allow", "Allow")], default="refuse"
    )
    auto_release = models.CharField(max_length=8, choices=AutoRelease.choices, default=AutoRelease.NONE)
    min_confidence = models.SmallIntegerField(default=80)
    min_sources = models.SmallIntegerField(default=2)
    members = models.ManyToManyField(Organization, through="Membership", related_name="communities")
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        verbose_name_plural = "communities"
        constraints = [
            models.CheckConstraint(
                condition=Q(default_tlp__in=Tlp.values), name="community_default_tlp_known"
            ),
            models.CheckConstraint(
                condition=Q(personal_data__in=["refuse", "allow"]), name="community_privacy_known"
            ),
            models.CheckConstraint(
                condition=Q(auto_release__in=AutoRelease.values), name="community_rule_known"
            ),
            models.CheckConstraint(
                condition=Q(min_confidence__gte=0, min_confidence__lte=100, min_sources__gte=1),
                name="community_rule_in_range",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class Membership(models.Model):
    """An organisation's place in a community."""

    community = models.ForeignKey(Community, on_delete=models.CASCADE)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    joined_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["community", "organization"], name="membership_once"),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} in {self.community_id}"


class Member(AbstractUser):
    """A person who signs in at the desk."""

    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, related_name="people")
    role = models.CharField(max_length=16, choices=Role.choices, default=Role.READER)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(role__in=Role.values), name="member_role_known"),
        ]


class Token(models.Model):
    """A credential of a program; the secret itself is never stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=100)
    digest = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices))
    created_at = models.DateTimeField(default=timezone.now, editable=False)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, editable=False)
    revoked_at = models.DateTimeField(null=True, editable=False)
    replaced_by = models.OneToOneField(
        "self",
        on_delete=models.PROTECT,
        null=True,
        editable=False,
        related_name="replaces",
        help_text="The token of the same name that it was rotated for; both work until this one expires.",
    )
    requests_per_minute = models.IntegerField(
        null=True, blank=True, help_text="Empty: the service's default."
    )
    objects_per_hour = models.IntegerField(null=True, blank=True, help_text="Empty: the service's default.")
    bytes_per_hour = models.BigIntegerField(null=True, blank=True, help_text="Empty: the service's default.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "name"],
                condition=Q(revoked_at__isnull=True, replaced_by__isnull=True),
                name="token_name_once",
            ),
            models.CheckConstraint(
                condition=Q(replaced_by__isnull=True)
                | Q(expires_at__isnull=False)
                | Q(revoked_at__isnull=False),
                name="token_replaced_ends",
            ),
            models.CheckConstraint(
                condition=Q(expires_at__isnull=True) | Q(expires_at__gt=F("created_at")),
                name="token_expires_later",
            ),
            models.CheckConstraint(
                condition=(Q(requests_per_minute__isnull=True) | Q(requests_per_minute__gte=1))
                & (Q(objects_per_hour__isnull=True) | Q(objects_per_hour__gte=1))
                & (Q(bytes_per_hour__isnull=True) | Q(bytes_per_hour__gte=1)),
                name="token_quotas_positive",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id}/{self.name}"


class Allowance(models.Model):
    """What a token may still submit: the levels of three buckets at one moment, which fill up as time passes.

    A level below zero is a debt: one body that was larger than a whole quota.
    """

    token = models.OneToOneField(Token, on_delete=models.CASCADE, primary_key=True)
    requests_left = models.FloatField()
    objects_left = models.FloatField()
    bytes_left = models.FloatField()
    as_of = models.DateTimeField()
    over_quota = models.BigIntegerField(default=0, help_text="How often it was refused for a quota.")
    turned_away = models.BigIntegerField(default=0, help_text="How often it was refused at high water.")

    def __str__(self) -> str:
        return str(self.token_id)


class Notice(models.Model):
    """What an organisation is told: a detector of its was limited, a source fell silent, a submission failed.

    The operator reads everybody's.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=64, help_text="A documented code, such as detector.limited.")
    target = models.CharField(max_length=200, help_text="What it is about, as in the audit trail.")
    sentence = models.TextField()
    detail = models.JSONField(default=dict)
    told_at = models.DateTimeField()
    due_at = models.DateTimeField(
        null=True, help_text="Until when it is to be acknowledged; empty where nothing has to be."
    )
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.TextField(blank=True, help_text="The actor, as in the audit trail.")
    reminders = models.SmallIntegerField(
        default=0, help_text="How often its organisation was reminded of it."
    )

    class Meta:
        constraints = [
            models.CheckConstraint(condition=~Q(sentence=""), name="notice_says_something"),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by="")
                | Q(acknowledged_at__isnull=False, due_at__isnull=False) & ~Q(acknowledged_by=""),
                name="notice_acknowledged_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["organization", "-id"], name="notice_by_organization"),
            models.Index(
                fields=["due_at"],
                condition=Q(due_at__isnull=False, acknowledged_at__isnull=True),
                name="notice_unacknowledged",
            ),
        ]

    def __str__(self) -> str:
        return self.sentence


class AuditEvent(models.Model):
    """Who changed what, written in the transaction of the change."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    actor = models.CharField(max_length=200, help_text="member:<username>, token:<id> or service:<part>")
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, db_index=False)
    action = models.CharField(max_length=64)
    target = models.CharField(max_length=200)
    detail = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["target", "id"]),
            # The trail is read newest first, as a whole or of one of these.
            models.Index(fields=["at", "id"], name="auditevent_by_time"),
            models.Index(fields=["action", "at", "id"], name="auditevent_by_action"),
            models.Index(fields=["actor", "at", "id"], name="auditevent_by_actor"),
            models.Index(fields=["organization", "at", "id"], name="auditevent_by_organization"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.action} {self.target}"


class AuditPending(models.Model):
    """An audit event that has no place in the chain yet: the queue of `accounts.actions.chain`."""

    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, primary_key=True)

    def __str__(self) -> str:
        return str(self.event_id)


class AuditLink(models.Model):
    """An audit event's place in the chain; positions begin at 1 and have no gaps (accounts/chain.py)."""

    position = models.BigIntegerField(primary_key=True)
    event = models.OneToOneField(AuditEvent, on_delete=models.PROTECT, related_name="link")
    digest = models.BinaryField(max_length=32)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(position__gte=1), name="auditlink_from_one")]

    def __str__(self) -> str:
        return f"{self.position}:{bytes(self.digest).hex()}"
