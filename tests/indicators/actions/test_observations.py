"""Absorb: each organisation's latest word on each object, under the subject that it is about."""

import json
from datetime import timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.models import Organization
from indicators.actions import observations
from indicators.actions.observations import Observed, subject_key
from indicators.models import Claim, PendingFold, Subject
from indicators.stix.objects import read
from tests.conformance import stix
from tests.indicators.actions.conftest import NOW, Trust

VERSIONS = [f"2024-05-{day:02}T08:00:00.000Z" for day in range(1, 6)]


def absorb(
    trust: Trust, *objects: Any, organization: Organization | None = None, later: int = 0
) -> dict[bytes, int]:
    who = organization or trust.lab_a
    observed = []
    for one in objects:
        value = read(json.dumps(one).encode())
        observed.append(Observed(value, 1, subject_key(value), "h..s"))
    return observations.absorb(
        community_id=trust.community.id,
        organization_id=who.id,
        submission_id=trust.receive(b'{"objects":[]}', organization=who).id,
        observed=observed,
        now=NOW + timedelta(seconds=later),
    )


def drain() -> list[int]:
    """The subjects that are queued, and the queue emptied."""
    queued = list(PendingFold.objects.order_by("id").values_list("subject_id", flat=True))
    PendingFold.objects.all().delete()
    return queued


def test_two_spellings_of_one_pattern_are_one_subject(trust: Trust) -> None:
    domain = stix.domain()

    absorb(trust, stix.indicator(pattern=f"[domain-name:value = '{domain}']"))
    absorb(
        trust, stix.indicator(pattern=f"[ domain-name:value='{domain.upper()}' ]"), organization=trust.lab_b
    )

    assert Subject.objects.count() == 1
    assert Claim.objects.count() == 2


def test_one_object_of_two_organisations_is_one_subject_with_two_claims(trust: Trust) -> None:
    campaign = stix.campaign()

    absorb(trust, campaign)
    absorb(trust, campaign, organization=trust.lab_b)

    assert (Subject.objects.count(), Claim.objects.count()) == (1, 2)


def test_an_older_version_changes_nothing(trust: Trust) -> None:
    campaign = stix.campaign(modified=VERSIONS[3])
    absorb(trust, campaign)
    before = Claim.objects.values().get()

    absorb(trust, campaign | {"modified": VERSIONS[1], "name": "Old"}, later=9)

    assert Claim.objects.values().get() == before


def test_a_newer_version_takes_its_place_and_keeps_when_it_was_first_heard(trust: Trust) -> None:
    campaign = stix.campaign()
    absorb(trust, campaign)

    absorb(trust, campaign | {"modified": VERSIONS[4], "revoked": True}, later=9)

    claim = Claim.objects.get()
    assert claim.revoked
    assert (claim.first_received_at, claim.received_at) == (NOW, NOW + timedelta(seconds=9))


def test_a_claim_that_moves_queues_both_subjects(trust: Trust) -> None:
    indicator = stix.indicator()
    (before,) = absorb(trust, indicator).values()
    drain()

    moved = indicator | {"modified": VERSIONS[4], "pattern": f"[domain-name:value = '{stix.domain()}']"}
    (after,) = absorb(trust, moved).values()

    assert sorted(drain()) == sorted({before, after})
    assert Claim.objects.get().subject_id == after


def test_an_observable_follows_what_was_said_last(trust: Trust) -> None:
    sco = stix.domain_name()
    absorb(trust, sco)
    drain()

    absorb(trust, sco)
    same = drain()
    absorb(trust, sco | {"x_note": "more"})

    assert same == []
    assert len(drain()) == 1
    assert json.loads(bytes(Claim.objects.get().body))["x_note"] == "more"


@given(order=st.permutations(VERSIONS), cuts=st.sets(st.integers(1, 4)))
@settings(max_examples=25)
def test_the_newest_version_counts_under_any_order_of_arrival(
    trust: Trust, order: list[str], cuts: set[int]
) -> None:
    campaign = stix.campaign()
    ends = [*sorted(cuts), len(order)]

    for start, end in zip([0, *ends], ends, strict=False):
        absorb(trust, *[campaign | {"modified": version} for version in order[start:end]])

    claim = Claim.objects.get(object_id=campaign["id"])
    assert json.loads(bytes(claim.body))["modified"] == VERSIONS[-1]


def test_what_is_withdrawn_is_said_again_by_the_same_version(trust: Trust) -> None:
    campaign = stix.campaign()
    absorb(trust, campaign)
    where = {
        "community_id": trust.community.id,
        "organization_id": trust.lab_a.id,
        "object_id": campaign["id"],
        "now": NOW,
    }

    first, second = observations.withdraw(**where), observations.withdraw(**where)
    gone = Claim.objects.get().withdrawn_at
    absorb(trust, campaign)

    assert (first, second) == (True, False)
    assert gone == NOW
    assert Claim.objects.get().withdrawn_at is None


def test_nobody_withdraws_what_another_claims(trust: Trust) -> None:
    campaign = stix.campaign()
    absorb(trust, campaign)

    for organization in (trust.lab_b, trust.outsider):
        assert not observations.withdraw(
            community_id=trust.community.id,
            organization_id=organization.id,
            object_id=campaign["id"],
            now=NOW,
        )

    assert Claim.objects.get().withdrawn_at is None
