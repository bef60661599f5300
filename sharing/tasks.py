"""The alarm clock: tasks carry ids only, and may be lost, run twice or run late."""

import contextlib
import random
import time
from datetime import timedelta
from functools import cache
from uuid import UUID

import psycopg
import structlog
from celery import Task, shared_task
from django.conf import settings
from django.db import OperationalError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from accounts import faults, sql
from accounts.actor import Actor
from indicators.actions import pressure, pulls, submissions, uploads
from indicators.sources import web
from sharing import queries
from sharing.actions import (
    ageing,
    checkpoints,
    deliveries,
    erasure,
    giving,
    intake,
    reminders,
    revocation,
    silence,
    tallies,
    triage,
    trust,
    withdrawals,
    witnesses,
)
from sharing.actions.keys import NoSigningKey, SignerRefused, current_signer

log = structlog.get_logger(__name__)

# A task that sends ends after this long, so that none holds its worker: the sweep gives another.
_SENDING_SECONDS = 60.0
# Shorter where publications wait behind it.
_WRITING_SECONDS = 10.0
_SERVICE = Actor("service:ingest")


def nudge_ingest(submission_id: UUID) -> None:
    """Ask for a submission to be ingested once this transaction is committed.

    Where many wait, it is asked now and then for all of them: tasks by the thousand would only lie in the queue, and be
    in the way when their submissions are long ingested.
    """
    if not pressure.is_backlog():
        transaction.on_commit(lambda: _send(ingest_submission, str(submission_id)))
    elif _backlog_nudge.is_due():
        transaction.on_commit(lambda: _send(ingest_waiting))


class _Seldom:
    """Says so once in so many seconds, in each process."""

    def __init__(self, seconds: float) -> None:
        self._seconds, self._next = seconds, 0.0

    def is_due(self) -> bool:
        now = time.monotonic()
        if now < self._next:
            return False
        self._next = now + self._seconds
        return True


_backlog_nudge = _Seldom(1.0)


def nudge_publish(community_id: UUID) -> None:
    """Ask for a community's pending subjects to be published once this transaction is committed."""
    transaction.on_commit(lambda: _send(publish_community, str(community_id)))


@shared_task(name="sharing.tasks.ingest_submission")
def ingest_submission(submission_id: str) -> None:
    """Ingest one submission."""
    _ingest(UUID(submission_id))


@shared_task(name="sharing.tasks.ingest_waiting")
def ingest_waiting() -> None:
    """Ingest, oldest first, what waits for longer than a nudge takes."""
    tried: set[UUID] = set()
    while fresh := [one for one in submissions.waiting(now=timezone.now()) if one not in tried]:
        for submission_id in fresh:
            tried.add(submission_id)
            if submissions.begin(submission_id=submission_id, by=_SERVICE, now=timezone.now()):
                _ingest(submission_id)


@shared_task(name="sharing.tasks.publish_community")
def publish_community(community_id: str) -> None:
    """Publish what is pending in one community; without the signer it waits for the next sweep."""
    try:
        publish_here(UUID(community_id))
    except NoSigningKey as error:
        log.warning("publishing_waits", reason=str(error))


def ingest_here(submission_id: UUID, community_id: UUID) -> None:
    """Ingest and publish in this process: for commands that show the result."""
    _ingest(submission_id)
    publish_here(community_id)


def publish_here(community_id: UUID) -> None:
    """Publish what is pending in one community, batch by batch."""
    while triage.publish_pending(
        community_id=community_id, signer=current_signer(now=timezone.now()), now=timezone.now()
    ):
        pass


@shared_task(name="sharing.tasks.sweep")
def sweep() -> None:
    """Find what no task picked up: the tables know, the broker may have been wiped."""
    if submissions.waiting(now=timezone.now(), most=1):
        _send(ingest_waiting)
    for (community_id,) in sql.rows("SELECT DISTINCT community_id FROM indicators_pendingfold"):
        _send(publish_community, str(community_id))
    if revocation.is_due(now=timezone.now()):
        _send(renew_signatures)
    if withdrawals.is_due(now=timezone.now()):
        _send(erase)
    deliveries.queue_notices(now=timezone.now())
    if deliveries.is_due(now=timezone.now()):
        _send(write_deliveries)
        _send(deliver)


@shared_task(name="sharing.tasks.sign_trust_root")
def sign_trust_root() -> None:
    """Sign anew what the service signs of the trust root, where it is due or a collection is new."""
    if not trust.is_due(now=timezone.now()):
        return
    try:
        made = trust.refresh(now=timezone.now())
    except (NoSigningKey, SignerRefused) as error:
        log.warning("trust_root_not_refreshed", reason=str(error))
        return
    log.info("trust_root_refreshed", files=len(made))


@shared_task(name="sharing.tasks.remind")
def remind() -> None:
    """Say in the log what people have to do about keys; the desk's home shows it too."""
    for one in reminders.reminders(now=timezone.now()):
        log.warning("key_reminder", code=one.code, reason=one.sentence, by=one.by.isoformat())


