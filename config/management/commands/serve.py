"""`make run`: everything the service needs, in one terminal."""

import contextlib
import json
import os
import secrets
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from argparse import ArgumentParser
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, call_command
from django.db import connections
from django.utils import timezone

from config import embedded, env
from config.celery import INGEST_QUEUE, OUTBOUND_QUEUE, PUBLISH_QUEUE, TRUST_QUEUE
from config.supervisor import Child, Supervisor
from sharing.actions import keys, trust
from sharing.management.commands.demo_ceremony import FOLDER
from sharing.management.commands.load_demo import SECOND_FACTORS
from sharing.models import Collection

WEB_WORKERS = 2
WEB_THREADS = 2
"""Requests that one web worker runs at a time; each has a database connection of its own. Python runs one of them
at a time anyway: two keep it busy while the database works, four only pass it around (-15 % polls)."""
READY_PATIENCE = 120.0
SERVICES_PATIENCE = 30.0
"""Seconds to wait for a `manage.py` command that has the home's services at the moment."""

SIGNER = "signer"
DEMO_COMMUNITY = "frontier"
DEMO_FEED = "amber"
DEMO_TOKEN = "lab-a/siem"  # noqa: S105 - the name of a token
DEMO_ANALYST = "analyst"


class Command(BaseCommand):
    help = "Run the signer, the web server, the workers and beat; PostgreSQL and Redis too, unless told of others."
    # The database is not there yet.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=env.text("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=env.integer("PORT", 8000, minimum=1, maximum=65535))

    def handle(self, *args: Any, host: str, port: int, **options: Any) -> None:
        if settings.MODE == "production":
            raise CommandError(
                "`serve` is for STILLWATCH_MODE=local; docker/compose.yaml shows a production set-up"
            )
        home: Path = settings.STILLWATCH_HOME
        _refuse_taken_port(host, port)
        stopping = _Stopping()
        with self._services(home) as services, contextlib.suppress(_Stopped):
            supervisor = Supervisor(_children(home, host, port), home / "pids.json", self.tell)
            supervisor.others = services.pids
            try:
                # First: whatever is prepared may have to be signed.
                supervisor.start(SIGNER)
                self.prepare(home, stopping, supervisor)
                supervisor.start()
                self._wait_until_ready(supervisor, env.url_of(host, port), home, stopping)
                self.stdout.write(_banner(env.url_of(host, port), home))
                self.stdout.flush()
                while not stopping.asked:
                    supervisor.tend()
                    self._revive(services, supervisor)
                    time.sleep(0.1)
                self.tell("stopping")
            finally:
                supervisor.stop(hurry=lambda: stopping.asked > 1)
        self.tell("stopped")

    def prepare(self, home: Path, stopping: "_Stopping", supervisor: Supervisor) -> None:
        """Bring database, static files, signing keys and demo to where this version wants them."""
        self.tell("preparing the database")
        call_command("migrate", verbosity=0, interactive=False)
        stopping.check()
        call_command("collectstatic", verbosity=0, interactive=False)
        self._wait_for_signer(supervisor, stopping)
        call_command("rotate_keys", "--if-none", verbosity=0)
        call_command("demo_ceremony", verbosity=0)
        stopping.check()
        if _demo_wanted() and not (home / "demo-tokens.json").exists():
            self.tell("loading the demo community")
            os.environ.setdefault("ANALYST_PASSWORD", _demo_password(home))
            call_command("load_demo", verbosity=0)
        trust.refresh(now=timezone.now())
        connections.close_all()
        stopping.check()

    @contextlib.contextmanager
    def _services(self, home: Path) -> Iterator[embedded.Services]:
        wanted = {"postgres": settings.EMBEDDED_DATABASE, "redis": settings.EMBEDDED_BROKER}
        ours = [name for name, want in wanted.items() if want]
        self.tell(f"starting {' and '.join(ours)}" if ours else "using external services")
        try:
            services = embedded.start(home, **wanted, patience=SERVICES_PATIENCE)
        except embedded.EmbeddedError as error:
            raise CommandError(str(error)) from error
        try:
            yield services
        finally:
            connections.close_all()
            embedded.stop(services)

    def _revive(self, services: embedded.Services, supervisor: Supervisor) -> None:
        for name in embedded.revive(services):
            self.tell(f"{name} had ended; it runs again as pid {services.pids[name]}")
            supervisor.write_pids()

    def _wait_for_signer(self, supervisor: Supervisor, stopping: "_Stopping") -> None:
        deadline = time.monotonic() + READY_PATIENCE
        while True:
            stopping.check()
            supervisor.tend(SIGNER)
            _refuse_hopeless(supervisor)
            try:
                keys.signer().held_keys()
                return
            except keys.NoSigningKey as error:
                if time.monotonic() > deadline:
                    raise CommandError(str(error)) from error
            time.sleep(0.05)

    def _wait_until_ready(self, supervisor: Supervisor, url: str, home: Path, stopping: "_Stopping") -> None:
        self.tell("starting the web server, the workers and beat")
        deadline = time.monotonic() + READY_PATIENCE
        missing = "no answer"
        while time.monotonic() < deadline:
            stopping.check()
            supervisor.tend()
            _refuse_hopeless(supervisor)
            try:
                with urllib.request.urlopen(f"{url}/health/ready", timeout=5):  # noqa: S310 - ours
                    return
            except urllib.error.HTTPError as error:
                missing = error.read().decode("utf-8", "replace")
            except OSError as error:
                missing = str(error)
            time.sleep(0.1)
        raise CommandError(
            f"not ready after {READY_PATIENCE:.0f} s: {missing}; the logs are in {home / 'log'}"
        )

    def tell(self, what: str) -> None:
        """One line for the person at the terminal; children log to files, so that these stay visible."""
        self.stdout.write(f"{datetime.now(UTC):%H:%M:%S} {what}")
        self.stdout.flush()


