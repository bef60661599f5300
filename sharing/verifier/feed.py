"""A copy of one feed on the partner's own disk: `feed.sqlite3`, one file that SQLite keeps whole through any crash.

Entries are *staged* page by page as they are verified, and *taken in* when a checkpoint proves them. What is erased in
the log is erased here, and overwritten in the file (`secure_delete`). For readers there are two views:

    latest     the newest version of each object         position, added, id, version, tlp, object (JSON text)
    history    every version, in the order of the log    the same
"""

import fcntl
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from sharing.signing import base64url
from sharing.tlog import page as pages
from sharing.tlog.merkle import Range, leaf_hash
from sharing.tlog.tiles import WIDTH, Coordinate, root_of_perfect
from sharing.verifier.envelope import Add, Entry, Erased, Withdraw
from sharing.verifier.failures import Altered, Dropped, OutOfOrder
from sharing.verifier.page import VerifiedPage
from sharing.verifier.source import Missing, Position

FILE = "feed.sqlite3"
_APPLICATION = 0x5357_4631  # "SWF1"

_SCHEMA = """
CREATE TABLE log (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    origin TEXT NOT NULL,
    size INTEGER NOT NULL,       -- entries that a checkpoint proves
    edge BLOB NOT NULL,          -- the tree's right edge at that size
    checkpoint BLOB              -- the checkpoint that proves them, as it was received
);
CREATE TABLE entry (
    position INTEGER PRIMARY KEY,   -- the index in the log
    committed BLOB NOT NULL,        -- its 33 bytes
    added INTEGER,                  -- µs since 1970; this and what follows is gone once it is erased
    id TEXT, version TEXT, version_order TEXT, tlp TEXT, kid TEXT, opening TEXT, body TEXT,
    target INTEGER,                 -- of a withdraw statement: what it erases
    withdrawn_by INTEGER,
    told INTEGER                    -- of an erased one: when that was told, seconds since 1970
);
CREATE INDEX entry_version ON entry (id, version_order, position) WHERE body IS NOT NULL;
CREATE INDEX entry_target ON entry (target) WHERE target IS NOT NULL;
CREATE INDEX entry_withdrawn ON entry (withdrawn_by) WHERE withdrawn_by IS NOT NULL;
CREATE INDEX entry_kid ON entry (kid, position) WHERE kid IS NOT NULL;
CREATE TABLE changed (position INTEGER PRIMARY KEY);   -- what a mirror has still to write
CREATE VIEW history AS
    SELECT position, added, id, version, tlp, body AS object FROM entry
    WHERE body IS NOT NULL AND position < (SELECT size FROM log);
CREATE VIEW latest AS
    SELECT position, added, id, version, tlp, body AS object FROM entry AS one
    WHERE body IS NOT NULL AND position < (SELECT size FROM log) AND NOT EXISTS (
        SELECT 1 FROM entry AS other
        WHERE other.id = one.id AND other.body IS NOT NULL AND other.position < (SELECT size FROM log)
        AND (other.version_order, other.position) > (one.version_order, one.position));
"""
_COLUMNS = "position, committed, added, id, version, version_order, tlp, kid, opening, body, target, withdrawn_by, told"
_INSERT = f"INSERT INTO entry ({_COLUMNS}) VALUES ({', '.join('?' * 13)})"
_ERASE = (
    "UPDATE entry SET added = NULL, id = NULL, version = NULL, version_order = NULL, tlp = NULL, kid = NULL,"
    " opening = NULL, body = NULL, withdrawn_by = ?, told = ? WHERE position = ?"
)
_RESTORE = (
    f"UPDATE entry SET {', '.join(f'{name} = ?' for name in _COLUMNS.split(', ')[2:])} WHERE position = ?"
)
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?Z", re.ASCII)


class AnotherEntry(Exception):
    """A page has another entry at `index` than what is here."""

    def __init__(self, index: int) -> None:
        super().__init__(f"entry {index} is another than the one that is here")
        self.index = index


