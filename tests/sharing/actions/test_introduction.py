"""What every feed says first is said by the service alone: in new feeds, in old ones, and where partners say it too."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

import indicators
from accounts.models import Organization
from indicators.actions.observations import Observed, absorb, subject_key, withdraw
from indicators.models import Technique
from indicators.stix import markings, profile
from indicators.stix.markings import TLP, marking_id
from indicators.stix.objects import read
from sharing.actions import publication
from sharing.actions.introduction import introduce, publisher_id, service_ids
from sharing.models import Collection, Kind
from sharing.signing import jws
from tests.conformance import stix
from tests.journeys.steps import references
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import inbox, latest, publish, send, versions

LATER = NOW + timedelta(hours=1)
DEMO = Path(indicators.__file__).parent / "demo"
EXTRACT = "attack-pattern--59ba1b0d-5c90-4158-a909-406c2e416788"
GREEN = marking_id(TLP.GREEN)


def green(one: dict[str, Any]) -> dict[str, Any]:
    return one | {"object_marking_refs": [GREEN]}


def bundle(name: str) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = json.loads((DEMO / name).read_text())["objects"]
    return objects


def claim(shop: Shop, organization: Organization, *objects: dict[str, Any]) -> None:
    """What intake made of objects before it set the service's own apart."""
    found = [read(json.dumps(one).encode()) for one in objects]
    received = send(shop, [green(stix.campaign())], organization=organization)
    absorb(
        community_id=shop.community.id,
        organization_id=organization.id,
        submission_id=received.id,
        observed=[
            Observed(one, TLP.GREEN, subject_key(one), jws.sign_object(shop.signer, one.body))
            for one in found
        ],
        now=NOW,
    )


