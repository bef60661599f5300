"""An analyst sends at the desk: a file that is looked at first, pasted text, and reads the receipt."""

import csv
import io
import json
import re
from html import unescape
from typing import Any

import pytest
import requests

from tests.conformance import stix
from tests.journeys.steps import GREEN, indicator_in
from tests.journeys.test_review import Desk
from tests.world import World

INBOX = (
    "SELECT k.id FROM sharing_collection k JOIN accounts_organization o ON o.id = k.owner_id"
    " JOIN accounts_community c ON c.id = k.community_id"
    " WHERE k.kind = 'inbox' AND o.slug = %s AND c.slug = %s"
)


@pytest.fixture(scope="module")
def analyst(world: World) -> Desk:
    desk = Desk(world, "analyst")
    assert desk.signed_in
    return desk


def inbox(world: World, organization: str = "lab-a", community: str = "allies") -> str:
    ((found,),) = world.sql(INBOX, (organization, community))
    return str(found)


def open_page(desk: Desk, path: str) -> requests.Response:
    desk.page = desk.session.get(f"{desk.url}indicators/upload/{path}", timeout=30)
    assert desk.page.status_code == 200, desk.page.text
    return desk.page


def send_file(desk: Desk, name: str, body: bytes, **fields: Any) -> requests.Response:
    open_page(desk, "add/")
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', desk.page.text)
    assert token is not None
    desk.page = desk.session.post(
        f"{desk.url}indicators/upload/add/",
        data=fields | {"csrfmiddlewaretoken": token[1]},
        files={"file": (name, body)},
        headers={"Referer": desk.page.url},
        timeout=60,
    )
    return desk.page


