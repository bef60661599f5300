"""What every TAXII request goes through: who calls, what is asked, and an error resource for whatever goes wrong."""

import base64
import binascii
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import uuid4

import psycopg
import structlog
from django.conf import settings
from django.db import OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import RawPostDataException
from django.http.response import HttpResponseBase
from django.utils import timezone
from django.utils.cache import get_conditional_response

from accounts import faults
from accounts.actions.quotas import Levels, OverQuota
from accounts.queries import Caller, caller
from indicators.actions import pressure, submissions
from indicators.stix.json import Refused
from sharing import queries
from sharing.queries import Readable
from sharing.taxii import errors, media_types
from sharing.taxii.errors import TaxiiError
from sharing.taxii.headers import rate_limit_headers

log = structlog.get_logger(__name__)

_STREAM_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A response, in TAXII's media type unless it says another; one with an ETag is sent only if it changed."""

    body: bytes
    status: int = 200
    headers: dict[str, str] | None = None
    content_type: str = media_types.MEDIA_TYPE


View = Callable[..., Answer]
Respond = Callable[..., HttpResponseBase]


def resource(**methods: View) -> Respond:
    """The Django view of one TAXII resource, from a function `(request, caller, **path)` for each method.

    Below a collection it is `(request, caller, collection or None, **path)`.

    Authentication comes first: whoever is unknown learns nothing, not even which URLs exist.
    """
    allowed = {name.upper(): view for name, view in methods.items()}
    if "GET" in allowed:
        allowed["HEAD"] = allowed["GET"]

    def answer(request: HttpRequest, **path: str) -> Answer:
        community, reference = path.get("community", ""), path.pop("collection", None)
        found: tuple[Readable | None, ...] = ()
        if reference is None:
            known = authenticate(request)
        else:
            known, seen = admit(request, community, reference)
            found = (seen,)
        _refuse_nul(path)
        view = _chosen(request, allowed)
        media_types.check_accept(request.headers.get("Accept"))
        return view(request, known, *found, **path)

    return _guarded(answer)


def log_resource(get: View) -> Respond:
    """The Django view of what a verifier reads of a log (trust.md), from `(request, caller, collection, **path)`.

    A collection that the caller may not read is not found, as an unknown one.
    """

    def answer(request: HttpRequest, **path: str) -> Answer:
        known, seen = _admit_to_log(request, path.pop("collection"))
        _refuse_nul(path)
        view = _chosen(request, {"GET": get, "HEAD": get})
        if seen is None:
            raise unknown()
        return view(request, known, seen, **path)

    return _guarded(answer)


def trust_resource(get: View) -> Respond:
    """The Django view of what a verifier reads besides, from `(request, caller, **path)`."""

    def answer(request: HttpRequest, **path: str) -> Answer:
        known = authenticate(request)
        _refuse_nul(path)
        return _chosen(request, {"GET": get, "HEAD": get})(request, known, **path)

    return _guarded(answer)


def unknown() -> errors.NotFound:
    """One answer for what is not there and for what this caller may not know of."""
    return errors.NotFound("There is nothing here for you.")


def _chosen(request: HttpRequest, allowed: dict[str, View]) -> View:
    view = allowed.get(request.method or "")
    if view is None:
        raise errors.MethodNotAllowed(f"{request.method} is not defined here.", allow=tuple(sorted(allowed)))
    return view


def _refuse_nul(path: dict[str, str]) -> None:
    if any("\x00" in part for part in path.values()):
        raise unknown()


def _guarded(answer: View) -> Respond:
    """Whatever goes wrong becomes an error resource."""

    def respond(request: HttpRequest, **path: str) -> HttpResponseBase:
        try:
            found = answer(request, **path)
        except TaxiiError as error:
            return failure(error)
        except (OperationalError, psycopg.OperationalError) as error:
            log.warning("database_away", error=type(error).__name__)
            return failure(errors.Unavailable("The database does not answer.", retry_after=5))
        except Exception as error:  # noqa: BLE001 - the client is told no more than where to find it
            error_id = str(uuid4())
            log.error("request_failed", error_id=error_id, fault=faults.summary(error))
            return failure(errors.InternalError(), error_id=error_id)
        response = HttpResponse(
            found.body, status=found.status, content_type=found.content_type, headers=found.headers
        )
        if "ETag" in response.headers:
            return (
                get_conditional_response(request, etag=response.headers["ETag"], response=response)
                or response
            )
        return response

    respond.csrf_exempt = True  # type: ignore[attr-defined]
    return respond


