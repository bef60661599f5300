"""From a case to one's own word on what others say, and back: of what the desk writes, and of what it does not."""

import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import AuditEvent, Organization
from indicators.actions import submissions
from indicators.models import Claim, Draft
from sharing.actions import deletion, moderation
from sharing.models import Collection, Kind, Review
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys.steps import AMBER, GREEN
from tests.sharing.admin.test_writing import WRITE, Desk, Page, desk, said, written

__all__ = ["desk"]

CITED = {"external_references": [{"source_name": "A report", "url": "https://report.example/1"}]}
NAMED: dict[str, Any] = {"name": "Night harvest", "description": "Seen at three labs.", "confidence": 55}


def sdo(kind: str, **members: Any) -> Object:
    return stix.campaign(**members) | {
        "type": kind,
        "id": f"{kind}--{stix.campaign()['id'].partition('--')[2]}",
    }


def sent(desk: Desk, *objects: Object, tlp: str = AMBER, by: str = "lab-a") -> None:
    """What a partner sent, ingested and decided on as far as the service does."""
    lab = Organization.objects.get(slug=by)
    inbox, _ = Collection.objects.get_or_create(
        community=desk.community,
        owner=lab,
        kind=Kind.INBOX,
        defaults={"alias": by, "title": by, "ceiling": 4},
    )
    submissions.receive(
        community_id=desk.community.id,
        organization_id=lab.id,
        token_id=None,
        channel="rest",
        collection_id=inbox.id,
        body=json.dumps({"objects": [one | {"object_marking_refs": [tlp]} for one in objects]}).encode(),
        by=Actor("service:test"),
        now=timezone.now(),
    )
    desk.work()


def case_of(one: Object, ceiling: int = 2) -> Review:
    subject = Claim.objects.filter(object_id=one["id"]).values("subject_id")[:1]
    return Review.objects.get(state="pending", ceiling=ceiling, release__subject_id=subject)


def address(review: Review) -> str:
    return f"/admin/sharing/review/{review.id}/change/?queue=sort%3Doldest"


def ways(desk: Desk, review: Review, username: str = "ada") -> dict[str, str]:
    """What a case offers to write, by its words; the first of it is what the key `e` presses."""
    page = said(desk.client(username).get(address(review)))
    assert page.count('id="write"') == 1
    return {
        label: link
        for link, label in re.findall(r'<a class="sw-button"[^>]*href="([^"]*new/[^"]*)">([^<]*)<', page)
    }


def begun(desk: Desk, review: Review, label: str) -> Page:
    """The form that one comes to."""
    client = desk.client()
    page = Page.__new__(Page)
    page.client = client
    page.open(client.get(ways(desk, review)[label])["Location"])
    return page


def inputs(page: Page) -> dict[str, Any]:
    """What stands in the form, by the name of the input."""
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input [^>]*>", page.text):
        attributes = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        kind = attributes.get("type", "text")
        if kind in {"radio", "checkbox"} and "checked" not in tag:
            continue
        if kind == "checkbox":
            found.setdefault(attributes["name"], []).append(attributes["value"])
        elif attributes.get("value"):
            found[attributes["name"]] = unescape(attributes["value"])
    for name, text in re.findall(r'<textarea name="([^"]*)"[^>]*>\n?([^<]*)</textarea>', page.text):
        found |= {name: unescape(text)} if text else {}
    for name, options in re.findall(r'<select name="([^"]*)".*?>(.*?)</select>', page.text, re.DOTALL):
        chosen = re.search(r'value="([^"]+)" selected', options)
        found |= {name: chosen[1]} if chosen else {}
    found.pop("csrfmiddlewaretoken", None)
    return found


OWN_TYPES = [
    (sdo("intrusion-set", **NAMED, **CITED, labels=["alleged"]), "Write our own: intrusion set"),
    (sdo("threat-actor", **NAMED, **CITED, labels=["alleged"]), "Write our own: threat actor"),
    (sdo("infrastructure", **NAMED), "Write our own: infrastructure"),
    (sdo("attack-pattern", **NAMED), "Write our own: technique"),
    (sdo("campaign", **NAMED), "Write our own: campaign"),
]


