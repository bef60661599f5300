"""The desk's pages on what was sent."""

from django.contrib import admin

from accounts.admin import ReadOnly
from indicators.models import Submission


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
