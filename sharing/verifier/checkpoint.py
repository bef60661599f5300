"""Verifies a log's checkpoint: signed by the log, cosigned by enough witnesses, and fresh."""

from collections.abc import Sequence
from dataclasses import dataclass

from sharing.signing import note_keys
from sharing.signing.jws import BadSignature
from sharing.signing.keys import MalformedKeySet
from sharing.signing.note_keys import MalformedNoteKey, NoteKey
from sharing.tlog import checkpoints, notes, quorum
from sharing.tlog.checkpoints import Checkpoint, MalformedCheckpoint
from sharing.tlog.notes import MalformedNote, Note, NoteSignature
from sharing.verifier.failures import (
    Malformed,
    QuorumMissed,
    SignatureFailed,
    Stale,
    TrustRootFailed,
    shown,
)
from sharing.verifier.trust import Trust

MAX_AGE = 24 * 60 * 60
"""Seconds. A log is signed anew every 15 minutes, also when it does not grow."""
_CLOCK_SKEW = 5 * 60
_LAST = 253_402_300_799
"""The last second that can be written as a date."""


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A verified checkpoint; `timestamp` is the log's, seconds since 1970.

    `raw` has the lines that were verified and no others: it is kept and passed on, and what stands in a line by a key
    that nobody knows can be anything.
    """

    raw: bytes
    checkpoint: Checkpoint
    timestamp: int
    witnesses: tuple[str, ...]
    is_vouched: bool
    """Whether these witnesses meet the policy; True where it asks for none."""

    @property
    def size(self) -> int:
        return self.checkpoint.size

    @property
    def root(self) -> bytes:
        return self.checkpoint.root


def origin_of(raw: bytes) -> str:
    """What the checkpoint says it is of; nothing is verified. Raises Malformed."""
    return _read(raw)[1].origin


def verify_checkpoint(
    raw: bytes,
    *,
    origin: str,
    trust: Trust,
    now: int,
    max_age: int | None = MAX_AGE,
    witnessed: bool = True,
) -> SignedCheckpoint:
    """Raises the first of Malformed, SignatureFailed, QuorumMissed and Stale: the log's word is, or its witnesses' are.

    `now` and `max_age` are in seconds; a `max_age` of None is for checkpoints that may be old. Without `witnessed`, the
    policy is not asked for: the log's word alone counts.
    """
    found = verify_signed(raw, origin=origin, trust=trust)
    checkpoint, evidence = found.checkpoint, {"checkpoint": raw}
    if found.timestamp > _LAST:
        raise Malformed("the checkpoint is dated beyond the year 9999", evidence=evidence)
    cosigners = quorum.cosigners(found.note, trust.policy)
    is_vouched = trust.policy.met_by(cosigners.keys())
    if witnessed and not is_vouched:
        by = ", ".join(map(shown, sorted(cosigners))) or "nobody"
        raise QuorumMissed(
            f"the checkpoint of {checkpoint.size} entries is cosigned by {by}; it takes {trust.policy.needed()}",
            evidence=evidence,
        )
    if max_age is not None:
        age = now - found.timestamp
        if age > max_age:
            raise Stale(
                f"the checkpoint of {checkpoint.size} entries was signed {_ago(age)} ago;"
                f" {_ago(max_age)} is the most that is accepted",
                evidence=evidence,
            )
        if age < -_CLOCK_SKEW:
            raise Stale(
                f"the checkpoint is dated {_ago(-age)} ahead of this machine's clock, so its age cannot be told",
                evidence=evidence,
            )
        # The log alone can sign an old tree anew; witnesses that have seen a larger one will not. A line that is dated
        # ahead would count as new for as long.
        lately = {name for name, at in cosigners.items() if now - max_age <= at <= now + _CLOCK_SKEW}
        if witnessed and not trust.policy.met_by(lately):
            raise Stale(
                f"the checkpoint of {checkpoint.size} entries was signed anew, but too few witnesses did so in the last"
                f" {_ago(max_age)}: there may be a larger one",
                evidence=evidence,
            )
    known = _without_strangers(found.note, [*trust.log_keys(origin), *trust.policy.note_keys().values()])
    return SignedCheckpoint(bytes(known), checkpoint, found.timestamp, tuple(sorted(cosigners)), is_vouched)


def revoked_from(trust: Trust, kid: str, under: SignedCheckpoint) -> int | None:
    """From which index on what the key signed is refused; None if it is not revoked.

    Below that index it stood before, by the word of the witnesses: a checkpoint that they do not vouch for proves that
    of nothing, as whoever has that key may have the log's (trust.md, "Keys").
    """
    since = trust.revoked(kid, under.checkpoint.origin)
    return since if since is None or under.is_vouched else 0


def verify_signed(raw: bytes, *, origin: str, trust: Trust) -> note_keys.Verified:
    """Only that the log signed it, at whatever time. Raises Malformed or SignatureFailed."""
    _read(raw)
    try:
        return note_keys.verify_checkpoint(raw, origin=origin, log_keys=trust.log_keys(origin))
    except BadSignature as error:
        raise SignatureFailed(str(error), evidence={"checkpoint": raw}) from error
    except (MalformedKeySet, MalformedNoteKey) as error:
        raise TrustRootFailed(f"the log's keys: {error}") from error


def _read(raw: bytes) -> tuple[Note, Checkpoint]:
    try:
        note = notes.read(raw)
        return note, checkpoints.read(note.text)
    except (MalformedNote, MalformedCheckpoint) as error:
        raise Malformed(f"the checkpoint: {error}", evidence={"checkpoint": raw}) from error


def _without_strangers(note: Note, keys: Sequence[NoteKey]) -> Note:
    """Its right lines by these keys."""
    return Note(
        note.text, tuple(one for one in note.signatures if any(_made(key, note, one) for key in keys))
    )


def _made(key: NoteKey, note: Note, line: NoteSignature) -> bool:
    try:
        if key.made(line):
            key.verify(note.text, line.raw)
            return True
    except BadSignature:
        pass
    return False


def _ago(seconds: int) -> str:
    """In the largest unit that leaves a number of some precision."""
    for size, unit in ((86_400, "days"), (3_600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} seconds"
