"""Collections, and what organisations may do in them."""

import uuid

from django.db import models
from django.db.models import F, Func, Q
from django.db.models.lookups import Exact

from accounts.models import Community, Organization, Tlp


class Kind(models.TextChoices):
    """Who publishes in a collection."""

    FEED = "feed", "Feed: the service"
    OPEN = "open", "Open: members with write access"
    INBOX = "inbox", "Inbox: one member"


class Profile(models.TextChoices):
    """Which objects of its audience a feed holds (clients.md 19)."""

    FULL = "full", "Full: everything"
    CORE = "core", "Core: what SIEMs take"


class Collection(models.Model):
    """One audience: everybody who may read it sees the same entries in the same order."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, related_name="collections")
    alias = models.SlugField(max_length=64)
    title = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    kind = models.CharField(max_length=8, choices=Kind.choices)
    ceiling = models.SmallIntegerField(
        choices=Tlp.choices, help_text="The most restrictive TLP that it may hold."
    )
    profile = models.CharField(max_length=8, choices=Profile.choices, default=Profile.FULL)
    owner = models.ForeignKey(Organization, on_delete=models.PROTECT, null=True, help_text="Of an inbox.")
    next_index = models.BigIntegerField(default=0, editable=False)
    last_added = models.BigIntegerField(default=0, editable=False, help_text="Microseconds since 1970.")
    largest = models.IntegerField(
        default=0, editable=False, help_text="Bytes of the largest object that it ever held."
    )
    edge = models.BinaryField(
        default=b"",
        editable=False,
        help_text="The right edge of its Merkle tree at `next_index` (tlog.merkle).",
    )
    epoch = models.IntegerField(
        default=0,
        editable=False,
        help_text="Counts what changed openings that stand, such as new signatures, and did not lengthen the log.",
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["community", "alias"], condition=~Q(kind="inbox"), name="collection_alias_once"
            ),
            models.UniqueConstraint(
                fields=["community", "owner"], condition=Q(kind="inbox"), name="collection_inbox_once"
            ),
            models.CheckConstraint(
                condition=Q(kind="inbox", owner__isnull=False) | (~Q(kind="inbox") & Q(owner__isnull=True)),
                name="collection_inbox_owned",
            ),
            models.CheckConstraint(condition=Q(kind__in=Kind.values), name="collection_kind_known"),
            models.CheckConstraint(condition=Q(ceiling__in=Tlp.values), name="collection_ceiling_known"),
            models.CheckConstraint(
                condition=~Q(kind="feed") | Q(ceiling__lt=Tlp.RED), name="collection_feed_never_red"
            ),
            models.CheckConstraint(condition=Q(profile__in=Profile.values), name="collection_profile_known"),
            models.CheckConstraint(
                # One hash of 32 bytes for each perfect subtree of the tree, and so for each 1 in its size.
                condition=Exact(
                    Func(F("edge"), function="octet_length", output_field=models.BigIntegerField()),
                    Func(
                        F("next_index"),
                        template="32 * bit_count(%(expressions)s::bit(64))",
                        output_field=models.BigIntegerField(),
                    ),
                ),
                name="collection_edge_fits",
            ),
        ]

    def __str__(self) -> str:
        return self.title


class CollectionGrant(models.Model):
    """What one organisation may do in one collection; no row, no access."""

    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, related_name="grants")
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    can_read = models.BooleanField(default=False)
    can_write = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "collection"], name="collection_grant_once"),
            models.CheckConstraint(
                condition=Q(can_read=True) | Q(can_write=True), name="collection_grant_not_empty"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} in {self.collection_id}"
