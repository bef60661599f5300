"""Add objects (§5.5, §4.3.1, §4.2.1 max_content_length; clients.md 12)."""

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from tests.conformance import stix
from tests.conformance.client import TAXII, Client, assert_error, assert_taxii, basic
from tests.conformance.conftest import Submit
from tests.conformance.test_manifest import TIMESTAMP
from tests.world import Token, World

MAKERS: dict[str, Callable[[], stix.Object]] = {
    "indicator": stix.indicator,
    "malware": stix.malware,
    "identity": stix.identity,
    "marking definition": stix.statement,
    "domain name": stix.domain_name,
    "url": stix.url,
    "file": stix.file,
}


def _changed(one: stix.Object, **members: Any) -> stix.Object:
    return {name: value for name, value in (one | members).items() if value is not None}


# Each cannot be taken, and its neighbours can (issue 2 "Ingest"; §4.3.1 failures).
BAD: dict[str, Callable[[], Any]] = {
    "no id": lambda: _changed(stix.malware(), id=None),
    "no type": lambda: _changed(stix.malware(), type=None),
    "id of another type": lambda: stix.malware(id=stix.campaign()["id"]),
    "id without UUID": lambda: stix.malware(id="malware--1"),
    "id is a number": lambda: stix.malware(id=7),
    "id is null": lambda: stix.malware() | {"id": None},
    "id is a list": lambda: stix.malware(id=["malware"]),
    "type is a number": lambda: stix.malware(type=7),
    "type is null": lambda: stix.malware() | {"type": None},
    "no created": lambda: _changed(stix.malware(), created=None),
    "no modified": lambda: _changed(stix.malware(), modified=None),
    "created is not a timestamp": lambda: stix.malware(created="yesterday"),
    "modified is on no calendar": lambda: stix.malware(modified="2024-02-30T00:00:00.000Z"),
    "modified has an offset": lambda: stix.malware(modified="2024-05-01T08:00:00.000+00:00"),
    "modified is a number": lambda: stix.malware(modified=1_700_000_000),
    "modified before created": lambda: stix.malware(modified="2023-01-01T00:00:00.000Z"),
    "a required property is missing": lambda: _changed(stix.malware(), is_family=None),
    "a property has the wrong type": lambda: stix.malware(is_family="yes"),
    "a property is null": lambda: stix.malware() | {"description": None},
    "an empty list": lambda: stix.malware(labels=[]),
    "an unknown specification": lambda: stix.malware(spec_version="3.0"),
    "specification is a number": lambda: stix.malware(spec_version=2.1),
    "confidence over 100": lambda: stix.malware(confidence=101),
    "a pattern that is none": lambda: stix.indicator(pattern="[domain-name:value = ]"),
    "no pattern": lambda: _changed(stix.indicator(), pattern=None),
    "a reference that is none": lambda: stix.malware(created_by_ref="somebody"),
    "an observable without its value": lambda: _changed(stix.domain_name(), value=None),
    "a U+0000": lambda: stix.malware(name="a\x00b"),
    "an integer beyond 2^53": lambda: stix.malware(x_stillwatch_test=2**53),
    "nested 40 deep": lambda: stix.malware(x_stillwatch_test=json.loads("[" * 40 + "]" * 40)),
    "300 KiB": lambda: stix.malware(description="x" * 300 * 1024),
    "a string": lambda: "malware",
    "a number": lambda: 7,
    "a boolean": lambda: True,
    "null": lambda: None,
    "a list": list,
    "an empty object": dict,
    "a bundle inside": lambda: {"type": "bundle", "id": stix.campaign()["id"].replace("campaign", "bundle")},
}
# No I-JSON, or too much of it: the whole body may be refused for it (§5.5 "malformed body").
UNREADABLE = {"a U+0000", "an integer beyond 2^53", "nested 40 deep", "300 KiB"}
DIFFERENT: dict[str, Callable[[stix.Object], stix.Object]] = {
    "another name": lambda one: one | {"name": "Another"},
    "one property more": lambda one: one | {"description": "More"},
    "one property less": lambda one: (
        {name: value for name, value in one.items() if name != "is_family"} | {"is_family": False}
    ),
}


