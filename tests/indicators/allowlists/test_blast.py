"""The blast radius: what is estimated of a value by its size, and by what the operator loaded."""

from ipaddress import ip_network

import pytest

from indicators.allowlists.blast import Estimate, Population, estimate, total
from indicators.allowlists.populations import InvalidPopulations, read
from indicators.allowlists.watched import Value

KINDS = ("cgnat", "vpn", "hosting")


def net(text: str) -> Value:
    return ip_network(text)


@pytest.mark.parametrize(
    ("value", "users"),
    [
        (net("203.0.113.7/32"), 4),
        (net("203.0.113.0/24"), 1024),
        (net("203.0.0.0/16"), 262_144),
        (net("2001:db8::1/128"), 4),
        (net("2001:db8::/64"), 4),
        (net("2001:db8::/56"), 4),
        (net("2001:db8::/48"), 1024),
        (net("2001:db8::/32"), 67_108_864),
        (64500, 70_000),
        ("a.example", 0),
    ],
)
def test_of_what_nothing_is_loaded_the_size_decides(value: Value, users: int) -> None:
    assert estimate(value).users == users


@pytest.mark.parametrize(
    ("value", "holder", "users"),
    [
        (net("203.0.113.7/32"), net("203.0.113.0/24"), 40),
        (net("203.0.113.0/24"), net("203.0.113.0/24"), 10_000),
        (net("203.0.113.0/25"), net("203.0.113.0/24"), 5_000),
        (net("2001:db8::1/128"), net("2001:db8::/48"), 1),
        (net("2001:db8::1/128"), net("2001:db8::/64"), 10_000),
        ("www.a.example", "a.example", 10_000),
        (64500, 64500, 10_000),
    ],
)
def test_a_part_of_what_is_loaded_has_its_share(value: Value, holder: Value, users: int) -> None:
    assert estimate(value, holder=Population(holder, 10_000, "cgnat")).users == users


def test_a_network_has_at_least_what_is_loaded_inside_it() -> None:
    found = estimate(
        net("203.0.113.0/24"), holder=Population(net("203.0.0.0/16"), 1, "hosting"), inside=90_000
    )

    assert (found.users, found.how) == (90_000, "the sum of the loaded populations inside it")


def test_an_indicator_counts_all_that_it_names() -> None:
    assert total([Estimate("a.example", 3, ""), Estimate(64500, 4, "")]) == 7
    assert str(estimate(net("203.0.113.7/32"))) == "203.0.113.7: 4 (one line)"


def test_a_file_of_populations_is_read() -> None:
    lines = (
        "value,users,kind,note",
        "203.0.113.0/24,90000,cgnat,A carrier",
        "AS64500,5,hosting,",
        "A.example,7,vpn,x",
    )
    rows = read("\ufeff{}\n".format("\n".join(lines)).encode(), kinds=KINDS)

    assert [row.population for row in rows] == [
        Population(net("203.0.113.0/24"), 90_000, "cgnat"),
        Population(64500, 5, "hosting"),
        Population("a.example", 7, "vpn"),
    ]
    assert rows[0].note == "A carrier"


@pytest.mark.parametrize(
    ("text", "saying"),
    [
        ("", "line 1: the column value is missing"),
        ("value,users\n", "line 1: the column kind is missing"),
        ("value,users,kind\nnothing here,1,vpn\n", "line 2: value: this is no address"),
        ("value,users,kind\nAS1-AS9,1,vpn\n", "line 2: value: one AS number, not a range"),
        ("value,users,kind\na.example,many,vpn\n", "line 2: users: a whole number"),
        ("value,users,kind\na.example,-1,vpn\n", "line 2: users: a whole number"),
        ("value,users,kind\na.example,1,boat\n", "line 2: kind: one of cgnat, vpn, hosting"),
        ("value,users,kind\na.example,1\n", "line 2: it has more or fewer cells"),
        ("value,users,kind\na.example,1,vpn,x,y\n", "line 2: it has more or fewer cells"),
        ("value,users,kind\na.example,1,vpn\nA.EXAMPLE,2,vpn\n", "line 3: value: A.EXAMPLE is named twice"),
        ('value,users,kind\n"a,1,vpn\n', "line"),
    ],
)
def test_a_file_that_cannot_be_loaded_says_where_and_why(text: str, saying: str) -> None:
    with pytest.raises(InvalidPopulations, match=saying):
        read(text.encode(), kinds=KINDS)


def test_a_file_that_is_no_text_says_so() -> None:
    with pytest.raises(InvalidPopulations, match="byte 0: the file is not UTF-8"):
        read(b"\xff\xfe", kinds=KINDS)
