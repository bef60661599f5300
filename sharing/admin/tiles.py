"""What needs an analyst: each tile is a function from the moment to what it shows, in a few bounded queries.

A new one is a function under a new name in `TILES`; the home page loads each by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from django.db.models import Q
from django.urls import reverse

from accounts import sql
from accounts.models import Member, Token
from indicators.models import Detector, Source
from indicators.stix.timestamps import micros_of, moment_of
from sharing import desk, feeds, vouched, witness_policy
from sharing.actions.reminders import reminders
from sharing.admin.sources import OVERDUE, state_of
from sharing.models import LogRefusal, Proposal, ProposalState, Silence, Webhook, WebhookState
from sharing.notices import unseen
from sharing.queue import Filters

SHOWN = 5
#: Beyond this many nobody needs the exact number; it is what keeps each query bounded.
MOST_COUNTED = 2000
EXPIRES_WITHIN = timedelta(days=7)
CREDENTIALS_WITHIN = timedelta(days=14)
LATE_READER = timedelta(days=1)
UNSIGNED_AFTER = timedelta(minutes=2)

CALM, SOON, NOW = "calm", "soon", "now"


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a tile's table: text, where it leads to, and how it stands out (`sw-bad`, `sw-warn`)."""

    text: str
    link: str = ""
    tone: str = ""
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class Tile:
    """A question of the day, answered: how many, how urgent, where to go on, and the first of them as a table.

    `count` is None where there is no one number; `is_more`: the true number is larger. `seen_up_to` is the notice up to
    which all can be marked as seen.
    """

    title: str
    count: int | None
    link: str
    urgency: str = CALM
    nothing: str = "Nothing waits."
    headers: tuple[str, ...] = ()
    rows: list[list[Cell]] = field(default_factory=list)
    is_more: bool = False
    note: str = ""
    seen_up_to: int | None = None

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """The headers, and whether numbers stand below each."""
        return [(name, cell.is_number) for name, cell in zip(self.headers, self.rows[0], strict=True)]


def reviews(member: Member, now: datetime) -> Tile:
    """Cases that wait, by community and age."""
    hour, day, week = (now - timedelta(**age) for age in ({"hours": 1}, {"days": 1}, {"days": 7}))
    found = sql.rows(
        "SELECT c.id, c.title, w.fresh, w.today, w.week, w.older FROM (SELECT community_id,"
        " count(*) FILTER (WHERE opened_at > %(hour)s) AS fresh,"
        " count(*) FILTER (WHERE opened_at <= %(hour)s AND opened_at > %(day)s) AS today,"
        " count(*) FILTER (WHERE opened_at <= %(day)s AND opened_at > %(week)s) AS week,"
        " count(*) FILTER (WHERE opened_at <= %(week)s) AS older"
        " FROM sharing_review WHERE state = 'pending' GROUP BY community_id) w"
        " JOIN accounts_community c ON c.id = w.community_id ORDER BY c.title",
        {"hour": hour, "day": day, "week": week},
    )
    spans: list[tuple[datetime | None, datetime | None]] = [
        (hour, None),
        (day, hour),
        (week, day),
        (None, week),
    ]
    rows = []
    for community_id, title, *ages in found:
        cells = [Cell(title, queue(community_id))]
        for number, (after, until), tone in zip(ages, spans, ("", "", "sw-warn", "sw-bad"), strict=True):
            cells.append(
                Cell(f"{number:,}", queue(community_id, after, until), tone, is_number=True)
                if number
                else Cell("0", is_number=True)
            )
        rows.append([*cells, Cell(f"{sum(ages):,}", queue(community_id), is_number=True)])
    older, late = sum(row[5] for row in found), sum(row[4] for row in found)
    return Tile(
        "Reviews",
        sum(sum(row[2:]) for row in found),
        queue(),
        NOW if older else SOON if late else CALM,
        "No case waits for an analyst.",
        ("Community", "Under 1 hour", "Under 1 day", "Under 7 days", "Older", "All"),
        rows,
    )


def queue(
    community_id: UUID | None = None, after: datetime | None = None, until: datetime | None = None
) -> str:
    """The review queue with the pending cases of a community that were opened in a span of time."""
    asked = Filters(
        community="" if community_id is None else str(community_id),
        since="" if after is None else after.isoformat(),
        until="" if until is None else until.isoformat(),
    )
    return f"{reverse('admin:sharing_review_changelist')}?{asked.query}"


