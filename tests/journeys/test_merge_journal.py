"""What is the same is said once, however it is spelt; what was wrongly made one, or two, is put right at the desk."""

import itertools
import re
from html import unescape
from uuid import uuid4

import pytest

from indicators.dedup import observables
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import AMBER, GREEN
from tests.journeys.test_review import Desk
from tests.world import World

ALLIES = "allies"
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def analyst(world: World) -> Desk:
    desk = Desk(world, "analyst")
    assert desk.signed_in
    return desk


def subject_of(world: World, one: Object, organization: str = "lab-a") -> int:
    """What an organisation's object counts for now."""
    ((subject_id,),) = world.sql(
        "SELECT c.subject_id FROM indicators_claim c JOIN accounts_organization o ON o.id = c.organization_id"
        " WHERE c.object_id = %s AND o.slug = %s",
        (one["id"], organization),
    )
    return int(subject_id)


def split(desk: Desk, world: World, one: Object, organization: str, reason: str = "Another network.") -> str:
    """Split one organisation's claim off what it counts for; the page that is shown then."""
    ((claim_id,),) = world.sql(
        "SELECT c.id FROM indicators_claim c JOIN accounts_organization o ON o.id = c.organization_id"
        " WHERE c.object_id = %s AND o.slug = %s",
        (one["id"], organization),
    )
    url = f"{desk.url}indicators/subject/{subject_of(world, one, organization)}/change/"
    desk.page = desk.session.get(url, timeout=30)
    assert desk.page.status_code == 200
    page = desk.send(url, claims=[str(claim_id)], reason=reason)
    world.settle()
    return unescape(page.text)


def undo(desk: Desk, world: World, entry: int, reason: str = "One network after all.") -> str:
    """Undo an entry of the merge journal."""
    url = f"{desk.url}indicators/merge/"
    desk.page = desk.session.get(url, timeout=30)
    desk.page = desk.send(url, action="undo", _selected_action=[str(entry)], index=0)
    page = desk.send(url, action="undo", decide="1", _selected_action=[str(entry)], reason=reason)
    world.settle()
    return unescape(page.text)


def merge(world: World, *pairs: tuple[int, int]) -> list[int]:
    """Merge subjects (survivor, other) as the service does with near duplicates; the journal's entries."""
    printed = world.manage(
        "shell",
        "-c",
        "from django.utils import timezone; from accounts.actor import Actor;"
        " from indicators.actions import journal; from indicators.models import Subject;"
        " print('entries', *[journal.merge(community_id=Subject.objects.get(id=survivor).community_id,"
        " survivor_id=survivor, other_id=other, kind='near', similarity=0.93,"
        f" by=Actor('service:near'), now=timezone.now()) for survivor, other in {list(pairs)}])",
    )
    world.settle()
    found = re.search(r"^entries ([\d ]+)$", printed, re.MULTILINE)
    assert found is not None, printed
    return [int(entry) for entry in found[1].split()]


def last_entry(world: World) -> int:
    ((entry,),) = world.sql("SELECT max(id) FROM indicators_merge")
    return int(entry)


def indicators(world: World, alias: str, domain: str) -> list[Object]:
    """The indicators of a domain in a feed as they are now."""
    found = world.objects("lab-b", alias, community=ALLIES, query="match[type]=indicator")
    return [one for one in found if domain in one["pattern"]]


def live(world: World, alias: str, domain: str) -> list[Object]:
    return [one for one in indicators(world, alias, domain) if not one.get("revoked")]


def template() -> Object:
    """A prompt template that nobody sent yet."""
    one: Object = {
        "type": "prompt-template",
        "spec_version": "2.1",
        "hashes": {"SHA-256": uuid4().hex + uuid4().hex},
        "normalization": "ptn-1",
        "extensions": {
            "extension-definition--5b7d1e92-8c44-4d0a-a3f6-1e2b9c7d8f02": {"extension_type": "new-sco"}
        },
        "object_marking_refs": [GREEN],
    }
    return one | {"id": observables.deterministic_id(one)}


