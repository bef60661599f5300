"""REST: submissions in every form, and their receipts (interface.md, "HTTP")."""

import json
from typing import Any
from uuid import uuid4

import pytest
import requests

from tests.conformance import stix
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import World


def send(
    world: World,
    body: bytes | str,
    content_type: str = "application/json",
    *,
    organization: str = "lab-a",
    token: str = "rw",
    query: str = "?community=allies",
    **headers: str,
) -> requests.Response:
    return requests.post(
        f"{world.url}/api/v1/submissions/{query}",
        data=body.encode() if isinstance(body, str) else body,
        headers={
            "Authorization": f"Bearer {world.token(organization, token).secret}",
            "Content-Type": content_type,
            **headers,
        },
        timeout=60,
    )


def receipt_of(world: World, answer: requests.Response, organization: str = "lab-a") -> dict[str, Any]:
    """The receipt when everything is done."""
    assert answer.status_code == 202, answer.text
    world.settle()
    return world.receipt(organization, answer.json()["id"])


def a_campaign() -> Any:
    return stix.campaign(object_marking_refs=[GREEN])


@pytest.mark.parametrize(
    ("content_type", "wrap"),
    [
        ("application/json", lambda objects: json.dumps({"objects": objects})),
        (
            "application/taxii+json;version=2.1",
            lambda objects: json.dumps({"more": False, "objects": objects}),
        ),
        (
            "application/stix+json; version=2.1",
            lambda objects: json.dumps({"type": "bundle", "id": f"bundle--{uuid4()}", "objects": objects}),
        ),
        ("application/x-ndjson", lambda objects: "\n".join(json.dumps(one) for one in objects) + "\n"),
        (
            "application/ndjson; charset=utf-8",
            lambda objects: "\n\n".join(json.dumps(one) for one in objects),
        ),
    ],
    ids=["json", "envelope", "bundle", "ndjson", "ndjson with blank lines"],
)
def test_objects_are_taken_in_every_form(world: World, content_type: str, wrap: Any) -> None:
    objects = [a_campaign(), a_campaign()]

    receipt = receipt_of(world, send(world, wrap(objects), content_type))

    assert receipt["counts"] == {"released": 2}
    assert [line["id"] for line in receipt["objects"]] == [one["id"] for one in objects]
    feed = {one["id"] for one in world.objects("lab-b", "green", community="allies")}
    assert {one["id"] for one in objects} <= feed


def test_the_answer_says_where_the_receipt_is(world: World) -> None:
    answer = send(world, json.dumps({"objects": [a_campaign()]}))

    assert answer.status_code == 202
    there = requests.get(
        world.url + answer.headers["Location"],
        headers={"Authorization": f"Bearer {world.token('lab-a').secret}"},
        timeout=30,
    )
    assert there.status_code == 200
    assert there.json()["id"] == answer.json()["id"]
    assert answer.json()["object_count"] == 1


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "broken off"])
def test_lines_that_come_in_chunks_are_not_taken_for_all_lines(world: World, whole: bool) -> None:
    """A connection that breaks off between two chunks looks like the end of the body."""
    objects = [a_campaign(), a_campaign()]
    chunks = b"".join(
        b"%x\r\n%s\r\n" % (len(line), line) for line in (json.dumps(one).encode() + b"\n" for one in objects)
    )
    head = (
        "POST /api/v1/submissions/?community=allies HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
        f"Authorization: Bearer {world.token('lab-a').secret}\r\nContent-Type: application/x-ndjson\r\n\r\n"
    )

    answer = world.raw(head.encode() + chunks + (b"0\r\n\r\n" if whole else b""), breaks_off=True)

    assert answer.split(b" ", 2)[1] == b"411"
    assert b"length-required" in answer
    world.settle()
    inbox = {one["id"] for one in world.objects("lab-a", "inbox", community="allies")}
    assert not inbox & {one["id"] for one in objects}


def test_format_overrides_the_content_type(world: World) -> None:
    lines = "\n".join(json.dumps(a_campaign()) for _ in range(3))

    receipt = receipt_of(world, send(world, lines, "text/plain", query="?community=allies&format=ndjson"))

    assert receipt["object_count"] == 3


@pytest.mark.parametrize(
    ("body", "content_type", "query", "status"),
    [
        ("{}", "text/html", "?community=allies", 415),
        ("{}", "", "?community=allies", 415),
        ("{}", "application/json", "?community=allies&format=xml", 400),
        ("{}", "text/csv", "?community=allies", 422),
        ("{}", "application/json", "?community=allies&format=misp", 422),
        ("7", "application/json", "?community=allies&format=ocsf", 422),
        ("{}", "application/json", "", 400),
        ("{}", "application/json", "?community=nowhere", 404),
        ("{}", "application/json", "?community=careful", 202),
        ("not json", "application/json", "?community=allies", 422),
        ('{"objects":7}', "application/json", "?community=allies", 422),
        ('{"objects":[],"objects":[]}', "application/json", "?community=allies", 422),
        ('[{"type":"campaign"}]', "application/json", "?community=allies", 422),
        ('{"objects":[1,', "application/json", "?community=allies", 422),
        ("\ufeff{}", "application/json", "?community=allies", 422),
        ("", "application/json", "?community=allies", 422),
        ("[" * 100_000, "application/json", "?community=allies", 422),
    ],
)
def test_a_wrong_request_is_told_what_is_wrong(
    world: World, body: str, content_type: str, query: str, status: int
) -> None:
    answer = send(world, body, content_type, query=query)

    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.json()


