"""Collections (§5.1, §5.2; clients.md 10)."""

from typing import Any
from uuid import UUID

import pytest

from tests.conformance.client import Client, assert_error, assert_taxii
from tests.world import World

PROPERTIES = {
    "id": str,
    "title": str,
    "description": str,
    "alias": str,
    "can_read": bool,
    "can_write": bool,
    "media_types": list,
}
REST = ["", "manifest/", "objects/", "objects/{object}/", "objects/{object}/versions/"]
UNKNOWN = [
    "00000000-0000-4000-8000-000000000000",
    "91a7b528-80eb-42ed-a74d-c6fbd5a26116",
    "no-such-alias",
    "91a7b528-80eb-42ed-a74d",
    "91a7b52880eb42eda74dc6fbd5a26116x",
    "%7B91a7b528-80eb-42ed-a74d-c6fbd5a26116%7D",
    "urn:uuid:91a7b528-80eb-42ed-a74d-c6fbd5a26116",
    "0",
    "-1",
    "%20",
    "%00",
    "%2e%2e",
    "%C3%A9",
    "%FF",
    "'%20OR%201=1",
    "null",
    "a" * 1_000,
]


def _all(client: Client, root: str) -> list[Any]:
    return list(assert_taxii(client.get(f"{root}collections/"))["collections"])


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
def test_every_collection_has_what_the_text_requires(
    request: pytest.FixtureRequest, root: str, actor: str
) -> None:
    """§5.2.1; clients.md 10: titles are unique, without `.` or `,`."""
    collections = _all(request.getfixturevalue(actor), root)
    for one in collections:
        assert {"id", "title", "can_read", "can_write"} <= one.keys()
        for name, kind in PROPERTIES.items():
            assert isinstance(one.get(name, kind()), kind)
        assert all(name in PROPERTIES or name.startswith("x_") for name in one)
        assert UUID(one["id"]).version == 4
        assert str(UUID(one["id"])) == one["id"]
        assert one["title"]
        assert not set(one["title"]) & set(".,")
        assert one.get("media_types", ["application/stix+json;version=2.1"]) == [
            "application/stix+json;version=2.1"
        ]
    for name in ("id", "title", "alias"):
        values = [one[name] for one in collections if name in one]
        assert len(set(values)) == len(values)


@pytest.mark.parametrize(
    ("actor", "alias", "can_read", "can_write"),
    [
        ("lab_a", "exchange", True, True),
        ("lab_b", "exchange", True, False),
        ("lab_a", "amber", True, False),
        ("lab_b", "amber", True, False),
        ("lab_a", "green", True, False),
        ("lab_a", "green-core", True, False),
        ("lab_a", "inbox", True, True),
    ],
)
def test_a_collection_says_what_this_client_may_do(
    request: pytest.FixtureRequest, root: str, actor: str, alias: str, can_read: bool, can_write: bool
) -> None:
    """§5.2.1: as the client is authenticated."""
    (one,) = [one for one in _all(request.getfixturevalue(actor), root) if one.get("alias") == alias]
    assert (one["can_read"], one["can_write"]) == (can_read, can_write)


def test_the_order_of_collections_is_stable(lab_a: Client, root: str) -> None:
    """§3.3: a consistent sort order across requests."""
    assert _all(lab_a, root) == _all(lab_a, root) == _all(lab_a, root)


def test_a_collection_by_itself_is_the_same_as_in_the_list(lab_a: Client, root: str) -> None:
    """§5.2: the same resource."""
    for one in _all(lab_a, root):
        assert assert_taxii(lab_a.get(f"{root}collections/{one['id']}/")) == one


@pytest.mark.parametrize("alias", ["exchange", "amber", "green", "green-core", "inbox"])
@pytest.mark.parametrize("rest", ["", "manifest/", "objects/"])
def test_an_alias_stands_for_the_id(lab_a: Client, root: str, alias: str, rest: str) -> None:
    """§5.2.1: /{api-root}/collections/{alias}/."""
    (one,) = [one for one in _all(lab_a, root) if one.get("alias") == alias]
    by_alias = assert_taxii(lab_a.get(f"{root}collections/{alias}/{rest}"))
    assert by_alias == assert_taxii(lab_a.get(f"{root}collections/{one['id']}/{rest}"))


@pytest.mark.parametrize("identifier", UNKNOWN)
@pytest.mark.parametrize("rest", REST)
def test_an_unknown_or_malformed_collection_is_404(
    lab_a: Client, places: dict[str, str], identifier: str, rest: str
) -> None:
    """§5.2 to §5.8: 404 with an error resource; nothing in a URL is a 500."""
    target = f"{places['root']}collections/{identifier}/" + rest.format(**places)
    assert_error(lab_a.get(target), 400, 404)


@pytest.mark.parametrize("identifier", UNKNOWN[:4])
def test_nothing_is_posted_to_or_deleted_from_an_unknown_collection(
    lab_a: Client, places: dict[str, str], identifier: str
) -> None:
    """§5.5, §5.7: 404."""
    target = f"{places['root']}collections/{identifier}/objects/"
    assert_error(lab_a.post(target, {"objects": []}), 404)
    assert_error(lab_a.delete(f"{target}{places['object']}/"), 404)


def test_an_id_in_upper_case_is_the_same_collection_or_none(lab_a: Client, world: World, root: str) -> None:
    """RFC 4122 §3: UUIDs are case-insensitive on input."""
    identifier = str(world.collection("exchange"))
    answer = lab_a.get(f"{root}collections/{identifier.upper()}/")
    if answer.status != 404:
        assert assert_taxii(answer)["id"] == identifier


@pytest.mark.parametrize("query", ["?limit=abc", "?match[type]=", "?foo=1&foo=2"])
def test_parameters_mean_nothing_to_collections(lab_a: Client, root: str, query: str) -> None:
    """§5.1 has no filters; clients.md 14."""
    assert_taxii(lab_a.get(f"{root}collections/{query}"))
