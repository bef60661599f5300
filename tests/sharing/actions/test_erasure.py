"""Erasure (trust.md): what a partner deletes, what counts as more restricted, and what a legal order wants gone."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import IntegrityError, transaction
from django.test import Client
from psycopg.errors import CheckViolation

from accounts import sql
from accounts.actor import Actor
from accounts.models import AuditEvent, Member
from indicators.actions import journal, raw, submissions
from indicators.models import Claim, PendingErasure, Submission, SubmittedObject
from indicators.stix.markings import TLP, marking_id
from sharing.actions import barring, deletion, erasure, proposals, publication
from sharing.models import Barred, Delivery, Entry, Erasure, ErasureState, Proposal, Webhook, Withdrawal
from sharing.receipts import receipt
from sharing.tlog import statements
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.desk import sign_in
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import NOW
from tests.sharing.actions.test_two_people import AMBER, GREEN, Desk, claim_on, desk, indicator, run
from tests.traces import files_with, tables_with

__all__ = ["desk"]
CANARY = "Wq7canaryZx"


@pytest.fixture(autouse=True)
def no_traces(desk: Desk) -> Iterator[None]:
    assert tables_with(CANARY) == {}
    yield
    assert files_with(CANARY, Path(settings.STILLWATCH_HOME)) == []


def delete(desk: Desk, one: Object, versions: tuple[str, ...] = ("all",)) -> None:
    deletion.delete(
        collection_id=exchange.inbox(desk.shop, desk.shop.lab_a).id,
        object_id=one["id"],
        versions=versions,
        spec_versions=(),
        organization_id=desk.shop.lab_a.id,
        by=Actor("token:1", desk.shop.lab_a.id),
        now=desk.now,
    )
    desk.publish()
    while erasure.cut_deleted(now=desk.now):
        pass


def order(desk: Desk, *objects: Object, reference: str = "Court of Example 7/26") -> Erasure:
    """Proposed by one analyst, confirmed by the other, and erased."""
    made = ordered(desk, *objects, reference=reference)
    while erasure.run(erasure_id=made.id, now=desk.now):
        pass
    desk.publish()
    made.refresh_from_db()
    return made


def ordered(desk: Desk, *objects: Object, reference: str = "Court of Example 7/26") -> Erasure:
    erasure_id = proposals.propose_erasure(
        subject_ids=[claim_on(one).subject_id for one in objects],
        reference=reference,
        member=desk.ann,
        reason="The order came in.",
        now=desk.now,
    )
    desk.confirm(Proposal.objects.get(erasure=erasure_id).id)
    return Erasure.objects.get(id=erasure_id)


def marked(tlp: TLP, **members: Any) -> Object:
    return stix.campaign(object_marking_refs=[marking_id(tlp)], **members)


# --- Deleted by its sender


def test_what_a_partner_deletes_is_gone_from_everywhere_but_for_33_bytes(desk: Desk) -> None:
    one = marked(GREEN, name=CANARY, description=f"Said of {CANARY}")
    other = marked(GREEN, name="The one beside it")
    sent = desk.submit(one, other)
    before = {
        (e.collection_id, e.index): bytes(e.commitment) for e in Entry.objects.filter(object_id=one["id"])
    }
    digest = bytes(Submission.objects.get(id=sent).body_sha256)

    delete(desk, one)

    assert tables_with(CANARY) == {}
    assert len(before) == 3
    for (collection_id, index), commitment in before.items():
        left = Entry.objects.get(collection_id=collection_id, index=index)
        assert (bytes(left.commitment), left.body) == (commitment, None)
    kept = Submission.objects.get(id=sent)
    assert bytes(kept.body_sha256) == digest
    assert json.loads(bytes(kept.body)) == {"objects": [{}, other]}
    assert kept.erased_at is not None
    assert other["id"] in exchange.latest(desk.feeds[GREEN])


def test_a_deletion_of_the_only_object_empties_the_body_and_says_so_in_the_receipt(desk: Desk) -> None:
    one = marked(GREEN, name=CANARY)
    sent = desk.submit(one)

    delete(desk, one)

    assert bytes(Submission.objects.get(id=sent).body) == b""
    found = receipt(desk.shop.lab_a.id, sent)
    assert found is not None
    assert [line.id for line in found.lines] == [one["id"]]
    assert SubmittedObject.objects.get(submission_id=sent).sentence == raw.DELETED


def test_what_came_again_after_it_was_deleted_stays(desk: Desk) -> None:
    one = marked(GREEN, name="Twice")
    desk.submit(one)
    deletion.delete(
        collection_id=exchange.inbox(desk.shop, desk.shop.lab_a).id,
        object_id=one["id"],
        versions=("all",),
        spec_versions=(),
        organization_id=desk.shop.lab_a.id,
        by=Actor("token:1", desk.shop.lab_a.id),
        now=desk.now,
    )
    again = desk.submit(one, marked(GREEN))
    erasure.cut_deleted(now=desk.now)

    assert len(json.loads(bytes(Submission.objects.get(id=again).body))["objects"][0]) > 1
    assert one["id"] in exchange.latest(desk.feeds[GREEN])
    assert not PendingErasure.objects.exists()


def test_of_a_deleted_indicator_the_claim_says_nothing_and_the_feeds_say_that_it_is_revoked(
    desk: Desk,
) -> None:
    one = indicator(GREEN, labels=[CANARY])
    desk.submit(one)

    delete(desk, one)

    claim = claim_on(one)
    assert json.loads(bytes(claim.body)) == {"type": "indicator", "id": one["id"]}
    assert (claim.signature, claim.references) == ("", [])
    # The service's own word of it is retracted as STIX retracts: by a revocation.
    assert set(tables_with(CANARY)) <= {"sharing_entry"}
    assert desk.shown(GREEN) == []
    assert [
        found["revoked"]
        for found in exchange.latest(desk.feeds[GREEN]).values()
        if found["type"] == "indicator"
    ] == [True]


def test_a_deleted_indicator_that_is_sent_again_is_found_watched_and_released_again(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    before = watched()
    delete(desk, one)
    assert watched() == []

    desk.submit(one)

    assert watched() == before == [("a.example",)]
    assert len(desk.shown(GREEN)) == 1


def test_of_two_sources_the_other_still_stands_when_one_deletes(desk: Desk) -> None:
    one, other = indicator(GREEN), indicator(GREEN)
    desk.submit(one)
    desk.submit(other, organization=desk.shop.lab_b)

    delete(desk, one)

    (left,) = desk.shown(GREEN)
    assert not left.get("revoked")
    assert rows("SELECT count(*) FROM indicators_observable") == [(1,)]


# --- TLP raised


def test_a_raised_tlp_erases_every_version_below(desk: Desk) -> None:
    one = indicator(GREEN, labels=[CANARY])
    desk.submit(one)
    desk.submit(one | {"modified": stix.VERSIONS[2], "name": "Another name"})

    desk.mark(claim_on(one), AMBER)

    assert CANARY not in json.dumps(exchange.versions(desk.feeds[GREEN]))
    assert CANARY in json.dumps(exchange.versions(desk.feeds[AMBER]))
    reasons = Withdrawal.objects.filter(collection=desk.feeds[GREEN]).values_list("reason", flat=True)
    assert set(reasons) == {"tlp-change"}


def test_what_others_say_below_is_said_again_without_the_raised_words(desk: Desk) -> None:
    one, other = indicator(GREEN, labels=[CANARY]), indicator(GREEN, labels=["seen-here-too"])
    desk.submit(one)
    desk.submit(other, organization=desk.shop.lab_b)

    desk.mark(claim_on(one), AMBER)

    (left,) = desk.shown(GREEN)
    assert left["pattern"] == one["pattern"]
    assert CANARY not in json.dumps(exchange.versions(desk.feeds[GREEN]))


def test_a_new_version_with_a_higher_marking_erases_below_too(desk: Desk) -> None:
    one = indicator(GREEN, labels=[CANARY])
    desk.submit(one)

    desk.submit(one | {"modified": stix.VERSIONS[2], "object_marking_refs": [marking_id(AMBER)]})

    assert CANARY not in json.dumps(exchange.versions(desk.feeds[GREEN]))
    assert len(desk.shown(AMBER)) == 1


# --- Legal orders


def test_a_legal_order_leaves_nothing_of_an_object_anywhere(desk: Desk) -> None:
    pattern = f"[domain-name:value = '{CANARY.lower()}.example']"
    one = indicator(GREEN, pattern, name=CANARY, description=CANARY)
    twin = indicator(AMBER, pattern, description=f"{CANARY} too")
    beside = marked(GREEN, name="Beside it")
    sent = desk.submit(one, beside)
    desk.submit(twin, organization=desk.shop.lab_b)
    hook = Webhook.objects.create(
        organization=desk.shop.lab_a, url="https://a.example/", what=["receipts"], next_at=NOW, created_at=NOW
    )
    Delivery.objects.create(
        webhook=hook,
        kind="receipt.ingested",
        submission_id=sent,
        body=CANARY.encode(),
        next_at=NOW,
        created_at=NOW,
    )
    commitments = {
        (e.collection_id, e.index): bytes(e.commitment)
        for e in Entry.objects.exclude(body=None)
        if CANARY.encode() in bytes(e.body or b"")
    }
    assert len(commitments) >= 4

    made = order(desk, one)

    assert made.state == ErasureState.DONE
    assert tables_with(CANARY) == {}
    assert tables_with(CANARY.lower()) == {}
    assert tables_with(one["id"]) == {
        "sharing_withdrawal": 1,
        "accounts_auditevent": 0,
    } or "indicators_claim" not in tables_with(one["id"])
    for (collection_id, index), commitment in commitments.items():
        left = Entry.objects.get(collection_id=collection_id, index=index)
        assert (bytes(left.commitment), left.body) == (commitment, None)
        assert left.withdrawn_by is not None
        stated = Entry.objects.get(collection_id=collection_id, index=left.withdrawn_by)
        said = statements.read_statement(json.loads(bytes(stated.opening))["stmt"].encode())
        assert isinstance(said, statements.WithdrawStatement)
        assert (said.target, said.reason) == (index, statements.Reason.LEGAL)
    assert json.loads(bytes(Submission.objects.get(id=sent).body))["objects"] == [{}, beside]
    assert made.counts["claims"] == 2
    assert beside["id"] in exchange.latest(desk.feeds[GREEN])


def test_nobody_brings_back_what_a_legal_order_erased(desk: Desk) -> None:
    one = indicator(GREEN, f"[domain-name:value = '{CANARY.lower()}.example']", name=CANARY)
    desk.submit(one)
    order(desk, one)

    under_its_id = desk.submit(
        one | {"modified": stix.VERSIONS[2], "pattern": "[domain-name:value = 'b.example']"}
    )
    beside = indicator(GREEN, "[domain-name:value = 'c.example']")
    again = desk.submit(indicator(GREEN, one["pattern"], name=CANARY), beside, organization=desk.shop.lab_b)

    for sender, sent in ((desk.shop.lab_a, under_its_id), (desk.shop.lab_b, again)):
        found = receipt(sender.id, sent)
        assert found is not None
        assert (found.lines[0].outcome, found.lines[0].reason) == ("rejected", "erased-by-order")
        assert found.lines[0].id == "objects/0"
    assert tables_with(CANARY) == tables_with(CANARY.lower()) == {}
    assert [left["pattern"] for left in desk.shown(GREEN)] == [beside["pattern"]]
    assert json.loads(bytes(Submission.objects.get(id=again).body))["objects"] == [{}, beside]


def test_two_people_let_it_in_again(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    made = order(desk, one)

    proposal = proposals.propose_lifting(
        erasure_id=made.id, member=desk.bob, reason="The court reversed it.", now=desk.now
    )
    assert Barred.objects.exists()
    desk.confirm(proposal, by=desk.ann)
    desk.submit(one)

    assert not Barred.objects.exists()
    assert len(desk.shown(GREEN)) == 1
    made.refresh_from_db()
    assert made.state == ErasureState.LIFTED


def test_one_person_erases_nothing_and_lets_nothing_in(desk: Desk) -> None:
    one = indicator(GREEN)
    desk.submit(one)
    erasure_id = proposals.propose_erasure(
        subject_ids=[claim_on(one).subject_id],
        reference="7/26",
        member=desk.ann,
        reason="It came.",
        now=desk.now,
    )

    with pytest.raises(proposals.SamePerson):
        desk.confirm(Proposal.objects.get().id, by=desk.ann)
    with pytest.raises(IntegrityError, match="second person"), transaction.atomic():
        run("UPDATE sharing_erasure SET state = 'confirmed', confirmed_at = now()")
    with pytest.raises(CheckViolation, match="two people"), transaction.atomic():
        barring.bar(erasure_id=erasure_id, wanted={b"0" * 32})
    proposals.decline(
        proposal_id=Proposal.objects.get().id, member=desk.bob, reason="Not this one.", now=desk.now
    )

    assert Erasure.objects.get().state == ErasureState.DROPPED
    assert not erasure.run(erasure_id=erasure_id, now=desk.now)
    assert len(desk.shown(GREEN)) == 1
    made = order(desk, one)
    with pytest.raises(CheckViolation, match="two people"), transaction.atomic():
        barring.lift(erasure_id=made.id)


def test_an_interrupted_erasure_goes_on_where_it_was(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = [
        indicator(GREEN, f"[domain-name:value = '{CANARY.lower()}{n}.example']", name=CANARY)
        for n in range(3)
    ]
    for one in objects:
        desk.submit(one)
    made = ordered(desk, *objects)
    monkeypatch.setattr(erasure, "BATCH", 1)
    real_withdraw, calls = publication.withdraw, iter(range(1000))

    def failing(**arguments: Any) -> Counter[str]:
        if next(calls) == 1:
            raise RuntimeError("the power went")
        return real_withdraw(**arguments)

    monkeypatch.setattr(publication, "withdraw", failing)
    real_lines, spoilt = raw.erase_lines, iter(range(1000))

    def failing_lines(**arguments: Any) -> None:
        if next(spoilt) == 1:
            raise RuntimeError("the power went again")
        real_lines(**arguments)

    monkeypatch.setattr(raw, "erase_lines", failing_lines)

    for _ in range(2):
        with pytest.raises(RuntimeError):
            erasure.run(erasure_id=made.id, now=desk.now)
    assert tables_with(CANARY) != {}
    erasure.run(erasure_id=made.id, now=desk.now)
    desk.publish()

    assert tables_with(CANARY) == tables_with(CANARY.lower()) == {}
    made.refresh_from_db()
    assert (made.state, made.counts["claims"]) == (ErasureState.DONE, 3)
    assert not erasure.run(erasure_id=made.id, now=desk.now)


def test_each_step_of_an_erasure_has_its_own_time(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Until its step everything stands and is pulled: who pulls it then must be told."""
    objects = [indicator(GREEN, f"[domain-name:value = '{name}.example']") for name in "ab"]
    for one in objects:
        desk.submit(one)
    made = ordered(desk, *objects)
    seconds = iter(range(0, 100_000, 60))
    monkeypatch.setattr(erasure, "monotonic", lambda: float(next(seconds)))

    erasure.run(erasure_id=made.id, now=desk.now)

    assert len(set(Withdrawal.objects.filter(erasure=made).values_list("at", flat=True))) == 2


