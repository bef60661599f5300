"""Normal forms of the values in patterns, by the property they stand for (model.md, "Canonical patterns").

Every function takes the string a partner wrote and returns its normal form, or raises ValueError with the
reason. Each is a fixed point: the normal form of a normal form is itself.
"""

import ipaddress
import re
import unicodedata
from collections.abc import Callable

Normaliser = Callable[[str], str]

_DEFANGED_DOT = re.compile(r"(?<!\[)\[++\.\]++")
_DEFANGED_AT = re.compile(r"(?<!\[)\[++@\]++")
_IPV4 = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:/(0|[1-9]\d?))?", re.ASCII)
_PREFIX = re.compile(r"0|[1-9][0-9]{0,2}")
_LABELS = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*+")
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_HEXADECIMAL = re.compile(r"[0-9a-f]*+")


def ipv4(value: str) -> str:
    """An IPv4 address or CIDR block: four decimal parts, host bits cleared, /32 dropped."""
    if "[" in value:
        value = _DEFANGED_DOT.sub(".", value)
    match = _IPV4.fullmatch(value)
    if match is None:
        raise ValueError("this is not an IPv4 address in four decimal parts, or a CIDR block")
    address = 0
    for part in match.groups()[:4]:
        if len(part) > 1 and part[0] == "0":
            raise ValueError("a part of this IPv4 address starts with 0, which may mean octal")
        number = int(part)
        if number > 255:
            raise ValueError("a part of this IPv4 address is over 255")
        address = address << 8 | number
    prefix = match[5]
    if prefix is None:
        return value
    bits = int(prefix)
    if bits > 32:
        raise ValueError("an IPv4 prefix is at most 32 bits long")
    address &= 0xFFFFFFFF << 32 - bits
    text = f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    return text if bits == 32 else f"{text}/{bits}"


def ipv6(value: str) -> str:
    """An IPv6 address or CIDR block by RFC 5952: host bits cleared, /128 dropped, mapped IPv4 dotted."""
    if "[" in value:
        value = value.replace("[:]", ":")
        value = _DEFANGED_DOT.sub(".", value)
    text, slash, prefix = value.partition("/")
    try:
        if "%" in text or not text.isascii():
            raise ValueError
        address = int(ipaddress.IPv6Address(text))
    except ValueError:
        raise ValueError("this is not an IPv6 address or CIDR block") from None
    bits = 128
    if slash:
        if not _PREFIX.fullmatch(prefix) or int(prefix) > 128:
            raise ValueError("an IPv6 prefix is a number from 0 to 128")
        bits = int(prefix)
        address = address >> 128 - bits << 128 - bits
    if address >> 32 == 0xFFFF:
        low = address & 0xFFFFFFFF
        text = f"::ffff:{low >> 24}.{low >> 16 & 255}.{low >> 8 & 255}.{low & 255}"
    else:
        text = str(ipaddress.IPv6Address(address))
    return text if bits == 128 else f"{text}/{bits}"


def domain(value: str) -> str:
    """A domain name: lower case, A-labels, no final dot."""
    if "[" in value:
        value = _DEFANGED_DOT.sub(".", value)
    if not value.isascii():
        value = unicodedata.normalize("NFKC", value).replace("\u3002", ".")
        value = unicodedata.normalize("NFKC", value.lower())
        value = ".".join(map(_a_label, value.split(".")))
    value = value.lower()
    if value.endswith("."):
        value = value[:-1]
    if len(value) > 253 or not _LABELS.fullmatch(value):
        raise ValueError("this is not a domain name")
    if value[-1] in "0123456789" and value[value.rfind(".") + 1 :].isdigit():
        raise ValueError("this is not a domain name, its last label is a number")
    return value


def _a_label(label: str) -> str:
    if label.isascii():
        return label
    if len(label) > 63:
        raise ValueError("this is not a domain name, a label is too long")
    return "xn--" + label.encode("punycode").decode()


