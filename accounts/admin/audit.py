"""The audit trail."""

from django.contrib import admin

from accounts.admin.base import ReadOnly
from accounts.models import AuditEvent


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    """Who changed what, newest first."""

    list_display = ("at", "actor", "organization", "action", "target")
    list_filter = ("action",)
    search_fields = ("=target", "=actor")
    ordering = ("-id",)
    list_select_related = ("organization",)
    show_full_result_count = False
