"""A publisher that shows two histories, or an old one, under its own keys; partners and witnesses who find out."""

from pathlib import Path

import pytest

from sharing.signing.keys import Ed25519Signer, MlDsa44Signer
from sharing.signing.service import Mark, SigningService
from sharing.signing.wire import Code, HeldKey, Purpose, Refusal, SignCheckpoint, SignedNote
from sharing.tlog import merkle
from tests.attacks import tampering
from tests.attacks.scene import WITNESSES, Scene
from tests.attacks.scene import publisher as honest
from tests.sharing.verifier.log_simulator import an_indicator
from tests.sharing.verifier.publisher import Publisher
from tests.sharing.witness import by_hand
from tests.sharing.witness.running import Running

DAY = 24 * 3600


def forked(publisher: Publisher, at: int) -> Publisher:
    """The same up to the entry `at`; from there on another log, one longer, under the same keys."""
    other = publisher.fork()
    other._nodes = {}
    more = len(publisher.entries) - at + 1
    del other.entries[at:]
    for number in range(more):
        other.publish(an_indicator(500 + number))
    return other


@pytest.fixture
def before(scene: Scene) -> bytes:
    """The partner has read the honest log; its checkpoint then."""
    assert scene.sync().code == 0
    return scene.publisher.path("checkpoint").read_bytes()


def test_an_old_checkpoint_is_a_rollback_for_whom_knows_better(scene: Scene, before: bytes) -> None:
    scene.publisher.publish(an_indicator(100))
    scene.publisher.write()
    assert scene.sync().code == 0
    scene.way.tamper = tampering.another_checkpoint(before)

    found = scene.sync()

    assert (found.code, found.report["code"]) == (14, "rollback")
    assert {"checkpoint-known", "checkpoint-new"} <= {*found.evidence}
    # Nor does it help to be asked by the same partner from an empty folder.
    assert scene.sync(out=scene.folder / "another").code == 14
    assert scene.proved() == scene.published()


def test_an_old_checkpoint_is_stale_for_whom_comes_new(scene: Scene) -> None:
    scene.way.tamper = tampering.another_checkpoint(
        scene.publisher.signed(age=DAY + 60, cosigned_by=WITNESSES[:2])
    )

    found = scene.sync()

    assert (found.code, found.report["code"]) == (16, "stale")


@pytest.mark.parametrize("at", [4, 13])
def test_a_fork_is_shown_to_whom_has_state_and_proves_itself(scene: Scene, before: bytes, at: int) -> None:
    """All witnesses are in it, too."""
    other = forked(scene.publisher, at)
    other.write()

    found = scene.sync()

    assert (found.code, found.report["code"]) == (15, "fork")
    assert {"checkpoint-known", "checkpoint-new", "consistency.txt"} <= {*found.evidence}
    assert scene.proved() == scene.published()


def test_a_fork_of_the_same_size_is_two_signed_roots(scene: Scene, before: bytes) -> None:
    other = scene.publisher.fork()
    other._nodes = {}
    other.entries.pop()
    other.publish(an_indicator(500))
    other.write()

    found = scene.sync()

    assert (found.code, {"checkpoint-known", "checkpoint-new"} <= {*found.evidence}) == (15, True)


def test_a_fork_for_a_new_client_is_cosigned_by_too_few(scene: Scene) -> None:
    """Whoever comes new has nothing to compare it with; the witnesses have."""
    other = forked(scene.publisher, 4)
    other.write(checkpoint=other.signed(cosigned_by=WITNESSES[:1]))

    found = scene.sync()

    assert (found.code, found.report["code"]) == (17, "quorum")
    assert "2 of" in found.report["sentence"]


def test_a_fork_for_a_new_client_with_all_witnesses_in_it_is_found_by_gossip(
    scene: Scene, before: bytes
) -> None:
    other = forked(scene.publisher, 4)
    other.write()
    newcomer = scene.folder / "newcomer"
    root = str(scene.folder / "root.json")
    location = scene.way.location()
    assert (
        scene.stillwatch("verify", "init", "--root", root, "--at", location, "--home", str(newcomer)).code
        == 0
    )
    assert scene.sync(out=scene.folder / "newcomers", home=newcomer).code == 0

    mine = str(scene.home)
    found = scene.stillwatch("gossip", mine, str(newcomer), location, "--home", mine)

    assert (found.code, found.report["code"]) == (15, "fork")
    assert found.evidence


