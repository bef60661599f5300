"""A partner deletes what it posted: erased where it was posted, and its claim withdrawn."""

import json
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.actions import observations, raw
from indicators.stix.objects import read
from sharing.actions import publication
from sharing.tlog import submitters
from sharing.tlog.statements import Reason


class NotOwner(PermissionError):
    """Somebody else posted it."""


@transaction.atomic
def delete(
    *,
    collection_id: UUID,
    object_id: str,
    versions: Sequence[str],
    spec_versions: Sequence[str],
    organization_id: UUID,
    by: Actor,
    now: datetime,
) -> int:
    """Erase versions of an object from an inbox or open collection; how many, 0 if none fits.

    `versions` as `Filters.versions`, never empty. The claim follows the newest version that is left, or says nothing
    any more. A little later they are cut out of the bodies that they came in (`indicators.actions.raw`).
    """
    found = sql.row("SELECT community_id FROM sharing_collection WHERE id = %s", (collection_id,))
    if found is None:
        return 0
    # In the order in which intake takes them, so that the two never wait for each other.
    sql.lock(f"claims:{found[0]}:{organization_id}")
    (log,) = publication.lock([collection_id])
    standing = sql.rows(
        "SELECT index, version_key, spec_version, is_first, is_last, organization_id, version FROM sharing_entry"
        " WHERE collection_id = %s AND object_id = %s AND body IS NOT NULL ORDER BY index",
        (collection_id, object_id),
    )
    doomed = [
        (index, owner, called)
        for index, version, spec_version, first, last, owner, called in standing
        if (not spec_versions or spec_version in spec_versions)
        and (
            "all" in versions
            or version in versions
            or (first and "first" in versions)
            or (last and "last" in versions)
        )
    ]
    if any(owner != organization_id for _, owner, _ in doomed):
        raise NotOwner("Another organisation posted this object.")
    if not doomed:
        return 0
    publication.withdraw(
        log=log, reasons={object_id: Reason.ERROR}, now=now, indexes=[index for index, *_ in doomed]
    )
    raw.queue(
        organization_id=organization_id,
        collection_id=collection_id,
        object_id=object_id,
        versions={called for *_, called in doomed},
        now=now,
    )
    _follow(log.community_id, collection_id, object_id, organization_id, now)
    record(
        by=by,
        now=now,
        action="object.delete",
        target=f"collection:{collection_id}",
        detail={"object": object_id, "versions": len(doomed)},
    )
    return len(doomed)


def _follow(
    community_id: UUID, collection_id: UUID, object_id: str, organization_id: UUID, now: datetime
) -> None:
    """Let the claim say what the newest version left says, or withdraw it."""
    left = sql.row(
        "SELECT body, tlp, opening, submitter FROM sharing_entry"
        " WHERE collection_id = %s AND object_id = %s AND organization_id = %s AND is_last",
        (collection_id, object_id, organization_id),
    )
    if left is None:
        observations.withdraw(
            community_id=community_id, organization_id=organization_id, object_id=object_id, now=now
        )
        return
    stix = read(bytes(left[0]))
    observations.fall_back(
        community_id=community_id,
        organization_id=organization_id,
        observed=observations.Observed(
            stix,
            left[1],
            observations.subject_key(stix),
            json.loads(left[2])["jws"],
            sender_signature=submitters.read_record(bytes(left[3])).jws or "",
        ),
        now=now,
    )
