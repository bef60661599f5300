"""MISP events: an attribute becomes an indicator or observables, and whatever is left out is told."""

import json
import logging
import socket
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.dedup.observables import deterministic_id
from indicators.patterns import canonical
from indicators.sources import misp
from indicators.sources.items import Item
from indicators.stix.json import Refused
from indicators.stix.markings import TLP, marking_id
from indicators.stix.objects import read
from tests.indicators.sources.senders import LIMIT, NOW, Sender, patterns, values

EVENTS = Path(__file__).parent / "misp"
RELAYS = (EVENTS / "relay-network.json").read_bytes()
TRAFFIC = (
    "network-traffic:dst_port = 8443 AND network-traffic:dst_ref.type = 'ipv4-addr'"
    " AND network-traffic:dst_ref.value = '203.0.113.9'"
)
FARM = (EVENTS / "feed-event.json").read_bytes()


def sender() -> Sender:
    return Sender(misp.split, misp.items)


def attribute(kind: str, value: Any, **more: Any) -> dict[str, Any]:
    return {
        "uuid": str(uuid4()),
        "type": kind,
        "value": value,
        "to_ids": True,
        "timestamp": "1790935200",
        **more,
    }


def event(*attributes: Any, **more: Any) -> bytes:
    body = {"uuid": str(uuid4()), "info": "x", "timestamp": "1790935200", "Attribute": [*attributes], **more}
    return json.dumps({"Event": body}).encode()


def made_of(kind: str, value: Any, **more: Any) -> Item:
    (item,) = sender().send(event(attribute(kind, value, **more)))
    return item


def changed(body: bytes, **more: Any) -> bytes:
    return json.dumps({"Event": {**json.loads(body)["Event"], **more}}).encode()


def by_value(body: bytes, items: list[Item]) -> dict[str, Item]:
    """The items of an event by the values of their attributes."""
    found = json.loads(body)["Event"]
    attributes = [
        *found["Attribute"],
        *(one for each in found.get("Object", ()) for one in each["Attribute"]),
    ]
    places = {f"attribute {one['uuid']}": one["value"] for one in attributes}
    return {places[item.place]: item for item in items if item.place in places}


def test_a_recorded_event_becomes_an_item_for_each_attribute() -> None:
    items = sender().send(RELAYS)

    assert patterns(items) == [
        "[ipv4-addr:value = '192.0.2.44']",
        "[ipv4-addr:value = '198.51.100.0/24']",
        "[domain-name:value = 'api.relay-seller.example']",
        "[domain-name:resolves_to_refs[*].value = '192.0.2.45' AND domain-name:value = 'cdn.relay-seller.example']",
        f"[{TRAFFIC}]",
        "[url:value = 'https://api.relay-seller.example/v1/chat/completions']",
        "[autonomous-system:number = 64500]",
        "[email-message:from_ref.value = 'sales@relay-seller.example']",
        "[file:hashes.MD5 = '0cc175b9c0f1b6a831c399e269772661' AND file:name = 'agent.exe']",
        "[file:hashes.'SHA-256' = '3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b']",
    ]
    assert [canonical(one) for one in patterns(items)] == patterns(items)
    told = {item.place: (item.refusal.code if item.refusal else None, item.notes) for item in items}
    assert len(told) == 18
    assert told.pop("event " + json.loads(RELAYS)["Event"]["uuid"]) == (
        None,
        (
            "1 MISP object was taken apart into attributes.",
            "1 event report of the event left out.",
            "1 galaxy of the event left out (but for techniques of MITRE ATLAS).",
        ),
    )
    assert sorted(filter(None, [code for code, _ in told.values()])) == ["misp-unsupported-type"]
    assert sorted(note for _, notes in told.values() for note in notes) == [
        "1 sighting left out.",
        "An attribute of type comment is no indicator, and was left out.",
        "An attribute of type size-in-bytes is no indicator, and was left out.",
        "Deleted in MISP; an indicator that was made of it is withdrawn.",
        "The attached file was left out: attachments and samples are never taken.",
    ]


