"""Keeps a copy of a feed that is proved to be complete, fresh and the same as everybody's.

    trust root (19) → checkpoint signed (10), cosigned (17), fresh (16) → not behind what is known (14),
    not beside it (15) → pages, each verified, staged → the entries' root is the checkpoint's → taken in

Entries beyond the checkpoint stay staged until one covers them. Nothing is shown to readers before.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from sharing.tlog import checkpoints, notes
from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.merkle import Range
from sharing.verifier import divergence
from sharing.verifier.checkpoint import (
    MAX_AGE,
    SignedCheckpoint,
    origin_of,
    revoked_from,
    verify_checkpoint,
)
from sharing.verifier.failures import (
    Altered,
    Dropped,
    Fork,
    Malformed,
    OutOfOrder,
    Rollback,
    VerificationFailed,
    shown,
)
from sharing.verifier.feed import AnotherEntry, Feed
from sharing.verifier.page import VerifiedPage, read_page
from sharing.verifier.source import Position, Source, Unavailable
from sharing.verifier.trust import Trust, ceiling_of

_ROUNDS = 3
"""A log that grows while it is read is followed so often."""
_GRACE = 5 * 60
"""Seconds. An entry that was served is in the log's checkpoint within 60."""
_HEARTBEAT = 15 * 60
"""Seconds. By then a log that did not grow is signed anew."""
_AHEAD = 1_000_000
"""Entries beyond the checkpoint that a withdrawal may be looked for in: nothing proves them, and they fill the disk."""


class Progress(Protocol):
    """Hears how far it is."""

    def at(self, entries: int, of: int) -> None:
        """So many entries are read of so many that the checkpoint has."""


class _Silence:
    def at(self, entries: int, of: int) -> None:
        """Nobody listens."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What is here now, proved; and what of it this run brought. `timestamp`: of the checkpoint, seconds."""

    origin: str
    size: int
    root: str
    timestamp: int
    witnesses: tuple[str, ...]
    witnessed: bool
    """Whether the policy was asked for; without, the log's word alone says that it is fresh and the same for all."""
    ceiling: str | None
    """What the log may hold at most; None where the trust root does not know it, as of an inbox."""
    objects: int
    """Newest versions, of all that is here."""
    new_entries: int
    new_objects: int
    erased: int
    """Objects that were here before and are erased now."""
    owed: int
    """Erased entries whose withdrawal the next checkpoint has to prove."""
    waiting: int
    """Entries that wait for the next checkpoint."""


