"""Allow-lists on a running service: loaded from a file, changed at the desk, seen by partners."""

import json
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.journeys.test_review import Desk
from tests.world import World

FEEDS = ("strict", "amber", "green", "green-core")
ENTRIES = "indicators/allowlistentry/"


@pytest.fixture
def name(world: World, tmp_path: Path) -> Iterator[str]:
    """The name of a list of this test's own; at its end the list holds nothing."""
    made = f"Ours {uuid4().hex[:8]}"
    yield made
    load(world, tmp_path, name=made, version=99, list=[])


@pytest.fixture(scope="module")
def analyst(world: World) -> Desk:
    return Desk(world, "analyst")


def load(world: World, directory: Path, *, check: bool = True, **members: Any) -> str:
    """`manage.py load_allowlist` with a file that holds these members; what it printed."""
    file = directory / "list.json"
    file.write_text(json.dumps({"type": "hostname", "version": 1, "description": "", "list": []} | members))
    printed = world.manage("load_allowlist", str(file), check=check)
    world.settle()
    return printed


def standing(world: World, domain: str) -> dict[str, list[Object]]:
    """The latest versions of the indicators of a domain that are not revoked, by feed."""
    return {
        alias: [
            one
            for one in world.objects("lab-b", alias, community="allies", query="match[type]=indicator")
            if domain in one["pattern"] and not one.get("revoked", False)
        ]
        for alias in FEEDS
    }


def test_a_list_is_loaded_replaced_and_emptied_and_the_feeds_follow(
    world: World, name: str, tmp_path: Path
) -> None:
    listed, neighbour = stix.domain(), stix.domain()
    below = steps.indicator(f"www.{listed}")
    campaign = stix.campaign(object_marking_refs=[GREEN])
    link = steps.marked(stix.relationship(below, campaign), GREEN)
    status = world.submit("lab-a", [below, steps.indicator(neighbour), campaign, link], community="allies")
    (before,) = standing(world, listed)["green"]

    first = load(world, tmp_path, name=name, list=[listed, "no name", "AS64496"])
    receipt = world.receipt("lab-a", status["id"])["objects"]
    without = standing(world, listed)
    neighbours = standing(world, neighbour)
    relationships = [
        one
        for one in world.objects("lab-b", "green", community="allies", query="match[type]=relationship")
        if one["target_ref"] == campaign["id"]
    ]
    second = load(world, tmp_path, name=name, version=2, list=["elsewhere.example"])
    (after,) = standing(world, listed)["green"]

    assert f"{name}: version 1: 2 added, 0 removed, 0 unchanged, 1 not loaded" in first
    assert "not loaded: list/1: 'no name'" in first
    assert f"added: {listed}" in first
    assert f"taken back: {before['id']} from allies" in first
    assert [*without.values()] == [[], [], [], []]
    assert [len(found) for found in neighbours.values()] == [1, 1, 1, 1]
    assert [line["outcome"] for line in receipt] == ["withheld", "released", "released", "withheld"]
    assert (receipt[0]["reason"], receipt[3]["reason"]) == ("allow-listed", "waiting-for-reference")
    assert name in receipt[0]["sentence"]
    assert f"www.{listed}" in receipt[0]["sentence"]
    assert [one["revoked"] for one in relationships] == [True]
    assert "version 2, which replaces version 1: 1 added, 2 removed" in second
    assert f"removed: {listed}" in second
    assert "decided anew, as what withheld it was removed: 1" in second
    assert after["id"] != before["id"]


def test_a_file_that_cannot_be_loaded_changes_nothing_and_says_why(world: World, tmp_path: Path) -> None:
    before = world.sql("SELECT count(*) FROM indicators_allowlistentry")

    printed = load(world, tmp_path, check=False, name="Never", type="regex", list=["a.example"])

    assert "type: 'regex' cannot be applied" in printed
    assert "Traceback" not in printed
    assert world.sql("SELECT count(*) FROM indicators_allowlistentry") == before


