"""Likeness: prompt templates that resemble each other are merged or proposed, and nothing shows below its level."""

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from hypothesis import strategies as st

from accounts.actions.refusal import ReasonMissing
from accounts.actor import Actor
from accounts.models import AuditEvent, Community, Member, Organization, Role
from indicators.actions import journal, likeness, observations
from indicators.actions.likeness import NotAllowed, NotPending
from indicators.actions.observations import Observed, subject_key
from indicators.dedup import sketches
from indicators.dedup.templates import EXTENSION
from indicators.models import Claim, Likeness, LikenessState, Merge, Sketch, SketchBand, Subject
from indicators.stix.objects import read
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.indicators.actions.conftest import NOW, Trust

CLEAR, GREEN, AMBER, STRICT, RED = range(5)
ONE_APART = 1 / 128


def sketch(*replaced: range, of: int = 0) -> bytes:
    """A sketch whose minima are those of template `of`, but for the replaced ones."""
    minima = [1000 * of + number for number in range(128)]
    for places in replaced:
        for place in places:
            minima[place] += 500_000 + places.stop
    return b"".join(one.to_bytes(4, "big") for one in minima)


SAME = sketch(range(8))  # J = 0.94 with the plain one
SAME_TOO = sketch(range(8, 16))  # J = 0.94 with the plain one, 0.88 with SAME
ALIKE = sketch(range(40))  # J = 0.69 with the plain one, 0.69 with SAME
OTHER = sketch(of=7)


def template(minima: bytes | None = None, **members: Any) -> Object:
    made = stix.sco(
        "prompt-template",
        {"hashes": {"SHA-256": stix.file()["hashes"]["SHA-256"]}, "normalization": "ptn-1"},
        spec_version="2.1",
        extensions={EXTENSION: {"extension_type": "new-sco"}},
        **members,
    )
    return made if minima is None else with_sketch(made, minima)


def with_sketch(one: Object, minima: bytes) -> Object:
    return one | {"sketches": {sketches.NAME: sketches.encode(minima)}}


def ingest(
    trust: Trust, *objects: Object, tlp: int = GREEN, by: Organization | None = None, later: int = 0
) -> list[int]:
    """What intake does with accepted objects of lab-a, or of another; the subjects of their identity."""
    who = by or trust.lab_a
    observed = []
    for one in objects:
        value = read(json.dumps(one).encode())
        observed.append(Observed(value, tlp, subject_key(value), "h..s"))
    now = NOW + timedelta(seconds=later)
    community_id = trust.community.id
    with transaction.atomic():
        arrived = likeness.arrivals(community_id=community_id, observed=observed)
        subjects = observations.absorb(
            community_id=community_id,
            organization_id=who.id,
            submission_id=trust.receive(b'{"objects":[]}', organization=who).id,
            observed=observed,
            now=now,
        )
        likeness.compare(community_id=community_id, arrived=arrived, subjects=subjects, now=now)
    return [subjects[item.key] for item in observed]


def merged() -> dict[int, int]:
    """Each merged subject and its root."""
    return {one.id: one.merged_into_id for one in Subject.objects.all() if one.merged_into_id is not None}


def found() -> set[tuple[int, int, str]]:
    return set(Likeness.objects.values_list("first_id", "second_id", "state"))


def analyst(username: str = "analyst", role: str = Role.ANALYST) -> Member:
    return Member.objects.create(username=username, role=role)


def decide(verdict: LikenessState, member: Member, reason: str = "they ask for the same") -> None:
    likeness.decide(
        likeness_id=Likeness.objects.get().id, verdict=verdict, member=member, reason=reason, now=NOW
    )


def test_a_likeness_is_proposed(trust: Trust) -> None:
    (one,) = ingest(trust, template(sketch()))
    (other,) = ingest(trust, template(ALIKE), by=trust.lab_b)

    assert found() == {(one, other, "pending")}
    assert Likeness.objects.get().similarity == 1 - 40 * ONE_APART
    assert merged() == {}


