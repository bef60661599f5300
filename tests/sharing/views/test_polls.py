"""How far each reader has come, as the reads of TAXII note it and the desk tells it."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.test import Client
from django.utils import timezone

from accounts import secrets
from accounts.models import Organization, Scope, Token
from indicators.stix.timestamps import from_micros, moment_of
from sharing import feeds
from sharing.actions import polls
from sharing.models import Collection, Entry, Kind, Poll
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.test_publication import append

HEADERS = {"Accept": "application/taxii+json;version=2.1"}


@pytest.fixture(autouse=True)
def process() -> Iterator[None]:
    """Each test is a process of its own, which remembers nothing."""
    restart()
    yield
    restart()


def restart() -> None:
    polls._memory = polls.PollMemory()


@pytest.fixture
def feed(shop: Shop) -> Collection:
    made = shop.collection(Kind.FEED)
    add(shop, made, 5)
    return made


def add(shop: Shop, feed: Collection, count: int) -> None:
    append(shop, shop.log(feed), [stix.campaign() for _ in range(count)], now=timezone.now())


def token(organization: Organization, name: str = "siem") -> tuple[Token, Client]:
    secret = secrets.make_secret()
    made = Token.objects.create(
        organization=organization,
        name=name,
        digest=secrets.digest(secret),
        scopes=[Scope.FEED_READ],
        created_at=NOW,
    )
    return made, Client(headers={**HEADERS, "Authorization": f"Bearer {secret}"})


def poll(client: Client, feed: Collection, query: str = "") -> Any:
    answer = client.get(f"/taxii2/shop/collections/{feed.id}/objects/?{query}")
    assert answer.status_code == 200, answer.content
    return answer.json()


def behind(shop: Shop, feed: Collection) -> dict[str, int]:
    found = feeds.readers([feed.id], now=timezone.now())
    return {reader.token: reader.behind for reader in found if reader.polled_at is not None}


def test_a_reader_is_as_far_behind_as_there_are_entries_that_it_was_not_given(
    shop: Shop, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polls, "GRAIN", timedelta(0))
    _, client = token(shop.lab_a)

    first = poll(client, feed, "limit=2")
    after_two = behind(shop, feed)
    second = poll(client, feed, f"limit=2&next={first['next']}")
    after_four = behind(shop, feed)
    poll(client, feed, f"limit=2&next={second['next']}")

    assert (after_two, after_four, behind(shop, feed)) == ({"siem": 3}, {"siem": 1}, {"siem": 0})
    row = Poll.objects.get()
    assert (row.at_head, row.objects_given) == (True, 5)


def test_the_oldest_entry_that_waits_says_for_how_long(shop: Shop, feed: Collection) -> None:
    _, client = token(shop.lab_a)
    poll(client, feed)
    add(shop, feed, 1)
    waiting = Entry.objects.get(collection=feed, index=5)
    add(shop, feed, 2)

    (reader,) = feeds.readers_of(shop.lab_a.id, [feed.id], now=timezone.now())

    assert (reader.behind, reader.waits_since) == (3, moment_of(waiting.added))
    assert reader.lag(moment_of(waiting.added) + timedelta(hours=2)) == timedelta(hours=2)


def test_who_comes_to_the_head_is_noted_at_once_and_who_is_on_the_way_seldom(
    shop: Shop, feed: Collection
) -> None:
    _, client = token(shop.lab_a)

    first = poll(client, feed, "limit=1")
    second = poll(client, feed, f"limit=1&next={first['next']}")
    on_the_way = behind(shop, feed)
    poll(client, feed, f"limit=5&next={second['next']}")

    assert (on_the_way, behind(shop, feed)) == ({"siem": 4}, {"siem": 0})
    assert Poll.objects.get().objects_given == 5


def test_a_poll_that_finds_nothing_new_writes_nothing(shop: Shop, feed: Collection) -> None:
    _, client = token(shop.lab_a)
    poll(client, feed)
    head = Collection.objects.get(id=feed.id).last_added
    end = f"added_after={from_micros(head)}"

    before = Poll.objects.get()
    poll(client, feed, end)
    quiet = Poll.objects.get()
    add(shop, feed, 1)
    poll(client, feed, end)

    assert (quiet.polled_at, quiet.objects_given) == (before.polled_at, before.objects_given)
    assert Poll.objects.get().polled_at > before.polled_at
    assert behind(shop, feed) == {"siem": 0}


def test_what_was_given_stays_given_after_a_restart_and_when_one_reads_again_from_the_start(
    shop: Shop, feed: Collection
) -> None:
    _, client = token(shop.lab_a)
    poll(client, feed)
    restart()

    poll(client, feed, "limit=1")

    assert behind(shop, feed) == {"siem": 0}
    assert Poll.objects.get().at_head is False


def test_a_reader_of_some_types_is_at_the_head_when_nothing_of_these_is_left(
    shop: Shop, feed: Collection
) -> None:
    _, client = token(shop.lab_a)

    assert poll(client, feed, "match[type]=indicator") == {"more": False, "objects": []}

    assert behind(shop, feed) == {"siem": 0}


def test_a_page_with_proof_counts_as_well(shop: Shop, feed: Collection) -> None:
    _, client = token(shop.lab_a)

    poll(client, feed, "proof=1&limit=2")

    assert behind(shop, feed) == {"siem": 3}


@pytest.mark.parametrize(
    "query", ["match[id]=campaign--5b7d1e92-8c44-4d0a-a3f6-1e2b9c7d8f02", "match[version]=first"]
)
def test_who_asks_for_single_objects_or_versions_reads_no_feed(
    shop: Shop, feed: Collection, query: str
) -> None:
    _, client = token(shop.lab_a)

    poll(client, feed, query)
    client.get(f"/taxii2/shop/collections/{feed.id}/manifest/")
    client.head(f"/taxii2/shop/collections/{feed.id}/objects/")

    assert not Poll.objects.exists()


def test_who_never_asked_has_everything_before_it(shop: Shop, feed: Collection) -> None:
    token(shop.lab_a, "new")

    (reader,) = feeds.readers([feed.id], now=timezone.now())

    assert (reader.polled_at, reader.behind) == (None, 5)


def test_tokens_that_may_not_read_any_more_are_no_readers(shop: Shop, feed: Collection) -> None:
    revoked, client = token(shop.lab_a, "revoked")
    poll(client, feed)
    Token.objects.filter(id=revoked.id).update(revoked_at=NOW)
    expired, _ = token(shop.lab_a, "expired")
    Token.objects.filter(id=expired.id).update(expires_at=NOW + timedelta(days=1))
    submitter, _ = token(shop.lab_a, "submitter")
    Token.objects.filter(id=submitter.id).update(scopes=[Scope.SUBMIT])
    token(shop.outsider, "outsider")

    assert feeds.readers([feed.id], now=timezone.now()) == []


def test_an_organisation_is_told_of_its_own_readers_alone(shop: Shop, feed: Collection) -> None:
    for organization in (shop.lab_a, shop.lab_b):
        poll(token(organization, organization.slug)[1], feed)

    found = feeds.readers_of(shop.lab_a.id, [feed.id], now=timezone.now())

    assert [reader.token for reader in found] == ["lab-a"]
    assert {reader.token for reader in feeds.readers([feed.id], now=timezone.now())} == {"lab-a", "lab-b"}
    assert feeds.feeds_of(shop.outsider.id, now=timezone.now()) == []


def test_a_feed_tells_its_head_and_what_came_today(shop: Shop, feed: Collection) -> None:
    append(shop, shop.log(empty := shop.collection(Kind.FEED)), [], now=NOW)
    old = shop.collection(Kind.FEED)
    append(shop, shop.log(old), [stix.campaign()], now=NOW)

    told = {one.id: one for one in feeds.feeds(now=timezone.now())}

    assert [(told[one.id].length, told[one.id].today) for one in (feed, old, empty)] == [
        (5, 5),
        (1, 0),
        (0, 0),
    ]
    assert told[empty.id].last_added_at is None


def test_a_read_costs_no_more_queries_however_often_it_is_noted(
    shop: Shop, feed: Collection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Asking who it is, the page, and at most one row."""
    _, client = token(shop.lab_a)
    poll(client, feed, "limit=1")
    monkeypatch.setattr(polls, "GRAIN", timedelta(0))
    executed: list[str] = []
    execute = psycopg.Cursor.execute

    def counted(cursor: Any, query: Any, *given: Any, **named: Any) -> Any:
        executed.append(str(query))
        return execute(cursor, query, *given, **named)

    monkeypatch.setattr(psycopg.Cursor, "execute", counted)
    counts = []
    for limit in (2, 3, 5):
        add(shop, feed, 1)
        executed.clear()
        poll(client, feed, f"limit={limit}")
        counts.append(len(executed))

    assert counts == [3, 3, 3]
