"""Offline bundles and single objects that somebody changed, put together, or opened wrongly."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import rfc8785

from sharing.signing import base64url
from sharing.tlog import proofs
from sharing.tlog.proofs import TlogProof
from tests.attacks.scene import WITNESSES, Outcome, Scene
from tests.sharing.verifier.log_simulator import an_indicator

Bundle = dict[str, Any]
SUBSALT = b"s" * 32
RECORD = rfc8785.dumps({"submitter": "lab-a"})


@pytest.fixture
def index(scene: Scene) -> int:
    """An entry whose submitter the bundle discloses."""
    return scene.publisher.publish(an_indicator(200), subsalt=SUBSALT, record=RECORD)


def bundle(scene: Scene, index: int) -> Bundle:
    checkpoint = scene.publisher.signed(cosigned_by=WITNESSES[:2])
    made: Bundle = json.loads(scene.publisher.bundle(index, checkpoint))
    made["opening"]["sub"] = {"salt": base64url.encode(SUBSALT), "record": RECORD.decode()}
    return made


def verify(scene: Scene, made: Bundle) -> Outcome:
    file = scene.file("bundle.json", json.dumps(made).encode())
    return scene.stillwatch("verify", "bundle", file, "--home", str(scene.home))


def another_submitter(scene: Scene, made: Bundle) -> None:
    made["opening"]["sub"]["record"] = RECORD.decode().replace("lab-a", "lab-b")


def the_submitter_of_another(scene: Scene, made: Bundle) -> None:
    made["opening"]["sub"] = {"salt": base64url.encode(b"t" * 32), "record": RECORD.decode()}


def a_wrong_proof(scene: Scene, made: Bundle) -> None:
    proof = proofs.read(made["proof"].encode())
    hashes = (proof.hashes[1], proof.hashes[0], *proof.hashes[2:])
    made["proof"] = bytes(TlogProof(proof.index, hashes, proof.checkpoint)).decode()


def the_proof_of_another(scene: Scene, made: Bundle) -> None:
    other = proofs.read(made["proof"].encode())
    made["proof"] = bytes(scene.publisher.proof(3, other.checkpoint)).decode()


def an_old_checkpoint_that_has_it_not(scene: Scene, made: Bundle) -> None:
    proof = proofs.read(made["proof"].encode())
    earlier = scene.publisher.signed(8, cosigned_by=WITNESSES[:2])
    made["proof"] = bytes(TlogProof(proof.index, proof.hashes, earlier)).decode()


def too_few_witnesses(scene: Scene, made: Bundle) -> None:
    proof = proofs.read(made["proof"].encode())
    alone = scene.publisher.signed(cosigned_by=WITNESSES[:1])
    made["proof"] = bytes(TlogProof(proof.index, proof.hashes, alone)).decode()


def no_ml_dsa_line(scene: Scene, made: Bundle) -> None:
    proof = proofs.read(made["proof"].encode())
    stripped = scene.publisher.signed(lines=[0], cosigned_by=WITNESSES)
    made["proof"] = bytes(TlogProof(proof.index, proof.hashes, stripped)).decode()


def another_object(scene: Scene, made: Bundle) -> None:
    made["object"]["confidence"] = 1


def anothers_signature(scene: Scene, made: Bundle) -> None:
    made["opening"]["jws"] = scene.publisher.signature(3)


ATTACKS: list[tuple[int, Callable[[Scene, Bundle], None]]] = [
    (11, another_submitter),
    (11, the_submitter_of_another),
    (11, a_wrong_proof),
    (11, the_proof_of_another),
    (11, an_old_checkpoint_that_has_it_not),
    (17, too_few_witnesses),
    (10, no_ml_dsa_line),
    (11, another_object),
    (10, anothers_signature),
]


@pytest.mark.parametrize("scene", ["files"], indirect=True)
def test_every_attack_on_a_bundle_is_found_out(scene: Scene, index: int) -> None:
    honest = verify(scene, bundle(scene, index))
    assert (honest.code, honest.report["index"]) == (0, index)

    found = {}
    for _, attack in ATTACKS:
        made = bundle(scene, index)
        attack(scene, made)
        found[attack.__name__] = verify(scene, made).code

    assert found == {attack.__name__: code for code, attack in ATTACKS}


@pytest.mark.parametrize("scene", ["files"], indirect=True)
def test_every_attack_on_an_object_is_found_out(scene: Scene) -> None:
    stix, jws = rfc8785.dumps(an_indicator(0)), scene.publisher.signature(0)

    def code(raw: bytes, signature: str) -> int:
        file = scene.file("object.json", raw)
        return scene.stillwatch("verify", "object", file, "--jws", signature, "--home", str(scene.home)).code

    assert code(stix, jws) == 0
    assert code(stix.replace(b'"confidence":80', b'"confidence":81'), jws) == 10
    assert code(stix, scene.publisher.signature(1)) == 10
    assert code(stix.replace(b'"confidence":80', b'"confidence":1,"confidence":80'), jws) == 20
    assert code(stix, jws.replace("..", ".e30.")) == 2
