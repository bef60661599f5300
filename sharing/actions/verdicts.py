"""What `release.policy` says of a view: asked with the rule, allow-lists, the people behind it, analysts' opinions."""

import json
from collections.abc import Container, Mapping, Sequence
from uuid import UUID

from django.conf import settings

from accounts import sql
from indicators.actions import allowlists, populations
from indicators.allowlists import blast
from indicators.allowlists.blast import Estimate
from sharing.actions import cases
from sharing.actions.asides import is_aside
from sharing.actions.audiences import View
from sharing.release import policy


def rule_of(community_id: UUID) -> policy.Rule:
    """Which indicators leave a community without an analyst."""
    found = sql.row(
        "SELECT auto_release, min_confidence, min_sources FROM accounts_community WHERE id = %s",
        (community_id,),
    )
    if found is None:
        raise LookupError(f"community {community_id}")
    return policy.Rule(*found)


def decide(
    view: View,
    rule: policy.Rule,
    opinions: Mapping[int, cases.Opinion],
    listed: policy.Listed | None,
    wanted: Container[int] = (),
    leading: Container[int] = (),
    wide: policy.Wide | None = None,
) -> policy.Verdict:
    """Whether a view may leave, and why; `opinions` are analysts' by the id of the release.

    `wanted` and `leading`: subjects of `asides.wanted_at` and `asides.leading_among`.
    """
    opinion = opinions.get(view.standing.id)
    approved = opinion is not None and opinion.approved
    # A rejection holds until somebody else says the same.
    rejected = opinion is not None and not opinion.approved and view.sources <= opinion.sources
    if view.confidence is not None:
        return policy.decide_indicator(
            rule=rule,
            listed=listed,
            confidence=view.confidence,
            sources=view.sources,
            revoked=view.revoked,
            stands=view.standing.stands or view.erases is not None,
            approved=approved,
            rejected=rejected,
            unaided=view.unaided,
            wide=wide,
        )
    return policy.decide_context(
        rule=rule,
        listed=listed,
        attribution=view.attribution,
        revoked=view.revoked,
        stands=view.standing.stands or view.erases is not None,
        approved=approved,
        rejected=rejected,
        alone=is_aside(view) and view.standing.subject_id not in wanted,
        follows=view.standing.subject_id not in leading,
    )


def listed_in(view: View, hits: Mapping[int, Sequence[allowlists.Hit]]) -> policy.Listed | None:
    """What of this audience's view is on an allow-list."""
    found = hits.get(view.standing.subject_id)
    if not found or view.item is None:
        return None
    hit = allowlists.said(json.loads(view.item.body), found)
    return None if hit is None else policy.Listed(str(hit), hit.list_name)


def behind(view: View, radii: Mapping[int, Sequence[Estimate]]) -> list[Estimate]:
    """The people behind each value that this audience's view of an indicator names; of nothing else."""
    found = radii.get(view.standing.subject_id, ())
    if not found or view.item is None or view.confidence is None:
        return []
    # What is merged may watch what this audience does not see.
    return populations.said(json.loads(view.item.body), found)


def wide_of(view: View, radii: Mapping[int, Sequence[Estimate]]) -> policy.Wide | None:
    """How many people are behind this audience's view, where that is above the blast radius."""
    limit = settings.BLAST_RADIUS_LIMIT
    if blast.total(radii.get(view.standing.subject_id, ())) <= limit:
        return None
    users = blast.total(behind(view, radii))
    return policy.Wide(users, limit) if users > limit else None
