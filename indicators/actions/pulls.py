"""Pulling other servers: what came and how far it came are committed together, compare-and-set; any worker may die.

claim a due source (a lease) → for each delta, one transaction: checkpoint moved if nobody else moved it, submissions
received → at the end, or after a good part, the source is released with the time of its next turn
"""

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import OperationalError, transaction
from django.db.models import Q

from accounts import faults, sql
from accounts.actions import notices
from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import Membership
from indicators.actions import pressure, submissions
from indicators.models import BodyFormat, Channel, Source, SourceAuth, SourceItem, SourceKind
from indicators.sources import misp_feed, taxii, web
from indicators.sources.upstream import Delta, Taken, UpstreamError
from indicators.stix import json

log = structlog.get_logger(__name__)

LEASE = timedelta(minutes=10)
"""Longer than the longest step between two commits: a few answers of `web.Limits.seconds` each."""
TURN, TURN_TIME = 200, timedelta(seconds=60)
"""Deltas that a worker takes from a source, and how long it goes on, before others have their turn."""
FIRST_PAUSE = timedelta(minutes=1)
LONGEST_PAUSE = timedelta(hours=6)
_LONGEST_WISH = timedelta(days=1)
FAILING_FROM = 5
"""Attempts in a row that failed, before the operator is told."""
MAX_WAITING = 200
"""Submissions that may wait for ingest before pulling pauses."""
_SHARE_OF_HIGH_WATER = 0.5
"""It pauses sooner where they are large: at this share of what may wait before partners are told to come back."""
_PAUSE_UNDER_PRESSURE = timedelta(seconds=30)
_SERVICE = "service:pull"
_CREDENTIAL = re.compile(r"[A-Z][A-Z0-9_]*")

Inbox = Callable[[UUID, UUID], UUID]
"""Organisation and community to the collection that takes what it sends."""
Received = Callable[[UUID], None]
"""Told the id of each submission, inside the transaction that makes it."""
Clock = Callable[[], datetime]


class SourceInvalid(ValueError):
    """A source cannot be set up like this: `problems` maps its fields to sentences."""

    def __init__(self, problems: dict[str, str]) -> None:
        super().__init__(" ".join(problems.values()))
        self.problems = problems


class _LostRace(Exception):
    """Somebody else moved the checkpoint, or the source was changed: what was fetched is theirs to fetch."""


class _NoInbox(Exception):
    """There is nowhere to put what comes; the message is a sentence."""


class _NotProvided(Exception):
    """The environment does not hold what the source's credential names; the message is a sentence."""


# --- what is pulled ---------------------------------------------------------------------------------------------------


def save(*, source: Source, by: Actor, now: datetime) -> tuple[str, ...]:
    """Make or change a source; the names of what changed. `SourceInvalid` says what is wrong.

    Pointed elsewhere, it begins at the beginning.
    """
    found = problems(source)
    if found:
        raise SourceInvalid(found)
    with transaction.atomic():
        before = Source.objects.select_for_update().filter(id=source.id).first()
        if before is None:
            source.created_at = source.next_at = now
            source.save(force_insert=True)
            record(
                by=by,
                now=now,
                action="source.add",
                target=_target(source.id),
                detail=_shown(source, _SETTINGS),
            )
            return _SETTINGS
        changed = [name for name in _SETTINGS if getattr(before, name) != getattr(source, name)]
        if not changed:
            return ()
        for name in changed:
            setattr(before, name, getattr(source, name))
        # What a worker fetched under the old settings is not taken any more.
        before.checkpoint_version += 1
        before.leased_until, before.next_at, before.failures, before.last_error = None, now, 0, ""
        if {"kind", "url", "collection", "organization_id", "community_id"} & set(changed):
            before.checkpoint, before.latest_at = {}, None
            SourceItem.objects.filter(source=before).delete()
        before.save()
        action = "source.change"
        if changed == ["enabled"]:
            action = "source.enable" if before.enabled else "source.disable"
        record(by=by, now=now, action=action, target=_target(source.id), detail=_shown(before, changed))
        return tuple(changed)


def set_enabled(*, source_id: UUID, enabled: bool, by: Actor, now: datetime) -> bool:
    """Enable or disable a source; whether that changed anything."""
    with transaction.atomic():
        changed = Source.objects.filter(id=source_id, enabled=not enabled).update(
            enabled=enabled, next_at=now, failures=0, last_error="", leased_until=None
        )
        if changed:
            # A worker that has it now loses the race for its next delta.
            sql.execute(
                "UPDATE indicators_source SET checkpoint_version = checkpoint_version + 1 WHERE id = %s",
                (source_id,),
            )
            record(
                by=by,
                now=now,
                action="source.enable" if enabled else "source.disable",
                target=_target(source_id),
            )
        return bool(changed)


