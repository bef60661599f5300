import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.tlog import proofs
from sharing.tlog.proofs import MalformedProof, TlogProof

CHECKPOINT = b"example.com/log\n3\nCsUY\n\n\xe2\x80\x94 example.com/log Uw2QOkn8\n"
PROOF = (
    b"c2sp.org/tlog-proof@v1\n"
    b"extra AAEC\n"
    b"index 73894\n"
    b"gSKyXoYZUgZ6jduWYrkDOARinOMGJveXjgMkBTcdPlQ=\n"
    b"B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n"
    b"\n" + CHECKPOINT
)


def test_a_proof_is_read_and_written_again() -> None:
    proof = proofs.read(PROOF)

    assert (proof.index, proof.extra, len(proof.hashes), proof.checkpoint) == (
        73894,
        b"\0\1\2",
        2,
        CHECKPOINT,
    )
    assert bytes(proof) == PROOF


def test_the_only_entry_of_a_log_needs_no_hashes_and_no_extra() -> None:
    proof = TlogProof(0, (), CHECKPOINT)

    assert bytes(proof) == b"c2sp.org/tlog-proof@v1\nindex 0\n\n" + CHECKPOINT
    assert proofs.read(bytes(proof)) == proof


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"@v1", b"@v2"),
        (b"index 73894", b"index 073894"),
        (b"index 73894", b"index -1"),
        (b"index 73894", b"index 9" + b"9" * 30),
        (b"index 73894\n", b""),
        (b"extra AAEC\n", b"extra AAEC\nextra AAEC\n"),
        (b"extra AAEC\n", b"extra AAED=\n"),
        (b"extra AAEC\n", b"extra\n"),
        (b"cdPlQ=", b"cdPlR="),
        (b"cdPlQ=", b"cdPlQ"),
        (b"cdPlQ=\n", b"cdPlQ=\r\n"),
        (b"gSKyXoYZ", b""),
        (b"gSKyXoYZ", b"\xff"),
        (b"\n\n" + CHECKPOINT, b"\n"),
        (CHECKPOINT, b""),
        (b"B95l", b"B95lDa8R83lS8n0eG+o0buTxRKQTYFi//1U8anccXmA=\n" * 62 + b"B95l"),
    ],
)
def test_what_is_no_proof_is_refused(old: bytes, new: bytes) -> None:
    assert old in PROOF
    with pytest.raises(MalformedProof):
        proofs.read(PROOF.replace(old, new, 1))


@given(st.binary(max_size=200) | st.text(alphabet="index 0123extra\nA=/@v", max_size=200).map(str.encode))
def test_any_bytes_are_refused_or_come_back_the_same(raw: bytes) -> None:
    for candidate in (raw, b"c2sp.org/tlog-proof@v1\n" + raw, PROOF.replace(b"73894", raw), PROOF + raw):
        try:
            proof = proofs.read(candidate)
        except MalformedProof:
            continue
        assert bytes(proof) == candidate
