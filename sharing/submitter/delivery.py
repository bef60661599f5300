"""Delivering a batch: sent again under the same key until it is answered, with growing pauses."""

import email.utils
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from sharing.submitter.batches import Batch

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 60.0
# Trying again changes nothing, for this batch or any other: 400 and 415 speak of the request, not of its body.
_HOPELESS = {400, 401, 403, 404, 405, 411, 415}
_PASSING = {408, 425, 429}


class NotDelivered(Exception):
    """The server cannot be reached, or will take nothing from this caller; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Taken:
    """The batch is durable at the server, as this submission."""

    submission: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The server will not take this batch; the next one may be better."""

    sentence: str


class Delivery:
    """One connection to one server. `patience` is in seconds, for each batch; `told` hears why there is a pause."""

    def __init__(
        self,
        client: httpx.Client,
        *,
        community: str,
        body_format: str,
        patience: float,
        told: Callable[[str], None] = lambda _: None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = client
        self._query = {"format": body_format} | ({"community": community} if community else {})
        self._patience = patience
        self._told, self._sleep, self._clock = told, sleep, clock
        self.retries = 0

    def send(self, batch: Batch, *, key: str) -> Taken | Refused:
        """Until it is answered; `NotDelivered` when patience ends."""
        answer = self._until_answered(
            lambda: self._client.post(
                "/api/v1/submissions/",
                params=self._query,
                content=batch.body,
                headers={"Content-Type": "application/x-ndjson", "Idempotency-Key": key},
            )
        )
        if answer.status_code >= 400:
            return Refused(_sentence(answer))
        return Taken(str(_json(answer)["id"]))

    def receipt(self, submission: str) -> dict[str, Any]:
        """A receipt as it is now."""
        answer = self._until_answered(lambda: self._client.get(f"/api/v1/submissions/{submission}/"))
        if answer.status_code >= 400:
            raise NotDelivered(_sentence(answer))
        return _json(answer)

    def _until_answered(self, ask: Callable[[], httpx.Response]) -> httpx.Response:
        deadline, pause = self._clock() + self._patience, _FIRST_PAUSE
        while True:
            asked = 0.0
            try:
                answer = ask()
            except httpx.TransportError as error:
                problem = f"{type(error).__name__}: {error}".rstrip(": ")
            except (httpx.InvalidURL, httpx.RequestError) as error:
                # An answer in an encoding that is none, for one.
                raise NotDelivered(f"{type(error).__name__}: {error}") from error
            else:
                if answer.status_code < 300:
                    return answer
                problem = _sentence(answer)
                if answer.status_code < 400 or answer.status_code in _HOPELESS:
                    raise NotDelivered(problem)
                if answer.status_code < 500 and answer.status_code not in _PASSING:
                    return answer
                asked = _retry_after(answer)
            # Jitter: those who were refused together do not come back together.
            wait = max(asked, pause * random.uniform(0.5, 1)) + random.uniform(0, min(asked, 10) / 10)  # noqa: S311
            if self._clock() + wait > deadline:
                raise NotDelivered(f"given up after {self._patience:.0f} seconds: {problem}")
            self.retries += 1
            self._told(f"{problem}; again in {wait:.1f} s")
            self._sleep(wait)
            pause = min(2 * pause, _LONGEST_PAUSE)


def _retry_after(answer: httpx.Response) -> float:
    """Seconds, from a number or a date (RFC 9110 §10.2.3); 0 if there is none that can be read."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        return max(0.0, email.utils.parsedate_to_datetime(text).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return 0.0


def _sentence(answer: httpx.Response) -> str:
    try:
        said = answer.json()
    except ValueError:
        said = None
    if isinstance(said, dict):
        parts = [str(said[name]) for name in ("code", "detail") if isinstance(said.get(name), str)]
        reason = ": ".join(parts) or "; ".join(f"{name}: {value}" for name, value in said.items())
        return f"{answer.status_code} {reason}"[:500]
    return f"{answer.status_code} {answer.reason_phrase}"


def _json(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
        if isinstance(found, dict) and "id" in found:
            return found
    except ValueError:
        pass
    raise NotDelivered(f"{answer.status_code}, but it is no answer of a Stillwatch server; is the URL right?")
