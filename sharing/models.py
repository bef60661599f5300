"""Collections, their entries, what was decided to leave, and the keys that sign it."""

import uuid

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact

from accounts.models import Community, Member, Notice, Organization, Tlp, Token
from indicators.models import Channel, Claim, Subject, Submission


class Kind(models.TextChoices):
    """Who publishes in a collection."""

    FEED = "feed", "Feed: the service"
    OPEN = "open", "Open: members with write access"
    INBOX = "inbox", "Inbox: one member"


class Profile(models.TextChoices):
    """Which objects of its audience a feed holds (clients.md 19)."""

    FULL = "full", "Full: everything"
    CORE = "core", "Core: what SIEMs take"


class Decision(models.TextChoices):
    """What `release.policy` or an analyst decided."""

    RELEASE = "release", "Release"
    REVIEW = "review", "Review"
    WITHHOLD = "withhold", "Withhold"


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


class Entry(models.Model):
    """A version's place in a collection's log; written only by `sharing.actions.publication`.

    An entry without `body` is a withdrawal, or was withdrawn: then `opening` holds its 33 bytes instead of its
    statement, and `withdrawn_by` the index of the withdrawal.
    """

    pk = models.CompositePrimaryKey("collection_id", "index")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, db_index=False)
    index = models.BigIntegerField()
    added = models.BigIntegerField(help_text="Microseconds since 1970.")
    object_id = models.TextField(null=True)
    object_type = models.TextField(null=True)
    spec_version = models.TextField(null=True)
    version = models.TextField(null=True, help_text="As the object says it; of an SCO its date added.")
    version_key = models.TextField(null=True, help_text="Sortable: nine fractional digits.")
    tlp = models.SmallIntegerField(null=True)
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        help_text="Who posted it; of no feed.",
    )
    body = models.BinaryField(null=True, help_text="RFC 8785 bytes, as signed and served.")
    opening = models.BinaryField(
        help_text="Salt, statement and signature as JSON, ready to join into a proof page."
    )
    commitment = models.BinaryField(max_length=33, help_text="The entry of the Merkle log (trust.md).")
    subsalt = models.BinaryField(null=True, max_length=32)
    submitter = models.BinaryField(null=True, help_text="The record that the statement's `sub` commits to.")
    is_first = models.BooleanField(default=False)
    is_last = models.BooleanField(default=False)
    withdrawn_by = models.BigIntegerField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["collection", "added"], name="entry_added_once"),
            models.UniqueConstraint(
                fields=["collection", "object_id", "version_key"],
                condition=Q(body__isnull=False),
                name="entry_version_once",
            ),
            models.CheckConstraint(
                condition=Q(body__isnull=True, is_first=False, is_last=False)
                | Q(
                    body__isnull=False,
                    object_id__isnull=False,
                    object_type__isnull=False,
                    spec_version__isnull=False,
                    version__isnull=False,
                    version_key__isnull=False,
                    tlp__isnull=False,
                    withdrawn_by__isnull=True,
                ),
                name="entry_whole_or_gone",
            ),
        ]
        indexes = [
            models.Index(fields=["collection", "added"], condition=Q(is_last=True), name="entry_page"),
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}/{self.index}"


class Tile(models.Model):
    """A full tile of a log's Merkle tree: 256 hashes of one level and the one they come to (C2SP tlog-tiles).

    Written once, in the transaction that appends its last entry. Tiles that are not full are read from the entries and
    from the roots of the full tiles below.
    """

    pk = models.CompositePrimaryKey("collection_id", "level", "index")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, db_index=False)
    level = models.SmallIntegerField()
    index = models.BigIntegerField()
    hashes = models.BinaryField(max_length=8192)
    root = models.BinaryField(max_length=32)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Exact(
                    Func(F("hashes"), function="octet_length", output_field=models.IntegerField()),
                    Value(8192),
                )
                & Exact(
                    Func(F("root"), function="octet_length", output_field=models.IntegerField()), Value(32)
                ),
                name="tile_full",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}/{self.level}/{self.index}"


