"""`manage.py reset_second_factor USERNAME`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actions import sign_in
from accounts.actor import Actor
from accounts.models import Member


class Command(BaseCommand):
    help = (
        "Take all second factors and recovery codes of a member away, who lost them; they set up new ones next time."
        " Make sure first that it is they who ask."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        member = Member.objects.filter(username=username).first()
        if member is None:
            raise CommandError(f"there is no member {username}")
        count = sign_in.reset_second_factor(
            member=member, by=Actor("service:reset_second_factor"), now=timezone.now()
        )
        if options["verbosity"]:
            self.stdout.write(f"removed {count}" if count else f"{username} has none")