def note_on(one: Object, text: str) -> Object:
    return stix._sdo("note", content=text, object_refs=[one["id"]], object_marking_refs=[GREEN])


def test_two_spellings_of_one_address_are_one_observable_and_one_indicator(world: World) -> None:
    number = f"{next(_numbers):x}:{int(uuid4().hex[:3], 16) + 4096:x}"
    normal = stix.sco("ipv6-addr", {"value": f"2001:db8::{number}"}, object_marking_refs=[GREEN])
    spelt = f"2001:0DB8:0:0::{number.upper()}"
    odd: Object = {
        "type": "ipv6-addr",
        "id": f"ipv6-addr--{uuid4()}",
        "value": spelt,
        "object_marking_refs": [GREEN],
    }
    seen = stix._sdo(
        "observed-data",
        first_observed="2024-05-01T08:00:00Z",
        last_observed="2024-05-01T09:00:00Z",
        number_observed=3,
        object_refs=[odd["id"]],
        object_marking_refs=[GREEN],
    )
    pattern = "[ipv6-addr:value = '{}']"

    status = world.submit(
        "lab-a", [odd, seen, steps.indicator("", pattern=pattern.format(spelt))], community=ALLIES
    )
    alone = world.objects("lab-b", "green", community=ALLIES, query="match[type]=ipv6-addr")
    world.submit(
        "lab-b", [normal, steps.indicator("", pattern=pattern.format(normal["value"]))], community=ALLIES
    )

    feed = world.objects("lab-b", "green", community=ALLIES)
    (address,) = [one for one in feed if one.get("value") in {normal["value"], spelt}]
    assert [one for one in alone if one["value"] == normal["value"]] == [address]
    assert steps.same(address, normal)
    (indicator,) = [one for one in feed if normal["value"] in one.get("pattern", "")]
    assert indicator["pattern"] == pattern.format(normal["value"])
    (data,) = [one for one in feed if address["id"] in one.get("object_refs", ())]
    assert (data["number_observed"], data["created_by_ref"]) == (3, indicator["created_by_ref"])
    lines = world.receipt("lab-a", status["id"])["objects"]
    # A receipt tells what stands in the sender's widest feed, and each feed has ids of its own.
    widest = world.objects("lab-b", "strict", community=ALLIES)
    (data,) = [one for one in widest if address["id"] in one.get("object_refs", ())]
    (indicator,) = [one for one in widest if normal["value"] in one.get("pattern", "")]
    assert [line["published_id"] for line in lines] == [address["id"], data["id"], indicator["id"]]
    (kept,) = world.objects("lab-a", "inbox", community=ALLIES, query=f"match[id]={odd['id']}")
    assert steps.same(kept, odd)


def test_an_observable_that_cannot_be_is_refused_and_its_receipt_says_where(world: World) -> None:
    wrong = stix.sco("domain-name", {"value": "not a domain name"}, object_marking_refs=[GREEN])

    status = world.submit("lab-a", [wrong], community=ALLIES)

    (line,) = world.receipt("lab-a", status["id"])["objects"]
    assert (line["outcome"], line["reason"]) == ("rejected", "impossible-value")
    assert line["sentence"] == "/value: this is not a domain name."


def test_an_observable_that_its_source_deletes_is_erased_under_its_published_id(world: World) -> None:
    domain = stix.domain()
    odd: Object = {
        "type": "domain-name",
        "id": f"domain-name--{uuid4()}",
        "value": domain.upper(),
        "object_marking_refs": [GREEN],
    }
    world.submit("lab-a", [odd, note_on(odd, f"On {domain}.")], community=ALLIES)
    before = [one for one in world.objects("lab-b", "green", community=ALLIES) if domain in str(one)]

    steps.delete(world, "lab-a", odd["id"], community=ALLIES)

    assert {one["type"] for one in before} == {"domain-name", "note"}
    left = [one for one in world.objects("lab-b", "green", community=ALLIES) if domain in str(one)]
    assert [one["type"] for one in left if not one.get("revoked")] == []


