"""Submissions that flow while something breaks, and what must hold when all is over."""

import json
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import TAXII, World

ORGANIZATIONS = ("lab-a", "lab-b", "cloud-c")
PATIENCE = 120.0


@dataclass(slots=True)
class Flow:
    """Partners who post, and post again what got no answer, until it is accepted."""

    world: World
    accepted: dict[str, list[list[Object]]] = field(
        default_factory=lambda: {organization: [] for organization in ORGANIZATIONS}
    )
    failed: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _turn: int = 0

    def post(self, organization: str) -> None:
        """One envelope, sent until it gets its 202, as a careful client does."""
        envelope = objects()
        body = json.dumps({"objects": envelope})
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self._try(organization, body)
            if status == 202:
                break
            with self._lock:
                self.failed += 1
            assert status in {0, 500, 502, 503}, status
            assert time.monotonic() < deadline, "nobody accepts anything any more"
            time.sleep(0.1)
        with self._lock:
            self.accepted[organization].append(envelope)

    def burst(self, pool: ThreadPoolExecutor, count: int = 4) -> list[Future[None]]:
        """Several at once, of all organisations in turn."""
        sent = []
        for _ in range(count):
            sent.append(pool.submit(self.post, ORGANIZATIONS[self._turn % len(ORGANIZATIONS)]))
            self._turn += 1
        return sent

    def _try(self, organization: str, body: str) -> int:
        try:
            return requests.post(
                f"{self.world.root()}collections/inbox/objects/",
                headers=self.world.token(organization).bearer | {"Content-Type": TAXII},
                data=body,
                timeout=30,
            ).status_code
        except requests.RequestException:
            return 0


def objects() -> list[Object]:
    """Campaigns, an indicator of each, what ties the two, and an observable; all new."""
    found: list[Object] = []
    for _ in range(8):
        campaign = stix.campaign(object_marking_refs=[GREEN])
        indicator = steps.indicator(stix.domain())
        tie = steps.marked(stix.relationship(indicator, campaign), GREEN)
        found += [tie, indicator, campaign, stix.domain_name(object_marking_refs=[GREEN])]
    return found


def assert_whole(flow: Flow) -> None:
    """Every accepted object exactly once in inbox and feeds, and the tables without a trace of what happened."""
    world = flow.world
    world.settle(PATIENCE)
    sent = {
        organization: steps.by_id(one for envelope in envelopes for one in envelope)
        for organization, envelopes in flow.accepted.items()
    }
    for organization, mine in sent.items():
        assert_inbox(world, organization, mine)
    everything = [one for mine in sent.values() for one in mine.values()]
    for alias in ("strict", "amber", "green"):
        assert_feed(world, alias, everything)
    assert_logs(world)
    assert_tables(world)


def assert_inbox(world: World, organization: str, sent: dict[str, Object]) -> None:
    stands = world.objects(organization, "inbox", query="limit=5000&match[version]=all")
    served = steps.by_id(stands)
    assert served.keys() == sent.keys()
    assert all(steps.same(one, served[one_id]) for one_id, one in sent.items())


def assert_feed(world: World, alias: str, sent: list[Object]) -> None:
    feed = steps.by_id(world.objects("lab-b", alias, query="limit=5000&match[version]=all"))
    unchanged = [one for one in sent if one["type"] in {"campaign", "domain-name"}]
    assert all(one["id"] in feed and steps.same(one, feed[one["id"]]) for one in unchanged)
    by_pattern: dict[str, list[str]] = {}
    for one in feed.values():
        if one["type"] == "indicator":
            by_pattern.setdefault(one["pattern"], []).append(one["id"])
    indicators = {one["id"]: one["pattern"] for one in sent if one["type"] == "indicator"}
    assert sorted(by_pattern) == sorted(indicators.values())
    assert all(len(ids) == 1 for ids in by_pattern.values())
    ties = sorted(
        (by_pattern[indicators[one["source_ref"]]][0], one["target_ref"])
        for one in sent
        if one["type"] == "relationship"
    )
    stand = sorted(
        (one["source_ref"], one["target_ref"]) for one in feed.values() if one["type"] == "relationship"
    )
    assert stand == ties


def assert_logs(world: World) -> None:
    for collection_id, next_index, last_added in world.sql(
        "SELECT id, next_index, last_added FROM sharing_collection"
    ):
        rows = world.sql(
            "SELECT index, added FROM sharing_entry WHERE collection_id = %s ORDER BY index", (collection_id,)
        )
        added = [one for _, one in rows]
        assert [index for index, _ in rows] == list(range(next_index))
        assert added == sorted(set(added))
        assert (added[-1] if added else 0) == last_added


NOTHING = {
    "submissions that are not ingested": "SELECT count(*) FROM indicators_submission WHERE state <> 'ingested'",
    "pending subjects": "SELECT count(*) FROM indicators_pendingfold",
    "subjects that wait": "SELECT count(*) FROM sharing_waiting",
    "receipts that are not whole": (
        "SELECT count(*) FROM indicators_submission s WHERE s.object_count <>"
        " (SELECT count(*) FROM indicators_submittedobject o WHERE o.submission_id = s.id)"
    ),
    "subjects without a claim": (
        "SELECT count(*) FROM indicators_subject s"
        " WHERE NOT EXISTS (SELECT 1 FROM indicators_claim c WHERE c.subject_id = s.id)"
    ),
    "subjects without a release": (
        "SELECT count(*) FROM indicators_subject s"
        " WHERE (SELECT count(*) FROM sharing_release r WHERE r.subject_id = s.id) <> 3"
    ),
    "releases that do not stand": (
        "SELECT count(*) FROM sharing_release WHERE decision <> 'release' OR digest IS NULL"
    ),
    "claims without an entry in their inbox": (
        "SELECT count(*) FROM indicators_claim c WHERE NOT EXISTS (SELECT 1 FROM sharing_entry e"
        " JOIN sharing_collection k ON k.id = e.collection_id WHERE k.kind = 'inbox'"
        " AND k.community_id = c.community_id AND k.owner_id = c.organization_id AND e.object_id = c.object_id)"
    ),
    "entries in an inbox without a claim": (
        "SELECT count(*) FROM sharing_entry e JOIN sharing_collection k ON k.id = e.collection_id"
        " WHERE k.kind = 'inbox' AND NOT EXISTS (SELECT 1 FROM indicators_claim c"
        " WHERE c.community_id = k.community_id AND c.organization_id = k.owner_id AND c.object_id = e.object_id)"
    ),
    "submissions without an audit event": (
        "SELECT count(*) FROM indicators_submission s WHERE (SELECT count(*) FROM accounts_auditevent a"
        " WHERE a.action = 'submission.receive' AND a.target = 'submission:' || s.id) <> 1"
    ),
}


def assert_tables(world: World) -> None:
    left: dict[str, Any] = {name: world.sql(query)[0][0] for name, query in NOTHING.items()}
    assert left == dict.fromkeys(NOTHING, 0)
