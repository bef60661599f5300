"""What points at a merged indicator, said again as the service's own object.

The partner's object names the partner's indicator id, which no feed holds; so the same statement is made under an id
of the service. What tells who sent it stays with the source (model.md, "What stays with the source").
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from indicators.stix import references, timestamps
from indicators.stix.markings import LEVELS, TLP, marking_id

DETECTION_CONTEXT = "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805"
_NAMES_THE_SOURCE = (
    "created_by_ref",
    "where_sighted_refs",
    "authors",
    "external_references",
    "granular_markings",
)
_FREE_TEXT_TYPES = frozenset({"relationship", "sighting"})
# What stix2 leaves out.
_FALSE_BY_DEFAULT = ("revoked", "summary")
# Every timestamp property of the objects that can refer to an indicator; stix2 writes them without trailing zeros.
_TIMES = (
    "start_time",
    "stop_time",
    "first_seen",
    "last_seen",
    "first_observed",
    "last_observed",
    "published",
)


def reissue(
    value: Mapping[str, Any],
    *,
    published_id: str,
    created_by_ref: str,
    created: str,
    modified: str,
    tlp: int,
    mapping: Mapping[str, str],
) -> dict[str, Any]:
    """The service's own object that says what `value` says, with `mapping` applied to its references.

    `created` and `modified` have three fractional digits. The result is a fixed point of stix2's serialisation.
    """
    own = _anonymous(value)
    if own["type"] in _FREE_TEXT_TYPES:
        own.pop("description", None)
    own |= {
        "id": published_id,
        "created_by_ref": created_by_ref,
        "created": created,
        "modified": modified,
    }
    own = references.rewrite(own, mapping)
    own["object_marking_refs"] = _marked(own, tlp)
    return _settled(own)


def restate(
    value: Mapping[str, Any], *, published_id: str, tlp: int, mapping: Mapping[str, str]
) -> dict[str, Any]:
    """The observable that says what `value` says, under another id or with `mapping` applied to its references.

    Observables have neither an author nor versions, so nothing in it tells that the service said it again.
    """
    own = references.rewrite(_anonymous(value) | {"id": published_id}, mapping)
    own["object_marking_refs"] = _marked(own, tlp)
    return own


def revocation(value: Mapping[str, Any], *, modified: str) -> dict[str, Any]:
    """The revocation of an object of the service (clients.md 17)."""
    return {**value, "revoked": True, "modified": modified}


def no_earlier(modified: str, *, after: str) -> str:
    """`modified`, or one millisecond after `after` if it is not later than that; three fractional digits."""
    if not after or modified > after:
        return modified
    return timestamps.from_datetime_ms(timestamps.to_datetime(after) + timedelta(milliseconds=1))


def _anonymous(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object without what tells its source."""
    own = {key: item for key, item in value.items() if key not in _NAMES_THE_SOURCE}
    extensions = {key: item for key, item in own.get("extensions", {}).items() if key != DETECTION_CONTEXT}
    if extensions:
        own["extensions"] = extensions
    else:
        own.pop("extensions", None)
    return own


def _marked(own: Mapping[str, Any], tlp: int) -> list[str]:
    """Its markings, with the one TLP that it counts as: also where only a part of it bore that."""
    others = [mark for mark in own.get("object_marking_refs", ()) if mark not in LEVELS]
    return [*others, marking_id(TLP(tlp))]


def _settled(own: dict[str, Any]) -> dict[str, Any]:
    """Through the fixed point of stix2's serialisation (trust.md), by hand: stix2 takes 0.8 ms and refuses more."""
    for name in _FALSE_BY_DEFAULT:
        if own.get(name) is False:
            del own[name]
    for name in _TIMES:
        if name in own:
            own[name] = _trimmed(own[name])
    return own


def _trimmed(timestamp: str) -> str:
    """In microseconds at the finest, without trailing zeros, and without an empty fraction."""
    if "." not in timestamp:
        return timestamp
    whole, fraction = timestamp[:-1].split(".")
    fraction = fraction[:6].rstrip("0")
    return f"{whole}.{fraction}Z" if fraction else f"{whole}Z"