def test_an_analyst_splits_an_indicator_and_undoes_it(world: World, analyst: Desk) -> None:
    domain = stix.domain()
    campaign = stix.campaign(object_marking_refs=[GREEN])
    mine, theirs = steps.indicator(domain, labels=["lab-a"]), steps.indicator(domain, labels=["lab-b"])
    link = steps.marked(stix.relationship(theirs, campaign), GREEN)
    world.submit("lab-a", [mine, campaign], community=ALLIES)
    status = world.submit("lab-b", [theirs, link], community=ALLIES)
    (one,) = indicators(world, "green", domain)
    before = {each["id"] for each in indicators(world, "strict", domain)}

    page = split(analyst, world, theirs, "lab-b")

    assert "the other half" in page
    for alias in ("green", "amber", "strict"):
        assert sorted(each["labels"] for each in live(world, alias, domain)) == [["lab-a"], ["lab-b"]]
    first, second = sorted(live(world, "green", domain), key=lambda each: str(each["labels"]))
    assert first["id"] == one["id"]
    assert {each["pattern"] for each in (first, second)} == {one["pattern"]}
    assert source_of(world, campaign) == second["id"]
    assert told(world, status) in {each["id"] for each in live(world, "strict", domain)}
    assert told(world, status) not in before

    world.submit("lab-b", [steps.newer(theirs, labels=["newer"])], community=ALLIES)

    assert sorted(each["labels"] for each in live(world, "green", domain)) == [["lab-a"], ["newer"]]

    page = undo(analyst, world, last_entry(world))

    assert "1 undone" in page
    (again,) = live(world, "green", domain)
    assert (again["id"], again["labels"]) == (one["id"], ["lab-a", "newer"])
    (revoked,) = [each for each in indicators(world, "green", domain) if each.get("revoked")]
    assert revoked["id"] == second["id"]
    assert source_of(world, campaign) == one["id"]
    assert {told(world, status)} == before


def told(world: World, status: Object) -> str:
    """The published id of the first object of lab-b's submission, by its receipt."""
    return str(world.receipt("lab-b", status["id"])["objects"][0]["published_id"])


def source_of(world: World, campaign: Object) -> str:
    """What the one relationship to a campaign starts from now."""
    found = world.objects("lab-b", "green", community=ALLIES, query="match[type]=relationship")
    (link,) = [one for one in found if one["target_ref"] == campaign["id"] and not one.get("revoked")]
    return str(link["source_ref"])


def test_an_analyst_splits_a_campaign_that_two_sent_under_one_id(world: World, analyst: Desk) -> None:
    """One half keeps the id that the partners gave it; the other is the service's own object."""
    name = stix.domain()
    campaign = stix.campaign(name=name, object_marking_refs=[GREEN])
    world.submit("lab-a", [campaign, note_on(campaign, f"A on {name}")], community=ALLIES)
    world.submit("cloud-c", [campaign, note_on(campaign, f"C on {name}")], community=ALLIES)

    split(analyst, world, campaign, "cloud-c")

    feed = world.objects("lab-b", "green", community=ALLIES)
    kept, made = sorted(
        (one for one in feed if one.get("name") == name), key=lambda one: one["id"] != campaign["id"]
    )
    assert kept["id"] == campaign["id"]
    notes = {one["content"]: one["object_refs"] for one in feed if name in one.get("content", "")}
    assert notes == {f"A on {name}": [campaign["id"]], f"C on {name}": [made["id"]]}

    undo(analyst, world, last_entry(world))

    feed = world.objects("lab-b", "green", community=ALLIES)
    assert [one["id"] for one in feed if one.get("name") == name and not one.get("revoked")] == [
        campaign["id"]
    ]
    notes = {one["content"]: one["object_refs"] for one in feed if name in one.get("content", "")}
    assert notes == {f"A on {name}": [campaign["id"]], f"C on {name}": [campaign["id"]]}


