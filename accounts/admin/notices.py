"""What organisations are told."""

from django.contrib import admin

from accounts.admin.base import ReadOnly
from accounts.models import Notice


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    """What organisations were told, newest first."""

    list_display = ("told_at", "organization", "kind", "sentence")
    list_filter = ("kind", "organization")
    list_select_related = ("organization",)
    search_fields = ("=target",)
    ordering = ("-id",)
    show_full_result_count = False
