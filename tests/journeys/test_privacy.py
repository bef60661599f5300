"""Personal identifiers do not come in unless a community takes them; prompt text only from who opted in."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import CLEAR, GREEN
from tests.world import PROJECT, World

ADDRESS = "jo.bloggs@customer.example"


def personal() -> dict[str, Object]:
    """One object of each kind, all new."""
    return {
        "personal-email": stix.sco("email-addr", {"value": f"{stix.domain()[:8]}@{stix.domain()}"}),
        "personal-card": steps.indicator(stix.domain(), description="Paid with 4111 1111-1111 1111."),
        "personal-phone": stix.campaign(description="Call +1 (202) 555-0143", object_marking_refs=[GREEN]),
        "personal-account": stix.sco("user-account", {"user_id": stix.domain()}),
        "prompt-text": steps.indicator("", pattern=f"[ai-prompt:value = 'Think of {stix.domain()}']"),
    }


def lines_of(world: World, organization: str, objects: list[Object], community: str) -> list[dict[str, Any]]:
    final = world.submit(organization, objects, community=community)
    lines: list[dict[str, Any]] = world.receipt(organization, final["id"])["objects"]
    assert [line["id"] for line in lines] == [one["id"] for one in objects]
    return lines


def in_inbox(world: World, organization: str, community: str) -> set[str]:
    return {one["id"] for one in world.objects(organization, "inbox", community=community)}


def test_what_names_a_person_is_refused_with_a_reason_and_its_neighbours_come_in(world: World) -> None:
    refused, neighbours = personal(), [steps.indicator(stix.domain()) for _ in range(6)]
    mixed = [neighbours[0]]
    for one, neighbour in zip(refused.values(), neighbours[1:], strict=True):
        mixed += [one, neighbour]

    lines = lines_of(world, "lab-a", mixed, "careful")

    assert [line["reason"] for line in lines[1::2]] == [*refused]
    assert {line["outcome"] for line in lines[1::2]} == {"rejected"}
    assert [line["sentence"].partition(":")[0] for line in lines[1::2]] == [
        *("/value", "/description", "/description", "/user_id", "/pattern")
    ]
    assert all("stillwatch blind --subject" in line["sentence"] for line in lines[1:9:2])
    assert {line["outcome"] for line in lines[::2]} == {"pending-review"}
    inbox = in_inbox(world, "lab-a", "careful")
    assert inbox >= {one["id"] for one in neighbours}
    assert not inbox & {one["id"] for one in refused.values()}


def test_the_taxii_status_says_it_too(world: World) -> None:
    one = steps.indicator("", pattern=f"[email-addr:value = '{ADDRESS}']")

    status = world.submit("lab-a", [one])

    (failure,) = status["failures"]
    assert failure["id"] == one["id"]
    assert "/pattern: email-addr:value is compared with an e-mail address" in failure["message"]
    assert ADDRESS not in json.dumps(status)


def tables_with(world: World, text: str) -> set[str]:
    """The tables that hold a text, in a text column or in bytes."""
    return {
        table
        for table in (
            "indicators_submission",
            "indicators_submittedobject",
            "indicators_claim",
            "sharing_entry",
        )
        if world.sql(
            f"SELECT 1 FROM {table} t WHERE position(%s in t::text) + position(%s in t::text) > 0 LIMIT 1",
            (text, text.encode().hex()),
        )
    }


def test_what_was_refused_is_kept_nowhere(world: World) -> None:
    secret, domain = f"jo@{stix.domain()}", stix.domain()
    neighbour = steps.indicator(domain)

    status = world.submit("lab-a", [neighbour, steps.indicator(stix.domain(), description=f"By {secret}")])

    assert tables_with(world, secret) == set()
    assert tables_with(world, domain) == {"indicators_claim", "sharing_entry"}
    assert world.sql(
        "SELECT length(body), length(body_sha256) FROM indicators_submission WHERE id = %s", (status["id"],)
    ) == [(0, 32)]


def test_what_is_refused_for_another_reason_first_is_kept_nowhere_either(world: World) -> None:
    secret = f"jo@{stix.domain()}"
    broken = {
        "impossible-value": stix.sco("email-addr", {"value": f"{stix.domain()}@[203.0.113.7]"}),
        "invalid-pattern": steps.indicator("", pattern=f"[email-addr:value = '{secret}'"),
        "bad-timestamp": stix.campaign(description=f"Write to {secret}", first_seen="yesterday"),
    }

    for reason, one in broken.items():
        status = world.submit("lab-a", [steps.indicator(stix.domain()), one])

        receipt = world.receipt("lab-a", status["id"])
        assert receipt["objects"][1]["reason"] == reason
        assert tables_with(world, secret) == set()
        assert world.sql(
            "SELECT length(body), length(body_sha256) FROM indicators_submission WHERE id = %s",
            (status["id"],),
        ) == [(0, 32)]


def test_what_is_refused_and_names_nobody_is_kept_for_the_operator(world: World) -> None:
    domain = stix.domain()

    world.submit("lab-a", [steps.indicator("", pattern=f"[domain-name:value = '{domain}'")])

    assert tables_with(world, domain) == {"indicators_submission"}


def test_what_came_in_whole_is_kept_byte_for_byte(world: World) -> None:
    domain = stix.domain()

    world.submit("lab-a", [steps.indicator(domain)])

    assert "indicators_submission" in tables_with(world, domain)


def test_a_community_that_takes_personal_data_takes_all_of_it(world: World) -> None:
    objects = [*personal().values()]

    lines = lines_of(world, "lab-a", objects, "allies")

    assert {line["outcome"] for line in lines} == {"released"}
    assert in_inbox(world, "lab-a", "allies") >= {one["id"] for one in objects}


def test_prompt_text_comes_in_from_who_opted_in_and_nothing_personal_does(world: World) -> None:
    objects = personal()

    lines = lines_of(world, "cloud-c", [*objects.values()], "frontier")

    rejected = {line["reason"] for line in lines if line["outcome"] == "rejected"}
    assert rejected == objects.keys() - {"prompt-text"}


def test_prompt_text_that_is_marked_clear_is_public_already(world: World) -> None:
    public, shared = (
        steps.indicator("", tlp, pattern=f"[ai-prompt:value = 'Think of {stix.domain()}']")
        for tlp in (CLEAR, GREEN)
    )

    lines = lines_of(world, "lab-a", [public, shared], "careful")

    assert [line["outcome"] for line in lines] == ["pending-review", "rejected"]


@pytest.mark.parametrize("content_type", ["application/json", "application/x-ndjson"])
def test_rest_refuses_the_same(world: World, content_type: str) -> None:
    objects = [*personal().values()]
    body = (
        json.dumps({"objects": objects})
        if content_type == "application/json"
        else "".join(json.dumps(one) + "\n" for one in objects)
    )

    answer = requests.post(
        f"{world.url}/api/v1/submissions/?community=careful",
        data=body.encode(),
        headers={
            "Authorization": f"Bearer {world.token('lab-b').secret}",
            "Content-Type": content_type,
        },
        timeout=60,
    )
    world.settle()

    receipt = world.receipt("lab-b", answer.json()["id"])
    assert [line["reason"] for line in receipt["objects"]] == [*personal()]
    assert receipt["counts"] == {"rejected": len(objects)}


def test_what_is_refused_comes_in_blinded_and_two_labs_match(world: World, tmp_path: Path) -> None:
    """The whole way: each lab blinds its own spelling of one address with the group's key."""
    key, local = tmp_path / "group.key", stix.domain().replace(".", "-")
    key.write_text("42" * 32)
    key.chmod(0o600)
    ids = []
    for organization, spelling in (
        ("lab-a", f"{local}@customer.example"),
        ("lab-b", f" {local}@Customer.EXAMPLE"),
    ):
        done = subprocess.run(
            [
                *(sys.executable, "-m", "sharing.verifier", "blind"),
                *("--key-file", key, "--key-id", "grp1.2026q4", "--subject", "email-address"),
            ],
            cwd=PROJECT,
            input=spelling,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        blinded = json.loads(done.stdout)
        (line,) = lines_of(world, organization, [blinded], "allies")
        ids.append(line["published_id"])
        assert line["outcome"] == "released"

    assert ids[0] == ids[1]
    assert ids[0] in {one["id"] for one in world.objects("cloud-c", "strict", community="allies")}
    assert ids[0] not in {one["id"] for one in world.objects("cloud-c", "amber", community="allies")}
