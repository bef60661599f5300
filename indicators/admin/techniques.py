"""The catalogue of techniques."""

from django.contrib import admin

from accounts.admin.base import ReadOnly
from indicators.models import Technique


@admin.register(Technique)
class TechniqueAdmin(ReadOnly):
    """The attack-patterns that the service publishes in every feed."""

    list_display = ("name", "atlas", "phase", "object_id")
    list_filter = ("phase",)
    search_fields = ("name", "=object_id", "=atlas_id")
    ordering = ("name",)
    fields = ("object_id", "name", "description", "phase", "atlas", "created")

    @admin.display(description="MITRE ATLAS")
    def atlas(self, technique: Technique) -> str:
        ids = ", ".join(technique.atlas_ids)
        return ids if technique.atlas_id else f"a form of {ids}"
