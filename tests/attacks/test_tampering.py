"""A mirror or proxy changes what passes through it: each attack is found out, and is over when it is."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.attacks import tampering
from tests.attacks.proxy import Tamper
from tests.attacks.scene import Scene
from tests.attacks.tampering import Entries, Envelope, page_from, pages
from tests.sharing.verifier.log_simulator import ORIGIN, LogSimulator, an_indicator

Attack = Callable[[Scene], Tamper]


def on_the_first_page(change: Callable[[Envelope, Entries], object]) -> Attack:
    return lambda scene: page_from(0, change)


def on_pages(change: Callable[[Envelope, Entries], object]) -> Attack:
    return lambda scene: pages(change)


def of_lines(keep: Callable[[str, int], bool]) -> Attack:
    return lambda scene: tampering.lines(keep)


def injection(scene: Scene) -> Tamper:
    return pages(partial(tampering.inject, other=another_log(scene)))


def replacement(scene: Scene) -> Tamper:
    return page_from(0, partial(tampering.put_in_place, other=another_log(scene)))


def another_log(scene: Scene) -> LogSimulator:
    """Of the same publisher; it signs objects for all its logs with one key."""
    other = LogSimulator(scene.publisher.signer, origin=ORIGIN.replace("6f1b", "0000"))
    # Salts are counted here; those of real logs are random, and so are never the same.
    for number in range(70, 90):
        other.publish(an_indicator(number))
    return other


def swapped_pages(scene: Scene) -> Tamper:
    return tampering.swap_pages(scene.publisher.page(4, 8), scene.publisher.page(8, 12), (4, 8))


ATTACKS: dict[str, tuple[int, Attack]] = {
    "alter a field": (11, on_the_first_page(tampering.alter_a_field)),
    "alter the TLP": (11, on_the_first_page(tampering.alter_the_tlp)),
    "alter the TLP of the statement only": (11, on_the_first_page(tampering.alter_the_tlp_of_the_statement)),
    "swap submitters": (11, on_the_first_page(tampering.swap_submitters)),
    "drop an object": (12, on_the_first_page(tampering.drop_an_object)),
    "drop object and entry": (12, on_the_first_page(tampering.drop_object_and_entry_bluntly)),
    "drop object and entry, and count anew": (12, on_pages(tampering.drop_object_and_entry)),
    "swap entries": (13, on_the_first_page(tampering.swap_entries)),
    "swap pages": (13, swapped_pages),
    "inject": (11, injection),
    "put in the place of another": (11, replacement),
    "hide the tail": (12, lambda scene: tampering.hide_the_tail(8)),
    "fake withdrawal": (12, on_the_first_page(tampering.withdraw_by_no_withdrawal)),
    "strip a signature": (10, on_the_first_page(tampering.strip_a_signature)),
    "swap signatures": (10, on_the_first_page(tampering.swap_signatures)),
    "duplicate a JSON key": (20, lambda scene: tampering.duplicate_a_key),
    "forge the size": (10, lambda scene: tampering.checkpoint(tampering.forge_the_size)),
    "strip the Ed25519 line": (10, of_lines(lambda name, size: "witness" in name or size != 64)),
    "strip the ML-DSA line": (10, of_lines(lambda name, size: size < 1000)),
    "strip a witness": (17, of_lines(lambda name, size: not name.startswith("two."))),
    "strip all witnesses": (17, of_lines(lambda name, size: "witness" not in name)),
}


@pytest.mark.parametrize(("code", "attack"), ATTACKS.values(), ids=ATTACKS.keys())
def test_the_attack_is_found_out_and_shown_and_honest_pages_go_on(
    scene: Scene, code: int, attack: Attack
) -> None:
    scene.way.tamper = attack(scene)

    found = scene.sync()

    assert found.code == code, found
    assert found.report["sentence"]
    assert "sentence.txt" in found.evidence
    assert scene.proved() == []

    scene.way.tamper = None
    assert scene.sync().code == 0
    assert scene.proved() == scene.published()


@pytest.mark.parametrize("scene", ["files"], indirect=True)
@pytest.mark.parametrize(
    "name",
    [
        "alter a field",
        "drop object and entry, and count anew",
        "swap pages",
        "inject",
        "hide the tail",
        "strip all witnesses",
    ],
)
def test_who_has_read_some_before_keeps_what_was_proved_and_nothing_else(scene: Scene, name: str) -> None:
    scene.publisher.write(6)
    assert scene.sync().code == 0
    before = scene.proved()
    scene.publisher.write()
    scene.way.tamper = ATTACKS[name][1](scene)

    found = scene.sync()

    # What stands on pages that were read before harms nobody any more.
    assert scene.proved() == (before if found.code else scene.published())
    scene.way.tamper = None
    assert scene.sync().code == 0
    assert scene.proved() == scene.published()


def test_a_page_from_a_file_is_found_out_by_itself(scene: Scene) -> None:
    """What `verify page` finds without a checkpoint: all but what agrees with itself."""
    page = scene.publisher.page(0, 4)
    assert scene.stillwatch(*verify_page(scene, page)).code == 0
    found = {
        name: scene.stillwatch(*verify_page(scene, attack(scene)("pages/0.json", page) or b"")).code
        for name, (_, attack) in ATTACKS.items()
    }

    assert {name: code for name, code in found.items() if code} == {
        "alter a field": 11,
        "alter the TLP": 11,
        "drop an object": 12,
        "drop object and entry": 12,
        "duplicate a JSON key": 20,
        "strip a signature": 10,
        "swap entries": 13,
        "swap signatures": 10,
    }


def verify_page(scene: Scene, page: bytes) -> list[str]:
    return ["verify", "page", scene.file("page.json", page), "--home", str(scene.home)]
