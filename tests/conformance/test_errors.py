"""Errors, methods and spellings of URLs (§3.1, §3.6; clients.md 2 and 13)."""

import pytest

from tests.conformance import stix
from tests.conformance.client import TAXII, Client, assert_error, assert_taxii
from tests.conformance.conftest import ENDPOINTS
from tests.world import World

METHODS = {"objects": {"GET", "POST"}, "object": {"GET", "DELETE"}}
NOWHERE = [
    "/taxii2/{community}/nothing/",
    "/taxii2/{community}/collection/",
    "/taxii2/{community}/channels/",
    "{root}collections/{id}/nothing/",
    "{root}collections/{id}/object/",
    "{root}collections/{id}/objects/{object}/nothing/",
    "{root}collections/{id}/objects/{object}/versions/1/",
    "{root}collections/{id}/manifest/{object}/",
    "{root}status/{status}/more/",
    "{root}%2e%2e/",
    "{root}collections/%2e%2e/",
    "{root}collections/{id}/objects/%2e%2e/%2e%2e/",
    "{root}collections//",
    "{root}/collections/",
    "/taxii2//",
    "/taxii2/%00/",
    "/taxii2/%FF/",
    "{root}COLLECTIONS/",
    "/taxii2/{community}/collections/{id}/objects/" + "x" * 4_000 + "/",
]


def _fill(template: str, places: dict[str, str]) -> str:
    community = places["root"].split("/")[2]
    return template.format(**places, community=community, id=places["exchange"].rsplit("/", 2)[1])


@pytest.mark.parametrize("target", NOWHERE)
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_url_that_is_not_there_is_404_as_taxii(
    lab_a: Client, places: dict[str, str], target: str, method: str
) -> None:
    """§3.6: an error resource; clients.md 2: never HTML, never a redirect."""
    body = b'{"objects":[]}' if method == "POST" else None
    answer = lab_a.request(method, _fill(target, places), body=body)
    assert_error(answer, 400, 404, 405, 414)
    assert "Location" not in answer.headers
    if answer.status == 405:
        assert answer.headers["Allow"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "FOO"])
def test_a_method_that_is_not_there_is_405_and_names_those_that_are(
    lab_a: Client, places: dict[str, str], endpoint: str, method: str
) -> None:
    """RFC 9110 §15.5.6: Allow; §3.6: an error resource."""
    if method in METHODS.get(endpoint, {"GET"}):
        pytest.skip(f"{method} is there")
    body = b"{}" if method in ("POST", "PUT", "PATCH") else None
    answer = lab_a.request(method, ENDPOINTS[endpoint].format(**places), body=body)
    assert_error(answer, 405, 501)
    if answer.status == 405:
        allowed = {one.strip() for one in answer.headers["Allow"].split(",")}
        assert (
            METHODS.get(endpoint, {"GET"}) <= allowed <= METHODS.get(endpoint, {"GET"}) | {"HEAD", "OPTIONS"}
        )


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_head_is_get_without_a_body_or_405(lab_a: Client, places: dict[str, str], endpoint: str) -> None:
    """RFC 9110 §9.3.2; §3.1: no body in response to a HEAD request."""
    answer = lab_a.request("HEAD", ENDPOINTS[endpoint].format(**places))
    assert answer.status in (200, 405)
    assert answer.body == b""
    assert answer.media_type == TAXII
    assert answer.status == 200 or "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_options_names_the_methods(lab_a: Client, places: dict[str, str], endpoint: str) -> None:
    """RFC 9110 §9.3.7: with 200 or 204, or with a 405."""
    answer = lab_a.request("OPTIONS", ENDPOINTS[endpoint].format(**places))
    assert answer.status in (200, 204, 405)
    assert "GET" in answer.headers["Allow"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_a_url_without_its_final_slash_is_the_same(
    lab_a: Client, places: dict[str, str], endpoint: str
) -> None:
    """§3.1 asks clients for the slash; clients.md 2: served without it too, never redirected."""
    target = ENDPOINTS[endpoint].format(**places)
    with_slash, without = lab_a.get(target), lab_a.get(target.rstrip("/"))
    assert assert_taxii(without) == assert_taxii(with_slash)


@pytest.mark.parametrize("endpoint", ["objects", "manifest", "object", "versions"])
def test_filters_work_without_the_final_slash(lab_a: Client, places: dict[str, str], endpoint: str) -> None:
    """§3.1, clients.md 2."""
    target = ENDPOINTS[endpoint].format(**places)
    query = "?limit=1&added_after=2020-01-01T00:00:00Z"
    assert assert_taxii(lab_a.get(target.rstrip("/") + query)) == assert_taxii(lab_a.get(target + query))


def test_a_post_and_a_delete_work_without_the_final_slash(world: World, lab_a: Client, exchange: str) -> None:
    """clients.md 2: a redirect would turn a POST into a GET."""
    assert lab_a.token is not None
    one = stix.malware()
    status = assert_taxii(lab_a.post(f"{exchange}objects", {"objects": [one]}), 202)
    world.wait(status, lab_a.token)
    assert lab_a.delete(f"{exchange}objects/{one['id']}").status == 200


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_no_answer_is_a_page_for_browsers(lab_a: Client, places: dict[str, str], endpoint: str) -> None:
    """clients.md 2: never HTML, also for a browser's Accept."""
    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"
    answer = lab_a.get(ENDPOINTS[endpoint].format(**places), {"Accept": accept, "User-Agent": "Mozilla/5.0"})
    assert_taxii(answer)
    assert not answer.body.lstrip().startswith(b"<")


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_answers_are_not_kept_by_shared_caches_or_sniffed(
    lab_a: Client, places: dict[str, str], endpoint: str
) -> None:
    """RFC 9111 §3.5: what needs Authorization is not public."""
    answer = lab_a.get(ENDPOINTS[endpoint].format(**places))
    assert "public" not in (answer.headers["Cache-Control"] or "")
    assert "Set-Cookie" not in answer.headers


def test_each_error_has_an_id_of_its_own(lab_a: Client, exchange: str) -> None:
    """§3.6.1: error_id names this instance."""
    ids = {assert_error(lab_a.get(f"{exchange}objects/?limit=0"), 400)["error_id"] for _ in range(5)}
    assert len(ids) == 5


@pytest.mark.parametrize(
    "header",
    [
        {"X-HTTP-Method-Override": "DELETE"},
        {"X-Forwarded-Host": "evil.example"},
        {"X-Forwarded-Proto": "ftp"},
        {"Range": "items 0-10"},
        {"Range": "bytes=0-10"},
        {"If-None-Match": "*"},
        {"If-Modified-Since": "not a date"},
        {"Cookie": "sessionid=x; csrftoken=y"},
        {"Expect": "nothing"},
        {"Origin": "https://evil.example"},
    ],
    ids=lambda header: next(iter(header)) + " " + next(iter(header.values())),
)
@pytest.mark.parametrize("endpoint", ["discovery", "object"])
def test_a_stray_header_changes_nothing(
    lab_a: Client, places: dict[str, str], header: dict[str, str | None], endpoint: str
) -> None:
    """§3.2: only the headers named there have a meaning; TAXII 2.0's Range has none."""
    target = ENDPOINTS[endpoint].format(**places)
    answer = lab_a.get(target, header)
    assert answer.status in (200, 417)
    assert lab_a.get(target).status == 200
    assert b"evil.example" not in answer.body
