"""Content negotiation (§1.6.8, §3.1; RFC 9110 §8.3 and §12.5.1; clients.md 1)."""

import json

import pytest

from tests.conformance import stix
from tests.conformance.client import TAXII, Client, assert_error, assert_taxii
from tests.conformance.conftest import ENDPOINTS

COMMON = [
    None,
    "",
    "*/*",
    "application/*",
    "application/taxii+json",
    "application/taxii+json; version=2.1",
    "application/taxii+json;version=2.1,application/stix+json;version=2.1",
    "application/json;q=0.9, application/taxii+json;version=2.1;q=0.1",
]
MORE = [
    "APPLICATION/TAXII+JSON;VERSION=2.1",
    "Application/Taxii+Json",
    "application/taxii+json ;version=2.1",
    "application/taxii+json;\tversion=2.1",
    'application/taxii+json;version="2.1"',
    "application/taxii+json;",
    "application/taxii+json;q=0.5",
    "application/taxii+json;q=0.001",
    "application/taxii+json;q=1.000",
    "application/taxii+json;version=2.1;q=0.5",
    "application/taxii+json;q=0.5;version=2.1",
    "application/taxii+json; q=0.5; version=2.1",
    "application/taxii+json;charset=utf-8;version=2.1",
    "application/taxii+json;version=2.1;charset=utf-8",
    "application/taxii+json;version=2.0, application/taxii+json;version=2.1",
    "application/taxii+json;version=2.0;q=1, */*;q=0.1",
    "application/vnd.oasis.taxii+json;version=2.0,application/taxii+json;version=2.1",
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
    "text/html, image/gif, *; q=.2, */*; q=.2",
    "application/json, text/plain, */*",
    "text/plain,application/*;q=0.2",
    "application/taxii+json;q=0, application/taxii+json;version=2.1",
    "*/*;q=0, application/taxii+json;version=2.1",
    "application/*;q=0, application/taxii+json",
    ",application/taxii+json;version=2.1,",
    " , application/taxii+json",
    'text/plain;note="a,b;c", application/taxii+json',
    "rubbish, application/taxii+json",
]
REFUSED_COMMON = [
    "application/taxii+json;version=2.0",
    "application/vnd.oasis.taxii+json;version=2.0",
    "text/html",
    "application/taxii+json;version=2.1;q=0",
]
REFUSED_MORE = [
    "application/xml",
    "text/*",
    "image/png, text/plain;q=0.5",
    "application/json",
    "application/stix+json;version=2.1",
    "application/taxii+json;version=3.0",
    "application/taxii+json;version=1.1",
    "application/taxii+json;version=2",
    "application/taxii+json;version=2.10",
    "application/taxii+json;version=",
    "application/taxii+json;version=latest",
    'application/taxii+json;version="2.0"',
    "application/taxii+json;q=0",
    "application/taxii+json;q=0.000",
    "*/*;q=0",
    "application/taxii+json;version=2.1;q=0, */*",
    "application/taxii+json;q=0, application/*",
    "application/vnd.oasis.taxii+json",
    "application/taxii",
    "application/taxii+xml",
    "taxii+json",
    "application/",
    "/",
    ";;;",
    ";version=2.1",
    '"',
    'application/taxii+json;version="2.1',
]