def test_near_duplicates_stand_as_one_until_an_analyst_parts_them(world: World, analyst: Desk) -> None:
    one, other = template(), template()
    text = stix.domain()
    world.submit("lab-a", [one, note_on(one, f"first {text}")], community=ALLIES)
    status = world.submit("lab-b", [other, note_on(other, f"second {text}")], community=ALLIES)

    (entry,) = merge(world, (subject_of(world, one), subject_of(world, other, "lab-b")))

    feed = steps.by_id(world.objects("lab-b", "green", community=ALLIES))
    assert one["id"] in feed
    assert other["id"] not in feed
    assert notes_on(feed, text) == {f"first {text}": [one["id"]], f"second {text}": [one["id"]]}
    assert told(world, status) == one["id"]

    undo(analyst, world, entry)

    feed = steps.by_id(world.objects("lab-b", "green", community=ALLIES))
    assert {one["id"], other["id"]} <= set(feed)
    assert notes_on(feed, text) == {f"first {text}": [one["id"]], f"second {text}": [other["id"]]}


def notes_on(feed: dict[str, Object], text: str) -> dict[str, list[str]]:
    return {
        one["content"]: one["object_refs"]
        for one in feed.values()
        if text in one.get("content", "") and not one.get("revoked")
    }


def test_when_the_survivors_source_takes_it_back_the_other_stands_for_both(
    world: World, analyst: Desk
) -> None:
    one, other = template(), template()
    world.submit("lab-a", [one], community=ALLIES)
    world.submit("lab-b", [other], community=ALLIES)
    (entry,) = merge(world, (subject_of(world, one), subject_of(world, other, "lab-b")))

    steps.delete(world, "lab-a", one["id"], community=ALLIES)
    between = set(steps.by_id(world.objects("lab-b", "green", community=ALLIES)))
    more = other | {"hashes": {**other["hashes"], "TLSH": "AB" * 35}}
    world.submit("lab-b", [more], community=ALLIES)
    undo(analyst, world, entry)

    after = steps.by_id(world.objects("lab-b", "green", community=ALLIES))
    assert (one["id"] in between, other["id"] in between) == (False, True)
    assert one["id"] not in after
    assert steps.same(after[other["id"]], more)


def green(world: World) -> tuple[bytes, int]:
    """The whole green feed, byte for byte, and how many entries its log has."""
    ((entries,),) = world.sql(
        "SELECT k.next_index FROM sharing_collection k JOIN accounts_community c ON c.id = k.community_id"
        " WHERE c.slug = %s AND k.alias = 'green'",
        (ALLIES,),
    )
    page = steps.raw_page(world, "lab-b", "green", "match[version]=all&limit=10000", community=ALLIES)
    return page, int(entries)


def test_a_merge_with_what_lies_above_changes_no_byte_below(world: World, analyst: Desk) -> None:
    low, high = stix.domain(), stix.domain()
    below, above = steps.indicator(low), steps.indicator(high, AMBER)
    world.submit("lab-a", [below], community=ALLIES)
    world.submit("lab-b", [above], community=ALLIES)
    before = green(world)

    # Asked for the wrong way round: whoever sees green only would see an indicator revoked.
    (entry,) = merge(world, (subject_of(world, above, "lab-b"), subject_of(world, below)))
    merged = green(world)
    amber = [one["id"] for one in (*live(world, "amber", low), *live(world, "amber", high))]
    undo(analyst, world, entry)

    assert len(amber) == 1
    assert merged == before
    assert green(world) == before
    assert len([*live(world, "amber", low), *live(world, "amber", high)]) == 2


@pytest.mark.parametrize("taken", ["lab-a", "lab-b"])
def test_a_split_from_what_lies_above_changes_no_byte_below(world: World, analyst: Desk, taken: str) -> None:
    domain = stix.domain()
    sent = {"lab-a": steps.indicator(domain), "lab-b": steps.indicator(domain, AMBER)}
    for organization, one in sent.items():
        world.submit(organization, [one], community=ALLIES)
    before = green(world)

    split(analyst, world, sent[taken], taken)
    parted = green(world)
    amber = live(world, "amber", domain)
    undo(analyst, world, last_entry(world))

    assert len(amber) == 2
    assert parted == before
    assert green(world) == before
    assert len(live(world, "amber", domain)) == 1


