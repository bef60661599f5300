"""The operator's own copy of policy.txt: which witnesses are asked, and which checkpoints readers will take.

It is the policy that readers get from the trust root, with a URL for each witness (`WITNESS_POLICY`). All processes
that serve or ask read the same file, again when it changes.
"""

from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

import structlog
from django.conf import settings

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

    @property
    def asks_for_any(self) -> bool:
        """Whether a checkpoint that nobody cosigned is not enough."""
        return not self.policy.met_by(frozenset())

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


def digest() -> bytes | None:
    """That of the policy; None if nobody has to cosign, or the file cannot be used, which is logged."""
    try:
        found = current()
    except PolicyUnusable as error:
        log.error("witness_policy_unusable", reason=str(error))
        return None
    return found.digest if found is not None and found.asks_for_any else None
