"""A campaign as a whole: the worked example of the demo, and what more than one source says."""

import json
from pathlib import Path

import pytest

import indicators
from indicators.models import Subject
from sharing import campaigns, graph
from sharing.models import Collection
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.exchange import Object, send

DEMO = Path(indicators.__file__).parent / "demo"
SECOND = "campaign--43f2f193-6e85-4f08-b592-7b0fe339d309"


def worked_example() -> list[Object]:
    """The objects of both bundles of the demo."""
    return [
        one
        for name in ("1-public-campaigns.json", "2-synthetic-detections.json")
        for one in json.loads((DEMO / name).read_bytes())["objects"]
    ]


@pytest.fixture
def example(shop: Shop, feeds: dict[int, Collection]) -> int:
    """The subject of the second campaign of the worked example, to which one of lab-b's indicators is tied."""
    objects = worked_example()
    tied = next(one for one in objects if one["type"] == "indicator" and "412b940d" in one["id"])
    send(
        shop,
        [*objects, stix.relationship(tied, {"id": SECOND}, object_marking_refs=tied["object_marking_refs"])],
    )
    return campaigns.find(SECOND)


def test_the_worked_example_shows_its_figures(example: int) -> None:
    shown = campaigns.campaign(example)
    said = shown.figures

    assert (said.name, said.status, str(said.exchanges), str(said.accounts)) == (
        "DC-2026-0002",
        "Unknown",
        "at least 3,400,000",
        "at least 200",
    )
    assert "Tool use" in said.capabilities
    assert len(said.capabilities) == 7
    assert len(shown.models) == 1
    assert "--" not in shown.models[0]
    by_atlas = {one.atlas: one for one in shown.techniques if "." in one.atlas}
    assert {"AML.T0024.002", "AML.T0065"} <= by_atlas.keys()
    assert by_atlas["AML.T0024.002"].tactic == "exfiltration"
    assert [one.node.object_type for one in shown.actors] == ["intrusion-set", "threat-actor", "identity"]
    assert shown.actors[1].node.alleged
    assert all(one.sources == ["Lab-A"] for one in shown.actors)


def test_its_volumes_come_from_what_its_indicators_were_seen_by(example: int) -> None:
    shown = campaigns.campaign(example)

    assert shown.indicator_count >= 2
    assert (shown.exchanges_observed, shown.accounts_observed) == (41_233, 214)
    (day,) = [one for one in shown.days if one.exchanges]
    assert str(day.day) == "2026-10-02"
    assert sum(one.counts["sightings"] for one in shown.days) >= 1
    assert sum(one.counts["releases"] for one in shown.days) >= 2
    assert shown.counted_all


def test_its_indicators_come_page_by_page(example: int, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = campaigns.campaign(example).subject
    whole, end = campaigns.indicators(subject)
    monkeypatch.setattr(campaigns, "PAGE", 1)

    paged, after = [], 0
    while True:
        page, following = campaigns.indicators(subject, after=after)
        paged += page
        if following is None:
            break
        after = following

    assert end is None
    assert len(whole) >= 2
    assert paged == whole


def test_what_each_source_says_stands_side_by_side(shop: Shop) -> None:
    one = next(one for one in worked_example() if one["id"] == SECOND)
    two = json.loads(json.dumps(one))
    two["extensions"][campaigns.EXTENSION] |= {"status": "active", "exchange_count_max": 5_000_000}
    del (
        two["extensions"][campaigns.EXTENSION]["account_count_min"],
        one["extensions"][campaigns.EXTENSION]["target_model_refs"],
    )
    del two["extensions"][campaigns.EXTENSION]["target_model_refs"]
    send(shop, [one])
    send(shop, [two], organization=shop.lab_b)

    shown = campaigns.campaign(campaigns.find(SECOND))

    assert [
        (each.claim.organization, each.figures.status, str(each.figures.accounts)) for each in shown.sources
    ] == [
        ("Lab-A", "Unknown", "at least 200"),
        ("Lab-B", "Active", "not said"),
    ]
    assert str(shown.sources[1].figures.exchanges) == "3,400,000 to 5,000,000"
    assert shown.figures.status == "Unknown"


@pytest.mark.parametrize(
    "known_as", ["campaign--00000000-0000-4000-8000-000000000000", "0", "x", "9" * 30, "\0", "-1", ""]
)
def test_what_is_no_campaign_is_not_found(shop: Shop, known_as: str) -> None:
    with pytest.raises(campaigns.NoSuchCampaign):
        campaigns.find(known_as)


def test_the_graph_reaches_actors_infrastructure_accounts_and_indicators(example: int) -> None:
    drawn = graph.around(graph.place_of(f"s{example}"))

    kinds = {node.kind.slug for node in drawn.nodes.values()}
    assert {"campaigns", "actors", "infrastructure", "activity", "indicators", "tools"} <= kinds
    types = {node.object_type for node in drawn.nodes.values()}
    assert {"llm-api-activity", "blinded-identifier", "threat-actor", "infrastructure"} <= types
    assert all(node.alleged for node in drawn.nodes.values() if node.object_type == "threat-actor")
    assert all(edge.alleged for edge in drawn.edges.values() if edge.label == "attributed-to")
    assert all({edge.source, edge.target} <= drawn.nodes.keys() for edge in drawn.edges.values())
    assert len(drawn.nodes) <= graph.MOST_NODES
    assert not any(
        "--" in node.title for node in drawn.nodes.values() if node.object_type == "attack-pattern"
    )


def test_a_node_with_many_neighbours_tells_them_fifty_at_a_time(shop: Shop) -> None:
    campaign = stix.campaign()
    members = [stix.indicator() for _ in range(120)]
    send(shop, [campaign, *members, *(stix.relationship(one, campaign) for one in members)])
    place = graph.place_of(f"s{Subject.objects.get(object_type='campaign').id}")

    seen: set[str] = set()
    lefts, cursor = [], ""
    while True:
        page = graph.expand(place, cursor)
        fresh = page.nodes.keys() - {place.key}
        assert len(fresh) <= graph.AT_ONCE
        assert not fresh & seen
        seen |= fresh
        lefts.append(page.more)
        if not page.cursor:
            break
        cursor = page.cursor

    assert (len(seen), lefts) == (120, [70, 20, 0])


def test_the_table_of_a_graph_says_what_its_drawing_says(example: int) -> None:
    drawn = graph.around(graph.place_of(f"s{example}"))
    told = drawn.json()
    titles = {node["id"]: node["title"] for node in told["nodes"]}

    from_json = sorted(
        (titles[edge["source"]], edge["label"], titles[edge["target"]]) for edge in told["edges"]
    )
    from_table = sorted((source.title, edge.label, target.title) for source, edge, target in drawn.rows())

    assert from_json == from_table
    assert from_table


@pytest.mark.parametrize(
    "key",
    [
        "",
        "s",
        "s0",
        "s-1",
        "sx",
        "s" + "9" * 40,
        "x.",
        "x.1.2",
        "y",
        "x.00000000-0000-4000-8000-000000000000.a",
    ],
)
def test_what_is_no_node_is_not_found(shop: Shop, key: str) -> None:
    with pytest.raises(graph.NoSuchNode):
        graph.place_of(key)
