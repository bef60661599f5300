"""Pulling, as the worker that calls out does it: for members only, and not at the expense of deliveries."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Membership
from indicators.actions import pulls
from indicators.models import Source, Submission
from sharing import tasks
from tests.indicators.sources.upstreams import COLLECTION, TaxiiServer, dated, serving
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import Shop

BY = Actor("service:test")


def source(shop: Shop, url: str = "http://127.0.0.1:9/root/") -> Source:
    made = Source(
        name=f"Upstream {uuid4()}", kind="taxii", community=shop.community, organization=shop.lab_a,
        url=url, collection=COLLECTION, internal=True,
    )  # fmt: skip
    pulls.save(source=made, by=BY, now=timezone.now())
    return made


def test_nothing_is_pulled_for_an_organisation_that_left(shop: Shop) -> None:
    """Its inbox stands, and so does what it sent; it sends no more, by whatever way."""
    exchange.inbox(shop, shop.lab_a)
    server = TaxiiServer()
    server.stored = dated(5, start=timezone.now())
    with serving(server):
        made = source(shop, f"{server.url}root/")
        Membership.objects.filter(organization=shop.lab_a).delete()
        assert tasks.pull_here(made.id) is False

        assert (server.requests, Submission.objects.count()) == ([], 0)
        made.refresh_from_db()
        assert "no member" in made.last_error

        Membership.objects.create(community=shop.community, organization=shop.lab_a, joined_at=timezone.now())
        pulls.ask_now(source_id=made.id, by=BY, now=timezone.now())
        tasks.pull_here(made.id)
        assert Submission.objects.count() == 1


def test_a_worker_that_pulled_for_long_lets_deliveries_have_their_turn(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Slow upstreams are many, and deliveries wait in the same queue."""
    made = {source(shop).id for _ in range(5)}
    Source.objects.update(next_at=timezone.now() - timedelta(minutes=1))
    clock, asked, sent = [0.0], list[UUID](), list[str]()

    def slowly(source_id: UUID) -> bool:
        clock[0] += tasks._SENDING_SECONDS * 2 / 3
        asked.append(source_id)
        return False

    monkeypatch.setattr(tasks, "pull_here", slowly)
    monkeypatch.setattr("sharing.tasks.time.monotonic", lambda: clock[0])
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: sent.append(task.name))
    tasks.pull_due()

    assert len(asked) == 2
    assert set(asked) < made
    assert sent == ["sharing.tasks.pull_due"]
