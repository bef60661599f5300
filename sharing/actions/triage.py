"""Triage: fold what changed into views, decide which may leave, and publish those, in one transaction.

pending subjects → their claims, and what of them is on an allow-list
→ per ceiling: views (audiences) → release.policy → decision, with its reason → what is listed and stands is taken back
→ per feed of that ceiling: closure by reference → publication.append (feeds)
→ what waited for an id that now stands is queued again
"""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError, transaction

from accounts import faults, sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.actions import allowlists, journal
from indicators.actions.observations import queue_folds, queue_referring, take_raised
from indicators.allowlists import blast
from indicators.allowlists.blast import Estimate
from sharing.actions import cases, publication
from sharing.actions.asides import fetch_context, is_indicator, leading_among, wanted_at
from sharing.actions.audiences import View, views_at
from sharing.actions.claims import Claim, load_claims
from sharing.actions.feeds import Brought, Plan, bring
from sharing.actions.folds import Folds
from sharing.actions.hearing import Hearing, with_what_is_remarked_on
from sharing.actions.introduction import introduce, publisher_id, service_ids
from sharing.actions.keys import NoSigningKey
from sharing.actions.publication import Log, Signatures
from sharing.actions.standings import Standing, load_standings, save
from sharing.actions.verdicts import Grounds
from sharing.actions.waiting import names_of, wake_those_that_miss, with_those_that_wait
from sharing.models import Profile
from sharing.release import policy
from sharing.signing.keys import Signer
from sharing.tlog.statements import Reason

log = structlog.get_logger(__name__)


BATCH = 2000


def publish_pending(*, community_id: UUID, signer: Signer, now: datetime) -> int:
    """Publish one batch of pending subjects; how many were looked at, 0 when there is nothing left."""
    with transaction.atomic():
        feeds = publication.lock_feeds(community_id)
        pending = sql.rows(
            "DELETE FROM indicators_pendingfold WHERE id IN (SELECT id FROM indicators_pendingfold"
            " WHERE community_id = %s ORDER BY id LIMIT %s) RETURNING id, subject_id",
            (community_id, BATCH),
        )
        subject_ids = list(dict.fromkeys(subject_id for _, subject_id in sorted(pending)))
        try:
            with transaction.atomic():
                publish(
                    feeds=feeds, community_id=community_id, subject_ids=subject_ids, signer=signer, now=now
                )
        except (OperationalError, psycopg.OperationalError, NoSigningKey):
            raise
        except Exception as error:  # noqa: BLE001 - one of them fails, and is found below
            log.error(
                "publish_failed",
                community=str(community_id),
                subjects=len(subject_ids),
                fault=faults.summary(error),
            )
            _publish_one_by_one(community_id, subject_ids, signer, now)
    return len(pending)


def _publish_one_by_one(
    community_id: UUID, subject_ids: Sequence[int], signer: Signer, now: datetime
) -> None:
    """After a batch failed: what cannot be published is set aside, with an audit event, and stops nothing else."""
    for subject_id in subject_ids:
        try:
            with transaction.atomic():
                publish(
                    feeds=publication.lock_feeds(community_id),
                    community_id=community_id,
                    subject_ids=[subject_id],
                    signer=signer,
                    now=now,
                )
        except (OperationalError, psycopg.OperationalError, NoSigningKey):
            raise
        except Exception as error:  # noqa: BLE001 - it is set aside
            log.error("subject_set_aside", subject=subject_id, fault=faults.summary(error))
            record(
                by=Actor("service:publish"),
                now=now,
                action="subject.set-aside",
                target=f"subject:{subject_id}",
                detail={"error": type(error).__name__},
            )