def nudge_renew() -> None:
    """Ask for what a revoked key signed to be signed anew once this transaction is committed."""
    transaction.on_commit(lambda: _send(renew_signatures))


@shared_task(name="sharing.tasks.renew_signatures")
def renew_signatures() -> None:
    """Sign anew what revoked keys signed, until all is or publications have waited long enough."""
    deadline = time.monotonic() + _WRITING_SECONDS
    try:
        while time.monotonic() < deadline and revocation.renew_next(
            signer=current_signer(now=timezone.now()), now=timezone.now()
        ):
            pass
    except (NoSigningKey, SignerRefused) as error:
        log.warning("signatures_not_renewed", reason=str(error))


def nudge_erase() -> None:
    """Ask for what is to be erased to be erased, and told, once this transaction is committed."""
    transaction.on_commit(lambda: _send(erase))


@shared_task(name="sharing.tasks.erase")
def erase() -> None:
    """Erase what legal orders say, cut what was deleted out of what was sent, and tell who had pulled it."""
    for erasure_id in erasure.waiting():
        erasure.run(erasure_id=erasure_id, now=timezone.now())
    deadline = time.monotonic() + _WRITING_SECONDS
    while time.monotonic() < deadline and erasure.cut_deleted(now=timezone.now()):
        pass
    while time.monotonic() < deadline and withdrawals.tell_next(now=timezone.now()):
        pass
    for (community_id,) in sql.rows("SELECT DISTINCT community_id FROM indicators_pendingfold"):
        _send(publish_community, str(community_id))


@shared_task(name="sharing.tasks.watch_withdrawals")
def watch_withdrawals() -> None:
    """Remind those whose acknowledgement is overdue; forget what was given long ago."""
    while withdrawals.remind(now=timezone.now()):
        pass
    giving.forget(before=timezone.now() - timedelta(days=settings.PULL_RECORD_DAYS))


def nudge_deliver() -> None:
    """Ask for what is due to be written and sent once this transaction is committed."""
    transaction.on_commit(lambda: _send(write_deliveries))


@shared_task(name="sharing.tasks.write_deliveries")
def write_deliveries() -> None:
    """Write and sign what is due to be told; who sends it holds no key."""
    deadline = time.monotonic() + _WRITING_SECONDS
    wrote = False
    try:
        while time.monotonic() < deadline and deliveries.write_next(
            signer=current_signer(now=timezone.now()), now=timezone.now()
        ):
            wrote = True
    except NoSigningKey as error:
        log.warning("deliveries_not_signed", reason=str(error))
    if wrote:
        _send(deliver)


# Reading the system's authorities takes longer than most deliveries.
_tls = cache(web.tls)


@shared_task(name="sharing.tasks.deliver")
def deliver() -> None:
    """Send what is written, webhook by webhook in turn."""
    deadline = time.monotonic() + _SENDING_SECONDS
    while time.monotonic() < deadline and deliver_next():
        pass


def deliver_next() -> bool:
    """One attempt at one delivery; False if none is due."""
    claimed = deliveries.claim(now=timezone.now())
    if claimed is None:
        return False
    status, retry_after, error = None, None, ""
    try:
        with web.Client(internal=claimed.internal, limits=deliveries.LIMITS, context=_tls()) as client:
            answer = client.post(claimed.url, claimed.body, deliveries.headers(claimed))
        status, retry_after = answer.status, answer.retry_after
    except web.WebError as failure:
        # Its own sentence may name addresses of our network: that is for the log.
        log.warning("delivery_failed", delivery=str(claimed.id), reason=failure.sentence)
        error = deliveries.REASONS.get(type(failure), deliveries.UNREACHABLE)
    except Exception as failure:  # noqa: BLE001 - whatever it is, the attempt is recorded
        log.error("delivery_failed", delivery=str(claimed.id), fault=faults.summary(failure))
        error = "The service failed to send it."
    deliveries.note_answer(
        claimed=claimed,
        status=status,
        error=error,
        now=timezone.now(),
        jitter=random.random(),  # noqa: S311 - it spreads attempts in time
        retry_after=retry_after,
    )
    return True


@shared_task(name="sharing.tasks.ask_witnesses")
def ask_witnesses() -> None:
    """A task for each witness that has something to cosign, so that none waits for another."""
    for name in witnesses.due(now=timezone.now()):
        _send(ask_witness, name)


@shared_task(name="sharing.tasks.ask_witness")
def ask_witness(name: str) -> None:
    """Ask one witness to cosign what is new."""
    witnesses.ask(
        name=name,
        clock=timezone.now,
        jitter=random.random(),  # noqa: S311 - it spreads attempts in time
        tls=_tls(),
    )


@shared_task(name="sharing.tasks.watch_sources")
def watch_sources() -> None:
    """Tell of sources that fell silent or speak again; forget what was delivered long ago."""
    silence.watch(now=timezone.now())
    deliveries.forget(now=timezone.now())


