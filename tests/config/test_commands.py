"""The commands of the README: make, .ci/run."""

import os
import re
import subprocess
import tomllib

import manage
from tests.stack import ROOT

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def test_bare_make_lists_every_target_with_a_description() -> None:
    listed = subprocess.run(["make", "-C", str(ROOT)], capture_output=True, text=True, check=True).stdout
    for target in ("run", "test", "slow", "check", "bench", "format", "faults"):
        assert re.search(rf"^  make {target} +\w", listed, re.MULTILINE)


def test_the_uv_that_make_and_the_image_install_is_the_locked_one() -> None:
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    locked = next(package["version"] for package in lock["package"] if package["name"] == "uv")
    assert f"UV_VERSION := {locked}\n" in MAKEFILE
    assert f"uv=={locked}\n" in (ROOT / "docker" / "Dockerfile").read_text(encoding="utf-8")


def test_continuous_integration_runs_targets_that_make_has() -> None:
    script = ROOT / ".ci" / "run"
    assert os.access(script, os.X_OK)
    found = re.search(r"for target in (.*); do", script.read_text(encoding="utf-8"))
    assert found is not None
    for target in found[1].split():
        assert re.search(rf"^{target}: ", MAKEFILE, re.MULTILINE)


def test_make_check_covers_format_lint_types_imports_and_migrations() -> None:
    recipe = MAKEFILE.split("\ncheck:")[1].split("\n\n")[0]
    for command in ("ruff format --check", "ruff check", "mypy", "lint-imports", "makemigrations --check"):
        assert command in recipe


def test_every_command_that_can_lack_a_signer_starts_one_where_nothing_runs() -> None:
    """Such as in the drill of a lost key, with the service stopped."""
    commands = (ROOT / "sharing/management/commands").glob("*.py")
    asking = {path.stem for path in commands if "NoSigningKey" in path.read_text()} - {"signer"}

    assert asking
    assert asking <= manage.SIGNING
    assert not manage.SIGNING & manage.WITHOUT_SERVICES
