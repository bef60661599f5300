"""What a verifier needs of the publisher: the key set, and the trust root's files. Public, the same for everybody."""

import json

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.utils.http import quote_etag

from sharing.actions.keys import published_keys
from sharing.models import TrustFile, TrustRole
from sharing.signing import keys

_FOR_EVER = "public, max-age=31536000, immutable"
_SOON = "public, max-age=60"


def jwks(request: HttpRequest) -> HttpResponse:
    """`/.well-known/jwks.json`: every key that signed or will (RFC 7517), but those that were revoked."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    return HttpResponse(
        json.dumps(keys.jwks(published_keys())),
        content_type="application/jwk-set+json",
        headers={"Cache-Control": "public, max-age=300"},
    )


def tuf(request: HttpRequest, path: str) -> HttpResponse:
    """`/trust/tuf/metadata/…` and `/trust/tuf/targets/…` (TUF 1.0 §6.2): all but the timestamp never change."""
    if request.method not in {"GET", "HEAD"}:
        return HttpResponseNotAllowed(["GET", "HEAD"])
    found = None if "\x00" in path else TrustFile.objects.filter(path=path).first()
    if found is None:
        # The next root's number is asked for at every refresh, and is there one day.
        return HttpResponse(
            "There is no such file.\n",
            status=404,
            content_type="text/plain; charset=utf-8",
            headers={"Cache-Control": _SOON},
        )
    kind = "text/plain; charset=utf-8" if path.endswith(".txt") else "application/json"
    if found.role != TrustRole.TIMESTAMP:
        return HttpResponse(bytes(found.content), content_type=kind, headers={"Cache-Control": _FOR_EVER})
    headers = {"Cache-Control": _SOON, "ETag": quote_etag(str(found.version))}
    if headers["ETag"] in request.headers.get("If-None-Match", ""):
        return HttpResponse(status=304, headers=headers)
    return HttpResponse(bytes(found.content), content_type=kind, headers=headers)
