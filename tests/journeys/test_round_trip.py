"""What went in comes out: value-equal, and nothing added (clients.md 15). From the inbox, and from a feed."""

import json
from typing import Any
from uuid import uuid4

import pytest

from indicators.dedup import observables
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import World

UUID = "3a7c1f52-9d40-4c6e-a1b7-5e2f8c9d0a61"
# Each is put into an object of a type that nobody knows, or into what is said beside it.
AWKWARD: dict[str, dict[str, Any]] = {
    "timestamps without a fraction": {"x_at": "2024-05-01T08:00:00Z"},
    "timestamps with trailing zeros": {"x_at": "2024-05-01T08:00:00.100000Z"},
    "timestamps in nanoseconds": {"x_at": "2024-05-01T08:00:00.123456789Z"},
    "unicode beyond the BMP": {"name": "蒸留 — \U0001d49fistillation 🧪 \u200d \ufeff é é"},
    "control characters and escapes": {"description": 'a\tb\nc\rd\u0001"\\/</script>\u2028\u2029\x7f'},
    "the largest integers": {"x_numbers": [2**53 - 1, -(2**53 - 1), 0]},
    "floats": {"x_numbers": [0.1, 1.5e300, 5e-324, -2.5, 1e21, 1e-7, 333333333.33333329, 4.35]},
    "whole floats": {"x_numbers": [1.0, -0.0, 1e15, 100.0]},
    "false and true": {"x_flags": {"no": False, "yes": True, "list": [False, True]}},
    "empty strings": {"description": "", "x_empty": {"text": "", "list_of_texts": ["", "a", ""]}},
    "the order of lists": {"labels": ["z", "a", "m"], "x_list": [3, 1, 2, "b", "a"]},
    "deep nesting": {"x_deep": {"a": [{"b": {"c": [[[{"d": [1, [2, [3]]]}]]]}}]}},
    "odd names": {"x_odd": {"": 1, "a b": 2, "é": 3, "\U0001f600": 4, "\ufb01": 5, "__proto__": 6}},
    "long texts": {"description": "長い" * 20_000},
    "what looks like markup": {"description": "<b>&amp;</b> %s {0} ${x} $(id) ; DROP TABLE"},
    "an extension with nested values": {
        "extensions": {
            f"extension-definition--{UUID}": {
                "extension_type": "property-extension",
                "numbers": [1.5, 2, -3],
                "nested": {"list": [{"deep": {"deeper": [False, "", {"x": 1}]}}]},
            }
        }
    },
    "a language": {"lang": "ja", "x_note": "ロシア語"},
}


def body_of(members: dict[str, Any]) -> Object:
    return stix._sdo("campaign", **{"name": "Copycat", "object_marking_refs": [GREEN]} | members)


def under_its_id(one: Object) -> Object:
    """An observable under the id that all its contributing properties give it."""
    return one | {"id": observables.deterministic_id(one)}


OBJECTS: dict[str, Any] = {name: lambda m=members: body_of(m) for name, members in AWKWARD.items()} | {
    "a type that nobody knows": lambda: stix._sdo(
        "x-example-thing", x_a={"b": [1, 2.5]}, object_marking_refs=[GREEN]
    ),
    "a type that an extension defines": lambda: stix._sdo(
        "distillation-cluster",
        size=12,
        extensions={f"extension-definition--{UUID}": {"extension_type": "new-sdo"}},
        object_marking_refs=[GREEN],
    ),
    "an observable without spec_version": lambda: stix.domain_name(object_marking_refs=[GREEN]),
    "an observable with spec_version": lambda: stix.url(
        spec_version="2.1", defanged=False, object_marking_refs=[GREEN]
    ),
    "a file with everything": lambda: under_its_id(
        stix.file(
            size=2**53 - 1,
            name="modèle.safetensors",
            ctime="2024-05-01T08:00:00.10Z",
            extensions={
                f"extension-definition--{UUID}": {
                    "extension_type": "property-extension",
                    "flags": [False, ""],
                }
            },
            object_marking_refs=[GREEN],
        )
    ),
    "times of creation in microseconds": lambda: body_of(
        {"created": "2024-05-01T08:00:00.123456Z", "modified": "2024-05-01T08:00:00.123457Z"}
    ),
    "times of creation with zeros": lambda: body_of(
        {"created": "2024-05-01T08:00:00.100000Z", "modified": "2024-05-01T08:00:00.1000000Z"}
    ),
    "revoked false": lambda: body_of({"revoked": False}),
    "a marking of one's own": lambda: stix.statement(object_marking_refs=[GREEN]),
    "granular markings": lambda: body_of(
        {"granular_markings": [{"marking_ref": GREEN, "selectors": ["name", "labels.[0]"]}], "labels": ["a"]}
    ),
}


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_comes_out_of_the_inbox_as_it_went_in(world: World, name: str) -> None:
    sent = OBJECTS[name]()

    final = world.submit("lab-a", [sent], community="allies")

    assert final["failure_count"] == 0, final["failures"]
    (served,) = world.objects("lab-a", "inbox", community="allies", query=f"match[id]={sent['id']}")
    assert steps.same(sent, served), (sent, served)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_object_comes_out_of_a_feed_as_it_went_in(world: World, name: str) -> None:
    sent = OBJECTS[name]()

    world.submit("lab-a", [sent], community="allies")

    (served,) = world.objects("lab-b", "green", community="allies", query=f"match[id]={sent['id']}")
    assert steps.same(sent, served), (sent, served)


