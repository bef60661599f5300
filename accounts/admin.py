"""The desk's pages on who: plain for now, read-only; `apply_community` is where they are changed."""

from typing import Any

from django.contrib import admin
from django.contrib.auth.models import Group
from django.core.exceptions import SuspiciousOperation
from django.db.models import Model, QuerySet
from django.http import HttpRequest, HttpResponse

from accounts.models import AuditEvent, Community, Member, Notice, Role, Token

admin.site.unregister(Group)


class ReadOnly(admin.ModelAdmin):  # type: ignore[type-arg] # it is no generic at run time
    """Analysts and admins may look; nobody changes anything here."""

    def has_module_permission(self, request: HttpRequest) -> bool:
        return may_analyse(request)

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return may_analyse(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False

    def response_action(
        self, request: HttpRequest, queryset: QuerySet[Model], *args: Any, **options: Any
    ) -> HttpResponse | None:
        """A chosen id that is none is a bad request, not a fault."""
        try:
            return super().response_action(request, queryset, *args, **options)
        except ValueError as error:
            raise SuspiciousOperation("a chosen id is not one of a row") from error


def may_analyse(request: HttpRequest) -> bool:
    """Whether the signed-in member is an analyst or an admin of the operator."""
    member = request.user
    if not isinstance(member, Member) or not member.is_active:
        return False
    operator = member.organization is not None and member.organization.sector == "operator"
    return member.is_superuser or (operator and member.role in {Role.ANALYST, Role.ADMIN})


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


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnly):
    """Who changed what, newest first."""

    list_display = ("at", "actor", "organization", "action", "target")
    list_filter = ("action",)
    search_fields = ("=target", "=actor")
    ordering = ("-id",)
    list_select_related = ("organization",)
    show_full_result_count = False
