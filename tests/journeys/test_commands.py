"""The operator's commands beside a running service (interface.md, "Commands")."""

import base64
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.conformance import stix
from tests.journeys import steps
from tests.journeys.steps import AMBER, GREEN
from tests.world import COMMUNITIES, World


def test_applying_a_community_file_again_changes_nothing(world: World, tmp_path: Path) -> None:
    file = tmp_path / "communities.yaml"
    file.write_text(COMMUNITIES)
    events = world.sql("SELECT count(*) FROM accounts_auditevent WHERE actor = 'service:apply_community'")

    printed = world.manage("apply_community", str(file))

    assert printed.strip() == "nothing to change"
    assert events == world.sql(
        "SELECT count(*) FROM accounts_auditevent WHERE actor = 'service:apply_community'"
    )


def test_the_secrets_of_new_tokens_are_shown_once_and_to_their_owner_only(
    world: World, tmp_path: Path
) -> None:
    file, out = tmp_path / "new.yaml", tmp_path / "tokens.json"
    slug = f"new-{tmp_path.name.replace('_', '-').lower()[:30]}"
    file.write_text(
        f"organizations:\n  - slug: {slug}\n    name: New\n    sector: researcher\n"
        "    tokens: [{name: siem, scopes: [feed:read]}]\n"
    )

    first = world.manage("apply_community", str(file), "--tokens-out", str(out))
    secrets = json.loads(out.read_text())
    out.unlink()
    second = world.manage("apply_community", str(file), "--tokens-out", str(out))

    (token,) = secrets.values()
    assert token["secret"].startswith("stw_")
    assert token["secret"] not in first + second
    assert "nothing to change" in second
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


def test_a_wrong_file_is_told_the_place_and_changes_nothing(world: World, tmp_path: Path) -> None:
    """tests/sharing/actions/test_communities.py has the table of what can be wrong."""
    file = tmp_path / "wrong.yaml"
    file.write_text("organizations: [{slug: x, name: X, sector: martian}]")
    before = world.sql("SELECT count(*), max(id) FROM accounts_auditevent")

    printed = world.manage("apply_community", str(file), check=False)

    assert "CommandError" in printed
    assert f"{file}: Invalid enum value 'martian' - at `$.organizations[0].sector`" in printed
    assert "Traceback" not in printed
    assert world.sql("SELECT count(*), max(id) FROM accounts_auditevent") == before


@pytest.mark.parametrize("form", ["bundle", "ndjson"])
def test_a_file_is_imported_as_one_submission(world: World, tmp_path: Path, form: str) -> None:
    objects = [stix.campaign(object_marking_refs=[GREEN]) for _ in range(3)]
    file = tmp_path / "file.json"
    file.write_text(
        json.dumps({"type": "bundle", "id": "bundle--" + objects[0]["id"][10:], "objects": objects}, indent=1)
        if form == "bundle"
        else "\n".join(json.dumps(one) for one in objects)
    )

    printed = world.manage(
        "import_stix", str(file), "--organization", "lab-a", "--community", "allies", "--wait"
    )

    assert "3 released" in printed
    feed = steps.by_id(world.objects("lab-b", "green", community="allies"))
    assert all(steps.same(one, feed[one["id"]]) for one in objects)


def test_an_import_without_waiting_is_taken_up_by_the_workers(world: World, tmp_path: Path) -> None:
    campaign = stix.campaign(object_marking_refs=[GREEN])
    file = tmp_path / "file.json"
    file.write_text(json.dumps({"objects": [campaign]}))

    printed = world.manage("import_stix", str(file), "--organization", "lab-a", "--community", "allies")
    world.settle()

    assert "1 objects received" in printed
    assert campaign["id"] in {one["id"] for one in world.objects("lab-b", "green", community="allies")}


def test_an_import_may_be_larger_than_a_request(world: World, tmp_path: Path) -> None:
    """The limit of 10 MiB is one of HTTP bodies; what an operator imports may be larger."""
    objects = [stix.campaign(description="x" * 200_000, object_marking_refs=[AMBER]) for _ in range(60)]
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"type": "bundle", "objects": objects}))

    printed = world.manage(
        *("import_stix", str(file), "--organization", "lab-a", "--community", "allies", "--wait"), check=False
    )

    assert "60 released" in printed, printed[-300:]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--organization", "nobody"), "--organization"),
        (("--organization", "lab-a"), "--community"),
        (("--organization", "lab-a", "--community", "nowhere"), "--community"),
        (("--organization", "outsider", "--community", "allies"), "--community"),
    ],
)
def test_an_import_into_nowhere_says_what_is_missing(
    world: World, tmp_path: Path, arguments: tuple[str, ...], says: str
) -> None:
    file = tmp_path / "file.json"
    file.write_text('{"objects":[]}')

    printed = world.manage("import_stix", str(file), *arguments, check=False)

    assert "CommandError" in printed
    assert says in printed


def test_after_a_rotation_the_new_key_signs_and_old_signatures_still_verify(
    world: World, tmp_path: Path
) -> None:
    """trust.md, "Keys"."""
    before, after = (stix.campaign(object_marking_refs=[GREEN]) for _ in range(2))
    world.submit("lab-a", [before], community="allies")

    printed = world.manage("rotate_keys", "--at-once")
    world.submit("lab-a", [after], community="allies")

    new_kid = printed.split()[0]
    page = tmp_path / "page.json"
    page.write_bytes(steps.raw_page(world, "lab-b", "green", "proof=1&limit=5000", "allies"))
    kids = kids_of(json.loads(page.read_text()))
    assert kids[after["id"]] == new_kid
    assert kids[before["id"]] != new_kid
    done = steps.verify("page", page, "--jwks", steps.jwks(world))
    assert done.returncode == 0, done.stderr


def kids_of(envelope: Any) -> dict[str, str]:
    """Which key signed which object."""
    found = {}
    for entry in envelope["x_stillwatch_log"]["entries"]:
        if "jws" in entry:
            header = entry["jws"].partition(".")[0]
            decoded = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
            found[json.loads(entry["stmt"])["id"]] = decoded["kid"]
    return found


def test_a_planned_rotation_announces_the_key_before_it_signs(world: World, tmp_path: Path) -> None:
    printed = world.manage("rotate_keys")
    campaign = stix.campaign(object_marking_refs=[GREEN])

    world.submit("lab-a", [campaign], community="allies")

    new_kid = printed.split()[0]
    announced = {key["kid"] for key in json.loads(steps.jwks(world).read_text())["keys"]}
    page = json.loads(
        steps.raw_page(world, "lab-b", "green", f"proof=1&match[id]={campaign['id']}", "allies")
    )
    assert new_kid in announced
    assert kids_of(page)[campaign["id"]] != new_kid
