"""What the commands that read a feed have in common: home and trust store, token and certificates, source, progress."""

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
from sharing.verifier.source import Folder, Mirror, Place, Service, Source, Web, parse_collection


def add_home(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--home",
        type=Path,
        metavar="DIR",
        help="the trust store; STILLWATCH_HOME, or ~/.local/share/stillwatch unless given",
    )


def add_connection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--token-file",
        type=Path,
        metavar="FILE",
        help="holds the token's secret; or STILLWATCH_TOKEN_FILE, or STILLWATCH_TOKEN the secret itself",
    )
    parser.add_argument("--token", dest="token_in_sight", help=argparse.SUPPRESS)
    parser.add_argument(
        "--ca-file", type=Path, metavar="FILE", help="certificates to trust instead of the usual"
    )
    parser.add_argument(
        "--insecure-http", action="store_true", help="send the token without TLS to another machine, on purpose"
    )


def add_reading(parser: argparse.ArgumentParser, *, from_help: str) -> None:
    """COLLECTION, --from, --max-age, --progress, --json and all that reaching it takes."""
    parser.add_argument(
        "collection", metavar="COLLECTION", help="its UUID, or its URL https://HOST/taxii2/…/collections/<uuid>/"
    )
    parser.add_argument("--from", dest="mirror", metavar="URL|DIR", help=from_help)
    add_home(parser)
    add_connection(parser)
    parser.add_argument(
        "--max-age",
        type=seconds,
        default=24 * 3600,
        metavar="AGE",
        help="how old the checkpoint may be: 90s, 30m, 24h (the default), 7d",
    )
    parser.add_argument(
        "--progress", action="store_true", help="lines on standard error also where it is no terminal"
    )
    parser.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")


def seconds(text: str) -> int:
    """Of an age such as 90s, 30m, 24h or 7d."""
    match = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if not match:
        raise argparse.ArgumentTypeError(f"{text!r} is no age such as 90s, 30m, 24h or 7d")
    return int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86_400}[match[2]]


def home_of(arguments: argparse.Namespace) -> Path:
    given: Path | None = arguments.home
    return given or home.default()


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
    with client_for(arguments, location) as client:
        place = place_of(location, client, insecure=arguments.insecure_http)
        store.refresh(datetime.now(UTC), location=place.name, client=client)
        source: Source
        if isinstance(place, Folder) or arguments.mirror:
            source = Mirror(place, collection)
        else:
            assert isinstance(place, Web)
            source = Service(place, collection, api_root)
        yield Reached(at, store, place.name, place, source, collection)


@contextmanager
def client_for(arguments: argparse.Namespace, location: str) -> Iterator[httpx.Client]:
    """With the token, if there is one, for this location only."""
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
