"""`stillwatch submit`: what a pipeline sees of it, against a simulated server."""

import errno
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from sharing.submitter import delivery
from sharing.verifier.cli import main
from tests.sharing.submitter.simulator import TOKEN, Simulator

STILLWATCH = (
    sys.executable,
    "-c",
    # Where the tests run in the background, Ctrl-C is ignored by whatever they start.
    (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from sharing.verifier.cli import main; sys.exit(main())"
    ),
)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    monkeypatch.setattr(delivery, "_FIRST_PAUSE", 0.01)
    with Simulator() as running:
        monkeypatch.setenv("STILLWATCH_URL", running.url)
        monkeypatch.setenv("STILLWATCH_TOKEN", TOKEN)
        yield running


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    """Twenty lines, the first of which is line 1."""
    file = tmp_path / "lines.ndjson"
    file.write_text("".join(f'{{"n":{number}}}\n' for number in range(1, 21)))
    return file


def submit(*arguments: str | Path) -> int:
    return main(["submit", *map(str, arguments)])


def test_every_line_arrives_once_in_order(server: Simulator, lines: Path) -> None:
    assert submit(lines, "--batch-lines", "6", "--community", "frontier") == 0

    assert server.lines == lines.read_bytes().splitlines()
    assert [len(body.splitlines()) for body in server.taken.values()] == [6, 6, 6, 2]
    assert server.queries[0] == {"format": ["ndjson"], "community": ["frontier"]}


def test_whatever_fails_on_the_way_every_line_arrives_once(server: Simulator, lines: Path) -> None:
    server.faults = ["cut", "mute", 503, 429, 500, "cut", "cut", "mute"]

    assert submit(lines, "--batch-lines", "6") == 0

    assert server.lines == lines.read_bytes().splitlines()
    assert server.requests == 12


