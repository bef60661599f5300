"""Receipts as partners have them: signed, checked offline, listed, told by webhook; and what is set aside."""

import hashlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import requests

from sharing.signing.keys import KeySet
from sharing.verifier.receipt import verify_delivery
from tests.conformance import stix
from tests.journeys.steps import GREEN, STILLWATCH
from tests.journeys.test_review import Desk
from tests.receiver import Receiver
from tests.world import World


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver.start() as running:
        yield running


def call(
    world: World, method: str, path: str, *, organization: str = "lab-b", token: str = "rw", **options: Any
) -> requests.Response:
    """One call of REST."""
    return requests.request(
        method,
        f"{world.url}/api/v1/{path}",
        headers={"Authorization": f"Bearer {world.token(organization, token).secret}"}
        | options.pop("headers", {}),
        timeout=60,
        **options,
    )


def send(world: World, body: bytes, organization: str = "lab-b") -> requests.Response:
    answer = call(
        world,
        "POST",
        "submissions/?community=allies",
        organization=organization,
        data=body,
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 202, answer.text
    return answer


def body_of(*objects: Any) -> bytes:
    return json.dumps({"objects": objects, "x_run": str(uuid4())}).encode()


def a_campaign() -> Any:
    return stix.campaign(object_marking_refs=[GREEN])


def until(is_so: Callable[[], Any], timeout: float = 60) -> Any:
    deadline = time.monotonic() + timeout
    while not (found := is_so()):
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)
    return found


def test_a_receipt_is_saved_and_verified_offline(world: World, tmp_path: Path) -> None:
    body = body_of(a_campaign(), {"type": "campaign"})
    first = send(world, body)
    world.settle()
    final = requests.get(
        world.url + first.headers["Location"],
        headers={"Authorization": f"Bearer {world.token('lab-b').secret}"},
        timeout=30,
    )
    (tmp_path / "jwks.json").write_bytes(
        requests.get(f"{world.url}/.well-known/jwks.json", timeout=30).content
    )
    (tmp_path / "sent.json").write_bytes(body)

    for answer, state in ((first, "received"), (final, "ingested")):
        (tmp_path / "receipt.json").write_bytes(answer.content)
        done = subprocess.run(
            [
                *(str(STILLWATCH), "verify", "receipt", "receipt.json", "--jwks", "jwks.json"),
                *("--jws", answer.headers["Stillwatch-Signature"], "--sent", "sent.json"),
            ],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert f" {state}, 2 objects" in done.stdout
    assert final.json()["counts"] == {"released": 1, "rejected": 1}
    assert final.json()["issuer"] == world.url


def test_submissions_are_listed_to_their_own_organisation_alone(world: World) -> None:
    ids = [send(world, body_of(a_campaign())).json()["id"] for _ in range(3)]
    world.settle()

    page = call(world, "GET", "submissions/?limit=2").json()
    following = call(world, "GET", f"submissions/?limit=2&after={page['next']}").json()
    theirs = call(world, "GET", "submissions/?limit=1000", organization="lab-a").json()

    assert [one["id"] for one in page["submissions"]] == [ids[2], ids[1]]
    assert following["submissions"][0]["id"] == ids[0]
    assert page["submissions"][0]["counts"] == {"new": 1}
    assert not set(ids) & {one["id"] for one in theirs["submissions"]}
    assert call(world, "GET", "submissions/", token="ro").status_code == 403
    assert call(world, "GET", "submissions/?community=frontier&since=2999-01-01").json()["submissions"] == []


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=1001", "limit=x", "after=7", "since=soon", "state=lost", "after=%00", "community=%00"],
)
def test_a_wrong_parameter_is_named(world: World, query: str) -> None:
    answer = call(world, "GET", f"submissions/?{query}")

    assert answer.status_code == 400
    assert list(answer.json()) == [query.partition("=")[0]]


def test_a_receipt_opens_in_a_spreadsheet(world: World) -> None:
    submission = send(world, body_of(a_campaign(), {"type": "campaign", "id": "=1+1"})).json()["id"]
    world.settle()

    answer = call(world, "GET", f"submissions/{submission}/?format=csv")

    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert f'filename="receipt-{submission}.csv"' in answer.headers["Content-Disposition"]
    assert "'=1+1" in answer.text
    assert call(world, "GET", f"submissions/{submission}/?format=xml").status_code == 400


