"""What takes two people, and the disclosures that follow from it."""

from django.db import models
from django.db.models import F, Q

from accounts.models import Community, Member, Organization, Tlp
from indicators.models import Claim
from sharing.models.collections import Collection
from sharing.models.erasures import Erasure
from sharing.models.reviews import Review


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