class Checkpoint(models.Model):
    """A log's signed tree head at one size (C2SP tlog-checkpoint); signed anew, it is the same row."""

    pk = models.CompositePrimaryKey("collection_id", "size")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, db_index=False)
    size = models.BigIntegerField()
    root = models.BinaryField(max_length=32)
    note = models.TextField(help_text="The signed note, with the log's own signature lines.")
    cosignatures = models.TextField(
        blank=True, default="", help_text="Witnesses' signature lines over this note."
    )
    signed_at = models.DateTimeField()
    quorum = models.BinaryField(
        null=True, max_length=32, help_text="SHA-256 of the witness policy that its cosignatures meet."
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["collection", "quorum", "-size"],
                condition=Q(quorum__isnull=False),
                name="checkpoint_with_quorum",
            )
        ]

    def __str__(self) -> str:
        return f"{self.collection_id} at {self.size}"


class LogRefusal(models.Model):
    """A log that the signer refuses, for as long as it does: it does not continue what was signed of it before."""

    collection = models.OneToOneField(Collection, on_delete=models.PROTECT, primary_key=True)
    sentence = models.TextField()
    refused_at = models.DateTimeField(help_text="When it began.")

    def __str__(self) -> str:
        return self.sentence


class Witness(models.Model):
    """A witness that the policy names with a URL, and how it fares; the rows follow the policy."""

    name = models.TextField(primary_key=True, help_text="As in the policy.")
    next_at = models.DateTimeField(help_text="It is not asked before.")
    answered_at = models.DateTimeField(null=True, help_text="When it last answered at all.")
    failures = models.IntegerField(default=0, help_text="Turns in a row in which it did not answer.")
    last_error = models.TextField(blank=True, help_text="Why it did not, as long as it does not.")

    class Meta:
        verbose_name_plural = "witnesses"
        constraints = [
            models.CheckConstraint(condition=Q(failures__gte=0), name="witness_failures_counted"),
        ]

    def __str__(self) -> str:
        return self.name


