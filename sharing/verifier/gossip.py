"""Gossip: do two readers see the same feed? Compares the checkpoints that they believed.

Of one log, a smaller checkpoint must be the beginning of each larger one, which tiles prove. If it is not, the log's
own two signatures are the evidence that it showed one history to one reader and another to another.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from sharing.tlog import notes
from sharing.verifier import divergence
from sharing.verifier.checkpoint import SignedCheckpoint, origin_of, verify_signed
from sharing.verifier.divergence import NoProof
from sharing.verifier.failures import Fork
from sharing.verifier.source import Source, Unavailable
from sharing.verifier.trust import Trust


@dataclass(frozen=True, slots=True)
class Heard:
    """A checkpoint, from whom, and where the tiles of its log are, if that is known."""

    who: str
    raw: bytes
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class _Said:
    """As `Heard`, verified."""

    who: str
    signed: SignedCheckpoint
    source: Source | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """All who were heard about one log saw the same one; `size` and `root` are of the largest checkpoint."""

    origin: str
    size: int
    root: str
    checkpoints: int


@dataclass(frozen=True, slots=True)
class GossipReport:
    """By log."""

    logs: tuple[Agreement, ...]


def gossip(heard: Sequence[Heard], trust: Trust) -> GossipReport:
    """Raises Fork with the evidence; SignatureFailed or Malformed for what is no checkpoint of the publisher's; and
    Unavailable where two checkpoints cannot be compared, because nobody serves the tiles."""
    by_origin: dict[str, list[_Said]] = defaultdict(list)
    for one in heard:
        origin = origin_of(one.raw)
        signed = verify_signed(one.raw, origin=origin, trust=trust)
        checkpoint = SignedCheckpoint(one.raw, signed.checkpoint, signed.timestamp, (), is_vouched=False)
        by_origin[origin].append(_Said(one.who, checkpoint, one.source))
    return GossipReport(tuple(_agreed(origin, said) for origin, said in sorted(by_origin.items())))


def _agreed(origin: str, said: list[_Said]) -> Agreement:
    said.sort(key=lambda one: one.signed.size)
    for old, new in pairwise(said):
        if old.signed.size == new.signed.size:
            _same(old, new)
        elif old.signed.size:
            _compare(old, new, [one for one in said if one.signed.size >= new.signed.size])
    largest = said[-1].signed
    return Agreement(origin, largest.size, notes.to_base64(largest.root), len(said))


def _same(one: _Said, other: _Said) -> None:
    if one.signed.root != other.signed.root:
        raise Fork(
            f"the log has two histories: {one.who} and {other.who} have signed checkpoints of {one.signed.size} entries"
            " with different roots",
            evidence={"checkpoint-a": one.signed.raw, "checkpoint-b": other.signed.raw},
        )


def _compare(old: _Said, new: _Said, larger: list[_Said]) -> None:
    """Both must begin one of the `larger`, whose tiles somebody serves; it may be the new one itself."""
    reasons = []
    for whole in larger:
        if whole.source is None:
            continue
        try:
            proofs = [
                (one, divergence.beginning(whole.source, one.signed.size, whole.signed)) for one in (old, new)
            ]
        except NoProof as error:
            reasons.append(str(error))
            continue
        for one, proof in proofs:
            if proof.root != one.signed.root:
                raise Fork(
                    f"the log has two histories: the first {proof.size} entries of what {whole.who} has are others than"
                    f" those of {one.who}, and both checkpoints are signed by the log",
                    evidence={
                        "checkpoint-a": one.signed.raw,
                        "checkpoint-b": whole.signed.raw,
                        "consistency.txt": bytes(proof),
                    },
                )
        return
    why = "; ".join(reasons) or "nobody who was named serves the tiles of the larger one"
    raise Unavailable(
        f"the checkpoints of {old.who} ({old.signed.size} entries) and {new.who} ({new.signed.size}) cannot be"
        f" compared: {why}"
    )
