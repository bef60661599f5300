"""What was erased by legal order and may not come again, known by keyed digests alone (decision 0042).

HMAC-SHA-256 of an id or of an identity (`observations.subject_key`), under a key made of SECRET_KEY: who has the
database alone cannot try values. With another SECRET_KEY the digests fit nothing; `unreadable` tells, and the desk.
"""

import hmac
from collections.abc import Collection, Iterable
from hashlib import sha256

from django.conf import settings

from accounts import sql

_PURPOSE = b"stillwatch erased by legal order v1"
_LOCK = "barred"


def digest(kind: str, value: bytes) -> bytes:
    """The digest of an id (`kind` is "id") or of an identity ("key")."""
    return hmac.digest(_key(), kind.encode() + b"\0" + value, "sha256")


def digests(*, object_ids: Iterable[str], keys: Iterable[bytes]) -> set[bytes]:
    """Those of ids and of identities."""
    return {digest("id", one.encode()) for one in object_ids} | {digest("key", one) for one in keys}


def bar(*, erasure_id: int, wanted: Collection[bytes]) -> None:
    """Let nothing in that has one of these digests; the database wants a confirmed proposal for it."""
    hold()
    sql.execute(
        "INSERT INTO sharing_barred (erasure_id, digest, key_check) SELECT %s, d, %s FROM unnest(%s::bytea[]) d"
        " ON CONFLICT DO NOTHING",
        (erasure_id, _key_check(), sorted(wanted)),
    )


def hold() -> None:
    """Wait until nobody ingests by the list as it is, and let nobody ingest before this transaction is over."""
    sql.lock(_LOCK)


def lift(*, erasure_id: int) -> int:
    """Let in again what an erasure bars; the database wants a confirmed proposal for it."""
    return sql.execute("DELETE FROM sharing_barred WHERE erasure_id = %s", (erasure_id,))


def is_needed() -> bool:
    """Whether anything is barred; the list stays as it is for the rest of the transaction."""
    sql.share(_LOCK)
    return sql.row("SELECT 1 FROM sharing_barred LIMIT 1") is not None


def barred(offered: Collection[bytes]) -> set[bytes]:
    """Which of these digests are barred."""
    return {
        bytes(found)
        for (found,) in sql.rows(
            "SELECT DISTINCT digest FROM sharing_barred WHERE digest = ANY(%s)", (sorted(offered),)
        )
    }


def unreadable() -> int:
    """How many digests were made with another SECRET_KEY, and bar nothing now."""
    found = sql.row("SELECT count(*) FROM sharing_barred WHERE key_check <> %s", (_key_check(),))
    return found[0] if found else 0


def _key() -> bytes:
    return hmac.digest(settings.SECRET_KEY.encode(), _PURPOSE, "sha256")


def _key_check() -> bytes:
    return sha256(_key()).digest()[:8]
