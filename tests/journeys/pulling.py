"""A real medallion as the upstream server, what pulls it and is killed at it, and what must hold afterwards."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
import yaml

from config import embedded
from tests.conformance import stix
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import COMMUNITIES, PROJECT, TAXII, World, _environment, _free_port

Object = dict[str, Any]


@dataclass
class Medallion:
    """A medallion in a process of its own; its collections by id."""

    directory: Path
    objects: dict[str, list[Object]]
    page: int = 50
    port: int = field(default_factory=_free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def root(self) -> str:
        return f"http://127.0.0.1:{self.port}/intel/"

    def start(self) -> None:
        """Start it with what it holds; what it kept of earlier callers is forgotten."""
        config = self.directory / "medallion.json"
        stored = self.directory / "stored.json"
        stored.write_text(json.dumps(self._data()))
        backend = {
            "module": "medallion.backends.memory_backend",
            "module_class": "MemoryBackend",
            "filename": str(stored),
        }
        config.write_text(
            json.dumps(
                {"users": {"puller": "s3cret"}, "taxii": {"max_page_size": self.page}, "backend": backend}
            )
        )
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.journeys.medallion_server", str(config), str(self.port)],
            cwd=PROJECT,
            stdout=(self.directory / "medallion.log").open("ab"),
            stderr=subprocess.STDOUT,
            preexec_fn=embedded.end_with_parent(signal.SIGTERM),  # noqa: PLW1509 - two system calls, nothing more
        )
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(requests.RequestException):
                answer = requests.get(
                    self.root, auth=("puller", "s3cret"), headers={"Accept": TAXII}, timeout=30
                )
                assert answer.status_code == 200, answer.text
                return
            assert time.monotonic() < deadline, (self.directory / "medallion.log").read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def add(self, collection: str, *objects: Object) -> None:
        """POST to it, as its other users do."""
        answer = requests.post(
            f"{self.root}collections/{collection}/objects/",
            auth=("puller", "s3cret"),
            headers={"Accept": TAXII, "Content_Type": TAXII, "Content-Type": TAXII, "Content_Length": "1"},
            data=json.dumps({"objects": objects}),
            timeout=60,
        )
        assert answer.status_code == 202, answer.text
        self.objects[collection] += objects

    def _data(self) -> Object:
        collections = [
            {
                "id": one,
                "title": f"Collection {number}",
                "can_read": True,
                "can_write": True,
                "media_types": ["application/stix+json;version=2.1"],
                "objects": held,
                "manifest": [
                    {
                        "id": each["id"],
                        # Many of one date, as after a load in bulk.
                        "date_added": f"2026-01-0{1 + place * 3 // max(1, len(held))}T10:00:00.000000Z",
                        "version": each["modified"],
                        "media_type": "application/stix+json;version=2.1",
                    }
                    for place, each in enumerate(held)
                ],
            }
            for number, (one, held) in enumerate(self.objects.items())
        ]
        information = {"title": "Intel", "versions": [TAXII], "max_content_length": 10_000_000}
        discovery = {"title": "Upstream", "api_roots": [self.root]}
        return {
            "/discovery": discovery,
            "intel": {"information": information, "status": [], "collections": collections},
        }


def campaigns(count: int) -> list[Object]:
    return [stix.campaign(object_marking_refs=[GREEN]) for _ in range(count)]


def connect(world: World, medallion: Medallion, *, auth: str = "basic") -> list[str]:
    """Make a source of each collection by the community file; their names."""
    parsed = yaml.safe_load(COMMUNITIES)
    parsed["communities"][1]["sources"] = [
        {
            "name": f"upstream-{medallion.port}-{number}",
            "kind": "taxii",
            "organization": "cloud-c",
            "url": medallion.root,
            "collection": one,
            "auth": auth,
            "username": "puller",
            "credential": "MEDALLION",
            "internal": True,
        }
        for number, one in enumerate(medallion.objects)
    ]
    file = medallion.directory / "communities.yaml"
    file.write_text(yaml.safe_dump(parsed))
    world.manage("apply_community", str(file))
    return [one["name"] for one in parsed["communities"][1]["sources"]]


def puller(world: World, name: str) -> subprocess.Popen[str]:
    """A process that pulls a source, to be waited for or killed."""
    return subprocess.Popen(
        [sys.executable, "manage.py", "pull_source", name],
        cwd=PROJECT,
        env=_environment(world.home, world.port) | {"SOURCE_SECRET_MEDALLION": "s3cret"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def pull(world: World, name: str) -> str:
    """Pull a source to its end."""
    process = puller(world, name)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


def let_the_lease_end(world: World) -> None:
    """What a dead worker had is free after minutes; here at once, as the worker is known to be dead."""
    world.sql("UPDATE indicators_source SET leased_until = NULL, next_at = now()")


def received(world: World, name: str) -> int:
    ((count,),) = world.sql("SELECT object_count FROM indicators_source WHERE name = %s", (name,))
    return int(count)


def kill_in_mid_pull(world: World, name: str, chance: random.Random) -> bool:
    """Start a puller and kill it once it has brought something more; whether it was still at it."""
    before = received(world, name)
    process = puller(world, name)
    while process.poll() is None and received(world, name) == before:
        time.sleep(0.02)
    time.sleep(chance.uniform(0, 0.1))
    alive = process.poll() is None
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    let_the_lease_end(world)
    return alive


def assert_all_there_once(world: World, medallion: Medallion) -> None:
    """Every object of the upstream, in the version that it has there, in the inbox once, and nothing else of it."""
    world.settle()
    everything = [one for held in medallion.objects.values() for one in held]
    wanted = {(one["id"], one["modified"]) for one in everything}
    assert len(wanted) == len(everything)
    stands = world.sql(
        "SELECT e.object_id, count(*) FROM sharing_entry e JOIN sharing_collection k ON k.id = e.collection_id"
        " JOIN accounts_community c ON c.id = k.community_id JOIN accounts_organization o ON o.id = k.owner_id"
        " WHERE k.kind = 'inbox' AND c.slug = 'allies' AND o.slug = 'cloud-c' GROUP BY 1"
    )
    counts = dict(stands)
    ids = {one_id for one_id, _ in wanted}
    assert ids <= counts.keys()
    assert {counts[one_id] for one_id in ids} == {1}
    served = steps.by_id(world.objects("cloud-c", "inbox", community="allies", query="limit=5000"))
    assert all(steps.same(one, served[one["id"]]) for one in everything)
