"""Detectors post findings without a person; who errs is limited, and what it found can be withdrawn at once."""

import copy
import json
import re
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.conformance import stix
from tests.indicators.sources.test_ocsf import FINDINGS, comparable
from tests.journeys import steps
from tests.journeys.test_rest import receipt_of, send
from tests.journeys.test_review import Desk
from tests.world import World

OCSF = "application/ocsf+json"
Finding = dict[str, Any]


def finding(analytic: str, domain: str, **members: Any) -> Finding:
    """A finding of its own uid that watches for a domain."""
    made: Finding = copy.deepcopy(json.loads(FINDINGS[5].read_bytes())) | members
    made["finding_info"] |= {
        "uid": f"uid-{uuid4()}",
        "analytic": {"uid": analytic, "name": "Secret finder", "version": "7", "type_id": 1},
    }
    (entry, *_) = [one for one in made["osint"] if "detection_pattern" in one]
    made["osint"] = [entry | {"tlp": "GREEN", "detection_pattern": f"[domain-name:value = '{domain}']"}]
    for evidence in made["evidences"]:
        activity = evidence.get("data", {}).get("llm_api_activity")
        if activity:
            activity["cluster_id"] = f"cluster-{uuid4()}"
    return made


def called_false(one: Finding) -> Finding:
    """Its later version: a false positive."""
    made = copy.deepcopy(one) | {"activity_id": 3, "type_uid": 200403, "status_id": 4, "verdict_id": 1}
    made["time"] += 3_600_000
    made["finding_info"]["modified_time"] = made["time"]
    return made


def in_whole_numbers(objects: list[Any]) -> list[Any]:
    """The same values, with 1.0 written as 1: they are one number of JSON, and canonical JSON writes the latter."""

    def plain(text: str) -> float:
        return int(float(text)) if float(text).is_integer() else float(text)

    found: list[Any] = json.loads(json.dumps(objects), parse_float=plain)
    return found


def post(world: World, *findings: Finding) -> dict[str, Any]:
    return receipt_of(world, send(world, json.dumps(findings), OCSF))


