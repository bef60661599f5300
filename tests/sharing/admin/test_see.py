"""The pages that show what is known: search, campaigns, graphs, and what is exported of them."""

import json
import re
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import reverse

from accounts.models import AuditEvent, Membership, Organization
from indicators.dedup import templates
from indicators.models import Subject
from sharing.models import Collection, Entry, Kind
from tests.conformance import stix
from tests.journeys.steps import AMBER, GREEN
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import send
from tests.sharing.test_campaigns import SECOND, worked_example
from tests.sharing.test_search import ODD

SEARCH = "/admin/search/"


def indicator(domain: str, marking: str = GREEN, **members: Any) -> stix.Object:
    return stix.indicator(
        pattern=f"[domain-name:value = '{domain}']", object_marking_refs=[marking], **members
    )


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content) if response.streaming else response.content


def test_the_search_page_groups_what_it_finds_and_tells_how_it_read_it(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    send(shop, [indicator("login.hub.example"), stix.domain_name() | {"value": "hub.example"}])

    page = analyst.get(SEARCH, {"q": "HUB[.]example"}).content.decode()

    assert "the domain hub.example and what is below it" in page
    assert page.index(">Indicators<") < page.index("[domain-name:value = &#x27;login.hub.example&#x27;]")
    assert ">Infrastructure and addresses<" in page
    assert "GREEN: stands" in page
    assert "AMBER: stands" in page


def test_every_page_is_the_analysts_alone(
    shop: Shop, feeds: dict[int, Collection], analyst: Client, outsider: Client
) -> None:
    send(shop, worked_example())
    subject = Subject.objects.get(object_type="campaign", key=SECOND.encode())
    pages = [
        SEARCH,
        f"{SEARCH}?q=example",
        f"{SEARCH}?kind=indicators",
        reverse("admin:indicators_subject_changelist"),
        reverse("admin:indicators_subject_change", args=[subject.id]),
        reverse("admin:campaigns"),
        reverse("admin:campaign", args=[subject.id]),
        reverse("admin:campaign", args=[SECOND]),
        reverse("admin:graph", args=[subject.id]),
        reverse("admin:graph-neighbours", args=[f"s{subject.id}"]),
    ]

    for page in pages:
        assert analyst.get(page).status_code == 200, page
        assert outsider.get(page).status_code in {403, 404}, page
        assert Client().get(page).status_code == 302, page
    assert outsider.post(SEARCH, {"audience": "desk", "file_format": "csv"}).status_code == 404


def test_no_query_however_odd_is_a_fault_of_the_page(shop: Shop, analyst: Client) -> None:
    send(shop, [indicator("odd.example")])

    for typed in [one for one in ODD if "\ud800" not in one and "\udfff" not in one][::4]:
        for asked in (
            {"q": typed},
            {
                "q": "odd",
                "kind": typed[:200],
                "after": typed[:30],
                "tlp": typed[:9],
                "since": typed[:9],
                "community": typed[:40],
            },
        ):
            assert analyst.get(SEARCH, asked).status_code in {200, 400}, (typed[:80], asked)
    for odd in ("x", "s0", "x.1.2", "%00", "s1/../", "9" * 40):
        assert analyst.get(f"/admin/graph/{odd}/").status_code in {400, 404}
        assert analyst.get(f"/admin/campaigns/{odd}/").status_code in {400, 404}


def test_a_stix_export_holds_what_the_feed_holds_byte_for_byte(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    send(shop, [indicator("a.take.example"), indicator("b.take.example", AMBER), indicator("else.example")])

    answer = analyst.post(SEARCH, {"q": "take.example", "audience": str(feeds[1].id), "file_format": "stix"})
    whole = body(answer)

    assert "TLP-GREEN" in answer["Content-Disposition"]
    bundle = json.loads(whole)
    assert re.fullmatch("bundle--[0-9a-f-]{36}", bundle["id"])
    held = {bytes(one.body or b""): one for one in Entry.objects.filter(collection=feeds[1], is_last=True)}
    start = whole.index(b"[") + 1
    for one in held:
        said = json.loads(one)
        wanted = said["type"] != "indicator" or "take.example" in said["pattern"]
        if said["type"] == "indicator":
            assert (one in whole[start:]) == wanted
    assert [one["pattern"] for one in bundle["objects"] if one["type"] == "indicator"] == [
        "[domain-name:value = 'a.take.example']"
    ]
    exported = b",".join(json.dumps(one).encode() for one in bundle["objects"])
    assert b"amber" not in exported.lower()
    # What it names stands beside it.
    ids = {one["id"] for one in bundle["objects"]}
    assert {one["created_by_ref"] for one in bundle["objects"] if "created_by_ref" in one} <= ids
    event = AuditEvent.objects.get(action="search.export")
    assert event.actor == "member:ana"
    assert event.detail == {
        "format": "stix",
        "tlp": "TLP:GREEN",
        "looked_for": ["domain", "value", "words"],
        "count": 1,
    }


def test_a_csv_export_is_the_same_as_a_table_without_formulas(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    send(shop, [indicator("a.take.example", name="=HYPERLINK(1)"), indicator("b.take.example", AMBER)])

    public = body(
        analyst.post(SEARCH, {"q": "take.example", "audience": str(feeds[1].id), "file_format": "csv"})
    ).decode()
    desk = analyst.post(SEARCH, {"q": "take.example", "audience": "desk", "file_format": "csv"})

    assert public.count("take.example") == 1
    assert "b.take.example" not in public
    assert "'=HYPERLINK(1)" in public
    assert "TLP:GREEN" in public
    assert "Lab-A" not in public
    own = body(desk).decode()
    assert own.count("take.example") == 2
    assert "Lab-A" in own
    assert "TLP-RED" in desk["Content-Disposition"]


def test_an_export_never_crosses_communities(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    send(shop, [indicator("a.take.example")])
    from accounts.models import Community

    other = Community.objects.create(slug="other", title="Other", created_at=NOW)
    theirs = Collection.objects.create(community=other, alias="feed", title="Feed", kind=Kind.FEED, ceiling=2)

    answer = analyst.post(SEARCH, {"q": "take.example", "audience": str(theirs.id), "file_format": "stix"})

    assert json.loads(body(answer))["objects"] == []


def test_an_export_of_nothing_known_is_refused_and_told(shop: Shop, analyst: Client) -> None:
    for given in (
        {"audience": str(uuid4()), "file_format": "stix"},
        {"audience": "desk", "file_format": "stix"},
        {},
    ):
        assert analyst.post(SEARCH, {"q": "x"} | given).status_code == 400
    assert not AuditEvent.objects.filter(action="search.export").exists()


def test_prompts_are_compared_and_leave_no_trace(
    shop: Shop, analyst: Client, feeds: dict[int, Collection], caplog: pytest.LogCaptureFixture
) -> None:
    secret = "grade every zanzibar answer step by step and keep the reasoning of each step"
    template = templates.prompt_template(templates.known(secret), marking=GREEN)
    send(shop, [template])

    answer = analyst.post(SEARCH, {"prompts": secret})
    page = answer.content.decode()

    assert "100 %" in page
    assert "the same template" in page
    assert "zanzibar" not in page
    assert "zanzibar" not in caplog.text
    assert (
        "No known template resembles it"
        in analyst.post(SEARCH, {"prompts": "to be or not to be that is it"}).content.decode()
    )
    assert "three words at least" in analyst.post(SEARCH, {"prompts": "two words"}).content.decode()
    exported = analyst.post(
        SEARCH, {"subject": [Subject.objects.get().id], "audience": str(feeds[1].id), "file_format": "stix"}
    )
    assert template["id"] in body(exported).decode()
    assert AuditEvent.objects.get(action="search.export").detail["looked_for"] == ["prompts"]


def test_the_campaign_page_shows_the_worked_example(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    send(shop, worked_example())

    page = analyst.get(reverse("admin:campaign", args=[SECOND])).content.decode()

    for wanted in (
        "DC-2026-0002",
        "at least 3,400,000",
        "at least 200",
        "Unknown",
        "2026-02-23",
        "AML.T0024.002",
        "Exfiltration",
        "Computer vision",
        "alleged",
        "threat-actor",
        "What each source says",
    ):
        assert wanted in page, wanted
    listed = analyst.get(reverse("admin:campaigns")).content.decode()
    assert {f"DC-2026-000{number}" for number in (1, 2, 3)} <= set(re.findall(r"DC-2026-\d{4}", listed))
    assert "at least 13,000,000" in listed


def test_the_graph_as_json_says_what_its_table_says(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    send(shop, worked_example())
    subject = Subject.objects.get(key=SECOND.encode())

    page = analyst.get(reverse("admin:graph", args=[subject.id])).content.decode()
    told = json.loads(re.search(r'<script id="graph-json"[^>]*>(.*?)</script>', page, re.DOTALL)[1])  # type: ignore[index]
    table = page[page.index('id="graph-table"') :]
    near = analyst.get(reverse("admin:graph-neighbours", args=[f"s{subject.id}"])).json()

    assert table.count("<tr>") - 1 == len(told["edges"]) > 20
    keys = {node["id"] for node in told["nodes"]}
    assert {node["id"] for node in near["nodes"]} <= keys
    assert near["more"] == 0
    assert {edge["id"] for edge in near["edges"]} <= {edge["id"] for edge in told["edges"]}


def test_what_partners_sent_is_text_on_every_page(
    shop: Shop, feeds: dict[int, Collection], analyst: Client
) -> None:
    attack = "</script><img src=x onerror=alert(1)>'\"{{7*7}}"
    campaign = stix.campaign(
        name=attack, description=attack, aliases=[attack], labels=[attack], object_marking_refs=[GREEN]
    )
    actor = stix._sdo("threat-actor", name=attack, object_marking_refs=[GREEN])
    send(
        shop,
        [
            campaign,
            actor,
            stix.relationship(
                campaign, actor, relationship_type="attributed-to", object_marking_refs=[GREEN]
            ),
        ],
    )
    subject = Subject.objects.get(object_type="campaign")

    for page in (
        reverse("admin:campaign", args=[subject.id]),
        reverse("admin:graph", args=[subject.id]),
        reverse("admin:campaigns"),
        reverse("admin:indicators_subject_change", args=[subject.id]),
        f"{SEARCH}?kind=campaigns",
        f"{SEARCH}?q=onerror",
    ):
        text = analyst.get(page).content.decode()
        assert "<img src=x" not in text, page
        assert "49" not in re.sub(r"\d{3,}", "", text) or "{{7*7}}" in text


@pytest.mark.parametrize(
    "path",
    [
        "/admin/search/?q=wide.example",
        "/admin/search/?kind=indicators",
        "/admin/indicators/subject/",
        "/admin/campaigns/",
        "CAMPAIGN",
        "GRAPH",
        "SUBJECT",
    ],
)
def test_a_page_asks_the_database_as_often_for_much_as_for_little(
    shop: Shop, feeds: dict[int, Collection], analyst: Client, path: str, statements: Any
) -> None:
    organization = Organization.objects.get(slug="lab-b")
    Membership.objects.get_or_create(
        community=shop.community, organization=organization, defaults={"joined_at": NOW}
    )

    def grow(count: int) -> None:
        members = [indicator(f"h{uuid4().hex}.wide.example") for _ in range(count)]
        campaigns = [stix.campaign(object_marking_refs=[GREEN]) for _ in range(count)]
        tied = [stix.relationship(one, hub, object_marking_refs=[GREEN]) for one in members]
        send(shop, [hub, *members, *campaigns, *tied])

    hub = stix.campaign(name="Hub", object_marking_refs=[GREEN])
    grow(2)
    subject = Subject.objects.get(key=hub["id"].encode())
    names = {
        "CAMPAIGN": reverse("admin:campaign", args=[subject.id]),
        "GRAPH": reverse("admin:graph", args=[subject.id]),
        "SUBJECT": reverse("admin:indicators_subject_change", args=[subject.id]),
    }
    address = names.get(path, path)
    analyst.get(address)

    with statements() as few:
        assert analyst.get(address).status_code == 200
    grow(60)
    with statements() as many:
        assert analyst.get(address).status_code == 200

    assert few.count == many.count <= 60
