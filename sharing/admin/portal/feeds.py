"""Feeds, sources and detectors of an organisation's own: how each stands."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.admin.own import may_own, own
from accounts.admin.site import desk_context, desk_page
from indicators.models import Detector, Source
from sharing.admin.portal.home import feeds_with_readers
from sharing.admin.sources import lag_of, state_of
from sharing.models import Silence

_MOST = 200


@desk_page("portal/feeds/", name="portal_feeds", may=may_own)
@require_safe
def feeds(request: HttpRequest) -> HttpResponse:
    """The collections that an organisation may read, and how far each of its tokens has come in each."""
    mine, now = own(request), timezone.now()
    base = settings.PUBLIC_URL or f"{request.scheme}://{request.get_host()}"
    context = desk_context(
        request, title="Feeds", own=mine, now=now, base=base, feeds=feeds_with_readers(mine, now=now)
    )
    return render(request, "admin/portal/feeds.html", context)


@desk_page("portal/sources/", name="portal_sources", may=may_own)
@require_safe
def sources(request: HttpRequest) -> HttpResponse:
    """What sends on behalf of an organisation: servers that are pulled, detectors, and ways in that fell silent."""
    mine, now = own(request), timezone.now()
    pulled = Source.objects.filter(organization_id=mine.id).select_related("community").order_by("name")
    context = desk_context(
        request,
        title="Sources and detectors",
        own=mine,
        sources=[(source, state_of(source, now), lag_of(source, now)) for source in pulled[:_MOST]],
        detectors=list(
            Detector.objects.filter(organization_id=mine.id).order_by("analytic", "-registered_at")[:_MOST]
        ),
        silences=list(
            Silence.objects.filter(organization_id=mine.id, ended_at=None)
            .select_related("community", "token")
            .order_by("last_received_at")[:_MOST]
        ),
    )
    return render(request, "admin/portal/sources.html", context)
