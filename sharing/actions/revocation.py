"""A signing key that was lost: it signs nothing more, and all that it signed is signed anew (docs/operations.md).

The objects stay as they are, and so do salts, statements, commitments and the tree: a log proves by itself what stood
in it before the key was lost, and from when on the key counts for no more is told by the trust root (`sharing.trust`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from accounts import sql
from accounts.actions.audit import record
from accounts.actor import Actor
from indicators.stix.timestamps import micros_of
from sharing.actions import keys, publication
from sharing.actions.publication import origin
from sharing.models import KeyPurpose, SigningKey, TrustFile
from sharing.signing import jws
from sharing.signing.keys import Signer
from sharing.trust.revocations import origin_digest
from sharing.witness_policy import NOT_WITNESSED

BATCH = 2_000
"""Entries, or claims, that are looked at in one transaction."""
GRACE = timedelta(minutes=10)
"""So long may a task that began before still sign with the key: what is done sooner is looked at once more."""


class NotRevoked(ValueError):
    """The key cannot be revoked; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Revoked:
    """What became of a revocation. `from_index` by log; `successor` signs from now on, and `is_trusted` says whether
    the trust root names it already: if not, nothing is published until a ceremony has."""

    kid: str
    from_index: Mapping[UUID, int]
    successor: str
    is_trusted: bool


@dataclass(frozen=True, slots=True)
class Progress:
    """How far everything is signed anew: what was looked at, of how much, and how many signatures were made."""

    seen: int
    total: int
    renewed: int
    is_done: bool


@transaction.atomic
def revoke(*, kid: str, because: str, by: Actor, now: datetime, since: datetime | None = None) -> Revoked:
    """The key signs nothing from now on. A log counts its signatures up to its present length, or, where it is known
    `since` when the key was lost, up to what was added by then. Raises NotRevoked or NoSigningKey."""
    if not because.strip():
        raise NotRevoked("say why, for those who read the trail later")
    if since is not None and since > now:
        raise NotRevoked("a key that is lost since later is not lost yet")
    found = SigningKey.objects.filter(kid=kid).first()
    if found is None:
        raise NotRevoked(f"there is no key {kid}")
    # Before any row is locked: whoever makes a key holds this, and then changes those before it.
    keys.one_at_a_time(KeyPurpose(found.purpose))
    key = SigningKey.objects.select_for_update().get(kid=kid)
    if key.revoked_at is not None:
        raise NotRevoked(f"key {kid} is revoked since {key.revoked_at:%Y-%m-%d %H:%M:%S} UTC")
    purpose = KeyPurpose(key.purpose)
    # Whoever publishes from here on waits, and then finds the next key.
    lengths = {log.id: log.next_index for log in publication.lock(row[0] for row in sql.rows(_COLLECTIONS))}
    from_index = lengths if since is None else _since(lengths, since)
    # What is published of it names no inbox, as collections.json does not.
    named = {row[0] for row in sql.rows(_NAMED, (list(NOT_WITNESSED),))}
    key.revoked_at, key.revoked_because = now, because.strip()
    key.retired_at = now if key.retired_at is None else min(now, key.retired_at)
    is_object = purpose == KeyPurpose.OBJECT
    key.from_index = (
        {origin_digest(origin(log_id)): index for log_id, index in from_index.items() if log_id in named}
        if is_object
        else {}
    )
    key.save(update_fields=["revoked_at", "revoked_because", "retired_at", "from_index"])
    successor = _successor(purpose, by=by, now=now)
    if is_object:
        sql.execute(_RENEWALS, (kid, now))
        # Written and not sent yet: written anew.
        beginning = jws.encoded_header(kid, jws.DELIVERY).decode() + "."
        sql.execute(
            "UPDATE sharing_delivery SET body = NULL, signature = ''"
            " WHERE state = 'pending' AND starts_with(signature, %s)",
            (beginning,),
        )
    record(
        by=by,
        now=now,
        action="key.revoke",
        target=f"key:{kid}",
        detail={
            "purpose": str(purpose),
            "because": because.strip(),
            "since": None if since is None else since.isoformat(),
            "successor": successor.kid,
        },
    )
    trusted = successor.trusted_at is not None or not TrustFile.objects.exists()
    return Revoked(kid, from_index if is_object else {}, successor.kid, trusted)


def is_due(*, now: datetime) -> bool:
    """Whether signatures of a revoked key wait to be made anew."""
    return sql.row(f"SELECT 1 FROM sharing_renewal {_DUE} LIMIT 1", (now,)) is not None


