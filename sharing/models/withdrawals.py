"""Entries that were erased, and whom they had reached."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from accounts.models import Notice, Organization, Token
from sharing.models.collections import Collection
from sharing.models.erasures import Erasure


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
