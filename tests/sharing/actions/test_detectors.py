"""What detectors find leaves by how far they are trusted; who falls short, floods or is withdrawn is kept to review."""

import copy
import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from accounts.actions.refusal import ReasonMissing
from accounts.actor import Actor
from accounts.models import AuditEvent, AutoRelease, Member, Notice, Organization, Role
from indicators.actions import submissions
from indicators.actions.detectors import Invalid, precisions
from indicators.models import (
    Claim,
    Detector,
    DetectorHour,
    Finding,
    FindingState,
    Submission,
    SubmittedObject,
    Tier,
)
from indicators.sources import ocsf
from indicators.stix.markings import TLP, marking_id
from sharing import receipts
from sharing.actions import claims, detectors, intake, moderation
from sharing.models import Collection, Entry, Kind, Release, Review, ReviewState
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions import exchange
from tests.sharing.actions.conftest import Shop

PAIRS = Path(__file__).parent.parent.parent / "indicators" / "sources" / "ocsf-pairs"
START = datetime(2026, 10, 5, 12, tzinfo=UTC)
BY = Actor("service:test")
GREEN, AMBER = TLP.GREEN, TLP.AMBER
_FINDING = json.loads((PAIRS / "6-reseller-infrastructure.json").read_text("utf-8"))
_numbers = itertools.count(1)


def finding(
    *,
    analytic: str = "clf-proxy",
    version: str = "7",
    tlp: str = "GREEN",
    pattern: str | None = None,
    **members: Any,
) -> Object:
    """A finding of its own uid, with a pattern and a traffic window of its own."""
    number = next(_numbers)
    made: Object = copy.deepcopy(_FINDING) | members
    made["finding_info"] |= {
        "uid": f"finding-{number}",
        "analytic": {"uid": analytic, "name": "Proxy finder", "version": version, "type_id": 1},
    }
    (first, *_) = [one for one in made["osint"] if "detection_pattern" in one]
    first |= {"tlp": tlp, "detection_pattern": pattern or f"[domain-name:value = 'p{number}.example']"}
    made["osint"] = [first]
    for evidence in made["evidences"]:
        activity = evidence.get("data", {}).get("llm_api_activity")
        if activity:
            activity["cluster_id"] = f"cluster-{number}"
    return made


def again(one: Object, *, hours: int = 1, **members: Any) -> Object:
    """A later version of a finding."""
    made = copy.deepcopy(one) | members
    made["time"] += hours * 3_600_000
    made["finding_info"]["modified_time"] = made["time"]
    if "activity_id" not in members:
        made["activity_id"] = 2
    made["type_uid"] = 200400 + made["activity_id"]
    return made


@dataclass(slots=True)
class Lab:
    """A community with a green and an amber feed, two labs graded B, and an analyst of the hub."""

    shop: Shop
    analyst: Member
    hub: Organization
    feeds: dict[int, Collection] = field(default_factory=dict)
    clock: datetime = START
    _ticks: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def now(self) -> datetime:
        return self.clock + timedelta(seconds=next(self._ticks))

    def ingest(self, *findings: Object, organization: Organization | None = None) -> Any:
        who = organization or self.shop.lab_a
        received = submissions.receive(
            community_id=self.shop.community.id,
            organization_id=who.id,
            token_id=None,
            channel="rest",
            collection_id=exchange.inbox(self.shop, who).id,
            body=json.dumps(findings).encode(),
            by=BY,
            now=self.now,
            body_format="ocsf",
        )
        intake.ingest(submission_id=received.id, signer=self.shop.signer, now=self.now)
        return received.id

    def find(self, *findings: Object, organization: Organization | None = None) -> Any:
        """Send findings, ingest and publish them; the submission's id."""
        submission_id = self.ingest(*findings, organization=organization)
        self.publish()
        return submission_id

    def say(self, *objects: Object, organization: Organization | None = None) -> None:
        """Send STIX, as a person does."""
        who = organization or self.shop.lab_a
        exchange.submit(self.shop, objects, organization=who, now=self.now)

    def publish(self) -> None:
        exchange.publish(self.shop, self.now)

    def trust(self, analytic: str = "clf-proxy", version: str = "7", **members: Any) -> Detector:
        made, _ = Detector.objects.update_or_create(
            organization=self.shop.lab_a,
            analytic=analytic,
            version=version,
            defaults={"tier": Tier.TRUSTED, "registered_at": START, "registered_by": "x"} | members,
        )
        return made

    def decide(self, state: str, *reviews: Review) -> None:
        act = moderation.approve if state == "approve" else moderation.reject
        for review in reviews:
            now = self.now
            act(
                review_id=review.id, shown=exchange.shown(review.id, now=now)[review.id], member=self.analyst,
                reason="seen", signer=self.shop.signer, now=now,
            )  # fmt: skip
        self.publish()

    def types(self, tlp: int = GREEN) -> list[str]:
        """The types of what stands in a feed and is not revoked, without the service's introduction."""
        return sorted(
            one["type"]
            for one in exchange.latest(self.feeds[tlp]).values()
            if not one.get("revoked")
            and one["type"] not in {"marking-definition", "extension-definition"}
            and one["type"] not in {"identity", "attack-pattern"}
        )

    def lines(self, submission_id: Any) -> list[tuple[str, str, str]]:
        found = receipts.receipt(self.shop.lab_a.id, submission_id)
        assert found is not None
        return [(line.id.partition("--")[0], line.outcome, line.reason) for line in found.lines]


