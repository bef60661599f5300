"""The blast radius: how many people are estimated to be behind what an indicator names; blocking it would hit them.

An upper estimate of a coarse kind, to decide how many analysts it takes; docs/desk.md has the formula and its limits.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from indicators.allowlists.watched import Value, shown

PER_LINE = 4
"""People behind one line: a household, rounded up. A line is an IPv4 address, or an IPv6 /56 (RIPE-690)."""
PER_AS = 70_000
"""People behind an autonomous system of which nothing is known: 6 billion on the Internet over 85,000 systems."""

_LINE_BITS = {4: 32, 6: 56}
# What is longer is inside one network of a customer: its addresses are spread over 64 bits.
_SPREAD_BITS = {4: 32, 6: 64}


@dataclass(frozen=True, slots=True)
class Population:
    """What the operator knows of a network, domain or AS number: `users` behind all of it, and what stands there."""

    value: Value
    users: int
    kind: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many people are estimated to be behind a value, and how that came about, for people."""

    value: Value
    users: int
    how: str

    def __str__(self) -> str:
        return f"{shown(self.value)}: {self.users:,} ({self.how})"


def estimate(value: Value, *, holder: Population | None = None, inside: int = 0) -> Estimate:
    """The people behind a value.

    `holder` is the smallest population that it is part of, or is; `inside` the sum of those within a network, each
    counted once.
    """
    if isinstance(value, IPv4Network | IPv6Network):
        found = _share(value, holder) if holder is not None else _by_size(value)
        if inside > found.users:
            return Estimate(value, inside, "the sum of the loaded populations inside it")
        return found
    if holder is not None:
        return Estimate(value, holder.users, f"loaded for {_named(holder)}")
    if isinstance(value, int):
        return Estimate(value, PER_AS, "the mean of all autonomous systems; nothing is loaded for this one")
    return Estimate(value, 0, "unknown: nothing is loaded for this domain")


def total(estimates: Iterable[Estimate]) -> int:
    """The blast radius of an indicator: of all that it names, together."""
    return sum(one.users for one in estimates)


def _by_size(network: IPv4Network | IPv6Network) -> Estimate:
    lines = 1 << max(0, _LINE_BITS[network.version] - network.prefixlen)
    if lines == 1:
        return Estimate(network, PER_LINE, "one line")
    what = "addresses" if network.version == 4 else "networks of customers (/56)"
    return Estimate(network, lines * PER_LINE, f"{PER_LINE} for each of {lines:,} {what}")


def _share(network: IPv4Network | IPv6Network, holder: Population) -> Estimate:
    """Its part of those behind the network that it is in, as if they were spread evenly; at least one."""
    of = holder.value
    assert isinstance(of, IPv4Network | IPv6Network)
    bits = min(network.prefixlen, _SPREAD_BITS[network.version]) - of.prefixlen
    if bits <= 0:
        return Estimate(network, holder.users, f"loaded for {_named(holder)}")
    users = -(-holder.users // (1 << bits))
    return Estimate(network, users, f"its share of {holder.users:,} behind {_named(holder)}")


def _named(holder: Population) -> str:
    return f"{shown(holder.value)}, {holder.kind}"
