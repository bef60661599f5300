"""Triage: fold what changed into views, decide which may leave, and publish those, in one transaction.

pending subjects → their claims, and what of them is on an allow-list
→ per ceiling: views (audiences) → release.policy → decision, with its reason → what is listed and stands is taken back
→ per feed of that ceiling: closure by reference → publication.append
→ what waited for an id that now stands is queued again
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
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
from indicators.actions import allowlists, journal, populations
from indicators.actions.observations import queue_folds, queue_referring, take_raised
from indicators.allowlists import blast
from indicators.allowlists.blast import Estimate
from sharing.actions import cases, publication
from sharing.actions.asides import fetch_context, is_indicator, leading_among, wanted_at
from sharing.actions.audiences import View, views_at
from sharing.actions.claims import Claim, load_claims
from sharing.actions.folds import Folds
from sharing.actions.hearing import Hearing, with_what_is_remarked_on
from sharing.actions.introduction import introduce, publisher_id, service_ids
from sharing.actions.keys import NoSigningKey
from sharing.actions.publication import Log, Placed, Signatures
from sharing.actions.standings import Standing, load_standings, save
from sharing.actions.verdicts import behind, decide, listed_in, rule_of, wide_of
from sharing.actions.waiting import names_of, wait, wake, wake_those_that_miss, with_those_that_wait
from sharing.models import Profile
from sharing.release import closure, policy
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
    rule = rule_of(community_id)
    allowlists.hold()
    hits, radii = allowlists.hits(claims), populations.estimates(claims)
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
        opinions = cases.opinions([standing.id for standing in standings.values() if standing.id])
        listed = {view.standing.subject_id: listed_in(view, hits) for view in views}
        wanted, leading = wanted_at(community_id, ceiling, views), leading_among(community_id, views)
        verdicts = {
            view.standing.subject_id: decide(
                view,
                rule,
                opinions,
                listed[view.standing.subject_id],
                wanted,
                leading,
                wide_of(view, radii),
            )
            for view in views
        }
        released = [
            view for view in views if verdicts[view.standing.subject_id].decision is policy.Decision.RELEASE
        ]
        audience = sorted(
            (feed for feed in feeds if feed.ceiling == ceiling), key=lambda feed: feed.profile != Profile.FULL
        )
        banned = [
            replace(view, why=Reason.ERROR)
            for view in views
            if listed[view.standing.subject_id] and (view.standing.stands or view.erases is not None)
        ]
        retracted = {view.standing.subject_id: view for view in banned}
        # What stood below in the words of a claim that counts as more restricted now: every version of it.
        restricted = [
            view
            for view in views
            if any(low <= ceiling < high for low, high in raised.get(view.standing.subject_id, ()))
        ]
        # Asked before the first feed changes what stands.
        to_say = [view for view in released if view.item is not None and not _is_over(view)]
        said = {view.standing.subject_id for view in to_say}
        restrained = {view.standing.subject_id for view in restricted}
        arrived: list[View] = []
        for number, feed in enumerate(audience):
            below = [
                view
                for view in restricted
                for object_id in (view.standing.published_id, *view.standing.former_ids)
                if publication.withdraw(log=feed, object_id=object_id, reason=Reason.TLP_CHANGE, now=now)
            ]
            gone = _retract(
                feed, [*(view for view in released if view.item is None), *banned], now, signatures
            )
            for view in (*released, *banned):
                if view.erases is not None:
                    publication.withdraw(log=feed, object_id=view.erases, reason=Reason.MOVED, now=now)
            added, missing = _append(feed, to_say, now, signatures)
            # What refers to something that does not stand any more cannot stand either.
            waiting = [
                view for view in released if view.standing.subject_id in missing and view.standing.stands
            ]
            left = _retract(feed, waiting, now, signatures)
            # Nor can what refers to something erased, or to what may be seen here no more; what its sources revoked
            # still stands, and says so.
            erased = [view for view in (*gone, *left) if not view.own or view.item is None]
            erased += [view for view in below if view.standing.subject_id not in said]
            queue_referring(community_id=community_id, object_ids=names_of(erased), but=claims)
            wake(community_id, added, claims)
            arrived += added
            wait(community_id, missing)
            if number == 0:
                # The first feed is the full one, if there is one: it says what stands at this ceiling.
                for view in released:
                    absent = dict.fromkeys(missing.get(view.standing.subject_id, ()))
                    # Indicators first: what waits for one is not what brings context to it (asides).
                    view.standing.missing = sorted(absent, key=lambda name: not is_indicator(name))[:8]
                retracted |= {view.standing.subject_id: view for view in waiting}
        for view in views:
            subject_id = view.standing.subject_id
            gone_below = subject_id in restrained and subject_id not in said
            _settle(view, verdicts[subject_id], gone=subject_id in retracted or gone_below)
        save(standings, before)
        fetch_context(community_id, ceiling, released)
        # What referred to it under its earlier id has to follow, once it stands under the new one.
        renamed = [
            view
            for view in arrived
            if view.standing.subject_id in before
            and before[view.standing.subject_id][3] != view.standing.published_id
        ]
        queue_referring(community_id=community_id, object_ids=names_of(renamed), but=claims)
        # A revoked indicator on an allow-list is no longer what others refer to: they wait for it under its next id.
        queue_folds(
            community_id=community_id, subject_ids=[view.standing.subject_id for view in banned if view.own]
        )
        queue_referring(
            community_id=community_id,
            object_ids=names_of([view for view in banned if view.own]),
            but=(),
        )
        cases.follow(
            community_id=community_id,
            decided=[
                cases.Decided(
                    view, verdict, blast.total(behind(view, radii) if verdict.decision == "review" else ())
                )
                for view in views
                for verdict in (verdicts[view.standing.subject_id],)
            ],
            blast_limit=settings.BLAST_RADIUS_LIMIT,
            now=now,
        )


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
    rule, author = rule_of(community_id), publisher_id()
    hits, radii, folds = allowlists.hits(claims), populations.estimates(claims), Folds(author)
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
            stood, listed = before.get(view.standing.subject_id), listed_in(view, hits)
            verdict = decide(view, rule, opinions, listed, wide=wide_of(view, radii))
            is_pending = stood is not None and stood.id in pending
            yield Foreseen(ceiling, stood, is_pending, view, verdict, behind(view, radii), listed)


def _append(
    feed: Log, views: Sequence[View], now: datetime, signatures: Signatures
) -> tuple[list[View], dict[int, list[str]]]:
    """Publish what has its references in this feed; the views that are new there, and what the rest misses."""
    admitted = {
        view.item.object_id: view
        for view in views
        if view.item is not None and (feed.profile == Profile.FULL or view.core)
    }
    closed = closure.close(
        {object_id: view.references for object_id, view in admitted.items()},
        lambda object_ids: publication.holds(feed, list(object_ids)),
    )
    ordered = [admitted[object_id] for object_id in closed.ordered]
    items = [view.item for view in ordered if view.item is not None]
    placed = publication.append(log=feed, items=items, signatures=signatures, now=now)
    added = []
    for view, item, placement in zip(ordered, items, placed, strict=True):
        standing = view.standing
        if placement.outcome is Placed.CONFLICT:
            if not standing.stands:
                # The service's own object (a marking) has this id and version; that one stands.
                continue
            # Whoever said it first took it back, and somebody else says it in other words.
            publication.withdraw(log=feed, object_id=item.object_id, reason=Reason.MOVED, now=now)
            publication.append(log=feed, items=[item], signatures=signatures, now=now)
        standing.digest, standing.modified, standing.revoked = view.digest, view.modified, view.revoked
        standing.expires_at = view.expires_at
        # Only what is new wakes others: two that wait for each other in a core feed would wake each other for ever.
        if placement.outcome is not Placed.STOOD:
            added.append(view)
    return added, {admitted[object_id].standing.subject_id: ids for object_id, ids in closed.missing.items()}


def _retract(feed: Log, views: Iterable[View], now: datetime, signatures: Signatures) -> list[View]:
    """Take back what may be seen no more, and tell what stood: a partner's object is erased, our own is revoked."""
    wanted = {view.standing.published_id: view for view in views}
    stood = []
    for name in publication.holds(feed, list(wanted)) if wanted else ():
        view = wanted[name]
        if view.own:
            over = publication.revoke(log=feed, object_id=name, signatures=signatures, now=now)
        else:
            over = bool(publication.withdraw(log=feed, object_id=name, reason=view.why, now=now))
        if over:
            stood.append(view)
    return stood


def _is_over(view: View) -> bool:
    """Whether it stands revoked: then it gets no other version, whatever is said of it (STIX 2.1 §3.6)."""
    return view.own and view.revoked and view.standing.revoked and view.standing.stands


def _settle(view: View, verdict: policy.Verdict, *, gone: bool) -> None:
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
