"""Erasure: a `withdraw` entry each, then the content is gone and the 33 bytes stay (trust.md, "Log")."""

import json
from datetime import timedelta

import pytest

from sharing.actions import publication
from sharing.actions.publication import Log, Placed
from sharing.models import Entry, Withdrawal
from sharing.tlog import statements
from sharing.tlog.statements import Reason
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.test_publication import append, entries

LATER = NOW + timedelta(minutes=1)


def withdraw(log: Log, object_id: str, indexes: list[int] | None = None) -> int:
    return publication.withdraw(log=log, reasons={object_id: Reason.ERROR}, now=LATER, indexes=indexes)[
        object_id
    ]


def test_the_content_is_gone_and_the_commitment_stays(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign(name="Unmistakable")
    append(shop, log, [stix.campaign(), one])
    before = entries(log)[1]

    assert withdraw(log, one["id"]) == 1

    after = entries(log)[1]
    assert after.withdrawn_by == 2
    assert bytes(after.commitment) == bytes(before.commitment)
    assert after.added == before.added
    for name in (
        "body",
        "subsalt",
        "submitter",
        "object_id",
        "object_type",
        "version",
        "tlp",
        "organization_id",
    ):
        assert getattr(after, name) is None, name
    assert b"Unmistakable" not in bytes(after.opening)
    assert one["id"].encode() not in bytes(after.opening)


def test_the_withdrawal_is_an_entry_of_its_own(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign()
    append(shop, log, [stix.campaign(), one, stix.campaign()])

    withdraw(log, one["id"])

    last = entries(log)[-1]
    statement = statements.read_statement(json.loads(bytes(last.opening))["stmt"].encode())
    assert statement == statements.WithdrawStatement(target=1, reason=Reason.ERROR, added=last.added)
    assert (last.index, last.added % 1000, log.next_index) == (3, 0, 4)
    assert last.added > entries(log)[-2].added


def test_all_versions_go(shop: Shop) -> None:
    log, versions = shop.log(), stix.versions_of(stix.campaign())
    append(shop, log, versions)

    assert withdraw(log, versions[0]["id"]) == 3

    assert Entry.objects.filter(collection_id=log.id, body__isnull=False).count() == 0
    assert [one.index for one in entries(log)] == list(range(6))


@pytest.mark.parametrize("gone", [[0], [1], [2], [0, 1], [1, 2], [0, 2]])
def test_the_marks_move_to_the_versions_that_are_left(shop: Shop, gone: list[int]) -> None:
    log, versions = shop.log(), stix.versions_of(stix.campaign())
    append(shop, log, versions)

    withdraw(log, versions[0]["id"], gone)

    left = [number for number in range(3) if number not in gone]
    found = {one.index: one for one in entries(log)}
    assert [index for index, one in found.items() if one.is_first] == [left[0]]
    assert [index for index, one in found.items() if one.is_last] == [left[-1]]


def test_what_is_not_there_cannot_be_withdrawn(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign()
    append(shop, log, [one])

    assert withdraw(log, stix.campaign()["id"]) == 0
    assert withdraw(log, one["id"]) == 1
    assert withdraw(log, one["id"]) == 0
    assert log.next_index == 2


def test_what_was_withdrawn_may_come_again(shop: Shop) -> None:
    log, one = shop.log(), stix.campaign()
    append(shop, log, [one])
    withdraw(log, one["id"])

    assert append(shop, log, [one], now=LATER) == [Placed.ADDED]

    found = entries(log)
    assert [entry.object_id for entry in found] == [None, None, one["id"]]
    assert found[-1].is_first
    assert found[-1].is_last


def test_other_objects_are_left_alone(shop: Shop) -> None:
    log, one, other = shop.log(), stix.campaign(), stix.campaign()
    append(shop, log, [one, other])
    before = entries(log)[1]

    withdraw(log, one["id"])

    after = entries(log)[1]
    assert (after.body, after.opening, after.is_last) == (before.body, before.opening, True)


def test_other_collections_are_left_alone(shop: Shop) -> None:
    here, there, one = shop.log(), shop.log(), stix.campaign()
    append(shop, here, [one])
    append(shop, there, [one])

    withdraw(here, one["id"])

    assert publication.holds(here, [one["id"]]) == set()
    assert publication.holds(there, [one["id"]]) == {one["id"]}


def test_several_objects_go_at_once_each_for_its_own_reason(shop: Shop) -> None:
    log, two, one = shop.log(), stix.versions_of(stix.campaign()), stix.campaign()
    append(shop, log, [two[0], one, two[1], stix.campaign()])

    gone = publication.withdraw(
        log=log,
        reasons={one["id"]: Reason.MOVED, two[0]["id"]: Reason.ERROR, stix.campaign()["id"]: Reason.LEGAL},
        now=LATER,
    )

    found = entries(log)
    said = [statements.read_statement(json.loads(bytes(one.opening))["stmt"].encode()) for one in found[4:]]
    assert gone == {two[0]["id"]: 2, one["id"]: 1}
    assert said == [
        statements.WithdrawStatement(target=0, reason=Reason.ERROR, added=found[4].added),
        statements.WithdrawStatement(target=1, reason=Reason.MOVED, added=found[5].added),
        statements.WithdrawStatement(target=2, reason=Reason.ERROR, added=found[6].added),
    ]
    assert [entry.withdrawn_by for entry in found[:4]] == [4, 5, 6, None]
    assert list(Withdrawal.objects.order_by("index").values_list("index", "withdrawn_by", "reason")) == [
        (0, 4, "error"),
        (1, 5, "moved"),
        (2, 6, "error"),
    ]


def test_many_objects_are_taken_back_by_as_many_statements_as_one(shop: Shop, statements: list[str]) -> None:
    asked: list[int] = []
    for count in (1, 30, 30):
        log = shop.log()
        erased, revoked = ([stix.campaign() for _ in range(count)] for _ in range(2))
        append(shop, log, [*erased, *revoked])
        before = len(statements)

        publication.withdraw(log=log, reasons={one["id"]: Reason.ERROR for one in erased}, now=LATER)
        publication.revoke(
            log=log, object_ids=[one["id"] for one in revoked], signatures=shop.signatures, now=LATER
        )

        asked.append(len(statements) - before)
        assert log.next_index == 4 * count
    assert asked[0] == asked[1] == asked[2]