def test_an_indicator_says_what_its_event_and_its_attribute_say() -> None:
    items = by_value(RELAYS, sender().send(RELAYS))
    found = json.loads(RELAYS)["Event"]

    indicator, link = values(items["192.0.2.44"])

    assert indicator == {
        "type": "indicator",
        "spec_version": "2.1",
        "id": f"indicator--{found['Attribute'][0]['uuid']}",
        "created": "2026-10-02T10:00:00.000Z",
        "modified": "2026-10-02T10:00:00.000Z",
        "description": "Exit of the relay",
        "pattern": "[ipv4-addr:value = '192.0.2.44']",
        "pattern_type": "stix",
        "pattern_version": "2.1",
        "valid_from": "2026-09-20T06:00:00.000Z",
        "labels": ["distillation:relay"],
        "confidence": 75,
        "kill_chain_phases": [{"kill_chain_name": "mitre-atlas", "phase_name": "exfiltration"}],
        "external_references": [{"source_name": "misp-event", "external_id": found["uuid"]}],
        "object_marking_refs": [marking_id(TLP.AMBER_STRICT)],
    }
    assert (link["relationship_type"], link["source_ref"]) == ("indicates", indicator["id"])
    # Of two levels the stricter counts; the event's alone is green.
    (other, _) = values(items["198.51.100.0/24"])
    assert other["object_marking_refs"] == [marking_id(TLP.GREEN)]


def test_what_is_not_for_detection_is_an_observable_under_the_id_that_its_value_gives() -> None:
    items = by_value(RELAYS, sender().send(RELAYS))

    for value in (
        "console.relay-seller.example",
        "https://reports.example/relay-network",
        "relay-agent.tar.gz",
    ):
        (observable,) = values(items[value])
        assert observable["id"] == deterministic_id(observable)
        assert observable["object_marking_refs"] == [marking_id(TLP.GREEN)]


def test_observables_that_refer_to_one_another_still_do() -> None:
    domain, address = values(made_of("domain|ip", "Relay.example|192.0.2.1", to_ids=False))
    traffic, host = values(made_of("ip-dst|port", "192.0.2.1|443", to_ids=False))

    assert domain["resolves_to_refs"] == [address["id"]] == [deterministic_id(address)]
    assert (domain["value"], address["value"]) == ("relay.example", "192.0.2.1")
    assert traffic["dst_ref"] == host["id"] == address["id"]


def test_the_event_of_a_feed_and_lists_of_events_are_read_too() -> None:
    assert len(patterns(sender().send(FARM))) == 32
    bare = json.loads(FARM)["Event"]
    for body in (
        bare,
        [bare],
        [{"Event": bare}],
        {"response": [{"Event": bare}]},
        {"response": {"Event": bare}},
    ):
        assert len(patterns(sender().send(json.dumps(body).encode()))) == 32
    both = json.dumps([json.loads(RELAYS), bare]).encode()
    assert len(misp.split(both, max_bytes=LIMIT)) == 2


