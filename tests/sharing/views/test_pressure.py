"""Back-pressure as clients meet it: 429 and 503 in the words of TAXII and of REST, and reading goes on."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.actions import tokens
from accounts.actor import Actor
from accounts.models import Token
from indicators.actions import pressure
from indicators.models import Submission
from sharing import tasks
from sharing.actions import intake
from sharing.models import Collection
from tests.conformance import stix
from tests.sharing.actions.conftest import NOW, Shop

TAXII = "application/taxii+json;version=2.1"


@dataclass(slots=True)
class Sender:
    """Lab-a's detector: eight requests a minute, ten objects and 20,000 bytes an hour."""

    shop: Shop
    shelf: Collection
    token: Token
    secret: str

    def taxii(self, body: bytes, **headers: str) -> Any:
        return self._client().post(
            f"/taxii2/shop/collections/{self.shelf.id}/objects/", body, content_type=TAXII, headers=headers
        )

    def rest(self, body: bytes, **headers: str) -> Any:
        return self._client().post(
            "/api/v1/submissions/", body, content_type="application/json", headers=headers
        )

    def get(self, path: str) -> HttpResponse:
        return self._client().get(path)  # type: ignore[return-value]

    def _client(self) -> Client:
        return Client(
            headers={"Host": "localhost", "Authorization": f"Bearer {self.secret}", "Accept": TAXII}
        )


@pytest.fixture
def sender(shop: Shop) -> Iterator[Sender]:
    pressure.forget()
    shelf = shop.collection()
    Collection.objects.create(
        community=shop.community, alias="inbox", title="Inbox", kind="inbox", ceiling=4, owner=shop.lab_a
    )
    token, secret = tokens.issue(
        organization_id=shop.lab_a.id,
        name="detector",
        scopes=["submit", "feed:read"],
        quotas={"requests_per_minute": 8, "objects_per_hour": 10, "bytes_per_hour": 20_000},
        by=Actor("service:test"),
        now=NOW,
    )
    yield Sender(shop, shelf, token, secret)
    pressure.forget()


def campaigns(count: int) -> bytes:
    return json.dumps({"objects": [stix.campaign() for _ in range(count)]}).encode()


def assert_taxii_error(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["Content-Type"].replace(" ", "")) == (status, TAXII)
    error: dict[str, Any] = answer.json()
    assert (error["http_status"], error["error_code"]) == (str(status), code)
    assert all(error[name] for name in ("title", "description", "error_id"))
    assert int(answer.headers["Retry-After"]) >= 1
    return error