class _Stopped(Exception):
    """Somebody asked us to stop before everything was up."""


class _Stopping:
    """Counts the requests to stop: the first ends things in order, a second one at once."""

    def __init__(self) -> None:
        self.asked = 0
        for request in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(request, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.asked += 1

    def check(self) -> None:
        if self.asked:
            raise _Stopped


def _refuse_hopeless(supervisor: Supervisor) -> None:
    hopeless = [child for child in supervisor.children if child.failures >= 3]
    if hopeless:
        log = hopeless[0].log
        raise CommandError(f"{hopeless[0].name} does not start; the end of {log}:\n{_tail(log)}")


def _children(home: Path, host: str, port: int) -> list[Child]:
    environment = os.environ | {
        "STILLWATCH_HOME": str(home),
        "HOST": host,
        "PORT": str(port),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }
    # Only load_demo needs it.
    environment.pop("ANALYST_PASSWORD", None)
    signers = dict(environment)
    # The signer alone opens the keys.
    for name in ("SIGNING_PASSPHRASE", "SIGNING_PASSPHRASE_FILE"):
        environment.pop(name, None)
    logs = home / "log"
    logs.mkdir(exist_ok=True)

    def child(name: str, stop_order: int, *command: str) -> Child:
        return Child(name, [sys.executable, "-m", *command], environment, logs / f"{name}.log", stop_order)

    def worker(queue: str) -> Child:
        return child(queue, 1, *celery_worker(queue))

    manage = str(settings.BASE_DIR / "manage.py")
    return [
        Child(SIGNER, [sys.executable, manage, SIGNER], signers, logs / f"{SIGNER}.log", stop_order=2),
        child("web", 0, *web_server(host, port, settings.STATIC_ROOT)),
        worker(INGEST_QUEUE),
        worker(PUBLISH_QUEUE),
        worker(OUTBOUND_QUEUE),
        worker(TRUST_QUEUE),
        child("beat", 0, "celery", "--app", "config.celery", "beat", "--pidfile="),
    ]


def web_server(host: str, port: int, static: Path) -> list[str]:
    """The module and arguments of the web server."""
    return [
        *("granian", "config.wsgi:application", "--interface", "wsgi", "--no-ws"),
        *("--host", host, "--port", str(port)),
        *("--workers", str(WEB_WORKERS), "--blocking-threads", str(WEB_THREADS)),
        # A thread that goes takes its database connection with it, some time later.
        *("--blocking-threads-idle-timeout", "600"),
        # A place for each connection, also the idle ones that pollers keep open: not a limit on work.
        *("--backlog", "2048", "--backpressure", "1024"),
        *("--respawn-failed-workers", "--respawn-interval", "0.5", "--workers-kill-timeout", "20"),
        *("--static-path-route", "/static", "--static-path-mount", str(static)),
    ]


def celery_worker(queue: str) -> list[str]:
    """The module and arguments of the worker of one queue; where others' servers are waited for, two take turns."""
    return [
        *("celery", "--app", "config.celery", "worker", "--queues", queue, "--hostname", f"{queue}@%h"),
        *("--pool", "prefork", "--concurrency", "2" if queue == OUTBOUND_QUEUE else "1"),
        # Workers have nothing to say to each other.
        *("--without-gossip", "--without-mingle", "--without-heartbeat"),
    ]


def _demo_wanted() -> bool:
    return env.flag("DEMO", default=True)


def _demo_password(home: Path) -> str:
    """The demo analyst's password, made once for this home."""
    path = home / "demo-password"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(12) + "\n", encoding="utf-8")
    return path.read_text(encoding="utf-8").strip()


