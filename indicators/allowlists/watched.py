"""What an object watches: the networks, domains and AS numbers in it that an allow-list could name."""

import re
from collections.abc import Callable, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Any

from indicators.patterns import observables, values

Value = IPv4Network | IPv6Network | str | int
"""A network (an address is one of full length), a domain name in normal form, or an AS number."""

SCO_TYPES = frozenset(("autonomous-system", "domain-name", "ipv4-addr", "ipv6-addr", "url"))
"""The types of observables that say such a value themselves."""

_NORMAL: dict[str, Callable[[str], str]] = {
    "domain-name": values.address,
    "ipv4-addr": values.address,
    "ipv6-addr": values.address,
    "url": values.url,
}

# Most other patterns are told by their text; no other comparison can say such a value.
_RELEVANT = re.compile(r"ipv[46]-addr|domain-name|url|autonomous-system|_refs?\b")
_INDEX = r"(?:\[(?:\*|-?\d+)\])?"
_NUMBER = re.compile(rf"autonomous-system:number|.*_refs?{_INDEX}\.number")
_HOST = re.compile(
    r"(?:ipv4-addr|ipv6-addr|domain-name):value"
    rf"|.*[:.](?:src_ref|dst_ref|(?:src_refs|dst_refs|resolves_to_refs){_INDEX})\.value"
)


def watched(obj: Mapping[str, Any]) -> frozenset[Value]:
    """What a valid STIX object watches: an indicator by its STIX pattern, an observable by its value.

    A URL counts by its host. E-mail addresses do not count: a mailbox is not its provider. What cannot be brought to
    normal form watches nothing.
    """
    kind = obj["type"]
    if obj.keys() <= {"type", "id"}:
        # What is left of an erased one.
        return frozenset()
    if kind == "indicator":
        if obj["pattern_type"] != "stix" or not _RELEVANT.search(obj["pattern"]):
            return frozenset()
        said = observables(obj["pattern"])
    elif kind == "autonomous-system":
        said = ((f"{kind}:number", f"{obj['number']:.0f}"),)
    elif kind in SCO_TYPES:
        try:
            said = ((f"{kind}:value", _NORMAL[kind](obj["value"])),)
        except ValueError:
            return frozenset()
    else:
        return frozenset()
    return frozenset(value for path, text in said if (value := _value(path, text)) is not None)


def shown(value: Value) -> str:
    """A value as people write it: an address without its prefix length, `AS64500`."""
    if isinstance(value, int):
        return f"AS{value}"
    if isinstance(value, str):
        return value
    return str(value.network_address if value.prefixlen == value.max_prefixlen else value)


def network(text: str) -> IPv4Network | IPv6Network:
    """An address or CIDR block, host bits cleared; raises ValueError with the reason."""
    return ip_network(values.ipv6(text) if ":" in text else values.ipv4(text))


def _value(path: str, text: str) -> Value | None:
    if _NUMBER.fullmatch(path):
        return int(text) if text.isdigit() and int(text) < 2**32 else None
    try:
        if path == "url:value":
            return _host(_host_of(text))
        if _HOST.fullmatch(path):
            return _host(text)
    except ValueError:
        pass
    return None


def _host(text: str) -> Value:
    try:
        return network(text)
    except ValueError:
        return values.domain(text)


def _host_of(url: str) -> str:
    """The host of a URL in normal form; empty if it has none."""
    authority = url.partition("://")[2].partition("/")[0].partition("?")[0]
    host = authority.rpartition("@")[2]
    return host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
