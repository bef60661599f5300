"""Signing keys: made once however many ask, and destroyed for good when they sign no more."""

import threading
from collections.abc import Callable
from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import AuditEvent
from sharing.actions import keys, publication, revocation
from sharing.actions.keys import NotDestroyed, SignerRefused, current_signer
from sharing.actions.publication import Signatures
from sharing.models import Entry, KeyPurpose, Renewal, SigningKey
from sharing.signing import jws
from sharing.signing.keys import Ed25519Signer, KeySet, jwks, load
from sharing.signing.remote import NoSigningKey, ObjectSigner
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.test_publication import item

BY = Actor("service:test")
DAY = timedelta(days=1)


def held() -> set[str]:
    return {key.kid for key in keys.signer().held_keys()}


def at_once(count: int, ask: Callable[[], object]) -> list[object]:
    """What each of so many processes was answered that ask at the same moment, on connections of their own."""
    ready = threading.Barrier(count)
    answers: list[object] = []

    def one() -> None:
        try:
            ready.wait(10)
            answers.append(ask())
        except Exception as error:  # noqa: BLE001 - the test looks at it
            answers.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return answers


# ------------------------------------------------------------------------------------------------------- made


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("purpose", [KeyPurpose.OBJECT, KeyPurpose.LOG_ML_DSA])
def test_workers_that_start_together_make_one_first_key(purpose: KeyPurpose) -> None:
    before = held()

    made = at_once(4, lambda: keys.make_first(purpose=purpose, by=BY, now=timezone.now()))

    (first,) = [one for one in made if one is not None]
    assert isinstance(first, SigningKey)
    assert [key.kid for key in SigningKey.objects.all()] == [first.kid]
    # Nor has the signer one that no row knows.
    assert held() - before == {first.kid}


@pytest.mark.django_db(transaction=True)
def test_two_operators_who_revoke_a_key_at_once_get_one_successor_between_them() -> None:
    now = timezone.now()
    lost = keys.rotate(by=BY, now=now - DAY)

    answers = at_once(2, lambda: revocation.revoke(kid=lost.kid, because="lost", by=BY, now=now))

    (done,) = [one for one in answers if isinstance(one, revocation.Revoked)]
    (refused,) = [one for one in answers if isinstance(one, revocation.NotRevoked)]
    assert "is revoked since" in str(refused)
    assert set(SigningKey.objects.values_list("kid", flat=True)) == {lost.kid, done.successor}


# ------------------------------------------------------------------------------------------------ signed anew


@pytest.mark.django_db(transaction=True)
def test_while_one_worker_signs_claims_anew_another_leaves_the_logs_that_are_made_of_them(shop: Shop) -> None:
    now = timezone.now()
    lost = keys.rotate(by=BY, now=now - DAY)
    feed = shop.collection()
    with transaction.atomic():
        publication.append(
            log=shop.log(feed),
            items=[item(stix.campaign())],
            signatures=Signatures(current_signer(now=now)),
            now=now,
        )
    successor = revocation.revoke(kid=lost.kid, because="lost", by=BY, now=now).successor
    later = now + revocation.GRACE
    begun, go_on = threading.Event(), threading.Event()

    def first_worker() -> None:
        try:
            with transaction.atomic():
                assert revocation.renew_next(signer=current_signer(now=later), now=later)
                begun.set()
                assert go_on.wait(30)
        finally:
            connection.close()

    thread = threading.Thread(target=first_worker)
    thread.start()
    assert begun.wait(30)
    try:
        assert not revocation.renew_next(signer=current_signer(now=later), now=later)
        assert not Renewal.objects.exclude(position=0).exists()
    finally:
        go_on.set()
        thread.join()

    while revocation.renew_next(signer=current_signer(now=later), now=later):
        pass
    assert revocation.progress(lost.kid).is_done
    (opening,) = Entry.objects.filter(collection=feed).values_list("opening", flat=True)
    assert jws.encoded_header(successor, jws.OBJECT) in bytes(opening)


# -------------------------------------------------------------------------------------------------- destroyed


@pytest.fixture
def retired(db: None) -> SigningKey:
    """A key that ended a day ago; another one signs since."""
    now = timezone.now()
    old = keys.rotate(by=BY, now=now - keys.OVERLAP - 40 * DAY)
    keys.rotate(by=BY, now=now - keys.OVERLAP - DAY, at_once=True)
    old.refresh_from_db()
    return old


def as_in_its_time(key: SigningKey) -> Ed25519Signer:
    """What signs with it, as before the signer was started last: what signed since then is not destroyed."""
    pem = (settings.SIGNING_KEYS_DIR / f"{key.kid}.pem").read_bytes()
    return load(pem, settings.READ_SIGNING_PASSPHRASE().encode())


def test_a_retired_key_is_destroyed_on_request_and_what_it_signed_stays_verifiable(
    retired: SigningKey,
) -> None:
    signature = jws.sign(as_in_its_time(retired), b"{}", typ=jws.OBJECT)

    said = StringIO()
    call_command("destroy_key", retired.kid, stdout=said)

    assert said.getvalue() == f"the private half of {retired.kid} is destroyed\n"
    assert retired.kid not in held()
    with pytest.raises(NoSigningKey, match=f"has no key {retired.kid}"):
        ObjectSigner(keys.signer(), retired.kid).sign(b"")
    assert current_signer(now=timezone.now()).kid in held()
    known = KeySet.from_jwks(jwks(keys.published_keys()))
    assert jws.verify(known, b"{}", signature, typ=jws.OBJECT) == retired.kid
    event = AuditEvent.objects.get(action="key.destroy")
    assert event.target == f"key:{retired.kid}"
    assert event.detail == {"purpose": "object", "was_held": True}


def test_asked_once_more_it_says_that_there_is_nothing_left(retired: SigningKey) -> None:
    assert keys.destroy(kid=retired.kid, by=BY, now=timezone.now())
    assert not keys.destroy(kid=retired.kid, by=BY, now=timezone.now())
    assert [event.detail["was_held"] for event in AuditEvent.objects.filter(action="key.destroy")] == [
        True,
        False,
    ]


def test_a_key_that_still_signs_is_not_destroyed(retired: SigningKey) -> None:
    now = timezone.now()
    in_use = current_signer(now=now).kid
    for moment, kid in ((now, in_use), (now - 2 * DAY, retired.kid)):
        with pytest.raises(NotDestroyed, match="is in use"):
            keys.destroy(kid=kid, by=BY, now=moment)
    with pytest.raises(CommandError, match="nothing was destroyed: there is no key nobody"):
        call_command("destroy_key", "nobody")
    assert {in_use, retired.kid} <= held()
    assert not AuditEvent.objects.filter(action="key.destroy").exists()


def test_a_key_that_was_lost_is_revoked_and_then_destroyed(db: None) -> None:
    now = timezone.now()
    lost = keys.rotate(by=BY, now=now - DAY)
    revocation.revoke(kid=lost.kid, because="lost", by=BY, now=now)

    assert keys.destroy(kid=lost.kid, by=BY, now=now)

    assert lost.kid not in held()


def test_nothing_is_written_down_when_the_signer_refuses(db: None) -> None:
    now = timezone.now()
    only = keys.rotate(by=BY, now=now - DAY)
    # As if its successor's file had been lost with the signer's disk.
    SigningKey.objects.filter(kid=only.kid).update(retired_at=now)

    with pytest.raises(SignerRefused, match="is the newest key for object"):
        keys.destroy(kid=only.kid, by=BY, now=now)

    assert only.kid in held()
    assert not AuditEvent.objects.filter(action="key.destroy").exists()
