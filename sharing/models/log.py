"""The log of a collection: entries, tiles, checkpoints, and the witnesses that cosign them."""

from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.lookups import Exact

from accounts.models import Organization
from sharing.models.collections import Collection


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
