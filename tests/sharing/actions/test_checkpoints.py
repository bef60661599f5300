"""Checkpoints of real logs by a real signer: as they grow, as time passes, and when a log is not what it was."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts import sql
from accounts.actor import Actor
from accounts.models import AuditEvent, Notice, Organization
from indicators.stix.markings import TLP
from indicators.stix.objects import read
from sharing.actions import checkpoints, keys, publication
from sharing.actions.publication import origin
from sharing.models import Checkpoint, Collection, Entry, KeyPurpose, LogRefusal, SigningKey
from sharing.signing.keys import public_bytes
from sharing.signing.note_keys import NoteKey, SignatureType, verify_checkpoint
from sharing.tlog import merkle
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop

BY = Actor("service:test")
MINUTE = timedelta(minutes=1)


@pytest.fixture
def log_keys(shop: Shop) -> None:
    for purpose in (KeyPurpose.LOG, KeyPurpose.LOG_ML_DSA):
        keys.rotate(by=BY, now=timezone.now() - MINUTE, purpose=purpose)


@pytest.fixture
def collection(shop: Shop, log_keys: None) -> Collection:
    return shop.collection()


def grow(shop: Shop, collection: Collection, count: int = 5) -> None:
    items = [
        publication.item_of(read(json.dumps(stix.campaign()).encode()), tlp=TLP.GREEN) for _ in range(count)
    ]
    publication.append(log=shop.log(collection), items=items, signatures=shop.signatures, now=timezone.now())


def latest(collection: Collection) -> Checkpoint:
    found = Checkpoint.objects.filter(collection=collection).order_by("-size").first()
    assert found is not None
    return found


def naive_root(collection: Collection, size: int) -> bytes:
    """The root as RFC 6962 defines it, over the entries as they stand."""
    entries = Entry.objects.filter(collection=collection, index__lt=size).order_by("index")
    return merkle.root_of(
        merkle.leaf_hash(bytes(one)) for one in entries.values_list("commitment", flat=True)
    )


def note_keys_of(collection: Collection) -> list[NoteKey]:
    types = {KeyPurpose.LOG: SignatureType.ED25519, KeyPurpose.LOG_ML_DSA: SignatureType.ML_DSA_44}
    return [
        NoteKey(origin(collection.id), types[KeyPurpose(key.purpose)], public_bytes(key.jwk))
        for key in SigningKey.objects.filter(purpose__in=types)
    ]


def assert_verifies(collection: Collection, one: Checkpoint) -> None:
    verified = verify_checkpoint(
        one.note.encode(), origin=origin(collection.id), log_keys=note_keys_of(collection)
    )
    assert verified.checkpoint.size == one.size
    assert verified.checkpoint.root == bytes(one.root) == naive_root(collection, one.size)
    assert datetime.fromtimestamp(verified.timestamp, UTC) == one.signed_at


def test_every_log_has_a_checkpoint_soon_after_it_grew_and_an_empty_one_too(
    shop: Shop, collection: Collection
) -> None:
    empty = shop.collection()
    for count in (1, 300, 7):
        grow(shop, collection, count)
        checkpoints.sign_due(now=timezone.now())

    sizes = list(
        Checkpoint.objects.filter(collection=collection).order_by("size").values_list("size", flat=True)
    )
    assert sizes == [1, 301, 308]
    for one in Checkpoint.objects.filter(collection=collection):
        assert_verifies(collection, one)
    assert_verifies(empty, latest(empty))
    assert latest(empty).size == 0
    # Nothing is left to sign.
    assert checkpoints.sign_due(now=timezone.now()) == 0


def test_a_log_that_does_not_grow_is_signed_anew_every_fifteen_minutes(
    shop: Shop, collection: Collection
) -> None:
    grow(shop, collection)
    checkpoints.sign_due(now=timezone.now())
    Checkpoint.objects.update(cosignatures="— witness abc\n", signed_at=timezone.now() - 14 * MINUTE)
    still_fresh = checkpoints.sign_due(now=timezone.now())
    Checkpoint.objects.update(signed_at=timezone.now() - 15 * MINUTE)

    checkpoints.sign_due(now=timezone.now())

    assert still_fresh == 0
    (one,) = Checkpoint.objects.filter(collection=collection)
    assert timezone.now() - one.signed_at < MINUTE
    # Witnesses signed the same text.
    assert one.cosignatures == "— witness abc\n"
    assert_verifies(collection, one)


def test_what_was_signed_and_never_stored_is_no_obstacle(shop: Shop, collection: Collection) -> None:
    """Whoever asked was killed between the signature and its row."""
    grow(shop, collection)
    checkpoints.sign_due(now=timezone.now())
    grow(shop, collection)
    checkpoints.sign_due(now=timezone.now())
    latest(collection).delete()
    grow(shop, collection)

    checkpoints.sign_due(now=timezone.now())

    assert latest(collection).size == 15
    assert_verifies(collection, latest(collection))
    assert not LogRefusal.objects.exists()


def forge(collection: Collection) -> None:
    """What a restored database looks like once others were added in place of what it lost."""
    Entry.objects.filter(collection=collection, index=2).update(commitment=b"\1" + bytes(32))
    edge = merkle.Range()
    entries = (
        Entry.objects.filter(collection=collection).order_by("index").values_list("commitment", flat=True)
    )
    edge.extend(merkle.leaf_hash(bytes(one)) for one in entries)
    Collection.objects.filter(id=collection.id).update(edge=bytes(edge), next_index=edge.size)


def shorten(collection: Collection) -> None:
    """A database that was restored to an earlier day."""
    Entry.objects.filter(collection=collection, index__gte=3).delete()
    Checkpoint.objects.filter(collection=collection, size__gt=3).delete()
    forge_edge = merkle.Range()
    entries = (
        Entry.objects.filter(collection=collection).order_by("index").values_list("commitment", flat=True)
    )
    forge_edge.extend(merkle.leaf_hash(bytes(one)) for one in entries)
    Collection.objects.filter(id=collection.id).update(edge=bytes(forge_edge), next_index=forge_edge.size)


@pytest.mark.parametrize(
    ("harm", "code"), [(forge, "another-root"), (shorten, "smaller")], ids=["another", "shorter"]
)
def test_a_log_that_is_not_what_was_signed_is_refused_told_of_once_and_holds_up_no_other(
    shop: Shop, collection: Collection, harm: Any, code: str
) -> None:
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    other = shop.collection()
    grow(shop, collection)
    checkpoints.sign_due(now=timezone.now())
    stood = latest(collection).note
    harm(collection)
    Checkpoint.objects.update(signed_at=timezone.now() - 15 * MINUTE)
    grow(shop, other)

    for _ in range(3):
        checkpoints.sign_due(now=timezone.now())

    refusal = LogRefusal.objects.get()
    assert refusal.collection_id == collection.id
    (event,) = AuditEvent.objects.filter(action="log.refused")
    assert (event.target, event.detail["code"]) == (f"collection:{collection.id}", code)
    (notice,) = Notice.objects.filter(kind="log.refused")
    assert notice.organization_id == hub.id
    assert refusal.sentence in notice.sentence
    assert latest(other).size == 5
    if code == "another-root":
        assert latest(collection).note == stood


def test_a_refused_log_that_is_what_it_was_again_is_signed_again(shop: Shop, collection: Collection) -> None:
    grow(shop, collection)
    checkpoints.sign_due(now=timezone.now())
    kept = bytes(Entry.objects.get(collection=collection, index=2).commitment)
    edge = bytes(Collection.objects.get(id=collection.id).edge)
    forge(collection)
    Checkpoint.objects.update(signed_at=timezone.now() - 15 * MINUTE)
    checkpoints.sign_due(now=timezone.now())
    assert LogRefusal.objects.count() == 1

    Entry.objects.filter(collection=collection, index=2).update(commitment=kept)
    Collection.objects.filter(id=collection.id).update(edge=edge)
    checkpoints.sign_due(now=timezone.now())

    assert not LogRefusal.objects.exists()
    assert_verifies(collection, latest(collection))
    assert AuditEvent.objects.filter(action="log.signed-again").count() == 1


def test_without_log_keys_it_is_said_and_nothing_is_written(shop: Shop) -> None:
    shop.collection()
    with pytest.raises(keys.NoSigningKey, match=r"no signing key for checkpoints \(Ed25519\)"):
        checkpoints.sign_due(now=timezone.now())
    assert not Checkpoint.objects.exists()


def test_while_the_signer_is_away_checkpoints_wait(
    shop: Shop, collection: Collection, settings: Any, tmp_path: Any
) -> None:
    grow(shop, collection)
    settings.SIGNER_SOCKET = tmp_path / "nobody"
    with pytest.raises(keys.SignerAway):
        checkpoints.sign_due(now=timezone.now())
    assert not Checkpoint.objects.exists()
    assert not LogRefusal.objects.exists()


def test_a_checkpoint_costs_the_same_number_of_queries_however_long_the_log_is(
    shop: Shop, collection: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    plain = sql.cursor

    def counted() -> Any:
        asked.append(1)
        return plain()

    monkeypatch.setattr(sql, "cursor", counted)
    counts = []
    for count in (5, 300, 600):
        grow(shop, collection, count)
        asked.clear()
        checkpoints.sign_due(now=timezone.now())
        counts.append(len(asked))
    assert counts[0] > 2
    assert counts[1] == counts[2]


def test_of_old_days_the_last_checkpoint_stays(shop: Shop, collection: Collection) -> None:
    now = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for size, days in enumerate((30, 30, 30, 9, 9, 3, 3)):
        Checkpoint.objects.create(
            collection=collection,
            size=size,
            root=bytes(32),
            note="",
            signed_at=now - timedelta(days=days) + size * MINUTE,
        )

    checkpoints.forget(now=now)

    assert list(Checkpoint.objects.order_by("size").values_list("size", flat=True)) == [2, 4, 5, 6]
    assert checkpoints.forget(now=now) == 0
