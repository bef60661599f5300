"""Which logs a witness cosigns: those of a file that lists them, or all that a publisher's trust root has.

The file is read again when it changes. A line is a verifier key of a log (C2SP signed-note), whose name is the log's
origin; or an origin alone, whose keys are those that sign checkpoints in the publisher's JWK Set. A log has an Ed25519
key (0x01) and an ML-DSA-44 key (0x06), and both sign. Empty lines, and lines that begin with `#`, say nothing.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from sharing.signing.keys import SigningError
from sharing.signing.note_keys import LOG_TYPES, NoteKey, log_keys
from sharing.tlog import notes
from sharing.trust.store import TrustStore
from sharing.verifier.failures import TrustRootFailed

_MAX_BYTES = 16 * 1024 * 1024
_FRESH_SECONDS, _PAUSE_SECONDS = 3600.0, 60.0

Keys = dict[str, list[NoteKey]]


class UnusableLogs(Exception):
    """The list cannot be used; the sentence names the file and the line."""


class TrustedLogs:
    """Every log of the publisher whose root is trusted in a home (`stillwatch verify init`); refreshed now and then."""

    def __init__(self, store: TrustStore, *, tell: Callable[[str], None]) -> None:
        self._store, self._tell = store, tell
        self._asked = threading.Event()
        self._is_over = False

    def keys(self, origin: str) -> Sequence[NoteKey]:
        """The keys of a log; none if the publisher has no such log, which is looked up again soon.

        Nor when what is stored of the trust root has expired: a key in it may be revoked by now.
        """
        if self._is_over:
            self._asked.set()
            return ()
        try:
            self._store.ceiling(origin)
            return self._store.log_keys(origin)
        except (TrustRootFailed, SigningError):
            self._asked.set()
            return ()

    def refresh(self) -> None:
        """Fetch what is new. Raises UnusableLogs."""
        try:
            found = self._store.refresh(datetime.now(UTC))
        except TrustRootFailed as error:
            raise UnusableLogs(error.sentence) from error
        if found.offline:
            self._tell(f"the trust root is as it was stored: {found.offline}")

    def keep_fresh(self) -> None:
        """For ever: every hour, and sooner where an unknown log was asked about."""
        while True:
            time.sleep(_PAUSE_SECONDS)
            self._asked.wait(_FRESH_SECONDS)
            self._asked.clear()
            self.freshen()

    def freshen(self) -> None:
        """One try. What is stored goes on to count until it expires, whatever is served instead of something newer."""
        try:
            self.refresh()
            self._is_over = False
        except UnusableLogs as error:
            try:
                self._store.recall(datetime.now(UTC))
                self._tell(f"the logs stay as they were: {error}")
            except TrustRootFailed as over:
                self._is_over = True
                self._tell(f"no log is cosigned until there is a newer trust root: {over.sentence}")


class LogFile:
    """The list in a file, and the JWK Set for origins that stand alone."""

    def __init__(self, path: Path, *, jwks: Path | None, tell: Callable[[str], None]) -> None:
        """Raises UnusableLogs."""
        self._path, self._jwks, self._tell = path, jwks, tell
        self._stamp = self._stamped()
        self._keys = read(path, jwks)

    @property
    def origins(self) -> list[str]:
        return sorted(self._keys)

    def keys(self, origin: str) -> Sequence[NoteKey]:
        """The keys of a log; none if it is not listed."""
        stamp = self._stamped()
        if stamp != self._stamp:
            self._stamp = stamp
            try:
                self._keys = read(self._path, self._jwks)
                self._tell(f"the list of logs was read again: {len(self._keys)}")
            except UnusableLogs as error:
                self._tell(f"the list of logs stays as it was: {error}")
        return self._keys.get(origin, ())

    def _stamped(self) -> list[tuple[int, int] | None]:
        """What changes when a file does."""
        found: list[tuple[int, int] | None] = []
        for path in (self._path, self._jwks):
            try:
                status = None if path is None else path.stat()
                found.append(None if status is None else (status.st_mtime_ns, status.st_size))
            except OSError:
                found.append(None)
        return found


def read(path: Path, jwks: Path | None) -> Keys:
    """The keys of each log, by origin. Raises UnusableLogs."""
    try:
        lines = _text(path).splitlines()
        published = None if jwks is None else json.loads(_text(jwks))
    except ValueError as error:
        raise UnusableLogs(f"{jwks} is not JSON: {error}") from error
    except RecursionError as error:
        raise UnusableLogs(f"{jwks} is nested too deeply") from error
    found: Keys = {}
    for number, line in enumerate(lines, start=1):
        said = line.strip()
        if not said or said.startswith("#"):
            continue
        try:
            for key in _keys_of(said, published):
                if key not in found.setdefault(key.name, []):
                    found[key.name].append(key)
        except (SigningError, ValueError) as error:
            raise UnusableLogs(f"{path}, line {number}: {error}") from error
    for origin, listed in found.items():
        missing = set(LOG_TYPES) - {key.type for key in listed}
        if missing:
            names = " and ".join("Ed25519" if one is LOG_TYPES[0] else "ML-DSA-44" for one in sorted(missing))
            raise UnusableLogs(f"{path}: {origin} has no {names} key, and a checkpoint has a line by each")
    return found


def _keys_of(said: str, published: object) -> list[NoteKey]:
    if "+" in said:
        key = NoteKey.from_vkey(said)
        if key.type not in LOG_TYPES:
            raise ValueError(f"a key of type {key.type:#04x} is a witness's, not a log's")
        return [key]
    if not notes.is_name(said):
        raise ValueError("neither a verifier key nor an origin")
    if published is None:
        raise ValueError("an origin alone needs the publisher's keys (--jwks)")
    found = log_keys(published, said)
    if not found:
        raise ValueError("the publisher's keys hold none that signs checkpoints")
    return found


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            raw = file.read(_MAX_BYTES + 1)
        if len(raw) > _MAX_BYTES:
            raise UnusableLogs(f"{path} is larger than {_MAX_BYTES // 1024 // 1024} MB")
        return raw.decode()
    except OSError as error:
        raise UnusableLogs(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnusableLogs(f"{path} is not UTF-8 text") from error
