"""A running Stillwatch for tests that talk to it as its users do: HTTP, files, signals.

    with World.start() as world:
        requests.get(world.url + "/taxii2/", auth=world.token("lab-a", "rw").basic)

It is what `make run` starts, in a home of its own: PostgreSQL, Redis, web server, workers and beat.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import psycopg
import requests

from config import embedded
from indicators.stix import markings, profile
from tests import desk

PROJECT = Path(__file__).resolve().parent.parent
TAXII = "application/taxii+json;version=2.1"
ANALYST_PASSWORD = "correct horse battery staple"

COMMUNITIES = """
organizations:
  - slug: hub
    name: Hub
    sector: operator
    reliability: A
    members:
      - {username: analyst, email: analyst@hub.example, role: analyst, password_env: ANALYST_PASSWORD}
      - {username: reviewer, email: reviewer@hub.example, role: analyst, password_env: ANALYST_PASSWORD}
      - {username: hub-admin, email: admin@hub.example, role: admin, password_env: ANALYST_PASSWORD}
      - {username: reader, email: reader@hub.example, role: reader, password_env: ANALYST_PASSWORD}
    tokens: &tokens
      - {name: rw, scopes: [submit, "feed:read"]}
      - {name: ro, scopes: ["feed:read"]}
      - {name: wo, scopes: [submit]}
  - slug: lab-a
    name: Lab A
    sector: ai-lab
    reliability: B
    tokens: *tokens
    members:
      - {username: lab-a-admin, email: admin@lab-a.example, role: admin, password_env: ANALYST_PASSWORD}
      - {username: lab-a-submitter, email: sender@lab-a.example, role: submitter, password_env: ANALYST_PASSWORD}
      - {username: lab-a-reader, email: reader@lab-a.example, role: reader, password_env: ANALYST_PASSWORD}
  - {slug: lab-b, name: Lab B, sector: ai-lab, reliability: B, tokens: *tokens}
  - {slug: cloud-c, name: Cloud C, sector: cloud-provider, reliability: B, prompt_text: allow, tokens: *tokens}
  - slug: outsider
    name: Outsider
    sector: researcher
    tokens: *tokens
    members:
      - {username: outsider-admin, email: admin@outsider.example, role: admin, password_env: ANALYST_PASSWORD}
communities:
  - slug: frontier
    title: Frontier labs and cloud providers
    members: [hub, lab-a, lab-b, cloud-c]
    review: {auto_release: {min_confidence: 80, min_sources: 2}}
    collections: &collections
      - {alias: strict, title: Strict feed, kind: feed, ceiling: amber+strict}
      - {alias: amber, title: Amber feed, kind: feed, ceiling: amber}
      - {alias: green, title: Green feed, kind: feed, ceiling: green}
      - {alias: green-core, title: Green core feed, kind: feed, ceiling: green, profile: core}
      - {alias: exchange, title: Exchange, kind: open, ceiling: amber, write: [lab-a], read: [lab-a, lab-b]}
  - slug: allies
    title: Allies who release everything
    members: [lab-a, lab-b, cloud-c]
    personal_data: allow
    review: {auto_release: all}
    collections: *collections
  - slug: careful
    title: Careful ones
    members: [lab-a, lab-b]
    review: {auto_release: none}
    collections: *collections
