"""The desk's home: what needs an analyst, a tile for each question, and how things went lately.

The page itself asks nothing: each tile is fetched on its own, so one that is slow or fails holds up no other.
"""

from http import HTTPStatus

import structlog
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from accounts import faults
from accounts.admin.base import may_analyse
from accounts.admin.own import may_own
from accounts.admin.site import desk_context, desk_page
from accounts.models import Member
from sharing import feeds, trends
from sharing.actions.seen import see_notices
from sharing.admin.portal.home import portal
from sharing.admin.tiles import LATE_READER, TILES, span

log = structlog.get_logger(__name__)


@desk_page("", name="index", may=lambda request: may_analyse(request) or may_own(request))
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """Where somebody finds themselves after signing in: the desk's home, or their organisation's portal."""
    if not may_analyse(request):
        return portal(request)
    context = desk_context(request, title="Home", tiles=list(TILES))
    return render(request, "admin/home/home.html", context)


@desk_page("home/trends/", name="home_trends", may=may_analyse)
@require_safe
def charts(request: HttpRequest) -> HttpResponse:
    """The charts, each with its table."""
    now = timezone.now()
    try:
        context = {"charts": trends.charts(now=now), "counted_at": trends.counted_at()}
    except Exception as error:  # noqa: BLE001 - what fails says so in its place, and the rest of the page stands
        return _failed(request, "trends", error)
    return render(request, "admin/home/trends.html", context)


@desk_page("home/tiles/<slug:name>/", name="home_tile", may=may_analyse)
@require_safe
def tile(request: HttpRequest, name: str) -> HttpResponse:
    """One tile, as a piece of the page."""
    if name not in TILES:
        raise Http404
    assert isinstance(request.user, Member)
    now = timezone.now()
    try:
        shown = TILES[name](request.user, now)
    except Exception as error:  # noqa: BLE001 - what fails says so in its place, and the rest of the page stands
        return _failed(request, name, error)
    return render(request, "admin/home/tile.html", {"tile": shown, "name": name, "now": now})


def _failed(request: HttpRequest, name: str, error: Exception) -> HttpResponse:
    log.error("tile_failed", tile=name, fault=faults.summary(error))
    # htmx leaves the place as it is for anything but a success.
    return render(request, "admin/home/failed.html", {"name": name}, status=HTTPStatus.OK)


@desk_page("feeds/", name="feeds", may=may_analyse)
@require_safe
def feeds_view(request: HttpRequest) -> HttpResponse:
    """Every feed with everybody who may read it, and how far behind they are."""
    now = timezone.now()
    found = feeds.feeds(now=now)
    readers = feeds.readers([feed.id for feed in found], now=now)
    shown = [
        (
            feed,
            [
                (
                    reader,
                    span(reader.lag(now)),
                    reader.polled_at is not None and reader.lag(now) > LATE_READER,
                )
                for reader in readers
                if reader.feed_id == feed.id
            ],
        )
        for feed in found
    ]
    context = desk_context(request, title="Feeds and their readers", feeds=shown, now=now)
    return render(request, "admin/home/feeds.html", context)


@desk_page("notices/seen/", name="notices_seen", may=lambda request: may_analyse(request) or may_own(request))
@require_POST
def seen(request: HttpRequest) -> HttpResponse:
    """The member has seen the notices up to the one that the page showed first."""
    assert isinstance(request.user, Member)
    up_to = request.POST.get("up_to", "")
    if not (up_to.isascii() and up_to.isdigit() and len(up_to) <= 18):
        raise Http404
    see_notices(member=request.user, up_to=int(up_to), now=timezone.now())
    return redirect("admin:index")
