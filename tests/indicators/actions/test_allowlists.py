"""Allow-lists in the database: what covers what, found both ways, and what a change queues."""

import json
from typing import Any

import pytest
from django.db import connection

from accounts.actions.refusal import ReasonMissing
from accounts.models import AuditEvent, Community
from accounts.sql import rows
from indicators.actions import allowlists, observations
from indicators.actions.observations import Observed, subject_key
from indicators.allowlists.entries import entry
from indicators.allowlists.warninglist import Warninglist
from indicators.models import Allowlist, AllowlistEntry, ListSource, Observable, PendingFold
from indicators.stix.objects import read
from tests.conformance import stix
from tests.indicators.actions.conftest import BY, NOW, Trust


def absorb(trust: Trust, *objects: Any, community: Community | None = None) -> list[int]:
    """What lab-a says; the ids of its subjects, in order."""
    observed = []
    for one in objects:
        value = read(json.dumps(one).encode())
        observed.append(Observed(value, 1, subject_key(value), "h..s"))
    found = observations.absorb(
        community_id=(community or trust.community).id,
        organization_id=trust.lab_a.id,
        submission_id=trust.receive(b'{"objects":[]}').id,
        observed=observed,
        now=NOW,
    )
    return [found[one.key] for one in observed]


def load(*entries: str, name: str = "Ours", version: int = 1, subdomains: bool = True) -> allowlists.Change:
    read_entries = [entry(text, subdomains=subdomains) for text in entries]
    return allowlists.load(warninglist=Warninglist(name, "", version, read_entries, []), by=BY, now=NOW)


def drain() -> list[int]:
    queued = list(PendingFold.objects.order_by("id").values_list("subject_id", flat=True))
    PendingFold.objects.all().delete()
    return queued


def values_of(subject_id: int) -> set[str]:
    return {str(one) for one in Observable.objects.filter(subject_id=subject_id)}


COVERS = [
    ("198.51.100.7", "[ipv4-addr:value = '198.51.100.7']"),
    ("198.51.100.0/24", "[ipv4-addr:value = '198.51.100.7']"),
    ("198.51.100.0/24", "[ipv4-addr:value ISSUBSET '198.51.100.64/26']"),
    ("198.51.100.7", "[ipv4-addr:value ISSUBSET '198.51.0.0/16']"),
    ("198.51.100.7", "[ipv4-addr:value = '0.0.0.0/0']"),
    ("2001:db8::/32", "[ipv6-addr:value = '2001:DB8:1::7']"),
    ("2001:db8::7", "[ipv6-addr:value ISSUBSET '2001:db8::/48']"),
    ("198.51.100.7", "[ipv4-addr:value IN ('203.0.113.1', '198.51.100.7')]"),
    ("198.51.100.7", "[network-traffic:dst_ref.value = '198.51.100.7' AND network-traffic:dst_port = 443]"),
    ("198.51.100.7", "[url:value = 'https://198.51.100.7/v1']"),
    ("a.example", "[domain-name:value = 'a.example']"),
    ("a.example", "[domain-name:value = 'www.A.example']"),
    ("a.example", "[domain-name:value = 'deep.down.in.a.example']"),
    ("example", "[domain-name:value = 'a.example']"),
    ("a.example", "[url:value = 'https://user@www.a.example:8443/b.example']"),
    ("xn--bcher-kva.example", "[domain-name:value = 'bücher.example']"),
    ("AS64501", "[autonomous-system:number = 64501]"),
    ("AS64500-AS64510", "[autonomous-system:number IN (1, 64510)]"),
    ("AS64500-AS64510", "[ipv4-addr:belongs_to_refs[*].number = 64500]"),
]
LEAVES = [
    ("198.51.100.7", "[ipv4-addr:value = '198.51.100.70']"),
    ("198.51.100.0/25", "[ipv4-addr:value = '198.51.100.128']"),
    ("198.51.100.0/24", "[ipv4-addr:value != '198.51.100.7' AND ipv4-addr:value = '203.0.113.1']"),
    ("198.51.100.0/24", "[ipv6-addr:value = '2001:db8::c633:6407']"),
    ("a.example", "[domain-name:value = 'aa.example']"),
    ("a.example", "[domain-name:value = 'a.example.net']"),
    ("a.example", "[domain-name:value = 'a-example']"),
    ("a.example", "[domain-name:value = 'a.examples']"),
    ("www.a.example", "[domain-name:value = 'a.example']"),
    ("a.example", "[url:value = 'https://b.example/a.example']"),
    ("a.example", "[url:value = 'https://a.example@b.example/']"),
    ("a.example", "[email-addr:value = 'someone@a.example']"),
    ("a.example", "[file:name = 'a.example']"),
    ("a.example", "[domain-name:value NOT IN ('a.example', 'b.example')]"),
    ("AS64500-AS64510", "[autonomous-system:number = 64511]"),
    ("AS64500", "[autonomous-system:number = 6450]"),
    ("198.51.100.7", "[network-traffic:dst_port = 443]"),
]


