"""Who had pulled what was withdrawn is told, acknowledges it, and is reminded (trust.md, "Erasure")."""

import csv
import io
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from accounts import secrets
from accounts.actor import Actor
from accounts.models import AuditEvent, Membership, Notice, Organization, Scope, Token
from indicators.stix.objects import read
from sharing.actions import deliveries, giving, publication, withdrawals
from sharing.models import Collection, CollectionGrant, Entry, Given, Kind, Reached, Way, Webhook, Withdrawal
from sharing.signing import base64url
from sharing.tlog import statements
from sharing.tlog.statements import Reason
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.test_publication import append
from tests.sharing.admin.people import signed_in

TAXII = {"Accept": "application/taxii+json;version=2.1"}


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Each test is a process of its own, which remembers nothing."""
    giving.memory.forget()
    yield
    giving.memory.forget()


@pytest.fixture
def feed(shop: Shop) -> Collection:
    return shop.collection(Kind.FEED)


@pytest.fixture
def operator(db: None) -> Organization:
    return Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=NOW)


def add(shop: Shop, feed: Collection, count: int = 1) -> list[Object]:
    made = [stix.campaign() for _ in range(count)]
    append(shop, shop.log(feed), made, now=timezone.now())
    return made


def reader(
    organization: Organization, name: str = "siem", scopes: tuple[str, ...] = (Scope.FEED_READ,)
) -> Client:
    secret = secrets.make_secret()
    Token.objects.create(
        organization=organization,
        name=name,
        digest=secrets.digest(secret),
        scopes=list(scopes),
        created_at=NOW,
    )
    return Client(headers={**TAXII, "Authorization": f"Bearer {secret}"})


def get(client: Client, feed: Collection, path: str = "objects/") -> Any:
    answer = client.get(f"/taxii2/shop/collections/{feed.id}/{path}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def withdraw(shop: Shop, feed: Collection, one: Object, reason: Reason = Reason.TLP_CHANGE) -> None:
    publication.withdraw(log=shop.log(feed), reasons={one["id"]: reason}, now=timezone.now())


def tell() -> None:
    while withdrawals.tell_next(now=timezone.now() + timedelta(minutes=1)):
        pass


def told(organization: Organization) -> list[Notice]:
    return list(Notice.objects.filter(organization=organization, kind=withdrawals.KIND).order_by("id"))


# --- Who had pulled it


def test_who_pulled_a_page_is_told_and_who_did_not_is_not(shop: Shop, feed: Collection) -> None:
    one, other = add(shop, feed, 2)
    get(reader(shop.lab_a), feed)
    get(reader(shop.lab_b), feed, f"objects/{other['id']}/")

    withdraw(shop, feed, one)
    tell()

    assert [len(told(lab)) for lab in (shop.lab_a, shop.lab_b, shop.outsider)] == [1, 0, 0]
    (found,) = Reached.objects.all()
    assert (found.organization_id, found.ways) == (shop.lab_a.id, ["page"])
    assert found.token is not None
    assert found.token.name == "siem"


@pytest.mark.parametrize(
    ("path", "way"),
    [
        ("objects/", Way.PAGE),
        ("objects/?proof=1", Way.PROOF),
        ("objects/?match[type]=campaign", Way.PAGE),
        ("objects/?match[id]={id}", Way.OBJECT),
        ("objects/{id}/", Way.OBJECT),
        ("objects/{id}/versions/", Way.MANIFEST),
        ("manifest/", Way.MANIFEST),
    ],
)
def test_every_way_to_an_object_is_noted(shop: Shop, feed: Collection, path: str, way: Way) -> None:
    (one,) = add(shop, feed)

    get(reader(shop.lab_a), feed, path.format(id=one["id"]))

    entry = Entry.objects.get(object_id=one["id"])
    (given,) = Given.objects.all()
    assert given.way == way
    assert given.from_added <= entry.added <= given.to_added
    withdraw(shop, feed, one)
    tell()
    assert len(told(shop.lab_a)) == 1


def test_what_comes_after_the_last_page_was_not_given(shop: Shop, feed: Collection) -> None:
    add(shop, feed)
    get(reader(shop.lab_a), feed)
    Given.objects.update(until=timezone.now(), to_added=int(timezone.now().timestamp() * 1_000_000))
    (later,) = add(shop, feed)

    withdraw(shop, feed, later)
    tell()

    assert told(shop.lab_a) == []


def test_who_comes_after_the_erasure_was_not_given_it(shop: Shop, feed: Collection) -> None:
    one, _ = add(shop, feed, 2)
    withdraw(shop, feed, one)
    Withdrawal.objects.update(at=timezone.now() - timedelta(minutes=1))
    get(reader(shop.lab_a), feed)

    tell()

    assert told(shop.lab_a) == []


@pytest.mark.django_db(transaction=True)
def test_who_pulls_it_while_it_is_being_erased_is_told(
    shop: Shop, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands until the erasure is committed, which may be long after the time that it was begun with."""
    monkeypatch.setattr(withdrawals, "GRACE", timedelta(seconds=0.1))
    one, _ = add(shop, feed, 2)
    client = reader(shop.lab_a)

    def pull() -> int:
        try:
            return len(get(client, feed)["objects"])
        finally:
            connection.close()

    with ThreadPoolExecutor(1) as threads, transaction.atomic():
        withdraw(shop, feed, one)
        time.sleep(0.5)
        assert threads.submit(pull).result(timeout=20) == 2

    tell()

    assert len(told(shop.lab_a)) == 1


