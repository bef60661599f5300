"""An object with all that proves it, verified without any network."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sharing.signing.keys import KeySet
from sharing.signing.note_keys import NoteKey, log_keys
from sharing.tlog.policy import Policy
from sharing.verifier.bundle import verify_bundle
from sharing.verifier.failures import VerificationFailed
from tests.sharing.verifier.log_simulator import ORIGIN, RED, an_indicator, restate
from tests.sharing.verifier.publisher import Publisher, Reader

Attack = Callable[[dict[str, Any]], object]


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    publisher = Publisher(tmp_path / "mirror")
    for number in range(7):
        publisher.publish(an_indicator(number))
    publisher.write()
    return publisher


@pytest.fixture
def reader(publisher: Publisher, tmp_path: Path) -> Reader:
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    return reader


def bundle(publisher: Publisher, index: int, checkpoint: bytes | None = None) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(publisher.bundle(index, checkpoint or publisher.signed()))
    return made


def verdict(reader: Reader, made: dict[str, Any], *options: str) -> int:
    file = reader.folder / "bundle.json"
    file.write_text(json.dumps(made, indent=1), encoding="utf-8")
    return reader.run("verify", "bundle", str(file), *options)


def test_a_bundle_is_verified_offline_however_old_its_checkpoint(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in publisher.folder.rglob("*"):
        if path.is_file():
            path.unlink()
    made = bundle(publisher, 4, publisher.signed(age=90 * 86_400))
    capsys.readouterr()
    assert verdict(reader, made) == 0
    assert f"is entry 4 of {ORIGIN}" in capsys.readouterr().out
    assert verdict(reader, made, "--json") == 0
    assert json.loads(capsys.readouterr().out)["size"] == 7
    assert verdict(reader, made, "--max-age", "30d") == 16


@pytest.mark.parametrize(
    ("code", "attack"),
    [
        (11, lambda made: made["object"].update(name="another")),
        (11, lambda made: restate(made["opening"], tlp="clear")),
        (11, lambda made: made.update(proof=made["proof"].replace("index 4", "index 5"))),
        (10, lambda made: made.update(proof=made["proof"].replace("\n7\n", "\n8\n"))),
        (10, lambda made: made["opening"].pop("jws")),
        (11, lambda made: made["opening"].update(sub={"salt": "A" * 43, "record": "{}"})),
        (20, lambda made: made["opening"].update(sub={"salt": "A" * 43})),
        (20, lambda made: made.update(v=2)),
        (20, lambda made: made.pop("opening")),
        (20, lambda made: made.update(proof="no proof")),
        (20, lambda made: made.update(proof=1)),
        (20, lambda made: made.update(object=[])),
        (19, lambda made: made.update(proof=made["proof"].replace("feed.example", "evil.example"))),
    ],
)
def test_each_attack_on_a_bundle_has_its_exit_code(
    publisher: Publisher, reader: Reader, code: int, attack: Attack
) -> None:
    made = bundle(publisher, 4)
    attack(made)
    assert verdict(reader, made) == code


def test_a_bundle_of_a_revoked_key_counts_only_below_its_index(publisher: Publisher, reader: Reader) -> None:
    publisher.trust.revoke(publisher.signer.kid, {ORIGIN: 4})
    publisher.republish_trust()
    assert reader.init() == 0
    assert verdict(reader, bundle(publisher, 3)) == 0
    assert verdict(reader, bundle(publisher, 4)) == 18
    # A page or an object alone proves no index.
    page = publisher.path("pages/0.json")
    assert reader.run("verify", "page", str(page)) == 18
    entry = publisher.entries[0]
    assert entry.body is not None
    file = reader.folder / "object.json"
    file.write_bytes(entry.body)
    assert reader.run("verify", "object", str(file), "--jws", publisher.signature(0)) == 18


def test_a_bundle_above_the_ceiling_is_refused(tmp_path: Path) -> None:
    publisher = Publisher(tmp_path / "mirror", ceiling="green")
    publisher.publish(an_indicator(1, object_marking_refs=[RED]), tlp="red")
    publisher.write()
    reader = Reader(publisher, tmp_path / "reader")
    assert reader.init() == 0
    assert verdict(reader, bundle(publisher, 0)) == 21


def test_pages_and_objects_are_verified_with_what_the_home_trusts(
    publisher: Publisher, reader: Reader, capsys: pytest.CaptureFixture[str]
) -> None:
    page = publisher.path("pages/0.json")
    assert reader.run("verify", "page", str(page)) == 0
    entry = publisher.entries[0]
    assert entry.body is not None
    file = reader.folder / "object.json"
    file.write_bytes(entry.body)
    assert reader.run("verify", "object", str(file), "--jws", publisher.signature(0)) == 0
    stranger = Reader(publisher, reader.folder / "stranger")
    assert stranger.run("verify", "page", str(page)) == 2
    assert "verify init" in capsys.readouterr().err


class _Named:
    """What the vectors name as trusted."""

    def __init__(self, file: dict[str, Any]) -> None:
        self.keys = KeySet.from_jwks(file["jwks"])
        self.policy = Policy.read(file["policy"].encode())
        self._file = file

    def log_keys(self, origin: str) -> list[NoteKey]:
        return log_keys(self._file["jwks"], origin)

    def ceiling(self, origin: str) -> str:
        assert origin == self._file["origin"]
        return str(self._file["ceiling"])

    def revoked(self, kid: str, origin: str) -> int | None:
        return None


VECTORS = json.loads((Path(__file__).parents[2] / "vectors/bundles.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", VECTORS["cases"], ids=[case["name"] for case in VECTORS["cases"]])
def test_every_vector_of_bundles_has_its_verdict(case: dict[str, Any]) -> None:
    trust, raw = _Named(VECTORS), case["bundle"].encode()
    if case["ok"]:
        report = verify_bundle(raw, trust, now=0)
        assert (report.index, report.object_id) == (case["index"], case["object_id"])
        return
    with pytest.raises(VerificationFailed) as caught:
        verify_bundle(raw, trust, now=0)
    assert caught.value.exit_code == case["exit"]


def test_a_checkpoint_dated_beyond_all_calendars_is_malformed(publisher: Publisher, reader: Reader) -> None:
    assert verdict(reader, bundle(publisher, 4, publisher.signed(age=-(10**17)))) == 20
