"""Why verification failed. Every failure has an exit code that scripts may rely on (trust.md, "Verifier").

VerificationFailed
├── SignatureFailed   10   the signature is missing, or its key did not sign this object
├── Altered           11   an object or what the log says of it is not what was published
├── Dropped           12   something the page claims to hold is not there
├── OutOfOrder        13   something stands at another place, or twice
├── KeyRefused        18   signed with a key that is not, or no longer, in the key set
├── TrustRootFailed   19   the trust root does not say which keys to trust: expired, rolled back, unknown, not signed
├── Malformed         20   not the format, to the letter; nothing was verified
└── AboveCeiling      21   more restricted than the collection may hold
"""

import json
from typing import ClassVar


class VerificationFailed(Exception):
    """One plain sentence, and where: `index` in the log (None on a filtered page), `object_id` if known.

    The sentence begins with the place where there is one. `code` is constant, for machines.
    """

    exit_code: ClassVar[int]
    code: ClassVar[str]

    def __init__(self, sentence: str, *, index: int | None = None, object_id: str | None = None) -> None:
        place = [f"entry {index}"] if index is not None else []
        if object_id is not None:
            place.append(shown(object_id))
        self.sentence = f"{', '.join(place)}: {sentence}" if place else sentence
        super().__init__(self.sentence)
        self.index = index
        self.object_id = object_id


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


class KeyRefused(VerificationFailed):
    """Signed with a key that is not, or no longer, in the key set."""

    exit_code = 18
    code = "unknown-key"


class TrustRootFailed(VerificationFailed):
    """The trust root does not say which keys to trust: expired, rolled back, unknown, or not signed by enough keys."""

    exit_code = 19
    code = "trust-root"


class Malformed(VerificationFailed):
    """Not the format, to the letter; nothing was verified."""

    exit_code = 20
    code = "malformed"


class AboveCeiling(VerificationFailed):
    """More restricted than the collection may hold."""

    exit_code = 21
    code = "above-ceiling"


def shown(text: str) -> str:
    """Foreign text in a sentence: short, and without characters that a terminal would act on."""
    return text if text.isascii() and text.isprintable() and len(text) <= 100 else json.dumps(text[:100])
