"""Witnesses are asked to cosign new checkpoints; what they answer is believed as far as it verifies (0041)."""

import contextlib
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts import sql
from accounts.models import Member, Organization
from indicators.sources import web
from sharing import log as trees
from sharing import tasks, witness_policy
from sharing.actions import witnesses
from sharing.admin import tiles
from sharing.models import Checkpoint, Collection, Kind, Witness, Witnessed
from tests.sharing.actions.conftest import Shop
from tests.sharing.admin.people import signed_in
from tests.sharing.witness import by_hand
from tests.sharing.witness.by_hand import Log
from tests.sharing.witness.running import Running
from tests.sharing.witness.simulator import _BAD, Simulator


@dataclass(slots=True)
class Room:
    """A shop with logs, three simulated witnesses, and a policy of two of them."""

    shop: Shop
    witnesses: list[Simulator]
    path: Path
    now: datetime = field(default_factory=timezone.now)
    logs: dict[Any, tuple[Collection, Log]] = field(default_factory=dict)

    def log(self, count: int, kind: str = Kind.FEED) -> Log:
        """A log of its own, with entries and a checkpoint."""
        collection = self.shop.collection(kind, 1)
        made = Log(f"testserver/log/{collection.id}")
        self.logs[made.origin] = collection, made
        return self.grow(made, count)

    def grow(self, log: Log, count: int) -> Log:
        """More entries, and a checkpoint over all."""
        collection, start = self.logs[log.origin][0], len(log.leaves)
        log.grow(count)
        for index, leaf in enumerate(log.leaves[start:], start):
            sql.execute(
                "INSERT INTO sharing_entry (collection_id, index, added, opening, commitment, is_first, is_last)"
                " VALUES (%s, %s, %s, '', %s, false, false)",
                (collection.id, index, index, leaf),
            )
        self.sign(log)
        return log

    def sign(self, log: Log) -> None:
        """A checkpoint over all; anew, where there is one of this size."""
        collection = self.logs[log.origin][0]
        Checkpoint.objects.update_or_create(
            collection_id=collection.id,
            size=len(log.leaves),
            defaults={
                "root": by_hand.tree(log.leaves),
                "note": log.note().decode(),
                "signed_at": self.now,
            },
        )

    def ask(self, *names: str) -> None:
        """What the timetable does: whoever is due, or these, have their turn."""
        for name in names or witnesses.due(now=self.now):
            witnesses.ask(name=name, clock=lambda: self.now, jitter=0.0)

    def later(self, **time: float) -> None:
        self.now += timedelta(**time)
        for one in self.witnesses:
            one.ahead += timedelta(**time).total_seconds()

    def row(self, log: Log, size: int | None = None) -> Checkpoint:
        size = len(log.leaves) if size is None else size
        return Checkpoint.objects.get(collection_id=self.logs[log.origin][0].id, size=size)

    def cosigners(self, log: Log, size: int | None = None) -> set[str]:
        """Whose stored lines verify, by hand."""
        found = set()
        for line in self.row(log, size).cosignatures.splitlines(keepends=True):
            name = line.split(" ")[1]
            (witness,) = [one for one in self.witnesses if one.name == name]
            by_hand.cosigner(line.encode(), [witness.vkey], log.text(size))
            assert name not in found
            found.add(name)
        return found

    def served(self, log: Log) -> int:
        """The size of the checkpoint that readers get."""
        found = trees.checkpoint(self.logs[log.origin][0].id, now=self.now)
        assert found is not None
        return found.size

    def error(self, name: str, log: Log | None = None) -> str:
        if log is None:
            return Witness.objects.get(name=name).last_error
        return Witnessed.objects.get(witness_id=name, collection=self.logs[log.origin][0]).last_error


