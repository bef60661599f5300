"""What `release.policy` says of a view: asked with the rule, allow-lists, the people behind it, analysts' opinions."""

import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from django.conf import settings

from accounts import sql
from indicators.actions import allowlists, populations
from indicators.allowlists import blast
from indicators.allowlists.blast import Estimate
from sharing.actions import cases
from sharing.actions.asides import is_aside
from sharing.actions.audiences import View
from sharing.actions.claims import Claim
from sharing.release import policy


@dataclass(frozen=True, slots=True)
class Grounds:
    """What verdicts of a community rest on, beside the view and what analysts said of it.

    `hits` and `radii`, by subject: what its claims name that is on an allow-list, and the people behind it.
    """

    rule: policy.Rule
    hits: Mapping[int, Sequence[allowlists.Hit]]
    radii: Mapping[int, Sequence[Estimate]]

    @classmethod
    def of(cls, community_id: UUID, claims: Mapping[int, Sequence[Claim]]) -> "Grounds":
        """Those for the subjects that are claimed."""
        return cls(_rule_of(community_id), allowlists.hits(claims), populations.estimates(claims))

    def verdict(
        self,
        view: View,
        opinions: Mapping[int, cases.Opinion],
        *,
        wanted: Container[int] = (),
        leading: Container[int] = (),
    ) -> policy.Verdict:
        """Whether a view may leave, and why; `opinions` are analysts' by the id of the release.

        `wanted` and `leading`: subjects of `asides.wanted_at` and `asides.leading_among`.
        """
        opinion = opinions.get(view.standing.id)
        approved = opinion is not None and opinion.approved
        # A rejection holds until somebody else says the same.
        rejected = opinion is not None and not opinion.approved and view.sources <= opinion.sources
        stands = view.standing.stands or view.erases is not None
        if view.confidence is not None:
            return policy.decide_indicator(
                rule=self.rule,
                listed=self.listed(view),
                confidence=view.confidence,
                sources=view.sources,
                revoked=view.revoked,
                stands=stands,
                approved=approved,
                rejected=rejected,
                unaided=view.unaided,
                wide=self._wide(view),
            )
        return policy.decide_context(
            rule=self.rule,
            listed=self.listed(view),
            attribution=view.attribution,
            revoked=view.revoked,
            stands=stands,
            approved=approved,
            rejected=rejected,
            alone=is_aside(view) and view.standing.subject_id not in wanted,
            follows=view.standing.subject_id not in leading,
        )

    def listed(self, view: View) -> policy.Listed | None:
        """What of this audience's view is on an allow-list."""
        found = self.hits.get(view.standing.subject_id)
        if not found or view.item is None:
            return None
        hit = allowlists.said(json.loads(view.item.body), found)
        return None if hit is None else policy.Listed(str(hit), hit.list_name)

    def behind(self, view: View) -> list[Estimate]:
        """The people behind each value that this audience's view of an indicator names; of nothing else."""
        found = self.radii.get(view.standing.subject_id, ())
        if not found or view.item is None or view.confidence is None:
            return []
        # What is merged may watch what this audience does not see.
        return populations.said(json.loads(view.item.body), found)

    def _wide(self, view: View) -> policy.Wide | None:
        """How many people are behind this audience's view, where that is above the blast radius."""
        limit = settings.BLAST_RADIUS_LIMIT
        if blast.total(self.radii.get(view.standing.subject_id, ())) <= limit:
            return None
        users = blast.total(self.behind(view))
        return policy.Wide(users, limit) if users > limit else None


def _rule_of(community_id: UUID) -> policy.Rule:
    """Which indicators leave a community without an analyst."""
    found = sql.row(
        "SELECT auto_release, min_confidence, min_sources FROM accounts_community WHERE id = %s",
        (community_id,),
    )
    if found is None:
        raise LookupError(f"community {community_id}")
    return policy.Rule(*found)
