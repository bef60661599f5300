"""Twenty thousand reports by eight partners, each in its own spelling: what is the same is one, nothing else is."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import pytest

from accounts import sql
from accounts.actor import Actor
from accounts.models import Membership, Organization
from indicators.actions import submissions
from indicators.stix.markings import TLP
from sharing.actions import intake
from sharing.models import Collection, Kind
from tests.conformance import stix
from tests.sharing.actions.conftest import Shop

pytestmark = pytest.mark.slow

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
PARTNERS = 8
THINGS = 2_500


def address(number: int, dice: Random) -> str:
    text = f"198.51.{number // 250}.{number % 250}"
    value = dice.choice((text, f"{text}/32", text.replace(".", "[.]"), f"'{text}'")).strip("'")
    return dice.choice((f"[ipv4-addr:value = '{value}']", f"[ipv4-addr:value IN ('{value}')]"))


def network(number: int, dice: Random) -> str:
    return f"[ipv4-addr:value = '203.{number // 250}.{number % 250}.{dice.choice((0, 1, 254))}/24']"


def long_address(number: int, dice: Random) -> str:
    return dice.choice(
        (
            f"[ipv6-addr:value = '2001:db8::{number:x}']",
            f"[ipv6-addr:value = '2001:0DB8:0:0:0:0:0:{number:04X}']",
            f"[ipv6-addr:value='2001:db8:0::{number:x}/128'  ]",
        )
    )


def domain(number: int, dice: Random) -> str:
    name = f"relay{number}.example.net"
    return (
        f"[domain-name:value = '{dice.choice((name, name.upper(), name + '.', name.replace('.', '[.]')))}']"
    )


def subdomain(number: int, dice: Random) -> str:
    return f"[domain-name:value = '{dice.choice(('www', 'WWW'))}.relay{number}.example.net']"


def link(number: int, dice: Random) -> str:
    host = f"relay{number}.example.net"
    return dice.choice(
        (
            f"[url:value = 'http://{host}/v1?b=2&a=1']",
            f"[url:value = 'hxxp://{host.upper()}:80/v1?b=2&a=1#top']",
            f"[url:value = 'http://{host}/x/../v1?b=2&a=1']",
        )
    )


def other_link(number: int, dice: Random) -> str:
    """The order of a query may mean something: it stays apart."""
    return f"[url:value = 'http://relay{number}.example.net/v1?a=1&b=2']"


def digest(number: int, dice: Random) -> str:
    text = f"{number:064x}"
    key = dice.choice(("'SHA-256'", "SHA256"))
    return f"[file:hashes.{key} = '{dice.choice((text, text.upper()))}']"


def name(number: int, dice: Random) -> str:
    return f"[file:name = 'Harvest{number}.bin']"


def other_name(number: int, dice: Random) -> str:
    """Names keep their case."""
    return f"[file:name = 'harvest{number}.bin']"


def system(number: int, dice: Random) -> str:
    return f"[autonomous-system:number = {dice.choice((number + 64496, f'+{number + 64496}'))}]"


def behaviour(number: int, dice: Random) -> str:
    tests = [
        f"llm-api-activity:account_count >= {number + 20}",
        "llm-api-activity:features.account_synchrony >= " + dice.choice(("0.9", "0.90", ".9")),
        "llm-api-activity:provider NOT = 'none'"
        if dice.random() < 0.5
        else "llm-api-activity:provider != 'none'",
    ]
    dice.shuffle(tests)
    return f"[{dice.choice((' AND ', '  AND ', ' AND /* and */ ')).join(tests)}]"


def two_observations(number: int, dice: Random) -> str:
    """`[a] AND [b]` is not `[a AND b]`."""
    tests = [
        f"[llm-api-activity:account_count >= {number + 20}]",
        "[llm-api-activity:features.account_synchrony >= 0.9]",
        "[llm-api-activity:provider != 'none']",
    ]
    dice.shuffle(tests)
    return " AND ".join(tests)


KINDS: tuple[Callable[[int, Random], str], ...] = (
    *(address, network, long_address, domain, subdomain, link, other_link, digest, name, other_name),
    *(system, behaviour, two_observations),
)


def test_exact_duplicates_are_found_with_precision_and_recall_of_one(shop: Shop) -> None:
    dice = Random(20_000)
    things = [(kind, number) for number in range(THINGS // len(KINDS) + 1) for kind in KINDS][:THINGS]
    label_of: dict[str, str] = {}
    for partner in range(PARTNERS):
        organization = Organization.objects.create(slug=f"p{partner}", name=f"P{partner}", sector="ai-lab")
        Membership.objects.create(community=shop.community, organization=organization)
        inbox = Collection.objects.create(
            community=shop.community, alias="inbox", kind=Kind.INBOX, ceiling=TLP.RED, owner=organization
        )
        sent = []
        for kind, number in dice.sample(things, len(things)):
            one = stix.indicator(pattern=kind(number, dice), name=f"as {organization.name} calls it")
            label_of[one["id"]] = f"{kind.__name__} {number}"
            sent.append(one)
        received = submissions.receive(
            community_id=shop.community.id,
            organization_id=organization.id,
            token_id=None,
            channel="rest",
            collection_id=inbox.id,
            body=json.dumps({"objects": sent}).encode(),
            by=Actor("service:test"),
            now=NOW,
        )
        intake.ingest(submission_id=received.id, signer=shop.signer, now=NOW)

    assert sql.rows("SELECT sentence FROM indicators_submittedobject WHERE outcome = 'rejected'") == []
    found = sql.rows("SELECT object_id, subject_id FROM indicators_claim")

    assert len(found) == PARTNERS * THINGS
    pairs = {(label_of[object_id], subject_id) for object_id, subject_id in found}
    merged_wrongly = len(pairs) - len({subject_id for _, subject_id in pairs})
    left_apart = len(pairs) - len({label for label, _ in pairs})
    assert (merged_wrongly, left_apart) == (0, 0)