def assert_rest_error(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/json")
    assert answer.json().keys() == {"code", "detail"}
    assert answer.json()["code"] == code
    assert int(answer.headers["Retry-After"]) >= 1


def test_who_used_up_its_objects_is_told_in_taxiis_words(sender: Sender) -> None:
    assert sender.taxii(campaigns(10)).status_code == 202

    refused = sender.taxii(campaigns(1))

    error = assert_taxii_error(refused, 429, "too-many-requests")
    assert error["details"] == {"quota": "objects", "limit": 10, "window_seconds": 3600}
    # One object comes back every 360 seconds.
    assert 350 <= int(refused.headers["Retry-After"]) <= 360
    assert Submission.objects.count() == 1


def test_who_used_up_its_bytes_is_told_in_rests_words(sender: Sender) -> None:
    assert sender.rest(campaigns(1) + b" " * 19_000).status_code == 202

    assert_rest_error(sender.rest(campaigns(1) + b" " * 5_000), 429, "too-many-requests")


def test_bodies_that_are_no_bodies_use_requests_up(sender: Sender) -> None:
    statuses = [sender.rest(b"nonsense").status_code for _ in range(8)]

    assert set(statuses) == {422}
    assert_rest_error(sender.rest(campaigns(1)), 429, "too-many-requests")
    assert_taxii_error(sender.taxii(campaigns(1)), 429, "too-many-requests")


@pytest.mark.parametrize("way", ["taxii", "rest"])
def test_an_answer_tells_what_is_left(sender: Sender, way: str) -> None:
    answer = getattr(sender, way)(campaigns(3))

    policies = answer.headers["RateLimit-Policy"].split(", ")
    assert policies == [
        '"requests";q=8;w=60',
        '"objects";q=10;qu="objects";w=3600',
        '"bytes";q=20000;qu="content-bytes";w=3600',
    ]
    levels = dict(one.split(";r=") for one in answer.headers["RateLimit"].split(", "))
    assert [levels['"requests"'].split(";")[0], levels['"objects"'].split(";")[0]] == ["7", "7"]


def test_a_repetition_is_answered_though_no_object_may_come_in_any_more(sender: Sender) -> None:
    body = campaigns(10)
    first = sender.rest(body, **{"Idempotency-Key": "k"})

    second = sender.rest(body, **{"Idempotency-Key": "k"})

    assert (first.status_code, second.status_code) == (202, 202)
    assert first.json()["id"] == second.json()["id"]


def test_at_high_water_nobody_is_taken_in_and_the_refusal_says_when(
    sender: Sender, settings: Settings
) -> None:
    settings.HIGH_WATER_OBJECTS = 2
    assert sender.taxii(campaigns(3)).status_code == 202
    pressure.forget()

    assert_taxii_error(sender.taxii(campaigns(1)), 503, "unavailable")
    assert_rest_error(sender.rest(campaigns(1)), 503, "unavailable")

    waiting = Submission.objects.get()
    intake.ingest(submission_id=waiting.id, signer=sender.shop.signer, now=NOW)
    pressure.forget()
    assert sender.taxii(campaigns(1)).status_code == 202


def test_of_a_backlog_not_every_submission_is_told_by_itself(
    sender: Sender,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    """Each would lie in the worker's memory until its turn, long after the sweep has done its work."""
    told: list[str] = []
    monkeypatch.setattr(tasks, "_send", lambda task, *identifiers: told.append(task.name.rpartition(".")[2]))
    monkeypatch.setattr(pressure, "BACKLOG", 2)

    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(5):
            pressure.forget()
            assert sender.rest(campaigns(1)).status_code == 202

    assert told == ["ingest_submission", "ingest_submission", "ingest_waiting"]


def test_one_full_pull_is_never_throttled(sender: Sender, settings: Settings) -> None:
    """Sixty pages, by a token whose every quota is used up, while nothing is taken from anybody."""
    settings.QUOTA_OBJECTS_PER_HOUR = 1_000
    Token.objects.update(objects_per_hour=None)
    sent = sender.taxii(campaigns(60))
    intake.ingest(submission_id=sent.json()["id"], signer=sender.shop.signer, now=NOW)
    sender.taxii(campaigns(2))
    while sender.taxii(b"{").status_code != 429:
        pass
    settings.HIGH_WATER_OBJECTS = 1
    pressure.forget()

    pulled, following, pages = [], "", 0
    while True:
        page = sender.get(f"/taxii2/shop/collections/{sender.shelf.id}/objects/?limit=1&next={following}")
        assert page.status_code == 200
        envelope = json.loads(page.content)
        pulled += [one["id"] for one in envelope["objects"]]
        pages += 1
        if not envelope["more"]:
            break
        following = envelope["next"]

    assert sender.taxii(b"{").status_code == 503
    assert (pages, len(set(pulled))) == (60, 60)


def test_taxii_answers_a_repeated_post_with_the_same_status(sender: Sender) -> None:
    body = campaigns(2)
    first = sender.taxii(body)
    pending = sender.taxii(body)
    intake.ingest(submission_id=first.json()["id"], signer=sender.shop.signer, now=NOW)

    complete = sender.taxii(body)

    assert first.content == pending.content
    assert complete.status_code == 202
    assert (complete.json()["id"], complete.json()["status"]) == (first.json()["id"], "complete")
    assert complete.json()["success_count"] == 2
    assert Submission.objects.count() == 1


def test_taxii_takes_an_idempotency_key_too(sender: Sender) -> None:
    key = {"Idempotency-Key": str(uuid4())}
    first = sender.taxii(campaigns(1), **key)
    reused = sender.taxii(campaigns(1), **key)
    forbidden = sender.taxii(campaigns(1), **{"Idempotency-Key": "sha256:mine"})

    assert first.status_code == 202
    assert (reused.status_code, reused.json()["error_code"]) == (409, "idempotency-key-reused")
    assert (forbidden.status_code, forbidden.json()["error_code"]) == (400, "idempotency-key")


def test_what_was_deleted_can_be_posted_again(sender: Sender) -> None:
    body = campaigns(1)
    object_id = json.loads(body)["objects"][0]["id"]
    path = f"/taxii2/shop/collections/{sender.shelf.id}/objects/{object_id}/"
    first = sender.taxii(body).json()["id"]
    intake.ingest(submission_id=first, signer=sender.shop.signer, now=NOW)
    assert sender._client().delete(path).status_code == 200
    assert sender.get(path).status_code == 404

    again = sender.taxii(body).json()["id"]
    intake.ingest(submission_id=again, signer=sender.shop.signer, now=NOW)

    assert again != first
    assert sender.get(path).status_code == 200


def test_metrics_tell_what_waits_and_who_was_refused(sender: Sender) -> None:
    body = campaigns(10)
    sender.taxii(body)
    sender.taxii(campaigns(1))

    told = dict(
        line.rsplit(" ", 1)
        for line in sender.get("/metrics").content.decode().splitlines()
        if not line.startswith("#")
    )

    assert float(told["stillwatch_waiting_objects"]) == 10
    assert float(told["stillwatch_waiting_bytes"]) == len(body)
    assert 0 < float(told["stillwatch_high_water_ratio"]) < 1
    assert float(told['stillwatch_refusals_total{reason="quota"}']) == 1
    assert float(told['stillwatch_refusals_total{reason="high-water"}']) == 0
