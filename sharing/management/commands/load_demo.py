"""`manage.py load_demo`: what `make run` shows."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.utils import timezone

import indicators
from accounts.models import Community, Member
from sharing.actions import moderation
from sharing.actions.keys import current_signer
from sharing.models import Review, ReviewState
from sharing.tasks import publish_here

DEMO = Path(indicators.__file__).parent / "demo"
PUBLIC_FACTS = "Published facts; every attribution is labelled as alleged."


class Command(BaseCommand):
    help = "Load the demo community of fictional organisations and the two worked example bundles."

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = {"verbosity": options["verbosity"]}
        tokens = Path(settings.STILLWATCH_HOME) / "demo-tokens.json"
        # Under its own name only at the end: it says that the demo is loaded.
        draft = tokens.with_suffix(".draft")
        call_command("apply_community", str(DEMO / "community.yaml"), tokens_out=draft, **quiet)
        call_command(
            "import_stix", str(DEMO / "1-public-campaigns.json"), organization="hub", wait=True, **quiet
        )
        self._approve_all()
        # What these detectors report stays for the analyst: the desk has something to decide.
        call_command(
            "import_stix", str(DEMO / "2-synthetic-detections.json"), organization="lab-a", wait=True, **quiet
        )

        draft.replace(tokens)

    def _approve_all(self) -> None:
        analyst = Member.objects.get(username="analyst")
        now = timezone.now()
        pending = Review.objects.filter(state=ReviewState.PENDING).order_by("id")
        for review_id in pending.values_list("id", flat=True):
            if pending.filter(id=review_id).exists():
                moderation.approve(
                    review_id=review_id,
                    member=analyst,
                    reason=PUBLIC_FACTS,
                    signer=current_signer(now=now),
                    now=now,
                )
        for community_id in Community.objects.values_list("id", flat=True):
            publish_here(community_id)
