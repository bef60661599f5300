"""Nothing above a reader's clearance leaks (model.md, "Merging").

In `tiers` lab-a reads up to amber+strict, lab-b up to amber, cloud-c green only; all submit.
"""

import json
import random
import re
from pathlib import Path

import pytest
import requests

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import AMBER, CLEAR, GREEN, RED, STRICT
from tests.world import World

pytestmark = pytest.mark.usefixtures("communities")


def seen_by(world: World, organization: str, alias: str, object_id: str) -> list[tuple[int, str, bytes]]:
    """All that one reader can learn: status, headers and bytes of every resource of a collection."""
    root = f"{world.root('tiers')}collections/{alias}/"
    answers = [
        requests.get(url, headers=world.token(organization).bearer, timeout=30)
        for url in (
            world.url + "/taxii2/",
            world.root("tiers"),
            f"{world.root('tiers')}collections/",
            root,
            f"{root}manifest/?match[version]=all",
            f"{root}manifest/",
            f"{root}objects/?match[version]=all",
            f"{root}objects/?proof=1",
            f"{root}objects/?limit=2",
            f"{root}objects/{object_id}/",
            f"{root}objects/{object_id}/versions/",
        )
    ]
    return [
        (
            answer.status_code,
            json.dumps(
                {name: text for name, text in sorted(answer.headers.items()) if name.lower() != "date"}
            ),
            answer.content,
        )
        for answer in answers
    ]


@pytest.mark.parametrize("tlp", [AMBER, STRICT, RED], ids=["amber", "strict", "red"])
def test_a_claim_above_the_ceiling_changes_no_byte_of_what_lies_below(world: World, tlp: str) -> None:
    domain = stix.domain()
    world.submit("cloud-c", [steps.indicator(domain)], community="tiers")
    published = steps.indicator_in(world, "cloud-c", "green", domain, community="tiers")
    before = seen_by(world, "cloud-c", "green", published["id"])
    core_before = seen_by(world, "cloud-c", "green-core", published["id"])
    campaign = stix.campaign(object_marking_refs=[tlp])
    secret = steps.indicator(domain, tlp, labels=["secret"], valid_from="2020-01-01T00:00:00Z", name="Secret")

    world.submit(
        "lab-a",
        [secret, campaign, steps.marked(stix.relationship(secret, campaign), tlp)],
        community="tiers",
    )
    world.submit(
        "lab-b", [steps.newer(secret | {"id": stix.indicator()["id"]}, labels=["more"])], community="tiers"
    )

    assert seen_by(world, "cloud-c", "green", published["id"]) == before
    assert seen_by(world, "cloud-c", "green-core", published["id"]) == core_before


def learned(world: World, published: list[str], receipts: list[str]) -> list[tuple[int, str, bytes]]:
    """What cloud-c, who reads green only, is answered: every page, each object by its id, and its own receipts."""
    root = f"{world.root('tiers')}collections/green/"
    session = requests.Session()
    session.headers.update(world.token("cloud-c").bearer)
    answers = [
        session.get(url, timeout=30)
        for url in (
            *(f"{root}{resource}/?limit=5000&match[version]=all" for resource in ("objects", "manifest")),
            *(f"{root}objects/?limit=5000{more}" for more in ("", "&proof=1", "&match[type]=indicator")),
            *(f"{root}objects/{object_id}/" for object_id in published),
            *(f"{root}objects/{object_id}/versions/" for object_id in published[::10]),
        )
    ]
    answers += [
        session.get(
            f"{world.url}/api/v1/submissions/{receipt}/", headers={"Accept": "application/json"}, timeout=30
        )
        for receipt in receipts
    ]
    # When it was answered, and what is signed of that.
    moving = {"date", "stillwatch-signature"}
    return [
        (
            answer.status_code,
            json.dumps({name: text for name, text in answer.headers.items() if name.lower() not in moving}),
            re.sub(rb'"at":"[^"]*",', b"", answer.content),
        )
        for answer in answers
    ]


