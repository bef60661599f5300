"""Free text that an analyst pastes: the values in it, refanged and in normal form, each with what makes it doubtful.

Nothing is submitted from here. What the analyst confirms becomes the rows of a CSV body (`indicators.sources.csv`).
"""

import ipaddress
import re
from bisect import bisect_right
from dataclasses import dataclass, replace

from indicators.patterns import values
from indicators.sources import single


@dataclass(frozen=True, slots=True)
class Found:
    """A value in a text: its kind (`single.KINDS`), normal form, how and where it was written first, how often.

    `line` and `column` count from 1. `doubt` says why it may be no indicator; `is_taken` is False for what the service
    does not take at all, and `doubt` says why.
    """

    kind: str
    value: str
    as_written: str
    line: int
    column: int
    doubt: str = ""
    is_taken: bool = True
    times: int = 1


_OPEN, _CLOSE = r"[\[({<]", r"[\])}>]"
_BRACKETED_DOT = rf"(?:[ ]?{_OPEN}[ ]?(?:\.|dot)[ ]?{_CLOSE}[ ]?|\\\.)"
_DOT = rf"(?:{_BRACKETED_DOT}|\.|\u3002|[ ]dot[ ])"
_AT = rf"(?:@|[ ]?{_OPEN}[ ]?(?:@|at)[ ]?{_CLOSE}[ ]?)"
_COLON = rf"(?:{_OPEN}:{_CLOSE}|:)"
_LABEL = r"[^\W_](?:[\w-]{0,62}+)"
_NAME = rf"{_LABEL}(?:{_DOT}{_LABEL}){{1,20}}+"
_OCTET = r"[0-9]{1,3}"
_IPV4 = rf"{_OCTET}(?:(?:{_BRACKETED_DOT}|\.){_OCTET}){{3}}"
_SLASHES = rf"(?://|{_OPEN}/{_CLOSE}{_OPEN}/{_CLOSE}|{_OPEN}//{_CLOSE})"

# Nothing here is tried twice from one place: quantifiers are possessive or bounded, so the time grows as the text does.
_VALUE = re.compile(
    rf"""
      (?<![\w]) (?P<url>
        (?:h(?:tt|xx|\*\*|__)ps?|f[tx]ps?|wss?|meow) (?:[ ]?{_COLON}[ ]?{_SLASHES}|{_OPEN}:{_SLASHES}{_CLOSE})
        [^\s<>"`|^]{{1,4000}}+
      )
    | (?<![\w.+@-]) (?P<email> [\w+-]{{1,64}}+ (?:(?:\.|{_BRACKETED_DOT})[\w+-]{{1,64}}+){{0,6}} {_AT} {_NAME} )
    | (?<![\w]) (?P<hash> (?:[0-9a-f]{{128}}|[0-9a-f]{{64}}|[0-9a-f]{{40}}|[0-9a-f]{{32}}) ) (?![\w])
    | (?<![\w:.]) (?P<ipv6>
        (?:[0-9a-f]{{0,4}}{_COLON}){{2,8}} (?:{_IPV4}|[0-9a-f]{{1,4}})? (?:/[0-9]{{1,3}})? ) (?![\w:])
    | (?<![\w.]) (?P<ipv4> {_IPV4} (?:{_OPEN}?/{_CLOSE}?[0-9]{{1,2}}(?!\w|[./]\w))? ) (?!\.?[\w])
    | (?<![\w]) (?P<asn> (?-i:AS|ASN|Asn)[ ]?[\#:]?[ ]?[0-9]{{1,10}} ) (?!\.?\w)
    | (?<![\w.@-]) (?P<domain> {_NAME} )
    """,
    re.IGNORECASE | re.VERBOSE,
)


def extract(text: str) -> list[Found]:
    """The values in a text, each once, in the order in which they come first. Never raises."""
    lines = [-1, *(match.start() for match in re.finditer("\n", text))]
    found: dict[tuple[str, str], Found] = {}
    position = 0
    while (match := _VALUE.search(text, position)) is not None:
        position = match.end()
        name = match.lastgroup
        assert name is not None
        written = match[name]
        if name == "url":
            written = _without_closing(written)
            position = match.start() + len(written)
        one = _read(name, written, text, match.start(name))
        if one is None:
            continue
        seen = found.get((one.kind, one.value))
        if seen is None:
            line = bisect_right(lines, match.start(name) - 1)
            column = match.start(name) - lines[line - 1]
            found[one.kind, one.value] = replace(one, line=line, column=column)
        else:
            # Once beyond doubt is enough.
            doubt = seen.doubt if one.doubt else ""
            found[one.kind, one.value] = replace(seen, times=seen.times + 1, doubt=doubt)
    return list(found.values())


_KINDS = {
    "url": "url",
    "email": "email-addr",
    "ipv6": "ipv6-addr",
    "ipv4": "ipv4-addr",
    "asn": "asn",
    "domain": "domain-name",
}


