"""Entries, the lists of the service, and files in the format of the MISP warninglists."""

import json
from ipaddress import ip_network
from typing import Any

import pytest

from indicators.allowlists import builtin, warninglist
from indicators.allowlists.entries import entry
from indicators.allowlists.warninglist import InvalidList


def text_of(**members: Any) -> bytes:
    whole = {"name": "Ours", "type": "string", "version": 3, "description": "", "list": []}
    return json.dumps(whole | members).encode()


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (" 198.51.100.7 ", "198.51.100.7"),
        ("198.51.100.7/24", "198.51.100.0/24"),
        ("2001:DB8::/32", "2001:db8::/32"),
        ("WWW.A.Example.", "www.a.example"),
        (".a.example", "a.example"),
        ("as64500", "AS64500"),
        ("AS64512-AS65534", "AS64512-AS65534"),
        ("AS64512-65534", "AS64512-AS65534"),
    ],
)
def test_an_entry_is_read_from_what_people_write(text: str, written: str) -> None:
    assert str(entry(text)) == written


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "no address"),
        ("a b", "no address"),
        ("https://a.example/", "not an IPv6 address"),
        ("198.51.100.300", "over 255"),
        ("198.51.100.0/33", "32 bits"),
        ("64500", "not an IPv4 address"),
        ("AS4294967296", "2\\^32"),
        ("AS64501-AS64500", "not after its last"),
        ("*.a.example", "no address"),
        ("d41d8cd98f00b204e9800998ecf8427e@", "no address"),
    ],
)
def test_what_is_no_entry_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        entry(text)


def test_a_cidr_list_holds_networks_only() -> None:
    read = warninglist.read(
        text_of(type="cidr", list=["198.51.100.0/24", "2001:db8::1", "a.example", "AS64500", 7])
    )

    assert [str(one) for one in read.entries] == ["198.51.100.0/24", "2001:db8::1"]
    assert [sentence.partition(":")[0] for sentence in read.refused] == ["list/2", "list/3", "list/4"]
    assert "'a.example'" in read.refused[0]


def test_a_hostname_covers_what_is_below_it_and_a_string_only_itself() -> None:
    (host,) = warninglist.read(text_of(type="hostname", list=["a.example"])).entries
    (string,) = warninglist.read(text_of(type="string", list=["a.example"])).entries

    assert (host.domain, host.subdomains) == ("a.example", True)
    assert (string.domain, string.subdomains) == ("a.example", False)


def test_a_string_may_be_an_address_or_an_as_number() -> None:
    read = warninglist.read(text_of(list=["AS64500", "198.51.100.7", "A.example", "a.example"]))

    assert [str(one) for one in read.entries] == ["AS64500", "198.51.100.7", "a.example"]


@pytest.mark.parametrize(
    "text", ["'; DROP", "d41d8cd98f00b204e9800998ecf8427e", "a@a.example", "https://a.example/", "64500"]
)
def test_any_other_string_is_named_and_the_rest_is_taken(text: str) -> None:
    read = warninglist.read(text_of(list=["a.example", text, "b.example"]))

    assert len(read.entries) == 2
    assert read.refused[0].startswith(f"list/1: {text!r}")


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"type": "regex"}, "type: 'regex' cannot be applied"),
        ({"type": "substring"}, "type: 'substring' cannot be applied"),
        ({"type": ["cidr"]}, "type: "),
        ({"type": None}, "type: "),
        ({"name": " "}, "name: "),
        ({"name": 5}, "name: "),
        ({"name": "x" * 201}, "name: "),
        ({"version": "3"}, "version: "),
        ({"version": True}, "version: "),
        ({"version": -1}, "version: "),
        ({"description": []}, "description: "),
        ({"list": "198.51.100.7"}, "list: "),
        ({"list": None}, "list: "),
    ],
)
def test_a_file_that_is_no_list_is_refused_by_the_name_of_the_member(
    members: dict[str, Any], says: str
) -> None:
    with pytest.raises(InvalidList, match=says):
        warninglist.read(text_of(**members))


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b'{"list": [}', b"\xff", b"null", b"[" * 100_000])
def test_a_file_that_is_no_json_object_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidList):
        warninglist.read(raw)


def test_matching_attributes_are_allowed() -> None:
    assert warninglist.read(text_of(list=["a.example"], matching_attributes=["domain"])).refused == []


def test_the_service_brings_along_what_is_special_and_leaves_out_what_is_documentation() -> None:
    """Decision 0018."""
    entries = [one for each in builtin.LISTS for one, _ in each.entries]
    networks = [one.network for one in entries if one.network is not None]
    domains = {one.domain for one in entries if one.domain is not None}

    def covered(text: str) -> bool:
        asked = ip_network(text)
        return any(one.overlaps(asked) for one in networks if one.version == asked.version)

    for text in (
        "10.1.2.3",
        "172.31.0.0/16",
        "192.168.7.0/24",
        "100.127.255.255",
        "169.254.1.1",
        "127.0.0.53",
    ):
        assert covered(text), text
    for text in ("239.1.1.1", "255.255.255.255", "fe80::1", "fd12::/48", "::1", "ff02::fb", "::ffff:8.8.8.8"):
        assert covered(text), text
    for text in ("8.8.8.8", "8.8.4.4", "1.1.1.1", "1.0.0.1", "9.9.9.9", "149.112.112.112", "208.67.222.222"):
        assert covered(text), text
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20"):
        assert not covered(text), text
    assert {"dns.google", "one.one.one.one", "dns.quad9.net"} <= domains
    assert not any("example" in domain for domain in domains)


@pytest.mark.parametrize(
    ("number", "listed"),
    [
        *((number, True) for number in (0, 23456, 64512, 65534, 65535, 4200000000, 4294967294, 4294967295)),
        *((number, False) for number in (1, 64495, 64496, 64511, 65536, 65551, 65552, 4199999999)),
    ],
)
def test_private_as_numbers_are_listed_and_those_of_documentation_are_not(number: int, listed: bool) -> None:
    ranges = [
        (one.asn_first, one.asn_last)
        for each in builtin.LISTS
        for one, _ in each.entries
        if one.asn_first is not None and one.asn_last is not None
    ]

    assert any(first <= number <= last for first, last in ranges) is listed
