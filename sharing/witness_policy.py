"""The operator's own copy of policy.txt: which witnesses are asked, and which checkpoint is served.

It is the policy that readers get from the trust root, with a URL for each witness (`WITNESS_POLICY`). All processes
that serve or ask read the same file, again when it changes.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from uuid import UUID

import structlog
from django.conf import settings

from accounts import sql
from sharing.models import Kind
from sharing.tlog.policy import MalformedPolicy, Policy, Witness

log = structlog.get_logger(__name__)

SERVED_FOR = timedelta(hours=24)
"""Readers refuse what is older; from then on the newest checkpoint tells them more: whose cosignatures are missing."""
NOT_WITNESSED = (Kind.INBOX,)
"""Logs with one reader: nobody could be shown another, and witnesses would learn how much each organisation sends."""


class PolicyUnusable(Exception):
    """The file that WITNESS_POLICY names cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Current:
    """A policy and the SHA-256 of its file, by which checkpoints are marked that meet it."""

    policy: Policy
    digest: bytes

    def asked(self) -> dict[str, Witness]:
        """The witnesses that have a URL, by name."""
        return {name: one for name, one in self.policy.witnesses.items() if one.url}


def current() -> Current | None:
    """The policy; None if there are no witnesses. Raises PolicyUnusable."""
    path: Path | None = settings.WITNESS_POLICY
    if path is None:
        return None
    try:
        status = path.stat()
        return _read(path, status.st_mtime_ns, status.st_size)
    except OSError as error:
        raise PolicyUnusable(f"{path} cannot be read: {error.strerror}.") from error


@lru_cache(maxsize=2)
def _read(path: Path, changed: int, size: int) -> Current:
    raw = path.read_bytes()
    try:
        policy = Policy.read(raw)
        for name in policy.witnesses:
            name.encode()
    except MalformedPolicy as error:
        raise PolicyUnusable(f"{path}, {error}.") from error
    except UnicodeEncodeError as error:
        raise PolicyUnusable(f"{path}: a witness's name is not UTF-8.") from error
    return Current(policy, sha256(raw).digest())


def served(collection_id: UUID, *, now: datetime) -> tuple[int, bytes, bytes] | None:
    """Size, root and note of the checkpoint that readers get: the longest tree whose cosignatures meet the policy, for
    as long as readers would take it, else the longest; None if none is signed yet.
    """
    try:
        found = current()
    except PolicyUnusable as error:
        log.error("witness_policy_unusable", reason=str(error))
        found = None
    row = None
    if found is not None:
        row = sql.row(
            f"{_SERVED} AND quorum = %s AND signed_at > %s ORDER BY size DESC LIMIT 1",
            (collection_id, found.digest, now - SERVED_FOR),
        )
    row = row or sql.row(f"{_SERVED} ORDER BY size DESC LIMIT 1", (collection_id,))
    return None if row is None else (row[0], bytes(row[1]), row[2].encode())


_SERVED = "SELECT size, root, note || cosignatures FROM sharing_checkpoint WHERE collection_id = %s"
