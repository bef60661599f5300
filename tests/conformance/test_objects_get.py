"""Get objects (§5.4), and that what went in comes out (clients.md 15)."""

import json
import re
from typing import Any

import pytest

from tests.conformance import stix
from tests.conformance.client import FIRST, LAST, TAXII, Client, assert_error, assert_taxii
from tests.conformance.conftest import Shelf, Submit

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
VALUES: dict[str, Any] = {
    "false": False,
    "true": True,
    "zero": 0,
    "one": 1,
    "negative": -1,
    "largest integer": 2**53 - 1,
    "smallest integer": -(2**53) + 1,
    "float": 0.1,
    "float with many digits": 3.141592653589793,
    "small float": 5e-324,
    "tiny exponent": 1e-7,
    "large float": 1.5e300,
    "whole float": 1e21,
    "empty string": "",
    "space": " ",
    "outer white space": "  a\tb\n",
    "quotes": '"\\/\b\f\n\r\t',
    "control character": "\x01\x1f\x7f",
    "accents": "Zürich, Łódź",
    "not composed": "e\u0301 and \u00e9",
    "chinese": "蒸馏攻击",
    "right to left": "التقطير \u200f",
    "emoji": "👩🏽‍💻🏴‍☠️",
    "outside the BMP": "\U0001d4b3\U0010ffff",
    "separators": "\u2028\u2029\ufeff",
    "html": "<script>alert('&amp;')</script>",
    "json in a string": '{"a": [1, 2]}',
    "number in a string": "0010",
    "timestamp in a string": "2024-05-01T08:00:00.5Z",
    "10,000 characters": "x" * 10_000,
    "list": [3, 1, 2, 1],
    "list of lists": [[1], [2, [3, [4]]]],
    "mixed list": [1, "1", 1.5, True, False, {"a": "b"}],
    "object": {"z": 1, "a": 2, "m": {"k": [1]}},
    "many members": {f"k{n}": n for n in range(200)},
    "deep": {"a": {"a": {"a": {"a": {"a": {"a": [{"a": "end"}]}}}}}},
}
SPELLINGS = {
    "no decimals": "2024-05-01T08:00:00Z",
    "one": "2024-05-01T08:00:00.5Z",
    "three": "2024-05-01T08:00:00.500Z",
    "six": "2024-05-01T08:00:00.500000Z",
    "nine": "2024-05-01T08:00:00.123456789Z",
    "long ago": "1970-01-01T00:00:00.000Z",
    "far away": "9999-12-31T23:59:59.999Z",
}


@pytest.fixture(scope="module")
def unusual(submit: Submit) -> dict[str, stix.Object]:
    """One object for each of VALUES, under a custom property."""
    objects = {name: stix.campaign(x_stillwatch_test=value) for name, value in VALUES.items()}
    submit(*objects.values())
    return objects


@pytest.fixture(scope="module")
def timed(submit: Submit) -> dict[str, stix.Object]:
    """One indicator for each of SPELLINGS, as its valid_from."""
    objects = {name: stix.indicator(valid_from=value) for name, value in SPELLINGS.items()}
    submit(*objects.values())
    return objects


def _text(value: object) -> str:
    """Equal for values that are equal in type too (1 is not 1.0 nor true), whatever the order of members."""
    return json.dumps(value, sort_keys=True)


@pytest.mark.parametrize("name", VALUES)
@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
def test_a_value_comes_out_as_it_went_in(
    request: pytest.FixtureRequest, exchange: str, unusual: dict[str, stix.Object], name: str, actor: str
) -> None:
    """clients.md 15: nothing lost, nothing added."""
    one = unusual[name]
    client: Client = request.getfixturevalue(actor)
    (found,) = assert_taxii(client.get(f"{exchange}objects/{one['id']}/"))["objects"]
    assert found == one
    value, expected = found["x_stillwatch_test"], one["x_stillwatch_test"]
    assert value == expected if isinstance(expected, float) else _text(value) == _text(expected)


@pytest.mark.parametrize("name", SPELLINGS)
def test_a_timestamp_keeps_its_spelling(
    lab_b: Client, exchange: str, timed: dict[str, stix.Object], name: str
) -> None:
    """clients.md 15: timestamp text kept."""
    (found,) = assert_taxii(lab_b.get(f"{exchange}objects/{timed[name]['id']}/"))["objects"]
    assert found == timed[name]


