"""`manage.py retry_quarantined [ID…]`."""

from argparse import ArgumentParser
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from indicators.actions import submissions
from indicators.models import Submission, SubmissionState
from sharing.tasks import nudge_ingest


class Command(BaseCommand):
    help = (
        "Put quarantined submissions back, to be ingested as if they had just come: those that are named, or all of"
        " them. Without workers they wait; with them they are tried at once."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "ids", nargs="*", metavar="ID", help="a submission's id; without any, all in quarantine"
        )

    def handle(self, *args: Any, ids: list[str], **options: Any) -> None:
        try:
            chosen = [UUID(one) for one in ids]
        except ValueError as error:
            raise CommandError("an ID is the UUID of a submission") from error
        if not ids:
            quarantined = Submission.objects.filter(state=SubmissionState.QUARANTINED)
            chosen = list(quarantined.order_by("received_at").values_list("id", flat=True))
        again = submissions.retry(
            submission_ids=chosen, by=Actor("service:retry_quarantined"), now=timezone.now()
        )
        for submission_id in again:
            nudge_ingest(submission_id)
            self.stdout.write(f"{submission_id} put back")
        left = [one for one in chosen if one not in set(again)]
        for submission_id in left:
            self.stderr.write(f"{submission_id} is not in quarantine")
        if left:
            raise CommandError(f"{len(left)} left alone")
