"""What stands, or shall stand, of each subject at each ceiling: the rows of `sharing_release`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import uuid4

from accounts import sql


@dataclass(slots=True)
class Standing:
    """A row of `sharing_release`: what stands, or shall stand, of one subject at one ceiling."""

    id: int
    subject_id: int
    ceiling: int
    published_id: str
    decision: str = ""
    reason: str = ""
    sentence: str = ""
    digest: bytes | None = None
    created: str = ""
    modified: str = ""
    revoked: bool = False
    sources: int = 0
    confidence: int | None = None
    missing: list[str] = field(default_factory=list)
    ticked_at: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    former_ids: list[str] = field(default_factory=list)

    def row(self) -> tuple[object, ...]:
        """Its values in the order of its fields, which is that of the table."""
        return (
            *(
                self.id,
                self.subject_id,
                self.ceiling,
                self.published_id,
                self.decision,
                self.reason,
                self.sentence,
            ),
            *(self.digest, self.created, self.modified, self.revoked, self.sources, self.confidence),
            *(list(self.missing), self.ticked_at, self.due_at, self.expires_at, list(self.former_ids)),
        )

    @property
    def stands(self) -> bool:
        """Whether a version was published and not erased."""
        return self.digest is not None

    @property
    def own(self) -> bool:
        """Whether what stands is the service's own object, with an author and versions, which it can revoke."""
        return self.created != ""


def new_id(object_type: str) -> str:
    """A STIX id of the service's own."""
    return f"{object_type}--{uuid4()}"


def first_seen(subject_id: int, ceiling: int, published_id: str, standings: dict[int, Standing]) -> Standing:
    """The row, without an id yet, of a subject that comes to a ceiling for the first time."""
    standing = standings[subject_id] = Standing(0, subject_id, ceiling, published_id)
    return standing


def renew(standing: Standing, object_type: str) -> None:
    """Let what follows stand under a new id of the service's own."""
    rename(standing, new_id(object_type))


def rename(standing: Standing, published_id: str) -> str | None:
    """Let what follows stand under this id; the earlier id, if that is another and something stands under it."""
    if standing.published_id == published_id:
        return None
    earlier = standing.published_id if standing.stands else None
    if (standing.stands or standing.revoked) and standing.published_id not in standing.former_ids:
        standing.former_ids = [*standing.former_ids, standing.published_id]
    standing.published_id = published_id
    standing.digest, standing.created, standing.modified, standing.revoked = None, "", "", False
    return earlier


def load_standings(subject_ids: Iterable[int], ceilings: Sequence[int]) -> dict[int, dict[int, Standing]]:
    """What stands of subjects, by ceiling and subject."""
    standings: dict[int, dict[int, Standing]] = {ceiling: {} for ceiling in ceilings}
    for row in sql.rows(
        f"SELECT {', '.join(_COLUMNS)} FROM sharing_release WHERE subject_id = ANY(%s) AND ceiling = ANY(%s)",
        (list(subject_ids), list(ceilings)),
    ):
        standings[row[2]][row[1]] = Standing(*row)
    return standings


def save(standings: Mapping[int, Standing], before: Mapping[int, tuple[object, ...]]) -> None:
    """Write what is new or differs from `before`, which has the rows of those that were loaded."""
    fresh = [standing for standing in standings.values() if not standing.id]
    for standing, standing_id in zip(fresh, sql.take_ids("sharing_release_id_seq", len(fresh)), strict=True):
        standing.id = standing_id
    sql.copy("sharing_release", _COLUMNS, _TYPES, (standing.row() for standing in fresh))
    changed = [
        standing.row()
        for standing in standings.values()
        if standing.subject_id in before and standing.row() != before[standing.subject_id]
    ]
    assignments = ", ".join(f"{name} = %s" for name in _COLUMNS[3:])
    with sql.cursor() as cursor:
        cursor.executemany(
            f"UPDATE sharing_release SET {assignments} WHERE id = %s".encode(),
            [(*row[3:], row[0]) for row in changed],
        )


_COLUMNS = (
    "id",
    "subject_id",
    "ceiling",
    "published_id",
    "decision",
    "reason",
    "sentence",
    "digest",
    "created",
    "modified",
    "revoked",
    "sources",
    "confidence",
    "missing",
    "ticked_at",
    "due_at",
    "expires_at",
    "former_ids",
)


_TYPES = (
    "int8",
    "int8",
    "int2",
    "text",
    "text",
    "text",
    "text",
    "bytea",
    "text",
    "text",
    "bool",
    "int2",
    "int2",
    "text[]",
    "timestamptz",
    "timestamptz",
    "timestamptz",
    "text[]",
)
