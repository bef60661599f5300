"""`manage.py demo_ceremony`, which `make run` calls."""

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import trust
from sharing.actions.keys import NoSigningKey, SignerRefused
from sharing.signing import keys
from sharing.signing.keys import UnreadableKey
from sharing.trust.ceremony import Ceremony, CeremonyError
from sharing.trust.package import Package

FOLDER = "demo-ceremony"
_PASSPHRASE = "demo-ceremony-passphrase"  # noqa: S105 - the name of a file


class Command(BaseCommand):
    help = (
        "Play the ceremony of the trust root on this machine, so that partners' tools work at once: one person with all"
        " keys, which lie in STILLWATCH_HOME. In local mode only: such keys prove nothing to anybody else."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.MODE == "production":
            raise CommandError("a production root is signed by people, offline: stillwatch trust init")
        home: Path = settings.STILLWATCH_HOME
        ceremony = Ceremony(home / FOLDER)
        passphrase = _passphrase(home)
        now = timezone.now()
        try:
            proposal = trust.propose()
            if not (home / FOLDER / "root.json").exists():
                done = ceremony.init(
                    proposal=proposal, count=1, threshold=1, passphrase=lambda _: passphrase, now=now
                )
            elif ceremony.follows(proposal, now=now):
                done = None
            else:
                ceremony.rotate(
                    proposal=proposal, passphrase=lambda _: passphrase, discard_draft=True, now=now
                )
                done = ceremony.sign(
                    keys.load(path.read_bytes(), passphrase) for path in ceremony.key_files()
                )
            package = home / FOLDER / "accept.json" if done is None else done.package
            assert package is not None
            trust.accept(
                package=Package.read(package.read_bytes()), by=Actor("service:demo_ceremony"), now=now
            )
        except (
            CeremonyError,
            trust.NotAccepted,
            UnreadableKey,
            NoSigningKey,
            SignerRefused,
            OSError,
        ) as error:
            raise CommandError(f"{home / FOLDER}: {error}") from error
        if options["verbosity"]:
            self.stdout.write(f"demo trust root: {home / FOLDER / 'root.json'}")


def _passphrase(home: Path) -> bytes:
    path = home / _PASSPHRASE
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_urlsafe(32) + "\n", encoding="ascii")
    return path.read_bytes().strip()
