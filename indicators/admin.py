"""The desk's pages on what was sent, and the catalogue of techniques."""

from django.contrib import admin

from accounts.admin import ReadOnly
from indicators.models import Submission, Technique


@admin.register(Submission)
class SubmissionAdmin(ReadOnly):
    """Submissions, newest first; those in quarantine say why."""

    list_display = ("id", "organization", "community", "channel", "object_count", "state", "received_at")
    list_filter = ("state", "channel", "community", "organization")
    list_select_related = ("organization", "community")
    ordering = ("-received_at",)
    fields = (
        *(
            "id",
            "organization",
            "community",
            "token",
            "channel",
            "object_count",
            "state",
            "attempts",
            "error",
        ),
        *("received_at", "ingested_at"),
    )

    def get_queryset(self, request):  # type: ignore[no-untyped-def]
        """Without the bodies, which can be large."""
        return super().get_queryset(request).defer("body")


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
