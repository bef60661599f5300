"""Whether enough witnesses cosigned a checkpoint: two of three, with lines that were made by hand."""

import time
from collections.abc import Callable

import pytest

from sharing.tlog import quorum
from sharing.tlog.notes import MalformedNote
from sharing.tlog.policy import Policy
from sharing.tlog.quorum import QuorumMissed
from tests.sharing.witness.by_hand import Log
from tests.sharing.witness.simulator import Simulator, _flipped

LOG = Log("log.example/1").grow(5)
WITNESSES = {
    name: Simulator(f"{name}.example/w", kind=kind) for name, kind in (("one", 6), ("two", 4), ("three", 6))
}
POLICY = Policy.read(
    (
        "".join(f"witness {name} {one.vkey}\n" for name, one in WITNESSES.items())
        + "group most 2 one two three\nquorum most\n"
    ).encode()
)
NOW = int(time.time())


def note(*lines: bytes) -> bytes:
    """The log's checkpoint with these lines behind its own."""
    return LOG.note() + b"".join(lines)


def by(name: str, at: int = NOW, log: Log = LOG) -> bytes:
    return WITNESSES[name].line(log.text(), at)


@pytest.mark.parametrize(
    "names", [("one", "two"), ("two", "three"), ("three", "one"), ("one", "two", "three")]
)
def test_two_of_three_are_enough_and_are_named_with_their_times(names: tuple[str, ...]) -> None:
    assert quorum.require(note(*map(by, names)), POLICY) == dict.fromkeys(names, NOW)


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ((), "cosigned by nobody"),
        ((by("one"),), "cosigned by one only"),
        # One witness is one, however often it signs.
        ((by("one"), by("one", NOW + 1)), "cosigned by one only"),
        # What strangers sign, or a witness's name with another key, is nobody's.
        ((by("one"), Simulator("x.example").line(LOG.text())), "cosigned by one only"),
        ((by("one"), Simulator("two.example/w", kind=4).line(LOG.text())), "cosigned by one only"),
        # A line that says no time says nothing about when.
        ((by("one"), by("two", 0)), "cosigned by one only"),
    ],
)
def test_fewer_are_not_enough_and_the_sentence_says_who_is_needed(
    lines: tuple[bytes, ...], sentence: str
) -> None:
    with pytest.raises(QuorumMissed, match=f"{sentence}; it takes 2 of one, two, three"):
        quorum.require(note(*lines), POLICY)


@pytest.mark.parametrize(
    "wrong",
    [
        _flipped(by("three")),
        by("three", log=Log("log.example/1").grow(6)),
        by("three", log=Log("log.example/2").grow(5)),
        by("three", 2**63),
    ],
)
def test_a_wrong_line_counts_as_none_for_anybody_could_have_added_it(wrong: bytes) -> None:
    assert set(quorum.require(note(by("one"), by("two"), wrong), POLICY)) == {"one", "two"}
    with pytest.raises(QuorumMissed, match="cosigned by one only"):
        quorum.require(note(by("one"), wrong), POLICY)


def test_an_old_tree_that_the_log_signs_anew_is_not_fresh_unless_its_witnesses_say_so() -> None:
    stale = note(by("one", NOW - 90_000), by("two", NOW - 90_000), by("three"))
    assert set(quorum.require(stale, POLICY)) == set(WITNESSES)
    with pytest.raises(QuorumMissed, match="cosigned by three only since then"):
        quorum.require(stale, POLICY, since=NOW - 86_400)
    with pytest.raises(QuorumMissed, match="cosigned by nobody since then"):
        quorum.require(note(by("one", 5), by("two", 5)), POLICY, since=NOW)
    # Its latest word counts.
    renewed = note(by("one", 5), by("one"), by("two"))
    assert quorum.require(renewed, POLICY, since=NOW) == {"one": NOW, "two": NOW}


def test_without_witnesses_nobody_is_needed() -> None:
    assert quorum.require(note(), Policy.read(b"quorum none\n")) == {}


@pytest.mark.parametrize(
    "spoil", [lambda raw: raw[:-1], lambda raw: b"", lambda raw: raw.replace(b"\n\n", b"\n")]
)
def test_what_is_no_note_is_malformed(spoil: Callable[[bytes], bytes]) -> None:
    with pytest.raises(MalformedNote):
        quorum.require(spoil(note(by("one"))), POLICY)
