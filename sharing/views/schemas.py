"""The schemas of the distillation profile, at the address that its extension definitions give; public."""

import hashlib
import json
from functools import cache

from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import condition, require_safe

from indicators.stix import profile

# A schema changes with the software only; a day is soon enough.
_CACHING = {"Cache-Control": "public, max-age=86400"}


@cache
def _index() -> tuple[bytes, str]:
    found = [
        {
            "name": one.name,
            "extension_definition": one.id,
            "extension_type": one.kind,
            "stands_on": one.types,
            "schema": f"{settings.SCHEMAS_URL}/{one.schema}",
        }
        for one in profile.extensions().values()
    ]
    return _with_etag(json.dumps({"schemas": found}, indent=2).encode())


@cache
def _schema(name: str) -> tuple[bytes, str]:
    # What is not there raises, and so is not remembered: strangers cannot fill the memory.
    body = profile.schema(name, settings.SCHEMAS_URL)
    if body is None:
        raise Http404
    return _with_etag(body)


def _with_etag(body: bytes) -> tuple[bytes, str]:
    return body, f'"{hashlib.sha256(body).hexdigest()}"'


@require_safe
@condition(etag_func=lambda request: _index()[1])
def index(request: HttpRequest) -> HttpResponse:
    """`/schemas/`: the five extensions, and where the schema of each is."""
    return HttpResponse(_index()[0], content_type="application/json", headers=_CACHING)


@require_safe
@condition(etag_func=lambda request, name: _schema(name)[1])
def schema(request: HttpRequest, name: str) -> HttpResponse:
    """`/schemas/<name>`: one JSON Schema (2020-12); 404 for any other name."""
    return HttpResponse(_schema(name)[0], content_type="application/schema+json", headers=_CACHING)