@pytest.mark.parametrize(("theirs", "label"), OWN_TYPES, ids=[one["type"] for one, _ in OWN_TYPES])
def test_of_everything_that_the_desk_writes_an_own_version_begins_with_what_is_seen(
    desk: Desk, theirs: Object, label: str
) -> None:
    sent(desk, theirs)
    case = case_of(theirs)
    assert list(ways(desk, case)) == [label, "Give an opinion", "Add a note"]

    page = begun(desk, case, label)
    shown = inputs(page)
    answer = page.send("submit", **shown | {"description": "Ours saw it too.", "status": "active"})
    desk.work()

    assert (shown["name"], shown["description"]) == ("Night harvest", "Seen at three labs.")
    assert shown["tlp"] == "amber"
    # How sure one is one says oneself.
    assert "confidence" not in shown
    assert answer["Location"] == address(case)
    own = Claim.objects.get(organization=desk.hub)
    assert (own.object_id, own.subject_id) == (theirs["id"], case.release.subject_id)
    assert json.loads(bytes(own.body))["created_by_ref"] == f"identity--{desk.hub.id}"


def test_an_own_indicator_has_the_pattern_and_an_id_of_its_own(desk: Desk) -> None:
    theirs = stix.indicator(name="Proxy", labels=["seen-twice"], confidence=80, description="Secret source.")
    sent(desk, theirs)
    case = case_of(theirs)

    page = begun(desk, case, "Write our own: indicator")
    shown = inputs(page)
    page.send("submit", **shown)
    desk.work()

    assert (shown["pattern"], shown["name"], shown["labels"]) == (theirs["pattern"], "Proxy", "seen-twice")
    assert shown.keys().isdisjoint(("confidence", "description", "valid_until"))
    own = Claim.objects.get(organization=desk.hub)
    assert own.subject_id == case.release.subject_id
    assert own.object_id != theirs["id"]
    # And from now on it is edited.
    assert list(ways(desk, case)) == ["Give an opinion", "Add a note"]


def test_an_own_attribution_is_labelled_and_names_what_partners_named(desk: Desk) -> None:
    campaign, actor = sdo("campaign", name="Harvest"), sdo("intrusion-set", name="Reapers", **CITED)
    link = stix.relationship(campaign, actor, relationship_type="attributed-to")
    sent(desk, campaign, actor, link)

    page = begun(desk, case_of(link), "Write our own: relationship")
    shown = inputs(page)
    page.send("submit", **shown)
    desk.work()

    assert (shown["source_ref"], shown["target_ref"]) == (campaign["id"], actor["id"])
    own = json.loads(bytes(Claim.objects.get(organization=desk.hub).body))
    assert (own["id"], own["labels"]) == (link["id"], ["alleged"])


def test_of_what_somebody_saw_or_thinks_only_what_it_is_about_is_brought_along(desk: Desk) -> None:
    campaign = sdo("campaign", name="Harvest")
    opinion = stix.opinion(object_refs=[campaign["id"]], opinion="disagree", explanation="We looked.")
    sent(desk, campaign, opinion)
    case = case_of(opinion)
    assert list(ways(desk, case)) == ["Write our own: opinion"]

    page = begun(desk, case, "Write our own: opinion")
    shown = inputs(page)
    page.send("submit", **shown | {"opinion": "agree"})
    desk.work()

    assert shown["object_refs"] == campaign["id"]
    assert shown.keys().isdisjoint(("opinion", "explanation"))
    own = Claim.objects.get(organization=desk.hub)
    assert own.object_id != opinion["id"]
    assert json.loads(bytes(own.body))["object_refs"] == [campaign["id"]]


