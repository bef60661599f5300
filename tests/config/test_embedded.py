"""The private PostgreSQL and Redis of a home."""

import os
import pwd
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
from kombu import Connection

from config import embedded

OWNER = """
import sys, time
from pathlib import Path
from config import embedded
services = embedded.start(Path(sys.argv[1]), durable=False)
print("up", flush=True)
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture
def owner(home: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that owns the home's services."""
    command = [sys.executable, "-c", OWNER, str(home)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
        process.kill()


def one(services: embedded.Services, statement: str) -> object:
    with psycopg.connect(services.database_url, autocommit=True) as connection:
        row = connection.execute(statement.encode()).fetchone()
    return row[0] if row else None


def wait_until_gone(pids: list[int]) -> None:
    deadline = time.monotonic() + 20
    while any(psutil.pid_exists(pid) for pid in pids):
        assert time.monotonic() < deadline, "still running"
        time.sleep(0.05)


def test_both_services_answer_and_a_second_start_has_the_same_data(home: Path) -> None:
    with embedded.running(home, durable=False) as services:
        with Connection(services.broker_url) as broker:
            assert broker.default_channel.client.ping()  # type: ignore[attr-defined] # kombu's Redis channel has it
        with psycopg.connect(services.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    assert embedded.join(home) is None
    with embedded.running(home, durable=False) as services:
        assert one(services, "SELECT answer FROM kept") == 42


def test_a_durable_start_promises_what_it_commits(home: Path) -> None:
    with embedded.running(home) as services:
        names = ("fsync", "synchronous_commit", "full_page_writes", "jit", "shared_buffers", "TimeZone")
        values = [one(services, f"SHOW {name}") for name in names]
    assert values == ["on", "on", "on", "off", "256MB", "UTC"]


def test_nothing_listens_on_the_network_and_only_we_can_enter(home: Path) -> None:
    with embedded.running(home, durable=False) as services:
        assert one(services, "SHOW listen_addresses") == ""
        assert stat.S_IMODE(embedded.socket_dir(home).stat().st_mode) == 0o700
        assert stat.S_IMODE((home / "postgres").stat().st_mode) == 0o700
        for pid in services.pids.values():
            assert psutil.Process(pid).net_connections(kind="inet") == []


def test_a_home_with_a_long_path_has_its_sockets_elsewhere(home: Path) -> None:
    deep = home / ("d" * 120)
    with embedded.running(deep, durable=False) as services:
        assert one(services, "SELECT 1") == 1
        found = embedded.socket_dir(deep)
        assert not found.is_relative_to(deep)
        assert stat.S_IMODE(found.stat().st_mode) == 0o700
    found.rmdir()


def test_a_socket_directory_that_somebody_else_made_is_refused(home: Path) -> None:
    deep = home / ("e" * 120)
    elsewhere = embedded.socket_dir(deep.resolve())
    elsewhere.symlink_to(home)
    try:
        with pytest.raises(embedded.EmbeddedError, match="is not ours"):
            embedded.start(deep)
    finally:
        elsewhere.unlink()


def test_another_process_joins_the_running_services(home: Path, owner: "subprocess.Popen[str]") -> None:
    joined = embedded.join(home)
    assert joined is not None
    assert joined.owned is False
    assert one(joined, "SELECT 1") == 1
    embedded.stop(joined)
    assert embedded.join(home) is not None, "stopping a joined service does nothing"


def test_a_home_has_one_owner_who_is_named(home: Path, owner: "subprocess.Popen[str]") -> None:
    with pytest.raises(embedded.HomeInUse, match=f"in use by process {owner.pid}"):
        embedded.start(home)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs PR_SET_PDEATHSIG")
def test_the_services_end_with_an_owner_that_is_killed(home: Path, owner: "subprocess.Popen[str]") -> None:
    joined = embedded.join(home)
    assert joined is not None
    owner.kill()
    owner.wait()
    wait_until_gone(list(joined.pids.values()))
    assert embedded.join(home) is None


def test_a_start_right_after_the_owner_was_killed_carries_on(
    home: Path, owner: "subprocess.Popen[str]"
) -> None:
    joined = embedded.join(home)
    assert joined is not None
    with psycopg.connect(joined.database_url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
    owner.kill()
    owner.wait()
    with embedded.running(home, durable=False) as services:
        assert one(services, "SELECT answer FROM kept") == 42


def test_a_crashed_server_and_its_pid_file_do_not_stop_the_next_start(home: Path) -> None:
    services = embedded.start(home, durable=False)
    os.kill(services.pids["postgres"], signal.SIGKILL)
    os.kill(services.pids["redis"], signal.SIGKILL)
    embedded.stop(services)
    pid_file = home / "postgres" / "postmaster.pid"
    assert pid_file.exists()
    # As after a reboot: the number now belongs to somebody else.
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getppid()), *lines[1:]]))
    with embedded.running(home, durable=False) as again:
        assert one(again, "SELECT 1") == 1


def test_a_first_start_that_was_cut_short_leaves_nothing_in_the_way(home: Path) -> None:
    (home / "postgres.new").mkdir()
    (home / "postgres.new" / "PG_VERSION").write_text("18")
    with embedded.running(home, durable=False) as services:
        assert one(services, "SELECT 1") == 1


def test_dead_services_are_revived_with_their_data(home: Path) -> None:
    with embedded.running(home, durable=False) as services:
        with psycopg.connect(services.database_url) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        before = dict(services.pids)
        for pid in before.values():
            os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        revived: set[str] = set()
        while len(revived) < 2 and time.monotonic() < deadline:
            revived |= set(embedded.revive(services))
        assert revived == {"postgres", "redis"}
        assert one(services, "SELECT answer FROM kept") == 42
        assert not set(before.values()) & set(services.pids.values())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs another account")
def test_root_runs_postgresql_as_an_account_without_rights(home: Path) -> None:
    with embedded.running(home, durable=False) as services:
        account = psutil.Process(services.pids["postgres"]).uids().real
    assert account != 0
    assert pwd.getpwuid(account).pw_name in {"postgres", "nobody"}


@pytest.mark.skipif(
    os.geteuid() != 0, reason="only root can make a closed directory that is not its own to use"
)
def test_root_opens_the_way_to_the_home_for_passing_only(home: Path) -> None:
    closed = home / "closed"
    closed.mkdir(mode=0o700)
    with embedded.running(closed / "home", durable=False) as services:
        assert one(services, "SELECT 1") == 1
    assert stat.S_IMODE(closed.stat().st_mode) == 0o701


def test_text_sorts_the_same_on_every_machine(home: Path) -> None:
    with embedded.running(home, durable=False) as services:
        assert (
            one(services, "SELECT string_agg(c, '' ORDER BY c) FROM unnest('{b,A,a,B,é}'::text[]) c")
            == "ABabé"
        )
