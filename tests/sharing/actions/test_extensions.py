"""Extensions that this service knows nothing of travel as they are."""

import json
from typing import Any

import pytest

from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, marking_id
from sharing.models import Collection, Entry, Kind
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop
from tests.sharing.actions.exchange import inbox, send

UNKNOWN = "extension-definition--3a7c1f52-9d40-4c6e-a1b7-5e2f8c9d0a61"
GREEN = [marking_id(TLP.GREEN)]
CONTENT: dict[str, Any] = {
    "extension_type": "property-extension",
    "zeta": [3, 1, {"b": False, "ä": "", "a": 0.1}],
    "alpha": "\u2028 <b>&amp;</b>",
    "some_numbers": [1e21, -0.5, 9007199254740991],
}
OBJECTS: dict[str, dict[str, Any]] = {
    "on a standard object": stix.campaign(extensions={UNKNOWN: CONTENT}, object_marking_refs=GREEN),
    "on an observable": stix.url(extensions={UNKNOWN: CONTENT}, object_marking_refs=GREEN),
    "beside one of ours": stix.campaign(
        extensions={
            "extension-definition--b4a9d6e8-1f73-4c2b-8e5d-6f7a8b9c0d04": {
                "extension_type": "property-extension",
                "status": "active",
            },
            UNKNOWN: CONTENT,
        },
        object_marking_refs=GREEN,
    ),
    "that adds properties of its own": stix.campaign(
        extensions={UNKNOWN: {"extension_type": "toplevel-property-extension"}},
        threat_score=0.25,
        object_marking_refs=GREEN,
    ),
    "that makes a type": stix.campaign(
        extensions={UNKNOWN: {"extension_type": "new-sdo", "more": {"deep": [[1]]}}},
        object_marking_refs=GREEN,
    )
    | {"type": "cluster-study", "id": "cluster-study--3a7c1f52-9d40-4c6e-a1b7-5e2f8c9d0a61"},
    "and its definition": stix._sdo(
        "extension-definition",
        id=UNKNOWN,
        name="Ours",
        schema="https://schemas.example.net/ours.json",
        version="1.0.0",
        extension_types=["property-extension"],
        object_marking_refs=GREEN,
    ),
}


def body_in(collection: Collection, object_id: str) -> bytes:
    return bytes(Entry.objects.get(collection=collection, object_id=object_id).body or b"")


@pytest.mark.parametrize("name", OBJECTS)
def test_an_unknown_extension_is_carried_through_byte_for_byte(shop: Shop, name: str) -> None:
    feed, one = shop.collection(Kind.FEED), OBJECTS[name]

    (line,) = send(shop, [one]).lines

    assert line.outcome == "released"
    for collection in (inbox(shop, shop.lab_a), feed):
        assert body_in(collection, one["id"]) == canonical(json.loads(json.dumps(one)))
