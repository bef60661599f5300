"""Filters, and what each must select from the shelf (§3.4, §3.4.1)."""

from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote

from tests.conformance import stix
from tests.conformance.conftest import Shelf


@dataclass(frozen=True, slots=True)
class Selection:
    """`query` has no leading `?`; `expected` gives the objects in the order in which they must come."""

    query: Callable[[Shelf], str]
    expected: Callable[[Shelf], list[stix.Object]]


def _fixed(query: str, expected: Callable[[Shelf], list[stix.Object]]) -> Selection:
    return Selection(lambda _: query, expected)


def _latest(*types: str) -> Callable[[Shelf], list[stix.Object]]:
    return lambda shelf: [one for one in shelf.latest() if one["type"] in types]


def _ends(shelf: Shelf, *, first: bool, last: bool) -> list[stix.Object]:
    earliest: dict[str, stix.Object] = {}
    for one in shelf.objects:
        earliest.setdefault(one["id"], one)
    latest = {one["id"]: one for one in shelf.objects}
    return [
        one
        for one in shelf.objects
        if (first and earliest[one["id"]] is one) or (last and latest[one["id"]] is one)
    ]


def _at(*versions: str) -> Callable[[Shelf], list[stix.Object]]:
    return lambda shelf: [one for one in shelf.objects if stix.version_of(one) in versions]


