"""Which techniques an organisation says that an object of its is a case of: relationships that a draft brings along."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from accounts import sql
from indicators.drafting import compose
from indicators.models import Technique
from indicators.stix.objects import read

RELATIONSHIPS = {"indicator": "indicates", "campaign": "uses"}
"""By the type of the object: what it is said to do to a technique."""


def held(
    *, community_id: UUID, organization_id: UUID, object_id: str, revoked: bool = False
) -> dict[str, dict[str, Any]]:
    """The organisation's relationships from an object to techniques, by technique: those that hold, or were revoked."""
    wanted = RELATIONSHIPS.get(object_id.partition("--")[0])
    found = {}
    for (body,) in sql.rows(
        'SELECT body FROM indicators_claim WHERE community_id = %s AND "references" && ARRAY[%s]::text[]'
        " AND organization_id = %s AND revoked = %s AND withdrawn_at IS NULL"
        " AND starts_with(object_id, 'relationship--') ORDER BY first_received_at, id",
        (community_id, object_id, organization_id, revoked),
    ):
        link = read(bytes(body)).value
        if link["source_ref"] == object_id and link["relationship_type"] == wanted:
            found[str(link["target_ref"])] = link
    return {technique: found[technique] for technique in known(found)}


def following(
    obj: Mapping[str, Any],
    techniques: Sequence[str],
    *,
    held: Mapping[str, Mapping[str, Any]],
    now: datetime,
) -> list[dict[str, Any]]:
    """The relationships that have to be said with an object, so that it is a case of these techniques and no others."""
    relationship = RELATIONSHIPS.get(str(obj["type"]))
    if relationship is None:
        return []
    marked = (
        {"object_marking_refs": list(obj["object_marking_refs"])} if obj.get("object_marking_refs") else {}
    )
    said = []
    for technique in techniques:
        before = held.get(technique)
        if before is None:
            link = {
                "type": "relationship",
                "spec_version": "2.1",
                "id": f"relationship--{uuid4()}",
                "created_by_ref": obj["created_by_ref"],
                "relationship_type": relationship,
                "source_ref": obj["id"],
                "target_ref": technique,
                **marked,
            }
            said.append(compose.version(link, now=now))
        elif before.get("object_marking_refs") != marked.get("object_marking_refs"):
            said.append(compose.version({**before, **marked}, now=now, after=str(before["modified"])))
    gone = [link for technique, link in held.items() if technique not in techniques]
    return [*said, *revoked(gone, now=now)]


def revoked(links: Iterable[Mapping[str, Any]], *, now: datetime) -> list[dict[str, Any]]:
    """The revocations of relationships."""
    return [
        compose.version({**link, "revoked": True}, now=now, after=str(link["modified"])) for link in links
    ]


def known(techniques: Iterable[str]) -> list[str]:
    """Those of these ids that are techniques of the catalogue, in the order of their names."""
    found = Technique.objects.filter(object_id__in=list(techniques)).order_by("name")
    return list(found.values_list("object_id", flat=True))


def with_phases(obj: Mapping[str, Any], techniques: Sequence[str]) -> dict[str, Any]:
    """An object with the tactics that these techniques belong to, beside those that it has."""
    phases = (
        Technique.objects.filter(object_id__in=techniques).order_by("phase").values_list("phase", flat=True)
    )
    said = list(obj.get("kill_chain_phases", ()))
    for phase in phases:
        one = {"kill_chain_name": compose.KILL_CHAIN, "phase_name": phase}
        if one not in said:
            said.append(one)
    # A campaign has no tactics of its own.
    return {**obj, "kill_chain_phases": said} if said and obj["type"] == "indicator" else dict(obj)