def _counts_add_up(status: Any) -> None:
    for name in ("total_count", "success_count", "failure_count", "pending_count"):
        assert isinstance(status[name], int)
        assert status[name] >= 0
    assert status["total_count"] == (
        status["success_count"] + status["failure_count"] + status["pending_count"]
    )
    for name, count in (
        ("successes", "success_count"),
        ("failures", "failure_count"),
        ("pendings", "pending_count"),
    ):
        listed = status.get(name)
        assert listed != []
        for detail in listed or []:
            assert isinstance(detail["id"], str)
            assert isinstance(detail["version"], str)
            assert isinstance(detail.get("message", ""), str)
        assert len(listed or []) <= status[count]


def _is_status(status: Any) -> None:
    assert UUID(status["id"]).version == 4
    assert status["status"] in ("complete", "pending")
    assert TIMESTAMP.fullmatch(status.get("request_timestamp", "2024-05-01T08:00:00.000000Z"))
    _counts_add_up(status)
    if status["status"] == "complete":
        assert status["pending_count"] == 0
    assert set(status) <= {
        "id", "status", "request_timestamp", "total_count", "success_count", "successes",
        "failure_count", "failures", "pending_count", "pendings",
    } | {name for name in status if name.startswith("x_")}  # fmt: skip


def _stored(client: Client, exchange: str, identifier: str) -> list[Any]:
    return client.crawl(f"{exchange}objects/?match[version]=all&match[id]={identifier}")


@pytest.mark.parametrize("count", [1, 2, 25])
def test_a_post_is_answered_with_a_status_resource_that_is_there_at_once(
    lab_a: Client, root: str, exchange: str, count: int
) -> None:
    """§5.5: 202; §4.3.1; clients.md 12: counts add up, visible at once."""
    envelope = {"objects": [stix.malware() for _ in range(count)]}
    status = assert_taxii(lab_a.post(f"{exchange}objects/", envelope), 202)
    _is_status(status)
    assert status["total_count"] in (0, count)
    later = assert_taxii(lab_a.get(f"{root}status/{status['id']}/"))
    _is_status(later)
    assert later["id"] == status["id"]
    assert later["total_count"] in (0, count)


@pytest.mark.parametrize("kind", MAKERS)
def test_a_final_status_names_each_object_and_its_version(
    submit: Submit, lab_a: Client, exchange: str, kind: str
) -> None:
    """§4.3.1: version is modified, or created, or what is consistent to the server (the manifest's)."""
    objects = [MAKERS[kind]() for _ in range(3)]
    status = submit(*objects)
    _is_status(status)
    assert status["success_count"] == status["total_count"] == 3
    for one in objects:
        (record,) = lab_a.crawl(f"{exchange}manifest/?match[id]={one['id']}")
        assert record["version"] == (stix.version_of(one) or record["date_added"])
        details = [detail for detail in status.get("successes", []) if detail["id"] == one["id"]]
        assert [detail["version"] for detail in details] in ([], [record["version"]])


def test_objects_are_added_in_the_order_of_the_envelope(submit: Submit, lab_a: Client, exchange: str) -> None:
    """§3.3: by the date added, which follows the order given; clients.md 18 needs it."""
    objects = [stix.malware() for _ in range(10)]
    submit(*objects)
    assert lab_a.crawl(f"{exchange}objects/?match[id]={','.join(one['id'] for one in objects)}") == objects


