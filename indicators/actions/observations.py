"""Absorb: what a partner's objects claim, stored by subject, and the subjects queued for folding."""

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from accounts import sql
from indicators.allowlists.watched import SCO_TYPES, watched
from indicators.dedup.identity import indicator_key
from indicators.stix.objects import StixObject


@dataclass(frozen=True, slots=True)
class Observed:
    """An accepted object, the TLP that it counts as, the key of what it is about, and the JWS over its body."""

    object: StixObject
    tlp: int
    key: bytes
    signature: str


def subject_key(stix: StixObject) -> bytes:
    """The canonical key of an indicator (raises `PatternError`), the id of anything else."""
    if stix.type == "indicator":
        return indicator_key(stix.value["pattern_type"], stix.value["pattern"])
    return stix.id.encode()


def absorb(
    *,
    community_id: UUID,
    organization_id: UUID,
    submission_id: UUID,
    observed: Sequence[Observed],
    now: datetime,
) -> dict[bytes, int]:
    """Make or update the organisation's claims; the ids of the subjects by key.

    The caller holds the organisation's lock, so that its claims change one submission at a time. A version not newer
    than the claim's changes nothing; of several versions in one submission the newest counts.
    """
    newest: dict[str, Observed] = {}
    for item in observed:
        rival = newest.get(item.object.id)
        if rival is None or (item.object.version_key or "") >= (rival.object.version_key or ""):
            newest[item.object.id] = item
    subjects = _subjects(community_id, observed)
    held = {
        object_id: (claim_id, version, digest, subject_id, withdrawn)
        for object_id, claim_id, version, digest, subject_id, withdrawn in sql.rows(
            "SELECT object_id, id, version, sha256(body), subject_id, withdrawn_at IS NOT NULL FROM indicators_claim"
            f" WHERE community_id = %s AND organization_id = %s AND object_id = {sql.ONE_OF}",
            (community_id, organization_id, sql.joined(newest)),
        )
    }
    fresh: list[Observed] = []
    changed: list[tuple[int, Observed]] = []
    stale: dict[int, None] = {}
    moved: list[str] = []
    for object_id, item in newest.items():
        before = held.get(object_id)
        if before is None:
            fresh.append(item)
        else:
            claim_id, version, digest, subject_id, withdrawn = before
            if not _supersedes(item.object, version, digest, withdrawn):
                continue
            changed.append((claim_id, item))
            stale[subject_id] = None
            if subject_id != subjects[item.key]:
                moved.append(object_id)
        stale[subjects[item.key]] = None
    _insert(community_id, organization_id, submission_id, fresh, subjects, now)
    _update(submission_id, changed, subjects, now)
    queue_folds(community_id=community_id, subject_ids=stale)
    # What refers to a claim that speaks of something else now has to point there.
    queue_referring(community_id=community_id, object_ids=moved, but=stale)
    return subjects


def withdraw(*, community_id: UUID, organization_id: UUID, object_id: str, now: datetime) -> bool:
    """The organisation takes back what it claimed in one object; False if it claimed nothing there."""
    found = sql.row(
        "UPDATE indicators_claim SET withdrawn_at = %s, received_at = greatest(received_at, %s)"
        " WHERE community_id = %s AND organization_id = %s AND object_id = %s AND withdrawn_at IS NULL"
        " RETURNING subject_id",
        (now, now, community_id, organization_id, object_id),
    )
    if found is None:
        return False
    queue_folds(community_id=community_id, subject_ids=[found[0]])
    return True


def fall_back(*, community_id: UUID, organization_id: UUID, observed: Observed, now: datetime) -> None:
    """Let the organisation's claim say again what an older version says, after the newer one was deleted."""
    found = sql.row(
        "SELECT id, subject_id, submission_id, version FROM indicators_claim"
        " WHERE community_id = %s AND organization_id = %s AND object_id = %s",
        (community_id, organization_id, observed.object.id),
    )
    if found is None or found[3] == (observed.object.version_key or ""):
        return
    subjects = _subjects(community_id, [observed])
    _update(found[2], [(found[0], observed)], subjects, now)
    queue_folds(community_id=community_id, subject_ids=dict.fromkeys((found[1], subjects[observed.key])))


def queue_folds(*, community_id: UUID, subject_ids: Iterable[int]) -> None:
    """Have the publishing workers look at these subjects again, in this order."""
    sql.copy(
        "indicators_pendingfold",
        ("community_id", "subject_id"),
        ("uuid", "int8"),
        ((community_id, subject_id) for subject_id in subject_ids),
    )


def queue_referring(*, community_id: UUID, object_ids: Sequence[str], but: Container[int]) -> None:
    """Have what refers to any of these ids looked at again, but for subjects that are looked at anyway."""
    if not object_ids:
        return
    referring = sql.rows(
        "SELECT DISTINCT subject_id FROM indicators_claim"
        f' WHERE community_id = %s AND "references" && {sql.LIST} ORDER BY subject_id',
        (community_id, sql.joined(object_ids)),
    )
    queue_folds(
        community_id=community_id,
        subject_ids=[subject_id for (subject_id,) in referring if subject_id not in but],
    )