class Unusable(Exception):
    """The folder cannot be used; the sentence says why."""


@dataclass(frozen=True, slots=True)
class State:
    """What is proved: `size` entries, the tree's edge there, and the checkpoint that proves it (None at 0)."""

    origin: str
    size: int
    edge: bytes
    checkpoint: bytes | None


class Feed:
    """One writer at a time, in this and any other process."""

    def __init__(self, database: sqlite3.Connection, lock: IO[bytes]) -> None:
        self._database, self._lock = database, lock

    @classmethod
    @contextmanager
    def open(cls, folder: Path) -> Iterator[Self]:
        """The feed in this folder, which is made if it is not there. Raises Unusable."""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock = (folder / f"{FILE}.lock").open("ab")
        except OSError as error:
            raise Unusable(f"cannot write to {folder}: {error.strerror}") from error
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as error:
                raise Unusable(f"another process is at work in {folder}") from error
            database = _opened(folder / FILE)
            try:
                yield cls(database, lock)
            except sqlite3.Error as error:
                raise Unusable(f"{folder / FILE}: {error}") from error
            finally:
                database.close()

    @property
    def state(self) -> State | None:
        """None before the first checkpoint was seen."""
        found = self._database.execute("SELECT origin, size, edge, checkpoint FROM log").fetchone()
        return None if found is None else State(*found)

    @property
    def end(self) -> int:
        """One more than the index of the last entry, staged ones included."""
        found = self._one("SELECT max(position) FROM entry")
        return 0 if found is None else int(found) + 1

    def begin(self, origin: str) -> State:
        """The state of the log `origin`. Raises Unusable where the folder holds another one's."""
        with self._database:
            self._database.execute(
                "INSERT OR IGNORE INTO log (one, origin, size, edge) VALUES (1, ?, 0, x'')", (origin,)
            )
        state = self.state
        assert state is not None
        if state.origin != origin:
            raise Unusable(f"the folder holds the feed {state.origin}, not {origin}; use another one")
        return state

    def position(self, index: int | None = None) -> Position:
        """Where to read on so that the entry `index` comes next; the first that is not here, unless given."""
        index = self.end if index is None else index
        added = self._one(
            "SELECT added FROM entry WHERE position < ? AND added IS NOT NULL ORDER BY position DESC LIMIT 1",
            (index,),
        )
        return Position(index, added)

    def stage(self, page: VerifiedPage, *, now: int) -> None:
        """Keep the page's entries; those that are here already must be the same ones.

        Raises AnotherEntry or OutOfOrder if the page does not fit what is here. `now` in seconds.
        """
        end = self.end
        rows = list(_rows(page, now))
        known = [row for row in rows if row[0] < end]
        for row in known:
            committed = self._one("SELECT committed FROM entry WHERE position = ?", (row[0],))
            if committed != row[1]:
                raise AnotherEntry(row[0])
        new = rows[len(known) :]
        last = self.position().added
        first = next((row for row in new if row[2] is not None), None)
        if last is not None and first is not None and first[2] <= last:
            raise OutOfOrder(
                f"added at {first[2]}, not after the entry before it at {last}", index=int(first[0])
            )
        with self._database:
            self._database.executemany(_INSERT, new)
            self._database.executemany("INSERT OR IGNORE INTO changed VALUES (?)", [(row[0],) for row in new])

    def sign_anew(self, page: VerifiedPage, size: int, *, now: int) -> bool:
        """Take the signatures, and disclosures, of entries that are here already. Of one that is erased by an entry not
        within `size`, only that this was told, at `now` (seconds): until it is proved, the object stays.

        Whether anything is so erased.
        """
        promised = False
        with self._database:
            for row in _rows(page, now):
                if row[7] is not None:
                    change = "UPDATE entry SET kid = ?, opening = ?"
                    said = row[7:9]
                elif row[11] is not None and row[11] >= size:
                    change = "UPDATE entry SET withdrawn_by = ?, told = ?"
                    said = row[11:13]
                else:
                    continue
                changed = self._database.execute(
                    f"{change} WHERE position = ? AND committed = ? AND body IS NOT NULL"
                    " AND withdrawn_by IS NULL RETURNING position",
                    (*said, row[0], row[1]),
                ).fetchone()
                if changed is not None:
                    promised |= row[7] is None
                    self._database.execute("INSERT OR IGNORE INTO changed VALUES (?)", changed)
        return promised

    def leaves(self, start: int, end: int) -> Iterator[bytes]:
        """The leaf hashes of the entries [start, end)."""
        found = self._database.execute(
            "SELECT committed FROM entry WHERE position >= ? AND position < ? ORDER BY position", (start, end)
        )
        return (leaf_hash(committed) for (committed,) in found)

    def unmet(self, size: int) -> tuple[int, int] | None:
        """(index, withdrawn_by) of the first erased entry whose `withdraw` should be within `size`, and is not."""
        found: tuple[int, int] | None = self._database.execute(
            "SELECT one.position, one.withdrawn_by FROM entry AS one"
            " LEFT JOIN entry AS by ON by.position = one.withdrawn_by"
            " WHERE one.withdrawn_by IS NOT NULL AND one.withdrawn_by < ?"
            " AND by.target IS NOT one.position ORDER BY one.position LIMIT 1",
            (size,),
        ).fetchone()
        return found

    def unproved(self, size: int, *, after: int) -> int | None:
        """The first index after `after` that was proved and then believed to be erased, by an entry that is not
        within `size`, or that does not withdraw it."""
        found = self._one(
            "SELECT min(one.position) FROM entry AS one LEFT JOIN entry AS by ON by.position = one.withdrawn_by"
            " WHERE one.withdrawn_by >= (SELECT size FROM log) AND one.position < (SELECT size FROM log)"
            " AND one.position > ? AND (one.withdrawn_by >= ? OR by.target IS NOT one.position)",
            (after, size),
        )
        return None if found is None else int(found)

    def settle(self, page: VerifiedPage, size: int) -> bool:
        """Take what a page has for the entries that are `unproved`: the object, or another entry that erased it.

        Whether anything changed. Raises Altered: what is proved to stand there is another entry.
        """
        settled = False
        with self._database:
            for row in _rows(page, 0):
                if self.unproved(size, after=int(row[0]) - 1) != row[0]:
                    continue
                if self._one("SELECT committed FROM entry WHERE position = ?", (row[0],)) != row[1]:
                    raise Altered("not the entry that was proved to stand here", index=int(row[0]))
                if row[11] is not None:
                    changed = self._database.execute(
                        "UPDATE entry SET withdrawn_by = ? WHERE position = ? AND withdrawn_by <> ?",
                        (row[11], row[0], row[11]),
                    ).rowcount
                else:
                    changed = self._database.execute(_RESTORE, (*row[2:], row[0])).rowcount
                if changed:
                    settled = True
                    self._database.execute("INSERT OR IGNORE INTO changed VALUES (?)", (row[0],))
        return settled

    def owed(self, size: int) -> list[tuple[int, int, int, bool]]:
        """(index, withdrawn_by, told, whether its object is still here) of proved entries that were erased by one that
        is not proved at `size`."""
        return self._database.execute(
            "SELECT position, withdrawn_by, told, body IS NOT NULL FROM entry"
            " WHERE withdrawn_by >= ? AND position < ? ORDER BY 1",
            (size, size),
        ).fetchall()

    def take_in(self, size: int, edge: Range, checkpoint: bytes) -> tuple[int, int]:
        """The checkpoint proves all entries below `size`: show them, and erase what they withdraw.

        How many objects are new, and how many were erased here. Raises Dropped, OutOfOrder or Altered.
        """
        state = self.state
        assert state is not None
        with self._database:
            if (missed := self.unmet(size)) is not None:
                raise Dropped(f"erased, but entry {missed[1]} does not withdraw it", index=missed[0])
            withdrawals = self._database.execute(
                "SELECT w.position, w.target, w.added, e.target IS NOT NULL, e.withdrawn_by, e.body IS NOT NULL"
                " FROM entry AS w LEFT JOIN entry AS e ON e.position = w.target"
                " WHERE w.target IS NOT NULL AND w.position >= ? AND w.position < ? ORDER BY w.position",
                (state.size, size),
            ).fetchall()
            erased = 0
            for position, target, added, of_withdraw, withdrawn_by, standing in withdrawals:
                if of_withdraw:
                    raise Altered(f"withdraws entry {target}, which is no object's", index=position)
                if withdrawn_by not in (None, position):
                    raise OutOfOrder(f"withdraws entry {target} a second time", index=position)
                if standing:
                    erased += target < state.size
                    self._database.execute(_ERASE, (position, added // 1_000_000, target))
                    self._database.execute("INSERT OR IGNORE INTO changed VALUES (?)", (target,))
            self._database.execute(
                "UPDATE log SET size = ?, edge = ?, checkpoint = ?", (size, bytes(edge), checkpoint)
            )
            new = self._one(
                "SELECT count(*) FROM entry WHERE body IS NOT NULL AND position >= ? AND position < ?",
                (state.size, size),
            )
        return int(new or 0), erased

    def drop_staged(self) -> None:
        """Forget what no checkpoint proves."""
        with self._database:
            self._database.execute("DELETE FROM entry WHERE position >= (SELECT size FROM log)")
            self._database.execute("DELETE FROM changed WHERE position >= (SELECT size FROM log)")
            # A mirror's last page may show some of it.
            self._database.execute("INSERT OR IGNORE INTO changed SELECT size - 1 FROM log WHERE size > 0")

    def signed_by(self, kid: str, *, since: int) -> int | None:
        """The first index from `since` on whose signature is by this key, and that nobody said is erased."""
        found = self._one(
            "SELECT min(position) FROM entry WHERE kid = ? AND position >= ? AND withdrawn_by IS NULL",
            (kid, since),
        )
        return None if found is None else int(found)

    def kids(self) -> list[str]:
        """Whose signatures are here."""
        return [
            kid for (kid,) in self._database.execute("SELECT DISTINCT kid FROM entry WHERE kid IS NOT NULL")
        ]

    def objects(self, view: str = "latest", *, kind: str | None = None, since: int = 0) -> Iterator[str]:
        """JSON texts of the proved objects, in the order of the log; `kind` is a STIX type."""
        assert view in ("latest", "history")
        found = self._database.execute(
            f"SELECT object FROM {view} WHERE position >= ? AND (? IS NULL OR id LIKE ? || '--%') ORDER BY position",
            (since, kind, kind),
        )
        return (body for (body,) in found)

    def count(self) -> int:
        """Of the proved objects, newest versions only."""
        return int(self._one("SELECT count(*) FROM latest") or 0)

    # What a mirror writes

    def shown_end(self) -> int:
        """One more than the last entry that a mirror shows: what is proved, and withdrawals that it owes."""
        found = self._one(
            "SELECT max(log.size, coalesce(max(entry.withdrawn_by) + 1, 0)) FROM log"
            " LEFT JOIN entry ON entry.withdrawn_by >= log.size AND entry.position < log.size"
        )
        return int(found or 0)

    def changed(self, width: int) -> list[int]:
        """The starts of the pages of `width` entries in which something has changed since it was `written`."""
        found = self._database.execute(
            "SELECT DISTINCT position / ? * ? FROM changed ORDER BY 1", (width, width)
        )
        return [start for (start,) in found]

    def written(self, start: int, end: int) -> None:
        """The page [start, end) is on disk."""
        with self._database:
            self._database.execute("DELETE FROM changed WHERE position >= ? AND position < ?", (start, end))

    def page(self, start: int, end: int) -> tuple[list[bytes], list[bytes]]:
        """The objects and the openings of the entries [start, end)."""
        objects, openings = [], []
        for committed, opening, body, withdrawn_by in self._database.execute(
            "SELECT committed, opening, body, withdrawn_by FROM entry WHERE position >= ? AND position < ?"
            " ORDER BY position",
            (start, end),
        ):
            if withdrawn_by is not None:
                openings.append(pages.withdrawn(committed, withdrawn_by))
                continue
            if body is not None:
                objects.append(body.encode())
            openings.append(opening.encode())
        return objects, openings

    def _one(self, query: str, parameters: Sequence[object] = ()) -> Any:
        found = self._database.execute(query, parameters).fetchone()
        return None if found is None else found[0]


class Copied:
    """A feed's tiles, as a source."""

    def __init__(self, feed: Feed) -> None:
        self._feed = feed

    def checkpoint(self) -> bytes:
        state = self._feed.state
        if state is None or state.checkpoint is None:
            raise Missing("nothing is proved here yet")
        return state.checkpoint

    def tile(self, tile: Coordinate) -> bytes:
        if tile.level == "entries":
            raise Missing("a copy serves hashes only")
        span = WIDTH**tile.level
        start = tile.index * WIDTH * span
        leaves = list(self._feed.leaves(start, start + tile.width * span))
        return b"".join(root_of_perfect(leaves[at : at + span]) for at in range(0, len(leaves), span))

    def page(self, at: Position) -> bytes | None:
        return None


def _opened(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, isolation_level="IMMEDIATE")
        database.execute("PRAGMA secure_delete = ON")
        database.execute("PRAGMA synchronous = FULL")
        (application,) = database.execute("PRAGMA application_id").fetchone()
        if application == 0 and not database.execute("SELECT 1 FROM sqlite_master").fetchone():
            database.executescript(f"BEGIN; PRAGMA application_id = {_APPLICATION};{_SCHEMA} COMMIT;")
        elif application != _APPLICATION:
            raise Unusable(f"{path} is not a feed of this version")
    except sqlite3.Error as error:
        raise Unusable(f"{path}: {error}") from error
    return database


def _rows(page: VerifiedPage, now: int) -> Iterable[tuple[Any, ...]]:
    """The page's entries as rows of the table."""
    objects = iter(zip(page.envelope.objects, page.kids, strict=True))
    for entry in page.envelope.entries:
        if isinstance(entry, Erased):
            yield (entry.index, entry.commit, *[None] * 9, entry.withdrawn_by, now)
            continue
        added, opening = entry.statement.added, _opening(entry)
        if isinstance(entry, Withdraw):
            target = entry.statement.target
            yield (entry.index, entry.commit, added, *[None] * 5, opening, None, target, None, None)
            continue
        stix, kid = next(objects)
        said = entry.statement
        yield (
            *(entry.index, entry.commit, added, said.object_id, said.version, _order(said.version), said.tlp),
            *(kid, opening, stix.body.decode(), None, None, None),
        )


def _opening(entry: Entry) -> str:
    assert not isinstance(entry, Erased)
    opening: dict[str, object] = {"salt": base64url.encode(entry.salt), "stmt": entry.text}
    if isinstance(entry, Add):
        opening["jws"] = entry.jws
        if entry.submitter is not None:
            record = entry.submitter
            opening["sub"] = {"salt": base64url.encode(record.salt), "record": record.record}
    return json.dumps(opening, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def _order(version: str) -> str:
    """A text that orders versions by time, whatever the precision of each."""
    match = _TIMESTAMP.fullmatch(version)
    return f"{match[1]}.{match[2] or '':0<9}" if match else version
