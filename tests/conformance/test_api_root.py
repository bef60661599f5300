"""API root information (§4.2)."""

import pytest

from tests.conformance.client import TAXII, Client, assert_error, assert_taxii

PROPERTIES = {"title": str, "description": str, "versions": list, "max_content_length": int}


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
def test_the_api_root_has_what_the_text_requires(
    request: pytest.FixtureRequest, root: str, actor: str
) -> None:
    """§4.2.1: title, versions, max_content_length; nothing undefined without x_ (§7.1)."""
    client: Client = request.getfixturevalue(actor)
    resource = assert_taxii(client.get(root))
    assert resource["title"]
    for name, kind in PROPERTIES.items():
        assert isinstance(resource.get(name, kind()), kind)
    assert {"title", "versions", "max_content_length"} <= resource.keys()
    assert all(name in PROPERTIES or name.startswith("x_") for name in resource)


def test_the_versions_are_media_types_with_their_version(lab_a: Client, root: str) -> None:
    """§4.2.1: 2.1 MUST be included, the version parameter MUST be there."""
    versions = assert_taxii(lab_a.get(root))["versions"]
    assert TAXII in versions
    assert all(one.startswith("application/taxii+json;version=") for one in versions)


def test_the_longest_body_is_a_positive_integer(lab_a: Client, root: str) -> None:
    """§4.2.1, §2 "integer"."""
    longest = assert_taxii(lab_a.get(root))["max_content_length"]
    assert isinstance(longest, int)
    assert not isinstance(longest, bool)
    assert 0 < longest < 2**53


@pytest.mark.parametrize(
    "name",
    [
        "no-such-community",
        "FRONTIER",
        "%20",
        "..%2f",
        "a" * 300,
        "%E2%82%AC",
        "00000000-0000-4000-8000-000000000000",
    ],
)
@pytest.mark.parametrize("rest", ["", "collections/", "status/2d086da7-4bdc-4f91-900e-d77486753710/"])
def test_an_unknown_root_is_404(lab_a: Client, name: str, rest: str) -> None:
    """§4.2, §4.3, §5.1: 404 with an error resource."""
    assert_error(lab_a.get(f"/taxii2/{name}/{rest}"), 404)