def test_what_waits_or_is_set_aside_loses_what_is_barred(desk: Desk) -> None:
    one = indicator(GREEN, f"[domain-name:value = '{CANARY.lower()}.example']", name=CANARY)
    desk.submit(one)
    beside = indicator(GREEN, "[domain-name:value = 'd.example']")
    received = submissions.receive(
        community_id=desk.shop.community.id,
        organization_id=desk.shop.lab_b.id,
        token_id=None,
        channel="rest",
        collection_id=exchange.inbox(desk.shop, desk.shop.lab_b).id,
        body=json.dumps({"objects": [indicator(GREEN, one["pattern"], name=CANARY), beside]}).encode(),
        by=Actor("service:test"),
        now=desk.now,
    )
    Submission.objects.filter(id=received.id).update(state="quarantined")

    order(desk, one)

    assert tables_with(CANARY) == {}
    assert json.loads(bytes(Submission.objects.get(id=received.id).body))["objects"] == [{}, beside]


def test_what_others_say_of_something_merged_is_said_again_without_it(desk: Desk) -> None:
    """An order on one of two subjects that were merged: the other stands, without the words of the first."""
    one = indicator(
        GREEN, f"[domain-name:value = '{CANARY.lower()}.example']", name=CANARY, description=CANARY
    )
    other = indicator(GREEN, "[domain-name:value = 'e.example']", description="The other")
    desk.submit(other)
    desk.submit(one, organization=desk.shop.lab_b)
    home = claim_on(one).subject_id
    journal.merge(
        community_id=desk.shop.community.id,
        survivor_id=claim_on(other).subject_id,
        other_id=home,
        kind="analyst",
        similarity=None,
        by=Actor("member:ann"),
        now=desk.now,
        reason="The same",
    )
    desk.publish()
    erasure_id = proposals.propose_erasure(
        subject_ids=[home], reference="7/26", member=desk.ann, reason="It came.", now=desk.now
    )
    desk.confirm(Proposal.objects.get(erasure=erasure_id).id)

    erasure.run(erasure_id=erasure_id, now=desk.now)
    desk.publish()

    assert tables_with(CANARY) == tables_with(CANARY.lower()) == {}
    assert [left["pattern"] for left in desk.shown(GREEN)] == [other["pattern"]]


