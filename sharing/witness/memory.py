"""What a witness cosigned last, for each log: one SQLite file, durable before anybody is answered."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (
    origin      TEXT PRIMARY KEY,
    origin_hash TEXT NOT NULL UNIQUE,
    size        INTEGER NOT NULL CHECK (size >= 0),
    root        BLOB NOT NULL CHECK (length(root) = 32),
    signed_at   INTEGER NOT NULL,
    cosigned_at INTEGER NOT NULL,
    note        BLOB NOT NULL
) WITHOUT ROWID
"""
_BUSY_SECONDS = 10.0


class MemoryUnusable(Exception):
    """The file cannot be read or written; the sentence says why. Nothing is cosigned without it."""


@dataclass(frozen=True, slots=True)
class Cosigned:
    """The checkpoint of a log that was cosigned last. Times in seconds since 1970: when the log signed it (its
    ML-DSA-44 line), and when the witness did. `note` has the lines of both."""

    origin: str
    size: int
    root: bytes
    signed_at: int
    cosigned_at: int
    note: bytes


def origin_hash(origin: str) -> str:
    """How a log is named where its latest checkpoint is asked for."""
    return sha256(origin.encode()).hexdigest()


class Memory:
    """The file, open; used by many threads, and by other processes too."""

    def __init__(self, path: Path) -> None:
        """Opens or makes it. Raises MemoryUnusable."""
        self._lock = threading.Lock()
        self._path = path
        with self._sentence():
            self._database = sqlite3.connect(
                path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
            )
            # A commit has reached the disk when it returns, the directory's entry too.
            self._database.execute("PRAGMA synchronous = EXTRA")
            self._database.execute(_SCHEMA)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def alone(self) -> Iterator["Memory"]:
        """Nobody else looks or writes until the end; then what was written is durable, or after an error, undone."""
        with self._lock, self._sentence():
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self
                self._database.execute("COMMIT")
            except BaseException:
                if self._database.in_transaction:
                    self._database.execute("ROLLBACK")
                raise

    def latest(self, origin: str) -> Cosigned | None:
        """Inside `alone`: what was cosigned last of this log."""
        return self._one("origin", origin)

    def remember(self, cosigned: Cosigned) -> None:
        """Inside `alone`: in the place of what was cosigned before."""
        self._database.execute(
            "INSERT OR REPLACE INTO log (origin, origin_hash, size, root, signed_at, cosigned_at, note)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                cosigned.origin,
                origin_hash(cosigned.origin),
                cosigned.size,
                cosigned.root,
                cosigned.signed_at,
                cosigned.cosigned_at,
                cosigned.note,
            ),
        )

    def of_hash(self, hashed: str) -> Cosigned | None:
        """What was cosigned last of the log of this `origin_hash`."""
        with self._lock, self._sentence():
            return self._one("origin_hash", hashed)

    def all(self) -> list[Cosigned]:
        """What was cosigned last, by origin."""
        with self._lock, self._sentence():
            return [Cosigned(*row) for row in self._database.execute(f"{_SELECT} ORDER BY origin")]

    def _one(self, column: str, value: str) -> Cosigned | None:
        row = self._database.execute(f"{_SELECT} WHERE {column} = ?", (value,)).fetchone()
        return None if row is None else Cosigned(*row)

    @contextmanager
    def _sentence(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise MemoryUnusable(f"the state {self._path} cannot be used: {error}") from error


_SELECT = "SELECT origin, size, root, signed_at, cosigned_at, note FROM log"
