"""sharing.taxii.errors (TAXII 2.1 §3.6)."""

import json

import pytest

from sharing.taxii import errors

PLAIN = [
    (errors.BadRequest, 400),
    (errors.Unauthorized, 401),
    (errors.Forbidden, 403),
    (errors.NotFound, 404),
    (errors.NotAcceptable, 406),
    (errors.Conflict, 409),
    (errors.LengthRequired, 411),
    (errors.TooLarge, 413),
    (errors.UnsupportedMediaType, 415),
    (errors.Unprocessable, 422),
    (errors.InternalError, 500),
]


@pytest.mark.parametrize(("kind", "status"), PLAIN)
def test_every_error_is_a_resource_with_its_status_as_a_string(
    kind: type[errors.TaxiiError], status: int
) -> None:
    message = json.loads(errors.resource(kind(), "e-1"))
    assert message["http_status"] == str(status)
    assert message["title"]
    assert message["error_id"] == "e-1"
    assert all(isinstance(value, str) for value in message.values())


def test_what_is_given_stands_in_the_resource_and_what_is_not_is_absent() -> None:
    error = errors.BadRequest(
        "limit: must be a whole number.", title="No", error_code="x", details={"parameter": "limit"}
    )
    assert json.loads(errors.resource(error, "7")) == {
        "title": "No",
        "description": "limit: must be a whole number.",
        "error_id": "7",
        "error_code": "x",
        "http_status": "400",
        "details": {"parameter": "limit"},
    }
    assert set(json.loads(errors.resource(errors.NotFound(), "7"))) == {
        "title",
        "error_id",
        "error_code",
        "http_status",
    }


def test_a_401_challenges_with_basic_first_and_bearer() -> None:
    assert errors.Unauthorized().headers["WWW-Authenticate"].startswith("Basic realm=")
    assert "Bearer realm=" in errors.Unauthorized().headers["WWW-Authenticate"]


def test_a_405_names_the_methods_and_a_429_or_503_the_time() -> None:
    assert errors.MethodNotAllowed(allow=["GET", "POST"]).headers == {"Allow": "GET, POST"}
    assert errors.TooManyRequests(retry_after=5).headers == {"Retry-After": "5"}
    assert errors.Unavailable(retry_after=30).http_status == 503
    assert errors.NotFound().headers == {}
