"""Publish and withdraw: the only writer of collections.

A collection is an append-only log (decision 0005). Whoever writes holds its row lock, so indexes have no gaps and
`added` strictly increases in the order in which readers come to see it. Entries and their Merkle tree are written
together, so that no checkpoint can be of a tree that the entries do not come to.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from django.conf import settings

from accounts import sql
from indicators.stix import timestamps
from indicators.stix.canonical import canonical
from indicators.stix.markings import TLP
from indicators.stix.objects import StixObject
from sharing.actions import tree
from sharing.release import reissue
from sharing.signing import jws
from sharing.signing.keys import Signer
from sharing.tlog import page, statements
from sharing.tlog.merkle import Range

NO_VERSION = "-"
_LABELS = {level.value: level.label for level in TLP}


@dataclass(slots=True)
class Log:
    """A collection whose row this transaction has locked."""

    id: UUID
    community_id: UUID
    kind: str
    ceiling: int
    profile: str
    next_index: int
    last_added: int
    edge: Range

    @property
    def origin(self) -> str:
        """How the log is named in checkpoints and proof pages (trust.md, "Log")."""
        return origin(self.id)


def origin(collection_id: UUID) -> str:
    """`<host>/log/<collection-uuid>`."""
    return f"{settings.STILLWATCH_ORIGIN_HOST}/log/{collection_id}"


@dataclass(frozen=True, slots=True)
class Item:
    """An object version on its way into a log.

    `version` is what a statement says: `modified`, else `created`, else `-`; `version_key` is its sortable form, None
    for `-`. `signature` is a JWS that was made over `body` before. `record` is what the statement's `sub`
    commits to; None for the service's own content, which gets a random one.
    """

    object_id: str
    object_type: str
    spec_version: str
    version: str
    body: bytes
    tlp: int
    version_key: str | None
    organization_id: UUID | None = None
    record: bytes | None = None
    signature: str | None = None


class Placed(StrEnum):
    """What became of an item."""

    ADDED = "added"
    STOOD = "stood"
    CONFLICT = "conflict"


@dataclass(slots=True)
class Placement:
    """What became of an item, and the version under which it stands; of an SCO that is its date added."""

    outcome: Placed
    version: str


@dataclass(slots=True)
class Signatures:
    """Signs each body once, however many collections it enters."""

    signer: Signer
    _made: dict[bytes, str] = field(default_factory=dict)

    def of(self, items: Sequence[tuple[Item, bytes]]) -> list[str]:
        """The detached JWS over each item's body, whose SHA-256 stands beside it; the signer is asked once."""
        new = {
            digest: item.body for item, digest in items if item.signature is None and digest not in self._made
        }
        if new:
            self._made.update(zip(new, jws.sign_objects(self.signer, list(new.values())), strict=True))
        return [item.signature or self._made[digest] for item, digest in items]


def lock(collection_ids: Iterable[UUID]) -> list[Log]:
    """Lock collections for this transaction, in one order for everybody."""
    return _locked("id = ANY(%s)", list(collection_ids))


def lock_feeds(community_id: UUID) -> list[Log]:
    """Lock all feeds of a community for this transaction."""
    return _locked("community_id = %s AND kind = 'feed'", community_id)


def _locked(condition: str, parameter: object) -> list[Log]:
    found = sql.rows(
        "SELECT id, community_id, kind, ceiling, profile, next_index, last_added, edge FROM sharing_collection"
        f" WHERE {condition} ORDER BY id FOR NO KEY UPDATE",
        (parameter,),
    )
    return [
        Log(one_id, community_id, kind, ceiling, profile, next_index, last_added, Range(next_index, edge))
        for one_id, community_id, kind, ceiling, profile, next_index, last_added, edge in found
    ]


def item_of(
    stix: StixObject,
    *,
    tlp: int,
    organization_id: UUID | None = None,
    record: bytes | None = None,
    signature: str | None = None,
) -> Item:
    """A read object as an item."""
    return Item(
        stix.id,
        stix.type,
        stix.spec_version,
        stix.version or NO_VERSION,
        stix.body,
        tlp,
        stix.version_key,
        organization_id,
        record,
        signature,
    )


