"""`manage.py rotate_keys`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import keys
from sharing.management.commands.demo_ceremony import play_if_demo
from sharing.models import KeyPurpose


class Command(BaseCommand):
    help = (
        "Have the signer make a new signing key. It is published at once and signs in seven days, so that every"
        " verifier knows it by then; the first key of a purpose, or with --at-once any, signs at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--if-none", action="store_true", help="make a key of each purpose that has none, and no other"
        )
        parser.add_argument("--at-once", action="store_true", help="sign with the new key from now on")
        parser.add_argument(
            "--purpose",
            choices=KeyPurpose.values,
            help="what the key signs; by default objects, with --if-none everything",
        )

    def handle(self, *args: Any, if_none: bool, at_once: bool, purpose: str | None, **options: Any) -> None:
        wanted = [KeyPurpose(purpose)] if purpose else list(KeyPurpose) if if_none else [KeyPurpose.OBJECT]
        for one in wanted:
            by, now = Actor("service:rotate_keys"), timezone.now()
            try:
                made = (
                    keys.make_first(purpose=one, by=by, now=now)
                    if if_none
                    else keys.rotate(purpose=one, by=by, now=now, at_once=at_once)
                )
            except keys.NoSigningKey as error:
                raise CommandError(f"no key was made: {error}") from error
            if made is not None and options["verbosity"]:
                signs = f"{one.label[:1].lower()}{one.label[1:]}"
                self.stdout.write(f"{made.kid} signs {signs} from {made.use_from:%Y-%m-%d %H:%M:%S} UTC")
        play_if_demo()
