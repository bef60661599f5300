"""`stillwatch mirror` and `stillwatch gossip`: pass a feed on, and compare what several readers see."""

import argparse
import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sharing.submitter.connection import WrongUse
from sharing.verifier import home
from sharing.verifier.checkpoint import origin_of
from sharing.verifier.commands import options
from sharing.verifier.commands.following import summary as sync_summary
from sharing.verifier.commands.outcome import EXIT_CODE_HELP, CannotRead, concluded
from sharing.verifier.failures import shown
from sharing.verifier.feed import FILE, Copied, Feed
from sharing.verifier.gossip import GossipReport, Heard, gossip
from sharing.verifier.mirror import STATE, Written, write_log, write_trust_root
from sharing.verifier.source import Folder, Mirror, Source, parse_collection
from sharing.verifier.sync import SyncReport

_MIRROR = """\
Copies the collection's log into DIR, verified, in the layout of the service: any static web server can pass it on, and
its readers need not trust it: `stillwatch verify sync COLLECTION --from` DIR or its address. Run it again to bring it
up to date; what was erased in the feed is erased in the mirror. Several collections can share one DIR. DIR/.stillwatch
belongs to the mirror itself and is not to be served.
"""
_MIRROR_EXAMPLES = """\
examples:
  stillwatch mirror "$COLLECTION" --out /srv/mirror --token-file token
  python3 -m http.server --directory /srv/mirror
"""
_GOSSIP = """\
Compares checkpoints of the same log. Each of A, B … is a checkpoint file, the home of a partner, the --out of a sync, a
mirror's folder, or an address: of a mirror, of a collection, or of a checkpoint. A smaller checkpoint must be the
beginning of the larger ones, which tiles prove: the service, a mirror or a sync has them. If the log has two histories,
the evidence is kept.
"""
_GOSSIP_EXAMPLES = """\
examples:
  stillwatch gossip ~/.local/share/stillwatch checkpoint-of-a-partner.txt /srv/mirror
  stillwatch gossip https://intel.example.org/trust/log/$COLLECTION https://mirror.example.net
"""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_LOG_URL = re.compile(r"(?P<base>https?://.+)/trust/log/(?P<collection>[0-9a-f-]{36})(/checkpoint)?/?")


@dataclass(frozen=True, slots=True)
class MirrorReport:
    """What was verified, and how many files of the log were written."""

    feed: SyncReport
    pages: int
    tiles: int


def register(commands: Any) -> None:
    """Add the commands to those of `stillwatch`."""
    mirror = commands.add_parser(
        "mirror",
        help="copy a collection's log so that others can verify it from there",
        description=_MIRROR,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_MIRROR_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    options.add_reading(mirror, from_help="another mirror to copy instead of the service")
    mirror.add_argument("--out", required=True, type=Path, metavar="DIR", help="the mirror's folder")
    mirror.set_defaults(run=_mirror)

    compare = commands.add_parser(
        "gossip",
        help="compare what several readers see of a log",
        description=_GOSSIP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_GOSSIP_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    compare.add_argument("sides", nargs="+", metavar="A", help="checkpoint file, folder or address")
    compare.add_argument(
        "--out", type=Path, metavar="DIR", help="where evidence is kept; the home unless given"
    )
    options.add_home(compare)
    options.add_connection(compare)
    compare.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")
    compare.set_defaults(run=_gossip)


def _mirror(arguments: argparse.Namespace) -> int:
    # Here and below, so that the other commands start without what reaches a server.
    from sharing.verifier.commands import reaching

    try:
        state = arguments.out / STATE / parse_collection(arguments.collection)[2]
    except ValueError:
        state = arguments.out / STATE

    def run() -> MirrorReport:
        with reaching.synced(arguments, state) as copy:
            write_trust_root(arguments.out, copy.it.trust.repository(), copy.it.place)
            written: Written = write_log(arguments.out, copy.it.collection, copy.feed, copy.checkpoint)
            return MirrorReport(copy.report, written.pages, written.tiles)

    return concluded(
        run,
        lambda it: f"{sync_summary(it.feed)}; wrote {it.pages} pages and {it.tiles} tiles",
        as_json=arguments.json,
        evidence=state,
    )


def _gossip(arguments: argparse.Namespace) -> int:
    from sharing.trust.store import TrustStore

    at = options.home_of(arguments)

    def run() -> GossipReport:
        store = TrustStore(at)
        store.recall(datetime.now(UTC))
        with ExitStack() as opened:
            heard: list[Heard] = []
            later: list[str] = []
            for side in arguments.sides:
                if not re.match(r"https?://", side):
                    heard += _local(side, opened)
                elif _collection_of(side) is None:
                    later.append(side)
                else:
                    heard.append(_remote(arguments, side, opened, store.location))
            # An address alone says nothing of a collection: those that the others spoke of are asked for.
            known = {origin_of(one.raw).rpartition("/")[2] for one in heard}
            heard += [
                _remote(arguments, f"{side.rstrip('/')}/trust/log/{one}", opened, store.location)
                for side in later
                for one in sorted(known)
                if _UUID.fullmatch(one)
            ]
            if len(heard) < 2:
                raise WrongUse("there is nothing to compare: at least two checkpoints are needed")
            return gossip(heard, store)

    return concluded(run, _said, as_json=arguments.json, evidence=arguments.out or at)


def _said(report: GossipReport) -> str:
    return "\n".join(
        f"agreed: {one.checkpoints} checkpoints of {shown(one.origin)}, the largest of {one.size:,} entries"
        for one in report.logs
    )


def _local(side: str, opened: ExitStack) -> list[Heard]:
    """The checkpoints of a file, or of a folder: a home, a sync's, a mirror."""
    path = Path(side)
    try:
        if path.is_file():
            return [Heard(side, path.read_bytes())]
        if not path.is_dir():
            raise CannotRead(f"there is no file or folder {side}")
        found = [Heard(side, raw) for raw in home.checkpoints_in(path)]
        found += _mirrored(side, path)
        if (path / FILE).is_file():
            feed = opened.enter_context(Feed.open(path))
            state = feed.state
            if state is not None and state.checkpoint is not None:
                found.append(Heard(side, state.checkpoint, Copied(feed)))
    except OSError as error:
        raise CannotRead(f"cannot read {side}: {error.strerror}") from error
    if not found:
        raise CannotRead(f"{side} holds no checkpoint: it is no home, no mirror, and no --out of a sync")
    return found


def _mirrored(side: str, path: Path) -> Iterator[Heard]:
    for checkpoint in sorted(path.glob("trust/log/*/checkpoint")):
        yield Heard(side, checkpoint.read_bytes(), Mirror(Folder(path), checkpoint.parent.name))


def _collection_of(address: str) -> tuple[str, str] | None:
    """(address, UUID) of the log that an address speaks of; None for one of no log in particular."""
    if match := _LOG_URL.fullmatch(address):
        return match["base"], match["collection"]
    try:
        base, _, collection = parse_collection(address)
    except ValueError:
        return None
    return (base, collection) if base else None


def _remote(arguments: argparse.Namespace, address: str, opened: ExitStack, home: str) -> Heard:
    from sharing.verifier.commands import reaching

    found = _collection_of(address)
    assert found is not None
    base, collection = found
    # A client for each: the token is for one of them, and the others must not see it.
    client = opened.enter_context(reaching.client_for(arguments, base, home=home))
    source: Source = Mirror(reaching.place_of(base, client, insecure=arguments.insecure_http), collection)
    return Heard(address, source.checkpoint(), source)
