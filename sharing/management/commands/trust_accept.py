"""`manage.py trust_accept DIR|FILE`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import revocation, trust
from sharing.actions.keys import NoSigningKey, SignerRefused
from sharing.tasks import nudge_renew
from sharing.trust.package import FILE, MAX_BYTES, Package
from sharing.trust.revocations import MalformedDocument


class Command(BaseCommand):
    help = (
        "Take what a ceremony signed, if enough of the right people did and it follows from what stands; partners then"
        " find it under /trust/tuf/. Nothing is taken of what does not."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "path", metavar="DIR|FILE", type=Path, help=f"the ceremony's folder, or its {FILE}"
        )

    def handle(self, *args: Any, path: Path, **options: Any) -> None:
        file = path / FILE if path.is_dir() else path
        try:
            with file.open("rb") as opened:
                raw = opened.read(MAX_BYTES + 1)
        except OSError as error:
            hint = "; is a draft still being signed?" if path.is_dir() else ""
            raise CommandError(f"cannot read {file}: {error.strerror}{hint}") from error
        if len(raw) > MAX_BYTES:
            raise CommandError(f"{file} is larger than {MAX_BYTES} bytes")
        now = timezone.now()
        try:
            accepted = trust.accept(package=Package.read(raw), by=Actor("service:trust_accept"), now=now)
        except MalformedDocument as error:
            raise CommandError(f"{file} is not what a ceremony makes: {error}") from error
        except trust.NotAccepted as error:
            raise CommandError(f"not accepted: {error}") from error
        except (NoSigningKey, SignerRefused) as error:
            raise CommandError(f"nothing was accepted: {error}") from error
        if revocation.is_due(now=now):
            nudge_renew()
        if options["verbosity"]:
            self.stdout.write(
                f"root {accepted.root.version} (SHA-256 {accepted.fingerprint}) and"
                f" targets {accepted.targets.version} stand"
            )
