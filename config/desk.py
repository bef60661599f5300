"""The desk: Django's admin in its theme, with pages that are no model's and a sidebar that shows what one may see."""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from django.contrib.auth.models import AnonymousUser
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver

from accounts.models import Member

if TYPE_CHECKING:  # the theme publishes no types
    from django.contrib.admin import AdminSite as ThemedSite
else:
    from unfold.sites import UnfoldAdminSite as ThemedSite

# The packages named admin register their pages with this site: they are imported once it is there.


class Desk(ThemedSite):
    """The only admin site."""

    site_header = site_title = "Stillwatch"
    index_title = "The analysts' desk"
    site_url = None
    enable_nav_sidebar = True

    def has_permission(self, request: HttpRequest) -> bool:
        """Whether somebody may sign in at all: a person of an organisation, or a superuser."""
        person: Member | AnonymousUser = request.user
        if not isinstance(person, Member) or not person.is_active:
            return False
        return person.organization_id is not None or person.is_superuser

    def admin_view(self, view: Callable[..., Any], cacheable: bool = False) -> Any:
        """What Django's admin has by itself, above all the pages of models: to all but analysts it is not there.

        Each would answer them 403, or tell by a redirect whether a row is there. Our own pages have a rule each
        (`accounts.admin.site.desk_page`).
        """
        from accounts.admin.base import may_analyse

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **arguments: Any) -> Any:
            if not may_analyse(request):
                raise Http404
            return view(request, *args, **arguments)

        return super().admin_view(guarded, cacheable)

    def get_urls(self) -> list[URLPattern | URLResolver]:
        from accounts.admin.site import urls_of_pages

        return [*urls_of_pages(self), *super().get_urls()]

    def search(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The theme's own search asks every model with LIKE; ours is a page of its own."""
        return HttpResponse(status=204)

    def get_sidebar_list(self, request: HttpRequest) -> list[dict[str, Any]]:
        from accounts.admin.navigation import sections

        return sections(request)

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        from accounts.admin.base import may_analyse

        # The theme would write its colours into an inline style sheet; ours stand in desk.css.
        return super().each_context(request) | {"colors": None, "may_search": may_analyse(request)}