def test_the_audit_trail_tells_of_an_order_but_nothing_of_its_object(desk: Desk) -> None:
    one = indicator(GREEN, name=CANARY)
    desk.submit(one)

    made = order(desk, one)

    actions = AuditEvent.objects.filter(target=f"erasure:{made.id}").order_by("id")
    assert [event.action for event in actions] == ["erasure.order", "erasure.done"]
    assert actions[0].detail["reference"] == "Court of Example 7/26"
    assert actions[1].detail["erased"]["claims"] == 1


@pytest.mark.parametrize("way", ["deleted", "ordered"])
def test_the_desk_still_opens_everything_and_shows_nothing_of_it(desk: Desk, way: str) -> None:
    one = indicator(GREEN, f"[domain-name:value = '{CANARY.lower()}.example']", name=CANARY)
    case = marked(GREEN, name=CANARY)
    link = stix.relationship(one, case, object_marking_refs=[marking_id(GREEN)])
    seen = stix.sighting(
        sighting_of_ref=one["id"], count=3, object_marking_refs=[marking_id(GREEN)], description=CANARY
    )
    sent = desk.submit(one, case, link, seen)
    subjects = {found["id"]: claim_on(found).subject_id for found in (one, case, link, seen)}
    claims = list(Claim.objects.values_list("id", flat=True))
    client = sign_in(Client(), desk.ann)
    if way == "deleted":
        for found in (one, case, link, seen):
            delete(desk, found)
        made = None
    else:
        made = order(desk, one, case, link, seen)

    addresses = [
        *(f"/admin/indicators/subject/{subject}/change/" for subject in subjects.values()),
        *(f"/admin/graph/{subject}/" for subject in subjects.values()),
        f"/admin/campaigns/{subjects[case['id']]}/",
        *(f"/admin/claims/{claim}/" for claim in claims),
        *(
            "/admin/",
            "/admin/indicators/subject/",
            "/admin/campaigns/",
            "/admin/proposals/",
            "/admin/withdrawals/",
        ),
        *(
            "/admin/erasures/",
            f"/admin/indicators/submission/{sent}/change/",
            f"/admin/erasures/propose/?term={one['id']}",
        ),
        *([f"/admin/erasures/{made.id}/", f"/admin/erasures/{made.id}/report.csv"] if made else []),
    ]
    for address in addresses:
        answer = client.get(address)
        assert answer.status_code in {200, 404}, address
        text = answer.content.decode()
        if way == "ordered":
            assert CANARY not in text, address
            assert CANARY.lower() not in text, address


