"""Whether enough witnesses cosigned a checkpoint, and recently enough (C2SP tlog-policy, tlog-cosignature).

A witness's line says that, at its time, no larger tree of the log was known to it. The log can sign an old tree anew as
often as it likes, but its witnesses, who have seen a larger one, will not: so whoever asks for a fresh checkpoint asks
for fresh cosignatures, too (`since`).
"""

from sharing.signing import note_keys
from sharing.signing.keys import SigningError
from sharing.tlog import notes
from sharing.tlog.notes import Note
from sharing.tlog.policy import Policy


class QuorumMissed(SigningError):
    """Not enough witnesses cosigned; the sentence says who did, and who is needed."""


def cosigners(note: Note | bytes, policy: Policy, *, since: int = 0) -> dict[str, int]:
    """The witnesses that cosigned, by their names in the policy, with the time of each's latest line, s since 1970.

    Lines by other keys say nothing, nor do wrong ones and those that say no time. Raises MalformedNote.
    """
    if isinstance(note, bytes):
        note = notes.read(note)
    found = note_keys.cosigners(note, policy.note_keys())
    return {name: at for name, at in found.items() if at and at >= since}


def require(note: Note | bytes, policy: Policy, *, since: int = 0) -> dict[str, int]:
    """As `cosigners`; raises QuorumMissed unless they are enough."""
    found = cosigners(note, policy, since=since)
    if policy.met_by(found.keys()):
        return found
    by = f"cosigned by {', '.join(map(_shown, sorted(found)))} only" if found else "cosigned by nobody"
    lately = " since then" if since and cosigners(note, policy).keys() != found.keys() else ""
    raise QuorumMissed(f"{by}{lately}; it takes {policy.needed()}")


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