@pytest.fixture
def lab(shop: Shop) -> Lab:
    hub = Organization.objects.create(slug="hub", name="Hub", sector="operator")
    analyst = Member.objects.create(username="ann", organization=hub, role=Role.ANALYST)
    made = Lab(shop, analyst, hub)
    for tlp in (GREEN, AMBER):
        made.feeds[tlp] = shop.collection(Kind.FEED, ceiling=tlp)
    return made


def pending(**filters: Any) -> list[Review]:
    return list(Review.objects.filter(state=ReviewState.PENDING, **filters).order_by("id"))


def notices(organization: Organization) -> list[str]:
    return list(
        Notice.objects.filter(organization=organization).order_by("id").values_list("kind", flat=True)
    )


def is_limited(detector: Detector) -> bool:
    """Whether a limit is put on it now."""
    return Detector.objects.get(id=detector.id).limited_at is not None


WHOLE = {"indicator", "llm-api-activity", "observed-data", "relationship", "sighting"}


def test_an_unknown_detector_is_registered_limited_to_review_and_nothing_of_it_leaves_alone(lab: Lab) -> None:
    sent = lab.find(finding())

    detector = Detector.objects.get()
    assert (detector.analytic, detector.version, detector.tier) == ("clf-proxy", "7", Tier.REVIEW)
    assert notices(lab.shop.lab_a) == ["detector.registered"]
    assert lab.types() == lab.types(AMBER) == []
    assert {(kind, outcome, reason) for kind, outcome, reason in lab.lines(sent)} >= {
        ("indicator", "pending-review", "detector-limited"),
        ("observed-data", "withheld", "awaits-indicator"),
        ("llm-api-activity", "withheld", "awaits-indicator"),
        ("sighting", "withheld", "waiting-for-reference"),
    }
    assert len(pending()) == 2
    assert Finding.objects.get().state == FindingState.LIVE


def test_the_context_of_a_finding_follows_its_indicator_to_each_audience_that_an_analyst_lets_have_it(
    lab: Lab,
) -> None:
    lab.find(finding())

    lab.decide("approve", *pending(release__ceiling=GREEN))

    assert set(lab.types(GREEN)) >= WHOLE
    assert lab.types(AMBER) == []
    lab.decide("approve", *pending(release__ceiling=AMBER))
    assert lab.types(AMBER) == lab.types(GREEN)


def test_what_a_trusted_detector_finds_leaves_by_the_rule_of_the_community(lab: Lab) -> None:
    lab.trust()

    lab.find(finding(), finding())

    assert set(lab.types()) >= WHOLE
    assert lab.types().count("indicator") == 2
    assert pending() == []


def test_what_somebody_else_says_too_leaves_by_the_rule_though_a_limited_detector_found_it(lab: Lab) -> None:
    pattern = "[domain-name:value = 'shared.example']"
    lab.find(finding(pattern=pattern))

    lab.say(
        stix.indicator(pattern=pattern, object_marking_refs=[marking_id(GREEN)]), organization=lab.shop.lab_b
    )

    assert set(lab.types()) >= WHOLE
    assert pending() == []