@pytest.fixture
def room(shop: Shop, tmp_path: Path, settings: Any) -> Iterator[Room]:
    with contextlib.ExitStack() as stack:
        simulated = [stack.enter_context(Simulator.start(f"{name}.example/w", kind)) for name, kind in _THREE]
        path = tmp_path / "policy.txt"
        lines = "".join(one.policy(name) for one, (name, _) in zip(simulated, _THREE, strict=True))
        path.write_text(f"# who cosigns\n{lines}group most 2 one two three\nquorum most\n")
        settings.WITNESS_POLICY = path
        settings.WITNESS_INTERNAL = frozenset(("one", "two", "three"))
        yield Room(shop, simulated, path)


_THREE = [("one", 6), ("two", 4), ("three", 6)]


def test_every_new_checkpoint_is_cosigned_and_served_once_the_quorum_is_met(room: Room) -> None:
    log, other = room.log(5), room.log(300)
    assert room.served(log) == 5
    room.ask()
    assert room.cosigners(log) == room.cosigners(other) == {one.name for one in room.witnesses}
    room.grow(log, 9)
    assert room.served(log) == 5
    room.ask("one")
    assert room.served(log) == 5
    room.ask("two")
    assert room.served(log) == 14
    head = trees.checkpoint(room.logs[log.origin][0].id, now=room.now)
    assert head is not None
    assert (head.size, head.root) == (14, by_hand.tree(log.leaves))
    assert head.note.decode() == room.row(log).note + room.row(log).cosignatures
    assert room.served(other) == 300
    # The size that each had cosigned was known: nobody was asked twice.
    assert [len(one.requests) for one in room.witnesses] == [3, 3, 2]


def test_what_is_cosigned_is_asked_for_again_only_when_it_is_signed_anew(room: Room) -> None:
    log = room.log(5)
    room.ask()
    first = room.row(log).cosignatures
    room.ask()
    assert [len(one.requests) for one in room.witnesses] == [1, 1, 1]
    room.later(minutes=15)
    room.sign(log)
    room.ask()
    assert [len(one.requests) for one in room.witnesses] == [2, 2, 2]
    assert room.cosigners(log) == {one.name for one in room.witnesses}
    assert room.row(log).cosignatures != first


def test_a_witness_that_knows_another_size_is_asked_from_there(room: Room) -> None:
    log = room.log(7)
    room.ask()
    room.grow(log, 4)
    Witnessed.objects.update(size=3)
    room.ask()
    assert room.cosigners(log) == {one.name for one in room.witnesses}
    Witnessed.objects.all().delete()
    room.grow(log, 20)
    room.ask()
    assert room.cosigners(log) == {one.name for one in room.witnesses}
    assert set(Witnessed.objects.values_list("size", flat=True)) == {31}


@pytest.mark.parametrize("behaviour", [*_BAD, *(400, 403, 404, 418, 422, 500, 503, 429), "huge", "drop"])
def test_a_bad_witness_gets_nothing_stored_and_holds_up_no_other(room: Room, behaviour: str | int) -> None:
    log = room.log(5)
    room.witnesses[0].behaviour = behaviour
    room.ask()
    assert room.cosigners(log) == {"two.example/w", "three.example/w"}
    assert room.served(log) == 5
    sentence = room.error("one") or room.error("one", log)
    assert sentence.endswith((".", "?"))
    assert len(room.witnesses[0].requests) <= 2
    # It rests, ever longer, and is asked again.
    asked = len(room.witnesses[0].requests)
    room.ask()
    assert len(room.witnesses[0].requests) == asked
    room.witnesses[0].behaviour = "honest"
    room.later(minutes=20)
    room.ask()
    assert room.cosigners(log) == {one.name for one in room.witnesses}
    assert room.error("one") == room.error("one", log) == ""


