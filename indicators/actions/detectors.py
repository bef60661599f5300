"""The register of detectors: who finds what, how far each is trusted, and what it found.

A detector is limited to review while its tier says so or `limited_at` is set: because it floods, because too few of its
findings are confirmed, because it was withdrawn, or because an analyst says so. What it says then leaves by an
analyst's decision only (`sharing.release.policy`); what stands already goes on standing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actions.notices import tell
from accounts.actions.refusal import stated
from accounts.actor import Actor
from accounts.models import Organization, Sector
from indicators.models import Detector, FindingState, Tier
from indicators.vocabularies import DetectionMethod

#: Precision is taken over this many of the latest decisions.
JUDGED = 100
#: A flood is more findings in an hour than this, and than `FLOOD_RATE` times the mean of the hours before.
FLOOD_MINIMUM = 200
FLOOD_RATE = 10
#: A detector's own history: this long at most, and at least that long before it can be judged by it.
HISTORY = timedelta(days=14)
HISTORY_MINIMUM = timedelta(hours=24)

_HOUR = timedelta(hours=1)
_SERVICE = Actor("service:detectors")


class AlreadyRegistered(ValueError):
    """The organisation has a detector of this analytic and version."""


class Invalid(ValueError):
    """A detector cannot be so; `field` says what, the message why."""

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(reason)
        self.field = field


@dataclass(frozen=True, slots=True)
class Found:
    """What the register notes of a finding.

    `analytic` is the analytic's uid, else its name; `object_id` that of the indicator; `created` of its first version
    and `version` of this one are STIX timestamps; `state` a `FindingState`.
    """

    uid: str
    analytic: str
    analytic_version: str
    object_id: str
    created: str
    version: str
    state: str = FindingState.LIVE
    analytic_name: str = ""
    method: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """What its detector is known by within its organisation."""
        return self.analytic, self.analytic_version


# --- Registration


@transaction.atomic
def register(*, organization_id: UUID, analytic: str, by: Actor, now: datetime, **said: Any) -> Detector:
    """Register a detector, limited to review until the operator trusts it; `said` as in `describe`, and `version`."""
    detector = Detector(
        organization_id=organization_id,
        analytic=analytic.strip(),
        version=said.pop("version", "").strip(),
        registered_at=now,
        registered_by=by.name,
    )
    if not detector.analytic:
        raise Invalid("analytic", "Say the uid of the analytic, or its name if it has none.")
    settings(detector, said)
    try:
        with transaction.atomic():
            detector.save()
    except IntegrityError as error:
        raise AlreadyRegistered(f"{detector.analytic} {detector.version}".strip()) from error
    _note(
        detector.id,
        "detector.register",
        by,
        now,
        {"analytic": detector.analytic, "version": detector.version},
    )
    return detector


@transaction.atomic
def describe(*, detector_id: int, by: Actor, now: datetime, **said: Any) -> Detector:
    """Let its organisation say more of a detector: `name`, `method`, `false_positive_rate` (0 to 1, or None).

    The rate takes belief away from what it finds: its organisation may raise it, and the operator alone lowers it.
    """
    detector = Detector.objects.select_for_update().get(id=detector_id)
    stands, rate = detector.false_positive_rate, said.get("false_positive_rate")
    is_rate = "false_positive_rate" in said and _is_share(rate, "false_positive_rate")
    if is_rate and stands is not None and (rate is None or rate < stands):
        raise Invalid("false_positive_rate", f"It is {stands}; the operator alone lowers it.")
    changed = settings(detector, said)
    if changed:
        detector.save(update_fields=changed)
        _note(detector.id, "detector.describe", by, now, {name: getattr(detector, name) for name in changed})
    return detector


def meet(*, organization_id: UUID, findings: Iterable[Found], now: datetime) -> dict[tuple[str, str], int]:
    """The detectors of findings, by key; one that nobody registered is, limited to review, and the sender is told."""
    first: dict[tuple[str, str], Found] = {}
    for found in findings:
        first.setdefault(found.key, found)
    wanted = sorted(first)
    known = _ids(organization_id, wanted)
    for key in wanted:
        if key not in known:
            found = first[key]
            method = found.method if found.method in DetectionMethod.values else ""
            detector, made = Detector.objects.get_or_create(
                organization_id=organization_id,
                analytic=found.analytic,
                version=found.analytic_version,
                defaults={
                    "name": found.analytic_name,
                    "method": method,
                    "registered_at": now,
                    "registered_by": _SERVICE.name,
                },
            )
            known[key] = detector.id
            if made:
                _note(detector.id, "detector.register", _SERVICE, now, {"finding": found.uid})
                _tell(
                    detector,
                    "detector.registered",
                    f"The detector “{detector}” sent its first finding and is registered now. It is limited to review"
                    " until the operator trusts it: an analyst decides what it finds.",
                    now,
                )
    return known


def _ids(organization_id: UUID, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], int]:
    return {
        (analytic, version): detector_id
        for analytic, version, detector_id in sql.rows(
            "SELECT d.analytic, d.version, d.id FROM indicators_detector d"
            " JOIN unnest(%s::text[], %s::text[]) AS k(a, v) ON d.analytic = k.a AND d.version = k.v"
            " WHERE d.organization_id = %s",
            ([analytic for analytic, _ in keys], [version for _, version in keys], organization_id),
        )
    }


def settings(detector: Detector, said: Mapping[str, Any]) -> list[str]:
    """Set what is said of a detector, checked; the names of the fields that it changed."""
    changed = []
    for name, value in said.items():
        if name == "method" and value and value not in DetectionMethod.values:
            raise Invalid(name, f"One of {', '.join(DetectionMethod.values)}.")
        if name in {"false_positive_rate", "min_precision"} and not _is_share(value, name):
            raise Invalid(name, "A number from 0 to 1.")
        if name == "min_decisions" and not (isinstance(value, int) and 1 <= value <= JUDGED):
            raise Invalid(name, f"A whole number from 1 to {JUDGED}.")
        if name == "tier" and value not in Tier.values:
            raise Invalid(name, f"One of {', '.join(Tier.values)}.")
        if getattr(detector, name) != value:
            setattr(detector, name, value)
            changed.append(name)
    return changed


def _is_share(value: object, name: str) -> bool:
    if value is None:
        return name == "false_positive_rate"
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


# --- Findings


def noted(
    *, community_id: UUID, organization_id: UUID, uids: Sequence[str]
) -> dict[str, tuple[str, str, str]]:
    """`created`, latest version and state of the findings that came before, by uid.

    Every version of an object repeats its `created` (STIX 2.1 §3.6).
    """
    return {
        uid: (created, version, state)
        for uid, created, version, state in sql.rows(
            "SELECT uid, created, version, state FROM indicators_finding"
            " WHERE community_id = %s AND organization_id = %s AND uid = ANY(%s)",
            (community_id, organization_id, list(uids)),
        )
    }


def rates(*, organization_id: UUID, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """The registered false-positive rates of detectors, by key."""
    pairs = list(keys)
    return {
        (analytic, version): rate
        for analytic, version, rate in sql.rows(
            "SELECT d.analytic, d.version, d.false_positive_rate FROM indicators_detector d"
            " JOIN unnest(%s::text[], %s::text[]) AS k(a, v) ON d.analytic = k.a AND d.version = k.v"
            " WHERE d.organization_id = %s AND d.false_positive_rate IS NOT NULL",
            ([analytic for analytic, _ in pairs], [version for _, version in pairs], organization_id),
        )
    }


def note_findings(
    *,
    community_id: UUID,
    organization_id: UUID,
    submission_id: UUID,
    findings: Sequence[Found],
    registered: Mapping[tuple[str, str], int],
    now: datetime,
) -> None:
    """Note findings with their latest version, count them, and limit what floods, in the caller's transaction.

    The caller holds the organisation's lock. A version not newer than that noted changes nothing and is not counted.
    """
    newest: dict[str, Found] = {}
    for found in findings:
        rival = newest.get(found.uid)
        if rival is None or found.version >= rival.version:
            newest[found.uid] = found
    uids = list(newest)
    noted = [newest[uid] for uid in uids]
    counted = sql.rows(
        "INSERT INTO indicators_finding (community_id, organization_id, uid, detector_id, object_id, created, version,"
        " state, submission_id, received_at)"
        " SELECT %s, %s, u, d, o, c, v, s, %s, %s"
        " FROM unnest(%s::text[], %s::int8[], %s::text[], %s::text[], %s::text[], %s::text[])"
        " AS noted(u, d, o, c, v, s)"
        " ON CONFLICT (community_id, organization_id, uid) DO UPDATE SET detector_id = excluded.detector_id,"
        " version = excluded.version, state = excluded.state, submission_id = excluded.submission_id,"
        " received_at = excluded.received_at WHERE indicators_finding.version < excluded.version"
        # Sent again after all of its detector was withdrawn.
        " OR (indicators_finding.version, indicators_finding.state, excluded.state)"
        " = (excluded.version, 'withdrawn', 'live')"
        " RETURNING detector_id, uid",
        (
            *(community_id, organization_id, submission_id, now, uids),
            [registered[found.key] for found in noted],
            [found.object_id for found in noted],
            [found.created for found in noted],
            [found.version for found in noted],
            [str(found.state) for found in noted],
        ),
    )
    counts: dict[int, int] = {}
    for detector_id, _ in counted:
        counts[detector_id] = counts.get(detector_id, 0) + 1
    _count(counts, now)
    _refute(community_id, organization_id, [newest[uid] for _, uid in counted], now)


def _refute(community_id: UUID, organization_id: UUID, findings: Iterable[Found], now: datetime) -> None:
    """Take a source's own word that findings were false as decisions on what their detectors found before."""
    refuted = [found.object_id for found in findings if found.state == FindingState.FALSE_POSITIVE]
    if not refuted:
        return
    judged = sql.rows(
        # Its claim knows who found it: whoever says that it is false may be another analytic.
        "SELECT DISTINCT coalesce(c.detector_id, f.detector_id), c.subject_id FROM indicators_finding f"
        " JOIN indicators_claim c ON c.community_id = f.community_id AND c.object_id = f.object_id"
        " AND c.organization_id = f.organization_id"
        f" WHERE f.community_id = %s AND f.organization_id = %s AND c.community_id = %s"
        f" AND c.object_id = {sql.ONE_OF} AND f.state = 'false-positive'",
        (community_id, organization_id, community_id, sql.joined(refuted)),
    )
    _judge([(detector_id, subject_id) for detector_id, subject_id in judged], confirmed=False, now=now)