def test_the_rule_is_asked_about_what_the_others_say_alone(lab: Lab) -> None:
    lab.shop.community.auto_release = AutoRelease.RULE
    lab.shop.community.min_confidence, lab.shop.community.min_sources = 50, 2
    lab.shop.community.save()
    pattern = "[domain-name:value = 'shared.example']"
    others = stix.indicator(pattern=pattern, confidence=85, object_marking_refs=[marking_id(GREEN)])
    lab.say(others, organization=lab.shop.lab_b)

    lab.find(finding(pattern=pattern))

    assert lab.types() == []
    assert {one.release.reason for one in pending()} == {"detector-limited"}
    lab.trust()
    lab.find(finding(pattern=pattern))
    assert "indicator" in lab.types()


def test_what_stands_is_not_touched_by_a_limit(lab: Lab) -> None:
    detector = lab.trust()
    first = finding()
    lab.find(first)
    before = lab.types()

    detector.limited_at, detector.limited_reason = START, "why not"
    detector.save()
    sent = lab.find(again(first), finding())

    assert lab.types() == before
    assert [reason for kind, _, reason in lab.lines(sent) if kind == "indicator"] == [
        "rule-all",
        "detector-limited",
    ]


def test_no_feed_tells_who_found_it_with_what_and_how_sure_it_was(lab: Lab) -> None:
    lab.trust()

    lab.find(finding(), finding(tlp="AMBER"))

    told = b"".join(bytes(one.body) for one in Entry.objects.filter(collection__kind=Kind.FEED) if one.body)
    assert told.count(b"observed-data--")
    # The definition of the extension itself is public.
    said = [one for feed in lab.feeds.values() for one in exchange.versions(feed) if one["type"] in WHOLE]
    for secret in (
        "finding-",
        "Proxy finder",
        "clf-proxy",
        "estimated_fpr",
        "detection-context",
        "e3d2c1b0-9a87",
    ):
        assert secret not in json.dumps(said)
    assert str(lab.shop.lab_a.id) not in told.decode()


def test_a_detection_context_that_a_partner_posts_itself_is_stripped_too_and_references_follow(
    lab: Lab,
) -> None:
    context = {
        "extension-definition--e3d2c1b0-9a87-4f65-9432-10fedcba9805": {
            "extension_type": "property-extension",
            "method": "rule",
            "evidence_families": ["network"],
            "finding_uid": "secret-uid",
            "analytic_name": "secret analytic",
        }
    }
    marked = {"object_marking_refs": [marking_id(GREEN)]}
    address = stix.sco("ipv4-addr", {"value": "198.51.100.7"}, **marked)
    seen = stix._sdo(
        "observed-data",
        first_observed=stix.CREATED,
        last_observed=stix.CREATED,
        number_observed=1,
        object_refs=[address["id"]],
        extensions=context,
        **marked,
    )
    campaign = stix.campaign(**marked)
    sighting = stix.sighting(
        sighting_of_ref=campaign["id"], observed_data_refs=[seen["id"]], extensions=context, **marked
    )

    lab.say(address, seen, campaign, sighting)

    found = {one["type"]: one for one in exchange.latest(lab.feeds[GREEN]).values()}
    assert "secret" not in json.dumps([found["observed-data"], found["sighting"]])
    assert found["observed-data"]["id"] != seen["id"]
    assert found["sighting"]["observed_data_refs"] == [found["observed-data"]["id"]]
    assert found["campaign"]["id"] == campaign["id"]


def test_a_finding_without_an_indicator_is_an_analyst_s_case_where_its_detector_is_limited(lab: Lab) -> None:
    bare = finding()
    bare["osint"] = []
    bare["metadata"]["profiles"] = ["security_control"]
    sent = lab.find(bare)
    assert ("observed-data", "pending-review", "detector-limited") in lab.lines(sent)
    assert lab.types() == []

    # Without a mark it counts as amber.
    lab.decide("approve", *pending(release__ceiling=AMBER))

    assert {"llm-api-activity", "observed-data"} <= set(lab.types(AMBER))


