"""The schemas of the profile as strangers and stock validators get them."""

import json
from importlib.resources import files
from typing import Any

import pytest
from django.conf import settings
from django.test import Client
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from referencing import Registry, Resource

from indicators.stix import profile

BASE = settings.SCHEMAS_URL.removesuffix("/schemas")


@pytest.fixture
def client() -> Client:
    return Client(headers={"Host": "localhost"})


@pytest.fixture(scope="module")
def oasis() -> dict[str, Any]:
    """The schemas of OASIS by their public addresses, from the copies that we carry."""
    folder = files("indicators.stix") / "schemas" / "oasis"
    found = [
        json.loads(file.read_text("utf-8"))
        for part in ("common", "observables", "sdos", "sros")
        for file in (folder / part).iterdir()
        if file.name.endswith(".json")
    ]
    return {one["$id"]: one for one in found}


def valid(file: str) -> dict[str, Any]:
    """An object that the schema takes."""
    demo = json.loads((files("indicators.demo") / "2-synthetic-detections.json").read_text("utf-8"))[
        "objects"
    ]
    demo += json.loads((files("indicators.demo") / "1-public-campaigns.json").read_text("utf-8"))["objects"]
    name = file.removesuffix(".json")
    one: dict[str, Any] = next(
        one for one in demo if one["type"] == name or name in one.get("extensions", {})
    )
    return one


def test_the_index_leads_to_the_schema_of_each_extension(client: Client) -> None:
    answer = client.get("/schemas/")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/json"
    found = {one["extension_definition"]: one for one in answer.json()["schemas"]}
    assert found.keys() == profile.extensions().keys()
    for one in found.values():
        assert one["schema"].startswith(f"{BASE}/schemas/")
        assert client.get(one["schema"].removeprefix(BASE)).status_code == 200


@pytest.mark.parametrize("file", profile.documents())
def test_a_schema_is_served_to_everybody_and_may_be_kept(client: Client, file: str) -> None:
    answer = client.get(f"/schemas/{file}")

    assert answer.status_code == 200
    assert answer["Content-Type"] == "application/schema+json"
    assert "public" in answer["Cache-Control"]
    assert answer.json()["$id"] == f"{BASE}/schemas/{file}"
    head = client.head(f"/schemas/{file}")
    assert (head.status_code, head.content, head["ETag"]) == (200, b"", answer["ETag"])
    again = client.get(f"/schemas/{file}", headers={"If-None-Match": answer["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        *("nothing.json", "llm-api-activity", "../settings.py", "%2e%2e/models.py", "oasis/common/core.json"),
        "extension-definitions/extension-definition--2c6e8a51-3f0b-4b57-9d5e-7a1f4c9e8b01.json",
    ],
)
def test_there_is_nothing_else_below(client: Client, path: str) -> None:
    assert client.get(f"/schemas/{path}").status_code == 404


def test_schemas_are_only_read(client: Client) -> None:
    for path in ("/schemas/", "/schemas/llm-api-activity.json"):
        answer = client.post(path, b"{}", content_type="application/json")
        assert answer.status_code == 405
        assert "GET" in answer["Allow"]


@pytest.mark.parametrize("file", profile.documents())
def test_a_stock_validator_uses_what_is_served(client: Client, oasis: dict[str, Any], file: str) -> None:
    served = {f"{BASE}/schemas/{name}": client.get(f"/schemas/{name}").json() for name in profile.documents()}
    registry: Registry[Any] = Registry().with_resources(
        (uri, Resource.from_contents(schema)) for uri, schema in (served | oasis).items()
    )
    schema = served[f"{BASE}/schemas/{file}"]
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, registry=registry)
    good = valid(file)
    key = next(one for one in good["extensions"] if one in profile.extensions())

    assert list(validator.iter_errors(good)) == []
    for bad in (
        {name: value for name, value in good.items() if name != "extensions"},
        good | {"type": "x-other"},
        good | {"extensions": good["extensions"] | {key: {"extension_type": "new-sdo"}}},
    ):
        assert not validator.is_valid(bad)