def failure(error: TaxiiError, *, error_id: str | None = None) -> HttpResponse:
    """A TAXII error resource (TAXII 2.1 §3.6.1)."""
    return HttpResponse(
        errors.resource(error, error_id=error_id or str(uuid4())),
        status=error.http_status,
        content_type=media_types.MEDIA_TYPE,
        headers=error.headers,
    )


def authenticate(request: HttpRequest) -> Caller:
    """The caller of Basic, Bearer or Token credentials (clients.md 9); `Unauthorized` otherwise."""
    secret, token_id = _credentials(request)
    return _known(caller(secret=secret, token_id=token_id, now=timezone.now()))


def admit(request: HttpRequest, community: str, reference: str) -> tuple[Caller, Readable | None]:
    """As `authenticate`; also the collection, if the caller may see it."""
    secret, token_id = _credentials(request)
    if "\x00" in community or "\x00" in reference:
        community = reference = ""
    known, seen = queries.seat(
        secret=secret, token_id=token_id, now=timezone.now(), slug=community, reference=reference
    )
    return _known(known), seen


def _admit_to_log(request: HttpRequest, reference: str) -> tuple[Caller, Readable | None]:
    """As `admit`, for a log: an id or an alias, in whatever community, that the caller may read."""
    secret, token_id = _credentials(request)
    if "\x00" in reference:
        reference = ""
    try:
        known, seen = queries.log_seat(
            secret=secret, token_id=token_id, now=timezone.now(), reference=reference
        )
    except queries.Ambiguous as refusal:
        raise errors.BadRequest(str(refusal), error_code="ambiguous-alias") from refusal
    return _known(known), seen


def _known(known: Caller | None) -> Caller:
    if known is None:
        raise errors.Unauthorized("These credentials are unknown, expired or revoked.")
    return known


def _credentials(request: HttpRequest) -> tuple[str, str | None]:
    """The secret, and with Basic the id of the token that it is said to be."""
    scheme, _, credential = request.headers.get("Authorization", "").strip().partition(" ")
    credential = credential.strip()
    if scheme.lower() == "basic":
        user, secret = _basic(credential)
        return secret, user
    if scheme.lower() in {"bearer", "token"}:
        return credential, None
    if scheme:
        raise errors.Unauthorized("Use Basic, Bearer or Token credentials.")
    raise errors.Unauthorized("Credentials are missing.")


def demand(known: Caller, scope: str) -> None:
    """`Forbidden` if the token may not be used for this."""
    if scope not in known.scopes:
        raise errors.Forbidden(f"This token has no scope {scope}.")


def submitted(request: HttpRequest, known: Caller, *, is_closed: bool) -> bytes:
    """The body of a request that submits, once high water and the token's quotas let it in.

    `is_closed` is that of its format: what is not needs a `Content-Length`.

    `Unavailable` or `TooManyRequests` before the body is looked at.
    """
    # It is read all the same: a client that is still sending may not hear an answer. It is at most a few MiB.
    body = body_of(request, is_closed=is_closed)
    let_in(known, size=len(body))
    return body


def let_in(known: Caller, *, size: int) -> None:
    """Charge a request that submits so many bytes; `Unavailable` at high water, `TooManyRequests` over quota."""
    try:
        pressure.admit(token_id=known.token_id, size=size, now=timezone.now())
    except pressure.HighWater as refusal:
        raise errors.Unavailable(str(refusal), retry_after=refusal.retry_after) from refusal
    except OverQuota as refusal:
        raise _over_quota(refusal) from refusal


@contextmanager
def receiving() -> Iterator[None]:
    """Where a body is received: what is refused there, for its form, its quota or its idempotency key, in TAXII."""
    try:
        yield
    except Refused as refusal:
        raise unprocessable(refusal) from refusal
    except OverQuota as refusal:
        raise _over_quota(refusal) from refusal
    except submissions.BadKey as refusal:
        raise errors.BadRequest(str(refusal), error_code="idempotency-key") from refusal
    except submissions.KeyReused as refusal:
        raise errors.Conflict(str(refusal), error_code="idempotency-key-reused") from refusal


