"""What an organisation was told of who submitted something: submitter commitments that were opened to it."""

from dataclasses import dataclass
from uuid import UUID

from accounts import sql


@dataclass(frozen=True, slots=True)
class Opened:
    """What opens a statement's `sub`: SHA-256(subsalt ‖ record)."""

    subsalt: bytes
    record: bytes


def opened(*, organization_id: UUID, collection_id: UUID, index: int) -> Opened | None:
    """What opens the commitment of an entry to this organisation; None where nobody disclosed it, or it is erased."""
    found = sql.row(
        "SELECT e.subsalt, e.submitter FROM sharing_disclosure d"
        " JOIN sharing_entry e ON e.collection_id = d.collection_id AND e.index = d.index"
        " WHERE d.organization_id = %s AND d.collection_id = %s AND d.index = %s"
        " AND e.subsalt IS NOT NULL AND e.submitter IS NOT NULL",
        (organization_id, collection_id, index),
    )
    return None if found is None else Opened(bytes(found[0]), bytes(found[1]))
