"""What is near a pattern: what watches the same, wider or narrower, and why; nothing above whom it is told."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from accounts import sql
from accounts.actor import Actor
from accounts.models import Community, Tlp
from indicators.actions import journal
from indicators.dedup import sketches, templates
from indicators.models import Claim, LikenessState, MergeKind, Subject
from sharing import near
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys.steps import AMBER, GREEN
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import send
from tests.sharing.conftest import Counted

DIGEST = "b5" * 32
BLINDED = "0f" * 32


def said(shop: Shop, *patterns: str, tlp: str = GREEN) -> None:
    send(shop, [stix.indicator(pattern=one, object_marking_refs=[tlp]) for one in patterns])


def by(shop: Shop, pattern: str, *, ceiling: int = Tlp.AMBER, most: int = 20) -> dict[str, str]:
    """What is near a pattern, and why, the closest first."""
    value = {"type": "indicator", "pattern_type": "stix", "pattern": pattern}
    found = near.near_to(value, community_id=shop.community.id, ceiling=ceiling, subject_id=None, most=most)
    return {one.title: one.why for one in found}


def address(value: str) -> str:
    return f"[ipv4-addr:value = '{value}']"


def domain(value: str) -> str:
    return f"[domain-name:value = '{value}']"


def test_networks_that_overlap_are_near_from_both_sides_the_closest_first(shop: Shop) -> None:
    said(shop, *map(address, ("203.0.113.7", "203.0.113.0/24", "203.0.0.0/16", "203.0.112.9")))
    said(shop, "[ipv6-addr:value = '2001:db8:1::/48']")

    assert by(shop, address("203.0.113.0/25")) == {
        address("203.0.113.0/24"): "203.0.113.0/25 lies in 203.0.113.0/24",
        address("203.0.113.7"): "203.0.113.7 lies in 203.0.113.0/25",
        address("203.0.0.0/16"): "203.0.113.0/25 lies in 203.0.0.0/16",
    }
    assert list(by(shop, address("203.0.113.7"))) == list(
        map(address, ("203.0.113.7", "203.0.113.0/24", "203.0.0.0/16"))
    )
    assert by(shop, "[ipv6-addr:value = '2001:db8:1::7']") == {
        "[ipv6-addr:value = '2001:db8:1::/48']": "2001:db8:1::7 lies in 2001:db8:1::/48"
    }


def test_of_what_lies_in_a_wide_network_the_closest_are_near_and_no_more(shop: Shop) -> None:
    said(shop, *(address(f"203.0.{third}.1") for third in range(12)), address("203.64.0.0/10"))

    assert next(iter(by(shop, address("203.0.0.0/8"), most=3))) == address("203.64.0.0/10")
    assert len(by(shop, address("203.0.0.0/8"), most=3)) == 3
    # Wider than anything that is anybody's: all addresses lie in it.
    assert by(shop, address("200.0.0.0/5")) == {}


def test_domains_above_and_below_are_near_but_no_others_of_the_same_suffix(shop: Shop) -> None:
    said(shop, *map(domain, ("h.example", "www.h.example", "a.b.h.example", "ah.example", "other.example")))

    assert by(shop, domain("h.example")) == {
        domain("h.example"): "names h.example too",
        domain("www.h.example"): "www.h.example is below h.example",
        domain("a.b.h.example"): "a.b.h.example is below h.example",
    }
    assert by(shop, domain("www.h.example")) == {
        domain("www.h.example"): "names www.h.example too",
        domain("h.example"): "www.h.example is below h.example",
    }
    assert by(shop, domain("example")) == {}
    assert by(shop, "[url:value = 'https://x.www.h.example/v1']") == {
        domain("www.h.example"): "x.www.h.example is below www.h.example",
        domain("h.example"): "x.www.h.example is below h.example",
    }


@pytest.mark.parametrize(
    ("alone", "joined", "value"),
    [
        (f"file:hashes.'SHA-256' = '{DIGEST}'", "file:name = 'proxy.exe'", DIGEST),
        (f"blinded-identifier:value = '{BLINDED}'", "blinded-identifier:subject = 'account-id'", BLINDED),
        (f"prompt-template:hashes.'SHA-256' = '{DIGEST}'", "llm-api-activity:exchange_count > 9", DIGEST),
        ("autonomous-system:number = 64500", "llm-api-activity:provider = 'example.ai'", "AS64500"),
        ("x-rack:value = 'Rack-0007'", "x-rack:kind = 'shelf'", "rack-0007"),
    ],
)
def test_one_exact_value_alone_and_beside_another_test_is_near(
    shop: Shop, alone: str, joined: str, value: str
) -> None:
    said(shop, f"[{alone} AND {joined}]", f"[{joined}]")

    found = by(shop, f"[{alone}]")

    assert list(found.values()) == [f"names {value} too"]
    # What names a kind of things brings nothing near.
    assert by(shop, f"[{joined} AND {joined.split(':')[0]}:x_other = 'another']") == {}


def test_several_reasons_are_told_together(shop: Shop) -> None:
    said(shop, "[domain-name:value = 'h.example' OR ipv4-addr:value = '203.0.113.0/24']")

    found = by(shop, "[domain-name:value IN ('h.example', 'a.h.example') OR ipv4-addr:value = '203.0.113.7']")

    assert list(found.values()) == [
        "names h.example too; a.h.example is below h.example; 203.0.113.7 lies in 203.0.113.0/24"
    ]


def test_what_is_above_those_who_are_told_is_near_to_nothing(shop: Shop) -> None:
    said(shop, address("203.0.113.0/24"), f"[file:hashes.'SHA-256' = '{DIGEST}']", tlp=AMBER)
    template, named = sketched(1), sketched(1, fewer=30)
    send(shop, [template | {"object_marking_refs": [GREEN]}])
    send(shop, [named | {"object_marking_refs": [AMBER]}])
    asked = (
        f"[ipv4-addr:value = '203.0.113.7' OR file:hashes.'SHA-256' = '{DIGEST}'"
        f" OR prompt-template:hashes.'SHA-256' = '{template['hashes']['SHA-256']}']"
    )

    assert set(by(shop, asked, ceiling=Tlp.GREEN)) == {
        f"prompt-template SHA-256 {template['hashes']['SHA-256']}"
    }
    assert len(by(shop, asked, ceiling=Tlp.AMBER)) == 4


def test_templates_that_resemble_each_other_are_near_and_so_is_what_names_one(shop: Shop) -> None:
    first, second = sketched(1), sketched(1, fewer=30)
    send(shop, [one | {"object_marking_refs": [GREEN]} for one in (first, second)])
    names = f"[prompt-template:hashes.'SHA-256' = '{first['hashes']['SHA-256']}']"
    one, other = (f"prompt-template SHA-256 {made['hashes']['SHA-256']}" for made in (first, second))

    own = near.near_to(
        first,
        community_id=shop.community.id,
        ceiling=Tlp.GREEN,
        subject_id=Subject.objects.get(key=first["id"].encode()).id,
        most=20,
    )

    assert [found.title for found in own] == [other]
    assert own[0].why.startswith("resembles it: 0.7")
    assert own[0].why.endswith(f", {LikenessState.PENDING}")
    assert by(shop, names)[one] == f"names {first['hashes']['SHA-256']} too"
    assert by(shop, names)[other].startswith("resembles a prompt template that it names: 0.7")


def test_what_was_made_one_or_two_is_near_by_what_counts_for_it(shop: Shop) -> None:
    hashed, stays = f"[file:hashes.'SHA-256' = '{DIGEST}']", domain("h.example")
    said(shop, stays, hashed)
    send(shop, [stix.indicator(pattern=hashed, object_marking_refs=[GREEN])], organization=shop.lab_b)
    one, other = Subject.objects.filter(object_type="indicator").order_by("id").values_list("id", flat=True)
    act: dict[str, Any] = {"community_id": shop.community.id, "by": Actor("service:test"), "now": NOW}
    beside = f"[file:hashes.'SHA-256' = '{DIGEST}' OR domain-name:value = 'www.h.example']"

    journal.merge(
        survivor_id=one, other_id=other, kind=MergeKind.ANALYST, similarity=None, reason="One.", **act
    )
    merged = by(shop, beside)
    theirs = Claim.objects.filter(organization=shop.lab_b).values_list("id", flat=True)
    journal.split(subject_id=one, claim_ids=[*theirs], reason="Two.", **act)
    split = by(shop, beside)

    assert merged == {stays: f"names {DIGEST} too; www.h.example is below h.example"}
    assert split == {
        stays: f"names {DIGEST} too; www.h.example is below h.example",
        hashed: f"names {DIGEST} too",
    }


def test_what_is_in_another_community_is_not_near(shop: Shop) -> None:
    said(shop, address("203.0.113.0/24"))
    other = Community.objects.create(slug="other", title="Other", created_at=shop.community.created_at)
    value = {"type": "indicator", "pattern_type": "stix", "pattern": address("203.0.113.7")}

    assert near.near_to(value, community_id=other.id, ceiling=4, subject_id=None, most=9) == []


@pytest.mark.parametrize(
    "value", [None, {}, {"type": "indicator", "pattern_type": "yara", "pattern": "rule x"}]
)
def test_what_watches_nothing_has_nothing_near(shop: Shop, value: Any) -> None:
    said(shop, domain("h.example"))
    assert near.near_to(value, community_id=shop.community.id, ceiling=4, subject_id=None, most=9) == []


def test_a_pattern_of_hundreds_of_values_is_one_query(
    shop: Shop, statements: Callable[[], AbstractContextManager[Counted]]
) -> None:
    said(shop, *(address(f"203.0.113.{last}") for last in range(30)))
    hosts = ", ".join(f"'203.0.113.{last}'" for last in range(200))

    with statements() as sent:
        found = by(shop, f"[ipv4-addr:value IN ({hosts})]")

    assert sent.count == 1
    assert len(found) == 20


MANY = 20_000


def test_near_is_found_by_indexes_however_many_are_known(shop: Shop) -> None:
    said(shop, address("203.0.113.0/24"), f"[file:hashes.'SHA-256' = '{DIGEST}']")
    known_besides(shop, MANY)
    hosts = " OR ".join(f"ipv4-addr:value = '11.0.{last}.0/24'" for last in range(5))
    pattern = f"[{hosts} OR domain-name:value = 'm7.example' OR file:hashes.'SHA-256' = '{DIGEST}']"
    asked = near._asked({"type": "indicator", "pattern_type": "stix", "pattern": pattern}).parameters
    asked |= {"community": shop.community.id, "ceiling": Tlp.GREEN, "subject": None, "most": 40}

    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN " + near._NEAR, asked)
        plan = "\n".join(line for (line,) in cursor.fetchall())

    for table in ("observable", "term", "claim", "subject"):
        assert f"Seq Scan on indicators_{table}" not in plan
    for index in ("observable_network", "observable_domain", "observable_asn", "claim_home"):
        assert index in plan
    found = by(shop, pattern)
    assert found[f"[file:hashes.'SHA-256' = '{DIGEST}']"] == f"names {DIGEST} too"
    # The copies say nothing of what they watch: who is near is told by what stands.
    assert len(found) == 1


def known_besides(shop: Shop, count: int) -> None:
    """So many more subjects with a claim each, that watch an address, a domain or an AS number, and a value each."""
    claim = Claim.objects.order_by("id")[0]
    sql.execute(
        "WITH made AS (INSERT INTO indicators_subject (community_id, key, object_type)"
        " SELECT %s, sha256(n::text::bytea), 'indicator' FROM generate_series(1, %s) n RETURNING id),"
        " watching AS (INSERT INTO indicators_observable (subject_id, network, domain, asn)"
        " SELECT id, CASE id %% 3 WHEN 0 THEN set_masklen('11.0.0.0'::inet + id, 32)::cidr END,"
        " CASE id %% 3 WHEN 1 THEN 'm' || id || '.example' END, CASE id %% 3 WHEN 2 THEN id END FROM made),"
        " found AS (INSERT INTO indicators_term (digest, subject_id)"
        " SELECT hashtextextended(id::text, 0), id FROM made)"
        " INSERT INTO indicators_claim (community_id, organization_id, subject_id, submission_id, object_id, version,"
        ' tlp, stated_tlp, "references", body, signature, first_received_at, received_at, revoked)'
        " SELECT c.community_id, organization_id, made.id, submission_id, 'indicator--' || gen_random_uuid(), version,"
        ' tlp, stated_tlp, "references", body, signature, first_received_at, received_at, revoked'
        " FROM made, indicators_claim c WHERE c.id = %s",
        (shop.community.id, count, claim.id),
    )
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE indicators_subject, indicators_observable, indicators_term, indicators_claim")


def sketched(of: int, *, fewer: int = 0) -> Object:
    """A prompt template with a sketch, of which so many minima are others."""
    minima = [1000 * of + number + (500_000 if number < fewer else 0) for number in range(128)]
    return stix.sco(
        "prompt-template",
        {"hashes": {"SHA-256": uuid4().hex * 2}, "normalization": "ptn-1"},
        spec_version="2.1",
        extensions={templates.EXTENSION: {"extension_type": "new-sco"}},
        sketches={sketches.NAME: sketches.encode(b"".join(one.to_bytes(4, "big") for one in minima))},
    )
