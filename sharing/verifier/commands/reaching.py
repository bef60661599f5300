"""How a command reaches a feed: the trust store, the token and certificates, the source; and its progress."""

import argparse
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx

from sharing.submitter.connection import WrongUse, certificates, is_loopback, server_url, token_secret
from sharing.trust.store import TrustStore
from sharing.verifier import home
from sharing.verifier.checkpoint import SignedCheckpoint
from sharing.verifier.commands.options import home_of
from sharing.verifier.feed import Feed
from sharing.verifier.source import Folder, Mirror, Place, Source, parse_collection
from sharing.verifier.sync import Sync, SyncReport
from sharing.verifier.web import Service, Web


@dataclass(slots=True)
class Reached:
    """A feed that can be read now."""

    home: Path
    trust: TrustStore
    location: str
    place: Place
    source: Source
    collection: str


@contextmanager
def reached(arguments: argparse.Namespace) -> Iterator[Reached]:
    """The trust store, refreshed, and the source. Raises WrongUse, TrustRootFailed and Unavailable."""
    at = home_of(arguments)
    store = TrustStore(at)
    try:
        address, api_root, collection = parse_collection(arguments.collection)
    except ValueError as error:
        raise WrongUse(f"COLLECTION: {error}") from error
    location = str(arguments.mirror or address or store.location)
    known = address if not arguments.mirror else None
    with client_for(
        arguments, location, home=known or (store.location if TrustStore.exists(at) else "")
    ) as client:
        place = place_of(location, client, insecure=arguments.insecure_http)
        store.refresh(datetime.now(UTC), location=place.name, client=client)
        mirrored = Mirror(place, collection)
        source: Source = mirrored
        if isinstance(place, Web) and not arguments.mirror and (api_root or not mirrored.exists()):
            source = Service(place, collection, api_root)
        yield Reached(at, store, place.name, place, source, collection)


@dataclass(frozen=True, slots=True)
class Synced:
    """A copy that was brought up to date, and from where."""

    it: Reached
    feed: Feed
    report: SyncReport
    checkpoint: SignedCheckpoint


@contextmanager
def synced(arguments: argparse.Namespace, folder: Path) -> Iterator[Synced]:
    """The copy in `folder`, proved by a checkpoint that the home then remembers. Raises as `reached` and `Sync`."""
    progress = Progress(arguments.progress)
    try:
        with reached(arguments) as it, Feed.open(folder) as feed:
            report, checkpoint = Sync(
                it.source,
                feed,
                it.trust,
                collection=it.collection,
                clock=lambda: int(time.time()),
                max_age=arguments.max_age,
                witnessed=not arguments.without_witnesses,
                known=home.checkpoints_in(it.home),
                progress=progress,
            ).run()
            home.remember(it.home, checkpoint)
            yield Synced(it, feed, report, checkpoint)
    finally:
        progress.clear()


@contextmanager
def client_for(arguments: argparse.Namespace, location: str, *, home: str) -> Iterator[httpx.Client]:
    """For this location only. It gets the token of the environment if it is at the address of the `home`, which the
    token is for; that of --token-file was named for it."""
    named = arguments.token_in_sight is not None or (
        # Of several addresses it says which one is meant only by being that of the home.
        arguments.token_file is not None and not getattr(arguments, "sides", None)
    )
    token = ""
    if named or _same_server(location, home):
        token = token_secret(arguments.token_file, in_sight=arguments.token_in_sight, needed=False)
    with httpx.Client(
        headers={"User-Agent": "stillwatch"} | ({"Authorization": f"Bearer {token}"} if token else {}),
        timeout=httpx.Timeout(60, connect=10),
        verify=certificates(arguments.ca_file),
        # A proxy of the environment is for others' machines.
        trust_env=not is_loopback(location),
    ) as client:
        yield client


def place_of(location: str, client: httpx.Client, *, insecure: bool) -> Place:
    """The folder, or what is at the address. Raises WrongUse."""
    if re.match(r"https?://", location):
        return Web(client, server_url(location, option="the address", insecure=insecure, path=True), _remark)
    folder = Path(location.removeprefix("file://"))
    if not folder.is_dir():
        raise WrongUse(f"there is no folder {folder}, and it is no address (https://HOST) either")
    return Folder(folder)


def _same_server(one: str, other: str) -> bool:
    """Whether two addresses are of one server: whoever answers the one may have what the other is sent."""
    try:
        a, b = httpx.URL(one), httpx.URL(other)
    except httpx.InvalidURL:
        return False
    return bool(a.host) and (a.scheme, a.host, a.port) == (b.scheme, b.host, b.port)


def _remark(sentence: str) -> None:
    sys.stderr.write(f"stillwatch: {sentence}\n")


@dataclass(slots=True)
class Progress:
    """A line on standard error that is redrawn on a terminal, or one now and then where it is asked for."""

    wanted: bool
    _last: float = field(default=0.0)
    _drawn: bool = False

    def at(self, entries: int, of: int) -> None:
        terminal = sys.stderr.isatty()
        now = time.monotonic()
        if not (terminal or self.wanted) or now - self._last < (0.1 if terminal else 5.0):
            return
        self._last = now
        share = f"{entries / of:4.0%} " if of else ""
        text = f"{share}{entries:,} of {of:,} entries"
        if terminal:
            sys.stderr.write(f"\r\x1b[K{text}")
            self._drawn = True
        else:
            sys.stderr.write(f"stillwatch: {text}\n")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._drawn:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
            self._drawn = False
