"""A submission that never works is set aside whole and can be tried again; the rest goes on (decision 0027)."""

import hashlib
import json
from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import AuditEvent, Member, Notice, Organization
from indicators.actions import submissions
from indicators.models import Submission, SubmittedObject
from indicators.stix.markings import TLP, marking_id
from sharing import tasks
from sharing.actions import keys
from tests.conformance import stix
from tests.desk import sign_in
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.exchange import inbox

BY = Actor("service:test")
POISON = b"poison@secret.example"


@pytest.fixture
def hub(db: None) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator")


@pytest.fixture
def analyst(hub: Organization) -> Client:
    member = Member.objects.create(username="ana", organization=hub, role="analyst", is_staff=True)
    client = Client()
    sign_in(client, member)
    return client


@pytest.fixture
def poisoned(shop: Shop) -> Iterator[None]:
    """Whoever ends the ingest of a body with POISON in it fails, and the database quotes the body as it does so."""
    keys.rotate(by=BY, now=timezone.now() - timedelta(days=1))
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.state = 'ingested' AND position('\\x{POISON.hex()}'::bytea IN NEW.body) > 0 THEN"
            " RAISE EXCEPTION 'no: %', convert_from(NEW.body, 'UTF8'); END IF; RETURN NEW; END $$"
        )
        cursor.execute(
            "CREATE TRIGGER poison BEFORE UPDATE ON indicators_submission"
            " FOR EACH ROW EXECUTE FUNCTION refuse_poison()"
        )
    yield
    heal()


def heal() -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TRIGGER IF EXISTS poison ON indicators_submission")


def sent(shop: Shop, *, poison: bool = False) -> UUID:
    """A submission that was received a minute ago."""
    one = stix.campaign(object_marking_refs=[marking_id(TLP.GREEN)])
    body = json.dumps({"objects": [one], "x_why": POISON.decode() if poison else "none"})
    return submissions.receive(
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="rest",
        collection_id=inbox(shop, shop.lab_a).id,
        body=body.encode(),
        by=BY,
        now=timezone.now() - timedelta(minutes=1),
    ).id


def wait_no_longer() -> None:
    """Let the time pass for which submissions were put off."""
    Submission.objects.update(retry_at=None)


def state(submission_id: UUID) -> str:
    return str(Submission.objects.values_list("state", flat=True).get(id=submission_id))


def test_poison_is_set_aside_at_the_third_attempt_and_the_rest_goes_on(
    shop: Shop, hub: Organization, poisoned: None
) -> None:
    bad, *good = sent(shop, poison=True), sent(shop), sent(shop)

    states = []
    for _ in range(3):
        tasks.ingest_waiting()
        states.append(state(bad))
        wait_no_longer()

    assert states == ["received", "received", "quarantined"]
    assert [state(one) for one in good] == ["ingested", "ingested"]
    assert not SubmittedObject.objects.filter(submission_id=bad).exists()
    assert AuditEvent.objects.filter(action="submission.quarantine", target=f"submission:{bad}").count() == 1
    told = Notice.objects.filter(kind="submission.quarantined", target=f"submission:{bad}")
    assert {notice.organization_id for notice in told} == {shop.lab_a.id, hub.id}


def test_a_failed_submission_waits_longer_each_time(shop: Shop, poisoned: None) -> None:
    bad = sent(shop, poison=True)

    tasks.ingest_waiting()
    tasks.ingest_waiting()

    stored = Submission.objects.get(id=bad)
    assert stored.attempts == 1, "the second sweep left it alone"
    assert stored.retry_at is not None
    assert stored.retry_at > timezone.now()
    assert submissions.waiting(now=timezone.now()) == []
    assert submissions.waiting(now=timezone.now() + timedelta(minutes=1)) == [bad]


def test_the_fault_is_kept_by_type_and_place_and_quotes_nothing(
    shop: Shop, poisoned: None, caplog: pytest.LogCaptureFixture
) -> None:
    bad = sent(shop, poison=True)

    tasks.ingest_waiting()

    fault = Submission.objects.get(id=bad).error
    assert "psycopg.errors.RaiseException (SQLSTATE P0001)" in fault
    assert "sharing/actions/intake.py:" in fault
    assert "submissions.py:" in fault
    assert "ingest_failed" in caplog.text
    for text in (fault, caplog.text):
        assert "secret.example" not in text
        assert str(shop.community.id) not in text
        assert "site-packages" not in text


def test_the_body_stays_and_an_analyst_saves_it_which_is_written_down(
    shop: Shop, poisoned: None, analyst: Client
) -> None:
    bad = sent(shop, poison=True)
    for _ in range(3):
        tasks.ingest_waiting()
        wait_no_longer()

    answer = analyst.get(f"/admin/indicators/submission/{bad}/raw/")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/octet-stream"
    assert answer["Content-Disposition"].startswith("attachment")
    stored = bytes(Submission.objects.get(id=bad).body_sha256)
    assert hashlib.sha256(answer.content).digest() == stored
    assert POISON in answer.content
    assert AuditEvent.objects.get(action="submission.download").actor == "member:ana"

    page = f"/admin/indicators/submission/{bad}/change/"
    assert f"{bad}/raw/" in analyst.get(page).content.decode()
    Submission.objects.filter(id=bad).update(body=b"")
    assert f"{bad}/raw/" not in analyst.get(page).content.decode(), "it leads to what is not there"