@pytest.mark.parametrize(
    ("kind", "value", "pattern"),
    [
        ("ip-src", "2001:DB8::0001", "[ipv6-addr:value = '2001:db8::1']"),
        ("hostname", "Relay.example.", "[domain-name:value = 'relay.example']"),
        ("sha512", "A" * 128, f"[file:hashes.'SHA-512' = '{'a' * 128}']"),
        ("AS", "64500", "[autonomous-system:number = 64500]"),
        (
            "filename|sha1",
            f"a.exe|{'b' * 40}",
            f"[file:hashes.'SHA-1' = '{'b' * 40}' AND file:name = 'a.exe']",
        ),
        ("port", "8443", "[network-traffic:dst_port = 8443]"),
        ("size-in-bytes", "12", "[file:size = 12]"),
        ("regkey", r"HKLM\Software\x", r"[windows-registry-key:key = 'HKEY_LOCAL_MACHINE\\Software\\x']"),
        ("mutex", "it's", r"[mutex:name = 'it\'s']"),
        ("stix2-pattern", "[ ipv4-addr:value='192.0.2.1' ]", "[ipv4-addr:value = '192.0.2.1']"),
        ("yara", "rule x { condition: true }", "rule x { condition: true }"),
    ],
)
def test_patterns_are_in_their_canonical_form(kind: str, value: str, pattern: str) -> None:
    (indicator,) = values(made_of(kind, value))

    assert indicator["pattern"] == pattern
    assert indicator["pattern_type"] == ("yara" if kind == "yara" else "stix")


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        ("ip-dst", "nonsense", "misp-bad-value"),
        ("sha256", "abc", "misp-bad-value"),
        ("domain|ip", "my_host.example", "misp-bad-value"),
        ("ip-dst|port", "192.0.2.1|x", "misp-bad-value"),
        ("ip-dst|port", "192.0.2.1|1|2", "misp-bad-value"),
        ("filename|md5", "x|abc", "misp-bad-value"),
        ("uri", "/x/y", "invalid-pattern"),
        ("stix2-pattern", "[broken", "invalid-pattern"),
        ("ja3-fingerprint-md5", "a" * 32, "misp-unsupported-type"),
        ("campaign-name", "C", "misp-unsupported-type"),
        ("no-such-type", "x", "misp-unsupported-type"),
        ("mutex", "x" * 2001, "misp-too-long"),
        ("domain", None, "misp-bad-attribute"),
        ("domain", ["x"], "misp-bad-attribute"),
    ],
)
def test_what_cannot_be_taken_names_its_attribute(kind: str, value: Any, code: str) -> None:
    one, good = attribute(kind, value), attribute("ip-dst", "192.0.2.1")

    items = sender().send(event(one, good))

    assert items[0].refusal is not None
    assert (items[0].place, items[0].refusal.code) == (f"attribute {one['uuid']}", code)
    assert patterns(items) == ["[ipv4-addr:value = '192.0.2.1']"]


@pytest.mark.parametrize("tag", ["tlp:ex:chr", "tlp:unclear", "TLP: purple"])
def test_a_level_that_nobody_knows_is_not_guessed_at(tag: str) -> None:
    tags = [{"name": tag}, {"name": "tlp:clear"}]
    marked = attribute("ip-dst", "192.0.2.1", Tag=tags)

    items = sender().send(event(marked, attribute("ip-dst", "192.0.2.2")))
    whole = sender().send(event(attribute("ip-dst", "192.0.2.2"), Tag=tags))

    assert [item.refusal.code for item in items if item.refusal] == ["misp-tlp"]
    assert patterns(items) == ["[ipv4-addr:value = '192.0.2.2']"]
    assert [item.refusal.code for item in whole if item.refusal] == ["misp-tlp"]
    assert patterns(whole) == []


def test_an_unmarked_event_counts_as_the_community_says() -> None:
    (indicator,) = values(made_of("ip-dst", "192.0.2.1"))

    assert "object_marking_refs" not in indicator


def test_the_same_event_again_is_the_same_objects_byte_for_byte() -> None:
    lab = sender()
    first = lab.send(RELAYS)

    again = lab.send(RELAYS, now=NOW + timedelta(days=3))

    assert [item.objects for item in again] == [item.objects for item in first]


def test_an_edited_attribute_is_a_newer_version_of_its_indicator_alone() -> None:
    lab = sender()
    body = json.loads(FARM)
    before = lab.send(FARM)
    body["Event"]["timestamp"] = body["Event"]["Attribute"][0]["timestamp"] = "1791900000"
    body["Event"]["Attribute"][0]["comment"] = "Moved"

    after = lab.send(json.dumps(body).encode())

    assert [old.objects == new.objects for old, new in zip(before, after, strict=True)].count(False) == 1
    (old,), (new,) = values(before[0]), values(after[0])
    assert (new["id"], new["created"]) == (old["id"], old["created"])
    assert (old["modified"], new["modified"]) == ("2026-10-12T07:26:40.000Z", "2026-10-13T14:00:00.000Z")


