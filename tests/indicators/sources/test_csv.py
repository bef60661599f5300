"""CSV: a row becomes an indicator, a bad row a reason, and the same file again the same objects."""

import csv as reference
import io
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.sources import csv
from indicators.sources.items import Item
from indicators.stix.json import Refused
from indicators.stix.markings import TLP, marking_id
from indicators.stix.objects import read
from tests.indicators.sources.senders import LIMIT, NOW, Sender, patterns, values


def sender() -> Sender:
    return Sender(csv.split, csv.items)


def send(text: str | bytes) -> list[Item]:
    return sender().send(text.encode() if isinstance(text, str) else text)


def refusals(items: list[Item]) -> dict[str, str]:
    return {item.refusal.place: item.refusal.code for item in items if item.refusal}


def body_refused(body: bytes) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        csv.split(body, max_bytes=LIMIT)
    return refused.value.code, refused.value.sentence


FULL = """\
Value,Type,Name,Description,Confidence,TLP,Valid from,valid_until,labels,indicator_types,techniques,id,Seen by
hxxps://api[.]relay[.]example/v1,url,Relay,"Sold by
the month",80,amber+strict,2026-09-01,2026-12-31,relay; proxy,malicious-activity,AML.T0024.002;aml.t0021,T-17,us
"""


def test_a_row_says_all_that_an_indicator_needs() -> None:
    (item,) = send(FULL)
    indicator, *links = values(item)

    assert {name: value for name, value in indicator.items() if name != "id"} == {
        "type": "indicator",
        "spec_version": "2.1",
        "created": "2026-10-20T12:00:00.000Z",
        "modified": "2026-10-20T12:00:00.000Z",
        "name": "Relay",
        "description": "Sold by\nthe month",
        "indicator_types": ["malicious-activity"],
        "pattern": "[url:value = 'https://api.relay.example/v1']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": "2026-09-01T00:00:00.000Z",
        "valid_until": "2026-12-31T23:59:59.999Z",
        "confidence": 80,
        "labels": ["relay", "proxy"],
        "kill_chain_phases": [
            {"kill_chain_name": "mitre-atlas", "phase_name": "exfiltration"},
            {"kill_chain_name": "mitre-atlas", "phase_name": "resource-development"},
        ],
        "external_references": [{"source_name": "own-reference", "external_id": "T-17"}],
        "object_marking_refs": [marking_id(TLP.AMBER_STRICT)],
    }
    assert [(link["relationship_type"], link["source_ref"]) for link in links] == [
        ("indicates", indicator["id"])
    ] * 2
    assert item.notes == ('The column "Seen by" is not known and was left out.',)


@pytest.mark.parametrize(
    ("written", "kind", "pattern"),
    [
        ("192[.]0[.]2[.]1", "", "[ipv4-addr:value = '192.0.2.1']"),
        ("192.0.2.77/24", "", "[ipv4-addr:value = '192.0.2.0/24']"),
        ("2001:DB8:0::1", "ip", "[ipv6-addr:value = '2001:db8::1']"),
        ("Relay(dot)Example", "", "[domain-name:value = 'relay.example']"),
        ("localhost", "hostname", "[domain-name:value = 'localhost']"),
        ("hxxp[:]//relay.example", "", "[url:value = 'http://relay.example/']"),
        ("AB" * 32, "", f"[file:hashes.'SHA-256' = '{'ab' * 32}']"),
        ("AB" * 16, "md5", f"[file:hashes.MD5 = '{'ab' * 16}']"),
        ("AS64500", "", "[autonomous-system:number = 64500]"),
        ("64500", "asn", "[autonomous-system:number = 64500]"),
    ],
)
def test_a_value_is_known_by_its_form_or_its_type(written: str, kind: str, pattern: str) -> None:
    assert patterns(send(f"value,type\n{written},{kind}\n")) == [pattern]


def test_a_row_may_hold_a_pattern_and_is_one_with_the_row_that_says_the_same_as_a_value() -> None:
    by_pattern, by_value = send("pattern\n[ipv4-addr:value IN ('192.0.2.1')]\n"), send("value\n192.0.2.1\n")

    assert values(by_pattern[0]) == values(by_value[0])


