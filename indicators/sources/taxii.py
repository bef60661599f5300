"""A TAXII 2.1 client: it pulls a collection page by page and goes on after whatever happened (TAXII 2.1 §3.5, §5.4).

A crawl begins at `added_after`, the base, and follows `next` to the last page. Only then the base moves: mid-crawl a
server may have given the same `date_added` to more objects than a page holds. Where a server forgot its `next`, the
crawl begins at its base again: what comes twice is the same version of the same object, and stands once.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar
from urllib.parse import quote, urlencode
from uuid import UUID

import msgspec

from indicators.sources.upstream import Delta, UpstreamError
from indicators.sources.web import Answer, Client, Limits
from indicators.stix import json

MEDIA_TYPE = "application/taxii+json;version=2.1"
#: Objects on a page that are asked for; a server may give fewer (TAXII 2.1 §3.5.1).
LIMIT = 1000
#: Objects in one submission: what ignores the limit is cut up.
MAX_IN_BODY = 5000
#: How far the next crawl looks back once, for what was stored late under an earlier date or in the same moment.
OVERLAP = timedelta(seconds=60)
#: How far back without `X-TAXII-Date-Added-Last`, when only the clock says where a crawl began.
_BLIND_OVERLAP = timedelta(minutes=10)
_MAX_RESTARTS = 5
_MAX_REMEMBERED = 64
_MAX_NEXT = 2000
_T = TypeVar("_T")
_JSON_TYPES = {"application/taxii+json", "application/json", "application/stix+json"}


@dataclass(frozen=True, slots=True)
class Target:
    """A collection: the URL of its API root, and its id, alias or title there."""

    root: str
    collection: str
    authorization: str | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        sent = {"Accept": MEDIA_TYPE}
        return sent if self.authorization is None else sent | {"Authorization": self.authorization}

    @property
    def base(self) -> str:
        """The API root with one slash at its end."""
        return self.root.rstrip("/") + "/"


class Checkpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where the pull of a collection stands.

    `since` is the base of the crawl: `added_after` as sent, None for all. `next` is what the running crawl goes on
    with, `highest` the latest `X-TAXII-Date-Added-Last` of it, `began` when it began by the upstream's clock. `settled`
    is the highest of the crawl before, `seen` are digests of the last pages, `restarts` counts crawls begun again.
    """

    since: str | None = None
    next: str | None = None
    highest: str | None = None
    began: str | None = None
    settled: str | None = None
    seen: tuple[str, ...] = ()
    restarts: int = 0


class _Envelope(msgspec.Struct):
    """TAXII 2.1 §3.7; medallion leaves `objects` out where there are none."""

    objects: list[msgspec.Raw] = msgspec.field(default_factory=list)
    more: bool = False
    next: str | int | None = None


class _Collection(msgspec.Struct):
    id: str
    title: str = ""
    alias: str | None = None
    can_read: bool = False


class _Collections(msgspec.Struct):
    collections: list[_Collection] = msgspec.field(default_factory=list)


class _Root(msgspec.Struct):
    """An API root, or what discovery answers: enough to tell the two apart."""

    title: str = ""
    versions: list[str] = msgspec.field(default_factory=list)
    api_roots: list[str] | None = None


def pull(client: Client, target: Target, checkpoint: Mapping[str, Any], *, now: datetime) -> Iterator[Delta]:
    """The pages that are new since a checkpoint; stop at any time and go on from the last one that was kept.

    `UpstreamError` or `web.WebError` where the upstream is not as it should be.
    """
    state = msgspec.convert(checkpoint, Checkpoint)
    collection = _collection_id(client, target)
    while True:
        page = _page(client, target, collection, state)
        if page is None:
            state = _begin_again(state)
            continue
        delta, state = _take(page, state, now)
        yield delta
        if delta.is_last:
            return


