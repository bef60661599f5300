"""Server discovery (§4.1, §8.2.1)."""

from urllib.parse import urlsplit

import pytest

from tests.conformance.client import Client, assert_taxii

PROPERTIES = {"title": str, "description": str, "contact": str, "default": str, "api_roots": list}


def test_discovery_has_a_title_and_types_that_the_text_names(lab_a: Client) -> None:
    """§4.1.1: title is required; every property has its type."""
    discovery = assert_taxii(lab_a.get("/taxii2/"))
    assert discovery["title"]
    for name, kind in PROPERTIES.items():
        assert isinstance(discovery.get(name, kind()), kind)
    assert all(name in PROPERTIES or name.startswith("x_") for name in discovery)


def test_the_roots_are_absolute_and_end_in_a_slash(lab_a: Client, world_path: str) -> None:
    """§4.1.1: no query, no `//` or `../`; clients.md 11: absolute, with a final slash."""
    roots = assert_taxii(lab_a.get("/taxii2/"))["api_roots"]
    assert roots
    assert len(set(roots)) == len(roots)
    for url in roots:
        parts = urlsplit(url)
        assert parts.scheme in ("https", "http")
        assert parts.netloc
        assert parts.path.endswith("/")
        assert not parts.query
        assert not parts.fragment
    assert world_path in [urlsplit(url).path for url in roots]


def test_the_default_is_one_of_the_roots(lab_a: Client) -> None:
    """§4.1.1: MUST be an item in api_roots."""
    discovery = assert_taxii(lab_a.get("/taxii2/"))
    assert discovery.get("default", discovery["api_roots"][0]) in discovery["api_roots"]


def test_every_root_named_can_be_asked_with_the_same_token(lab_a: Client) -> None:
    """clients.md 11."""
    for url in assert_taxii(lab_a.get("/taxii2/"))["api_roots"]:
        assert_taxii(lab_a.get(urlsplit(url).path))


def test_the_outsider_is_told_of_no_root_of_others(outsider: Client, world_path: str) -> None:
    """§4.1.1: the list may be filtered per client; §2: an empty list is omitted."""
    discovery = assert_taxii(outsider.get("/taxii2/"))
    assert discovery.get("api_roots") != []
    assert world_path not in [urlsplit(url).path for url in discovery.get("api_roots", [])]


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
def test_members_are_told_of_their_community(
    request: pytest.FixtureRequest, world_path: str, actor: str
) -> None:
    """§4.1.1."""
    client: Client = request.getfixturevalue(actor)
    assert world_path in [urlsplit(url).path for url in assert_taxii(client.get("/taxii2/"))["api_roots"]]


@pytest.mark.parametrize("query", ["?", "?limit=abc", "?match[type]=", "?foo=bar&foo=baz", "?added_after=x"])
def test_parameters_mean_nothing_to_discovery(lab_a: Client, query: str) -> None:
    """§3.4 belongs to endpoints that support filtering; the unknown is ignored (clients.md 14)."""
    assert_taxii(lab_a.get(f"/taxii2/{query}"))


@pytest.fixture
def world_path(root: str) -> str:
    return root