def proposals(member: Member, now: datetime) -> Tile:
    """What one analyst proposed and another has to confirm; what others proposed is what this one can."""
    waiting = Proposal.objects.filter(state=ProposalState.OPEN)
    theirs = waiting.exclude(proposed_by=member)
    shown = theirs.select_related("community", "proposed_by").order_by("id")[:SHOWN]
    mine = waiting.filter(proposed_by=member).count()
    count = theirs.count()
    return Tile(
        "Waiting for a second person",
        count,
        reverse("admin:proposals"),
        NOW if count else CALM,
        "Nobody waits for a second person." if not mine else "Nothing that others proposed waits for you.",
        ("What", "Community", "Proposed by", "Since"),
        [
            [
                Cell(one.get_kind_display(), reverse("admin:proposals")),
                Cell(str(one.community)),
                Cell(one.proposed_by.username),
                Cell(_when(one.proposed_at)),
            ]
            for one in shown
        ],
        note=f"{mine} of your own wait for somebody else." if mine else "",
    )


def quarantine(member: Member, now: datetime) -> Tile:
    """Submissions that could not be ingested."""
    found = sql.rows(
        "SELECT s.id, o.name, s.received_at, s.object_count FROM accounts_organization o CROSS JOIN LATERAL ("
        " SELECT id, received_at, object_count FROM indicators_submission WHERE organization_id = o.id"
        " AND state = 'quarantined' ORDER BY received_at DESC LIMIT %s) s ORDER BY s.received_at DESC LIMIT %s",
        (MOST_COUNTED, MOST_COUNTED + 1),
    )
    return Tile(
        "In quarantine",
        min(len(found), MOST_COUNTED),
        f"{reverse('admin:indicators_submission_changelist')}?state__exact=quarantined",
        NOW if found else CALM,
        "No submission is in quarantine.",
        ("Received", "Organisation", "Objects"),
        [
            [
                Cell(_when(received_at), reverse("admin:indicators_submission_change", args=[submission_id])),
                Cell(name),
                Cell(f"{objects:,}", is_number=True),
            ]
            for submission_id, name, received_at, objects in found[:SHOWN]
        ],
        is_more=len(found) > MOST_COUNTED,
    )


def sources(member: Member, now: datetime) -> Tile:
    """Sources that fail, are late or fell silent; detectors that were limited."""
    failing = Source.objects.filter(enabled=True).filter(Q(failures__gt=0) | Q(next_at__lt=now - OVERDUE))
    silent = Silence.objects.filter(ended_at=None).select_related("organization", "token")
    limited = Detector.objects.filter(limited_at__isnull=False, withdrawn_at=None).select_related(
        "organization"
    )
    rows = [
        [
            Cell(source.name, reverse("admin:indicators_source_change", args=[source.id])),
            Cell("Source"),
            Cell(state_of(source, now), tone="sw-bad"),
        ]
        for source in failing.order_by("-failures", "name")[: SHOWN + 1]
    ]
    rows += [
        [
            Cell(
                f"{one.organization}, {one.get_channel_display()}"
                + (f", {one.token.name}" if one.token else ""),
                reverse("admin:sharing_silence_change", args=[one.id]),
            ),
            Cell("Sender"),
            Cell(f"Silent since {_when(one.last_received_at)}", tone="sw-warn"),
        ]
        for one in silent.order_by("last_received_at")[: SHOWN + 1]
    ]
    rows += [
        [
            Cell(
                f"{detector} of {detector.organization}",
                reverse("admin:indicators_detector_change", args=[detector.id]),
            ),
            Cell("Detector"),
            Cell(f"Limited: {detector.limited_reason}", tone="sw-warn"),
        ]
        for detector in limited.order_by("-limited_at")[: SHOWN + 1]
    ]
    broken = failing.count()
    return Tile(
        "Sources and detectors in trouble",
        broken + silent.count() + limited.count(),
        reverse("admin:indicators_source_changelist"),
        NOW if broken else SOON if rows else CALM,
        "All sources and detectors fare well.",
        ("Which", "Kind", "How it stands"),
        rows,
    )


def consumers(member: Member, now: datetime) -> Tile:
    """Feeds: the head, today's growth, and how far behind its readers are."""
    shown = feeds.feeds(now=now)
    readers = feeds.readers([feed.id for feed in shown], now=now)
    rows, late = [], 0
    for feed in shown:
        here = [reader for reader in readers if reader.feed_id == feed.id and reader.polled_at is not None]
        slow = [reader for reader in here if reader.lag(now) > LATE_READER]
        late += len(slow)
        # They come furthest behind first.
        last = here[0] if here and here[0].behind else None
        rows.append(
            [
                Cell(f"{feed.title} ({feed.community})", f"{reverse('admin:feeds')}#feed-{feed.id}"),
                Cell(f"{feed.length:,}", is_number=True),
                Cell(f"+{feed.today:,}", is_number=True),
                Cell(f"{len(here)}", is_number=True),
                Cell(
                    "nobody reads it"
                    if not here
                    else "all at the head"
                    if last is None
                    else f"{last.organization}, {last.token}: {last.behind:,} entries, {span(last.lag(now))}",
                    tone="sw-warn" if slow else "",
                ),
            ]
        )
    return Tile(
        "Feeds and their readers",
        late,
        reverse("admin:feeds"),
        SOON if late else CALM,
        "There is no feed yet.",
        ("Feed", "Entries", "Today", "Readers", "Furthest behind"),
        rows,
        note="The number is of readers that something has waited for longer than a day.",
    )


