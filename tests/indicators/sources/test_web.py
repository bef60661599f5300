"""The guarded client: it reaches no address that is not public, and no answer costs more than was agreed."""

import gzip
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path

import pytest
from httpcore import NetworkStream

from indicators.sources import web
from indicators.sources.web import (
    AddressRefused,
    BadAnswer,
    BadUrl,
    Client,
    Limits,
    Redirected,
    TooLarge,
    TooSlow,
    Unreachable,
)
from tests.indicators.sources.servers import Authority, Listener, answer, listening, says

PUBLIC = "93.184.215.14"
PUBLIC_6 = "2606:2800:21f:cb07:6820:80da:af6b:8b2c"

# What an attacker would write for an address of ours. Each leads to the listener that counts, if it leads anywhere.
REFUSED_HOSTS = {
    # loopback, spelt in every way
    "127.0.0.1": AddressRefused,
    "127.0.0.2": AddressRefused,
    "127.255.255.254": AddressRefused,
    "127.1": BadUrl,
    "127.0.1": BadUrl,
    "2130706433": BadUrl,
    "0x7f000001": BadUrl,
    "0X7F.0.0.1": BadUrl,
    "0x7f.1": BadUrl,
    "017700000001": BadUrl,
    "0177.0.0.1": BadUrl,
    "127.0.0.01": BadUrl,
    "127.0.0.1.": BadUrl,
    "127.0.0.256": BadUrl,
    "127.0.0.0x1": BadUrl,
    "0": BadUrl,
    "0.0.0.0": AddressRefused,  # noqa: S104 - refused
    "[::1]": AddressRefused,
    "[0:0:0:0:0:0:0:1]": AddressRefused,
    "[::]": AddressRefused,
    "[::ffff:127.0.0.1]": AddressRefused,
    "[::ffff:7f00:1]": AddressRefused,
    "[::ffff:0:127.0.0.1]": AddressRefused,
    "[::127.0.0.1]": AddressRefused,
    "[::FFFF:127.0.0.1]": AddressRefused,
    "[fe80::1%25lo]": BadUrl,
    "[fe80::1%lo]": BadUrl,
    "[::1": BadUrl,
    "::1": BadUrl,
    "[127.0.0.1]": BadUrl,
    "localhost": AddressRefused,
    "LOCALHOST": AddressRefused,
    "LocalHost": AddressRefused,
    "localhost.": BadUrl,
    "localhost.localdomain": AddressRefused,
    "anything.localhost": AddressRefused,
    "internal.example": AddressRefused,
    "INTERNAL.EXAMPLE": AddressRefused,
    "127。0。0。1": BadUrl,
    "\uff11\uff12\uff17.0.0.1": BadUrl,
    "①②⑦.⓪.⓪.①": BadUrl,
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ": BadUrl,
    "loc\u00adalhost": BadUrl,
    "local%68ost": BadUrl,
    "127.0.0.1%00.example.org": BadUrl,
    "127.0.0.1\x00.example.org": BadUrl,
    "127.0.0.1 .example.org": BadUrl,
    "127.0.0.1\t": BadUrl,
    "127.0.0.1\r\nHost: example.org": BadUrl,
    "example.org@127.0.0.1": BadUrl,
    "user:secret@127.0.0.1": BadUrl,
    "127.0.0.1#@example.org": BadUrl,
    "example.org\\@127.0.0.1": BadUrl,
    "127.0.0.1\\.example.org": BadUrl,
    "127.0.0.1;example.org": BadUrl,
    "": BadUrl,
    "-internal.example": BadUrl,
    "a..example": BadUrl,
    # the other ranges
    "10.0.0.1": AddressRefused,
    "172.16.0.1": AddressRefused,
    "172.31.255.255": AddressRefused,
    "192.168.1.1": AddressRefused,
    "169.254.169.254": AddressRefused,
    "168.63.129.16": AddressRefused,
    "100.64.0.1": AddressRefused,
    "100.127.255.255": AddressRefused,
    "192.0.0.192": AddressRefused,
    "192.0.2.1": AddressRefused,
    "192.88.99.1": AddressRefused,
    "198.18.0.1": AddressRefused,
    "198.19.255.255": AddressRefused,
    "198.51.100.1": AddressRefused,
    "203.0.113.1": AddressRefused,
    "224.0.0.1": AddressRefused,
    "239.255.255.255": AddressRefused,
    "240.0.0.1": AddressRefused,
    "255.255.255.255": AddressRefused,
    "[64:ff9b::7f00:1]": AddressRefused,
    "[64:ff9b::127.0.0.1]": AddressRefused,
    "[64:ff9b:1::1]": AddressRefused,
    "[2002:7f00:1::]": AddressRefused,
    "[2001:0:4136:e378:8000:63bf:3fff:fdd2]": AddressRefused,
    "[2001:2::1]": AddressRefused,
    "[2001:db8::1]": AddressRefused,
    "[3fff::1]": AddressRefused,
    "[100::1]": AddressRefused,
    "[5f00::1]": AddressRefused,
    "[fc00::1]": AddressRefused,
    "[fd12:3456:789a::1]": AddressRefused,
    "[fe80::1]": AddressRefused,
    "[fec0::1]": AddressRefused,
    "[ff02::1]": AddressRefused,
    "[4000::1]": AddressRefused,
}