@shared_task(name="sharing.tasks.sign_checkpoints")
def sign_checkpoints() -> None:
    """Sign the logs that grew, and those whose checkpoint is about to grow old."""
    deadline = time.monotonic() + _WRITING_SECONDS
    try:
        while checkpoints.sign_due(now=timezone.now()) == checkpoints.MOST and time.monotonic() < deadline:
            pass
    except NoSigningKey as error:
        log.warning("checkpoints_not_signed", reason=str(error))


@shared_task(name="sharing.tasks.forget_checkpoints")
def forget_checkpoints() -> None:
    """Let old checkpoints go but the last of each day."""
    checkpoints.forget(now=timezone.now())


@shared_task(name="sharing.tasks.tally")
def tally() -> None:
    """Count on what came in and what left, until all is counted or publications have waited long enough."""
    deadline = time.monotonic() + _WRITING_SECONDS
    while tallies.count(now=timezone.now()) and time.monotonic() < deadline:
        pass


@shared_task(name="sharing.tasks.pull_due")
def pull_due() -> None:
    """Pull what is due, a turn of each source, until nothing is or deliveries have waited long enough."""
    deadline = time.monotonic() + _SENDING_SECONDS
    tried: set[UUID] = set()
    while time.monotonic() < deadline:
        waiting = [source_id for source_id in pulls.due(now=timezone.now()) if source_id not in tried]
        if not waiting:
            break
        pull_here(waiting[0])
        tried.add(waiting[0])
    if tried and pulls.due(now=timezone.now()):
        # More waits at some: they are next in the queue, behind whatever else calls out.
        _send(pull_due)


@shared_task(name="sharing.tasks.pull_check")
def pull_check(source_id: str) -> None:
    """Try a source's connection."""
    pulls.check(source_id=UUID(source_id), clock=timezone.now)


def nudge_pull() -> None:
    """Ask for what is due to be pulled once this transaction is committed."""
    transaction.on_commit(lambda: _send(pull_due))


def nudge_pull_check(source_id: UUID) -> None:
    """Ask for a source's connection to be tried once this transaction is committed."""
    transaction.on_commit(lambda: _send(pull_check, str(source_id)))


def pull_here(source_id: UUID) -> bool:
    """Pull a turn of a due source in this process; whether more waits there."""
    return pulls.pull(source_id=source_id, inbox=queries.inbox, received=nudge_ingest, clock=timezone.now)


@shared_task(name="sharing.tasks.age")
def age() -> None:
    """Let time pass for indicators whose confidence is due to fall; the sweep publishes what follows."""
    while ageing.age(now=timezone.now()):
        pass


@shared_task(name="sharing.tasks.discard_drafts")
def discard_drafts() -> None:
    """Let uploads go that were looked at and never submitted."""
    uploads.discard_old(now=timezone.now())


def _ingest(submission_id: UUID) -> None:
    """A failure is counted, and the third one quarantines the submission; the rest goes on."""
    now = timezone.now()
    try:
        community_id = intake.ingest(submission_id=submission_id, signer=current_signer(now=now), now=now)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is counted
        fault = faults.summary(error)
        log.error("ingest_failed", submission=str(submission_id), fault=fault)
        if _is_ours(error):
            with contextlib.suppress(OperationalError, psycopg.OperationalError):
                submissions.put_off(
                    submission_id=submission_id,
                    error=fault,
                    is_suspect=_sqlstate(error) in _SUSPECT,
                    now=timezone.now(),
                )
        else:
            submissions.note_failure(
                submission_id=submission_id, error=fault, by=_SERVICE, now=timezone.now()
            )
        return
    if community_id is not None:
        nudge_publish(community_id)
        following = submissions.following(submission_id)
        if following is not None:
            # One after the other, so that what others sent meanwhile does not wait for the whole of a file.
            nudge_ingest(following)


def _is_ours(error: BaseException) -> bool:
    """Whether the failure is no submission's fault: the database is away, full or stops; there is no key."""
    if isinstance(error, NoSigningKey):
        return True
    code = _sqlstate(error)
    # 08 connection, 53 resources, 55P03 and 57P0x: locks, shutdown; 40 a deadlock.
    return code is not None and (not code or code.startswith(("08", "53", "55P03", "57P", "40")))


# Once that is bad luck. Each time it is the submission: it ends the process of the database, or meets itself.
_SUSPECT = frozenset(("", "40001", "40P01"))


def _sqlstate(error: BaseException) -> str | None:
    """The code of an error of operation; empty where the connection broke, None for any other error."""
    cause = error.__cause__ if isinstance(error, OperationalError) else error
    if isinstance(cause, psycopg.OperationalError):
        return cause.sqlstate or ""
    return "" if isinstance(error, OperationalError) else None


def _send(task: "Task[..., None]", *identifiers: str) -> None:
    """Send a task; a broker that is away costs a delay until the next sweep, nothing else."""
    try:
        task.apply_async(identifiers)
    except (BrokerError, OSError) as error:
        log.warning("nudge_failed", error=type(error).__name__)
