"""What an organisation said already in one object, which may get another version."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from accounts import sql
from indicators.drafting.forms import writes
from indicators.stix import objects
from indicators.stix.markings import TLP, effective


class Overtaken(ValueError):
    """What a new version follows is not the latest version any more, or gets no other."""


@dataclass(frozen=True, slots=True)
class Said:
    """An object that an organisation claims, as of its latest version; `tlp` is what it counts as."""

    body: dict[str, Any]
    tlp: int
    revoked: bool
    withdrawn: bool
    is_arriving: bool


def said(*, community_id: UUID, organization_id: UUID, object_id: str) -> Said | None:
    """What an organisation says in one object; None if it says nothing. `is_arriving`: the desk sent a newer one."""
    found = sql.row(
        "SELECT c.body, c.tlp, c.revoked, c.withdrawn_at IS NOT NULL, EXISTS (SELECT 1 FROM indicators_draft d"
        " JOIN indicators_submission s ON s.id = d.submission_id WHERE d.community_id = c.community_id"
        " AND d.object_id = c.object_id AND d.organization_id = c.organization_id AND s.state = 'received')"
        " FROM indicators_claim c WHERE c.community_id = %s AND c.organization_id = %s AND c.object_id = %s",
        (community_id, organization_id, object_id),
    )
    if found is None:
        return None
    body, *rest = found
    return Said(objects.read(bytes(body)).value, *rest)


def latest(
    community_id: UUID, organization_id: UUID, object_id: str, *, editable: bool = True
) -> dict[str, Any]:
    """The object as the organisation says it now, which may get another version."""
    found = said(community_id=community_id, organization_id=organization_id, object_id=object_id)
    if found is None or "modified" not in found.body or (editable and not writes(found.body)):
        raise Overtaken("Your organisation says nothing of this that can be edited here.")
    if found.is_arriving:
        raise Overtaken("A version of it is on its way in: try again in a few seconds.")
    if found.revoked:
        raise Overtaken("It was revoked: a revoked object gets no other version. Undo says it again.")
    return dict(found.body)


def take_turns(community_id: UUID, object_id: str) -> None:
    """One new version of an object at a time: the next one sees it on its way."""
    sql.lock(f"draft:{community_id}:{object_id}")


def level(body: Mapping[str, Any]) -> int:
    """The TLP of an object as far as it says one; without one it is not held to be low."""
    found = effective(body)
    return int(TLP.RED if found is None else found)
