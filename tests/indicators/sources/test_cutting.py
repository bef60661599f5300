"""Parts of a body are cut out, and the rest stays as it came."""

import json

import pytest

from indicators.sources import formats
from indicators.sources.cutting import cut


def test_objects_leave_holes_and_the_others_stay_byte_for_byte() -> None:
    body = b'{"more": false,\n "objects": [ {"id":"a", "x":1.0}, {"id":"b"},{"id":"a", "x":1.0} ]}'

    left = cut(body, "stix", ["objects/1"])

    assert left == b'{"more": false,\n "objects": [ {"id":"a", "x":1.0}, {},{"id":"a", "x":1.0} ]}'
    assert cut(left, "stix", ["objects/2"]) == b'{"more": false,\n "objects": [ {"id":"a", "x":1.0}, {},{} ]}'


def test_of_two_alike_the_one_at_the_place_goes() -> None:
    body = b'{"objects":[{"id":"a"},{"id":"b"},{"id":"a"}]}'

    assert cut(body, "stix", ["objects/2"]) == b'{"objects":[{"id":"a"},{"id":"b"},{}]}'


@pytest.mark.parametrize(
    ("body", "name", "places"),
    [
        (b'{"objects":[{"id":"a"}]}', "stix", ["objects/0"]),
        (b'{"objects":[{},{"id":"a"}]}', "stix", ["objects/1"]),
        (b'{"objects":[{"id":"a"},{"id":"b"}]}', "stix", ["objects/7"]),
        (b'{"objects":[{"id":"a"},{"id":"b"}]}', "stix", ["somewhere"]),
        (b"no JSON at all", "stix", ["objects/0"]),
        (b"value\na.example\n", "csv", ["line 2"]),
        (b'{"Event":{"uuid":"u","info":"i","Attribute":[]}}', "misp", ["event u"]),
        (b"{}", "unknown", ["objects/0"]),
    ],
)
def test_where_nothing_is_left_or_the_place_cannot_be_told_all_goes(
    body: bytes, name: str, places: list[str]
) -> None:
    assert cut(body, name, places) == b""


def test_a_part_of_a_file_counts_on_from_where_it_begins() -> None:
    body = b'{"objects":[{"id":"a"},{"id":"b"}]}'

    assert cut(body, "stix", ["objects/101"], offset=100) == b'{"objects":[{"id":"a"},{}]}'


def test_lines_of_ndjson() -> None:
    assert cut(b'{"id":"a"}\n{"id":"b"}\n', "ndjson", ["objects/0"]) == b'{}\n{"id":"b"}\n'


def test_a_finding_goes_with_all_that_was_made_of_it() -> None:
    body = b'[{"finding":1}, {"finding":2}]'

    assert cut(body, "ocsf", ["findings/0", "findings/0"]) == b'[{}, {"finding":2}]'


def test_a_row_of_a_table_goes_whole_and_the_others_keep_their_lines() -> None:
    body = b'value,description\r\na.example,"over\r\ntwo lines"\r\n\r\nb.example,kept\r\nc.example,gone\r\n'
    before = [json.loads(part)["line"] for part in formats.split(body, "csv", max_bytes=len(body))]

    left = cut(body, "csv", ["line 2", f"line {before[2]}"])

    assert b"a.example" not in left
    assert b"two lines" not in left
    assert b"gone" not in left
    (kept,) = [json.loads(part) for part in formats.split(left, "csv", max_bytes=len(left))]
    assert (kept["line"], kept["cells"]["value"]) == (before[1], "b.example")


def test_an_event_goes_by_its_uuid_or_that_of_an_attribute_or_its_number() -> None:
    events = [
        {"Event": {"uuid": n, "info": f"i{n}", "Attribute": [{"uuid": f"{n}1", "value": "x"}]}}
        for n in "abcd"
    ]
    body = json.dumps({"response": events}).encode()

    left = json.loads(cut(body, "misp", ["event b", "events/2/attributes/0", "attribute d1"]))

    assert [one["Event"]["uuid"] for one in left] == ["a"]


def test_a_signature_beside_the_objects_goes_with_its_object() -> None:
    body = (
        b'{"objects": [{"id":"a"}, {"id":"b"}], "x_stillwatch_signatures": ["h..a",  "h..b"] , "x":["h..b"]}'
    )

    left = cut(body, "stix", ["objects/0"])

    assert left == (b'{"objects": [{}, {"id":"b"}], "x_stillwatch_signatures": [null,"h..b"] , "x":["h..b"]}')
    assert cut(body, "stix", ["objects/0", "objects/1"]) == b""


@pytest.mark.parametrize("signatures", [b'["h..a"]', b'"h..a"', b'{"a":"h..a"}', b'["h..a",null,null]'])
def test_where_nobody_can_tell_whose_signatures_they_are_nothing_is_left(signatures: bytes) -> None:
    body = b'{"objects":[{"id":"a"},{"id":"b"}],"x_stillwatch_signatures":' + signatures + b"}"

    assert cut(body, "stix", ["objects/0"]) == b""


def test_signatures_are_found_though_the_same_list_stands_elsewhere() -> None:
    body = (
        b'{"x":["h..a",null],"objects":[{"id":"a","y":["h..a",null]},{"y":["h..a",null]}],'
        b'"x_stillwatch_signatures":["h..a",null]}'
    )

    assert cut(body, "stix", ["objects/0"]) == (
        b'{"x":["h..a",null],"objects":[{},{"y":["h..a",null]}],"x_stillwatch_signatures":[null,null]}'
    )