V1, V2, V3 = stix.VERSIONS
SELECTIONS = {
    "nothing": _fixed("", lambda shelf: shelf.latest()),
    "unknown parameter": _fixed("foo=bar", lambda shelf: shelf.latest()),
    "unknown field": _fixed("match[foo]=bar", lambda shelf: shelf.latest()),
    "long ago": _fixed("added_after=1970-01-01T00:00:00Z", lambda shelf: shelf.latest()),
    "empty next": _fixed("next=", lambda shelf: shelf.latest()),
    "last": _fixed("match[version]=last", lambda shelf: shelf.latest()),
    "all": _fixed("match[version]=all", lambda shelf: shelf.objects),
    "first": _fixed("match[version]=first", lambda shelf: _ends(shelf, first=True, last=False)),
    "first and last": _fixed("match[version]=first,last", lambda shelf: _ends(shelf, first=True, last=True)),
    "last and first": _fixed("match[version]=last,first", lambda shelf: _ends(shelf, first=True, last=True)),
    "exact": _fixed(f"match[version]={V2}", _at(V2)),
    "exact, many objects": _fixed(f"match[version]={V1}", _at(V1)),
    "exact, fewer decimals": _fixed("match[version]=2024-05-02T08:00:00Z", _at(V2)),
    "exact, more decimals": _fixed("match[version]=2024-05-03T08:00:00.123000Z", _at(V3)),
    "exact, almost": _fixed("match[version]=2024-05-03T08:00:00.122999Z", lambda _: []),
    "exact, two": _fixed(f"match[version]={V2},{V3}", _at(V2, V3)),
    "exact, one of them nowhere": _fixed(f"match[version]={V2},2001-01-01T00:00:00.000Z", _at(V2)),
    "exact, nowhere": _fixed("match[version]=2001-01-01T00:00:00.000Z", lambda _: []),
    "last or exact": _fixed(
        f"match[version]=last,{V2}",
        lambda shelf: [one for one in shelf.objects if one in shelf.latest() or one.get("modified") == V2],
    ),
    "type": _fixed("match[type]=indicator", _latest("indicator")),
    "type, percent-encoded": _fixed("match%5Btype%5D=indicator", _latest("indicator")),
    "type of one": _fixed("match[type]=malware", _latest("malware")),
    "type of observables": _fixed("match[type]=domain-name", _latest("domain-name")),
    "type without modified": _fixed("match[type]=marking-definition", _latest("marking-definition")),
    "types": _fixed("match[type]=malware,domain-name", _latest("malware", "domain-name")),
    "types, other order": _fixed("match[type]=domain-name,malware", _latest("malware", "domain-name")),
    "types, comma encoded": _fixed("match[type]=domain-name%2Cmalware", _latest("malware", "domain-name")),
    "types, one unknown": _fixed("match[type]=malware,x-nothing", _latest("malware")),
    "type, unknown": _fixed("match[type]=x-nothing", lambda _: []),
    "type, in the standard and not here": _fixed("match[type]=tool", lambda _: []),
    "type and version": _fixed(
        "match[type]=indicator&match[version]=all",
        lambda shelf: [one for one in shelf.objects if one["type"] == "indicator"],
    ),
    "spec_version": _fixed("match[spec_version]=2.1", lambda shelf: shelf.latest()),
    "spec_versions": _fixed("match[spec_version]=2.0,2.1", lambda shelf: shelf.latest()),
    "spec_version, older": _fixed("match[spec_version]=2.0", lambda _: []),
    "spec_version, never": _fixed("match[spec_version]=3.7", lambda _: []),
    "spec_version and type without it": _fixed(
        "match[spec_version]=2.1&match[type]=domain-name", _latest("domain-name")
    ),
    "everything at once": _fixed(
        "match[spec_version]=2.1&match[type]=indicator,malware&match[version]=all&added_after=2001-01-01T00:00:00Z",
        lambda shelf: [one for one in shelf.objects if one["type"] in ("indicator", "malware")],
    ),
    "the future": _fixed("added_after=2999-01-01T00:00:00Z", lambda _: []),
}
BY_ID = {
    "id": Selection(lambda shelf: f"match[id]={shelf.single['id']}", lambda shelf: [shelf.single]),
    "id of several versions": Selection(
        lambda shelf: f"match[id]={shelf.versioned[0]['id']}", lambda shelf: shelf.versioned[-1:]
    ),
    "id, all versions": Selection(
        lambda shelf: f"match[version]=all&match[id]={shelf.versioned[0]['id']}",
        lambda shelf: shelf.versioned,
    ),
    "id, first version": Selection(
        lambda shelf: f"match[version]=first&match[id]={shelf.versioned[0]['id']}",
        lambda shelf: shelf.versioned[:1],
    ),
    "ids": Selection(
        lambda shelf: f"match[id]={shelf.observable['id']},{shelf.marking['id']}",
        lambda shelf: [shelf.marking, shelf.observable],
    ),
    "the same id twice in a list": Selection(
        lambda shelf: f"match[id]={shelf.single['id']},{shelf.single['id']}", lambda shelf: [shelf.single]
    ),
    "ids, one unknown": Selection(
        lambda shelf: f"match[id]={shelf.single['id']},indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb",
        lambda shelf: [shelf.single],
    ),
    "id, unknown": Selection(
        lambda _: "match[id]=indicator--3600ad1b-fff1-4c98-bcc9-4de3bc2e2ffb", lambda _: []
    ),
    "id of another type": Selection(
        lambda shelf: f"match[type]=malware&match[id]={shelf.single['id']}", lambda _: []
    ),
    "id of the same type": Selection(
        lambda shelf: f"match[type]=indicator&match[id]={shelf.single['id']}", lambda shelf: [shelf.single]
    ),
    "id without modified, by created": Selection(
        lambda shelf: f"match[version]={stix.CREATED}&match[id]={shelf.marking['id']}",
        lambda shelf: [shelf.marking],
    ),
    "id, percent-encoded": Selection(
        lambda shelf: f"match%5Bid%5D={quote(shelf.single['id'], safe='')}", lambda shelf: [shelf.single]
    ),
}
EVERY = SELECTIONS | BY_ID


def among_shelf(shelf: Shelf, query: str) -> str:
    """The query, restricted to the objects on the shelf."""
    return "&".join(filter(None, [query, f"match[id]={','.join(shelf.ids)}"]))
