"""Who is asking (§1.6.9, §8.2.2, RFC 9110 §11, RFC 7617, RFC 6750; clients.md 9 and 10)."""

import base64

import pytest

from tests.conformance import stix
from tests.conformance.client import Client, assert_error, assert_taxii, basic
from tests.conformance.conftest import ENDPOINTS
from tests.world import Token, World

REQUESTS = {name: ("GET", target) for name, target in ENDPOINTS.items()} | {
    "add objects": ("POST", "{exchange}objects/"),
    "delete an object": ("DELETE", "{exchange}objects/{object}/"),
}
BAD = {
    "none": None,
    "empty": "",
    "scheme only": "Basic",
    "scheme and space": "Basic ",
    "unknown user": basic("nobody", "nothing"),
    "wrong secret": "Basic {wrong}",
    "secret cut short": "Basic {short}",
    "another's id": "Basic {crossed}",
    "empty user and password": basic("", ""),
    "no colon": "Basic " + base64.b64encode(b"nocolon").decode(),
    "not base64": "Basic !!!!",
    "base64 cut short": "Basic YTpi=",
    "base64 of no UTF-8": "Basic " + base64.b64encode(b"\xff\xfe:\xff").decode(),
    "base64 with NUL": "Basic " + base64.b64encode(b"a\x00:b\x00").decode(),
    "two tokens": "Basic YTpi YTpi",
    "no scheme": "YTpi",
    "bearer of nothing": "Bearer",
    "bearer of rubbish": "Bearer rubbish",
    "bearer of a wrong token": "Bearer {wrong-token}",
    "token of rubbish": "Token rubbish",
    "another scheme": "Negotiate YTpi",
    "digest": 'Digest username="a", realm="b", nonce="c", uri="/", response="d"',
    "not ASCII": "Basic \xff\xfe",
    "very long": "Bearer " + "x" * 4_000,
}
GOOD = {
    "Basic": "Basic {basic}",
    "basic in lower case": "basic {basic}",
    "BASIC in upper case": "BASIC {basic}",
    "Bearer": "Bearer {secret}",
    "bearer in lower case": "bearer {secret}",
    "Token": "Token {secret}",
    "token in lower case": "token {secret}",
}


def _encoded(user: str, password: str) -> str:
    return basic(user, password).removeprefix("Basic ")


def _fill(template: str | None, token: Token, other: Token) -> str | None:
    if template is None:
        return None
    wrong = token.secret[:-1] + ("A" if token.secret[-1] != "A" else "B")
    for name, value in {
        "{basic}": _encoded(token.id, token.secret),
        "{secret}": token.secret,
        "{wrong}": _encoded(token.id, wrong),
        "{short}": _encoded(token.id, token.secret[:-1]),
        "{crossed}": _encoded(other.id, token.secret),
        "{wrong-token}": wrong,
    }.items():
        template = template.replace(name, value)
    return template


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("credentials", BAD)
def test_bad_credentials_are_challenged_at_every_endpoint(
    anonymous: Client, lab_a: Client, lab_b: Client, places: dict[str, str], name: str, credentials: str
) -> None:
    """§1.6.9: 401 with WWW-Authenticate regardless of the method; §5.1 to §5.8: 401 or 404; ours is 401."""
    assert lab_a.token is not None
    assert lab_b.token is not None
    method, target = REQUESTS[name]
    body = b'{"objects":[]}' if method == "POST" else None
    authorization = _fill(BAD[credentials], lab_a.token, lab_b.token)
    answer = anonymous.request(method, target.format(**places), {"Authorization": authorization}, body)
    assert_error(answer, 401)
    challenge = answer.headers["WWW-Authenticate"]
    assert challenge.lower().startswith("basic realm=")
    assert "Location" not in answer.headers


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("credentials", GOOD)
def test_basic_bearer_and_token_are_taken_without_regard_to_case(
    anonymous: Client, lab_a: Client, places: dict[str, str], name: str, credentials: str
) -> None:
    """§8.2.2 no. 5 (Basic), RFC 9110 §11.1 (schemes have no case), clients.md 9 (Bearer, Token)."""
    assert lab_a.token is not None
    authorization = _fill(GOOD[credentials], lab_a.token, lab_a.token)
    assert_taxii(anonymous.get(ENDPOINTS[name].format(**places), {"Authorization": authorization}))