@pytest.mark.parametrize(
    "one",
    [
        stix.malware(),
        stix.identity(),
        stix.attack_pattern(),
        stix.statement(),
        stix.url(),
        stix.file(),
        stix.domain_name(),
        stix.sco("ipv4-addr", {"value": "198.51.100.7"}),
        stix.sco("ipv6-addr", {"value": "2001:db8::7"}),
        stix.sco("autonomous-system", {"number": 64_500}, name="Example"),
        stix.sco("software", {"name": "proxyd", "version": "1.0"}),
        stix.sco("mutex", {"name": "Global\\x"}),
        stix.sco("directory", {"path": "C:\\temp"}),
        stix.campaign(labels=["b", "a"], lang="en", confidence=0, revoked=False),
        stix.indicator(revoked=True),
        stix.indicator(
            external_references=[{"source_name": "x", "external_id": "1", "hashes": {"MD5": "0" * 32}}]
        ),
        stix.malware(
            extensions={
                "extension-definition--04b9c3a2-1f3e-4b3c-9a53-1d2c3b4a5f60": {
                    "extension_type": "property-extension",
                    "rank": 0.5,
                    "tags": ["", "x"],
                    "nested": {"list": [[{"deep": False}]]},
                }
            }
        ),
    ],
    ids=lambda one: one["type"],
)
def test_an_object_of_any_type_comes_out_as_it_went_in(
    submit: Submit, lab_b: Client, exchange: str, one: stix.Object
) -> None:
    """§5.4, clients.md 15: all STIX types, custom properties and nested extensions."""
    submit(one)
    assert assert_taxii(lab_b.get(f"{exchange}objects/?match[id]={one['id']}"))["objects"] == [one]


def test_a_custom_type_comes_out_as_it_went_in(submit: Submit, lab_b: Client, exchange: str) -> None:
    """clients.md 15; STIX 2.1 §7.3 allows a new type by an extension definition, which goes with it."""
    author = stix.identity()
    definition = stix.campaign() | {"type": "extension-definition"}
    definition |= {
        "id": definition["id"].replace("campaign", "extension-definition"),
        "name": "A test",
        "created_by_ref": author["id"],
        "schema": "https://example.com/schema.json",
        "version": "1.0",
        "extension_types": ["new-sdo"],
    }
    new = stix.campaign(mystery=[1, 2, 3], extensions={definition["id"]: {"extension_type": "new-sdo"}})
    new |= {"type": "x-stillwatch-test", "id": new["id"].replace("campaign", "x-stillwatch-test")}
    del new["name"]
    submit(author, definition, new)
    for one in (author, definition, new):
        assert lab_b.crawl(f"{exchange}objects/?match[id]={one['id']}") == [one]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?limit=1",
        "?match[version]=all",
        "?match[type]=indicator",
        "?match[type]=x-nothing",
        "?added_after=2999-01-01T00:00:00Z",
    ],
)
@pytest.mark.parametrize("rest", ["objects/", "manifest/"])
def test_every_200_has_both_date_added_headers(
    lab_a: Client, exchange: str, shelf: Shelf, rest: str, query: str
) -> None:
    """§3.2: MUST, as timestamps with microseconds (§2)."""
    answer = lab_a.get(f"{exchange}{rest}{query}")
    assert_taxii(answer)
    assert TIMESTAMP.fullmatch(answer.headers[FIRST])
    assert TIMESTAMP.fullmatch(answer.headers[LAST])
    assert answer.headers[FIRST] <= answer.headers[LAST]


def test_only_the_latest_version_of_each_object_comes_unasked(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """§3.4.1: MUST return only the latest version."""
    ids = [one["id"] for one in lab_a.crawl(f"{exchange}objects/")]
    assert len(set(ids)) == len(ids)
    assert shelf.versioned[-1] in lab_a.crawl(f"{exchange}objects/")


@pytest.mark.parametrize("actor", ["lab_a", "lab_b"])
@pytest.mark.parametrize("alias", ["exchange", "amber", "green", "green-core"])
def test_a_collection_is_an_envelope_of_stix_objects(
    request: pytest.FixtureRequest, root: str, alias: str, actor: str
) -> None:
    """§3.7: more, next, objects; each a STIX object."""
    client: Client = request.getfixturevalue(actor)
    page = assert_taxii(client.get(f"{root}collections/{alias}/objects/?limit=20"))
    assert set(page) <= {"more", "next", "objects"} | {name for name in page if name.startswith("x_")}
    for one in page["objects"]:
        assert one["id"].startswith(one["type"] + "--")


def test_the_bytes_of_a_page_are_stable(lab_a: Client, lab_b: Client, exchange: str, shelf: Shelf) -> None:
    """Architecture, idea 6: canonical bytes are made once and served to every reader."""
    target = f"{exchange}objects/?match[id]={','.join(shelf.ids[:5])}"
    answers = {lab_a.get(target).body, lab_a.get(target).body, lab_b.get(target).body}
    assert len(answers) == 1


def test_nothing_of_the_answer_is_a_bundle(lab_a: Client, exchange: str, shelf: Shelf) -> None:
    """§3.7: the root of the payload MUST be an envelope."""
    page = assert_taxii(lab_a.get(f"{exchange}objects/?limit=1"))
    assert "type" not in page
    assert "spec_version" not in page


def test_an_answer_of_many_pages_is_given_over_one_connection(
    lab_a: Client, exchange: str, shelf: Shelf
) -> None:
    """RFC 9112 §9.3: keep-alive; clients.md 13: a full pull is never throttled."""
    for _ in range(60):
        answer = lab_a.get(f"{exchange}objects/?limit=1")
        assert answer.status == 200
        assert (answer.headers["Connection"] or "").lower() != "close"


def test_the_media_type_of_an_error_is_taxii_too(lab_a: Client, exchange: str) -> None:
    """§5.4: Content-Type of failures."""
    answer = lab_a.get(f"{exchange}objects/?limit=0")
    assert_error(answer, 400)
    assert answer.media_type == TAXII
