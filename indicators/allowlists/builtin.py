"""The lists that the service brings along.

What is reserved for documentation (192.0.2.0/24, 198.51.100.0/24, 203.0.113.0/24, 2001:db8::/32, 3fff::/20,
AS64496-AS64511, AS65536-AS65551 and the example domains) is left out on purpose: decision 0018.
"""

from dataclasses import dataclass

from indicators.allowlists.entries import Entry, entry


@dataclass(frozen=True, slots=True)
class Builtin:
    """A list of this package; `entries` are (entry, what it is)."""

    name: str
    description: str
    version: int
    entries: tuple[tuple[Entry, str], ...]


def _entries(text: str) -> tuple[tuple[Entry, str], ...]:
    """One entry a line: the value, then what it is."""
    split = (line.split(maxsplit=1) for line in text.strip().splitlines())
    return tuple((entry(value), note) for value, note in split)


LISTS = (
    Builtin(
        "Special-purpose networks",
        "The special-purpose address registries of IANA for IPv4 and IPv6, and multicast; without documentation.",
        1,
        _entries("""
0.0.0.0/8           this network (RFC 791)
10.0.0.0/8          private use (RFC 1918)
100.64.0.0/10       shared by carriers, CGNAT (RFC 6598)
127.0.0.0/8         loopback (RFC 1122)
169.254.0.0/16      link-local (RFC 3927)
172.16.0.0/12       private use (RFC 1918)
192.0.0.0/24        protocol assignments (RFC 6890)
192.31.196.0/24     AS112 (RFC 7535)
192.52.193.0/24     AMT (RFC 7450)
192.88.99.0/24      6to4 relays, deprecated (RFC 7526)
192.168.0.0/16      private use (RFC 1918)
192.175.48.0/24     AS112 (RFC 7534)
198.18.0.0/15       benchmarking (RFC 2544)
224.0.0.0/4         multicast (RFC 5771)
240.0.0.0/4         reserved (RFC 1112)
255.255.255.255/32  limited broadcast (RFC 919)
::/128              unspecified (RFC 4291)
::1/128             loopback (RFC 4291)
::/96               IPv4-compatible, deprecated (RFC 4291)
::ffff:0:0/96       IPv4-mapped (RFC 4291)
64:ff9b::/96        IPv4 translation (RFC 6052)
64:ff9b:1::/48      IPv4 translation, local (RFC 8215)
100::/64            discard only (RFC 6666)
100:0:0:1::/64      dummy prefix (RFC 9780)
2001::/23           protocol assignments: Teredo, benchmarking, ORCHID and others (RFC 2928)
2002::/16           6to4 (RFC 3056)
2620:4f:8000::/48   AS112 (RFC 7534)
5f00::/16           SRv6 segments (RFC 9602)
fc00::/7            unique local (RFC 4193)
fe80::/10           link-local (RFC 4291)
fec0::/10           site-local, deprecated (RFC 3879)
ff00::/8            multicast (RFC 4291)
"""),
    ),
    Builtin(
        "Special-purpose AS numbers",
        "The special-purpose AS number registry of IANA; without documentation.",
        1,
        _entries("""
AS0                        reserved (RFC 7607)
AS112                      AS112 (RFC 7534)
AS23456                    stands for 32-bit numbers (RFC 6793)
AS64512-AS65534            private use (RFC 6996)
AS65535                    reserved (RFC 7300)
AS4200000000-AS4294967294  private use (RFC 6996)
AS4294967295               reserved (RFC 7300)
"""),
    ),
    Builtin(
        "Special-use domain names",
        "Names that lead nowhere but inside a network.",
        1,
        _entries("""
localhost  loopback (RFC 6761)
local      multicast DNS (RFC 6762)
home.arpa  home networks (RFC 8375)
internal   private use, reserved by ICANN
"""),
    ),
    Builtin(
        "Public resolvers",
        "Well-known public DNS resolvers, by address and by name.",
        1,
        _entries("""
8.8.8.8               dns.google
8.8.4.4               dns.google
2001:4860:4860::8888  dns.google
2001:4860:4860::8844  dns.google
2001:4860:4860::64    dns64.dns.google
2001:4860:4860::6464  dns64.dns.google
dns.google            resolver
dns.google.com        resolver
1.1.1.1               one.one.one.one
1.0.0.1               one.one.one.one
2606:4700:4700::1111  one.one.one.one
2606:4700:4700::1001  one.one.one.one
2606:4700:4700::64    dns64.cloudflare-dns.com
2606:4700:4700::6400  dns64.cloudflare-dns.com
1.1.1.2               security.cloudflare-dns.com
1.0.0.2               security.cloudflare-dns.com
2606:4700:4700::1112  security.cloudflare-dns.com
2606:4700:4700::1002  security.cloudflare-dns.com
1.1.1.3               family.cloudflare-dns.com
1.0.0.3               family.cloudflare-dns.com
2606:4700:4700::1113  family.cloudflare-dns.com
2606:4700:4700::1003  family.cloudflare-dns.com
one.one.one.one       resolver
cloudflare-dns.com    resolver
9.9.9.9               dns.quad9.net
149.112.112.112       dns.quad9.net
2620:fe::fe           dns.quad9.net
2620:fe::9            dns.quad9.net
9.9.9.10              dns10.quad9.net
149.112.112.10        dns10.quad9.net
2620:fe::10           dns10.quad9.net
2620:fe::fe:10        dns10.quad9.net
9.9.9.11              dns11.quad9.net
149.112.112.11        dns11.quad9.net
2620:fe::11           dns11.quad9.net
2620:fe::fe:11        dns11.quad9.net
dns.quad9.net         resolver
dns9.quad9.net        resolver
dns10.quad9.net       resolver
dns11.quad9.net       resolver
208.67.222.222        dns.opendns.com
208.67.220.220        dns.opendns.com
2620:119:35::35       dns.opendns.com
2620:119:53::53       dns.opendns.com
208.67.222.123        familyshield.opendns.com
208.67.220.123        familyshield.opendns.com
2620:119:35::123      familyshield.opendns.com
2620:119:53::123      familyshield.opendns.com
dns.opendns.com       resolver
doh.opendns.com       resolver
dns.umbrella.com      resolver
doh.umbrella.com      resolver
resolver1.opendns.com resolver
resolver2.opendns.com resolver
familyshield.opendns.com      resolver
doh.familyshield.opendns.com  resolver
94.140.14.14          dns.adguard-dns.com
94.140.15.15          dns.adguard-dns.com
2a10:50c0::ad1:ff     dns.adguard-dns.com
2a10:50c0::ad2:ff     dns.adguard-dns.com
dns.adguard-dns.com   resolver
77.88.8.8             common.dot.dns.yandex.net
77.88.8.1             common.dot.dns.yandex.net
2a02:6b8::feed:0ff    common.dot.dns.yandex.net
2a02:6b8:0:1::feed:0ff  common.dot.dns.yandex.net
common.dot.dns.yandex.net  resolver
223.5.5.5             dns.alidns.com
223.6.6.6             dns.alidns.com
2400:3200::1          dns.alidns.com
2400:3200:baba::1     dns.alidns.com
dns.alidns.com        resolver
4.2.2.1               resolver
4.2.2.2               resolver
4.2.2.3               resolver
4.2.2.4               resolver
4.2.2.5               resolver
4.2.2.6               resolver
"""),
    ),
)