"""


_ENROL = """
import json
from django.utils import timezone
from accounts.actions.sign_in import enrol_app
from accounts.actor import Actor
from accounts.models import Member
members = Member.objects.filter(role__in=["analyst", "admin"])
secrets = {one.username: enrol_app(member=one, by=Actor("service:test"), now=timezone.now()) for one in members}
print(json.dumps(secrets))
"""


@dataclass(frozen=True, slots=True)
class Token:
    """A credential in the three ways in which clients send it."""

    id: str
    secret: str

    @property
    def basic(self) -> tuple[str, str]:
        return self.id, self.secret

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}", "Accept": TAXII}


@dataclass(slots=True)
class World:
    """One running service and the organisations in it."""

    home: Path
    port: int
    _serve: subprocess.Popen[str]
    community: str = "frontier"
    _tokens: dict[str, dict[str, str]] = field(default_factory=dict)
    desk_cookies: dict[str, requests.cookies.RequestsCookieJar] = field(default_factory=dict)
    """The sessions that tests/desk.py shares, by username."""
    _apps: dict[str, str] = field(default_factory=dict)
    _codes: set[tuple[str, str]] = field(default_factory=set)

    @classmethod
    @contextlib.contextmanager
    def start(cls, communities: str = COMMUNITIES) -> Iterator[Self]:
        """Start it, wait until it is ready, make the communities; stop it at the end, and leave nothing."""
        home = Path(tempfile.mkdtemp(prefix="sw-world-")).resolve()
        port = _free_port()
        serve = subprocess.Popen(
            [sys.executable, "manage.py", "serve"],
            cwd=PROJECT,
            env=_environment(home, port),
            stdout=(home / "serve.log").open("w"),
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=embedded.end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two system calls, nothing more
        )
        world = cls(home, port, serve)
        try:
            world.wait_ready(300)
            (home / "communities.yaml").write_text(communities)
            world.manage(
                "apply_community", str(home / "communities.yaml"), "--tokens-out", str(home / "tokens.json")
            )
            world._tokens = json.loads((home / "tokens.json").read_text())
            yield world
        finally:
            world.stop()
            shutil.rmtree(home, ignore_errors=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def token(self, organization: str, name: str = "rw") -> Token:
        """`rw` reads and submits, `ro` reads, `wo` submits."""
        return Token(**self._tokens[f"{organization}/{name}"])

    def app_of(self, username: str) -> str:
        """The secret of a member's authenticator app, where their role needs one; all get them at once."""
        if not self._apps:
            said = self.manage("shell", "--verbosity", "0", "--command", _ENROL)
            self._apps = json.loads(said.splitlines()[-1])
        return self._apps.get(username, "")

    def code(self, username: str) -> str:
        """A code of a member's app that was not used yet; waits for the next one if need be."""
        secret = self.app_of(username)
        while True:
            for step in (0, 1, -1):
                found = desk.code(secret, step=step)
                if (username, found) not in self._codes:
                    self._codes.add((username, found))
                    return found
            time.sleep(1)

    def root(self, community: str | None = None) -> str:
        """The URL of an API root."""
        return f"{self.url}/taxii2/{community or self.community}/"

    def collection(self, alias: str, community: str | None = None, organization: str = "lab-a") -> str:
        """The UUID of a collection, as that organisation sees it."""
        answer = requests.get(
            f"{self.root(community)}collections/", headers=self.token(organization).bearer, timeout=30
        )
        (found,) = [one for one in answer.json()["collections"] if one.get("alias") == alias]
        return str(found["id"])

    def post(
        self, organization: str, objects: list[Any], *, to: str = "inbox", community: str | None = None
    ) -> dict[str, Any]:
        """POST an envelope; the status resource of the 202."""
        answer = requests.post(
            f"{self.root(community)}collections/{to}/objects/",
            headers=self.token(organization).bearer | {"Content-Type": TAXII},
            data=json.dumps({"objects": objects}),
            timeout=60,
        )
        assert answer.status_code == 202, answer.text
        status: dict[str, Any] = answer.json()
        return status

    def wait(
        self, status: Any, token: Any, community: str | None = None, timeout: float = 60
    ) -> dict[str, Any]:
        """Poll a status until it is complete."""
        deadline = time.monotonic() + timeout
        while True:
            answer = requests.get(
                f"{self.root(community)}status/{status['id']}/",
                headers={"Authorization": f"Bearer {token.secret}", "Accept": TAXII},
                timeout=30,
            )
            assert answer.status_code == 200, answer.text
            current: dict[str, Any] = answer.json()
            if current["status"] == "complete":
                return current
            assert time.monotonic() < deadline, f"still pending: {current}"
            time.sleep(0.03)

    def submit(
        self, organization: str, objects: list[Any], *, to: str = "inbox", community: str | None = None
    ) -> dict[str, Any]:
        """POST, wait until ingested and, for feeds, until nothing is left to publish."""
        status = self.post(organization, objects, to=to, community=community)
        final = self.wait(status, self.token(organization), community)
        self.settle()
        return final

    def settle(self, timeout: float = 120) -> None:
        """Wait until every submission is ingested and every subject published."""
        deadline = time.monotonic() + timeout
        while self.sql(
            "SELECT (SELECT count(*) FROM indicators_submission WHERE state = 'received')"
            " + (SELECT count(*) FROM indicators_pendingfold)"
        ) != [(0,)]:
            assert time.monotonic() < deadline, "work is left over"
            time.sleep(0.03)

    def objects(
        self,
        organization: str,
        alias: str,
        *,
        community: str | None = None,
        query: str = "",
    ) -> list[dict[str, Any]]:
        """All objects of a collection, page by page."""
        found: list[dict[str, Any]] = []
        following = ""
        while True:
            page = self.page(organization, alias, community=community, query=f"{query}&next={following}")
            found += page["objects"]
            if not page["more"]:
                return found
            following = page["next"]

    def introduced(self) -> set[str]:
        """The ids of what every feed says first, and only the service can say."""
        own = self.sql(
            "SELECT identity_id FROM sharing_publisher UNION ALL SELECT object_id FROM indicators_technique"
        )
        standard = (json.loads(body)["id"] for body in markings.definitions())
        return {*standard, *profile.extensions(), *(object_id for (object_id,) in own)}

    def page(
        self, organization: str, alias: str, *, community: str | None = None, query: str = ""
    ) -> dict[str, Any]:
        """One page of a collection."""
        answer = requests.get(
            f"{self.root(community)}collections/{alias}/objects/?{query}",
            headers=self.token(organization).bearer,
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def raw(self, request: bytes, *, breaks_off: bool = False) -> bytes:
        """Send these bytes as they are; the whole answer, of which nothing need come in one piece.

        With `breaks_off` nothing follows them, as after a connection that was lost.
        """
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(request)
            if breaks_off:
                connection.shutdown(socket.SHUT_WR)
            answer = b""
            while True:
                head, end, body = answer.partition(b"\r\n\r\n")
                length = re.search(rb"(?im)^content-length: *(\d+)", head)
                if end and length and len(body) >= int(length[1]):
                    return answer
                received = connection.recv(65_536)
                if not received:
                    return answer
                answer += received

    def receipt(self, organization: str, submission_id: str) -> dict[str, Any]:
        """The receipt of a submission."""
        answer = requests.get(
            f"{self.url}/api/v1/submissions/{submission_id}/",
            headers={"Authorization": f"Bearer {self.token(organization).secret}"},
            timeout=30,
        )
        assert answer.status_code == 200, answer.text
        receipt: dict[str, Any] = answer.json()
        return receipt

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run `manage.py` beside the running service; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=_environment(self.home, self.port),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def beside(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """`manage.py` as `manage` runs it, without waiting for its end."""
        return subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT,
            env=_environment(self.home, self.port),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=embedded.end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two system calls, nothing more
        )

    def sql(self, query: str, parameters: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
        """Look into the database."""
        with psycopg.connect(self.database_url, autocommit=True) as connection:
            cursor = connection.execute(query.encode(), parameters)
            return cursor.fetchall() if cursor.description else []

    @property
    def database_url(self) -> str:
        return embedded.database_url(self.home)

    def pids(self) -> dict[str, int]:
        """Names and pids of what runs."""
        found: dict[str, int] = json.loads((self.home / "pids.json").read_text())
        return found

    def kill(self, name: str) -> None:
        """kill -9 one of them, with everything that it started."""
        pid = self.pids()[name]
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

    def wait_ready(self, timeout: float) -> None:
        """Until /health/ready answers 200."""
        deadline = time.monotonic() + timeout
        while True:
            with contextlib.suppress(requests.RequestException):
                if requests.get(f"{self.url}/health/ready", timeout=5).status_code == 200:
                    return
            log = (self.home / "serve.log").read_text()
            assert self._serve.poll() is None, log
            assert time.monotonic() < deadline, log
            time.sleep(0.1)

    def stop(self) -> None:
        """In order, as Ctrl-C does."""
        if self._serve.poll() is None:
            self._serve.send_signal(signal.SIGINT)
        try:
            self._serve.wait(60)
        except subprocess.TimeoutExpired:
            os.killpg(self._serve.pid, signal.SIGKILL)


def _environment(home: Path, port: int) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"DATABASE_URL", "CELERY_BROKER_URL", "PUBLIC_URL", "SECRET_KEY"}
    }
    return inherited | {
        "STILLWATCH_HOME": str(home),
        "PORT": str(port),
        "DEMO": "0",
        "ANALYST_PASSWORD": ANALYST_PASSWORD,
        "DJANGO_SETTINGS_MODULE": "config.settings",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
