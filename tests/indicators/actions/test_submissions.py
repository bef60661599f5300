"""The one door in: durable before its sender hears of it, ingested by one worker, quarantined when it never works."""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction

from accounts.actions.audit import record
from accounts.actor import Actor
from accounts.models import AuditEvent, Organization
from indicators.actions import submissions
from indicators.models import Submission
from indicators.stix import json
from tests.indicators.actions.conftest import BY, NOW, Trust

BODY = b'{"objects":[{"type":"campaign"},7]}'


def test_a_submission_is_kept_byte_for_byte_and_written_down(trust: Trust) -> None:
    received = trust.receive(BODY)

    stored = Submission.objects.get(id=received.id)
    assert bytes(stored.body) == BODY
    assert bytes(stored.body_sha256) == hashlib.sha256(BODY).digest()
    assert (stored.state, stored.object_count, received.object_count) == ("received", 2, 2)
    (event,) = AuditEvent.objects.all()
    assert (event.action, event.target) == ("submission.receive", f"submission:{received.id}")
    assert event.detail == {"objects": 2, "sha256": hashlib.sha256(BODY).hexdigest(), "channel": "rest"}


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b'{"objects":1}', b'{"type":"campaign"}'])
def test_what_is_no_submission_leaves_nothing(trust: Trust, body: bytes) -> None:
    with pytest.raises(json.Refused):
        trust.receive(body)

    assert Submission.objects.count() == AuditEvent.objects.count() == 0


def test_a_key_answers_with_the_first_submission(trust: Trust) -> None:
    first, second = (trust.receive(BODY, key="k") for _ in range(2))

    assert (first.id, first.repeated, second.repeated) == (second.id, False, True)
    assert Submission.objects.count() == AuditEvent.objects.count() == 1


def test_a_key_with_another_request_is_refused(trust: Trust) -> None:
    trust.receive(BODY, key="k")

    for body, collection, body_format in (
        (b'{"objects":[]}', trust.inbox, "stix"),
        (BODY, uuid4(), "stix"),
        (BODY, trust.inbox, "ndjson"),
    ):
        with pytest.raises(submissions.KeyReused):
            trust.receive(body, key="k", collection=collection, body_format=body_format)


def test_a_key_answers_for_ever_and_whatever_is_deleted(trust: Trust) -> None:
    first = trust.receive(BODY, key="k")
    delete_something(trust, trust.lab_a)

    assert trust.receive(BODY, key="k", now=NOW + timedelta(days=400)).id == first.id


@pytest.mark.parametrize("key", ["", "k" * 256, "sha256:mine"])
def test_a_key_that_cannot_be_one_is_refused(trust: Trust, key: str) -> None:
    with pytest.raises(submissions.BadKey):
        trust.receive(BODY, key=key)


def test_the_same_body_without_a_key_answers_with_the_first_submission(trust: Trust) -> None:
    first, second = (trust.receive(BODY) for _ in range(2))

    assert (first.id, first.repeated, second.repeated) == (second.id, False, True)
    assert Submission.objects.count() == AuditEvent.objects.count() == 1


def test_the_same_body_is_another_request_elsewhere_by_others_in_another_format_or_under_a_key(
    trust: Trust,
) -> None:
    received = [
        trust.receive(BODY),
        trust.receive(BODY, collection=uuid4()),
        trust.receive(BODY, organization=trust.lab_b),
        trust.receive(BODY, body_format="ndjson"),
        trust.receive(BODY, key="k"),
    ]

    assert len({one.id for one in received}) == 5
    assert not any(one.repeated for one in received)


def test_a_body_answers_for_a_day_and_is_then_taken_anew(trust: Trust) -> None:
    first = trust.receive(BODY)
    day = timedelta(hours=24)

    within = trust.receive(BODY, now=NOW + day - timedelta(seconds=1))
    beyond = trust.receive(BODY, now=NOW + day)
    again = trust.receive(BODY, now=NOW + day + day / 2)

    assert within.id == first.id != beyond.id == again.id


def delete_something(trust: Trust, organization: Organization, collection: UUID | None = None) -> None:
    """What a DELETE leaves in the audit trail."""
    with transaction.atomic():
        record(
            by=Actor("token:x", organization.id),
            now=NOW + timedelta(seconds=1),
            action="object.delete",
            target=f"collection:{collection or trust.inbox}",
        )


def test_a_body_is_taken_anew_once_its_sender_has_deleted_there(trust: Trust) -> None:
    first = trust.receive(BODY)

    delete_something(trust, trust.lab_b)
    delete_something(trust, trust.lab_a, uuid4())
    assert trust.receive(BODY, now=NOW + timedelta(seconds=2)).id == first.id
    delete_something(trust, trust.lab_a)
    anew = trust.receive(BODY, now=NOW + timedelta(seconds=2))

    assert anew.id != first.id
    assert trust.receive(BODY, now=NOW + timedelta(seconds=3)).id == anew.id


def test_a_key_is_its_organisations_own(trust: Trust) -> None:
    ours, theirs = trust.receive(BODY, key="k"), trust.receive(BODY, key="k", organization=trust.lab_b)

    assert ours.id != theirs.id


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("key", ["k", None])
def test_what_is_sent_by_eight_at_once_makes_one_submission(trust: Trust, key: str | None) -> None:
    def send(_: int) -> submissions.Received:
        try:
            return trust.receive(BODY, key=key)
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(send, range(8)))

    assert len({one.id for one in received}) == 1
    assert [one.repeated for one in received].count(False) == 1
    assert Submission.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_sent_anew_by_eight_at_once_makes_one_more_submission(trust: Trust) -> None:
    first = trust.receive(BODY)

    def send(_: int) -> submissions.Received:
        try:
            return trust.receive(BODY, now=NOW + timedelta(days=2))
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        received = list(pool.map(send, range(8)))

    assert len({first.id, *(one.id for one in received)}) == 2
    assert [one.repeated for one in received].count(False) == 1
    assert Submission.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_a_submission_is_claimed_by_one_worker_and_free_again_when_it_dies(trust: Trust) -> None:
    submission_id = trust.receive(BODY).id
    claimed, release = threading.Event(), threading.Event()

    def worker() -> bool:
        try:
            with transaction.atomic():
                mine = submissions.claim(submission_id)
                claimed.set()
                release.wait(10)
                transaction.set_rollback(True)
                return mine is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(worker)
        claimed.wait(10)
        with transaction.atomic():
            second = submissions.claim(submission_id)
        release.set()
        assert first.result(10)
    with transaction.atomic():
        third = submissions.claim(submission_id)

    assert second is None
    assert third is not None
    assert third.body == BODY


def test_what_is_done_is_claimed_by_nobody(trust: Trust) -> None:
    submission_id = trust.receive(BODY).id

    submissions.finish(submission_id=submission_id, keep_body=True, counts={}, now=NOW)

    assert submissions.claim(submission_id) is None


def test_the_third_failure_quarantines(trust: Trust) -> None:
    submission_id = trust.receive(BODY).id
    states = []

    for _ in range(4):
        submissions.note_failure(submission_id=submission_id, error="Boom", by=BY, now=NOW)
        states.append(Submission.objects.get(id=submission_id).state)

    assert states == ["received", "received", "quarantined", "quarantined"]
    assert submissions.claim(submission_id) is None
    assert AuditEvent.objects.filter(action="submission.quarantine").count() == 1
