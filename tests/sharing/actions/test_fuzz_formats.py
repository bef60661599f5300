"""Whatever comes in any format is refused or ingested, by the functions that the workers run, and leaves no memory."""

import gc
import os
import random
from collections import Counter
from datetime import timedelta
from uuid import UUID, uuid4

import psutil
import pytest
from django.db import transaction

from accounts.actor import Actor
from indicators.actions import adapters, submissions
from indicators.actions.submissions import ClaimedSubmission
from indicators.models import Channel, Submission, SubmittedObject
from indicators.sources import formats, text
from indicators.sources.formats import FORMATS
from indicators.stix import json
from indicators.stix.markings import TLP
from sharing.actions import intake
from sharing.actions.submitter_keys import SubmitterKeys
from sharing.admin import by_hand
from sharing.models import Kind
from tests import fuzz
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox

# Of the hundred thousand five go over HTTP (tests/journeys/test_fuzz_formats.py).
MANY = int(os.environ.get("STILLWATCH_FUZZ_INPUTS", "95000"))
MAX_GROWTH = 100_000_000
_WHOLE = 50
"""One of so many goes through the tables; the others only through what reads them, which is where they differ."""


@pytest.mark.parametrize("count", [300, pytest.param(2_000, marks=pytest.mark.slow)], ids=["some", "many"])
def test_whatever_is_pasted_as_text_gives_rows_that_are_read(shop: Shop, count: int) -> None:
    """As the desk does it: values are found in it, and those that are ticked become rows."""
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    found = 0
    for number, (_, body) in enumerate(fuzz.bodies(count, seed)):
        # Of MISP's events of 300 KB a piece is enough.
        pasted = body[:20_000].decode("utf-8", "surrogateescape" if number % 2 else "replace")
        try:
            values = [by_hand._chosen(one) for one in text.extract(pasted) if one.is_taken]
            rows = by_hand._rows(values, {"confidence": None, "tlp": "", "name": "", "labels": ""})
            assert len(formats.split(rows, "csv")) == len(values)
            assert _taken(shop, "csv", rows, whole=False) == "read"
        except Exception as error:
            raise AssertionError(f"seed {seed}, number {number}: {pasted[:2_000]!r}") from error
        found += len(values)
    assert found


def test_every_format_has_samples_to_mutate() -> None:
    chance = random.Random(1)

    for name in FORMATS:
        assert formats.split(fuzz.SEEDS[name](chance), name), name


@pytest.mark.parametrize("count", [400, pytest.param(MANY, marks=pytest.mark.slow)], ids=["some", "many"])
def test_no_input_of_any_format_is_more_than_refused(shop: Shop, count: int) -> None:
    seed = random.SystemRandom().randrange(2**32)
    print(f"seed {seed}")
    fates: Counter[str] = Counter()
    process, before = psutil.Process(), 0
    for number, (name, body) in enumerate(fuzz.bodies(count, seed)):
        if number == min(5_000, count // 2):
            # What is loaded and remembered once is loaded by now.
            gc.collect()
            before = process.memory_info().rss
        try:
            fates[f"{name}: {_taken(shop, name, body, whole=number // 20 % _WHOLE == 0)}"] += 1
        except Exception as error:
            raise AssertionError(f"seed {seed}, number {number}, {name}: {body[:2_000]!r}") from error
    gc.collect()
    growth = process.memory_info().rss - before
    print(f"{count} inputs: {dict(sorted(fates.items()))}; memory grew by {growth / 1e6:.0f} MB")
    assert {f"{name}: refused" for name in FORMATS} <= fates.keys()
    assert any(fate.endswith("ingested") for fate in fates)
    assert growth < MAX_GROWTH


def _taken(shop: Shop, name: str, body: bytes, *, whole: bool) -> str:
    """What becomes of a body; through the tables (and out of them again), or as far as its lines."""
    try:
        if not whole:
            formats.split(body, name)
            return _read(shop, name, body)
        with transaction.atomic():
            received = submissions.receive(
                community_id=shop.community.id,
                organization_id=shop.lab_a.id,
                token_id=None,
                channel="rest",
                collection_id=inbox(shop, shop.lab_a).id,
                body=body,
                by=Actor("service:test"),
                now=NOW,
                body_format=name,
            )
            later = NOW + timedelta(seconds=1)
            intake.ingest(submission_id=received.id, signer=shop.signer, now=later)
            state = Submission.objects.values_list("state", flat=True).get(id=received.id)
            fate = "not understood" if _failed(received.id) else state
            transaction.set_rollback(True)
    except json.Refused as refusal:
        return "refused" if refusal.code and refusal.sentence else "refused without a word"
    assert fate == "ingested", fate
    return fate


def _failed(submission_id: UUID) -> bool:
    return SubmittedObject.objects.filter(submission_id=submission_id, reason="not-understood").exists()


def _read(shop: Shop, name: str, body: bytes) -> str:
    submission = ClaimedSubmission(
        id=uuid4(),
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        collection_id=uuid4(),
        format=name,
        body=body,
        received_at=NOW,
        channel=Channel.REST,
    )
    with transaction.atomic():
        for item in adapters.items_of(submission, campaigns=dict, now=NOW):
            for line in intake._lines_of(item, _HOUSE):
                assert line.reason != "not-understood", line.fault
        # What was noted of findings speaks of a submission that is none.
        transaction.set_rollback(True)
    return "read"


_HOUSE = intake._House(
    default_tlp=TLP.AMBER,
    takes_personal_data=False,
    takes_prompt_text=False,
    kind=Kind.INBOX,
    ceiling=TLP.RED,
    keys=SubmitterKeys(uuid4(), NOW),
)
