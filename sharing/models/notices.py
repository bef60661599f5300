"""What notices tell of, and who has seen them."""

from django.db import models
from django.db.models import Q

from accounts.models import Community, Member, Organization, Token
from indicators.models import Channel


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


class NoticesSeen(models.Model):
    """Up to which notice a member has seen those of their organisation."""

    member = models.OneToOneField(Member, on_delete=models.CASCADE, primary_key=True)
    up_to = models.BigIntegerField(help_text="The id of a notice.")
    seen_at = models.DateTimeField()

    class Meta:
        verbose_name_plural = "notices seen"

    def __str__(self) -> str:
        return f"{self.member_id} up to {self.up_to}"
