"""The merge journal: what analysts and near duplicates make of subjects, and that all of it can be undone."""

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from accounts import sql
from accounts.actions.refusal import ReasonMissing
from accounts.actor import Actor
from accounts.models import AuditEvent, Organization
from indicators.actions import journal, observations
from indicators.actions.observations import Observed, subject_key
from indicators.models import Claim, Merge, PendingFold, Subject
from indicators.stix.objects import read
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.indicators.actions.conftest import NOW, Trust

ANALYST = Actor("member:analyst")
SERVICE = Actor("service:near")
LATER = NOW + timedelta(hours=1)


def absorb(
    trust: Trust, *objects: Any, organization: Organization | None = None, tlp: int = 1, now: Any = NOW
) -> list[int]:
    """Take in objects of lab-a, unless it is another's; the subjects of their identity."""
    who = organization or trust.lab_a
    observed = []
    for one in objects:
        value = read(json.dumps(one).encode())
        observed.append(Observed(value, tlp, subject_key(value), "h..s"))
    subjects = observations.absorb(
        community_id=trust.community.id,
        organization_id=who.id,
        submission_id=trust.receive(b'{"objects":[]}', organization=who).id,
        observed=observed,
        now=now,
    )
    return [subjects[item.key] for item in observed]


def near(trust: Trust, survivor: int, other: int) -> int | None:
    return journal.merge(
        community_id=trust.community.id,
        survivor_id=survivor,
        other_id=other,
        kind="near",
        similarity=0.95,
        by=SERVICE,
        now=NOW,
    )


def by_hand(trust: Trust, survivor: int, other: int) -> int | None:
    return journal.merge(
        community_id=trust.community.id,
        survivor_id=survivor,
        other_id=other,
        kind="analyst",
        similarity=None,
        by=ANALYST,
        now=NOW,
        reason="one and the same",
    )


def split(trust: Trust, subject: int, *claims: Claim) -> int:
    return journal.split(
        community_id=trust.community.id,
        subject_id=subject,
        claim_ids=[claim.id for claim in claims],
        by=ANALYST,
        now=NOW,
        reason="not what the others saw",
    )


def undo(journal_id: int | None, by: Actor = ANALYST) -> None:
    assert journal_id is not None
    journal.undo(journal_id=journal_id, by=by, now=LATER, reason="a mistake")


def drain() -> list[int]:
    queued = list(PendingFold.objects.order_by("id").values_list("subject_id", flat=True))
    PendingFold.objects.all().delete()
    return queued


def places() -> dict[str, tuple[int, int | None]]:
    """Where each claim counts, and its home."""
    return {
        object_id: (subject, home)
        for object_id, subject, home in Claim.objects.values_list("object_id", "subject_id", "home_id")
    }


def parents() -> dict[int, int]:
    return dict(Subject.objects.filter(merged_into__isnull=False).values_list("id", "merged_into_id"))


def claim_of(one: Object, organization: Organization) -> Claim:
    return Claim.objects.get(object_id=one["id"], organization=organization)