CONTENT_TYPES = [
    TAXII,
    "application/taxii+json",
    "application/taxii+json;",
    "application/taxii+json; version=2.1",
    "application/taxii+json ; version=2.1",
    'application/taxii+json;version="2.1"',
    "Application/TAXII+JSON;Version=2.1",
    "application/taxii+json;version=2.1;charset=utf-8",
    "application/taxii+json; charset=UTF-8; version=2.1",
]
WRONG_CONTENT_TYPES = [
    None,
    "",
    "*/*",
    "application/*",
    "application/json",
    "application/json; charset=utf-8",
    "application/stix+json;version=2.1",
    "application/stix+json",
    "application/vnd.oasis.stix+json;version=2.0",
    "application/vnd.oasis.taxii+json;version=2.0",
    "application/taxii+json;version=2.0",
    "application/taxii+json;version=2.2",
    "application/taxii+json;version=",
    "application/taxii+json;version=2.1;version=2.0",
    "application/taxii+json;version=2.1, application/taxii+json;version=2.1",
    "application/taxii+json;version=2.1,application/json",
    "application/taxii+xml",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "text/plain",
    "text/html",
    "garbage",
    ";",
    "appl\xefcation/taxii+json",
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("accept", COMMON)
def test_every_endpoint_serves_what_admits_taxii(
    lab_a: Client, places: dict[str, str], endpoint: str, accept: str | None
) -> None:
    """§3.1: media types defined for an endpoint MUST NOT give 406; clients.md 1 on the rest."""
    assert_taxii(lab_a.get(ENDPOINTS[endpoint].format(**places), {"Accept": accept}))


@pytest.mark.parametrize("accept", MORE)
@pytest.mark.parametrize("endpoint", ["discovery", "objects"])
def test_every_spelling_of_accept_that_admits_taxii_is_served(
    lab_a: Client, places: dict[str, str], endpoint: str, accept: str
) -> None:
    """§1.6.8.2, RFC 9110 §12.5.1: lists, weights, parameters in any order, case and spacing."""
    assert_taxii(lab_a.get(ENDPOINTS[endpoint].format(**places) + "?limit=1", {"Accept": accept}))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("accept", REFUSED_COMMON)
def test_every_endpoint_refuses_what_it_cannot_serve(
    lab_a: Client, places: dict[str, str], endpoint: str, accept: str
) -> None:
    """§4.1 to §5.8: 406 where the media type in Accept is invalid, with an error resource."""
    assert_error(lab_a.get(ENDPOINTS[endpoint].format(**places), {"Accept": accept}), 406)


@pytest.mark.parametrize("accept", REFUSED_MORE)
@pytest.mark.parametrize("endpoint", ["discovery", "objects"])
def test_an_accept_header_that_admits_nothing_is_406(
    lab_a: Client, places: dict[str, str], endpoint: str, accept: str
) -> None:
    """RFC 9110 §12.5.1: the most specific range decides, a weight of 0 excludes; rubbish is no 500."""
    assert_error(lab_a.get(ENDPOINTS[endpoint].format(**places), {"Accept": accept}), 406)


@pytest.mark.parametrize("accept", REFUSED_COMMON)
def test_a_post_whose_answer_would_not_be_accepted_stores_nothing(
    lab_a: Client, exchange: str, accept: str
) -> None:
    """§5.5: 406 comes before the objects are taken."""
    one = stix.campaign()
    assert_error(lab_a.post(f"{exchange}objects/", {"objects": [one]}, {"Accept": accept}), 406)
    assert_error(lab_a.get(f"{exchange}objects/{one['id']}/"), 404)


@pytest.mark.parametrize("accept", [None, "", "*/*", "application/taxii+json", "text/html, */*;q=0.1"])
def test_a_post_is_taken_whatever_way_the_answer_is_accepted(
    lab_a: Client, exchange: str, accept: str | None
) -> None:
    """§5.5, clients.md 1."""
    envelope = {"objects": [stix.campaign()]}
    assert_taxii(lab_a.post(f"{exchange}objects/", envelope, {"Accept": accept}), 202)


@pytest.mark.parametrize("accept", REFUSED_COMMON)
def test_a_delete_whose_answer_would_not_be_accepted_deletes_nothing(
    lab_a: Client, places: dict[str, str], accept: str
) -> None:
    """§5.7: 406."""
    target = ENDPOINTS["object"].format(**places)
    assert_error(lab_a.request("DELETE", target, {"Accept": accept}), 406)
    assert_taxii(lab_a.get(target))


@pytest.mark.parametrize("content_type", CONTENT_TYPES)
def test_a_post_of_taxii_2_1_is_read(lab_a: Client, exchange: str, content_type: str) -> None:
    """§3.1: a Content-Type defined for the endpoint MUST NOT give 415."""
    envelope = {"objects": [stix.campaign()]}
    assert_taxii(lab_a.post(f"{exchange}objects/", envelope, {"Content-Type": content_type}), 202)


@pytest.mark.parametrize("content_type", WRONG_CONTENT_TYPES)
def test_a_post_of_anything_else_is_415_and_stores_nothing(
    lab_a: Client, exchange: str, content_type: str | None
) -> None:
    """§5.5: 415 for a content type that is not supported (clients.md 1)."""
    one = stix.campaign()
    headers = {"Content-Type": content_type}
    assert_error(lab_a.post(f"{exchange}objects/", {"objects": [one]}, headers), 415)
    assert_error(lab_a.get(f"{exchange}objects/{one['id']}/"), 404)


@pytest.mark.parametrize("content_type", ["application/json", "text/html", "garbage", "", TAXII])
@pytest.mark.parametrize("endpoint", ["discovery", "collections", "objects", "manifest"])
def test_the_content_type_of_a_get_does_not_matter(
    lab_a: Client, places: dict[str, str], endpoint: str, content_type: str
) -> None:
    """clients.md 1: OpenCTI and others send one with a GET."""
    assert_taxii(lab_a.get(ENDPOINTS[endpoint].format(**places), {"Content-Type": content_type}))


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    "encoding", ["gzip", "gzip, deflate, br, zstd", "identity", "*", "identity;q=0, gzip", "x"]
)
def test_an_accept_encoding_is_no_obstacle(
    lab_a: Client, places: dict[str, str], endpoint: str, encoding: str
) -> None:
    """RFC 9110 §12.5.3: what cannot be encoded so goes out as it is."""
    answer = lab_a.get(ENDPOINTS[endpoint].format(**places), {"Accept-Encoding": encoding})
    assert answer.status == 200
    assert answer.media_type == TAXII
    if answer.headers["Content-Encoding"] is None:
        answer.json()


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_answers_are_utf_8_json_with_their_length(
    lab_a: Client, places: dict[str, str], endpoint: str
) -> None:
    """§1.6.7: UTF-8, no byte order mark, one JSON object."""
    answer = lab_a.get(ENDPOINTS[endpoint].format(**places))
    assert isinstance(json.loads(answer.body.decode("utf-8")), dict)
    assert answer.headers["Content-Length"] in (None, str(len(answer.body)))


@pytest.mark.parametrize("agent", [None, "", "x" * 500, "Mozilla/5.0"])
def test_the_user_agent_does_not_matter(lab_a: Client, exchange: str, agent: str | None) -> None:
    """§8.2.1: a valid request without User-Agent SHOULD NOT be rejected."""
    assert_taxii(lab_a.get(f"{exchange}objects/?limit=1", {"User-Agent": agent}))
