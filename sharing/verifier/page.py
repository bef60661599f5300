"""Verifies one TAXII page that was asked for with `proof=1`; its format is in `sharing.tlog.page`.

Proved: every object was signed, as it stands, by a key of the key set; on an unfiltered page, objects and entries fit
together one to one and the page holds what it says it holds. Not proved by a page alone: that the publisher wrote
these statements, for only objects are signed. A mirror that leaves out an object *and* its entry *and* counts anew is
found out by the checkpoint (`sync`).
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sharing.signing.keys import KeySet
from sharing.tlog.statements import TLP_LEVELS, UNVERSIONED, submitter_commitment
from sharing.verifier import envelope, markings
from sharing.verifier.envelope import Add, Entry, Envelope, Erased, Object, Withdraw
from sharing.verifier.failures import AboveCeiling, Altered, Dropped, OutOfOrder, shown
from sharing.verifier.object import verify_signature

Revoked = Callable[[str], int | None]
"""From which index on entries signed by this `kid` are refused; None where it is not revoked."""


@dataclass(frozen=True, slots=True)
class PageReport:
    """What was verified. `start`, `end` are None and `complete` is False on a filtered page."""

    origin: str
    start: int | None
    end: int | None
    objects: int
    signatures: int
    withdrawn: int
    """Entries of this page that were erased."""
    complete: bool
    """Every index in [start, end) is accounted for."""
    kids: tuple[str, ...]
    withdraws: tuple[int, ...]
    """The indexes that this page's `withdraw` statements erase: a consumer deletes its copies."""
    owed: tuple[tuple[int, int], ...]
    """(index, withdrawn_by) of erased entries whose `withdraw` statement a later page must bring."""


@dataclass(frozen=True, slots=True)
class VerifiedPage:
    """The page itself: `objects` are those of its `Add`s, in order; `kids` says who signed each."""

    report: PageReport
    envelope: Envelope
    kids: tuple[str, ...]


def verify_page(page: bytes, keys: KeySet, *, ceiling: str | None = None) -> PageReport:
    """As `read_page`, for the report alone."""
    return read_page(page, keys, ceiling=ceiling).report


def read_page(
    page: bytes, keys: KeySet, *, ceiling: str | None = None, revoked: Revoked | None = None
) -> VerifiedPage:
    """Verifies an envelope in any JSON layout. Raises the first VerificationFailed in this order:

    1. the page is in the format, no signature is missing                   Malformed, SignatureFailed
    2. as many entries as indexes, each after the one before, none twice    Dropped, OutOfOrder
    3. erased entries and `withdraw` statements refer to each other         Dropped, OutOfOrder, Altered
    4. the k-th object is the one that the k-th `add` statement describes   Altered, Dropped, OutOfOrder
    5. each object's signature was made over it by a key of the set         SignatureFailed, KeyRefused
    6. with `ceiling`, neither statement nor object is more restricted      AboveCeiling
    """
    if ceiling is not None and ceiling not in TLP_LEVELS:
        raise ValueError(f"ceiling must be one of {', '.join(TLP_LEVELS)}")

    # 1.
    found = envelope.read(page)
    adds = [entry for entry in found.entries if isinstance(entry, Add)]

    # 2.
    _verify_count(found)
    _verify_order(found.entries)

    # 3.
    withdraws, owed = _verify_withdrawals(found)

    # 4.
    _verify_digests(found.objects, adds)
    for stix, add in zip(found.objects, adds, strict=True):
        verify_description(stix, add)

    # 5.
    kids = tuple(
        verify_signature(stix.body, add.jws, keys, object_id=stix.object_id, index=add.index, revoked=revoked)
        for stix, add in zip(found.objects, adds, strict=True)
    )

    # 6.
    if ceiling is not None:
        for stix, add in zip(found.objects, adds, strict=True):
            verify_ceiling(stix, add, ceiling)

    report = PageReport(
        origin=found.origin,
        start=found.start,
        end=found.end,
        objects=len(found.objects),
        signatures=len(adds),
        withdrawn=sum(isinstance(entry, Erased) for entry in found.entries),
        complete=found.start is not None,
        kids=tuple(sorted(set(kids))),
        withdraws=withdraws,
        owed=owed,
    )
    return VerifiedPage(report, found, kids)


def _verify_count(log: Envelope) -> None:
    if log.start is None or log.end is None:
        return
    expected, found = log.end - log.start, len(log.entries)
    if found < expected:
        raise Dropped(f"the page covers {expected} entries, {log.start} to {log.end - 1}, but holds {found}")
    if found > expected:
        raise OutOfOrder(f"the page covers {expected} entries from {log.start} on, but holds {found}")


