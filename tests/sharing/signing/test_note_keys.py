import pytest

from sharing.signing.jws import BadSignature
from sharing.signing.keys import (
    LOG,
    KeySet,
    MalformedKeySet,
    PublishedKey,
    from_seed,
    jwks,
    ml_dsa_44_from_seed,
)
from sharing.signing.note_keys import (
    MalformedNoteKey,
    NoteKey,
    NoteSigner,
    SignatureType,
    cosigners,
    log_keys,
    verify_checkpoint,
)
from sharing.tlog.checkpoints import Checkpoint
from sharing.tlog.notes import Note, NoteSignature

ORIGIN = "feed.example/log/6f1b2a52-3f0a-4a53-9d0e-0d1f5ad8f0c1"
CHECKPOINT = Checkpoint(ORIGIN, 3, b"r" * 32)
NOW = 1_795_305_600

ED25519, ML_DSA_44 = from_seed(b"1" * 32), ml_dsa_44_from_seed(b"2" * 32)
LOG_SIGNERS = [
    NoteSigner(ORIGIN, SignatureType.ED25519, ED25519),
    NoteSigner(ORIGIN, SignatureType.ML_DSA_44, ML_DSA_44),
]
KEYS = [signer.key for signer in LOG_SIGNERS]


def signed(
    checkpoint: Checkpoint = CHECKPOINT, signers: list[NoteSigner] = LOG_SIGNERS, timestamp: int = NOW
) -> Note:
    return Note(
        checkpoint.text, tuple(one.sign_checkpoint(checkpoint, timestamp=timestamp) for one in signers)
    )


def test_a_checkpoint_with_both_lines_of_its_log_is_verified_and_dated() -> None:
    verified = verify_checkpoint(bytes(signed()), origin=ORIGIN, log_keys=KEYS)

    assert (verified.checkpoint, verified.timestamp) == (CHECKPOINT, NOW)


@pytest.mark.parametrize(("kept", "missing"), [(0, "ML-DSA-44"), (1, "Ed25519")])
def test_a_checkpoint_needs_both_lines(kept: int, missing: str) -> None:
    with pytest.raises(BadSignature, match=missing):
        verify_checkpoint(bytes(signed(signers=[LOG_SIGNERS[kept]])), origin=ORIGIN, log_keys=KEYS)


def test_a_verifier_that_was_given_one_kind_of_key_only_verifies_nothing() -> None:
    with pytest.raises(BadSignature, match="ML-DSA-44"):
        verify_checkpoint(bytes(signed()), origin=ORIGIN, log_keys=KEYS[:1])


def test_while_one_key_follows_another_either_may_sign() -> None:
    following = NoteSigner(ORIGIN, SignatureType.ED25519, from_seed(b"3" * 32))
    both = [*KEYS, following.key]

    verify_checkpoint(bytes(signed()), origin=ORIGIN, log_keys=both)
    verify_checkpoint(bytes(signed(signers=[following, LOG_SIGNERS[1]])), origin=ORIGIN, log_keys=both)


@pytest.mark.parametrize("line", [0, 1])
def test_every_changed_byte_of_a_line_is_refused(line: int) -> None:
    note = signed()
    raw = note.signatures[line].raw
    for place in [*range(0, len(raw), 97), 0, 7, len(raw) - 1]:
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        lines = [*note.signatures]
        lines[line] = NoteSignature(ORIGIN, KEYS[line].key_id, changed)
        with pytest.raises(BadSignature):
            verify_checkpoint(bytes(Note(note.text, tuple(lines))), origin=ORIGIN, log_keys=KEYS)


def test_a_wrong_line_beside_right_ones_is_refused() -> None:
    note = signed()
    wrong = NoteSignature(ORIGIN, KEYS[0].key_id, b"x" * 64)

    with pytest.raises(BadSignature):
        verify_checkpoint(bytes(Note(note.text, (*note.signatures, wrong))), origin=ORIGIN, log_keys=KEYS)