@dataclass(slots=True)
class _Versions:
    """Which versions of one object a log holds: sortable version → digest, and where the latest of them stands."""

    digests: dict[str, bytes] = field(default_factory=dict)
    first: str | None = None
    last: str | None = None


def append(*, log: Log, items: Sequence[Item], signatures: Signatures, now: datetime) -> list[Placement]:
    """Add the items that the log does not hold yet, in order; what became of each.

    The same id and version with the same bytes already stands; with other bytes it is a conflict, and the first one
    stands. Objects without versions (SCOs) are versioned by their date added (clients.md 14).
    """
    held = _held(log.id, [item.object_id for item in items])
    marks = {object_id: (versions.first, versions.last) for object_id, versions in held.items()}
    placed: list[Placement] = []
    fresh: list[tuple[Item, bytes]] = []
    start = _start(log, now)
    for item in items:
        digest = hashlib.sha256(item.body).digest()
        versions = held.setdefault(item.object_id, _Versions())
        placement = _place(versions, item, digest, added=start + len(fresh))
        placed.append(placement)
        if placement.outcome is Placed.ADDED:
            versions.digests[item.version_key or timestamps.to_sortable(placement.version)] = digest
            fresh.append((item, digest))
    if not fresh:
        return placed
    times = _times(start, len(fresh))
    if fresh[-1][0].version_key is None:
        # The last of a batch is rounded up, and with it what was told of it and of its twins.
        draft, final = (timestamps.from_micros(added) for added in (start + len(fresh) - 1, times[-1]))
        for placement, item in zip(placed, items, strict=True):
            if item.version_key is None and placement.version == draft:
                placement.version = final
    versions_of = [
        item.version_key or timestamps.to_sortable(timestamps.from_micros(added))
        for (item, _), added in zip(fresh, times, strict=True)
    ]
    for (item, _), version in zip(fresh, versions_of, strict=True):
        versions = held[item.object_id]
        versions.first = version if versions.first is None else min(versions.first, version)
        versions.last = version if versions.last is None else max(versions.last, version)
    _unmark(log.id, marks, held)
    commitments = _copy(log, fresh, times, versions_of, held, signatures)
    _advance(log, commitments, times[-1], largest=max(len(item.body) for item, _ in fresh))
    return placed


def withdraw(
    *,
    log: Log,
    reasons: Mapping[str, statements.Reason],
    now: datetime,
    indexes: Sequence[int] | None = None,
    erasure_id: int | None = None,
) -> Counter[str]:
    """Erase versions of objects (all, or those at `indexes`); how many went of each, by its id.

    `reasons` are by the ids of the objects; what does not stand is passed over. trust.md, "Log", Erasure: salt,
    statement, object and signature are destroyed, the 33 bytes stay, and a `withdraw` entry follows for each. A row
    of `Withdrawal` each remembers whom to tell (`sharing.actions.withdrawals`). `erasure_id`: the legal order.
    """
    targets = (
        []
        if not reasons
        else sql.rows(
            "SELECT index, commitment, added, version, organization_id, object_id FROM sharing_entry"
            f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND body IS NOT NULL"
            " AND (%s::int8[] IS NULL OR index = ANY(%s)) ORDER BY index",
            (log.id, sql.joined(reasons), *[None if indexes is None else list(indexes)] * 2),
        )
    )
    gone = Counter[str](object_id for *_, object_id in targets)
    if not targets:
        return gone
    times = _times(_start(log, now), len(targets))
    commitments: list[bytes] = []
    sql.copy(
        "sharing_entry",
        ("collection_id", "index", "added", "opening", "commitment", "is_first", "is_last"),
        ("uuid", "int8", "int8", "bytea", "bytea", "bool", "bool"),
        _withdrawing(log, targets, times, reasons, commitments),
    )
    following = range(log.next_index, log.next_index + len(targets))
    sql.execute(
        "UPDATE sharing_entry e SET body = NULL, opening = w.opening, subsalt = NULL, submitter = NULL,"
        " object_id = NULL, object_type = NULL, spec_version = NULL, version = NULL, version_key = NULL, tlp = NULL,"
        " organization_id = NULL, is_first = FALSE, is_last = FALSE, withdrawn_by = w.withdrawn_by"
        " FROM unnest(%s::int8[], %s::int8[], %s::bytea[]) AS w (index, withdrawn_by, opening)"
        " WHERE e.collection_id = %s AND e.index = w.index",
        (
            [target for target, *_ in targets],
            list(following),
            [page.withdrawn(bytes(one[1]), by) for one, by in zip(targets, following, strict=True)],
            log.id,
        ),
    )
    sql.copy(
        "sharing_withdrawal",
        (
            *("collection_id", "index", "withdrawn_by", "added", "at", "reason", "object_id", "version"),
            *("organization_id", "erasure_id"),
        ),
        ("uuid", "int8", "int8", "int8", "timestamptz", "text", "text", "text", "uuid", "int8"),
        [
            (
                *(log.id, target, by, added, now, str(reasons[object_id]), object_id, version),
                *(organization_id, erasure_id),
            )
            for by, (target, _, added, version, organization_id, object_id) in zip(
                following, targets, strict=True
            )
        ],
    )
    _close_again(log.id, [target for target, *_ in targets])
    _advance(log, commitments, times[-1])
    _remark(log.id, gone)
    return gone


