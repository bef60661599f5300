"""`manage.py destroy_key KID`."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import keys


class Command(BaseCommand):
    help = (
        "Have the signer destroy the private half of a key that was revoked or has retired, for good. What it signed"
        " stays verifiable."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kid", metavar="KID", help="as `manage.py signer --check` lists it")

    def handle(self, *args: Any, kid: str, **options: Any) -> None:
        try:
            was_held = keys.destroy(kid=kid, by=Actor("service:destroy_key"), now=timezone.now())
        except (keys.NotDestroyed, keys.NoSigningKey, keys.SignerRefused) as error:
            raise CommandError(f"nothing was destroyed: {error}") from error
        self.stdout.write(
            f"the private half of {kid} is destroyed"
            if was_held
            else f"the signer has no private half of {kid}"
        )
