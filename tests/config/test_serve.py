"""`make run`: everything comes up, stays up and goes away together."""

import os
import signal
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from config import embedded
from tests.stack import PATIENCE, Stack

CHILDREN = ("signer", "web", "ingest", "publish", "outbound", "trust", "beat", "postgres", "redis")
PARTS = {"serve", *CHILDREN}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("stack") / "home") as stack:
        yield stack


def wait_until_ended(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=PATIENCE)
    assert alive == []


@pytest.mark.slow
def test_the_banner_comes_when_it_is_ready_and_gives_the_addresses(stack: Stack) -> None:
    deadline = time.monotonic() + 10
    while "Ctrl-C stops everything" not in stack.told() and time.monotonic() < deadline:
        time.sleep(0.05)
    told = stack.told()
    assert "Stillwatch is ready." in told
    for path in ("/taxii2/", "/api/v1/docs/", "/admin/", "/health/ready"):
        assert stack.url + path in told
    assert str(stack.home) in told
    assert "Demo community" not in told, "DEMO=0"


@pytest.mark.slow
def test_every_part_is_in_the_pid_file(stack: Stack) -> None:
    pids = stack.pids()
    assert set(pids) == PARTS
    assert all(psutil.pid_exists(pid) for pid in pids.values())
    assert {process.pid for process in stack.tree()} >= set(pids.values())


@pytest.mark.slow
def test_the_web_server_hands_out_the_style_sheets_of_the_desk(stack: Stack) -> None:
    with urllib.request.urlopen(f"{stack.url}/static/admin/css/base.css") as response:
        assert response.status == 200
        assert response.headers["Content-Type"].startswith("text/css")


@pytest.mark.slow
def test_a_command_beside_it_joins_its_services(stack: Stack) -> None:
    before = stack.pids()
    assert "[X] 0001_initial" in stack.manage("showmigrations", "sessions")
    assert stack.pids() == before


@pytest.mark.slow
def test_a_second_start_on_the_same_home_is_refused(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(embedded.HomeInUse, match=str(stack.pids()["serve"])):
        embedded.start(stack.home)


@pytest.mark.slow
def test_a_taken_port_is_said_before_anything_starts(stack: Stack, tmp_path: Path) -> None:
    other = Stack(tmp_path / "home")
    other.environment["PORT"] = str(stack.port)
    other.url = "http://127.0.0.1:1"
    with pytest.raises(AssertionError, match=f"cannot listen on 127.0.0.1:{stack.port}"):
        other.start()
    assert not (tmp_path / "home" / "postgres").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", CHILDREN)
def test_a_part_that_is_killed_comes_back(stack: Stack, name: str) -> None:
    killed = stack.kill(name)
    assert stack.wait_for_another(name, killed) != killed
    stack.wait_until_ready()


@pytest.mark.slow
def test_a_web_worker_that_is_killed_comes_back(stack: Stack) -> None:
    web = psutil.Process(stack.pids()["web"])
    victim = next(child for child in web.children() if "granian" in " ".join(child.cmdline()))
    victim.kill()
    deadline = time.monotonic() + PATIENCE
    while victim.is_running() or len(web.children()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    stack.wait_until_ready()


@pytest.mark.slow
def test_a_request_after_the_database_came_back_succeeds(stack: Stack) -> None:
    for _ in range(20):  # every thread of every worker has a connection now
        assert stack.is_ready()
    stack.wait_for_another("postgres", stack.kill("postgres"))
    assert all(stack.is_ready() for _ in range(20)), "no request met a dead connection"


@pytest.mark.slow
def test_it_leaves_nobody_behind_however_it_ends_and_starts_again_on_the_same_home(tmp_path: Path) -> None:
    stack = Stack(tmp_path / "home").start()
    processes = stack.tree()
    assert stack.stop(signal.SIGINT) == 0
    wait_until_ended(processes)
    assert stack.told().rstrip().endswith("stopped")
    assert "database system is shut down" in (stack.home / "log" / "postgres.log").read_text()
    assert not (stack.home / "pids.json").exists()

    stack.start()
    processes = stack.tree()
    killed = stack.kill("serve")
    assert stack.process is not None
    assert stack.process.wait() == -signal.SIGKILL
    if sys.platform.startswith("linux"):  # elsewhere there is no PR_SET_PDEATHSIG; the next start clears up
        wait_until_ended(processes)

    with stack:
        assert set(stack.pids()) == PARTS
        assert stack.pids()["serve"] != killed


@pytest.mark.slow
def test_on_external_services_it_starts_none_of_its_own(tmp_path: Path) -> None:
    with embedded.running(tmp_path / "external", durable=False) as services:
        urls = {"DATABASE_URL": services.database_url, "CELERY_BROKER_URL": services.broker_url}
        with Stack(tmp_path / "home", variables=urls) as stack:
            assert set(stack.pids()) == PARTS - {"postgres", "redis"}
            assert not (stack.home / "postgres").exists()
            assert os.listdir(stack.home / "log") != []  # noqa: PTH208


@pytest.mark.faults
@pytest.mark.parametrize("name", CHILDREN)
def test_a_part_comes_back_twenty_times(stack: Stack, name: str) -> None:
    for _ in range(20):
        stack.wait_for_another(name, stack.kill(name))
        stack.wait_until_ready()
