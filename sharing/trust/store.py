"""What a partner trusts: a root.json it was given once, and everything that follows from it (TUF 1.0 §5).

    <home>/trust/root.json     as it was given, out of band
    <home>/trust/location      where the publisher, or a mirror, is
    <home>/trust/current       the name of the folder below that is complete
    <home>/trust/<n>/metadata/ python-tuf's own files
    <home>/trust/<n>/targets/  jwks.json, policy.txt, revocations.json, collections.json

A refresh works on a copy and takes its place once everything is verified: one that breaks off leaves what stood.
"""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import httpx
from tuf.api import exceptions
from tuf.api.metadata import Metadata, Root, Signed
from tuf.api.serialization import DeserializationError
from tuf.ngclient import FetcherInterface, Updater

from sharing.signing import note_keys
from sharing.signing.keys import KeySet, MalformedKeySet
from sharing.signing.note_keys import NoteKey
from sharing.tlog.policy import MalformedPolicy, Policy
from sharing.trust.ceilings import Ceilings
from sharing.trust.fetchers import FolderFetcher, HttpFetcher, StoredFetcher
from sharing.trust.revocations import MalformedDocument, Revocations
from sharing.trust.roles import (
    COLLECTIONS,
    COLLECTIONS_FILE,
    JWKS_FILE,
    OFFLINE_FILES,
    POLICY_FILE,
    REVOCATIONS_FILE,
    ROOT,
    SNAPSHOT,
    TARGETS,
    TIMESTAMP,
    TUF_PATH,
    metadata_path,
    target_path,
)
from sharing.verifier import strict_json
from sharing.verifier.failures import Malformed, TrustRootFailed, UnknownLog, shown

_Read = TypeVar("_Read")

_TIMEOUT = httpx.Timeout(30.0, connect=10.0)
_SIGNED_BY = re.compile(r"(\S+) was signed by (\d+)/(\d+) keys")
_EXPIRED = re.compile(r"(?:Final |New )?([a-z]+)(?:\.json)? is expired")


@dataclass(frozen=True, slots=True)
class Refreshed:
    """How what is trusted was found. `offline` says why the location was not reached, and that what was stored is
    still good; empty otherwise. `expires`: the earliest end of any metadata in use."""

    root_version: int
    timestamp_version: int
    expires: datetime
    offline: str


@dataclass(frozen=True, slots=True)
class _Documents:
    jwks: object
    keys: KeySet
    policy: Policy
    revocations: Revocations
    ceilings: Ceilings


