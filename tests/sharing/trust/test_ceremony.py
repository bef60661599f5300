"""The publisher's ceremony: three people, two of whom must sign, with keys in files of their own, offline."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sharing.signing import keys
from sharing.signing.keys import Ed25519Signer, PublishedKey
from sharing.trust import acceptance, online, roles
from sharing.trust.acceptance import Accepted, NotAccepted, Stood
from sharing.trust.ceilings import Ceilings
from sharing.trust.ceremony import Ceremony
from sharing.trust.documents import Documents, Proposal
from sharing.trust.package import Package
from sharing.trust.revocations import MalformedDocument, Revocations, origin_digest
from sharing.trust.roles import OneKeySigner
from sharing.trust.store import TrustStore
from sharing.verifier.cli import main

NOW = datetime.now(UTC)
ORIGIN = "feeds.example/log/11111111-1111-4111-8111-111111111111"
SECRET = "correct horse battery staple"


@dataclass
class Service:
    """The other side: what it proposes, and what it holds."""

    folder: Path
    objects: list[Ed25519Signer]
    online: Ed25519Signer
    revocations: Revocations
    stood: Stood

    def propose(self) -> Path:
        """The proposal's file."""
        jwks = keys.jwks([PublishedKey(signer.public_jwk()) for signer in self.objects])
        documents = Documents(json.dumps(jwks).encode(), b"quorum none\n", bytes(self.revocations))
        path = self.folder / "proposal.json"
        path.write_bytes(bytes(Proposal(documents, self.online.public_jwk())))
        return path

    def accept(self, package: Path, now: datetime = NOW) -> Accepted:
        """As trust_accept; what it took then stands."""
        signer = OneKeySigner(self.online.public_bytes(), self.online.sign)
        accepted = acceptance.accept(
            Package.read(package.read_bytes()), self.stood, online_keyid=signer.public_key.keyid, now=now
        )
        self.stood = Stood(
            accepted.roots,
            accepted.targets_raw or self.stood.targets,
            accepted.documents.revocations,
        )
        files = {roles.target_path(name, raw): raw for name, raw in accepted.documents.files.items()}
        files |= {roles.metadata_path("root", version): raw for version, raw in accepted.roots.items()}
        assert self.stood.targets is not None
        files[roles.metadata_path("targets", accepted.targets.version)] = self.stood.targets
        files |= online.renew(
            online.Standing(accepted.targets.version),
            ceilings=bytes(Ceilings.of({ORIGIN: "amber"})),
            signer=signer,
            now=now,
        )
        for path, raw in files.items():
            file = self.folder / "www" / roles.TUF_PATH / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(raw)
        return accepted


@pytest.fixture
def service(tmp_path: Path) -> Service:
    folder = tmp_path / "service"
    folder.mkdir()
    return Service(folder, [keys.generate()], keys.generate(), Revocations(), Stood({}))


