"""What every feed says first, and only the service says: who publishes, the TLP markings, the profile, the techniques.

Their ids are fixed, so partners know and send these objects too. What they send stands where they sent it and goes no
further (decision 0019).
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache, partial
from typing import Any
from uuid import UUID

import msgspec
from django.conf import settings
from django.db import transaction

from accounts import sql
from indicators.models import Technique
from indicators.stix import markings, profile, timestamps
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, marking_id
from indicators.stix.objects import read
from sharing.actions.publication import Item, Log, Signatures, append, item_of
from sharing.models import Publisher
from sharing.release import reissue

_complete: set[UUID] = set()
"""Feeds in which this process saw everything stand. A new version or setting comes with a new process."""


def publisher_id() -> str:
    """The STIX id under which the service publishes."""
    return Publisher.objects.get().identity_id


def service_ids() -> set[str]:
    """The ids under which only the service speaks; one query."""
    found = sql.rows(
        "SELECT identity_id FROM sharing_publisher UNION ALL SELECT object_id FROM indicators_technique"
    )
    return {*_standard_ids(), *profile.extensions(), *(object_id for (object_id,) in found)}


def introduce(feeds: Iterable[Log], *, signatures: Signatures, now: datetime) -> list[str]:
    """Publish what feeds miss of the service's own, or hold in other words; the ids that came anew to any of them."""
    new: dict[str, None] = {}
    incomplete = [feed for feed in feeds if feed.id not in _complete]
    if not incomplete:
        return []
    standard = [item_of(read(body), tlp=TLP.CLEAR) for body in markings.definitions()]
    own = _own()
    for feed in incomplete:
        stands = _standing(feed, [*(item.object_id for item in standard), *(one["id"] for one in own)])
        items = [item for item in standard if item.object_id not in stands]
        items += [
            _item(one, stands.get(one["id"]), now) for one in own if not _says(stands.get(one["id"]), one)
        ]
        append(log=feed, items=items, signatures=signatures, now=now)
        new |= dict.fromkeys(item.object_id for item in items if item.object_id not in stands)
        # Only what is committed may be relied on.
        transaction.on_commit(partial(_complete.add, feed.id))
    return list(new)


def _own() -> list[dict[str, Any]]:
    """The service's own objects, each after what it refers to; `modified` is that of a first version."""
    publisher = Publisher.objects.get()
    since = timestamps.from_datetime_ms(publisher.created_at)
    identity = {
        "type": "identity",
        "id": publisher.identity_id,
        "created": since,
        "name": settings.SERVICE_NAME,
        "identity_class": "organization",
        "description": "Publishes what partners report, merged and reviewed.",
    }
    definitions = profile.definitions(schemas_url=settings.SCHEMAS_URL, created_by_ref=publisher.identity_id)
    techniques = [
        _attack_pattern(technique) | {"created_by_ref": publisher.identity_id}
        for technique in Technique.objects.order_by("object_id")
    ]
    return [
        {
            **one,
            "spec_version": "2.1",
            "modified": max(one["created"], since),
            "object_marking_refs": [marking_id(TLP.CLEAR)],
        }
        for one in [identity, *definitions, *techniques]
    ]


def _attack_pattern(technique: Technique) -> dict[str, Any]:
    return {
        "type": "attack-pattern",
        "id": technique.object_id,
        "created": timestamps.from_datetime_ms(technique.created),
        "name": technique.name,
        "description": technique.description,
        "kill_chain_phases": [{"kill_chain_name": "mitre-atlas", "phase_name": technique.phase}],
        "external_references": [
            {
                "source_name": "mitre-atlas",
                "external_id": atlas_id,
                "url": f"https://atlas.mitre.org/techniques/{atlas_id}",
            }
            for atlas_id in technique.atlas_ids
        ],
    }


def _standing(feed: Log, object_ids: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The latest version in a feed of each of these that stands there."""
    return {
        object_id: msgspec.json.decode(body)
        for object_id, body in sql.rows(
            "SELECT object_id, body FROM sharing_entry"
            f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND is_last",
            (feed.id, sql.joined(object_ids)),
        )
    }


def _says(standing: Mapping[str, Any] | None, one: Mapping[str, Any]) -> bool:
    return standing is not None and {**standing, "modified": ""} == {**one, "modified": ""}


def _item(one: Mapping[str, Any], standing: Mapping[str, Any] | None, now: datetime) -> Item:
    """Its first version, or one that is later than what stands."""
    modified = one["modified"]
    if standing is not None:
        modified = reissue.no_earlier(timestamps.from_datetime_ms(now), after=standing["modified"])
    return item_of(read(canonical({**one, "modified": modified})), tlp=TLP.CLEAR)


@cache
def _standard_ids() -> frozenset[str]:
    """Those of the official marking definitions, and what they refer to."""
    return frozenset(read(body).id for body in markings.definitions())
