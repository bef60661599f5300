"""What readers were given, and how far they have read."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Organization, Token
from sharing.models.collections import Collection


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