def test_a_merge_moves_the_claims_and_queues_both_and_what_refers_to_them(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    link = stix.relationship(stix.campaign(), second)
    one, two, three = absorb(trust, first, second, link)
    drain()

    made = near(trust, one, two)

    assert places()[second["id"]] == (one, two)
    assert parents() == {two: one}
    assert drain() == [two, one, three]
    entry = Merge.objects.get()
    assert (entry.id, entry.made_by, entry.similarity) == (made, "service:near", 0.95)
    assert AuditEvent.objects.get(action="subject.merge").target == f"subject:{one}"


def test_undoing_a_merge_brings_back_also_what_came_after_it(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    one, two = absorb(trust, first, second)
    made = near(trust, one, two)
    absorb(trust, second, organization=trust.lab_b)
    drain()

    undo(made)

    returned = Claim.objects.filter(subject=two, home=None)
    assert {claim.organization_id for claim in returned} == {trust.lab_a.id, trust.lab_b.id}
    assert parents() == {}
    assert drain() == [one, two]
    entry = Merge.objects.get()
    assert (entry.undone_by, entry.undo_reason, entry.undone_at) == ("member:analyst", "a mistake", LATER)


def test_a_claim_on_what_was_merged_counts_for_the_survivor(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    one, two = absorb(trust, first, second)
    near(trust, one, two)
    drain()

    absorb(trust, second, organization=trust.lab_b)

    claim = claim_of(second, trust.lab_b)
    assert (claim.subject_id, claim.home_id) == (one, two)
    assert drain() == [one]


def test_pointers_always_name_roots_and_undo_rebuilds_them(trust: Trust) -> None:
    objects = [stix.malware() for _ in range(4)]
    a, b, c, d = absorb(trust, *objects)
    near(trust, b, a)
    near(trust, d, c)
    middle = near(trust, d, b)

    assert parents() == {a: d, b: d, c: d}
    assert {subject for subject, _ in places().values()} == {d}

    undo(middle)

    assert parents() == {a: b, c: d}
    assert {one["id"]: places()[one["id"]] for one in objects} == {
        objects[0]["id"]: (b, a),
        objects[1]["id"]: (b, None),
        objects[2]["id"]: (d, c),
        objects[3]["id"]: (d, None),
    }


def test_undoing_the_first_of_two_merges_leaves_the_second(trust: Trust) -> None:
    a, b, c = absorb(trust, stix.malware(), stix.malware(), stix.malware())
    first = near(trust, b, a)
    near(trust, c, b)

    undo(first)

    assert parents() == {b: c}
    assert Claim.objects.get(subject=a).home_id is None


def test_what_is_one_already_is_not_merged_again(trust: Trust) -> None:
    a, b = absorb(trust, stix.malware(), stix.malware())
    near(trust, a, b)

    assert near(trust, a, b) is None
    assert near(trust, b, a) is None
    assert Merge.objects.count() == 1


def test_near_duplicates_that_an_analyst_parted_stay_apart_until_an_analyst_merges_them(trust: Trust) -> None:
    a, b = absorb(trust, stix.malware(), stix.malware())
    undo(near(trust, a, b))

    assert near(trust, a, b) is None
    assert near(trust, b, a) is None
    assert by_hand(trust, a, b) is not None


def test_near_duplicates_of_what_was_parted_do_not_bring_it_together_again(trust: Trust) -> None:
    a, b, c = absorb(trust, stix.malware(), stix.malware(), stix.malware())
    undo(near(trust, a, b))
    near(trust, c, b)

    assert near(trust, a, c) is None
    assert near(trust, c, a) is None


def test_subjects_of_two_types_or_communities_cannot_be_merged(trust: Trust) -> None:
    a, b = absorb(trust, stix.malware(), stix.campaign())

    with pytest.raises(journal.NotMergeable, match="malware"):
        by_hand(trust, a, b)
    with pytest.raises(journal.NotMergeable, match="community"):
        by_hand(trust, a, 0)


def test_a_split_takes_claims_to_a_new_subject_and_undo_brings_them_home(trust: Trust) -> None:
    campaign = stix.campaign()
    (one,) = absorb(trust, campaign)
    absorb(trust, campaign, organization=trust.lab_b)
    drain()

    made = split(trust, one, claim_of(campaign, trust.lab_b))

    taken = claim_of(campaign, trust.lab_b)
    assert taken.home_id == one
    assert claim_of(campaign, trust.lab_a).subject_id == one
    assert drain() == [one, taken.subject_id]

    undo(made)

    assert {(claim.subject_id, claim.home_id) for claim in Claim.objects.all()} == {(one, None)}
    assert drain() == [taken.subject_id, one]


def test_a_new_version_of_a_claim_that_was_split_off_stays_there(trust: Trust) -> None:
    campaign = stix.campaign()
    (one,) = absorb(trust, campaign)
    absorb(trust, campaign, organization=trust.lab_b)
    split(trust, one, claim_of(campaign, trust.lab_b))
    before = claim_of(campaign, trust.lab_b).subject_id

    absorb(trust, stix.versions_of(campaign)[2], organization=trust.lab_b)

    after = claim_of(campaign, trust.lab_b)
    assert (after.subject_id, after.home_id) == (before, one)
    assert b"2024-05-03" in bytes(after.body)


def test_a_new_version_about_something_else_leaves_what_it_was_split_off_to(trust: Trust) -> None:
    indicator = stix.indicator()
    (one,) = absorb(trust, indicator)
    absorb(trust, indicator, organization=trust.lab_b)
    split(trust, one, claim_of(indicator, trust.lab_b))
    newer = stix.versions_of(indicator)[2] | {"pattern": f"[domain-name:value = '{stix.domain()}']"}

    (other,) = absorb(trust, newer, organization=trust.lab_b)

    claim = claim_of(indicator, trust.lab_b)
    assert (claim.subject_id, claim.home_id) == (other, None)


def test_what_is_said_after_a_split_counts_for_the_half_that_stayed(trust: Trust) -> None:
    campaign = stix.campaign()
    (one,) = absorb(trust, campaign)
    absorb(trust, campaign, organization=trust.lab_b)
    split(trust, one, claim_of(campaign, trust.lab_b))

    absorb(trust, campaign, organization=trust.outsider)

    assert claim_of(campaign, trust.outsider).subject_id == one


def test_a_split_needs_claims_of_the_subject_and_must_leave_one(trust: Trust) -> None:
    campaign = stix.campaign()
    one, other = absorb(trust, campaign, stix.campaign())
    absorb(trust, campaign, organization=trust.lab_b)

    with pytest.raises(journal.NotSplittable, match="choose"):
        split(trust, one)
    with pytest.raises(journal.NotSplittable, match="must remain"):
        split(trust, one, *Claim.objects.filter(subject=one))
    with pytest.raises(journal.NotSplittable, match="any more"):
        split(trust, one, Claim.objects.get(subject=other))


def test_what_was_split_off_is_no_near_duplicate_of_the_rest(trust: Trust) -> None:
    campaign = stix.campaign()
    (one,) = absorb(trust, campaign)
    absorb(trust, campaign, organization=trust.lab_b)
    split(trust, one, claim_of(campaign, trust.lab_b))
    off = claim_of(campaign, trust.lab_b).subject_id

    assert near(trust, one, off) is None
    assert near(trust, off, one) is None
    with pytest.raises(journal.NotMergeable, match="undo that"):
        by_hand(trust, one, off)


def test_claims_split_off_what_was_merged_go_home_wherever_that_is_then(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    one, two = absorb(trust, first, second)
    merged = near(trust, one, two)
    apart = split(trust, one, claim_of(second, trust.lab_a))
    undo(merged)
    assert claim_of(second, trust.lab_a).subject_id not in {one, two}

    undo(apart)

    assert places()[second["id"]] == (two, None)


def test_an_entry_is_undone_once_and_with_a_reason(trust: Trust) -> None:
    a, b = absorb(trust, stix.malware(), stix.malware())
    made = near(trust, a, b)
    assert made is not None

    with pytest.raises(ReasonMissing):
        journal.undo(journal_id=made, by=ANALYST, now=NOW, reason=" ")
    undo(made)
    with pytest.raises(journal.AlreadyUndone):
        undo(made)
    with pytest.raises(journal.NotInJournal):
        undo(made + 1000)


def test_a_withdrawn_claim_queues_what_it_counts_for(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    one, two = absorb(trust, first, second)
    near(trust, one, two)
    drain()

    observations.withdraw(
        community_id=trust.community.id, organization_id=trust.lab_a.id, object_id=second["id"], now=LATER
    )

    assert drain() == [one]


def test_who_is_seen_further_down_becomes_the_parent(trust: Trust) -> None:
    (high,) = absorb(trust, stix.malware(), tlp=2)
    (low,) = absorb(trust, stix.malware(), tlp=0)

    near(trust, high, low)

    assert parents() == {high: low}


def test_a_split_leaves_with_its_subject_those_who_are_seen_further_down(trust: Trust) -> None:
    campaign = stix.campaign()
    (one,) = absorb(trust, campaign, tlp=0)
    absorb(trust, campaign, organization=trust.lab_b, tlp=2)

    split(trust, one, claim_of(campaign, trust.lab_a))

    assert claim_of(campaign, trust.lab_a).subject_id == one
    assert claim_of(campaign, trust.lab_b).home_id == one


def test_a_claim_further_down_than_its_parent_turns_the_merge_round(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    one, two = absorb(trust, first, second, tlp=2)
    near(trust, one, two)
    absorb(trust, second, organization=trust.lab_b, tlp=0)

    touched = journal.uphold(community_id=trust.community.id, subject_ids=[one], now=LATER)

    assert touched == {one, two}
    assert parents() == {one: two}
    assert journal.uphold(community_id=trust.community.id, subject_ids=[two], now=LATER) == set()


def test_what_only_a_higher_claim_holds_together_comes_apart(trust: Trust) -> None:
    """Two that are seen below may not be one there because of a third that is not."""
    first, second, third = stix.malware(), stix.malware(), stix.malware()
    one, two, three = absorb(trust, first, second, third, tlp=2)
    near(trust, one, two)
    near(trust, one, three)
    absorb(trust, second, third, organization=trust.lab_b, tlp=0)

    journal.uphold(community_id=trust.community.id, subject_ids=[one], now=LATER)

    below = {claim.subject_id for claim in Claim.objects.filter(tlp=0)}
    assert below == {two, three}


def test_what_the_service_turned_round_may_be_a_near_duplicate_again(trust: Trust) -> None:
    first, second, third = stix.malware(), stix.malware(), stix.malware()
    one, two, three = absorb(trust, first, second, third, tlp=2)
    near(trust, one, two)
    near(trust, one, three)
    absorb(trust, second, third, organization=trust.lab_b, tlp=0)
    journal.uphold(community_id=trust.community.id, subject_ids=[one], now=LATER)

    assert near(trust, two, three) is not None


@pytest.mark.django_db(transaction=True)
def test_a_claim_that_comes_in_while_a_merge_is_made_counts_for_the_survivor(trust: Trust) -> None:
    first, second = stix.malware(), stix.malware()
    with transaction.atomic():
        one, two = absorb(trust, first, second)
    merged, go_on = threading.Event(), threading.Event()

    def merging() -> None:
        try:
            with transaction.atomic():
                near(trust, one, two)
                merged.set()
                go_on.wait(10)
        finally:
            connection.close()

    def absorbing() -> None:
        try:
            with transaction.atomic():
                absorb(trust, second, organization=trust.lab_b)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        merge = pool.submit(merging)
        assert merged.wait(10)
        ingest = pool.submit(absorbing)
        while not (ingest.done() or sql.row("SELECT 1 FROM pg_locks WHERE NOT granted")):
            time.sleep(0.01)
        go_on.set()
        merge.result(20)
        ingest.result(20)

    claim = claim_of(second, trust.lab_b)
    assert (claim.subject_id, claim.home_id) == (one, two)


@pytest.mark.django_db(transaction=True)
def test_merging_undoing_and_submitting_at_once_neither_deadlocks_nor_misplaces_a_claim(trust: Trust) -> None:
    campaigns = [stix.campaign() for _ in range(6)]
    with transaction.atomic():
        subjects = absorb(trust, *campaigns)

    def work(number: int) -> None:
        one, other = subjects[number % 6], subjects[(number * 5 + 1) % 6]
        try:
            with transaction.atomic():
                if number % 3 == 0:
                    near(trust, one, other)
                elif number % 3 == 1:
                    held = Merge.objects.filter(undone_at=None).order_by("id").first()
                    if held is not None:
                        journal.undo(journal_id=held.id, by=SERVICE, now=LATER, reason="again")
                else:
                    organization = (trust.lab_b, trust.outsider)[number % 2]
                    sql.lock(f"claims:{organization.id}")
                    absorb(trust, *campaigns, organization=organization)
        except journal.AlreadyUndone:
            pass
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(24)))

    assert Claim.objects.count() == 18
    into = {subject.id: subject.merged_into_id or subject.id for subject in Subject.objects.all()}
    assert set(into.values()) <= {root for subject, root in into.items() if subject == root}
    for claim in Claim.objects.all():
        assert claim.subject_id == into[claim.home_id or claim.subject_id]
