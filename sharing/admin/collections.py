"""Collections and the keys that sign them."""

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from accounts.admin.base import ReadOnly
from sharing.models import Collection, SigningKey


@admin.register(Collection)
class CollectionAdmin(ReadOnly):
    """Collections and how far they have grown."""

    list_display = ("title", "community", "kind", "ceiling", "profile", "next_index", "link")
    list_filter = ("community", "kind")
    list_select_related = ("community",)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **named: Any) -> HttpResponse:
        """Of a collection one asks who reads it."""
        try:
            return HttpResponseRedirect(reverse("admin:collection_readers", args=[UUID(object_id)]))
        except ValueError as error:
            raise Http404 from error

    @admin.display(description="URL")
    def link(self, collection: Collection) -> SafeString:
        return format_html(
            "<code>/taxii2/{}/collections/{}/</code>", collection.community.slug, collection.id
        )


@admin.register(SigningKey)
class SigningKeyAdmin(ReadOnly):
    """Public keys; `manage.py rotate_keys` makes a new one."""

    list_display = ("kid", "purpose", "use_from", "retired_at", "trusted_at", "revoked_at")