@pytest.fixture
def ceremony(tmp_path: Path, service: Service) -> Path:
    """A folder after init; the keys have been handed out, to folders of their holders."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    folder = tmp_path / "ceremony"
    assert (
        run(tmp_path, "init", folder, "--keys", "3", "--threshold", "2", "--proposal", service.propose()) == 0
    )
    (tmp_path / "usb").mkdir()
    for path in (folder / "keys").glob("*.pem"):
        path.rename(tmp_path / "usb" / path.name)
    return folder


def run(tmp_path: Path, command: str, folder: Path, *arguments: object) -> int:
    """`stillwatch trust`, with the passphrase of all keys."""
    secret = [] if command == "status" else ["--passphrase-file", str(tmp_path / "secret")]
    return main(["trust", command, str(folder), *map(str, arguments), *secret])


def usb(tmp_path: Path, *names: str) -> Sequence[object]:
    return [part for name in names for part in ("--key", tmp_path / "usb" / f"{name}.pem")]


def test_from_a_proposal_to_a_partner(tmp_path: Path, service: Service, ceremony: Path) -> None:
    accepted = service.accept(ceremony / "accept.json")
    assert accepted.root.roles["root"].threshold == 2
    store = TrustStore.init(
        tmp_path / "home", (ceremony / "root.json").read_bytes(), str(service.folder / "www")
    )
    assert store.refresh(NOW).root_version == 1
    assert store.keys.kids == {service.objects[0].kid}
    assert store.ceiling(ORIGIN) == "amber"


def test_private_keys_are_encrypted_and_their_owners_alone_can_read_them(
    tmp_path: Path, ceremony: Path
) -> None:
    files = sorted((tmp_path / "usb").iterdir())
    assert [path.stem for path in files] == [f"{role}-{n}" for role in ("root", "targets") for n in (1, 2, 3)]
    for path in files:
        assert path.stat().st_mode & 0o077 == 0
        assert b"ENCRYPTED" in path.read_bytes()
        with pytest.raises(keys.UnreadableKey):
            keys.load(path.read_bytes(), b"another")


def test_two_people_sign_in_two_places(
    tmp_path: Path, service: Service, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.accept(ceremony / "accept.json")
    service.objects.append(keys.generate())
    before = (ceremony / "accept.json").read_bytes()
    code = run(tmp_path, "rotate", ceremony, "--proposal", service.propose(), *usb(tmp_path, "targets-1"))
    said = capsys.readouterr().out
    assert code == 3
    assert f"signs: jwks.json: new key {service.objects[1].kid} (Ed25519, objects)" in said
    assert "targets 2: 1 of 2 signatures; waits for 1 of targets-2, targets-3" in said
    assert (ceremony / "accept.json").read_bytes() == before
    # The folder travels; the same key again changes nothing.
    elsewhere = tmp_path / "elsewhere"
    shutil.move(ceremony, elsewhere)
    assert run(tmp_path, "sign", elsewhere, *usb(tmp_path, "targets-1", "root-1")) == 3
    assert "root-1 has nothing to sign here" in capsys.readouterr().out
    assert run(tmp_path, "status", elsewhere) == 3
    assert run(tmp_path, "sign", elsewhere, *usb(tmp_path, "targets-3")) == 0
    assert "targets 2: 2 of 2 signatures" in capsys.readouterr().out
    accepted = service.accept(elsewhere / "accept.json")
    assert set(accepted.documents.kids()) == {signer.kid for signer in service.objects}
    assert run(tmp_path, "status", elsewhere) == 0


def test_a_root_key_is_replaced_by_those_who_were_trusted_before(
    tmp_path: Path, service: Service, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.accept(ceremony / "accept.json")
    first = (ceremony / "root.json").read_bytes()
    assert (
        run(tmp_path, "rotate", ceremony, "--replace", "root-2", *usb(tmp_path, "root-1", "targets-1")) == 3
    )
    said = capsys.readouterr().out
    # The new root-2 signs the new root only; the old one has to be signed for by two that it names.
    assert "root 2: 1 of 2 signatures" in said
    assert run(tmp_path, "sign", ceremony, *usb(tmp_path, "root-3", "targets-2")) == 0
    accepted = service.accept(ceremony / "accept.json")
    assert accepted.root.version == 2
    store = TrustStore.init(tmp_path / "home", first, str(service.folder / "www"))
    assert store.refresh(NOW).root_version == 2
    # The key that was replaced signs nothing any more.
    capsys.readouterr()
    assert run(tmp_path, "rotate", ceremony, *usb(tmp_path, "root-2")) == 3
    assert "has nothing to sign here" in capsys.readouterr().out


def test_another_online_key_takes_a_new_root(tmp_path: Path, service: Service, ceremony: Path) -> None:
    service.accept(ceremony / "accept.json")
    old, service.online = service.online, keys.generate()
    with pytest.raises(NotAccepted, match="another key than the service's own"):
        service.accept(ceremony / "accept.json")
    people = usb(tmp_path, "root-1", "root-2", "targets-1", "targets-2")
    assert run(tmp_path, "rotate", ceremony, "--proposal", service.propose(), *people) == 0
    assert service.accept(ceremony / "accept.json").root.version == 2
    assert old.kid != service.online.kid


def test_a_key_of_the_service_is_revoked_for_good(
    tmp_path: Path, service: Service, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.accept(ceremony / "accept.json")
    kid = service.objects[0].kid
    people = usb(tmp_path, "targets-1", "targets-2")
    assert run(tmp_path, "revoke", ceremony, "k" * 43, "--from-the-start", *people) == 1
    assert f"it has {kid}" in capsys.readouterr().err
    assert run(tmp_path, "revoke", ceremony, kid, "--from-index", f"{ORIGIN}=12", *people) == 0
    accepted = service.accept(ceremony / "accept.json")
    assert Revocations.read(accepted.documents.revocations).from_index(kid, ORIGIN) == 12
    # A service that forgot it, restored from a backup, cannot have it taken back.
    assert run(tmp_path, "rotate", ceremony, "--proposal", service.propose(), *people) == 1
    assert "was revoked and is no longer" in capsys.readouterr().err


def test_a_proposal_brings_the_indexes_that_the_service_saw(
    tmp_path: Path, service: Service, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    service.accept(ceremony / "accept.json")
    kid = service.objects[0].kid
    people = usb(tmp_path, "targets-1", "targets-2")
    assert run(tmp_path, "revoke", ceremony, kid, "--proposal", service.propose(), *people) == 1
    assert "run manage.py revoke_key first" in capsys.readouterr().err
    service.revocations = service.revocations.with_key(kid, {origin_digest(ORIGIN): 5})
    assert run(tmp_path, "revoke", ceremony, kid, "--proposal", service.propose(), *people) == 0
    accepted = service.accept(ceremony / "accept.json")
    assert Revocations.read(accepted.documents.revocations).from_index(kid, ORIGIN) == 5


def test_a_root_near_its_end_is_renewed_with_whatever_is_signed(
    tmp_path: Path, service: Service, ceremony: Path
) -> None:
    made = Ceremony(ceremony).rotate(passphrase=lambda _: b"x", now=NOW + timedelta(days=250))
    assert not made
    assert {one.role for one in Ceremony(ceremony).status().drafts} == {"root", "targets"}


def test_a_draft_is_not_dropped_by_the_way(
    tmp_path: Path, service: Service, ceremony: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(tmp_path, "rotate", ceremony, *usb(tmp_path, "targets-1")) == 3
    assert run(tmp_path, "rotate", ceremony, *usb(tmp_path, "targets-1")) == 1
    assert "--discard-draft" in capsys.readouterr().err
    assert run(tmp_path, "rotate", ceremony, "--discard-draft", *usb(tmp_path, "targets-1", "targets-2")) == 0


def test_what_does_not_follow_is_not_accepted(tmp_path: Path, service: Service, ceremony: Path) -> None:
    first = Package.read((ceremony / "accept.json").read_bytes())
    people = usb(tmp_path, "targets-1", "targets-2")
    assert run(tmp_path, "rotate", ceremony, *people) == 0
    second = Package.read((ceremony / "accept.json").read_bytes())
    service.accept(ceremony / "accept.json")
    stood = service.stood
    keyid = roles.tuf_key(service.online.public_bytes()).keyid

    def refused(package: Package, sentence: str, at: datetime = NOW) -> None:
        with pytest.raises(NotAccepted, match=sentence):
            acceptance.accept(package, stood, online_keyid=keyid, now=at)

    refused(first, "not newer than those that stand")
    refused(
        Package(second.roots, second.targets, {**second.files, "policy.txt": b"quorum all\n"}), "not the file"
    )
    refused(Package({2: second.roots[1]}, second.targets, second.files), "root 1 stands, but is not part")
    refused(second, "root 1 expired", NOW + timedelta(days=400))
    refused(second, "targets 2 expired", NOW + timedelta(days=150))
    signed = json.loads(second.targets)
    signed["signatures"] = signed["signatures"][:1]
    refused(Package(second.roots, json.dumps(signed).encode(), second.files), "signed by 1 of the 2 keys")
    other = tmp_path / "other"
    assert (
        run(tmp_path, "init", other, "--keys", "1", "--threshold", "1", "--proposal", service.propose()) == 0
    )
    refused(Package.read((other / "accept.json").read_bytes()), "another one of that number")
    with pytest.raises(MalformedDocument, match="every root and one targets"):
        Package.read(b'{"v":1,"metadata":{},"targets":{}}')


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["init", "{}", "--keys", "2", "--threshold", "3", "--proposal", "{proposal}"], "threshold must be"),
        (["init", "{full}", "--keys", "2", "--threshold", "2", "--proposal", "{proposal}"], "is not empty"),
        (["init", "{}", "--keys", "2", "--threshold", "2", "--proposal", "{nothing}"], "there is no file"),
        (["init", "{}", "--keys", "2", "--threshold", "2", "--proposal", "{secret}"], "is no proposal"),
        (["rotate", "{}"], "begin with init"),
        (["sign", "{full}"], "there is no draft to sign"),
        (["rotate", "{full}", "--replace", "root-9"], "there is no key root-9"),
        (["rotate", "{full}", "--threshold", "4"], "from 1 to the 3 keys"),
        (["rotate", "{full}", "--key", "{secret}"], "damaged or the passphrase is wrong"),
        (["revoke", "{full}", "k", "--from-index", "feed"], "ORIGIN=N"),
    ],
)
def test_wrong_use_is_told_in_one_sentence(
    tmp_path: Path,
    service: Service,
    ceremony: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    sentence: str,
) -> None:
    names = {
        "{}": tmp_path / "empty",
        "{full}": ceremony,
        "{proposal}": service.propose(),
        "{nothing}": tmp_path / "nothing",
        "{secret}": tmp_path / "secret",
    }
    command, folder, *rest = [str(names.get(argument, argument)) for argument in arguments]
    assert run(tmp_path, command, Path(folder), *rest) in {1, 2}
    told = capsys.readouterr().err
    assert sentence in told
    assert told.count("\n") == 1