class Sync:
    """One run, by a `clock` of seconds since 1970. `known` are checkpoints that were verified before, of this log,
    elsewhere than in the feed."""

    def __init__(
        self,
        source: Source,
        feed: Feed,
        trust: Trust,
        *,
        collection: str,
        clock: Callable[[], int],
        max_age: int = MAX_AGE,
        witnessed: bool = True,
        known: Sequence[bytes] = (),
        progress: Progress | None = None,
    ) -> None:
        self._source, self._feed, self._trust = source, feed, trust
        self._collection, self._clock, self._max_age = collection, clock, max_age
        self._elsewhere, self._witnessed = known, witnessed
        self._progress = progress or _Silence()
        self._ceiling: str | None = None
        self._forgotten = False

    def run(self) -> tuple[SyncReport, SignedCheckpoint]:
        """Raises VerificationFailed, with evidence; Unavailable; Unusable."""
        raw = self._source.checkpoint()
        origin = origin_of(raw)
        if not origin.endswith(f"/log/{self._collection}"):
            raise Altered(
                f"the checkpoint is that of {shown(origin)}, not of the collection asked for",
                evidence={"checkpoint": raw},
            )
        self._ceiling = ceiling_of(self._trust, origin, witnessed=self._witnessed)
        new = self._verified(raw, origin)
        before = self._feed.begin(origin)
        for known in self._known(origin):
            _not_behind(new, known)
        new_objects = erased = 0
        inherited = self._feed.end > before.size
        for _ in range(_ROUNDS):
            try:
                self._read_until(new)
                added, gone = self._take_in(new)
            except VerificationFailed:
                # What was staged may be as untrue as what gave it away; an honest source must find no trace of it.
                self._feed.drop_staged()
                if not inherited:
                    raise
                # It may be what an earlier run was told, by somebody else: this source is judged by what it says.
                inherited = False
                continue
            new_objects, erased = new_objects + added, erased + gone
            if self._feed.end == new.size:
                break
            later = self._verified(self._source.checkpoint(), origin)
            if later.size == new.size:
                _not_behind(later, (new.raw, new.checkpoint))
            if later.size <= new.size:
                break
            new = later
        self._sign_anew(new)
        return self._report(new, before.size, new_objects, erased), new

    def _verified(self, raw: bytes, origin: str) -> SignedCheckpoint:
        return verify_checkpoint(
            raw,
            origin=origin,
            trust=self._trust,
            now=self._clock(),
            max_age=self._max_age,
            witnessed=self._witnessed,
        )

    def _known(self, origin: str) -> list[tuple[bytes, Checkpoint]]:
        """The checkpoints that were believed before, the feed's and those from elsewhere."""
        state = self._feed.state
        raws = [*self._elsewhere]
        if state is not None and state.checkpoint is not None:
            raws.insert(0, state.checkpoint)
        found = [(raw, checkpoints.read(notes.read(raw).text)) for raw in raws]
        return [(raw, one) for raw, one in found if one.origin == origin]

    def _read_until(self, new: SignedCheckpoint) -> None:
        """Stage pages until the checkpoint is covered, and whatever they say is erased has its withdrawal."""
        feed = self._feed
        self._read_on(new)
        if self._settle(new):
            self._read_on(new)
        if feed.end < new.size:
            raise Dropped(
                f"the pages end before entry {feed.end}, but the log has {new.size} entries",
                evidence={"checkpoint": new.raw},
            )
        if (missed := feed.unmet(2**62)) is not None:
            raise Dropped(
                f"erased, but entry {missed[1]} does not withdraw it",
                index=missed[0],
                evidence={"checkpoint": new.raw},
            )

    def _read_on(self, new: SignedCheckpoint) -> None:
        """Stage pages as long as something is missing and they bring more."""
        feed, at, reached = self._feed, self._feed.position(), -1
        self._progress.at(feed.end, new.size)
        while feed.end < new.size or feed.unmet(2**62) is not None:
            raw = self._source.page(at)
            if raw is None:
                break
            try:
                page = self._page(raw, new)
                self._in_order(page, at)
                end = feed.end
                feed.stage(page, now=self._clock())
            except AnotherEntry as error:
                if not self._is_only_staged(error.index, new):
                    raise Altered(
                        "not the entry that was proved to stand here",
                        index=error.index,
                        evidence={"page.json": raw, "checkpoint": new.raw},
                    ) from error
                at, reached = feed.position(), -1
                continue
            except VerificationFailed as failure:
                failure.evidence.setdefault("page.json", raw)
                failure.evidence.setdefault("checkpoint", new.raw)
                raise
            self._progress.at(feed.end, new.size)
            envelope = page.envelope
            assert envelope.end is not None
            if feed.end == end:
                if not envelope.more or envelope.next is None:
                    break
                # Of what is here already, a cursor may have to pass some pages; but it must pass them.
                if envelope.end <= reached:
                    raise OutOfOrder(
                        f"the same page again, to entry {end - 1}",
                        evidence={"page.json": raw, "checkpoint": new.raw},
                    )
            reached = envelope.end
            at = replace(feed.position(), next=envelope.next if envelope.more else None)

    def _settle(self, new: SignedCheckpoint) -> bool:
        """Ask again for what was said to be erased by an entry that turned out to be none, or that is not in the log
        yet: it was believed before it was proved. Whether something else is said of it now."""
        changed, last = False, -1
        while (index := self._feed.unproved(new.size, after=last)) is not None:
            last = index
            try:
                raw = self._source.page(self._feed.position(index))
            except Unavailable:
                continue
            if raw is None:
                continue
            try:
                page = self._page(raw, new)
                changed |= self._feed.settle(page, new.size)
            except VerificationFailed as failure:
                failure.evidence.setdefault("page.json", raw)
                failure.evidence.setdefault("checkpoint", new.raw)
                raise
            assert page.envelope.end is not None
            last = max(last, page.envelope.end - 1)
        return changed

    def _is_only_staged(self, index: int, new: SignedCheckpoint) -> bool:
        """Whether what is here of that entry was never proved: then it is forgotten, once, and read again.

        Raises Fork if what was proved is no beginning of the new checkpoint's tree.
        """
        state = self._feed.state
        assert state is not None
        if index >= state.size and not self._forgotten:
            self._forgotten = True
            self._feed.drop_staged()
            return True
        for raw, known in self._known(state.origin):
            if known.size < new.size:
                divergence.compare(self._source, raw, known.size, known.root, new)
        return False

    def _page(self, raw: bytes, new: SignedCheckpoint) -> VerifiedPage:
        origin = new.checkpoint.origin
        page = read_page(
            raw,
            self._trust.keys,
            ceiling=self._ceiling,
            revoked=lambda kid: revoked_from(self._trust, kid, new),
        )
        if page.report.origin != origin:
            raise Altered(f"the page is one of {shown(page.report.origin)}, another log")
        if page.envelope.start is None:
            raise Malformed("the page is a filtered one, which cannot be complete")
        for index, withdrawn_by in page.report.owed:
            if withdrawn_by >= new.size + _AHEAD:
                raise Dropped(
                    f"erased, but by entry {withdrawn_by}, which is far beyond the log's {new.size}",
                    index=index,
                )
        return page

    def _in_order(self, page: VerifiedPage, at: Position) -> None:
        """Raises Dropped or OutOfOrder unless the page goes on where what is here ends."""
        start, end = page.envelope.start, self._feed.end
        assert start is not None
        if start <= end:
            return
        # Left out, or only late? The page that follows tells.
        try:
            following = self._source.page(replace(at, index=start, next=page.envelope.next))
            late = following is not None and read_page(following, self._trust.keys).envelope.start == end
        except (VerificationFailed, Unavailable):
            late = False
        if late:
            raise OutOfOrder(f"a page from entry {start} on stands where that from entry {end} on belongs")
        raise Dropped(f"entries {end} to {start - 1} are left out between two pages")

    def _take_in(self, new: SignedCheckpoint) -> tuple[int, int]:
        """(new objects, erased ones) if the entries lead to the checkpoint's root."""
        state = self._feed.state
        assert state is not None
        try:
            return self._feed.take_in(new.size, self._proved(new), new.raw)
        except VerificationFailed as failure:
            failure.evidence.setdefault("checkpoint", new.raw)
            raise

    def _proved(self, new: SignedCheckpoint) -> Range:
        """The edge at the checkpoint's size. Raises whatever explains that the root is another."""
        state = self._feed.state
        assert state is not None
        edge = Range(state.size, state.edge)
        known = {one.size: (raw, one) for raw, one in self._known(state.origin)}
        at = state.size
        for stop in sorted({size for size in known if state.size < size < new.size} | {new.size}):
            edge.extend(self._feed.leaves(at, stop))
            at = stop
            if stop in known and stop != new.size and edge.root() != known[stop][1].root:
                raw, one = known[stop]
                divergence.compare(self._source, raw, one.size, one.root, new)
        if edge.root() != new.root:
            for raw, one in sorted(known.values(), key=lambda found: found[1].size):
                if one.size < new.size:
                    divergence.compare(self._source, raw, one.size, one.root, new)
            before = Range(state.size, state.edge)
            found = list(self._feed.leaves(state.size, new.size))
            raise divergence.untrue_page(self._source, new, before, found)
        return edge

    def _sign_anew(self, new: SignedCheckpoint) -> None:
        """What was signed by a key that is revoked since, from that index on, must by now be signed by another, or be
        erased: by an entry that may lie beyond the checkpoint, and is owed then as any other."""
        promised = False
        for kid in self._feed.kids():
            since = revoked_from(self._trust, kid, new)
            if since is None:
                continue
            while (index := self._feed.signed_by(kid, since=since)) is not None:
                raw = self._source.page(self._feed.position(index))
                if raw is None:
                    raise Dropped("no page holds it any more", index=index)
                try:
                    page = self._page(raw, new)
                except VerificationFailed as failure:
                    failure.evidence.setdefault("page.json", raw)
                    failure.evidence.setdefault("checkpoint", new.raw)
                    raise
                promised |= self._feed.sign_anew(page, new.size, now=self._clock())
                if self._feed.signed_by(kid, since=since) == index:
                    raise Altered("signed anew, but as another entry", index=index)
        if promised:
            self._read_until(new)

    def _report(self, new: SignedCheckpoint, before: int, new_objects: int, erased: int) -> SyncReport:
        owed = self._feed.owed(new.size)
        for index, withdrawn_by, told, promised in owed:
            # Told to us before the log signed this checkpoint, which should then have it. Of what is here with a
            # signature that counts no more, a source that serves no later checkpoint could say it for ever.
            if told + _GRACE < new.timestamp or (promised and told + _GRACE + _HEARTBEAT < self._clock()):
                raise Dropped(
                    f"erased, but entry {withdrawn_by} that should withdraw it is not in the log",
                    index=index,
                    evidence={"checkpoint": new.raw},
                )
        return SyncReport(
            origin=new.checkpoint.origin,
            size=new.size,
            root=notes.to_base64(new.root),
            timestamp=new.timestamp,
            witnesses=new.witnesses,
            witnessed=self._witnessed,
            ceiling=self._ceiling,
            objects=self._feed.count(),
            new_entries=new.size - before,
            new_objects=new_objects,
            erased=erased,
            owed=len(owed),
            waiting=self._feed.end - new.size,
        )


def _not_behind(new: SignedCheckpoint, known: tuple[bytes, Checkpoint]) -> None:
    """Raises Rollback or Fork."""
    raw, one = known
    evidence = {"checkpoint-known": raw, "checkpoint-new": new.raw}
    if new.size < one.size:
        raise Rollback(
            f"the checkpoint has {new.size} entries, but {one.size} were proved before: the log was rolled back, or"
            " this is an old copy of it",
            evidence=evidence,
        )
    if new.size == one.size and new.root != one.root:
        raise Fork(
            f"the log has two histories: two signed checkpoints of {new.size} entries with different roots",
            evidence=evidence,
        )
