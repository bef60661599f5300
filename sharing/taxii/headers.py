"""The response headers that TAXII 2.1 §3.2 adds."""

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
