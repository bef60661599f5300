"""Vectors of what is signed about a tree: notes, checkpoints, cosignatures, policies, proofs."""

from typing import Any

from sharing.signing.keys import from_seed
from sharing.signing.note_keys import NoteSigner, SignatureType
from sharing.tlog import checkpoints, notes, proofs
from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.notes import Note, NoteSignature
from tests.sharing.verifier.log_simulator import ORIGIN, LogSimulator
from tests.vectors.world import (
    LOG,
    LOG_KEYS,
    LOG_VKEYS,
    NOW,
    OBJECT_KEY,
    POLICY,
    USED,
    WITNESSES,
    Case,
    MlDsa44,
    bad,
    good,
    seed,
)


def note_vectors() -> dict[str, Any]:
    key = from_seed(seed("note key"))
    signer = NoteSigner("example.com/notes", SignatureType.ED25519, key)

    def signed(text: str) -> str:
        line = NoteSignature(signer.key.name, signer.key.key_id, key.sign(text.encode()))
        return bytes(Note(text, (line,))).decode()

    note = signed("A text.\n")
    example = {
        "vkey": "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "note": "This is an example message.\n\n— example.com/foo "
        "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n",
    }
    stranger = notes.line(NoteSignature("example.com/other", b"\1\2\3\4", b"unknown"))
    wrong = notes.line(NoteSignature(signer.key.name, signer.key.key_id, bytes(64)))
    vkey = signer.key.vkey()
    faults = {
        "the text is altered": note.replace("A text", "A test"),
        "a line of the text is gone": signed("one\ntwo\n").replace("two\n", ""),
        "a bit of the signature": note[:-6] + ("A" if note[-6] != "A" else "B") + note[-5:],
        "a wrong line by the same key": note + wrong,
        "only a stranger signed": note.split("— ")[0] + stranger,
        "no signature": "A text.\n\n",
        "no empty line": note.replace("\n\n", "\n"),
        "the last newline is missing": note[:-1],
        "CRLF": note.replace("\n", "\r\n"),
        "a tab": note.replace("A text", "A\ttext"),
        "a hyphen for the dash": note.replace("—", "-"),
        "two spaces": note.replace("— example.com/notes ", "— example.com/notes  "),
        "a plus sign in the name": note.replace("example.com/notes", "example.com+notes"),
        "base64url": note.split(" example.com/notes ")[0] + " example.com/notes _-__\n",
        "base64 without padding": note.replace("=", ""),
        "a key id and nothing more": note.split(" example.com/notes ")[0] + " example.com/notes AQIDBA==\n",
    }
    return {
        "about": "Signed notes under one Ed25519 key (type 0x01). A line by a stranger is passed over.",
        "cases": [
            good("the example of C2SP signed-note", **example),
            good("one line", vkey=vkey, note=note),
            good("empty lines in the text", vkey=vkey, note=signed("\n\na\n\nb\n\n")),
            good("another script", vkey=vkey, note=signed("è subito sera\n")),
            good("a stranger signed too", vkey=vkey, note=note + stranger),
            *(bad(name, vkey=vkey, note=text) for name, text in faults.items()),
        ],
    }


