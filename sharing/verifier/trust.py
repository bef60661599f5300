"""Whom a verifier trusts: what the checks ask for. `sharing.trust.store.TrustStore` answers from the trust root."""

from collections.abc import Sequence
from typing import Protocol

from sharing.signing.keys import KeySet
from sharing.signing.note_keys import NoteKey
from sharing.tlog.policy import Policy


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
