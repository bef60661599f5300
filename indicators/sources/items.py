"""What an adapter makes of a body: items, as their sender counts them, each with the STIX objects that it becomes."""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import structlog

from accounts import faults
from indicators.sources.signed import Signature
from indicators.stix.json import Refused

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Item:
    """One thing of a body: an object, a finding, a row, an attribute of an event, a value in a text.

    `place` says where it stands, as its sender would look for it (`findings/3`, `row 7`); `objects` are JSON texts of
    STIX 2.1 objects. An item is either refused whole, with its reason, or becomes objects. `notes` are sentences on
    what was left out or is worth knowing, and refuse nothing. A finding's `detector_id` is that of the register.
    `signature` is the sender's own over its one object.
    """

    place: str
    objects: tuple[bytes, ...] = ()
    refusal: Refused | None = None
    notes: tuple[str, ...] = ()
    detector_id: int | None = None
    signature: Signature = None


def not_understood(error: Exception, place: str) -> Refused:
    """The refusal of an item that an adapter failed on: a fault of ours, and no reason to lose its neighbours too."""
    log.error("item_not_understood", place=place, fault=faults.summary(error))
    reason = "the service failed on this, and its operator is told; the others were taken"
    return Refused("not-understood", place, reason)


def derived_id(object_type: str, *parts: str) -> str:
    """A STIX id that the same parts always give, so that what is sent again is the same object again.

    It has the form of a random UUID (version 4), as STIX 2.1 §2.9 wants for all but observables. The first part is the
    id of the sending organisation: nobody else's objects can be met by it.
    """
    found = hashlib.sha256("\x00".join((object_type, *parts)).encode()).hexdigest()
    variant = "89ab"[int(found[16], 16) & 3]
    return f"{object_type}--{found[:8]}-{found[8:12]}-4{found[13:16]}-{variant}{found[17:20]}-{found[20:32]}"


def further_on(items: Iterable[Item], offset: int) -> Iterator[Item]:
    """The items of a part of a file, with their places as in the whole file: so many elements or lines later."""
    for item in items:
        if not offset:
            yield item
            continue
        place = _PLACE.sub(lambda found: f"{found[1]}{int(found[2]) + offset}", item.place)
        refusal = item.refusal
        if refusal is not None and refusal.place.startswith(item.place):
            refusal = Refused(refusal.code, place + refusal.place.removeprefix(item.place), refusal.reason)
        yield replace(item, place=place, refusal=refusal)


_PLACE = re.compile(r"^(line |[a-z]+/)([0-9]+)(?![\w-])")