def words(page: requests.Response) -> str:
    """What a reader of a page reads."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def test_a_csv_file_is_looked_at_row_by_row_and_then_submitted(world: World, analyst: Desk) -> None:
    good, other = stix.domain(), stix.domain()
    body = (
        "value,tlp,confidence,description,tipo\n"
        f"{good},green,85,=1+1,x\n"
        "not a value at all,green,85,,\n"
        f"{other},purple,85,,\n"
    ).encode()

    preview = send_file(analyst, "autumn.csv", body, sender=inbox(world), preview="on")

    assert "/preview/" in preview.url
    said = words(preview)
    assert f"[domain-name:value = '{good}']" in said
    assert "1 would be taken, 2 refused" in said
    assert "At line 3, column value" in said
    assert "At line 4, column tlp" in said
    assert "tipo" in said
    assert world.sql("SELECT count(*) FROM indicators_submission WHERE state = 'received'") == [(0,)]
    ((draft,),) = world.sql("SELECT id FROM indicators_submission WHERE state = 'draft'")
    secret = {"Authorization": f"Bearer {world.token('lab-a').secret}"}
    for unseen in (f"submissions/{draft}/", f"uploads/{preview.url.split('/')[-3]}/"):
        assert requests.get(f"{world.url}/api/v1/{unseen}", headers=secret, timeout=30).status_code == 404

    analyst.page = analyst.send(preview.url, submit="Submit all of it")
    world.settle()

    assert "/change/" in analyst.page.url
    final = analyst.session.get(analyst.page.url, timeout=30)
    assert "100 %" in words(final)
    assert "Rejected 2: 2 csv-bad-cell" in words(final)
    assert good in indicator_in(world, "lab-b", "green", good, community="allies")["pattern"]


def test_a_draft_that_is_let_go_leaves_nothing(world: World, analyst: Desk) -> None:
    body = json.dumps({"objects": [stix.campaign(object_marking_refs=[GREEN])]}).encode()
    before = world.sql("SELECT count(*) FROM indicators_submission")
    preview = send_file(analyst, "one.json", body, sender=inbox(world), preview="on")

    analyst.page = analyst.send(preview.url, discard="Let it go")

    assert "was let go" in words(analyst.page)
    assert world.sql("SELECT count(*) FROM indicators_submission") == before
    assert analyst.session.get(preview.url, timeout=30).status_code == 404


def test_a_file_is_sent_at_once_and_its_page_shows_how_far_it_is(world: World, analyst: Desk) -> None:
    body = json.dumps({"objects": [stix.campaign(object_marking_refs=[GREEN]), {"type": "campaign"}]})

    page = send_file(analyst, "two.json", body.encode(), sender=inbox(world))

    assert "/change/" in page.url
    world.settle()
    page = analyst.session.get(page.url, timeout=30)
    assert "all of it is ingested" in words(page)
    assert "Accepted 1" in words(page)
    again = send_file(analyst, "two.json", body.encode(), sender=inbox(world))
    assert "This file came before" in words(again)
    listed = open_page(analyst, "")
    assert "two.json" in words(listed)


@pytest.mark.parametrize(
    ("name", "body", "says"),
    [
        ("broken.json", b'{"objects":[{]}', "Nothing of it was taken. At line 1, column"),
        ("unknown.bin", b"\x00\x01", "does not tell its format"),
        ("empty.json", b"", "empty"),
        ("latin.csv", b"value\ncaf\xe9.example\n", 'save it as "CSV UTF-8"'),
        ("header.csv", b"foo,bar\n1,2\n", 'must name a column "value" or "pattern"'),
        ("text.json", b'{"a":1}', 'there is no "objects" here'),
        ("misp.json", b'{"Event":{"info":"x"}}', "if it is something else, choose its format"),
    ],
)
def test_a_file_that_cannot_be_taken_is_told_why(
    world: World, analyst: Desk, name: str, body: bytes, says: str
) -> None:
    page = send_file(analyst, name, body, sender=inbox(world), preview="on")

    assert page.status_code == 200
    assert says in words(page)


def test_pasted_text_becomes_a_published_indicator(world: World, analyst: Desk) -> None:
    domain = f"{stix.domain().partition('.')[0]}-relay.com"
    open_page(analyst, "text/")
    text = f"They came from {domain.replace('.', '[.]')} and build 10.0.0.1 <script>alert(1)</script>"

    values = analyst.send(f"{analyst.url}indicators/upload/text/", sender=inbox(world), text=text)

    assert values.status_code == 200
    assert "2 values found" in words(values)
    assert "<script>alert" not in values.text
    # What is doubtful is not ticked.
    assert re.search(rf'value="domain-name {re.escape(domain)}"[^>]*checked', values.text)
    assert not re.search(r'value="ipv4-addr 10.0.0.1"[^>]*checked', values.text)
    analyst.page = values

    receipt = analyst.send(
        f"{analyst.url}indicators/upload/text/",
        sender=inbox(world),
        chosen=[f"domain-name {domain}"],
        listed=[f"domain-name {domain}"],
        tlp="green",
        confidence="85",
        labels="relay; autumn",
        submit="Submit",
    )

    assert "/receipt/" in receipt.url, words(receipt)
    world.settle()
    assert indicator_in(world, "lab-b", "green", domain, community="allies")["labels"] == ["autumn", "relay"]
    # The receipt tells what stands in the widest feed that its sender reads.
    published = indicator_in(world, "lab-a", "strict", domain, community="allies")
    assert published["pattern"] == f"[domain-name:value = '{domain}']"
    said = words(analyst.session.get(receipt.url, timeout=30))
    assert "1 released" in said
    assert published["id"] in said


def test_nothing_is_submitted_without_a_tick(world: World, analyst: Desk) -> None:
    open_page(analyst, "text/")

    page = analyst.send(
        f"{analyst.url}indicators/upload/text/",
        sender=inbox(world),
        listed=["domain-name a-relay.com"],
        submit="Submit",
    )

    assert "Tick at least one value" in words(page)
    assert "a-relay.com" in words(page)


def test_a_receipt_is_filtered_and_downloaded_without_formulas(world: World, analyst: Desk) -> None:
    bad = {"type": "campaign", "id": "=HYPERLINK(1)"}
    status = world.submit("lab-a", [stix.campaign(object_marking_refs=[GREEN]), bad], community="allies")
    path = f"receipt/{status['id']}"

    everything = words(open_page(analyst, f"{path}/"))
    rejected = words(open_page(analyst, f"{path}/?outcome=rejected"))
    file = analyst.session.get(f"{analyst.url}indicators/submission/{status['id']}/csv/", timeout=30)

    assert "All 2 · 1 rejected · 1 released" in everything
    assert "released" in everything
    assert rejected.count("objects/1") == 1
    assert "objects/0" not in rejected
    rows = list(csv.DictReader(io.StringIO(file.content.decode("utf-8-sig"))))
    assert [row["outcome"] for row in rows] == ["released", "rejected"]
    assert rows[1]["id"] == "'=HYPERLINK(1)"
    assert file.headers["Content-Disposition"].startswith("attachment")
    submission = analyst.session.get(f"{analyst.url}indicators/submission/{status['id']}/change/", timeout=30)
    assert f"/{path}/" in submission.text


@pytest.mark.parametrize("path", ["", "add/", "text/", "receipt/00000000-0000-4000-8000-000000000000/"])
def test_only_analysts_of_the_operator_see_these_pages(world: World, path: str) -> None:
    reader = Desk(world, "reader")
    stranger = requests.get(f"{world.url}/admin/indicators/upload/{path}", timeout=30, allow_redirects=False)

    page = reader.session.get(
        f"{world.url}/admin/indicators/upload/{path}", timeout=30, allow_redirects=False
    )

    assert page.status_code in {302, 403, 404}
    assert stranger.status_code == 302


def test_a_file_of_a_stranger_is_not_even_stored(world: World) -> None:
    session = requests.Session()
    page = session.get(f"{world.url}/admin/login/", timeout=30)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None

    answer = session.post(
        f"{world.url}/admin/login/",
        data={"csrfmiddlewaretoken": token[1]},
        files={"file": ("x.json", b"x" * 3_000_000)},
        timeout=30,
    )

    assert answer.status_code == 400
