"""Single values, as people write them: the kind of each, its normal form, its pattern and its observable."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from indicators.dedup.observables import deterministic_id
from indicators.patterns import values

#: Longer, no pattern takes it (model.md, "Canonical patterns").
MAX_LENGTH = 8000
_LARGEST_ASN = 0xFFFFFFFF
_ASN = re.compile(r"(?:ASN?[ :#-]{0,2})?([0-9]{1,10})", re.IGNORECASE)


def _asn(text: str) -> str:
    match = _ASN.fullmatch(text)
    if match is None or int(match[1]) > _LARGEST_ASN:
        raise ValueError("this is not the number of an autonomous system, such as AS64500")
    return str(int(match[1]))


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: its name in files, the property that holds it, what brings it to its normal form."""

    name: str
    object_type: str
    steps: tuple[str, ...]
    normal: Callable[[str], str]


def _hash(algorithm: str) -> Kind:
    normal = values.hash_value(algorithm)
    assert normal is not None
    return Kind(f"file-{algorithm.lower().replace('-', '')}", "file", ("hashes", algorithm), normal)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("ipv4-addr", "ipv4-addr", ("value",), values.ipv4),
        Kind("ipv6-addr", "ipv6-addr", ("value",), values.ipv6),
        Kind("domain-name", "domain-name", ("value",), values.domain),
        Kind("url", "url", ("value",), values.url),
        Kind("autonomous-system", "autonomous-system", ("number",), _asn),
        Kind("email-addr", "email-addr", ("value",), values.email),
        Kind("mac-addr", "mac-addr", ("value",), values.mac),
        *(_hash(algorithm) for algorithm in ("MD5", "SHA-1", "SHA-256", "SHA-512")),
    )
}
#: Other names that people know the kinds by; `ip` and `hash` are told apart by the value.
NAMES: Mapping[str, str] = {
    **{name: name for name in KINDS},
    **dict.fromkeys(("ipv4", "ipv4-cidr"), "ipv4-addr"),
    **dict.fromkeys(("ipv6", "ipv6-cidr"), "ipv6-addr"),
    **dict.fromkeys(("domain", "hostname", "host", "fqdn"), "domain-name"),
    **dict.fromkeys(("uri", "link"), "url"),
    **dict.fromkeys(("asn", "as"), "autonomous-system"),
    **dict.fromkeys(("email", "e-mail"), "email-addr"),
    **dict.fromkeys(("mac", "mac-address"), "mac-addr"),
    **dict.fromkeys(("md5",), "file-md5"),
    **dict.fromkeys(("sha1", "sha-1", "file-sha-1"), "file-sha1"),
    **dict.fromkeys(("sha256", "sha-256", "file-sha-256"), "file-sha256"),
    **dict.fromkeys(("sha512", "sha-512", "file-sha-512"), "file-sha512"),
}
_DETECTED_NAMES = frozenset(("ip", "ip-addr", "cidr", "hash", "file", ""))


def normal(value: str, name: str = "") -> tuple[Kind, str]:
    """The kind and the normal form of a value as written, defanged or not; ValueError says why there is none.

    `name` is what the writer calls the kind; without one it is told by the value.
    """
    if len(value) > MAX_LENGTH:
        raise ValueError(f"a value is at most {MAX_LENGTH:,} characters long")
    name = name.strip().lower().replace("_", "-").replace(" ", "-").removesuffix(":value")
    plain = refanged(value)
    if not plain:
        raise ValueError("there is no value")
    if any(character < " " for character in plain):
        raise ValueError("there is a control character in the value")
    if name in NAMES:
        kind = KINDS[NAMES[name]]
    elif name in _DETECTED_NAMES:
        kind = detected(plain)
    else:
        raise ValueError(f"the type is not one of {', '.join(KINDS)}")
    return kind, kind.normal(plain)


_DOT = re.compile(
    r"\s{0,2}[\[({<]\s{0,2}(?:\.|dot)\s{0,2}[\])}>]\s{0,2}|\\\.|[\u3002\uff0e\uff61]", re.IGNORECASE
)
_SPACED_DOT = re.compile(r"(?<=\w) (?:dot|DOT|Dot) (?=\w)")
_AT = re.compile(r"\s{0,2}[\[({<]\s{0,2}(?:@|at)\s{0,2}[\])}>]\s{0,2}", re.IGNORECASE)
_COLON_SLASHES = re.compile(r"[\[({]:(?://|\\\\)[\])}]")
_COLON = re.compile(r"[\[({]:[\])}]")
_SLASH = re.compile(r"[\[({](//?)[\])}]")
_SCHEME = re.compile(r"(?:h(?:xx|tt|\*\*|__|--|XX)p|meow)(s?)(?=://)", re.IGNORECASE)
_FTP = re.compile(r"f(?:x|\*)p(?=://)", re.IGNORECASE)
_SPLIT_SCHEME = re.compile(r"((?:https?|hxxps?|ftp|fxp)):(?://?\s{1,2}|\s{1,2}//\s{0,2}|\\\\)", re.IGNORECASE)
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u00ab\u00bb"