def queue_all_folds(*, community_id: UUID) -> None:
    """Have every subject of a community looked at again, after its feeds or rules changed."""
    sql.execute(
        "INSERT INTO indicators_pendingfold (community_id, subject_id)"
        " SELECT community_id, id FROM indicators_subject WHERE community_id = %s ORDER BY id",
        (community_id,),
    )


def _supersedes(stix: StixObject, version: str, digest: bytes, withdrawn: bool) -> bool:
    offered = stix.version_key or ""
    if offered == version:
        return withdrawn or (not version and hashlib.sha256(stix.body).digest() != digest)
    return offered > version


def _subjects(community_id: UUID, observed: Sequence[Observed]) -> dict[bytes, int]:
    """Ids of subjects by key, made where new; in key order, so that two ingests never lock crosswise."""
    types = {item.key: item.object.type for item in observed}
    keys = sorted(types)
    made = {
        bytes(key)
        for (key,) in sql.rows(
            "INSERT INTO indicators_subject (community_id, key, object_type)"
            " SELECT %s, k, t FROM unnest(%s::bytea[], %s::text[]) AS offered(k, t) ON CONFLICT DO NOTHING"
            " RETURNING key",
            (community_id, keys, [types[key] for key in keys]),
        )
    }
    subjects = {
        bytes(key): subject_id
        for key, subject_id in sql.rows(
            "SELECT key, id FROM indicators_subject WHERE community_id = %s AND key = ANY(%s)",
            (community_id, keys),
        )
    }
    # What an indicator watches never changes, it is its identity; an observable may say another value under its id.
    _watch(
        (subjects[item.key], item.object.value)
        for item in observed
        if item.key in made or item.object.type in SCO_TYPES
    )
    return subjects


def _watch(said: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
    """Store what subjects watch, by their id and an object about them; what is stored already stays."""
    # In one order, so that two ingests never lock crosswise.
    found = sorted(
        {(one, value) for one, obj in said for value in watched(obj)},
        key=lambda pair: (pair[0], str(pair[1])),
    )
    networks = [(one, str(value)) for one, value in found if not isinstance(value, str | int)]
    domains = [(one, value) for one, value in found if isinstance(value, str)]
    asns = [(one, value) for one, value in found if isinstance(value, int)]
    for column, type_name, rows in (
        ("network", "cidr", networks),
        ("domain", "text", domains),
        ("asn", "int8", asns),
    ):
        if rows:
            sql.execute(
                f"INSERT INTO indicators_observable (subject_id, {column})"
                f" SELECT s, v FROM unnest(%s::int8[], %s::{type_name}[]) AS watched(s, v) ON CONFLICT DO NOTHING",
                ([one for one, _ in rows], [value for _, value in rows]),
            )


def _insert(
    community_id: UUID,
    organization_id: UUID,
    submission_id: UUID,
    fresh: Sequence[Observed],
    subjects: dict[bytes, int],
    now: datetime,
) -> None:
    sql.copy(
        "indicators_claim",
        (
            "community_id",
            "organization_id",
            "subject_id",
            "submission_id",
            "object_id",
            "version",
            "tlp",
            "references",
            "body",
            "signature",
            "first_received_at",
            "received_at",
            "revoked",
        ),
        (
            "uuid",
            "uuid",
            "int8",
            "uuid",
            "text",
            "text",
            "int2",
            "text[]",
            "bytea",
            "text",
            "timestamptz",
            "timestamptz",
            "bool",
        ),
        (
            (
                community_id,
                organization_id,
                subjects[item.key],
                submission_id,
                item.object.id,
                item.object.version_key or "",
                item.tlp,
                list(item.object.references),
                item.object.body,
                item.signature,
                now,
                now,
                item.object.revoked,
            )
            for item in fresh
        ),
    )


def _update(
    submission_id: UUID, changed: Sequence[tuple[int, Observed]], subjects: dict[bytes, int], now: datetime
) -> None:
    with sql.cursor() as cursor:
        cursor.executemany(
            b"UPDATE indicators_claim SET subject_id = %s, submission_id = %s, version = %s, tlp = %s,"
            b' "references" = %s, body = %s, signature = %s, received_at = greatest(received_at, %s), revoked = %s,'
            b" withdrawn_at = NULL WHERE id = %s",
            [
                (
                    subjects[item.key],
                    submission_id,
                    item.object.version_key or "",
                    item.tlp,
                    list(item.object.references),
                    item.object.body,
                    item.signature,
                    now,
                    item.object.revoked,
                    claim_id,
                )
                for claim_id, item in changed
            ],
        )