def test_at_the_desk_one_looks_and_proposes_and_another_confirms(desk: Desk) -> None:
    one = indicator(GREEN, f"[domain-name:value = '{CANARY.lower()}.example']")
    desk.submit(one)
    subject = claim_on(one).subject_id
    ann, bob = sign_in(Client(), desk.ann), sign_in(Client(), desk.bob)

    page = ann.get(f"/admin/erasures/propose/?subject={subject}").content.decode()
    sent = ann.post(
        "/admin/erasures/propose/", {"subject": subject, "reference": "7/26", "reason": "The order came in."}
    )
    made = Erasure.objects.get()
    waits = bob.get(f"/admin/erasures/{made.id}/").content.decode()
    proposal = Proposal.objects.get()
    alone = ann.post(f"/admin/proposals/{proposal.id}/", {"decision": "confirm", "reason": "Mine."})
    confirmed = bob.post(f"/admin/proposals/{proposal.id}/", {"decision": "confirm", "reason": "I read it."})
    made.refresh_from_db()

    assert "Who had pulled it" in page
    assert (sent.status_code, sent["Location"]) == (302, f"/admin/erasures/{made.id}/")
    assert "Waits for a second person" in waits
    assert (alone.status_code, confirmed.status_code) == (302, 302)
    assert made.state == ErasureState.CONFIRMED
    outsider = Member.objects.create(
        username="ria", organization=desk.shop.lab_a, role="admin", is_staff=True
    )
    assert sign_in(Client(), outsider).get("/admin/erasures/").status_code == 404
    erasure.run(erasure_id=made.id, now=desk.now)
    assert "Save as CSV" in bob.get(f"/admin/erasures/{made.id}/").content.decode()


def test_a_term_that_no_text_holds_finds_nothing(desk: Desk) -> None:
    answer = sign_in(Client(), desk.ann).post("/admin/erasures/propose/", {"term": "a\0"})

    assert answer.status_code == 200


def watched() -> list[Any]:
    return rows("SELECT domain FROM indicators_observable")


def rows(query: str) -> list[Any]:
    return sql.rows(query)
