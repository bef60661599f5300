import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import rfc8785

from sharing.signing.jws import DELIVERY, OBJECT, RECEIPT, sign
from sharing.signing.keys import PublishedKey, generate, jwks
from sharing.tlog.page import PROPERTY
from tests.sharing.verifier.log_simulator import LogSimulator, altered, an_indicator
from tests.sharing.verifier.publisher import COLLECTION, Publisher

ROOT = Path(__file__).parents[3]

# What a consumer does not have: importing any of these fails.
BARE = """
import runpy, sys
blocked = "django celery msgspec rest_framework psycopg re2 redis stix2 jsonschema_rs requests structlog yaml"
for name in blocked.split():
    sys.modules[name] = None
sys.argv[0] = "stillwatch"
runpy.run_module("sharing.verifier", run_name="__main__")
"""


def stillwatch(*arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-c", BARE, *arguments],
        input=stdin,
        capture_output=True,
        cwd=ROOT,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def log() -> LogSimulator:
    log = LogSimulator()
    for number in range(3):
        log.publish(an_indicator(number))
    log.withdraw(1)
    return log


@pytest.fixture
def keys(log: LogSimulator, tmp_path: Path) -> str:
    return written(tmp_path / "jwks.json", json.dumps(log.jwks()).encode())


def written(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_an_honest_page_is_verified_without_django_celery_or_msgspec(
    log: LogSimulator, keys: str, tmp_path: Path
) -> None:
    page = written(tmp_path / "page.json", log.page())

    result = stillwatch("verify", "page", page, "--jwks", keys, "--ceiling", "amber")

    assert (result.returncode, result.stderr) == (0, b"")
    line = result.stdout.decode()
    assert line.startswith("verified: 2 objects in entries 0 to 3 of feed.example/log/")
    assert "1 withdrawn" in line
    assert log.signer.kid in line


def test_a_feed_is_followed_and_passed_on_with_nothing_but_the_base_install(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "service")
    for number in range(5):
        publisher.publish(an_indicator(number))
    publisher.write()
    root = written(tmp_path / "root.json", publisher.trust.root_json)
    home = ["--home", str(tmp_path / "home")]
    mirror = str(tmp_path / "mirror")
    for arguments in (
        ["verify", "init", "--root", root, "--at", str(publisher.folder), *home],
        ["mirror", COLLECTION, "--out", mirror, *home],
        [
            "verify",
            "sync",
            COLLECTION,
            "--out",
            str(tmp_path / "feed"),
            "--from",
            mirror,
            "--progress",
            *home,
        ],
        ["gossip", str(tmp_path / "home"), str(tmp_path / "feed"), mirror, *home],
        ["verify", "export", str(tmp_path / "feed"), "--format", "bundle"],
    ):
        result = stillwatch(*arguments)
        assert (result.returncode, result.stdout != b"") == (0, True), result.stderr


def test_a_page_comes_from_standard_input_and_the_result_as_json(log: LogSimulator, keys: str) -> None:
    result = stillwatch("verify", "page", "-", "--jwks", keys, "--json", stdin=log.page())

    report = json.loads(result.stdout)
    assert (result.returncode, report["verified"], report["objects"]) == (0, True, 2)
    assert (report["start"], report["end"], report["withdraws"]) == (0, 4, [1])


def test_the_keys_come_from_standard_input(log: LogSimulator, tmp_path: Path) -> None:
    page = written(tmp_path / "page.json", log.filtered_page([0]))

    result = stillwatch("verify", "page", page, "--jwks", "-", stdin=json.dumps(log.jwks()).encode())

    assert result.returncode == 0
    assert b"filtered" in result.stdout


@pytest.mark.parametrize(
    ("code", "word"),
    [
        (10, "bad-signature"),
        (11, "altered"),
        (12, "dropped"),
        (13, "order"),
        (18, "unknown-key"),
        (20, "malformed"),
        (21, "above-ceiling"),
    ],
)
def test_each_attack_has_its_exit_code_and_one_sentence(
    log: LogSimulator, keys: str, tmp_path: Path, code: int, word: str
) -> None:
    with altered(log.page()) as (envelope, entries, rewritten):
        match code:
            case 10:
                entries[0]["jws"] = entries[2]["jws"]
            case 11:
                envelope["objects"][0]["name"] = "another"
            case 12:
                del envelope["objects"][1]
            case 13:
                envelope["objects"].reverse()
            case 18:
                keys = written(tmp_path / "other.json", json.dumps(LogSimulator().jwks()).encode())
            case 20:
                envelope[PROPERTY]["v"] = 2
    ceiling = ["--ceiling", "green"] if code == 21 else []

    result = stillwatch("verify", "page", "-", "--jwks", keys, *ceiling, stdin=rewritten())

    assert (result.returncode, result.stdout) == (code, b"")
    assert result.stderr.startswith(f"stillwatch: NOT VERIFIED ({word}): ".encode())
    assert result.stderr.count(b"\n") == 1


def test_a_failure_as_json_names_code_and_place(log: LogSimulator, keys: str) -> None:
    with altered(log.page()) as (envelope, _, rewritten):
        envelope["objects"][0]["name"] = "another"

    result = stillwatch("verify", "page", "-", "--jwks", keys, "--json", stdin=rewritten())

    failure = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (11, b"")
    assert failure.pop("sentence").startswith("entry 0, indicator--")
    assert failure == {
        "verified": False,
        "exit_code": 11,
        "code": "altered",
        "index": 0,
        "object_id": an_indicator(0)["id"],
    }


def test_an_object_is_verified_against_a_signature_as_text_or_file(
    log: LogSimulator, keys: str, tmp_path: Path
) -> None:
    stix = written(tmp_path / "indicator.json", json.dumps(an_indicator(0), indent=2).encode())
    signature = written(tmp_path / "indicator.jws", log.signature(0).encode() + b"\n")

    for jws in (log.signature(0), signature):
        result = stillwatch("verify", "object", stix, "--jws", jws, "--jwks", keys)
        assert (result.returncode, result.stderr) == (0, b"")
        assert result.stdout.startswith(f"verified: {an_indicator(0)['id']} version 2026-01-02".encode())

    assert stillwatch("verify", "object", stix, "--jws", log.signature(2), "--jwks", keys).returncode == 10


def test_white_space_in_a_signature_file_is_not_stripped(
    log: LogSimulator, keys: str, tmp_path: Path
) -> None:
    stix = written(tmp_path / "indicator.json", json.dumps(an_indicator(0)).encode())
    signature = written(tmp_path / "indicator.jws", log.signature(0).encode() + b" \n")

    assert stillwatch("verify", "object", stix, "--jws", signature, "--jwks", keys).returncode == 20


def test_a_damaged_key_set_is_malformed(tmp_path: Path, log: LogSimulator) -> None:
    damaged = jwks([PublishedKey(generate().public_jwk())])
    damaged["keys"][0]["kid"] = "A" * 43
    keys = written(tmp_path / "jwks.json", json.dumps(damaged).encode())

    result = stillwatch("verify", "page", "-", "--jwks", keys, stdin=log.page())

    assert result.returncode == 20
    assert b"the key set: keys[0]" in result.stderr


def test_a_missing_file_is_said_in_a_sentence(keys: str, tmp_path: Path) -> None:
    for wrong in (str(tmp_path / "none.json"), str(tmp_path)):
        result = stillwatch("verify", "page", wrong, "--jwks", keys)
        assert result.returncode == 2
        assert wrong.encode() in result.stderr
        assert b"Traceback" not in result.stderr

    nothing = stillwatch("verify", "object", keys, "--jws", "nothing", "--jwks", keys)
    assert (nothing.returncode, b"neither a file nor" in nothing.stderr) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["verify"],
        ["verify", "page", "p.json", "--jwks"],
        ["verify", "page", "-", "--jwks", "-"],
        ["verify", "page", "p.json", "--jwks", "j.json", "--ceiling", "white"],
        ["verify", "object", "o.json", "--jwks", "j.json"],
    ],
)
def test_wrong_use_is_exit_code_2(arguments: list[str]) -> None:
    result = stillwatch(*arguments)

    assert result.returncode == 2
    assert b"--help" in result.stderr
    assert b"Traceback" not in result.stderr