def test_a_fork_for_a_witness_gets_no_cosignature_and_is_kept_as_evidence(tmp_path: Path) -> None:
    publisher = honest(tmp_path / "mirror")
    witness = Running.make(tmp_path, "w.example/a")
    vkeys = [one.key.vkey() for one in publisher.note_signers()]
    (witness.home / "logs.txt").write_text("".join(f"{vkey}\n" for vkey in vkeys))
    size = len(publisher.entries)
    witness.start()
    try:
        honestly = add_checkpoint(witness, publisher, since=0)
        other = forked(publisher, 4)
        answers = [add_checkpoint(witness, other, since=since) for since in (size, 0)]
    finally:
        witness.stop()

    assert (honestly.status, honestly.body[:3]) == (200, "—".encode())
    assert [answer.status for answer in answers] == [422, 409]
    assert not any("—".encode() in answer.body for answer in answers)
    assert [*(witness.home / "evidence").rglob("*.json")]


def add_checkpoint(witness: Running, publisher: Publisher, *, since: int) -> by_hand.Said:
    """The publisher asks the witness to cosign its log as it is now."""
    proof = merkle.consistency_proof(since, len(publisher.entries), publisher.node)
    note = publisher.signed(cosigned_by=())
    return by_hand.call(witness.url, "POST", "/add-checkpoint", by_hand.request(since, proof, note))


class _Keys:
    """The signer's store of keys."""

    def __init__(self, publisher: Publisher) -> None:
        ed25519, ml_dsa_44 = publisher.log_signers
        self._keys: dict[str, Ed25519Signer | MlDsa44Signer] = {
            ed25519.kid: ed25519,
            ml_dsa_44.kid: ml_dsa_44,
        }

    def held(self) -> list[HeldKey]:
        return []

    def generate(self, purpose: Purpose) -> HeldKey:
        raise NotImplementedError

    def destroy(self, kid: str, purpose: Purpose) -> None:
        raise NotImplementedError

    def key(self, kid: str, purpose: Purpose) -> Ed25519Signer | MlDsa44Signer:
        return self._keys[kid]


class _Marks(dict[str, Mark]):
    """Its memory."""

    def read(self, origin: str) -> Mark | None:
        return self.get(origin)

    def write(self, origin: str, mark: Mark) -> None:
        self[origin] = mark


def asked(publisher: Publisher, *, since: int) -> SignCheckpoint:
    tree = publisher.tree()
    ed25519, ml_dsa_44 = publisher.log_signers
    proof = merkle.consistency_proof(since, tree.size, publisher.node) if since <= tree.size else []
    return SignCheckpoint(
        ed25519=ed25519.kid,
        ml_dsa=ml_dsa_44.kid,
        origin=tree.origin,
        size=tree.size,
        root=tree.root,
        proof=proof,
    )


def test_an_old_database_is_signed_no_more_by_the_signer_that_remembers(tmp_path: Path) -> None:
    publisher = honest(tmp_path)
    signer = SigningService(keys=_Keys(publisher), marks=_Marks(), clock=lambda: publisher.clock)
    size = len(publisher.entries)
    assert isinstance(signer.answer(asked(publisher, since=0)), SignedNote)
    restored = publisher.fork()
    restored._nodes = {}
    del restored.entries[9:]

    refusals = []
    for _ in range(7):
        refusals.append(signer.answer(asked(restored, since=min(size, len(restored.entries)))))
        restored.publish(an_indicator(600 + len(restored.entries)))

    codes = [refusal.code for refusal in refusals if isinstance(refusal, Refusal)]
    assert codes == [Code.SMALLER] * 5 + [Code.ANOTHER_ROOT, Code.INCONSISTENT]


def test_an_old_database_with_the_signers_memory_gone_too_is_found_out_by_partners(
    scene: Scene, before: bytes
) -> None:
    restored = scene.publisher.fork()
    restored._nodes = {}
    del restored.entries[9:]
    restored.write()
    assert scene.sync().code == 14

    for number in range(20):
        restored.publish(an_indicator(600 + number))
    restored.write()
    assert scene.sync().code == 15
    assert scene.proved() == scene.published()
