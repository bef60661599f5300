"""A guarded HTTP client: how the service calls servers that others name, without being led into its own network.

The host is resolved once, every address that it has is looked at, and only those are connected to for as long as the
client lives; TLS still checks the certificate against the name. There are no redirects, no proxies, no cookies and
nothing from the environment. An answer is bounded in time, in bytes as received, and in bytes as unpacked.

    WebError
     ├ BadUrl           it is no URL that this client calls, or no header that it sends
     ├ AddressRefused   the host is, or resolves to, an address that is not public
     ├ Unreachable      no such host, no connection, or no TLS with this name
     ├ TooSlow          the whole answer did not come in time
     ├ TooLarge         the answer is larger than is taken
     ├ Redirected       the answer sends elsewhere
     └ BadAnswer        what came is no HTTP answer that can be read

Every message is a sentence for an operator: it names hosts and addresses, and holds neither credentials nor bodies.
"""

import base64
import re
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from types import TracebackType
from typing import Any, NoReturn, Self

import httpcore
from httpcore import NetworkStream, SyncBackend

USER_AGENT = "Stillwatch/0.1"
_CONNECT_SECONDS = 10.0
_READ_SECONDS = 60.0
#: An answer may have this much beside its body: status line, headers, the frames of chunks.
_BESIDE_THE_BODY = 256 * 1024
_MAX_HEADERS = 100
_PORTS = {"https": 443, "http": 80}

Address = IPv4Address | IPv6Address
Resolve = Callable[[str, int], Iterable[str]]
"""Host and port to the texts of its addresses; OSError if it has none."""
Connect = Callable[[str, int, float], NetworkStream]
"""Address, port and seconds to an open connection; httpcore's errors if it does not come about."""


class WebError(Exception):
    """A call that brought no answer; the message is a sentence."""

    @property
    def sentence(self) -> str:
        return str(self)


class BadUrl(WebError):
    """It is no URL that this client calls, or no header that it sends."""


class AddressRefused(WebError):
    """The host is, or resolves to, an address that is not public."""


class Unreachable(WebError):
    """No such host, no connection, or no TLS with this name."""


class TooSlow(WebError):
    """The whole answer did not come in time."""


class TooLarge(WebError):
    """The answer is larger than is taken."""


class Redirected(WebError):
    """The answer sends elsewhere."""


class BadAnswer(WebError):
    """What came is no HTTP answer that can be read."""


# --- where may be called -------------------------------------------------------------------------------------------

