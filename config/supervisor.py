"""Keeps child processes running, and ends them together.

Each child is the leader of a process group of its own. When it dies, what is left of its group is killed and
it is started again: at once when somebody killed it or it had been running well, after a growing pause when
it keeps failing. When this process dies without a word, the kernel ends the children.
"""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.embedded import end_with_parent

STEADY_AFTER = 60.0
"""Seconds after which a child counts as running well; failing earlier makes the next pause longer."""
KILLED = {-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT}
"""Ends that say nothing about the child."""
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
STOP_PATIENCE = 30.0
ROTATE_ABOVE = 10 * 1024 * 1024


@dataclass
class Child:
    """One supervised program: what to run, in which order to stop (lowest first), and how it fares."""

    name: str
    command: list[str]
    environment: Mapping[str, str]
    log: Path
    stop_order: int = 0
    process: "subprocess.Popen[bytes] | None" = None
    started_at: float = 0.0
    failures: int = 0
    start_at: float = field(default=0.0, repr=False)

    def start(self) -> None:
        if self.log.exists() and self.log.stat().st_size > ROTATE_ABOVE:
            self.log.replace(self.log.with_suffix(".log.1"))
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - the command is ours
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=dict(self.environment),
                # Ctrl-C in the terminal is for the supervisor alone, which stops the children in order.
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - one prctl call, no lock
            )
        self.started_at = time.monotonic()

    def ended(self) -> bool:
        return self.process is not None and self.process.poll() is not None

    def signal_group(self, request: signal.Signals) -> None:
        """To the child and all its descendants that stayed in its group."""
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, request)

    def plan_restart(self) -> float:
        """Clear up after the dead child and say how long to pause before the next start."""
        self.signal_group(signal.SIGKILL)
        steady = time.monotonic() - self.started_at >= STEADY_AFTER
        killed = self.process is not None and self.process.returncode in KILLED
        if steady:
            self.failures = 0
        elif not killed:
            self.failures += 1
        pause = min(FIRST_PAUSE * 2.0**self.failures, LONGEST_PAUSE)
        self.process = None
        self.start_at = time.monotonic() + pause
        return pause


class Supervisor:
    """Runs `children`, writing who has which process id into `pid_file` whenever that changes."""

    def __init__(self, children: list[Child], pid_file: Path, tell: Callable[[str], None]) -> None:
        self.children = children
        self.pid_file = pid_file
        self.tell = tell
        self.others: dict[str, int] = {}
        """Processes that somebody else looks after, for the pid file."""

    def start(self, *names: str) -> None:
        """Start what does not run yet, or only those of these names."""
        for child in self.children:
            if child.process is None and (not names or child.name in names):
                child.start()
        self.write_pids()

    def tend(self, *names: str) -> None:
        """Restart what has died, or only those of these names; call it often."""
        changed = False
        for child in self.children:
            if names and child.name not in names:
                continue
            if child.ended():
                assert child.process is not None
                how, pid = child.process.returncode, child.process.pid
                pause = child.plan_restart()
                self.tell(
                    f"{child.name} (pid {pid}) ended ({_manner(how)}); starting it again in {pause:.1f} s"
                )
                changed = True
            if child.process is None and time.monotonic() >= child.start_at:
                child.start()
                changed = True
        if changed:
            self.write_pids()

    def stop(self, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """End all children, the lowest stop order first; by force after STOP_PATIENCE or on `hurry()`."""
        for order in sorted({child.stop_order for child in self.children}):
            group = [
                child for child in self.children if child.stop_order == order and child.process is not None
            ]
            for child in group:
                assert child.process is not None
                child.process.terminate()
            deadline = time.monotonic() + STOP_PATIENCE
            while not all(child.ended() for child in group) and time.monotonic() < deadline and not hurry():
                time.sleep(0.05)
            for child in group:
                assert child.process is not None
                child.signal_group(signal.SIGKILL)
                child.process.wait()
                child.process = None
        self.pid_file.unlink(missing_ok=True)

    def write_pids(self) -> None:
        pids = {"serve": os.getpid()} | self.others
        pids |= {child.name: child.process.pid for child in self.children if child.process is not None}
        draft = self.pid_file.with_name(f".{self.pid_file.name}.new")
        draft.write_text(json.dumps(pids, indent=2) + "\n", encoding="utf-8")
        draft.replace(self.pid_file)


def _manner(returncode: int) -> str:
    return f"killed by {signal.Signals(-returncode).name}" if returncode < 0 else f"exit {returncode}"
