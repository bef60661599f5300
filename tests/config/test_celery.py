"""The alarm clock: which queue a task goes to, and that a missing broker costs little."""

import pytest
from django.conf import settings

from config.celery import INGEST_QUEUE, OUTBOUND_QUEUE, PUBLISH_QUEUE, TRUST_QUEUE, app, route
from sharing import tasks


@pytest.mark.parametrize(
    ("task", "queue"),
    [
        ("sharing.tasks.ingest", INGEST_QUEUE),
        ("sharing.tasks.ingest_submission", INGEST_QUEUE),
        ("sharing.tasks.sweep", PUBLISH_QUEUE),
        ("sharing.tasks.publish", PUBLISH_QUEUE),
        ("sharing.tasks.write_deliveries", PUBLISH_QUEUE),
        ("sharing.tasks.sign_checkpoints", TRUST_QUEUE),
        ("sharing.tasks.deliver", OUTBOUND_QUEUE),
        ("sharing.tasks.pull_due", OUTBOUND_QUEUE),
        ("sharing.tasks.pull_check", OUTBOUND_QUEUE),
    ],
)
def test_ingesting_signing_logs_and_calling_others_have_queues_of_their_own(task: str, queue: str) -> None:
    assert route(task) == {"queue": queue}


def test_the_sweep_runs_every_five_seconds() -> None:
    entry = app.conf.beat_schedule["sweep"]
    assert (entry["task"], entry["schedule"]) == ("sharing.tasks.sweep", 5.0)


def test_a_log_is_signed_within_seconds_of_its_growth() -> None:
    entry = app.conf.beat_schedule["sign-checkpoints"]
    assert (entry["task"], entry["schedule"]) == ("sharing.tasks.sign_checkpoints", 10.0)


def test_no_task_expires(services: None) -> None:
    """A worker discards a row of expired tasks recursively, and dies of it (celery issue 6736)."""
    assert [
        name for name, entry in app.conf.beat_schedule.items() if "expires" in entry.get("options", {})
    ] == []
    tasks._send(tasks.ingest_submission, "7")
    with app.connection_for_read() as broker, broker.SimpleQueue(INGEST_QUEUE) as queue:
        message = queue.get(timeout=5)
        message.ack()
    assert message.headers["expires"] is None


def test_a_task_counts_as_done_only_when_it_is_and_leaves_no_result() -> None:
    assert app.conf.task_acks_late is True
    assert app.conf.worker_prefetch_multiplier == 0
    assert app.conf.task_ignore_result is True
    assert app.conf.task_always_eager is False
    assert app.conf.accept_content == ["json"]
    assert app.conf.broker_url == settings.CELERY_BROKER_URL


def test_a_sent_task_waits_in_its_queue(services: None) -> None:
    app.send_task("sharing.tasks.ingest_nothing")
    with app.connection_for_read() as broker, broker.SimpleQueue(INGEST_QUEUE) as queue:
        message = queue.get(timeout=5)
        message.ack()
    assert message.headers["task"] == "sharing.tasks.ingest_nothing"


def test_sending_to_a_broker_that_is_away_fails_at_once() -> None:
    assert app.conf.broker_transport_options["max_retries"] == 1
    with (
        app.connection("redis+socket:///nowhere/redis.sock") as broker,
        pytest.raises(Exception, match="nowhere"),
    ):
        app.send_task("sharing.tasks.sweep", connection=broker)