def webhooks(member: Member, now: datetime) -> Tile:
    """Webhooks to which deliveries fail."""
    failing = Webhook.objects.filter(state=WebhookState.FAILING).select_related("organization")
    return Tile(
        "Webhooks that fail",
        failing.count(),
        f"{reverse('admin:sharing_webhook_changelist')}?state__exact=failing",
        SOON if failing else CALM,
        "Every webhook answers.",
        ("Organisation", "Failures in a row", "Next try"),
        [
            [
                Cell(str(one.organization), reverse("admin:sharing_webhook_change", args=[one.id])),
                Cell(f"{one.failures:,}", is_number=True),
                Cell(_when(one.next_at)),
            ]
            for one in failing.order_by("-failures", "id")[:SHOWN]
        ],
    )


def witnesses(member: Member, now: datetime) -> Tile:
    """Witnesses that do not answer or refuse, and whether every log has its quorum."""
    link = reverse("admin:witnesses")
    try:
        found = witness_policy.current()
    except witness_policy.PolicyUnusable as error:
        return Tile("Witnesses", None, link, NOW, f"No witness is asked: {error}")
    if found is None:
        return Tile("Witnesses", 0, link, nothing="There are no witnesses.")
    shown = vouched.witnesses(found)
    troubled = [one for one in shown if one.state in {"away", "refuses"}]
    overdue = sum(log.is_overdue(now) for log in vouched.logs(found)) if found.asks_for_any else 0
    said = {"away": "Does not answer", "refuses": "Refuses", "new": "Never answered", "behind": "Behind"}
    return Tile(
        "Witnesses",
        len(troubled),
        link,
        NOW if overdue else SOON if troubled else CALM,
        "The policy names no witness.",
        ("Witness", "How it stands", "Last answer", "Logs behind"),
        [
            [
                Cell(one.name, link),
                Cell(said.get(one.state, "Up to date"), tone="sw-bad" if one in troubled else ""),
                Cell(_when(one.answered_at)),
                Cell(f"{one.behind:,}", is_number=True),
            ]
            for one in (*troubled, *(one for one in shown if one not in troubled))
        ][: SHOWN * 2],
        note=f"Without a quorum, so that readers get nothing newer: {overdue} of the logs."
        if overdue
        else "",
    )


def expiring(member: Member, now: datetime) -> Tile:
    """Indicators whose validity ends within a week, unless somebody sees them again."""
    return _fading(
        "Indicators about to expire",
        "SELECT subject_id, expires_at FROM sharing_release WHERE expires_at >= %s AND expires_at < %s"
        " ORDER BY expires_at LIMIT %s",
        now,
        ("Indicator", "Valid until"),
        "No indicator expires within seven days.",
    )


def soon_low(member: Member, now: datetime) -> Tile:
    """Indicators whose confidence falls from medium to low within a week, if nobody says anything."""
    return _fading(
        "Confidence about to be low",
        "SELECT subject_id, due_at FROM sharing_release WHERE confidence = 30 AND due_at >= %s AND due_at < %s"
        " ORDER BY due_at LIMIT %s",
        now,
        ("Indicator", "Falls below 30"),
        "No indicator's confidence falls below 30 within seven days.",
    )


def _fading(title: str, query: str, now: datetime, headers: tuple[str, ...], nothing: str) -> Tile:
    found = sql.rows(query, (now, now + EXPIRES_WITHIN, MOST_COUNTED + 1))
    # One subject stands at several ceilings; the first is the earliest.
    first: dict[int, datetime] = {}
    for subject_id, moment in found:
        first.setdefault(subject_id, moment)
    shown = list(first)[:SHOWN]
    titles = desk.titles(shown)
    return Tile(
        title,
        len(first),
        reverse("admin:indicators_subject_changelist"),
        SOON if any(moment < now + timedelta(days=1) for moment in first.values()) else CALM,
        nothing,
        headers,
        [
            [
                Cell(
                    titles[subject_id] or "nothing is claimed any more",
                    reverse("admin:indicators_subject_change", args=[subject_id]),
                ),
                Cell(_when(first[subject_id])),
            ]
            for subject_id in shown
        ],
        is_more=len(found) > MOST_COUNTED,
    )


