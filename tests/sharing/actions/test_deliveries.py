"""What organisations are told by webhook: once each, signed, retried, recorded, sent again when asked to (0027)."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.actions import notices
from accounts.actor import Actor
from accounts.models import AuditEvent, AutoRelease, Community, Member, Notice, Organization, Role
from indicators.models import Submission, SubmittedObject
from indicators.sources import web
from indicators.stix.markings import TLP, marking_id
from sharing import tasks
from sharing.actions import deliveries, keys, moderation, webhooks
from sharing.models import Attempt, Delivery, Kind, Review, Webhook
from sharing.signing import keys as signing
from sharing.signing.keys import KeySet
from sharing.verifier.failures import Malformed, SignatureFailed
from sharing.verifier.receipt import verify_delivery, verify_receipt
from tests.conformance import stix
from tests.receiver import Receiver
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.exchange import shown, submit

BY = Actor("service:test")
_DAY = timedelta(days=1)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.start() as running:
        yield running


@pytest.fixture
def signed(shop: Shop) -> KeySet:
    """There is a key; what a receiver knows of it."""
    keys.rotate(by=BY, now=timezone.now() - _DAY)
    shop.collection(Kind.FEED, 1)
    return KeySet.from_jwks(signing.jwks(keys.published_keys()))


def hook(shop: Shop, receiver: Receiver, *what: str, path: str = "", internal: bool = True) -> Webhook:
    return webhooks.create(
        organization_id=shop.lab_a.id,
        url=receiver.url + path,
        what=what or ("receipts", "notices"),
        internal=internal,
        by=BY,
        now=timezone.now() - _DAY,
    )


def campaign(**members: Any) -> dict[str, Any]:
    return stix.campaign(object_marking_refs=[marking_id(TLP.GREEN)], **members)


def send(shop: Shop, *objects: dict[str, Any]) -> UUID:
    return submit(
        shop, objects or [campaign()], organization=shop.lab_a, now=timezone.now() - timedelta(minutes=1)
    )


def run() -> None:
    """What the sweep and the workers do, until nothing is due."""
    deliveries.queue_notices(now=timezone.now())
    tasks.write_deliveries()
    tasks.deliver()


def no_more_waiting() -> None:
    """Let the time pass for which deliveries and webhooks wait."""
    now = timezone.now()
    Delivery.objects.filter(state="pending").update(next_at=now)
    Webhook.objects.update(next_at=now)


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(one.body) for one in receiver.received]


def tell(shop: Shop, sentence: str = "Look at this.") -> Notice:
    return notices.tell(
        organization_id=shop.lab_a.id, kind="x.told", target="x:1", sentence=sentence, now=timezone.now()
    )


def test_each_submission_is_told_when_ingested_and_when_decided(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver)

    submission_id = send(shop, campaign(), {"type": "campaign", "id": "campaign--7"})
    run()
    no_more_waiting()
    run()

    ingested, decided = bodies(receiver)
    assert (ingested["kind"], decided["kind"]) == ("receipt.ingested", "receipt.decided")
    for told in (ingested, decided):
        assert told["receipt"]["id"] == str(submission_id)
        assert told["organization"] == "lab-a"
    outcomes = [(line["outcome"], line["reason"]) for line in decided["receipt"]["objects"]]
    assert outcomes == [("released", "rule-all"), ("rejected", "bad-id")]
    assert ingested["id"] != decided["id"]


def test_what_is_sent_is_signed_as_a_delivery_and_as_nothing_else(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver, "receipts")
    send(shop)
    run()

    (one, *_) = receiver.received
    signature = one.headers["stillwatch-signature"]
    report = verify_delivery(one.body, signature, signed)
    said = json.loads(one.body)
    assert (report.delivery_id, report.kind) == (said["id"], "receipt.ingested")
    assert one.headers["stillwatch-delivery"] == said["id"]
    assert one.headers["content-type"] == "application/json"
    with pytest.raises(SignatureFailed):
        verify_delivery(one.body.replace(said["id"].encode(), b"0" * 36), signature, signed)
    with pytest.raises(Malformed):
        verify_receipt(one.body, signature, signed)


def test_a_receipt_is_decided_when_nothing_of_it_waits(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver, "receipts")
    missing = stix.campaign()["id"]
    for collection in [shop.collection(Kind.FEED, 1)]:
        assert collection.grants.filter(organization=shop.lab_a).exists()
    note = stix._sdo(
        "note",
        content="On what is not there.",
        object_refs=[missing],
        object_marking_refs=[marking_id(TLP.GREEN)],
    )

    send(shop, note)
    run()
    no_more_waiting()
    run()
    waiting = [told["kind"] for told in bodies(receiver)]
    send(shop, campaign(id=missing))
    run()
    no_more_waiting()
    run()

    assert waiting == ["receipt.ingested"]
    first = bodies(receiver)[0]["receipt"]["id"]
    (decided,) = [
        told
        for told in bodies(receiver)
        if told["kind"] == "receipt.decided" and told["receipt"]["id"] == first
    ]
    assert [line["outcome"] for line in decided["receipt"]["objects"]] == ["released"]
    assert decided["receipt"]["objects"][0]["published_id"] == note["id"]


def test_a_receipt_that_is_decided_says_what_was_rejected_for_a_narrower_audience(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    Community.objects.update(auto_release=AutoRelease.NONE)
    shop.collection(Kind.FEED, 2)
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    ann = Member.objects.create(username="ann", organization=hub, role=Role.ANALYST)
    hook(shop, receiver, "receipts")
    send(shop)

    def decide(act: Callable[..., object], ceiling: int, reason: str) -> list[str]:
        case, now = Review.objects.get(ceiling=ceiling), timezone.now()
        bound = shown(case.id, now=now)[case.id]
        act(review_id=case.id, shown=bound, member=ann, reason=reason, signer=shop.signer, now=now)
        run()
        no_more_waiting()
        run()
        return [told["kind"] for told in bodies(receiver)]

    assert decide(moderation.approve, 2, "Known.") == ["receipt.ingested"]
    assert decide(moderation.reject, 1, "Too much for all.") == ["receipt.ingested", "receipt.decided"]
    (line,) = bodies(receiver)[-1]["receipt"]["objects"]
    assert (line["outcome"], line["reason"]) == ("released", "approved")
    assert line["note"] == "For readers up to TLP:GREEN an analyst rejected it: Too much for all."


def test_nothing_is_told_twice_however_often_the_sweep_runs(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver)
    send(shop)
    tell(shop)
    for _ in range(4):
        run()
        no_more_waiting()

    kinds = sorted(told["kind"] for told in bodies(receiver))
    assert kinds == ["notice", "receipt.decided", "receipt.ingested"]
    assert len({told["id"] for told in bodies(receiver)}) == 3


def test_a_webhook_is_told_only_what_it_asked_for_and_only_its_organisations(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver, "notices", path="/notices")
    hook(shop, receiver, "receipts", path="/receipts")
    submit(shop, [campaign()], organization=shop.lab_b, now=timezone.now())
    notices.tell(
        organization_id=shop.lab_b.id, kind="x.told", target="x:1", sentence="Theirs.", now=timezone.now()
    )
    tell(shop, "Ours.")
    send(shop)
    run()

    told = {(one.path, json.loads(one.body)["kind"]) for one in receiver.received}
    assert told == {
        ("/hook/notices", "notice"),
        ("/hook/receipts", "receipt.ingested"),
        ("/hook/receipts", "receipt.decided"),
    }
    assert not [one for one in receiver.received if b"Theirs." in one.body]


def test_a_receiver_that_fails_is_tried_again_with_the_same_bytes(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    webhook = hook(shop, receiver, "notices")
    receiver.answers = [500, "redirect", "drop", 404, 204]
    tell(shop)

    for _ in range(5):
        run()
        no_more_waiting()

    assert len({one.body for one in receiver.received}) == len({one.path for one in receiver.received}) == 1
    delivery = Delivery.objects.get(webhook=webhook)
    assert (delivery.state, delivery.attempts, delivery.last_status) == ("delivered", 5, 204)
    tries = list(Attempt.objects.filter(delivery=delivery).order_by("id").values_list("status", "error"))
    assert [status for status, _ in tries] == [500, None, None, 404, 204]
    assert "redirect" in tries[1][1]
    assert Webhook.objects.get(id=webhook.id).failures == 0


def test_waits_grow_and_are_spread_and_after_three_days_it_has_failed(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver, "notices")
    tell(shop)
    deliveries.queue_notices(now=timezone.now())
    tasks.write_deliveries()
    started = now = timezone.now() + timedelta(seconds=1)
    waits = []

    while True:
        claimed = deliveries.claim(now=now)
        if claimed is None:
            break
        deliveries.note_answer(claimed=claimed, status=None, error="Gone.", now=now, jitter=0.5)
        delivery, webhook = Delivery.objects.get(id=claimed.id), Webhook.objects.get()
        if delivery.state != "pending":
            break
        following = max(delivery.next_at, webhook.next_at)
        waits.append(following - now)
        now = following

    assert delivery.state == "failed"
    assert deliveries.GIVE_UP_AFTER <= now - started < deliveries.GIVE_UP_AFTER + timedelta(hours=7)
    assert waits == sorted(waits)
    assert waits[0] < timedelta(seconds=11)
    assert 15 <= len(waits) <= 40


def test_what_failed_is_sent_again_when_somebody_asks_and_written_anew(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    webhook = hook(shop, receiver, "notices")
    receiver.answers = [500]
    tell(shop)
    run()
    delivery = Delivery.objects.get(webhook=webhook)
    with pytest.raises(deliveries.NotResendable):
        deliveries.resend(delivery=delivery, by=BY, now=timezone.now())
    Delivery.objects.filter(id=delivery.id).update(state="failed")

    deliveries.resend(delivery=delivery, by=BY, now=timezone.now())
    run()

    first, second = bodies(receiver)
    assert first["id"] == second["id"] == str(delivery.id)
    assert first["at"] < second["at"]
    assert Delivery.objects.get(id=delivery.id).state == "delivered"
    assert AuditEvent.objects.get(action="delivery.resend").target == f"delivery:{delivery.id}"


def test_a_receiver_that_hangs_costs_one_attempt_and_holds_nobody_else_up(
    shop: Shop, signed: KeySet, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "LIMITS", replace(deliveries.LIMITS, seconds=0.4))
    hanging, well = hook(shop, receiver, "notices", path="/a"), hook(shop, receiver, "notices", path="/b")
    for number in range(5):
        tell(shop, f"Number {number}.")
    receiver.answers = ["hang"]
    run()

    paths = [one.path for one in receiver.received]
    slow = hanging if paths[0] == "/hook/a" else well
    assert len(paths) == 6, "one attempt at the first, all five at the other"
    assert Delivery.objects.filter(webhook=slow, state="pending").count() == 5
    assert Delivery.objects.filter(state="delivered").count() == 5
    assert "did not answer" in Attempt.objects.get(status=None).error


def test_one_delivery_that_is_refused_does_not_keep_the_others_back(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver, "notices")
    for number in range(4):
        tell(shop, f"Number {number}.")
    receiver.answers = [400]
    run()

    assert Delivery.objects.filter(state="delivered").count() == 3
    assert Delivery.objects.get(state="pending").last_status == 400


def test_a_receiver_says_when_it_wants_to_be_asked_again(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    webhook = hook(shop, receiver, "notices")
    receiver.answers, receiver.headers = [429], {"Retry-After": "1800"}
    tell(shop)
    before = timezone.now()
    run()

    assert Webhook.objects.get(id=webhook.id).next_at >= before + timedelta(minutes=30)
    assert Delivery.objects.get().next_at >= before + timedelta(minutes=30)


def test_a_webhook_that_keeps_failing_is_told_of_and_is_well_again_with_the_first_that_arrives(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    webhook = hook(shop, receiver, "receipts")
    receiver.answers = [503] * 6
    send(shop)
    states = []
    for _ in range(7):
        run()
        states.append(Webhook.objects.get(id=webhook.id).state)
        no_more_waiting()

    assert states[3:5] == ["active", "failing"]
    assert states[-1] == "active"
    told = Notice.objects.get(kind="webhook.failing")
    assert (told.organization_id, told.target) == (shop.lab_a.id, f"webhook:{webhook.id}")


def test_a_paused_webhook_gets_nothing_and_everything_when_it_goes_on(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    webhook = hook(shop, receiver, "notices")
    webhooks.change(webhook=webhook, state="paused", by=BY, now=timezone.now())
    tell(shop)
    run()
    silent = len(receiver.received)
    webhooks.change(webhook=webhook, state="active", by=BY, now=timezone.now())
    run()

    assert (silent, len(receiver.received)) == (0, 1)


def test_what_waited_for_days_is_written_anew_so_that_its_receiver_believes_it(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    """docs/api.md: a receiver refuses what says that it is four days old. A pause or an outage may last longer."""
    webhook = hook(shop, receiver, "notices")
    for number in range(3):
        tell(shop, f"Number {number}.")
    deliveries.queue_notices(now=timezone.now())
    tasks.write_deliveries()
    written = {bytes(one.body or b"") for one in Delivery.objects.all()}
    Delivery.objects.update(next_at=timezone.now() - timedelta(days=5))

    tasks.deliver()
    assert receiver.received == []
    run()

    assert len(bodies(receiver)) == 3
    assert not written & {one.body for one in receiver.received}
    assert {told["id"] for told in bodies(receiver)} == {str(one.id) for one in webhook.deliveries.all()}


def test_a_sender_that_dies_in_between_leaves_it_to_the_next(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    hook(shop, receiver, "notices")
    tell(shop)
    deliveries.queue_notices(now=timezone.now())
    tasks.write_deliveries()
    now = timezone.now()

    died = deliveries.claim(now=now)
    at_once = deliveries.claim(now=now)
    later = deliveries.claim(now=now + deliveries.LEASE + timedelta(seconds=1))

    assert died is not None
    assert later is not None
    assert at_once is None
    assert (died.id, died.body, died.attempt, later.attempt) == (later.id, later.body, 1, 2)


def test_an_internal_address_is_called_only_where_the_operator_said_so(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    internal = hook(shop, receiver, "notices")
    webhooks.change(webhook=internal, internal=False, by=BY, now=timezone.now())
    Webhook.objects.filter(id=internal.id).update(url=receiver.url.replace("http:", "https:"))
    tell(shop)
    run()

    assert receiver.received == []
    assert Attempt.objects.get().error == deliveries.REASONS[web.AddressRefused]


@pytest.mark.parametrize(
    "url",
    [
        *("http://hooks.example/", "ftp://hooks.example/", "https://127.0.0.1/", "https://10.1.2.3/x"),
        *(
            "https://[::1]/",
            "https://169.254.169.254/latest",
            "https://user:pass@hooks.example/",
            "hooks",
            "",
        ),
        *("https://localhost/", "https://2130706433/", "https://0x7f.1/", "https://[::ffff:127.0.0.1]/"),
    ],
)
def test_what_is_never_called_is_refused_when_it_is_named(shop: Shop, url: str) -> None:
    with pytest.raises(webhooks.NotTaken):
        webhooks.create(organization_id=shop.lab_a.id, url=url, what=["notices"], by=BY, now=timezone.now())
    assert Webhook.objects.count() == 0


def test_an_organisation_has_ten_webhooks_at_most_and_each_url_once(shop: Shop, receiver: Receiver) -> None:
    for number in range(webhooks.MOST):
        hook(shop, receiver, path=f"/{number}")
    with pytest.raises(webhooks.NotTaken, match="at most"):
        hook(shop, receiver, path="/more")
    Webhook.objects.filter(url__endswith="/9").delete()
    with pytest.raises(webhooks.NotTaken, match="already"):
        hook(shop, receiver, path="/1")


def test_what_was_refused_for_a_person_is_in_no_delivery(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    """Not in its own words, and not as an id, a version or a value that another refusal quotes."""
    hook(shop, receiver, "receipts")
    person = "jane.roe@customer.example"
    send(
        shop,
        campaign(description=f"Ask {person}."),
        campaign(id=person),
        campaign(created=person),
        campaign(modified=person),
        campaign(name="A name", aliases=person),
        campaign(spec_version=person),
        campaign(x_unknown={"deep": person}, type=person),
        stix.indicator(pattern=f"[email-addr:value = '{person}'"),
    )
    run()

    assert len(receiver.received) == 2
    for told in receiver.received:
        lines = json.loads(told.body)["receipt"]["objects"]
        assert [line["outcome"] for line in lines] == ["rejected"] * 8
        assert all(line["sentence"] and line["reason"] for line in lines)
        assert b"jane" not in told.body
        assert b"customer.example" not in told.body
    assert SubmittedObject.objects.filter(sentence__contains="jane").count() == 0


def test_a_receipt_with_very_many_lines_is_delivered_without_them(
    shop: Shop, signed: KeySet, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deliveries, "MOST_LINES", 3)
    hook(shop, receiver, "receipts")
    submission_id = send(shop, *[campaign() for _ in range(4)])
    run()

    receipt = bodies(receiver)[0]["receipt"]
    assert receipt["objects"] is None
    assert receipt["object_count"] == sum(receipt["counts"].values()) == 4
    assert receipt["url"].endswith(f"/api/v1/submissions/{submission_id}/")


def test_a_delivery_that_cannot_be_written_keeps_no_other_back_and_can_be_sent_again(
    shop: Shop, signed: KeySet, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook(shop, receiver, "notices")
    poison, *_ = [tell(shop, f"Number {number}.") for number in range(3)]
    kept = deliveries._notice

    def fails(notice_id: int) -> dict[str, object]:
        if notice_id == poison.id:
            raise ValueError("secret")
        return kept(notice_id)

    monkeypatch.setattr(deliveries, "_notice", fails)
    run()

    failed = Delivery.objects.get(notice=poison)
    assert Delivery.objects.filter(state="delivered").count() == 2
    assert (failed.state, failed.last_error) == ("failed", "The service failed to write it.")

    monkeypatch.setattr(deliveries, "_notice", kept)
    deliveries.resend(delivery=failed, by=BY, now=timezone.now())
    run()
    assert Delivery.objects.filter(state="delivered").count() == 3


def test_one_organisations_slow_receivers_do_not_take_the_time_of_anothers(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    """Ten that answer well, but only just in time, and always have something due; one sender; time passes here only."""
    due = timezone.now()
    for number in range(webhooks.MOST):
        slow = hook(shop, receiver, path=f"/{number}")
        for _ in range(3):
            Delivery.objects.create(webhook=slow, kind="test", next_at=due, created_at=due)
    well = webhooks.create(
        organization_id=shop.lab_b.id, url=receiver.url, what=["notices"], internal=True, by=BY,
        now=timezone.now() - _DAY,
    )  # fmt: skip
    for _ in range(20):
        Delivery.objects.create(webhook=well, kind="test", next_at=due, created_at=due)
    tasks.write_deliveries()

    now, of_the_slow = timezone.now(), 0
    while Delivery.objects.filter(webhook=well, state="pending").exists():
        claimed = deliveries.claim(now=now)
        assert claimed is not None
        is_slow = claimed.url != well.url
        of_the_slow += is_slow
        now += timedelta(seconds=14) if is_slow else timedelta(milliseconds=50)
        deliveries.note_answer(claimed=claimed, status=200, error="", now=now, jitter=0.5)

    assert of_the_slow <= webhooks.MOST


def test_tests_that_were_not_sent_yet_give_way_to_the_last(
    shop: Shop, signed: KeySet, receiver: Receiver
) -> None:
    webhook = hook(shop, receiver)
    for _ in range(5):
        deliveries.queue_test(webhook=webhook, by=BY, now=timezone.now())
    run()
    assert [told["kind"] for told in bodies(receiver)] == ["test"]


def test_to_forget_reads_no_bodies(shop: Shop, signed: KeySet, receiver: Receiver) -> None:
    """What thirty days ago was a flood may not fit into memory."""
    hook(shop, receiver, "notices")
    tell(shop)
    run()
    with CaptureQueriesContext(connection) as asked:
        deliveries.forget(now=timezone.now() + timedelta(days=31))
    assert Delivery.objects.count() == 0
    assert not [query for query in asked.captured_queries if '"body"' in query["sql"]]


@pytest.mark.django_db(transaction=True)
def test_a_webhook_is_deleted_while_an_ingest_makes_something_due_to_it(
    transactional_db: None, shop: Shop, receiver: Receiver
) -> None:
    """Neither fails: what is due to it goes with it."""
    keys.rotate(by=BY, now=timezone.now() - _DAY)
    webhook = hook(shop, receiver)
    submission = Submission.objects.create(
        community=shop.community, organization=shop.lab_a, channel="rest", collection_id=uuid4(),
        body=b"{}", body_sha256=bytes(32), object_count=0, received_at=timezone.now(),
    )  # fmt: skip
    errors: list[BaseException] = []

    def delete() -> None:
        try:
            webhooks.delete(webhook=webhook, by=BY, now=timezone.now())
        except BaseException as error:  # noqa: BLE001 - shown below
            errors.append(error)
        finally:
            connection.close()

    other = threading.Thread(target=delete)
    with transaction.atomic():
        deliveries.queue_receipts(
            submission_id=submission.id, organization_id=shop.lab_a.id, now=timezone.now()
        )
        other.start()
        other.join(0.5)
    other.join()

    assert errors == []
    assert (Webhook.objects.count(), Delivery.objects.count()) == (0, 0)


def test_old_deliveries_are_forgotten(shop: Shop, signed: KeySet, receiver: Receiver) -> None:
    hook(shop, receiver, "notices")
    tell(shop)
    run()

    deliveries.forget(now=timezone.now() + timedelta(days=29))
    kept = Delivery.objects.count()
    deliveries.forget(now=timezone.now() + timedelta(days=31))

    assert (kept, Delivery.objects.count(), Attempt.objects.count()) == (1, 0, 0)
