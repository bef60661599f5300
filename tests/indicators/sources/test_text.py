"""Free text: the values in it are found however they were defanged, and what is doubtful says why."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.sources import csv, single
from indicators.sources.text import Found, extract
from tests.indicators.sources.senders import Sender, patterns

LETTER = """\
The cluster moved to hxxps://api[.]relay-seller[.]com/v1/chat, on 2026-10-03 at 12:30:45 (see 5.1).
Exits: 8[.]8[.]4[.]4, 9.9.9.9:8443; 2606:4700[:]4700::1111 and the block 45.76.0.0/16. AS3333, ASN 15169.
relay(.)evil(.)com cdn[dot]bad-host dot net "тест[.]рф" www.relay.co.uk/login
sha256: {sha256}
The loader is update.exe, written in config.py. Sold by buyer[at]mail[.]com, e.g. for v1.2.3.4 and version 1.2.3.5.
""".format(sha256="3A7BD3E2360A3D29EEA436FCFB7E44C735D117C42D1C1835420B6B9942DD4F1B")


def found(text: str) -> dict[str, Found]:
    return {one.value: one for one in extract(text)}


def test_the_values_of_a_letter_are_found_and_nothing_else() -> None:
    assert [(one.kind, one.value) for one in extract(LETTER)] == [
        ("url", "https://api.relay-seller.com/v1/chat"),
        ("ipv4-addr", "8.8.4.4"),
        ("ipv4-addr", "9.9.9.9"),
        ("ipv6-addr", "2606:4700:4700::1111"),
        ("ipv4-addr", "45.76.0.0/16"),
        ("autonomous-system", "3333"),
        ("autonomous-system", "15169"),
        ("domain-name", "relay.evil.com"),
        ("domain-name", "cdn.bad-host.net"),
        ("domain-name", "xn--e1aybc.xn--p1ai"),
        ("domain-name", "www.relay.co.uk"),
        ("file-sha256", "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b"),
        ("domain-name", "config.py"),
        ("email-addr", "buyer@mail.com"),
        ("ipv4-addr", "1.2.3.5"),
    ]


def test_each_says_where_and_how_it_was_written() -> None:
    values = found(LETTER)

    assert (values["8.8.4.4"].as_written, values["8.8.4.4"].line, values["8.8.4.4"].column) == (
        *("8[.]8[.]4[.]4", 2, 8),
    )
    assert values["cdn.bad-host.net"].as_written == "cdn[dot]bad-host dot net"


@pytest.mark.parametrize(
    "written",
    [
        "https://relay.evil.com/x",
        "hxxps://relay.evil.com/x",
        "hXXps://relay[.]evil[.]com/x",
        "h**ps://relay(.)evil(.)com/x",
        "https[:]//relay{.}evil{.}com/x",
        "hxxps[://]relay[dot]evil[dot]com/x",
        "https:[/][/]relay.evil.com/x",
        "<hxxps://relay.evil[.]com/x>",
        '"hxxps://relay.evil[.]com/x".',
        "(hxxps://relay.evil[.]com/x)",
        "[the report](https://relay.evil.com/x)!",
        "hxxps://relay\\.evil\\.com/x",
    ],
)
def test_every_common_way_to_defang_a_url_is_undone(written: str) -> None:
    assert [one.value for one in extract(f"See {written} for it")] == ["https://relay.evil.com/x"]


@pytest.mark.parametrize(
    ("text", "doubt"),
    [
        ("run config.py", "file name"),
        ("See README.md", "file name"),
        ("version 4.8.15.16", "version number"),
        ("firmware: 4.8.15.16", "version number"),
        ("at 192.168.1.1", "private address"),
        ("at 127.0.0.1", "loopback"),
        ("at 192.0.2.1", "for documentation"),
        ("at 2001:db8::1", "for documentation"),
        ("at fe80::1", "link-local"),
        ("at 224.0.0.1", "multicast"),
        ("the whole 0.0.0.0/1", "very large"),
        ("relay.example here", "documentation, tests"),
        ("www.example.com here", "documentation, tests"),
        ("http://localhost/ here", "documentation, tests"),
        ("http://10.0.0.1/ here", "private address"),
        ("http://intranet/ here", "no name that can be registered"),
        ("AS64500", "private use or documentation"),
        ("It ended.In time", "end of a sentence"),
        ("call time.is(3)", "code"),
        ("connect the dot com", "prose"),
        ("commit da39a3ee5e6b4b0d3255bfef95601890afd80701", "commit"),
        ("d41d8cd98f00b204e9800998ecf8427e", "empty file"),
        ("a" * 64, "placeholder"),
        ("relay.evil.com/login", "a path follows"),
    ],
)
def test_what_is_likely_no_indicator_says_why(text: str, doubt: str) -> None:
    (one,) = extract(text)

    assert doubt in one.doubt
    assert one.is_taken


@pytest.mark.parametrize(
    "text", ["config[.]py", "www.config.py", "hxxp://192[.]168.1.1.evil.com/", "ver.di 4[.]8[.]15[.]16"]
)
def test_what_somebody_defanged_is_meant(text: str) -> None:
    assert [one.doubt for one in extract(text) if one.value != "ver.di"] == [""]


def test_an_email_address_is_shown_as_what_is_not_taken() -> None:
    for written in ("jo.bloggs@mail.com", "jo[at]mail[.]com", "jo(@)mail(dot)com"):
        (one,) = extract(f"from {written}.")

        assert (one.kind, one.is_taken) == ("email-addr", False)
        assert "personal data" in one.doubt


@pytest.mark.parametrize(
    "text",
    [
        "update.exe, e.g. i.e. etc. at 12:30:45 on 2026.10.03, std::vector, 1.2.3 and 1.2.3.4.5",
        "999.1.1.1 and 01.02.03.04, co.uk, foo.notatld, as 2026, gas 64500, a:b:c",
        "0123456789abcdef0123456789abcdef0 is one digit too long",
        "", "\n\n",
    ],
)  # fmt: skip
def test_what_only_looks_like_a_value_is_not_found(text: str) -> None:
    assert extract(text) == []


def test_a_value_stands_once_and_is_beyond_doubt_if_it_is_so_anywhere() -> None:
    (one,) = extract("config.py and\nCONFIG[.]py and config.py")

    assert (one.times, one.line, one.doubt) == (3, 1, "")


def test_what_an_analyst_confirms_is_a_csv_file() -> None:
    confirmed = [one for one in extract(LETTER) if one.is_taken]
    rows = [[one.value, one.kind, "green"] for one in confirmed]
    body = csv.table([["value", "type", "tlp"], *rows])

    items = Sender(csv.split, csv.items).send(body.encode())

    assert patterns(items) == [single.pattern(single.KINDS[one.kind], one.value) for one in confirmed]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "a.",
        "1.",
        "a[.",
        "http://",
        "a@",
        "a@a.",
        ":",
        "0:",
        "a dot ",
        "[",
        "a-",
        "1.1.1.1",
        "0",
        "[.]",
        "(",
        "\n",
    ],
)
def test_the_time_grows_as_the_text_does(unit: str) -> None:
    # Quadratic, each of these would take minutes.
    assert len(extract(unit * (200_000 // len(unit)))) < 10
    assert len(extract("http://a" + unit * (100_000 // len(unit)))) < 40


@settings(max_examples=200)
@given(
    st.lists(
        st.one_of(
            st.sampled_from(
                ["hxxp://", "[.]", ".", "com", "evil", " dot ", "@", "[at]", "1", "255", ":", "::", "/", "AS"]
            ),
            st.text(max_size=4),
        ),
        max_size=30,
    ).map("".join)
)
def test_whatever_the_text_what_is_found_is_in_normal_form(text: str) -> None:
    for one in extract(text):
        assert text.split("\n")[one.line - 1][one.column - 1 :].startswith(one.as_written.split("\n")[0])
        kind, again = single.normal(one.value, one.kind)
        assert (kind.name, again) == (one.kind, one.value)