def credentials(member: Member, now: datetime) -> Tile:
    """Tokens that expire within two weeks, and what has to be done about signing keys and the trust root."""
    until = now + CREDENTIALS_WITHIN
    tokens = Token.objects.filter(revoked_at=None, expires_at__gt=now, expires_at__lte=until)
    link = reverse("admin:sharing_signingkey_changelist")
    asked = reminders(now=now)
    rows = [
        [
            Cell(one.sentence[0].upper() + one.sentence[1:], link),
            Cell("The service"),
            Cell(_when(one.by), tone="sw-bad"),
        ]
        for one in asked[:SHOWN]
    ]
    rows += [
        [
            Cell(f"Token {token.name}", reverse("admin:accounts_token_change", args=[token.id])),
            Cell(str(token.organization)),
            Cell(_when(token.expires_at)),
        ]
        for token in tokens.select_related("organization").order_by("expires_at")[:SHOWN]
    ]
    return Tile(
        "Credentials about to expire",
        len(asked) + tokens.count(),
        reverse("admin:accounts_token_changelist"),
        NOW if asked else SOON if rows else CALM,
        "No token or key ends within two weeks.",
        ("Which", "Whose", "Ends"),
        rows,
        note="docs/operations.md, Signing keys, says how." if asked else "",
    )


def notices(member: Member, now: datetime) -> Tile:
    """What the member's organisation was told since they looked last."""
    found = unseen(member)
    count = len(found.values_list("id", flat=True)[: MOST_COUNTED + 1])
    shown = list(found[:SHOWN])
    return Tile(
        "Notices not seen",
        min(count, MOST_COUNTED),
        reverse("admin:accounts_notice_changelist"),
        SOON if count else CALM,
        "You have seen every notice.",
        ("Told", "What"),
        [[Cell(_when(one.told_at)), Cell(one.sentence)] for one in shown],
        is_more=count > MOST_COUNTED,
        seen_up_to=shown[0].id if shown else None,
    )


def signing(member: Member, now: datetime) -> Tile:
    """Logs that the signer refuses, and logs that grew and have had no checkpoint since."""
    refused = LogRefusal.objects.select_related("collection__community").order_by("refused_at")
    late = sql.rows(
        "SELECT c.slug, k.alias, k.last_added FROM sharing_collection k"
        " JOIN accounts_community c ON c.id = k.community_id"
        " LEFT JOIN LATERAL (SELECT size, signed_at FROM sharing_checkpoint WHERE collection_id = k.id"
        " ORDER BY size DESC LIMIT 1) AS p ON TRUE LEFT JOIN sharing_logrefusal r ON r.collection_id = k.id"
        " WHERE r.collection_id IS NULL AND p.size IS DISTINCT FROM k.next_index AND k.next_index > 0"
        " AND k.last_added < %s ORDER BY k.last_added LIMIT %s",
        (micros_of(now - UNSIGNED_AFTER), MOST_COUNTED),
    )
    rows = [
        [
            Cell(f"{one.collection.community.slug}, {one.collection.alias}"),
            Cell(one.sentence),
            Cell(_when(one.refused_at), tone="sw-bad"),
        ]
        for one in refused[:SHOWN]
    ]
    rows += [
        [
            Cell(f"{community}, {alias}"),
            Cell("It grew and was not signed since; is the signer running?"),
            Cell(_when(moment_of(added)), tone="sw-warn"),
        ]
        for community, alias, added in late[: SHOWN - len(rows)]
    ]
    count = refused.count() + len(late)
    return Tile(
        "Logs that are not signed",
        min(count, MOST_COUNTED),
        reverse("admin:sharing_collection_changelist"),
        NOW if count else CALM,
        "Every log has a checkpoint of what it holds.",
        ("Log", "Why", "Since"),
        rows,
        is_more=count > MOST_COUNTED,
    )


TILES: dict[str, Callable[[Member, datetime], Tile]] = {
    "reviews": reviews,
    "proposals": proposals,
    "quarantine": quarantine,
    "sources": sources,
    "feeds": consumers,
    "webhooks": webhooks,
    "witnesses": witnesses,
    "expiring": expiring,
    "soon-low": soon_low,
    "credentials": credentials,
    "signing": signing,
    "notices": notices,
}


def span(length: timedelta) -> str:
    """A length of time in words: minutes, hours or days."""
    minutes = int(length.total_seconds() // 60)
    if minutes < 60:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 48 * 60 else f"{minutes // (24 * 60)} days"


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}"
