"""What every feed says first: who publishes it, and the TLP markings that everything refers to."""

import json
from datetime import datetime

from django.conf import settings

from indicators.stix import timestamps
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP, definitions
from indicators.stix.objects import read
from sharing.actions.publication import Item, Log, Signatures, append, item_of
from sharing.models import Publisher


def publisher_id() -> str:
    """The STIX id under which the service publishes."""
    return Publisher.objects.get().identity_id


def introduce(log: Log, *, signatures: Signatures, now: datetime) -> None:
    """Begin a new feed; does nothing where something stands already."""
    if log.next_index:
        return
    items = [item_of(read(body), tlp=TLP.CLEAR) for body in definitions()]
    append(log=log, items=[_publisher(), *items], signatures=signatures, now=now)


def _publisher() -> Item:
    # Imported where it is needed, once in a feed's life: it takes a second, in every process.
    import stix2

    publisher = Publisher.objects.get()
    made = stix2.Identity(
        id=publisher.identity_id,
        created=publisher.created_at,
        modified=publisher.created_at,
        name=settings.SERVICE_NAME,
        identity_class="organization",
        description="Publishes what partners report, merged and reviewed.",
        object_marking_refs=["marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487"],
    )
    body = canonical(json.loads(made.serialize()))
    modified = timestamps.from_datetime_ms(publisher.created_at)
    return Item(
        publisher.identity_id, "identity", "2.1", modified, body, TLP.CLEAR, timestamps.to_sortable(modified)
    )