def test_an_observable_that_somebody_else_says_too_does_not_wait(lab: Lab) -> None:
    one = finding()
    lab.find(one)
    address = Claim.objects.filter(object_id__startswith="ipv4-addr--").first()
    assert address is not None

    lab.say(json.loads(bytes(address.body)))

    assert "ipv4-addr" in lab.types()
    assert "observed-data" not in lab.types()


def test_a_finding_sent_again_is_one_finding_and_a_new_version_updates_it(lab: Lab) -> None:
    lab.trust()
    one = finding()
    lab.find(one)
    lab.find(one)

    lab.find(again(one))

    (noted,) = Finding.objects.all()
    assert noted.created < noted.version
    assert lab.types().count("indicator") == 1
    assert sum(DetectorHour.objects.values_list("findings", flat=True)) == 2


def test_a_detector_that_falls_below_its_precision_is_limited_and_its_organisation_and_the_hub_are_told(
    lab: Lab,
) -> None:
    lab.shop.community.auto_release = AutoRelease.NONE
    lab.shop.community.save()
    detector = lab.trust(min_decisions=4, min_precision=0.75)
    lab.find(*(finding() for _ in range(5)))
    cases = pending(release__ceiling=GREEN, release__subject__object_type="indicator")

    lab.decide("approve", *cases[:2])
    lab.decide("reject", cases[2])
    assert not is_limited(detector)
    lab.decide("reject", cases[3])

    assert is_limited(detector)
    detector.refresh_from_db()
    assert detector.limited_reason == (
        "Its precision fell below 75%: of its latest decisions 2 of 4 confirmed (50%)."
    )
    assert notices(lab.shop.lab_a) == notices(lab.hub) == ["detector.limited"]
    assert AuditEvent.objects.filter(action="detector.limit", target=f"detector:{detector.id}").count() == 1


def test_the_same_indicator_decided_for_two_audiences_counts_once(lab: Lab) -> None:
    detector = lab.trust(tier=Tier.REVIEW)
    lab.find(finding())

    lab.decide("reject", *pending(release__subject__object_type="indicator"))

    assert (
        precisions([detector.id])[detector.id].confirmed,
        precisions([detector.id])[detector.id].decided,
    ) == (0, 1)


def test_a_source_that_calls_its_own_finding_false_refutes_its_detector(lab: Lab) -> None:
    detector = lab.trust()
    one = finding()
    lab.find(one)

    lab.find(again(one, activity_id=3, status_id=4, verdict_id=1))

    assert Finding.objects.get().state == FindingState.FALSE_POSITIVE
    assert str(precisions([detector.id])[detector.id]) == "0 of 1 confirmed (0%)"


def test_a_finding_that_another_analytic_calls_false_refutes_the_detector_that_found_it(lab: Lab) -> None:
    detector = lab.trust()
    one = finding()
    lab.find(one)

    verdict = again(one, activity_id=3, status_id=4, verdict_id=1)
    verdict["finding_info"]["analytic"] = {"name": "Triage by hand", "type_id": 99}
    lab.find(verdict)

    assert str(precisions([detector.id])[detector.id]) == "0 of 1 confirmed (0%)"
    other = Detector.objects.get(analytic="Triage by hand")
    assert str(precisions([other.id])[other.id]) == "nothing decided yet"


def test_findings_that_name_no_analytic_have_a_detector_with_a_rate_of_its_own(lab: Lab) -> None:
    lab.trust("unnamed", "", false_positive_rate=0.5)
    one = finding()
    one["finding_info"]["analytic"] = {"name": " ", "type_id": 1}

    lab.find(one)

    assert Detector.objects.count() == 1
    claim = Claim.objects.get(object_id__startswith="indicator--")
    assert b'"estimated_fpr":0.5' in bytes(claim.body)


