"""What the desk shows beside a case."""

import json
from dataclasses import dataclass
from datetime import datetime

from accounts import sql
from accounts.models import Tlp
from sharing.models import Review


@dataclass(frozen=True, slots=True)
class ShownClaim:
    """What one source says, for an analyst's eyes."""

    organization: str
    tlp: str
    received_at: datetime
    text: str


def claims_of(review: Review) -> list[ShownClaim]:
    """The claims behind a case that its audience may be shown, oldest first."""
    return [
        ShownClaim(
            name, Tlp(tlp).label, received_at, json.dumps(json.loads(body), indent=2, ensure_ascii=False)
        )
        for name, tlp, received_at, body in sql.rows(
            "SELECT o.name, c.tlp, c.received_at, c.body FROM indicators_claim c"
            " JOIN accounts_organization o ON o.id = c.organization_id"
            " WHERE c.subject_id = %s AND c.tlp <= %s ORDER BY c.first_received_at, c.id",
            (review.release.subject_id, review.release.ceiling),
        )
    ]


def readers_of(review: Review) -> list[str]:
    """The organisations that would receive it."""
    return [
        name
        for (name,) in sql.rows(
            "SELECT DISTINCT o.name FROM sharing_collection k"
            " JOIN sharing_collectiongrant g ON g.collection_id = k.id AND g.can_read"
            " JOIN accounts_organization o ON o.id = g.organization_id"
            " WHERE k.community_id = %s AND k.kind = 'feed' AND k.ceiling = %s ORDER BY o.name",
            (review.community_id, review.release.ceiling),
        )
    ]
