"""Keeping children running."""

import json
import os
import signal
import sys
import time
from pathlib import Path

import psutil

from config.supervisor import LONGEST_PAUSE, Child, Supervisor

SLEEPER = "import time; time.sleep(600)"
PARENT = f"""
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
print(child.pid, flush=True)
time.sleep(600)
"""
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1, flush=True)
time.sleep(600)
"""


def child(name: str, code: str, directory: Path, stop_order: int = 0) -> Child:
    return Child(name, [sys.executable, "-c", code], dict(os.environ), directory / f"{name}.log", stop_order)


def read_when_written(log: Path) -> str:
    deadline = time.monotonic() + 20
    while not log.exists() or not log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return log.read_text()


def test_the_pid_file_names_everybody_and_is_gone_at_the_end(tmp_path: Path) -> None:
    supervisor = Supervisor([child("one", SLEEPER, tmp_path)], tmp_path / "pids.json", print)
    supervisor.others = {"postgres": 1}
    supervisor.start()
    pids = json.loads((tmp_path / "pids.json").read_text())
    assert set(pids) == {"serve", "postgres", "one"}
    supervisor.stop()
    assert not (tmp_path / "pids.json").exists()
    assert not psutil.pid_exists(pids["one"])


def test_a_child_that_dies_takes_its_own_children_along_and_starts_again(tmp_path: Path) -> None:
    told: list[str] = []
    supervisor = Supervisor([child("parent", PARENT, tmp_path)], tmp_path / "pids.json", told.append)
    supervisor.start()
    orphan = psutil.Process(int(read_when_written(tmp_path / "parent.log")))
    first = supervisor.children[0].process
    assert first is not None
    first.kill()
    first.wait()
    supervisor.tend()
    orphan.wait(10)
    assert told == [f"parent (pid {first.pid}) ended (killed by SIGKILL); starting it again in 0.1 s"]
    time.sleep(0.3)
    supervisor.tend()
    second = supervisor.children[0].process
    assert second is not None
    assert second.pid != first.pid
    supervisor.stop()


def test_a_child_that_keeps_dying_waits_longer_each_time_up_to_a_limit(tmp_path: Path) -> None:
    failing = child("failing", "raise SystemExit(3)", tmp_path)
    pauses = []
    for _ in range(12):
        failing.start()
        assert failing.process is not None
        failing.process.wait()
        pauses.append(failing.plan_restart())
    assert pauses == sorted(pauses)
    assert len(set(pauses)) > 5
    assert pauses[0] < 0.5
    assert pauses[-1] == LONGEST_PAUSE


def test_children_stop_in_their_order_and_the_stubborn_by_force(tmp_path: Path) -> None:
    asked = 0

    def hurry() -> bool:
        nonlocal asked
        asked += 1
        return asked > 5

    supervisor = Supervisor([child("stubborn", STUBBORN, tmp_path)], tmp_path / "pids.json", print)
    supervisor.start()
    read_when_written(tmp_path / "stubborn.log")
    process = supervisor.children[0].process
    assert process is not None
    supervisor.stop(hurry=hurry)
    assert process.returncode == -signal.SIGKILL


def test_a_large_log_is_set_aside_at_the_next_start(tmp_path: Path) -> None:
    log = tmp_path / "one.log"
    with log.open("wb") as content:
        content.truncate(11 * 1024 * 1024)
    one = child("one", "print('fresh')", tmp_path)
    one.start()
    assert one.process is not None
    one.process.wait()
    assert log.read_text() == "fresh\n"
    assert (tmp_path / "one.log.1").stat().st_size == 11 * 1024 * 1024
