"""`manage.py load_populations FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from indicators.actions import populations
from indicators.allowlists.populations import InvalidPopulations, read
from indicators.models import PopulationKind
from sharing.queries import queue_pending_cases


class Command(BaseCommand):
    help = (
        "Make the table of populations hold exactly what a CSV file says (value,users,kind,note): how many people are"
        " estimated to be behind networks, domains and AS numbers. Pending cases are looked at again."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            rows = read(file.read_bytes(), kinds=PopulationKind.values)
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        except InvalidPopulations as error:
            raise CommandError(f"{file}: {error}") from error
        done = populations.load(rows=rows, by=Actor("service:load_populations"), now=timezone.now())
        queued = queue_pending_cases()
        if options["verbosity"]:
            self.stdout.write(
                f"{done.rows:,} populations, in place of {done.before:,}; {queued:,} subjects with pending cases are"
                " looked at again"
            )