@pytest.mark.parametrize("delimiter", ",;\t|")
@pytest.mark.parametrize("start", ["", "\ufeff"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_is_told_by_the_header(delimiter: str, start: str, end: str) -> None:
    rows = [["TLP", "Value", "description"], ["green", "192.0.2.1", '"a, b; c"'], ["", "192.0.2.2", ""]]

    items = send(start + end.join(delimiter.join(row) for row in rows) + end)

    assert patterns(items) == ["[ipv4-addr:value = '192.0.2.1']", "[ipv4-addr:value = '192.0.2.2']"]
    assert values(items[0])[0]["description"] == "a, b; c"


def test_a_first_line_in_which_a_spreadsheet_says_the_delimiter_is_no_row() -> None:
    assert patterns(send("sep=;\r\nvalue;tlp\r\n192.0.2.1;red\r\n")) == ["[ipv4-addr:value = '192.0.2.1']"]


def test_each_bad_row_is_refused_with_its_column_and_its_neighbours_come_in() -> None:
    items = send(
        "value,pattern,type,confidence,tlp,valid_from,valid_until,techniques,id\n"
        "192.0.2.1,,,,,,,,\n"
        ",,,50,,,,,\n"
        "no value,,,,,,,,\n"
        "192.0.2.2,,iban,,,,,,\n"
        "192.0.2.2,,domain,,,,,,\n"
        "192.0.2.2,,,101,,,,,\n"
        "192.0.2.2,,,,purple,,,,\n"
        "192.0.2.2,,,,,31.12.2026,,,\n"
        "192.0.2.2,,,,,2026-12-31T10:00:00,,,\n"
        "192.0.2.2,,,,,2026-12-02,2026-12-01,,\n"
        "192.0.2.2,,,,,,2020-01-01,,\n"
        "192.0.2.2,,,,,,,AML.T9999,\n"
        ",[broken,,,,,,,\n"
        "192.0.2.2,[url:value = 'x'],,,,,,,\n"
        '"192.0.2.2"x,,,,,,,,\n'
        "192.0.2.2,,,,,,,,,too,many\n"
        "192.0.2.1,,,,,,,,\n"
        "192.0.2.3,,,,,,,,\n"
    )

    assert refusals(items) == {
        "line 3, column value": "csv-bad-cell",
        "line 4, column value": "csv-bad-cell",
        "line 5, column type": "csv-bad-cell",
        "line 6, column value": "csv-bad-cell",
        "line 7, column confidence": "csv-bad-cell",
        "line 8, column tlp": "csv-bad-cell",
        "line 9, column valid_from": "csv-bad-cell",
        "line 10, column valid_from": "csv-bad-cell",
        "line 11, column valid_until": "csv-bad-cell",
        "line 12, column valid_until": "csv-bad-cell",
        "line 13, column techniques": "csv-bad-cell",
        "line 14, column pattern": "csv-bad-cell",
        "line 15, column pattern": "csv-bad-cell",
        "line 16": "csv-quoting",
        "line 17": "csv-row-length",
        "line 18": "csv-repeated-row",
    }
    assert patterns(items) == ["[ipv4-addr:value = '192.0.2.1']", "[ipv4-addr:value = '192.0.2.3']"]


def test_no_refusal_repeats_what_stands_in_a_cell() -> None:
    secret = "jo.bloggs@customer.example"
    columns = [name for name in csv.COLUMNS if name not in ("value", "name", "description", "labels", "id")]
    rows = [",".join(["192.0.2.1", *(secret if one == name else "" for one in columns)]) for name in columns]

    items = send("\n".join([",".join(["value", *columns]), *rows, f"{secret}x y,"]))

    told = [item.refusal.sentence for item in items if item.refusal]
    assert len(told) == len(columns)  # all but indicator_types, and the last row
    assert not any("bloggs" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (b"", "csv-header", "it holds nothing"),
        (b"192.0.2.1\n192.0.2.2\n", "csv-header", "it holds '192.0.2.1'"),
        (b"value,tlp,TLP\n", "csv-header", '"tlp" stands there twice'),
        ("value\n192.0.2.1\n".encode("utf-16"), "csv-encoding", "UTF-16"),
        ("value\n192.0.2.1\n".encode("utf-16-le"), "csv-encoding", "UTF-16"),
        ("value,name\n192.0.2.1,Zürich\n".encode("latin-1"), "csv-encoding", "line 2: the byte 0xfc"),
        (b"value\n192.0.2.1\n\0\n", "csv-encoding", "line 3: the character U+0000"),
        (b'value,name\n192.0.2.1,"never closed\n192.0.2.2,\n', "csv-quoting", "line 2: a quotation mark"),
        (b'value,name\n192.0.2.1,"' + b"x" * 200_000, "csv-quoting", "longer than 131,072"),
    ],
)
def test_what_is_no_csv_file_with_a_header_is_refused_whole(body: bytes, code: str, says: str) -> None:
    refused, sentence = body_refused(body)

    assert refused == code
    assert says in sentence


def test_the_same_file_on_another_day_is_the_same_objects_byte_for_byte() -> None:
    lab = sender()
    first = lab.send(FULL.encode())

    again = lab.send(FULL.encode(), now=NOW + timedelta(days=40))

    assert [item.objects for item in again] == [item.objects for item in first]


def test_only_an_edited_row_becomes_a_newer_version() -> None:
    lab = sender()
    (first, kept) = lab.send(b"value,confidence\n192.0.2.1,80\n192.0.2.2,80\n")

    (edited, same) = lab.send(b"confidence,value\n70,192.0.2.1\n80,192.0.2.2\n", now=NOW + timedelta(days=1))

    (before,), (after,) = values(first), values(edited)
    assert same.objects == kept.objects
    assert (after["id"], after["created"], after["valid_from"]) == (
        *(before["id"], before["created"], before["valid_from"]),
    )
    assert (after["confidence"], after["modified"]) == (70, "2026-10-21T12:00:00.000Z")


def test_two_versions_of_one_moment_still_follow_one_another() -> None:
    lab = sender()
    lab.send(b"value,confidence\n192.0.2.1,80\n")

    (edited,) = lab.send(b"value,confidence\n192.0.2.1,70\n")

    assert values(edited)[0]["modified"] == "2026-10-20T12:00:00.001Z"


def test_a_technique_taken_out_of_a_row_is_taken_back() -> None:
    lab = sender()
    lab.send(b"value,techniques\n192.0.2.1,AML.T0021;AML.T0024.002\n")

    (item,) = lab.send(b"value,techniques\n192.0.2.1,AML.T0021\n", now=NOW + timedelta(days=1))

    indicator, *links = values(item)
    assert indicator["kill_chain_phases"] == [
        {"kill_chain_name": "mitre-atlas", "phase_name": "resource-development"}
    ]
    assert [link.get("revoked", False) for link in links] == [False, True]


def test_two_organisations_that_send_one_file_send_objects_of_their_own() -> None:
    ours = sender().send(FULL.encode(), organization="org-a")
    theirs = sender().send(FULL.encode(), organization="org-b")

    assert not {one["id"] for one in values(ours[0])} & {one["id"] for one in values(theirs[0])}


def test_what_is_held_is_looked_up_once_for_many_rows() -> None:
    lab = sender()

    lab.send(b"value\n" + b"".join(b"198.18.%d.%d\n" % (n // 200, n % 200) for n in range(900)))

    assert lab.lookups == 2


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "'=1", "''@x"])  # noqa: RUF001
def test_no_cell_on_the_way_out_is_a_formula_and_each_comes_back_as_it_was(formula: str) -> None:
    line = csv.table([["192.0.2.1", formula, 7, None]])

    (cells,) = reference.reader(io.StringIO(line, newline=""))
    assert cells[1] == f"'{formula}"
    assert csv.read_cell(cells[1]) == formula
    assert cells[2:] == ["7", ""]
    assert line.endswith("\r\n")


@given(st.text())
def test_every_text_that_goes_out_comes_back(text: str) -> None:
    assert csv.read_cell(csv.written_cell(text)) == text


def test_texts_that_are_no_formulas_go_out_as_they_are() -> None:
    assert (
        csv.table([["it's", "a=b", "a,b", 'say "hi"', -5, True]])
        == 'it\'s,a=b,"a,b","say ""hi""",-5,true\r\n'
    )


CELLS = st.one_of(
    st.sampled_from(
        ["192.0.2.1", "x.example", "hxxp://a[.]example", "[url:value = 'x']", "green", "AML.T0021"]
    ),
    st.sampled_from(
        ["2026-01-01", "9999-12-31T23:59:59.999999+00:00", "0001-01-01T00:00:00-23:59", "80", ";;"]
    ),
    st.text(max_size=20),
)


@settings(max_examples=150)
@given(
    st.lists(st.lists(CELLS, max_size=8), max_size=6),
    st.permutations(list(csv.COLUMNS)),
    st.binary(max_size=6),
)
def test_whatever_a_file_holds_each_row_is_taken_or_refused_clearly(
    rows: list[list[str]], columns: list[str], noise: bytes
) -> None:
    text = io.StringIO()
    reference.writer(text).writerows([columns, *rows])
    body = text.getvalue().encode("utf-8", "surrogatepass")
    middle = len(body) // 2
    for one in (body, body[:middle] + noise + body[middle:]):
        taken_or_refused(one)


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_whatever_bytes_come_they_are_rows_or_a_refusal(body: bytes) -> None:
    taken_or_refused(b"value\n" + body)
    taken_or_refused(body)


def taken_or_refused(body: bytes) -> None:
    try:
        items: list[Any] = sender().send(body)
    except Refused:
        return
    for item in items:
        assert item.refusal is not None or item.objects
        for one in item.objects:
            read(one)