def test_of_five_hundred_indicators_no_answer_changes_when_others_speak_above(world: World) -> None:
    """By claims, revocations, sightings and opinions alike; not even the submitter's own receipt tells of it."""
    dice = random.Random(500)
    domains = [stix.domain() for _ in range(500)]
    sent = {domain: steps.indicator(domain, marking_of(dice)) for domain in domains}
    status = world.submit("cloud-c", list(sent.values()), community="tiers")
    standing = world.objects("cloud-c", "green", community="tiers", query="match[type]=indicator&limit=5000")
    published = {one["pattern"].split("'")[1]: one["id"] for one in standing}
    ids_of = [published[domain] for domain in domains]
    before = learned(world, ids_of, [status["id"]])
    assert {code for code, _, _ in before} == {200}

    for organization, tlp in (("lab-a", STRICT), ("lab-b", AMBER)):
        spoken = [
            steps.indicator(domain, tlp, name="Secret", labels=["secret"], revoked=dice.random() < 0.3)
            for domain in domains
            if dice.random() < 0.8
        ]
        remarks = [
            remark(dice, name, tlp)
            for domain in domains
            for name in (sent[domain]["id"], published[domain])
            if dice.random() < 0.5
        ]
        world.submit(organization, [*spoken, *remarks], community="tiers")

    assert learned(world, ids_of, [status["id"]]) == before
    assert b'"secret"' in steps.raw_page(world, "lab-b", "amber", "limit=5000", "tiers")


def marking_of(dice: random.Random) -> str:
    return dice.choice((CLEAR, GREEN))


def remark(dice: random.Random, name: str, tlp: str) -> Object:
    if dice.random() < 0.5:
        return stix.sighting(sighting_of_ref=name, object_marking_refs=[tlp])
    return stix.opinion(object_refs=[name], opinion="strongly-disagree", object_marking_refs=[tlp])


def test_a_claim_above_the_ceiling_shows_in_the_feeds_that_may_hold_it(world: World) -> None:
    domain = stix.domain()
    world.submit("cloud-c", [steps.indicator(domain, labels=["open"])], community="tiers")

    world.submit("lab-a", [steps.indicator(domain, AMBER, labels=["closed"])], community="tiers")

    green = steps.indicator_in(world, "cloud-c", "green", domain, community="tiers")
    amber = steps.indicator_in(world, "lab-b", "amber", domain, community="tiers")
    assert (green["labels"], green["object_marking_refs"]) == (["open"], [GREEN])
    assert (amber["labels"], amber["object_marking_refs"]) == (["closed", "open"], [AMBER])
    assert green["id"] != amber["id"]
    assert green["confidence"] < amber["confidence"]


def test_tlp_red_is_in_no_feed(world: World) -> None:
    domain = stix.domain()
    campaign = stix.campaign(name=f"Red {domain}", object_marking_refs=[RED])

    final = world.submit("lab-a", [steps.indicator(domain, RED), campaign], community="tiers")

    assert final["success_count"] == 2
    for alias in ("strict", "amber", "green", "green-core"):
        assert domain not in steps.raw_page(world, "lab-a", alias, "limit=5000&proof=1", "tiers").decode()
    assert domain in steps.raw_page(world, "lab-a", "inbox", "limit=5000", "tiers").decode()


def test_an_object_is_as_restricted_as_its_most_restricted_part(world: World) -> None:
    domain = stix.domain()
    campaign = stix.campaign(
        name="A name for everybody",
        description=f"Only for some: {domain}",
        object_marking_refs=[GREEN],
        granular_markings=[{"marking_ref": AMBER, "selectors": ["description"]}],
    )

    world.submit("lab-a", [campaign], community="tiers")

    assert campaign["id"] in ids(world, "lab-b", "amber")
    assert campaign["id"] not in ids(world, "cloud-c", "green")


def test_what_has_no_marking_counts_as_amber(world: World) -> None:
    """interface.md, `default_tlp`."""
    domain = stix.domain()
    unmarked = stix.indicator(pattern=f"[domain-name:value = '{domain}']")
    campaign = stix.campaign()

    world.submit("lab-a", [unmarked, campaign], community="tiers")

    amber = steps.indicator_in(world, "lab-b", "amber", domain, community="tiers")
    assert amber["object_marking_refs"] == [AMBER]
    assert campaign["id"] in ids(world, "lab-b", "amber")
    assert steps.versions_in(world, "cloud-c", "green", domain, community="tiers") == []
    assert campaign["id"] not in ids(world, "cloud-c", "green")