#: IANA IPv4 Special-Purpose Address Registry, and what no host has: multicast and the former class E.
_NOT_PUBLIC_4 = [
    (IPv4Network(network), what)
    for network, what in (
        ("0.0.0.0/8", "unspecified"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by a carrier (CGNAT)"),
        ("127.0.0.0/8", "loopback"),
        ("169.254.0.0/16", "link-local"),
        # Public by its number, and to a machine in that cloud the host under it: metadata, DNS, its agent's keys.
        ("168.63.129.16/32", "a cloud's own host"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "reserved"),
        ("192.0.2.0/24", "for documentation"),
        ("192.88.99.0/24", "a 6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("198.18.0.0/15", "for benchmarks"),
        ("198.51.100.0/24", "for documentation"),
        ("203.0.113.0/24", "for documentation"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
    )
]
#: IANA IPv6 Special-Purpose Address Registry. The first that holds an address says what it is; what none holds is
#: public only inside 2000::/3, which is all that IANA gave out.
_NOT_PUBLIC_6 = [
    (IPv6Network(network), what)
    for network, what in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::ffff:0:0/96", "an IPv4 address in IPv6 form"),
        ("::ffff:0:0:0/96", "an IPv4 address in IPv6 form"),
        ("::/96", "an IPv4 address in IPv6 form"),
        ("64:ff9b::/96", "a NAT64 address"),
        ("64:ff9b:1::/48", "a NAT64 address"),
        ("2001::/32", "a Teredo address"),
        ("2001:2::/48", "for benchmarks"),
        ("2001::/23", "reserved"),
        ("2001:db8::/32", "for documentation"),
        ("2002::/16", "a 6to4 address"),
        ("3ffe::/16", "reserved"),
        ("3fff::/20", "for documentation"),
        ("fc00::/7", "private"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
]
_GLOBAL_UNICAST = IPv6Network("2000::/3")


def not_public(address: Address) -> str | None:
    """What an address is that the public Internet does not reach; None if it does."""
    if isinstance(address, IPv4Address):
        return next((what for network, what in _NOT_PUBLIC_4 if address in network), None)
    for network, what in _NOT_PUBLIC_6:
        if address in network:
            return what
    return None if address in _GLOBAL_UNICAST else "reserved"


@dataclass(frozen=True, slots=True)
class Url:
    """A URL in its parts, read once: what was looked at is what is called."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        """As the Host header says it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"


# Printable ASCII but for what no URL holds and what parsers disagree about (`\`, `"`, `<`, `>`, `^`, `` ` ``, braces).
_URL = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#\\]*)(?P<target>(?:/[^?#]*)?(?:\?[^#]*)?)"
)
_WRITABLE = re.compile(r"[!#-;=?-\[\]_a-z|~]*")
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_LOOKS_LIKE_A_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_MAX_URL = 4096
_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


def parse(url: str, *, internal: bool = False) -> Url:
    """Read an absolute https URL (with `internal` also http); `BadUrl` says what is wrong with it.

    Strict on purpose: one spelling of each host, so that no two programs read it differently. Numbers other than a
    dotted quad (`127.1`, `0x7f.1`, `2130706433`), zone ids, user info, fragments, final dots and whatever is not
    ASCII are refused.
    """
    if len(url) > _MAX_URL:
        raise BadUrl(f"The URL is longer than {_MAX_URL:,} characters.")
    if not url.isascii():
        raise BadUrl("The URL holds characters that are not ASCII: write a host name in its xn-- form.")
    found = _URL.fullmatch(url)
    if found is None or not _WRITABLE.fullmatch(url):
        raise BadUrl(
            "This is not an absolute URL of the form https://host/path; white space, control characters, `\\` and"
            " fragments have no place in it."
        )
    scheme = found["scheme"].lower()
    if scheme not in ({"https", "http"} if internal else {"https"}):
        raise BadUrl(
            f"The scheme is {scheme}: only https is called"
            + (
                " or, for what is marked internal, http."
                if internal
                else ", and http where it is marked internal."
            )
        )
    if "@" in found["authority"]:
        raise BadUrl("The URL holds credentials: give a user name and a secret in their own fields.")
    host, port = _host_and_port(found["authority"], _PORTS[scheme])
    target = found["target"]
    return Url(scheme, host, port, target if target.startswith("/") else f"/{target}")


def _host_and_port(authority: str, default: int) -> tuple[str, int]:
    found = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]{1,5}))?", authority)
    if found is None:
        raise BadUrl(f"{authority!r} is no host, or host and port.")
    port = default if found[2] is None else int(found[2])
    if not 0 < port < 65536:
        raise BadUrl(f"{port} is no port.")
    return _host(found[1].lower()), port


def _host(text: str) -> str:
    """A name in letters, digits and hyphens, or an address in its one form; brackets taken off."""
    if text.startswith("["):
        try:
            return IPv6Address("" if "%" in text else text[1:-1]).compressed
        except ValueError:
            _no_host(text)
    labels = text.split(".")
    if _LOOKS_LIKE_A_NUMBER.fullmatch(labels[-1]):
        try:
            return str(IPv4Address(text))
        except ValueError:
            raise BadUrl(f"{text!r} is no host name and no IPv4 address in the form 192.0.2.1.") from None
    if len(text) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        _no_host(text)
    return text


def _no_host(text: str) -> NoReturn:
    raise BadUrl(f"{text!r} is no host name and no address; leave a final dot or a zone away.")


