"""What was seen and thought of indicators, and who may hear it."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from accounts import sql
from indicators.actions.observations import queue_folds
from indicators.dedup.remarks import REMARKS
from sharing.actions.claims import Claim, Remark, load_claims, load_remarks
from sharing.actions.standings import Standing


class Hearing:
    """What was seen and thought of the indicators of one triage, by who may hear it.

    At a ceiling a remark is understood by the names that are known there: the ids of the visible claims, and those
    under which the indicator was published there or below. What lies above it cannot give a remark a meaning.
    """

    def __init__(
        self,
        community_id: UUID,
        claims: Mapping[int, Sequence[Claim]],
        standings: Iterable[Mapping[int, Standing]],
        *,
        without_detector: int | None = None,
    ) -> None:
        self._names: dict[int, list[tuple[str, int]]] = {
            subject_id: [(claim.object_id, claim.tlp) for claim in said]
            for subject_id, said in claims.items()
            if said and said[0].object_type == "indicator"
        }
        for found in standings:
            for subject_id, standing in found.items():
                if subject_id in self._names:
                    self._names[subject_id].append((standing.published_id, standing.ceiling))
        merged = [one for one in self._names if any(claim.home_id for claim in claims[one])]
        for subject_id, published_id, ceiling in _published_before_merging(merged):
            self._names[subject_id].append((published_id, ceiling))
        self._remarks = load_remarks(
            community_id,
            {name for names in self._names.values() for name, _ in names},
            without_detector=without_detector,
        )

    def at(self, ceiling: int) -> dict[int, list[Remark]]:
        """The remarks on each subject that has any, at or below a ceiling."""
        if not self._remarks:
            return {}
        heard = {}
        for subject_id, names in self._names.items():
            known = dict.fromkeys(name for name, tlp in names if tlp <= ceiling)
            found = [
                remark for name in known for remark in self._remarks.get(name, ()) if remark.tlp <= ceiling
            ]
            if found:
                heard[subject_id] = found
        return heard


def _published_before_merging(subject_ids: Sequence[int]) -> list[sql.Row]:
    """(subject, id, ceiling) of what was published of the subjects that were merged into these."""
    if not subject_ids:
        return []
    return sql.rows(
        "SELECT s.merged_into_id, r.published_id, r.ceiling FROM indicators_subject s"
        " JOIN sharing_release r ON r.subject_id = s.id WHERE s.merged_into_id = ANY(%s)",
        (list(subject_ids),),
    )


def with_what_is_remarked_on(
    community_id: UUID, claims: dict[int, list[Claim]], *, most: int
) -> dict[int, list[Claim]]:
    """Add the indicators that sightings and opinions among these are about: their confidence may follow.

    At most so many; the others are queued.
    """
    speaking = [claim for said in claims.values() for claim in said if claim.object_type in REMARKS]
    if not speaking:
        return claims
    named = {target for claim in speaking for target in claim.references if target.startswith("indicator--")}
    # What they said before was about these.
    named |= {
        target
        for (target,) in sql.rows(
            "DELETE FROM indicators_remark"
            f" WHERE community_id = %s AND object_id = {sql.ONE_OF} AND NOT is_live RETURNING target",
            (community_id, sql.joined({claim.object_id for claim in speaking})),
        )
    }
    found = sql.rows(
        "SELECT subject_id FROM indicators_claim"
        f" WHERE community_id = %s AND object_id = {sql.ONE_OF}"
        " UNION SELECT coalesce(s.merged_into_id, s.id) FROM sharing_release r"
        " JOIN indicators_subject s ON s.id = r.subject_id"
        f" WHERE s.community_id = %s AND r.published_id = {sql.ONE_OF}",
        (community_id, sql.joined(named), community_id, sql.joined(named)),
    )
    fresh = sorted(subject_id for (subject_id,) in found if subject_id not in claims)
    # One opinion may name thousands: a batch stays one.
    queue_folds(community_id=community_id, subject_ids=fresh[most:])
    return claims | load_claims(fresh[:most])
