"""The `next` of a page (TAXII 2.1 §3.5): opaque to clients, stateless, good for as long as its key.

A cursor holds where the page ended and what was asked, so any page can be asked for again, days later and
from any process, and gives the same answer (clients.md 4). In base64url::

    format 1 byte | kind 1 | collection 16 | position 8 | limit 2 | form 1 | filters … | check 8

The filters are deflated JSON; where that is longer than MAX_INLINE bytes, a digest stands in their place and
the client must send the filters again, as the specification asks of it anyway. Otherwise a URL would outgrow
what proxies take.
"""

import base64
import binascii
import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, replace
from uuid import UUID

from sharing.taxii.errors import BadRequest
from sharing.taxii.filters import MAX_LIMIT, Filters

#: `proof` is `objects` with the log's openings: a cursor carries that on.
KINDS = ("objects", "manifest", "object", "versions", "proof")
MAX_INLINE = 512

_FORMAT = 1
_HEAD = struct.Struct(">BB16sqHB")
_CHECK_SIZE = 8
_DIGEST_SIZE = 16
_INLINE, _DIGEST = 0, 1
_LONGEST = 2_048
_MAX_POSITION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Cursor:
    """What a `next` says. `position` is the index of the last entry already sent.

    `filters` has the original `limit` and no `next`. With `digest` set, `filters` holds `added_after` and
    `limit` only and the rest comes with the request.
    """

    kind: str
    collection: UUID
    position: int
    filters: Filters
    digest: bytes | None = None


def encode(kind: str, collection: UUID, position: int, filters: Filters, key: bytes) -> str:
    """The `next` for the page after `position`; at most 900 characters, 60 when nothing was filtered.

    For one object (kinds `object` and `versions`) `filters.ids` holds its id, so that a cursor fits no other.
    """
    if kind not in KINDS or not 0 <= position <= _MAX_POSITION:
        raise ValueError(f"No cursor can point to {kind!r}, {position!r}.")
    plain = _plain(filters)
    packed = b"" if plain == b"{}" else zlib.compress(plain, 9)
    form = _INLINE
    if len(packed) > MAX_INLINE:
        form = _DIGEST
        packed = _digest(filters) + zlib.compress(_plain(Filters(added_after=filters.added_after)), 9)
    head = _HEAD.pack(_FORMAT, KINDS.index(kind), collection.bytes, position, filters.limit or 0, form)
    body = head + packed
    return base64.urlsafe_b64encode(body + _check(body, key)).rstrip(b"=").decode()


def decode(text: str, key: bytes) -> Cursor:
    """Reads what `encode` wrote with the same key. Raises BadRequest for anything else."""
    body = _verified(text, key)
    version, kind, collection, position, limit, form = _HEAD.unpack_from(body)
    packed = body[_HEAD.size :]
    if version != _FORMAT or kind >= len(KINDS) or position < 0 or limit > MAX_LIMIT:
        raise _damaged()
    digest = None
    if form == _DIGEST:
        digest, packed = packed[:_DIGEST_SIZE], packed[_DIGEST_SIZE:]
    filters = _from_plain(zlib.decompress(packed) if packed else b"{}")
    return Cursor(
        KINDS[kind], UUID(bytes=collection), position, replace(filters, limit=limit or None), digest
    )


def combine(cursor: Cursor, filters: Filters) -> Filters:
    """The filters a page is to be made with: the cursor's, which the request may repeat but not contradict.

    A filter may be left out; `limit` may change, and without one the cursor's stays. Raises BadRequest naming
    a parameter that differs.
    """
    if cursor.digest is not None and _digest(filters) != cursor.digest:
        raise BadRequest(
            "next: this page needs the same match[…] parameters as the one before it.",
            title="The cursor and the filters differ",
            error_code="cursor-mismatch",
        )
    stored = cursor.filters
    if filters.added_after not in (None, stored.added_after):
        raise _differs("added_after")
    if cursor.digest is None:
        for name, asked, held in (
            ("match[id]", filters.ids, stored.ids),
            ("match[type]", filters.types, stored.types),
            ("match[version]", filters.versions, stored.versions or ("last",)),
            ("match[spec_version]", filters.spec_versions, stored.spec_versions),
        ):
            if asked not in ((), held):
                raise _differs(name)
        filters = replace(stored, limit=filters.limit)
    return replace(filters, added_after=stored.added_after, limit=filters.limit or stored.limit, next=None)


def resume(filters: Filters, key: bytes, *, kind: str, collection: UUID) -> tuple[Filters, int | None]:
    """What a view needs of `next`: the filters to use, and the index to begin after (None: at the start).

    Raises BadRequest for a cursor that is damaged, belongs elsewhere, or contradicts the request.
    """
    if filters.next is None:
        return filters, None
    cursor = decode(filters.next, key)
    if (cursor.kind, cursor.collection) != (kind, collection):
        raise BadRequest(
            "next: this cursor belongs to another resource.",
            title="Wrong cursor",
            error_code="cursor-mismatch",
        )
    return combine(cursor, filters), cursor.position


def _verified(text: str, key: bytes) -> bytes:
    if len(text) > _LONGEST:
        raise _damaged()
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _damaged() from error
    body, check = raw[:-_CHECK_SIZE], raw[-_CHECK_SIZE:]
    # The unused bits of the last character could differ and still decode to the same bytes.
    canonical = base64.urlsafe_b64encode(raw).rstrip(b"=").decode() == text
    if not canonical or len(body) < _HEAD.size or check != _check(body, key):
        raise _damaged()
    return body


def _check(body: bytes, key: bytes) -> bytes:
    # A key may have any length; BLAKE2s takes at most 32 bytes.
    return hashlib.blake2s(
        body, digest_size=_CHECK_SIZE, key=hashlib.blake2s(key).digest(), person=b"taxii-nx"
    ).digest()


def _plain(filters: Filters) -> bytes:
    members = {
        "a": filters.added_after,
        "i": filters.ids,
        "t": filters.types,
        "v": filters.versions,
        "s": filters.spec_versions,
    }
    given = {name: value for name, value in members.items() if value not in (None, ())}
    return json.dumps(given, separators=(",", ":")).encode()


def _from_plain(plain: bytes) -> Filters:
    members = json.loads(plain)
    return Filters(
        added_after=members.get("a"),
        ids=tuple(members.get("i", ())),
        types=tuple(members.get("t", ())),
        versions=tuple(members.get("v", ())),
        spec_versions=tuple(members.get("s", ())),
    )


def _digest(filters: Filters) -> bytes:
    versions = filters.versions or ("last",)
    plain = _plain(replace(filters, added_after=None, versions=versions))
    return hashlib.blake2s(plain, digest_size=_DIGEST_SIZE).digest()


def _damaged() -> BadRequest:
    return BadRequest(
        "next: not a cursor that this server gave out; start again without it.",
        title="A query parameter is malformed",
        error_code="malformed-cursor",
        details={"parameter": "next"},
    )


def _differs(name: str) -> BadRequest:
    return BadRequest(
        f"{name}: differs from the page before; repeat it, or leave it out, while you follow `next`.",
        title="The cursor and the filters differ",
        error_code="cursor-mismatch",
        details={"parameter": name},
    )