def checkpoint_vectors() -> dict[str, Any]:
    raw = LOG.checkpoint(timestamp=NOW, witnesses=WITNESSES.values())
    note = notes.read(raw)
    tree = LOG.tree()
    ed25519, ml_dsa_44, *cosigned = note.signatures

    def lines(*signatures: NoteSignature, text: str = note.text) -> str:
        return bytes(Note(text, signatures)).decode()

    other_key = NoteSigner(ORIGIN, SignatureType.ED25519, from_seed(seed("stranger")))
    elsewhere = ORIGIN.replace("6f1b", "0000")
    other = Checkpoint(ORIGIN, tree.size, seed("stranger"))
    faults = {
        "the Ed25519 line is stripped": (10, lines(ml_dsa_44, *cosigned)),
        "the ML-DSA-44 line is stripped": (10, lines(ed25519, *cosigned)),
        "both lines are stripped": (10, lines(*cosigned)),
        "a larger size": (10, lines(*note.signatures, text=note.text.replace("\n7\n", "\n8\n"))),
        "another root": (10, lines(*note.signatures, text=other.text)),
        "another log": (10, lines(*note.signatures, text=note.text.replace("6f1b", "0000"))),
        "the key of a stranger": (10, lines(other_key.sign_checkpoint(tree, timestamp=NOW), ml_dsa_44)),
        "another time in the ML-DSA-44 line": (
            10,
            lines(ed25519, NoteSignature(ORIGIN, ml_dsa_44.key_id, (NOW + 1).to_bytes(8, "big") + ml_dsa_44.raw[8:])),
        ),
        "an extension line": (20, lines(*note.signatures, text=note.text + "more\n")),
        "a size with a leading zero": (20, lines(*note.signatures, text=note.text.replace("\n7\n", "\n07\n"))),
        "no root": (20, lines(*note.signatures, text=f"{ORIGIN}\n7\n")),
        "a root of 31 bytes": (20, lines(*note.signatures, text=f"{ORIGIN}\n7\n{notes.to_base64(tree.root[:-1])}\n")),
        "no note": (20, note.text),
    }  # fmt: skip
    empty = LogSimulator(OBJECT_KEY, log_keys=LOG_KEYS)

    def case(name: str, text: str, checkpoint: Checkpoint) -> Case:
        return good(name, note=text, size=checkpoint.size, root=checkpoint.root.hex(), timestamp=NOW)

    return {
        "about": "Checkpoints of one log, which an Ed25519 line (0x01) and an ML-DSA-44 line (0x06) must sign."
        " timestamp: of the ML-DSA-44 line. cosigners: the witnesses whose lines are right, by the policy's names.",
        "origin": ORIGIN,
        "log_vkeys": LOG_VKEYS,
        "policy": POLICY,
        "cases": [
            case("both lines and three witnesses", raw.decode(), tree) | {"cosigners": ["one", "three", "two"]},
            case("both lines in the other order", lines(ml_dsa_44, ed25519), tree) | {"cosigners": []},
            case("a wrong line of a witness", lines(ed25519, ml_dsa_44, cosigned[0],
                 NoteSignature(cosigned[2].name, cosigned[2].key_id, cosigned[0].raw)), tree) | {"cosigners": ["one"]},
            case("the example of docs/trust.md", LOG.checkpoint(2, timestamp=NOW).decode(), LOG.tree(2)) | {
                "cosigners": []},
            case("an empty log", empty.checkpoint(timestamp=NOW).decode(), empty.tree()) | {"cosigners": []},
            *(bad(name, code, note=text) for name, (code, text) in faults.items()),
            bad("a checkpoint of another log under the same keys", 10, note=LogSimulator(
                OBJECT_KEY, log_keys=LOG_KEYS, origin=elsewhere).checkpoint(timestamp=NOW).decode()),
        ],
    }  # fmt: skip


def cosigned_messages() -> dict[str, Any]:
    tree = LOG.tree()
    cases = []
    for name, signer in WITNESSES.items():
        line = signer.sign_checkpoint(tree, timestamp=NOW)
        message = signer.key.message(tree.text, NOW)
        cases.append(
            good(f"witness {name}, type {signer.key.type:#04x}", vkey=signer.key.vkey(), checkpoint=tree.text,
                 timestamp=NOW, message=message.hex(), line=notes.line(line))
        )  # fmt: skip
    for name, signer in WITNESSES.items():
        line = signer.sign_checkpoint(tree, timestamp=NOW)
        later = NoteSignature(line.name, line.key_id, (NOW + 60).to_bytes(8, "big") + line.raw[8:])
        cases.append(
            bad(
                f"witness {name}: another time",
                vkey=signer.key.vkey(),
                checkpoint=tree.text,
                line=notes.line(later),
            )
        )
    renamed = NoteSigner("four.example/witness", SignatureType.ML_DSA_44, MlDsa44("witness two"))
    line = WITNESSES["two"].sign_checkpoint(tree, timestamp=NOW)
    moved = NoteSignature(renamed.key.name, renamed.key.key_id, line.raw)
    cases.append(
        bad(
            "under another name of the same key",
            vkey=renamed.key.vkey(),
            checkpoint=tree.text,
            line=notes.line(moved),
        )
    )
    assert checkpoints.read(tree.text) == tree
    return {"about": "Cosignatures, and the bytes that they sign. message: in hexadecimal.", "cases": cases}


def policies() -> dict[str, Any]:
    one, two, three = (signer.key.vkey() for signer in WITNESSES.values())
    head = f"witness one {one} https://one.example/\nwitness two {two}\nwitness three {three}\n"
    nested = f"{head}group pair any one two\ngroup all-of-it all pair three\nquorum all-of-it\n"
    log_key = LOG_VKEYS[0]
    faults = {
        "no quorum": (3, head),
        "two quorums": (2, "quorum none\nquorum none\n"),
        "an unknown name": (4, f"{head}quorum four\n"),
        "a group before its members": (1, f"group g 1 one\n{head}quorum g\n"),
        "more than there are": (4, f"{head}group g 4 one two three\nquorum g\n"),
        "none of them": (4, f"{head}group g 0 one\nquorum g\n"),
        "a member of two groups": (5, f"{head}group g 1 one\ngroup h 1 one two\nquorum h\n"),
        "a name twice": (4, f"{head}group one 1 two\nquorum one\n"),
        "a key twice": (4, f"{head}witness four {one}\nquorum four\n"),
        "a witness called none": (1, f"witness none {one}\nquorum none\n"),
        "a key of a log": (1, f"witness log {log_key}\nquorum log\n"),
        "a key with another id": (1, f"witness one {one.replace('+', '+0', 1)}\nquorum one\n"),
        "a log": (1, f"log {log_key}\nquorum none\n"),
        "a carriage return": (1, "quorum none\r\n"),
        "no newline at the end": (1, "quorum none"),
    }
    return {
        "about": "Policies: which sets of witnesses meet the quorum. line: the first that is at fault. This feed's"
        " policies have no log lines, so one that has is refused.",
        "cases": [
            good("2 of 3", policy=POLICY, met_by=[["one", "two"], ["two", "three"], ["one", "two", "three"]],
                 not_met_by=[[], ["one"], ["three"], ["one", "four"]]),
            good("nested", policy=nested, met_by=[["one", "three"], ["two", "three"], ["one", "two", "three"]],
                 not_met_by=[[], ["one", "two"], ["three"]]),
            good("one witness", policy=f"{head}quorum three\n", met_by=[["three"]], not_met_by=[["one", "two"]]),
            good("nobody", policy="# nobody\n\n \tquorum\t none \n", met_by=[[]], not_met_by=[]),
            *(bad(name, line=line, policy=text) for name, (line, text) in faults.items()),
        ],
    }  # fmt: skip


