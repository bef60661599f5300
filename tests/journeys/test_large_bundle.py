"""A bundle of 20,000 objects goes in and comes out value-equal (clients.md 15), in order of reference (18)."""

import json
import random
from pathlib import Path
from uuid import UUID

import pytest

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.journeys.test_references import dangling
from tests.world import World

pytestmark = pytest.mark.slow
COUNT = 20_000


def generated() -> list[Object]:
    """Half observables and context, a tenth indicators, the rest relationships; most before what they refer to."""
    chance = random.Random(7)
    campaigns = [
        numbered(stix.campaign(name=f"Campaign {n}", x_weight=n / 7), chance) for n in range(COUNT // 5)
    ]
    malware = [numbered(stix.malware(name=f"Tool {n} — 蒸留"), chance) for n in range(COUNT // 10)]
    observables = [stix.domain_name() for _ in range(COUNT // 5)]
    indicators = [numbered(stix.indicator(), chance) for _ in range(COUNT // 10)]
    relationships = [
        numbered(
            stix.relationship(chance.choice(campaigns), chance.choice(malware), relationship_type="uses"),
            chance,
        )
        for _ in range(COUNT // 5)
    ]
    relationships += [
        numbered(stix.relationship(one, chance.choice(campaigns)), chance) for one in indicators
    ]
    notes = [
        numbered(
            stix._sdo(
                "note",
                content=f"Note {n}",
                object_refs=[one["id"] for one in chance.sample(observables, 3)]
                + [chance.choice(relationships)["id"]],
            ),
            chance,
        )
        for n in range(COUNT // 10)
    ]
    found = [
        steps.marked(one, GREEN)
        for one in [*campaigns, *malware, *observables, *indicators, *notes, *relationships]
    ]
    chance.shuffle(found)
    return found


def numbered(one: Object, chance: random.Random) -> Object:
    """With an id that every run makes anew in the same way."""
    one["id"] = f"{one['type']}--{UUID(int=chance.getrandbits(128), version=4)}"
    return one


@pytest.fixture(scope="module")
def sent(world: World, communities: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Object]:
    objects = generated()
    file: Path = tmp_path_factory.mktemp("bulk") / "bundle.json"
    file.write_text(
        json.dumps({"type": "bundle", "id": "bundle--" + objects[0]["id"][-36:], "objects": objects})
    )
    world.manage("import_stix", str(file), "--organization", "lab-a", "--community", "bulk")
    world.settle(300)
    return steps.by_id(objects)


def test_it_comes_out_of_the_inbox_value_equal_and_in_its_order(
    world: World, sent: dict[str, Object]
) -> None:
    served = world.objects("lab-a", "inbox", community="bulk", query="limit=5000")

    assert len(served) >= COUNT
    assert [one["id"] for one in served] == list(sent)
    assert all(steps.same(one, sent[one["id"]]) for one in served)


@pytest.mark.parametrize("alias", ["strict", "green"])
def test_it_comes_out_of_a_feed_value_equal(world: World, sent: dict[str, Object], alias: str) -> None:
    feed = steps.by_id(world.objects("lab-b", alias, community="bulk", query="limit=5000"))
    indicators = {one_id for one_id, one in sent.items() if one["type"] == "indicator"}
    # What speaks of an indicator, and what speaks of that, is said again under the service's ids.
    own = set(indicators)
    for _ in range(2):
        own |= {one_id for one_id, one in sent.items() if own & set(steps.references(one))}

    first = world.introduced()

    absent = [one_id for one_id in sent if one_id not in own and one_id not in feed]
    changed = [one_id for one_id in sent if one_id in feed and not steps.same(sent[one_id], feed[one_id])]
    patterns = {one["pattern"] for one in feed.values() if one["type"] == "indicator"}

    assert len(sent) >= COUNT
    assert (absent[:3], changed[:3]) == ([], [])
    assert own.isdisjoint(feed)
    assert patterns == {sent[one_id]["pattern"] for one_id in indicators}
    # Each of the service's own for one that was sent, beside what every feed says first.
    assert len([one_id for one_id in feed if one_id not in sent and one_id not in first]) == len(own)


@pytest.mark.parametrize("alias", ["green", "green-core"])
def test_nothing_refers_to_a_later_page(world: World, sent: dict[str, Object], alias: str) -> None:
    pages = []
    following = ""
    while True:
        page = world.page("lab-b", alias, community="bulk", query=f"limit=1000&next={following}")
        pages.append(page["objects"])
        if not page["more"]:
            break
        following = page["next"]

    assert len(pages) > 10
    assert dangling(pages) == {}
