"""What a TAXII server answers when it cannot do what was asked (TAXII 2.1 §3.6).

::

    TaxiiError
     ├── BadRequest             400  a parameter or the request line is malformed
     ├── Unauthorized           401  no credentials, or none that are good; carries the challenges
     ├── Forbidden              403  may see it, may not do this with it
     ├── NotFound               404  not there, or not for this client
     ├── MethodNotAllowed       405  carries the methods that are allowed
     ├── NotAcceptable          406  nothing in `Accept` can be served
     ├── Conflict               409  contradicts what stands already
     ├── LengthRequired         411  no `Content-Length`, where half a body could not be told from a whole one
     ├── TooLarge               413  longer than `max_content_length`
     ├── UnsupportedMediaType   415  a `Content-Type` that cannot be read
     ├── Unprocessable          422  the body is malformed or holds nothing that can be taken
     ├── TooManyRequests        429  carries `retry_after`
     ├── InternalError          500  a fault of the server; says nothing of its cause
     └── Unavailable            503  carries `retry_after`
"""

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar


class TaxiiError(Exception):
    """Base of all of them: an HTTP status, a title, and what the client should know.

    `error_code` is stable and names the kind of error; `details` is any JSON object; `external_details` is a
    URL.
    """

    http_status: ClassVar[int] = 500
    default_title: ClassVar[str] = "The server failed"
    default_code: ClassVar[str] = "internal-error"

    def __init__(
        self,
        description: str | None = None,
        *,
        title: str | None = None,
        error_code: str | None = None,
        details: Mapping[str, object] | None = None,
        external_details: str | None = None,
    ) -> None:
        super().__init__(description or title or self.default_title)
        self.title = title or self.default_title
        self.description = description
        self.error_code = error_code or self.default_code
        self.details = details
        self.external_details = external_details

    @property
    def headers(self) -> dict[str, str]:
        """Response headers that go with the error, besides `Content-Type`."""
        return {}


class BadRequest(TaxiiError):
    http_status = 400
    default_title = "The request is malformed"
    default_code = "bad-request"


class Unauthorized(TaxiiError):
    """`challenges` are the values of `WWW-Authenticate`; every 401 has at least one (RFC 9110 §15.5.2)."""

    http_status = 401
    default_title = "Authentication is needed"
    default_code = "unauthorized"
    challenges: ClassVar[Sequence[str]] = (
        'Basic realm="taxii", charset="UTF-8"',
        'Bearer realm="taxii"',
    )

    @property
    def headers(self) -> dict[str, str]:
        return {"WWW-Authenticate": ", ".join(self.challenges)}


class Forbidden(TaxiiError):
    http_status = 403
    default_title = "This is not allowed"
    default_code = "forbidden"


class NotFound(TaxiiError):
    http_status = 404
    default_title = "There is no such resource"
    default_code = "not-found"


class MethodNotAllowed(TaxiiError):
    http_status = 405
    default_title = "The resource has no such method"
    default_code = "method-not-allowed"

    def __init__(self, description: str | None = None, *, allow: Sequence[str]) -> None:
        super().__init__(description or f"Allowed here: {', '.join(allow)}.")
        self.allow = tuple(allow)

    @property
    def headers(self) -> dict[str, str]:
        return {"Allow": ", ".join(self.allow)}


class NotAcceptable(TaxiiError):
    http_status = 406
    default_title = "Nothing in the Accept header can be served"
    default_code = "not-acceptable"


class Conflict(TaxiiError):
    http_status = 409
    default_title = "The request contradicts what stands already"
    default_code = "conflict"


class LengthRequired(TaxiiError):
    http_status = 411
    default_title = "A Content-Length is needed"
    default_code = "length-required"


class TooLarge(TaxiiError):
    http_status = 413
    default_title = "The body is too large"
    default_code = "too-large"


class UnsupportedMediaType(TaxiiError):
    http_status = 415
    default_title = "The Content-Type cannot be read"
    default_code = "unsupported-media-type"


class Unprocessable(TaxiiError):
    http_status = 422
    default_title = "The body cannot be processed"
    default_code = "unprocessable"


class _TryAgain(TaxiiError):
    """`retry_after` is in whole seconds; `headers` are more headers that go with it."""

    def __init__(
        self,
        description: str | None = None,
        *,
        retry_after: int,
        headers: Mapping[str, str] | None = None,
        details: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(description or f"Try again in {retry_after} seconds.", details=details)
        self.retry_after = retry_after
        self._more = dict(headers or {})

    @property
    def headers(self) -> dict[str, str]:
        return {"Retry-After": str(self.retry_after)} | self._more


class TooManyRequests(_TryAgain):
    http_status = 429
    default_title = "Too many requests"
    default_code = "too-many-requests"


class InternalError(TaxiiError):
    http_status = 500


class Unavailable(_TryAgain):
    http_status = 503
    default_title = "The service is not available now"
    default_code = "unavailable"


def resource(error: TaxiiError, error_id: str) -> bytes:
    """The error message resource (§3.6.1); `http_status` is a string there."""
    message: dict[str, object] = {"title": error.title}
    if error.description:
        message["description"] = error.description
    message["error_id"] = error_id
    message["error_code"] = error.error_code
    message["http_status"] = str(error.http_status)
    if error.external_details:
        message["external_details"] = error.external_details
    if error.details:
        message["details"] = error.details
    return json.dumps(message, separators=(",", ":")).encode()
