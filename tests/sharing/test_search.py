"""Search finds what is known by any spelling of a value, a pattern, an id, by words and by likeness of prompts."""

import json
import random
from datetime import timedelta
from typing import Any

import pytest

from indicators.actions import observations
from indicators.dedup import templates
from indicators.models import Claim, Subject
from indicators.stix.objects import read
from sharing import search
from sharing.models import Collection, Release
from sharing.search import Filters
from tests.conformance import stix
from tests.journeys.steps import AMBER, GREEN
from tests.sharing.actions.conftest import NOW, Shop
from tests.sharing.actions.exchange import send

SKETCHED = [
    f"grade answer {number} step by step and keep the reasoning of every step" for number in range(24)
]


def found(typed: str, **filters: Any) -> list[str]:
    """The titles of what a search finds, newest first."""
    return [one.title for one in search.shown(search.subjects(search.read(typed), Filters(**filters)))]


def indicator(pattern: str, **members: Any) -> stix.Object:
    return stix.indicator(pattern=pattern, object_marking_refs=[GREEN], **members)


@pytest.mark.parametrize(
    ("pattern", "spellings"),
    [
        (
            "[ipv4-addr:value = '198.51.100.7']",
            ["198.51.100.7", "198[.]51[.]100[.]7", "198.51.100.7/32", "198.51.100.0/24", "198.51.100.7:443"],
        ),
        (
            "[ipv4-addr:value = '203.0.113.0/24']",
            ["203.0.113.9", "203.0.113.0/28", "203.0.0.0/16", "203.0.113.77/24"],
        ),
        ("[ipv6-addr:value = '2001:db8::7']", ["2001:0DB8:0:0:0:0:0:7", "2001:db8::/32", "2001:db8[:]:7"]),
        (
            "[domain-name:value = 'relay.gate.example']",
            [
                "relay.gate.example",
                "RELAY.gate.example.",
                "relay[.]gate[.]example",
                "gate.example",
                "hxxp://relay.gate.example/x",
            ],
        ),
        (
            "[url:value = 'https://relay.gate.example/v1?a=1']",
            [
                "https://relay.gate.example/v1?a=1",
                "hxxps[://]relay[.]gate[.]example/v1?a=1",
                "https://relay.gate.example:443/v1?a=1#x",
                "gate.example",
            ],
        ),
        ("[autonomous-system:number = 64500]", ["AS64500", "asn 64500", "64500"]),
        (f"[file:hashes.'SHA-256' = '{'ab' * 32}']", ["ab" * 32, "AB" * 32, f"SHA256:{'ab' * 32}"]),
        (
            f"[blinded-identifier:value = '{'cd' * 32}']",
            ["cd" * 32, f"[ blinded-identifier:value='{'cd' * 32}' ]"],
        ),
        (
            "[ipv4-addr:value = '198.51.100.8' OR domain-name:value = 'b.example']",
            [
                "[domain-name:value='B[.]example'  OR ipv4-addr:value IN ('198.51.100.8')]",
                "198.51.100.8",
                "b.example",
            ],
        ),
    ],
)
def test_a_value_is_found_by_every_spelling_and_its_neighbours_are_not(
    shop: Shop, pattern: str, spellings: list[str]
) -> None:
    send(
        shop,
        [
            indicator(pattern),
            indicator("[domain-name:value = 'gate.example.net']"),
            indicator("[ipv4-addr:value = '192.0.2.200']"),
        ],
    )
    title = Claim.objects.order_by("id").first()
    assert title is not None

    for spelling in spellings:
        assert found(spelling) == [pattern], spelling


def test_an_id_of_any_partner_and_every_published_id_lead_to_one_subject(
    shop: Shop, feeds: dict[int, Collection]
) -> None:
    pattern = "[domain-name:value = 'both.example']"
    one, two = indicator(pattern), indicator("[ domain-name:value='BOTH[.]example' ]")
    send(shop, [one])
    send(shop, [two], organization=shop.lab_b)
    published = set(Release.objects.values_list("published_id", flat=True))

    assert len(published) == 2
    assert not published & {one["id"], two["id"]}
    for known_as in (one["id"], two["id"], one["id"].upper(), *published):
        assert found(known_as, kind="indicators") == [pattern], known_as
    assert found(one["id"].partition("--")[2]) == [pattern]
    key = Subject.objects.get(object_type="indicator").key
    assert found(f"ck1:{bytes(key).hex()}") == [pattern]


