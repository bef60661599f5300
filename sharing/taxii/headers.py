"""Response headers: those that TAXII 2.1 §3.2 adds, and what is left of quotas."""

from collections.abc import Iterable

from indicators.stix.timestamps import from_micros

FIRST = "X-TAXII-Date-Added-First"
LAST = "X-TAXII-Date-Added-Last"


def date_added_headers(first: int | None, last: int | None, *, echo: int | None = None) -> dict[str, str]:
    """Both headers, from the `added` (µs) of the page's first and last entry.

    An empty page (None, None) gives `echo`, the request's `added_after`, or else the epoch: the headers are
    mandatory on every 200, a client asks from `Last` onwards next time, and any later instant would lose it
    objects (clients.md 7).
    """
    if first is None or last is None:
        first = last = 0 if echo is None else echo
    return {FIRST: from_micros(first), LAST: from_micros(last)}


def rate_limit_headers(quotas: Iterable[tuple[str, int, int, float, int]]) -> dict[str, str]:
    """`RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10), of each quota: its name, limit,
    window (seconds), what is left of it, and in how many seconds it is whole again.

    The draft has units for requests and bytes of content; `objects` is one of ours.
    """
    policies, levels = [], []
    for name, limit, window, left, whole in quotas:
        unit = {"requests": "", "bytes": ';qu="content-bytes"'}.get(name, f';qu="{name}"')
        policies.append(f'"{name}";q={limit}{unit};w={window}')
        levels.append(f'"{name}";r={max(0, int(left))};t={whole}')
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(levels)}