def check(client: Client, target: Target) -> str:
    """A sentence on what is there, without pulling; `UpstreamError` or `web.WebError` says what is wrong."""
    answer = client.get(target.base, target.headers)
    _refuse_status(answer, "the API root")
    root = _decode(answer, _Root, "an API root")
    if root.api_roots is not None:
        shown = ", ".join(root.api_roots[:5]) or "none"
        raise UpstreamError(f"This is a discovery URL. Give the URL of one of its API roots: {shown}.")
    answer = client.get(f"{target.base}collections/", target.headers)
    _refuse_status(answer, "the list of collections")
    found = _named(_decode(answer, _Collections, "a list of collections").collections, target.collection)
    if found is None:
        raise UpstreamError(f"There is no collection {target.collection!r} for these credentials.")
    if not found.can_read:
        raise UpstreamError(f"These credentials may not read the collection {found.title or found.id}.")
    # That it is listed does not mean that it can be read.
    answer = client.get(_objects(target, found.id, {"limit": "1"}), target.headers)
    _refuse_status(answer, "the collection's objects")
    _decode(answer, _Envelope, "an envelope")
    return f"{root.title or 'The API root'} answers; the collection {found.title or found.id} can be read."


@dataclass(frozen=True, slots=True)
class _Page:
    body: bytes
    envelope: _Envelope
    last: datetime | None
    sent_at: datetime | None


def _page(client: Client, target: Target, collection: str, state: Checkpoint) -> _Page | None:
    """The page that a checkpoint leads to; None if the server forgot its `next`."""
    query = {"limit": str(LIMIT)}
    if state.since is not None:
        query["added_after"] = state.since
    if state.next is not None:
        query["next"] = state.next
    answer = client.get(_objects(target, collection, query), target.headers)
    if answer.status in {400, 404, 410, 422} and state.next is not None:
        return None
    _refuse_status(answer, "the collection's objects")
    return _Page(
        answer.body,
        _envelope(answer),
        _moment(answer.headers.get("x-taxii-date-added-last", "")),
        _http_date(answer.headers.get("date", "")),
    )


def _take(page: _Page, state: Checkpoint, now: datetime) -> tuple[Delta, Checkpoint]:
    """What a page brings, and where it leaves the crawl."""
    objects = page.envelope.objects
    highest = max(filter(None, (_moment(state.highest or ""), page.last)), default=None)
    state = _with(
        state,
        highest=_text(highest),
        began=state.began or _text(page.sent_at or now),
    )
    digest = hashlib.sha256(b",".join(bytes(one) for one in objects)).hexdigest()[:32]
    known = not objects or digest in state.seen
    if page.envelope.more:
        following = _following(page, state, digest)
    else:
        following = _finished(state)
    if objects:
        following = _with(
            following, seen=(*(one for one in state.seen if one != digest), digest)[-_MAX_REMEMBERED:]
        )
    delta = Delta(
        bodies=() if known else _bodies(page.body, objects),
        checkpoint=msgspec.to_builtins(following),
        objects=0 if known else len(objects),
        latest_at=page.last if objects else None,
        is_last=not page.envelope.more,
    )
    return delta, following


def _following(page: _Page, state: Checkpoint, digest: str) -> Checkpoint:
    """Where the next page is."""
    following = "" if page.envelope.next is None else str(page.envelope.next)
    if len(following) > _MAX_NEXT or "\0" in following:
        raise UpstreamError(f"The server's `next` is longer than {_MAX_NEXT:,} characters, or holds U+0000.")
    if following:
        # medallion answers the same `next` for each page, and goes on all the same.
        stands_still = state.seen[-1:] == (digest,) if page.envelope.objects else following == state.next
        if state.next is not None and stands_still:
            raise UpstreamError(
                "The server answers the same page again: it says that there is more, and ignores `next`."
            )
        return _with(state, next=following)
    # TAXII 2.1 §3.7: without `next` one may go on by date. All of the last moment are asked for again, as the page may
    # have ended among objects of one date.
    base, last = _moment(state.since or ""), page.last
    since = None if last is None else last - timedelta(milliseconds=1)
    if since is None or (base is not None and since <= base):
        raise UpstreamError(
            "The server says that there is more, but gives neither `next` nor a later X-TAXII-Date-Added-Last: the rest"
            " cannot be reached."
        )
    return _with(state, since=_text(since), next=None)


def _finished(state: Checkpoint) -> Checkpoint:
    """The base of the next crawl: back a little once, then from the last date on until a later one comes."""
    highest = _moment(state.highest or "")
    if highest is None:
        began = _moment(state.began or "")
        since = _text(None if began is None else began - _BLIND_OVERLAP)
    elif state.highest == state.settled:
        since = state.highest
    else:
        since = _text(highest - OVERLAP)
    return Checkpoint(since=since, highest=state.highest, settled=state.highest, seen=state.seen)


