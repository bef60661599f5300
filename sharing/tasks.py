"""The alarm clock: tasks carry ids only, and may be lost, run twice or run late."""

from datetime import timedelta
from uuid import UUID

import psycopg
import structlog
from celery import Task, shared_task
from django.db import OperationalError, transaction
from django.utils import timezone
from kombu.exceptions import OperationalError as BrokerError

from accounts import sql
from accounts.actor import Actor
from indicators.actions import submissions, uploads
from sharing.actions import ageing, intake, triage
from sharing.actions.keys import NoSigningKey, current_signer

log = structlog.get_logger(__name__)

# A nudge has this long to arrive before the sweep gives another.
_PATIENCE = timedelta(seconds=3)
_SERVICE = Actor("service:ingest")


def nudge_ingest(submission_id: UUID) -> None:
    """Ask for a submission to be ingested once this transaction is committed."""
    transaction.on_commit(lambda: _send(ingest_submission, str(submission_id)))


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
    while True:
        waiting = {
            found[0]
            for found in sql.rows(
                "SELECT id FROM indicators_submission WHERE state = 'received' AND received_at < %s"
                " ORDER BY received_at LIMIT 100",
                (timezone.now() - _PATIENCE,),
            )
        }
        if not waiting - tried:
            return
        for submission_id in waiting - tried:
            _ingest(submission_id)
        tried |= waiting


@shared_task(name="sharing.tasks.publish_community")
def publish_community(community_id: str) -> None:
    """Publish what is pending in one community."""
    publish_here(UUID(community_id))


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
    if sql.row(
        "SELECT 1 FROM indicators_submission WHERE state = 'received' AND received_at < %s LIMIT 1",
        (timezone.now() - _PATIENCE,),
    ):
        _send(ingest_waiting)
    for (community_id,) in sql.rows("SELECT DISTINCT community_id FROM indicators_pendingfold"):
        _send(publish_community, str(community_id))


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
    except Exception as error:
        log.exception("ingest_failed", submission=str(submission_id))
        if not isinstance(error, OperationalError | psycopg.OperationalError | NoSigningKey):
            # Not the submission's fault otherwise: it is tried again.
            submissions.note_failure(
                submission_id=submission_id, error=type(error).__name__, by=_SERVICE, now=now
            )
        return
    if community_id is not None:
        nudge_publish(community_id)


def _send(task: "Task[..., None]", *identifiers: str) -> None:
    """Send a task; a broker that is away costs a delay until the next sweep, nothing else.

    A task that waited longer than a minute has been overtaken by sweeps: it expires, so that queues stay short.
    """
    try:
        task.apply_async(identifiers, expires=60)
    except (BrokerError, OSError) as error:
        log.warning("nudge_failed", error=type(error).__name__)
