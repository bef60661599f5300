"""What changes how far a detector is trusted, and the withdrawal of all that one found, with what that would change."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.notices import tell
from accounts.actions.refusal import stated
from accounts.actor import Actor
from indicators.actions import observations
from indicators.actions.detectors import limit, settings
from indicators.models import Detector
from sharing.actions import triage
from sharing.actions.claims import Claim, load_claims
from sharing.release.policy import Decision

BATCH = 2000
#: So many of the indicators that lose something are shown one by one.
SHOWN = 50


class NotWithdrawn(ValueError):
    """The findings of this detector are not withdrawn."""


@transaction.atomic
def change(*, detector_id: int, reason: str, by: Actor, now: datetime, **said: Any) -> bool:
    """Set a detector's `tier`, `false_positive_rate`, `min_precision` or `min_decisions`; False if nothing changes.

    What waited for an analyst only because of the tier is decided again.
    """
    reason = stated(reason)
    detector = Detector.objects.select_for_update(no_key=True).get(id=detector_id)
    before = {name: getattr(detector, name) for name in said}
    was_limited = detector.is_limited
    changed = settings(detector, said)
    if not changed:
        return False
    detector.save(update_fields=changed)
    detail: dict[str, object] = {name: [before[name], said[name]] for name in changed}
    _note(detector, "detector.change", by, now, {"reason": reason, **detail})
    if was_limited and not detector.is_limited:
        _decide_again(detector_id)
    if "tier" in changed:
        said_so = (
            "limited to review"
            if detector.is_limited
            else "trusted: what it finds leaves by the community's rule"
        )
        _tell(detector, "detector.changed", f"The detector “{detector}” is {said_so}. {reason}", now)
    return True


@transaction.atomic
def lift(*, detector_id: int, reason: str, by: Actor, now: datetime) -> bool:
    """Lift a limit that was put on a detector; False if none is. What was decided or counted before weighs no more."""
    reason = stated(reason)
    detector = Detector.objects.select_for_update(no_key=True).get(id=detector_id)
    if detector.limited_at is None:
        return False
    over = detector.limited_reason
    detector.limited_at, detector.limited_reason, detector.judged_from = None, "", now
    detector.save(update_fields=["limited_at", "limited_reason", "judged_from"])
    _note(detector, "detector.lift", by, now, {"reason": reason, "was": over})
    if not detector.is_limited:
        _decide_again(detector_id)
    still = " Its tier still limits it to review." if detector.is_limited else ""
    _tell(detector, "detector.lifted", f"The limit on “{detector}” was lifted. {reason}{still}", now)
    return True


def _decide_again(detector_id: int) -> None:
    """Queue what this detector said and could not leave for its limit."""
    sql.execute(
        "INSERT INTO indicators_pendingfold (community_id, subject_id)"
        " SELECT DISTINCT c.community_id, c.subject_id FROM indicators_claim c"
        " JOIN sharing_release r ON r.subject_id = c.subject_id"
        " AND r.reason IN ('detector-limited', 'awaits-indicator')"
        " WHERE c.detector_id = %s ORDER BY c.subject_id",
        (detector_id,),
    )


# --- Withdrawal


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """What a withdrawal took back, or an undoing restored: findings, and claims by type."""

    findings: int
    claims: dict[str, int]
    communities: list[UUID]


@transaction.atomic
def withdraw_version(*, detector_id: int, reason: str, by: Actor, now: datetime) -> Withdrawn:
    """Withdraw all that a detector found, and limit it to review; triage publishes what follows.

    Observables stay: they are nobody's word, and other findings may have seen the same.
    """
    reason = stated(reason)
    detector = _locked(detector_id)
    claims = observations.withdraw_found(detector_id=detector_id, now=now)
    findings = sql.execute(
        "UPDATE indicators_finding SET state = 'withdrawn' WHERE detector_id = %s AND state = 'live'",
        (detector_id,),
    )
    detector.withdrawn_at = now
    detector.save(update_fields=["withdrawn_at"])
    limit(detector_id=detector_id, reason=f"All its findings were withdrawn: {reason}", by=by, now=now)
    detail: dict[str, object] = {"reason": reason, "findings": findings, "claims": claims}
    _note(detector, "detector.withdraw", by, now, detail)
    number = f"{findings:,} finding{'' if findings == 1 else 's'}"
    _tell(detector, "detector.withdrawn", f"{number} of “{detector}” were withdrawn. {reason}", now)
    return Withdrawn(findings, claims, _communities(detector_id))


@transaction.atomic
def restore_version(*, detector_id: int, reason: str, by: Actor, now: datetime) -> Withdrawn:
    """Undo a withdrawal: what it took back is said again. The detector stays limited until that is lifted.

    What the feeds revoked comes back under new ids (STIX 2.1 §3.6).
    """
    reason = stated(reason)
    detector = _locked(detector_id)
    if detector.withdrawn_at is None:
        raise NotWithdrawn("its findings are not withdrawn")
    claims = observations.restore_found(detector_id=detector_id, withdrawn_at=detector.withdrawn_at, now=now)
    findings = sql.execute(
        "UPDATE indicators_finding f SET state = 'live' WHERE f.detector_id = %s AND f.state = 'withdrawn'"
        # What its source withdrew itself stays so.
        " AND EXISTS (SELECT 1 FROM indicators_claim c WHERE c.community_id = f.community_id"
        " AND c.object_id = f.object_id AND c.organization_id = f.organization_id"
        " AND NOT c.revoked AND c.withdrawn_at IS NULL)",
        (detector_id,),
    )
    detector.withdrawn_at = None
    detector.save(update_fields=["withdrawn_at"])
    detail: dict[str, object] = {"reason": reason, "findings": findings, "claims": claims}
    _note(detector, "detector.restore", by, now, detail)
    number = f"{findings:,} finding{'' if findings == 1 else 's'}"
    _tell(detector, "detector.restored", f"{number} of “{detector}” stand again. {reason}", now)
    return Withdrawn(findings, claims, _communities(detector_id))


def _locked(detector_id: int) -> Detector:
    """The detector, while no ingest of its organisation changes claims."""
    organization_id = Detector.objects.values_list("organization_id", flat=True).get(id=detector_id)
    sql.lock(*(f"claims:{community_id}:{organization_id}" for community_id in _communities(detector_id)))
    return Detector.objects.select_for_update(no_key=True).get(id=detector_id)


def _communities(detector_id: int) -> list[UUID]:
    """Those in which it found something."""
    return [
        community_id
        for (community_id,) in sql.rows(
            "SELECT DISTINCT community_id FROM indicators_claim WHERE detector_id = %s ORDER BY community_id",
            (detector_id,),
        )
    ]


# --- What a withdrawal would change


@dataclass(frozen=True, slots=True)
class Loss:
    """An indicator that stays at one audience and loses confidence or sources."""

    subject_id: int
    published_id: str
    confidence: tuple[int, int]
    sources: tuple[int, int]


@dataclass(slots=True)
class AudiencePreview:
    """What a withdrawal changes for the feeds of one ceiling; `losses` are the first of those that `lose`."""

    community: str
    ceiling: int
    feeds: list[str]
    revoked: int = 0
    stay: int = 0
    lose: int = 0
    cases_closed: int = 0
    losses: list[Loss] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Preview:
    """What `withdraw_version` would change now."""

    findings: int
    claims: dict[str, int]
    audiences: list[AudiencePreview]


def preview(*, detector_id: int, now: datetime) -> Preview:
    """What withdrawing all that a detector found would change, by the same folds that triage makes; changes nothing."""
    audiences = []
    for community_id in _communities(detector_id):
        told = _audiences(community_id)
        for subject_ids in _indicators(community_id, detector_id):
            _look_ahead(community_id, detector_id, subject_ids, told, now)
        audiences += list(told.values())
    found = sql.row(
        "SELECT count(*) FROM indicators_finding WHERE detector_id = %s AND state = 'live'", (detector_id,)
    )
    return Preview(found[0] if found else 0, observations.count_found(detector_id=detector_id), audiences)


def _audiences(community_id: UUID) -> dict[int, AudiencePreview]:
    told: dict[int, AudiencePreview] = {}
    for community, ceiling, title in sql.rows(
        "SELECT c.title, k.ceiling, k.title FROM sharing_collection k"
        " JOIN accounts_community c ON c.id = k.community_id"
        " WHERE k.community_id = %s AND k.kind = 'feed' ORDER BY k.ceiling, k.profile DESC, k.title",
        (community_id,),
    ):
        told.setdefault(ceiling, AudiencePreview(community, ceiling, [])).feeds.append(title)
    return told


def _indicators(community_id: UUID, detector_id: int) -> Iterator[list[int]]:
    """The indicators that it still says something of, in batches."""
    found = [
        subject_id
        for (subject_id,) in sql.rows(
            "SELECT DISTINCT c.subject_id FROM indicators_claim c JOIN indicators_subject s ON s.id = c.subject_id"
            " WHERE c.community_id = %s AND c.detector_id = %s AND s.object_type = 'indicator'"
            " AND NOT c.revoked AND c.withdrawn_at IS NULL ORDER BY c.subject_id",
            (community_id, detector_id),
        )
    ]
    # Sightings of a detector weigh in indicators of others too.
    found += [
        subject_id
        for (subject_id,) in sql.rows(
            "SELECT DISTINCT c.subject_id FROM indicators_remark r"
            " JOIN indicators_claim c ON c.community_id = r.community_id AND c.object_id = r.target"
            " JOIN indicators_subject s ON s.id = c.subject_id"
            " WHERE r.community_id = %s AND c.community_id = %s AND r.detector_id = %s AND r.is_live"
            " AND s.object_type = 'indicator' ORDER BY c.subject_id",
            (community_id, community_id, detector_id),
        )
    ]
    subject_ids = list(dict.fromkeys(found))
    for start in range(0, len(subject_ids), BATCH):
        yield subject_ids[start : start + BATCH]


def _look_ahead(
    community_id: UUID,
    detector_id: int,
    subject_ids: Sequence[int],
    told: dict[int, AudiencePreview],
    now: datetime,
) -> None:
    """Add to what is told of each audience what it would see of these indicators."""
    left = {
        subject_id: [_withdrawn(claim, now) if claim.detector_id == detector_id else claim for claim in said]
        for subject_id, said in load_claims(subject_ids).items()
    }
    for seen in triage.foresee(
        community_id=community_id, claims=left, ceilings=sorted(told), without_detector=detector_id
    ):
        audience, standing = told[seen.ceiling], seen.standing
        if standing is None:
            continue
        if standing.stands and not standing.revoked:
            if seen.view.revoked:
                audience.revoked += 1
            else:
                audience.stay += 1
                before = (standing.confidence or 0, standing.sources)
                after = (seen.view.confidence or 0, seen.view.sources)
                audience.lose += after != before
                if after != before and len(audience.losses) < SHOWN:
                    confidence, sources = zip(before, after, strict=True)
                    audience.losses.append(
                        Loss(standing.subject_id, standing.published_id, confidence, sources)
                    )
        if seen.pending and seen.verdict.decision is not Decision.REVIEW:
            audience.cases_closed += 1


def _withdrawn(claim: Claim, now: datetime) -> Claim:
    if not claim.is_live:
        return claim
    return replace(claim, withdrawn_at=now, received_at=max(claim.received_at, now))


# --- Who is told


def _note(detector: Detector, action: str, by: Actor, now: datetime, detail: dict[str, object]) -> None:
    record(by=by, now=now, action=action, target=f"detector:{detector.id}", detail=detail)


def _tell(detector: Detector, kind: str, sentence: str, now: datetime) -> None:
    tell(
        organization_id=detector.organization_id,
        kind=kind,
        target=f"detector:{detector.id}",
        sentence=sentence,
        now=now,
        detail={"analytic": detector.analytic, "version": detector.version},
    )