def ids(world: World, organization: str, alias: str, query: str = "match[version]=all") -> set[str]:
    return {one["id"] for one in world.objects(organization, alias, community="tiers", query=query)}


def test_an_indicator_whose_only_source_raises_its_tlp_is_erased_below(world: World) -> None:
    """Every version of it: nothing of what it says may be read there any more, a revocation would repeat it."""
    domain = stix.domain()
    indicator = steps.indicator(domain)
    world.submit("lab-a", [indicator], community="tiers")
    before = steps.indicator_in(world, "cloud-c", "green", domain, community="tiers")

    world.submit(
        "lab-a",
        [steps.newer(indicator, object_marking_refs=[AMBER], labels=["secret"], name="Secret")],
        community="tiers",
    )

    page = steps.raw_page(
        world, "cloud-c", "green", "limit=5000&match[version]=all&proof=1", "tiers"
    ).decode()
    assert domain not in page
    assert before["id"] not in page
    amber = steps.indicator_in(world, "lab-b", "amber", domain, community="tiers")
    assert "revoked" not in amber
    assert amber["labels"] == ["secret"]


def test_an_object_whose_tlp_is_raised_is_erased_below(world: World) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN], name=f"Campaign {stix.domain()}")
    world.submit("lab-a", [campaign], community="tiers")
    before = ids(world, "cloud-c", "green")

    world.submit("lab-a", [steps.newer(campaign, object_marking_refs=[AMBER])], community="tiers")

    assert campaign["id"] in before
    page = steps.raw_page(world, "cloud-c", "green", "limit=5000&match[version]=all&proof=1", "tiers")
    assert campaign["id"].encode() not in page
    assert campaign["id"] in ids(world, "lab-b", "amber")


def test_an_erasure_says_that_the_marking_changed(world: World, tmp_path: Path) -> None:
    """trust.md, "Log": the reasons of a withdrawal; and the page with it still verifies."""
    campaign = stix.campaign(object_marking_refs=[GREEN])
    world.submit("lab-a", [campaign], community="tiers")
    world.submit("lab-a", [steps.newer(campaign, object_marking_refs=[AMBER])], community="tiers")

    page = tmp_path / "page.json"
    page.write_bytes(steps.raw_page(world, "cloud-c", "green", "limit=5000&proof=1", "tiers"))
    done = steps.verify("page", page, "--jwks", steps.jwks(world), "--ceiling", "green")

    assert done.returncode == 0, done.stderr
    withdrawals = [
        json.loads(entry["stmt"])
        for entry in json.loads(page.read_text())["x_stillwatch_log"]["entries"]
        if '"op":"withdraw"' in entry.get("stmt", "")
    ]
    assert withdrawals[-1]["reason"] == "tlp-change"


def test_what_refers_to_what_lies_above_waits(world: World) -> None:
    """clients.md 18 and the ceiling together: a green relationship to an amber campaign is in no green feed."""
    campaign, malware = stix.campaign(object_marking_refs=[AMBER]), stix.malware(object_marking_refs=[GREEN])
    relationship = steps.marked(stix.relationship(campaign, malware, relationship_type="uses"), GREEN)

    world.submit("lab-a", [campaign, malware, relationship], community="tiers")

    assert relationship["id"] in ids(world, "lab-b", "amber")
    assert relationship["id"] not in ids(world, "cloud-c", "green")
    page = steps.raw_page(world, "cloud-c", "green", "limit=5000&proof=1", "tiers")
    assert campaign["id"].encode() not in page