@pytest.mark.parametrize(
    ("listed", "pattern", "covered"),
    [*((*pair, True) for pair in COVERS), *((*pair, False) for pair in LEAVES)],
)
def test_what_covers_what_is_found_from_either_side(
    trust: Trust, listed: str, pattern: str, covered: bool
) -> None:
    (subject,) = absorb(trust, stix.indicator(pattern=pattern))
    load(listed)

    from_the_subject = {hit.list_name for hit in allowlists.hits([subject]).get(subject, [])}
    from_the_entry = allowlists.count_covered([entry(listed)])

    assert ("Ours" in from_the_subject) is covered
    assert from_the_entry == int(covered)


def test_a_string_covers_a_name_but_not_what_is_below_it(trust: Trust) -> None:
    name, below = absorb(
        trust,
        stix.indicator(pattern="[domain-name:value = 'a.example']"),
        stix.indicator(pattern="[domain-name:value = 'www.a.example']"),
    )

    change = load("a.example", subdomains=False)

    assert list(allowlists.hits([name, below])) == [name]
    assert change.covered == [name]


def test_observables_are_watched_by_their_value(trust: Trust) -> None:
    objects = [
        stix.sco("ipv4-addr", {"value": "198.51.100.7"}),
        stix.sco("domain-name", {"value": "A.example."}),
        stix.sco("url", {"value": "https://a.example/"}),
        stix.sco("autonomous-system", {"number": 64501}),
    ]
    subjects = absorb(trust, *objects, stix.campaign(name="a.example"))

    hits = load("198.51.100.0/24", "a.example", "AS64501").covered

    assert list(hits) == sorted(subjects[:4])
    assert [values_of(one) for one in subjects[:3]] == [{"198.51.100.7/32"}, {"a.example"}, {"a.example"}]


def test_the_same_again_is_stored_once(trust: Trust) -> None:
    one = stix.sco("domain-name", {"value": "a.example"})

    for _ in range(2):
        absorb(trust, one, stix.indicator(pattern="[domain-name:value = 'A.example']"))

    assert Observable.objects.count() == 2


def test_what_is_watched_and_what_is_listed_is_one_of_three(trust: Trust) -> None:
    load("198.51.100.7", "a.example", "AS64501")

    kinds = rows("SELECT network IS NULL, domain IS NULL, asn_first IS NULL FROM indicators_allowlistentry")

    assert {sum(kind) for kind in kinds} == {2}


def test_loading_a_list_queues_what_it_covers_in_every_community_and_nothing_else(trust: Trust) -> None:
    other = Community.objects.create(slug="other", title="Other", created_at=NOW)
    here = absorb(trust, *(stix.indicator(pattern=f"[domain-name:value = '{x}.example']") for x in "abc"))
    (there,) = absorb(trust, stix.indicator(pattern="[domain-name:value = 'www.a.example']"), community=other)
    drain()

    change = load("a.example", "b.example")

    assert drain() == sorted([here[0], here[1], there]) == list(change.covered)
    assert len(change.added) == 2


def test_loading_the_same_again_changes_nothing(trust: Trust) -> None:
    absorb(trust, stix.indicator(pattern="[domain-name:value = 'a.example']"))
    load("a.example")
    drain()

    change = load("a.example")

    assert (list(change.added), list(change.removed), drain()) == ([], [], [])


def test_another_version_replaces_the_entries_and_queues_what_either_covers(trust: Trust) -> None:
    subjects = absorb(trust, *(stix.indicator(pattern=f"[domain-name:value = '{x}.example']") for x in "abc"))
    load("a.example", "b.example", version=1)
    drain()

    change = load("b.example", "c.example", version=2)

    assert ([str(one) for one in change.added], [str(one) for one in change.removed]) == (
        ["c.example"],
        ["a.example"],
    )
    assert change.replaced == 1
    assert sorted(drain()) == sorted([subjects[0], subjects[2]])
    held = AllowlistEntry.objects.filter(allowlist__name="Ours").values_list("domain", flat=True)
    assert sorted(str(one) for one in held) == ["b.example", "c.example"]
    assert Allowlist.objects.get(name="Ours").version == 2


def test_a_list_may_come_to_mean_names_without_what_is_below_them(trust: Trust) -> None:
    load("a.example")

    load("a.example", subdomains=False, version=2)

    assert [one.subdomains for one in AllowlistEntry.objects.filter(allowlist__name="Ours")] == [False]


