"""What stood before `expires_at` was there gets it by the migration, from the bytes that stand."""

from datetime import timedelta
from importlib import import_module

from django.db import connection

from sharing.models import Kind, Release
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.conftest import shop as shop
from tests.sharing.actions.conftest import signer as signer
from tests.sharing.actions.exchange import send


def test_the_migration_reads_when_each_standing_indicator_expires(shop: Shop) -> None:
    for ceiling in (1, 2):
        shop.collection(Kind.FEED, ceiling=ceiling)
    until = (NOW + timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
    said = 'they wrote "valid_until":"2020-01-01T00:00:00Z" in it'
    gone = stix.indicator(valid_until=until)
    send(shop, [stix.indicator(valid_until=until, name=said), stix.indicator(), gone, stix.campaign()])
    send(
        shop,
        [gone | {"revoked": True, "modified": "2026-03-01T12:00:00.000Z"}],
        now=NOW + timedelta(seconds=9),
    )
    written = dict(Release.objects.values_list("id", "expires_at"))
    Release.objects.update(expires_at=None)

    with connection.cursor() as cursor:
        cursor.execute(import_module("sharing.migrations.0006_polls_and_counts").EXPIRIES)

    assert dict(Release.objects.values_list("id", "expires_at")) == written
    standing = [moment for moment in written.values() if moment is not None]
    assert len(standing) >= 2
    assert NOW.replace(microsecond=0) + timedelta(days=3) in standing
