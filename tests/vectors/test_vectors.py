"""Our own verifier over every case of the vectors: what is ok passes, what is not is refused for the right reason."""

import json
from binascii import unhexlify
from contextlib import nullcontext
from hashlib import sha256
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from sharing.signing.jws import BadSignature
from sharing.signing.keys import KeySet
from sharing.signing.note_keys import NoteKey, cosigners, verify_checkpoint
from sharing.tlog import checkpoints, merkle, notes, proofs, statements, tiles
from sharing.tlog.checkpoints import MalformedCheckpoint
from sharing.tlog.merkle import BadProof
from sharing.tlog.notes import MalformedNote
from sharing.tlog.policy import MalformedPolicy, Policy
from sharing.tlog.proofs import MalformedProof
from sharing.tlog.statements import MalformedStatement
from sharing.tlog.tiles import Coordinate, MalformedPath, MalformedTile
from sharing.verifier.failures import VerificationFailed
from sharing.verifier.object import verify_object
from sharing.verifier.page import verify_page
from tests.vectors.generate import FILES, written
from tests.vectors.world import HERE

Case = dict[str, Any]


def load(name: str) -> Case:
    content = json.loads((HERE / name).read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def cases(name: str, part: str = "cases") -> Any:
    content = load(name)
    return pytest.mark.parametrize(
        ("case", "file"), [pytest.param(case, content, id=case["name"]) for case in content[part]]
    )


def test_the_files_are_those_that_the_generator_writes() -> None:
    assert {file.name for file in HERE.glob("*.json")} == set(FILES)
    for name, make in FILES.items():
        assert (HERE / name).read_text(encoding="utf-8") == written(make()), name


def test_every_file_has_cases_of_both_kinds_under_names_of_their_own() -> None:
    for name in FILES:
        parts = [part for part in load(name).values() if isinstance(part, list) and isinstance(part[0], dict)]
        assert all(len({case["name"] for case in part}) == len(part) for part in parts), name
        kinds = {case["ok"] for part in parts for case in part}
        assert kinds == ({True} if name == "roots.json" else {True, False}), name


@cases("object-signatures.json")
def test_object_signatures(case: Case, file: Case) -> None:
    keys = KeySet.from_jwks(file["jwks"])
    if not case["ok"]:
        with pytest.raises(VerificationFailed) as caught:
            verify_object(case["object"].encode("utf-8", "surrogatepass"), case["jws"], keys)
        assert caught.value.exit_code == case["exit"]
        return
    assert verify_object(case["object"].encode(), case["jws"], keys).kid == case["kid"]


@cases("statements.json")
def test_statements(case: Case, file: Case) -> None:
    if not case["ok"]:
        with pytest.raises(MalformedStatement):
            statements.read_statement(case["statement"].encode())
        return
    statements.read_statement(case["statement"].encode())
    entry = statements.entry(unhexlify(case["salt"]), case["statement"].encode())
    assert (entry.hex(), statements.leaf_hash(entry).hex()) == (case["entry"], case["leaf"])


@cases("roots.json")
def test_roots(case: Case, file: Case) -> None:
    leaves = [merkle.leaf_hash(unhexlify(leaf)) for leaf in file["leaves"]]
    assert merkle.root_of(leaves[: case["size"]]).hex() == case["root"]


@cases("inclusion.json")
def test_inclusion(case: Case, file: Case) -> None:
    def verify() -> None:
        merkle.verify_inclusion(
            leaf=unhexlify(case["leaf"]),
            index=case["index"],
            size=case["size"],
            proof=[*map(unhexlify, case["proof"])],
            root=unhexlify(case["root"]),
        )

    with nullcontext() if case["ok"] else pytest.raises(BadProof):
        verify()


@cases("consistency.json")
def test_consistency(case: Case, file: Case) -> None:
    def verify() -> None:
        merkle.verify_consistency(
            first=case["first"],
            second=case["second"],
            first_root=unhexlify(case["first_root"]),
            second_root=unhexlify(case["second_root"]),
            proof=[*map(unhexlify, case["proof"])],
        )

    with nullcontext() if case["ok"] else pytest.raises(BadProof):
        verify()


@cases("tiles.json", "paths")
def test_paths_of_tiles(case: Case, file: Case) -> None:
    if not case["ok"]:
        with pytest.raises(MalformedPath):
            tiles.parse(case["path"])
        return
    tile = Coordinate(case["level"], case["index"], case["width"])
    assert (tiles.parse(case["path"]), tile.path) == (tile, case["path"])


@cases("tiles.json", "trees")
def test_trees_of_tiles(case: Case, file: Case) -> None:
    size, leaves = case["size"], [merkle.leaf_hash(b"entry %d" % number) for number in range(case["size"])]
    levels = [leaves]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([merkle.node_hash(below[at], below[at + 1]) for at in range(0, len(below) - 1, 2)])
    every = tiles.all_of(size)

    assert len(every) == case["tiles"]
    for shown in case["shown"]:
        tile = tiles.parse(shown["path"])
        assert tile in every
        assert tile.level != "entries"
        first = tile.index * 256
        raw = b"".join(levels[8 * tile.level][first : first + tile.width])
        assert (len(raw), sha256(raw).hexdigest()) == (shown["bytes"], shown["sha256"])
        assert raw.hex() == shown.get("hashes", raw.hex())
    assert merkle.root_of(leaves).hex() == case["root"]


@cases("tiles.json", "bundles")
def test_bundles_of_entries(case: Case, file: Case) -> None:
    raw = unhexlify(case["bundle"])
    if not case["ok"]:
        with pytest.raises(MalformedTile):
            tiles.read_entry_bundle(raw)
        return
    assert [entry.hex() for entry in tiles.read_entry_bundle(raw)] == case["entries"]


@cases("notes.json")
def test_notes(case: Case, file: Case) -> None:
    key = NoteKey.from_vkey(case["vkey"])

    def verify() -> None:
        note = notes.read(case["note"].encode())
        lines = [line for line in note.signatures if key.made(line)]
        for line in lines:
            key.verify(note.text, line.raw)
        if not lines:
            raise BadSignature("nobody known signed")

    with nullcontext() if case["ok"] else pytest.raises((MalformedNote, BadSignature)):
        verify()


@cases("checkpoints.json")
def test_checkpoints(case: Case, file: Case) -> None:
    keys = [NoteKey.from_vkey(vkey) for vkey in file["log_vkeys"]]
    raw = case["note"].encode()
    if not case["ok"]:
        wrong = BadSignature if case["exit"] == 10 else (MalformedNote, MalformedCheckpoint)
        with pytest.raises(wrong):
            verify_checkpoint(raw, origin=file["origin"], log_keys=keys)
        return
    verified = verify_checkpoint(raw, origin=file["origin"], log_keys=keys)
    assert (verified.checkpoint.size, verified.timestamp) == (case["size"], case["timestamp"])
    assert verified.checkpoint.root.hex() == case["root"]
    witnesses = Policy.read(file["policy"].encode()).note_keys()
    assert sorted(cosigners(verified.note, witnesses)) == case["cosigners"]


@cases("cosignatures.json")
def test_cosignatures(case: Case, file: Case) -> None:
    key = NoteKey.from_vkey(case["vkey"])
    (line,) = notes.read_lines(case["line"])
    assert key.made(line)
    if not case["ok"]:
        with pytest.raises(BadSignature):
            key.verify(case["checkpoint"], line.raw)
        return
    assert key.verify(case["checkpoint"], line.raw) == case["timestamp"]
    assert key.message(case["checkpoint"], case["timestamp"]).hex() == case["message"]


@cases("policies.json")
def test_policies(case: Case, file: Case) -> None:
    if not case["ok"]:
        with pytest.raises(MalformedPolicy, match=f"^line {case['line']}: "):
            Policy.read(case["policy"].encode())
        return
    policy = Policy.read(case["policy"].encode())
    assert all(policy.met_by(set(names)) for names in case["met_by"])
    assert not any(policy.met_by(set(names)) for names in case["not_met_by"])


@cases("tlog-proofs.json")
def test_proofs_that_stand_alone(case: Case, file: Case) -> None:
    """The steps of C2SP tlog-proof, "Verifying a tlog proof"."""
    keys = [NoteKey.from_vkey(vkey) for vkey in file["log_vkeys"]]
    policy = Policy.read(file["policy"].encode())

    def verify() -> int:
        try:
            proof = proofs.read(case["proof"].encode())
            verified = verify_checkpoint(proof.checkpoint, origin=file["origin"], log_keys=keys)
            if not policy.met_by(set(cosigners(verified.note, policy.note_keys()))):
                return 17
            merkle.verify_inclusion(
                leaf=statements.leaf_hash(unhexlify(case["entry"])),
                index=proof.index,
                size=verified.checkpoint.size,
                proof=proof.hashes,
                root=verified.checkpoint.root,
            )
        except BadSignature:
            return 10
        except BadProof:
            return 11
        except (MalformedProof, MalformedNote, MalformedCheckpoint):
            return 20
        assert case["index"] == proof.index
        return 0

    assert verify() == case.get("exit", 0)


@cases("pages.json")
def test_pages(case: Case, file: Case) -> None:
    keys, page = KeySet.from_jwks(file["jwks"]), case["page"].encode()
    if not case["ok"]:
        with pytest.raises(VerificationFailed) as caught:
            verify_page(page, keys, ceiling=case.get("ceiling"))
        assert caught.value.exit_code == case["exit"]
        return
    report = verify_page(page, keys, ceiling=case.get("ceiling"))
    assert (report.objects, report.start, report.end) == (case["objects"], case["start"], case["end"])
    assert [*report.withdraws] == case["withdraws"]
    assert [[*owed] for owed in report.owed] == case["owed"]


@cases("ml-dsa-44.json")
def test_ml_dsa_44(case: Case, file: Case) -> None:
    public = MLDSA44PublicKey.from_public_bytes(unhexlify(case["public"]))

    def verify() -> None:
        public.verify(unhexlify(case["signature"]), unhexlify(case["message"]))

    with nullcontext() if case["ok"] else pytest.raises(InvalidSignature):
        verify()


def test_checkpoints_are_written_as_they_were_read() -> None:
    for case in load("checkpoints.json")["cases"]:
        if case["ok"]:
            note = notes.read(case["note"].encode())
            assert bytes(note) == case["note"].encode()
            assert checkpoints.read(note.text).text == note.text
