"""The catalogue of techniques."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q


class Technique(models.Model):
    """An attack-pattern of the service's own, in every feed: what observations can be said to be a case of.

    Either a technique of MITRE ATLAS (`atlas_id`) or a form of some (`form_of`). Rows come from
    `indicators/techniques.json`, by migration; nobody changes them at the desk.
    """

    object_id = models.TextField(primary_key=True, help_text="STIX id; the same in every deployment.")
    name = models.TextField(unique=True)
    description = models.TextField()
    phase = models.TextField(help_text="Tactic of MITRE ATLAS, the `phase_name` of its kill-chain phase.")
    atlas_id = models.TextField(null=True, unique=True, help_text="Such as AML.T0024.002.")
    form_of = ArrayField(models.TextField(), default=list, help_text="ATLAS ids of what it is a form of.")
    created = models.DateTimeField()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(object_id__startswith="attack-pattern--"), name="technique_is_attack_pattern"
            ),
            models.CheckConstraint(
                condition=Q(atlas_id__isnull=False, form_of=[]) | (Q(atlas_id__isnull=True) & ~Q(form_of=[])),
                name="technique_atlas_or_form_of",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def atlas_ids(self) -> list[str]:
        """The ATLAS techniques that its external references name."""
        return [self.atlas_id] if self.atlas_id else self.form_of
