"""The resources of TAXII 2.1 as bytes: required properties always stand, no list is empty (§2 "list").

Instants come in as integer microseconds and go out with six decimals (§2 "timestamp").
"""

# ruff: noqa: A002 - parameters bear the names of the properties they become

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from indicators.stix.timestamps import from_micros
from sharing.taxii.media_types import MEDIA_TYPE, STIX_MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection as one client sees it (§5.2.1)."""

    id: UUID
    title: str
    can_read: bool
    can_write: bool
    description: str | None = None
    alias: str | None = None
    media_types: tuple[str, ...] = (STIX_MEDIA_TYPE,)


@dataclass(frozen=True, slots=True)
class StatusDetail:
    """What became of one object (§4.3.1): its `version` is `modified`, or `created`, or the server's own."""

    id: str
    version: str
    message: str | None = None


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """One version's place in a collection (§5.3.1): `added` in µs, `version` as the object spells it."""

    id: str
    added: int
    version: str
    media_type: str = STIX_MEDIA_TYPE


def discovery(
    *,
    title: str,
    api_roots: Sequence[str],
    default: str | None = None,
    description: str | None = None,
    contact: str | None = None,
) -> bytes:
    """§4.1.1. `api_roots` are URLs that end in `/`; `default` is one of them."""
    if default is not None and default not in api_roots:
        raise ValueError("The default API root must be one of the API roots (TAXII 2.1 §4.1.1).")
    return _json(
        title=title, description=description, contact=contact, default=default, api_roots=list(api_roots)
    )


def api_root(
    *,
    title: str,
    max_content_length: int,
    description: str | None = None,
    versions: Sequence[str] = (MEDIA_TYPE,),
) -> bytes:
    """§4.2.1. `max_content_length` is in bytes."""
    return _json(
        title=title, description=description, versions=list(versions), max_content_length=max_content_length
    )


def collection(one: Collection) -> bytes:
    """§5.2.1."""
    return _dump(_collection(one))


def collections(several: Sequence[Collection]) -> bytes:
    """§5.1.1: an empty object when there are none."""
    return _json(collections=[_collection(one) for one in several])


def status(
    *,
    id: UUID,
    requested_at: int,
    successes: Sequence[StatusDetail] = (),
    failures: Sequence[StatusDetail] = (),
    pendings: Sequence[StatusDetail] = (),
    success_count: int | None = None,
    failure_count: int | None = None,
    pending_count: int | None = None,
    complete: bool | None = None,
) -> bytes:
    """§4.3.1. `requested_at` in µs.

    A count that is not given is the length of its list; one may exceed it where the objects are not listed.
    `complete` is by default whether nothing is pending; False says that the body has not been looked into yet
    (all counts 0).
    """
    success_count = len(successes) if success_count is None else success_count
    failure_count = len(failures) if failure_count is None else failure_count
    pending_count = len(pendings) if pending_count is None else pending_count
    complete = pending_count == 0 if complete is None else complete
    if complete and pending_count:
        raise ValueError("A status with pending objects is not complete.")
    return _json(
        id=str(id),
        status="complete" if complete else "pending",
        request_timestamp=from_micros(requested_at),
        total_count=success_count + failure_count + pending_count,
        success_count=success_count,
        successes=[_detail(one) for one in successes],
        failure_count=failure_count,
        failures=[_detail(one) for one in failures],
        pending_count=pending_count,
        pendings=[_detail(one) for one in pendings],
    )


def manifest(records: Sequence[ManifestRecord], *, more: bool = False, next: str | None = None) -> bytes:
    """§5.3.1: an empty object when there is nothing. `next` is ours: taxii2-client cannot page without it."""
    return _page(
        "objects",
        [
            {
                "id": record.id,
                "date_added": from_micros(record.added),
                "version": record.version,
                "media_type": record.media_type,
            }
            for record in records
        ],
        more,
        next,
    )


def versions(texts: Sequence[str], *, more: bool = False, next: str | None = None) -> bytes:
    """§5.8.1: an empty object when there is nothing; `next` as in `manifest`."""
    return _page("versions", list(texts), more, next)


def envelope(joined: bytes, *, more: bool = False, next: str | None = None, extra: bytes = b"") -> bytes:
    """§3.7, made by concatenation: `joined` is the objects' stored bytes with commas between.

    `more` and `objects` always stand, `next` with `more` only (clients.md 3). `extra` holds further members
    of the envelope as JSON text, `"name":value` without a comma at either end.
    """
    _check_next(more, next)
    parts = [
        b'{"more":true,"next":' + _dump(next) if more else b'{"more":false',
        b',"objects":[',
        joined,
        b"]",
    ]
    if extra:
        parts += [b",", extra]
    parts.append(b"}")
    return b"".join(parts)


def _page(name: str, items: Sequence[object], more: bool, next: str | None) -> bytes:
    _check_next(more, next)
    if not items and not more:
        return b"{}"
    return _dump({"more": more, **({"next": next} if more else {}), name: items})


def _check_next(more: bool, next: str | None) -> None:
    if more != bool(next):
        raise ValueError("`next` stands exactly where `more` is true.")


def _collection(one: Collection) -> dict[str, object]:
    return _without_empty(
        id=str(one.id),
        title=one.title,
        description=one.description,
        alias=one.alias,
        can_read=one.can_read,
        can_write=one.can_write,
        media_types=list(one.media_types),
    )


def _detail(one: StatusDetail) -> dict[str, object]:
    return _without_empty(id=one.id, version=one.version, message=one.message)


def _without_empty(**members: object) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None and value != []}


def _json(**members: object) -> bytes:
    return _dump(_without_empty(**members))


def _dump(value: Mapping[str, object] | str | None) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