def ask_now(*, source_id: UUID, by: Actor, now: datetime) -> bool:
    """Make a source due at once, whatever pause it is in; False if it is disabled."""
    with transaction.atomic():
        asked = Source.objects.filter(id=source_id, enabled=True).update(next_at=now)
        if asked:
            record(by=by, now=now, action="source.pull-now", target=_target(source_id))
        return bool(asked)


_SETTINGS = (
    *(
        "name",
        "kind",
        "community_id",
        "organization_id",
        "url",
        "collection",
        "auth",
        "username",
        "credential",
    ),
    *("internal", "interval_minutes", "enabled"),
)


def problems(source: Source) -> dict[str, str]:
    """What is wrong with a source, by field; empty if it can be saved."""
    found: dict[str, str] = {}
    try:
        web.parse(source.url, internal=source.internal)
    except web.BadUrl as error:
        found["url"] = error.sentence
    if source.kind == SourceKind.TAXII and not source.collection:
        found["collection"] = "Say which collection: its id, alias or title."
    if source.kind == SourceKind.MISP_FEED and source.collection:
        found["collection"] = "A MISP feed has no collections: leave this empty."
    if "?" in source.url:
        found["url"] = "The URL of an API root or of a feed's directory has no query."
    if source.auth != SourceAuth.NONE and not source.credential:
        found["credential"] = "Name the credential that the environment provides."
    if source.credential and not _CREDENTIAL.fullmatch(source.credential):
        found["credential"] = "A name in capital letters, digits and underscores."
    if source.auth == SourceAuth.BASIC and not source.username:
        found["username"] = "Basic needs a user name."
    if source.auth != SourceAuth.BASIC and source.username:
        found["username"] = "Only Basic has a user name: leave this empty."
    if ":" in source.username:
        found["username"] = "A user name for Basic has no colon."
    if not 1 <= (source.interval_minutes or 0) <= 10080:
        found["interval_minutes"] = "From 1 minute to 10080 (a week)."
    if not Membership.objects.filter(
        organization_id=source.organization_id, community_id=source.community_id
    ).exists():
        found["organization"] = "This organisation is not a member of the community."
    if Source.objects.filter(~Q(id=source.id), name=source.name).exists():
        found["name"] = "Another source has this name."
    return found


# --- pulling ----------------------------------------------------------------------------------------------------------


def due(*, now: datetime) -> list[UUID]:
    """The sources whose turn it is, the longest due first; none while too much waits for ingest."""
    if not has_room():
        return []
    return [
        found[0]
        for found in sql.rows(
            "SELECT id FROM indicators_source WHERE enabled AND next_at <= %s"
            " AND (leased_until IS NULL OR leased_until < %s) ORDER BY next_at LIMIT 100",
            (now, now),
        )
    ]


def has_room() -> bool:
    """Whether more may be pulled: back-pressure is here and nowhere else.

    What is not fetched waits at the upstream, whose checkpoint stays; so pulling gives way long before partners who
    push are told to come back later.
    """
    waits = pressure.waiting(most=MAX_WAITING)
    return waits.submissions < MAX_WAITING and waits.above < _SHARE_OF_HIGH_WATER


@dataclass(slots=True)
class _Leased:
    """A source that this worker has for a while, and the version of its checkpoint."""

    source: Source
    version: int

    @property
    def by(self) -> Actor:
        return Actor(_SERVICE, self.source.organization_id)


def pull(
    *,
    source_id: UUID,
    inbox: Inbox,
    received: Received,
    clock: Clock,
    client: web.Client | None = None,
    turn: int = TURN,
    chance: Callable[[], float] = random.random,
) -> bool:
    """Pull a part of what is new at a due source, if no other worker has it; whether more waits there."""
    leased = _claim(source_id, clock())
    if leased is None:
        return False
    try:
        collection_id = _inbox(leased.source, inbox)
        with _client(leased.source, client) as opened:
            return _pull(leased, opened, collection_id, received, clock, turn)
    except _LostRace:
        log.info("pull_lost_race", source=str(source_id))
    except UpstreamError as error:
        _fail(leased, error.sentence, clock(), chance, retry_after=error.retry_after)
    except (web.WebError, _NotProvided, _NoInbox) as error:
        _fail(leased, str(error), clock(), chance)
    except json.Refused as refusal:
        _fail(leased, f"What the server sent is no submission. {refusal.sentence}", clock(), chance)
    except OperationalError:
        # The database is away; the lease ends by itself.
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, others have their turn
        log.error("pull_failed", source=str(source_id), fault=faults.summary(error))
        _fail(
            leased,
            f"The service failed on this source ({type(error).__name__}); its log says more.",
            clock(),
            chance,
        )
    return False


