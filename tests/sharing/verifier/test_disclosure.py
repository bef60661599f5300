"""`stillwatch verify disclosure`: who submitted an object, proved to whom it was told."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import rfc8785

from sharing.signing import base64url, keys
from sharing.signing.jws import sign_object
from sharing.signing.keys import Ed25519Signer, PublishedKey, jwks
from sharing.tlog import submitters
from sharing.tlog.statements import submitter_commitment
from sharing.tlog.submitters import MalformedRecord, SubmitterRecord
from sharing.verifier.cli import main
from tests.sharing.verifier.log_simulator import an_indicator
from tests.sharing.verifier.publisher import Publisher

ACME, OTHER = ("11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222")
SENT = "33333333-3333-4333-8333-333333333333"
SALT = bytes(range(32))
Value = dict[str, Any]


def record(one: Value, signer: Ed25519Signer | None, organization: str = ACME) -> bytes:
    made = None if signer is None else sign_object(signer, rfc8785.dumps(one))
    return submitters.record(organization=organization, submission=SENT, jws=made)


@dataclass
class Told:
    """A bundle that discloses its submitter, and the home of whoever was told."""

    folder: Path
    signer: Ed25519Signer
    bundle: Value
    home: Path

    def verify(self, *options: str, by: Ed25519Signer | None = None) -> int:
        file, jwk_set = self.folder / "bundle.json", self.folder / "acme.jwks.json"
        file.write_text(json.dumps(self.bundle))
        jwk_set.write_text(json.dumps(jwks([PublishedKey((by or self.signer).public_jwk())])))
        given = ["--submitter-jwks", str(jwk_set), "--home", str(self.home), *options]
        return main(["verify", "disclosure", str(file), *given])

    def notice(self, *openings: Value, inside: bool = False) -> str:
        told: Value = {"kind": "submitter.disclosed", "detail": {"openings": list(openings)}}
        file = self.folder / "notice.json"
        file.write_text(json.dumps({"kind": "notice", "notice": told} if inside else told))
        return str(file)


@pytest.fixture
def told(tmp_path: Path) -> Told:
    publisher, signer, one = Publisher(tmp_path / "mirror"), keys.generate(), an_indicator(1)
    said = record(one, signer)
    publisher.publish(an_indicator(0), tlp="green")
    index = publisher.publish(one, tlp="green", subsalt=SALT, record=said)
    publisher.write()
    bundle = json.loads(publisher.bundle(index, publisher.signed()))
    bundle["opening"]["sub"] = {"salt": base64url.encode(SALT), "record": said.decode()}
    root = tmp_path / "root.json"
    root.write_bytes(publisher.trust.root_json)
    home = tmp_path / "home"
    assert (
        main(["verify", "init", "--root", str(root), "--at", str(publisher.folder), "--home", str(home)]) == 0
    )
    return Told(tmp_path, signer, bundle, home)


def test_the_submitter_and_its_signature_are_proved(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    assert told.verify() == 0

    assert f"was submitted by organisation {ACME} in submission {SENT}" in capsys.readouterr().out
    assert told.verify("--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["organization"], report["kid"]) == (ACME, told.signer.kid)


def test_a_notice_opens_a_bundle_that_opens_nothing(told: Told) -> None:
    said = told.bundle["opening"].pop("sub")["record"]
    opening = {"collection": "x", "index": 1, "subsalt": SALT.hex(), "record": said}

    assert told.verify() == 20
    assert told.verify("--notice", told.notice(opening)) == 0
    assert told.verify("--notice", told.notice(opening, inside=True)) == 0
    assert told.verify("--notice", told.notice()) == 11
    assert told.verify("--notice", told.notice(opening | {"record": said.replace(ACME, OTHER)})) == 11


def _swap_record(told: Told) -> None:
    told.bundle["opening"]["sub"]["record"] = record(an_indicator(1), keys.generate(), OTHER).decode()


def _swap_organization(told: Told) -> None:
    sub = told.bundle["opening"]["sub"]
    sub["record"] = sub["record"].replace(ACME, OTHER)


def _swap_salt(told: Told) -> None:
    told.bundle["opening"]["sub"]["salt"] = base64url.encode(bytes(32))


def _strip_signature(told: Told) -> None:
    told.bundle["opening"]["sub"]["record"] = record(an_indicator(1), None).decode()


def _restate(told: Told) -> None:
    """The statement itself commits to another: then it is not the log's."""

    sub, opening = told.bundle["opening"]["sub"], told.bundle["opening"]
    sub["record"] = record(an_indicator(1), None, OTHER).decode()
    commitment = base64url.encode(submitter_commitment(SALT, sub["record"].encode()))
    opening["stmt"] = rfc8785.dumps(json.loads(opening["stmt"]) | {"sub": commitment}).decode()


@pytest.mark.parametrize("swap", [_swap_record, _swap_organization, _swap_salt, _strip_signature, _restate])
def test_swapped_submitters_are_altered(
    told: Told, swap: Callable[[Told], None], capsys: pytest.CaptureFixture[str]
) -> None:
    swap(told)

    assert told.verify() == 11
    assert capsys.readouterr().err.count("\n") == 1


def test_another_partners_key_is_not_the_submitters(told: Told) -> None:
    assert told.verify(by=keys.generate()) == 18


def test_without_a_trusted_log_nothing_is_proved(told: Told, capsys: pytest.CaptureFixture[str]) -> None:
    told.home = told.folder / "nowhere"

    assert told.verify() == 2
    assert "verify init" in capsys.readouterr().err


def test_a_record_is_read_to_the_byte() -> None:
    plain, signed = (submitters.record(organization=ACME, submission=SENT, jws=jws) for jws in (None, "h..s"))

    assert plain == rfc8785.dumps({"organization": ACME, "submission": SENT, "v": 1})
    assert signed == rfc8785.dumps({"jws": "h..s", "organization": ACME, "submission": SENT, "v": 1})
    assert submitters.read_record(signed) == SubmitterRecord(ACME, SENT, "h..s")
    for wrong in (
        *(b"", b"[]", b"\xff", b"[" * 5000, plain + b" ", plain.replace(b'"v":1', b'"v":2')),
        *(
            plain.replace(b"1111-", b"AAAA-"),
            signed.replace(b"h..s", b"h.s"),
            signed.replace(b'"h..s"', b"1"),
        ),
        *(plain.replace(b'{"', b'{ "'), signed.replace(b'"jws":"h..s",', b'"jws":null,')),
    ):
        with pytest.raises(MalformedRecord):
            submitters.read_record(wrong)