def test_a_webhook_is_made_tried_told_and_taken_away(world: World, receiver: Receiver) -> None:
    """The operator marks it as internal, as a test's receiver is; everything else is the partner's own."""
    desk = Desk(world, "analyst")
    (lab_b,) = world.sql("SELECT id FROM accounts_organization WHERE slug = 'lab-b'")
    made = desk.session.post(
        f"{desk.url}sharing/webhook/add/",
        data={
            "csrfmiddlewaretoken": desk.session.cookies["csrf"],
            "organization": str(lab_b[0]),
            "url": receiver.url,
            "what": ["receipts", "notices"],
            "internal": "on",
        },
        headers={"Referer": desk.url},
        timeout=60,
    )
    assert made.status_code == 200, made.text[:1000]
    (webhook,) = call(world, "GET", "webhooks/").json()
    path = f"webhooks/{webhook['id']}/"

    tested = call(world, "POST", f"{path}test/")
    assert tested.status_code == 202
    until(lambda: receiver.received)
    submission = send(world, body_of(a_campaign())).json()["id"]
    until(lambda: len(receiver.received) >= 2)
    keys = KeySet.from_jwks(requests.get(f"{world.url}/.well-known/jwks.json", timeout=30).json())
    for one in receiver.received:
        verify_delivery(one.body, one.headers["stillwatch-signature"], keys)
    told = json.loads(receiver.received[1].body)
    assert (told["kind"], told["receipt"]["id"]) == ("receipt.ingested", submission)

    listed = until(
        lambda: (
            call(world, "GET", f"{path}deliveries/?state=delivered&limit=1000").json()["deliveries"][1:]
            and call(world, "GET", f"{path}deliveries/?state=delivered").json()["deliveries"]
        )
    )
    delivery = f"{path}deliveries/{told['id']}/"
    assert told["id"] in [one["id"] for one in listed]
    assert [one["status"] for one in call(world, "GET", delivery).json()["tries"]] == [200]
    assert call(world, "GET", f"{delivery}body/").content == receiver.received[1].body
    count = len(receiver.received)
    assert call(world, "POST", f"{delivery}resend/").status_code == 202
    until(lambda: len(receiver.received) > count)
    again = json.loads(receiver.received[-1].body)
    assert again["id"] == told["id"]

    for method, below in (
        ("GET", path), ("DELETE", path), ("PATCH", path), ("POST", f"{path}test/"), ("GET", f"{path}deliveries/"),
        ("GET", delivery), ("GET", f"{delivery}body/"), ("POST", f"{delivery}resend/"),
    ):  # fmt: skip
        assert call(world, method, below, organization="lab-a", json={}).status_code == 404
        assert call(world, method, below, token="ro", json={}).status_code == 403
    assert call(world, "PATCH", path, json={"state": "paused"}).json()["state"] == "paused"
    shown = desk.session.get(f"{desk.url}sharing/delivery/{told['id']}/change/", timeout=30).text
    assert submission in shown
    assert call(world, "DELETE", path).status_code == 204
    assert call(world, "GET", "webhooks/").json() == []


@pytest.mark.parametrize(
    ("wanted", "status"),
    [
        ({"url": "https://127.0.0.1/x", "what": ["receipts"]}, 400),
        ({"url": "http://hooks.example/", "what": ["receipts"]}, 400),
        ({"url": "https://hooks.example/", "what": []}, 400),
        ({"url": "https://hooks.example/", "what": ["gossip"]}, 400),
        ({"url": "https://hooks.example/", "what": ["notices"], "internal": True}, 201),
        ({"what": ["receipts"]}, 400),
        ([], 400),
    ],
)
def test_a_wrong_webhook_is_told_what_is_wrong(world: World, wanted: Any, status: int) -> None:
    answer = call(world, "POST", "webhooks/", organization="cloud-c", json=wanted)

    assert answer.status_code == status, answer.text
    if status == 201:
        assert "internal" not in answer.json()
        rows = world.sql("SELECT internal FROM sharing_webhook WHERE id = %s", (answer.json()["id"],))
        assert rows == [(False,)]
        call(world, "DELETE", f"webhooks/{answer.json()['id']}/", organization="cloud-c")


def test_poison_is_set_aside_told_of_saved_and_taken_in_the_end(world: World) -> None:
    poison, good = body_of(a_campaign()), body_of(a_campaign())
    digest = hashlib.sha256(poison).hexdigest()
    world.sql(
        "CREATE FUNCTION refuse_poison() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.state = 'ingested'"
        f" AND encode(NEW.body_sha256, 'hex') = '{digest}' THEN RAISE EXCEPTION 'no'; END IF; RETURN NEW; END $$"
    )
    world.sql(
        "CREATE TRIGGER poison BEFORE UPDATE ON indicators_submission FOR EACH ROW EXECUTE FUNCTION refuse_poison()"
    )
    try:
        bad, well = send(world, poison).json()["id"], send(world, good).json()["id"]

        def quarantined() -> bool:
            # Time passes.
            world.sql("UPDATE indicators_submission SET retry_at = NULL WHERE id = %s", (bad,))
            return bool(world.receipt("lab-b", bad)["state"] == "quarantined")

        until(quarantined)
    finally:
        world.sql("DROP TRIGGER poison ON indicators_submission")
        world.sql("DROP FUNCTION refuse_poison()")
    assert world.receipt("lab-b", well)["state"] == "ingested"
    for organization in ("lab-b", "hub"):
        told = call(world, "GET", "notices/?kind=submission.quarantined", organization=organization).json()
        assert [one["target"] for one in told["notices"]] == [f"submission:{bad}"]
    told = call(world, "GET", "notices/?kind=submission.quarantined", organization="lab-a").json()
    assert told["notices"] == []
    desk = Desk(world, "analyst")
    page = f"{desk.url}indicators/submission/{bad}"
    assert desk.session.get(f"{page}/raw/", timeout=30).content == poison
    desk.page = desk.session.get(f"{page}/change/", timeout=30)
    assert "RaiseException" in desk.page.text

    printed = world.manage("retry_quarantined")

    assert f"{bad} put back" in printed
    world.settle()
    assert world.receipt("lab-b", bad)["counts"] == {"released": 1}
    assert "is not in quarantine" in world.manage("retry_quarantined", bad, check=False)
    assert "an ID is the UUID" in world.manage("retry_quarantined", "7", check=False)
