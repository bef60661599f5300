"""The main story: two partners say the same, a third pulls, verifies, and hears that both take it back.

The actors: lab-a and cloud-c write, lab-b reads, the outsider must see nothing. Clients are the real, unmodified
taxii2-client 2.3 and, through it, stix2's TAXIICollectionSource and TAXIICollectionStore.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests
import stix2
import taxii2client.v21 as taxii2

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import AMBER, GREEN
from tests.world import TAXII, World

FIRST, LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"


def said_twice(world: World, tlp: str = GREEN) -> tuple[str, Object, Object]:
    """lab-a and cloud-c report one domain, each in its own spelling; the domain, and what each sent."""
    domain = stix.domain()
    ours = steps.indicator(domain, tlp, pattern=f"[domain-name:value = '{domain}']", labels=["proxy"])
    theirs = steps.indicator(
        domain,
        tlp,
        pattern=f"[ domain-name:value   IN ('{domain.upper().replace('.', '[.]')}.') ]",
        labels=["relay"],
    )
    world.submit("lab-a", [ours])
    world.submit("cloud-c", [theirs])
    return domain, ours, theirs


def test_two_spellings_of_one_indicator_become_one_indicator_and_the_rule_releases_it(world: World) -> None:
    domain = stix.domain()
    ours = steps.indicator(domain, labels=["proxy"])
    theirs = steps.indicator(domain, pattern=f"[domain-name:value='{domain.upper()}']", labels=["relay"])
    world.submit("lab-a", [ours])
    before = steps.versions_in(world, "lab-b", "amber", domain)

    world.submit("cloud-c", [theirs])

    assert before == []
    merged = steps.indicator_in(world, "lab-b", "amber", domain)
    assert merged["pattern"] == f"[domain-name:value = '{domain}']"
    assert merged["labels"] == ["proxy", "relay"]
    assert merged["confidence"] >= 80
    assert merged["object_marking_refs"] == [GREEN]
    assert "revoked" not in merged


def test_each_audience_has_an_id_of_its_own(world: World) -> None:
    domain, ours, theirs = said_twice(world)

    ids = {
        alias: steps.indicator_in(world, "lab-b", alias, domain)["id"]
        for alias in ("strict", "amber", "green")
    }

    assert len({*ids.values(), ours["id"], theirs["id"]}) == 5
    # The two green feeds are one audience.
    assert steps.indicator_in(world, "lab-b", "green-core", domain)["id"] == ids["green"]


def test_a_published_indicator_carries_all_that_consumers_ask_for(world: World) -> None:
    """clients.md 16."""
    domain, _, _ = said_twice(world)

    merged = steps.indicator_in(world, "lab-b", "amber", domain)

    for name in (
        *(
            "name",
            "description",
            "pattern",
            "pattern_type",
            "valid_from",
            "valid_until",
            "confidence",
            "labels",
        ),
        *("indicator_types", "created_by_ref", "object_marking_refs"),
    ):
        assert merged[name], name
    assert merged["valid_from"] < merged["valid_until"]
    authors = world.objects("lab-b", "amber", query=f"match[id]={merged['created_by_ref']}")
    assert [one["type"] for one in authors] == ["identity"]


def test_taxii2_client_pulls_it_page_by_page(world: World) -> None:
    """clients.md 3, 5, 10, 11."""
    domain, _, _ = said_twice(world)
    collection = steps.taxii_collection(world, "lab-b", "amber")

    pages = list(taxii2.as_pages(collection.get_objects, per_request=3))

    assert collection.can_read
    assert not collection.can_write
    pulled = [one for page in pages for one in page.get("objects", [])]
    assert all(len(page["objects"]) == 3 for page in pages[:-1])
    assert len(steps.by_id(pulled)) == len(pulled)
    assert [one["pattern"] for one in pulled if domain in one.get("pattern", "")] == [
        f"[domain-name:value = '{domain}']"
    ]


def test_taxii2_client_pulls_only_what_is_new(world: World) -> None:
    """clients.md 6, 7: `added_after` is exclusive, and an empty page echoes it."""
    domain, _, _ = said_twice(world)
    collection = steps.taxii_collection(world, "lab-b", "amber")
    newest = max(one["date_added"] for one in manifest_of(collection))

    nothing = collection.get_objects(added_after=newest)
    next_domain, _, _ = said_twice(world)
    news = collection.get_objects(added_after=newest)

    assert nothing == {"more": False, "objects": []}
    patterns = [one["pattern"] for one in news["objects"] if one["type"] == "indicator"]
    assert patterns == [f"[domain-name:value = '{next_domain}']"]
    assert domain not in json.dumps(news)


def manifest_of(collection: taxii2.Collection) -> list[Any]:
    return [one for page in taxii2.as_pages(collection.get_manifest) for one in page.get("objects", [])]


def test_stix2_reads_the_feed_as_a_source(world: World) -> None:
    domain, _, _ = said_twice(world)
    merged = steps.indicator_in(world, "lab-b", "amber", domain)
    source = stix2.TAXIICollectionSource(steps.taxii_collection(world, "lab-b", "amber"), allow_custom=True)

    got = source.get(merged["id"])
    found = source.query([stix2.Filter("pattern", "=", merged["pattern"])])

    assert json.loads(got.serialize()) == merged
    assert [one.id for one in found] == [merged["id"]]


def test_stix2_writes_and_reads_an_inbox_as_a_store(world: World) -> None:
    collection = steps.taxii_collection(world, "lab-a", "inbox", token="rw")
    store = stix2.TAXIICollectionStore(collection, allow_custom=True)
    domain = stix.domain()
    made = stix2.Indicator(
        pattern=f"[domain-name:value = '{domain}']", pattern_type="stix", valid_from="2024-05-01T00:00:00Z"
    )

    store.add(made)
    world.settle()

    assert store.get(made.id) == made


@pytest.mark.parametrize("alias", ["amber", "green"])
def test_the_verifier_accepts_a_page_with_its_proof(world: World, tmp_path: Path, alias: str) -> None:
    domain, _, _ = said_twice(world)
    page = tmp_path / "page.json"
    page.write_bytes(steps.raw_page(world, "lab-b", alias, "proof=1&limit=5000"))

    done = steps.verify("page", page, "--jwks", steps.jwks(world), "--ceiling", alias)

    assert domain in page.read_text()
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("verified: ")


def test_the_verifier_refuses_a_page_in_which_anything_was_touched(world: World, tmp_path: Path) -> None:
    said_twice(world)
    envelope = json.loads(steps.raw_page(world, "lab-b", "amber", "proof=1&limit=5000"))
    keys = steps.jwks(world)
    refused = {}

    tampers: dict[str, Callable[[Any], Any]] = {
        "altered": lambda page: page["objects"][-1].update(confidence=5),
        "dropped": lambda page: page["objects"].pop(),
        "reordered": lambda page: page["objects"].reverse(),
        "doubled": lambda page: page["objects"].append(page["objects"][-1]),
        "unproved": lambda page: page["x_stillwatch_log"]["entries"].pop(),
    }
    for name, tamper in tampers.items():
        copy = json.loads(json.dumps(envelope))
        tamper(copy)
        file = tmp_path / f"{name}.json"
        file.write_text(json.dumps(copy))
        refused[name] = steps.verify("page", file, "--jwks", keys).returncode

    assert refused["altered"] == 11
    assert all(code in {11, 12, 13, 20} for code in refused.values()), refused


def test_the_verifier_accepts_one_object_and_refuses_a_changed_copy(world: World, tmp_path: Path) -> None:
    domain, _, _ = said_twice(world)
    merged = steps.indicator_in(world, "lab-b", "amber", domain)
    proof = json.loads(steps.raw_page(world, "lab-b", "amber", f"proof=1&match[id]={merged['id']}"))
    (entry,) = proof["x_stillwatch_log"]["entries"]
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(merged, indent=4))
    bad.write_text(json.dumps(merged | {"confidence": 100}))
    keys = steps.jwks(world)

    accepted = steps.verify("object", good, "--jws", entry["jws"], "--jwks", keys)
    refused = steps.verify("object", bad, "--jws", entry["jws"], "--jwks", keys)

    assert accepted.returncode == 0, accepted.stderr
    assert refused.returncode in {10, 11}, refused.stdout


def test_taxii2_client_ignores_the_proof(world: World) -> None:
    collection = steps.taxii_collection(world, "lab-b", "green")
    without = list(taxii2.as_pages(collection.get_objects, per_request=50, version="all"))
    # The client passes on the parameters of TAXII alone; what else is asked for is requests' to send.
    collection._conn.session.params = {"proof": "1"}

    with_proof = list(taxii2.as_pages(collection.get_objects, per_request=50, version="all"))

    assert all("x_stillwatch_log" in page for page in with_proof)
    assert [one for page in with_proof for one in page["objects"]] == [
        one for page in without for one in page["objects"]
    ]


def test_one_source_that_revokes_takes_only_its_own_weight_away(world: World) -> None:
    domain, ours, _ = said_twice(world)
    before = steps.indicator_in(world, "lab-b", "amber", domain)

    world.submit("lab-a", [steps.newer(ours, revoked=True)])

    after = steps.indicator_in(world, "lab-b", "amber", domain)
    assert (after["id"], after["created"]) == (before["id"], before["created"])
    assert after["modified"] > before["modified"]
    assert after["confidence"] < before["confidence"]
    assert after["labels"] == ["relay"]
    assert "revoked" not in after


def test_an_indicator_is_revoked_when_all_its_sources_revoked(world: World) -> None:
    """clients.md 17: the same id, `revoked: true`, a later `modified`."""
    domain, ours, theirs = said_twice(world)
    before = steps.indicator_in(world, "lab-b", "amber", domain)
    collection = steps.taxii_collection(world, "lab-b", "amber")
    newest = max(one["date_added"] for one in manifest_of(collection))

    world.submit("lab-a", [steps.newer(ours, revoked=True)])
    world.submit("cloud-c", [steps.newer(theirs, revoked=True)])

    news = collection.get_objects(added_after=newest)["objects"]
    assert [(one["id"], one["revoked"]) for one in news] == [(before["id"], True)]
    assert news[0]["modified"] > before["modified"]
    assert news[0]["created"] == before["created"]
    for alias in ("strict", "green", "green-core"):
        assert steps.indicator_in(world, "lab-b", alias, domain)["revoked"] is True


def test_an_indicator_is_revoked_when_all_its_sources_deleted_it(world: World) -> None:
    domain, ours, theirs = said_twice(world)
    before = steps.indicator_in(world, "lab-b", "amber", domain)

    steps.delete(world, "lab-a", ours["id"])
    between = steps.indicator_in(world, "lab-b", "amber", domain)
    steps.delete(world, "cloud-c", theirs["id"])

    after = steps.indicator_in(world, "lab-b", "amber", domain)
    assert "revoked" not in between
    assert between["confidence"] < before["confidence"]
    assert (after["id"], after["revoked"]) == (before["id"], True)
    assert before["modified"] < between["modified"] < after["modified"]


def test_what_was_revoked_and_is_said_again_gets_a_new_id(world: World) -> None:
    """STIX 2.1 §3.6.2: a revoked object gets no further version."""
    domain, ours, theirs = said_twice(world)
    for organization, one in (("lab-a", ours), ("cloud-c", theirs)):
        world.submit(organization, [steps.newer(one, revoked=True)])

    world.submit("lab-a", [steps.indicator(domain)])
    world.submit("cloud-c", [steps.indicator(domain)])

    versions = steps.versions_in(world, "lab-b", "amber", domain)
    revoked = {one["id"] for one in versions if one.get("revoked")}
    live = {one["id"] for one in versions} - revoked
    assert (len(revoked), len(live)) == (1, 1)


def test_a_version_with_another_pattern_moves_the_claim(world: World) -> None:
    """The old indicator loses a source, the new one gains it; when both have moved, the old one is revoked."""
    domain, ours, theirs = said_twice(world)
    before = steps.indicator_in(world, "lab-b", "amber", domain)
    elsewhere = stix.domain()
    pattern = f"[domain-name:value = '{elsewhere}']"

    world.submit("lab-a", [steps.newer(ours, pattern=pattern)])
    between = steps.indicator_in(world, "lab-b", "amber", domain)
    world.submit("cloud-c", [steps.newer(theirs, pattern=pattern)])

    after = steps.indicator_in(world, "lab-b", "amber", domain)
    moved = steps.indicator_in(world, "lab-b", "amber", elsewhere)
    assert between["confidence"] < before["confidence"]
    assert (after["id"], after.get("revoked")) == (before["id"], True)
    assert moved["id"] != before["id"]
    assert "revoked" not in moved


def test_an_indicator_keeps_its_time_of_creation_whatever_its_sources_do(world: World) -> None:
    """STIX 2.1 §3.2: `created` is the same in all versions of an object."""
    domain, ours, _ = said_twice(world)
    other, elsewhere = steps.indicator(domain), stix.domain()
    world.submit("lab-b", [other])

    # The first source says something else now, the last one left and came back.
    world.submit("lab-a", [steps.newer(ours, pattern=f"[domain-name:value = '{elsewhere}']")])
    world.submit("lab-b", [steps.newer(other, revoked=True)])

    versions = steps.versions_in(world, "lab-b", "amber", domain)
    assert len(versions) > 1
    assert len({one["id"] for one in versions}) == 1
    assert len({one["created"] for one in versions}) == 1, [one["created"] for one in versions]


def test_a_submitter_is_named_nowhere_in_any_feed(world: World) -> None:
    domain, ours, theirs = said_twice(world, AMBER)
    relation = stix.relationship(ours, {"id": ours["id"]}, relationship_type="related-to")
    target = stix.campaign(object_marking_refs=[GREEN])
    relation = steps.marked(stix.relationship(ours, target, created_by_ref=f"identity--{uuid4()}"), GREEN)
    sighting = stix._sdo("sighting", sighting_of_ref=ours["id"], object_marking_refs=[GREEN], count=3)
    world.submit("lab-a", [target, relation, sighting])
    secrets = {
        str(one)
        for row in world.sql(
            "SELECT o.id, t.id, o.slug, o.name FROM accounts_organization o"
            " JOIN accounts_token t ON t.organization_id = o.id WHERE o.slug IN ('lab-a', 'lab-b', 'cloud-c')"
        )
        for one in row
    }
    secrets |= {ours["id"], theirs["id"], relation["id"], sighting["id"], relation["created_by_ref"]}

    pages = [
        steps.raw_page(world, "lab-b", alias, f"limit=5000&match[version]=all{query}").decode()
        for alias in ("strict", "amber", "green", "green-core")
        for query in ("", "&proof=1")
    ]

    assert any(domain in page for page in pages)
    for page in pages:
        assert not json.loads(page)["more"]
        assert {secret for secret in secrets if secret in page} == set()


PLACES = (
    "/taxii2/frontier/",
    "/taxii2/frontier/collections/",
    "/taxii2/frontier/collections/amber/",
    "/taxii2/frontier/collections/{collection}/",
    "/taxii2/frontier/collections/{collection}/manifest/",
    "/taxii2/frontier/collections/{collection}/objects/",
    "/taxii2/frontier/collections/{collection}/objects/?proof=1",
    "/taxii2/frontier/collections/{collection}/objects/{object}/",
    "/taxii2/frontier/collections/{collection}/objects/{object}/versions/",
    "/taxii2/frontier/collections/inbox/objects/",
    "/taxii2/frontier/status/{status}/",
    "/api/v1/submissions/{status}/",
)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
def test_an_outsider_cannot_tell_what_is_there_from_what_is_not(
    world: World, place: str, method: str
) -> None:
    """clients.md 10: 404, exactly as for what is unknown, whatever the method."""
    world.submit("lab-a", [stix.campaign(object_marking_refs=[AMBER])])
    known = {
        "collection": world.collection("amber"),
        "object": world.page("lab-b", "amber", query="match[type]=campaign&limit=1")["objects"][0]["id"],
        "status": world.sql("SELECT id FROM indicators_submission LIMIT 1")[0][0],
    }
    unknown = {"collection": uuid4(), "object": f"indicator--{uuid4()}", "status": uuid4()}
    headers = world.token("outsider").bearer | {"Content-Type": TAXII, "Accept": "*/*"}

    answers = [
        requests.request(
            method,
            world.url + path,
            headers=headers,
            data=b'{"objects":[]}' if method == "POST" else None,
            timeout=30,
            allow_redirects=False,
        )
        for path in (
            place.format(**known),
            place.format(**unknown).replace("frontier", "nowhere").replace("/amber/", "/nothing/"),
        )
    ]

    there, nowhere = [(one.status_code, without_error_id(one), shown(one)) for one in answers]
    assert there == nowhere
    assert there[0] == 404 or (method not in {"GET", "HEAD"} and there[0] in {404, 405})


def without_error_id(answer: requests.Response) -> Any:
    if not answer.content:
        return None
    body = answer.json()
    return {name: value for name, value in body.items() if name != "error_id"}


def shown(answer: requests.Response) -> dict[str, str]:
    """The headers that an answer's content decides: not when it was, nor whether the connection stays open."""
    return {
        name.lower(): value
        for name, value in answer.headers.items()
        if name.lower() not in {"date", "connection"}
    }


def test_the_outsiders_discovery_names_no_community(world: World) -> None:
    answer = requests.get(f"{world.url}/taxii2/", headers=world.token("outsider").bearer, timeout=30)

    assert answer.status_code == 200
    assert answer.json().get("api_roots", []) == []
    assert "frontier" not in answer.text
