"""What approving would change in each feed, for people; and the cases of other audiences on the same subject."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from accounts import sql
from accounts.models import Tlp
from indicators.allowlists import blast
from indicators.drafting.differences import Change, in_words
from sharing.actions.outlooks import Outlook, Reader
from sharing.actions.triage import Foreseen
from sharing.models import Review, ReviewState


@dataclass(frozen=True, slots=True)
class FeedChange:
    """What approving would do in one feed: `what` in words, and by member what is new."""

    feed: str
    what: str
    changes: list[Change]


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """The latest case of another audience on the same subject, and who would receive it there.

    `digest` is that of its outlook where it can be decided along with this one: it is pending and says the same, or its
    audience lies below and `changes` are all that differs. `is_above`: of what differs there nothing is told.
    """

    review_id: int
    ceiling: int
    state: str
    is_pending: bool
    decided_by: str
    is_above: bool
    digest: str
    feeds: list[FeedChange]
    changes: list[Change]
    readers: list[Reader]
    takes_two: bool
    is_own: bool

    @property
    def audience(self) -> str:
        """The most restrictive TLP that it may see."""
        return Tlp(self.ceiling).label


def others_of(review: Review) -> list[sql.Row]:
    """(id, ceiling, release, state, who decided) of the latest case of each other audience on its subject."""
    return sql.rows(
        "SELECT DISTINCT ON (r.ceiling) v.id, r.ceiling, r.id, v.state, coalesce(m.username, '')"
        " FROM sharing_release r JOIN sharing_review v ON v.release_id = r.id"
        " LEFT JOIN accounts_member m ON m.id = v.decided_by_id"
        " WHERE r.subject_id = %s AND r.id <> %s ORDER BY r.ceiling, v.id DESC",
        (review.release.subject_id, review.release_id),
    )


def elsewhere(row: sql.Row, here: Outlook, there: Outlook | None, review: Review, is_own: bool) -> Elsewhere:
    """A row of `others_of` for the page of `review`: its outlook `there` if it is pending, beside the one `here`."""
    review_id, ceiling, _, state, decided_by = row
    is_above = ceiling > review.release.ceiling
    differs = there is None or _differs(here, there)
    told = there is not None and not (is_above and differs)
    changes = _between(here, there) if there is not None and told else []
    radius = 0 if there is None or there.foreseen is None or not told else blast.total(there.foreseen.behind)
    return Elsewhere(
        review_id,
        ceiling,
        ReviewState(state).label.partition(":")[0].lower(),
        there is not None,
        decided_by,
        is_above,
        there.digest if there is not None and told else "",
        feed_changes(there) if there is not None and told else [],
        changes,
        [] if there is None else there.readers,
        radius > settings.BLAST_RADIUS_LIMIT,
        is_own,
    )


def _differs(here: Outlook, there: Outlook) -> bool:
    """Whether another audience would see anything else, or hear it from others."""
    return (
        here.foreseen is None
        or there.foreseen is None
        or here.foreseen.view.sources != there.foreseen.view.sources
        or bool(_between(here, there))
    )


def _between(here: Outlook, there: Outlook) -> list[Change]:
    """What another audience would see otherwise; not the id and the times that the service gives what is its own."""
    one, other = (_seen(outlook.foreseen) for outlook in (here, there))
    return _changes(one, other)


def _seen(foreseen: Foreseen | None) -> dict[str, Any]:
    if foreseen is None or foreseen.view.item is None:
        return {}
    value: dict[str, Any] = json.loads(foreseen.view.item.body)
    given = ("id", "created", "modified") if foreseen.view.own else ()
    return {name: one for name, one in value.items() if name not in given}


def feed_changes(outlook: Outlook) -> list[FeedChange]:
    """What approving would do in each feed, for people."""
    return [
        FeedChange(
            feed.title,
            feed.what,
            _changes(*(json.loads(one) if one else {} for one in (feed.before, feed.after))),
        )
        for feed in outlook.feeds
    ]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Change]:
    """What differs member by member, each of them whole: just what would be published, not the fields of a form."""
    return [
        Change(name, in_words(before.get(name)), in_words(after.get(name)))
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