def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, as the system's resolver gives them."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def connect(address: str, port: int, seconds: float) -> NetworkStream:
    """A TCP connection to an address."""
    return SyncBackend().connect_tcp(address, port, timeout=seconds)


def tls(
    *, ca_file: str | None = None, cert_file: str | None = None, key_file: str | None = None
) -> ssl.SSLContext:
    """How a server proves its name: by the system's authorities or those of `ca_file`; the other two prove ours.

    OSError (ssl.SSLError among them) if a file cannot be read as what it should be.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if cert_file is not None:
        # A password would be asked for at the terminal: such a key is refused instead.
        context.load_cert_chain(cert_file, key_file, password="")
    return context


# --- what is called, and what came ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Limits:
    """What one answer may cost: seconds for all of it, bytes of the body as received, and as unpacked."""

    seconds: float = 120.0
    received: int = 64 * 1024 * 1024
    unpacked: int = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer; whatever its status, but never a redirect. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def media_type(self) -> str:
        """The Content-Type without its parameters."""
        return self.headers.get("content-type", "").partition(";")[0].strip().lower()

    @property
    def retry_after(self) -> float | None:
        """Seconds to wait before the next call, if the server says so (RFC 9110 §10.2.3)."""
        value = self.headers.get("retry-after", "").strip()
        if re.fullmatch(r"[0-9]{1,9}", value):
            return float(value)
        try:
            return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, TypeError, OverflowError):
            return None


def basic(username: str, password: str) -> str:
    """The value of an Authorization header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


class Client:
    """Calls servers within the rules of this module; one client for one pull or delivery, in one thread.

    `internal` takes http and addresses that are not public: for what an operator runs next door. `resolve` and
    `connect` are the only ways to the network.
    """

    def __init__(
        self,
        *,
        internal: bool = False,
        limits: Limits | None = None,
        context: ssl.SSLContext | None = None,
        resolve: Resolve = resolve,
        connect: Connect = connect,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.internal = internal
        self.limits = limits or Limits()
        self._wire = _Wire(internal, resolve, connect, clock)
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls() if context is None else context,
            max_connections=1,
            max_keepalive_connections=1,
            keepalive_expiry=30.0,
            retries=0,
            network_backend=self._wire,
        )

    def get(self, url: str, headers: Mapping[str, str] | None = None) -> Answer:
        """GET; asked once more if a connection that was kept open turns out to be closed."""
        parsed = parse(url, internal=self.internal)
        calls = self._wire.connections
        try:
            return self._call("GET", parsed, headers or {}, None)
        except _Dropped:
            if self._wire.connections > calls:
                raise
            return self._call("GET", parsed, headers or {}, None)

    def post(self, url: str, body: bytes, headers: Mapping[str, str] | None = None) -> Answer:
        """POST a body; never sent twice."""
        return self._call("POST", parse(url, internal=self.internal), headers or {}, body)

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(self, method: str, url: Url, headers: Mapping[str, str], body: bytes | None) -> Answer:
        self._wire.begin(self.limits, url)
        # A name or address that is refused is so before a connection, kept open or new, is asked for.
        self._wire.addresses(url.host, url.port)
        sent = {"Host": url.authority, "User-Agent": USER_AGENT, "Accept": "*/*", "Accept-Encoding": "gzip"}
        sent |= headers
        for name, value in sent.items():
            # Here, and not in the library: its message would hold the value, which may be a credential.
            if not _SENDABLE.fullmatch(value):
                raise BadUrl(f"The header {name} holds characters that HTTP does not send.")
        if body is not None:
            sent["Content-Length"] = str(len(body))
        request = httpcore.Request(
            method.encode(),
            httpcore.URL(
                scheme=url.scheme.encode(), host=url.host.encode(), port=url.port, target=url.target.encode()
            ),
            headers=[(name.encode("ascii"), value.encode("ascii")) for name, value in sent.items()],
            content=body,
        )
        try:
            response = self._pool.handle_request(request)
            try:
                return self._answer(response, url)
            finally:
                response.close()
        except httpcore.TimeoutException as error:
            raise self._wire.too_slow() from error
        except (httpcore.ConnectError, httpcore.ProxyError, httpcore.UnsupportedProtocol) as error:
            raise Unreachable(f"{url.authority} cannot be reached: {_reason(error)}.") from error
        except (httpcore.NetworkError, httpcore.RemoteProtocolError) as error:
            if "without sending a response" in str(error) or isinstance(error, httpcore.NetworkError):
                raise _Dropped(
                    f"The connection to {url.authority} ended before the answer was whole: {_reason(error)}."
                ) from error
            raise BadAnswer(f"{url.authority} sent what is no HTTP answer: {_reason(error)}.") from error
        except httpcore.LocalProtocolError as error:
            raise BadUrl(f"{url.authority} cannot be asked this.") from error

    def _answer(self, response: httpcore.Response, url: Url) -> Answer:
        if len(response.headers) > _MAX_HEADERS:
            raise TooLarge(f"The answer has more than {_MAX_HEADERS} headers.")
        headers: dict[str, str] = {}
        for name, value in response.headers:
            headers.setdefault(name.decode("ascii", "replace").lower(), value.decode("latin-1"))
        if 300 <= response.status < 400:
            raise Redirected(
                f"{url.authority} answered {response.status}, which sends elsewhere: redirects are not followed."
                " Give the URL where the content is."
            )
        if response.status < 200:
            raise BadAnswer(f"{url.authority} answered {response.status}, and no content can follow that.")
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "", "gzip", "x-gzip"}:
            raise BadAnswer(f"The answer is packed as {encoding[:40]!r}; only gzip is unpacked.")
        unpack = _Gzip(self.limits.unpacked) if encoding in {"gzip", "x-gzip"} else None
        length = headers.get("content-length", "")
        if length.isdigit() and int(length) > self.limits.received:
            raise TooLarge(_too_large(self.limits.received))
        parts: list[bytes] = []
        received = 0
        assert isinstance(response.stream, Iterable)
        for chunk in response.stream:
            received += len(chunk)
            if received > self.limits.received:
                raise TooLarge(_too_large(self.limits.received))
            parts.append(chunk if unpack is None else unpack.feed(chunk))
            self._wire.check()
        if unpack is not None and received:
            unpack.finish()
        body = b"".join(parts)
        if len(body) > self.limits.unpacked:
            raise TooLarge(_too_large(self.limits.unpacked))
        return Answer(response.status, headers, body)