def test_near_duplicates_are_merged_into_the_older_one(trust: Trust) -> None:
    (one,) = ingest(trust, template(sketch()))
    (other,) = ingest(trust, template(SAME), by=trust.lab_b, later=1)

    assert merged() == {other: one}
    assert set(Claim.objects.values_list("subject_id", flat=True)) == {one}
    assert found() == {(one, other, "merged")}
    assert Merge.objects.get().similarity == 1 - 8 * ONE_APART


def test_what_is_unlike_is_left_alone(trust: Trust) -> None:
    ingest(trust, template(sketch()), template(OTHER), template())

    assert found() == set()
    assert merged() == {}


def test_templates_of_one_submission_are_compared_too(trust: Trust) -> None:
    one, other, third = ingest(trust, template(sketch()), template(SAME), template(ALIKE))

    # Said at once, neither is older: what they say decides.
    ((gone, survivor),) = merged().items()
    assert {gone, survivor} == {one, other}
    assert found() == {
        (min(one, other), max(one, other), "merged"),
        (min(survivor, third), max(survivor, third), "pending"),
    }


def test_another_community_is_never_looked_at(trust: Trust) -> None:
    ingest(trust, template(sketch()))
    elsewhere = type(trust.community).objects.create(slug="elsewhere", title="Elsewhere", created_at=NOW)
    trust.community = elsewhere

    ingest(trust, template(SAME))

    assert found() == set()
    assert merged() == {}


def test_nothing_follows_by_way_of_a_third(trust: Trust) -> None:
    """SAME_TOO is near the plain one, not near SAME, which is the root."""
    (root,) = ingest(trust, template(SAME))
    (second,) = ingest(trust, template(sketch()), later=1)
    (third,) = ingest(trust, template(SAME_TOO), later=2)

    assert merged() == {second: root}
    assert (root, third, "pending") in found()


def test_what_is_known_further_down_survives_though_it_is_younger(trust: Trust) -> None:
    (above,) = ingest(trust, template(sketch()), tlp=AMBER)
    (below,) = ingest(trust, template(SAME), tlp=GREEN, later=1)

    assert merged() == {above: below}


def test_several_above_follow_the_one_below(trust: Trust) -> None:
    (one,) = ingest(trust, template(SAME), tlp=AMBER)
    (two,) = ingest(trust, template(SAME_TOO), tlp=STRICT, later=1)
    (below,) = ingest(trust, template(sketch()), tlp=GREEN, later=2)

    assert merged() == {one: below, two: below}


def test_what_has_somewhere_to_go_takes_nothing_with_it(trust: Trust) -> None:
    """The strict one must not change what the green one merges into."""
    (strict,) = ingest(trust, template(SAME), tlp=STRICT)
    (green,) = ingest(trust, template(SAME_TOO), tlp=GREEN, later=1)
    (middle,) = ingest(trust, template(sketch()), tlp=GREEN, later=2)

    assert merged() == {middle: green}
    assert strict not in merged()


def test_a_sketch_known_above_merges_nothing_below(trust: Trust) -> None:
    """The green claim has no sketch: at green nobody knows what the template resembles."""
    (one,) = ingest(trust, template(sketch()), tlp=GREEN)
    silent = template()
    (other,) = ingest(trust, silent, tlp=GREEN, later=1)
    ingest(trust, with_sketch(silent, SAME), tlp=AMBER, by=trust.lab_b, later=2)

    assert merged() == {}
    assert found() == {(one, other, "pending")}

    ingest(trust, with_sketch(silent, SAME), tlp=GREEN, by=trust.outsider, later=3)

    assert merged() == {other: one}
    assert found() == {(one, other, "merged")}


def test_a_claim_below_the_level_of_a_likeness_takes_its_merge_back(trust: Trust) -> None:
    silent = template()
    (one,) = ingest(trust, template(sketch()), tlp=GREEN)
    (other,) = ingest(trust, with_sketch(silent, SAME), tlp=AMBER, later=1)
    assert merged() == {other: one}

    ingest(trust, silent, tlp=GREEN, by=trust.lab_b, later=2)

    assert merged() == {}
    assert found() == {(one, other, "pending")}
    # That was nobody's opinion: where the likeness is known, it is merged again.
    ingest(trust, with_sketch(silent, SAME), tlp=GREEN, by=trust.outsider, later=3)
    assert merged() == {other: one}


