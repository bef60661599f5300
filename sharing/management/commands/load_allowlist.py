"""`manage.py load_allowlist FILE`."""

from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from indicators.actions import allowlists
from indicators.allowlists import warninglist
from sharing import queries
from sharing.actions.keys import NoSigningKey
from sharing.tasks import nudge_publish, publish_here

SHOWN = 50


class Command(BaseCommand):
    help = (
        "Make an allow-list hold what a MISP warninglist file (type cidr, hostname or string) says, and print what that"
        " adds, removes and takes back. What the list of this name held before and the file does not is removed."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--wait",
            action="store_true",
            help="take back here what stands, instead of leaving it to the workers",
        )

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            found = warninglist.read(file.read_bytes())
            change = allowlists.load(
                warninglist=found, by=Actor("service:load_allowlist"), now=timezone.now()
            )
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        except (warninglist.InvalidList, allowlists.NameTaken) as error:
            raise CommandError(f"{file}: {error}") from error
        taken_back = queries.standing(change.covered)
        anew = queries.withheld_by_list(change.uncovered)
        for sentence in found.refused:
            self.stderr.write(f"not loaded: {sentence}")
        if options["verbosity"]:
            self._tell(found, change, taken_back, anew)
        for community_id in queries.communities_of([*change.covered, *change.uncovered]):
            if options["wait"]:
                try:
                    publish_here(community_id)
                except NoSigningKey as error:
                    raise CommandError(f"the list holds; what follows from it waits: {error}") from error
            else:
                nudge_publish(community_id)

    def _tell(
        self,
        found: warninglist.Warninglist,
        change: allowlists.Change,
        taken_back: Sequence[tuple[str, str]],
        anew: int,
    ) -> None:
        replaced = "" if change.replaced is None else f", which replaces version {change.replaced}"
        self.stdout.write(
            f"{found.name}: version {found.version}{replaced}: {len(change.added)} added,"
            f" {len(change.removed)} removed, {len(found.entries) - len(change.added)} unchanged,"
            f" {len(found.refused)} not loaded"
        )
        self._list("added", change.added)
        self._list("removed", change.removed)
        self.stdout.write(
            f"{len(change.covered)} known subjects are covered by what was added;"
            f" taken back from feeds: {len(taken_back) or 'nothing'}"
        )
        self._list(
            "taken back", [f"{published_id} from {community}" for community, published_id in taken_back]
        )
        if change.removed:
            self.stdout.write(f"decided anew, as what withheld it was removed: {anew or 'nothing'}")

    def _list(self, verb: str, what: Sequence[object]) -> None:
        for one in what[:SHOWN]:
            self.stdout.write(f"{verb}: {one}")
        if len(what) > SHOWN:
            self.stdout.write(f"{verb}: … and {len(what) - SHOWN:,} more")