def test_a_reader_who_goes_on_reading_costs_one_row_in_five_minutes(shop: Shop, feed: Collection) -> None:
    client = reader(shop.lab_a)
    add(shop, feed, 5)
    page = get(client, feed, "objects/?limit=1")
    while page["more"]:
        page = get(client, feed, f"objects/?limit=1&next={page['next']}")
    (late,) = add(shop, feed)
    get(client, feed)

    assert Given.objects.count() == 1
    withdraw(shop, feed, late)
    tell()
    assert len(told(shop.lab_a)) == 1


def test_who_asks_for_very_many_single_objects_is_noted_for_all(
    shop: Shop, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(giving, "MOST_SINGLE", 2)
    client = reader(shop.lab_a)
    for one in add(shop, feed, 6):
        get(client, feed, f"objects/{one['id']}/")
        get(client, feed, f"objects/{one['id']}/")

    rows = Given.objects.order_by("id").values_list("from_added", "to_added")
    assert len(rows) == 3
    assert [low == high for low, high in rows] == [True, True, False]


def test_where_the_record_does_not_reach_back_all_who_may_read_are_told(
    shop: Shop, feed: Collection, settings: Any
) -> None:
    append(shop, shop.log(feed), [one := stix.campaign()], now=NOW)
    settings.PULL_RECORD_DAYS = 1

    withdraw(shop, feed, one)
    tell()

    assert [len(told(lab)) for lab in (shop.lab_a, shop.lab_b, shop.outsider)] == [1, 1, 0]
    assert {tuple(one.ways) for one in Reached.objects.all()} == {()}


def test_who_lost_access_since_is_told_what_to_delete(shop: Shop, feed: Collection) -> None:
    (one,) = add(shop, feed)
    get(reader(shop.lab_a), feed)
    CollectionGrant.objects.filter(organization=shop.lab_a).delete()
    Membership.objects.filter(organization=shop.lab_a).delete()

    withdraw(shop, feed, one)
    tell()

    assert len(told(shop.lab_a)) == 1


def test_what_only_moved_is_told_to_nobody(shop: Shop, feed: Collection) -> None:
    (one,) = add(shop, feed)
    get(reader(shop.lab_a), feed)

    withdraw(shop, feed, one, Reason.MOVED)
    tell()

    assert told(shop.lab_a) == []


def test_who_deletes_what_it_posted_is_not_told_by_itself(shop: Shop) -> None:
    shelf = shop.collection(Kind.OPEN)
    one = stix.campaign()
    item = publication.item_of(read(json.dumps(one).encode()), tlp=2, organization_id=shop.lab_a.id)
    publication.append(log=shop.log(shelf), items=[item], signatures=shop.signatures, now=timezone.now())
    for lab in (shop.lab_a, shop.lab_b):
        get(reader(lab), shelf)

    withdraw(shop, shelf, one, Reason.ERROR)
    tell()

    assert [len(told(lab)) for lab in (shop.lab_a, shop.lab_b)] == [0, 1]


# --- The notice


def test_the_notice_names_what_to_delete_and_opens_the_withdraw_statement(
    shop: Shop, feed: Collection
) -> None:
    gone = [add(shop, feed)[0] for _ in range(3)]
    get(reader(shop.lab_a), feed)

    for one in gone:
        withdraw(shop, feed, one)
    tell()

    (notice,) = told(shop.lab_a)
    detail = notice.detail
    assert (detail["collection"], detail["reason"]) == (str(feed.id), "tlp-change")
    assert [one["id"] for one in detail["withdrawn"]] == [one["id"] for one in gone]
    for one in detail["withdrawn"]:
        said = statements.read_statement(one["opening"]["stmt"].encode())
        assert isinstance(said, statements.WithdrawStatement)
        assert (said.target, said.reason) == (one["index"], Reason.TLP_CHANGE)
        entry = Entry.objects.get(collection=feed, index=one["withdrawn_by"])
        salt = base64url.decode(one["opening"]["salt"])
        assert statements.entry(salt, one["opening"]["stmt"].encode()) == bytes(entry.commitment)
    assert "Copycat" not in json.dumps(detail)


def test_the_notice_goes_out_as_a_signed_delivery(shop: Shop, feed: Collection) -> None:
    (one,) = add(shop, feed)
    get(reader(shop.lab_a), feed)
    Webhook.objects.create(
        organization=shop.lab_a, url="https://a.example/", what=["notices"], next_at=NOW, created_at=NOW
    )
    withdraw(shop, feed, one)
    tell()

    now = timezone.now() + timedelta(minutes=2)
    deliveries.queue_notices(now=now)
    assert deliveries.write_next(signer=shop.signer, now=now)

    claimed = deliveries.claim(now=now)
    assert claimed is not None
    body = json.loads(claimed.body)
    assert (body["kind"], body["notice"]["kind"]) == ("notice", "object.withdrawn")
    assert body["notice"]["detail"]["withdrawn"][0]["id"] == one["id"]
    assert claimed.signature


# --- Acknowledgement


@pytest.fixture
def notice(shop: Shop, feed: Collection) -> Notice:
    (one,) = add(shop, feed)
    get(reader(shop.lab_a, "before"), feed)
    withdraw(shop, feed, one)
    tell()
    return told(shop.lab_a)[0]


def acknowledge(client: Client, notice: Notice) -> Any:
    return client.post(f"/api/v1/notices/{notice.id}/acknowledgement/")


@pytest.mark.parametrize("scope", [Scope.FEED_READ, Scope.SUBMIT])
def test_an_organisation_acknowledges_once(shop: Shop, notice: Notice, scope: str) -> None:
    client = reader(shop.lab_a, "other", (scope,))
    (listed,) = client.get("/api/v1/notices/?unacknowledged=1").json()["notices"]
    assert (listed["id"], listed["acknowledged_at"]) == (notice.id, None)

    first, second = acknowledge(client, notice), acknowledge(reader(shop.lab_a, "third"), notice)

    assert (first.status_code, second.status_code) == (200, 200)
    assert first.json() == second.json()
    assert first.json()["acknowledged_at"] is not None
    assert client.get("/api/v1/notices/?unacknowledged=1").json()["notices"] == []
    assert AuditEvent.objects.filter(action="notice.acknowledge").count() == 1


def test_nobody_acknowledges_for_another_or_what_asks_for_nothing(shop: Shop, notice: Notice) -> None:
    other = Notice.objects.create(
        organization=shop.lab_a, kind="webhook.failing", target="webhook:1", sentence="It fails.", told_at=NOW
    )

    assert acknowledge(reader(shop.lab_b), notice).status_code == 404
    assert acknowledge(reader(shop.lab_a, "a"), other).status_code == 404
    refused = acknowledge(reader(shop.lab_a, "b", (Scope.SUBMIT,)), other)
    assert (refused.status_code, refused.json()["code"]) == (409, "nothing-to-acknowledge")
    assert acknowledge(reader(shop.lab_a, "c", (Scope.LOOKUP,)), notice).status_code == 403
    assert acknowledge(Client(), notice).status_code == 401


def test_a_token_that_only_reads_hears_of_withdrawals_alone(shop: Shop, notice: Notice) -> None:
    Notice.objects.create(
        organization=shop.lab_a, kind="webhook.failing", target="webhook:1", sentence="It fails.", told_at=NOW
    )

    heard = reader(shop.lab_a, "ro").get("/api/v1/notices/").json()["notices"]

    assert [one["id"] for one in heard] == [notice.id]


def test_in_the_portal_who_may_send_acknowledges(shop: Shop, notice: Notice) -> None:
    page = f"/admin/portal/notices/{notice.id}/acknowledge/"

    assert signed_in(shop.lab_a, "reader").post(page).status_code == 404
    assert signed_in(shop.lab_b, "submitter").post(page).status_code == 404
    client = signed_in(shop.lab_a, "submitter")
    assert b"We deleted it" in client.get("/admin/portal/notices/").content
    assert client.post(page).status_code == 302

    notice.refresh_from_db()
    assert notice.acknowledged_by == "member:lab-a-submitter"
    assert b"We deleted it" not in client.get("/admin/portal/notices/").content


def test_who_is_late_is_reminded_three_times_and_the_operator_hears_it(
    shop: Shop, notice: Notice, operator: Organization
) -> None:
    assert notice.due_at is not None
    assert withdrawals.remind(now=notice.due_at - timedelta(seconds=1)) == 0

    for week in range(6):
        withdrawals.remind(now=notice.due_at + timedelta(days=7 * week))

    for organization in (shop.lab_a, operator):
        found = Notice.objects.filter(organization=organization, kind="acknowledgement.overdue")
        assert [one.detail["reminder"] for one in found.order_by("id")] == [1, 2, 3]


def test_who_acknowledged_is_not_reminded(shop: Shop, notice: Notice) -> None:
    assert notice.due_at is not None
    withdrawals.acknowledge(
        notice_id=notice.id, organization_id=shop.lab_a.id, by=Actor("token:1"), now=timezone.now()
    )

    assert withdrawals.remind(now=notice.due_at + timedelta(days=1)) == 0


# --- The report


def test_the_desk_shows_who_had_it_and_who_said_that_it_is_gone(
    shop: Shop, feed: Collection, notice: Notice, operator: Organization
) -> None:
    analyst = signed_in(operator, "analyst")
    withdrawal = Withdrawal.objects.get()
    address = f"/admin/withdrawals/{feed.id}/{withdrawal.index}/"

    before = analyst.get(address).content.decode()
    acknowledge(reader(shop.lab_a, "x"), notice)
    after = analyst.get(address).content.decode()
    table = list(
        csv.DictReader(io.StringIO(analyst.get(f"{address}?format=csv").content.decode("utf-8-sig")))
    )

    assert "Lab-A" in before
    assert "acknowledged" not in before
    assert "acknowledged" in after
    assert [(row["organization"], row["reader"], row["state"]) for row in table] == [
        ("Lab-A", "before", "acknowledged")
    ]
    assert AuditEvent.objects.filter(action="withdrawal.report").count() == 1
    assert withdrawal.object_id in analyst.get("/admin/withdrawals/").content.decode()
    assert signed_in(shop.lab_a, "admin").get(address).status_code == 404


def test_what_was_given_long_ago_is_forgotten(shop: Shop, feed: Collection) -> None:
    add(shop, feed)
    get(reader(shop.lab_a), feed)

    assert giving.forget(before=timezone.now() - timedelta(days=1)) == 0
    assert giving.forget(before=timezone.now() + timedelta(days=1)) == 1