@pytest.mark.parametrize("kind", MAKERS)
def test_an_exact_duplicate_is_a_success_and_stored_once(
    submit: Submit, lab_a: Client, exchange: str, kind: str
) -> None:
    """§5.5: the server MUST not return an error for a duplicate; the manifest does not change."""
    one = MAKERS[kind]()
    submit(one)
    target = f"{exchange}manifest/?match[version]=all&match[id]={one['id']}"
    before = lab_a.crawl(target)
    assert len(before) == 1
    again = submit(one, clean=False)
    assert (again["success_count"], again["failure_count"]) == (1, 0), again
    reordered = dict(reversed(one.items()))
    third = submit(reordered, stix.malware(), clean=False)
    assert (third["success_count"], third["failure_count"]) == (2, 0), third
    assert lab_a.crawl(target) == before
    assert _stored(lab_a, exchange, one["id"]) == [one]


@pytest.mark.parametrize("kind", MAKERS)
def test_a_duplicate_within_one_envelope_is_a_success_and_stored_once(
    submit: Submit, lab_a: Client, exchange: str, kind: str
) -> None:
    """§5.5; §4.3.1: total_count is the number of objects in the envelope."""
    one = MAKERS[kind]()
    status = submit(one, one, one, clean=False)
    assert (status["total_count"], status["success_count"], status["failure_count"]) == (3, 3, 0), status
    assert _stored(lab_a, exchange, one["id"]) == [one]


@pytest.mark.parametrize("change", DIFFERENT)
@pytest.mark.parametrize("together", [True, False])
def test_another_content_under_the_same_version_does_not_replace_the_first(
    submit: Submit, lab_a: Client, exchange: str, change: str, together: bool
) -> None:
    """§5.5 forgives exact duplicates only; STIX 2.1 §3.6: a version does not change. The first one stands."""
    one = stix.malware()
    other = DIFFERENT[change](one)
    if together:
        status = submit(one, other, clean=False)
    else:
        submit(one)
        status = submit(other, clean=False)
    _is_status(status)
    assert _stored(lab_a, exchange, one["id"]) == [one]
    assert status["failure_count"] in (0, 1)
    assert all(detail["message"] for detail in status.get("failures", []))


def test_an_observable_with_other_properties_does_not_replace_the_first(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """STIX 2.1 §2.9: the same id and other content is refused, or is a version of its own."""
    one = stix.file()
    other = one | {"size": 7}
    submit(one)
    status = submit(other, clean=False)
    assert _stored(lab_a, exchange, one["id"]) == ([one] if status["failure_count"] else [one, other])
    assert lab_a.crawl(f"{exchange}objects/?match[version]=first&match[id]={one['id']}") == [one]
    dates = [
        r["version"] for r in lab_a.crawl(f"{exchange}manifest/?match[version]=all&match[id]={one['id']}")
    ]
    assert len(set(dates)) == len(dates)


def test_a_new_version_comes_last_and_takes_the_old_ones_place(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """§3.3, §3.4.1."""
    first, second, third = stix.versions_of(stix.malware())
    neighbour = stix.malware()
    submit(first, neighbour)
    submit(second)
    target = f"{exchange}objects/?match[id]={first['id']},{neighbour['id']}"
    assert lab_a.crawl(target) == [neighbour, second]
    submit(third)
    assert lab_a.crawl(target) == [neighbour, third]
    assert lab_a.crawl(target + "&match[version]=all") == [first, neighbour, second, third]


@pytest.mark.parametrize("name", BAD)
def test_one_bad_object_does_not_harm_its_neighbours(
    world: World, lab_a: Client, exchange: str, name: str
) -> None:
    """§4.3.1: failures with id, version and message (clients.md 12); §5.5: or 422, with nothing stored."""
    assert lab_a.token is not None
    before, after = stix.malware(), stix.campaign()
    bad = BAD[name]()
    answer = lab_a.post(f"{exchange}objects/", {"objects": [before, bad, after]})
    if answer.status == 422:
        assert_error(answer, 422)
        assert name in UNREADABLE or not isinstance(bad, dict), "An object that is JSON spoils itself alone."
        assert_error(lab_a.get(f"{exchange}objects/{before['id']}/"), 404)
        return
    status = world.wait(assert_taxii(answer, 202), lab_a.token)
    _is_status(status)
    assert status["total_count"] == 3
    assert (status["success_count"], status["failure_count"]) == (2, 1), status
    (failure,) = status["failures"]
    assert failure["message"]
    if isinstance(bad, dict) and isinstance(bad.get("id"), str):
        assert failure["id"] == bad["id"]
        assert _stored(lab_a, exchange, before["id"]) == [before]
        assert _stored(lab_a, exchange, after["id"]) == [after]


def test_an_object_of_stix_2_0_is_a_failure_or_is_2_0(submit: Submit, lab_a: Client, exchange: str) -> None:
    """STIX 2.1 §3.2: without spec_version an SDO is 2.0; §3.4.1: match[spec_version] must tell them apart."""
    old = _changed(stix.campaign(), spec_version=None)
    status = submit(old, clean=False)
    if status["failure_count"]:
        assert status["failures"][0]["message"]
        return
    assert lab_a.crawl(f"{exchange}objects/?match[spec_version]=2.1&match[id]={old['id']}") == []
    assert lab_a.crawl(f"{exchange}objects/?match[spec_version]=2.0&match[id]={old['id']}") == [old]


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"more": False},
        {"more": True, "next": "abc"},
        {"type": "bundle", "id": "bundle--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb"},
        {"type": "bundle", "id": "bundle--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb", "spec_version": "2.0"},
        {"x_example_note": {"a": 1}},
    ],
    ids=["envelope", "more", "next", "bundle", "bundle 2.0", "custom property"],
)
def test_an_envelope_or_a_bundle_is_taken(
    world: World, lab_a: Client, exchange: str, members: dict[str, Any]
) -> None:
    """§3.7; clients.md 12: leniently, a bundle; §7.1: unknown custom properties are ignored."""
    assert lab_a.token is not None
    one = stix.malware()
    answer = lab_a.post(f"{exchange}objects/", members | {"objects": [one]})
    status = world.wait(assert_taxii(answer, 202), lab_a.token)
    assert status["success_count"] == 1
    assert _stored(lab_a, exchange, one["id"]) == [one]


