"""A community with two members, and an organisation outside it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest

from accounts.actor import Actor
from accounts.models import Community, Membership, Organization
from indicators.actions import submissions
from indicators.actions.submissions import Received

NOW = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
BY = Actor("service:test")


@dataclass(slots=True)
class Trust:
    """Who is there."""

    community: Community
    lab_a: Organization
    lab_b: Organization
    outsider: Organization
    inbox: UUID

    def receive(
        self,
        body: bytes,
        *,
        organization: Organization | None = None,
        key: str | None = None,
        body_format: str = "stix",
        collection: UUID | None = None,
        token: UUID | None = None,
        now: datetime = NOW,
    ) -> Received:
        """A submission of lab-a, unless another organisation is given."""
        return submissions.receive(
            community_id=self.community.id,
            organization_id=(organization or self.lab_a).id,
            token_id=token,
            channel="rest",
            collection_id=collection or self.inbox,
            body=body,
            by=BY,
            now=now,
            body_format=body_format,
            idempotency_key=key,
        )


@pytest.fixture
def trust(db: None) -> Trust:
    community = Community.objects.create(slug="trust", title="Trust", created_at=NOW)
    lab_a, lab_b, outsider = (
        Organization.objects.create(slug=slug, name=slug.title(), sector="ai-lab", created_at=NOW)
        for slug in ("lab-a", "lab-b", "outsider")
    )
    for organization in (lab_a, lab_b):
        Membership.objects.create(community=community, organization=organization, joined_at=NOW)
    return Trust(community, lab_a, lab_b, outsider, uuid4())