def get(world: World, path: str, organization: str = "lab-a") -> Any:
    answer = requests.get(
        f"{world.url}/api/v1/{path}",
        headers={"Authorization": f"Bearer {world.token(organization).secret}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()


def detector(world: World, analytic: str) -> dict[str, Any]:
    (found,) = [one for one in get(world, "detectors/") if one["analytic"] == analytic]
    return dict(found)


def feed(world: World, *domains: str) -> dict[str, Any]:
    """What a stock client sees of these domains in the green feed: the latest version of each indicator."""
    envelope = steps.taxii_collection(world, "lab-b", "green", "allies").get_objects(
        type="indicator", limit=1000
    )
    assert not envelope.get("more")
    found: dict[str, Any] = {}
    for one in envelope["objects"]:
        for domain in domains:
            if f"'{domain}'" in one["pattern"]:
                found[domain] = one
    return found


@pytest.mark.parametrize(
    "wrap",
    [
        lambda findings: json.dumps(findings[0], indent=1),
        json.dumps,
        lambda findings: "\n".join(map(json.dumps, findings)) + "\n",
    ],
    ids=["one", "array", "ndjson"],
)
def test_findings_are_taken_one_in_an_array_or_one_a_line(world: World, wrap: Any) -> None:
    findings = [finding(f"an-{uuid4()}", stix.domain()) for _ in range(2)]
    body = wrap(findings)

    receipt = receipt_of(world, send(world, body, OCSF))

    sent = 1 if "\n " in body else 2
    reasons = [line["reason"] for line in receipt["objects"] if line["id"].startswith("indicator--")]
    assert reasons == ["detector-limited"] * sent
    # Sent again, it answers with the same receipt.
    assert send(world, body, OCSF).json()["id"] == receipt["id"]


@pytest.mark.parametrize("path", FINDINGS, ids=lambda path: path.stem)
def test_a_posted_finding_stands_in_the_inbox_as_its_acceptance_pair_says(world: World, path: Path) -> None:
    ((organization,),) = world.sql("SELECT id FROM accounts_organization WHERE slug = 'lab-a'")
    expected = json.loads(path.with_suffix(".stix.json").read_bytes())["objects"]
    author = next(one for one in expected if one["type"] == "indicator")["created_by_ref"]
    before = {one["id"] for one in world.objects("lab-a", "inbox", community="frontier")}

    receipt = receipt_of(world, send(world, path.read_bytes(), OCSF, query="?community=frontier"))

    assert {line["reason"] for line in receipt["objects"]}.isdisjoint({"not-understood", "invalid-finding"})
    posted = {line["id"] for line in receipt["objects"]}
    inbox = [one for one in world.objects("lab-a", "inbox", community="frontier") if one["id"] in posted]
    assert {line["outcome"] for line in receipt["objects"]}.isdisjoint({"rejected"})
    assert posted == {one["id"] for one in inbox}
    assert not {one["id"] for one in inbox if one["type"] == "indicator"} & before
    said = json.loads(json.dumps(expected).replace(author, f"identity--{organization}"))
    assert comparable(in_whole_numbers(inbox)) == comparable(in_whole_numbers(said))


def test_a_detector_s_way_from_its_first_finding_to_its_withdrawal(world: World) -> None:
    analytic = f"secret-analytic-{uuid4()}"
    domains = [stix.domain() for _ in range(4)]
    findings = [finding(analytic, domain) for domain in domains]
    desk = Desk(world, "analyst")

    # Unknown: registered, limited, told; an analyst lets its first finding leave.
    receipt = post(world, findings[0])
    registered = detector(world, analytic)
    assert (registered["tier"], registered["limited"]) == ("review", True)
    assert feed(world, *domains) == {}
    cases = [
        case
        for (case,) in world.sql(
            "SELECT v.id FROM sharing_review v JOIN sharing_release r ON r.id = v.release_id"
            " JOIN indicators_submittedobject o ON o.subject_id = r.subject_id"
            " WHERE o.submission_id = %s AND v.state = 'pending' AND o.object_id LIKE 'indicator--%%'",
            (receipt["id"],),
        )
    ]
    desk.decide("approve", *cases, reason="A real one")
    world.settle()
    assert set(feed(world, *domains)) == {domains[0]}
    assert detector(world, analytic)["precision"] == {"confirmed": 1, "decided": 1, "share": 1.0}

    # Trusted: what it finds leaves by the rule, and tells nobody what found it.
    world.sql(
        "UPDATE indicators_detector SET tier = 'trusted', min_decisions = 3 WHERE analytic = %s", (analytic,)
    )
    post(world, *findings[1:])
    shown = feed(world, *domains)
    assert set(shown) == set(domains)
    raw = steps.raw_page(world, "lab-b", "green", "limit=1000", "allies").decode()
    secrets = [analytic, "Secret finder", *(one["finding_info"]["uid"] for one in findings)]
    assert [secret for secret in secrets if secret in raw] == []

    # It errs by its own word: its precision falls, it is limited, and its organisation is told.
    before = {domain: one["confidence"] for domain, one in shown.items()}
    post(world, called_false(findings[1]), called_false(findings[2]))
    now = detector(world, analytic)
    assert now["limited_at"]
    assert "1 of 3 confirmed" in now["limited_reason"]
    after = feed(world, *domains)
    assert all(after[domain]["confidence"] < before[domain] for domain in domains[1:3])
    told = world.sql(
        "SELECT n.kind FROM accounts_notice n JOIN accounts_organization o ON o.id = n.organization_id"
        " WHERE o.slug = 'lab-a' AND n.target = %s ORDER BY n.id",
        (f"detector:{now['id']}",),
    )
    assert [kind for (kind,) in told] == ["detector.registered", "detector.limited"]

    # All that it found is withdrawn: first a preview, which changes nothing.
    url = f"{desk.url}indicators/detector/"
    desk.page = desk.session.get(url, timeout=30)
    chosen = {"action": "withdraw", "_selected_action": [str(now["id"])], "index": 0}
    desk.page = desk.send(url, **chosen)
    text = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", desk.page.text))
    assert "what a withdrawal would change" in text
    assert set(feed(world, *domains)) == set(domains)
    assert not any(one.get("revoked") for one in feed(world, *domains).values())
    desk.send(url, **chosen, decide="1", reason="A broken rule")
    world.settle()
    assert all(one["revoked"] for one in feed(world, *domains).values())
    assert detector(world, analytic)["withdrawn_at"]


def test_another_organisation_s_detector_does_not_exist(world: World) -> None:
    analytic = f"an-{uuid4()}"
    post(world, finding(analytic, stix.domain()))
    number = detector(world, analytic)["id"]
    url = f"{world.url}/api/v1/detectors/{number}/"
    for organization, status in (("lab-a", 200), ("lab-b", 404), ("outsider", 404)):
        headers = {"Authorization": f"Bearer {world.token(organization).secret}"}
        assert requests.get(url, headers=headers, timeout=30).status_code == status
        answer = requests.patch(url, headers=headers, json={"name": "x"}, timeout=30)
        assert answer.status_code == status
    assert analytic not in json.dumps(get(world, "detectors/", "lab-b"))