def refanged(text: str) -> str:
    """A value that was made harmless by hand (`hxxps`, `[.]`, `[dot]`, `[at]`, `[:]`, `[/]`) as it was before."""
    text = text.strip().strip(_QUOTES).strip()
    if text[:1] == "<" and text[-1:] == ">":
        text = text[1:-1].strip()
    if "[" in text or "(" in text or "{" in text or "<" in text or not text.isascii() or "\\" in text:
        text = _DOT.sub(".", text)
        text = _AT.sub("@", text)
        text = _COLON_SLASHES.sub("://", text)
        text = _COLON.sub(":", text)
        text = _SLASH.sub(r"\1", text)
    if " " in text:
        text = _SPACED_DOT.sub(".", text)
    text = _SPLIT_SCHEME.sub(r"\1://", text, count=1)
    match = _SCHEME.match(text)
    if match is not None:
        return f"http{match[1].lower()}{text[match.end() :]}"
    match = _FTP.match(text)
    return text if match is None else f"ftp{text[match.end() :]}"


_HASHES = {32: "file-md5", 40: "file-sha1", 64: "file-sha256", 128: "file-sha512"}
_HEXADECIMAL = re.compile(r"[0-9a-fA-F]+")
_URL = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*://")
_IPV4 = re.compile(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}(?:/[0-9]{1,2})?")
_IPV6 = re.compile(r"[0-9a-fA-F:]*:[0-9a-fA-F:]*:[0-9a-fA-F:.]*(?:/[0-9]{1,3})?")
_MAC = re.compile(r"[0-9a-fA-F]{2}(?:[:-][0-9a-fA-F]{2}){5}")
_NUMBERED = re.compile(r"ASN?[ :#-]{0,2}[0-9]{1,10}", re.IGNORECASE)


def detected(plain: str) -> Kind:
    """The kind that a refanged value is plainly of; ValueError where it is of none."""
    if _URL.match(plain):
        return KINDS["url"]
    if _IPV4.fullmatch(plain):
        return KINDS["ipv4-addr"]
    if _MAC.fullmatch(plain):
        return KINDS["mac-addr"]
    if _IPV6.fullmatch(plain):
        return KINDS["ipv6-addr"]
    if len(plain) in _HASHES and _HEXADECIMAL.fullmatch(plain):
        return KINDS[_HASHES[len(plain)]]
    if _NUMBERED.fullmatch(plain):
        return KINDS["autonomous-system"]
    if "@" in plain and "/" not in plain:
        return KINDS["email-addr"]
    host, slash, _ = plain.partition("/")
    try:
        known = is_registrable(values.domain(host))
    except ValueError:
        known = False
    if slash and (known or _IPV4.fullmatch(host)):
        raise ValueError("this may be a URL, but it has no scheme such as https://")
    if known:
        return KINDS["domain-name"]
    raise ValueError(
        "this is no address, domain name, URL, file hash or AS number that can be told by its form"
    )


#: Set aside for documentation, tests and closed networks (RFC 2606, RFC 6762, RFC 7686, RFC 8375), not registered.
SPECIAL_SUFFIXES = frozenset(("example", "invalid", "localhost", "test", "local", "internal", "arpa"))


@cache
def suffixes() -> frozenset[str]:
    """The public suffixes as A-labels, from the snapshot that comes with tldextract: nothing is fetched or written."""
    # Imported here: it brings an HTTP client along, which is never used.
    import tldextract

    extract = tldextract.TLDExtract(cache_dir=None, suffix_list_urls=(), fallback_to_snapshot=True)
    found = {"onion"}
    for suffix in extract.tlds:
        try:
            found.add(values.domain(suffix.removeprefix("*.").removeprefix("!")))
        except ValueError:
            continue
    return frozenset(found)


@cache
def _top_levels() -> frozenset[str]:
    return frozenset(suffix.rpartition(".")[2] for suffix in suffixes()) | SPECIAL_SUFFIXES


def is_registrable(name: str) -> bool:
    """Whether a normal domain name stands below a public suffix, and is not one itself."""
    return "." in name and name.rpartition(".")[2] in _top_levels() and name not in suffixes()


def pattern(kind: Kind, value: str) -> str:
    """The STIX pattern that watches for a normal value, in its canonical form."""
    if kind.object_type == "autonomous-system":
        return f"[autonomous-system:number = {value}]"
    steps = ".".join(f"'{step}'" if "-" in step else step for step in kind.steps)
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"[{kind.object_type}:{steps} = '{escaped}']"


def observable(kind: Kind, value: str) -> dict[str, Any]:
    """The observable that holds a normal value, under the id that the value gives it (STIX 2.1 §2.9)."""
    body: dict[str, Any] = {"type": kind.object_type, "spec_version": "2.1"}
    if kind.object_type == "autonomous-system":
        body["number"] = int(value)
    elif kind.object_type == "file":
        body["hashes"] = {kind.steps[1]: value}
    else:
        body["value"] = value
    body["id"] = deterministic_id(body)
    return body