def test_an_analyst_sees_what_an_entry_covers_then_adds_it_and_removes_it(
    world: World, analyst: Desk
) -> None:
    domain = stix.domain()
    world.submit("lab-a", [steps.indicator(domain)], community="allies")
    form = f"{analyst.url}{ENTRIES}add/"

    analyst.page = analyst.session.get(form, timeout=30)
    shown = analyst.send(form, value=f" {domain.upper()} ", reason="Our own.", preview="1")
    still = standing(world, domain)["green"]
    analyst.page = shown
    added = analyst.send(form, value=domain, reason="Our own.", decide="1")
    world.settle()
    without = standing(world, domain)["green"]
    ((entry,),) = world.sql("SELECT id FROM indicators_allowlistentry WHERE domain = %s", (domain,))
    analyst.page = analyst.session.get(f"{analyst.url}{ENTRIES}", params={"q": domain}, timeout=30)
    listed = analyst.page
    chosen = {"action": "remove", "_selected_action": str(entry), "index": 0}
    analyst.page = analyst.send(f"{analyst.url}{ENTRIES}", **chosen)
    removal = analyst.page
    analyst.send(f"{analyst.url}{ENTRIES}", **chosen, reason="Sold.", decide="Remove")
    world.settle()

    assert "Add: 1 known indicators and observables are decided anew." in shown.text
    assert (len(still), without) == (1, [])
    assert "1 added; 1 objects are decided anew." in added.text
    assert f'value="{entry}"' in listed.text
    assert "Remove: 1 known" in removal.text
    assert len(standing(world, domain)["green"]) == 1
    events = world.sql(
        "SELECT actor, action, detail FROM accounts_auditevent WHERE detail->'entries' = to_jsonb(ARRAY[%s::text])"
        " ORDER BY id",
        (domain,),
    )
    assert events == [
        ("member:analyst", "allowlist.add", {"entries": [domain], "reason": "Our own."}),
        ("member:analyst", "allowlist.remove", {"entries": [domain], "reason": "Sold."}),
    ]


@pytest.mark.parametrize(
    ("term", "finds"),
    [("10.1.2.3", "10.0.0.0/8"), ("AS64600", "AS64512-AS65534"), ("quad9", "dns.quad9.net")],
)
def test_the_desk_finds_what_covers_an_address_a_number_or_a_name(
    analyst: Desk, term: str, finds: str
) -> None:
    page = analyst.session.get(f"{analyst.url}{ENTRIES}", params={"q": term}, timeout=30)

    assert page.status_code == 200
    assert finds in page.text
    assert "192.168.0.0/16" not in page.text


@pytest.mark.parametrize(
    ("value", "reason", "says"),
    [
        ("not a name", "Why.", "this is no address, network, domain name or AS number."),
        ("198.51.100.0/33", "Why.", "an IPv4 prefix is at most 32 bits long."),
        ("a.example", " ", "This field is required"),
    ],
)
def test_the_desk_refuses_what_is_no_entry_or_has_no_reason(
    world: World, analyst: Desk, value: str, reason: str, says: str
) -> None:
    form = f"{analyst.url}{ENTRIES}add/"
    before = world.sql("SELECT count(*) FROM indicators_allowlistentry")
    analyst.page = analyst.session.get(form, timeout=30)

    page = analyst.send(form, value=value, reason=reason, decide="1")

    assert says in unescape(page.text)
    assert world.sql("SELECT count(*) FROM indicators_allowlistentry") == before


def test_a_reader_changes_no_list(world: World) -> None:
    desk = Desk(world, "reader")

    answers = [
        desk.session.get(f"{desk.url}{path}", timeout=30, allow_redirects=False)
        for path in (ENTRIES, f"{ENTRIES}add/", "indicators/allowlist/")
    ]

    assert {answer.status_code for answer in answers} <= {403, 404}


def test_the_lists_of_the_service_are_shown_with_their_size(analyst: Desk) -> None:
    page = analyst.session.get(f"{analyst.url}indicators/allowlist/", timeout=30)

    for listed in ("Public resolvers", "Special-purpose networks", "Special-purpose AS numbers"):
        assert listed in page.text
