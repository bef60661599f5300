"""What a verifier reads of a collection's log (trust.md, "Where it is served"), each one call into `sharing.log`.

A tile never changes, so it may be kept for ever, by the one who may read it. An opening goes when its entry is erased,
and has another signature when it is signed anew; so it is asked for again, like the checkpoint and proofs to it.
"""

import re
from collections.abc import Sequence
from hashlib import sha256
from uuid import UUID

from django.http import HttpRequest
from django.utils import timezone

from accounts.models import Scope
from accounts.queries import Caller
from indicators.stix import timestamps
from indicators.stix.json import Refused
from sharing import disclosed, log
from sharing.actions import giving, publication
from sharing.log import SignedHead
from sharing.models import Way
from sharing.queries import Readable
from sharing.taxii import errors, filters
from sharing.tlog import page, tiles
from sharing.tlog.proofs import TlogProof
from sharing.views.protocol import Answer, log_resource, trust_resource, unknown

MAX_OPENINGS = 1024
"""Entries of one answer: four tiles of them."""

_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_JSON = "application/json"
_FOR_EVER = "private, max-age=31536000, immutable"
_ASK_AGAIN = "private, no-cache"
_INDEX = re.compile(r"0|[1-9][0-9]{0,17}", re.ASCII)


def _checkpoint(request: HttpRequest, known: Caller, found: Readable) -> Answer:
    return _answer(_head(found.id).note, _TEXT)


def _tile(request: HttpRequest, known: Caller, found: Readable, tile: str) -> Answer:
    try:
        wanted = tiles.parse(f"tile/{tile}")
    except tiles.MalformedPath as refusal:
        raise errors.NotFound(f"There is no such tile: {refusal}.") from refusal
    if wanted.width > tiles.width(wanted.level, wanted.index, found.next_index):
        raise errors.NotFound(f"The log has {found.next_index} entries and no {wanted.path} yet.")
    return _answer(log.tile(found.id, wanted), _BYTES, cache=_FOR_EVER)


def _openings(request: HttpRequest, known: Caller, found: Readable) -> Answer:
    pairs = filters.split_query(request.META.get("QUERY_STRING", ""))
    start, end = _index_in(pairs, "start"), _index_in(pairs, "end")
    if end < start:
        raise _malformed("end", "comes before start")
    if end - start > MAX_OPENINGS:
        raise _malformed("end", f"is more than {MAX_OPENINGS} after start")
    if end > found.next_index:
        raise _malformed("end", f"is beyond the log, which has {found.next_index} entries")
    joined = log.openings(found.id, start, end)
    # Whoever opens entries may open any: indexes are not times.
    giving.note_range(
        collection_id=found.id,
        organization_id=known.organization_id,
        token_id=known.token_id,
        way=Way.OPENING,
        after=-1,
        up_to=found.last_added,
        now=timezone.now(),
    )
    return _answer(page.log_value(publication.origin(found.id), start, end, joined), _JSON)


def _proof(request: HttpRequest, known: Caller, found: Readable, index: str) -> Answer:
    if _INDEX.fullmatch(index) is None:
        raise errors.NotFound("The index of an entry is a whole number without leading zeros.")
    if int(index) >= found.next_index:
        raise errors.NotFound(f"The log has {found.next_index} entries and none at {index} yet.")
    return _answer(_proof_at(found.id, int(index)), _TEXT)


def _bundle(request: HttpRequest, known: Caller, object_id: str, version: str) -> Answer:
    if Scope.FEED_READ not in known.scopes:
        raise unknown()
    reference = _once(filters.split_query(request.META.get("QUERY_STRING", "")), "collection")
    if version == publication.NO_VERSION:
        key = None
    else:
        try:
            key = timestamps.to_sortable(version)
        except Refused as refusal:
            raise _malformed("version", refusal.reason) from refusal
    entry = log.standing(known.organization_id, object_id, key, reference)
    if entry is None:
        raise unknown()
    proof = _proof_at(entry.collection_id, entry.index)
    opened = disclosed.opened(
        organization_id=known.organization_id, collection_id=entry.collection_id, index=entry.index
    )
    opening = entry.opening
    if opened is not None:
        opening = page.disclosed(opening, opened.subsalt, opened.record)
    giving.note_objects(
        collection_id=entry.collection_id,
        organization_id=known.organization_id,
        token_id=known.token_id,
        way=Way.BUNDLE,
        first=entry.added,
        last=entry.added,
        now=timezone.now(),
    )
    return _answer(page.bundle(entry.body, opening, proof), _JSON)


def _nothing(request: HttpRequest, known: Caller, **path: str) -> Answer:
    raise unknown()


checkpoint = log_resource(_checkpoint)
tile = log_resource(_tile)
openings = log_resource(_openings)
proof = log_resource(_proof)
bundle = trust_resource(_bundle)
nothing = trust_resource(_nothing)


def _head(collection_id: UUID) -> SignedHead:
    found = log.checkpoint(collection_id, now=timezone.now())
    if found is None:
        raise errors.NotFound("The log has no checkpoint yet; the first one comes within a minute.")
    return found


def _proof_at(collection_id: UUID, index: int) -> bytes:
    """The way of an entry to the root of the checkpoint that is served."""
    head = _head(collection_id)
    if index >= head.size:
        raise errors.NotFound(f"No checkpoint covers entry {index} yet; the next one comes within a minute.")
    return bytes(TlogProof(index, tuple(log.inclusion(collection_id, index, head.size)), head.note))


def _answer(body: bytes, content_type: str, *, cache: str = _ASK_AGAIN) -> Answer:
    headers = {"Cache-Control": cache, "ETag": f'"{sha256(body).hexdigest()[:32]}"', "Vary": "Authorization"}
    return Answer(body, headers=headers, content_type=content_type)


def _once(pairs: Sequence[tuple[str, str]], name: str) -> str | None:
    given = [value for key, value in pairs if key == name]
    if len(given) > 1:
        raise _malformed(name, "may be given once only")
    return given[0] if given else None


def _index_in(pairs: Sequence[tuple[str, str]], name: str) -> int:
    given = _once(pairs, name)
    if given is None:
        raise _malformed(name, "is missing: the indexes from start up to, and without, end")
    if _INDEX.fullmatch(given) is None:
        raise _malformed(name, "is not the index of an entry, a whole number")
    return int(given)


def _malformed(name: str, reason: str) -> errors.BadRequest:
    return errors.BadRequest(
        f"{name}: {reason}.",
        title="A parameter is malformed",
        error_code="malformed-parameter",
        details={"parameter": name},
    )
