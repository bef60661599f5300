"""What tests of the sharing application have in common: a shop with feeds, and analysts at its desk."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from django.test import Client

from accounts.models import Member, Membership, Organization
from sharing.models import Collection, Kind
from tests.desk import sign_in
from tests.sharing.actions.conftest import NOW, Shop, shop, signer

__all__ = ["shop", "signer"]


@pytest.fixture
def feeds(shop: Shop) -> dict[int, Collection]:
    """A feed for each ceiling below RED, by ceiling."""
    return {ceiling: shop.collection(Kind.FEED, ceiling) for ceiling in (0, 1, 2)}


@pytest.fixture
def analyst(shop: Shop) -> Client:
    """The operator's analyst, signed in."""
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)
    Membership.objects.create(community=shop.community, organization=hub, joined_at=NOW)
    member = Member.objects.create(username="ana", organization=hub, role="analyst", is_staff=True)
    client = Client()
    sign_in(client, member)
    return client


@pytest.fixture
def outsider(shop: Shop) -> Client:
    """A reader of another organisation, signed in."""
    member = Member.objects.create(username="ria", organization=shop.lab_a, role="reader", is_staff=True)
    client = Client()
    sign_in(client, member)
    return client


@dataclass(slots=True)
class Counted:
    """How many statements were sent, by whichever way."""

    count: int = 0


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> Callable[[], AbstractContextManager[Counted]]:
    """Counts what is sent to the database, by Django's cursors and by raw ones."""

    @contextmanager
    def counting() -> Iterator[Counted]:
        counted = Counted()
        real = psycopg.Cursor.execute

        def execute(cursor: Any, *args: Any, **options: Any) -> Any:
            counted.count += 1
            return real(cursor, *args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", execute)
            yield counted

    return counting