@pytest.mark.parametrize("name", ["Public resolvers", allowlists.DESK])
def test_a_file_cannot_take_the_place_of_another_kind_of_list(trust: Trust, name: str) -> None:
    allowlists.add(entry=entry("a.example"), reason="Ours.", by=BY, now=NOW)
    before = AllowlistEntry.objects.count()

    with pytest.raises(allowlists.NameTaken, match=name):
        load("b.example", name=name)

    assert AllowlistEntry.objects.count() == before


def test_an_entry_of_the_desk_is_added_once_with_its_reason(trust: Trust) -> None:
    (subject,) = absorb(trust, stix.indicator(pattern="[domain-name:value = 'a.example']"))
    drain()

    first = allowlists.add(entry=entry("a.example"), reason=" Our own site. ", by=BY, now=NOW)
    second = allowlists.add(entry=entry("A.example."), reason="Again.", by=BY, now=NOW)

    (held,) = AllowlistEntry.objects.filter(allowlist__source=ListSource.DESK)
    assert (held.domain, held.note) == ("a.example", "Our own site.")
    assert (list(first.covered), list(second.added), drain()) == ([subject], [], [subject])
    assert [event.action for event in AuditEvent.objects.filter(action__startswith="allowlist")] == [
        "allowlist.add"
    ]


def test_a_removed_entry_queues_what_it_covered(trust: Trust) -> None:
    (subject,) = absorb(trust, stix.indicator(pattern="[ipv4-addr:value = '8.8.8.8']"))
    held = AllowlistEntry.objects.get(
        allowlist__name="Public resolvers", note="dns.google", network="8.8.8.8/32"
    )
    drain()

    change = allowlists.remove(entry_ids=[held.id], reason="A test.", by=BY, now=NOW)

    assert (drain(), [str(one) for one in change.removed]) == ([subject], ["8.8.8.8"])
    assert allowlists.hits([subject]) == {}
    event = AuditEvent.objects.get(action="allowlist.remove")
    assert event.detail == {"entries": ["8.8.8.8"], "reason": "A test."}


@pytest.mark.parametrize("reason", ["", " \n"])
def test_a_change_at_the_desk_needs_a_reason(trust: Trust, reason: str) -> None:
    with pytest.raises(ReasonMissing):
        allowlists.add(entry=entry("a.example"), reason=reason, by=BY, now=NOW)
    with pytest.raises(ReasonMissing):
        allowlists.remove(entry_ids=[], reason=reason, by=BY, now=NOW)


def test_built_in_lists_are_named_before_others(trust: Trust) -> None:
    (subject,) = absorb(trust, stix.indicator(pattern="[ipv4-addr:value = '10.1.2.3']"))
    load("10.1.0.0/16", name="A list of ours")

    assert [hit.list_name for hit in allowlists.hits([subject])[subject]] == [
        "Special-purpose networks",
        "A list of ours",
    ]


def test_both_directions_are_answered_from_indexes(trust: Trust) -> None:
    subjects = absorb(
        trust, *(stix.indicator(pattern=f"[domain-name:value = 'x{n}.example']") for n in range(9))
    )
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH made AS (INSERT INTO indicators_subject (community_id, key, object_type)"
            " SELECT %s, sha256(n::text::bytea), 'indicator' FROM generate_series(1, 20000) n RETURNING id)"
            " INSERT INTO indicators_observable (subject_id, network, domain, asn)"
            " SELECT id, CASE id %% 3 WHEN 0 THEN ('11.' || id / 250 %% 250 || '.' || id %% 250 || '.1')::cidr END,"
            " CASE id %% 3 WHEN 1 THEN 'm' || id || '.example' END, CASE id %% 3 WHEN 2 THEN id END FROM made",
            (trust.community.id,),
        )
    load(
        *(f"12.{n // 250}.{n % 250}.0/24" for n in range(5000)),
        *(f"l{n}.example" for n in range(5000)),
        *(f"AS{n}" for n in range(70_000, 75_000)),
    )
    asked = [entry("11.0.1.0/24"), entry("m7.example"), entry("AS64501")]
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE indicators_observable, indicators_allowlistentry")
        cursor.execute("EXPLAIN " + allowlists._HITS, {"subjects": subjects})
        of_subjects = "\n".join(line for (line,) in cursor.fetchall())
        cursor.execute("EXPLAIN " + allowlists._COVERED, allowlists._covering(asked))
        of_entries = "\n".join(line for (line,) in cursor.fetchall())

    for kind in ("network", "domain", "asns"):
        assert f"allowlist_entry_{kind}" in of_subjects
    for kind in ("network", "domain", "asn"):
        assert f"observable_{kind}" in of_entries
    assert "observable_once" in of_subjects
    for plan in (of_subjects, of_entries):
        assert "Seq Scan on indicators_observable" not in plan
        assert "Seq Scan on indicators_allowlistentry" not in plan