class _Dropped(Unreachable):
    """The connection ended before the answer did."""


class _Gzip:
    """Unpacks no more than is taken, however much a few bytes stand for."""

    def __init__(self, limit: int) -> None:
        self._limit, self._left = limit, limit
        self._stream = zlib.decompressobj(16 + zlib.MAX_WBITS)

    def feed(self, chunk: bytes) -> bytes:
        if self._stream.eof:
            raise BadAnswer("The answer goes on behind the end of its gzip stream.")
        try:
            # One byte more than is taken shows that there is more.
            plain = self._stream.decompress(chunk, self._left + 1)
        except zlib.error:
            raise BadAnswer("The answer says that it is gzip, and is not.") from None
        self._left -= len(plain)
        if self._left < 0:
            raise TooLarge(_too_large(self._limit))
        if self._stream.unused_data:
            raise BadAnswer("The answer goes on behind the end of its gzip stream.")
        return plain

    def finish(self) -> None:
        if not self._stream.eof:
            raise BadAnswer("The answer ends before its gzip stream does.")


@dataclass(slots=True)
class _Wire(httpcore.NetworkBackend):
    """The network as the pool sees it: vetted addresses, kept; a deadline and a count of bytes over a whole answer."""

    internal: bool
    resolve: Resolve
    connect: Connect
    clock: Callable[[], float]
    connections: int = 0
    _vetted: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _deadline: float = 0.0
    _seconds: float = 0.0
    _limit: int = 0
    _left: int = 0
    _name: str = ""

    def begin(self, limits: Limits, url: Url) -> None:
        """From now on it is about one answer."""
        self._seconds, self._deadline = limits.seconds, self.clock() + limits.seconds
        self._limit, self._left = limits.received, limits.received + _BESIDE_THE_BODY
        self._name = url.authority

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """The vetted addresses of a host: asked for once in a client's life."""
        if host not in self._vetted:
            self._vetted[host] = tuple(self._vet(host, port))
        return self._vetted[host]

    def _vet(self, host: str, port: int) -> Sequence[str]:
        try:
            literal = [str(ip_address(host))]
        except ValueError:
            literal = []
        try:
            # The system's resolver has time limits of its own (resolv.conf); what it took counts.
            found = literal or list(self.resolve(host, port))
        except (OSError, UnicodeError) as error:
            raise Unreachable(f"The name {host} cannot be resolved: {_reason(error)}.") from error
        if not found:
            raise Unreachable(f"The name {host} has no address.")
        if not self.internal:
            for text in found:
                self._check_public(host, text)
        self.check()
        return found

    def _check_public(self, host: str, text: str) -> None:
        try:
            address = ip_address(text)
            what = "bound to a link" if getattr(address, "scope_id", None) else not_public(address)
        except ValueError:
            what = "not understood"
        if what is not None:
            is_it = "is" if text == host else f"resolves to {text}, which is"
            raise AddressRefused(
                f"{host} {is_it} {what}: only public addresses are called, unless it is marked internal."
            )

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Any = None,
    ) -> NetworkStream:
        """To the first vetted address that answers."""
        refusals: list[Exception] = []
        for address in self.addresses(host, port):
            try:
                stream = self.connect(address, port, self.within(_CONNECT_SECONDS))
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                refusals.append(error)
            else:
                self.connections += 1
                return _Stream(stream, self)
        raise refusals[-1]

    def within(self, seconds: float) -> float:
        """The seconds that a step may take."""
        left = self._deadline - self.clock()
        if left <= 0:
            raise self.too_slow()
        return min(seconds, left)

    def check(self) -> None:
        """TooSlow if the time is over."""
        self.within(1.0)

    def count(self, received: int) -> None:
        """TooLarge if the answer has more bytes than are taken, wherever in it they are."""
        self._left -= received
        if self._left < 0:
            raise TooLarge(_too_large(self._limit))

    def too_slow(self) -> TooSlow:
        if self.clock() >= self._deadline:
            return TooSlow(f"{self._name} did not answer in full within {self._seconds:.0f} seconds.")
        return TooSlow(f"{self._name} was silent for too long.")


