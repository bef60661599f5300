"""`manage.py import_stix FILE --organization SLUG`."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from accounts.actor import Actor
from accounts.models import Organization
from indicators.actions import submissions
from indicators.models import Channel
from indicators.stix import json
from sharing import queries, receipts
from sharing.actions.keys import NoSigningKey
from sharing.tasks import ingest_here, nudge_ingest

MAX_BYTES = 200 * 1024 * 1024


class Command(BaseCommand):
    help = "Take a STIX bundle or NDJSON file as one submission of an organisation; the workers ingest it."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--organization", required=True, metavar="SLUG")
        parser.add_argument(
            "--community", metavar="SLUG", help="needed where the organisation is in more than one"
        )
        parser.add_argument(
            "--wait", action="store_true", help="ingest and publish here, then print the receipt"
        )

    def handle(
        self, *args: Any, file: Path, organization: str, community: str | None, **options: Any
    ) -> None:
        sender = Organization.objects.filter(slug=organization).first()
        if sender is None:
            raise CommandError(f"--organization: there is no organization {organization}")
        roots = [one for one in queries.api_roots(sender.id) if community is None or one.slug == community]
        if len(roots) != 1:
            known = ", ".join(one.slug for one in queries.api_roots(sender.id)) or "none"
            raise CommandError(f"--community: name one of the communities of {organization}: {known}")
        try:
            body = file.read_bytes()
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}") from error
        try:
            received = submissions.receive(
                community_id=roots[0].id,
                organization_id=sender.id,
                token_id=None,
                channel=Channel.FILE,
                collection_id=queries.inbox(sender.id, roots[0].id),
                body=body,
                by=Actor("service:import_stix", sender.id),
                now=timezone.now(),
                body_format="ndjson"
                if file.suffix in {".ndjson", ".jsonl"} or _holds_lines(body)
                else "stix",
                max_bytes=MAX_BYTES,
            )
        except json.Refused as refusal:
            raise CommandError(f"{file}: {refusal.sentence}") from refusal
        if not options["wait"]:
            nudge_ingest(received.id)
            self.stdout.write(f"submission {received.id}: {received.object_count} objects received")
            return
        try:
            ingest_here(received.id, roots[0].id)
        except NoSigningKey as error:
            raise CommandError(f"submission {received.id} is received and waits: {error}") from error
        receipt = receipts.receipt(sender.id, received.id)
        counts = receipt.counts if receipt else {}
        outcome = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "no objects"
        if options["verbosity"]:
            self.stdout.write(f"submission {received.id}: {outcome}")


def _holds_lines(body: bytes) -> bool:
    """NDJSON is told from one JSON text by its first line being whole in itself, and not the only one."""
    first, _, rest = body.lstrip().partition(b"\n")
    if not rest.strip():
        return False
    try:
        value = json.parse(first)
    except json.Refused:
        return False
    return isinstance(value, dict)