def test_an_id_also_finds_what_refers_to_it(shop: Shop) -> None:
    one, what = indicator("[domain-name:value = 'one.example']"), stix.campaign(object_marking_refs=[GREEN])
    send(shop, [one, what, stix.relationship(one, what, object_marking_refs=[GREEN])])

    assert found(what["id"]) == ["indicator indicates campaign", "Copycat"]
    assert found(what["id"], kind="evidence") == ["indicator indicates campaign"]


def test_words_are_found_in_names_descriptions_labels_and_notes_by_their_beginnings(shop: Shop) -> None:
    campaign = stix.campaign(
        name="DC-2026-0042",
        aliases=["Night heron"],
        description="Über resellers",
        labels=["alleged"],
        object_marking_refs=[GREEN],
    )
    note = stix._sdo(
        "note",
        content="The heron came back at night.",
        object_refs=[campaign["id"]],
        object_marking_refs=[GREEN],
    )
    send(shop, [campaign, note, stix.malware(name="Heronry", object_marking_refs=[GREEN])])

    assert found("night HERON", kind="campaigns") == ["DC-2026-0042"]
    assert found("night heron") == ["The heron came back at night.", "DC-2026-0042"]
    assert found("heron", kind="tools") == ["Heronry"]
    assert found("dc-2026-0042") == ["DC-2026-0042"]
    assert found("ü\u0042er resell") == ["DC-2026-0042"]
    assert found("alleged heron") == ["DC-2026-0042"]
    assert found("heron nobody") == []


def test_what_a_new_version_says_is_found_too(shop: Shop) -> None:
    campaign = stix.campaign(name="Kite", object_marking_refs=[GREEN])
    send(shop, [campaign])
    send(shop, [campaign | {"name": "Kestrel", "modified": "2024-06-01T00:00:00.000Z"}])

    assert found("kestrel") == found("kite") == ["Kestrel"]


def test_filters_narrow_and_pages_follow_each_other(shop: Shop, feeds: dict[int, Collection]) -> None:
    send(shop, [indicator(f"[domain-name:value = 'h{number}.wide.example']") for number in range(7)])
    send(
        shop,
        [stix.indicator(pattern="[domain-name:value = 'amber.wide.example']", object_marking_refs=[AMBER])],
        organization=shop.lab_b,
        now=NOW + timedelta(days=2),
    )
    query = search.read("wide.example")

    first = search.subjects(query, Filters(), limit=5)
    second = search.subjects(query, Filters(), after=first[-1], limit=5)
    assert [len(first), len(second)] == [5, 3]
    assert first + second == sorted(first + second, reverse=True)
    amber = ["[domain-name:value = 'amber.wide.example']"]
    assert found("wide.example", tlp=2) == found("wide.example", organization_id=shop.lab_b.id) == amber
    assert found("wide.example", since=NOW + timedelta(days=1)) == amber
    assert len(found("wide.example", until=NOW + timedelta(days=1))) == 7
    assert len(found("wide.example", state="standing")) == 8
    assert found("wide.example", state="revoked") == found("wide.example", state="withheld") == []
    assert found("wide.example", kind="campaigns") == []
    assert len(found("", kind="indicators")) == len(found("", kind="indicator")) == 8


def test_a_prompt_finds_the_template_of_its_cluster_and_no_other(shop: Shop) -> None:
    mine = templates.of_cluster(SKETCHED)
    other = templates.known(
        "translate this poem into another language and explain each of its lines {{poem}}"
    )
    send(shop, [templates.prompt_template(one) for one in (mine, other)])

    of_all = search.alike(SKETCHED)
    of_one = search.alike([SKETCHED[3]])

    assert [one.subject.object_type for one in of_all] == ["prompt-template"]
    assert of_all[0].similarity >= 0.9
    assert of_all[0].subject.id == of_one[0].subject.id
    assert search.alike(["what is the weather like in the town by the river today"]) == []


@pytest.mark.parametrize(
    "prompts", [[], ["  "], ["two words"], ["a b c"] * 201, ["\ud800 half a pair of three"]]
)
def test_prompts_that_cannot_be_compared_are_told_why(db: None, prompts: list[str]) -> None:
    with pytest.raises(search.NoTemplate):
        search.alike(prompts)


