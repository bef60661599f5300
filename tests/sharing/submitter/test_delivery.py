"""Delivery: sent again under the same key until it is answered, and never in haste."""

import email.utils
import time

import httpx
import pytest

from sharing.submitter.batches import Batch
from sharing.submitter.delivery import Delivery, NotDelivered, Refused, Taken

BATCH = Batch(1, b'{"a":1}\n', 1, ((1, 1),), "d")
TAKEN = httpx.Response(202, json={"id": "s-1"})


class Server:
    """Answers in turn, then with 202; its clock runs only while the client sleeps."""

    def __init__(self, *steps: httpx.Response | Exception, patience: float = 900.0) -> None:
        self.steps = list(steps)
        self.requests: list[httpx.Request] = []
        self.pauses: list[float] = []
        self.told: list[str] = []
        client = httpx.Client(base_url="https://intel.example", transport=httpx.MockTransport(self._answer))
        self.delivery = Delivery(
            client,
            community="frontier",
            body_format="ndjson",
            patience=patience,
            told=self.told.append,
            sleep=self.pauses.append,
            clock=lambda: sum(self.pauses),
        )

    def _answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        step = self.steps.pop(0) if self.steps else TAKEN
        if isinstance(step, Exception):
            raise step
        return httpx.Response(step.status_code, headers=step.headers, content=step.content)

    def send(self) -> Taken | Refused:
        return self.delivery.send(BATCH, key="k-1")


def test_a_batch_goes_out_with_its_key_format_and_community() -> None:
    server = Server()

    assert server.send() == Taken("s-1")

    (request,) = server.requests
    assert (request.method, request.url.path) == ("POST", "/api/v1/submissions/")
    assert dict(request.url.params) == {"format": "ndjson", "community": "frontier"}
    assert request.headers["Idempotency-Key"] == "k-1"
    assert request.content == BATCH.body


@pytest.mark.parametrize(
    "problem",
    [
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut"),
        *(httpx.Response(status) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
    ids=repr,
)
def test_what_passes_is_tried_again_under_the_same_key(problem: httpx.Response | Exception) -> None:
    server = Server(problem, problem, problem)

    assert server.send() == Taken("s-1")

    assert {request.headers["Idempotency-Key"] for request in server.requests} == {"k-1"}
    assert server.delivery.retries == len(server.told) == 3
    assert all(pause > 0 for pause in server.pauses)


def test_pauses_grow_up_to_a_minute() -> None:
    server = Server(*[httpx.Response(502)] * 12)

    server.send()

    doubled = [min(60.0, 0.5 * 2**n) for n in range(12)]
    assert all(most / 2 <= pause <= most for pause, most in zip(server.pauses, doubled, strict=True))


@pytest.mark.parametrize("status", [429, 503])
def test_no_request_comes_before_retry_after(status: int) -> None:
    in_a_while = email.utils.formatdate(time.time() + 100, usegmt=True)
    server = Server(
        *(httpx.Response(status, headers={"Retry-After": text}) for text in ("17", in_a_while, "soon"))
    )

    server.send()

    seconds, date, unreadable = server.pauses
    assert 17 <= seconds <= 20
    assert 95 <= date <= 105
    assert unreadable < 3


def test_patience_ends() -> None:
    server = Server(*[httpx.ConnectError("refused")] * 100, patience=30)

    with pytest.raises(NotDelivered, match="refused"):
        server.send()

    assert sum(server.pauses) <= 30


def test_a_pause_that_is_longer_than_patience_is_not_begun() -> None:
    server = Server(httpx.Response(503, headers={"Retry-After": "600"}), patience=30)

    with pytest.raises(NotDelivered):
        server.send()

    assert server.pauses == []


@pytest.mark.parametrize("status", [409, 413, 422])
def test_a_batch_that_is_refused_is_not_sent_again(status: int) -> None:
    server = Server(httpx.Response(status, json={"code": "not-json", "detail": "what stands there"}))

    assert server.send() == Refused(f"{status} not-json: what stands there")

    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 405, 411, 415])
def test_where_nothing_can_be_delivered_nothing_is_tried_again(status: int) -> None:
    server = Server(httpx.Response(status, json={"detail": "no"}))

    with pytest.raises(NotDelivered, match=f"{status} detail|{status} no"):
        server.send()

    assert len(server.requests) == 1


def test_an_answer_in_an_encoding_that_it_has_not_is_no_delivery() -> None:
    server = Server(httpx.DecodingError("Error -3 while decompressing data"))

    with pytest.raises(NotDelivered, match="decompressing"):
        server.send()


@pytest.mark.parametrize("body", [b"<html>sign in</html>", b"[]", b"{}", b""])
def test_an_answer_that_no_stillwatch_gives_is_no_delivery(body: bytes) -> None:
    with pytest.raises(NotDelivered, match="is the URL right"):
        Server(httpx.Response(200, content=body)).send()
