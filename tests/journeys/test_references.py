"""Whatever an object refers to stands on the same page or an earlier one (clients.md 18), however it came in."""

import json
import random
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

import indicators
from sharing.release.reissue import DETECTION_CONTEXT
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import AMBER, GREEN
from tests.world import World

DEMO = Path(indicators.__file__).parent / "demo"
BUNDLES = {"lab-a": "1-public-campaigns.json", "cloud-c": "2-synthetic-detections.json"}
FEEDS = ("strict", "amber", "green", "green-core")


def bundle(organization: str) -> list[Object]:
    objects: list[Object] = json.loads((DEMO / BUNDLES[organization]).read_text())["objects"]
    return objects


@pytest.fixture(scope="module")
def shuffled(world: World, communities: None) -> dict[str, dict[str, Object]]:
    """Both worked bundles, posted in pieces and in an order that puts most objects before their referents."""
    order = random.Random(20261)
    pieces = []
    for organization in BUNDLES:
        objects = bundle(organization)
        order.shuffle(objects)
        # Relationships, sightings and reports first; what they speak of last.
        objects.sort(key=lambda one: -len(list(steps.references(one))))
        pieces += [(organization, objects[start : start + 11]) for start in range(0, len(objects), 11)]
    order.shuffle(pieces)
    statuses = [
        (organization, world.post(organization, piece, community="shuffled"))
        for organization, piece in pieces
    ]
    for organization, status in statuses:
        final = world.wait(status, world.token(organization), "shuffled")
        assert final["failure_count"] == 0, final["failures"]
    world.settle()
    return {organization: steps.by_id(bundle(organization)) for organization in BUNDLES}


def pages(world: World, alias: str, query: str, community: str = "shuffled") -> list[list[Object]]:
    found = [world.page("lab-b", alias, community=community, query=query)]
    while found[-1]["more"]:
        found.append(
            world.page("lab-b", alias, community=community, query=f"{query}&next={found[-1]['next']}")
        )
    return [page["objects"] for page in found]


def dangling(found: list[list[Object]]) -> dict[str, set[str]]:
    """What refers forward or to nothing, and to what."""
    standing: set[str] = set()
    missing: dict[str, set[str]] = {}
    for page in found:
        standing |= {one["id"] for one in page}
        for one in page:
            absent = set(steps.references(one)) - standing
            if absent:
                missing[one["id"]] = absent
    return missing


@pytest.mark.parametrize("limit", [7, 1000])
@pytest.mark.parametrize("alias", FEEDS)
def test_nothing_refers_to_a_later_page(
    world: World, shuffled: dict[str, dict[str, Object]], alias: str, limit: int
) -> None:
    found = pages(world, alias, f"match[version]=all&limit={limit}")

    assert sum(len(page) for page in found) > 30
    assert dangling(found) == {}


@pytest.mark.parametrize("alias", FEEDS)
def test_nothing_refers_to_a_later_page_for_a_reader_of_the_latest_versions(
    world: World, shuffled: dict[str, dict[str, Object]], alias: str
) -> None:
    """Silence means the latest version, and that is what stock clients pull.

    Only what got a newer version after something referred to it stands later: in a log it cannot be otherwise.
    """
    followed = Counter(one["id"] for page in pages(world, alias, "match[version]=all") for one in page)
    found = pages(world, alias, "limit=7")

    forward = {target for targets in dangling(found).values() for target in targets}
    assert {target for target in forward if followed[target] < 2} == set()
    assert forward <= {one["id"] for page in found for one in page}


def test_the_widest_feed_holds_everything_that_was_sent(
    world: World, shuffled: dict[str, dict[str, Object]]
) -> None:
    """What refers to no indicator, not even through others, comes out value-equal (clients.md 15).

    Unless it holds a detection context, which stays with its source.
    """
    feed = steps.by_id(world.objects("lab-b", "strict", community="shuffled"))
    own = world.introduced()
    sent = {
        one_id: one for one_id, one in (shuffled["lab-a"] | shuffled["cloud-c"]).items() if one_id not in own
    }
    reissued = {
        one_id
        for one_id, one in sent.items()
        if one["type"] == "indicator" or DETECTION_CONTEXT in one.get("extensions", {})
    }
    while True:
        further = {one_id for one_id, one in sent.items() if reissued & set(steps.references(one))} - reissued
        if not further:
            break
        reissued |= further

    absent = [one_id for one_id in sent if one_id not in reissued and one_id not in feed]
    changed = [one_id for one_id in sent if one_id in feed and not steps.same(sent[one_id], feed[one_id])]

    assert len(reissued) > 20
    assert (absent, changed) == ([], [])
    assert reissued.isdisjoint(feed)


