"""Why verification failed. Every failure has an exit code that scripts may rely on (trust.md, "Verifier").

VerificationFailed
├── SignatureFailed   10   the signature is missing, or its key did not sign this object
├── Altered           11   an object or what the log says of it is not what was published
├── Dropped           12   something the page claims to hold is not there
├── OutOfOrder        13   something stands at another place, or twice
├── Rollback          14   the log is shorter than it was
├── Fork              15   two histories of one log; the evidence is two signed checkpoints
├── Stale             16   the checkpoint is older than it may be
├── QuorumMissed      17   too few of the witnesses have cosigned the checkpoint
├── KeyRefused        18   signed with a key that is not, or no longer, in the key set
├── TrustRootFailed   19   the trust root does not say which keys to trust: expired, rolled back, unknown, not signed
├── Malformed         20   not the format, to the letter; nothing was verified
└── AboveCeiling      21   more restricted than the collection may hold
"""

import json
from collections.abc import Mapping
from typing import ClassVar, NamedTuple


class VerificationFailed(Exception):
    """One plain sentence, and where: `index` in the log (None on a filtered page), `object_id` if known.

    The sentence begins with the place where there is one. `code` is constant, for machines. `evidence` is what
    shows it to others, by file name: checkpoints, proofs, pages, as they were received.
    """

    exit_code: ClassVar[int]
    code: ClassVar[str]

    def __init__(
        self,
        sentence: str,
        *,
        index: int | None = None,
        object_id: str | None = None,
        evidence: Mapping[str, bytes] | None = None,
    ) -> None:
        place = [f"entry {index}"] if index is not None else []
        if object_id is not None:
            place.append(shown(object_id))
        self.sentence = f"{', '.join(place)}: {sentence}" if place else sentence
        super().__init__(self.sentence)
        self.index = index
        self.object_id = object_id
        self.evidence = dict(evidence or {})


class SignatureFailed(VerificationFailed):
    """The signature is missing, or its key did not sign this object."""

    exit_code = 10
    code = "bad-signature"


class Altered(VerificationFailed):
    """An object, or what the log says of it, is not what was published."""

    exit_code = 11
    code = "altered"


class Dropped(VerificationFailed):
    """Something the page claims to hold is not there."""

    exit_code = 12
    code = "dropped"


class OutOfOrder(VerificationFailed):
    """Something stands at another place than the log gave it, or twice."""

    exit_code = 13
    code = "order"


class Rollback(VerificationFailed):
    """The log is shorter than it was known to be."""

    exit_code = 14
    code = "rollback"


class Fork(VerificationFailed):
    """One log has two histories: both checkpoints are signed, and neither continues the other."""

    exit_code = 15
    code = "fork"


class Stale(VerificationFailed):
    """The checkpoint is older than it may be: what came after it is withheld, or the log stands still."""

    exit_code = 16
    code = "stale"


class QuorumMissed(VerificationFailed):
    """Too few of the policy's witnesses have cosigned the checkpoint."""

    exit_code = 17
    code = "quorum"


class KeyRefused(VerificationFailed):
    """Signed with a key that is not, or no longer, in the key set."""

    exit_code = 18
    code = "unknown-key"


class TrustRootFailed(VerificationFailed):
    """The trust root does not say which keys to trust: expired, rolled back, unknown, or not signed by enough keys."""

    exit_code = 19
    code = "trust-root"


class UnknownLog(TrustRootFailed):
    """The trust root names no such log: the publisher has none, or it is an inbox."""


class Malformed(VerificationFailed):
    """Not the format, to the letter; nothing was verified."""

    exit_code = 20
    code = "malformed"


class AboveCeiling(VerificationFailed):
    """More restricted than the collection may hold."""

    exit_code = 21
    code = "above-ceiling"


class ExitCode(NamedTuple):
    """One line of the table that `--help` and trust.md show."""

    number: int
    meaning: str


EXIT_CODES = (
    ExitCode(0, "verified"),
    ExitCode(2, "wrong use, or a file that cannot be read"),
    ExitCode(3, "the server or mirror cannot be reached, or does not answer as one; nothing was decided"),
    ExitCode(SignatureFailed.exit_code, "bad or missing signature, also of a checkpoint"),
    ExitCode(Altered.exit_code, "altered"),
    ExitCode(Dropped.exit_code, "dropped or truncated"),
    ExitCode(OutOfOrder.exit_code, "out of order, or twice"),
    ExitCode(Rollback.exit_code, "rolled back: the log is shorter than it was"),
    ExitCode(Fork.exit_code, "forked: one log, two histories"),
    ExitCode(Stale.exit_code, "stale: the checkpoint is too old"),
    ExitCode(QuorumMissed.exit_code, "too few witnesses have cosigned the checkpoint"),
    ExitCode(KeyRefused.exit_code, "signed with an unknown or revoked key"),
    ExitCode(TrustRootFailed.exit_code, "the trust root is expired or not signed as it must be"),
    ExitCode(Malformed.exit_code, "malformed"),
    ExitCode(AboveCeiling.exit_code, "above the collection's TLP ceiling"),
)


def shown(text: str) -> str:
    """Foreign text in a sentence: short, and without characters that a terminal would act on."""
    return text if text.isascii() and text.isprintable() and len(text) <= 100 else json.dumps(text[:100])
