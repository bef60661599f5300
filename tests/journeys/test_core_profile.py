"""The core projection of a feed: what SIEMs take (clients.md 19)."""

import pytest

from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import GREEN
from tests.world import World

CORE_PATTERNS = {
    "autonomous-system": "[autonomous-system:number = {number}]",
    "domain-name": "[domain-name:value = '{domain}']",
    "email": "[email-addr:value = 'ops@{domain}']",
    "file": "[file:hashes.'SHA-256' = '{digest}']",
    "ipv4-addr": "[ipv4-addr:value = '203.0.113.{byte}']",
    "ipv6-addr": "[ipv6-addr:value = '2001:db8::{byte}']",
    "url": "[url:value = 'https://{domain}/v1']",
    "user-account": "[user-account:account_login = '{domain}']",
}
OTHER_PATTERNS = {
    "two observables": "[domain-name:value = '{domain}' AND ipv4-addr:value = '203.0.113.9']",
    "two in a row": "[domain-name:value = '{domain}'] FOLLOWEDBY [domain-name:value = 'then.example']",
    "a list": "[domain-name:value IN ('{domain}', 'b.example')]",
    "not equal": "[domain-name:value != '{domain}']",
    "a qualifier": "[domain-name:value = '{domain}'] REPEATS 3 TIMES",
    "a type of ours": "[llm-api-activity:provider = '{domain}']",
    "a type few know": "[software:name = '{domain}']",
}


def pattern_of(template: str) -> str:
    domain = stix.domain()
    number = int(domain.removeprefix("host").partition(".")[0])
    # Of no special purpose, else an allow-list withholds it.
    return template.format(
        domain=domain, number=131072 + number, byte=1 + number % 250, digest=f"{abs(hash(domain)):064x}"[:64]
    )


def patterns_in(world: World, alias: str) -> set[str]:
    found = world.objects("lab-b", alias, community="allies", query="match[type]=indicator")
    return {one["pattern"] for one in found}


def submit(world: World, *objects: Object) -> None:
    final = world.submit("lab-a", list(objects), community="allies")
    assert final["failure_count"] == 0, final["failures"]


@pytest.mark.parametrize("name", CORE_PATTERNS)
def test_an_indicator_of_one_plain_observable_is_in_the_core_feed(world: World, name: str) -> None:
    pattern = pattern_of(CORE_PATTERNS[name])

    submit(world, steps.indicator("", pattern=pattern))

    assert pattern in patterns_in(world, "green")
    assert pattern in patterns_in(world, "green-core")


@pytest.mark.parametrize("name", OTHER_PATTERNS)
def test_any_other_indicator_is_in_the_full_feed_only(world: World, name: str) -> None:
    before = patterns_in(world, "green"), patterns_in(world, "green-core")

    submit(world, steps.indicator("", pattern=pattern_of(OTHER_PATTERNS[name])))

    assert len(patterns_in(world, "green") - before[0]) == 1
    assert patterns_in(world, "green-core") == before[1]


def test_pattern_languages_that_siems_do_not_read_are_in_the_full_feed_only(world: World) -> None:
    rule = "title: A rule\nlogsource:\n  category: proxy\ndetection:\n  sel:\n    host: x\n  condition: sel\n"

    submit(world, steps.indicator("", pattern=f"{rule}# {stix.domain()}\n", pattern_type="sigma"))

    full = world.objects("lab-b", "green", community="allies", query="match[type]=indicator")
    core = world.objects("lab-b", "green-core", community="allies", query="match[type]=indicator")
    assert "sigma" in {one["pattern_type"] for one in full}
    assert {one["pattern_type"] for one in core} == {"stix"}


def test_types_that_no_standard_names_are_in_the_full_feed_only(world: World) -> None:
    custom = stix._sdo("x-example-cluster", name="A cluster", object_marking_refs=[GREEN])

    submit(world, custom)

    assert custom["id"] in ids_in(world, "green")
    assert custom["id"] not in ids_in(world, "green-core")


def ids_in(world: World, alias: str) -> set[str]:
    return {one["id"] for one in world.objects("lab-b", alias, community="allies")}


def test_what_refers_to_what_is_not_core_is_not_core_either(world: World) -> None:
    """clients.md 18 in the core feed: a relationship without its ends is of no use."""
    behaviour = steps.indicator("", pattern=pattern_of(OTHER_PATTERNS["a type of ours"]))
    plain, campaign = steps.indicator(stix.domain()), stix.campaign(object_marking_refs=[GREEN])

    submit(
        world,
        behaviour,
        plain,
        campaign,
        steps.marked(stix.relationship(behaviour, campaign), GREEN),
        steps.marked(stix.relationship(plain, campaign), GREEN),
    )

    in_full, in_core = (
        [
            one
            for one in world.objects("lab-b", alias, community="allies", query="match[type]=relationship")
            if one["target_ref"] == campaign["id"]
        ]
        for alias in ("green", "green-core")
    )
    assert (len(in_full), len(in_core)) == (2, 1)
    assert in_core[0]["source_ref"] in ids_in(world, "green-core")


def test_the_core_feed_serves_the_same_bytes_as_the_full_one(world: World) -> None:
    domain = stix.domain()

    submit(world, steps.indicator(domain))

    full = steps.indicator_in(world, "lab-b", "green", domain, community="allies")
    core = steps.indicator_in(world, "lab-b", "green-core", domain, community="allies")
    assert core == full


def test_a_revocation_reaches_the_core_feed(world: World) -> None:
    """clients.md 17."""
    domain = stix.domain()
    indicator = steps.indicator(domain)
    submit(world, indicator)

    submit(world, steps.newer(indicator, revoked=True))

    assert steps.indicator_in(world, "lab-b", "green-core", domain, community="allies")["revoked"] is True
