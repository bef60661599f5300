"""The verifier against the service itself: discovery, pages, checkpoint and tiles over HTTP, as a partner has them."""

from pathlib import Path

import httpx
import pytest
from django.utils import timezone

from accounts.models import Scope
from sharing import queries
from sharing.actions.publication import withdraw
from sharing.models import Collection, CollectionGrant, Entry, Kind
from sharing.signing.keys import Ed25519Signer, KeySet, PublishedKey, jwks
from sharing.signing.note_keys import NoteKey
from sharing.tlog.policy import Policy
from sharing.tlog.statements import Reason
from sharing.verifier.failures import Dropped
from sharing.verifier.feed import Feed
from sharing.verifier.source import Missing
from sharing.verifier.sync import Sync, SyncReport
from sharing.verifier.web import Service, Web
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.test_publication import append
from tests.sharing.views.test_log import client_of, sign

NOW = 100
"""Seconds since 1970: the checkpoints of these stories are signed at 1."""


class _Trusted:
    def __init__(self, keys: KeySet) -> None:
        self.keys = keys
        self.policy = Policy.read(b"quorum none\n")
        self.signed_by: list[NoteKey] = []

    def log_keys(self, origin: str) -> list[NoteKey]:
        return self.signed_by

    def ceiling(self, origin: str) -> str:
        return "red"

    def revoked(self, kid: str, origin: str) -> int | None:
        return None


class _Body(httpx.ByteStream):
    """An answer that has still to be read, as one from a network has."""


class Partner:
    """Reads with a token; what it sends goes to Django's test client."""

    def __init__(self, shop: Shop, folder: Path) -> None:
        django = client_of(shop.lab_a, Scope.FEED_READ)

        def answer(request: httpx.Request) -> httpx.Response:
            found = django.get(request.url.raw_path.decode(), headers={"Accept": request.headers["Accept"]})
            return httpx.Response(found.status_code, headers=dict(found.headers), stream=_Body(found.content))

        self.web = Web(
            httpx.Client(transport=httpx.MockTransport(answer)), "http://testserver", sleep=lambda _: None
        )
        assert isinstance(shop.signer, Ed25519Signer)
        published = jwks([PublishedKey(shop.signer.public_jwk())])
        self.trust = _Trusted(KeySet.from_jwks(published))
        self.folder = folder

    def sync(self, collection: Collection) -> SyncReport:
        source = Service(self.web, str(collection.id))
        with Feed.open(self.folder) as feed:
            return Sync(source, feed, self.trust, collection=str(collection.id), clock=lambda: NOW).run()[0]


@pytest.fixture
def partner(shop: Shop, tmp_path: Path) -> Partner:
    return Partner(shop, tmp_path / "feed")


def test_a_feed_is_followed_from_the_service_over_many_pages_and_an_erasure(
    shop: Shop, partner: Partner
) -> None:
    feed = shop.collection(Kind.FEED)
    log = shop.log(feed)
    objects = [stix.campaign() for _ in range(1_300)]
    append(shop, log, objects, now=timezone.now())
    partner.trust.signed_by = sign(feed, 1_250)

    report = partner.sync(feed)
    assert (report.size, report.objects, report.waiting) == (1_250, 1_250, 50)

    withdraw(log=log, reasons={objects[7]["id"]: Reason.LEGAL}, now=timezone.now())
    append(shop, log, [stix.campaign() for _ in range(5)], now=timezone.now())
    partner.trust.signed_by += sign(feed, 1_306)
    report = partner.sync(feed)
    assert (report.size, report.objects, report.erased, report.waiting) == (1_306, 1_304, 1, 0)
    report = partner.sync(feed)
    assert (report.new_entries, report.objects) == (0, 1_304)


def test_a_page_ends_where_too_much_was_erased_and_the_next_one_goes_on(
    shop: Shop, partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries, "MOST_ENTRIES", 1_500)
    feed = shop.collection(Kind.FEED)
    log = shop.log(feed)
    objects = [stix.campaign() for _ in range(4_000)]
    append(shop, log, [stix.campaign(), *objects, stix.campaign()], now=timezone.now())
    withdraw(log=log, reasons={one["id"]: Reason.LEGAL for one in objects}, now=timezone.now())
    append(shop, log, [stix.campaign()], now=timezone.now())
    partner.trust.signed_by = sign(feed, 8_003)

    report = partner.sync(feed)

    assert (report.size, report.objects, report.erased, report.waiting) == (8_003, 3, 0, 0)
    reader, sizes, following = client_of(shop.lab_a, Scope.FEED_READ), [], ""
    while True:
        path = f"/taxii2/shop/collections/{feed.id}/objects/?proof=1&limit=1000&{following}"
        page = reader.get(path, headers={"Accept": "application/taxii+json;version=2.1"}).json()
        sizes.append((len(page["objects"]), len(page["x_stillwatch_log"]["entries"])))
        if not page["more"]:
            break
        following = f"next={page['next']}"
    assert sizes == [(1, 1), (0, 2002), (1, 1999), (0, 2002), (1, 1999)]


def test_a_checkpoint_of_more_than_is_served_is_found_out(shop: Shop, partner: Partner) -> None:
    feed = shop.collection(Kind.FEED)
    append(shop, shop.log(feed), [stix.campaign() for _ in range(3)], now=timezone.now())
    partner.trust.signed_by = sign(feed, 3)
    Entry.objects.filter(collection=feed, index=2).delete()
    with pytest.raises(Dropped, match="the log has 3 entries"):
        partner.sync(feed)


def test_a_collection_of_others_is_as_if_it_were_not_there(shop: Shop, partner: Partner) -> None:
    feed = shop.collection(Kind.FEED)
    CollectionGrant.objects.filter(collection=feed).delete()
    with pytest.raises(Missing, match="404"):
        partner.sync(feed)
