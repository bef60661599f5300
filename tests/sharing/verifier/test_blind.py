"""`stillwatch blind`, as a partner runs it: two packages, a key file, and nothing that tells a key or a value."""

import json
import subprocess
from pathlib import Path

import pytest

from indicators.stix.objects import read
from tests.sharing.verifier.test_cli import stillwatch

KEY = bytes(range(32)).hex()
VECTORS: list[dict[str, str]] = json.loads(
    (Path(__file__).parents[2] / "indicators" / "privacy" / "blinding-vectors.json").read_text("utf-8")
)


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "group.key"
    file.write_text(KEY + "\n")
    file.chmod(0o600)
    return str(file)


def blind(
    key_file: str, subject: str, *arguments: str, stdin: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    return stillwatch("blind", "--key-file", key_file, "--subject", subject, *arguments, stdin=stdin)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: str(vector["normalised"]))
def test_an_argument_becomes_the_blinded_identifier_of_the_vectors(
    key_file: str, vector: dict[str, str]
) -> None:
    result = blind(key_file, vector["subject"], "--key-id", vector["key_id"], "--", vector["input"])

    assert (result.returncode, result.stderr) == (0, b"")
    assert read(result.stdout).id == vector["stix_id"]
    assert json.loads(result.stdout)["value"] == vector["hmac-sha-256"]


def test_lines_become_objects_one_a_line_and_each_once(key_file: str) -> None:
    lines = b"org_1\r\norg_2\n\norg_1\n  org_2  \n"

    result = blind(key_file, "organization-id", "--key-id", "grp1.2026q4", stdin=lines)

    made = [json.loads(line) for line in result.stdout.splitlines()]
    assert result.returncode == 0
    assert [one["type"] for one in made] == ["blinded-identifier"] * 2
    assert made[0]["id"] != made[1]["id"]


def test_a_bundle_holds_them_all(key_file: str) -> None:
    result = blind(key_file, "account-id", "--key-id", "g.2026q1", "--bundle", "a1", "a2", "a1")

    bundle = json.loads(result.stdout)
    assert (bundle["type"], len(bundle["objects"])) == ("bundle", 2)
    assert [read(json.dumps(one).encode()).type for one in bundle["objects"]] == ["blinded-identifier"] * 2


def test_bare_values_keep_their_places_and_need_no_key_id(key_file: str) -> None:
    lines = b"+1 202 555 0143\n555 0143\n\n+12025550143\n"

    result = blind(key_file, "phone-number", "--values", stdin=lines)

    first, wrong, empty, last = result.stdout.decode().split("\n")[:4]
    assert first == last == VECTORS[-1]["hmac-sha-256"]
    assert (wrong, empty) == ("", "")
    assert result.returncode == 1


def test_a_byte_order_mark_before_the_first_line_is_no_part_of_it(key_file: str) -> None:
    result = blind(key_file, "account-id", "--values", stdin=b"\xef\xbb\xbfacct-1\nacct-1\n")

    first, second = result.stdout.splitlines()
    assert (result.returncode, first) == (0, second)


def test_an_invisible_character_anywhere_else_is_refused(key_file: str) -> None:
    lines = "acct-1\n\ufeffacct-1\nacct\u200b-1\n".encode()

    result = blind(key_file, "account-id", "--key-id", "g.2026q1", stdin=lines)

    assert (result.returncode, len(result.stdout.splitlines())) == (1, 1)
    assert [line.split(b": ")[1] for line in result.stderr.splitlines()] == [b"line 2", b"line 3"]
    assert b"format character" in result.stderr


def test_a_value_that_is_none_is_told_by_its_place_and_not_quoted(key_file: str) -> None:
    lines = b"bob@example.com\nsecretive.example\nalice@example.com\n\xff@example.com\n"

    result = blind(key_file, "email-address", "--key-id", "g.2026q1", stdin=lines)

    assert result.returncode == 1
    assert len(result.stdout.splitlines()) == 2
    assert [line.split(b": ")[1] for line in result.stderr.splitlines()] == [b"line 2", b"line 4"]
    assert b"secretive" not in result.stderr


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--key", KEY], b"command line"),
        (["--key-file", KEY], b"command line"),
        ([], b"--key-file"),
        (["--key-file", "/nowhere/group.key"], b"No such file"),
        (["--key-file", str(Path(__file__))], b"64 hexadecimal digits"),
    ],
)
def test_a_key_comes_from_a_good_file_only_and_is_never_quoted(arguments: list[str], word: bytes) -> None:
    result = stillwatch("blind", *arguments, "--subject", "account-id", "--key-id", "g.2026q1", "x")

    assert (result.returncode, result.stdout) == (2, b"")
    assert word in result.stderr
    assert KEY.encode() not in result.stderr
    assert result.stderr.splitlines()[-1].startswith(b"stillwatch: ")


def test_a_key_file_that_others_can_read_is_warned_of(key_file: str) -> None:
    Path(key_file).chmod(0o644)

    result = blind(key_file, "account-id", "--values", "x")

    assert (result.returncode, len(result.stdout)) == (0, 65)
    assert b"chmod 600" in result.stderr


@pytest.mark.parametrize("key_id", [[], ["--key-id", "grp1"]])
def test_an_object_needs_a_key_id(key_file: str, key_id: list[str]) -> None:
    result = blind(key_file, "account-id", *key_id, "x")

    assert (result.returncode, result.stdout) == (2, b"")
    assert b"key" in result.stderr


def test_a_subject_that_does_not_exist_is_refused(key_file: str) -> None:
    result = blind(key_file, "shoe-size", "--values", "46")

    assert result.returncode == 2
    assert b"payment-method" in result.stderr