def publish(
    *, feeds: Sequence[Log], community_id: UUID, subject_ids: Sequence[int], signer: Signer, now: datetime
) -> None:
    """Bring every feed up to date with these subjects; the caller holds the feeds' locks and a transaction."""
    if not subject_ids or not feeds:
        return
    signatures = Signatures(signer)
    introduced = introduce(feeds, signatures=signatures, now=now)
    wake_those_that_miss(community_id, introduced, but=set(subject_ids))
    claims = with_what_is_remarked_on(community_id, load_claims(subject_ids), most=BATCH)
    claims = _without_service_objects(with_those_that_wait(community_id, claims, most=5 * BATCH))
    claims = _upheld(community_id, claims, now)
    raised = take_raised(list(claims))
    allowlists.hold()
    grounds = Grounds.of(community_id, claims)
    author = publisher_id()
    folds = Folds(author)
    ceilings = sorted({feed.ceiling for feed in feeds})
    standings_at = load_standings(claims, ceilings)
    hearing = Hearing(community_id, claims, standings_at.values())
    for ceiling in ceilings:
        standings = standings_at[ceiling]
        before = {subject_id: standing.row() for subject_id, standing in standings.items()}
        views = views_at(
            ceiling=ceiling,
            community_id=community_id,
            claims=claims,
            standings=standings,
            publisher_id=author,
            heard=hearing.at(ceiling),
            folds=folds,
        )
        judged = _judge(community_id, ceiling, views, grounds)
        restricted = {
            subject_id
            for subject_id, spans in raised.items()
            if any(low <= ceiling < high for low, high in spans)
        }
        plan = _plan(judged, restricted)
        audience = sorted(
            (feed for feed in feeds if feed.ceiling == ceiling), key=lambda feed: feed.profile != Profile.FULL
        )
        brought = [bring(feed, plan, claims=claims, signatures=signatures, now=now) for feed in audience]
        _settle(judged, plan, brought)
        save(standings, before)
        fetch_context(community_id, ceiling, plan.released)
        _queue_what_follows(community_id, plan, brought, before, claims)
        cases.follow(
            community_id=community_id,
            decided=[
                cases.Decided(
                    one.view,
                    one.verdict,
                    blast.total(grounds.behind(one.view)) if one.verdict.decision == "review" else 0,
                )
                for one in judged
            ],
            blast_limit=settings.BLAST_RADIUS_LIMIT,
            now=now,
        )


@dataclass(frozen=True, slots=True)
class _Judged:
    """What an audience would see of a subject, and whether it may."""

    view: View
    verdict: policy.Verdict
    listed: policy.Listed | None


def _judge(community_id: UUID, ceiling: int, views: Sequence[View], grounds: Grounds) -> list[_Judged]:
    opinions = cases.opinions([view.standing.id for view in views if view.standing.id])
    wanted, leading = wanted_at(community_id, ceiling, views), leading_among(community_id, views)
    return [
        _Judged(view, grounds.verdict(view, opinions, wanted=wanted, leading=leading), grounds.listed(view))
        for view in views
    ]


def _plan(judged: Sequence[_Judged], restricted: Container[int]) -> Plan:
    return Plan.of(
        [one.view for one in judged if one.verdict.decision is policy.Decision.RELEASE],
        banned=[
            replace(one.view, why=Reason.ERROR)
            for one in judged
            if one.listed and (one.view.standing.stands or one.view.erases is not None)
        ],
        restricted=[one.view for one in judged if one.view.standing.subject_id in restricted],
    )


def _settle(judged: Sequence[_Judged], plan: Plan, brought: Sequence[Brought]) -> None:
    """Write down how each subject stands at a ceiling, after its feeds were brought up to date, the full one first."""
    said = {view.standing.subject_id for view in plan.said}
    gone = {view.standing.subject_id for view in plan.restricted} - said
    gone |= {view.standing.subject_id for view in plan.banned}
    # The first feed is the full one, if there is one: it says what stands at this ceiling.
    for first in brought[:1]:
        gone |= {view.standing.subject_id for view in first.left}
        for view in plan.released:
            absent = dict.fromkeys(first.missing.get(view.standing.subject_id, ()))
            # Indicators first: what waits for one is not what brings context to it (asides).
            view.standing.missing = sorted(absent, key=lambda name: not is_indicator(name))[:8]
    for one in judged:
        _settle_one(one.view, one.verdict, gone=one.view.standing.subject_id in gone)


