"""Where browsers report what the Content-Security-Policy stopped (CSP Level 3 §5.3)."""

import json
from urllib.parse import urlsplit

import structlog
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

_LARGEST = 16 * 1024
log = structlog.get_logger()


@csrf_exempt  # the browser sends it by itself, without a token
@require_POST
def report(request: HttpRequest) -> HttpResponse:
    """Log which directive stopped what kind of thing on which page; never what it held."""
    body = request.read(_LARGEST + 1)
    try:
        said = json.loads(body)["csp-report"] if len(body) <= _LARGEST else {}
    except (ValueError, KeyError, TypeError):
        said = {}
    if isinstance(said, dict) and said:
        log.warning(
            "csp.violation",
            directive=str(said.get("effective-directive", said.get("violated-directive", "")))[:64],
            blocked=_host(said.get("blocked-uri")),
            page=_path(said.get("document-uri")),
        )
    return HttpResponse(status=204)


def _host(address: object) -> str:
    """The host of an address, or the word that stands for what has none (`inline`, `eval`)."""
    text = str(address or "")
    try:
        return (urlsplit(text).hostname or text)[:100]
    except ValueError:
        return "malformed"


def _path(address: object) -> str:
    try:
        return urlsplit(str(address or "")).path[:200]
    except ValueError:
        return "malformed"
