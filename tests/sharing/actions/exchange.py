"""Sending and publishing in this process, as the workers do it."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts.actor import Actor
from accounts.models import Organization
from indicators.actions import submissions
from sharing.actions import intake, triage
from sharing.actions.outlooks import Asked, outlooks
from sharing.models import Collection, Entry, Kind, Review
from sharing.receipts import Receipt, receipt
from tests.sharing.actions.conftest import NOW, Shop

Object = dict[str, Any]


def send(
    shop: Shop,
    objects: Sequence[Object],
    *,
    organization: Organization | None = None,
    to: Collection | None = None,
    now: datetime = NOW,
) -> Receipt:
    """Receive and ingest objects, publish what is pending; the receipt. Lab-a's inbox, unless said otherwise."""
    sender = organization or shop.lab_a
    found = receipt(sender.id, submit(shop, objects, organization=sender, to=to, now=now))
    assert found is not None
    return found


def submit(
    shop: Shop,
    objects: Sequence[Object],
    *,
    organization: Organization,
    to: Collection | None = None,
    now: datetime,
) -> UUID:
    """Receive and ingest objects, publish what is pending; the submission's id."""
    sender = organization
    shelf = to or inbox(shop, sender)
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=sender.id,
        token_id=None,
        channel="rest",
        collection_id=shelf.id,
        body=json.dumps({"objects": objects}).encode(),
        by=Actor("service:test"),
        now=now,
    )
    intake.ingest(submission_id=received.id, signer=shop.signer, now=now)
    publish(shop, now)
    return received.id


def publish(shop: Shop, now: datetime = NOW) -> None:
    """Publish whatever is pending."""
    while triage.publish_pending(community_id=shop.community.id, signer=shop.signer, now=now):
        pass


def shown(*review_ids: int, now: datetime) -> dict[int, str]:
    """What the pages of cases show at a time: by case the digest that a decision comes with."""
    found = Review.objects.filter(id__in=review_ids).select_related("release")
    return {one: outlook.digest for one, outlook in outlooks(map(Asked.of, found), now=now).items()}


def inbox(shop: Shop, organization: Organization) -> Collection:
    """The inbox of an organisation."""
    made, _ = Collection.objects.get_or_create(
        community=shop.community,
        owner=organization,
        kind=Kind.INBOX,
        defaults={"alias": "inbox", "title": "Inbox", "ceiling": 4},
    )
    return made


def versions(collection: Collection) -> list[Object]:
    """Every version that stands in a collection, in its order."""
    bodies = Entry.objects.filter(collection=collection, body__isnull=False).order_by("index")
    return [json.loads(bytes(body or b"")) for body in bodies.values_list("body", flat=True)]


def latest(collection: Collection) -> dict[str, Object]:
    """The latest version of each object of a collection."""
    bodies = Entry.objects.filter(collection=collection, is_last=True)
    found = [json.loads(bytes(body or b"")) for body in bodies.values_list("body", flat=True)]
    return {one["id"]: one for one in found}
