"""`manage.py trust_proposal`."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from sharing.actions import trust
from sharing.actions.keys import NoSigningKey
from sharing.trust.revocations import MalformedDocument


class Command(BaseCommand):
    help = (
        "Print what the next ceremony should sign: the service's keys, the policy of witnesses, what is revoked."
        " Carry it to the offline machine: `stillwatch trust init|rotate|revoke … --proposal FILE`."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            proposal = trust.propose()
        except (NoSigningKey, MalformedDocument, trust.PolicyUnusable) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(bytes(proposal).decode(), ending="")