def test_a_relationship_to_an_indicator_that_is_known_below_from_others_waits_too(world: World) -> None:
    """That lab-a's amber indicator and the green one are the same must not show."""
    domain = stix.domain()
    secret, campaign = steps.indicator(domain, AMBER), stix.campaign(object_marking_refs=[GREEN])
    world.submit("cloud-c", [steps.indicator(domain)], community="tiers")

    world.submit(
        "lab-a",
        [secret, campaign, steps.marked(stix.relationship(secret, campaign), GREEN)],
        community="tiers",
    )

    found = world.objects("cloud-c", "green", community="tiers", query="match[type]=relationship")
    assert [one for one in found if one["target_ref"] == campaign["id"]] == []


def lines(world: World, organization: str, status: Object) -> list[Object]:
    found: list[Object] = world.receipt(organization, status["id"])["objects"]
    return found


def test_a_receipt_tells_nothing_of_claims_above_its_readers_view(world: World) -> None:
    """cloud-c reads green only: whether lab-a said the same at amber before makes no difference to it."""
    known, unknown = stix.domain(), stix.domain()
    world.submit("lab-a", [steps.indicator(known, AMBER)], community="tiers")

    statuses = [
        world.submit("cloud-c", [steps.indicator(domain)], community="tiers") for domain in (known, unknown)
    ]

    about_known, about_unknown = [lines(world, "cloud-c", status)[0] for status in statuses]
    for name in ("outcome", "reason", "sentence", "merged"):
        assert about_known[name] == about_unknown[name]
    assert about_known["merged"] is False


def test_a_receipt_tells_of_claims_in_its_readers_view(world: World) -> None:
    domain = stix.domain()
    world.submit("lab-a", [steps.indicator(domain)], community="tiers")

    status = world.submit("cloud-c", [steps.indicator(domain)], community="tiers")

    (line,) = lines(world, "cloud-c", status)
    published = steps.indicator_in(world, "cloud-c", "green", domain, community="tiers")
    assert (line["merged"], line["outcome"], line["published_id"]) == (True, "released", published["id"])


def test_the_receipt_of_what_lies_above_ones_own_view_shows_no_published_id(world: World) -> None:
    domain = stix.domain()
    world.submit("lab-a", [steps.indicator(domain, AMBER)], community="tiers")

    status = world.submit("cloud-c", [steps.indicator(domain, AMBER)], community="tiers")

    (line,) = lines(world, "cloud-c", status)
    assert (line["outcome"], line["reason"]) == ("withheld", "above-ceiling")
    assert (line["merged"], line["published_id"]) == (False, None)


def test_the_second_receipt_of_the_same_object_shows_no_more_than_the_first(world: World) -> None:
    """A duplicate above one's own view must not be told that others said the same there, nor where it stands."""
    domain = stix.domain()
    world.submit("lab-a", [steps.indicator(domain, AMBER)], community="tiers")
    mine = steps.indicator(domain, AMBER)
    world.submit("cloud-c", [mine], community="tiers")

    status = world.submit("cloud-c", [mine, stix.campaign()], community="tiers")

    line, _ = lines(world, "cloud-c", status)
    assert (line["outcome"], line["merged"], line["published_id"]) == ("duplicate", False, None)


def test_readers_reach_their_own_feeds_only(world: World) -> None:
    """clients.md 10."""
    readable = {
        organization: {
            alias
            for alias in ("strict", "amber", "green", "green-core")
            if requests.get(
                f"{world.root('tiers')}collections/{alias}/objects/",
                headers=world.token(organization).bearer,
                timeout=30,
            ).status_code
            == 200
        }
        for organization in ("lab-a", "lab-b", "cloud-c", "hub", "outsider")
    }

    assert readable == {
        "lab-a": {"strict", "amber", "green", "green-core"},
        "lab-b": {"amber", "green", "green-core"},
        "cloud-c": {"green", "green-core"},
        "hub": set(),
        "outsider": set(),
    }


def test_clear_stands_in_every_feed(world: World) -> None:
    domain = stix.domain()

    world.submit("lab-a", [steps.indicator(domain, CLEAR)], community="tiers")

    for alias in ("strict", "amber", "green", "green-core"):
        found = steps.indicator_in(world, "lab-a", alias, domain, community="tiers")
        assert found["object_marking_refs"] == [CLEAR]