def _withdrawing(
    log: Log,
    targets: Sequence[sql.Row],
    times: Sequence[int],
    reasons: Mapping[str, statements.Reason],
    commitments: list[bytes],
) -> Iterator[tuple[object, ...]]:
    """The `withdraw` entries of targets, as rows; `commitments` gets that of each."""
    for number, ((target, *_, object_id), added) in enumerate(zip(targets, times, strict=True)):
        salt = os.urandom(32)
        statement = statements.withdraw_statement(target=target, reason=reasons[object_id], added=added)
        commitments.append(statements.entry(salt, statement))
        opening = page.opening(salt, statement, None)
        yield log.id, log.next_index + number, added, opening, commitments[-1], False, False


def _close_again(collection_id: UUID, indexes: Sequence[int]) -> None:
    """What opened these entries' submitter commitments to somebody goes: from notices, and from what was sent of them.

    The record in it may hold the submitter's own signature over the object that is erased.
    """
    told = (
        "SELECT DISTINCT n.id FROM sharing_disclosure d JOIN accounts_notice n"
        " ON n.organization_id = d.organization_id AND n.kind = 'submitter.disclosed'"
        " AND (n.detail->>'proposal')::int8 = d.proposal_id"
        " WHERE d.collection_id = %s AND d.index = ANY(%s)"
    )
    notices = [one for (one,) in sql.rows(told, (collection_id, list(indexes)))]
    if not notices:
        return
    sql.execute(
        "UPDATE accounts_notice SET detail = jsonb_set(detail, '{openings}', coalesce((SELECT jsonb_agg(o)"
        " FROM jsonb_array_elements(detail->'openings') AS o"
        " WHERE o->>'collection' <> %s OR (o->>'index')::int8 <> ALL(%s)), '[]'))"
        " WHERE id = ANY(%s) AND detail ? 'openings'",
        (str(collection_id), list(indexes), notices),
    )
    sql.execute(
        "UPDATE sharing_delivery SET signature = '', body = CASE WHEN state = 'pending' THEN NULL ELSE ''::bytea END"
        " WHERE notice_id = ANY(%s)",
        (notices,),
    )


def sign_anew(*, log: Log, start: int, end: int, kid: str, signer: Signer) -> int:
    """Put the present key's signature in the place of those that `kid` made, at the indexes [start, end); how many.

    Objects, salts, statements and the tree are not touched: only what an opening says of who signed (trust.md, "Keys").
    """
    beginning = page.signed_by(jws.encoded_header(kid, jws.OBJECT))
    found = sql.rows(
        "SELECT index, body, opening FROM sharing_entry WHERE collection_id = %s AND index >= %s AND index < %s"
        " AND body IS NOT NULL AND substring(opening FROM 1 FOR %s) = %s ORDER BY index",
        (log.id, start, end, len(beginning), beginning),
    )
    if not found:
        return 0
    made = jws.sign_objects(signer, [bytes(body) for _, body, _ in found])
    openings = [
        page.with_signature(bytes(opened), new) for (_, _, opened), new in zip(found, made, strict=True)
    ]
    sql.execute(
        "UPDATE sharing_entry e SET opening = n.opening FROM unnest(%s::int8[], %s::bytea[]) AS n (index, opening)"
        " WHERE e.collection_id = %s AND e.index = n.index",
        ([index for index, _, _ in found], openings, log.id),
    )
    # Pages that were read before are no longer what the database would say.
    sql.execute("UPDATE sharing_collection SET epoch = epoch + 1 WHERE id = %s", (log.id,))
    return len(found)


