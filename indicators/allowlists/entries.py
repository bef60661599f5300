"""One entry of an allow-list, read from text."""

import re
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from indicators.allowlists import watched
from indicators.patterns import values

_ASN = re.compile(r"AS(\d{1,10})(?:-(?:AS)?(\d{1,10}))?", re.IGNORECASE | re.ASCII)


@dataclass(frozen=True, slots=True)
class Entry:
    """A network, a domain name or a range of AS numbers that must not be published; exactly one of the three.

    A network covers what is inside it and what it is inside of; a domain itself and, with `subdomains`, all below it.
    """

    network: IPv4Network | IPv6Network | None = None
    domain: str | None = None
    subdomains: bool = True
    asn_first: int | None = None
    asn_last: int | None = None

    def __str__(self) -> str:
        if self.network is not None:
            return watched.shown(self.network)
        if self.domain is not None:
            return self.domain
        last = "" if self.asn_last == self.asn_first else f"-AS{self.asn_last}"
        return f"AS{self.asn_first}{last}"


def entry(text: str, *, subdomains: bool = True) -> Entry:
    """An address, a CIDR block, a domain name, `AS64500` or `AS64512-AS65534`; raises ValueError with the reason."""
    text = text.strip()
    if match := _ASN.fullmatch(text):
        first, last = int(match[1]), int(match[2] or match[1])
        if not first <= last < 2**32:
            raise ValueError("AS numbers are below 2^32, the first of a range not after its last")
        return Entry(asn_first=first, asn_last=last)
    if looks_like_network(text):
        return Entry(network=watched.network(text))
    try:
        return Entry(domain=values.domain(text.removeprefix(".")), subdomains=subdomains)
    except ValueError:
        raise ValueError("this is no address, network, domain name or AS number") from None


def looks_like_network(text: str) -> bool:
    """Whether a text can only be meant as an address or a network."""
    return ":" in text or text.replace("/", "").replace(".", "").isdigit()
