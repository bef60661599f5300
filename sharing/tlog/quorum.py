"""Whether enough witnesses cosigned a checkpoint (C2SP tlog-policy, tlog-cosignature).

A witness's line says that, at its time, no larger tree of the log was known to it. The log can sign an old tree anew as
often as it likes, but its witnesses, who have seen a larger one, will not: so whoever asks for a fresh checkpoint asks
for fresh cosignatures, too (`since`).
"""

from sharing.signing.keys import SigningError
from sharing.tlog import notes
from sharing.tlog.notes import Note
from sharing.tlog.policy import Policy


class QuorumMissed(SigningError):
    """Not enough witnesses cosigned; the sentence says who did, and who is needed."""


def cosigners(note: Note | bytes, policy: Policy, *, since: int = 0) -> dict[str, int]:
    """The witnesses that cosigned, by their names in the policy, with the time of each's latest line, s since 1970.

    Lines by keys that the policy does not name say nothing. Raises BadSignature if a line by a key that it names is
    wrong, MalformedNote if `note` is none.
    """
    if isinstance(note, bytes):
        note = notes.read(note)
    found: dict[str, int] = {}
    for name, witness in policy.witnesses.items():
        for signature in note.signatures:
            if witness.key.made(signature):
                # A timestamp of 0 says nothing about when.
                at = witness.key.verify(note.text, signature.raw) or 0
                if at and at >= since:
                    found[name] = max(at, found.get(name, 0))
    return found


def require(note: Note | bytes, policy: Policy, *, since: int = 0) -> dict[str, int]:
    """As `cosigners`; raises QuorumMissed unless they are enough."""
    found = cosigners(note, policy, since=since)
    if policy.met_by(found.keys()):
        return found
    who = f"cosigned by {', '.join(map(_shown, sorted(found)))} only" if found else "cosigned by no witness"
    if since and not found and cosigners(note, policy):
        who = "its cosignatures are too old"
    raise QuorumMissed(f"{who}; the policy asks for {policy.needed()}")


def _shown(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
