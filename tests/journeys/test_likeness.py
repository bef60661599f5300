"""Two labs see prompts of one template: what their sketches say, from the partner's command to the analyst's desk."""

import json
import subprocess
import sys
from typing import Any

import pytest

from indicators.dedup import sketches, templates
from tests.conformance import stix
from tests.conformance.stix import Object
from tests.journeys import steps
from tests.journeys.steps import AMBER, GREEN
from tests.journeys.test_review import Desk
from tests.world import World


def a_text(name: str, *, of: int = 120, but: int = 0) -> str:
    """A template of made-up words, the first of them others."""
    words = [f"{name}word{number}q" for number in range(of)]
    return " ".join([f"{word}z" if number < but else word for number, word in enumerate(words)])


def a_template(text: str, tlp: str = GREEN) -> Object:
    return templates.prompt_template(templates.known(text), marking=tlp)


@pytest.fixture(scope="module")
def desk(world: World) -> Desk:
    desk = Desk(world, "analyst")
    assert desk.signed_in
    return desk


def likenesses(world: World, one: Object, other: Object) -> list[tuple[int, str]]:
    """Id and state of the likeness of two templates."""
    return world.sql(
        "SELECT l.id, l.state FROM indicators_likeness l JOIN indicators_subject a ON a.id = l.first_id"
        " JOIN indicators_subject b ON b.id = l.second_id WHERE ARRAY[a.key, b.key] <@ ARRAY[%s, %s]::bytea[]",
        (one["id"].encode(), other["id"].encode()),
    )


def ids_in(world: World, alias: str, community: str = "allies") -> set[str]:
    found = world.objects("cloud-c", alias, community=community, query="match[type]=prompt-template")
    return {one["id"] for one in found}


def choose(world: World, desk: Desk, action: str, likeness: int, **fields: Any) -> str:
    page = desk.session.get(f"{desk.url}indicators/likeness/", timeout=30)
    desk.page = page
    answer = desk.send(
        f"{desk.url}indicators/likeness/", action=action, _selected_action=[str(likeness)], index=0, **fields
    )
    assert answer.status_code == 200
    return answer.text


def test_what_two_labs_make_of_their_prompts_is_one_template_in_the_feeds(world: World) -> None:
    """Each lab runs the command on prompts of its own."""
    made = []
    for lab in ("lab-a", "lab-b"):
        prompts = "\n".join(f"{a_text('cluster')} says {lab} {number}x" for number in range(40))
        done = subprocess.run(
            [sys.executable, "-m", "sharing.verifier", "template", "-", "--tlp", "green"],
            input=prompts + f"\n{lab} has one of its own too",
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        made.append(json.loads(done.stdout))
        made[-1]["hashes"]["SHA-256"] = stix.file()["hashes"]["SHA-256"]
        made[-1]["id"] = stix.sco(
            "prompt-template", {"hashes": made[-1]["hashes"], "normalization": "ptn-1"}
        )["id"]
        world.submit(lab, [made[-1]], community="allies")

    one, other = made
    assert [state for _, state in likenesses(world, one, other)] == ["merged"]
    assert one["id"] in ids_in(world, "green")
    assert other["id"] not in ids_in(world, "green")


def test_what_is_known_at_amber_stays_out_of_green(world: World) -> None:
    above, below = a_template(a_text("levels"), AMBER), a_template(a_text("levels", but=2), GREEN)

    world.submit("lab-a", [above], community="allies")
    world.submit("lab-b", [below], community="allies")

    assert [state for _, state in likenesses(world, above, below)] == ["merged"]
    assert below["id"] in ids_in(world, "green")
    assert above["id"] not in ids_in(world, "green")


def test_an_analyst_sees_what_is_alike_and_says_that_it_is_related(world: World, desk: Desk) -> None:
    one, other = a_template(a_text("alike")), a_template(a_text("alike", but=25), AMBER)
    world.submit("lab-a", [one])
    world.submit("lab-b", [other])
    ((likeness, state),) = likenesses(world, one, other)
    assert state == "pending"

    listed = desk.session.get(f"{desk.url}indicators/likeness/", timeout=30).text
    shown = desk.session.get(f"{desk.url}indicators/likeness/{likeness}/change/", timeout=30).text
    asked = choose(world, desk, "relate", likeness)
    done = choose(world, desk, "relate", likeness, decide="1", reason="the same operators")

    for page in (listed, shown, asked):
        assert all(text in page for text in (one["id"], other["id"], "Lab A", "Lab B", "TLP:AMBER"))
    assert "Relate: 1 decided." in done
    assert likenesses(world, one, other) == [(likeness, "related")]
    assert world.sql(
        "SELECT actor, action, detail ->> 'reason' FROM accounts_auditevent WHERE target = %s",
        (f"likeness:{likeness}",),
    ) == [("member:analyst", "likeness.related", "the same operators")]
    assert "this likeness is related" in choose(world, desk, "merge", likeness, decide="1", reason="again")


def test_an_analyst_merges_what_is_alike(world: World, desk: Desk) -> None:
    one, other = a_template(a_text("hand")), a_template(a_text("hand", but=25))
    world.submit("lab-a", [one], community="allies")
    world.submit("lab-b", [other], community="allies")
    ((likeness, _),) = likenesses(world, one, other)
    assert {one["id"], other["id"]} <= ids_in(world, "green")

    done = choose(world, desk, "merge", likeness, decide="1", reason="one campaign")
    world.settle()

    assert "Merge: 1 decided." in done
    assert one["id"] in ids_in(world, "green")
    assert other["id"] not in ids_in(world, "green")


def test_a_reader_of_the_operator_sees_no_likenesses(world: World) -> None:
    reader = Desk(world, "reader")

    answer = reader.session.get(f"{reader.url}indicators/likeness/", timeout=30)

    assert answer.status_code == 404 or "/login/" in answer.url


def test_a_sketch_that_is_none_is_refused_with_its_property(world: World) -> None:
    broken = a_template(a_text("broken"))
    sketch = broken["sketches"][sketches.NAME]
    broken["sketches"][sketches.NAME] = sketch[:-1] + chr(ord(sketch[-1]) + 1)
    fine = steps.indicator(stix.domain())

    status = world.submit("lab-a", [broken, fine])

    lines = {line["id"]: line for line in world.receipt("lab-a", status["id"])["objects"]}
    refused = lines[broken["id"]]
    assert (refused["outcome"], refused["reason"]) == ("rejected", "invalid-sketch")
    assert refused["sentence"].startswith("/sketches/minhash-w3-128: ")
    assert lines[fine["id"]]["outcome"] != "rejected"
