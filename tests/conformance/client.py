"""An HTTP client that sends exactly what it is told."""

import base64
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPMessage, HTTPResponse
from typing import Any
from urllib.parse import urlsplit

from tests.world import Token

TAXII = "application/taxii+json;version=2.1"
FIRST, LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: HTTPMessage
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def media_type(self) -> str:
        """The Content-Type without the white space that is allowed in it."""
        return (self.headers["Content-Type"] or "").replace(" ", "").lower()


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


@dataclass(slots=True)
class Client:
    """One keep-alive connection; sends `Accept: <TAXII>` and the credentials unless told otherwise."""

    url: str
    token: Token | None = None
    _connection: HTTPConnection | None = field(default=None, repr=False)

    def request(
        self,
        method: str,
        target: str,
        headers: Mapping[str, str | None] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """`target` goes out as it is; a header of None does not, even where there is a default."""
        sent: dict[str, str | None] = {"Accept": TAXII}
        if self.token is not None:
            sent["Authorization"] = basic(self.token.id, self.token.secret)
        if body is not None:
            sent |= {"Content-Type": TAXII, "Content-Length": str(len(body))}
        sent |= headers or {}
        try:
            return self._send(method, target, sent, body)
        except (HTTPException, ConnectionError):
            # The server may close a connection that was idle, or one whose body it did not read to the end.
            self._connection = None
            return self._send(method, target, sent, body)

    def get(self, target: str, headers: Mapping[str, str | None] | None = None) -> Answer:
        return self.request("GET", target, headers)

    def post(self, target: str, envelope: object, headers: Mapping[str, str | None] | None = None) -> Answer:
        return self.request("POST", target, headers, json.dumps(envelope).encode())

    def delete(self, target: str) -> Answer:
        return self.request("DELETE", target)

    def pages(self, target: str) -> Iterator[Answer]:
        """Every page from `target` on, following `next` beside the same parameters (§3.5)."""
        path, _, query = target.partition("?")
        rest = [one for one in query.split("&") if one and not one.startswith("next=")]
        answer = self.get(target)
        yield answer
        for _ in range(10_000):
            assert answer.status == 200, answer
            page = answer.json()
            if not page.get("more", False):
                return
            answer = self.get(f"{path}?{'&'.join([*rest, 'next=' + page['next']])}")
            yield answer
        raise AssertionError("The pages never end.")

    def crawl(self, target: str, name: str = "objects") -> list[Any]:
        """The items of every page from `target` on."""
        return [item for answer in self.pages(target) for item in answer.json().get(name, [])]

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(
        self, method: str, target: str, headers: Mapping[str, str | None], body: bytes | None
    ) -> Answer:
        if self._connection is None:
            place = urlsplit(self.url)
            assert place.hostname is not None
            self._connection = HTTPConnection(place.hostname, place.port or 80, timeout=60)
        connection = self._connection
        connection.putrequest(method, target, skip_accept_encoding=True)
        for name, value in headers.items():
            if value is not None:
                connection.putheader(name, value)
        try:
            connection.endheaders()
            if body is not None:
                connection.send(body)
            response = connection.getresponse()
        except BrokenPipeError:
            # The server answered before it had read everything, as it may (413).
            assert connection.sock is not None
            response = HTTPResponse(connection.sock, method=method)
            response.begin()
            self._connection = None
        answer = Answer(response.status, response.headers, response.read())
        if response.will_close:
            self.close()
        return answer


def assert_taxii(answer: Answer, status: int = 200) -> Any:
    """The answer has the status and is TAXII JSON; returns what it says."""
    assert answer.status == status, (answer.status, answer.body[:500])
    assert answer.media_type == TAXII, answer.headers.items()
    return answer.json()


def assert_error(answer: Answer, *statuses: int) -> Any:
    """The answer has one of the statuses and is an error resource (§3.6.1, clients.md 13); returns it."""
    assert answer.status in statuses, (answer.status, answer.body[:500])
    assert answer.media_type == TAXII, answer.headers.items()
    error = answer.json()
    assert isinstance(error, dict)
    assert isinstance(error["title"], str)
    assert error["title"]
    assert error["http_status"] == str(answer.status)
    assert isinstance(error["error_id"], str)
    assert error["error_id"]
    for name in ("description", "error_code", "external_details"):
        assert isinstance(error.get(name, ""), str)
    assert isinstance(error.get("details", {}), dict)
    for secret in ("Traceback", 'File "', "site-packages"):
        assert secret not in answer.body.decode()
    return error
