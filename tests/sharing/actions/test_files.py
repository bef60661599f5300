"""CSV and MISP files through ingest: what they become, what is told, and what a second file changes."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.actor import Actor
from accounts.models import Organization
from indicators.actions import submissions, uploads
from indicators.models import Claim, SubmittedObject
from sharing.actions import intake
from sharing.models import Collection, Kind
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW, Shop

RELAYS = (Path(__file__).parents[2] / "indicators" / "sources" / "misp" / "relay-network.json").read_bytes()


@pytest.fixture
def feed(shop: Shop) -> Collection:
    return shop.collection(Kind.FEED, ceiling=3)


def send(
    shop: Shop, body: bytes, body_format: str, *, by: Organization | None = None, days: float = 0
) -> list[SubmittedObject]:
    """Receive, ingest and publish a file; the lines of its receipt."""
    sender, now = by or shop.lab_a, NOW + timedelta(days=days)
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=sender.id,
        token_id=None,
        channel="file",
        collection_id=exchange.inbox(shop, sender).id,
        body=body,
        by=Actor("service:test"),
        now=now,
        body_format=body_format,
    )
    intake.ingest(submission_id=received.id, signer=shop.signer, now=now)
    exchange.publish(shop, now)
    return list(SubmittedObject.objects.filter(submission_id=received.id).order_by("ordinal"))


def published(feed: Collection) -> list[dict[str, Any]]:
    return [one for one in exchange.versions(feed) if one["type"] == "indicator"]


ROWS = b"value,confidence,tlp,techniques,id\n192.0.2.44,80,green,AML.T0021,CASE-1\n198.51.100.9,80,green,,\nbad,,,,\n"


def test_the_rows_of_a_file_are_published_and_a_bad_one_is_told(shop: Shop, feed: Collection) -> None:
    lines = send(shop, ROWS, "csv")

    assert [(line.place, line.outcome, line.reason) for line in lines] == [
        ("line 2", "new", "accepted"),
        ("line 2", "new", "accepted"),
        ("line 3", "new", "accepted"),
        ("line 4", "rejected", "csv-bad-cell"),
    ]
    assert [one["pattern"] for one in published(feed)] == [
        "[ipv4-addr:value = '192.0.2.44']",
        "[ipv4-addr:value = '198.51.100.9']",
    ]
    # A sender's own reference could say who it is.
    assert "CASE-1" not in json.dumps(exchange.versions(feed))


def test_a_file_sent_again_adds_nothing_and_an_edited_row_one_version(shop: Shop, feed: Collection) -> None:
    send(shop, ROWS, "csv")
    before = len(exchange.versions(feed))

    again = send(shop, ROWS + b"203.0.113.7,,green,,\n", "csv", days=1)
    edited = send(shop, ROWS.replace(b"198.51.100.9,80", b"198.51.100.9,40"), "csv", days=2)

    assert [line.reason for line in again] == [*["duplicate"] * 3, "csv-bad-cell", "accepted"]
    assert [line.reason for line in edited] == ["duplicate", "duplicate", "accepted", "csv-bad-cell"]
    assert Claim.objects.filter(submission_id=edited[0].submission_id).count() == 1
    assert len(exchange.versions(feed)) == before + 2
    assert published(feed)[-1]["confidence"] < published(feed)[0]["confidence"]


def test_a_value_stands_once_in_a_file_however_far_apart_its_rows_are(shop: Shop) -> None:
    rows = [f"192.0.{n // 250}.{n % 250},80" for n in range(5_001)]
    body = "\n".join(["value,confidence", *rows, rows[0].replace("80", "20")])

    received = uploads.receive(
        chunks=[body.encode()],
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="file",
        collection_id=exchange.inbox(shop, shop.lab_a).id,
        body_format="csv",
        by=Actor("service:test"),
        now=NOW,
    )
    for part in received.submissions:
        intake.ingest(submission_id=part.id, signer=shop.signer, now=NOW)

    told = SubmittedObject.objects.filter(submission_id=received.submissions[1].id).order_by("ordinal")
    assert [(line.place, line.reason) for line in told] == [
        ("line 5002", "accepted"),
        ("line 5003", "csv-repeated-row"),
    ]
    assert "a row further up in the file" in told[1].sentence


def test_only_the_beginning_of_a_large_event_is_mapped_for_a_preview(shop: Shop) -> None:
    attributes = [{"type": "ip-dst", "value": f"192.0.2.{n % 250}", "to_ids": True} for n in range(3_000)]
    received = uploads.receive(
        chunks=[json.dumps({"Event": {"info": "x", "Attribute": attributes}}).encode()],
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="form",
        collection_id=exchange.inbox(shop, shop.lab_a).id,
        body_format="misp",
        by=Actor("service:test"),
        now=NOW,
        is_draft=True,
    )
    beginning = uploads.beginning(upload_id=received.id, count=200)

    foreseen = intake.foresee(submission=beginning, now=NOW, most=200)

    assert [one.place for one in foreseen] == [f"events/0/attributes/{n}" for n in range(200)]


def test_a_row_and_an_attribute_of_two_labs_are_one_indicator(shop: Shop, feed: Collection) -> None:
    send(shop, ROWS, "csv")
    send(shop, RELAYS, "misp", by=shop.lab_b)

    merged = {one["pattern"]: one for one in exchange.latest(feed).values() if one["type"] == "indicator"}
    (link,) = [
        one
        for one in exchange.latest(feed).values()
        if one["type"] == "relationship" and "AML.T0021" in json.dumps(by_id(feed, one["target_ref"]))
    ]
    assert link["source_ref"] == merged["[ipv4-addr:value = '192.0.2.44']"]["id"]
    assert merged["[ipv4-addr:value = '192.0.2.44']"]["valid_from"] == "2026-03-01T12:00:00.123Z"
    assert json.loads(RELAYS)["Event"]["uuid"] not in json.dumps(exchange.versions(feed))


def by_id(feed: Collection, object_id: str) -> Any:
    return exchange.latest(feed).get(object_id)


def test_an_event_gives_a_line_for_each_attribute_and_loses_only_what_it_may_not_hold(
    shop: Shop, feed: Collection
) -> None:
    lines = send(shop, RELAYS, "misp")

    told = {(line.outcome, line.reason) for line in lines}
    assert ("rejected", "personal-email") in told
    assert ("rejected", "misp-unsupported-type") in told
    assert ("duplicate", "nothing-to-share") in told
    assert len(published(feed)) == 9
    assert any("attachments and samples are never taken" in line.note for line in lines)


def test_two_labs_that_pass_on_one_misp_event_are_one_source(shop: Shop, feed: Collection) -> None:
    event: dict[str, Any] = {
        "info": "x",
        "uuid": "5f0a1b2c-0000-4000-8000-0123456789ab",
        "Tag": [{"name": "tlp:green"}],
        "Attribute": [
            {"type": "domain", "value": "relay.example", "to_ids": True, "timestamp": "1767225600"}
        ],
    }
    send(shop, json.dumps(event).encode(), "misp")
    alone = published(feed)[-1]["confidence"]
    send(shop, json.dumps(event).encode(), "misp", by=shop.lab_b)
    passed_on = published(feed)[-1]["confidence"]

    event["uuid"] = "5f0a1b2c-0000-4000-8000-0123456789ac"
    send(shop, json.dumps(event).encode(), "misp", by=shop.lab_b, days=0.01)

    assert alone == passed_on < published(feed)[-1]["confidence"]
