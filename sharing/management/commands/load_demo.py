"""`manage.py load_demo`: what `make run` shows."""

import json
import os
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, call_command
from django.utils import timezone

import indicators
from accounts.actions.sign_in import enrol_app
from accounts.actor import Actor
from accounts.models import Community, Member
from sharing.actions import moderation
from sharing.actions.keys import current_signer
from sharing.actions.outlooks import Asked, outlooks
from sharing.models import Review, ReviewState
from sharing.tasks import publish_here

DEMO = Path(indicators.__file__).parent / "demo"
MEMBERS = ("analyst", "reviewer", "admin", "lab-a-admin")
SECOND_FACTORS = "demo-second-factors.json"
"""Name of the file in STILLWATCH_HOME with what the demo members' authenticator apps make their codes of."""
PUBLIC_FACTS = "Published facts; every attribution is labelled as alleged."


class Command(BaseCommand):
    help = (
        "Load the demo community of fictional organisations and the two worked example bundles; give its members"
        " authenticator apps."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        quiet = {"verbosity": options["verbosity"]}
        tokens = Path(settings.STILLWATCH_HOME) / "demo-tokens.json"
        # Under its own name only at the end: it says that the demo is loaded.
        draft = tokens.with_suffix(".draft")
        call_command("apply_community", str(DEMO / "community.yaml"), tokens_out=draft, **quiet)
        self._enrol()
        call_command(
            "import_stix", str(DEMO / "1-public-campaigns.json"), organization="hub", wait=True, **quiet
        )
        self._approve_all()
        # What these detectors report stays for the analyst: the desk has something to decide.
        call_command(
            "import_stix", str(DEMO / "2-synthetic-detections.json"), organization="lab-a", wait=True, **quiet
        )

        draft.replace(tokens)

    def _enrol(self) -> None:
        """Give each demo member an authenticator app, whose secret `manage.py demo_code` finds in this home."""
        now = timezone.now()
        secrets = {
            member.username: enrol_app(member=member, by=Actor("service:load_demo"), now=now)
            for member in Member.objects.filter(username__in=MEMBERS).order_by("id")
        }
        file = Path(settings.STILLWATCH_HOME) / SECOND_FACTORS
        file.unlink(missing_ok=True)
        with os.fdopen(
            os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as out:
            json.dump(secrets, out, indent=2)
            out.write("\n")

    def _approve_all(self) -> None:
        analyst = Member.objects.get(username="analyst")
        now = timezone.now()
        pending = Review.objects.filter(state=ReviewState.PENDING).order_by("id")
        for review_id in pending.values_list("id", flat=True):
            review = pending.filter(id=review_id).select_related("release").first()
            if review is not None:
                moderation.approve(
                    review_id=review_id,
                    shown=outlooks([Asked.of(review)], now=now)[review_id].digest,
                    member=analyst,
                    reason=PUBLIC_FACTS,
                    signer=current_signer(now=now),
                    now=now,
                )
        for community_id in Community.objects.values_list("id", flat=True):
            publish_here(community_id)
