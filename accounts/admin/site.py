"""Pages of the desk that are no model's."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.contrib import admin
from django.contrib.admin import AdminSite
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import URLPattern, path

May = Callable[[HttpRequest], bool]
Page = Callable[..., HttpResponse]


@dataclass(frozen=True, slots=True)
class _Registered:
    route: str
    name: str
    view: Page


_PAGES: list[_Registered] = []


def desk_page(route: str, name: str, *, may: May) -> Callable[[Page], Page]:
    """Put a view at `/admin/<route>` as `admin:<name>`, for those whom `may` lets.

    The signed-out are asked to sign in; for others whom it does not let, there is no such page.
    """

    def register(view: Page) -> Page:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **arguments: Any) -> HttpResponse:
            if not may(request):
                raise Http404
            return view(request, *args, **arguments)

        _PAGES.append(_Registered(route, name, guarded))
        return guarded

    return register


def urls_of_pages(site: AdminSite) -> list[URLPattern]:
    """The patterns of all pages that were registered."""
    # Django's own, as each page says itself who may see it: the site's is for analysts (config.desk).
    return [path(page.route, AdminSite.admin_view(site, page.view), name=page.name) for page in _PAGES]


def desk_context(request: HttpRequest, *, title: str, **more: object) -> dict[str, Any]:
    """What a page's template needs, with its title."""
    return admin.site.each_context(request) | {"title": title} | more
