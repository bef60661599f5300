"""The only writer of collections: a gapless index, a strictly increasing `added`, each version once."""

import hashlib
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.stix.objects import read
from sharing.actions import publication
from sharing.actions.publication import Item, Log, Placed
from sharing.models import Collection, Entry
from sharing.tlog import statements
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop

SAME_FIXTURE = settings(max_examples=40)
VERSIONS = [
    f"2024-05-{day:02}T08:00:00.{fraction}Z" for day in (1, 2, 3) for fraction in ("000", "000000001", "500")
]


def item(one: Any, tlp: int = 1) -> Item:
    return publication.item_of(read(json.dumps(one).encode()), tlp=tlp, record=b'{"v":1}')


def append(shop: Shop, log: Log, objects: Sequence[Any], now: Any = NOW) -> list[Placed]:
    placed = publication.append(
        log=log, items=[item(one) for one in objects], signatures=shop.signatures, now=now
    )
    return [one.outcome for one in placed]


def entries(log: Log) -> list[Entry]:
    return list(Entry.objects.filter(collection_id=log.id).order_by("index"))


def campaign_at(modified: str, **members: Any) -> Any:
    one_id = "campaign--5b7d1e92-8c44-4d0a-a3f6-1e2b9c7d8f02"
    return stix.campaign(**{"id": one_id, "created": VERSIONS[0], "modified": modified} | members)


def test_entries_are_numbered_without_gaps_and_stand_in_the_order_of_the_items(shop: Shop) -> None:
    log = shop.log()
    first, second = [stix.campaign() for _ in range(3)], [stix.domain_name() for _ in range(2)]

    append(shop, log, first)
    append(shop, log, second)

    found = entries(log)
    assert [one.index for one in found] == [0, 1, 2, 3, 4]
    assert [one.object_id for one in found] == [one["id"] for one in first + second]


@pytest.mark.parametrize("count", [1, 2, 999, 1000, 1001])
def test_a_batch_goes_in_steps_of_a_microsecond_to_a_whole_millisecond(shop: Shop, count: int) -> None:
    """clients.md 6; architecture.md, idea 5."""
    log = shop.log()

    append(shop, log, [stix.domain_name() for _ in range(count)])

    added = [one.added for one in entries(log)]
    start = int(NOW.timestamp() * 1_000_000)
    assert added[:-1] == list(range(start, start + count - 1))
    assert added[-1] % 1000 == 0
    assert added[-1] >= start + count - 1


def test_added_increases_though_the_clock_goes_back(shop: Shop) -> None:
    log = shop.log()

    for seconds in (0, -3600, 0, 1, -1):
        append(shop, log, [stix.campaign(), stix.campaign()], now=NOW + timedelta(seconds=seconds))

    added = [one.added for one in entries(log)]
    assert added == sorted(set(added))
    assert all(last % 1000 == 0 for last in added[1::2])


def test_the_collection_remembers_where_its_log_ends(shop: Shop) -> None:
    collection = shop.collection()

    append(shop, shop.log(collection), [stix.campaign(), stix.campaign()])

    stored = Collection.objects.get(id=collection.id)
    assert (stored.next_index, stored.last_added) == (
        2,
        Entry.objects.get(collection=collection, index=1).added,
    )


