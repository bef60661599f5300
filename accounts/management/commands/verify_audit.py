"""`manage.py verify_audit`."""

import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from accounts import trail
from accounts.chain import Head


class Command(BaseCommand):
    help = (
        "Reckon the chain of the audit trail again, event by event, and print its head. Exit status 0: it holds; 1: it"
        " is broken, with a sentence on the first place; 2: wrong arguments. A head that was kept elsewhere (the log"
        " event audit_head, the desk) and is given to --expect shows also that the end was cut off, or all of it"
        " written anew."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--expect", metavar="POSITION:DIGEST", type=_head, help="a head that the chain had before"
        )

    def handle(self, *args: Any, expect: Head | None, **options: Any) -> None:
        said_at = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal said_at
            if options["verbosity"] and time.monotonic() - said_at >= 1:
                said_at = time.monotonic()
                self.stderr.write(f"{done:,} of {total:,} links hold ({done * 100 // total} %)")

        try:
            found = trail.verify(expected=expect, progress=progress)
        except trail.Broken as broken:
            raise CommandError(str(broken), returncode=1) from broken
        self.stdout.write(str(found))


def _head(text: str) -> Head:
    try:
        return Head.parse(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from error
