"""Ageing: what passes without anybody saying anything, and what a source's new grade changes.

Between two ticks a merged indicator's confidence is that of its last visible event. A tick is given to a standing of
its own, when its confidence is due to fall: so nothing above a ceiling can make time pass below it.
"""

from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.grades import grade
from accounts.actor import Actor
from sharing.actions import publication

BATCH = 5000


def age(*, now: datetime) -> int:
    """Let time pass for one batch of what is due, and queue it for folding; how many subjects, 0 when none is left."""
    with transaction.atomic():
        return sql.execute(
            "WITH due AS (UPDATE sharing_release SET ticked_at = %s, due_at = NULL WHERE id IN"
            " (SELECT id FROM sharing_release WHERE due_at <= %s ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED)"
            " RETURNING subject_id)"
            " INSERT INTO indicators_pendingfold (community_id, subject_id)"
            " SELECT s.community_id, s.id FROM indicators_subject s"
            " WHERE s.id IN (SELECT subject_id FROM due) ORDER BY s.id",
            (now, now, BATCH),
        )


@transaction.atomic
def regrade(*, organization_id: UUID, reliability: str, reason: str, by: Actor, now: datetime) -> bool:
    """Give a source another grade, and have all that it said weighed anew; False if it has it already."""
    if not grade(organization_id=organization_id, reliability=reliability, reason=reason, by=by, now=now):
        return False
    reweigh(organization_id=organization_id, now=now)
    return True


@transaction.atomic
def reweigh(*, organization_id: UUID, now: datetime) -> None:
    """Have all that an organisation said weighed anew, after what it is as a source changed."""
    for (community_id,) in sql.rows(
        "SELECT DISTINCT community_id FROM accounts_membership WHERE organization_id = %s ORDER BY community_id",
        (organization_id,),
    ):
        # The feeds before the standings: the order in which triage takes them.
        publication.lock_feeds(community_id)
        sql.execute(
            "WITH said AS (SELECT s.id, min(c.tlp) AS tlp FROM indicators_claim c JOIN indicators_subject s"
            " ON s.id = c.subject_id WHERE c.community_id = %s AND c.organization_id = %s"
            " AND s.object_type IN ('indicator', 'sighting', 'opinion') GROUP BY s.id),"
            " ticked AS (UPDATE sharing_release r SET ticked_at = %s FROM said"
            " WHERE r.subject_id = said.id AND r.ceiling >= said.tlp)"
            " INSERT INTO indicators_pendingfold (community_id, subject_id) SELECT %s, id FROM said ORDER BY id",
            (community_id, organization_id, now, community_id),
        )
