"""What a partner's machine remembers, and to whom it shows its token."""

import http.server
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from sharing.verifier import home
from sharing.verifier.checkpoint import SignedCheckpoint
from sharing.verifier.failures import Altered, Fork, VerificationFailed
from tests.sharing.verifier.log_simulator import LogSimulator, an_indicator
from tests.sharing.verifier.publisher import COLLECTION, Publisher, Reader


def _signed(log: LogSimulator, size: int) -> SignedCheckpoint:
    return SignedCheckpoint(log.signed_checkpoint(size, timestamp=1), log.tree(size), 1, (), is_vouched=True)


def test_a_slower_sync_beside_does_not_take_back_what_is_believed(tmp_path: Path) -> None:
    log = LogSimulator()
    for number in range(3):
        log.publish(an_indicator(number))
    believed = _signed(log, 3)
    home.remember(tmp_path, believed)
    home.remember(tmp_path, _signed(log, 2))
    assert home.checkpoints_in(tmp_path) == [believed.raw]
    other = LogSimulator()
    for number in range(4, 7):
        other.publish(an_indicator(number))
    with pytest.raises(Fork):
        home.remember(tmp_path, _signed(other, 3))


def test_the_service_and_the_verifier_have_homes_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STILLWATCH_HOME", str(tmp_path / "service"))
    assert home.default() != tmp_path / "service"
    monkeypatch.setenv("STILLWATCH_VERIFIER_HOME", str(tmp_path / "verifier"))
    assert home.default() == tmp_path / "verifier"


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    publisher = Publisher(tmp_path / "service")
    publisher.publish(an_indicator(1))
    publisher.write()
    return publisher


@pytest.fixture
def hostile(publisher: Publisher) -> Iterator[tuple[str, list[str | None]]]:
    """A mirror that notes what tokens it is sent."""
    heard: list[str | None] = []

    class Hostile(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers.get("Authorization"))
            super().do_GET()

        def log_message(self, *_: object) -> None: ...

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(Hostile, directory=str(publisher.folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()
    server.server_close()


def test_the_token_of_the_environment_is_shown_to_no_mirror(
    publisher: Publisher,
    hostile: tuple[str, list[str | None]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, heard = hostile
    monkeypatch.setenv("STILLWATCH_TOKEN", "a-secret")
    reader = Reader(publisher, tmp_path / "reader")
    assert (reader.init(), reader.sync("--from", address)) == (0, 0)
    log = f"{address}/trust/log/{COLLECTION}"
    assert reader.run("gossip", str(reader.home), address, log) == 0
    assert heard
    assert set(heard) == {None}
    token = tmp_path / "token"
    token.write_text("another")
    assert reader.sync("--from", address, "--token-file", str(token)) == 0
    assert heard[-1] == "Bearer another"
    # Where the home was told to look, it is sent.
    reader = Reader(publisher, tmp_path / "second", at=address)
    assert (reader.init(), reader.sync()) == (0, 0)
    assert heard[-1] == "Bearer a-secret"


def test_a_mirror_whose_checkpoint_is_no_text_does_not_break_gossip(
    publisher: Publisher, hostile: tuple[str, list[str | None]], tmp_path: Path
) -> None:
    address, _ = hostile
    reader = Reader(publisher, tmp_path / "reader")
    assert (reader.init(), reader.sync()) == (0, 0)
    publisher.put("checkpoint", b"\xff\xfe\n")
    log = f"{address}/trust/log/{COLLECTION}"
    assert reader.run("gossip", str(reader.home), log, address) == 20


def _failure(sentence: str, checkpoint: bytes, page: bytes = b"") -> VerificationFailed:
    return Altered(sentence, evidence={"checkpoint": checkpoint, "page.json": page})


def test_evidence_of_what_was_found_before_is_not_written_again(tmp_path: Path) -> None:
    hour = datetime(2026, 1, 1, tzinfo=UTC)
    first = home.keep_evidence(tmp_path, _failure("one", b"a/log/1\n7\n"), hour)
    assert first is not None
    # An hour later the log has signed again.
    again = home.keep_evidence(tmp_path, _failure("one", b"a/log/1\n8\n"), hour + timedelta(hours=1))
    assert again == first
    assert (first / "checkpoint").read_bytes() == b"a/log/1\n7\n"
    for other in (_failure("two", b"a/log/1\n7\n"), _failure("one", b"a/log/2\n7\n")):
        hour += timedelta(hours=2)
        assert home.keep_evidence(tmp_path, other, hour) not in (None, first)
    assert len(list((tmp_path / "evidence").iterdir())) == 3


def test_the_oldest_evidence_goes_and_what_proves_a_fork_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def kept() -> list[str]:
        return [
            (one / "sentence.txt").read_text().split(": ")[1].strip()
            for one in sorted((tmp_path / "evidence").iterdir())
        ]

    begun = datetime(2026, 1, 1, tzinfo=UTC)
    known = b"a/log/1\n7\nroot\n"
    forks = {
        "roots": {"checkpoint-known": known, "checkpoint-new": b"a/log/1\n7\nanother\n"},
        "tree": {"checkpoint-known": known, "checkpoint-new": b"a/log/1\n9\nr\n", "consistency.txt": b"-"},
        # Whoever keeps the tiles to themselves has this said, without any key.
        "words": {"checkpoint-known": known, "checkpoint-new": b"a/log/1\n9\nr\n"},
    }
    for number, (sentence, evidence) in enumerate(forks.items()):
        fork = Fork(sentence, evidence=evidence)
        home.keep_evidence(tmp_path, fork, begun + timedelta(minutes=number))
    for number in range(home.MOST_KEPT + 5):
        home.keep_evidence(tmp_path, _failure(f"{number}", b"a"), begun + timedelta(hours=1 + number))
    assert kept() == ["roots", "tree", *(f"{number}" for number in range(5, home.MOST_KEPT + 5))]
    monkeypatch.setattr(home, "MOST_KEPT_BYTES", 2_000)
    home.keep_evidence(tmp_path, _failure("large", b"a", b"x" * 1_500), begun + timedelta(days=9))
    assert kept()[:2] == ["roots", "tree"]
    assert kept()[-1] == "large"
    home.keep_evidence(tmp_path, _failure("larger", b"a", b"x" * 3_000), begun + timedelta(days=10))
    assert kept() == ["roots", "tree", "larger"]


def test_another_fork_in_the_same_words_is_kept_too(tmp_path: Path) -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    known = b"a/log/1\n7\nroot\n"
    places = {
        home.keep_evidence(
            tmp_path,
            Fork("two roots", evidence={"checkpoint-known": known, "checkpoint-new": b"a/log/1\n7\n" + root}),
            begun + timedelta(hours=number),
        )
        for number, root in enumerate((b"second\n", b"third\n", b"second\nsigned anew\n"))
    }
    assert len(places) == 2


def test_what_somebody_else_put_beside_the_evidence_is_theirs(tmp_path: Path) -> None:
    begun = datetime(2026, 1, 1, tzinfo=UTC)
    theirs = tmp_path / "evidence" / "0-for-the-lawyers"
    theirs.mkdir(parents=True)
    (theirs / "note.txt").write_text("seen on Monday")
    for number in range(home.MOST_KEPT + 5):
        home.keep_evidence(tmp_path, _failure(f"{number}", b"a"), begun + timedelta(hours=number))
    assert (theirs / "note.txt").read_text() == "seen on Monday"
    assert len(list((tmp_path / "evidence").iterdir())) == home.MOST_KEPT + 1
