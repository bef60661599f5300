"""`stillwatch verify init`, `sync` and `export`: trust a publisher, follow one of its feeds, use what was verified."""

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from sharing.verifier.commands import options
from sharing.verifier.commands.outcome import EXIT_CODE_HELP, EXIT_USAGE, CannotRead, concluded
from sharing.verifier.failures import shown
from sharing.verifier.feed import FILE, Feed, Unusable
from sharing.verifier.sync import SyncReport

_INIT = """\
Trusts a publisher by its root.json, which you were given over a channel that you trust, and fetches from --at what
follows from it: keys, witnesses, logs, revocations. --at is the service, or a mirror of it: an address or a folder.
"""
_INIT_EXAMPLES = """\
examples:
  stillwatch verify init --root root.json --at https://intel.example.org
  stillwatch verify init --root root.json --at /srv/mirror --home ./trusted
"""
_SYNC = """\
Brings DIR up to date with the collection and proves that it is complete, fresh and the same that everybody else is
shown. What is erased in the feed is erased in DIR. Broken off at any moment, the same command goes on.

DIR/feed.sqlite3 is an SQLite database with the views latest and history (position, added, id, version, tlp, object);
`stillwatch verify export DIR` writes it as NDJSON or as a STIX bundle. If something does not verify, DIR keeps showing
what was proved before, and DIR/evidence/<time>/ has what shows it to others.
"""
_SYNC_EXAMPLES = """\
examples:
  export STILLWATCH_TOKEN_FILE=/etc/stillwatch/token
  stillwatch verify sync 6f1b2a52-3f0a-4a53-9d0e-0d1f5ad8f0c1 --out ./feed
  stillwatch verify sync "$COLLECTION" --out ./feed --from https://mirror.example.net
  sqlite3 feed/feed.sqlite3 "SELECT object FROM latest WHERE id LIKE 'indicator--%'"
"""
_EXPORT_EXAMPLES = """\
examples:
  stillwatch verify export ./feed > objects.ndjson
  stillwatch verify export ./feed --format bundle --type indicator > indicators.json
"""


@dataclass(frozen=True, slots=True)
class _Trusted:
    home: str
    location: str
    root_version: int
    keys: int
    expires: str


def register(kinds: Any) -> None:
    """Add the commands to those of `stillwatch verify`."""
    init = kinds.add_parser(
        "init",
        help="trust a publisher by its root.json",
        description=_INIT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_INIT_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    init.add_argument("--root", required=True, type=Path, metavar="FILE", help="the publisher's root.json")
    init.add_argument("--at", required=True, metavar="URL|DIR", help="the service, or a mirror")
    options.add_home(init)
    options.add_connection(init)
    init.add_argument("--json", action="store_true", help="print the result, good or bad, as JSON")
    init.set_defaults(run=_init)

    sync = kinds.add_parser(
        "sync",
        help="follow a collection and prove that it is complete",
        description=_SYNC,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_SYNC_EXAMPLES + "\n" + EXIT_CODE_HELP,
    )
    options.add_reading(sync, from_help="a mirror to read from instead of the service")
    sync.add_argument("--out", required=True, type=Path, metavar="DIR", help="where the feed is kept")
    sync.set_defaults(run=_sync)

    export = kinds.add_parser(
        "export",
        help="write what was verified as NDJSON or as a STIX bundle",
        description="Writes the newest version of every object that a sync has proved to standard output.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=_EXPORT_EXAMPLES,
    )
    export.add_argument("folder", type=Path, metavar="DIR", help="the --out of sync")
    export.add_argument("--format", choices=("ndjson", "bundle"), default="ndjson")
    export.add_argument("--type", metavar="TYPE", help="of this STIX type only")
    export.add_argument("--history", action="store_true", help="every version, not only the newest")
    export.add_argument("--since", type=int, default=0, metavar="INDEX", help="from this index of the log on")
    export.set_defaults(run=_export)


def _init(arguments: argparse.Namespace) -> int:
    # Here and below, so that the other commands start without what reaches a server.
    from sharing.trust.store import TrustStore
    from sharing.verifier.commands import reaching

    def run() -> _Trusted:
        try:
            root = arguments.root.read_bytes()
        except OSError as error:
            raise CannotRead(f"cannot read {arguments.root}: {error.strerror}") from error
        at = options.home_of(arguments)
        with reaching.client_for(arguments, arguments.at, home=arguments.at) as client:
            place = reaching.place_of(arguments.at, client, insecure=arguments.insecure_http)
            store = TrustStore.init(at, root, place.name)
            found = store.refresh(datetime.now(UTC), client=client)
        return _Trusted(
            str(at), place.name, found.root_version, len(store.keys.kids), found.expires.isoformat()
        )

    return concluded(
        run,
        lambda it: (
            f"trusted: root {it.root_version} and {it.keys} key{'' if it.keys == 1 else 's'} of {shown(it.location)},"
            f" good until {it.expires}, kept in {it.home}"
        ),
        as_json=arguments.json,
    )


def _sync(arguments: argparse.Namespace) -> int:
    from sharing.verifier.commands import reaching

    def run() -> SyncReport:
        with reaching.synced(arguments, arguments.out) as copy:
            return copy.report

    return concluded(run, summary, as_json=arguments.json, evidence=arguments.out)


def summary(report: SyncReport) -> str:
    """One line."""
    by = f", cosigned by {', '.join(map(shown, report.witnesses))}" if report.witnesses else ""
    erased = f", {report.erased} erased" if report.erased else ""
    waiting = f"; {report.waiting} more entries wait for the next checkpoint" if report.waiting else ""
    owed = f"; {report.owed} erasures are to be proved by it" if report.owed else ""
    alone = (
        ""
        if report.witnessed
        else "; WITNESSES NOT ASKED FOR: whether others are shown the same is not known"
    )
    unbounded = "" if report.ceiling else "; NO CEILING IS KNOWN of this log: of an inbox nobody says it"
    when = datetime.fromtimestamp(report.timestamp, UTC).isoformat().replace("+00:00", "Z")
    return (
        f"verified: {report.objects:,} objects in all {report.size:,} entries of {shown(report.origin)}"
        f" as of {when}{by}; new: {report.new_objects:,} objects in {report.new_entries:,} entries"
        f"{erased}{waiting}{owed}{alone}{unbounded}"
    )


def _export(arguments: argparse.Namespace) -> int:
    if not (arguments.folder / FILE).is_file():
        sys.stderr.write(f"stillwatch: {arguments.folder} holds no feed; stillwatch verify sync makes one\n")
        return EXIT_USAGE
    try:
        with Feed.open(arguments.folder) as feed:
            view = "history" if arguments.history else "latest"
            found = feed.objects(view, kind=arguments.type, since=arguments.since)
            if arguments.format == "ndjson":
                sys.stdout.writelines(text + "\n" for text in found)
            else:
                _write_bundle(found)
            sys.stdout.flush()
    except Unusable as error:
        sys.stderr.write(f"stillwatch: {error}\n")
        return EXIT_USAGE
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _write_bundle(texts: Iterable[str]) -> None:
    sys.stdout.write(f'{{"type":"bundle","id":"bundle--{uuid4()}"')
    begin = ',"objects":[\n'
    for text in texts:
        sys.stdout.write(begin + text)
        begin = ",\n"
    # STIX 2.1 §8 has no empty list of objects.
    sys.stdout.write("}\n" if begin.startswith(',"') else "\n]}\n")