def test_the_sketch_claimed_furthest_down_counts(trust: Trust) -> None:
    told = template()
    (one,) = ingest(trust, template(sketch()), tlp=GREEN)
    (other,) = ingest(trust, with_sketch(told, SAME), tlp=AMBER, later=1)
    assert merged() == {other: one}

    ingest(trust, with_sketch(told, OTHER), tlp=GREEN, by=trust.lab_b, later=2)

    assert merged() == {}
    assert bytes(Sketch.objects.get(subject=other).minima) == OTHER
    assert SketchBand.objects.filter(subject=other).count() == sketches.BANDS


def test_a_second_sketch_at_the_same_level_changes_nothing(trust: Trust) -> None:
    told = template()
    (one,) = ingest(trust, with_sketch(told, sketch()))

    ingest(trust, with_sketch(told, OTHER), by=trust.lab_b, later=1)

    assert bytes(Sketch.objects.get(subject=one).minima) == sketch()


def test_what_nobody_claims_any_more_takes_part_in_nothing(trust: Trust) -> None:
    gone = template(sketch())
    ingest(trust, gone)
    observations.withdraw(
        community_id=trust.community.id, organization_id=trust.lab_a.id, object_id=gone["id"], now=NOW
    )

    ingest(trust, template(SAME), by=trust.lab_b, later=1)

    # Its sketch is destroyed with it (docs/trust.md, "Erasure").
    assert merged() == {}
    assert found() == set()


def test_red_is_compared_with_nothing(trust: Trust) -> None:
    ingest(trust, template(sketch()), tlp=RED)
    ingest(trust, template(SAME), tlp=GREEN)

    assert Sketch.objects.count() == 1
    assert found() == set()


def test_what_an_analyst_undid_stays_apart(trust: Trust) -> None:
    told = template(SAME)
    (one,) = ingest(trust, template(sketch()), tlp=GREEN)
    (other,) = ingest(trust, told, tlp=AMBER, later=1)
    journal.undo(
        journal_id=Merge.objects.get().id, by=Actor("member:analyst"), now=NOW, reason="two after all"
    )

    ingest(trust, told, tlp=GREEN, by=trust.lab_b, later=2)

    assert merged() == {}
    assert found() == {(one, other, "merged")}


def test_what_an_analyst_dismissed_is_not_merged_later(trust: Trust) -> None:
    silent = template()
    ingest(trust, template(sketch()), silent, tlp=GREEN)
    ingest(trust, with_sketch(silent, SAME), tlp=AMBER, by=trust.lab_b, later=1)
    decide(LikenessState.DISMISSED, analyst())

    ingest(trust, with_sketch(silent, SAME), tlp=GREEN, by=trust.outsider, later=2)

    assert merged() == {}
    assert Likeness.objects.get().state == "dismissed"


def test_a_decision_is_recorded_with_its_reason(trust: Trust) -> None:
    subjects = ingest(trust, template(sketch()), template(ALIKE))
    who = analyst()

    decide(LikenessState.RELATED, who, "  the same team  ")

    decided = Likeness.objects.get()
    assert (decided.state, decided.decided_by, decided.reason) == ("related", who, "the same team")
    event = AuditEvent.objects.get(action="likeness.related")
    assert (event.actor, event.target) == ("member:analyst", f"likeness:{decided.id}")
    assert event.detail["subjects"] == sorted(subjects)
    assert merged() == {}


def test_an_analyst_merges_what_was_proposed(trust: Trust) -> None:
    (one,) = ingest(trust, template(sketch()))
    (other,) = ingest(trust, template(ALIKE), later=1)

    decide(LikenessState.MERGED, analyst())

    assert merged() == {other: one}
    assert Merge.objects.get().kind == "analyst"
    assert Likeness.objects.get().state == "merged"