def revoke(*, log: Log, object_ids: Sequence[str], signatures: Signatures, now: datetime) -> set[str]:
    """Publish the revocation of objects of the service's own; the ids of those that stood, and not revoked."""
    if not object_ids:
        return set()
    items = []
    for object_id, body, tlp in sql.rows(
        "SELECT object_id, body, tlp FROM sharing_entry"
        f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND is_last ORDER BY index",
        (log.id, sql.joined(object_ids)),
    ):
        value: dict[str, Any] = json.loads(body)
        if value.get("revoked", False):
            continue
        modified = reissue.no_earlier(timestamps.from_datetime_ms(now), after=value["modified"])
        item = Item(
            object_id,
            value["type"],
            "2.1",
            modified,
            canonical(reissue.revocation(value, modified=modified)),
            tlp,
            timestamps.to_sortable(modified),
        )
        items.append(item)
    placed = append(log=log, items=items, signatures=signatures, now=now)
    return {
        item.object_id
        for item, placement in zip(items, placed, strict=True)
        if placement.outcome is Placed.ADDED
    }


def holds(log: Log, object_ids: Sequence[str]) -> set[str]:
    """Which of these ids stand in the log."""
    return {
        found[0]
        for found in sql.rows(
            "SELECT DISTINCT object_id FROM sharing_entry"
            f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND body IS NOT NULL",
            (log.id, sql.joined(object_ids)),
        )
    }


def _place(versions: _Versions, item: Item, digest: bytes, *, added: int) -> Placement:
    if item.version_key is None:
        # Only the latest content counts: an SCO that changes and changes back is a new version.
        latest = max(versions.digests, default=None)
        if latest is not None and versions.digests[latest] == digest:
            return Placement(Placed.STOOD, f"{latest[:26]}Z")
        return Placement(Placed.ADDED, timestamps.from_micros(added))
    known = versions.digests.get(item.version_key)
    if known is None:
        return Placement(Placed.ADDED, item.version)
    return Placement(Placed.STOOD if known == digest else Placed.CONFLICT, item.version)


def _held(collection_id: UUID, object_ids: Sequence[str]) -> dict[str, _Versions]:
    held: dict[str, _Versions] = {}
    for object_id, version, digest, first, last in sql.rows(
        "SELECT object_id, version_key, sha256(body), is_first, is_last FROM sharing_entry"
        f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND body IS NOT NULL",
        (collection_id, sql.joined(object_ids)),
    ):
        versions = held.setdefault(object_id, _Versions())
        versions.digests[version] = digest
        if first:
            versions.first = version
        if last:
            versions.last = version
    return held


def _start(log: Log, now: datetime) -> int:
    """The `added` of the next entry: later than all before it."""
    return max(timestamps.micros_of(now), log.last_added + 1)