def _count(counts: Mapping[int, int], now: datetime) -> None:
    """Count findings of this hour by detector, and limit those that flood."""
    if not counts:
        return
    hour = now.replace(minute=0, second=0, microsecond=0)
    # In one order, so that two ingests never lock crosswise.
    ids = sorted(counts)
    sql.execute(
        "UPDATE indicators_detector SET first_finding_at = coalesce(first_finding_at, %s),"
        " last_finding_at = greatest(last_finding_at, %s) WHERE id IN"
        " (SELECT id FROM indicators_detector WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE)",
        (now, now, ids),
    )
    sql.execute(
        "INSERT INTO indicators_detectorhour AS h (detector_id, hour, findings)"
        " SELECT d, %s, n FROM unnest(%s::int8[], %s::int4[]) AS counted(d, n)"
        " ON CONFLICT (detector_id, hour) DO UPDATE SET findings = h.findings + excluded.findings",
        (hour, ids, [counts[detector_id] for detector_id in ids]),
    )
    for detector_id, latest, mean in sql.rows(
        _RATES,
        {
            "ids": ids,
            "hour": hour,
            "before": hour - _HOUR,
            # Of the hour that ends now, so much lies in the clock hour before.
            "rest": 1 - (now - hour) / _HOUR,
            "horizon": now - HISTORY,
            "old": now - HISTORY_MINIMUM,
        },
    ):
        if latest > max(FLOOD_MINIMUM, FLOOD_RATE * mean):
            limit(
                detector_id=detector_id,
                reason=f"It floods: {latest:.0f} findings within an hour, where its mean is {mean:.1f} an hour.",
                by=_SERVICE,
                now=now,
            )


