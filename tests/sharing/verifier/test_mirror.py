"""A mirror passes a feed on; whoever reads from it verifies as from the service. Gossip compares what readers saw."""

import http.server
import json
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import pytest

from sharing.tlog import notes
from sharing.tlog.notes import Note, NoteSignature
from sharing.verifier.cli import main
from sharing.verifier.mirror import write_trust_root
from sharing.verifier.source import Folder
from tests.sharing.verifier.log_simulator import an_indicator
from tests.sharing.verifier.publisher import COLLECTION, Publisher, Reader, changed


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    publisher = Publisher(tmp_path / "service", page_size=500)
    for number in range(1_200):
        publisher.publish(an_indicator(number))
    publisher.write()
    return publisher


@pytest.fixture
def operator(publisher: Publisher, tmp_path: Path) -> Reader:
    """Who runs the mirror."""
    operator = Reader(publisher, tmp_path / "operator")
    assert operator.init() == 0
    return operator


def mirror(operator: Reader, folder: Path) -> int:
    return operator.run("mirror", COLLECTION, "--out", str(folder))


@pytest.fixture
def serve() -> Iterator[Callable[[Path], str]]:
    servers: list[http.server.ThreadingHTTPServer] = []

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None: ...

    def serving(folder: Path) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield serving
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_reader_of_a_mirror_verifies_as_if_from_the_service(
    publisher: Publisher,
    operator: Reader,
    tmp_path: Path,
    serve: Callable[[Path], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "mirror"
    assert mirror(operator, folder) == 0
    assert "wrote 2 pages and 6 tiles" in capsys.readouterr().out
    for where in (str(folder), serve(folder)):
        reader = Reader(publisher, tmp_path / f"reader-{where[:4].strip('/')}", at=where)
        assert (reader.init(), reader.sync()) == (0, 0)
        assert len(reader.objects()) == 1_200
        # A mirror of the mirror is the same mirror.
        again = tmp_path / f"again-{where[:4].strip('/')}"
        assert reader.run("mirror", COLLECTION, "--out", str(again), "--from", where) == 0
        log = f"trust/log/{COLLECTION}"
        for path in sorted((folder / log).rglob("*")):
            if path.is_file():
                assert (again / log / path.relative_to(folder / log)).read_bytes() == path.read_bytes()


def test_a_mirror_is_brought_up_to_date_and_nothing_erased_stays_in_it(
    publisher: Publisher, operator: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "mirror"
    publisher.publish(an_indicator(5_000, name="only-this-entry-says-it"))
    publisher.write()
    assert mirror(operator, folder) == 0
    reader = Reader(publisher, tmp_path / "reader", at=folder)
    assert (reader.init(), reader.sync()) == (0, 0)
    page = folder / f"trust/log/{COLLECTION}/pages/1000.json"
    assert b"only-this-entry-says-it" in page.read_bytes()
    untouched = (folder / f"trust/log/{COLLECTION}/pages/0.json").stat().st_mtime_ns

    publisher.withdraw(1_200, reason="legal")
    for number in range(6_000, 6_400):
        publisher.publish(an_indicator(number))
    publisher.write()
    assert mirror(operator, folder) == 0
    for path in folder.rglob("*"):
        assert not path.is_file() or b"only-this-entry-says-it" not in path.read_bytes()
    assert (folder / f"trust/log/{COLLECTION}/pages/0.json").stat().st_mtime_ns == untouched
    assert reader.sync() == 0
    assert len(reader.objects()) == 1_600
    tiles = sorted(path.name for path in (folder / f"trust/log/{COLLECTION}/tile/0").iterdir())
    assert "004" in tiles
    assert "004.p" not in tiles


def test_a_mirror_shows_what_it_proved_before_when_something_is_wrong(
    publisher: Publisher, operator: Reader, tmp_path: Path
) -> None:
    folder = tmp_path / "mirror"
    assert mirror(operator, folder) == 0
    before = (folder / f"trust/log/{COLLECTION}/checkpoint").read_bytes()
    publisher.publish(an_indicator(7_000))
    publisher.write(checkpoint=publisher.signed(lines=[0]))
    assert mirror(operator, folder) == 10
    assert (folder / f"trust/log/{COLLECTION}/checkpoint").read_bytes() == before


def test_a_mirror_keeps_and_passes_on_nothing_that_the_format_does_not_name(
    publisher: Publisher, operator: Reader, tmp_path: Path
) -> None:
    secret = "erased-and-said-again"
    folder = tmp_path / "mirror"
    publisher.publish(an_indicator(5_000, name=secret))
    publisher.withdraw(1_200)
    # Whoever serves it says again what was erased, wherever there is room for it.
    stranger = NoteSignature("stranger.example/" + secret, b"1234", secret.encode())
    note = notes.read(publisher.signed())
    publisher.write(checkpoint=bytes(Note(note.text, (*note.signatures, stranger))))
    for start in (0, 1_000):
        changed(publisher, start, lambda envelope, _: envelope.update(x_more=[{"name": secret}], next=secret))
    index = publisher.path("pages/index.json")
    index.write_bytes(json.dumps(json.loads(index.read_bytes()) | {"x_more": secret}).encode())
    assert mirror(operator, folder) == 0
    kept = [path for path in (*folder.rglob("*"), *operator.folder.rglob("*")) if path.is_file()]
    assert folder / "trust/log" / COLLECTION / "checkpoint" in kept
    for path in kept:
        assert secret.encode() not in path.read_bytes(), path
        assert b64encode(b"1234" + secret.encode()) not in path.read_bytes(), path
    reader = Reader(publisher, tmp_path / "reader", at=folder)
    assert (reader.init(), reader.sync()) == (0, 0)
    assert len(reader.objects()) == 1_200


def test_an_erasure_that_no_checkpoint_proves_yet_can_be_read_from_a_mirror(
    publisher: Publisher, operator: Reader, tmp_path: Path
) -> None:
    folder = tmp_path / "mirror"
    publisher.withdraw(3)
    publisher.write(1_200)
    assert mirror(operator, folder) == 0
    reader = Reader(publisher, tmp_path / "reader", at=folder)
    assert (reader.init(), reader.sync()) == (0, 0)
    assert len(reader.objects()) == 1_199


def test_readers_who_saw_the_same_log_agree(
    publisher: Publisher,
    operator: Reader,
    tmp_path: Path,
    serve: Callable[[Path], str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert operator.sync() == 0
    file = tmp_path / "from-a-partner"
    file.write_bytes(publisher.signed(700))
    publisher.publish(an_indicator(8_000))
    publisher.write()
    address = serve(publisher.folder)
    log = f"{address}/trust/log/{COLLECTION}"
    capsys.readouterr()
    sides = [str(operator.home), str(operator.out), str(file), str(publisher.folder), address, log]
    assert operator.run("gossip", "--json", *sides) == 0
    said = json.loads(capsys.readouterr().out)["logs"]
    assert [(one["size"], one["checkpoints"]) for one in said] == [(1_201, 6)]


def test_a_fork_shown_to_another_reader_is_found_by_gossip_with_the_evidence(
    publisher: Publisher, operator: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert operator.sync() == 0
    hostile = publisher.fork()
    hostile.folder = tmp_path / "fork"
    del hostile.entries[-1]
    for number in range(9_000, 9_003):
        hostile.publish(an_indicator(number))
    hostile.write()
    evidence = tmp_path / "kept"
    assert operator.run("gossip", str(operator.home), str(hostile.folder), "--out", str(evidence)) == 15
    assert "two histories" in capsys.readouterr().err
    kept = {path.name for path in evidence.rglob("*") if path.is_file()}
    assert kept == {"checkpoint-a", "checkpoint-b", "consistency.txt", "sentence.txt"}

    same_size = tmp_path / "same-size"
    same_size.write_bytes(hostile.signed(1_200))
    assert operator.run("gossip", str(operator.home), str(same_size)) == 15


def test_what_cannot_be_compared_is_not_called_agreement(
    publisher: Publisher, operator: Reader, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    small.write_bytes(publisher.signed(10))
    large.write_bytes(publisher.signed(20))
    assert operator.run("gossip", str(small), str(large)) == 3
    assert "cannot be compared" in capsys.readouterr().err
    assert operator.run("gossip", str(small)) == 2
    assert operator.run("gossip", str(small), str(tmp_path / "nowhere")) == 2
    large.write_bytes(publisher.signed(20).replace(b"\n20\n", b"\n21\n"))
    assert operator.run("gossip", str(small), str(large)) == 10
    with pytest.raises(SystemExit):
        main(["gossip"])


def test_a_forged_earlier_root_is_not_passed_on_and_does_not_stay(
    publisher: Publisher, operator: Reader, tmp_path: Path
) -> None:
    """Of a reader who was given root 3, a mirror takes 2 and 1 as somebody serves them."""
    folder, true = tmp_path / "mirror", publisher.folder / "trust/tuf/metadata/1.root.json"
    publisher.trust.renew_root(datetime.now(UTC))
    second = (true.parent / "2.root.json").read_bytes()
    repository = {"metadata/2.root.json": second}
    raw = true.read_bytes()
    true.write_bytes(b'{"forged": true}')
    write_trust_root(folder, repository, Folder(publisher.folder))
    mirrored = folder / "trust/tuf/metadata/1.root.json"
    assert not mirrored.exists()
    # One that was taken in before this was looked at is replaced.
    mirrored.parent.mkdir(parents=True, exist_ok=True)
    mirrored.write_bytes(b"forged")
    true.write_bytes(raw)
    write_trust_root(folder, repository, Folder(publisher.folder))
    assert mirrored.read_bytes() == raw
