"""What a verifier needs."""

import json

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed

from sharing.actions.keys import published_keys
from sharing.signing import keys


def jwks(request: HttpRequest) -> HttpResponse:
    """`/.well-known/jwks.json`: every key that signed or will (RFC 7517); public, and the same for everybody."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    return HttpResponse(
        json.dumps(keys.jwks(published_keys())),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": "public, max-age=300"},
    )