def email(value: str) -> str:
    """An e-mail address: lower case with its +tag, the domain as `domain`."""
    if "[" in value:
        value = _DEFANGED_AT.sub("@", _DEFANGED_DOT.sub(".", value))
    local, at, host = value.rpartition("@")
    if not at or not local:
        raise ValueError("this is not an e-mail address")
    return f"{local.lower()}@{domain(host)}"


def mac(value: str) -> str:
    """A MAC address: lower case, colons."""
    text = value.lower().replace("-", ":")
    if not _MAC.fullmatch(text):
        raise ValueError("this is not a MAC address")
    return text


def address(value: str) -> str:
    """What a reference to an address object points to: IPv4, IPv6 or domain; anything else stays as it is."""
    for normal in (ipv4, ipv6, domain):
        try:
            return normal(value)
        except ValueError:
            continue
    return value


# --- URLs (RFC 3986 §6.2.2 and §6.2.3)

_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*+)(?:\[:(?://)?\]|:)")
_HXXP = re.compile(r"h(?:xx|XX)p(s?)(?=:|\[:)", re.IGNORECASE)
_PERCENT = re.compile(r"%(?:[0-9A-Fa-f]{2})?")
_OUTSIDE = re.compile(r"""[^A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]+""")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_PORTS = {"http": "80", "https": "443", "ftp": "21", "ws": "80", "wss": "443"}


def url(value: str) -> str:
    """A URL: scheme, host, port, dot segments and percent-encoding normal; no fragment; query order kept."""
    value = value.partition("#")[0]
    if "%" in value:
        value = _PERCENT.sub(_percent, value)
    if "[" in value:
        value = _DEFANGED_DOT.sub(".", value)
    if value[:1] in ("h", "H"):
        value = _HXXP.sub(r"http\1", value, count=1) if _HXXP.match(value) else value
    match = _SCHEME.match(value)
    if match is None:
        raise ValueError("this is not a URL, it has no scheme")
    scheme = match[1].lower()
    rest = value[match.end() :]
    if match[0].endswith("//]"):
        rest = "//" + rest
    if not rest.startswith("//"):
        if scheme in _PORTS:
            raise ValueError("this is not a URL, // is missing after the scheme")
        return f"{scheme}:{_OUTSIDE.sub(_encode, rest)}"
    end = len(rest)
    for mark in "/?":
        found = rest.find(mark, 2)
        if 0 <= found < end:
            end = found
    authority = _authority(scheme, rest[2:end])
    path, question, query = rest[end:].partition("?")
    path = _OUTSIDE.sub(_encode, path) or "/"
    if "/." in path:
        path = _without_dot_segments(path)
    return f"{scheme}://{authority}{path}{question}{_OUTSIDE.sub(_encode, query)}"


# Browsers read them as addresses, in more ways than one, and phishers use that: they stay as they are.
_NUMBERS = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)(?:\.(?:0[xX][0-9a-fA-F]*|[0-9]+)){0,3}\.?")


def _authority(scheme: str, text: str) -> str:
    if "[" in text:
        text = _DEFANGED_AT.sub("@", text).replace("[:]", ":")
    user, at, host = text.rpartition("@")
    port = ""
    if host.startswith("["):
        inside, bracket, port = host[1:].partition("]")
        if not bracket or "/" in inside or (port and port[0] != ":"):
            raise ValueError("this is not a URL, its IPv6 address is not closed")
        host, port = f"[{ipv6(inside)}]", port[1:]
    else:
        host, _, port = host.partition(":")
        if not host:
            if scheme in _PORTS:
                raise ValueError("this is not a URL, it has no host")
        elif host[-1] in "0123456789" and _IPV4.fullmatch(host):
            host = ipv4(host)
        elif not _NUMBERS.fullmatch(host):
            host = domain(host)
    if port:
        if not (port.isascii() and port.isdigit() and len(port) < 16 and int(port) < 65536):
            raise ValueError("this is not a URL, its port is not a number below 65536")
        port = str(int(port))
        if port == _PORTS.get(scheme):
            port = ""
    return f"{_OUTSIDE.sub(_encode, user)}{at}{host}{':' if port else ''}{port}"


def _percent(match: re.Match[str]) -> str:
    text = match[0]
    if len(text) == 1:
        return "%25"
    character = chr(int(text[1:], 16))
    return character if character in _UNRESERVED else text.upper()


def _encode(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


def _without_dot_segments(path: str) -> str:
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            if kept:
                kept.pop()
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


# --- Hashes

_HASH_DIGITS = {
    "MD5": (32,),
    "MD6": (32, 40, 56, 64, 96, 128),
    "RIPEMD-160": (40,),
    "SHA-1": (40,),
    "SHA-224": (56,),
    "SHA-256": (64,),
    "SHA-384": (96,),
    "SHA-512": (128,),
    "SHA3-224": (56,),
    "SHA3-256": (64,),
    "SHA3-384": (96,),
    "SHA3-512": (128,),
    "TLSH": (70,),
    "WHIRLPOOL": (128,),
}
_HASH_NAMES = {name.replace("-", ""): name for name in (*_HASH_DIGITS, "SSDEEP")}
_SSDEEP = re.compile(r"[a-zA-Z0-9/+:.]{1,128}")


def hash_name(name: str) -> str:
    """The name of a hash algorithm as STIX 2.1 §10.7 spells it: `SHA256` → `SHA-256`; unknown ones stay."""
    return _HASH_NAMES.get(name.upper().replace("-", "").replace("_", ""), name)


def ssdeep(value: str) -> str:
    """An SSDEEP hash, which keeps its case: it is base64."""
    if not _SSDEEP.fullmatch(value):
        raise ValueError("an SSDEEP hash is block size, colon, hash, colon, hash in base64")
    return value


def _hexadecimal_hash(name: str) -> Normaliser:
    lengths = _HASH_DIGITS[name]

    def normal(value: str) -> str:
        text = value.lower()
        if name == "TLSH" and len(text) == 72 and text.startswith("t1"):
            text = text[2:]
        if len(text) not in lengths or not _HEXADECIMAL.fullmatch(text):
            raise ValueError(f"a {name} hash has {' or '.join(map(str, lengths))} hexadecimal digits")
        return text

    return normal


_HASHES: dict[str, Normaliser] = {
    "SSDEEP": ssdeep,
    **{name: _hexadecimal_hash(name) for name in _HASH_DIGITS},
}


def hash_value(name: str) -> Normaliser | None:
    """The normaliser for hashes of an algorithm, or None for one that STIX 2.1 §10.7 does not know."""
    return _HASHES.get(name)


# --- Which property holds what

_PROPERTIES: dict[tuple[str, tuple[str | int | None, ...]], Normaliser] = {
    ("ipv4-addr", ("value",)): ipv4,
    ("ipv6-addr", ("value",)): ipv6,
    ("domain-name", ("value",)): domain,
    ("email-addr", ("value",)): email,
    ("url", ("value",)): url,
    ("mac-addr", ("value",)): mac,
}
_REFERENCES: dict[str, Normaliser] = {
    "from_ref": email,
    "sender_ref": email,
    "to_refs": email,
    "cc_refs": email,
    "bcc_refs": email,
    "src_ref": address,
    "dst_ref": address,
    "src_refs": address,
    "dst_refs": address,
    "resolves_to_refs": address,
}


def normaliser(object_type: str, steps: tuple[str | int | None, ...]) -> Normaliser | None:
    """What normalises the strings compared with a property, or None where they stay as they are."""
    found = _PROPERTIES.get((object_type, steps))
    if found is not None or len(steps) < 2:
        return found
    last, before = steps[-1], steps[-2]
    if before == "hashes":
        return hash_value(last) if isinstance(last, str) else None
    if last == "value":
        reference = steps[-3] if not isinstance(before, str) and len(steps) > 2 else before
        return _REFERENCES.get(reference) if isinstance(reference, str) else None
    return None
