"""`stillwatch submit` and a real server: a pipeline's file and stream, and what becomes of each line."""

import json
import os
import subprocess
from pathlib import Path

from tests.conformance import stix
from tests.journeys import steps
from tests.journeys.steps import GREEN, STILLWATCH
from tests.world import World


def submit(
    world: World, *arguments: str | Path, stdin: str | None = None, token: str = "wo"
) -> subprocess.CompletedProcess[str]:
    """Run `stillwatch submit …` as lab-a's pipeline does."""
    return subprocess.run(
        [STILLWATCH, "submit", *map(str, arguments), "--community", "allies"],
        env=os.environ
        | {"STILLWATCH_URL": world.url, "STILLWATCH_TOKEN": world.token("lab-a", token).secret},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_a_file_is_submitted_followed_and_not_submitted_twice(world: World, tmp_path: Path) -> None:
    good = [steps.indicator(stix.domain()) for _ in range(60)]
    bad = {"type": "campaign", "id": "campaign--7"}
    lines = [json.dumps(one) for one in [*good[:10], bad, *good[10:]]]
    file = tmp_path / "indicators.ndjson"
    file.write_text("\n".join([*lines[:20], "", "not json", *lines[20:]]))

    first = submit(world, file, "--batch-lines", "25", "--wait", "--json")
    second = submit(world, file, "--batch-lines", "25")

    assert first.returncode == 1, first.stderr
    events = [json.loads(line) for line in first.stdout.splitlines()]
    rejected = {one["line"]: one["reason"] for one in events if one["event"] == "rejected"}
    assert rejected == {11: "missing-property", 22: "not-json"} or rejected.keys() == {11, 22}
    summary = events[-1]
    assert (summary["taken"], summary["batches"], summary["outcomes"]["rejected"]) == (62, 3, 2)
    assert sum(summary["outcomes"].values()) == 62
    assert (second.returncode, "3 of 3 batches in an earlier run" in second.stderr) == (0, True)
    world.settle()
    patterns = [one.get("pattern") for one in world.objects("lab-b", "green", community="allies")]
    assert all(patterns.count(one["pattern"]) == 1 for one in good)


def test_a_stream_and_a_bundle_are_submitted(world: World, tmp_path: Path) -> None:
    streamed, bundled = (stix.campaign(object_marking_refs=[GREEN]) for _ in range(2))
    file = tmp_path / "bundle.json"
    file.write_text(json.dumps({"type": "bundle", "objects": [bundled]}, indent=1))

    done = [submit(world, "-", "--wait", stdin=json.dumps(streamed)), submit(world, file, "--wait")]

    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    inbox = {one["id"] for one in world.objects("lab-a", "inbox", community="allies")}
    assert {streamed["id"], bundled["id"]} <= inbox


def test_a_token_that_may_not_submit_delivers_nothing(world: World, tmp_path: Path) -> None:
    done = submit(world, "-", stdin="{}", token="ro")

    assert done.returncode == 3
    assert "403" in done.stderr