def test_an_indicator_comes_out_of_the_inbox_as_it_went_in(world: World) -> None:
    """Only feeds merge."""
    domain = stix.domain()
    sent = steps.indicator(
        domain,
        pattern=f"[ domain-name:value   = '{domain.upper()}' ]",
        x_score=0.25,
        valid_from="2024-05-01T08:00:00Z",
    )

    world.submit("lab-a", [sent], community="allies")

    (served,) = world.objects("lab-a", "inbox", community="allies", query=f"match[id]={sent['id']}")
    assert steps.same(sent, served)


def test_an_open_collection_serves_what_was_posted(world: World) -> None:
    """interface.md: objects stand there as they are, for everyone with `read`; it is ingested too."""
    domain = stix.domain()
    sent = steps.indicator(domain, x_note={"a": [1.5, False, ""]})

    world.submit("lab-a", [sent], to="exchange", community="allies")

    (served,) = world.objects("lab-b", "exchange", community="allies", query=f"match[id]={sent['id']}")
    assert steps.same(sent, served)
    assert steps.indicator_in(world, "lab-b", "green", domain, community="allies")["id"] != sent["id"]


def test_every_spelling_of_one_json_text_is_one_object(world: World) -> None:
    sent = body_of({"name": "é/\u2028", "x_numbers": [1, 100000, 0.001]})
    spelled = (
        json.dumps(sent, ensure_ascii=True, indent=3).replace("100000", "1E5").replace("0.001", "1.0e-3")
    )

    first = steps.post(world, "lab-a", b'{"objects":[%b]}' % spelled.encode(), community="allies")
    world.wait(first, world.token("lab-a"), "allies")
    final = world.submit("lab-a", [sent], community="allies")

    assert final["success_count"] == 1
    (served,) = world.objects(
        "lab-a", "inbox", community="allies", query=f"match[id]={sent['id']}&match[version]=all"
    )
    assert steps.same(sent, served)


def test_one_bad_object_harms_none_of_its_neighbours(world: World) -> None:
    good = [body_of({}), stix.domain_name(object_marking_refs=[GREEN])]
    bad = [{"type": "campaign"}, 7, body_of({"x_number": 2**53}), body_of({"modified": "yesterday"})]

    final = world.submit("lab-a", [good[0], *bad, good[1]], community="allies")

    assert (final["total_count"], final["success_count"], final["failure_count"]) == (6, 2, 4)
    assert all(failure["message"] for failure in final["failures"])
    assert {one["id"] for one in good} <= {
        one["id"] for one in world.objects("lab-b", "green", community="allies")
    }


def test_an_id_that_only_looks_like_another_stays_another(world: World) -> None:
    one = uuid4()
    lower, upper = body_of({"id": f"campaign--{one}"}), body_of({"id": f"campaign--{str(one).upper()}"})

    final = world.submit("lab-a", [lower, upper], community="allies")

    accepted = {detail["id"] for detail in final.get("successes", [])}
    served = {each["id"] for each in world.objects("lab-a", "inbox", community="allies")}
    assert lower["id"] in accepted
    assert accepted <= served
