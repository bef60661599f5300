"""`manage.py signer`."""

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sharing.signing import remote, server
from sharing.signing.keys import SigningError
from sharing.signing.remote import SignerClient


class Command(BaseCommand):
    help = (
        "Run the signer: the one process that holds private keys. Others ask it on SIGNER_SOCKET. It remembers the"
        " largest tree that it signed of each log, and signs none that does not continue it."
    )
    # It needs neither database nor broker.
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--check",
            action="store_true",
            help="ask the running signer which keys it has; exit 1 without one",
        )
        parser.add_argument(
            "--forget",
            action="store_true",
            help="begin a new memory of the logs where the old one is lost for good (docs/operations.md)",
        )

    def handle(self, *args: Any, check: bool, forget: bool, **options: Any) -> None:
        path = Path(settings.SIGNER_SOCKET)
        if check:
            self._check(path)
            return
        server.shield()
        try:
            with server.opened(
                socket_path=path,
                keys_directory=Path(settings.SIGNING_KEYS_DIR),
                passphrase=settings.READ_SIGNING_PASSPHRASE().encode(),
                uids=settings.SIGNER_CLIENT_UIDS,
                forget=forget,
            ) as running:
                _stop_on_request(running)
                if options["verbosity"]:
                    self.stdout.write(f"the signer listens at {path}")
                    self.stdout.flush()
                running.serve_forever(poll_interval=0.2)
        except (server.CannotStart, SigningError) as error:
            raise CommandError(str(error)) from error
        except OSError as error:
            raise CommandError(f"{error.filename or path}: {error.strerror}") from error

    def _check(self, path: Path) -> None:
        try:
            keys = SignerClient(path).held_keys()
        except remote.NoSigningKey as error:
            raise CommandError(str(error)) from error
        for key in keys:
            self.stdout.write(f"{key.kid} {key.purpose}")


def _stop_on_request(running: server.SigningServer) -> None:
    def stop(number: int, frame: FrameType | None) -> None:
        # Not here: it waits for the loop that this interrupts.
        threading.Thread(target=running.shutdown, daemon=True).start()

    for request in (signal.SIGINT, signal.SIGTERM):
        signal.signal(request, stop)