def _refuse_taken_port(host: str, port: int) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise CommandError(
                f"cannot listen on {host}:{port} ({error.strerror}): set HOST or PORT"
            ) from error


def _banner(url: str, home: Path) -> str:
    lines = [
        "",
        "Stillwatch is ready.",
        "",
        f"  TAXII 2.1     {url}/taxii2/",
        f"  REST          {url}/api/v1/docs/",
        f"  Admin desk    {url}/admin/",
        f"  Health        {url}/health/ready",
        f"  Trust root    {home / FOLDER / 'root.json'} (signed here, for trying only)",
        f"  State, logs   {home}",
    ]
    tokens = home / "demo-tokens.json"
    if _demo_wanted() and tokens.exists():
        lines += ["", "Demo community of fictional organisations:", ""]
        if (home / "demo-password").exists():
            lines += _demo_desk(home)
        lines.append(f"  Tokens        {tokens}")
        secret = _demo_secret(tokens)
        if secret:
            lines += [
                "",
                f"Pull the {DEMO_FEED} feed as {DEMO_TOKEN}:",
                "",
                f"  curl -s -H 'Authorization: Bearer {secret}' \\",
                "       -H 'Accept: application/taxii+json;version=2.1' \\",
                f"       '{url}/taxii2/{DEMO_COMMUNITY}/collections/{DEMO_FEED}/objects/?limit=5'",
                *_demo_verification(url, home, secret),
            ]
    lines += ["", "Ctrl-C stops everything; the next start carries on with the same data.", ""]
    return "\n".join(lines)


def _demo_verification(url: str, home: Path, secret: str) -> list[str]:
    """How to follow the demo's feed as a partner who trusts nobody but the publisher's root."""
    feed = Collection.objects.filter(community__slug=DEMO_COMMUNITY, alias=DEMO_FEED).first()
    connections.close_all()
    if feed is None:
        return []
    stillwatch = Path(sys.executable).with_name("stillwatch")
    trusted = home / "demo-partner"
    return [
        "",
        "Prove that it is complete, fresh and unaltered, as a partner does:",
        "",
        f"  {stillwatch} verify init --root {home / FOLDER / 'root.json'} --at {url} --home {trusted}",
        f"  STILLWATCH_TOKEN={secret} \\",
        f"       {stillwatch} verify sync {feed.id} --home {trusted} --out {trusted / 'feed'}",
    ]


def _demo_desk(home: Path) -> list[str]:
    """Who may sign in at the demo's desk, and how."""
    lines = [f"  Admin desk    {DEMO_ANALYST} / {_demo_password(home)}"]
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        secrets = json.loads((home / SECOND_FACTORS).read_text(encoding="utf-8"))
        others = ", ".join(name for name in secrets if name != DEMO_ANALYST)
        lines += [
            f"  Second factor .venv/bin/python manage.py demo_code {DEMO_ANALYST}",
            f"                or the secret {secrets[DEMO_ANALYST]} in an authenticator app",
            f"  Others        {others}: the same password, secrets in {home / SECOND_FACTORS}",
        ]
    return lines


def _demo_secret(tokens: Path) -> str:
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads(tokens.read_text(encoding="utf-8"))[DEMO_TOKEN]["secret"])
    return ""


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
