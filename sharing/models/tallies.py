"""What is counted by day, for the charts."""

from django.db import models
from django.db.models import Q


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