def check(*, source_id: UUID, clock: Clock, client: web.Client | None = None) -> None:
    """Try a source without pulling: connection, credentials, collection; the sentence on how it went is kept."""
    source = Source.objects.get(id=source_id)
    try:
        with _client(source, client) as opened:
            if source.kind == SourceKind.TAXII:
                result = taxii.check(opened, _taxii_target(source))
            else:
                result = misp_feed.check(opened, _misp_target(source))
    except (UpstreamError, web.WebError, _NotProvided) as error:
        result = f"Failed. {error}"
    except Exception as error:  # noqa: BLE001 - who asked is told
        log.error("pull_check_failed", source=str(source_id), fault=faults.summary(error))
        result = f"Failed. The service failed on this source ({type(error).__name__}); its log says more."
    # A server's words may hold U+0000, which PostgreSQL does not take.
    result = result.replace("\0", "")
    Source.objects.filter(id=source_id).update(checked_at=clock(), check_result=result[:2000])


def _claim(source_id: UUID, now: datetime) -> _Leased | None:
    """One conditional update decides who has it; what a dead worker had is free when its lease is over."""
    claimed = sql.row(
        "UPDATE indicators_source SET leased_until = %s, tried_at = %s, checkpoint_version = checkpoint_version + 1"
        " WHERE id = %s AND enabled AND next_at <= %s AND (leased_until IS NULL OR leased_until < %s)"
        " RETURNING checkpoint_version",
        (now + LEASE, now, source_id, now, now),
    )
    return None if claimed is None else _Leased(Source.objects.get(id=source_id), claimed[0])


def _pull(
    leased: _Leased, client: web.Client, collection_id: UUID, received: Received, clock: Clock, turn: int
) -> bool:
    source = leased.source
    began = clock()
    for count, delta in enumerate(_deltas(source, client, began), 1):
        try:
            _take(leased, delta, collection_id, received, clock())
        except json.Refused as refusal:
            if not delta.taken:
                raise
            # One bad event is noted, and harms no other.
            noted = tuple(Taken(one.key, one.version, refusal.sentence) for one in delta.taken)
            _take(leased, Delta((), delta.checkpoint, taken=noted), collection_id, received, clock())
        if delta.is_last:
            _succeed(leased, clock())
            return False
        room = has_room()
        if count >= turn or clock() - began >= TURN_TIME or not room:
            _release(leased, clock() if room else clock() + _PAUSE_UNDER_PRESSURE, clock())
            return room
    return False


def _inbox(source: Source, inbox: Inbox) -> UUID:
    try:
        return inbox(source.organization_id, source.community_id)
    except LookupError as error:
        raise _NoInbox("Its organisation is no member of this community any more.") from error


def _deltas(source: Source, client: web.Client, now: datetime) -> Iterator[Delta]:
    if source.kind == SourceKind.TAXII:
        return taxii.pull(client, _taxii_target(source), source.checkpoint, now=now)
    taken = {
        key: (version, settled)
        for key, version, settled in sql.rows(
            "SELECT key, version, error = '' OR tried_at > %s FROM indicators_sourceitem WHERE source_id = %s",
            (now - LONGEST_PAUSE, source.id),
        )
    }
    return misp_feed.pull(client, _misp_target(source), taken)


def _take(leased: _Leased, delta: Delta, collection_id: UUID, received: Received, now: datetime) -> None:
    """Commit a delta and its checkpoint together, if the checkpoint is still the one it was fetched from."""
    source = leased.source
    with transaction.atomic():
        moved = Source.objects.filter(id=source.id, enabled=True, checkpoint_version=leased.version).update(
            checkpoint=delta.checkpoint,
            checkpoint_version=leased.version + 1,
            leased_until=now + LEASE,
            object_count=source.object_count + delta.objects,
            latest_at=max(filter(None, (source.latest_at, delta.latest_at)), default=None),
        )
        if not moved:
            raise _LostRace
        for body in delta.bodies:
            made = submissions.receive(
                community_id=source.community_id,
                organization_id=source.organization_id,
                token_id=None,
                channel=Channel.PULL,
                collection_id=collection_id,
                body=body,
                by=leased.by,
                now=now,
                body_format=BodyFormat.STIX if source.kind == SourceKind.TAXII else BodyFormat.MISP,
                max_bytes=web.Limits().unpacked,
            )
            received(made.id)
        for one in delta.taken:
            sql.execute(
                "INSERT INTO indicators_sourceitem (source_id, key, version, error, tried_at)"
                " VALUES (%s, %s, %s, %s, %s) ON CONFLICT (source_id, key) DO UPDATE"
                " SET version = EXCLUDED.version, error = EXCLUDED.error, tried_at = EXCLUDED.tried_at",
                (source.id, one.key, one.version, one.error[:1000], now),
            )
    leased.version += 1
    source.object_count += delta.objects
    source.latest_at = max(filter(None, (source.latest_at, delta.latest_at)), default=None)