def test_the_same_version_stands_once(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign()

    outcomes = append(shop, log, [one]) + append(shop, log, [one, stix.campaign(), one])

    assert outcomes == [Placed.ADDED, Placed.STOOD, Placed.ADDED, Placed.STOOD]
    assert [one.index for one in entries(log)] == [0, 1]


def test_a_twin_in_one_batch_stands_once(shop: Shop) -> None:
    log, one, sco = shop.log(), stix.campaign(), stix.domain_name()

    assert append(shop, log, [one, sco, one, sco]) == [Placed.ADDED, Placed.ADDED, Placed.STOOD, Placed.STOOD]


def test_other_bytes_under_the_same_version_are_a_conflict_and_the_first_stand(shop: Shop) -> None:
    log = shop.log()

    outcomes = append(shop, log, [campaign_at(VERSIONS[0], name="one"), campaign_at(VERSIONS[0], name="two")])
    outcomes += append(shop, log, [campaign_at(VERSIONS[0], name="three")])

    assert outcomes == [Placed.ADDED, Placed.CONFLICT, Placed.CONFLICT]
    (entry,) = entries(log)
    assert json.loads(bytes(entry.body or b""))["name"] == "one"


def test_one_moment_in_two_spellings_is_one_version(shop: Shop) -> None:
    log = shop.log()
    spelled = [campaign_at(f"2024-05-01T08:00:00.{fraction}Z") for fraction in ("000", "000000", "000000000")]

    outcomes = append(shop, log, spelled)

    assert outcomes == [Placed.ADDED, Placed.CONFLICT, Placed.CONFLICT]


def test_nothing_is_written_where_everything_stands(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign()
    append(shop, log, [one])
    before = log.next_index, log.last_added

    append(shop, log, [one], now=NOW + timedelta(hours=1))

    assert (log.next_index, log.last_added) == before


def test_an_observable_that_changes_gets_its_date_added_as_version(shop: Shop) -> None:
    """clients.md 14."""
    log, sco = shop.log(), stix.domain_name()
    changed = sco | {"x_note": "more"}

    outcomes = [append(shop, log, [one])[0] for one in (sco, sco, changed, changed, sco)]

    assert outcomes == [Placed.ADDED, Placed.STOOD, Placed.ADDED, Placed.STOOD, Placed.ADDED]
    found = entries(log)
    assert [one.is_first for one in found] == [True, False, False]
    assert [one.is_last for one in found] == [False, False, True]


def test_the_version_told_of_an_observable_is_the_one_that_stands(shop: Shop) -> None:
    """A status names it: `match[version]` with it must find the object."""
    log, sco = shop.log(), stix.domain_name()
    objects = [stix.domain_name(), sco, sco]

    placed = publication.append(
        log=log, items=[item(one) for one in objects], signatures=shop.signatures, now=NOW
    )
    again = publication.append(log=log, items=[item(sco)], signatures=shop.signatures, now=NOW)

    stored = {one.object_id: one.version for one in entries(log)}
    assert [one.version for one in placed] == [stored[each["id"]] for each in objects]
    assert again[0].version == stored[sco["id"]]


def test_collections_do_not_share_their_versions(shop: Shop) -> None:
    one, here, there = stix.campaign(), shop.log(), shop.log()

    assert append(shop, here, [one]) + append(shop, there, [one]) == [Placed.ADDED, Placed.ADDED]


@given(order=st.permutations(VERSIONS), cuts=st.sets(st.integers(1, len(VERSIONS) - 1)))
@SAME_FIXTURE
def test_first_and_last_are_marked_under_any_order_of_arrival(
    shop: Shop, order: list[str], cuts: set[int]
) -> None:
    """clients.md 14: by version, not by arrival."""
    log = shop.log()
    ends = [*sorted(cuts), len(order)]

    for start, end in zip([0, *ends], ends, strict=False):
        append(shop, log, [campaign_at(version) for version in order[start:end]])

    found = entries(log)
    assert len(found) == len(order)
    assert [one.version for one in found if one.is_first] == [VERSIONS[0]]
    assert [one.version for one in found if one.is_last] == [max(order, key=sortable)]


def sortable(version: str) -> str:
    whole, _, fraction = version.removesuffix("Z").partition(".")
    return f"{whole}.{fraction:0<9}"


@given(
    batches=st.lists(
        st.lists(
            st.tuples(st.sampled_from("abc"), st.sampled_from(VERSIONS), st.sampled_from("xy")), max_size=6
        ),
        max_size=6,
    ),
    drift=st.lists(st.integers(-2_000, 2_000), min_size=6, max_size=6),
)
@SAME_FIXTURE
def test_a_log_holds_under_any_batches(
    shop: Shop, batches: list[list[tuple[str, str, str]]], drift: list[int]
) -> None:
    log = shop.log()
    accepted: dict[tuple[str, str], str] = {}

    for batch, shift in zip(batches, drift, strict=False):
        objects = [
            campaign_at(version, id=f"campaign--00000000-0000-4000-8000-{ord(letter):012}", name=name)
            for letter, version, name in batch
        ]
        outcomes = append(shop, log, objects, now=NOW + timedelta(milliseconds=shift))
        for (letter, version, name), outcome in zip(batch, outcomes, strict=True):
            held = accepted.setdefault((letter, version), name)
            assert outcome is Placed.ADDED or (held == name) == (outcome is Placed.STOOD)

    found = entries(log)
    assert [one.index for one in found] == list(range(len(accepted))) == list(range(log.next_index))
    added = [one.added for one in found]
    assert added == sorted(set(added))
    assert {one.object_id for one in found if one.is_first} == {one.object_id for one in found}
    assert len([one for one in found if one.is_last]) == len({one.object_id for one in found})


def test_the_statement_commits_to_the_bytes_that_are_served(shop: Shop) -> None:
    """trust.md, "Log"."""
    log = shop.log()

    append(shop, log, [stix.campaign()])

    (entry,) = entries(log)
    opening = json.loads(
        bytes(entry.opening) + b"}" if not bytes(entry.opening).endswith(b"}") else bytes(entry.opening)
    )
    statement = statements.read_statement(opening["stmt"].encode())
    assert isinstance(statement, statements.AddStatement)
    assert statement.sha256 == hashlib.sha256(bytes(entry.body or b"")).digest()
    assert (statement.object_id, statement.added, statement.tlp) == (entry.object_id, entry.added, "green")
    assert statement.sub == statements.submitter_commitment(bytes(entry.subsalt or b""), b'{"v":1}')


def test_what_the_service_says_itself_looks_like_what_a_partner_says(shop: Shop) -> None:
    """trust.md: `sub` is always there, so that its presence reveals nothing."""
    log = shop.log()
    own = publication.item_of(read(json.dumps(stix.campaign()).encode()), tlp=1)

    publication.append(log=log, items=[own, item(stix.campaign())], signatures=shop.signatures, now=NOW)

    stmts = [json.loads(json.loads(bytes(one.opening))["stmt"]) for one in entries(log)]
    assert {frozenset(one) for one in stmts} == {frozenset(stmts[0])}
    assert len({one["sub"] for one in stmts}) == 2


def test_a_body_that_enters_many_collections_is_signed_once(shop: Shop) -> None:
    one, signatures = item(stix.campaign()), shop.signatures

    for log in (shop.log(), shop.log()):
        publication.append(log=log, items=[one], signatures=signatures, now=NOW)

    jws = {json.loads(bytes(entry.opening))["jws"] for entry in Entry.objects.all()}
    assert len(jws) == 1


def test_revoking_publishes_a_later_version_with_the_same_id(shop: Shop) -> None:
    """clients.md 17."""
    log = shop.log()
    one = stix.campaign(modified="2999-01-01T00:00:00.000Z")
    append(shop, log, [one])

    done = publication.revoke(log=log, object_ids=[one["id"]], signatures=shop.signatures, now=NOW)

    latest = json.loads(bytes(entries(log)[-1].body or b""))
    assert done == {one["id"]}
    assert latest == one | {"revoked": True, "modified": "2999-01-01T00:00:00.001Z"}


def test_revoking_again_or_what_is_not_there_changes_nothing(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign()
    append(shop, log, [one])
    publication.revoke(log=log, object_ids=[one["id"]], signatures=shop.signatures, now=NOW)

    again = publication.revoke(log=log, object_ids=[one["id"]], signatures=shop.signatures, now=NOW)
    absent = publication.revoke(log=log, object_ids=["campaign--x"], signatures=shop.signatures, now=NOW)

    assert (again, absent, log.next_index) == (set(), set(), 2)


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_fails_leaves_no_gap(shop: Shop) -> None:
    collection = shop.collection()

    with transaction.atomic():
        append(shop, shop.log(collection), [stix.campaign()])
        transaction.set_rollback(True)
    with transaction.atomic():
        log = shop.log(collection)
        append(shop, log, [stix.campaign()])

    assert [one.index for one in entries(log)] == [0]