@pytest.mark.parametrize("envelope", [{}, {"objects": []}, {"more": False}])
def test_an_envelope_of_nothing_is_taken_or_refused_clearly(
    world: World, lab_a: Client, exchange: str, envelope: object
) -> None:
    """§3.7: objects is optional; §2: an empty list is prohibited."""
    assert lab_a.token is not None
    answer = lab_a.post(f"{exchange}objects/", envelope)
    if answer.status == 202:
        status = world.wait(assert_taxii(answer, 202), lab_a.token)
        assert status["total_count"] == 0
    else:
        assert_error(answer, 400, 422)


@pytest.mark.parametrize("query", ["?match[version]=x", "?limit=0", "?foo=bar", "?added_after=x"])
def test_parameters_mean_nothing_to_a_post(lab_a: Client, exchange: str, query: str) -> None:
    """§5.5 has no filters."""
    assert lab_a.post(f"{exchange}objects/{query}", {"objects": [stix.malware()]}).status in (202, 400)


def test_white_space_and_a_utf_8_signature_are_no_obstacle_or_a_clear_one(
    lab_a: Client, exchange: str
) -> None:
    """RFC 8259 §2 and §8.1: white space is allowed, a byte order mark may be ignored."""
    body = json.dumps({"objects": [stix.malware()]}, indent=4).encode()
    assert_taxii(lab_a.request("POST", f"{exchange}objects/", body=b" \r\n\t" + body + b"\n\n"), 202)
    answer = lab_a.request("POST", f"{exchange}objects/", body=b"\xef\xbb\xbf" + body)
    assert answer.status in (202, 400, 422)


def test_a_body_just_under_the_longest_is_taken(
    world: World, lab_a: Client, root: str, exchange: str
) -> None:
    """§4.2.1: bodies smaller than max_content_length MUST NOT result in 413."""
    assert lab_a.token is not None
    longest = assert_taxii(lab_a.get(root))["max_content_length"]
    body = json.dumps({"objects": [stix.malware()]}).encode()
    answer = lab_a.request("POST", f"{exchange}objects/", body=body + b" " * (longest - 1 - len(body)))
    assert world.wait(assert_taxii(answer, 202), lab_a.token)["success_count"] == 1