def test_every_relationship_and_sighting_of_an_indicator_is_said_again_by_the_service(
    world: World, shuffled: dict[str, dict[str, Object]]
) -> None:
    feed = steps.by_id(world.objects("lab-b", "strict", community="shuffled"))
    sent = shuffled["lab-a"] | shuffled["cloud-c"]
    published = {one["id"]: one["pattern"] for one in feed.values() if one["type"] == "indicator"}
    (publisher,) = {one["created_by_ref"] for one in feed.values() if one["type"] == "indicator"}
    of_indicators = [
        one
        for one in sent.values()
        if one["type"] != "indicator" and any(ref.startswith("indicator--") for ref in steps.references(one))
    ]

    own = [
        one
        for one in feed.values()
        if one["id"] not in sent and any(ref in published for ref in steps.references(one))
    ]

    assert kinds(own) == kinds(of_indicators)
    assert {one["created_by_ref"] for one in own} == {publisher}
    for one in own:
        assert set(steps.references(one)) <= set(feed), one


def kinds(objects: list[Object]) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {}
    for one in objects:
        kind = one["type"], one.get("relationship_type", "")
        found[kind] = found.get(kind, 0) + 1
    return found


@pytest.mark.parametrize(
    ("object_type", "members"),
    [
        ("note", {"content": "Seen twice."}),
        ("report", {"name": "A wave", "published": "2024-05-01T08:00:00Z"}),
        ("grouping", {"name": "One cluster", "context": "suspicious-activity"}),
        ("opinion", {"opinion": "agree", "explanation": "We see it too."}),
    ],
)
def test_what_speaks_of_an_indicator_speaks_of_the_published_one(
    world: World, object_type: str, members: dict[str, Any]
) -> None:
    domain = stix.domain()
    indicator = steps.indicator(domain)
    speaker = stix._sdo(object_type, object_refs=[indicator["id"]], object_marking_refs=[GREEN], **members)

    world.submit("lab-a", [speaker], community="allies")
    world.submit("lab-a", [indicator], community="allies")

    published = steps.indicator_in(world, "lab-b", "green", domain, community="allies")
    found = world.objects("lab-b", "green", community="allies", query=f"match[type]={object_type}")
    (own,) = [one for one in found if published["id"] in one["object_refs"]]
    assert own["id"] != speaker["id"]
    assert own["created_by_ref"] == published["created_by_ref"]
    assert {name: own[name] for name in members} == members


def test_a_sighting_of_an_indicator_is_said_again_without_who_saw_it(world: World) -> None:
    domain, who = stix.domain(), stix.identity(name="Unmistakable Ltd", object_marking_refs=[GREEN])
    indicator = steps.indicator(domain)
    sighting = stix._sdo(
        "sighting",
        sighting_of_ref=indicator["id"],
        where_sighted_refs=[who["id"]],
        created_by_ref=who["id"],
        first_seen="2024-05-01T08:00:00Z",
        last_seen="2024-05-02T08:00:00.500Z",
        count=7,
        description="Seen by Unmistakable Ltd in its gateway.",
        object_marking_refs=[GREEN],
    )

    world.submit("lab-a", [sighting, indicator], community="allies")

    published = steps.indicator_in(world, "lab-b", "green", domain, community="allies")
    found = world.objects("lab-b", "green", community="allies", query="match[type]=sighting")
    (own,) = [one for one in found if one["sighting_of_ref"] == published["id"]]
    assert (own["count"], own["first_seen"]) == (7, "2024-05-01T08:00:00Z")
    assert not {"where_sighted_refs", "description"} & set(own)
    assert "Unmistakable" not in json.dumps(own)


