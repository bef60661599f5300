"""What the desk shows beside a likeness."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from accounts import sql
from accounts.models import Tlp


@dataclass(frozen=True, slots=True)
class ShownTemplate:
    """A claim on a prompt template, for an analyst's eyes; `subject_id` is that of its identity."""

    subject_id: int
    object_id: str
    organization: str
    tlp: str
    received_at: datetime
    text: str


def templates_of(subject_ids: Iterable[int]) -> list[ShownTemplate]:
    """What is claimed of these prompt templates, oldest first, without what was withdrawn; sketches are left out."""
    return [
        ShownTemplate(subject_id, object_id, name, Tlp(tlp).label, received_at, _without_sketches(body))
        for subject_id, object_id, name, tlp, received_at, body in sql.rows(
            "SELECT coalesce(c.home_id, c.subject_id), c.object_id, o.name, c.tlp, c.received_at, c.body"
            " FROM indicators_claim c JOIN accounts_organization o ON o.id = c.organization_id"
            " WHERE (c.subject_id = ANY(%s) AND c.home_id IS NULL OR c.home_id = ANY(%s))"
            " AND c.withdrawn_at IS NULL ORDER BY c.first_received_at, c.id",
            (list(subject_ids), list(subject_ids)),
        )
    ]


def _without_sketches(body: bytes) -> str:
    value = json.loads(body)
    value.pop("sketches", None)
    return json.dumps(value, indent=2, ensure_ascii=False)