# Findings of the hour that ends now, and the mean of an hour before this one, quiet hours included. Without detectors
# that are limited or too young; and where a limit was lifted, without that clock hour and what came before it.
_RATES = """
SELECT d.id,
       (coalesce(sum(h.findings) FILTER (WHERE h.hour = %(hour)s), 0)
        + coalesce(sum(h.findings) FILTER (WHERE h.hour = %(before)s
                   AND h.hour > coalesce(d.judged_from, '-infinity')), 0) * %(rest)s::float8)::float8,
       (coalesce(sum(h.findings) FILTER (WHERE h.hour < %(hour)s), 0)
        / greatest(1, extract(epoch FROM %(hour)s - greatest(d.first_finding_at, %(horizon)s)) / 3600))::float8
FROM indicators_detector d JOIN indicators_detectorhour h ON h.detector_id = d.id AND h.hour >= %(horizon)s
WHERE d.id = ANY(%(ids)s) AND d.limited_at IS NULL AND d.first_finding_at <= %(old)s
  AND coalesce(d.judged_from < %(hour)s, true)
GROUP BY d.id
"""


# --- Limits


@transaction.atomic
def limit(*, detector_id: int, reason: str, by: Actor, now: datetime) -> bool:
    """Limit a detector to review, and tell its organisation and the operator; False if it is limited already.

    Nothing needs folding again: what stands goes on standing, and what does not is decided by this from here on.
    """
    reason = stated(reason)
    detector = Detector.objects.select_for_update(no_key=True).get(id=detector_id)
    if detector.limited_at is not None:
        return False
    detector.limited_at, detector.limited_reason = now, reason
    detector.save(update_fields=["limited_at", "limited_reason"])
    _note(detector.id, "detector.limit", by, now, {"reason": detector.limited_reason})
    _tell(
        detector,
        "detector.limited",
        f"The detector “{detector}” is limited to review: an analyst decides what it finds. {detector.limited_reason}",
        now,
        to_operator=True,
    )
    return True


