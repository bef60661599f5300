"""A reader asks for enough witnesses, and that they have looked lately: the log alone cannot make an old tree fresh."""

from typing import Any, cast

import pytest

from sharing.signing.note_keys import NoteKey
from sharing.tlog.policy import Policy
from sharing.verifier.checkpoint import MAX_AGE, verify_checkpoint
from sharing.verifier.failures import QuorumMissed, Stale
from sharing.verifier.trust import Trust
from tests.sharing.tlog.test_quorum import LOG, NOW, POLICY, by


class Trusted:
    """The log of a test and its witnesses."""

    policy: Policy = POLICY

    def log_keys(self, origin: str) -> list[NoteKey]:
        return [NoteKey.from_vkey(one) for one in LOG.vkeys]


def verify(*lines: bytes, at: int = NOW, **more: Any) -> tuple[str, ...]:
    raw = LOG.note(at=at) + b"".join(lines)
    return verify_checkpoint(raw, origin=LOG.origin, trust=cast(Trust, Trusted()), now=NOW, **more).witnesses


def test_two_of_three_who_looked_today_are_enough() -> None:
    assert verify(by("one"), by("two", NOW - MAX_AGE)) == ("one", "two")


def test_fewer_are_a_missed_quorum() -> None:
    with pytest.raises(QuorumMissed, match="cosigned by one; it takes 2 of one, two, three"):
        verify(by("one"))


def test_an_old_tree_that_the_log_signs_anew_is_stale() -> None:
    old = NOW - MAX_AGE - 1
    with pytest.raises(Stale, match="was signed anew, but too few witnesses did so in the last 24 hours"):
        verify(by("one", old), by("two", old), by("three"))
    # One that may be old may be old.
    assert verify(by("one", old), by("two", old), max_age=None) == ("one", "two")


def test_a_line_that_a_witness_dated_far_ahead_is_not_new_for_ever() -> None:
    with pytest.raises(Stale, match="too few witnesses"):
        verify(by("one", NOW + 10 * MAX_AGE), by("two"))


def test_what_the_log_itself_signed_long_ago_is_stale_whoever_cosigned_it() -> None:
    with pytest.raises(Stale, match="was signed 24 hours ago"):
        verify(by("one"), by("two"), at=NOW - MAX_AGE - 1)