# fmt: off
ODD = [
    "'", '"', "\\", "\\'", "';--", "%", "_", "*", ":*", "& |", "!", "()", "( & )", "'a':*", "a:*", "<->", "\0",
    "\0\0a", "\x1b[0m", "[", "[]", "[a", "[a:b", "[a:b = ", "[a:b = 'c']", "[ipv4-addr:value = '1.2.3.999']",
    "(" * 400, "[" * 400, "[a:b = 'x'] AND", "999.1.1.1", "1.2.3.4/33", "1.2.3.4/", "::", "::/0", "0.0.0.0/0",
    ":::", "1::2::3", "fe80::1%eth0", "/", "//", "://", "http://", "http://[", "http://[::1", "hxxp://",
    "https://a:99999/", "..", ".", "a..b", "-.-", "xn--", "xn--\u00fc.de", "\u3002", "\U0001f600.\U0001f600",
    "a" * 64 + ".de", "a." * 150, "AS", "AS-1", "AS99999999999", "99999999999999999999", "-1", "1e400",
    "AS4294967296", "\u0661\u0662", "AS\u0661", "@", "a@", "@b", "a@b", "a@b@c", "a[at]b[.]c", "campaign--",
    "campaign--x", "--", "a--" + "0" * 36, "indicator--00000000-0000-4000-8000-00000000000g",
    "00000000-0000-4000-8000-000000000000", "ck1:", "ck1:" + "0" * 63, "0" * 64, "f" * 32, "sha-256:" + "f" * 64,
    "t1" + "0" * 70, "\u202e", "\ufeff", "\ufdfa" * 500, "\u0130", "\u00df", "\u1e9e", "\ud800", "a\udfffb",
    "\U0010ffff", "\x7f", "\r\n\t", "title: x\ndetection:\n  a: [", "rule x { }", "alert tcp any", "x" * 9_999,
    "x " * 4_999, "x" * 20_000, "\n" * 10_000, "' OR 1=1 --", "<script>alert(1)</script>", "{{7*7}}", "${x}", "$$",
    "%s%s%(x)s", "{0}", "{words}",
]
# fmt: on


def test_no_query_however_odd_is_a_fault(shop: Shop) -> None:
    send(shop, [indicator("[domain-name:value = 'odd.example']")])
    chance = random.Random(5)
    wild = [
        "".join(chance.choices("[]()'\"\\:*&|!<>.@/-= \n\0aA1\u00fc\u3002\ufdfa", k=chance.randrange(1, 60)))
        for _ in range(100)
    ]

    for typed in [*ODD, *wild]:
        query = search.read(typed)
        assert query.readings or query.words or query.problem or query.is_empty, repr(typed)
        for filters in (Filters(), Filters(kind="indicators"), Filters(kind="other")):
            search.subjects(query, filters, limit=3)


def test_words_of_what_was_taken_back_find_nothing_and_those_that_stand_still_do(shop: Shop) -> None:
    pattern = "[domain-name:value = 'gate.example']"
    mine = indicator(pattern, name="Zephyr gateway", description="Named after nobody")
    theirs = indicator(pattern, name="Borealis gateway")
    send(shop, [mine])
    send(shop, [theirs], organization=shop.lab_b)
    assert len(found("zephyr")) == len(found("borealis")) == 1

    observations.withdraw(
        community_id=shop.community.id, organization_id=shop.lab_a.id, object_id=mine["id"], now=NOW
    )

    assert found("zephyr") == found("nobody") == []
    assert len(found("borealis")) == len(found("gateway")) == 1
    observations.withdraw(
        community_id=shop.community.id, organization_id=shop.lab_b.id, object_id=theirs["id"], now=NOW
    )
    assert found("borealis") == found("gateway") == []
    send(shop, [mine | {"modified": "2026-02-02T00:00:00.000Z"}], now=NOW + timedelta(minutes=1))
    assert len(found("zephyr")) == 1
    assert found("borealis") == []


def test_the_words_of_a_version_that_was_deleted_find_nothing(shop: Shop) -> None:
    first = stix.campaign(name="Old heron", object_marking_refs=[GREEN])
    second = first | {"name": "New osprey", "modified": "2026-02-02T00:00:00.000Z"}
    send(shop, [first])
    send(shop, [second], now=NOW + timedelta(minutes=1))
    assert len(found("heron")) == len(found("osprey")) == 1
    claim = Claim.objects.get(object_id=first["id"])

    observations.fall_back(
        community_id=shop.community.id,
        organization_id=shop.lab_a.id,
        observed=observations.Observed(
            read(json.dumps(first).encode()), claim.tlp, first["id"].encode(), claim.signature
        ),
        now=NOW + timedelta(minutes=2),
    )

    assert found("osprey") == []
    assert len(found("heron")) == 1