class Witnessed(models.Model):
    """How far one witness has cosigned one log."""

    pk = models.CompositePrimaryKey("witness_id", "collection_id")
    witness = models.ForeignKey(Witness, on_delete=models.CASCADE, db_index=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT)
    size = models.BigIntegerField(default=0, help_text="Of the tree that it cosigned last.")
    cosigned_at = models.DateTimeField(null=True, help_text="When it was last asked and cosigned.")
    next_at = models.DateTimeField(help_text="It is not asked about this log before.")
    refusals = models.IntegerField(default=0, help_text="In a row.")
    last_error = models.TextField(blank=True, help_text="Why it refuses, as long as it does.")

    class Meta:
        verbose_name_plural = "witnessed"
        constraints = [
            models.CheckConstraint(condition=Q(size__gte=0, refusals__gte=0), name="witnessed_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.collection_id} at {self.size} by {self.witness_id}"


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


class ProposalKind(models.TextChoices):
    """What takes two people."""

    LOWER_TLP = "lower-tlp", "Lower the TLP of a claim"
    DISCLOSE = "disclose", "Tell an organisation who submitted it"
    RELEASE = "release", "Release above the blast radius"
    ERASE = "erase", "Erase by legal order"
    LIFT = "lift", "Let what was erased be sent again"


class ProposalState(models.TextChoices):
    """How a proposal stands."""

    OPEN = "open", "Waits for a second person"
    CONFIRMED = "confirmed", "Confirmed"
    DECLINED = "declined", "Declined"
    WITHDRAWN = "withdrawn", "Withdrawn"
    OVER = "over", "Over: what it was about has changed"


class Proposal(models.Model):
    """What one analyst proposes and another one confirms; the database lets neither do it alone.

    Triggers hold it (migration 0005): it is made open, what it says never changes, and a claim's TLP, a disclosure and
    a release above the blast radius need a confirmed one that says just that.
    """

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=12, choices=ProposalKind.choices)
    state = models.CharField(max_length=12, choices=ProposalState.choices, default=ProposalState.OPEN)
    community = models.ForeignKey(Community, on_delete=models.PROTECT, db_index=False)
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, null=True)
    review = models.ForeignKey(Review, on_delete=models.PROTECT, null=True)
    erasure = models.ForeignKey(Erasure, on_delete=models.PROTECT, null=True, related_name="proposals")
    tlp = models.SmallIntegerField(choices=Tlp.choices, null=True, help_text="To which it is lowered.")
    stated_tlp = models.SmallIntegerField(
        choices=Tlp.choices, null=True, help_text="What its source marked it when it was proposed."
    )
    organization = models.ForeignKey(
        Organization, on_delete=models.PROTECT, null=True, db_index=False, help_text="Who is told."
    )
    reason = models.TextField()
    proposed_by = models.ForeignKey(Member, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    decided_by = models.ForeignKey(Member, on_delete=models.PROTECT, null=True, related_name="+")
    decided_at = models.DateTimeField(null=True)
    decision_reason = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(state__in=ProposalState.values), name="proposal_state_known"),
            models.CheckConstraint(condition=~Q(reason=""), name="proposal_has_reason"),
            models.CheckConstraint(
                condition=~Q(state="confirmed")
                | Q(decided_by__isnull=False, decided_at__isnull=False) & ~Q(decided_by=F("proposed_by")),
                name="proposal_confirmed_by_another",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind="lower-tlp",
                    claim__isnull=False,
                    tlp__isnull=False,
                    stated_tlp__isnull=False,
                    review__isnull=True,
                    erasure__isnull=True,
                    organization__isnull=True,
                )
                | Q(
                    kind="disclose",
                    claim__isnull=False,
                    organization__isnull=False,
                    tlp__isnull=True,
                    stated_tlp__isnull=True,
                    review__isnull=True,
                    erasure__isnull=True,
                )
                | Q(
                    kind="release",
                    review__isnull=False,
                    erasure__isnull=True,
                    claim__isnull=True,
                    tlp__isnull=True,
                    stated_tlp__isnull=True,
                    organization__isnull=True,
                )
                | Q(
                    kind__in=["erase", "lift"],
                    erasure__isnull=False,
                    review__isnull=True,
                    claim__isnull=True,
                    tlp__isnull=True,
                    stated_tlp__isnull=True,
                    organization__isnull=True,
                ),
                name="proposal_of_one_thing",
            ),
            models.CheckConstraint(
                condition=Q(stated_tlp__isnull=True) | Q(stated_tlp__lt=Tlp.RED), name="proposal_leaves_red"
            ),
            models.UniqueConstraint(
                fields=["kind", "claim", "review", "organization", "erasure"],
                condition=Q(state="open"),
                nulls_distinct=False,
                name="proposal_one_open",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="open"), name="proposal_open")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} ({self.get_state_display()})"


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


class Publisher(models.Model):
    """The service as the author of what it publishes; one row, made with the database."""

    id = models.SmallIntegerField(primary_key=True, default=1)
    identity_id = models.TextField(help_text="STIX id of its identity object.")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(id=1), name="publisher_one")]

    def __str__(self) -> str:
        return self.identity_id


class KeyPurpose(models.TextChoices):
    """What a key signs; it signs nothing else."""

    OBJECT = "object", "Objects, receipts and deliveries (Ed25519)"
    LOG = "log", "Checkpoints (Ed25519)"
    LOG_ML_DSA = "log-ml-dsa", "Checkpoints (ML-DSA-44)"
    TRUST = "trust", "The trust root's online roles (Ed25519)"