@pytest.mark.parametrize("excess", [1, 1_000, 1_000_000])
def test_a_body_over_the_longest_is_413_and_stores_nothing(
    lab_a: Client, root: str, exchange: str, excess: int
) -> None:
    """§5.5: the payload exceeds max_content_length."""
    longest = assert_taxii(lab_a.get(root))["max_content_length"]
    one = stix.malware()
    body = json.dumps({"objects": [one]}).encode()
    answer = lab_a.request("POST", f"{exchange}objects/", body=body + b" " * (longest + excess - len(body)))
    assert_error(answer, 413)
    assert_error(lab_a.get(f"{exchange}objects/{one['id']}/"), 404)


def _raw(world: World, token: Token, target: str, lines: list[str], body: bytes) -> bytes:
    """Sends a request of its own making; the answer."""
    place = urlsplit(world.url)
    head = [
        f"POST {target} HTTP/1.1",
        f"Host: {place.netloc}",
        f"Authorization: {basic(token.id, token.secret)}",
        f"Accept: {TAXII}",
        f"Content-Type: {TAXII}",
        "Connection: close",
        *lines,
    ]
    return world.raw("\r\n".join([*head, "", ""]).encode() + body)


def test_a_chunked_body_is_read(world: World, lab_a: Client, exchange: str) -> None:
    """RFC 9112 §7.1: an HTTP/1.1 server takes chunks; or says 411."""
    assert lab_a.token is not None
    body = json.dumps({"objects": [stix.malware()]}).encode()
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (body[:50], body[50:]))
    answer = _raw(
        world, lab_a.token, f"{exchange}objects/", ["Transfer-Encoding: chunked"], chunks + b"0\r\n\r\n"
    )
    assert answer.split(b" ", 2)[1] in (b"202", b"411")


@pytest.mark.parametrize("length", ["abc", "-1", "1, 2", "99999999999999999999"])
def test_a_content_length_that_is_none_is_no_500(
    world: World, lab_a: Client, exchange: str, length: str
) -> None:
    """RFC 9110 §8.6."""
    assert lab_a.token is not None
    answer = _raw(world, lab_a.token, f"{exchange}objects/", [f"Content-Length: {length}"], b"")
    assert answer == b"" or answer.split(b" ", 2)[1][:1] == b"4"


def test_the_same_post_sent_twice_at_once_stores_once(world: World, lab_a: Client, exchange: str) -> None:
    """§5.5: duplicates, also while the first is still pending."""
    assert lab_a.token is not None
    one = stix.malware()
    statuses = [assert_taxii(lab_a.post(f"{exchange}objects/", {"objects": [one]}), 202) for _ in range(5)]
    finals = [world.wait(status, lab_a.token) for status in statuses]
    assert [(final["success_count"], final["failure_count"]) for final in finals] == [(1, 0)] * 5
    assert _stored(lab_a, exchange, one["id"]) == [one]
    # The same body is the same request: one status answers for all.
    assert len({status["id"] for status in statuses}) == 1


def test_what_goes_into_an_inbox_stands_there(submit: Submit, lab_a: Client, inbox: str) -> None:
    """interface.md: each member's own; readable to its owner as any collection."""
    one = stix.malware()
    submit(one, to=inbox)
    assert lab_a.crawl(f"{inbox}objects/?match[id]={one['id']}") == [one]


def test_an_object_above_the_ceiling_of_an_open_collection_is_a_failure(
    submit: Submit, lab_a: Client, exchange: str
) -> None:
    """interface.md: objects stand there if marked at or below the ceiling (amber)."""
    red = "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1"
    one = stix.malware(object_marking_refs=[red])
    status = submit(one, stix.malware(), clean=False)
    assert (status["success_count"], status["failure_count"]) == (1, 1)
    assert _stored(lab_a, exchange, one["id"]) == []
