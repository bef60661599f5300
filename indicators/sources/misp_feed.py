"""A MISP feed: a directory of files over HTTP, `manifest.json` and one `{uuid}.json` for each event (MISP core format).

An event may be listed late under an old timestamp, so no date says what is new: which events were taken, and in which
version, is kept for each.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from indicators.sources.upstream import Delta, Taken, UpstreamError
from indicators.sources.web import Answer, Client, TooLarge, WebError

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
MAX_EVENTS = 1_000_000


@dataclass(frozen=True, slots=True)
class Target:
    """A feed: the URL of its directory."""

    url: str
    authorization: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        sent = {"Accept": "application/json"}
        return sent if self.authorization is None else sent | {"Authorization": self.authorization}

    def file(self, name: str) -> str:
        """The URL of a file; a URL that names the manifest itself means its directory."""
        return f"{self.url.removesuffix('manifest.json').rstrip('/')}/{name}"


class _Listed(msgspec.Struct):
    timestamp: int | str


def pull(client: Client, target: Target, taken: Mapping[str, tuple[int, bool]]) -> Iterator[Delta]:
    """The events that are new or changed, oldest first, then those to try again; each is a delta of its own.

    `taken` maps an event's UUID to the timestamp that was tried, and whether that is settled for now; one that goes
    back is a change too, as what was wrong may be put right. Of an event that cannot be had, its delta says so, and the
    others go on. What may be wrong with the feed as a whole is `UpstreamError` or `web.WebError`: behind the delta of
    the event where it was met, which is put off like that, so that no event keeps the others back for ever.
    """
    listed = _manifest(client, target)
    fresh = sorted(
        (version, uuid) for uuid, version in listed.items() if uuid not in taken or taken[uuid][0] != version
    )
    again = sorted(
        (version, uuid)
        for uuid, version in listed.items()
        if uuid in taken and taken[uuid][0] == version and not taken[uuid][1]
    )
    wanted = fresh + again
    if not wanted:
        yield Delta((), {}, is_last=True)
        return
    for position, (version, uuid) in enumerate(wanted, 1):
        try:
            delta = _event(client, target, uuid, version, is_last=position == len(wanted))
        except (UpstreamError, WebError) as error:
            yield Delta((), {}, taken=(Taken(uuid, version, str(error)),))
            raise
        yield delta


def check(client: Client, target: Target) -> str:
    """A sentence on what is there, without pulling; `UpstreamError` or `web.WebError` says what is wrong."""
    return f"The feed answers; its manifest lists {len(_manifest(client, target)):,} events."


def _manifest(client: Client, target: Target) -> dict[str, int]:
    """UUIDs in lower case, and the timestamps (seconds of the Unix epoch) of their latest versions."""
    answer = client.get(target.file("manifest.json"), target.headers)
    _refuse_status(answer, "manifest.json")
    try:
        listed: dict[str, Any] = msgspec.json.decode(answer.body, type=dict[str, _Listed])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamError(
            f"manifest.json is not the manifest of a MISP feed: {str(error)[:200]}."
        ) from error
    found: dict[str, int] = {}
    for uuid, one in listed.items():
        timestamp = str(one.timestamp)
        if not _UUID.fullmatch(uuid) or not _TIMESTAMP.fullmatch(timestamp):
            raise UpstreamError(
                f"manifest.json has an entry that is no event: {uuid[:60]!r} with the timestamp {timestamp[:20]!r}."
            )
        found[uuid.lower()] = int(timestamp)
    if len(found) > MAX_EVENTS:
        raise UpstreamError(f"manifest.json lists more than {MAX_EVENTS:,} events.")
    return found


def _event(client: Client, target: Target, uuid: str, version: int, *, is_last: bool) -> Delta:
    try:
        answer = client.get(target.file(f"{uuid}.json"), target.headers)
    except TooLarge as error:
        return Delta((), {}, taken=(Taken(uuid, version, str(error)),), is_last=is_last)
    if answer.status in {403, 404, 410}:
        missing = f"The manifest lists this event, but its file answers {answer.status}."
        return Delta((), {}, taken=(Taken(uuid, version, missing),), is_last=is_last)
    _refuse_status(answer, f"{uuid}.json")
    return Delta(
        bodies=(answer.body,),
        checkpoint={},
        objects=1,
        latest_at=datetime.fromtimestamp(version, UTC) if version < 32503680000 else None,
        taken=(Taken(uuid, version),),
        is_last=is_last,
    )


def _refuse_status(answer: Answer, what: str) -> None:
    if answer.status == 200:
        return
    said = {401: "refuses these credentials (401)", 404: "has no such file (404)"}
    raise UpstreamError(
        f"Asked for {what}, the server {said.get(answer.status, f'answered {answer.status}')}.",
        retry_after=answer.retry_after,
    )