def _succeed(leased: _Leased, now: datetime) -> None:
    """All that is there was taken: the next look is an interval away."""
    pause = timedelta(minutes=leased.source.interval_minutes)
    if _update(leased, next_at=now + pause, failures=0, last_error="", last_success_at=now):
        _tell_again(leased.source, now)


def _release(leased: _Leased, next_at: datetime, now: datetime) -> None:
    """More waits there; others have their turn first."""
    if _update(leased, next_at=next_at, failures=0, last_error=""):
        _tell_again(leased.source, now)


def _fail(
    leased: _Leased,
    sentence: str,
    now: datetime,
    chance: Callable[[], float],
    *,
    retry_after: float | None = None,
) -> None:
    """Try again later: each time twice as late up to `LONGEST_PAUSE`, not all at once, and not before asked to."""
    failures = leased.source.failures + 1
    pause = min(FIRST_PAUSE * 2 ** min(failures - 1, 20), LONGEST_PAUSE) * (0.5 + chance() / 2)
    if retry_after is not None:
        pause = max(pause, min(timedelta(seconds=retry_after), _LONGEST_WISH))
    log.warning("pull_refused", source=str(leased.source.id), failures=failures)
    given_back = _update(leased, next_at=now + pause, failures=failures, last_error=sentence[:1000])
    if given_back and failures == FAILING_FROM:
        notices.tell_operator(
            kind="source.failing",
            target=f"source:{leased.source.id}",
            sentence=f"{failures} attempts in a row to pull “{leased.source}” have failed; it is tried ever later."
            f" {sentence[:500]}",
            now=now,
        )


def _tell_again(source: Source, now: datetime) -> None:
    """Tell who was told that it fails."""
    if source.failures >= FAILING_FROM:
        notices.tell_operator(
            kind="source.works-again",
            target=f"source:{source.id}",
            sentence=f"“{source}” is pulled again, after {source.failures} attempts that failed.",
            now=now,
        )


def _update(leased: _Leased, **values: Any) -> bool:
    """Give the source back; False if somebody else has it by now."""
    updated = Source.objects.filter(id=leased.source.id, checkpoint_version=leased.version).update(
        leased_until=None, **values
    )
    return updated > 0


# --- who we are there -------------------------------------------------------------------------------------------------


@contextmanager
def _client(source: Source, given: web.Client | None) -> Iterator[web.Client]:
    """The client of one pull: within its life each name is resolved once."""
    if given is not None:
        yield given
        return
    files = {
        argument: _provided(f"SOURCE_{variable}_{source.credential}")
        for argument, variable in (("ca_file", "CA"), ("cert_file", "CERT"), ("key_file", "KEY"))
        if source.credential and (argument == "ca_file" or source.auth == SourceAuth.MTLS)
    }
    if source.auth == SourceAuth.MTLS and not files["cert_file"]:
        raise _NotProvided(f"SOURCE_CERT_{source.credential} is not set where this worker runs.")
    try:
        context = web.tls(**{argument: path or None for argument, path in files.items()})
    except OSError as error:
        # Never what the variables hold: where a path was expected, somebody may have given the key itself.
        names = " and ".join(
            f"SOURCE_{argument.removesuffix('_file').upper()}_{source.credential}"
            for argument, path in files.items()
            if path
        )
        why = error.strerror or type(error).__name__
        raise _NotProvided(f"{names} must name PEM files that this worker can read: {why}.") from error
    with web.Client(internal=source.internal, context=context) as client:
        yield client


def _authorization(source: Source) -> str | None:
    if source.auth not in {SourceAuth.BASIC, SourceAuth.BEARER}:
        return None
    name = f"SOURCE_SECRET_{source.credential}"
    secret = _provided(name)
    if not secret:
        raise _NotProvided(f"{name} is not set where this worker runs.")
    return web.basic(source.username, secret) if source.auth == SourceAuth.BASIC else f"Bearer {secret}"


def _provided(name: str) -> str:
    try:
        return str(settings.READ_SECRET(name))
    except ImproperlyConfigured as error:
        # Nor what the variable holds: where a path was expected, somebody may have given the secret itself.
        raise _NotProvided(
            f"{name}_FILE must name a file that this worker can read and that is not empty, and {name} must be unset."
        ) from error


def _taxii_target(source: Source) -> taxii.Target:
    return taxii.Target(source.url, source.collection, _authorization(source))


def _misp_target(source: Source) -> misp_feed.Target:
    return misp_feed.Target(source.url, _authorization(source))


def _target(source_id: UUID) -> str:
    return f"source:{source_id}"


def _shown(source: Source, names: Any) -> dict[str, object]:
    return {
        name: value if isinstance(value := getattr(source, name), bool | int) else str(value)
        for name in names
    }
