"""Objects that are refused cost the others nothing: no query more, no attempt more, and all others stand."""

import json
from typing import Any

import pytest

from accounts.actor import Actor
from indicators.actions import submissions
from indicators.models import Submission
from sharing.actions import intake
from tests.bench import material, poison
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox


def ingest(shop: Shop, objects: list[dict[str, Any]]) -> Submission:
    received = submissions.receive(
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        token_id=None,
        channel="rest",
        collection_id=inbox(shop, shop.lab_a).id,
        body=json.dumps({"objects": objects}).encode(),
        by=Actor("service:test"),
        now=NOW,
    )
    intake.ingest(submission_id=received.id, signer=shop.signer, now=NOW)
    return Submission.objects.get(id=received.id)


def test_poison_costs_no_query_and_no_attempt(shop: Shop, statements: list[str]) -> None:
    ingest(shop, material.objects(300, 1))
    counts = []
    for seed, spoilt in ((2, False), (3, True)):
        objects = material.objects(300, seed)
        if spoilt:
            for place in range(0, 300, 20):
                objects[place] = poison.spoilt(objects[place], place // 20)
        before = len(statements)
        submission = ingest(shop, objects)
        counts.append(len(statements) - before)
        outcomes = list(submission.submittedobject_set.values_list("outcome", flat=True))
        assert (submission.state, submission.attempts, submission.error) == ("ingested", 0, "")
        assert outcomes.count("rejected") == (15 if spoilt else 0)
        assert len(outcomes) == 300
    clean, poisoned = counts
    assert poisoned <= clean
    assert clean < 60


def test_a_fault_of_ours_is_logged_once_for_all_objects_that_lead_to_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(_: object) -> bytes:
        raise ZeroDivisionError("secret.example")

    monkeypatch.setattr(intake, "subject_key", fails)

    submission = ingest(shop, material.objects(50, 4))

    lines = [line for line in caplog.text.splitlines() if "object_not_understood" in line]
    assert set(submission.submittedobject_set.values_list("reason", flat=True)) == {"not-understood"}
    assert len(lines) == 1
    assert all(told in lines[0] for told in (str(submission.id), "objects/0", "ZeroDivisionError"))
    assert "secret.example" not in lines[0]
