"""`manage.py rotate_keys`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import keys
from sharing.models import SigningKey


class Command(BaseCommand):
    help = (
        "Make a new signing key. It is published at once in /.well-known/jwks.json and signs in seven days, so that"
        " every verifier knows it by then; the first key, or with --at-once any, signs at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--if-none", action="store_true", help="do nothing if there is a key")
        parser.add_argument("--at-once", action="store_true", help="sign with the new key from now on")

    def handle(self, *args: Any, if_none: bool, at_once: bool, **options: Any) -> None:
        if if_none and SigningKey.objects.exists():
            return
        made = keys.rotate(by=Actor("service:rotate_keys"), now=timezone.now(), at_once=at_once)
        if options["verbosity"]:
            self.stdout.write(f"{made.kid} signs from {made.use_from:%Y-%m-%d %H:%M:%S} UTC")