def test_a_detector_that_floods_is_limited_before_anything_of_the_flood_leaves(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indicators.actions.detectors.FLOOD_MINIMUM", 5)
    detector = lab.trust()
    lab.find(finding())
    lab.clock += timedelta(hours=30)
    lab.find(finding())
    before = lab.types()

    lab.find(*(finding() for _ in range(6)))

    detector.refresh_from_db()
    assert "floods: 7 findings within an hour, where its mean is 0.0 an hour" in detector.limited_reason
    assert lab.types() == before
    assert notices(lab.shop.lab_a) == ["detector.limited"]


def test_a_detector_that_is_busy_by_its_own_history_does_not_flood(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indicators.actions.detectors.FLOOD_MINIMUM", 5)
    detector = lab.trust(first_finding_at=START - timedelta(hours=48), last_finding_at=START)
    for hour in range(1, 49):
        DetectorHour.objects.create(detector=detector, hour=START - timedelta(hours=hour), findings=1)

    lab.find(*(finding() for _ in range(8)))

    detector.refresh_from_db()
    assert detector.limited_at is None


def test_a_young_detector_has_no_history_to_be_judged_by(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("indicators.actions.detectors.FLOOD_MINIMUM", 5)
    detector = lab.trust()

    lab.find(*(finding() for _ in range(8)))

    detector.refresh_from_db()
    assert detector.limited_at is None


def test_an_analyst_lifts_a_limit_with_a_reason_and_what_waited_only_for_it_leaves(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("indicators.actions.detectors.FLOOD_MINIMUM", 5)
    detector = lab.trust(first_finding_at=START - timedelta(hours=48), last_finding_at=START)
    lab.find(*(finding() for _ in range(6)))
    assert lab.types() == []
    with pytest.raises(ReasonMissing):
        detectors.lift(detector_id=detector.id, reason=" ", by=BY, now=lab.now)

    assert detectors.lift(detector_id=detector.id, reason="A real campaign", by=BY, now=lab.now)
    lab.publish()

    assert set(lab.types()) >= WHOLE
    assert lab.types().count("indicator") == 6
    assert pending() == []
    # What came before is forgiven: the next one does not limit it again.
    lab.find(finding())
    detector.refresh_from_db()
    assert detector.limited_at is None
    assert not detectors.lift(detector_id=detector.id, reason="again", by=BY, now=lab.now)


def test_the_operator_trusts_a_detector_and_what_waited_for_that_leaves(lab: Lab) -> None:
    lab.find(finding())
    detector = Detector.objects.get()
    with pytest.raises(Invalid):
        detectors.change(detector_id=detector.id, tier="golden", reason="x", by=BY, now=lab.now)

    detectors.change(detector_id=detector.id, tier="trusted", reason="Measured", by=BY, now=lab.now)
    lab.publish()

    assert set(lab.types()) >= WHOLE
    assert pending() == []


def test_the_registered_false_positive_rate_weighs_in_the_confidence(lab: Lab) -> None:
    lab.trust(false_positive_rate=0.5)
    lab.trust(analytic="better")
    lab.find(finding())
    lab.find(finding(analytic="better"))

    weak, strong = (
        Release.objects.filter(ceiling=GREEN, subject__object_type="indicator")
        .order_by("id")
        .values_list("confidence", flat=True)
    )

    assert weak is not None
    assert strong is not None
    assert weak < strong


def test_the_withdrawal_of_a_version_does_what_its_preview_says(lab: Lab) -> None:
    detector = lab.trust()
    lab.trust(version="8")
    shared = "[domain-name:value = 'shared.example']"
    lab.find(finding(), finding(pattern=shared), finding(tlp="AMBER"))
    lab.find(finding(version="8"))
    lab.say(
        stix.indicator(pattern=shared, confidence=60, object_marking_refs=[marking_id(GREEN)]),
        organization=lab.shop.lab_b,
    )
    ahead = detectors.preview(detector_id=detector.id, now=lab.now)
    held = {int(tlp): lab.types(tlp).count("indicator") for tlp in (GREEN, AMBER)}
    log = Entry.objects.count()
    assert Claim.objects.filter(withdrawn_at__isnull=False).count() == 0

    done = detectors.withdraw_version(detector_id=detector.id, reason="Broken rule", by=BY, now=lab.now)
    assert Entry.objects.count() == log
    lab.publish()

    assert (ahead.findings, ahead.claims) == (done.findings, done.claims)
    assert ahead.findings == 3
    for audience in ahead.audiences:
        left = lab.types(audience.ceiling).count("indicator")
        assert held[audience.ceiling] - left == audience.revoked
        (loss,) = audience.losses
        release = Release.objects.get(published_id=loss.published_id)
        assert (release.confidence, release.sources) == (loss.confidence[1], loss.sources[1])
        assert loss.confidence[0] > loss.confidence[1]
        assert loss.sources == (2, 1)
    assert {audience.ceiling: audience.revoked for audience in ahead.audiences} == {GREEN: 1, AMBER: 2}
    detector.refresh_from_db()
    assert "withdrawn: Broken rule" in detector.limited_reason
    assert set(Finding.objects.filter(detector=detector).values_list("state", flat=True)) == {"withdrawn"}
    # What the other version found stands, whole.
    assert set(lab.types()) >= WHOLE


def test_a_preview_counts_the_cases_that_would_close(lab: Lab) -> None:
    lab.find(finding(), finding())
    detector = Detector.objects.get()

    ahead = detectors.preview(detector_id=detector.id, now=lab.now)
    detectors.withdraw_version(detector_id=detector.id, reason="Broken rule", by=BY, now=lab.now)
    lab.publish()

    assert [audience.cases_closed for audience in ahead.audiences] == [2, 2]
    assert pending() == []
    assert lab.types() == []


def test_a_withdrawal_is_undone_and_what_was_found_stands_again(lab: Lab) -> None:
    detector = lab.trust()
    lab.find(finding(), finding())
    before = lab.types()
    confidence = set(Release.objects.filter(ceiling=GREEN).values_list("confidence", flat=True))
    detectors.withdraw_version(detector_id=detector.id, reason="Broken rule", by=BY, now=lab.now)
    lab.publish()
    assert "indicator" not in lab.types()

    detectors.restore_version(detector_id=detector.id, reason="It was the feed", by=BY, now=lab.now)
    detectors.lift(detector_id=detector.id, reason="It was the feed", by=BY, now=lab.now)
    lab.publish()

    assert lab.types() == before
    assert set(Release.objects.filter(ceiling=GREEN).values_list("confidence", flat=True)) == confidence
    with pytest.raises(detectors.NotWithdrawn):
        detectors.restore_version(detector_id=detector.id, reason="again", by=BY, now=lab.now)


def test_what_a_limited_detector_says_above_a_ceiling_decides_nothing_below_it(lab: Lab) -> None:
    pattern = "[domain-name:value = 'shared.example']"
    lab.find(finding(pattern=pattern, tlp="AMBER"))

    lab.say(stix.indicator(pattern=pattern, object_marking_refs=[marking_id(GREEN)]))

    green, amber = Release.objects.filter(subject__object_type="indicator").order_by("ceiling")
    assert green.reason == "rule-all"
    assert amber.reason == "rule-all"
    assert lab.types(GREEN) == ["indicator"]


# ----------------------------------------------------------------------------------------------------
# Findings that are odd, late, withdrawn or opened again


def stands(lab: Lab, kind: str, tlp: int = GREEN) -> list[Object]:
    return [
        one
        for one in exchange.latest(lab.feeds[tlp]).values()
        if one["type"] == kind and not one.get("revoked")
    ]


def bare(one: Object, **members: Any) -> Object:
    """A later version without anything but what OCSF requires."""
    made = again(one, **members)
    made |= {"osint": [], "evidences": [], "anomaly_analyses": []}
    made["metadata"]["profiles"] = ["security_control"]
    return made


@pytest.mark.parametrize("fails", ["read", "item"])
def test_a_finding_that_the_service_fails_on_is_refused_alone(
    lab: Lab, fails: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.trust()
    act, calls = getattr(ocsf, fails), itertools.count()

    def broken(*arguments: Any) -> Any:
        if next(calls) == 1:
            raise RuntimeError("secret")
        return act(*arguments)

    monkeypatch.setattr(ocsf, fails, broken)
    sent = lab.find(*(finding() for _ in range(3)))

    lines = lab.lines(sent)
    assert [line for line in lines if line[2] == "not-understood"] == [
        ("findings/1", "rejected", "not-understood")
    ]
    assert len(stands(lab, "indicator")) == Finding.objects.count() == 2
    assert Submission.objects.get(id=sent).attempts <= 1


@pytest.mark.parametrize("later_first", [False, True])
def test_versions_of_one_finding_agree_on_when_it_was_created_however_they_come(
    lab: Lab, later_first: bool
) -> None:
    lab.trust()
    one = finding()
    one["finding_info"].pop("created_time", None)
    versions = [one, again(one)]

    sent = lab.find(*(reversed(versions) if later_first else versions))

    said = [each for each in exchange.versions(exchange.inbox(lab.shop, lab.shop.lab_a)) if "created" in each]
    indicators = [each for each in said if each["type"] == "indicator"]
    assert len({each["modified"] for each in indicators}) == 2
    assert {each["created"] for each in indicators} == {min(each["modified"] for each in indicators)}
    assert "version-conflict" not in {reason for _, _, reason in lab.lines(sent)}
    (noted,) = Finding.objects.all()
    assert (noted.created, noted.version) == (
        min(each["modified"] for each in indicators),
        max(each["modified"] for each in indicators),
    )


def test_a_version_older_than_the_first_changes_nothing_and_says_so(lab: Lab) -> None:
    lab.trust()
    one = finding()
    one["finding_info"].pop("created_time", None)
    lab.find(again(one))
    log = Entry.objects.count()

    sent = lab.find(one)

    assert lab.lines(sent) == [("findings/0", "duplicate", "nothing-to-share")]
    assert (
        "A later version of this finding came before it"
        in SubmittedObject.objects.get(submission_id=sent).note
    )
    assert Entry.objects.count() == log


@pytest.mark.parametrize("at_once", [False, True])
def test_a_withdrawal_without_its_pattern_withdraws_what_the_finding_said(lab: Lab, at_once: bool) -> None:
    lab.trust()
    one, other = finding(), finding()
    late = again(one, hours=1)
    gone = bare(one, hours=2, status_id=6)
    for sent in [[one, other, gone]] if at_once else [[one, other], [gone]]:
        lab.find(*sent)

    assert len(stands(lab, "indicator")) == len(stands(lab, "sighting")) == 1
    assert len(stands(lab, "observed-data")) == 1
    assert set(Finding.objects.values_list("state", flat=True)) == {"live", "withdrawn"}
    # What comes late does not bring it back.
    lab.find(late)
    assert len(stands(lab, "indicator")) == 1
    assert Finding.objects.filter(state="withdrawn").count() == 1


def test_a_finding_that_is_opened_again_is_said_again_under_new_ids(lab: Lab) -> None:
    lab.trust()
    one = finding()
    lab.find(one)
    before = lab.types()
    lab.find(bare(one, hours=1, status_id=3))
    assert "indicator" not in lab.types()

    lab.find(again(one, hours=2))

    assert lab.types() == before
    ids = [each["id"] for each in exchange.versions(lab.feeds[GREEN]) if each["type"] == "indicator"]
    assert len(set(ids)) == 2
    assert Finding.objects.get().state == FindingState.LIVE


def test_what_its_source_withdrew_after_the_operator_did_stays_withdrawn_when_that_is_undone(
    lab: Lab,
) -> None:
    detector = lab.trust()
    one, other = finding(), finding()
    lab.find(one, other)
    detectors.withdraw_version(detector_id=detector.id, reason="Broken rule", by=BY, now=lab.now)
    lab.find(bare(one, status_id=5))

    detectors.restore_version(detector_id=detector.id, reason="It was not", by=BY, now=lab.now)
    detectors.lift(detector_id=detector.id, reason="It was not", by=BY, now=lab.now)
    lab.publish()

    assert len(stands(lab, "indicator")) == 1


# ----------------------------------------------------------------------------------------------------
# The same found thousands of times


def same(number: int, **members: Any) -> list[Object]:
    return [finding(pattern="[domain-name:value = 'busy.example']", **members) for _ in range(number)]


def seen_from(one: Object, moment: datetime) -> Object:
    """A finding first seen then."""
    one["finding_info"]["first_seen_time"] = int(moment.timestamp() * 1000)
    one["finding_info"]["last_seen_time"] = int((moment + timedelta(hours=1)).timestamp() * 1000)
    return one


def merged(lab: Lab, tlp: int = GREEN) -> Object:
    (found,) = stands(lab, "indicator", tlp)
    return found


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sharing.actions.claims.MOST_CLAIMS", 3)
    return 3


def test_of_many_findings_of_the_same_the_newest_weigh_and_the_first(lab: Lab, few: int) -> None:
    lab.trust()
    start = datetime(2026, 9, 1, tzinfo=UTC)
    first, *more = same(9)
    lab.find(seen_from(first, start))
    lab.find(*more[:3])
    lab.find(*more[3:])

    subject = Claim.objects.filter(object_id__startswith="indicator--").values_list("subject_id", flat=True)[
        0
    ]
    ids = [claim.object_id for claim in claims.load_claims([subject])[subject]]

    newest = Claim.objects.filter(subject_id=subject).order_by("received_at", "id").reverse()[:few]
    oldest = Claim.objects.filter(subject_id=subject).order_by("id")[:1]
    assert set(ids) == {claim.object_id for claim in (*oldest, *newest)}
    assert merged(lab)["valid_from"] == "2026-09-01T00:00:00Z"


def test_all_context_of_many_findings_of_the_same_stands_once_its_indicator_does(lab: Lab, few: int) -> None:
    lab.find(*same(10))
    assert lab.types() == []

    lab.decide("approve", *pending(release__ceiling=GREEN, release__subject__object_type="indicator"))

    one = merged(lab)
    sightings = stands(lab, "sighting")
    assert len(sightings) == 10
    assert {each["sighting_of_ref"] for each in sightings} == {one["id"]}
    assert lab.types().count("observed-data") == 10
    links = [each["source_ref"] for each in stands(lab, "relationship")]
    assert len(links) >= 10
    assert set(links) == {one["id"]}


def test_what_refers_to_many_findings_of_the_same_follows_it_to_its_next_id(lab: Lab, few: int) -> None:
    detector = lab.trust()
    lab.find(*same(8))
    before = lab.types()
    detectors.withdraw_version(detector_id=detector.id, reason="Broken", by=BY, now=lab.now)
    lab.publish()
    assert "indicator" not in lab.types()

    detectors.restore_version(detector_id=detector.id, reason="It was not", by=BY, now=lab.now)
    detectors.lift(detector_id=detector.id, reason="It was not", by=BY, now=lab.now)
    lab.publish()

    assert lab.types() == before
    assert {each["sighting_of_ref"] for each in stands(lab, "sighting")} == {merged(lab)["id"]}


def test_it_is_revoked_only_when_the_last_of_many_findings_is_withdrawn(lab: Lab, few: int) -> None:
    lab.trust()
    many = same(8)
    lab.find(*many)

    lab.find(*(again(one, status_id=5) for one in many[1:]))
    assert merged(lab)

    lab.find(again(many[0], status_id=5))
    assert stands(lab, "indicator") == []


def test_many_findings_above_a_ceiling_take_no_place_from_those_below(lab: Lab, few: int) -> None:
    lab.trust()
    lab.trust("other")
    lab.find(*same(6), *same(2, analytic="other"))
    before, entries = merged(lab), exchange.versions(lab.feeds[GREEN])

    lab.find(*same(12, tlp="AMBER"), *same(5, tlp="AMBER", analytic="other"))

    assert merged(lab) == before
    of_the_indicator = [each for each in exchange.versions(lab.feeds[GREEN]) if each["id"] == before["id"]]
    assert of_the_indicator == [each for each in entries if each["id"] == before["id"]]
    assert merged(lab, AMBER)["id"] != before["id"]


def test_what_others_saw_is_heard_by_the_published_id_however_many_findings_follow(
    lab: Lab, few: int
) -> None:
    lab.trust()
    lab.find(*same(4))
    alone = merged(lab)
    marked = {"object_marking_refs": [marking_id(GREEN)]}
    lab.say(stix.sighting(sighting_of_ref=alone["id"], confidence=85, **marked), organization=lab.shop.lab_b)
    together = merged(lab)["confidence"]
    assert together > alone["confidence"]

    lab.find(*same(9))

    assert merged(lab)["confidence"] == together


def test_a_withdrawal_leaves_what_another_detector_found_before_the_many(lab: Lab, few: int) -> None:
    lab.trust(version="8")
    lab.find(*same(1, version="8"))
    detector = lab.trust()
    lab.find(*same(9))

    (green, _) = detectors.preview(detector_id=detector.id, now=lab.now).audiences
    assert (green.revoked, green.stay) == (0, 1)
    detectors.withdraw_version(detector_id=detector.id, reason="Broken", by=BY, now=lab.now)
    lab.publish()

    assert merged(lab)