def _read(name: str, written: str, text: str, start: int) -> Found | None:
    try:
        kind, value = single.normal(written, _KINDS.get(name, ""))
    except ValueError:
        return None
    end = start + len(written)
    before, after = text[max(0, start - 24) : start], text[end : end + 2]
    is_defanged = single.refanged(written) != written
    if name == "email":
        doubt = "an e-mail address is personal data, which this service does not take in the clear"
        return Found(kind.name, value, written, 0, 0, doubt, is_taken=False)
    if name == "ipv4" or name == "ipv6":
        if name == "ipv6" and not any(character in "0123456789abcdef" for character in value):
            return None
        doubt = _address_doubt(value)
        if not doubt and not is_defanged and _VERSION.search(before):
            doubt = "it looks like a version number"
        return Found(kind.name, value, written, 0, 0, doubt)
    if name == "hash":
        return Found(kind.name, value, written, 0, 0, _hash_doubt(value, before))
    if name == "asn":
        return Found(kind.name, value, written, 0, 0, "" if _is_public_asn(int(value)) else _PRIVATE_ASN)
    if name == "url":
        return Found(kind.name, value, written, 0, 0, _url_doubt(value))
    if not single.is_registrable(value):
        return None
    return Found(kind.name, value, written, 0, 0, _domain_doubt(value, written, is_defanged, after))


_CLOSING = ".,;:!?'\"*_"
_PAIRS = {")": "(", "]": "[", "}": "{"}


def _without_closing(written: str) -> str:
    """A URL without the punctuation of the sentence around it, and without a bracket that it did not open."""
    end = len(written)
    opened = {closer: written.count(opener) - written.count(closer) for closer, opener in _PAIRS.items()}
    while end:
        last = written[end - 1]
        if last in _PAIRS and opened[last] < 0:
            opened[last] += 1
        elif last not in _CLOSING:
            break
        end -= 1
    return written[:end]


# ----------------------------------------------------------------------------------------------------
# What makes a value doubtful

_VERSION = re.compile(r"(?:\b(?:version|ver|release|build|firmware|v)|\bv\.)\W{0,3}$", re.IGNORECASE)
_DOCUMENTATION = [
    ipaddress.ip_network(block)
    for block in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
]


def _address_doubt(value: str) -> str:
    network = ipaddress.ip_network(value, strict=False)
    if any(network.version == one.version and network.subnet_of(one) for one in _DOCUMENTATION):  # type: ignore[arg-type]
        return "it is from a range for documentation"
    for what, holds in (
        ("an unspecified address", network.is_unspecified),
        ("a loopback address", network.is_loopback),
        ("a link-local address", network.is_link_local),
        ("a multicast address", network.is_multicast),
        ("a private address", network.is_private),
        ("a reserved address", network.is_reserved),
    ):
        if holds:
            return f"it is {what}"
    if network.prefixlen < (8 if network.version == 4 else 16):
        return "it is a very large part of the Internet"
    return ""


_PRIVATE_ASN = "it is a number for private use or documentation"


def _is_public_asn(number: int) -> bool:
    """RFC 6996, RFC 5398, RFC 7300."""
    return not (number in (0, 23456) or 64496 <= number <= 131071 or number >= 4_200_000_000)


_EMPTY = frozenset(
    (
        "d41d8cd98f00b204e9800998ecf8427e",
        "da39a3ee5e6b4b0d3255bfef95601890afd80709",
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    )
)
_COMMIT = re.compile(r"\b(?:commit|revision|git)\W{0,3}$", re.IGNORECASE)


def _hash_doubt(value: str, before: str) -> str:
    if value in _EMPTY:
        return "it is the hash of an empty file"
    if len(set(value)) < 4:
        return "it looks like a placeholder"
    if len(value) == 40 and _COMMIT.search(before):
        return "it looks like the id of a commit"
    return ""


#: Top-level domains that files end in too.
_EXTENSIONS = frozenset(("app", "cc", "md", "mov", "pl", "pm", "ps", "pub", "py", "rs", "sh", "so", "zip"))


def _domain_doubt(value: str, written: str, is_defanged: bool, after: str) -> str:
    doubt = _name_doubt(value)
    if doubt:
        return doubt
    last = value.rpartition(".")[2]
    if not is_defanged:
        if last in _EXTENSIONS and not value.startswith("www."):
            return "it looks like a file name"
        if after[:1] == "(":
            return "it looks like code"
        ending = written.rpartition(".")[2]
        if ending[:1].isupper() and not ending.isupper() and value.count(".") == 1:
            return "it looks like the end of a sentence and the start of the next"
    elif not re.search(r"[\[({<\\\u3002]", written):
        return "it may be prose about a dot"
    if after[:1] == "/" and after[1:].isalnum():
        return "a path follows, but no scheme comes before: only the name is taken"
    return ""


def _name_doubt(value: str) -> str:
    if value.rpartition(".")[2] in single.SPECIAL_SUFFIXES or _EXAMPLE.search(value):
        return "it is a name for documentation, tests or private networks"
    return ""


_EXAMPLE = re.compile(r"(?:^|\.)example\.(?:com|net|org)$")


def _url_doubt(value: str) -> str:
    host = value.partition("://")[2].partition("/")[0].rpartition("@")[2]
    if host.startswith("["):
        host = host[1:].partition("]")[0]
        return _address_doubt(host)
    host = host.partition(":")[0]
    try:
        return _address_doubt(values.ipv4(host))
    except ValueError:
        pass
    doubt = _name_doubt(host)
    return doubt or ("" if single.is_registrable(host) else "its host is no name that can be registered")