@dataclass(frozen=True, slots=True)
class Precision:
    """How many of a detector's latest decided indicators were confirmed."""

    confirmed: int
    decided: int

    @property
    def share(self) -> float | None:
        """0 to 1; None while nothing is decided."""
        return self.confirmed / self.decided if self.decided else None

    def __str__(self) -> str:
        if not self.decided:
            return "nothing decided yet"
        return f"{self.confirmed} of {self.decided} confirmed ({self.confirmed / self.decided:.0%})"


def precisions(detector_ids: Sequence[int]) -> dict[int, Precision]:
    """The precision of detectors over their latest decisions since a limit of theirs was lifted last."""
    return {
        detector_id: Precision(confirmed, decided)
        for detector_id, confirmed, decided in sql.rows(
            "SELECT d.id, count(*) FILTER (WHERE j.confirmed), count(j.confirmed) FROM indicators_detector d"
            " LEFT JOIN LATERAL (SELECT confirmed FROM indicators_judgement WHERE detector_id = d.id"
            " AND decided_at > coalesce(d.judged_from, '-infinity') ORDER BY decided_at DESC LIMIT %s) j ON true"
            " WHERE d.id = ANY(%s) GROUP BY d.id",
            (JUDGED, list(detector_ids)),
        )
    }


def judge(*, decided: Sequence[tuple[int, int]], confirmed: bool, now: datetime) -> None:
    """Take an analyst's decisions on indicators as ones on what the detectors found that their audiences hear.

    `decided` are (subject, ceiling).
    """
    judged = sql.rows(
        "SELECT DISTINCT c.detector_id, c.subject_id FROM unnest(%s::int8[], %s::int2[]) AS d(subject_id, ceiling)"
        " JOIN indicators_claim c ON c.subject_id = d.subject_id AND c.tlp <= d.ceiling"
        " JOIN indicators_subject s ON s.id = c.subject_id"
        " WHERE s.object_type = 'indicator' AND c.detector_id IS NOT NULL",
        ([subject_id for subject_id, _ in decided], [ceiling for _, ceiling in decided]),
    )
    _judge([(detector_id, one) for detector_id, one in judged], confirmed=confirmed, now=now)


def _judge(judged: Sequence[tuple[int, int]], *, confirmed: bool, now: datetime) -> None:
    if not judged:
        return
    pairs = sorted(judged)
    sql.execute(
        "INSERT INTO indicators_judgement (detector_id, subject_id, confirmed, decided_at)"
        " SELECT d, s, %s, %s FROM unnest(%s::int8[], %s::int8[]) AS judged(d, s)"
        " ON CONFLICT (detector_id, subject_id) DO UPDATE SET confirmed = excluded.confirmed,"
        " decided_at = excluded.decided_at",
        (confirmed, now, [detector_id for detector_id, _ in pairs], [subject_id for _, subject_id in pairs]),
    )
    ids = sorted({detector_id for detector_id, _ in pairs})
    found = precisions(ids)
    for detector in Detector.objects.filter(id__in=ids, limited_at__isnull=True).order_by("id"):
        precision = found[detector.id]
        share = precision.share
        if (
            share is not None
            and precision.decided >= detector.min_decisions
            and share < detector.min_precision
        ):
            limit(
                detector_id=detector.id,
                reason=f"Its precision fell below {detector.min_precision:.0%}: of its latest decisions {precision}.",
                by=_SERVICE,
                now=now,
            )


# --- Who is told


def _note(detector_id: int, action: str, by: Actor, now: datetime, detail: dict[str, object]) -> None:
    record(by=by, now=now, action=action, target=f"detector:{detector_id}", detail=detail)


def _tell(detector: Detector, kind: str, sentence: str, now: datetime, *, to_operator: bool = False) -> None:
    """Tell its organisation, and the operator where that matters to others."""
    told = [detector.organization_id]
    if to_operator:
        operators = Organization.objects.filter(sector=Sector.OPERATOR).exclude(id=detector.organization_id)
        told += operators.order_by("id").values_list("id", flat=True)
    for organization_id in told:
        tell(
            organization_id=organization_id,
            kind=kind,
            target=f"detector:{detector.id}",
            sentence=sentence,
            now=now,
            detail={"analytic": detector.analytic, "version": detector.version},
        )