def test_a_second_run_sends_nothing_again(
    server: Simulator, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(lines, "--batch-lines", "6")
    sent = server.requests

    assert submit(lines, "--batch-lines", "6", "--wait") == 0

    assert server.requests == sent
    assert "4 of 4 batches in an earlier run; 20 new" in capsys.readouterr().err


def test_a_run_that_broke_off_goes_on(server: Simulator, lines: Path) -> None:
    server.faults = ["", "", 403]
    assert submit(lines, "--batch-lines", "6") == 3
    assert len(server.taken) == 2

    assert submit(lines, "--batch-lines", "6") == 0

    assert server.lines == lines.read_bytes().splitlines()


def test_a_batch_that_was_taken_unheard_is_not_taken_again_by_the_next_run(
    server: Simulator, lines: Path
) -> None:
    server.faults = ["", "cut"]
    assert submit(lines, "--batch-lines", "6", "--patience", "0") == 3

    assert submit(lines, "--batch-lines", "6") == 0

    assert (len(server.taken), server.requests) == (4, 5)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_is_stopped_or_killed_goes_on(server: Simulator, lines: Path, number: int) -> None:
    victim: list[subprocess.Popen[str]] = []
    started = threading.Event()

    def strike(taken: int) -> None:
        if taken == 3:
            started.wait(10)
            victim[0].send_signal(number)

    server.on_taken = strike
    victim.append(
        subprocess.Popen(
            [*STILLWATCH, "submit", str(lines), "--batch-lines", "1"], stderr=subprocess.PIPE, text=True
        )
    )
    started.set()
    _, told = victim[0].communicate(timeout=60)
    assert victim[0].returncode == (130 if number == signal.SIGINT else -number)
    assert number == signal.SIGKILL or "the same command goes on from there" in told
    assert 3 <= len(server.taken) < 20

    assert submit(lines, "--batch-lines", "1") == 0

    assert server.lines == lines.read_bytes().splitlines()


def test_a_refused_batch_is_told_and_the_rest_goes_on(
    server: Simulator, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = ["", 422]

    assert submit(lines, "--batch-lines", "6") == 1

    assert len(server.lines) == 14
    assert "batch 2 (lines 7 to 12) was refused: 422 fault: told to say 422" in capsys.readouterr().err


def test_rejected_objects_are_told_with_their_places(
    server: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "some.ndjson"
    file.write_text('{"n":1}\n\n\nbad\n{"n":2}\nbad too\n')

    assert submit(file, "--batch-lines", "2", "--wait", "--json", "--quiet") == 1

    told = capsys.readouterr()
    events = [json.loads(line) for line in told.out.splitlines()]
    assert [(one["line"], one["reason"]) for one in events if one["event"] == "rejected"] == [
        (4, "not-json"),
        (6, "not-json"),
    ]
    assert events[-1] == {
        "event": "summary",
        "exit_code": 1,
        "batches": 2,
        "taken": 4,
        "refused": 0,
        "unsent": 0,
        "unknown": 0,
        "retries": 0,
        "outcomes": {"new": 2, "rejected": 2},
    }
    assert "line 4 (?): not-json: No JSON." in told.err


@pytest.mark.parametrize("state", ["received", "quarantined"])
def test_a_receipt_that_does_not_come_is_told(server: Simulator, lines: Path, state: str) -> None:
    server.state = state

    assert submit(lines, "--wait", "--patience", "0.2") == 4


def test_a_line_that_cannot_be_sent_harms_no_other(server: Simulator, tmp_path: Path) -> None:
    (tmp_path / "some.ndjson").write_bytes(b'{"n":1}\n\xff\n{"n":2}\n')

    assert submit(tmp_path / "some.ndjson") == 1

    assert server.lines == [b'{"n":1}', b'{"n":2}']


@pytest.mark.parametrize(
    "content",
    [b'\xef\xbb\xbf{"n":1}\r\n{"n":2}\r\n', b'\n\r\n{"n":1}\n{"n":2}'],
    ids=["marked", "blank first"],
)
def test_lines_are_told_from_a_bundle_by_the_first_that_is_not_blank(
    server: Simulator, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "export.json").write_bytes(content)

    assert submit(tmp_path / "export.json") == 0

    assert server.lines == [b'{"n":1}', b'{"n":2}']


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"], ids=["empty", "blank", "marked"])
def test_a_file_with_nothing_in_it_is_submitted_as_such(
    server: Simulator, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "export.json").write_bytes(content)

    assert submit(tmp_path / "export.json") == 0

    assert server.requests == 0


def test_a_disk_that_is_full_ends_the_run_in_words(
    server: Simulator, lines: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    server.on_taken = lambda count: monkeypatch.setattr(os, "fsync", full) if count == 2 else None

    assert submit(lines, "--batch-lines", "5") == 2

    assert "cannot write the state" in capsys.readouterr().err
    monkeypatch.undo()
    assert (
        submit(lines, "--batch-lines", "5", "--url", server.url, "--token-file", str(token_file(lines))) == 0
    )
    assert server.lines == lines.read_bytes().splitlines()


def token_file(beside: Path) -> Path:
    file = beside.with_name("token")
    file.write_text(TOKEN)
    return file


def test_a_bundle_is_sent_object_by_object(server: Simulator, tmp_path: Path) -> None:
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps({"type": "bundle", "objects": [{"n": 1}, {"n": 2}, {"n": 3}]}, indent=2))

    assert submit(file, "--batch-lines", "2") == 0

    assert [json.loads(line) for line in server.lines] == [{"n": 1}, {"n": 2}, {"n": 3}]
    assert server.queries[0] == {"format": ["ndjson"]}


def test_a_stream_is_sent_while_it_flows(server: Simulator, lines: Path) -> None:
    arrived = threading.Event()
    server.on_taken = lambda _: arrived.set()
    with subprocess.Popen(
        [*STILLWATCH, "submit", "-", "--format", "ocsf", "--linger", "0.1", "--quiet"],
        stdin=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        process.stdin.write('{"n":1}\n{"n":2}\n')
        process.stdin.flush()
        assert arrived.wait(60), "nothing arrives before the end"
        process.stdin.write('{"n":3}')
        process.stdin.close()
        assert process.wait(60) == 0

    assert server.lines == [b'{"n":1}', b'{"n":2}', b'{"n":3}']
    assert server.queries[0] == {"format": ["ocsf"]}


def test_a_stream_with_a_state_goes_on_when_it_is_sent_again(server: Simulator, tmp_path: Path) -> None:
    content = b"".join(b'{"n":%d}\n' % number for number in range(10))
    options = ("-", "--batch-lines", "3", "--state", tmp_path / "state")
    server.faults = ["", "", 401]
    for expected in (3, 0):
        with Piped(content):
            assert submit(*options) == expected
    assert server.lines == content.splitlines()

    with Piped(content.replace(b"4", b"5")):
        assert submit(*options) == 2


class Piped:
    """Content as standard input."""

    def __init__(self, content: bytes) -> None:
        self.content, self.kept = content, os.dup(0)

    def __enter__(self) -> None:
        ours, theirs = os.pipe()
        os.write(theirs, self.content)
        os.close(theirs)
        os.dup2(ours, 0)
        os.close(ours)

    def __exit__(self, *_: object) -> None:
        os.dup2(self.kept, 0)
        os.close(self.kept)


def test_a_changed_file_is_not_mixed_with_what_was_sent_of_the_old_one(
    server: Simulator, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    submit(lines)
    lines.write_text('{"n":99}\n')

    assert submit(lines) == 2
    assert "the file has changed since" in capsys.readouterr().err
    assert submit(lines, "--state", lines.with_name("other")) == 0
    assert len(server.taken) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("missing.ndjson",), "cannot read"),
        (("FILE", "--url", "http://intel.example"), "without TLS"),
        (("FILE", "--url", "ftp://intel.example"), "https://HOST"),
        (("FILE", "--url", "https://u:p@intel.example"), "https://HOST"),
        (("FILE", "--token", "stw_x"), "seen by others"),
        (("FILE", "--token-file", "missing"), "cannot read the token file"),
        (("FILE", "--format", "stix"), "line 2, column 1"),
        (("FILE", "--ca-file", "missing"), "--ca-file"),
        (("/",), "cannot read"),
    ],
)
def test_wrong_use_is_told_before_anything_is_sent(
    server: Simulator, lines: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert submit(*(str(lines) if one == "FILE" else one for one in arguments)) == 2

    assert said in capsys.readouterr().err
    assert server.requests == 0


@pytest.mark.parametrize(
    ("name", "said"), [("STILLWATCH_URL", "--url"), ("STILLWATCH_TOKEN", "--token-file")]
)
def test_without_server_or_token_nothing_begins(
    server: Simulator,
    lines: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    said: str,
) -> None:
    monkeypatch.delenv(name)

    assert submit(lines) == 2
    assert said in capsys.readouterr().err


def test_a_token_comes_from_a_file(server: Simulator, lines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = lines.with_name("token")
    file.write_text(TOKEN + "\n")
    monkeypatch.setenv("STILLWATCH_TOKEN", "wrong")
    assert submit(lines) == 3

    assert submit(lines, "--token-file", file) == 0
    monkeypatch.delenv("STILLWATCH_TOKEN")
    monkeypatch.setenv("STILLWATCH_TOKEN_FILE", str(file))
    assert submit(lines) == 0


def test_the_token_is_never_told_nor_kept(
    server: Simulator, lines: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.faults = [500, "cut", 422]
    submit(lines, "--batch-lines", "6", "--wait", "--json")

    told = capsys.readouterr()
    assert TOKEN not in told.out + told.err + lines.with_name("lines.ndjson.stillwatch-submit").read_text()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_has_a_bar_and_quiet_has_nothing(
    server: Simulator, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    submit(lines, "--batch-lines", "6")
    assert "%" in screen.getvalue()
    assert screen.getvalue().endswith("stillwatch: 20 lines were taken\n")

    quiet = Terminal()
    monkeypatch.setattr(sys, "stderr", quiet)
    assert submit(lines, "--batch-lines", "6", "--quiet") == 0
    assert quiet.getvalue() == ""
