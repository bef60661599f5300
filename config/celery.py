"""The Celery application: the alarm clock.

Tables are the queues. A task carries ids only; it may be lost, run twice or run late, and the sweep finds
what no task picked up. So nothing here tries to be durable, and a broker that is gone or wiped costs seconds
of delay, no data.
"""

import gc
import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_process_init
from django.conf import settings

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

INGEST_QUEUE = "ingest"
PUBLISH_QUEUE = "publish"
OUTBOUND_QUEUE = "outbound"
TRUST_QUEUE = "trust"


def route(name: str, *_: Any, **__: Any) -> dict[str, str]:
    """A task's queue: a flood of submissions never delays a publication, and a slow server elsewhere delays neither.

    What calls other servers runs in a worker that alone needs a way out. Proofs are signed while others publish.
    """
    if name.startswith("sharing.tasks.sign"):
        return {"queue": TRUST_QUEUE}
    if name.startswith("sharing.tasks.ingest"):
        return {"queue": INGEST_QUEUE}
    outbound = name.startswith(("sharing.tasks.pull", "sharing.tasks.deliver", "sharing.tasks.ask"))
    return {"queue": OUTBOUND_QUEUE if outbound else PUBLISH_QUEUE}


app = Celery("stillwatch")
app.conf.update(
    broker_url=settings.CELERY_BROKER_URL,
    task_routes=(route,),
    task_default_queue=PUBLISH_QUEUE,
    # A worker may be killed in mid-task: the task counts as done only when it is.
    task_acks_late=True,
    # Unlimited: with 1 and late acknowledgement nothing is read while a task runs, so a broker that dies then is never
    # noticed, and the worker waits for ever. Tasks are cheap to hold and free to lose.
    worker_prefetch_multiplier=0,
    task_ignore_result=True,
    task_store_errors_even_if_ignored=False,
    result_backend=None,
    accept_content=["json"],
    task_serializer="json",
    # Whoever sends a task has committed its work already and must not wait for a broker that is away.
    task_publish_retry=False,
    broker_connection_timeout=2,
    broker_transport_options={
        "socket_connect_timeout": 2,
        "socket_timeout": 10,
        "visibility_timeout": 3600,
        # For senders: one more try at once (the broker has just been restarted), then give up.
        "max_retries": 1,
        "interval_start": 0,
        "interval_step": 0,
    },
    # Workers and beat wait for the broker for as long as it takes.
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    worker_enable_remote_control=False,
    worker_send_task_events=False,
    enable_utc=True,
    timezone="UTC",
    # The timetable keeps no file: after a restart the next sweep is at most one period away.
    beat_scheduler="celery.beat:Scheduler",
    beat_max_loop_interval=5,
    # Nothing expires: of expired tasks in a row a worker discards each within the one before, until Python's recursion
    # limit ends it (celery issue 6736). What comes too late finds nothing to do.
    beat_schedule={
        "sweep": {"task": "sharing.tasks.sweep", "schedule": 5.0},
        "discard-drafts": {"task": "sharing.tasks.discard_drafts", "schedule": 3600.0},
        "pull": {"task": "sharing.tasks.pull_due", "schedule": 30.0},
        # A checkpoint without its cosignatures is not served yet.
        "ask-witnesses": {"task": "sharing.tasks.ask_witnesses", "schedule": 5.0},
        # Confidence is published in steps of five and reckoned to the hour.
        "age": {"task": "sharing.tasks.age", "schedule": 300.0},
        "link-audit": {"task": "accounts.tasks.link_audit", "schedule": 5.0},
        "tell-audit-head": {"task": "accounts.tasks.tell_audit_head", "schedule": 600.0},
        "tally": {"task": "sharing.tasks.tally", "schedule": 60.0},
        "sign-trust-root": {"task": "sharing.tasks.sign_trust_root", "schedule": 15.0},
        "remind": {"task": "sharing.tasks.remind", "schedule": 6 * 3600.0},
        "watch_withdrawals": {"task": "sharing.tasks.watch_withdrawals", "schedule": 3600.0},
        # A log is signed within seconds of its growth.
        "sign-checkpoints": {"task": "sharing.tasks.sign_checkpoints", "schedule": 10.0},
        "forget-checkpoints": {"task": "sharing.tasks.forget_checkpoints", "schedule": 3600.0},
        "watch_sources": {"task": "sharing.tasks.watch_sources", "schedule": 600.0},
    },
)
app.autodiscover_tasks()


@setup_logging.connect
def _keep_our_logging(**_: Any) -> None:
    """Celery sets up logging of its own unless somebody listens here; Django's stays."""


@worker_process_init.connect
def _collect_seldom(**_: Any) -> None:
    """A batch makes a hundred thousand objects and hardly a cycle: looking for cycles took a third of a worker's time.

    What is loaded by now stays for ever and is not looked at again.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 20)