def _times(start: int, count: int) -> list[int]:
    """`added` of a batch: steps of 1 µs, the last on a whole millisecond (decision 0005)."""
    last = -(-(start + count - 1) // 1000) * 1000
    return [*range(start, start + count - 1), last]


def _unmark(
    collection_id: UUID, marks: dict[str, tuple[str | None, str | None]], held: dict[str, _Versions]
) -> None:
    """Take the `first` and `last` marks off the stored versions that new ones overtake."""
    overtaken_first = [
        one for one, (first, _) in marks.items() if first is not None and held[one].first != first
    ]
    overtaken_last = [one for one, (_, last) in marks.items() if last is not None and held[one].last != last]
    for mark, object_ids in (("is_first", overtaken_first), ("is_last", overtaken_last)):
        if object_ids:
            sql.execute(
                f"UPDATE sharing_entry SET {mark} = FALSE"
                f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND {mark}",
                (collection_id, sql.joined(object_ids)),
            )


def _remark(collection_id: UUID, object_ids: Iterable[str]) -> None:
    """Set both marks of objects anew after versions went."""
    sql.execute(
        "UPDATE sharing_entry e SET is_first = (e.version_key = ends.low), is_last = (e.version_key = ends.high)"
        " FROM (SELECT object_id, min(version_key) AS low, max(version_key) AS high FROM sharing_entry"
        f" WHERE collection_id = %s AND object_id = {sql.ONE_OF} AND body IS NOT NULL GROUP BY object_id) AS ends"
        " WHERE e.collection_id = %s AND e.object_id = ends.object_id AND e.body IS NOT NULL",
        (collection_id, sql.joined(object_ids), collection_id),
    )


def _copy(
    log: Log,
    fresh: Sequence[tuple[Item, bytes]],
    times: Sequence[int],
    versions: Sequence[str],
    held: dict[str, _Versions],
    signatures: Signatures,
) -> list[bytes]:
    """Store the entries; what each commits to its statement by."""
    signed = signatures.of(fresh)
    commitments: list[bytes] = []
    # Made as they are sent: PostgreSQL stores the first while the last are not made yet.
    sql.copy("sharing_entry", _COLUMNS, _TYPES, _rows(log, fresh, times, versions, held, signed, commitments))
    return commitments


def _rows(
    log: Log,
    fresh: Sequence[tuple[Item, bytes]],
    times: Sequence[int],
    versions: Sequence[str],
    held: dict[str, _Versions],
    signed: Sequence[str],
    commitments: list[bytes],
) -> Iterator[tuple[object, ...]]:
    """The entries as rows of `_COLUMNS`; `commitments` gets that of each."""
    noise = os.urandom(64 * len(fresh))
    for number, ((item, digest), added, version) in enumerate(zip(fresh, times, versions, strict=True)):
        salt, blind = noise[64 * number : 64 * number + 32], noise[64 * number + 32 : 64 * number + 64]
        sub = blind if item.record is None else statements.submitter_commitment(blind, item.record)
        statement = statements.add_statement(
            object_id=item.object_id,
            version=item.version,
            sha256=digest,
            tlp=_LABELS[item.tlp],
            added=added,
            sub=sub,
        )
        commitment = statements.entry(salt, statement)
        commitments.append(commitment)
        ends = held[item.object_id]
        yield (
            log.id,
            log.next_index + number,
            added,
            item.object_id,
            item.object_type,
            item.spec_version,
            item.version if item.version_key else f"{version[:26]}Z",
            version,
            item.tlp,
            item.organization_id,
            item.body,
            page.opening(salt, statement, signed[number]),
            commitment,
            None if item.record is None else blind,
            item.record,
            version == ends.first,
            version == ends.last,
        )


_COLUMNS = (
    "collection_id",
    "index",
    "added",
    "object_id",
    "object_type",
    "spec_version",
    "version",
    "version_key",
    "tlp",
    "organization_id",
    "body",
    "opening",
    "commitment",
    "subsalt",
    "submitter",
    "is_first",
    "is_last",
)
_TYPES = (
    *("uuid", "int8", "int8", "text", "text", "text", "text", "text", "int2", "uuid"),
    *("bytea", "bytea", "bytea", "bytea", "bytea", "bool", "bool"),
)


def _advance(log: Log, commitments: Sequence[bytes], last_added: int, *, largest: int = 0) -> None:
    """The log's new end, and its tree's."""
    tree.extend(log.id, log.edge, commitments)
    log.next_index += len(commitments)
    log.last_added = last_added
    sql.execute(
        "UPDATE sharing_collection SET next_index = %s, last_added = %s, edge = %s, largest = greatest(largest, %s)"
        " WHERE id = %s",
        (log.next_index, log.last_added, bytes(log.edge), largest, log.id),
    )