@pytest.mark.parametrize("behaviour", ["slow", "hang"])
def test_a_witness_that_takes_its_time_is_not_waited_for_twice(
    room: Room, behaviour: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(witnesses, "LIMITS", web.Limits(seconds=0.3, received=4096, unpacked=4096))
    log = room.log(5)
    for _ in range(5):
        room.log(3)
    room.witnesses[0].behaviour = behaviour
    room.ask()
    assert len(room.witnesses[0].requests) == 1
    assert "did not answer in full" in room.error("one") or "silent" in room.error("one")
    assert room.cosigners(log) == {"two.example/w", "three.example/w"}


def test_a_witness_that_refuses_one_log_is_asked_about_the_others(room: Room) -> None:
    log, other = room.log(5), room.log(6)
    room.ask()
    room.grow(log, 1)
    room.grow(other, 1)
    # As if an older database had been restored, and had grown another way.
    room.witnesses[0].latest[log.origin] = (5, bytes(32))
    room.ask()
    assert room.cosigners(other) == {one.name for one in room.witnesses}
    assert room.cosigners(log) == {"two.example/w", "three.example/w"}
    assert room.error("one", log) == "It says that this log does not continue what it cosigned (422)."


def test_a_restored_database_is_told_by_every_witness(room: Room) -> None:
    log = room.log(9)
    room.ask()
    collection = room.logs[log.origin][0]
    Checkpoint.objects.filter(collection=collection).delete()
    sql.execute("DELETE FROM sharing_entry WHERE collection_id = %s AND index >= 4", (collection.id,))
    Witnessed.objects.update(size=4)
    del log.leaves[4:]
    room.later(minutes=1)
    room.sign(log)
    room.ask()
    assert room.cosigners(log) == set()
    assert "has cosigned 9 entries of this log, whose newest checkpoint has 4" in room.error("one", log)


def test_without_a_quorum_the_last_that_had_one_is_served_for_as_long_as_readers_take_it(room: Room) -> None:
    log = room.log(5)
    room.ask()
    for one in room.witnesses[1:]:
        one.behaviour = 503
    for _ in range(3):
        room.later(hours=7)
        room.grow(log, 1)
        room.ask()
        assert room.served(log) == 5
    room.later(hours=4)
    # Too old to be taken: the newest says whose cosignatures are missing.
    assert room.served(log) == 8
    for one in room.witnesses:
        one.behaviour = "honest"
    room.ask()
    assert room.served(log) == 8
    assert room.row(log).quorum is not None


def test_what_was_refused_under_one_policy_counts_under_another(room: Room) -> None:
    log = room.log(5)
    for one in room.witnesses[1:]:
        one.behaviour = 404
    room.ask()
    assert room.row(log).quorum is None
    text = room.path.read_text()
    room.path.write_text(text.replace("quorum most", "quorum one"))
    room.ask()
    assert room.row(log).quorum is not None
    assert room.served(log) == 5
    room.path.write_text(text.replace("quorum most", "quorum three") + "# longer\n")
    room.ask()
    assert room.row(log).quorum is None


def test_who_left_the_policy_is_not_asked_and_not_served_any_more(room: Room) -> None:
    log = room.log(5)
    room.ask()
    lines = [line for line in room.path.read_text().splitlines(keepends=True) if "witness one" not in line]
    room.path.write_text("".join(lines).replace("2 one two three", "2 two three"))
    room.grow(log, 1)
    room.grow(log, 0)
    room.ask()
    assert room.cosigners(log) == {"two.example/w", "three.example/w"}
    assert set(Witness.objects.values_list("name", flat=True)) == {"two", "three"}
    room.later(minutes=15)
    room.sign(log)
    room.ask()
    assert room.cosigners(log) == {"two.example/w", "three.example/w"}


def test_nobody_is_told_how_much_an_organisation_sends(room: Room) -> None:
    """An inbox has one reader, to whom nobody else could be shown another log."""
    inbox = room.log(5, Kind.INBOX)
    room.ask()
    assert [one.requests for one in room.witnesses] == [[], [], []]
    assert room.served(inbox) == 5


def test_witnesses_learn_nothing_but_origin_size_root_and_proof(room: Room) -> None:
    log = room.log(5)
    room.ask()
    room.grow(log, 6)
    room.ask()
    first, second = room.witnesses[0].requests
    note = room.row(log).note
    assert first == b"old 0\n\n" + room.row(log, 5).note.encode()
    hashes = "".join(f"{by_hand.b64(one)}\n" for one in by_hand.proof(5, log.leaves))
    assert second == f"old 5\n{hashes}\n{note}".encode()


def test_inside_the_operators_network_only_those_are_asked_who_may_be_there(
    room: Room, settings: Any
) -> None:
    log = room.log(5)
    settings.WITNESS_INTERNAL = frozenset(("one", "two"))
    room.ask()
    assert room.witnesses[2].requests == []
    assert room.cosigners(log) == {"one.example/w", "two.example/w"}
    assert "only https is called" in room.error("three")


def test_a_witness_has_one_turn_at_a_time(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.log(5)
    room.log(6)
    real = witnesses._store

    def store(*arguments: Any) -> None:
        assert witnesses.ask(name="one", clock=lambda: room.now, jitter=0.0) == 0
        real(*arguments)

    monkeypatch.setattr(witnesses, "_store", store)
    assert witnesses.due(now=room.now) == ["one", "three", "two"]
    assert witnesses.ask(name="one", clock=lambda: room.now, jitter=0.0) == 2
    assert len(room.witnesses[0].requests) == 2


def test_a_worker_that_dies_in_its_turn_costs_a_lease(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    log = room.log(5)

    class Killed(BaseException):
        pass

    def die(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(witnesses, "_store", die)
        with pytest.raises(Killed):
            room.ask()
    room.ask("one")
    assert room.cosigners(log) == set()
    room.later(minutes=2)
    room.ask("one")
    # What it had cosigned it cosigns again.
    assert room.cosigners(log) == {"one.example/w"}


def test_without_a_policy_nobody_is_asked_and_the_newest_is_served(room: Room, settings: Any) -> None:
    log = room.log(5)
    room.ask()
    settings.WITNESS_POLICY = None
    room.grow(log, 2)
    assert witnesses.due(now=room.now) == []
    tasks.ask_witnesses()
    assert room.served(log) == 7
    assert Witness.objects.count() == 0


@pytest.mark.parametrize("content", ["", "witness\n", "quorum nobody\n", "log x\nquorum none\n"])
def test_a_policy_that_cannot_be_used_stops_nothing(room: Room, content: str) -> None:
    log = room.log(5)
    room.path.write_text(content)
    assert witnesses.due(now=room.now) == []
    assert room.served(log) == 5
    with pytest.raises(witness_policy.PolicyUnusable, match=str(room.path)):
        witness_policy.current()
    room.path.unlink()
    assert room.served(log) == 5


def test_where_nobody_has_to_cosign_the_newest_is_served_whether_or_not_somebody_did(room: Room) -> None:
    room.path.write_text(room.path.read_text().replace("quorum most", "quorum none"))
    log = room.log(5)
    room.ask()
    assert len(room.cosigners(log)) == 3
    room.grow(log, 1)
    assert room.served(log) == 6


def test_a_witness_that_ends_each_connection_gets_on_all_the_same(room: Room) -> None:
    for _ in range(3):
        room.log(2)
    room.witnesses[0].ends = True
    for _ in range(3):
        room.ask()
        room.later(seconds=11)
    assert set(Witnessed.objects.filter(witness_id="one").values_list("size", flat=True)) == {2}
    assert Witnessed.objects.filter(witness_id="one").count() == 3


@pytest.fixture
def three(tmp_path: Path) -> Iterator[list[Running]]:
    """Our own witnesses, as their partners run them."""
    made = [Running.make(tmp_path, f"lab-{name}.example/w") for name in "abc"]
    with contextlib.ExitStack() as stack:
        for one in made:
            stack.callback(one.stop)
            one.start_process()
        yield made


def test_three_witnesses_of_partners_vouch_and_a_fork_convinces_none(
    room: Room, three: list[Running], monkeypatch: pytest.MonkeyPatch
) -> None:
    log = room.log(40)
    names = ("one", "two", "three")
    for one in three:
        one.knows(log)
    lines = [f"witness {name} {one.vkeys[0]} {one.url}\n" for name, one in zip(names, three, strict=True)]
    room.path.write_text("".join(lines) + "group most 2 one two three\nquorum most\n")
    vkeys = [one.vkeys[0] for one in three]
    room.ask()
    assert room.served(log) == 40
    lines_of = by_hand.cosigner
    for line in room.row(log).cosignatures.splitlines(keepends=True):
        lines_of(line.encode(), vkeys, log.text())
    # One is away: two are enough, and it catches up.
    three[2].stop()
    for _ in range(3):
        room.later(minutes=1)
        room.grow(log, 17)
        room.ask()
        assert room.served(log) == len(log.leaves)
    three[2].start_process()
    room.later(minutes=10)
    room.ask()
    assert len(room.row(log).cosignatures.splitlines()) == 3
    # The operator shows somebody else another log, and asks for its cosignatures.
    shown = len(log.leaves)
    fork = log.fork(at=30).grow(5)
    room.logs[fork.origin] = room.logs[log.origin][0], fork
    for index, leaf in enumerate(fork.leaves):
        sql.execute(
            "INSERT INTO sharing_entry (collection_id, index, added, opening, commitment, is_first, is_last)"
            " VALUES (%s, %s, %s, '', %s, false, false)"
            " ON CONFLICT (collection_id, index) DO UPDATE SET commitment = EXCLUDED.commitment",
            (room.logs[log.origin][0].id, index, index, leaf),
        )
    room.sign(fork)
    room.ask()
    assert room.row(fork).cosignatures == ""
    assert room.served(fork) == shown
    for one in three:
        done = one.status()
        assert "no-proof" in done.out
    assert hashlib.sha256(log.origin.encode()).hexdigest() not in three[0].said


# ------------------------------------------------------------------------------------------------- the desk


@pytest.fixture
def operators(room: Room) -> Client:
    operator = Organization.objects.create(slug="hub", name="Hub", sector="operator", created_at=room.now)
    return signed_in(operator, "analyst")


def test_the_desk_says_who_lags_who_refuses_and_which_log_is_without_a_quorum(
    room: Room, operators: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = room.log(5)
    room.log(6)
    room.ask()
    analyst = Member.objects.get(role="analyst")
    calm = tiles.TILES["witnesses"](analyst, room.now)
    assert (calm.count, calm.urgency) == (0, tiles.CALM)
    room.witnesses[0].behaviour = 503
    room.witnesses[1].latest[log.origin] = (5, bytes(32))
    room.later(minutes=1)
    room.grow(log, 2)
    room.ask()
    soon = tiles.TILES["witnesses"](analyst, room.now)
    assert (soon.count, soon.urgency) == (2, tiles.SOON)
    assert [[cell.text for cell in row][:2] for row in soon.rows] == [
        ["one", "Does not answer"],
        ["two", "Refuses"],
        ["three", "Up to date"],
    ]
    room.later(minutes=25)
    now = tiles.TILES["witnesses"](analyst, room.now)
    assert now.urgency == tiles.NOW
    assert "nothing newer: 1 of the logs" in now.note
    monkeypatch.setattr(timezone, "now", lambda: room.now)
    page = operators.get("/admin/witnesses/").text
    for said in (
        "2 of one, two, three",
        "It answered 503.",
        "It says that this log does not continue",
        "without a quorum",
    ):
        assert said in page


def test_the_desk_says_that_there_are_no_witnesses_or_that_the_policy_is_unusable(
    room: Room, operators: Client, settings: Any
) -> None:
    room.path.write_text("witness\n")
    assert "line 1: not as many words as a witness line has" in operators.get("/admin/witnesses/").text
    assert "No witness is asked" in operators.get("/admin/home/tiles/witnesses/").text
    settings.WITNESS_POLICY = None
    assert "There are no witnesses" in operators.get("/admin/witnesses/").text
    assert "There are no witnesses" in operators.get("/admin/home/tiles/witnesses/").text


def test_the_desks_page_on_witnesses_is_the_operators_alone(room: Room) -> None:
    assert signed_in(room.shop.lab_a, "admin").get("/admin/witnesses/").status_code == 404
