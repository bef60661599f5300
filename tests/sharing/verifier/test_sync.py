"""A partner follows a feed from a mirror that nobody trusts: what is honest is taken in, each attack has its code."""

import json
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sharing.signing import base64url, keys
from sharing.signing.jws import sign_object
from sharing.tlog import notes
from sharing.tlog.notes import Note, NoteSignature
from sharing.trust.store import TrustStore
from sharing.verifier.cli import main
from sharing.verifier.failures import OutOfOrder
from sharing.verifier.feed import FILE, Feed
from sharing.verifier.source import Mirror, Position
from sharing.verifier.sync import Sync
from tests.sharing.verifier.log_simulator import ORIGIN, RED, an_address, an_indicator, restate
from tests.sharing.verifier.publisher import COLLECTION, Publisher, Reader, changed

TWO_OF_THREE = b"group those 2 one.example two.example three.example\nquorum those\n"


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    """Ten entries on three pages."""
    publisher = Publisher(tmp_path / "mirror")
    for number in range(10):
        publisher.publish(an_indicator(number))
    publisher.write()
    return publisher


@pytest.fixture
def reader(publisher: Publisher, tmp_path: Path) -> Reader:
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    return reader


def names(reader: Reader, view: str = "latest") -> list[str]:
    return [str(one["name"]).removeprefix("Résumé ") for one in reader.objects(view)]


# Honest feeds