def test_a_body_that_is_too_large_is_refused(world: World) -> None:
    """clients.md 13."""
    answer = send(world, b'{"objects":[' + b" " * (10 * 1024 * 1024) + b"]}")

    assert answer.status_code == 413
    assert answer.json()["detail"]


def test_an_idempotency_key_answers_with_the_first_submission(world: World) -> None:
    body, key = json.dumps({"objects": [a_campaign()]}), str(uuid4())

    first, second = (send(world, body, **{"Idempotency-Key": key}) for _ in range(2))

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]
    world.settle()
    rows = world.sql("SELECT count(*) FROM indicators_submission WHERE idempotency_key = %s", (key,))
    assert rows == [(1,)]


def test_an_idempotency_key_belongs_to_one_body(world: World) -> None:
    key = str(uuid4())
    send(world, json.dumps({"objects": [a_campaign()]}), **{"Idempotency-Key": key})

    answer = send(world, json.dumps({"objects": [a_campaign()]}), **{"Idempotency-Key": key})

    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency-key-reused")


def test_an_idempotency_key_belongs_to_one_organisation(world: World) -> None:
    body, key = json.dumps({"objects": [a_campaign()]}), str(uuid4())

    ours = send(world, body, **{"Idempotency-Key": key})
    theirs = send(world, body, organization="lab-b", **{"Idempotency-Key": key})

    assert (ours.status_code, theirs.status_code) == (202, 202)
    assert ours.json()["id"] != theirs.json()["id"]


@pytest.mark.parametrize("key", ["", "k" * 256, "snow\xe9"])
def test_a_strange_idempotency_key_is_no_server_error(world: World, key: str) -> None:
    answer = send(world, '{"objects":[]}', **{"Idempotency-Key": key})

    assert answer.status_code in {202, 400}


def test_a_receipt_is_its_senders_alone(world: World) -> None:
    answer = send(world, json.dumps({"objects": [a_campaign()]}))
    url = f"{world.url}/api/v1/submissions/"

    statuses = {
        (organization, token): requests.get(
            f"{url}{answer.json()['id']}/",
            headers={"Authorization": f"Bearer {world.token(organization, token).secret}"},
            timeout=30,
        ).status_code
        for organization in ("lab-a", "lab-b", "outsider")
        for token in ("rw", "ro", "wo")
    }

    assert {key for key, status in statuses.items() if status == 200} == {("lab-a", "rw"), ("lab-a", "wo")}
    assert {status for (_, token), status in statuses.items() if token == "ro"} == {403}
    assert {
        status
        for (organization, token), status in statuses.items()
        if organization != "lab-a" and token != "ro"
    } == {404}


def test_a_token_that_may_only_read_submits_nothing(world: World) -> None:
    answer = send(world, '{"objects":[]}', token="ro")

    assert answer.status_code == 403


def test_an_outsider_has_no_community(world: World) -> None:
    named = send(world, '{"objects":[]}', organization="outsider")
    unnamed = send(world, '{"objects":[]}', organization="outsider", query="")

    assert (named.status_code, unnamed.status_code) == (404, 404)


def test_without_credentials_there_is_a_challenge(world: World) -> None:
    answer = requests.post(f"{world.url}/api/v1/submissions/", data=b"{}", timeout=30)

    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"]


def test_the_outcome_and_the_reason_of_each_object_stand_in_the_receipt(world: World) -> None:
    domain, campaign = stix.domain(), a_campaign()
    body = json.dumps(
        {
            "objects": [
                steps.indicator(domain),
                campaign,
                campaign,
                {"type": "campaign", "id": "campaign--7"},
                waiting_note(),
                steps.indicator("", pattern="[domain-name:value = 'a.example'\nAND domain-name:value]"),
            ]
        }
    )

    receipt = receipt_of(world, send(world, body))

    lines = receipt["objects"]
    assert [line["outcome"] for line in lines] == [
        *("released", "released", "duplicate", "rejected", "withheld", "rejected")
    ]
    assert [line["reason"] for line in lines][4:] == ["waiting-for-reference", "invalid-pattern"]
    assert all(line["sentence"] for line in lines)
    assert lines[5]["sentence"] == (
        "The pattern is refused at line 2, column 22: a comparison operator is expected, not ]."
    )
    assert lines[0]["published_id"] != lines[0]["id"]
    assert lines[1]["published_id"] == campaign["id"]
    assert sum(receipt["counts"].values()) == receipt["object_count"] == 6


def waiting_note() -> Any:
    return stix._sdo(
        "note", content="On nothing.", object_refs=[f"malware--{uuid4()}"], object_marking_refs=[GREEN]
    )


def test_what_came_by_rest_stands_in_the_senders_inbox(world: World) -> None:
    campaign = a_campaign()

    receipt_of(world, send(world, json.dumps({"objects": [campaign]}), token="wo"))

    ours = {one["id"] for one in world.objects("lab-a", "inbox", community="allies")}
    theirs = {one["id"] for one in world.objects("lab-b", "inbox", community="allies")}
    assert campaign["id"] in ours - theirs


def test_the_description_of_the_interface_is_public(world: World) -> None:
    answer = requests.get(f"{world.url}/api/v1/schema/?format=json", timeout=30)

    assert answer.status_code == 200
    assert "/api/v1/submissions/" in answer.json()["paths"]
