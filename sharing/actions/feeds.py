"""A feed brought up to date with what was decided for its audience.

what is seen no more, over or banned is taken back → what is to be said is appended, in order of reference
→ what refers to something that does not stand is taken back, and waits → who waited for what is new is queued
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from indicators.actions.observations import queue_referring
from sharing.actions import publication
from sharing.actions.audiences import View
from sharing.actions.publication import Log, Placed, Signatures
from sharing.actions.waiting import names_of, wait, wake
from sharing.models import Profile
from sharing.release import closure
from sharing.tlog.statements import Reason


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to change in the feeds of one ceiling.

    `released` may stand there: `said` of them are said, `over` are seen no more. `banned` are on an allow-list, and
    stand. Of `restricted` every version goes: in those words it counts as more restricted now.
    """

    released: Sequence[View]
    banned: Sequence[View]
    restricted: Sequence[View]
    said: Sequence[View]
    over: Sequence[View]

    @classmethod
    def of(cls, released: Sequence[View], *, banned: Sequence[View], restricted: Sequence[View]) -> "Plan":
        """The plan; it has to be made before the first feed changes what stands."""
        said = [view for view in released if view.item is not None and not _is_over(view)]
        return cls(released, banned, restricted, said, [view for view in released if view.item is None])


@dataclass(frozen=True, slots=True)
class Brought:
    """How a feed changed: the views that are new there, those that `left` for want of a reference, ids missed."""

    new: list[View]
    left: list[View]
    missing: dict[int, list[str]]


def bring(
    feed: Log, plan: Plan, *, claims: Mapping[int, object], signatures: Signatures, now: datetime
) -> Brought:
    """Bring one feed up to date; `claims` are those of the subjects that are looked at in this turn."""
    below = {
        object_id: view
        for view in plan.restricted
        for object_id in (view.standing.published_id, *view.standing.former_ids)
    }
    restricted = publication.withdraw(log=feed, reasons=dict.fromkeys(below, Reason.TLP_CHANGE), now=now)
    gone = _retract(feed, [*plan.over, *plan.banned], now, signatures)
    renamed = [view.erases for view in (*plan.released, *plan.banned) if view.erases is not None]
    publication.withdraw(log=feed, reasons=dict.fromkeys(renamed, Reason.MOVED), now=now)
    new, missing = _append(feed, plan.said, now, signatures)
    # What refers to something that does not stand any more cannot stand either.
    left = [view for view in plan.released if view.standing.subject_id in missing and view.standing.stands]
    gone += _retract(feed, left, now, signatures)
    # Nor can what refers to something erased, or to what may be seen here no more; what its sources revoked
    # still stands, and says so.
    said = {view.standing.subject_id for view in plan.said}
    erased = [view for view in gone if not view.own or view.item is None]
    erased += [below[name] for name in restricted if below[name].standing.subject_id not in said]
    queue_referring(community_id=feed.community_id, object_ids=names_of(erased), but=claims)
    wake(feed.community_id, new, claims)
    wait(feed.community_id, missing)
    return Brought(new, left, missing)


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
            publication.withdraw(log=feed, reasons={item.object_id: Reason.MOVED}, now=now)
            publication.append(log=feed, items=[item], signatures=signatures, now=now)
        standing.digest, standing.modified, standing.revoked = view.digest, view.modified, view.revoked
        standing.expires_at = view.expires_at
        # Only what is new wakes others: two that wait for each other in a core feed would wake each other for ever.
        if placement.outcome is not Placed.STOOD:
            added.append(view)
    return added, {admitted[object_id].standing.subject_id: ids for object_id, ids in closed.missing.items()}


def _retract(feed: Log, views: Sequence[View], now: datetime, signatures: Signatures) -> list[View]:
    """Take back what may be seen no more, and tell what stood: a partner's object is erased, our own is revoked."""
    own = {view.standing.published_id: view for view in views if view.own}
    theirs = {view.standing.published_id: view for view in views if not view.own}
    revoked = publication.revoke(log=feed, object_ids=list(own), signatures=signatures, now=now)
    reasons = {name: view.why for name, view in theirs.items()}
    erased = publication.withdraw(log=feed, reasons=reasons, now=now)
    return [*(own[name] for name in sorted(revoked)), *(theirs[name] for name in erased)]


def _is_over(view: View) -> bool:
    """Whether it stands revoked: then it gets no other version, whatever is said of it (STIX 2.1 §3.6)."""
    return view.own and view.revoked and view.standing.revoked and view.standing.stands