class SigningKey(models.Model):
    """The public half of a signing key; the signer alone has the private half."""

    kid = models.CharField(max_length=43, primary_key=True, help_text="RFC 7638 thumbprint.")
    purpose = models.CharField(max_length=12, choices=KeyPurpose.choices, default=KeyPurpose.OBJECT)
    jwk = models.JSONField()
    created_at = models.DateTimeField()
    use_from = models.DateTimeField(help_text="A new key is published at least seven days before it signs.")
    retired_at = models.DateTimeField(
        null=True, help_text="Signs nothing from here on; still verifies what it signed."
    )
    trusted_at = models.DateTimeField(
        null=True, help_text="When the trust root first named it. Where a root stands, no other key signs."
    )
    revoked_at = models.DateTimeField(
        null=True, help_text="Lost: what it signed is signed anew, and proves nothing by itself."
    )
    revoked_because = models.TextField(blank=True, default="")
    from_index = models.JSONField(
        null=True,
        help_text="Of a revoked key: by digest of origin, the first entry that its signature counts for no more.",
    )

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(purpose__in=KeyPurpose.values), name="signing_key_purpose_known"
            ),
            models.CheckConstraint(
                condition=Q(revoked_at__isnull=True, from_index__isnull=True, revoked_because="")
                | Q(revoked_at__isnull=False, from_index__isnull=False, retired_at__lte=F("revoked_at"))
                & ~Q(revoked_because=""),
                name="signing_key_revoked_whole",
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class Renewal(models.Model):
    """How far the signatures of a revoked key are made anew: in one log, or in the claims (no collection)."""

    id = models.BigAutoField(primary_key=True)
    key = models.ForeignKey(SigningKey, on_delete=models.CASCADE, related_name="renewals", db_index=False)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, null=True, db_index=False)
    position = models.BigIntegerField(default=0, help_text="The index, or id, that is looked at next.")
    renewed = models.BigIntegerField(default=0, help_text="Signatures that were made anew.")
    due_at = models.DateTimeField(help_text="Not looked at before.")
    done_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["key", "collection"], nulls_distinct=False, name="renewal_once"),
            models.CheckConstraint(condition=Q(position__gte=0, renewed__gte=0), name="renewal_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.key_id} in {self.collection_id or 'claims'} up to {self.position}"


class TrustRole(models.TextChoices):
    """Whose metadata a file of the trust root is."""

    ROOT = "root", "Root: offline"
    TARGETS = "targets", "Targets: offline"
    COLLECTIONS = "collections", "Collections: online"
    SNAPSHOT = "snapshot", "Snapshot: online"
    TIMESTAMP = "timestamp", "Timestamp: online"


class TrustFile(models.Model):
    """A file of the trust root's repository (TUF), as it is served under /trust/tuf/."""

    path = models.TextField(primary_key=True, help_text="metadata/1.root.json, targets/<sha256>.jwks.json, …")
    role = models.CharField(
        max_length=12, choices=TrustRole.choices, blank=True, help_text="Of metadata; a target has none."
    )
    version = models.BigIntegerField(null=True, help_text="Of metadata.")
    content = models.BinaryField()
    expires_at = models.DateTimeField(null=True, help_text="Of metadata.")
    stored_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(role="", version__isnull=True, expires_at__isnull=True)
                | Q(role__in=TrustRole.values, version__gte=1, expires_at__isnull=False),
                name="trust_file_metadata_whole",
            ),
            models.UniqueConstraint(
                fields=["role", "version"], condition=~Q(role=""), name="trust_file_version_once"
            ),
        ]

    def __str__(self) -> str:
        return self.path


class SubmitterKey(models.Model):
    """The public half of a key that an organisation signs with what it submits; shown to that organisation alone.

    Two organisations may register the same key without hearing of each other: a signature counts for its sender only.
    """

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="submitter_keys", db_index=False
    )
    kid = models.CharField(max_length=43, help_text="RFC 7638 thumbprint.")
    jwk = models.JSONField()
    name = models.CharField(max_length=100, help_text="What it is for, as its organisation says.")
    registered_at = models.DateTimeField()
    registered_by = models.TextField(help_text="The actor, as in the audit trail.")
    retired_at = models.DateTimeField(
        null=True, help_text="What came in from here on is not taken as signed by it; what came before stays."
    )

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "kid"], name="submitter_key_once"),
            models.CheckConstraint(
                condition=Q(kid__regex=r"^[A-Za-z0-9_-]{43}$"), name="submitter_key_thumbprint"
            ),
            models.CheckConstraint(condition=~Q(name=""), name="submitter_key_named"),
            models.CheckConstraint(
                condition=Q(retired_at__isnull=True) | Q(retired_at__gte=F("registered_at")),
                name="submitter_key_retires_later",
            ),
        ]

    def __str__(self) -> str:
        return self.kid


class Disclosure(models.Model):
    """An entry whose submitter commitment was opened to an organisation, by a proposal that two people decided."""

    id = models.BigAutoField(primary_key=True)
    proposal = models.ForeignKey("Proposal", on_delete=models.PROTECT)
    organization = models.ForeignKey(Organization, on_delete=models.PROTECT, db_index=False)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, db_index=False)
    index = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "collection", "index"], name="disclosure_once"),
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}/{self.index} to {self.organization_id}"


