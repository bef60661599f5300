"""The signer's memory of what it signed: per log the largest tree, in an SQLite file beside the keys.

It is not in the service's database, which may be restored to an earlier day; then the logs would fork, and this is what
notices. So it is never restored from a backup that is older than the last checkpoint.
"""

import sqlite3
import threading
from pathlib import Path

from sharing.signing.service import Mark

FILE = "high-water.sqlite3"


class HighWaterFile:
    """Remembers durably; for any number of threads."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error if the file is none."""
        self._lock = threading.Lock()
        path.touch(mode=0o600, exist_ok=True)
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        # A write ahead, synced at each commit: one sync, and what was committed outlives a power cut.
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")
        self._database.execute(
            "CREATE TABLE IF NOT EXISTS high_water"
            " (origin TEXT PRIMARY KEY, size INTEGER NOT NULL, root BLOB NOT NULL CHECK (length(root) = 32))"
        )

    def read(self, origin: str) -> Mark | None:
        """None if nothing of this log was signed yet."""
        with self._lock:
            found = self._database.execute(
                "SELECT size, root FROM high_water WHERE origin = ?", (origin,)
            ).fetchone()
        return None if found is None else Mark(*found)

    def write(self, origin: str, mark: Mark) -> None:
        """Durable when it returns. A tree never becomes smaller, whoever asks."""
        with self._lock:
            changed = self._database.execute(
                "INSERT INTO high_water (origin, size, root) VALUES (?, ?, ?) ON CONFLICT (origin) DO UPDATE"
                " SET size = excluded.size, root = excluded.root WHERE high_water.size < excluded.size",
                (origin, mark.size, mark.root),
            ).rowcount
        if changed != 1:
            raise ValueError(f"{origin} is remembered with {mark.size} entries or more")

    def close(self) -> None:
        self._database.close()
