"""The body of an answer by a server that nobody trusts: piece by piece, in bounded memory and time.

Asked for plain or by gzip, once. httpx itself would undo as many layers as a header names, each a thousandfold.
"""

import time
import zlib
from collections.abc import Iterator

import httpx

from sharing.verifier.source import Unavailable

ACCEPTED = "gzip"
"""What to send as Accept-Encoding."""
MAX_SECONDS = 30 * 60
"""Of one answer: more than the largest page takes over a slow line, and an end for who sends a byte a minute."""

_CHUNK = 256 * 1024


def pieces(answer: httpx.Response, *, within: float = MAX_SECONDS) -> Iterator[bytes]:
    """Each of at most 256 KiB. Raises Unavailable; httpx's errors."""
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("identity", "", "gzip", "x-gzip"):
        raise Unavailable(f"{answer.url} answers in an encoding that was not asked for")
    until = time.monotonic() + within
    unzip = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
    # As it comes: to wait until a chunk is full would be to wait for whoever sends a byte a minute.
    for raw in answer.iter_raw():
        if time.monotonic() > until:
            raise Unavailable(f"{answer.url} sends for more than {int(within / 60)} minutes")
        if unzip is None:
            yield raw
            continue
        rest = raw
        while rest or unzip.unconsumed_tail:
            try:
                piece = unzip.decompress(rest, _CHUNK)
            except zlib.error as error:
                raise Unavailable(f"{answer.url} sends what is no gzip") from error
            rest = unzip.unconsumed_tail
            if piece:
                yield piece
            if unzip.eof:
                if unzip.unused_data:
                    raise Unavailable(f"{answer.url} sends more than one gzip stream")
                break
    if unzip is not None and not unzip.eof:
        raise Unavailable(f"{answer.url} breaks off")
