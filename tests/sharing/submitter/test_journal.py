"""The state of a run: what was acknowledged survives a crash; the state of another run is refused."""

import multiprocessing
from dataclasses import replace
from pathlib import Path

import pytest

from sharing.submitter.journal import Acknowledged, Journal, Task, Unusable

TASK = Task("https://intel.example", "frontier", "ndjson", "d1", 500, 2_000_000)
FIRST = Acknowledged(1, "aa", ((1, 3), (5, 2)), submission="s-1")
SECOND = Acknowledged(2, "bb", ((7, 1),), refusal="422 not-json")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Journal.open(tmp_path / "state", TASK) as journal:
        journal.acknowledge(FIRST)
        journal.acknowledge(SECOND)
    return tmp_path / "state"


def test_what_was_acknowledged_is_known_to_the_next_run_under_the_same_id(path: Path) -> None:
    with Journal.open(path, TASK) as journal:
        assert journal.known == {1: FIRST, 2: SECOND}
        run = journal.run
    with Journal.open(path, TASK) as journal:
        assert journal.run == run


def test_every_cut_leaves_a_state_that_can_be_used(path: Path, tmp_path: Path) -> None:
    content = path.read_bytes()
    for length in range(len(content)):
        torn = tmp_path / "torn"
        torn.write_bytes(content[:length])
        with Journal.open(torn, TASK) as journal:
            whole = content[:length].count(b"\n")
            assert [*journal.known] == [1, 2][: max(0, whole - 1)]
            journal.acknowledge(Acknowledged(9, "cc", ((1, 1),)))
        with Journal.open(torn, TASK) as journal:
            assert 9 in journal.known


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"input": "d2"}, "another file"),
        ({"url": "https://other.example"}, "url"),
        ({"community": "allies"}, "community"),
        ({"format": "ocsf"}, "format"),
        ({"batch_lines": 7}, "--batch-lines 500"),
        ({"batch_bytes": 7}, "--batch-bytes 2000000"),
    ],
)
def test_the_state_of_something_else_is_refused_and_left_alone(
    path: Path, change: dict[str, str], said: str
) -> None:
    before = path.read_bytes()

    with pytest.raises(Unusable, match=said), Journal.open(path, replace(TASK, **change)):  # type: ignore[arg-type]
        pass

    assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"precious notes", b'{"a":1}\n', b"\x00\xff\n", b"[]\n"])
def test_a_file_that_is_no_state_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes").write_bytes(content)

    with pytest.raises(Unusable), Journal.open(tmp_path / "notes", TASK):
        pass

    assert (tmp_path / "notes").read_bytes() == content


def test_a_damaged_state_is_said_to_be_so(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b'{"batch":3}\n')

    with pytest.raises(Unusable, match="damaged"), Journal.open(path, TASK):
        pass


def test_a_state_in_a_place_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(Unusable, match="--state"), Journal.open(tmp_path / "no" / "state", TASK):
        pass


def test_without_a_file_nothing_is_known_and_each_run_is_its_own() -> None:
    with Journal.open(None, TASK) as one, Journal.open(None, TASK) as other:
        one.acknowledge(FIRST)
        assert (one.known, other.known) == ({}, {})
        assert one.run != other.run


def _opens(path: Path) -> bool:
    try:
        with Journal.open(path, TASK):
            return True
    except Unusable:
        return False


def test_two_processes_do_not_share_a_state(path: Path) -> None:
    with Journal.open(path, TASK), multiprocessing.get_context("spawn").Pool(1) as pool:
        assert not pool.apply(_opens, (path,))
