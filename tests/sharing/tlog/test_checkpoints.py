from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sharing.tlog import checkpoints
from sharing.tlog.checkpoints import Checkpoint, MalformedCheckpoint, cosignature_v1_message, cosigned_message

# The example of C2SP tlog-checkpoint and tlog-cosignature.
TEXT = "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
EMPTY = "example.com/log\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"


def test_the_example_of_the_specification_is_read_and_written_again() -> None:
    checkpoint = checkpoints.read(TEXT)

    assert (checkpoint.origin, checkpoint.size) == ("example.com/behind-the-sofa", 20852163)
    assert checkpoint.text == TEXT


def test_an_empty_log_has_the_root_of_nothing() -> None:
    assert checkpoints.read(EMPTY).root == sha256(b"").digest()


@pytest.mark.parametrize(
    "text",
    [
        "",
        TEXT[:-1],
        TEXT + "extension\n",
        TEXT + "\n",
        TEXT.replace("20852163", "020852163"),
        TEXT.replace("20852163", "+20852163"),
        TEXT.replace("20852163", "-1"),
        TEXT.replace("20852163", "٣"),
        TEXT.replace("20852163", "9223372036854775808"),
        TEXT.replace("20852163", "0"),
        TEXT.replace("20852163", "9" * 5000),
        TEXT.replace("q2I=", "q2J="),
        TEXT.replace("q2I=", "q2I"),
        TEXT.replace("CsUYap", "CsU+-p"),
        TEXT.replace("CsUY", ""),
        TEXT.replace("example.com/behind-the-sofa", ""),
        TEXT.replace("sofa", "s" * 256),
    ],
)
def test_another_spelling_is_refused(text: str) -> None:
    with pytest.raises(MalformedCheckpoint):
        checkpoints.read(text)


@given(st.text(max_size=120))
def test_any_text_is_refused_or_comes_back_the_same(text: str) -> None:
    for candidate in (text, f"log\n{text}", f"{text}\n{TEXT}", TEXT.replace("20852163", text)):
        try:
            checkpoint = checkpoints.read(candidate)
        except MalformedCheckpoint:
            continue
        assert checkpoint.text == candidate


def test_what_a_witness_signs_with_ed25519_is_that_of_the_specification() -> None:
    assert cosignature_v1_message(timestamp=1679315147, text=TEXT) == (
        b"cosignature/v1\ntime 1679315147\nexample.com/behind-the-sofa\n20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )


def test_what_is_signed_with_ml_dsa_is_the_cosigned_message_to_the_byte() -> None:
    message = cosigned_message(
        cosigner="w.example/1", timestamp=0x1234, checkpoint=Checkpoint("o", 258, b"r" * 32)
    )

    assert message == (
        b"subtree/v1\n\0"
        b"\x0bw.example/1"
        b"\0\0\0\0\0\0\x12\x34"
        b"\x01o"
        b"\0\0\0\0\0\0\0\0"
        b"\0\0\0\0\0\0\x01\x02" + b"r" * 32
    )
