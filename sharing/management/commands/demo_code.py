"""`manage.py demo_code USERNAME`: the second factor of a demo member, in place of an app on a phone."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sharing.management.commands.load_demo import SECOND_FACTORS

PERIOD = 30


class Command(BaseCommand):
    help = (
        "Print the six digits that a demo member's authenticator app shows now. Only where load_demo made the member:"
        " everybody else's secret is nowhere in the clear."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username", nargs="?", default="analyst")

    def handle(self, *args: Any, username: str, **options: Any) -> None:
        file = Path(settings.STILLWATCH_HOME) / SECOND_FACTORS
        try:
            secrets = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise CommandError(f"{file} is not there: this home has no demo") from error
        if username not in secrets:
            raise CommandError(f"{username} is no member of the demo; there are {', '.join(secrets)}")
        self.stdout.write(format_hotp_value(hotp_value(secrets[username], int(time.time()) // PERIOD)))