def test_what_only_a_claim_above_holds_together_is_two_below(world: World) -> None:
    """Lab B's amber template is like both of the others; no reader of green may learn that."""
    middle, one, other = template(), template(), template()
    world.submit("lab-b", [steps.marked(each, AMBER) for each in (middle, one, other)], community=ALLIES)
    root = subject_of(world, middle, "lab-b")
    merge(world, *((root, subject_of(world, each, "lab-b")) for each in (one, other)))
    together = set(steps.by_id(world.objects("lab-b", "amber", community=ALLIES)))

    world.submit("lab-a", [one, other], community=ALLIES)

    assert together & {one["id"], other["id"]} == set()
    assert {one["id"], other["id"]} <= set(steps.by_id(world.objects("lab-b", "green", community=ALLIES)))
    amber = set(steps.by_id(world.objects("lab-b", "amber", community=ALLIES)))
    assert {one["id"], other["id"]} <= amber


def test_a_split_says_what_is_missing(world: World, analyst: Desk) -> None:
    domain = stix.domain()
    mine, theirs = steps.indicator(domain), steps.indicator(domain)
    world.submit("lab-a", [mine], community=ALLIES)
    world.submit("lab-b", [theirs], community=ALLIES)
    before = last_entry(world)
    url = f"{analyst.url}indicators/subject/{subject_of(world, mine)}/change/"
    analyst.page = analyst.session.get(url, timeout=30)

    nothing = unescape(analyst.send(url).text)
    without_reason = split(analyst, world, theirs, "lab-b", reason=" ")
    stranger = unescape(analyst.send(url, claims=["1"], reason="x").text)
    everything = analyst.send(
        url,
        claims=[
            str(claim)
            for (claim,) in world.sql(
                "SELECT id FROM indicators_claim WHERE subject_id = %s", (subject_of(world, mine),)
            )
        ],
        reason="x",
    )

    assert "Tick the claims to split off." in nothing
    assert "Say why: the next analyst will ask." in without_reason
    assert "not one of the available choices" in stranger
    assert "At least one claim must remain." in unescape(everything.text)
    assert last_entry(world) == before


def test_a_subject_is_found_by_any_of_its_names(world: World, analyst: Desk) -> None:
    domain = stix.domain()
    mine = steps.indicator(domain)
    world.submit("lab-a", [mine], community=ALLIES)
    (published,) = indicators(world, "green", domain)
    link = f"indicators/subject/{subject_of(world, mine)}/change/"

    for term in (mine["id"], published["id"], f"[ domain-name:value='{domain.upper()}' ]"):
        page = analyst.session.get(f"{analyst.url}indicators/subject/", params={"q": term}, timeout=30)
        assert (page.status_code, link in page.text) == (200, True), term


def test_an_entry_undone_twice_says_so(world: World, analyst: Desk) -> None:
    domain = stix.domain()
    mine, theirs = steps.indicator(domain), steps.indicator(domain)
    world.submit("lab-a", [mine], community=ALLIES)
    world.submit("lab-b", [theirs], community=ALLIES)
    split(analyst, world, theirs, "lab-b")
    entry = last_entry(world)

    first, second = undo(analyst, world, entry), undo(analyst, world, entry)
    page = unescape(analyst.session.get(f"{analyst.url}indicators/merge/{entry}/change/", timeout=30).text)

    assert "1 undone" in first
    assert "this was undone before" in second
    assert "undone by member:analyst: One network after all." in page


def test_a_reader_sees_neither_subjects_nor_the_journal(world: World) -> None:
    domain = stix.domain()
    mine = steps.indicator(domain)
    world.submit("lab-a", [mine], community=ALLIES)
    desk = Desk(world, "reader")

    answers = [
        desk.session.get(f"{desk.url}{path}", timeout=30, allow_redirects=False)
        for path in (
            "indicators/merge/",
            "indicators/subject/",
            f"indicators/subject/{subject_of(world, mine)}/change/",
        )
    ]

    assert {answer.status_code for answer in answers} <= {403, 404}