def test_the_help_shows_examples_and_exit_codes() -> None:
    result = stillwatch("verify", "page", "--help")

    assert result.returncode == 0
    for expected in (b"proof=1", b"examples:", b"21  above", b"--ceiling"):
        assert expected in result.stdout


def test_a_reader_that_has_gone_costs_neither_the_verdict_nor_a_traceback(
    log: LogSimulator, keys: str, tmp_path: Path
) -> None:
    page = written(tmp_path / "page.json", log.page())
    command = [sys.executable, "-c", BARE, "verify", "page", page, "--jwks", keys]

    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        complaint = process.stderr.read()

    assert (process.returncode, complaint) == (0, b"")


@pytest.mark.parametrize(("what", "typ"), [("receipt", RECEIPT), ("delivery", DELIVERY)])
def test_what_the_service_says_to_one_organisation_is_verified_offline(
    what: str, typ: str, log: LogSimulator, keys: str, tmp_path: Path
) -> None:
    sent = b'{"objects":[]}'
    said: dict[str, str | int] = {
        "id": "4b0b", "issuer": "https://hub.example", "at": "2026-03-01T12:00:00Z", "state": "ingested",
        "kind": "receipt.ingested", "object_count": 0, "sha256": hashlib.sha256(sent).hexdigest(),
    }  # fmt: skip
    body = rfc8785.dumps(said)
    file = written(tmp_path / "said.json", json.dumps(said, indent=2).encode())
    jws = written(tmp_path / "said.jws", sign(log.signer, body, typ=typ).encode() + b"\n")
    of_another_type = sign(log.signer, body, typ=OBJECT)

    good = stillwatch("verify", what, file, "--jws", jws, "--jwks", keys)
    as_json = stillwatch("verify", what, "-", "--jws", jws, "--jwks", keys, "--json", stdin=body)
    altered = stillwatch(
        "verify", what, "-", "--jws", jws, "--jwks", keys, stdin=body.replace(b"4b0b", b"4b0c")
    )
    other = stillwatch("verify", what, file, "--jws", of_another_type, "--jwks", keys)

    assert (good.returncode, good.stderr) == (0, b"")
    assert good.stdout.startswith(f"verified: {what} 4b0b".encode())
    assert json.loads(as_json.stdout)["at"] == "2026-03-01T12:00:00Z"
    assert (altered.returncode, other.returncode) == (10, 20)


def test_a_receipt_is_about_the_bytes_that_were_sent(log: LogSimulator, keys: str, tmp_path: Path) -> None:
    said: dict[str, str | int] = {
        "id": "4b0b", "issuer": "https://hub.example", "at": "2026-03-01T12:00:00Z", "state": "received",
        "object_count": 1, "sha256": hashlib.sha256(b"sent").hexdigest(),
    }  # fmt: skip
    file = written(tmp_path / "receipt.json", json.dumps(said).encode())
    jws = sign(log.signer, rfc8785.dumps(said), typ=RECEIPT)
    ours, theirs = written(tmp_path / "ours", b"sent"), written(tmp_path / "theirs", b"another")

    good = stillwatch("verify", "receipt", file, "--jws", jws, "--jwks", keys, "--sent", ours)
    bad = stillwatch("verify", "receipt", file, "--jws", jws, "--jwks", keys, "--sent", theirs)

    assert (good.returncode, bad.returncode) == (0, 11)