def test_a_stricter_tag_on_the_event_makes_newer_versions_of_all_and_the_old_file_none() -> None:
    lab = sender()
    lab.send(FARM)

    stricter = lab.send(changed(FARM, timestamp="1791900000", Tag=[{"name": "tlp:red"}]))
    old = lab.send(FARM)

    assert {one["modified"] for item in stricter for one in values(item)} == {"2026-10-13T14:00:00.000Z"}
    assert {tuple(one["object_marking_refs"]) for one in lab.held.values()} == {(marking_id(TLP.RED),)}
    assert max(one["modified"] for item in old for one in values(item)) < "2026-10-13T14:00:00.000Z"


@pytest.mark.parametrize("change", [{"deleted": True}, {"deleted": "1"}, {"to_ids": False}])
def test_what_is_no_indicator_any_more_is_taken_back(change: dict[str, Any]) -> None:
    lab = sender()
    one = attribute("ip-dst", "192.0.2.1", Tag=[{"name": 'misp-galaxy:mitre-atlas="X - AML.T0021"'}])
    lab.send(event(one))

    (item,) = lab.send(event({**one, **change, "timestamp": "1791000000"}))

    indicator, link = values(item)[:2]
    assert (indicator["id"], indicator["revoked"]) == (f"indicator--{one['uuid']}", True)
    assert (link["type"], link["revoked"]) == ("relationship", True)
    assert indicator["modified"] == "2026-10-03T04:00:00.000Z"
    (again,) = lab.send(event({**one, **change, "timestamp": "1791000000"}))
    assert [value for value in values(again) if "revoked" in value] == []


def test_a_uuid_that_stix_does_not_take_gives_way_to_a_derived_one_that_stays() -> None:
    bad = attribute("ip-dst", "192.0.2.1", uuid="0199f0e2-1111-7000-8000-000000000000")
    body = event(bad, attribute("ip-dst", "192.0.2.2", uuid="x\n" * 40))

    first, second = sender().send(body), sender().send(body)

    assert [item.place for item in first] == ["events/0/attributes/0", "events/0/attributes/1"]
    assert [item.objects for item in first] == [item.objects for item in second]
    assert all(values(item) for item in first)


def test_attachments_are_never_looked_at_and_nothing_leaves_the_process(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    sender().send(RELAYS)  # the library reads its own tables when it is imported

    def refuse(*arguments: Any, **more: Any) -> Any:
        raise AssertionError(f"touched: {arguments}")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("io.open", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(socket, "socket", refuse)
    hostile = [
        attribute("malware-sample", f"x|{'a' * 32}", data="/etc/passwd", malware_filename="../x"),
        attribute("attachment", "../../etc/passwd", data={"__class__": "Path"}),
        attribute("url", "file:///etc/passwd"),
        attribute("filename|sha256", "zz"),
    ]
    with caplog.at_level(logging.DEBUG):
        items = sender().send(
            event(*hostile, Object=[{"name": "../../../../etc/passwd", "Attribute": hostile}])
        )

    assert len(items) == 9
    assert not any("/etc/passwd" in record.getMessage() for record in caplog.records)
    assert b"etc/passwd" not in b"".join(items[0].objects)


def test_what_an_event_repeats_for_its_attributes_is_bounded() -> None:
    tags = [{"name": f"label-{number}-{'x' * 60}"} for number in range(5000)]
    body = event(*[attribute("ip-dst", f"198.18.0.{n}") for n in range(200)], Tag=tags, info="y" * 100_000)

    made = sum(len(one) for item in sender().send(body) for one in item.objects)

    assert made < len(body) * 3


def test_more_attributes_than_are_taken_at_once_are_refused_whole() -> None:
    body = json.dumps({"info": "x", "Attribute": [0] * 30_000, "Object": [{"Attribute": [0] * 20_001}]})
    with pytest.raises(Refused, match="50,000"):
        misp.split(body.encode(), max_bytes=LIMIT)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "not-json"),
        (b"[" * 100_000, "too-deep"),
        (b"{}", "misp-no-event"),
        (b"[]", "misp-no-event"),
        (b'{"response": []}', "misp-no-event"),
        (b'{"objects": []}', "misp-no-event"),
        (b'"Event"', "misp-no-event"),
        (b'{"Event": 5}', "misp-no-event"),
        (b'{"Event": {"info": "\\u0000"}}', "nul-character"),
        (b'{"Event": {"info": 1, "info": 2}}', "duplicate-key"),
        (b'{"0199f0e2": {"info": "x", "Orgc": {}}}', "misp-no-event"),
    ],
)
def test_what_is_no_misp_event_is_refused_whole(body: bytes, code: str) -> None:
    with pytest.raises(Refused) as refused:
        misp.split(body, max_bytes=LIMIT)

    assert refused.value.code == code