class TrustStore:
    """The publisher's keys, policy, revocations and logs, as its trust root has them. `refresh` comes first."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "trust"
        self._read: _Documents | None = None

    @classmethod
    def init(cls, home: Path, root: bytes, location: str) -> "TrustStore":
        """Trust this root.json from now on, and find its repository at `location`: the address of the service or of a
        mirror, or a mirror's folder. Raises TrustRootFailed: not a root, or another one is trusted already."""
        store = cls(home)
        _read_root(root)
        given = store._folder / "root.json"
        if given.exists() and given.read_bytes() != root:
            raise TrustRootFailed(f"{home} trusts another root.json already; use another home for this one")
        store._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(store._folder / "location", location.encode())
        _write(given, root)
        return store

    @classmethod
    def exists(cls, home: Path) -> bool:
        """Whether a root is trusted in this home."""
        return (home / "trust" / "root.json").exists()

    @property
    def location(self) -> str:
        """Where it looks."""
        return self._stored("location").decode()

    def refresh(
        self, now: datetime, *, location: str | None = None, client: httpx.Client | None = None
    ) -> Refreshed:
        """Fetch and verify what is new. What cannot be reached is no failure while what is stored has not expired.

        `location` instead of the usual one, for this time. Raises TrustRootFailed.
        """
        root = self._stored("root.json")
        where = (location or self.location).rstrip("/")
        if re.match(r"https?://", where):
            http = nullcontext(client) if client is not None else httpx.Client(timeout=_TIMEOUT)
            with http as session:
                return self._refresh(root, where, HttpFetcher(session), now)
        folder = where.removeprefix("file://")
        if not Path(folder).is_dir():
            raise TrustRootFailed(f"there is no folder {shown(folder)} to read the trust root from")
        return self._refresh(root, quote(str(Path(folder).resolve())), FolderFetcher(), now)

    def recall(self, now: datetime) -> Refreshed:
        """What was fetched last, verified again without any network. Raises TrustRootFailed."""
        root, current = self._stored("root.json"), self._current()
        if current is None:
            raise TrustRootFailed("nothing of the trust root was fetched yet: stillwatch verify init")
        with self._alone(), tempfile.TemporaryDirectory(dir=self._folder, prefix="recall-") as staging:
            current = self._current() or current
            work = Path(staging) / "work"
            shutil.copytree(current, work, symlinks=True)
            found = _update(work, root, "stored:", StoredFetcher(work / "metadata"), now)
            self._read = _documents_of(work / "targets")
        return Refreshed(*found, "not asked for")

    def repository(self) -> dict[str, bytes]:
        """What is trusted now as a repository serves it, by path below it, the timestamp last; the root's versions
        from the one that was given on."""
        current = self._current()
        if current is None:
            raise TrustRootFailed("nothing of the trust root was fetched yet: stillwatch verify init")
        files: dict[str, bytes] = {}
        for raw in (
            self._stored("root.json"),
            *_bytes_in(current / "metadata" / "root_history", "*.root.json"),
        ):
            files[metadata_path(ROOT, Metadata[Root].from_bytes(raw).signed.version)] = raw
        for name in (*OFFLINE_FILES, COLLECTIONS_FILE):
            raw = (current / "targets" / name).read_bytes()
            files[target_path(name, raw)] = raw
        for role in (TARGETS, COLLECTIONS, SNAPSHOT, TIMESTAMP):
            raw = (current / "metadata" / f"{role}.json").read_bytes()
            files[metadata_path(role, Metadata.from_bytes(raw).signed.version)] = raw
        return files

    @property
    def keys(self) -> KeySet:
        """The keys that sign objects, receipts and deliveries, the revoked ones too: ask `revoked`."""
        return self._documents.keys

    def log_keys(self, origin: str) -> list[NoteKey]:
        """The keys that sign the checkpoints of this log."""
        return note_keys.log_keys(self._documents.jwks, origin)

    @property
    def policy(self) -> Policy:
        """Who must have cosigned a checkpoint."""
        return self._documents.policy

    @property
    def revocations(self) -> Revocations:
        """All that is revoked."""
        return self._documents.revocations

    def ceiling(self, origin: str) -> str:
        """The most restricted TLP level that this log may hold. Raises UnknownLog if the publisher has no such log, or
        it is an inbox."""
        ceiling = self._documents.ceilings.of_log(origin)
        if ceiling is None:
            raise UnknownLog(
                f"the trust root knows no log {shown(origin)}; of an inbox, say --without-witnesses"
            )
        return ceiling

    def revoked(self, kid: str, origin: str) -> int | None:
        """From which index of this log on the key's signatures count no more; None if it is not revoked."""
        return self._documents.revocations.from_index(kid, origin)

    @property
    def _documents(self) -> _Documents:
        if self._read is None:
            raise RuntimeError("a trust store is refreshed before it is asked")
        return self._read

    def _refresh(self, root: bytes, base: str, fetcher: FetcherInterface, now: datetime) -> Refreshed:
        with self._alone(), tempfile.TemporaryDirectory(dir=self._folder, prefix="refresh-") as staging:
            work = Path(staging) / "work"
            current = self._current()
            if current is not None:
                shutil.copytree(current, work, symlinks=True)
            (work / "metadata").mkdir(parents=True, exist_ok=True)
            (work / "targets").mkdir(exist_ok=True)
            offline = ""
            try:
                found = _update(work, root, f"{base}/{TUF_PATH}", fetcher, now)
            except exceptions.DownloadHTTPError as error:
                raise TrustRootFailed(f"no trust root is served there: {error}") from error
            except exceptions.DownloadError as error:
                offline = str(error.__cause__ or error)
                found = self._offline(work, root, current, offline, now)
            documents = _documents_of(work / "targets")
            if not offline:
                self._take(work)
        self._read = documents
        return Refreshed(*found, offline)

    def _offline(
        self, work: Path, root: bytes, current: Path | None, reason: str, now: datetime
    ) -> tuple[int, int, datetime]:
        if current is None:
            raise TrustRootFailed(f"the trust root cannot be fetched, and none is stored yet: {reason}")
        shutil.rmtree(work)
        shutil.copytree(current, work, symlinks=True)
        try:
            return _update(work, root, "stored:", StoredFetcher(work / "metadata"), now)
        except TrustRootFailed as failure:
            raise TrustRootFailed(f"{failure.sentence}; nothing newer can be fetched: {reason}") from failure

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One at a time: the slower of two must not put what is older in the place of what is newer, nor take away
        what the other reads."""
        with (self._folder / ".lock").open("ab") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _current(self) -> Path | None:
        try:
            name = (self._folder / "current").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        folder = self._folder / name
        if not name.startswith("v-") or not folder.is_dir():
            # To begin at root.json again would be to forget which versions were seen.
            raise TrustRootFailed(
                f"{self._folder} is damaged: what was fetched last is not there; remove it, and stillwatch verify init"
            )
        return folder

    def _take(self, work: Path) -> None:
        """Put what is verified in the place of what stood."""
        before = self._current()
        taken = Path(tempfile.mkdtemp(dir=self._folder, prefix="v-"))
        work.replace(taken)
        _flush(taken)
        _write(self._folder / "current", taken.name.encode())
        if before is not None:
            shutil.rmtree(before, ignore_errors=True)

    def _stored(self, name: str) -> bytes:
        try:
            return (self._folder / name).read_bytes()
        except FileNotFoundError:
            raise TrustRootFailed(
                f"no root is trusted in {self._folder.parent} yet: stillwatch verify init --root root.json"
            ) from None


def _update(
    work: Path, root: bytes, base: str, fetcher: FetcherInterface, now: datetime
) -> tuple[int, int, datetime]:
    """Versions of root and timestamp, and the earliest expiry. Raises DownloadError or TrustRootFailed."""
    metadata, targets = work / "metadata", work / "targets"
    updater = Updater(
        str(metadata), f"{base}/metadata/", str(targets), f"{base}/targets/", fetcher, bootstrap=root
    )
    try:
        # python-tuf takes the time of day; ours is an argument everywhere.
        updater._trusted_set.reference_time = now
        updater.refresh()
        for name in (*OFFLINE_FILES, COLLECTIONS_FILE):
            target = updater.get_targetinfo(name)
            if target is None:
                raise TrustRootFailed(f"the trust root has no {name}")
            if updater.find_cached_target(target) is None:
                updater.download_target(target)
    except exceptions.RepositoryError as error:
        raise TrustRootFailed(_sentence(error, updater)) from error
    except OSError as error:
        raise TrustRootFailed(f"cannot store the trust root: {error.strerror}") from error
    found: dict[str, Signed] = {
        role: Metadata.from_bytes((metadata / f"{role}.json").read_bytes()).signed
        for role in (ROOT, TIMESTAMP, SNAPSHOT, TARGETS, COLLECTIONS)
    }
    return found[ROOT].version, found[TIMESTAMP].version, min(one.expires for one in found.values())


def _sentence(error: exceptions.RepositoryError, updater: Updater | None = None) -> str:
    """One sentence of ours for what python-tuf found."""
    text = str(error)
    if isinstance(error, exceptions.ExpiredMetadataError) and (match := _EXPIRED.search(text)):
        signed = None if updater is None else updater._trusted_set.get(match[1])
        on = "" if signed is None else f" on {signed.expires:%Y-%m-%d %H:%M} UTC"
        return f"the trust root's {match[1]} metadata expired{on}"
    if isinstance(error, exceptions.UnsignedMetadataError) and (match := _SIGNED_BY.search(text)):
        role, have, need = match.groups()
        if have == "0":
            return (
                f"the trust root's {role} metadata is not signed by any key that is trusted for it:"
                " it is another publisher's, or your root.json is"
            )
        return f"the trust root's {role} metadata is signed by {have} of the {need} keys that it takes"
    if isinstance(error, exceptions.BadVersionNumberError):
        return f"the trust root was rolled back: {shown(text)}"
    if isinstance(error, exceptions.LengthOrHashMismatchError):
        return f"a file of the trust root is not the one that was signed: {shown(text)}"
    if isinstance(error, DeserializationError):
        return "a file of the trust root is not TUF metadata"
    return f"the trust root does not verify: {shown(text)}"


def _read_root(raw: bytes) -> None:
    """Raises TrustRootFailed unless these bytes are root metadata that is signed by its own threshold."""
    try:
        metadata = Metadata[Root].from_bytes(raw)
        if metadata.signed.type != ROOT:
            raise TrustRootFailed(f"this is no root.json but {shown(metadata.signed.type)} metadata")
        metadata.signed.verify_delegate(ROOT, metadata.signed_bytes, metadata.signatures)
    except exceptions.RepositoryError as error:
        raise TrustRootFailed(f"this root.json cannot be trusted: {_sentence(error)}") from error


def _documents_of(folder: Path) -> _Documents:
    jwks = _document(folder, JWKS_FILE, strict_json.read)
    return _Documents(
        jwks=jwks,
        keys=_document(folder, JWKS_FILE, lambda _: KeySet.from_jwks(jwks)),
        policy=_document(folder, POLICY_FILE, Policy.read),
        revocations=_document(folder, REVOCATIONS_FILE, Revocations.read),
        ceilings=_document(folder, COLLECTIONS_FILE, Ceilings.read),
    )


def _document(folder: Path, name: str, read: Callable[[bytes], _Read]) -> _Read:
    try:
        return read((folder / name).read_bytes())
    except Malformed as error:
        raise TrustRootFailed(f"{name} of the trust root: {error.sentence}") from error
    except (MalformedDocument, MalformedKeySet, MalformedPolicy) as error:
        raise TrustRootFailed(f"{name} of the trust root: {error}") from error


def _bytes_in(folder: Path, pattern: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(folder.glob(pattern))]


def _write(path: Path, raw: bytes) -> None:
    """Whole or not at all, also through a loss of power."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync(path.parent)


def _flush(folder: Path) -> None:
    """All of the folder is on disk."""
    for path in (*folder.rglob("*"), folder, folder.parent):
        _sync(path)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