class WebhookState(models.TextChoices):
    """How a webhook stands."""

    ACTIVE = "active", "Active"
    PAUSED = "paused", "Paused: what is due waits"
    FAILING = "failing", "Failing: still tried, ever more seldom"


class Told(models.TextChoices):
    """What an organisation can be told by webhook."""

    RECEIPTS = "receipts", "Receipts"
    NOTICES = "notices", "Notices"


class Webhook(models.Model):
    """An address of an organisation's own, to which the service posts what the organisation wants to be told."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="webhooks", db_index=False
    )
    url = models.TextField()
    what = ArrayField(models.CharField(max_length=8, choices=Told.choices))
    state = models.CharField(max_length=8, choices=WebhookState.choices, default=WebhookState.ACTIVE)
    internal = models.BooleanField(
        default=False, help_text="The operator lets it be inside its own network, where others are refused."
    )
    failures = models.IntegerField(default=0, help_text="Attempts in a row that failed.")
    next_at = models.DateTimeField(help_text="Nothing is sent to it before; whose is earliest is next.")
    created_at = models.DateTimeField()
    created_by = models.TextField(help_text="The actor, as in the audit trail.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["organization", "url"], name="webhook_once"),
            models.CheckConstraint(condition=Q(state__in=WebhookState.values), name="webhook_state_known"),
            models.CheckConstraint(
                condition=Q(what__contained_by=Told.values, what__len__gt=0), name="webhook_what_known"
            ),
        ]

    def __str__(self) -> str:
        return self.url


class DeliveryKind(models.TextChoices):
    """What a delivery tells."""

    INGESTED = "receipt.ingested", "Receipt: ingested"
    DECIDED = "receipt.decided", "Receipt: decided"
    NOTICE = "notice", "Notice"
    TEST = "test", "Test"


class DeliveryState(models.TextChoices):
    """How a delivery stands."""

    PENDING = "pending", "Pending"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Failed"


class Delivery(models.Model):
    """One thing that one webhook is told, once; its row is written with what it tells of, and is the queue.

    `body` is written and signed by one process, and sent by another that holds no key; every attempt sends the same
    bytes.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="deliveries", db_index=False)
    kind = models.CharField(max_length=20, choices=DeliveryKind.choices)
    submission = models.ForeignKey(Submission, on_delete=models.CASCADE, null=True)
    notice = models.ForeignKey(Notice, on_delete=models.CASCADE, null=True)
    body = models.BinaryField(null=True, help_text="RFC 8785 bytes, as signed and sent.")
    signature = models.TextField(blank=True, help_text="Detached JWS.")
    state = models.CharField(max_length=12, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    attempts = models.IntegerField(default=0)
    next_at = models.DateTimeField(help_text="When it is tried next, while pending.")
    created_at = models.DateTimeField()
    started_at = models.DateTimeField(
        null=True, help_text="When it was first tried; three days on it has failed."
    )
    delivered_at = models.DateTimeField(null=True)
    last_status = models.SmallIntegerField(null=True, help_text="HTTP status of the last answer.")
    last_error = models.TextField(blank=True)

    class Meta:
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["webhook", "submission", "kind"],
                condition=Q(submission__isnull=False),
                name="delivery_receipt_once",
            ),
            models.UniqueConstraint(
                fields=["webhook", "notice"], condition=Q(notice__isnull=False), name="delivery_notice_once"
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=["receipt.ingested", "receipt.decided"],
                    submission__isnull=False,
                    notice__isnull=True,
                )
                | Q(kind="notice", submission__isnull=True, notice__isnull=False)
                | Q(kind="test", submission__isnull=True, notice__isnull=True),
                name="delivery_tells_one_thing",
            ),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
            models.CheckConstraint(
                condition=~Q(state="delivered") | Q(delivered_at__isnull=False, body__isnull=False),
                name="delivery_delivered_at_set",
            ),
        ]
        indexes = [
            models.Index(
                fields=["webhook", "next_at"],
                condition=Q(state="pending", body__isnull=False),
                name="delivery_to_send",
            ),
            models.Index(
                fields=["next_at"], condition=Q(state="pending", body__isnull=True), name="delivery_to_write"
            ),
            models.Index(fields=["webhook", "-created_at", "-id"], name="delivery_by_webhook"),
            models.Index(fields=["created_at"], name="delivery_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


class Attempt(models.Model):
    """One try to deliver."""

    id = models.BigAutoField(primary_key=True)
    delivery = models.ForeignKey(Delivery, on_delete=models.CASCADE, related_name="tries")
    at = models.DateTimeField()
    status = models.SmallIntegerField(null=True, help_text="HTTP status; none if nothing answered.")
    error = models.TextField(blank=True)

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.status or self.error}"


class Silence(models.Model):
    """A source that normally sends and has fallen silent: one way in, of one organisation, by one credential."""

    id = models.BigAutoField(primary_key=True)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    community = models.ForeignKey(Community, on_delete=models.CASCADE)
    channel = models.CharField(max_length=8, choices=Channel.choices)
    token = models.ForeignKey(Token, on_delete=models.CASCADE, null=True)
    last_received_at = models.DateTimeField()
    noticed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, help_text="When it was seen to send again.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["organization", "community", "channel", "token"],
                condition=Q(ended_at__isnull=True),
                nulls_distinct=False,
                name="silence_one_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} since {self.last_received_at:%Y-%m-%d %H:%M}"


class Poll(models.Model):
    """How far one token has read one collection: the furthest that it was ever given.

    Written by the reads themselves, but seldom (`sharing.actions.polls`): some seconds may be missing.
    """

    pk = models.CompositePrimaryKey("token_id", "collection_id")
    token = models.ForeignKey(Token, on_delete=models.CASCADE, db_index=False, related_name="polls")
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE)
    added = models.BigIntegerField(
        help_text="Microseconds since 1970: all that was added up to then and matched its filters was given to it."
    )
    at_head = models.BooleanField(help_text="Whether its last answer said that there is no more.")
    objects_given = models.BigIntegerField(default=0, help_text="In all answers, also those given again.")
    polled_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(added__gte=0, objects_given__gte=0), name="poll_counted"),
        ]

    def __str__(self) -> str:
        return f"{self.token_id} in {self.collection_id}"