@pytest.mark.parametrize(
    "theirs",
    [
        stix.malware(name="Harvester", is_family=False),
        stix.indicator(pattern="rule harvest { condition: true }", pattern_type="yara"),
        stix.url(value="https://proxy.example/v1"),
    ],
    ids=["malware", "yara", "url"],
)
def test_what_no_form_writes_gets_an_opinion_or_a_note(desk: Desk, theirs: Object) -> None:
    sent(desk, theirs)
    case = case_of(theirs)
    assert list(ways(desk, case)) == ["Give an opinion", "Add a note"]

    page = begun(desk, case, "Give an opinion")
    answer = page.send("submit", **inputs(page) | {"opinion": "strongly-agree"})
    desk.work()

    assert answer["Location"] == address(case)
    assert json.loads(bytes(Claim.objects.get(organization=desk.hub).body))["object_refs"] == [theirs["id"]]


def test_what_we_said_is_edited_from_its_case_and_one_comes_back(desk: Desk) -> None:
    draft = written(desk, object_type="campaign", name="Ours", tlp="amber", status="active").draft
    case = case_of({"id": draft.object_id})
    page = said(desk.client("bob").get(address(case)))
    action, back = re.findall(
        r'<form method="post" action="([^"]*/edit/)">.*?name="back" value="([^"]*)"', page
    )[0]
    assert '<button class="sw-button" id="write">Edit what we say of it</button>' in page

    client = desk.client("bob")
    edit = Page.__new__(Page)
    edit.client = client
    edit.open(client.post(action, {"back": back})["Location"])
    saved = edit.send("save", **inputs(edit) | {"name": "Ours, edited"})
    edit.open(saved["Location"])
    answer = edit.send("submit", back=back, **inputs(edit))
    desk.work()

    assert parse_qs(urlparse(saved["Location"]).query)["back"] == [address(case)]
    assert f'href="{address(case)}">Back</a>' in unescape(edit.text)
    assert answer["Location"] == address(case)
    assert json.loads(bytes(Claim.objects.get().body))["name"] == "Ours, edited"


def test_what_we_revoked_is_looked_at_and_not_begun_a_second_time(desk: Desk) -> None:
    theirs = sdo("campaign", name="Harvest")
    sent(desk, theirs)
    case = case_of(theirs)
    page = begun(desk, case, "Write our own: campaign")
    page.send("submit", **inputs(page) | {"status": "active"})
    desk.work()
    place = f"{WRITE}said/{desk.community.id}/{theirs['id']}/"
    desk.client().post(f"{place}revoke/", {"reason": "Not ours."})
    desk.work()

    text = said(desk.client().get(address(case)))
    asked = {"community": str(desk.community.id), "object": theirs["id"]}

    assert f'id="write" href="{place}?back=' in text
    assert desk.client().get(f"{WRITE}new/campaign/", asked)["Location"] == place


def test_an_own_version_stands_once_partners_deleted_theirs(desk: Desk) -> None:
    theirs = sdo("campaign", name="Harvest")
    sent(desk, theirs)
    page = begun(desk, case_of(theirs), "Write our own: campaign")
    page.send("submit", **inputs(page) | {"name": "Harvest, as we know it", "status": "active"})
    desk.work()

    with pytest.raises(moderation.NotAllowed):
        desk.approve("ada")
    desk.approve("bob")
    before = desk.in_feed()
    deletion.delete(
        collection_id=Collection.objects.get(alias="lab-a").id,
        object_id=theirs["id"],
        versions=["all"],
        spec_versions=[],
        organization_id=Organization.objects.get(slug="lab-a").id,
        by=Actor("service:test"),
        now=timezone.now(),
    )
    desk.work()

    assert [one["name"] for one in before] == ["Harvest"]
    assert [one["name"] for one in desk.in_feed()] == ["Harvest, as we know it"]


