"""How the witnesses fare, and the logs that they vouch for, as operators see it; the names are the policy's."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accounts import sql
from sharing.witness_policy import NOT_WITNESSED, Current

OVERDUE = timedelta(minutes=20)
"""A log without a quorum for so long has one that fails: each is signed anew every fifteen minutes."""
MOST = 500


@dataclass(frozen=True, slots=True)
class Fares:
    """One witness: in how many turns in a row it did not answer, and why; what it refuses, and how far it is behind."""

    name: str
    answered_at: datetime | None
    next_at: datetime | None
    failures: int
    last_error: str
    behind: int
    refused: tuple[tuple[str, str], ...]

    @property
    def state(self) -> str:
        if self.failures:
            return "away"
        if self.refused:
            return "refuses"
        if self.answered_at is None:
            return "new"
        return "behind" if self.behind else "good"


@dataclass(frozen=True, slots=True)
class Vouched:
    """One log: its newest checkpoint, and the newest that meets the policy, which is the one that readers get."""

    title: str
    community: str
    size: int
    signed_at: datetime
    quorum_size: int | None
    quorum_signed_at: datetime | None

    def is_overdue(self, now: datetime) -> bool:
        """Whether readers are about to have nothing that they take, or have had nothing for some time."""
        since = self.quorum_signed_at or self.signed_at
        return self.quorum_size != self.size and since < now - OVERDUE


def witnesses(found: Current) -> list[Fares]:
    """All that the policy has, by name; those without a URL are asked by nobody here."""
    stands = {
        name: (answered_at, next_at, failures, error)
        for name, answered_at, next_at, failures, error in sql.rows(
            "SELECT name, answered_at, next_at, failures, last_error FROM sharing_witness"
        )
    }
    refused: dict[str, list[tuple[str, str]]] = {}
    for name, title, sentence in sql.rows(
        "SELECT t.witness_id, k.title, t.last_error FROM sharing_witnessed t"
        " JOIN sharing_collection k ON k.id = t.collection_id WHERE t.last_error <> ''"
        " ORDER BY t.refusals DESC, k.title LIMIT %s",
        (MOST,),
    ):
        refused.setdefault(name, []).append((title, sentence))
    behind: dict[str, int] = {
        name: int(count)
        for name, count in sql.rows(
            "SELECT w.name, count(*) FROM sharing_witness w CROSS JOIN sharing_collection k"
            f" CROSS JOIN LATERAL ({_NEWEST}) h"
            " LEFT JOIN sharing_witnessed t ON t.witness_id = w.name AND t.collection_id = k.id"
            " WHERE k.kind <> ALL(%s) AND t.size IS DISTINCT FROM h.size GROUP BY w.name",
            (list(NOT_WITNESSED),),
        )
    }
    return [
        Fares(
            name,
            *stands.get(
                name, (None, None, 0, "" if name in found.asked() else "The policy has no URL for it.")
            ),
            behind.get(name, 0),
            tuple(refused.get(name, ())),
        )
        for name in sorted(found.policy.witnesses)
    ]


_NEWEST = (
    "SELECT size, signed_at FROM sharing_checkpoint WHERE collection_id = k.id ORDER BY size DESC LIMIT 1"
)


def logs(found: Current) -> list[Vouched]:
    """The logs that have a checkpoint, the one that has been without a quorum for longest first."""
    return [
        Vouched(*row)
        for row in sql.rows(
            "SELECT k.title, c.title, h.size, h.signed_at, q.size, q.signed_at FROM sharing_collection k"
            " JOIN accounts_community c ON c.id = k.community_id"
            f" CROSS JOIN LATERAL ({_NEWEST}) h"
            " LEFT JOIN LATERAL (SELECT size, signed_at FROM sharing_checkpoint WHERE collection_id = k.id"
            " AND quorum = %s ORDER BY size DESC LIMIT 1) q ON TRUE"
            " WHERE k.kind <> ALL(%s) ORDER BY q.size IS NOT DISTINCT FROM h.size, q.signed_at NULLS FIRST, k.title"
            " LIMIT %s",
            (found.digest, list(NOT_WITNESSED), MOST),
        )
    ]
