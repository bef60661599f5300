"""The portal's home: how one organisation's submissions, feeds, sources and credentials stand."""

from datetime import datetime

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from accounts.admin.own import Own, may_own, own
from accounts.admin.site import desk_context, desk_page
from accounts.models import Token
from indicators.models import Submission, SubmissionState
from sharing import feeds, receipts
from sharing.admin.tiles import CREDENTIALS_WITHIN, span
from sharing.models import Webhook, WebhookState
from sharing.notices import unseen

SHOWN = 5
_MOST_COUNTED = 1000


@desk_page("portal/", name="portal", may=may_own)
@require_safe
def portal(request: HttpRequest) -> HttpResponse:
    """What a member of an organisation sees first."""
    mine, now = own(request), timezone.now()
    told = list(unseen(mine.member)[: SHOWN + 1]) if mine.is_told else []
    live = tokens(mine, now=now)
    context = desk_context(
        request,
        title=mine.organization.name,
        own=mine,
        now=now,
        sent=receipts.sent(mine.id, limit=SHOWN),
        quarantined=quarantined(mine),
        feeds=feeds_with_readers(mine, now=now),
        told=told[:SHOWN],
        told_more=len(told) > SHOWN,
        failing=Webhook.objects.filter(organization_id=mine.id, state=WebhookState.FAILING).count(),
        tokens=live,
        ending=[token for token, soon in live if soon],
        links={name: link(name) for name in ("own_tokens", "own_members")} if mine.may_administer else {},
    )
    return render(request, "admin/portal/home.html", context)


def quarantined(mine: Own) -> int:
    """How many of an organisation's submissions are in quarantine, up to 1,000."""
    found = Submission.objects.filter(organization_id=mine.id, state=SubmissionState.QUARANTINED)
    return len(found.values_list("id", flat=True)[:_MOST_COUNTED])


def tokens(mine: Own, *, now: datetime) -> list[tuple[Token, bool]]:
    """An organisation's live tokens, and whether each ends within two weeks."""
    live = Token.objects.filter(organization_id=mine.id, revoked_at=None).filter(
        Q(expires_at=None) | Q(expires_at__gt=now)
    )
    return [
        (token, token.expires_at is not None and token.expires_at <= now + CREDENTIALS_WITHIN)
        for token in live.order_by("name")
    ]


def feeds_with_readers(
    mine: Own, *, now: datetime
) -> list[tuple[feeds.Feed, list[tuple[feeds.Reader, str]]]]:
    """The collections that an organisation may read, each with its own tokens and for how long something waits."""
    found = feeds.feeds_of(mine.id, now=now)
    readers = feeds.readers_of(mine.id, [feed.id for feed in found], now=now)
    return [
        (feed, [(reader, span(reader.lag(now))) for reader in readers if reader.feed_id == feed.id])
        for feed in found
    ]


def link(name: str) -> str:
    """Where a page of this name is; empty where there is none."""
    try:
        return reverse(f"admin:{name}")
    except NoReverseMatch:
        return ""