def test_two_who_begin_the_same_meet_in_one_draft(desk: Desk) -> None:
    theirs = sdo("campaign", name="Harvest")
    sent(desk, theirs)
    case = case_of(theirs)
    first, second = (begun(desk, case, "Write our own: campaign") for _ in range(2))
    second.client = desk.client("bob")

    first.send("save", **inputs(first) | {"name": "Harvest, by ada"})
    met = second.send("save", **inputs(second) | {"name": "Harvest, by bob"})
    third = desk.client("bob").get(ways(desk, case, "bob")["Write our own: campaign"])

    draft = Draft.objects.get()
    assert met.status_code == 409
    assert "ada saved this draft while you wrote" in said(met)
    assert f'action="{WRITE}drafts/{draft.id}/?back=' in said(met)
    assert draft.body["name"] == "Harvest, by ada"
    assert urlparse(third["Location"]).path == f"{WRITE}drafts/{draft.id}/"


def test_a_first_version_is_not_sent_where_the_organisation_said_it_meanwhile(desk: Desk) -> None:
    theirs = sdo("campaign", name="Harvest")
    sent(desk, theirs)
    page = begun(desk, case_of(theirs), "Write our own: campaign")
    page.send("save", **inputs(page) | {"status": "active"})
    sent(desk, theirs | {"name": "As the hub uploads it"}, by="hub")

    answer = page.client.post(
        page.address, page.fields | inputs(page) | {"status": "active", "action": "submit"}, follow=True
    )

    assert "Your organisation said it meanwhile: edit that." in said(answer)
    assert json.loads(bytes(Claim.objects.get(organization=desk.hub).body))["name"] == "As the hub uploads it"


def test_a_form_holds_nothing_that_the_cases_audience_does_not_see(desk: Desk) -> None:
    Collection.objects.create(
        community=desk.community, kind=Kind.FEED, alias="green", title="Green", ceiling=1
    )
    theirs = stix.indicator(name="Open", labels=["open-label"])
    sent(desk, theirs | {"labels": ["zebra"], "name": "Zebra", "id": stix.indicator()["id"]}, tlp=AMBER)
    sent(desk, theirs, tlp=GREEN)

    page = begun(desk, case_of(theirs, ceiling=1), "Write our own: indicator")

    assert "zebra" not in page.text.lower()
    assert inputs(page)["labels"] == "open-label"
    # What one adds oneself may be more than green: one lowers it knowingly.
    assert inputs(page)["tlp"] == "amber"


@pytest.mark.parametrize(
    "odd",
    [
        {"object": "campaign--nonsense"},
        {"object": f"indicator--{stix.campaign()['id'].partition('--')[2]}"},
        {"object": "../said/"},
    ],
)
def test_an_id_that_cannot_be_that_of_the_form_is_not_there(desk: Desk, odd: dict[str, str]) -> None:
    asked = {"community": str(desk.community.id), "type": "campaign"} | odd
    assert desk.client().get(f"{WRITE}new/campaign/", asked).status_code == 404
    place = f"{WRITE}drafts/7a0cbbb8-5d05-4a36-9b30-5a3a4a5f7c11/"
    assert desk.client().get(place, asked).status_code == 404
    assert desk.client().post(place, asked | {"action": "save"}).status_code == 404


@pytest.mark.parametrize("odd", ["0", "9" * 30, "x", "²", "-1", "12345"])
def test_a_case_that_is_not_there_begins_a_blank_form(desk: Desk, odd: str) -> None:
    asked = {"community": str(desk.community.id), "case": odd, "back": "https://elsewhere.example/admin/"}
    page = Page(desk.client(), "campaign", **asked)
    assert "name" not in inputs(page)
    assert "elsewhere" not in page.text


def test_who_has_no_inbox_is_offered_nothing_to_write(desk: Desk) -> None:
    theirs = sdo("campaign", name="Harvest")
    sent(desk, theirs)
    Collection.objects.filter(owner=desk.hub).delete()

    page = said(desk.client().get(address(case_of(theirs))))

    assert 'id="write"' not in page
    assert not AuditEvent.objects.filter(action="draft.begin").exists()