@dataclass
class Names:
    """A resolver that somebody else controls: each question gets the next answer, the last one for ever."""

    answers: list[list[str]]
    asked: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, host: str, port: int) -> list[str]:
        self.asked.append((host, port))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@dataclass
class Wires:
    """Connections to anywhere end at a listener on loopback; where they should have gone is kept."""

    port: int
    went_to: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, address: str, port: int, seconds: float) -> NetworkStream:
        self.went_to.append((address, port))
        return web.connect("127.0.0.1", self.port, seconds)


@pytest.fixture(scope="module")
def one_inside() -> Iterator[Listener]:
    with listening(says(answer())) as listener:
        yield listener


@pytest.fixture
def inside(one_inside: Listener) -> Listener:
    """What must not be reached."""
    one_inside.connections = 0
    return one_inside


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority.make(tmp_path_factory.mktemp("authority"))


SYSTEM = web.tls()


def near(limits: Limits | None = None) -> Client:
    return Client(internal=True, limits=limits, context=SYSTEM)


def url(listener: Listener, path: str = "/") -> str:
    return f"http://127.0.0.1:{listener.port}{path}"


@pytest.mark.parametrize("host", REFUSED_HOSTS, ids=ascii)
def test_no_spelling_of_an_address_that_is_not_public_is_called(host: str, inside: Listener) -> None:
    """Were it called, it would end at the listener, whatever the host."""
    wires = Wires(inside.port)

    def lookup(name: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with Client(resolve=lookup, connect=wires, context=SYSTEM) as client:
        for target in (f"https://{host}:{inside.port}/", f"https://{host}/latest/meta-data"):
            with pytest.raises(REFUSED_HOSTS[host]):
                client.get(target)

    assert wires.went_to == []
    assert inside.connections == 0


def test_at_least_sixty_forms_are_tried() -> None:
    assert len(REFUSED_HOSTS) >= 60


@pytest.mark.parametrize(
    "text",
    [
        "http://example.org/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://127.0.0.1:6379/_FLUSHALL",
        "//example.org/",
        "example.org",
        "https:/example.org",
        "https:///path",
        "https://example.org:0/",
        "https://example.org:65536/",
        "https://example.org:80 80/",
        "https://example.org:\uff11/",
        "https://example.org/#top",
        "https://example.org/a b",
        "https://example.org/a\r\nX: y",
        "https://example.org/é",
        " https://example.org/",
        "https://example.org/" + "a" * 5000,
        "",
    ],
)
def test_what_is_no_plain_https_url_is_refused(text: str) -> None:
    with pytest.raises(BadUrl):
        web.parse(text)


def test_a_url_is_read_once_and_host_and_port_are_what_it_says() -> None:
    assert str(web.parse("https://Example.ORG/taxii2/?a=b")) == "https://example.org/taxii2/?a=b"
    assert web.parse("https://example.org").target == "/"
    assert web.parse("https://example.org?x=1").target == "/?x=1"
    assert web.parse("HTTPS://[2606:4700::1111]:8443/").authority == "[2606:4700::1111]:8443"


@pytest.mark.parametrize("address", [PUBLIC, PUBLIC_6, "1.1.1.1", "2001:4860:4860::8888", "100.128.0.1"])
def test_public_addresses_are_public(address: str) -> None:
    assert web.not_public(ip_address(address)) is None


@pytest.mark.parametrize(
    "addresses",
    [
        [PUBLIC, "127.0.0.1"],
        ["10.0.0.1", PUBLIC],
        [PUBLIC_6, "::1"],
        ["fe80::1%lo"],
        ["nonsense"],
        ["64:ff9b::a00:1"],
    ],
)
def test_one_address_that_is_not_public_refuses_the_whole_host(
    addresses: list[str], inside: Listener
) -> None:
    wires = Wires(inside.port)

    with (
        Client(resolve=Names([addresses]), connect=wires, context=SYSTEM) as client,
        pytest.raises(AddressRefused),
    ):
        client.get("https://upstream.example/")

    assert (wires.went_to, inside.connections) == ([], 0)


def test_a_name_that_is_rebound_is_asked_for_once_and_the_vetted_address_is_kept(
    authority: Authority,
) -> None:
    names = Names([[PUBLIC], ["127.0.0.1"]])
    with listening(says(answer(b"one")), authority.server("upstream.example")) as upstream:
        wires = Wires(upstream.port)
        context = web.tls(ca_file=str(authority.file))
        with Client(resolve=names, connect=wires, context=context) as client:
            bodies = [client.get(f"https://upstream.example/{page}").body for page in range(3)]

    assert bodies == [b"one"] * 3
    assert names.asked == [("upstream.example", 443)]
    assert wires.went_to == [(PUBLIC, 443)] * 3
    assert b"Host: upstream.example\r\n" in upstream.requests[0]


def test_the_next_vetted_address_is_tried_where_the_first_does_not_answer(inside: Listener) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = closed.getsockname()[1]
    ports = {"192.0.2.1": nobody, "192.0.2.2": inside.port}

    def connect(address: str, port: int, seconds: float) -> NetworkStream:
        return web.connect("127.0.0.1", ports[address], seconds)

    with Client(internal=True, resolve=Names([["192.0.2.1", "192.0.2.2"]]), connect=connect) as client:
        assert client.get("http://upstream.example/").status == 200


@pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
def test_a_redirect_is_an_error_and_goes_nowhere(status: int, inside: Listener) -> None:
    with (
        listening(says(answer(status=f"{status} Elsewhere", Location=url(inside)))) as upstream,
        near() as client,
        pytest.raises(Redirected, match="not followed"),
    ):
        client.get(url(upstream))

    assert inside.connections == 0


def test_no_proxy_is_asked(inside: Listener, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, url(inside))
    with listening(says(answer(b"direct"))) as upstream, near() as client:
        assert client.get(url(upstream)).body == b"direct"
    assert inside.connections == 0


def test_a_certificate_of_another_name_is_refused(authority: Authority) -> None:
    context = web.tls(ca_file=str(authority.file))
    with listening(says(answer()), authority.server("other.example")) as upstream:
        wires = Wires(upstream.port)
        with (
            Client(resolve=Names([[PUBLIC]]), connect=wires, context=context) as client,
            pytest.raises(Unreachable, match=r"certificate was not accepted .*upstream\.example"),
        ):
            client.get("https://upstream.example/")
    assert upstream.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(authority: Authority) -> None:
    with listening(says(answer()), authority.server("upstream.example")) as upstream:
        wires = Wires(upstream.port)
        with (
            Client(resolve=Names([[PUBLIC]]), connect=wires) as client,
            pytest.raises(Unreachable, match="certificate was not accepted"),
        ):
            client.get("https://upstream.example/")
    assert upstream.requests == []


def test_a_server_that_asks_for_a_certificate_gets_ours(authority: Authority) -> None:
    ours = str(authority.sign("puller.example"))
    server = authority.server("upstream.example", asks_for_certificate=True)
    with listening(says(answer(b"known")), server) as upstream:
        wires, names = Wires(upstream.port), Names([[PUBLIC]])
        context = web.tls(ca_file=str(authority.file), cert_file=ours)
        with Client(resolve=names, connect=wires, context=context) as client:
            assert client.get("https://upstream.example/").body == b"known"
        stranger = web.tls(ca_file=str(authority.file))
        with Client(resolve=names, connect=wires, context=stranger) as client, pytest.raises(Unreachable):
            client.get("https://upstream.example/")


def drips(first: bytes, drop: bytes, seconds: float) -> Callable[[socket.socket], None]:
    def talk(connection: socket.socket) -> None:
        connection.sendall(first)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            connection.sendall(drop)
            time.sleep(0.02)

    return talk


@pytest.mark.parametrize(
    ("first", "drop"),
    [
        (b"", b""),
        (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["silent", "headers", "informational", "body", "chunks"],
)
def test_a_server_that_drips_is_given_up_at_the_deadline(first: bytes, drop: bytes) -> None:
    with (
        listening(drips(first, drop, 5)) as upstream,
        near(Limits(seconds=0.3)) as client,
        pytest.raises(TooSlow),
    ):
        client.get(url(upstream))


def test_a_server_that_never_shakes_hands_is_given_up_at_the_deadline() -> None:
    done = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        wires = Wires(silent.getsockname()[1])
        with (
            Client(limits=Limits(seconds=0.3), resolve=Names([[PUBLIC]]), connect=wires) as client,
            pytest.raises((TooSlow, Unreachable)),
        ):
            client.get("https://upstream.example/")
        done.set()


def chunked(body: bytes, size: int, extension: bytes = b"") -> bytes:
    chunks = [body[start : start + size] for start in range(0, len(body), size)]
    framed = b"".join(b"%x%s\r\n%s\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    return (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n" + framed + b"0\r\n\r\n"
    )


BOMB = gzip.compress(bytes(50_000_000))
LARGE = {
    "announced": answer(b"", Content_Length="5000000"),
    "sent": answer(b"x" * 2_000_000),
    "without length": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * 2_000_000,
    "chunked": chunked(b"x" * 2_000_000, 1000),
    "chunk extensions": chunked(b"x" * 100_000, 1, b";" + b"e" * 50),
    "one long header": b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000,
    "many headers": b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    "gzip bomb": answer(BOMB, Content_Encoding="gzip"),
    "gzip bomb in chunks": chunked(BOMB, 500).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1),
}


@pytest.mark.parametrize("bytes_sent", LARGE.values(), ids=LARGE)
def test_an_answer_that_is_too_large_is_given_up(bytes_sent: bytes) -> None:
    limits = Limits(seconds=20, received=1_000_000, unpacked=1_000_000)
    with (
        listening(says(bytes_sent)) as upstream,
        near(limits) as client,
        pytest.raises((TooLarge, BadAnswer)) as refusal,
    ):
        client.get(url(upstream))
    assert isinstance(refusal.value, TooLarge) or bytes_sent is LARGE["one long header"]


def test_a_bomb_is_never_unpacked_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[int] = []
    make = zlib.decompressobj

    class Counting:
        def __init__(self, bits: int) -> None:
            self._stream = make(bits)

        def decompress(self, chunk: bytes, longest: int) -> bytes:
            plain = self._stream.decompress(chunk, longest)
            unpacked.append(len(plain))
            return plain

        def __getattr__(self, name: str) -> object:
            return getattr(self._stream, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    limits = Limits(received=1_000_000, unpacked=100_000)
    with (
        listening(says(answer(BOMB, Content_Encoding="gzip"))) as upstream,
        near(limits) as client,
        pytest.raises(TooLarge),
    ):
        client.get(url(upstream))
    assert sum(unpacked) == 100_001


@pytest.mark.parametrize("body", [b"", b"{}", b"x" * 300_000], ids=len)
@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_gzip_and_chunks_are_taken_apart_wherever_they_are_cut(body: bytes, size: int) -> None:
    packed = chunked(gzip.compress(body), size).replace(b"\r\n", b"\r\nContent-Encoding: gzip\r\n", 1)
    with listening(says(packed)) as upstream, near() as client:
        assert client.get(url(upstream)).body == body


BROKEN = {
    "no http": b"220 smtp.example ESMTP\r\n",
    "brotli": answer(b"x", Content_Encoding="br"),
    "twice packed": answer(b"x", Content_Encoding="gzip, gzip"),
    "not gzip": answer(b"plain", Content_Encoding="gzip"),
    "cut gzip": answer(gzip.compress(b"x" * 1000)[:-9], Content_Encoding="gzip"),
    "two gzip streams": answer(gzip.compress(b"x") * 2, Content_Encoding="gzip"),
    "switches protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "cut body": b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "nothing": b"",
}


@pytest.mark.parametrize("bytes_sent", BROKEN.values(), ids=BROKEN)
def test_a_broken_answer_is_a_clear_error(bytes_sent: bytes) -> None:
    with (
        listening(says(bytes_sent)) as upstream,
        near() as client,
        pytest.raises((BadAnswer, Unreachable)) as refusal,
    ):
        client.get(url(upstream))
    assert refusal.value.sentence.endswith(".")


def test_a_server_that_repeats_our_credentials_in_what_is_no_http_puts_them_into_no_message() -> None:
    echo = b"HTTP/1.1 200 OK\r\nAuthorization: Bearer geheim\x00\r\n\r\n"
    with listening(says(echo)) as upstream, near() as client, pytest.raises(BadAnswer) as refusal:
        client.get(url(upstream), {"Authorization": "Bearer geheim"})
    assert "illegal header line" in str(refusal.value)
    assert "geheim" not in str(refusal.value)


def test_errors_of_the_server_are_answers_with_their_status() -> None:
    with listening(says(answer(b"later", status="503 No", Retry_After="120"))) as upstream, near() as client:
        found = client.get(url(upstream))
    assert (found.status, found.body, found.retry_after) == (503, b"later", 120.0)


def test_a_body_is_posted_once_with_its_headers() -> None:
    with listening(says(answer(status="204 No Content", Content_Length="0"))) as upstream, near() as client:
        found = client.post(
            url(upstream, "/hook"), b"", {"Content-Type": "application/json", "X-Sign": "abc"}
        )
    assert found.status == 204
    assert upstream.requests[0].startswith(b"POST /hook HTTP/1.1\r\nHost: 127.0.0.1:")
    assert b"X-Sign: abc\r\n" in upstream.requests[0]


def test_a_header_that_would_start_another_is_refused_and_not_repeated_in_the_error(inside: Listener) -> None:
    with near() as client, pytest.raises(BadUrl) as refusal:
        client.get(url(inside), {"Authorization": "Bearer geheim\r\nX: y"})
    assert "geheim" not in str(refusal.value)
    assert inside.connections == 0


def test_a_connection_that_was_kept_and_then_closed_is_opened_again() -> None:
    kept = answer(b"kept").replace(b"Connection: close\r\n", b"")

    def once(connection: socket.socket) -> None:
        connection.sendall(kept)
        # The next request arrives, and is answered by closing.
        connection.recv(65536)

    with listening(once) as upstream, near() as client:
        assert [client.get(url(upstream)).body for _ in range(3)] == [b"kept"] * 3
    assert upstream.connections == 3


def test_files_that_are_no_certificates_are_told(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("nonsense")
    with pytest.raises(OSError, match=r"."):
        web.tls(ca_file=str(tmp_path / "ca.pem"))
