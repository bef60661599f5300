"""A partner with a key of its own: registers it, signs what it posts, and posts it."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import rfc8785
from django.conf import settings

from accounts.actor import Actor
from accounts.models import Organization
from indicators.actions import submissions
from sharing.actions import intake, submitter_keys
from sharing.receipts import Line, receipt
from sharing.signing import jws, keys
from sharing.signing.keys import Ed25519Signer
from sharing.submitter import registration
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW, Shop

BY = Actor("service:test")
Object = dict[str, Any]


def registered(
    organization: Organization, signer: Ed25519Signer | None = None, now: datetime = NOW - timedelta(days=1)
) -> Ed25519Signer:
    """A key that the organisation has registered."""
    signer = signer or keys.generate()
    submitter_keys.register(
        organization_id=organization.id, posted=posted(organization, signer, now), by=BY, now=now
    )
    return signer


def posted(
    organization: Organization, signer: Ed25519Signer, now: datetime = NOW, **members: str
) -> dict[str, Any]:
    """The body that registers it."""
    said = {"name": "Detections", "organization": organization.slug, "host": settings.STILLWATCH_ORIGIN_HOST}
    return registration.make(signer, now=now, **(said | members))


def signature(signer: Ed25519Signer, one: Object) -> str:
    """A partner's own detached JWS over an object."""
    return jws.sign_object(signer, rfc8785.dumps(one))


def post(
    shop: Shop,
    body: bytes,
    *,
    organization: Organization | None = None,
    body_format: str = "stix",
    channel: str = "taxii",
    now: datetime = NOW,
) -> list[Line]:
    """Receive, ingest and publish a body of lab-a's; the lines of its receipt."""
    sender = organization or shop.lab_a
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=sender.id,
        token_id=None,
        channel=channel,
        collection_id=exchange.inbox(shop, sender).id,
        body=body,
        body_format=body_format,
        by=BY,
        now=now,
    )
    intake.ingest(submission_id=received.id, signer=shop.signer, now=now)
    exchange.publish(shop, now)
    found = receipt(sender.id, received.id)
    assert found is not None
    return found.lines


def envelope(objects: Sequence[Object], signatures: object) -> bytes:
    """A TAXII envelope with signatures beside its objects."""
    return json.dumps({"objects": objects, "x_stillwatch_signatures": signatures}).encode()
