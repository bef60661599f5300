"""`stillwatch keys` and `submit --sign`: a partner makes a key, and signs what it sends."""

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from sharing.signing import jws
from sharing.signing.keys import KeySet
from sharing.submitter import registration
from sharing.verifier.cli import main
from tests.sharing.submitter.simulator import Simulator
from tests.sharing.submitter.test_cli import server as server
from tests.sharing.submitter.test_cli import submit


@pytest.fixture
def passphrase(tmp_path: Path) -> Path:
    file = tmp_path / "passphrase"
    file.write_text("correct horse battery staple\n")
    return file


@pytest.fixture
def key(tmp_path: Path, passphrase: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Path, KeySet]:
    file = tmp_path / "acme.pem"
    assert main(["keys", "new", str(file), "--passphrase-file", str(passphrase)]) == 0
    return file, KeySet.from_jwks(json.loads(capsys.readouterr().out))


def an_object(number: int, **members: Any) -> dict[str, Any]:
    return {"type": "x", "id": f"x--{number}", "n": number, **members}


def test_a_key_is_made_encrypted_for_its_owner_only_and_once(
    key: tuple[Path, KeySet], passphrase: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, known = key

    assert file.read_text().startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert main(["keys", "show", str(file), "--passphrase-file", str(passphrase)]) == 0
    assert KeySet.from_jwks(json.loads(capsys.readouterr().out)).kids == known.kids
    before = file.read_bytes()
    assert main(["keys", "new", str(file), "--passphrase-file", str(passphrase)]) == 2
    assert "never overwritten" in capsys.readouterr().err
    assert file.read_bytes() == before


def test_what_registers_a_key_is_proved_by_the_key(
    key: tuple[Path, KeySet], passphrase: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, known = key
    named = ["--organization", "acme", "--host", "intel.example.org", "--name", "Detections"]

    assert main(["keys", "register", str(file), "--passphrase-file", str(passphrase), *named]) == 0

    posted = json.loads(capsys.readouterr().out)
    found = registration.read(posted, organization="acme", host="intel.example.org", now=datetime.now(UTC))
    assert (frozenset([found.kid]), found.name) == (known.kids, "Detections")
    assert "d" not in found.jwk


@pytest.mark.parametrize("spoiled", ["missing", "wrong", "empty", "absent key", "nobody"])
def test_a_key_that_cannot_be_opened_is_told_in_a_sentence(
    key: tuple[Path, KeySet], passphrase: Path, spoiled: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file, _ = key
    option = ["--passphrase-file", str(passphrase)]
    match spoiled:
        case "missing":
            passphrase.unlink()
        case "wrong":
            passphrase.write_text("incorrect")
        case "empty":
            passphrase.write_text("\n")
        case "absent key":
            file.unlink()
        case "nobody":
            option = []

    assert main(["keys", "show", str(file), *option]) == 2

    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("stillwatch: ")
    assert said.err.count("\n") == 1


def test_every_object_that_is_sent_is_signed(
    server: Simulator, key: tuple[Path, KeySet], passphrase: Path, tmp_path: Path
) -> None:
    file, known = key
    objects = [an_object(number, name="Résumé") for number in range(5)]
    lines = tmp_path / "lines.ndjson"
    lines.write_text("".join(json.dumps(one, indent=None) + "\n" for one in objects))

    assert submit(lines, "--sign", file, "--passphrase-file", passphrase) == 0

    for one, line in zip(objects, server.lines, strict=True):
        sent = json.loads(line)
        assert sent["object"] == one
        assert jws.verify_object(known, rfc8785.dumps(one), sent["jws"]) in known.kids


def test_a_bundles_own_signatures_go_with_its_objects(
    server: Simulator, key: tuple[Path, KeySet], passphrase: Path, tmp_path: Path
) -> None:
    file, known = key
    bundle = tmp_path / "bundle.json"
    objects = [an_object(1), an_object(2)]
    bundle.write_text(json.dumps({"objects": objects, "x_stillwatch_signatures": ["h..s", None]}))

    assert submit(bundle, "--state", tmp_path / "plain") == 0
    assert [json.loads(line) for line in server.lines] == [{"jws": "h..s", "object": objects[0]}, objects[1]]

    server.taken.clear()
    assert (
        submit(bundle, "--state", tmp_path / "signed", "--sign", file, "--passphrase-file", passphrase) == 0
    )
    first, second = (json.loads(line) for line in server.lines)
    assert first["jws"] == "h..s"
    assert jws.verify_object(known, rfc8785.dumps(objects[1]), second["jws"])


def test_a_bundle_whose_signatures_fit_no_objects_is_not_sent(
    server: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = tmp_path / "bundle.json"
    bundle.write_text(json.dumps({"objects": [an_object(1)], "x_stillwatch_signatures": []}))

    assert submit(bundle) == 2
    assert "no entry for each of the 1 objects" in capsys.readouterr().err
    assert not server.taken


def test_what_cannot_be_signed_is_told_and_not_sent(
    server: Simulator, key: tuple[Path, KeySet], passphrase: Path, tmp_path: Path
) -> None:
    file, _ = key
    lines = tmp_path / "lines.ndjson"
    lines.write_text('{"a":1}\n{"a":1,"a":2}\nnonsense\n{"a":3}\n')

    assert submit(lines, "--sign", file, "--passphrase-file", passphrase) == 1
    assert [json.loads(line)["object"] for line in server.lines] == [{"a": 1}, {"a": 3}]


def test_a_run_goes_on_only_as_it_was_signed(
    server: Simulator, key: tuple[Path, KeySet], passphrase: Path, tmp_path: Path
) -> None:
    file, _ = key
    lines = tmp_path / "lines.ndjson"
    lines.write_text('{"a":1}\n')
    assert submit(lines) == 0

    assert submit(lines, "--sign", file, "--passphrase-file", passphrase) == 2


def test_findings_cannot_be_signed_by_their_sender(
    server: Simulator, key: tuple[Path, KeySet], passphrase: Path, tmp_path: Path
) -> None:
    file, _ = key
    lines = tmp_path / "findings.ndjson"
    lines.write_text("{}\n")

    assert submit(lines, "--format", "ocsf", "--sign", file, "--passphrase-file", passphrase) == 2
    assert not server.taken