def test_decisions_need_an_analyst_a_reason_and_an_open_case(trust: Trust) -> None:
    ingest(trust, template(sketch()), template(ALIKE))
    who = analyst()

    with pytest.raises(NotAllowed):
        decide(LikenessState.DISMISSED, analyst("reader", Role.READER))
    with pytest.raises(ReasonMissing):
        decide(LikenessState.DISMISSED, who, " ")
    decide(LikenessState.DISMISSED, who)
    with pytest.raises(NotPending, match="dismissed"):
        decide(LikenessState.RELATED, who)


def test_many_templates_are_compared_by_as_many_queries_as_few(trust: Trust) -> None:
    ingest(trust, template(sketch(of=99)))
    counts = []
    for few_or_many in (range(3), range(3, 33)):
        unlike = [template(sketch(range(40), of=number)) for number in few_or_many]
        with CaptureQueriesContext(connection) as captured:
            ingest(trust, *unlike)
        counts.append(len(captured))

    assert counts[0] == counts[1]


def test_a_known_template_is_not_compared_again(trust: Trust) -> None:
    known = template(sketch())
    ingest(trust, known)
    ingest(trust, template(ALIKE))
    Likeness.objects.all().delete()

    ingest(trust, known, by=trust.lab_b)

    assert found() == set()


def test_what_has_no_prompt_templates_asks_nothing(trust: Trust) -> None:
    with CaptureQueriesContext(connection) as captured:
        arrived = likeness.arrivals(
            community_id=trust.community.id,
            observed=[
                Observed(value, GREEN, subject_key(value), "h..s")
                for value in (read(json.dumps(stix.campaign()).encode()),)
            ],
        )
        likeness.compare(community_id=trust.community.id, arrived=arrived, subjects={}, now=NOW)

    assert arrived == []
    assert len(captured) == 0


SAID = st.tuples(
    st.sampled_from("abcd"),  # which template
    st.sampled_from([GREEN, AMBER, STRICT]),
    st.booleans(),  # with its sketch
    st.sampled_from(["lab_a", "lab_b", "outsider"]),
)
MINIMA = {"a": sketch(), "b": SAME, "c": SAME_TOO, "d": sketch(range(16, 24))}


def grouping(
    trust: Trust, said: list[tuple[str, int, bool, str]], ceiling: int
) -> set[frozenset[tuple[str, str]]]:
    """Which claims an audience sees as one, after all of this was said in a new community."""
    trust.community = Community.objects.create(slug=uuid4().hex, title="Fresh", created_at=NOW)
    made = {name: template() for name in MINIMA}
    names = {one["id"]: name for name, one in made.items()}
    for later, (name, tlp, with_it, who) in enumerate(said):
        one = with_sketch(made[name], MINIMA[name]) if with_it else made[name]
        ingest(trust, one, tlp=tlp, by=getattr(trust, who), later=later)
        journal.uphold(
            community_id=trust.community.id,
            subject_ids=Subject.objects.filter(community=trust.community).values_list("id", flat=True),
            now=NOW,
        )
    groups: dict[int, set[tuple[str, str]]] = {}
    for claim in Claim.objects.filter(community=trust.community, tlp__lte=ceiling):
        groups.setdefault(claim.subject_id, set()).add((names[claim.object_id], str(claim.organization_id)))
    return {frozenset(group) for group in groups.values()}


@given(st.lists(SAID, max_size=6, unique_by=lambda one: (one[0], one[3])), st.sampled_from([GREEN, AMBER]))
@settings(
    max_examples=25,
    derandomize=True,
)
def test_what_is_said_above_a_ceiling_changes_no_grouping_below_it(
    trust: Trust, said: list[tuple[str, int, bool, str]], ceiling: int
) -> None:
    whole = grouping(trust, said, ceiling)

    assert whole == grouping(trust, [one for one in said if one[1] <= ceiling], ceiling)
