"""Our witness as a partner runs it: a home of its own, and a process, or a thread of this one where that is enough."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from config.embedded import end_with_parent
from sharing.verifier import cli
from sharing.witness import cli as witness_cli
from sharing.witness.server import WitnessServer
from tests.sharing.witness import by_hand
from tests.sharing.witness.by_hand import Log, Said
from tests.stack import free_port

ROOT = Path(__file__).resolve().parents[3]


@dataclass(frozen=True, slots=True)
class Done:
    """What a command came to."""

    code: int
    out: str
    err: str


def stillwatch(*arguments: str) -> Done:
    """`stillwatch witness …`, to its end."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            code = cli.main(["witness", *arguments])
        except SystemExit as ended:
            code = int(ended.code or 0)
    return Done(code, out.getvalue(), err.getvalue())


@dataclass(slots=True)
class Running:
    """One witness, stopped and started at will."""

    home: Path
    name: str
    vkeys: list[str]
    port: int = field(default_factory=free_port)
    options: tuple[str, ...] = ()
    process: "subprocess.Popen[str] | None" = None
    _server: WitnessServer | None = None
    _thread: threading.Thread | None = None

    @classmethod
    def make(
        cls, directory: Path, name: str, *options: str, kinds: Iterable[str] = ("ml-dsa-44",)
    ) -> "Running":
        """Its home and keys; not running yet."""
        (directory / "passphrase").write_text("correct horse battery staple\n")
        home = directory / name.replace("/", "-")
        made = stillwatch(
            *("keygen", "--home", str(home), "--name", name),
            *("--passphrase-file", str(directory / "passphrase")),
            *(word for kind in kinds for word in ("--kind", kind)),
        )
        assert made.code == 0, made.err
        (home / "logs.txt").write_text("# the logs that are cosigned here\n")
        return cls(home, name, made.out.split(), options=options)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def serve(self) -> list[str]:
        return [
            *("witness", "serve", "--home", str(self.home), "--logs", str(self.home / "logs.txt")),
            *("--passphrase-file", str(self.home.parent / "passphrase")),
            *("--listen", f"127.0.0.1:{self.port}", *self.options),
        ]

    def knows(self, *logs: Log) -> None:
        """From now on it cosigns these, too."""
        with (self.home / "logs.txt").open("a") as file:
            file.writelines(f"{one}\n" for log in logs for one in log.vkeys)

    def start(self) -> "Running":
        """In a thread."""
        self._server = witness_cli.made(cli._parser().parse_args(self.serve), self._tell)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def start_process(self, program: Iterable[str] = ("-m", "sharing.verifier")) -> "Running":
        """As its partner does."""
        with (self.home / "said.log").open("a") as said:
            self.process = subprocess.Popen(
                [sys.executable, *program, *self.serve],
                cwd=ROOT,
                stderr=said,
                text=True,
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, no lock
            )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError):
                by_hand.call(self.url, "GET", "/")
                return self
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.02)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Its exit code, if it was a process."""
        if self._server is not None and self._thread is not None:
            self._server.shutdown()
            self._thread.join()
            self._server.server_close()
            self._server = self._thread = None
        if self.process is None:
            return 0
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.process.pid, how)
        code = self.process.wait(30)
        self.process = None
        return code

    @property
    def said(self) -> str:
        return (self.home / "said.log").read_text()

    def _tell(self, sentence: str) -> None:
        with (self.home / "said.log").open("a") as said:
            said.write(f"{sentence}\n")

    def add(self, body: bytes) -> Said:
        return by_hand.call(self.url, "POST", "/add-checkpoint", body)

    def status(self) -> Done:
        return stillwatch("status", "--home", str(self.home), "--json")


@contextlib.contextmanager
def running(directory: Path, name: str, *options: str, **more: Any) -> Iterator[Running]:
    """One that runs, until the end."""
    made = Running.make(directory, name, *options, **more).start()
    try:
        yield made
    finally:
        made.stop()
