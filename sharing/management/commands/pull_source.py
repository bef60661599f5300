"""`manage.py pull_source NAME`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from indicators.actions import pulls
from indicators.models import Source
from sharing.tasks import pull_here


class Command(BaseCommand):
    help = "Pull a source here and now until nothing new waits there; an enabled one that no worker has at the moment."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("name")
        parser.add_argument(
            "--check", action="store_true", help="only try connection, credentials and collection"
        )

    def handle(self, *args: Any, name: str, check: bool, **options: Any) -> None:
        source = Source.objects.filter(name=name).first()
        if source is None:
            names = ", ".join(Source.objects.order_by("name").values_list("name", flat=True)) or "none"
            raise CommandError(f"there is no source {name!r}; there are: {names}")
        if check:
            pulls.check(source_id=source.id, clock=timezone.now)
            source.refresh_from_db()
            self.stdout.write(source.check_result)
            return
        before = source.object_count
        pulls.ask_now(source_id=source.id, by=Actor("service:pull_source"), now=timezone.now())
        while pull_here(source.id):
            pass
        source.refresh_from_db()
        if source.last_error:
            raise CommandError(f"{name}: {source.last_error}")
        if not source.enabled or source.leased_until is not None:
            raise CommandError(f"{name} is {'with a worker' if source.enabled else 'disabled'}")
        self.stdout.write(f"{name}: {source.object_count - before:,} objects received")
