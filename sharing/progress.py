"""How far an upload has come: its submissions by state, their objects by what became of them at ingest.

What the feeds make of the objects stands in the receipts of the submissions.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from accounts import sql


@dataclass(frozen=True, slots=True)
class PartProgress:
    """A submission of an upload."""

    id: UUID
    part: int
    state: str
    object_count: int


@dataclass(frozen=True, slots=True)
class Progress:
    """An upload and how far it has come; `reasons` count the objects that were rejected."""

    id: UUID
    community: str
    name: str
    format: str
    size: int
    sha256: str
    is_draft: bool
    received_at: datetime
    object_count: int
    accepted: int
    duplicate: int
    rejected: int
    reasons: dict[str, int]
    parts: list[PartProgress]

    @property
    def part_count(self) -> int:
        """How many submissions it was taken apart into."""
        return len(self.parts)

    @property
    def counts(self) -> dict[str, int]:
        """What became of its objects at ingest; those of one row may be several."""
        found = {"accepted": self.accepted, "duplicate": self.duplicate, "rejected": self.rejected}
        return {name: count for name, count in found.items() if count}

    @property
    def ingested(self) -> int:
        """How many of its submissions are ingested."""
        return sum(part.state == "ingested" for part in self.parts)

    @property
    def quarantined(self) -> int:
        """How many of them failed."""
        return sum(part.state == "quarantined" for part in self.parts)

    @property
    def percent(self) -> int:
        """How much of it is done, whole percents rounded down."""
        done = self.ingested + self.quarantined
        return 100 * done // self.part_count if self.part_count else 100

    @property
    def state(self) -> str:
        """`draft`; `received` until all its submissions are done; then `ingested`, or `quarantined` if one failed."""
        if self.is_draft:
            return "draft"
        if self.ingested + self.quarantined < self.part_count:
            return "received"
        return "quarantined" if self.quarantined else "ingested"


def progress(organization_id: UUID, upload_id: UUID) -> Progress | None:
    """How far this organisation's upload has come; None for any other."""
    found = sql.row(
        "SELECT u.id, c.slug, u.name, u.format, u.size, encode(u.sha256, 'hex'), u.is_draft, u.received_at,"
        " u.object_count FROM indicators_upload u JOIN accounts_community c ON c.id = u.community_id"
        " WHERE u.id = %s AND u.organization_id = %s",
        (upload_id, organization_id),
    )
    if found is None:
        return None
    # `merged` is not told apart from `new` here: what others said is for the receipt, which knows what its reader sees.
    outcomes = {"accepted": 0, "duplicate": 0, "rejected": 0}
    reasons: dict[str, int] = {}
    for outcome, reason, count in sql.rows(
        "SELECT CASE WHEN o.outcome IN ('duplicate', 'rejected') THEN o.outcome ELSE 'accepted' END AS fate,"
        " CASE WHEN o.outcome = 'rejected' THEN o.reason ELSE '' END AS why, count(*)"
        " FROM indicators_submittedobject o JOIN indicators_submission s ON s.id = o.submission_id"
        " WHERE s.upload_id = %s GROUP BY fate, why ORDER BY count(*) DESC, why",
        (upload_id,),
    ):
        outcomes[outcome] += count
        if reason:
            reasons[reason] = count
    parts = [
        PartProgress(*part)
        for part in sql.rows(
            "SELECT id, part, state, object_count FROM indicators_submission WHERE upload_id = %s ORDER BY part",
            (upload_id,),
        )
    ]
    counted = (outcomes["accepted"], outcomes["duplicate"], outcomes["rejected"])
    return Progress(*(*found, *counted, reasons, parts))
