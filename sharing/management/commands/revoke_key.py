"""`manage.py revoke_key KID --reason …`."""

from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from sharing.actions import revocation
from sharing.actions.keys import NoSigningKey, SignerRefused
from sharing.management.commands.demo_ceremony import play_if_demo
from sharing.models import Collection, TrustFile
from sharing.tasks import nudge_renew


class Command(BaseCommand):
    help = (
        "A signing key is lost: it signs nothing from now on, the next one takes over, and all that it signed is signed"
        " anew. Then hold a ceremony, so that partners refuse it (docs/operations.md)."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("kid", metavar="KID", help="as /.well-known/jwks.json calls it")
        parser.add_argument("--reason", required=True, help="for the audit trail")
        parser.add_argument(
            "--since",
            type=_moment,
            metavar="TIME",
            help="when it was lost, if that is known (ISO 8601); else now",
        )

    def handle(self, *args: Any, kid: str, reason: str, since: datetime | None, **options: Any) -> None:
        now = timezone.now()
        try:
            done = revocation.revoke(
                kid=kid, because=reason, since=since, by=Actor("service:revoke_key"), now=now
            )
        except revocation.NotRevoked as error:
            raise CommandError(str(error)) from error
        except (NoSigningKey, SignerRefused) as error:
            raise CommandError(f"nothing was revoked: {error}") from error
        titles = dict(Collection.objects.filter(id__in=done.from_index).values_list("id", "title"))
        self.stdout.write(f"{kid} signs nothing more; {done.successor} takes its place")
        self.stdout.write(
            f"the signer still has its private half: restart it, then manage.py destroy_key {kid}"
        )
        for log_id, index in done.from_index.items():
            self.stdout.write(f"  {titles[log_id]}: counts for no more from entry {index} on")
        if play_if_demo():
            self.stdout.write("the demo's trust root revokes it")
        elif TrustFile.objects.exists():
            if not done.is_trusted:
                self.stdout.write("the trust root does not name it yet: nothing is published until it does")
            self.stdout.write(
                f"now: manage.py trust_proposal > proposal.json; stillwatch trust revoke DIR {kid}"
                " --proposal proposal.json; manage.py trust_accept DIR"
            )
        self.stdout.write("what it signed is signed anew by the workers; manage.py sign_anew shows how far")
        nudge_renew()


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
