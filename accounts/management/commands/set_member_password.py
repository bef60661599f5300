"""`manage.py set_member_password USERNAME`."""

import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actions import sign_in
from accounts.actor import Actor
from accounts.models import Member


class Command(BaseCommand):
    help = (
        "Give a member another password, asked for twice or from an environment variable; their sessions end."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--password-env", metavar="NAME", help="the variable that holds the password")

    def handle(self, *args: Any, username: str, password_env: str | None, **options: Any) -> None:
        member = Member.objects.filter(username=username).first()
        if member is None:
            raise CommandError(f"there is no member {username}")
        password = _from(password_env) if password_env else _asked()
        try:
            validate_password(password, member)
        except ValidationError as error:
            raise CommandError("password: " + " ".join(error.messages)) from error
        sign_in.set_password(
            member=member, password=password, by=Actor("service:set_member_password"), now=timezone.now()
        )
        self.stdout.write(f"{username} has another password")


def _from(name: str) -> str:
    password = os.environ.get(name, "")
    if not password:
        raise CommandError(f"${name} is not set")
    return password


def _asked() -> str:
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise CommandError("the two differ")
    return password