class _Stream(NetworkStream):
    """A connection under the deadline and count of its wire."""

    def __init__(self, stream: NetworkStream, wire: _Wire) -> None:
        self._stream, self._wire = stream, wire

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        received = self._stream.read(max_bytes, self._wire.within(_READ_SECONDS))
        self._wire.count(len(received))
        return received

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        # In pieces, so that a reader who takes a byte at a time meets the deadline.
        for start in range(0, len(buffer), 65536):
            self._stream.write(buffer[start : start + 65536], self._wire.within(_READ_SECONDS))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> NetworkStream:
        try:
            within = self._wire.within(_CONNECT_SECONDS)
        except TooSlow:
            self._stream.close()
            raise
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, within), self._wire)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _too_large(limit: int) -> str:
    size = f"{limit // (1024 * 1024)} MB" if limit >= 1024 * 1024 else f"{limit:,} bytes"
    return f"The answer is larger than the {size} that are taken."


def _reason(error: BaseException) -> str:
    """The innermost cause, in its library's words and on one line."""
    cause = error
    # httpcore raises some `from None`, which hides the cause but does not forget it.
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted ({cause.verify_message.rstrip('.')})"
    text = " ".join((getattr(cause, "strerror", None) or str(cause) or type(cause).__name__).split())
    # h11 repeats the line that it refuses, and a server may have repeated our credentials in it.
    return text.partition(": bytearray(")[0][:200].rstrip(".")