def test_a_report_that_comes_to_speak_of_an_indicator_follows(world: World) -> None:
    """Its first version passes unchanged; the next one refers to an indicator, and must reach readers too."""
    domain = stix.domain()
    campaign = stix.campaign(object_marking_refs=[GREEN])
    indicator = steps.indicator(domain)
    report = stix._sdo(
        "report",
        name=f"Report on {domain}",
        published="2024-05-01T08:00:00Z",
        object_refs=[campaign["id"]],
        object_marking_refs=[GREEN],
    )
    world.submit("lab-a", [campaign, report], community="allies")

    world.submit(
        "lab-a",
        [indicator, steps.newer(report, object_refs=[campaign["id"], indicator["id"]])],
        community="allies",
    )

    published = steps.indicator_in(world, "lab-b", "green", domain, community="allies")
    found = world.objects("lab-b", "green", community="allies", query="match[type]=report")
    shown = [one for one in found if one["name"] == report["name"]]
    assert any(published["id"] in one["object_refs"] for one in shown), shown


def test_a_relationship_follows_an_indicator_whose_pattern_changed(world: World) -> None:
    """Otherwise it points for ever at an indicator that was revoked."""
    before, after = stix.domain(), stix.domain()
    campaign = stix.campaign(object_marking_refs=[GREEN])
    indicator = steps.indicator(before)
    relationship = steps.marked(stix.relationship(indicator, campaign), GREEN)
    world.submit("lab-a", [campaign, indicator, relationship], community="allies")

    world.submit(
        "lab-a", [steps.newer(indicator, pattern=f"[domain-name:value = '{after}']")], community="allies"
    )

    published = steps.indicator_in(world, "lab-b", "green", after, community="allies")
    found = world.objects("lab-b", "green", community="allies", query="match[type]=relationship")
    (own,) = [one for one in found if one["target_ref"] == campaign["id"]]
    assert own["source_ref"] == published["id"]


def test_what_refers_to_what_was_taken_back_is_taken_back_too(world: World) -> None:
    """A feed never holds a reference to nothing, not even after a deletion."""
    campaign, actor = stix.campaign(object_marking_refs=[GREEN]), stix.malware(object_marking_refs=[GREEN])
    relationship = steps.marked(stix.relationship(campaign, actor, relationship_type="uses"), GREEN)
    world.submit("lab-a", [campaign, actor, relationship], community="allies")
    before = world.objects("lab-b", "green", community="allies", query=f"match[id]={relationship['id']}")

    steps.delete(world, "lab-a", actor["id"], community="allies")

    assert len(before) == 1
    feed = world.objects("lab-b", "green", community="allies", query="match[version]=all")
    assert [one["id"] for one in feed if actor["id"] in steps.references(one)] == []


def test_objects_that_refer_to_each_other_are_published_together(world: World) -> None:
    """An identity and the marking that it made and bears; each waits for the other."""
    marking = stix.statement()
    identity = stix.identity(object_marking_refs=[GREEN, marking["id"]])
    marking |= {"created_by_ref": identity["id"], "object_marking_refs": [GREEN]}

    world.submit("lab-a", [identity], community="allies")
    world.submit("lab-a", [marking], community="allies")

    feed = [one["id"] for one in world.objects("lab-b", "green", community="allies")]
    assert {identity["id"], marking["id"]} <= set(feed)


def test_a_circle_of_which_a_part_is_above_the_ceiling_lets_the_publisher_rest(world: World) -> None:
    """In the amber feed the circle stands, in the green one it waits: neither may wake the other for ever."""
    campaign = stix.campaign(object_marking_refs=[AMBER])
    note_id = f"note--{uuid4()}"
    report = stix._sdo(
        "report",
        name="One half",
        published="2024-05-01T08:00:00Z",
        object_refs=[note_id, campaign["id"]],
        object_marking_refs=[GREEN],
    )
    note = stix._sdo("note", content="The other", object_refs=[report["id"]], object_marking_refs=[GREEN])
    note["id"] = note_id

    try:
        world.post("lab-a", [campaign, report, note], community="allies")
        world.settle(timeout=15)
    finally:
        # Whatever happens, the world must come to rest for the next test.
        world.post("lab-a", [steps.newer(campaign, object_marking_refs=[GREEN])], community="allies")
        world.settle()

    feed = {one["id"] for one in world.objects("lab-b", "amber", community="allies")}
    assert {campaign["id"], report["id"], note["id"]} <= feed