def test_a_feed_is_taken_in_whole_and_then_followed(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reader.sync() == 0
    assert "10 objects in all 10 entries" in capsys.readouterr().out
    assert names(reader) == list("0123456789")

    publisher.publish(an_indicator(3, modified="2026-02-01T00:00:00Z", revoked=True))
    publisher.publish(an_address(1))
    publisher.write()
    assert reader.sync("--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["size"], told["objects"], told["new_objects"]) == (True, 12, 11, 2)
    assert [one["revoked"] for one in reader.objects() if one["id"] == an_indicator(3)["id"]] == [True]
    assert len(reader.objects("history")) == 12


def test_the_newest_version_is_the_latest_in_time_whatever_its_precision_and_place(
    publisher: Publisher, reader: Reader
) -> None:
    publisher.publish(an_indicator(20, modified="2026-01-05T00:00:00.5Z", name="newest"))
    publisher.publish(an_indicator(20, modified="2026-01-05T00:00:00Z", name="older"))
    publisher.write()
    assert reader.sync() == 0
    assert names(reader)[-1] == "newest"


def test_entries_beyond_the_checkpoint_wait_for_the_next_one(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.write(7)
    assert reader.sync() == 0
    assert "1 more entries wait" in capsys.readouterr().out  # the rest of the second page
    assert names(reader) == list("0123456")
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("0123456789")


def test_what_is_withdrawn_is_erased_from_the_copy_to_the_last_byte(
    publisher: Publisher, reader: Reader
) -> None:
    secret = "only-entry-two-says-this"
    publisher.publish(an_indicator(30, name=secret))
    publisher.write()
    assert reader.sync() == 0
    assert secret.encode() in (reader.out / "feed.sqlite3").read_bytes()

    publisher.withdraw(10, reason="legal")
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("0123456789")
    for path in reader.out.rglob("*"):
        assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_what_was_erased_before_the_reader_came_is_only_a_tombstone(
    publisher: Publisher, reader: Reader
) -> None:
    publisher.withdraw(1)
    publisher.withdraw(9)
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("02345678")


def test_an_erasure_that_the_checkpoint_does_not_prove_yet_is_owed(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.withdraw(1)
    publisher.write(10)
    assert reader.sync("--json") == 0
    assert json.loads(capsys.readouterr().out)["owed"] == 1
    publisher.write()
    assert reader.sync("--json") == 0
    assert json.loads(capsys.readouterr().out)["owed"] == 0


def test_objects_are_exported_as_lines_and_as_a_bundle(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.publish(an_address(1))
    publisher.write()
    reader.sync()
    capsys.readouterr()
    assert main(["verify", "export", str(reader.out)]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 11
    assert main(["verify", "export", str(reader.out), "--format", "bundle", "--type", "ipv4-addr"]) == 0
    bundle = json.loads(capsys.readouterr().out)
    assert (bundle["type"], [one["value"] for one in bundle["objects"]]) == ("bundle", ["192.0.2.1"])
    assert main(["verify", "export", str(reader.folder)]) == 2


def test_one_folder_is_for_one_feed_and_one_writer(publisher: Publisher, reader: Reader) -> None:
    assert reader.sync() == 0
    with Feed.open(reader.out):
        assert reader.sync() == 2
    (reader.out / "feed.sqlite3").write_bytes(b"SQLite format 3\0 and then garbage")
    assert reader.sync() == 2


@pytest.mark.slow
def test_a_sync_that_is_killed_at_any_moment_goes_on_without_loss_or_doubling(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "mirror", page_size=100)
    for number in range(3_000):
        publisher.publish(an_indicator(number))
    for number in range(0, 3_000, 100):
        publisher.withdraw(number)
    publisher.write()
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    chance = Random(20261122)
    options = ["--out", str(reader.out), "--home", str(reader.home)]
    command = [sys.executable, "-m", "sharing.verifier", "verify", "sync", COLLECTION, *options]
    for _ in range(8):
        running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        while not reader.out.exists() and running.poll() is None:
            time.sleep(0.01)
        time.sleep(chance.uniform(0, 0.4))
        running.send_signal(signal.SIGKILL)
        running.wait()
    assert reader.sync() == 0
    assert len(names(reader)) == len(set(names(reader))) == 2_970


# Attacks on pages, by a mirror

Attack = Callable[[dict[str, Any], list[Any]], object]


def _dropped_with_its_entry(page: dict[str, Any], entries: list[Any]) -> None:
    page["objects"].pop(1)
    entries.pop(1)
    page["x_stillwatch_log"]["end"] -= 1


def _swapped(page: dict[str, Any], entries: list[Any]) -> None:
    page["objects"][0], page["objects"][1] = page["objects"][1], page["objects"][0]
    entries[0], entries[1] = entries[1], entries[0]
    times = [json.loads(one["stmt"])["added"] for one in entries[:2]]
    for one, added in zip(entries, sorted(times), strict=False):
        restate(one, added=added)


@pytest.mark.parametrize(
    ("code", "attack"),
    [
        (11, lambda page, entries: page["objects"][1].update(name="another")),
        (11, lambda page, entries: restate(entries[1], tlp="clear")),
        (11, lambda page, entries: restate(entries[1], sub=base64url.encode(b"x" * 32))),
        (12, lambda page, entries: page["objects"].pop(1)),
        (12, _dropped_with_its_entry),
        (10, lambda page, entries: entries[1].pop("jws")),
        (10, lambda page, entries: entries[1].update(jws=entries[2]["jws"])),
        (20, lambda page, entries: entries[1].update(salt="no salt")),
        (11, lambda page, entries: page["x_stillwatch_log"].update(origin="evil.example/log/" + COLLECTION)),
    ],
    ids=["field", "tlp", "submitter", "object", "entry", "strip-jws", "swap-jws", "malformed", "origin"],
)
def test_a_page_that_a_mirror_changed_is_found_out_and_nothing_of_it_is_shown(
    publisher: Publisher, reader: Reader, code: int, attack: Attack
) -> None:
    publisher.write(4)
    assert reader.sync() == 0
    publisher.write()
    changed(publisher, 4, attack)
    assert reader.sync() == code
    assert names(reader) == list("0123")
    assert "checkpoint" in reader.evidence()
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("0123456789")


def test_a_submitter_exchanged_in_the_statement_is_named_by_its_index(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    changed(publisher, 4, lambda _, entries: restate(entries[1], sub=base64url.encode(b"x" * 32)))
    assert reader.sync() == 11
    assert "entry 5: not the entry that the log holds here" in capsys.readouterr().err


def test_entries_that_changed_places_are_out_of_order(publisher: Publisher, reader: Reader) -> None:
    entries = publisher.entries
    entries[5], entries[6] = entries[6], entries[5]
    hostile = publisher.fork()
    entries[5], entries[6] = entries[6], entries[5]
    page = json.loads(hostile.page(4, 8))
    publisher.put("pages/4.json", json.dumps(page).encode())
    assert reader.sync() == 13


def test_an_entry_left_out_and_the_rest_moved_up_is_dropped(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoint = publisher.signed()
    hostile = publisher.fork()
    del hostile.entries[5]
    hostile.publish(an_indicator(50))
    hostile.write(checkpoint=checkpoint)
    publisher.write_tiles(10)
    assert reader.sync() == 12
    assert "entry 5: left out of the pages" in capsys.readouterr().err


def test_an_entry_put_in_is_altered(publisher: Publisher, reader: Reader) -> None:
    hostile = publisher.fork()
    hostile.now -= 100
    hostile.publish(an_indicator(60))
    hostile.entries.insert(0, hostile.entries.pop())
    hostile.write(checkpoint=publisher.signed())
    publisher.write_tiles(10)
    assert reader.sync() == 11


def test_swapped_pages_are_out_of_order(publisher: Publisher, reader: Reader) -> None:
    first, second = publisher.path("pages/0.json"), publisher.path("pages/4.json")
    one, two = first.read_bytes(), second.read_bytes()
    first.write_bytes(two)
    second.write_bytes(one)
    assert reader.sync() == 13


@pytest.mark.parametrize("kept", [[], [[0, 4]], [[0, 4], [8, 10]]])
def test_a_hidden_tail_or_page_is_dropped(
    publisher: Publisher, reader: Reader, kept: list[list[int]]
) -> None:
    publisher.put("pages/index.json", json.dumps({"v": 1, "pages": kept}).encode())
    assert reader.sync() == 12


def test_a_tombstone_without_a_withdrawal_is_tampering(publisher: Publisher, reader: Reader) -> None:
    def attack(withdrawn_by: int) -> Attack:
        commit = base64url.encode(publisher.entries[1].commit)

        def change(page: dict[str, Any], entries: list[Any]) -> None:
            page["objects"].pop(1)
            entries[1] = {"commit": commit, "withdrawn_by": withdrawn_by}

        return change

    for withdrawn_by in (3, 6, 12):
        publisher.write()
        changed(publisher, 0, attack(withdrawn_by))
        assert reader.sync() == 12


def test_a_forged_withdrawal_beyond_the_checkpoint_is_found_out_by_the_next_one(
    publisher: Publisher, reader: Reader
) -> None:
    hostile = publisher.fork()
    hostile.withdraw(1)
    hostile.write(10, checkpoint=publisher.signed(10))
    assert reader.sync() == 0
    assert len(names(reader)) == 9
    # An hour later the log has still not written what was told: it never did.
    with closing(sqlite3.connect(reader.out / FILE)) as database, database:
        database.execute("UPDATE entry SET told = told - 3600 WHERE position = 1")
    assert reader.sync() == 12
    # Whoever tells the truth heals the copy: that it grew, or only that nothing was erased.
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("0123456789")
    publisher.publish(an_indicator(70))
    publisher.write()
    assert reader.sync() == 0
    assert len(names(reader)) == 11


@pytest.mark.parametrize("growth", [1, 8])
def test_a_forged_withdrawal_beyond_the_checkpoint_is_healed_when_the_log_grows_over_it(
    publisher: Publisher, reader: Reader, growth: int
) -> None:
    hostile = publisher.fork()
    hostile.publish(an_indicator(60))
    hostile.withdraw(1)
    hostile.write(10, checkpoint=publisher.signed(10))
    assert reader.sync() == 0
    for number in range(70, 70 + growth):
        publisher.publish(an_indicator(number))
    publisher.write()
    assert reader.sync("--json") == 0
    assert len(names(reader)) == 10 + growth
    fresh = Reader(publisher, reader.folder / "fresh")
    assert (fresh.init(), fresh.sync()) == (0, 0)
    assert fresh.objects() == reader.objects()


def test_a_forged_withdrawal_in_the_place_of_the_true_one_is_healed(
    publisher: Publisher, reader: Reader
) -> None:
    hostile = publisher.fork()
    hostile.publish(an_indicator(60))
    hostile.withdraw(1)
    hostile.write(10, checkpoint=publisher.signed(10))
    assert reader.sync() == 0
    publisher.withdraw(1)
    publisher.publish(an_indicator(71))
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == [*"023456789", "71"]


def test_nothing_that_is_here_is_erased_before_a_checkpoint_proves_its_withdrawal(
    publisher: Publisher, reader: Reader
) -> None:
    assert reader.sync() == 0
    publisher.publish(an_indicator(10))
    hostile = publisher.fork()
    hostile.withdraw(1)
    hostile.write(11, checkpoint=publisher.signed(11))
    assert reader.sync() == 0
    assert len(names(reader)) == 11
    publisher.publish(an_indicator(70))
    publisher.write()
    assert reader.sync() == 0
    assert len(names(reader)) == 12


def test_an_erasure_by_an_entry_far_beyond_the_checkpoint_is_no_reason_to_read_for_ever(
    publisher: Publisher, reader: Reader
) -> None:
    commit = base64url.encode(publisher.entries[1].commit)

    def attack(page: dict[str, Any], entries: list[Any]) -> None:
        page["objects"].pop(1)
        entries[1] = {"commit": commit, "withdrawn_by": 2**40}

    changed(publisher, 0, attack)
    assert reader.sync() == 12


class Cursors:
    """A hostile service: the same page again and again, each time with another cursor."""

    def __init__(self, publisher: Publisher) -> None:
        self.publisher, self.asked = publisher, 0

    def checkpoint(self) -> bytes:
        return self.publisher.signed()

    def tile(self, tile: Any) -> bytes:
        return self.publisher.tile(tile)

    def page(self, at: Position) -> bytes:
        self.asked += 1
        assert self.asked < 50, "it would ask for ever"
        page = json.loads(self.publisher.page(0, 4))
        return json.dumps({**page, "more": True, "next": f"cursor-{self.asked}"}).encode()


def test_pages_that_go_round_in_a_circle_under_ever_new_cursors_end(
    publisher: Publisher, reader: Reader
) -> None:
    store = TrustStore(reader.home)
    store.recall(datetime.now(UTC))
    source = Cursors(publisher)
    with Feed.open(reader.out) as feed, pytest.raises(OutOfOrder):
        Sync(source, feed, store, collection=COLLECTION, clock=lambda: int(time.time())).run()


# Attacks on the checkpoint


def test_stripped_lines_of_the_log_are_bad_signatures(publisher: Publisher, reader: Reader) -> None:
    for lines in ((0,), (1,)):
        publisher.put("checkpoint", publisher.signed(lines=lines))
        assert reader.sync() == 10


def test_a_forged_size_is_a_bad_signature(publisher: Publisher, reader: Reader) -> None:
    raw = publisher.signed().replace(b"\n10\n", b"\n9\n", 1)
    publisher.put("checkpoint", raw)
    assert reader.sync() == 10
    assert reader.evidence()["checkpoint"] == raw


def test_what_is_no_checkpoint_is_malformed_and_that_of_another_log_is_not_ours(
    publisher: Publisher, reader: Reader
) -> None:
    publisher.put("checkpoint", b"nothing")
    assert reader.sync() == 20
    raw = publisher.signed().replace(COLLECTION.encode(), b"0" + COLLECTION.encode()[1:])
    publisher.put("checkpoint", raw)
    assert reader.sync() == 11


def test_an_old_checkpoint_is_stale_and_one_of_the_future_too(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher.put("checkpoint", publisher.signed(age=25 * 3600))
    assert reader.sync() == 16
    assert "signed 25 hours ago" in capsys.readouterr().err
    assert reader.sync("--max-age", "2d") == 0
    assert reader.sync("--max-age", "90m") == 16
    publisher.put("checkpoint", publisher.signed(age=-3600))
    assert reader.sync() == 16


def test_a_smaller_checkpoint_is_a_rollback_also_for_a_new_folder(
    publisher: Publisher, reader: Reader
) -> None:
    assert reader.sync() == 0
    publisher.put("checkpoint", publisher.signed(7))
    assert reader.sync() == 14
    evidence = reader.evidence()
    assert evidence["checkpoint-new"] == publisher.path("checkpoint").read_bytes()
    assert b"\n10\n" in evidence["checkpoint-known"]
    reader.out = reader.folder / "another"
    assert reader.sync() == 14


def test_another_root_at_the_same_size_is_a_fork(publisher: Publisher, reader: Reader) -> None:
    assert reader.sync() == 0
    hostile = publisher.fork()
    del hostile.entries[-1]
    hostile.publish(an_indicator(99))
    hostile.write()
    assert reader.sync() == 15


def test_a_longer_log_with_another_beginning_is_a_fork_that_is_proved(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reader.sync() == 0
    hostile = publisher.fork()
    del hostile.entries[-1]
    for number in range(90, 95):
        hostile.publish(an_indicator(number))
    hostile.write()
    assert reader.sync() == 15
    assert "two histories" in capsys.readouterr().err
    assert {"checkpoint-known", "checkpoint-new", "consistency.txt", "sentence.txt"} <= set(reader.evidence())


def test_a_fork_is_known_by_what_the_home_remembers_when_the_folder_is_new(
    publisher: Publisher, reader: Reader
) -> None:
    assert reader.sync() == 0
    hostile = publisher.fork()
    del hostile.entries[-1]
    for number in range(90, 95):
        hostile.publish(an_indicator(number))
    hostile.write()
    reader.out = reader.folder / "another"
    assert reader.sync() == 15


def test_a_fork_without_any_proof_is_a_fork_too(publisher: Publisher, reader: Reader) -> None:
    assert reader.sync() == 0
    hostile = publisher.fork()
    del hostile.entries[-1]
    for number in range(90, 95):
        hostile.publish(an_indicator(number))
    hostile.write()
    for path in hostile.path("tile").rglob("*"):
        if path.is_file():
            path.unlink()
    assert reader.sync() == 15


def test_too_few_witnesses_miss_the_quorum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher = Publisher(
        tmp_path / "mirror",
        witnesses=["one.example", "two.example", "three.example"],
        policy=TWO_OF_THREE,
    )
    publisher.publish(an_indicator(1))
    publisher.write()
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    publisher.put("checkpoint", publisher.signed(cosigned_by=["two.example"]))
    assert reader.sync() == 17
    assert "2 of one.example, two.example, three.example" in capsys.readouterr().err
    # A line that says it is a witness's and is not counts for nothing.
    note = notes.read(publisher.signed(cosigned_by=["one.example", "two.example"]))
    last = note.signatures[-1]
    forged = (*note.signatures[:-1], NoteSignature(last.name, last.key_id, b"\0" * 72))
    publisher.put("checkpoint", bytes(Note(note.text, forged)))
    assert reader.sync() == 17
    publisher.put("checkpoint", publisher.signed(cosigned_by=["one.example", "three.example"]))
    assert reader.sync() == 0
    assert "cosigned by one.example, three.example" in capsys.readouterr().out


def test_a_log_that_has_no_witnesses_is_followed_on_its_own_word_only_when_that_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    publisher = Publisher(
        tmp_path / "mirror",
        witnesses=["one.example", "two.example", "three.example"],
        policy=TWO_OF_THREE,
    )
    publisher.publish(an_indicator(1))
    publisher.write(checkpoint=publisher.signed(cosigned_by=[]))
    reader = Reader(publisher, tmp_path / "reader")
    assert (reader.init(), reader.sync()) == (0, 17)
    assert reader.sync("--without-witnesses") == 0
    assert "WITNESSES NOT ASKED FOR" in capsys.readouterr().out
    assert reader.sync("--without-witnesses", "--json") == 0
    assert json.loads(capsys.readouterr().out)["witnessed"] is False
    # All else is asked for as ever, and the next run asks for them again.
    publisher.put("checkpoint", publisher.signed(cosigned_by=[], age=25 * 3600))
    assert reader.sync("--without-witnesses") == 16
    publisher.put("checkpoint", publisher.signed(cosigned_by=[], lines=[0]))
    assert reader.sync("--without-witnesses") == 10
    publisher.put("checkpoint", publisher.signed(cosigned_by=[]))
    assert reader.sync() == 17
    bundle = tmp_path / "bundle.json"
    bundle.write_bytes(publisher.bundle(0, publisher.signed(cosigned_by=[])))
    assert reader.run("verify", "bundle", str(bundle)) == 17
    assert reader.run("verify", "bundle", str(bundle), "--without-witnesses") == 0


def test_a_run_that_takes_longer_than_clocks_may_differ_is_followed_by_the_clock(
    publisher: Publisher, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    publisher.write(7)
    honest, asked, late = Mirror.checkpoint, [], 0

    def checkpoint(self: Mirror) -> bytes:
        nonlocal late
        asked.append(1)
        if len(asked) == 2:
            # The pages took six minutes; the log was signed again since.
            late = 360
            publisher.clock += late
            publisher.write()
        return honest(self)

    now = time.time
    monkeypatch.setattr(Mirror, "checkpoint", checkpoint)
    monkeypatch.setattr(time, "time", lambda: now() + late)

    assert reader.sync() == 0
    assert len(asked) == 2
    assert len(names(reader)) == 10


# Keys, trust root, ceiling


def test_a_revoked_key_counts_up_to_its_index_and_what_it_signed_since_must_be_signed_anew(
    publisher: Publisher, reader: Reader
) -> None:
    assert reader.sync() == 0
    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 6})
    second = keys.generate()
    publisher.trust.object_keys.append(second)
    publisher.republish_trust()
    assert reader.sync() == 18
    for entry in publisher.entries[6:]:
        opening = json.loads(entry.opening)
        assert entry.body is not None
        opening["jws"] = sign_object(second, entry.body)
        entry.opening = json.dumps(opening).encode()
    publisher.write()
    assert reader.sync() == 0
    fresh = Reader(publisher, reader.folder / "fresh")
    assert (fresh.init(), fresh.sync()) == (0, 0)


def revoked_from(publisher: Publisher, index: int) -> None:
    """The key that signs objects is revoked from this index on; what it signed since has another's signature."""
    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: index})
    publisher.signer = keys.generate()
    publisher.trust.object_keys.append(publisher.signer)
    publisher.republish_trust()
    for entry in publisher.entries[index:]:
        if entry.body is not None:
            opening = json.loads(entry.opening) | {"jws": sign_object(publisher.signer, entry.body)}
            entry.opening = json.dumps(opening).encode()


def test_what_is_withdrawn_while_signatures_are_made_anew_is_owed_until_a_checkpoint_proves_it(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    assert reader.sync() == 0
    revoked_from(publisher, 6)
    publisher.withdraw(8)
    publisher.write(10)
    capsys.readouterr()
    for _ in range(2):
        assert reader.sync("--json") == 0
        assert json.loads(capsys.readouterr().out)["owed"] == 1
        assert names(reader) == list("0123456789")
    mirror = reader.folder / "mirror"
    assert reader.run("mirror", COLLECTION, "--out", str(mirror)) == 0
    fresh = Reader(publisher, reader.folder / "fresh", at=mirror)
    assert (fresh.init(), fresh.sync()) == (0, 0)
    publisher.write()
    capsys.readouterr()
    assert reader.sync("--json") == 0
    assert json.loads(capsys.readouterr().out)["owed"] == 0
    assert names(reader) == list("012345679")
    assert reader.run("mirror", COLLECTION, "--out", str(mirror)) == 0
    assert fresh.sync() == 0
    assert fresh.objects() == reader.objects()


def test_a_withdrawal_that_is_made_up_in_place_of_a_new_signature_is_found_out(
    publisher: Publisher, reader: Reader
) -> None:
    assert reader.sync() == 0
    revoked_from(publisher, 6)
    hostile = publisher.fork()
    hostile.withdraw(8)
    hostile.write(10, checkpoint=publisher.signed(10))
    assert reader.sync() == 0
    with closing(sqlite3.connect(reader.out / FILE)) as database, database:
        database.execute("UPDATE entry SET told = told - 3600 WHERE position = 8")
    assert reader.sync() == 12
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("0123456789")
    # By an entry that the log has, and that withdraws nothing.
    assert reader.run("mirror", COLLECTION, "--out", str(reader.folder / "mirror")) == 0


def test_a_mirror_that_shows_no_later_checkpoint_cannot_promise_a_withdrawal_for_long(
    publisher: Publisher, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Openings of what is erased bear no signature: without a key anybody may make one up."""
    assert reader.sync() == 0
    revoked_from(publisher, 6)
    hostile = publisher.fork()
    hostile.withdraw(8)
    hostile.write(10, checkpoint=publisher.signed(10))
    real = time.time
    assert reader.sync() == 0
    monkeypatch.setattr(time, "time", lambda: real() + 19 * 60)
    assert reader.sync() == 0
    monkeypatch.setattr(time, "time", lambda: real() + 21 * 60)
    assert reader.sync() == 12
    publisher.write()
    assert reader.sync() == 0
    assert names(reader) == list("0123456789")


def test_a_key_that_nobody_knows_is_refused(publisher: Publisher, reader: Reader) -> None:
    publisher.signer = keys.generate()
    publisher.publish(an_indicator(40))
    publisher.write()
    assert reader.sync() == 18


def test_nothing_above_the_ceiling_of_the_trust_root_is_taken_in(
    publisher: Publisher, reader: Reader
) -> None:
    publisher.publish(an_indicator(40, object_marking_refs=[RED]), tlp="red")
    publisher.write()
    assert reader.sync() == 21


def test_a_root_that_is_not_the_publishers_is_refused(publisher: Publisher, tmp_path: Path) -> None:
    other = Publisher(tmp_path / "other")
    reader = Reader(other, tmp_path / "misled", at=publisher.folder)
    assert reader.init() == 19


def test_without_a_trust_root_or_a_source_nothing_is_decided(
    publisher: Publisher, reader: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stranger = Reader(publisher, tmp_path / "stranger")
    assert stranger.sync("--from", str(publisher.folder)) == 19
    assert "verify init" in capsys.readouterr().err
    publisher.path("checkpoint").unlink()
    assert reader.sync() == 3
    assert reader.sync("--from", str(tmp_path / "nowhere")) == 2
    assert reader.run("verify", "sync", "no-collection", "--out", str(reader.out)) == 2