def test_one_broken_event_of_several_is_refused_alone() -> None:
    body = json.dumps([5, {"info": "x", "Attribute": {"0": 1}}, json.loads(FARM)]).encode()

    items = sender().send(body)

    assert [item.refusal.code for item in items if item.refusal] == ["misp-bad-event"] * 2
    assert len(patterns(items)) == 32


KINDS = [
    *("ip-dst", "domain", "url", "sha256", "AS", "yara", "sigma", "stix2-pattern", "text", "no-such-type"),
    *("domain|ip", "ip-dst|port", "hostname|port", "filename|sha256", "filename|tlsh", "regkey|value"),
    *("x509-fingerprint-md5", "email-src", "email-body", "mutex", "port", "mac-address", "user-agent"),
    *(
        "malware-sample",
        "attachment",
        "size-in-bytes",
        "github-username",
        "http-method",
        "filename",
        "ssdeep",
    ),
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
TAGS = st.lists(
    st.fixed_dictionaries(
        {"name": st.sampled_from(["tlp:red", "tlp:x", "a", "misp-galaxy:atlas AML.T0021"]) | JSON},
        optional={"local": JSON},
    )
    | JSON,
    max_size=3,
)
VALUES = (
    st.sampled_from(
        ["192.0.2.1", "x.example|192.0.2.1", "192.0.2.1|80", "a|" + "b" * 64, "HKLM\\x|y", "'", "\\", "_"]
    )
    | st.text(alphabet="|_:/.'\\\"[]%\u202e\U0001f600a1", max_size=12)
    | JSON
)
ATTRIBUTES = st.fixed_dictionaries(
    {"type": st.sampled_from(KINDS) | JSON, "value": VALUES},
    optional={
        "uuid": JSON | st.uuids().map(str),
        "to_ids": st.booleans() | JSON,
        "deleted": JSON,
        "timestamp": JSON | st.sampled_from(["1790935200", "-1", "9" * 30]),
        "first_seen": JSON | st.sampled_from(["2026-01-01T00:00:00+00:00", "0001-01-01T00:00:00+23:00"]),
        "comment": JSON,
        "Tag": TAGS | JSON,
        "Galaxy": JSON,
        "data": JSON,
        "Sighting": JSON,
    },
)
EVENT = st.fixed_dictionaries(
    {"info": JSON, "Attribute": st.lists(ATTRIBUTES | JSON, max_size=4) | JSON},
    optional={
        "uuid": JSON,
        "timestamp": JSON,
        "Tag": TAGS | JSON,
        "Galaxy": st.lists(
            st.fixed_dictionaries({"GalaxyCluster": st.lists(JSON | st.fixed_dictionaries({"meta": JSON}))})
            | JSON,
            max_size=2,
        )
        | JSON,
        "Object": st.lists(
            st.fixed_dictionaries(
                {"Attribute": st.lists(ATTRIBUTES, max_size=2) | JSON}, optional={"Tag": TAGS}
            )
            | JSON,
            max_size=2,
        )
        | JSON,
    },
)


@settings(max_examples=150)
@given(EVENT)
def test_whatever_an_event_holds_each_attribute_is_taken_or_refused_clearly(body: Mapping[str, Any]) -> None:
    lab = sender()
    for _ in range(2):
        try:
            parts = misp.split(json.dumps({"Event": body}).encode(), max_bytes=LIMIT)
        except Refused:
            return
        del parts
        for item in lab.send(json.dumps({"Event": body}).encode()):
            assert item.refusal is not None or item.objects or item.notes
            for one in item.objects:
                read_or_refused(one)


def read_or_refused(body: bytes) -> None:
    try:
        read(body)
    except Refused as refusal:
        if not refusal.sentence:
            raise
