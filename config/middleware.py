"""Middleware for people's pages only.

A TAXII poll must cost as little as possible, and a token's request has no use for sessions, CSRF tokens,
messages or frame options. So settings.MIDDLEWARE holds one entry, which sends requests below
settings.DESK_PATHS through Django's usual chain (settings.DESK_MIDDLEWARE) and all others straight to their
view.
"""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.http.response import HttpResponseBase
from django.utils.module_loading import import_string

GetResponse = Callable[[HttpRequest], HttpResponseBase]


class DeskOnly:
    """The usual chain for settings.DESK_PATHS, nothing for the rest."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response
        self.paths: tuple[str, ...] = tuple(settings.DESK_PATHS)
        self.view_hooks: list[Callable[..., HttpResponseBase | None]] = []
        self.exception_hooks: list[Callable[[HttpRequest, Exception], HttpResponseBase | None]] = []
        self.chain = get_response
        for name in reversed(settings.DESK_MIDDLEWARE):
            middleware = import_string(name)(self.chain)
            if hasattr(middleware, "process_template_response"):
                raise ImproperlyConfigured(
                    f"DESK_MIDDLEWARE: {name} uses process_template_response, which is not passed on here"
                )
            if hasattr(middleware, "process_view"):
                self.view_hooks.insert(0, middleware.process_view)
            if hasattr(middleware, "process_exception"):
                # The innermost first, as Django asks them.
                self.exception_hooks.append(middleware.process_exception)
            self.chain = cast(GetResponse, convert_exception_to_response(middleware))

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        desk = request.path_info.startswith(self.paths)
        response = self.chain(request) if desk else self.get_response(request)
        if not response.streaming and response.status_code != HTTPStatus.NOT_MODIFIED:
            # Without a length the server would send the body in chunks.
            response.headers.setdefault("Content-Length", str(len(cast(HttpResponse, response).content)))
        return response

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> HttpResponseBase | None:
        if request.path_info.startswith(self.paths):
            for hook in self.view_hooks:
                response = hook(request, view, args, kwargs)
                if response is not None:
                    return response
        return None

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        if request.path_info.startswith(self.paths):
            for hook in self.exception_hooks:
                response = hook(request, exception)
                if response is not None:
                    return response
        return None


class NoNul:
    """400 to NUL in a path or query: PostgreSQL has no text with it, and no page needs any."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if "\0" in request.path_info or "%00" in request.META.get("QUERY_STRING", ""):
            return HttpResponseBadRequest("NUL is no part of an address here.", content_type="text/plain")
        return self.get_response(request)


class NotKept:
    """No page of people's is kept by a browser or a proxy: secrets are shown once, and the next one may sit there."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if "no-store" not in response.headers.get("Cache-Control", ""):
            response.headers["Cache-Control"] = "no-store"
        return response
