"""The whole service as `make run` starts it, in processes of its own, for tests that kill parts of it.

with Stack(home) as stack:
    stack.kill("ingest")
    stack.wait_until_ready()
    requests.get(f"{stack.url}/health/ready")
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from config.embedded import end_with_parent

ROOT = Path(__file__).resolve().parent.parent
PATIENCE = 180.0


class Stack:
    """`manage.py serve` on a home and a free port; `output` is what the person at the terminal sees."""

    def __init__(self, home: Path, *, demo: bool = False, variables: dict[str, str] | None = None) -> None:
        self.home = home
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.output = home.parent / f"{home.name}.out"
        self.environment = os.environ | {
            "STILLWATCH_HOME": str(home),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DEMO": "1" if demo else "0",
            **(variables or {}),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        with self.output.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(ROOT / "manage.py"), "serve"],
                env=self.environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
                # A test run that is killed leaves nothing behind.
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, no lock
            )
        self.wait_until_ready()
        return self

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self, request: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop and wait; its exit code."""
        if self.process is None:
            return 0
        self.process.send_signal(request)
        code = self.process.wait(PATIENCE)
        self.process = None
        return code

    def pids(self) -> dict[str, int]:
        """Process ids by name: serve, web, ingest, publish, beat, postgres, redis."""
        pids: dict[str, int] = json.loads((self.home / "pids.json").read_text(encoding="utf-8"))
        return pids

    def tree(self) -> list[psutil.Process]:
        """Every process of the stack."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def kill(self, name: str) -> int:
        """kill -9 one part, without waiting for anything; the pid it had."""
        pid = self.pids()[name]
        os.kill(pid, signal.SIGKILL)
        return pid

    def wait_for_another(self, name: str, pid: int) -> int:
        """Wait until the part runs with another pid than the one that was killed; that pid."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            now = self.pids().get(name)
            if now is not None and now != pid:
                return now
            time.sleep(0.05)
        raise AssertionError(f"{name} did not come back\n{self.told()}")

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=10):
                return True
        except OSError:
            return False

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while not self.is_ready():
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"serve ended with {self.process.returncode}\n{self.told()}")
            if time.monotonic() > deadline:
                raise AssertionError(f"not ready after {PATIENCE:.0f} s\n{self.told()}")
            time.sleep(0.1)

    def told(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def manage(self, *arguments: str) -> str:
        """Run a management command beside it, which joins its services; what it prints."""
        return subprocess.run(
            [sys.executable, str(ROOT / "manage.py"), *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
