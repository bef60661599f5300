"""What a partner deletes is erased where it was posted, and leaves the feeds (TAXII 2.1 §5.5; model.md, "Merging")."""

import random
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import World


def try_to_delete(
    world: World, organization: str, object_id: str, of: str, query: str = "", community: str = "allies"
) -> int:
    return requests.delete(
        f"{world.root(community)}collections/{of}/objects/{object_id}/{query}",
        headers=world.token(organization).bearer,
        timeout=60,
    ).status_code


def in_feed(world: World, object_id: str, query: str = "match[version]=all") -> list[Object]:
    return world.objects("lab-b", "green", community="allies", query=f"match[id]={object_id}&{query}")


def test_an_object_leaves_collection_and_feed(world: World) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    world.submit("lab-a", [campaign], community="allies")
    before = in_feed(world, campaign["id"])

    steps.delete(world, "lab-a", campaign["id"], community="allies")

    assert len(before) == 1
    assert in_feed(world, campaign["id"]) == []
    assert campaign["id"] not in {one["id"] for one in world.objects("lab-a", "inbox", community="allies")}


def test_a_deleted_object_may_be_sent_again(world: World) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    world.submit("lab-a", [campaign], community="allies")
    steps.delete(world, "lab-a", campaign["id"], community="allies")

    final = world.submit("lab-a", [campaign], community="allies")

    assert final["success_count"] == 1
    assert [steps.same(campaign, one) for one in in_feed(world, campaign["id"])] == [True]


def test_deleting_the_latest_version_brings_back_the_one_before(world: World) -> None:
    before, after = stix.domain(), stix.domain()
    indicator = steps.indicator(before)
    moved = steps.newer(indicator, pattern=f"[domain-name:value = '{after}']")
    world.submit("lab-a", [indicator], community="allies")
    world.submit("lab-a", [moved], community="allies")

    status = try_to_delete(world, "lab-a", indicator["id"], "inbox", "?match[version]=last")
    world.settle()

    assert status == 200
    (revoked,) = steps.versions_in(world, "lab-b", "green", after, community="allies")[-1:]
    again = [
        one
        for one in steps.versions_in(world, "lab-b", "green", before, community="allies")
        if not one.get("revoked")
    ]
    assert revoked["revoked"] is True
    assert again


def test_nobody_deletes_what_another_posted(world: World) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    world.submit("lab-a", [campaign], to="exchange", community="allies")

    statuses = {
        organization: try_to_delete(world, organization, campaign["id"], "exchange")
        for organization in ("lab-b", "cloud-c", "outsider")
    }
    in_the_feed = {
        organization: try_to_delete(world, organization, campaign["id"], "green")
        for organization in ("lab-a", "lab-b", "outsider")
    }

    # lab-b reads the collection, cloud-c may not even see it.
    assert statuses == {"lab-b": 403, "cloud-c": 404, "outsider": 404}
    assert in_the_feed == {"lab-a": 403, "lab-b": 403, "outsider": 404}
    assert len(in_feed(world, campaign["id"])) == 1


def test_what_two_partners_sent_stands_for_the_other(world: World) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    world.submit("lab-a", [campaign], community="allies")
    world.submit("cloud-c", [campaign], community="allies")

    steps.delete(world, "lab-a", campaign["id"], community="allies")
    between = in_feed(world, campaign["id"])
    steps.delete(world, "cloud-c", campaign["id"], community="allies")

    assert len(between) == 1
    assert in_feed(world, campaign["id"]) == []


def test_what_a_partner_deleted_is_gone_though_another_uses_its_id(world: World) -> None:
    """An erasure must not fail because somebody else posted other content under the same id and version."""
    ours = stix.campaign(object_marking_refs=[GREEN], description=f"Ours {stix.domain()}")
    theirs = ours | {"description": f"Theirs {stix.domain()}"}
    world.submit("lab-a", [ours], community="allies")
    world.submit("cloud-c", [theirs], community="allies")

    steps.delete(world, "lab-a", ours["id"], community="allies")

    page = steps.raw_page(world, "lab-b", "green", "limit=5000&match[version]=all&proof=1", "allies").decode()
    assert ours["description"] not in page
    assert theirs["description"] in page


@pytest.mark.parametrize("to", ["inbox", "exchange"])
def test_deleting_while_posting_neither_fails_nor_blocks(world: World, to: str) -> None:
    """Both take locks; they must take them in one order."""
    chance = random.Random(3)
    known = [stix.campaign(object_marking_refs=[GREEN]) for _ in range(40)]
    world.submit("lab-a", known, to=to, community="allies")

    def post(number: int) -> int:
        fresh = [stix.campaign(object_marking_refs=[GREEN]) for _ in range(30)]
        world.post("lab-a", [*fresh, *chance.sample(known, 10)], to=to, community="allies")
        return 202

    with ThreadPoolExecutor(8) as pool:
        posting = [pool.submit(post, number) for number in range(20)]
        deleting = [pool.submit(try_to_delete, world, "lab-a", one["id"], to) for one in known]
        statuses = {one.result(120) for one in deleting} | {one.result(120) for one in posting}
    world.settle()

    assert statuses <= {200, 202, 404}
    assert world.sql(
        "SELECT count(*) FROM indicators_submission WHERE attempts > 0 OR state <> 'ingested'"
    ) == [(0,)]
