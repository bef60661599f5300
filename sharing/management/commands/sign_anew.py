"""`manage.py sign_anew`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from sharing.actions import revocation
from sharing.actions.keys import NoSigningKey, SignerRefused, current_signer


class Command(BaseCommand):
    help = (
        "Sign anew what revoked keys signed, and show how far it is. The workers do it too; it may be stopped at any"
        " time and goes on where it was."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        before = revocation.progress()
        try:
            while revocation.renew_next(signer=current_signer(now=timezone.now()), now=timezone.now()):
                if options["verbosity"]:
                    self._show(revocation.progress())
        except (NoSigningKey, SignerRefused) as error:
            raise CommandError(f"it waits: {error}") from error
        after = revocation.progress()
        self.stdout.write(f"{after.renewed - before.renewed} signed anew, {after.renewed} in all")
        if revocation.is_due(now=timezone.now()):
            self.stdout.write(
                "another process signs the rest at this moment: run it again to see how far it is"
            )
        elif not after.is_done:
            minutes = revocation.GRACE.total_seconds() / 60
            self.stdout.write(
                f"{minutes:.0f} minutes after a key was revoked all is looked at once more, for what was under way"
            )

    def _show(self, progress: revocation.Progress) -> None:
        share = 100 * progress.seen // max(1, progress.total)
        self.stderr.write(
            f"{share:3} %  {progress.seen} of {progress.total} looked at, {progress.renewed} signed anew"
        )
