"""Communities, people, tokens, and what organisations are told."""

from django.contrib import admin

from accounts.admin.base import ReadOnly
from accounts.models import Community, Member, Notice, Token


@admin.register(Community)
class CommunityAdmin(ReadOnly):
    """Communities and their rules."""

    list_display = (
        "title",
        "slug",
        "auto_release",
        "min_confidence",
        "min_sources",
        "default_tlp",
        "personal_data",
    )


@admin.register(Member)
class MemberAdmin(ReadOnly):
    """People."""

    list_display = ("username", "organization", "role", "last_login")
    fields = ("username", "email", "organization", "role", "is_active", "last_login", "date_joined")


@admin.register(Token)
class TokenAdmin(ReadOnly):
    """Tokens, without anything secret."""

    list_display = ("name", "organization", "scopes", "expires_at", "last_used_at", "revoked_at")
    list_filter = ("organization",)
    fields = (
        "id",
        "name",
        "organization",
        "scopes",
        "created_at",
        "expires_at",
        "last_used_at",
        "revoked_at",
        "requests_per_minute",
        "objects_per_hour",
        "bytes_per_hour",
    )


@admin.register(Notice)
class NoticeAdmin(ReadOnly):
    """What organisations were told, newest first."""

    list_display = ("told_at", "organization", "kind", "sentence")
    list_filter = ("kind", "organization")
    list_select_related = ("organization",)
    search_fields = ("=target",)
    ordering = ("-id",)
    show_full_result_count = False