def _over_quota(refusal: OverQuota) -> errors.TooManyRequests:
    level = refusal.level
    return errors.TooManyRequests(
        str(refusal),
        retry_after=refusal.retry_after,
        headers=quota_headers(refusal.levels),
        details={"quota": level.name, "limit": level.limit, "window_seconds": level.window},
    )


def quota_headers(levels: Levels | None) -> dict[str, str]:
    """What is left of a token's quotas."""
    if levels is None:
        return {}
    return rate_limit_headers(
        (level.name, level.limit, level.window, level.left, level.wait(level.limit)) for level in levels
    )


def body_of(request: HttpRequest, *, is_closed: bool) -> bytes:
    """The request's body, at most `max_content_length`; `TooLarge` before a byte of a larger one is kept."""
    limit = settings.MAX_CONTENT_LENGTH
    length = _length(request, is_closed=is_closed)
    if length and int(length) > limit:
        raise errors.TooLarge(f"A body may have {limit} bytes at most.")
    try:
        # Django reads nothing where a body comes in chunks, without a length.
        body = request.read(limit + 1) if length else request.META["wsgi.input"].read(limit + 1)
    except (OSError, RawPostDataException) as error:
        raise errors.BadRequest("The body did not arrive whole.") from error
    if len(body) > limit:
        raise errors.TooLarge(f"A body may have {limit} bytes at most.")
    if length and len(body) < int(length):
        # A connection that broke in mid-body reads as its end; half a body is not what was sent.
        raise errors.BadRequest("The body did not arrive whole.")
    return body


def stream_of(request: HttpRequest, *, is_closed: bool, max_bytes: int) -> Iterator[bytes]:
    """The request's body as it comes; `TooLarge` at the first byte too many. `is_closed` as for `submitted`."""
    length = _length(request, is_closed=is_closed)
    if length and int(length) > max_bytes:
        raise errors.TooLarge(f"A file may have {max_bytes} bytes at most.")
    # Django reads nothing where a body comes in chunks, without a length.
    source = request if length else request.META["wsgi.input"]
    size = 0
    while True:
        try:
            chunk = source.read(_STREAM_BYTES)
        except (OSError, RawPostDataException) as error:
            raise errors.BadRequest("The body did not arrive whole.") from error
        if not chunk:
            break
        size += len(chunk)
        if size > max_bytes:
            raise errors.TooLarge(f"A file may have {max_bytes} bytes at most.")
        yield chunk
    if length and size < int(length):
        raise errors.BadRequest("The body did not arrive whole.")


def _length(request: HttpRequest, *, is_closed: bool) -> str:
    """The Content-Length, or nothing; and there is no Content-Encoding.

    A body that comes in chunks and breaks off cannot be told from one that ends: the server (granian) shows an end of
    file for both. Half a text of JSON gives itself away. Lines do not: the last of those that came would be cut, and
    the others be taken for all.
    """
    length = request.headers.get("Content-Length", "")
    if length and (not length.isascii() or not length.isdigit()):
        raise errors.BadRequest("Content-Length is not a number.")
    if not length and not is_closed:
        raise errors.LengthRequired(
            "Send it with a Content-Length: of lines in chunks nobody can tell whether all have come."
        )
    if request.headers.get("Content-Encoding", "identity").strip().lower() not in {"identity", ""}:
        raise errors.UnsupportedMediaType("Send the body without Content-Encoding.")
    return length


def unprocessable(refusal: Refused) -> errors.Unprocessable:
    """What a body's refusal is in TAXII."""
    return errors.Unprocessable(refusal.sentence, error_code=refusal.code, details={"place": refusal.place})


def _basic(credential: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(credential + "=" * (-len(credential) % 4), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise errors.Unauthorized("Basic credentials are not base64.") from error
    user, separator, secret = text.partition(":")
    if not separator:
        raise errors.Unauthorized("Basic credentials have the form id:secret.")
    return user, secret