def _settle_one(view: View, verdict: policy.Verdict, *, gone: bool) -> None:
    standing = view.standing
    standing.decision, standing.reason, standing.sentence = verdict.decision, verdict.reason, verdict.sentence
    standing.sources, standing.confidence = view.sources, view.confidence
    if view.item is None and view.own and view.why is Reason.ERROR and standing.stands and not gone:
        # Its sources deleted it: it stands revoked.
        standing.revoked = True
    elif gone or view.item is None:
        standing.digest, standing.modified = None, ""
        standing.revoked = standing.revoked or view.own
    standing.due_at = view.due_at if standing.stands else None
    if not standing.stands or standing.revoked:
        standing.expires_at = None


def _queue_what_follows(
    community_id: UUID,
    plan: Plan,
    brought: Sequence[Brought],
    before: Mapping[int, tuple[object, ...]],
    claims: Mapping[int, object],
) -> None:
    """Queue what has to be looked at again because of what changed at a ceiling."""
    # What referred to it under its earlier id has to follow, once it stands under the new one.
    renamed = [
        view
        for feed in brought
        for view in feed.new
        if view.standing.subject_id in before
        and before[view.standing.subject_id][3] != view.standing.published_id
    ]
    queue_referring(community_id=community_id, object_ids=names_of(renamed), but=claims)
    # A revoked indicator on an allow-list is no longer what others refer to: they wait for it under its next id.
    revoked = [view for view in plan.banned if view.own]
    queue_folds(community_id=community_id, subject_ids=[view.standing.subject_id for view in revoked])
    queue_referring(community_id=community_id, object_ids=names_of(revoked), but=())


def _upheld(community_id: UUID, claims: dict[int, list[Claim]], now: datetime) -> dict[int, list[Claim]]:
    """The claims, after merges that would let one show below its level were mended."""
    merged = [subject_id for subject_id, said in claims.items() if any(claim.home_id for claim in said)]
    if not merged:
        return claims
    return claims | load_claims(journal.uphold(community_id=community_id, subject_ids=merged, now=now))


def _without_service_objects(claims: Mapping[int, list[Claim]]) -> dict[int, list[Claim]]:
    """Without claims under an id of the service's own: intake sets them apart, but has not always done so."""
    taken = service_ids()
    return {one: said for one, said in claims.items() if not said or said[0].object_id not in taken}


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What one audience would see of an indicator: the view and its verdict; and how it stands now.

    `standing` is None where nothing was decided yet; `pending` says that an analyst's case is open.
    """

    ceiling: int
    standing: Standing | None
    pending: bool
    view: View
    verdict: policy.Verdict
    behind: list[Estimate]
    listed: policy.Listed | None


def foresee(
    *,
    community_id: UUID,
    claims: Mapping[int, Sequence[Claim]],
    ceilings: Sequence[int],
    without_detector: int | None = None,
    approving: Container[int] = (),
    now: datetime | None = None,
) -> Iterator[Foreseen]:
    """What each audience would see of subjects if these were the claims on them; changes nothing.

    `without_detector`: one whose sightings and opinions are left out. `approving`: releases that an analyst would
    approve, `now`: what does not stand would be published as it is believed then.
    """
    grounds, author = Grounds.of(community_id, claims), publisher_id()
    folds = Folds(author)
    standings_at = load_standings(claims, ceilings)
    hearing = Hearing(community_id, claims, standings_at.values(), without_detector=without_detector)
    for ceiling in ceilings:
        standings = standings_at[ceiling]
        before = {subject_id: replace(standing) for subject_id, standing in standings.items()}
        ids = [standing.id for standing in before.values()]
        opinions, pending = cases.opinions(ids), cases.pending(ids)
        for standing in standings.values():
            if standing.id in approving:
                opinions[standing.id] = cases.Opinion(approved=True, sources=standing.sources)
                standing.ticked_at = standing.ticked_at if standing.stands else now
        for view in views_at(
            ceiling=ceiling,
            community_id=community_id,
            claims=claims,
            standings=standings,
            publisher_id=author,
            heard=hearing.at(ceiling),
            folds=folds,
        ):
            stood = before.get(view.standing.subject_id)
            yield Foreseen(
                ceiling,
                stood,
                stood is not None and stood.id in pending,
                view,
                grounds.verdict(view, opinions),
                grounds.behind(view),
                grounds.listed(view),
            )
