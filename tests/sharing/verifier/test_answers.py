"""What a hostile server sends costs bounded memory and time."""

import gzip
import time
import zlib
from collections.abc import Iterator

import httpx
import pytest

from sharing.verifier import answers
from sharing.verifier.source import Unavailable
from sharing.verifier.web import Web


class _Sent(httpx.SyncByteStream):
    def __init__(self, *parts: bytes, pause: float = 0.0) -> None:
        self._parts, self._pause = parts, pause

    def __iter__(self) -> Iterator[bytes]:
        for part in self._parts:
            time.sleep(self._pause)
            yield part


def read(stream: httpx.SyncByteStream, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=named, stream=stream))
    with httpx.Client(transport=transport) as client:
        return Web(client, "https://mirror.example").read("file")


def test_gzip_is_read_as_it_was_sent() -> None:
    raw = b"a page of some length " * 100_000
    zipped = gzip.compress(raw)
    assert read(_Sent(zipped[:100], zipped[100:]), Content_Encoding="gzip") == raw
    assert read(_Sent(raw)) == raw


@pytest.mark.parametrize(
    ("sent", "encoding"),
    [
        (gzip.compress(gzip.compress(b"x")), "gzip, gzip"),
        (zlib.compress(b"x"), "deflate"),
        (b"x", "br"),
        (b"no gzip at all", "gzip"),
        (gzip.compress(b"x" * 10_000)[:-9], "gzip"),
        (gzip.compress(b"x") + gzip.compress(b"x"), "gzip"),
    ],
    ids=["twice", "deflate", "br", "none", "cut", "two"],
)
def test_another_encoding_or_a_broken_one_is_no_answer(sent: bytes, encoding: str) -> None:
    with pytest.raises(Unavailable):
        read(_Sent(sent), Content_Encoding=encoding)


def test_a_bomb_is_let_out_piece_by_piece() -> None:
    bomb = gzip.compress(bytes(64 * 1024 * 1024))
    answer = httpx.Response(
        200,
        headers={"Content-Encoding": "gzip"},
        stream=_Sent(bomb),
        request=httpx.Request("GET", "https://mirror.example"),
    )
    assert max(map(len, answers.pieces(answer))) <= 256 * 1024


def test_what_is_no_page_is_small() -> None:
    with pytest.raises(Unavailable, match="more than 16 MiB"):
        read(_Sent(*[bytes(1024 * 1024)] * 17))


def test_a_server_that_drips_is_left() -> None:
    answer = httpx.Response(
        200,
        stream=_Sent(*[b"x"] * 9, pause=0.05),
        request=httpx.Request("GET", "https://m.example"),
    )
    with pytest.raises(Unavailable, match="sends for more than"):
        list(answers.pieces(answer, within=0.1))