@pytest.mark.parametrize(
    "target",
    [
        "{root}collections/00000000-0000-4000-8000-000000000000/",
        "/taxii2/no-such-community/",
        "{root}status/x/",
    ],
)
def test_without_credentials_nobody_learns_what_exists(
    anonymous: Client, places: dict[str, str], target: str
) -> None:
    """§1.6.9: the same 401 for what is there and what is not."""
    assert_error(anonymous.get(target.format(**places)), 401)


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD", "POST", "DELETE"])
def test_a_method_that_is_not_there_is_challenged_too(
    anonymous: Client, places: dict[str, str], method: str
) -> None:
    """§1.6.9: "regardless of HTTP method"; a 405 gives nothing away either."""
    answer = anonymous.request(method, ENDPOINTS["collection"].format(**places))
    assert answer.status in (401, 405)
    assert answer.status == 405 or answer.headers["WWW-Authenticate"]


@pytest.mark.parametrize("name", ENDPOINTS)
def test_the_outsider_sees_nothing_of_the_community(
    outsider: Client, places: dict[str, str], name: str
) -> None:
    """§4.2 to §5.8: 404 for who has no access (clients.md 10)."""
    if name != "discovery":
        assert_error(outsider.get(ENDPOINTS[name].format(**places)), 404)


@pytest.mark.parametrize("alias", ["exchange", "amber", "green", "green-core"])
@pytest.mark.parametrize(
    "rest", ["", "manifest/", "objects/", "objects/{object}/", "objects/{object}/versions/"]
)
def test_the_outsider_sees_no_collection_by_id_or_alias(
    outsider: Client, world: World, places: dict[str, str], alias: str, rest: str
) -> None:
    """clients.md 10: a collection that may not be seen answers as an unknown one."""
    identifier = world.collection(alias)
    unknown = outsider.get(f"{places['root']}collections/nothing/{rest}".format(**places))
    for name in (identifier, alias):
        answer = outsider.get(f"{places['root']}collections/{name}/{rest}".format(**places))
        error = assert_error(answer, 404)
        assert error["title"] == unknown.json()["title"]


def test_the_outsider_cannot_write_or_delete(outsider: Client, lab_a: Client, places: dict[str, str]) -> None:
    """§5.5, §5.7 (can_read and can_write false: 404)."""
    one = stix.campaign()
    assert_error(outsider.post(ENDPOINTS["objects"].format(**places), {"objects": [one]}), 404)
    assert_error(outsider.delete(ENDPOINTS["object"].format(**places)), 404)
    assert_taxii(lab_a.get(ENDPOINTS["object"].format(**places)))
    assert_error(lab_a.get(f"{places['exchange']}objects/{one['id']}/"), 404)


def test_who_may_only_read_cannot_write(lab_b: Client, places: dict[str, str]) -> None:
    """§5.5: can_write false gives 403 or 404; 403 where reading is allowed."""
    assert_error(lab_b.post(ENDPOINTS["objects"].format(**places), {"objects": [stix.campaign()]}), 403)


def test_who_may_only_read_cannot_delete(lab_b: Client, lab_a: Client, places: dict[str, str]) -> None:
    """§5.7, table: can_read true and can_write false is 403."""
    assert_error(lab_b.delete(ENDPOINTS["object"].format(**places)), 403)
    assert_taxii(lab_a.get(ENDPOINTS["object"].format(**places)))


@pytest.mark.parametrize("alias", ["amber", "green", "green-core"])
def test_nobody_writes_to_a_feed(lab_a: Client, world: World, root: str, alias: str) -> None:
    """§5.5, §5.7: the feeds' can_write is false."""
    feed = f"{root}collections/{world.collection(alias)}/"
    one = stix.campaign()
    assert_error(lab_a.post(f"{feed}objects/", {"objects": [one]}), 403)
    assert_error(lab_a.delete(f"{feed}objects/{one['id']}/"), 403)


@pytest.mark.parametrize("rest", ["", "manifest/", "objects/"])
def test_an_inbox_is_its_owners_alone(lab_a: Client, lab_b: Client, inbox: str, rest: str) -> None:
    """interface.md: it alone reads it; clients.md 10: for others it is not there."""
    assert_taxii(lab_a.get(inbox + rest))
    assert_error(lab_b.get(inbox + rest), 404)


def test_credentials_in_the_url_are_not_taken(anonymous: Client, lab_a: Client) -> None:
    """RFC 6750 §5.3: a token in a query would stand in logs."""
    assert lab_a.token is not None
    assert_error(anonymous.get(f"/taxii2/?access_token={lab_a.token.secret}&token={lab_a.token.secret}"), 401)