def test_a_feed_begins_with_what_everything_else_may_refer_to(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    campaign = green(stix.campaign())

    send(shop, [campaign])

    *first, last = versions(feed)
    assert last["id"] == campaign["id"]
    assert {one["id"] for one in first} == service_ids()
    assert len(first) == len(service_ids())
    standing = set[str]()
    for one in first:
        standing.add(one["id"])
        assert set(references(one)) <= standing, one
    for one in first[len(markings.definitions()) + 1 :]:
        assert one["created_by_ref"] == publisher_id()


def test_every_feed_gets_it_core_feeds_too(shop: Shop) -> None:
    feeds = [shop.collection(Kind.FEED, ceiling=1), shop.collection(Kind.FEED, ceiling=1, profile="core")]

    send(shop, [stix.url(object_marking_refs=[GREEN])])

    for feed in feeds:
        assert service_ids() <= latest(feed).keys()


def test_the_profile_is_defined_under_the_url_of_this_deployment(shop: Shop, settings: Settings) -> None:
    settings.SCHEMAS_URL = "https://intel.example.org/schemas"
    feed = shop.collection(Kind.FEED)

    send(shop, [green(stix.campaign())])

    defined = [latest(feed)[one] for one in profile.extensions()]
    assert {one["schema"] for one in defined} == {
        f"https://intel.example.org/schemas/{one.schema}" for one in profile.extensions().values()
    }


def test_nothing_is_said_twice(
    shop: Shop, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    feed = shop.collection(Kind.FEED)
    for execute in (False, True, True):
        with django_capture_on_commit_callbacks(execute=execute):
            send(shop, [green(stix.campaign())], now=LATER)

    assert len(versions(feed)) == len(service_ids()) + 3
    assert introduce(publication.lock_feeds(shop.community.id), signatures=shop.signatures, now=LATER) == []


def test_what_was_rolled_back_is_said_again(
    shop: Shop, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    """The process remembers which feeds are complete; it must not remember what never happened."""
    feed = shop.collection(Kind.FEED)
    with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
        introduce(publication.lock_feeds(shop.community.id), signatures=shop.signatures, now=NOW)
        transaction.set_rollback(True)
    assert versions(feed) == []

    with django_capture_on_commit_callbacks(execute=True):
        introduce(publication.lock_feeds(shop.community.id), signatures=shop.signatures, now=NOW)

    assert latest(feed).keys() == service_ids()


@pytest.mark.parametrize(
    ("setting", "value", "changed"),
    [
        ("SCHEMAS_URL", "https://elsewhere.example.org/schemas", set(profile.extensions())),
        ("SERVICE_NAME", "Another name", {"identity"}),
    ],
)
def test_a_changed_setting_makes_new_versions_of_what_names_it(
    shop: Shop, settings: Settings, setting: str, value: str, changed: set[str]
) -> None:
    feed = shop.collection(Kind.FEED)
    send(shop, [green(stix.campaign())])
    before = latest(feed)
    expected = {publisher_id()} if changed == {"identity"} else changed

    setattr(settings, setting, value)
    send(shop, [green(stix.campaign())], now=LATER)
    send(shop, [green(stix.campaign())], now=LATER)

    after = latest(feed)
    assert {one for one in before if before[one] != after[one]} == expected
    assert all(after[one]["modified"] > before[one]["modified"] for one in expected)
    assert len(versions(feed)) == len(before) + len(expected) + 2


def old_feed(shop: Shop, *objects: dict[str, Any]) -> Collection:
    """A feed that an earlier version of the service began."""
    feed = shop.collection(Kind.FEED)
    items = [publication.item_of(read(body), tlp=0) for body in markings.definitions()]
    items += [publication.item_of(read(json.dumps(one).encode()), tlp=1) for one in objects]
    publication.append(log=shop.log(feed), items=items, signatures=shop.signatures, now=NOW)
    return feed


def test_a_feed_from_before_gets_what_it_misses(shop: Shop) -> None:
    feed = old_feed(shop)

    send(shop, [green(stix.campaign())])

    assert service_ids() <= latest(feed).keys()
    assert len(versions(feed)) == len(service_ids()) + 1


def test_in_a_feed_from_before_the_service_speaks_after_a_partner(shop: Shop) -> None:
    theirs = next(one for one in bundle("1-public-campaigns.json") if one["id"] == EXTRACT)
    feed = old_feed(shop, theirs | {"modified": "2031-01-01T00:00:00.000Z", "name": "Theirs"})

    send(shop, [green(stix.campaign())])

    ours = latest(feed)[EXTRACT]
    assert (ours["name"], ours["created_by_ref"]) == ("Extract AI Model", publisher_id())
    assert ours["modified"] > "2031-01-01T00:00:00.000Z"


def test_what_waited_for_a_technique_follows_when_an_old_feed_gets_it(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed = shop.collection(Kind.FEED)
    malware = green(stix.malware())
    uses = green(stix.relationship(malware, {"id": EXTRACT}, relationship_type="uses"))
    with monkeypatch.context() as before:
        before.setattr("sharing.actions.triage.introduce", lambda feeds, **_: [])
        lines = send(shop, [malware, uses]).lines
    assert lines[1].reason == "waiting-for-reference"

    send(shop, [green(stix.campaign())])

    assert uses["id"] in latest(feed)


def test_claims_from_before_neither_publish_nor_take_back_what_is_the_services(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    theirs = next(one for one in bundle("1-public-campaigns.json") if one["id"] == EXTRACT)
    clear = json.loads(
        next(body for body in markings.definitions() if marking_id(TLP.CLEAR).encode() in body)
    )
    claim(shop, shop.lab_a, theirs | {"modified": "2031-01-01T00:00:00.000Z", "name": "Theirs"}, clear)
    publish(shop)
    assert latest(feed)[EXTRACT]["name"] == "Extract AI Model"

    for object_id in (EXTRACT, clear["id"]):
        withdraw(
            community_id=shop.community.id, organization_id=shop.lab_a.id, object_id=object_id, now=LATER
        )
    publish(shop)

    assert latest(feed).keys() >= service_ids()


@pytest.mark.parametrize("name", ["1-public-campaigns.json", "2-synthetic-detections.json"])
def test_a_bundle_that_brings_the_services_objects_goes_in_and_comes_out(shop: Shop, name: str) -> None:
    feed, sent = shop.collection(Kind.FEED, ceiling=3), bundle(name)

    lines = send(shop, sent).lines

    apart = {line.id for line in lines if (line.outcome, line.reason) == ("duplicate", "service-object")}
    assert apart == service_ids() & {one["id"] for one in sent}
    assert len(apart) > 6
    assert {(line.outcome, line.reason) for line in lines if line.id not in apart} == {
        ("released", "rule-all")
    }
    # The inbox holds what was sent, the feed what the service says.
    kept = latest(inbox(shop, shop.lab_a))
    assert {one["id"]: one for one in sent} == kept
    for object_id in apart & {*profile.extensions(), EXTRACT}:
        assert latest(feed)[object_id]["created_by_ref"] == publisher_id()


@pytest.mark.parametrize(
    "change",
    [
        {"modified": "2031-01-01T00:00:00.000Z", "name": "Newer"},
        {"modified": "2031-01-01T00:00:00.000Z", "revoked": True},
        {"object_marking_refs": [marking_id(TLP.RED)]},
    ],
    ids=["newer", "revoked", "red"],
)
def test_no_version_of_a_partner_gets_past_the_services_own(shop: Shop, change: dict[str, Any]) -> None:
    feed = shop.collection(Kind.FEED)
    send(shop, [green(stix.campaign())])
    before = versions(feed)
    theirs = next(one for one in bundle("1-public-campaigns.json") if one["id"] == EXTRACT)

    (line,) = send(shop, [theirs | change]).lines

    assert (line.outcome, line.reason) == ("duplicate", "service-object")
    assert line.sentence.startswith("Every feed holds the service's own object of this id")
    assert versions(feed) == before


def test_in_an_open_collection_it_stands_as_it_was_sent(shop: Shop) -> None:
    shop.collection(Kind.FEED)
    shelf = shop.collection(Kind.OPEN)
    theirs = next(one for one in bundle("1-public-campaigns.json") if one["id"] == EXTRACT)

    send(shop, [theirs], to=shelf)

    assert latest(shelf) == {EXTRACT: theirs}


def test_the_publishers_own_identity_is_nobody_elses(shop: Shop) -> None:
    feed = shop.collection(Kind.FEED)
    send(shop, [green(stix.campaign())])
    before = latest(feed)[publisher_id()]

    (line,) = send(
        shop, [green(stix.identity(id=publisher_id(), modified="2031-01-01T00:00:00.000Z", name="Impostor"))]
    ).lines

    assert line.reason == "service-object"
    assert latest(feed)[publisher_id()] == before


def test_the_catalogue_holds_the_techniques_of_atlas_and_their_forms_here(shop: Shop) -> None:
    atlas = set(Technique.objects.exclude(atlas_id=None).values_list("atlas_id", flat=True))

    assert atlas == {
        *("AML.T0008.005", "AML.T0021", "AML.T0024", "AML.T0024.002", "AML.T0040", "AML.T0048.004"),
        "AML.T0065",
    }
    assert Technique.objects.get(atlas_id="AML.T0024.002").object_id == EXTRACT
    assert {one for technique in Technique.objects.all() for one in technique.form_of} <= atlas
    sent = {
        one["id"]
        for name in ("1-public-campaigns.json", "2-synthetic-detections.json")
        for one in bundle(name)
        if one["type"] == "attack-pattern"
    }
    assert sent <= set(Technique.objects.values_list("object_id", flat=True))


def test_a_technique_is_of_atlas_or_a_form_of_some(shop: Shop) -> None:
    wrong: list[dict[str, Any]] = [
        {"atlas_id": None, "form_of": []},
        {"atlas_id": "AML.T0001", "form_of": ["AML.T0040"]},
    ]
    for members in wrong:
        with pytest.raises(IntegrityError), transaction.atomic():
            Technique.objects.create(
                object_id="attack-pattern--x",
                name="x",
                description="",
                phase="x",
                created=NOW,
                **members,
            )
