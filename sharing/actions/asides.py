"""What only limited detectors say aside of their indicators: it is kept until something that leaves waits for it."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from accounts import sql
from indicators.actions.observations import queue_folds
from sharing.actions.audiences import View


def is_aside(view: View) -> bool:
    """Whether only limited detectors say it, it stands nowhere yet, and nothing in it has it wait for an indicator.

    What refers to the indicator of its finding waits for that anyway.
    """
    return (
        view.confidence is None
        and view.unaided is not None
        and not view.unaided.sources
        and not view.revoked
        and not view.standing.stands
        and not any(is_indicator(target) for target in view.references)
    )


def wanted_at(community_id: UUID, ceiling: int, views: Sequence[View]) -> set[int]:
    """Of what only limited detectors say aside of their indicators, what something that leaves waits for.

    So the context of a finding follows its indicator: first what points at that, then what those refer to.
    """
    asides = {
        name: view.standing.subject_id
        for view in views
        if is_aside(view)
        for name in (view.standing.published_id, *view.aliases)
    }
    if not asides:
        return set()
    return {
        asides[missing]
        for (missing,) in sql.rows(
            "SELECT DISTINCT w.missing FROM sharing_waiting w JOIN sharing_release r ON r.subject_id = w.subject_id"
            f" WHERE w.community_id = %s AND w.missing = {sql.ONE_OF} AND r.ceiling = %s AND r.decision = 'release'"
            " AND r.missing <> '{}' AND NOT EXISTS (SELECT 1 FROM unnest(r.missing) AS m WHERE m LIKE 'indicator--%%')",
            (community_id, sql.joined(asides), ceiling),
        )
    }


def leading_among(community_id: UUID, views: Sequence[View]) -> set[int]:
    """The observed data of limited detectors that no claim refers to: of findings without an indicator."""
    observed = {
        name: view.standing.subject_id
        for view in views
        if view.object_type == "observed-data" and is_aside(view)
        for name in view.aliases
    }
    if not observed:
        return set()
    referred = {
        target
        for (targets,) in sql.rows(
            f'SELECT "references" FROM indicators_claim WHERE community_id = %s AND "references" && {sql.LIST}',
            (community_id, sql.joined(observed)),
        )
        for target in targets
    }
    return set(observed.values()) - {observed[name] for name in referred & observed.keys()}


def fetch_context(community_id: UUID, ceiling: int, released: Iterable[View]) -> None:
    """Have looked at again what may follow these now: what waits for context that was kept aside wants it."""
    absent = {
        name
        for view in released
        if not any(is_indicator(missing) for missing in view.standing.missing)
        for name in view.standing.missing
    }
    if absent:
        kept = sql.rows(
            "SELECT r.subject_id FROM sharing_release r JOIN indicators_subject s ON s.id = r.subject_id"
            f" WHERE s.community_id = %s AND r.published_id = {sql.ONE_OF} AND r.ceiling = %s"
            " AND r.reason = 'awaits-indicator' ORDER BY r.subject_id",
            (community_id, sql.joined(absent), ceiling),
        )
        queue_folds(community_id=community_id, subject_ids=[subject_id for (subject_id,) in kept])


def is_indicator(object_id: str) -> bool:
    """Whether a STIX id is that of an indicator."""
    return object_id.startswith("indicator--")
