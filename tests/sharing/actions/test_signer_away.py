"""The signer goes away in the middle of things: what was to be signed waits, and nothing is half done."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import AutoRelease, Member, Organization, Role
from indicators.actions import submissions
from indicators.models import PendingFold, Submission
from indicators.stix.markings import TLP, marking_id
from sharing import receipts, tasks
from sharing.actions import deliveries, keys, triage, webhooks
from sharing.actions.keys import SignerAway, current_signer
from sharing.models import Delivery, Entry, Kind, Review, SigningKey
from sharing.views import rest
from tests.conformance import stix
from tests.desk import shown, sign_in
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import Shop

BY = Actor("service:test")


class Signer:
    """The session's signer, which can be taken away: its socket is somewhere else then."""

    def __init__(self, settings: Any, nowhere: Path) -> None:
        self._settings, self._nowhere = settings, nowhere

    @contextmanager
    def away(self) -> Iterator[None]:
        there = self._settings.SIGNER_SOCKET
        self._settings.SIGNER_SOCKET = self._nowhere
        try:
            yield
        finally:
            self._settings.SIGNER_SOCKET = there


@pytest.fixture
def signing(shop: Shop, settings: Any, tmp_path: Path) -> Signer:
    keys.rotate(by=BY, now=timezone.now() - timedelta(days=1))
    shop.signer = current_signer(now=timezone.now())
    return Signer(settings, tmp_path / "nobody")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: None)


def green(**members: Any) -> dict[str, Any]:
    return stix.campaign(object_marking_refs=[marking_id(TLP.GREEN)], **members)


def sent(shop: Shop, *objects: dict[str, Any]) -> Submission:
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="rest",
        collection_id=exchange.inbox(shop, shop.lab_a).id,
        body=json.dumps({"objects": objects or [green() for _ in range(3)]}).encode(),
        by=BY,
        now=timezone.now(),
    )
    return Submission.objects.get(id=received.id)


def test_a_submission_waits_for_the_signer_and_no_attempt_counts(shop: Shop, signing: Signer) -> None:
    submission = sent(shop)

    with signing.away():
        for _ in range(5):
            tasks.ingest_submission(str(submission.id))

    submission.refresh_from_db()
    assert (submission.state, submission.attempts) == ("received", 0)
    assert not Entry.objects.exists()

    tasks.ingest_submission(str(submission.id))
    submission.refresh_from_db()
    assert submission.state == "ingested"
    assert Entry.objects.count() == 3


def test_what_is_to_be_published_waits_and_none_of_it_is_set_aside(shop: Shop, signing: Signer) -> None:
    feed = shop.collection(Kind.FEED, ceiling=2)
    tasks.ingest_submission(str(sent(shop).id))
    pending = PendingFold.objects.count()

    with signing.away(), pytest.raises(SignerAway, match="does not answer"):
        triage.publish_pending(
            community_id=shop.community.id, signer=current_signer(now=timezone.now()), now=timezone.now()
        )

    assert PendingFold.objects.count() == pending == 3
    assert not Entry.objects.filter(collection=feed).exists()

    tasks.publish_here(shop.community.id)
    assert PendingFold.objects.count() == 0
    assert Entry.objects.filter(collection=feed, object_type="campaign").count() == 3


def test_a_receipt_is_given_unsigned_and_a_delivery_waits(shop: Shop, signing: Signer) -> None:
    webhooks.create(
        organization_id=shop.lab_a.id,
        url="http://127.0.0.1:9/",
        what=("receipts",),
        internal=True,
        by=BY,
        now=timezone.now(),
    )
    submission = sent(shop)
    tasks.ingest_submission(str(submission.id))
    receipt = receipts.receipt(shop.lab_a.id, submission.id)
    assert receipt is not None

    with signing.away():
        unsigned = rest._signed(receipt)
        tasks.write_deliveries()
        waiting = Delivery.objects.filter(body=None, state="pending").count()
    tasks.write_deliveries()

    assert rest.SIGNATURE not in unsigned.headers
    assert waiting >= 1
    assert rest.SIGNATURE in rest._signed(receipt).headers
    assert Delivery.objects.filter(body=None, next_at__lte=timezone.now()).count() == 0
    assert deliveries.write_next(signer=shop.signer, now=timezone.now()) is False


def test_an_analysts_approval_is_refused_in_one_sentence_and_the_case_stays(
    shop: Shop, signing: Signer
) -> None:
    shop.community.auto_release = AutoRelease.NONE
    shop.community.save()
    feed = shop.collection(Kind.FEED, ceiling=2)
    # An object of the service's own: a partner's was signed when it came in.
    one = stix.indicator(object_marking_refs=[marking_id(TLP.GREEN)])
    tasks.ingest_submission(str(sent(shop, one).id))
    tasks.publish_here(shop.community.id)
    review = Review.objects.get()
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    ann = Member.objects.create(username="ann", organization=hub, role=Role.ANALYST, is_staff=True)
    client = sign_in(Client(), ann)
    page = client.get(f"/admin/sharing/review/{review.id}/change/").content.decode()
    form = {"decision": "approve", "reason": "Ours too.", "queue": ""} | shown(page)

    with signing.away():
        refused = client.post(f"/admin/reviews/{review.id}/decide/", form, follow=True)

    said = [str(one) for one in refused.context["messages"]]
    assert any(one.startswith("Not decided by you: the signer does not answer") for one in said), said
    review.refresh_from_db()
    assert review.state == "pending"
    assert not Entry.objects.filter(collection=feed, object_type="indicator").exists()

    client.post(f"/admin/reviews/{review.id}/decide/", form, follow=True)
    review.refresh_from_db()
    assert review.state == "approved"
    assert Entry.objects.filter(collection=feed, object_type="indicator").count() == 1


def test_no_key_is_made_without_the_signer(shop: Shop, signing: Signer) -> None:
    before = list(SigningKey.objects.values_list("kid", "retired_at"))
    with signing.away(), pytest.raises(SignerAway):
        keys.rotate(by=BY, now=timezone.now(), at_once=True)
    assert list(SigningKey.objects.values_list("kid", "retired_at")) == before


def test_keys_of_each_purpose_are_made_once_and_follow_each_other_by_themselves(
    shop: Shop, signing: Signer, capsys: Any
) -> None:
    call_command("rotate_keys", "--if-none")
    said = capsys.readouterr().out.splitlines()
    call_command("rotate_keys", "--if-none")
    call_command("rotate_keys", "--purpose", "log")

    made = SigningKey.objects.order_by("created_at").values_list("purpose", flat=True)
    assert list(made) == ["object", "log", "log-ml-dsa", "trust", "log"]
    assert len(said) == 3
    first, second = SigningKey.objects.filter(purpose="log").order_by("created_at")
    assert first.retired_at == second.use_from + keys.OVERLAP
    assert not SigningKey.objects.exclude(purpose="log").exclude(retired_at=None).exists()
    assert [key.jwk["kty"] for key in SigningKey.objects.filter(purpose="log-ml-dsa")] == ["AKP"]
