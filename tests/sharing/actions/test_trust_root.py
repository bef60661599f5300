"""The trust root on the server: ceremonies, rotation while objects are published, and a key that is lost."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import AuditEvent, Scope
from indicators.models import Claim
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, marking_id
from sharing.actions import deliveries, keys, publication, reminders, revocation, trust, webhooks
from sharing.actions.keys import NoSigningKey, current_signer
from sharing.actions.publication import Signatures
from sharing.models import (
    Collection,
    Delivery,
    DeliveryKind,
    Entry,
    KeyPurpose,
    Kind,
    Renewal,
    SigningKey,
    TrustFile,
    TrustRole,
)
from sharing.signing import base64url, jws
from sharing.signing import keys as signing
from sharing.signing.keys import Ed25519Signer, KeySet, load
from sharing.signing.remote import ObjectSigner
from sharing.tlog.page import PROPERTY
from sharing.tlog.statements import Reason, read_statement
from sharing.trust.ceremony import Ceremony
from sharing.trust.documents import Proposal
from sharing.trust.package import Package
from sharing.trust.revocations import refuse_revoked
from sharing.trust.store import TrustStore
from sharing.verifier.failures import KeyRefused, TrustRootFailed
from sharing.verifier.object import verify_object, verify_signature
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.exchange import submit
from tests.sharing.actions.test_publication import item
from tests.sharing.views.test_log import client_of

DAY = timedelta(days=1)
BY = Actor("service:test")
SECRET = b"demo"


@dataclass
class People:
    """Who hold the offline keys: two of them, both must sign."""

    ceremony: Ceremony

    def init(self) -> None:
        """The first ceremony, from what the service proposes now."""
        self.ceremony.init(
            proposal=proposal(), count=2, threshold=2, passphrase=lambda _: SECRET, now=timezone.now()
        )

    def sign(self, *, revoking: str | None = None, now: datetime | None = None) -> Path:
        """Sign what the service proposes now; the package."""
        at = now or timezone.now()
        if revoking is None:
            self.ceremony.rotate(proposal=proposal(), passphrase=lambda _: SECRET, now=at)
        else:
            self.ceremony.revoke(revoking, proposal=proposal(), now=at)
        done = self.ceremony.sign(self.keys())
        assert done.package is not None
        return done.package

    def keys(self) -> list[Ed25519Signer]:
        return [load(path.read_bytes(), SECRET) for path in self.ceremony.key_files()]


def proposal() -> Proposal:
    """What the service proposes, after its way over a memory stick."""
    return Proposal.read(bytes(trust.propose()))


def accept(package: Path, now: datetime | None = None) -> None:
    trust.accept(package=Package.read(package.read_bytes()), by=BY, now=now or timezone.now())


@pytest.fixture
def people(shop: Shop, tmp_path: Path) -> People:
    """The service has keys, and no trust root yet."""
    for purpose in KeyPurpose:
        keys.rotate(by=BY, now=timezone.now() - 30 * DAY, purpose=purpose)
    return People(Ceremony(tmp_path / "ceremony"))


@pytest.fixture
def feed(shop: Shop) -> Collection:
    return shop.collection(Kind.FEED)


@pytest.fixture
def online() -> Iterator[httpx.Client]:
    """The service over HTTP, in this process and transaction."""
    anyone = Client()

    def answer(request: httpx.Request) -> httpx.Response:
        found = anyone.get(request.url.path)
        return httpx.Response(found.status_code, stream=httpx.ByteStream(found.content))

    with httpx.Client(transport=httpx.MockTransport(answer)) as client:
        yield client


@dataclass
class Partner:
    """Who reads the feed: with a token, and with what it trusts."""

    store: TrustStore
    online: httpx.Client
    reader: Client

    def refresh(self, now: datetime | None = None) -> None:
        self.store.refresh(now or timezone.now(), client=self.online)

    def verify(self, feed: Collection, *, below_checkpoint: bool = True) -> int:
        """Every object of the feed as an unfiltered page has it; how many. `below_checkpoint`: as if a checkpoint that
        meets the quorum covered all of it."""
        envelope = self.reader.get(f"/taxii2/shop/collections/{feed.id}/objects/?proof=1&limit=5000").json()
        log = envelope[PROPERTY]
        openings = [(at, one) for at, one in enumerate(log["entries"], log["start"]) if "jws" in one]
        objects = envelope.get("objects", [])
        assert len(objects) == len(openings)
        for one, (index, opened) in zip(objects, openings, strict=True):
            body = canonical(one)
            kid = verify_signature(body, opened["jws"], self.store.keys, object_id=one["id"], index=index)
            refuse_revoked(
                kid, self.store.revoked(kid, log["origin"]), index=index if below_checkpoint else None
            )
        return len(objects)


@pytest.fixture
def partner(people: People, shop: Shop, tmp_path: Path, online: httpx.Client) -> Partner:
    """A partner that got root.json after the first ceremony."""
    people.init()
    accept(people.ceremony.folder / "accept.json")
    root = (people.ceremony.folder / "root.json").read_bytes()
    store = TrustStore.init(tmp_path / "home", root, "http://testserver")
    return Partner(store, online, client_of(shop.lab_a, Scope.FEED_READ))


def publish(shop: Shop, feed: Collection, count: int, now: datetime) -> None:
    """As a task does: the key that signs now."""
    publication.append(
        log=shop.log(feed),
        items=[item(stix.campaign()) for _ in range(count)],
        signatures=Signatures(current_signer(now=now)),
        now=now,
    )


def object_kids(feed: Collection) -> list[str]:
    """Who signed each entry, in order."""
    found = []
    for opening in (
        Entry.objects.filter(collection=feed, body__isnull=False)
        .order_by("index")
        .values_list("opening", flat=True)
    ):
        header = json.loads(bytes(opening))["jws"].split(".")[0]
        found.append(str(json.loads(base64url.decode(header))["kid"]))
    return found


def test_after_the_first_ceremony_a_root_json_is_all_that_a_partner_needs(
    shop: Shop, feed: Collection, partner: Partner
) -> None:
    publish(shop, feed, 3, timezone.now())
    partner.refresh()
    assert partner.verify(feed) == 3
    origin = publication.origin(feed.id)
    assert partner.store.ceiling(origin) == "amber"
    # A log signs with a key of each kind.
    assert len(partner.store.log_keys(origin)) == 2


def test_a_ceremony_that_nobody_asked_for_or_too_few_signed_changes_nothing(
    people: People, partner: Partner, tmp_path: Path
) -> None:
    before = list(TrustFile.objects.order_by("path").values_list("path", "content"))
    other = People(Ceremony(tmp_path / "other"))
    other.init()
    with pytest.raises(
        CommandError, match="not accepted: root 1 stands, and what was signed has another one"
    ):
        call_command("trust_accept", str(other.ceremony.folder))
    call_command("rotate_keys", verbosity=0)
    people.ceremony.rotate(proposal=proposal(), passphrase=lambda _: SECRET, now=timezone.now())
    people.ceremony.sign(people.keys()[:1])
    package = json.loads((people.ceremony.folder / "accept.json").read_text())
    package["metadata"] = {
        name: text for name, text in package["metadata"].items() if name != "1.targets.json"
    } | {"2.targets.json": (people.ceremony.folder / "draft/targets.json").read_text()}
    (tmp_path / "forced.json").write_text(json.dumps(package))
    with pytest.raises(CommandError, match="not accepted: targets 2 is signed by 0 of the 2 keys"):
        call_command("trust_accept", str(tmp_path / "forced.json"))
    assert list(TrustFile.objects.order_by("path").values_list("path", "content")) == before


def test_files_are_served_to_everybody_and_kept_by_caches_as_long_as_they_are_true(
    partner: Partner,
) -> None:
    anyone = Client()
    root = anyone.get("/trust/tuf/metadata/1.root.json")
    assert root.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    timestamp = anyone.get("/trust/tuf/metadata/timestamp.json")
    assert timestamp.headers["Cache-Control"] == "public, max-age=60"
    same = anyone.get(
        "/trust/tuf/metadata/timestamp.json", headers={"If-None-Match": timestamp.headers["ETag"]}
    )
    assert same.status_code == 304
    for path in ("metadata/2.root.json", "metadata/root.json", "../settings.py", "targets/jwks.json", "%00"):
        assert anyone.get(f"/trust/tuf/{path}").status_code == 404
    assert anyone.post("/trust/tuf/metadata/1.root.json").status_code == 405


def test_the_timestamp_is_signed_anew_every_day_and_a_new_collection_takes_no_ceremony(
    shop: Shop, feed: Collection, partner: Partner
) -> None:
    now = timezone.now()
    trust.refresh(now=now)
    assert not trust.is_due(now=now)
    assert trust.refresh(now=now) == []
    assert not trust.is_due(now=now + DAY / 2)
    assert trust.is_due(now=now + DAY)
    assert trust.refresh(now=now + DAY) == ["metadata/timestamp.json"]
    another = shop.collection(Kind.FEED, 1)
    assert trust.is_due(now=now + DAY)
    trust.refresh(now=now + DAY)
    partner.refresh(now + DAY)
    assert partner.store.ceiling(publication.origin(another.id)) == "green"
    # An inbox has one reader, and the number of inboxes is nobody's business.
    inbox = shop.collection(Kind.INBOX)
    assert not trust.is_due(now=now + DAY)
    with pytest.raises(TrustRootFailed, match="knows no log"):
        partner.store.ceiling(publication.origin(inbox.id))
    # Two months on, with nobody looking: no partner is ever left with something that has expired.
    for day in range(3, 62, 3):
        assert trust.is_due(now=now + day * DAY)
        trust.refresh(now=now + day * DAY)
        partner.refresh(now + day * DAY)
    assert TrustFile.objects.filter(role=TrustRole.TIMESTAMP).count() == 1


@pytest.mark.slow
def test_keys_rotate_while_objects_are_published_and_no_verification_fails(
    shop: Shop, feed: Collection, people: People, partner: Partner
) -> None:
    """A partner looks at the trust root every three days, at another hour than anything happens."""
    start = timezone.now()
    first = current_signer(now=start).kid
    signed_by: list[str] = []
    told: set[str] = set()
    for day in range(0, 120, 3):
        now = start + day * DAY
        due = {one.code for one in reminders.reminders(now=now)}
        told |= due
        if "key-rotation-due" in due:
            keys.rotate(by=BY, now=now)
        if due & {"key-not-trusted", "targets-expires", "root-expires"}:
            accept(people.sign(now=now), now)
        trust.refresh(now=now)
        publish(shop, feed, 2, now)
        signed_by.append(current_signer(now=now).kid)
        # With what it knew before, and with what it knows now.
        if day:
            assert partner.verify(feed) == 2 * len(signed_by)
        partner.refresh(now + DAY / 2)
        if day % 30 == 0:
            assert partner.verify(feed) == 2 * len(signed_by)
    assert "key-rotation-due" in told
    kids = list(dict.fromkeys(signed_by))
    assert kids[0] == first
    assert len(kids) == 3
    for kid in kids[1:]:
        key = SigningKey.objects.get(kid=kid)
        assert key.trusted_at is not None
        # Seven days between what partners can know and the first signature.
        assert key.use_from - key.trusted_at >= timedelta(days=7)
        assert start + signed_by.index(kid) * 3 * DAY >= key.use_from
    for kid, following in itertools.pairwise(kids):
        key, after = SigningKey.objects.get(kid=kid), SigningKey.objects.get(kid=following)
        assert key.retired_at == after.use_from + timedelta(days=30)
        assert key.use_from + timedelta(days=120) >= key.retired_at


def test_a_key_that_the_root_does_not_name_signs_nothing(
    shop: Shop, people: People, partner: Partner, feed: Collection
) -> None:
    now = timezone.now()
    before = current_signer(now=now).kid
    made = keys.rotate(by=BY, now=now, at_once=True)
    assert current_signer(now=now).kid == before
    assert "key-not-trusted" in {one.code for one in reminders.reminders(now=now)}
    accept(people.sign(), now)
    assert current_signer(now=now).kid == made.kid
    assert not reminders.reminders(now=now)


def lose(kid: str, *, since: str | None = None) -> None:
    more = [] if since is None else ["--since", since]
    call_command("revoke_key", kid, "--reason", "a disk was sold", *more, verbosity=0)


def test_the_drill_a_lost_key_is_retired_at_once_and_all_that_it_signed_is_signed_anew(
    shop: Shop, feed: Collection, people: People, partner: Partner
) -> None:
    now = timezone.now()
    # A spare key is published long before it is needed.
    spare = keys.rotate(by=BY, now=now)
    accept(people.sign())
    lost = current_signer(now=now - 15 * DAY).kid
    publish(shop, feed, 5, now - 15 * DAY)
    other = shop.collection(Kind.OPEN)
    publish(shop, other, 3, now - 15 * DAY)
    publication.withdraw(
        log=shop.log(feed),
        reasons={Entry.objects.get(collection=feed, index=1).object_id or "": Reason.ERROR},
        now=now - 15 * DAY,
    )
    partner.refresh()
    assert partner.verify(feed) == 4
    old_page = partner.reader.get(f"/taxii2/shop/collections/{feed.id}/objects/?proof=1").json()
    columns = ("collection_id", "index", "added", "body", "commitment", "subsalt", "version")
    before = list(Entry.objects.order_by("collection", "index").values_list(*columns))

    lose(lost)

    assert current_signer(now=timezone.now()).kid == spare.kid
    assert spare.kid in json.dumps(Client().get("/.well-known/jwks.json").json())
    assert lost not in json.dumps(Client().get("/.well-known/jwks.json").json())
    assert AuditEvent.objects.filter(action="key.revoke", target=f"key:{lost}").exists()
    # Partners who know nothing yet are not disturbed by what is published meanwhile.
    publish(shop, feed, 1, timezone.now())
    assert partner.verify(feed) == 5

    accept(people.sign(revoking=lost))
    partner.refresh()
    origin = publication.origin(feed.id)
    assert partner.store.revoked(lost, origin) == 6
    # What stood before is proved by the log, and so are the new ones by their key.
    assert partner.verify(feed) == 5
    with pytest.raises(KeyRefused, match="nothing proves"):
        partner.verify(feed, below_checkpoint=False)

    call_command("sign_anew", verbosity=0)

    assert set(object_kids(feed)) == set(object_kids(other)) == {spare.kid}
    assert partner.verify(feed, below_checkpoint=False) == 5
    # The entry that was published meanwhile is the only one that is new.
    after = Entry.objects.order_by("collection", "index").values_list(*columns)
    assert [row for row in after if row[:2] != (feed.id, 6)] == before
    new_page = partner.reader.get(f"/taxii2/shop/collections/{feed.id}/objects/?proof=1").json()
    for old, new in zip(old_page[PROPERTY]["entries"], new_page[PROPERTY]["entries"], strict=False):
        assert {name: text for name, text in old.items() if name != "jws"} == {
            name: text for name, text in new.items() if name != "jws"
        }
        if "stmt" in new:
            read_statement(new["stmt"].encode())


def test_what_a_lost_key_signs_later_is_refused(
    shop: Shop, feed: Collection, people: People, partner: Partner
) -> None:
    """The thief has the key and the objects, not the log."""
    now = timezone.now()
    lost = current_signer(now=now)
    publish(shop, feed, 2, now)
    forged = json.dumps(stix.campaign(name="Never published")).encode()
    lose(lost.kid)
    with pytest.raises(NoSigningKey, match="the trust root names no key"):
        current_signer(now=timezone.now())
    accept(people.sign(revoking=lost.kid))
    partner.refresh()
    kid = verify_object(forged, jws.sign_object(lost, canonical(json.loads(forged))), partner.store.keys).kid
    origin = publication.origin(feed.id)
    for index in (None, 2, 99):
        with pytest.raises(KeyRefused) as refused:
            refuse_revoked(kid, partner.store.revoked(kid, origin), index=index)
        assert refused.value.exit_code == 18
    refuse_revoked(kid, partner.store.revoked(kid, origin), index=1)
    # And a log that is newer than the revocation has nothing of that key at all.
    newer = shop.collection(Kind.FEED)
    assert partner.store.revoked(kid, publication.origin(newer.id)) == 0


def test_a_key_that_was_lost_a_while_ago_counts_up_to_then(
    shop: Shop, feed: Collection, people: People, partner: Partner
) -> None:
    now = timezone.now()
    lost = current_signer(now=now).kid
    for day in (3, 2, 1):
        publish(shop, feed, 2, now - day * DAY)
    lose(lost, since=(now - 2 * DAY - DAY / 2).isoformat())
    accept(people.sign(revoking=lost))
    partner.refresh()
    assert partner.store.revoked(lost, publication.origin(feed.id)) == 2
    with pytest.raises(KeyRefused, match="from entry 2 on"):
        partner.verify(feed)
    call_command("sign_anew", verbosity=0)
    assert partner.verify(feed) == 6


def test_signing_anew_goes_on_where_it_was_stopped(shop: Shop, feed: Collection, people: People) -> None:
    now = timezone.now()
    lost = current_signer(now=now).kid
    publish(shop, feed, 7, now)
    done = revocation.revoke(kid=lost, because="lost", by=BY, now=now)
    signer = current_signer(now=now)
    assert signer.kid == done.successor
    epoch = Collection.objects.get(id=feed.id).epoch
    for _ in range(3):
        assert revocation.renew_next(signer=signer, now=now, most=3)
    halfway = object_kids(feed)
    assert set(halfway) == {lost, done.successor}
    assert not revocation.progress(lost).is_done
    # A task that began before still signed with the key that was lost.
    publication.append(
        log=shop.log(feed),
        items=[item(stix.campaign())],
        signatures=Signatures(ObjectSigner(keys.signer(), lost)),
        now=now,
    )
    while revocation.renew_next(signer=signer, now=now, most=3):
        pass
    assert set(object_kids(feed)) == {done.successor}
    assert Collection.objects.get(id=feed.id).epoch > epoch
    # And once more, when every such task is over.
    publication.append(
        log=shop.log(feed),
        items=[item(stix.campaign())],
        signatures=Signatures(ObjectSigner(keys.signer(), lost)),
        now=now,
    )
    assert not revocation.is_due(now=now + revocation.GRACE / 2)
    later = now + revocation.GRACE
    assert revocation.is_due(now=later)
    while revocation.renew_next(signer=signer, now=later, most=3):
        pass
    assert set(object_kids(feed)) == {done.successor}
    progress = revocation.progress(lost)
    assert progress.is_done
    assert progress.seen == progress.total
    assert not Renewal.objects.filter(done_at=None).exists()


def test_nothing_is_signed_anew_while_the_ceremony_is_awaited(
    shop: Shop, feed: Collection, people: People, partner: Partner
) -> None:
    publish(shop, feed, 2, timezone.now())
    lost = current_signer(now=timezone.now()).kid
    lose(lost)
    with pytest.raises(CommandError, match="it waits: the trust root names no key"):
        call_command("sign_anew", verbosity=0)
    assert "revocation-not-trusted" in {one.code for one in reminders.reminders(now=timezone.now())}
    accept(people.sign(revoking=lost))
    call_command("sign_anew", verbosity=0)
    assert lost not in object_kids(feed)


def test_a_key_is_revoked_once_with_a_reason(people: People) -> None:
    kid = current_signer(now=timezone.now()).kid
    with pytest.raises(CommandError, match="there is no key"):
        lose("k" * 43)
    with pytest.raises(CommandError, match="say why"):
        call_command("revoke_key", kid, "--reason", " ")
    with pytest.raises(CommandError, match="not lost yet"):
        lose(kid, since=(timezone.now() + DAY).isoformat())
    lose(kid)
    with pytest.raises(CommandError, match="is revoked since"):
        lose(kid)


def test_a_lost_key_of_the_logs_or_of_the_root_is_replaced_by_a_ceremony(
    people: People, partner: Partner, feed: Collection
) -> None:
    origin = publication.origin(feed.id)
    partner.refresh()
    for purpose in (KeyPurpose.LOG, KeyPurpose.LOG_ML_DSA, KeyPurpose.TRUST):
        lost = SigningKey.objects.get(purpose=purpose).kid
        lose(lost)
    before = {key.public for key in partner.store.log_keys(origin)}
    accept(people.sign())
    assert SigningKey.objects.filter(trusted_at__isnull=True, revoked_at__isnull=True).count() == 0
    partner.refresh()
    after = {key.public for key in partner.store.log_keys(origin)}
    assert len(after) == 2
    assert not before & after
    assert partner.store.refresh(timezone.now(), client=partner.online).root_version == 2


def test_claims_keep_a_signature_that_still_counts(shop: Shop, people: People) -> None:
    """What passes through unchanged is published with the signature that was made when it came in."""
    now = timezone.now()
    shop.signer = current_signer(now=now)
    submit(
        shop,
        [stix.campaign(object_marking_refs=[marking_id(TLP.GREEN)]) for _ in range(3)],
        organization=shop.lab_a,
        now=now,
    )
    lost = shop.signer.kid
    done = revocation.revoke(kid=lost, because="lost", by=BY, now=now)
    while revocation.renew_next(signer=current_signer(now=now), now=now, most=2):
        pass
    public = KeySet.from_jwks(signing.jwks(keys.published_keys()))
    assert Claim.objects.count() == 3
    for claim in Claim.objects.all():
        assert jws.verify_object(public, bytes(claim.body), claim.signature) == done.successor


def test_a_first_look_at_claims_that_takes_long_is_followed_by_another(shop: Shop, people: People) -> None:
    """A task that began before the key was lost may change a claim that was looked at already."""
    now = timezone.now()
    shop.signer = current_signer(now=now)
    submit(
        shop,
        [stix.campaign(object_marking_refs=[marking_id(TLP.GREEN)]) for _ in range(3)],
        organization=shop.lab_a,
        now=now,
    )
    first = Claim.objects.earliest("id")
    done = revocation.revoke(kid=shop.signer.kid, because="lost", by=BY, now=now)
    assert revocation.renew_next(signer=current_signer(now=now), now=now, most=2)
    Claim.objects.filter(id=first.id).update(signature=first.signature)

    later = now + revocation.GRACE + timedelta(minutes=1)
    while revocation.renew_next(signer=current_signer(now=later), now=later, most=2):
        pass

    public = KeySet.from_jwks(signing.jwks(keys.published_keys()))
    for claim in Claim.objects.all():
        assert jws.verify_object(public, bytes(claim.body), claim.signature) == done.successor
    assert revocation.progress().is_done


def test_what_waits_to_be_delivered_is_written_anew(shop: Shop, people: People) -> None:
    now = timezone.now()
    hook = webhooks.create(
        organization_id=shop.lab_a.id, url="https://hooks.example/one", what=["notices"], by=BY, now=now
    )
    deliveries.queue_test(webhook=hook, by=BY, now=now)
    deliveries.write_next(signer=current_signer(now=now), now=now)
    assert Delivery.objects.get(kind=DeliveryKind.TEST).signature
    revocation.revoke(kid=current_signer(now=now).kid, because="lost", by=BY, now=now)
    delivery = Delivery.objects.get(kind=DeliveryKind.TEST)
    assert delivery.body is None
    assert delivery.signature == ""