class Way(models.TextChoices):
    """How something of a collection was given."""

    PAGE = "page", "Pages of objects"
    PROOF = "proof", "Pages with proofs"
    OBJECT = "object", "Single objects"
    MANIFEST = "manifest", "Manifests and versions: ids only"
    OPENING = "opening", "Openings of the log"
    BUNDLE = "bundle", "Bundles of object and proof"
    EXPORT = "export", "Exports at the desk"


class Given(models.Model):
    """What one reader was or may have been given of one collection: all of a range, from `at` to `until`.

    Append-only. Written before the answer goes out, and for more than it (`sharing.actions.giving`): where no row
    says so, it was not given.
    """

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.CASCADE, db_index=False)
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, db_index=False)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, db_index=False)
    member = models.TextField(blank=True, help_text="The username, of an export.")
    way = models.CharField(max_length=8, choices=Way.choices)
    from_added = models.BigIntegerField(help_text="Microseconds since 1970, inclusive.")
    to_added = models.BigIntegerField(help_text="Inclusive.")
    at = models.DateTimeField()
    until = models.DateTimeField()

    class Meta:
        verbose_name_plural = "given"
        constraints = [
            models.CheckConstraint(condition=Q(way__in=Way.values), name="given_way_known"),
            models.CheckConstraint(
                condition=Q(to_added__gte=F("from_added"), until__gte=F("at")), name="given_in_order"
            ),
        ]
        indexes = [
            models.Index(fields=["collection", "to_added"], name="given_of_collection"),
            models.Index(fields=["until"], name="given_by_age"),
        ]

    def __str__(self) -> str:
        return f"{self.way} of {self.collection_id} to {self.organization_id}"