@pytest.mark.parametrize("role", ["reader", "submitter"])
def test_nobody_but_an_analyst_saves_a_body_or_retries(
    shop: Shop, hub: Organization, poisoned: None, role: str
) -> None:
    bad = sent(shop, poison=True)
    Submission.objects.filter(id=bad).update(state="quarantined")
    client = Client()
    sign_in(client, Member.objects.create(username=role, organization=hub, role=role, is_staff=True))
    page = f"/admin/indicators/submission/{bad}"

    answers = [client.get(f"{page}/raw/"), client.get(f"{page}/csv/"), client.post(f"{page}/retry/")]

    assert {answer.status_code for answer in answers} == {404}
    assert state(bad) == "quarantined"
    assert not AuditEvent.objects.filter(action="submission.download").exists()


def test_what_was_set_aside_is_taken_when_the_fault_is_mended_and_somebody_says_retry(
    shop: Shop, poisoned: None, analyst: Client
) -> None:
    bad = sent(shop, poison=True)
    for _ in range(3):
        tasks.ingest_waiting()
        wait_no_longer()
    page = f"/admin/indicators/submission/{bad}"
    shown = analyst.get(f"{page}/change/").content.decode()
    heal()

    answer = analyst.post(f"{page}/retry/")
    after_retry = Submission.objects.get(id=bad)
    tasks.ingest_waiting()

    assert "RaiseException" in shown
    assert "Retry" in shown
    assert answer.status_code == 302
    assert (after_retry.state, after_retry.attempts) == ("received", 0)
    assert state(bad) == "ingested"
    assert SubmittedObject.objects.get(submission_id=bad).reason == "accepted"
    assert AuditEvent.objects.get(action="submission.retry").actor == "member:ana"
    assert (
        SubmittedObject.objects.get(submission_id=bad).object_id
        in analyst.get(f"{page}/change/").content.decode()
    )


def test_only_what_is_in_quarantine_is_put_back(shop: Shop, poisoned: None) -> None:
    bad, good = sent(shop, poison=True), sent(shop)
    tasks.ingest_waiting()

    assert submissions.retry(submission_ids=[bad, good, uuid4()], by=BY, now=timezone.now()) == []
    assert (state(bad), state(good)) == ("received", "ingested")


@pytest.mark.parametrize("code", ["57P01", "53100"], ids=["stops", "is full"])
def test_a_database_that_fails_for_reasons_of_its_own_counts_for_nothing(
    shop: Shop, poisoned: None, code: str
) -> None:
    submission_id = sent(shop, poison=True)
    fail_with(code)
    for _ in range(2 * submissions.MAX_STARTS):
        wait_no_longer()
        tasks.ingest_waiting()

    stored = Submission.objects.get(id=submission_id)
    assert (stored.state, stored.attempts, stored.starts) == ("received", 0, 0)
    assert stored.retry_at is not None, "not tried at every sweep"


def test_what_deadlocks_each_time_is_set_aside_in_the_end(shop: Shop, poisoned: None) -> None:
    submission_id = sent(shop, poison=True)
    fail_with("40P01")
    tried = 0
    while state(submission_id) == "received":
        tasks.ingest_waiting()
        assert submissions.waiting(now=timezone.now()) == [], "not tried at every sweep"
        wait_no_longer()
        tried += 1
        assert tried <= submissions.MAX_STARTS + 1

    stored = Submission.objects.get(id=submission_id)
    assert (stored.state, tried) == ("quarantined", submissions.MAX_STARTS + 1)
    assert "SQLSTATE 40P01" in stored.error


def fail_with(code: str) -> None:
    """No submission can be ingested any more, for this reason."""
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
            f" IF NEW.state = 'ingested' THEN RAISE EXCEPTION 'no' USING ERRCODE = '{code}'; END IF;"
            " RETURN NEW; END $$"
        )


def test_without_a_signing_key_submissions_wait(shop: Shop) -> None:
    submission_id = sent(shop)

    for _ in range(5):
        tasks.ingest_waiting()

    assert state(submission_id) == "received"
    assert Submission.objects.get(id=submission_id).attempts == 0


def test_what_ends_the_worker_that_works_on_it_is_set_aside_in_the_end(shop: Shop, hub: Organization) -> None:
    """It is begun and nothing is heard of it: killed workers say nothing."""
    deadly, now = sent(shop), timezone.now()
    waits = []

    for _ in range(submissions.MAX_STARTS):
        assert submissions.begin(submission_id=deadly, by=BY, now=now)
        (then,) = Submission.objects.filter(id=deadly).values_list("retry_at", flat=True)
        assert then is not None
        assert deadly not in submissions.waiting(now=now)
        waits.append(then - now)
        now = then
    again = submissions.begin(submission_id=deadly, by=BY, now=now)

    assert waits == sorted(waits)
    assert (again, state(deadly)) == (False, "quarantined")
    assert "ended" in Submission.objects.get(id=deadly).error
    assert Notice.objects.filter(kind="submission.quarantined").count() == 2
