"""Subjects that cannot stand before something that they refer to: who waits, and who is woken (clients.md 18)."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from accounts import sql
from indicators.actions.observations import queue_folds
from sharing.actions.audiences import View
from sharing.actions.claims import Claim, load_claims


def with_those_that_wait(
    community_id: UUID, claims: dict[int, list[Claim]], *, most: int
) -> dict[int, list[Claim]]:
    """Add the subjects that wait for these, and for those, so that what refers to each other is seen together.

    It stops once there are `most` subjects.
    """
    fresh = claims
    while fresh and len(claims) < most:
        names = {claim.object_id for said in fresh.values() for claim in said}
        waiting = sql.rows(
            f"SELECT DISTINCT subject_id FROM sharing_waiting WHERE community_id = %s AND missing = {sql.ONE_OF}",
            (community_id, sql.joined(names)),
        )
        fresh = load_claims(subject_id for (subject_id,) in waiting if subject_id not in claims)
        claims = claims | fresh
    return claims


def names_of(views: Sequence[View]) -> list[str]:
    """All ids by which others may refer to these: the published ones, and their partners'."""
    names = dict.fromkeys(name for view in views for name in (view.standing.published_id, *view.aliases))
    crowded = [view.standing.subject_id for view in views if view.is_crowded]
    if crowded:
        named = sql.rows("SELECT object_id FROM indicators_claim WHERE subject_id = ANY(%s)", (crowded,))
        names |= dict.fromkeys(name for (name,) in named)
    return list(names)


def wake(community_id: UUID, added: Sequence[View], claims: Mapping[int, object]) -> None:
    """Queue what waited for ids that stand now, but for what was looked at beside them."""
    ids = [name for view in added for name in (view.standing.published_id, *view.aliases)]
    crowded = [view.standing.subject_id for view in added if view.is_crowded]
    if crowded:
        ids += [
            missing
            for (missing,) in sql.rows(
                "SELECT DISTINCT w.missing FROM sharing_waiting w"
                " JOIN indicators_claim c ON c.community_id = w.community_id AND c.object_id = w.missing"
                " WHERE w.community_id = %s AND c.subject_id = ANY(%s)",
                (community_id, crowded),
            )
        ]
    wake_those_that_miss(community_id, ids, but=claims)


def wake_those_that_miss(community_id: UUID, ids: Sequence[str], *, but: Iterable[int]) -> None:
    """Queue what waited for ids, wherever it waited."""
    if not ids:
        return
    # What is looked at beside them keeps its place: it may still wait for the same id at another ceiling.
    woken = sql.rows(
        f"DELETE FROM sharing_waiting WHERE community_id = %s AND missing = {sql.ONE_OF}"
        " AND NOT subject_id = ANY(%s) RETURNING subject_id",
        (community_id, sql.joined(ids), list(but)),
    )
    queue_folds(
        community_id=community_id, subject_ids=dict.fromkeys(subject_id for (subject_id,) in sorted(woken))
    )


def wait(community_id: UUID, missing: Mapping[int, Sequence[str]]) -> None:
    """Note what subjects miss."""
    pairs = sorted({(target, subject_id) for subject_id, targets in missing.items() for target in targets})
    if pairs:
        sql.execute(
            "INSERT INTO sharing_waiting (community_id, missing, subject_id)"
            " SELECT %s, m, s FROM unnest(%s::text[], %s::int8[]) AS waiting(m, s) ON CONFLICT DO NOTHING",
            (community_id, [target for target, _ in pairs], [subject_id for _, subject_id in pairs]),
        )