@pytest.mark.parametrize(
    "other",
    [
        Checkpoint(ORIGIN, 4, b"r" * 32),
        Checkpoint(ORIGIN, 3, b"s" * 32),
        Checkpoint("feed.example/log/00000000-0000-4000-8000-000000000000", 3, b"r" * 32),
    ],
)
def test_lines_over_another_tree_are_refused(other: Checkpoint) -> None:
    with pytest.raises(BadSignature):
        verify_checkpoint(bytes(Note(other.text, signed().signatures)), origin=ORIGIN, log_keys=KEYS)


def test_lines_of_strangers_are_passed_over() -> None:
    stranger = NoteSigner(ORIGIN, SignatureType.ED25519, from_seed(b"9" * 32))

    verify_checkpoint(bytes(signed(signers=[stranger, *LOG_SIGNERS])), origin=ORIGIN, log_keys=KEYS)


def test_witnesses_of_both_kinds_are_counted_by_name_and_wrong_lines_are_not() -> None:
    one = NoteSigner("one.example/w", SignatureType.COSIGNATURE_V1, from_seed(b"4" * 32))
    two = NoteSigner("two.example/w", SignatureType.ML_DSA_44, ml_dsa_44_from_seed(b"5" * 32))
    three = NoteSigner("three.example/w", SignatureType.COSIGNATURE_V1, from_seed(b"6" * 32))
    note = signed(signers=[*LOG_SIGNERS, one, two])
    wrong = NoteSignature(
        "three.example/w", three.key.key_id, two.sign_checkpoint(CHECKPOINT, timestamp=1).raw
    )
    note = Note(note.text, (*note.signatures, wrong))

    assert cosigners(note, {"1": one.key, "2": two.key, "3": three.key}) == {"1": NOW, "2": NOW}


def test_one_key_under_two_types_has_two_key_ids() -> None:
    log, witness = (
        NoteSigner("a.example", type_, ED25519).key
        for type_ in (SignatureType.ED25519, SignatureType.COSIGNATURE_V1)
    )
    assert log.key_id != witness.key_id


@pytest.mark.parametrize("key", KEYS)
def test_a_verifier_key_is_read_as_it_was_written(key: NoteKey) -> None:
    assert NoteKey.from_vkey(key.vkey()) == key


@pytest.mark.parametrize(
    "vkey",
    [
        "",
        "example.com/foo",
        "example.com/foo+530d903a",
        "example.com/foo+530d903a+",
        "example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/fo0+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U0=",
        "example.com/ foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
        "example.com/foo+530d903a+BukyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k",
    ],
)
def test_a_damaged_verifier_key_is_refused(vkey: str) -> None:
    with pytest.raises(MalformedNoteKey):
        NoteKey.from_vkey(vkey)


def test_the_keys_of_logs_stand_in_the_key_set_and_verify_no_object() -> None:
    published = [PublishedKey(signer.public_jwk(), use=LOG) for signer in (ED25519, ML_DSA_44)]
    of_objects = from_seed(b"7" * 32)
    key_set = jwks([*published, PublishedKey(of_objects.public_jwk())])

    assert log_keys(key_set, ORIGIN) == KEYS
    assert KeySet.from_jwks(key_set).kids == {of_objects.kid}
    assert [key.get("stillwatch_use") for key in key_set["keys"]] == ["log", "log", None]


def test_a_key_of_objects_signs_no_checkpoint() -> None:
    key_set = jwks([PublishedKey(signer.public_jwk()) for signer in (ED25519, ML_DSA_44)])

    assert log_keys(key_set, ORIGIN) == []


@pytest.mark.parametrize(
    "member", [{"kid": "A" * 43}, {"use": "enc"}, {"pub": "AAAA"}, {"priv": "AAAA"}, {"alg": 1}]
)
def test_a_damaged_log_key_damages_the_set(member: dict[str, object]) -> None:
    key_set = jwks([PublishedKey(ML_DSA_44.public_jwk(), use=LOG)])
    key_set["keys"][0].update(member)  # type: ignore[arg-type]

    if member == {"alg": 1}:  # another algorithm's key is passed over
        assert log_keys(key_set, ORIGIN) == []
        return
    with pytest.raises(MalformedKeySet):
        log_keys(key_set, ORIGIN)
