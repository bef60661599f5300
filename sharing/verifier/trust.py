"""Whom a verifier trusts: what the checks ask for. `sharing.trust.store.TrustStore` answers from the trust root."""

from collections.abc import Sequence
from typing import Protocol

from sharing.signing.keys import KeySet
from sharing.signing.note_keys import NoteKey
from sharing.tlog.policy import Policy
from sharing.verifier.failures import UnknownLog


class Trust(Protocol):
    """The publisher's keys, its witnesses, and what its logs may hold. Asked for what is not known, it raises
    TrustRootFailed."""

    @property
    def keys(self) -> KeySet:
        """The keys that sign objects, the revoked ones too."""

    @property
    def policy(self) -> Policy:
        """Who must have cosigned a checkpoint."""

    def log_keys(self, origin: str) -> Sequence[NoteKey]:
        """The keys that sign this log's checkpoints."""

    def ceiling(self, origin: str) -> str:
        """The most restricted TLP level that this log may hold."""

    def revoked(self, kid: str, origin: str) -> int | None:
        """From which index of the log on what the key signed is refused; None if it is not revoked."""


def ceiling_of(trust: Trust, origin: str, *, witnessed: bool) -> str | None:
    """The most restricted TLP level that a log may hold; None if nobody says.

    An inbox is in no trust root, as it has no witnesses: its owner alone reads it, and knows that it does. Whoever asks
    for witnesses is refused with TrustRootFailed.
    """
    try:
        return trust.ceiling(origin)
    except UnknownLog:
        if witnessed:
            raise
        return None
