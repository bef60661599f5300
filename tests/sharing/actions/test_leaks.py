"""Nothing above a ceiling shows below it: ten thousand random sets of claims, through the real actions."""

import random
from typing import Any

import pytest

from accounts.models import Organization
from indicators.stix.markings import TLP, marking_id
from sharing.models import Collection, Entry, Release
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.sharing.actions.test_belief import Feeds, day, feeds, opinion, sighting

__all__ = ["feeds"]

pytestmark = pytest.mark.slow

SETS = 10_000
BATCH = 1_000
WORDS = ("proxy", "cluster", "burst", "resale", "shared-payment")


def pattern(number: int, dice: random.Random) -> str:
    """One of the ways to write the address of a set."""
    return dice.choice(
        (
            f"[ipv6-addr:value = '2001:db8::{number:x}']",
            f"[ ipv6-addr:value='2001:DB8:0:0::{number:04X}/128' ]",
            f"[ipv6-addr:value IN ('2001:db8::{number:x}')]",
        )
    )


def claim(number: int, tlp: TLP, dice: random.Random) -> Object:
    """What somebody says about the indicator of a set."""
    optional: dict[str, Any] = {
        "labels": dice.sample(WORDS, dice.randint(1, 3)),
        "confidence": dice.randint(0, 100),
        "valid_until": f"2026-{dice.randint(4, 9):02}-01T00:00:00Z",
        "kill_chain_phases": [{"kill_chain_name": "mitre-atlas", "phase_name": dice.choice(WORDS)}],
        "external_references": [{"source_name": dice.choice(WORDS), "external_id": str(dice.randint(1, 9))}],
        "revoked": dice.random() < 0.2,
    }
    chosen = {name: item for name, item in optional.items() if dice.random() < 0.5}
    return stix.indicator(
        name=dice.choice(WORDS),
        pattern=pattern(number, dice),
        object_marking_refs=[marking_id(tlp)],
        **{"valid_from": f"2026-01-{dice.randint(1, 28):02}T00:00:00Z"} | chosen,
    )


def below(collection: Collection, ceiling: int) -> list[list[tuple[Any, ...]]]:
    """All that a reader at a ceiling could be told, byte for byte: entries, decisions (for receipts), counters."""
    return [
        list(Entry.objects.filter(collection=collection).order_by("index").values_list()),
        list(Release.objects.filter(ceiling=ceiling).order_by("id").values_list()),
        list(Collection.objects.filter(id=collection.id).values_list()),
    ]


@pytest.mark.parametrize("ceiling", [TLP.GREEN, TLP.AMBER], ids=["green", "amber"])
def test_no_claim_sighting_or_opinion_above_a_ceiling_changes_a_byte_below(
    feeds: Feeds, ceiling: TLP
) -> None:
    dice = random.Random(int(ceiling))
    labs = (feeds.shop.lab_a, feeds.shop.lab_b, feeds.lab_c)
    said: dict[int, list[str]] = {}
    for lab in labs:
        chosen = [number for number in range(SETS // 2) if dice.random() < 0.6]
        send(feeds, lab, chosen, [TLP(dice.randint(0, ceiling)) for _ in chosen], dice, said)
    before = below(feeds.feeds[ceiling], ceiling)
    assert len(before[0]) > SETS // 3

    for lab in labs:
        chosen = [number for number in range(SETS // 2) if dice.random() < 0.7]
        above = [TLP(dice.randint(ceiling + 1, TLP.RED)) for _ in chosen]
        send(feeds, lab, chosen, above, dice, {})
        named = [dice.choice(said[number]) for number in said if dice.random() < 0.3]
        remarks = [
            opinion(name, "strongly-disagree", TLP.AMBER_STRICT)
            if dice.random() < 0.5
            else sighting(name, TLP.AMBER_STRICT)
            for name in named
        ]
        for start in range(0, len(remarks), BATCH):
            feeds.submit(lab, *remarks[start : start + BATCH], now=day(20))

    assert below(feeds.feeds[ceiling], ceiling) == before


def send(
    feeds: Feeds,
    lab: Organization,
    numbers: list[int],
    levels: list[TLP],
    dice: random.Random,
    said: dict[int, list[str]],
) -> None:
    """One lab's claims on these sets, in submissions of a thousand, on some day."""
    claims = [claim(number, tlp, dice) for number, tlp in zip(numbers, levels, strict=True)]
    for number, one in zip(numbers, claims, strict=True):
        said.setdefault(number, []).append(one["id"])
    for start in range(0, len(claims), BATCH):
        feeds.submit(lab, *claims[start : start + BATCH], now=day(dice.randint(0, 9)))
