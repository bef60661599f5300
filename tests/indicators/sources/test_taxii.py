"""Pulling a TAXII collection: whatever the server's habits, each object is brought, and little of it twice."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from indicators.sources import taxii, web
from indicators.sources.taxii import Target
from indicators.sources.upstream import UpstreamError
from indicators.sources.web import Client
from tests.indicators.sources.upstreams import COLLECTION, TaxiiServer, an_object, dated, serving

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(days=1)
CONTEXT = web.tls()


@pytest.fixture
def server() -> Iterator[TaxiiServer]:
    with serving(TaxiiServer()) as upstream:
        assert isinstance(upstream, TaxiiServer)
        yield upstream


class Puller:
    """A worker that keeps its checkpoint as the database would: as JSON, with each delta."""

    def __init__(
        self, server: TaxiiServer, collection: str = COLLECTION, authorization: str | None = None
    ) -> None:
        self.target = Target(f"{server.url}root/", collection, authorization)
        self.checkpoint: Any = {}
        self.brought: list[str] = []

    def pull(self, pages: int = 1000) -> int:
        """Up to so many pages; the number of objects that they brought."""
        before = len(self.brought)
        with Client(internal=True, context=CONTEXT) as client:
            for count, delta in enumerate(taxii.pull(client, self.target, self.checkpoint, now=NOW), 1):
                found = [one["id"] for body in delta.bodies for one in json.loads(body)["objects"]]
                assert len(found) == delta.objects
                self.brought += found
                self.checkpoint = json.loads(json.dumps(delta.checkpoint))
                if count == pages:
                    break
        return len(self.brought) - before


def ids(server: TaxiiServer) -> set[str]:
    return {one["id"] for _, one in server.stored}


HABITS: dict[str, dict[str, bool]] = {
    "cursors": {},
    "sessions": {"session_next": True},
    "by date": {"says_next": False},
    "no limit": {"ignores_limit": True},
    "no dates": {"dates": False},
    "sessions without dates": {"session_next": True, "dates": False},
}


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_everything_is_brought_once_and_then_only_what_is_new(
    server: TaxiiServer, habits: dict[str, bool]
) -> None:
    for name, value in habits.items():
        setattr(server, name, value)
    server.stored = dated(95, start=START)
    puller = Puller(server)

    assert puller.pull() >= 95
    assert set(puller.brought) == ids(server)

    new = an_object()
    server.add(new, at=NOW + timedelta(hours=1))
    puller.pull()
    assert new["id"] in puller.brought
    for _ in range(3):
        puller.pull()
    settled = len(puller.brought)
    for _ in range(3):
        assert puller.pull() == 0
    assert len(puller.brought) == settled


def test_more_objects_of_one_date_than_a_page_holds_are_all_brought(server: TaxiiServer) -> None:
    server.session_next = True
    server.add(*(an_object() for _ in range(95)), at=START)

    puller = Puller(server)
    assert puller.pull() == 95
    assert set(puller.brought) == ids(server)

    late = an_object()
    server.add(late, at=START)
    puller.pull()
    assert late["id"] in puller.brought


def test_what_is_stored_late_under_an_earlier_date_is_brought(server: TaxiiServer) -> None:
    """As when two writers of the server end in another order than they began."""
    server.stored = dated(20, start=START, step=timedelta(minutes=1))
    puller = Puller(server)
    puller.pull()

    late = an_object()
    server.add(late, at=server.stored[-1][0] - timedelta(seconds=5))
    puller.pull()

    assert late["id"] in puller.brought


@pytest.mark.parametrize("habits", HABITS.values(), ids=HABITS)
def test_a_pull_that_ends_after_any_page_goes_on_there(server: TaxiiServer, habits: dict[str, bool]) -> None:
    for name, value in habits.items():
        setattr(server, name, value)
    server.stored = dated(95, start=START, step=timedelta(milliseconds=1))
    puller = Puller(server)

    for _ in range(12):
        puller.pull(pages=1)

    assert set(puller.brought) == ids(server)
    assert len(puller.brought) == 95 or not server.says_next


def test_a_server_that_forgot_its_next_is_asked_from_the_base_and_nothing_is_lost(
    server: TaxiiServer,
) -> None:
    server.session_next = True
    server.add(*(an_object() for _ in range(95)), at=START)
    puller = Puller(server)
    puller.pull(pages=4)

    server.forget()
    puller.pull()

    # The pages that were brought before are known again by their content.
    assert len(puller.brought) == 95
    assert set(puller.brought) == ids(server)


def test_a_server_that_forgets_all_the_time_is_an_error(server: TaxiiServer) -> None:
    server.session_next = True
    server.stored = dated(95, start=START)
    puller = Puller(server)
    for _ in range(6):
        puller.pull(pages=1)
        server.forget()
    with pytest.raises(UpstreamError, match="forgot its `next` 6 times"):
        puller.pull(pages=1)


def test_an_answer_too_large_for_one_submission_becomes_several(
    server: TaxiiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taxii, "MAX_IN_BODY", 30)
    server.ignores_limit = True
    server.stored = dated(95, start=START)
    puller = Puller(server)
    with Client(internal=True, context=CONTEXT) as client:
        (delta,) = taxii.pull(client, puller.target, {}, now=NOW)
    assert [len(json.loads(body)["objects"]) for body in delta.bodies] == [30, 30, 30, 5]
    assert delta.objects == 95


@pytest.mark.parametrize("odd", ["half of a pair: \ud800", float("nan")], ids=["text", "number"])
def test_one_object_that_no_strict_reader_takes_stops_no_others(server: TaxiiServer, odd: object) -> None:
    server.stored = dated(25, start=START)
    server.stored[13][1]["x_odd"] = odd
    puller = Puller(server)
    assert puller.pull() == 25
    assert set(puller.brought) == ids(server)


def test_a_server_that_ignores_next_is_an_error(server: TaxiiServer) -> None:
    server.ignores_next = True
    server.stored = dated(95, start=START)
    with pytest.raises(UpstreamError, match="ignores `next`"):
        Puller(server).pull()


@pytest.mark.parametrize("following", ["x" * 100_000, "a\0b"], ids=["long", "no text"])
def test_a_next_that_cannot_be_kept_is_an_error(server: TaxiiServer, following: str) -> None:
    server.stored = dated(25, start=START)
    server._next = lambda *_: following  # type: ignore[method-assign] # a habit of one server
    with pytest.raises(UpstreamError, match="`next`"):
        Puller(server).pull()


def test_more_without_next_or_date_is_an_error(server: TaxiiServer) -> None:
    server.says_next = server.dates = False
    server.stored = dated(95, start=START)
    with pytest.raises(UpstreamError, match="neither `next` nor a later"):
        Puller(server).pull()


def test_more_of_one_date_than_a_page_holds_without_next_is_an_error_not_a_loss(server: TaxiiServer) -> None:
    server.says_next = False
    server.add(*(an_object() for _ in range(95)), at=START)
    with pytest.raises(UpstreamError, match="neither `next` nor a later"):
        Puller(server).pull()


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "refuses these credentials"),
        (403, "does not let"),
        (404, "does not know"),
        (406, "TAXII 2.1"),
        (500, "500"),
    ],
)
def test_a_status_that_is_none_of_success_is_told(server: TaxiiServer, status: int, sentence: str) -> None:
    server.fails = [(status, {})]
    with pytest.raises(UpstreamError, match=sentence):
        Puller(server).pull()


def test_when_to_come_back_is_heard(server: TaxiiServer) -> None:
    server.fails = [(503, {"Retry-After": "90"})]
    with pytest.raises(UpstreamError) as refusal:
        Puller(server).pull()
    assert refusal.value.retry_after == 90


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"objects": {}}',
        b'{"objects": [',
        b"[" * 100_000,
        b"\xff\xfe",
        b'{"more": 3}',
    ],
)
def test_a_body_that_is_no_envelope_is_told(server: TaxiiServer, body: bytes) -> None:
    server.answer = lambda path, query: (200, {"Content-Type": taxii.MEDIA_TYPE}, body)
    with pytest.raises(UpstreamError, match="not an envelope"):
        Puller(server).pull()


def test_another_content_type_is_told(server: TaxiiServer) -> None:
    server.media_type = "text/html; charset=utf-8"
    with pytest.raises(UpstreamError, match="text/html"):
        Puller(server).pull()


@pytest.mark.parametrize("name", ["iocs", "Indicators", COLLECTION.upper()])
def test_a_collection_may_be_named_by_alias_title_or_id(server: TaxiiServer, name: str) -> None:
    server.stored = dated(5, start=START)
    assert Puller(server, collection=name).pull() == 5


def test_credentials_go_to_every_page(server: TaxiiServer) -> None:
    server.stored = dated(25, start=START)
    Puller(server, authorization=web.basic("lab", "secret")).pull()
    assert server.authorizations == ["Basic bGFiOnNlY3JldA=="] * 3


def test_a_check_says_what_is_there_and_what_is_wrong(server: TaxiiServer) -> None:
    with Client(internal=True, context=CONTEXT) as client:
        assert taxii.check(client, Target(f"{server.url}root", "iocs")) == (
            "Root answers; the collection Indicators can be read."
        )
        for target, sentence in {
            Target(f"{server.url}taxii2/", "iocs"): "discovery URL.*root/",
            Target(f"{server.url}root/", "other"): "no collection 'other'",
            Target(f"{server.url}root/", "closed"): "may not read",
            Target(f"{server.url}nowhere/", "iocs"): "does not know",
        }.items():
            with pytest.raises(UpstreamError, match=sentence):
                taxii.check(client, target)