def tlog_proofs() -> dict[str, Any]:
    checkpoint = LOG.checkpoint(timestamp=NOW, witnesses=[WITNESSES["one"], WITNESSES["three"]])
    proof = LOG.proof(3, checkpoint)
    text, entry = bytes(proof).decode(), LOG.entries[3].commit.hex()
    alone = LOG.checkpoint(timestamp=NOW)
    few = LOG.checkpoint(timestamp=NOW, witnesses=[WITNESSES["one"]])
    hashes = [notes.to_base64(one) for one in proof.hashes]
    only = LOG.checkpoint(1, timestamp=NOW, witnesses=[WITNESSES["one"], WITNESSES["two"]])
    note = notes.read(checkpoint)
    stripped = bytes(Note(note.text, tuple(one for one in note.signatures if len(one.raw) < 1000)))
    faults = {
        "another entry": (11, text, LOG.entries[2].commit.hex()),
        "another index": (11, text.replace("index 3", "index 2"), entry),
        "two hashes swapped": (
            11,
            text.replace(hashes[0], "?").replace(hashes[1], hashes[0]).replace("?", hashes[1]),
            entry,
        ),
        "a hash is missing": (11, text.replace(hashes[0] + "\n", ""), entry),
        "a hash more": (11, text.replace(hashes[0], f"{hashes[0]}\n{hashes[0]}"), entry),
        "an index beyond the tree": (11, text.replace("index 3", "index 7"), entry),
        "no witnesses": (17, bytes(LOG.proof(3, alone)).decode(), entry),
        "one witness": (17, bytes(LOG.proof(3, few)).decode(), entry),
        "no ML-DSA-44 line": (10, bytes(LOG.proof(3, stripped)).decode(), entry),
        "another format": (20, text.replace("tlog-proof@v1", "tlog-proof@v2"), entry),
        "an index with a leading zero": (20, text.replace("index 3", "index 03"), entry),
        "no index": (20, text.replace("index 3\n", ""), entry),
        "a hash of 31 bytes": (20, text.replace(hashes[0], notes.to_base64(proof.hashes[0][:-1])), entry),
        "no checkpoint": (20, text.split("\n\n")[0] + "\n\n", entry),
    }
    extra = bytes(proofs.TlogProof(3, proof.hashes, checkpoint, b"extra")).decode()
    return {
        "about": "Proofs that stand alone: of an entry (33 bytes, in hexadecimal), under a checkpoint of the log that"
        " meets the policy.",
        "origin": ORIGIN,
        "log_vkeys": LOG_VKEYS,
        "policy": POLICY,
        "cases": [
            good("entry 3 of 7", proof=text, entry=entry, index=3),
            good("with an extra", proof=extra, entry=entry, index=3),
            good("the only entry", proof=bytes(LOG.proof(0, only, size=1)).decode(),
                 entry=LOG.entries[0].commit.hex(), index=0),
            *(bad(name, code, proof=wrong, entry=of) for name, (code, wrong, of) in faults.items()),
        ],
    }  # fmt: skip


def ml_dsa_44() -> dict[str, Any]:
    """Comes last: the signatures that the other files used."""
    cases = []
    for place, ((public, message), signature) in enumerate(sorted(USED.items())):
        cases.append(good(f"signature {place}", public=public, message=message, signature=signature))
    public, message = sorted(USED)[0]
    signature = USED[public, message]
    flipped = f"{int(signature[:2], 16) ^ 1:02x}"
    cases.append(
        bad("a bit of the signature", public=public, message=message, signature=flipped + signature[2:])
    )
    cases.append(bad("another message", public=public, message=message + "00", signature=signature))
    cases.append(bad("a short signature", public=public, message=message, signature=signature[:-2]))
    return {
        "about": "ML-DSA-44 (FIPS 204, pure, no context): what the other files sign with it. In hexadecimal.",
        "cases": cases,
    }