class Withdrawal(models.Model):
    """An entry that was erased: what its readers have to be told, and whether they were."""

    pk = models.CompositePrimaryKey("collection_id", "index")
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, db_index=False)
    index = models.BigIntegerField()
    withdrawn_by = models.BigIntegerField(help_text="The index of its `withdraw` statement.")
    added = models.BigIntegerField(help_text="When the entry was added, in microseconds since 1970.")
    at = models.DateTimeField()
    """When it was committed: a trigger adds how long the transaction took (migration 0016)."""
    reason = models.CharField(max_length=12, help_text="As in the statement (trust.md).")
    object_id = models.TextField()
    version = models.TextField()
    organization = models.ForeignKey(
        Organization,
        on_delete=models.PROTECT,
        null=True,
        db_index=False,
        help_text="Who had posted it; of no feed.",
    )
    erasure = models.ForeignKey(Erasure, on_delete=models.PROTECT, null=True)
    told_at = models.DateTimeField(
        null=True, help_text="When it was found out who had pulled it, and they were told."
    )

    class Meta:
        indexes = [
            models.Index(
                fields=["collection", "index"],
                condition=Q(told_at__isnull=True) & ~Q(reason="moved"),
                name="withdrawal_untold",
            ),
            models.Index(fields=["-at", "collection", "index"], name="withdrawal_by_age"),
            models.Index(fields=["object_id"], name="withdrawal_of_object"),
        ]

    def __str__(self) -> str:
        return f"{self.collection_id}/{self.index}"


class Reached(models.Model):
    """A reader that had, or may have, an entry before it was withdrawn; and the notice that told its organisation."""

    id = models.BigAutoField(primary_key=True)
    collection = models.ForeignKey(Collection, on_delete=models.PROTECT, db_index=False)
    index = models.BigIntegerField()
    organization = models.ForeignKey(Organization, on_delete=models.CASCADE)
    token = models.ForeignKey(Token, on_delete=models.SET_NULL, null=True, db_index=False)
    member = models.TextField(blank=True)
    ways = ArrayField(models.TextField(), help_text="Empty: it had access while nothing was recorded yet.")
    first_at = models.DateTimeField(null=True)
    last_at = models.DateTimeField(null=True)
    notice = models.ForeignKey(Notice, on_delete=models.SET_NULL, null=True)

    class Meta:
        verbose_name_plural = "reached"
        constraints = [
            models.UniqueConstraint(
                fields=["collection", "index", "organization", "token", "member"],
                nulls_distinct=False,
                name="reached_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.organization_id} had {self.collection_id}/{self.index}"


class Measure(models.TextChoices):
    """What is counted by day."""

    SUBMISSIONS = "submissions", "Submissions, by community and organisation"
    OBJECTS = "objects", "Objects in submissions, by community and organisation"
    RELEASED = "released", "Indicators that first stood in a feed, by feed"
    TECHNIQUE = "technique", "The same, by feed and phase or technique"
    CONFIDENCE = "confidence", "Indicators that stand in a feed, by feed and confidence"


class DailyCount(models.Model):
    """One number of one day (UTC), for the charts; written by `sharing.actions.tallies` alone."""

    id = models.BigAutoField(primary_key=True)
    day = models.DateField()
    measure = models.CharField(max_length=12, choices=Measure.choices)
    scope = models.UUIDField(help_text="Of what: a community or a feed.")
    key = models.TextField(blank=True, help_text="By what: an organisation, a technique, a confidence.")
    count = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["measure", "day", "scope", "key"], name="daily_count_once"),
            models.CheckConstraint(condition=Q(measure__in=Measure.values), name="daily_count_known"),
            models.CheckConstraint(condition=Q(count__gte=0), name="daily_count_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.count} {self.measure} on {self.day}"


class Tally(models.Model):
    """How far one thing has been counted by day: a feed's log, or the submissions."""

    name = models.TextField(primary_key=True, help_text="log:<feed>, submissions or confidence.")
    position = models.BigIntegerField(default=0, help_text="Of a log: the index that is counted next.")
    counted_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "tallies"
        constraints = [models.CheckConstraint(condition=Q(position__gte=0), name="tally_position")]

    def __str__(self) -> str:
        return self.name


class NoticesSeen(models.Model):
    """Up to which notice a member has seen those of their organisation."""

    member = models.OneToOneField(Member, on_delete=models.CASCADE, primary_key=True)
    up_to = models.BigIntegerField(help_text="The id of a notice.")
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "notices seen"

    def __str__(self) -> str:
        return f"{self.member_id} up to {self.up_to}"
