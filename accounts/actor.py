"""Who acts, as the audit trail names it."""

from dataclasses import dataclass
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Actor:
    """`member:<username>`, `token:<id>` or `service:<part>`, and the organisation it acts for."""

    name: str
    organization_id: UUID | None = None
