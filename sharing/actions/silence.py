"""Sources that normally send and have fallen silent: found from what came in, told once, and once more at their return.

A source is one way in of one organisation into one community with one credential. It normally sends if, up to the
last time that it sent, it did so in nearly every hour of three days, or on at least six of seven days.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions import notices
from indicators.models import Channel
from sharing.models import Silence

HOURS, HOURS_SENT, HOURS_SILENT = 72, 65, timedelta(hours=3)
"""It sent in 65 of 72 hours (90 %), and for 3 hours nothing came."""
DAYS, DAYS_SENT, DAYS_SILENT = 7, 6, timedelta(hours=36)
"""It sent on 6 of 7 days, and for 36 hours nothing came: what is sent once a day may be some hours late."""
_LOOKED_BACK = timedelta(days=DAYS) + timedelta(days=3)


@dataclass(frozen=True, slots=True)
class _Source:
    organization_id: UUID
    community_id: UUID
    channel: str
    token_id: UUID | None
    last_received_at: datetime
    hours: int
    days: int


@transaction.atomic
def watch(*, now: datetime) -> None:
    """Tell of each source that fell silent since the last look, and of each that sends again."""
    sql.lock("silence")
    _note_returns(now)
    told = set(
        Silence.objects.filter(ended_at=None).values_list("organization", "community", "channel", "token")
    )
    for source in _sources(now):
        if (source.organization_id, source.community_id, source.channel, source.token_id) in told:
            continue
        silent_for = now - source.last_received_at
        if source.hours >= HOURS_SENT and silent_for >= HOURS_SILENT:
            usual = f"in {source.hours} of {HOURS} hours"
        elif source.days >= DAYS_SENT and silent_for >= DAYS_SILENT:
            usual = f"on {source.days} of {DAYS} days"
        else:
            continue
        silence = Silence.objects.create(
            organization_id=source.organization_id,
            community_id=source.community_id,
            channel=source.channel,
            token_id=source.token_id,
            last_received_at=source.last_received_at,
            noticed_at=now,
        )
        _tell(
            silence,
            "source.silent",
            f"sent {usual} and has sent nothing since {source.last_received_at:%Y-%m-%d %H:%M} UTC.",
            now,
        )


def _sources(now: datetime) -> list[_Source]:
    """Who sent in the last days and could still: members, by tokens that nobody revoked or rotated."""
    return [
        _Source(*found)
        for found in sql.rows(
            "SELECT o.id, s.community_id, s.channel, s.token_id, max(s.last),"
            " count(DISTINCT s.hour) FILTER (WHERE s.hour < %(hours)s),"
            " count(DISTINCT s.hour / 24) FILTER (WHERE s.hour < %(days)s * 24)"
            " FROM accounts_organization o CROSS JOIN LATERAL ("
            " SELECT community_id, channel, token_id, max(received_at) OVER source AS last,"
            " floor(extract(epoch FROM max(received_at) OVER source - received_at) / 3600)::int8 AS hour"
            " FROM indicators_submission WHERE organization_id = o.id AND received_at >= %(since)s"
            " AND state <> 'draft'"
            " WINDOW source AS (PARTITION BY community_id, channel, token_id)) s"
            " JOIN accounts_membership m ON m.organization_id = o.id AND m.community_id = s.community_id"
            " LEFT JOIN accounts_token t ON t.id = s.token_id"
            " WHERE t.revoked_at IS NULL AND t.replaced_by_id IS NULL"
            " GROUP BY o.id, s.community_id, s.channel, s.token_id",
            {"hours": HOURS, "days": DAYS, "since": now - _LOOKED_BACK},
        )
    ]


def _note_returns(now: datetime) -> None:
    """End the silences after which something came."""
    ended = sql.rows(
        "UPDATE sharing_silence z SET ended_at = %s WHERE z.ended_at IS NULL AND EXISTS ("
        " SELECT 1 FROM indicators_submission s WHERE s.organization_id = z.organization_id"
        " AND s.state <> 'draft' AND s.received_at > z.last_received_at AND s.community_id = z.community_id"
        " AND s.channel = z.channel AND s.token_id IS NOT DISTINCT FROM z.token_id) RETURNING z.id",
        (now,),
    )
    for silence in Silence.objects.filter(id__in=[found[0] for found in ended]):
        _tell(silence, "source.speaks-again", "sends again.", now)


def _tell(silence: Silence, kind: str, sentence: str, now: datetime) -> None:
    credential = "" if silence.token is None else f", token “{silence.token.name}”"
    notices.tell_with_operator(
        organization_id=silence.organization_id,
        kind=kind,
        target=f"organization:{silence.organization_id}",
        sentence=f"{silence.organization.name} in {silence.community.title}, by {Channel(silence.channel).label}"
        f"{credential}: {sentence}",
        detail={
            "community": silence.community.slug,
            "channel": silence.channel,
            "token": None if silence.token_id is None else str(silence.token_id),
            "last_received_at": silence.last_received_at.isoformat(),
        },
        now=now,
    )