def _begin_again(state: Checkpoint) -> Checkpoint:
    if state.restarts >= _MAX_RESTARTS:
        raise UpstreamError(
            f"The server forgot its `next` {state.restarts + 1} times before the end of one crawl: its pages expire"
            " faster than they can be fetched."
        )
    return _with(state, next=None, restarts=state.restarts + 1)


def _with(state: Checkpoint, **changes: Any) -> Checkpoint:
    return msgspec.structs.replace(state, **changes)


def _bodies(body: bytes, objects: list[msgspec.Raw]) -> tuple[bytes, ...]:
    """The envelope as it came, or, if it is too large for one submission, its objects as they came in several."""
    if len(objects) <= MAX_IN_BODY and len(body) <= 10 * 1024 * 1024:
        return (body,)
    bodies: list[bytes] = []
    part: list[bytes] = []
    size = 0
    for one in map(bytes, objects):
        if part and (len(part) == MAX_IN_BODY or size + len(one) > 8 * 1024 * 1024):
            bodies.append(b'{"objects":[' + b",".join(part) + b"]}")
            part, size = [], 0
        part.append(one)
        size += len(one) + 1
    return (*bodies, b'{"objects":[' + b",".join(part) + b"]}")


def _collection_id(client: Client, target: Target) -> str:
    """The id of a collection that is named by its alias or title; an alias that is not listed is tried as it is."""
    try:
        return str(UUID(target.collection))
    except ValueError:
        pass
    answer = client.get(f"{target.base}collections/", target.headers)
    _refuse_status(answer, "the list of collections")
    found = _named(_decode(answer, _Collections, "a list of collections").collections, target.collection)
    return target.collection if found is None else found.id


def _named(collections: list[_Collection], name: str) -> _Collection | None:
    for one in collections:
        if name.lower() == one.id.lower() or name in {one.alias, one.title}:
            return one
    return None


def _objects(target: Target, collection: str, query: Mapping[str, str]) -> str:
    return f"{target.base}collections/{quote(collection, safe='')}/objects/?{urlencode(query)}"


def _refuse_status(answer: Answer, what: str) -> None:
    if answer.status in {200, 206}:
        return
    said = {
        401: "refuses these credentials (401)",
        403: "does not let these credentials read this (403)",
        404: "does not know this (404)",
        406: "does not speak TAXII 2.1 (406)",
        429: "asks for fewer calls (429)",
    }.get(answer.status, f"answered {answer.status}")
    raise UpstreamError(f"Asked for {what}, the server {said}.", retry_after=answer.retry_after)


def _decode(answer: Answer, kind: type[_T], what: str) -> _T:
    if answer.media_type not in _JSON_TYPES:
        raise UpstreamError(
            f"The answer is {answer.media_type[:60] or 'of no type'}, not {MEDIA_TYPE}: is this the URL of an API root?"
        )
    try:
        return msgspec.json.decode(answer.body, type=kind)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise UpstreamError(f"The answer is not {what}: {str(error)[:200]}.") from error


def _envelope(answer: Answer) -> _Envelope:
    """An envelope; one object in it that the decoder refuses is for ingest to refuse, and stops no others."""
    try:
        return _decode(answer, _Envelope, "an envelope")
    except UpstreamError:
        if answer.media_type not in _JSON_TYPES:
            raise
        try:
            outer, objects = json.split_envelope(answer.body, max_bytes=Limits().unpacked)
            found = msgspec.convert(outer, _Envelope)
        except (json.Refused, msgspec.ValidationError):
            pass
        else:
            found.objects = [msgspec.Raw(one) for one in objects]
            return found
        raise


_MOMENT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(?:Z|\+00:00)")


def _moment(text: str) -> datetime | None:
    """A date of an upstream, cut to microseconds; what cannot be read counts as not said."""
    found = _MOMENT.fullmatch(text.strip())
    if found is None:
        return None
    try:
        moment = datetime.fromisoformat(f"{found[1]}.{(found[2] or '')[:6]:0<6}+00:00")
        # So that there is room to look back.
        return moment if moment.year > 1 else None
    except ValueError:
        return None


def _http_date(text: str) -> datetime | None:
    try:
        return parsedate_to_datetime(text).astimezone(UTC)
    except (ValueError, TypeError, OverflowError):
        return None


def _text(moment: datetime | None) -> str | None:
    """As TAXII writes it, always with microseconds: some servers read nothing else."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