@transaction.atomic
def renew_next(*, signer: Signer, now: datetime, most: int = BATCH) -> bool:
    """Sign one batch anew; False if none is due. Any number of processes do it at a time, each its own.

    Claims come first: what is published of them then has the new one. So while another process is at a key's claims,
    its logs wait.
    """
    found = sql.row(_NEXT, {"now": now})
    if found is None:
        return False
    renewal_id, kid, collection_id, position, due_at = found
    revoked_at = SigningKey.objects.values_list("revoked_at", flat=True).get(kid=kid)
    assert revoked_at is not None
    if collection_id is None:
        end, made = _renew_claims(kid, position, signer, most)
        is_end = end is None
    else:
        (log,) = publication.lock([collection_id])
        end = min(position + most, log.next_index)
        made = publication.sign_anew(log=log, start=position, end=end, kid=kid, signer=signer)
        is_end = end >= log.next_index
    settled = revoked_at + GRACE
    if position == 0 and now >= settled:
        # Begun when nobody signs with the key any more: this is the last look.
        due_at = max(due_at, settled)
    done_at = None
    if is_end and (now < settled if collection_id is not None else due_at < settled):
        # Claims change in place, so all are looked at once more, also where the first look took longer than that; a
        # log only grows.
        end, due_at = (0 if collection_id is None else end), settled
    elif is_end:
        done_at = now
    sql.execute(
        "UPDATE sharing_renewal SET position = %s, renewed = renewed + %s, due_at = %s, done_at = %s WHERE id = %s",
        (position if end is None else end, made, due_at, done_at, renewal_id),
    )
    return True


def progress(kid: str | None = None) -> Progress:
    """Of one revoked key, or of all."""
    found = sql.row(
        "SELECT coalesce(sum(CASE WHEN r.done_at IS NULL THEN least(r.position, t.total) ELSE t.total END), 0)::int8,"
        " coalesce(sum(t.total), 0)::int8, coalesce(sum(r.renewed), 0)::int8,"
        " coalesce(bool_and(r.done_at IS NOT NULL), TRUE)"
        " FROM sharing_renewal r LEFT JOIN sharing_collection c ON c.id = r.collection_id,"
        " LATERAL (SELECT coalesce(c.next_index, (SELECT coalesce(max(id), 0) FROM indicators_claim)) AS total) t"
        " WHERE %(kid)s::text IS NULL OR r.key_id = %(kid)s",
        {"kid": kid},
    )
    assert found is not None
    return Progress(*found)


def _successor(purpose: KeyPurpose, *, by: Actor, now: datetime) -> SigningKey:
    """What signs from now on: a key in use, else the next one that partners know already, else a new one."""
    left = SigningKey.objects.filter(purpose=purpose, revoked_at__isnull=True).exclude(retired_at__lte=now)
    if TrustFile.objects.exists():
        known = left.filter(trusted_at__isnull=False)
    else:
        known = left
    in_use = known.filter(use_from__lte=now).order_by("use_from", "created_at").last()
    if in_use is not None:
        return in_use
    spare = known.order_by("use_from", "created_at").first()
    if spare is not None:
        keys.use_at_once(spare, now=now)
        return spare
    return keys.rotate(by=by, now=now, at_once=True, purpose=purpose)


def _since(lengths: Mapping[UUID, int], since: datetime) -> dict[UUID, int]:
    first: dict[UUID, int | None] = dict(sql.rows(_FIRST_SINCE, (micros_of(since),)))
    found: dict[UUID, int] = {}
    for log_id, length in lengths.items():
        index = first.get(log_id)
        found[log_id] = length if index is None else index
    return found


def _renew_claims(kid: str, position: int, signer: Signer, most: int) -> tuple[int | None, int]:
    """The id that is next, None at the end; how many were signed anew."""
    ids = sql.rows("SELECT id FROM indicators_claim WHERE id >= %s ORDER BY id LIMIT %s", (position, most))
    if not ids:
        return None, 0
    last = ids[-1][0]
    found = sql.rows(
        "SELECT id, body FROM indicators_claim WHERE id >= %s AND id <= %s AND starts_with(signature, %s)"
        " ORDER BY id FOR NO KEY UPDATE",
        (position, last, jws.encoded_header(kid, jws.OBJECT).decode() + "."),
    )
    if found:
        made = jws.sign_objects(signer, [bytes(body) for _, body in found])
        sql.execute(
            "UPDATE indicators_claim c SET signature = n.signature"
            " FROM unnest(%s::int8[], %s::text[]) AS n (id, signature) WHERE c.id = n.id",
            ([claim_id for claim_id, _ in found], made),
        )
    return (last + 1 if len(ids) == most else None), len(found)


_DUE = "WHERE done_at IS NULL AND due_at <= %s"
_NEXT = (
    "SELECT id, key_id, collection_id, position, due_at FROM sharing_renewal r"
    " WHERE done_at IS NULL AND due_at <= %(now)s AND (collection_id IS NULL OR NOT EXISTS (SELECT 1"
    "  FROM sharing_renewal c WHERE c.key_id = r.key_id AND c.collection_id IS NULL AND c.done_at IS NULL"
    "  AND c.due_at <= %(now)s))"
    " ORDER BY collection_id IS NOT NULL, id LIMIT 1 FOR UPDATE OF r SKIP LOCKED"
)
_COLLECTIONS = "SELECT id FROM sharing_collection"
_NAMED = "SELECT id FROM sharing_collection WHERE kind <> ALL(%s)"
_RENEWALS = (
    "INSERT INTO sharing_renewal (key_id, collection_id, position, renewed, due_at)"
    " SELECT %s, c.id, 0, 0, %s FROM (SELECT id FROM sharing_collection UNION ALL SELECT NULL) c"
)
_FIRST_SINCE = (
    "SELECT c.id, (SELECT e.index FROM sharing_entry e WHERE e.collection_id = c.id AND e.added >= %s"
    " ORDER BY e.added LIMIT 1) FROM sharing_collection c"
)
