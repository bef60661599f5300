"""The same attacks before the real service; and an honest sync of a long log that others write to meanwhile."""

import json
import os
from pathlib import Path

import pytest

from tests.attacks import live, tampering
from tests.attacks.proxy import Tamper
from tests.attacks.tampering import page_from, pages
from tests.sharing.verifier.log_simulator import AMBER, an_indicator
from tests.world import World

ATTACKS: dict[str, tuple[int, Tamper]] = {
    "alter a field": (11, page_from(0, tampering.alter_a_field)),
    "alter the TLP": (11, page_from(0, tampering.alter_the_tlp)),
    "swap submitters": (11, page_from(0, tampering.swap_submitters)),
    "drop an object": (12, page_from(0, tampering.drop_an_object)),
    "drop object and entry": (12, page_from(0, tampering.drop_object_and_entry_bluntly)),
    "drop object and entry, and count anew": (12, pages(tampering.drop_object_and_entry)),
    "swap entries": (13, page_from(0, tampering.swap_entries)),
    "fake withdrawal": (12, page_from(0, tampering.withdraw_by_no_withdrawal)),
    "strip a signature": (10, page_from(0, tampering.strip_a_signature)),
    "swap signatures": (10, page_from(0, tampering.swap_signatures)),
    "duplicate a JSON key": (20, tampering.duplicate_a_key),
    "forge the size": (10, tampering.checkpoint(tampering.forge_the_size)),
    "strip the Ed25519 line": (10, tampering.lines(lambda name, size: size != 64)),
    "strip the ML-DSA line": (10, tampering.lines(lambda name, size: size < 1000)),
}

ENTRIES = int(os.environ.get("STILLWATCH_LOG_ENTRIES", "100000"))
"""Of the log that is proved while a fifth as many are added."""


def indicators(start: int, count: int) -> list[dict[str, object]]:
    return [an_indicator(start + number, object_marking_refs=[AMBER]) for number in range(count)]


def test_every_attack_before_the_real_service_is_found_out(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live.partner(world, "exchange", tmp_path, capsys) as partner:
        world.submit("lab-a", indicators(900, 12), to="exchange", community="attacked")
        first = partner.wait_for(12)
        earlier = partner.checkpoint()

        found = {}
        for place, (name, (_, tamper)) in enumerate(ATTACKS.items()):
            partner.proxy.tamper = tamper
            found[name] = partner.sync(f"attack-{place}").code
        assert found == {name: code for name, (code, _) in ATTACKS.items()}

        partner.proxy.tamper = None
        honest = partner.sync()
        assert (honest.code, honest.report["size"]) == (0, first.size)

        world.submit("lab-a", indicators(950, 3), to="exchange", community="attacked")
        partner.wait_for(first.size + 3)
        assert partner.sync().code == 0
        partner.proxy.tamper = tampering.another_checkpoint(earlier)
        assert partner.sync().code == 14


@pytest.mark.slow
def test_a_long_log_is_proved_while_writers_write(
    world: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with live.partner(world, "exchange", tmp_path, capsys) as partner:
        world.manage("shell", "--command", live.filling(partner.collection, ENTRIES, 36_000_000))
        partner.wait_for(ENTRIES)
        assert partner.sync().code == 0

        with live.writing(world, partner.collection, ENTRIES // 5, 37_000_000) as writer:
            rounds: list[int] = []
            while writer.poll() is None or not rounds:
                outcome = partner.sync()
                assert outcome.code == 0, outcome
                rounds.append(outcome.report["size"])
        entries = world.sql(
            "SELECT count(*) FROM sharing_entry WHERE collection_id = %s", (partner.collection,)
        )[0][0]
        partner.wait_for(entries)
        last = partner.sync()

    assert rounds == sorted(rounds)
    assert (last.code, last.report["size"], last.report["waiting"]) == (0, entries, 0)
    assert entries >= ENTRIES + ENTRIES // 5
    print(json.dumps({"rounds": len(rounds), "entries": entries}))