def _verify_order(entries: Sequence[Entry]) -> None:
    last_added = -1
    salts: set[bytes] = set()
    versions: set[tuple[str, str]] = set()
    for entry in entries:
        if isinstance(entry, Erased):
            continue
        object_id = entry.statement.object_id if isinstance(entry, Add) else None
        # Salts are 32 fresh random bytes: the same one again is the same entry again.
        if entry.salt in salts:
            raise OutOfOrder("the same entry again", index=entry.index, object_id=object_id)
        salts.add(entry.salt)
        # An object without versions may change and change back, so only a version is known to stand once.
        if isinstance(entry, Add) and entry.statement.version != UNVERSIONED:
            version = (entry.statement.object_id, entry.statement.version)
            if version in versions:
                raise OutOfOrder(
                    f"version {shown(version[1])} stands on the page twice",
                    index=entry.index,
                    object_id=object_id,
                )
            versions.add(version)
        if entry.statement.added <= last_added:
            raise OutOfOrder(
                f"added at {entry.statement.added}, not after the entry before it at {last_added}",
                index=entry.index,
                object_id=object_id,
            )
        last_added = entry.statement.added


def _verify_withdrawals(log: Envelope) -> tuple[tuple[int, ...], tuple[tuple[int, int], ...]]:
    """What the page's `withdraw` statements erase, and the erased entries whose statement is yet to come."""
    if log.start is None or log.end is None:
        return (), ()
    withdraws: dict[int, None] = {}
    owed: list[tuple[int, int]] = []
    for entry in log.entries:
        if isinstance(entry, Withdraw):
            target = entry.statement.target
            if target >= entry.index:
                raise OutOfOrder(f"withdraws entry {target}, which is not before it", index=entry.index)
            if target in withdraws:
                raise OutOfOrder(f"withdraws entry {target} a second time", index=entry.index)
            if target >= log.start and isinstance(log.entries[target - log.start], Withdraw):
                raise Altered(f"withdraws entry {target}, which is no object's", index=entry.index)
            withdraws[target] = None
        elif isinstance(entry, Erased):
            if entry.withdrawn_by <= entry.index:
                raise OutOfOrder(f"withdrawn by entry {entry.withdrawn_by}, not after it", index=entry.index)
            if entry.withdrawn_by >= log.end:
                owed.append((entry.index, entry.withdrawn_by))
                continue
            by = log.entries[entry.withdrawn_by - log.start]
            if not isinstance(by, Withdraw) or by.statement.target != entry.index:
                raise Dropped(
                    f"erased, but entry {entry.withdrawn_by} does not withdraw it", index=entry.index
                )
    return tuple(withdraws), tuple(owed)


def _verify_digests(objects: Sequence[Object], adds: Sequence[Add]) -> None:
    served = [stix.digest for stix in objects]
    logged = [add.statement.sha256 for add in adds]
    if served == logged:
        return
    # Something differs; the rest finds out what, the gravest first.
    entry_of = {(add.statement.object_id, add.statement.version): add for add in adds}
    log_counts, page_counts = Counter(logged), Counter(served)
    for stix in objects:
        if stix.digest not in log_counts:
            add = entry_of.get((stix.object_id, stix.version))
            if add is not None:
                raise Altered("not the object that was published", index=add.index, object_id=stix.object_id)
            raise Altered("no entry of the page is about this object", object_id=stix.object_id)
        if page_counts[stix.digest] > log_counts[stix.digest]:
            raise OutOfOrder("stands on the page more often than in the log", object_id=stix.object_id)
    for add in adds:
        if page_counts[add.statement.sha256] < log_counts[add.statement.sha256]:
            raise Dropped(
                "the object is missing from the page", index=add.index, object_id=add.statement.object_id
            )
    for stix, add in zip(objects, adds, strict=True):
        if stix.digest != add.statement.sha256:
            raise OutOfOrder(
                f"{shown(stix.object_id)} stands in its place",
                index=add.index,
                object_id=add.statement.object_id,
            )


def verify_description(stix: Object, add: Add) -> None:
    """Raises Altered unless the statement says of the object what the object says of itself."""
    statement = add.statement
    if statement.object_id != stix.object_id:
        raise Altered(
            f"the statement calls it {shown(statement.object_id)}", index=add.index, object_id=stix.object_id
        )
    if statement.version != stix.version:
        raise Altered(
            f"the statement gives version {shown(statement.version)} to version {shown(stix.version)}",
            index=add.index,
            object_id=stix.object_id,
        )
    # The publisher may restrict an object further than its marking, never less.
    if stix.level is not None and markings.above(stix.level, statement.tlp):
        raise Altered(
            f"the statement says TLP {statement.tlp}, but the object is marked {stix.level}",
            index=add.index,
            object_id=stix.object_id,
        )
    if add.submitter is not None:
        told = submitter_commitment(add.submitter.salt, add.submitter.record.encode())
        if told != statement.sub:
            raise Altered("the statement names another submitter", index=add.index, object_id=stix.object_id)


def verify_ceiling(stix: Object, add: Add, ceiling: str) -> None:
    """Raises AboveCeiling."""
    # The object's own marking is not above its statement's level by now.
    if markings.above(add.statement.tlp, ceiling):
        raise AboveCeiling(
            f"TLP {add.statement.tlp} is above the ceiling {ceiling}",
            index=add.index,
            object_id=stix.object_id,
        )
