"""sharing.taxii.media_types (TAXII 2.1 §1.6.8, RFC 9110 §12.5.1, clients.md 1)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.taxii.errors import NotAcceptable, UnsupportedMediaType
from sharing.taxii.media_types import MEDIA_TYPE, check_accept, check_content_type

ACCEPTED = [
    None,
    "",
    "  ",
    ",",
    MEDIA_TYPE,
    "application/taxii+json",
    "application/taxii+json; version=2.1",
    "application/taxii+json ; version = 2.1",
    "application/taxii+json;\tversion=2.1",
    'application/taxii+json;version="2.1"',
    r'application/taxii+json;version="2\.1"',
    "APPLICATION/TAXII+JSON;VERSION=2.1",
    "application/taxii+json;",
    "application/taxii+json;;version=2.1",
    "application/taxii+json;charset=utf-8;version=2.1",
    "application/taxii+json;version=2.1;charset=utf-8",
    "application/taxii+json;version=2.1;q=0.1",
    "application/taxii+json;q=0.001;version=2.1",
    "application/taxii+json;version=2.1;q=1.000",
    "application/taxii+json;Q=0.5",
    "*/*",
    "*",
    "application/*",
    "*/*;q=0.1",
    "text/html, image/gif, *; q=.2, */*; q=.2",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "application/json, application/taxii+json;version=2.1",
    "application/taxii+json;version=2.1,application/stix+json;version=2.1",
    "application/taxii+json;version=2.0, application/taxii+json;version=2.1",
    "application/taxii+json;version=2.0, */*;q=0.1",
    "application/vnd.oasis.taxii+json;version=2.0, application/taxii+json",
    "application/taxii+json;q=0, application/taxii+json;version=2.1",
    "*/*;q=0, application/taxii+json",
    "application/*;q=0, application/taxii+json;version=2.1;q=0.3",
    ", ,application/taxii+json",
    "rubbish, application/taxii+json",
    'text/plain;note="a,b;c", application/taxii+json',
    "application/json;q=1, application/taxii+json;q=0.2",
]

REFUSED = [
    "application/json",
    "application/stix+json;version=2.1",
    "application/taxii+json;version=2.0",
    "application/taxii+json;version=2",
    "application/taxii+json;version=2.10",
    "application/taxii+json;version=3.0",
    "application/taxii+json;version=",
    "application/taxii+json;version=''",
    "application/taxii+json;version=2.1;version=2.0",
    "application/taxii+json;version",
    "application/vnd.oasis.taxii+json;version=2.0",
    "application/vnd.oasis.taxii+json",
    "application/taxii",
    "application/taxii+xml",
    "application/xml",
    "text/html",
    "text/*",
    "*/json",
    "*/taxii+json",
    "application/taxii+json;version=2.1;q=0",
    "application/taxii+json;q=0.000",
    "application/taxii+json;version=2.1;q=0, */*",
    "application/taxii+json;q=0, */*;q=1",
    "application/*;q=0, */*",
    "*/*;q=0",
    "application/taxii+json;q=abc",
    "application/taxii+json;q=2",
    "application/taxii+json;q=-1",
    "application/taxii+json;q=",
    "application/taxii+json version=2.1",
    "application",
    "/",
    "application/",
    "/taxii+json",
    ";;;",
    '"',
    '"application/taxii+json"',
    'application/taxii+json;version="2.1',
    "application/taxii+json\x00",
    "äpplication/taxii+json",
    "application/taxii+json/2.1",
    "x" * 100_000,
    '"\\' * 50_000,
]


@pytest.mark.parametrize("header", ACCEPTED)
def test_an_accept_header_that_admits_taxii_2_1_is_served(header: str | None) -> None:
    check_accept(header)


@pytest.mark.parametrize("header", REFUSED)
def test_an_accept_header_that_does_not_admit_it_is_406(header: str) -> None:
    with pytest.raises(NotAcceptable):
        check_accept(header)


@pytest.mark.parametrize(
    "header",
    [
        MEDIA_TYPE,
        "application/taxii+json",
        "application/taxii+json;",
        "application/taxii+json; version=2.1",
        " application/taxii+json ;version=2.1 ",
        'application/taxii+json;version="2.1"',
        "Application/Taxii+Json;Version=2.1",
        "application/taxii+json;version=2.1;charset=utf-8",
        'application/taxii+json; charset="UTF-8"; version=2.1',
        "application/taxii+json;version=2.1;version=2.1",
    ],
)
def test_a_body_of_taxii_2_1_or_of_no_version_is_read(header: str) -> None:
    check_content_type(header)


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        " ",
        ",",
        "*/*",
        "application/*",
        "application/json",
        "application/stix+json;version=2.1",
        "application/vnd.oasis.taxii+json;version=2.0",
        "application/vnd.oasis.stix+json",
        "application/taxii+json;version=2.0",
        "application/taxii+json;version=2.2",
        "application/taxii+json;version=",
        "application/taxii+json;version",
        "application/taxii+json;version=2.1;version=2.0",
        "application/taxii+json,application/taxii+json",
        "application/taxii+json;version=2.1,application/json",
        "application/taxii+json;version=2.1,",
        "application/taxii+json;charset=latin-1",
        "application/taxii+xml",
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        'application/taxii+json;version="2.1',
        "garbage",
        "application/taxii+json;" + "x" * 100_000,
    ],
)
def test_any_other_content_type_is_415(header: str | None) -> None:
    with pytest.raises(UnsupportedMediaType):
        check_content_type(header)


@given(st.text(alphabet=st.sampled_from('ap/*+;,="\\ \tq0.12versiontaxjson\x00é'), max_size=80))
def test_no_header_raises_anything_else(header: str) -> None:
    for check, refusal in ((check_accept, NotAcceptable), (check_content_type, UnsupportedMediaType)):
        with suppress(refusal):
            check(header)


@given(
    st.lists(st.sampled_from(["text/html", "a/b;q=0.3", "application/json", "x", ""]), max_size=4),
    st.integers(0, 4),
    st.sampled_from(["", ";q=0.4", "; q=1", ";x=y;q=.1"]),
)
def test_taxii_is_found_anywhere_in_a_list(others: list[str], place: int, weight: str) -> None:
    others.insert(place, MEDIA_TYPE + weight)
    check_accept(",".join(others))
